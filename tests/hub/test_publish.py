"""Publishing to a Hub and loading from it again, over real HTTP on the loopback interface."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gsi_datasets import hub
from tests.folders import built_split, fake_rows
from tests.hub import stub
from tests.hub.clients import ROOT, client


pytestmark = pytest.mark.slow
PUBLISH = """
import sys
from pathlib import Path
from gsi_datasets import hub
try:
    print(hub.publish(Path(sys.argv[1]), sys.argv[2], dry_run=False).url)
except hub.HubError as error:
    sys.exit(f"HubError: {error}")
"""


def test_publish_then_load(tmp_path: Path) -> None:
    out = tmp_path / "built"
    built_split(out, rows=7, shards=2)
    built_split(out, "gsi_syn_demo", rows=6, seed=90)
    (out / "notes.txt").write_text("not part of the dataset")
    with stub.running() as server:
        done = client(server, tmp_path, "-c", PUBLISH, str(out), "someone/gsi-bench")
        assert done.returncode == 0, done.stderr
        repo = server.repos["someone/gsi-bench"]
        assert repo.private
        assert [title for title, _ in repo.commits] == ["initial", "Version 1.0.0"]
        assert repo.tags == {"v1.0.0": 1}
        files = repo.commits[-1][1]
        assert set(files) == set(hub.publish(out, "someone/gsi-bench").files)
        tasks = [task["id"] for task in yaml.safe_load(files["eval.yaml"])["tasks"]]
        assert tasks[:2] == ["gsi_syn_demo_instruction_compliance", "gsi_syn_demo_spatial_accuracy"]
        for path in files.keys() - {"eval.yaml"}:
            assert files[path] == (out / path).read_bytes(), path
        assert b'load_dataset("someone/gsi-bench", "gsi_syn_table"' in files["README.md"]

        read = client(
            server, tmp_path, "-I", str(ROOT / "tests/hub/read_all.py"), "someone/gsi-bench", "gsi_syn_table", "test"
        )
        assert read.returncode == 0, read.stderr
        assert json.loads(read.stdout)["ids"] == [row.id for row in fake_rows(7)]

        server.requests.clear()
        again = client(server, tmp_path, "-c", PUBLISH, str(out), "someone/gsi-bench")
        assert again.returncode == 0, again.stderr
        writes = ("PUT ", "/preupload/", "/commit/", "/tag/", "/lfs/")
        assert not [request for request in server.requests if any(mark in request for mark in writes)]

        other = tmp_path / "other"
        built_split(other, rows=6, seed=30)
        again = client(server, tmp_path, "-c", PUBLISH, str(other), "someone/gsi-bench")
        assert again.returncode == 1
        assert "v1.0.0 is already published with another" in again.stderr
        assert "raise the version" in again.stderr
        assert len(repo.commits) == 2


def test_the_repository_becomes_the_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    built_split(first, rows=7, shards=2)
    built_split(first, "gsi_syn_demo", rows=6)
    built_split(second, rows=6, seed=30, version="1.1.0")
    with stub.running() as server:
        for out in (first, second):
            done = client(server, tmp_path, "-c", PUBLISH, str(out), "someone/gsi-bench")
            assert done.returncode == 0, done.stderr
        repo = server.repos["someone/gsi-bench"]
        pictures = {path for path in repo.commits[-1][1] if path.startswith("card/")}
        assert pictures
        assert set(repo.commits[-1][1]) - pictures == {
            "README.md",
            "eval.yaml",
            "gsi_syn_table/test-00000-of-00001.parquet",
            "gsi_syn_table/test.json",
        }
        assert repo.tags == {"v1.0.0": 1, "v1.1.0": 2}


def test_what_people_wrote_into_the_card_stays(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    built_split(first, rows=7)
    built_split(second, rows=6, seed=30, version="1.1.0")
    with stub.running() as server:
        done = client(server, tmp_path, "-c", PUBLISH, str(first), "someone/gsi-bench")
        assert done.returncode == 0, done.stderr
        repo = server.repos["someone/gsi-bench"]
        card = repo.commits[-1][1]["README.md"].decode()
        edited = card.replace("- benchmark\n", "- benchmark\n- ours\n") + "\n## From us\n\nCall us.\n"
        repo.commits.append(("by hand", repo.commits[-1][1] | {"README.md": edited.encode()}))
        done = client(server, tmp_path, "-c", PUBLISH, str(second), "someone/gsi-bench")
        assert done.returncode == 0, done.stderr
        now = repo.commits[-1][1]["README.md"].decode()
    assert now.rstrip().endswith("Call us.")
    assert "- ours\n" in now
    assert "Version 1.1.0: 6 rows" in now
    assert "7 rows" not in now


def test_refusals_and_silence_are_clear_errors(tmp_path: Path) -> None:
    out = tmp_path / "built"
    built_split(out)
    with stub.running() as server:
        server.refuse = 403
        done = client(server, tmp_path, "-c", PUBLISH, str(out), "someone/gsi-bench")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("HubError: someone/gsi-bench: the token may not write there")
        assert server.repos == {}
    done = client(server, tmp_path, "-c", PUBLISH, str(out), "someone/gsi-bench")
    assert done.returncode == 1
    assert "HubError: someone/gsi-bench: the Hub cannot be reached, or the connection was cut" in done.stderr
    assert "Traceback" not in done.stderr
