"""The metrics as Spaces: published once, loaded by `evaluate` at a revision, and as good as the installed ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gsi_metrics
from gsi_datasets import __version__
from gsi_metrics.publishing import space_files
from tests.gsi_metrics.scored import data_folder, edits_folder
from tests.hub import stub
from tests.hub.clients import client


pytestmark = pytest.mark.slow
TAG = f"v{__version__}"
WRITES = ("POST /spaces/", "PUT ", "/preupload/", "/commit/", "/tag/")
PUBLISH = """
import sys
from gsi_datasets.publishing.repository import HubError
from gsi_metrics.publishing import publish_metrics
try:
    for item in publish_metrics("someone", upload=True, public=True):
        print(item.repo_id, len(item.sent), item.url)
except HubError as error:
    sys.exit(f"HubError: {error}")
"""
COMPUTE = """
import json, sys
import evaluate
import gsi_metrics
given = json.loads(sys.argv[1])
options = {"perception": "truth", "progress": False, "data": sys.argv[2]}
for name in gsi_metrics.MODULES:
    published = evaluate.load(f"someone/{name}", revision=sys.argv[3], **options)
    assert "someone--" in type(published).__module__, type(published)
    found = published.compute(**given, cache=sys.argv[4] + "/published")
    assert found == gsi_metrics.load(name, **options).compute(**given, cache=sys.argv[4] + "/installed")
    print(name, found[name])
"""


def test_published_once_and_as_good_as_the_installed(tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data")
    rows = edits_folder(data, tmp_path / "edits")
    given = {
        "predictions": [str(tmp_path / "edits" / f"{name}.png") for name in rows.entries],
        "references": [*rows.entries],
    }
    with stub.running() as server:
        done = client(server, tmp_path / "home", "-c", PUBLISH)
        assert done.returncode == 0, done.stderr
        assert [line.split()[:2] for line in done.stdout.splitlines()] == [
            [f"someone/{name}", "4"] for name in gsi_metrics.MODULES
        ]
        for name in gsi_metrics.MODULES:
            repo = server.repos[f"someone/{name}"]
            assert not repo.private
            assert [title for title, _ in repo.commits] == ["initial", f"Version {__version__}"]
            assert repo.commits[-1][1] == space_files(name, "someone")
            assert repo.tags == {TAG: 1}

        server.requests.clear()
        again = client(server, tmp_path / "home", "-c", PUBLISH)
        assert again.returncode == 0, again.stderr
        assert [line.split()[1] for line in again.stdout.splitlines()] == ["0"] * 4
        assert server.requests
        assert not [request for request in server.requests if any(mark in request for mark in WRITES)]

        # The newest is broken; who asks for the version does not notice.
        for name in gsi_metrics.MODULES:
            files = server.repos[f"someone/{name}"].commits[-1][1]
            server.repos[f"someone/{name}"].commits.append(("broken", files | {f"{name}.py": b"1 / 0\n"}))
        place = [json.dumps(given), str(data), TAG, str(tmp_path / "cache")]
        done = client(server, tmp_path / "elsewhere", "-c", COMPUTE, *place)
        assert done.returncode == 0, done.stderr
        scores = dict(line.split() for line in done.stdout.splitlines())
        assert [*scores] == [*gsi_metrics.MODULES]
        assert float(scores["spatial_accuracy"]) == pytest.approx(1.0, abs=0.02)
        place[2] = "main"
        done = client(server, tmp_path / "elsewhere", "-c", COMPUTE, *place)
        assert "ZeroDivisionError" in done.stderr


def test_other_content_under_a_published_version_is_refused(tmp_path: Path) -> None:
    with stub.running() as server:
        assert client(server, tmp_path, "-c", PUBLISH).returncode == 0
        repo = server.repos["someone/spatial_accuracy"]
        repo.commits[1][1]["index.html"] = b"something else"
        done = client(server, tmp_path, "-c", PUBLISH)
        assert done.returncode == 1
        assert f"someone/spatial_accuracy: {TAG} is already published with another index.html" in done.stderr
        assert len(repo.commits) == 2


@pytest.mark.parametrize(
    ("status", "only", "told"),
    [
        (401, "", "the Hub does not accept the token; make a token with write permission"),
        (403, "repos/create", "the token may not write there; take one with write permission for someone"),
        (404, "repos/create", "the Hub shows this token no such owner or repository; check the name"),
        (412, "/commit/", "somebody else changed the repository meanwhile"),
        (503, "/commit/", "the Hub failed with status 503; nothing of it is visible before the one commit"),
        (500, "/tag/", "the Hub failed with status 500"),
    ],
)
def test_refusals_say_what_to_do_and_a_rerun_finishes(tmp_path: Path, status: int, only: str, told: str) -> None:
    with stub.running() as server:
        server.refuse, server.only = status, only
        done = client(server, tmp_path, "-c", PUBLISH, HF_TOKEN="hf_verysecret")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"HubError: someone/instruction_compliance: {told}")
        assert "refused by the test (Bearer ***)" in done.stderr
        assert "verysecret" not in done.stderr + done.stdout
        titles = [title for repo in server.repos.values() for title, _ in repo.commits]
        assert [title for title in titles if title != "initial"] == (
            [f"Version {__version__}"] if only == "/tag/" else []
        )
        assert not any(repo.tags for repo in server.repos.values())
        server.refuse = 0
        done = client(server, tmp_path, "-c", PUBLISH)
        assert done.returncode == 0, done.stderr
        assert all(repo.tags == {TAG: 1} and len(repo.commits) == 2 for repo in server.repos.values())
        assert len(server.repos) == 4


FASTER = """
from huggingface_hub import CommitOperationAdd, HfApi
commit = HfApi.create_commit
def second(self, repo_id, operations, **given):
    notes = [CommitOperationAdd("NOTES.md", b"faster")]
    commit(self, repo_id, notes, repo_type=given["repo_type"], commit_message="faster")
    return commit(self, repo_id, operations, **given)
HfApi.create_commit = second
"""


def test_who_comes_second_takes_nothing_back(tmp_path: Path) -> None:
    with stub.running() as server:
        done = client(server, tmp_path, "-c", FASTER + PUBLISH)
        assert "somebody else changed the repository meanwhile" in done.stderr
        repo = server.repos["someone/instruction_compliance"]
        assert [title for title, _ in repo.commits] == ["initial", "faster"]
        assert client(server, tmp_path, "-c", PUBLISH).returncode == 0
        assert repo.commits[-1][1]["NOTES.md"] == b"faster"
        assert repo.tags == {TAG: 2}


INVALID = """
import gsi_metrics.publishing as publishing
files = publishing.space_files
publishing.space_files = lambda *given: files(*given) | {"README.md": "---\\nsdk: [\\n---\\n".encode()}
"""


def test_a_card_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    with stub.running() as server:
        done = client(server, tmp_path, "-c", INVALID + PUBLISH)
        told = "HubError: someone/instruction_compliance: the Hub refused with status 400; mend what it names"
        assert told in done.stderr
        assert "Invalid metadata in README.md" in done.stderr
        assert [title for title, _ in server.repos["someone/instruction_compliance"].commits] == ["initial"]


def test_without_a_token_or_a_hub(tmp_path: Path) -> None:
    with stub.running() as server:
        done = client(server, tmp_path, "-c", PUBLISH, HF_TOKEN="")
        assert "there is no token of the Hub; make a token with write permission" in done.stderr
        assert server.requests == []
    done = client(server, tmp_path, "-c", PUBLISH)
    assert "the Hub cannot be reached, or the connection was cut" in done.stderr
    assert "Traceback" not in done.stderr
