"""Every way in which the publication of a data set can go wrong: nothing half, one clear message, a rerun finishes."""

from __future__ import annotations

import copy
import hashlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gsi_datasets import hub
from tests.folders import built_split
from tests.hub import stub
from tests.hub.clients import client


pytestmark = pytest.mark.slow
REPO = "someone/gsi-bench"
TOKEN = "hf_verysecret"
WRITES = ("PUT ", "/preupload/", "/commit/", "/tag/", "/lfs/")
# The command as it is installed, but that the clients' pauses between their tries are short.
COMMAND = """
import sys, time
nap = time.sleep
time.sleep = lambda seconds: nap(min(seconds, 0.01))
from gsi_datasets.cli import main
command = ["publish", "dataset", sys.argv[1], "--repo", sys.argv[2], "--yes"]
"""
ONCE = COMMAND + "sys.exit(main(command))"
TWICE = (
    COMMAND
    + """
if code := main(command):
    sys.exit(code)
from huggingface_hub import constants
from huggingface_hub.utils import get_session
get_session().get(constants.ENDPOINT + "/again")
sys.exit(main(command))
"""
)
LOG_IN = "make a token with write permission"
CUT = "the Hub cannot be reached, or the connection was cut; nothing of it is visible before the one commit; run the"
BUSY = "the Hub failed with status {}; nothing of it is visible before the one commit; run the same command again"
NO_TAG = "all files are there, only the tag v1.1.0 is not; run the same command again"
CUT_TAG = f"the Hub cannot be reached, or the connection was cut; {NO_TAG}"
NONSENSE = "the Hub's answer makes no sense to its client; check HF_ENDPOINT"
RACE = "somebody else changed the repository meanwhile; "


class World:
    """A Hub that holds version 1.0.0, and the folder of version 1.1.0."""

    def __init__(self, server: stub.Hub, folder: Path, home: Path) -> None:
        self.server, self.folder, self.home = server, folder, home
        self.old = dict(server.repos[REPO].commits[1][1])

    @property
    def repo(self) -> stub.Repo:
        return self.server.repos[REPO]

    def publish(self, code: str = ONCE, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"HF_TOKEN": TOKEN, "USE_TORCH": "0"} | variables  # datasets would load torch, which takes seconds
        return client(self.server, self.home, "-c", code, str(self.folder), REPO, **given)

    def check_whole(self) -> bool:
        """Check all that a reader could ever have seen; whether version 1.1.0 is in the newest state."""
        new = set(hub.publish(self.folder, REPO).files)
        for _, files in self.repo.commits[2:]:
            assert set(files) == new
            assert all(files[path] == (self.folder / path).read_bytes() for path in new - {"README.md", "eval.yaml"})
            assert b"Version 1.1.0: 6 rows" in files["README.md"]
        assert self.repo.commits[1] == ("Version 1.0.0", self.old)
        assert len(self.repo.commits) <= 3
        published = len(self.repo.commits) == 3
        assert self.repo.tags in ({"v1.0.0": 1}, {"v1.0.0": 1} | ({"v1.1.0": 2} if published else {}))
        return published


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[stub.Hub, Path]:
    """State of a Hub that holds version 1.0.0, and folder of version 1.1.0."""
    place = tmp_path_factory.mktemp("faults")
    built_split(place / "old", rows=7, shards=2)
    built_split(place / "old", "gsi_syn_demo", rows=6, seed=90)
    built_split(place / "new", rows=6, shards=2, seed=30, version="1.1.0")
    with stub.running() as server:
        done = client(server, place / "home", "-c", ONCE, str(place / "old"), REPO)
        assert done.returncode == 0, done.stderr
        return stub.Hub(repos=server.repos, blobs=server.blobs), place / "new"


@pytest.fixture
def world(start: tuple[stub.Hub, Path], tmp_path: Path) -> Iterator[World]:
    with stub.running() as server:
        server.repos, server.blobs = copy.deepcopy(start[0].repos), dict(start[0].blobs)
        yield World(server, start[1], tmp_path / "home")


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one message of a run that failed; the clients' own warnings and bars are above it."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "verysecret" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("gsi-bench: ")]
    assert len(lines) == 1
    assert done.stderr.endswith(f"{lines[0]}\n")
    return lines[0]


def check_a_rerun_finishes(world: World) -> None:
    """The same command again finishes, and then has nothing to do."""
    known = set(world.server.blobs)
    world.server.heal()
    done = world.publish(TWICE)
    assert done.returncode == 0, done.stderr
    assert world.check_whole()
    assert world.repo.tags == {"v1.0.0": 1, "v1.1.0": 2}
    between = world.server.requests.index("GET /again")
    finishing, nothing = world.server.requests[:between], world.server.requests[between + 1 :]
    assert not {request.removeprefix("PUT /blobs/") for request in finishing} & known
    assert "\nall there: " in done.stdout.split("\nnext:  ")[1]
    assert nothing
    assert not [request for request in nothing if any(mark in request for mark in WRITES)]


FATAL: list[tuple[str, dict[str, Any], str, bool]] = [
    ("cut-upload", {"cut": 1000, "only": "PUT /blobs/"}, CUT, False),
    ("cut-second-upload", {"cut": 1000, "only": "PUT /blobs/{second}"}, CUT, False),
    ("cut-preupload", {"cut": 20, "only": "/preupload/"}, CUT, False),
    ("cut-lfs-batch", {"cut": 20, "only": "/lfs/objects/batch"}, CUT, False),
    ("cut-commit", {"cut": 2000, "only": "/commit/"}, CUT, False),
    ("cut-before-a-byte", {"cut": 0}, CUT, False),
    ("lost-commit", {"lose": True, "only": "/commit/"}, CUT, True),
    ("lost-create", {"lose": True, "only": "/repos/create"}, CUT, False),
    ("cut-tag", {"cut": 5, "only": "/tag/"}, CUT_TAG, True),
    ("lost-tag", {"lose": True, "only": "/tag/"}, CUT_TAG, True),
    ("412-commit", {"refuse": 412, "only": "/commit/", "times": 1}, RACE + "nothing of it is visible", False),
    ("409-tag", {"refuse": 409, "only": "/tag/"}, RACE + NO_TAG, True),
    ("500-commit", {"refuse": 500, "only": "/commit/"}, BUSY.format(500), False),
    ("502-upload", {"refuse": 502, "only": "PUT /blobs/"}, BUSY.format(502), False),
    ("503-preupload", {"refuse": 503, "only": "/preupload/"}, BUSY.format(503), False),
    ("503-card", {"refuse": 503, "only": "/resolve/"}, BUSY.format(503), False),
    ("504-tree", {"refuse": 504, "only": "/tree/"}, BUSY.format(504), False),
    ("503-tag", {"refuse": 503, "only": "/tag/"}, f"the Hub failed with status 503; {NO_TAG}", True),
    ("429-commit", {"refuse": 429, "only": "/commit/"}, BUSY.format(429), False),
    ("401", {"refuse": 401}, f"the Hub does not accept the token; {LOG_IN}", False),
    ("401-commit", {"refuse": 401, "only": "/commit/"}, f"the Hub does not accept the token; {LOG_IN}", False),
    ("403-commit", {"refuse": 403, "only": "/commit/"}, "the token may not write there; take one with write", False),
    ("403-upload", {"refuse": 403, "only": "/lfs/objects"}, "the token may not write there; take one with", False),
    ("404", {"refuse": 404, "only": "/refs$"}, "the Hub shows this token no such owner or repository; check", False),
    ("400-commit", {"refuse": 400, "only": "/commit/"}, "the Hub refused with status 400; mend what it names", False),
    ("html-create", {"garble": b"<html>log in</html>", "only": "/repos/create"}, NONSENSE, False),
    ("html-tree", {"garble": b"<html>log in</html>", "only": "/tree/"}, NONSENSE, False),
    ("list-refs", {"garble": b"[]", "only": "/refs$"}, NONSENSE, False),
    ("empty-preupload", {"garble": b"{}", "only": "/preupload/"}, NONSENSE, False),
    ("null-commit", {"garble": b"null", "only": "/commit/"}, NONSENSE, False),
]


@pytest.mark.parametrize(
    ("fault", "message", "published"), [given[1:] for given in FATAL], ids=[given[0] for given in FATAL]
)
def test_a_run_that_fails(world: World, fault: dict[str, Any], message: str, published: bool) -> None:
    vars(world.server).update(fault)
    second = (world.folder / "gsi_syn_table/test-00001-of-00002.parquet").read_bytes()
    world.server.only = world.server.only.replace("{second}", hashlib.sha256(second).hexdigest())
    line = told(world.publish())
    assert line.startswith(f"gsi-bench: {REPO}: {message}")
    if "refuse" in fault:
        # Stores of large files are not told the token.
        assert f"refused by the test ({'None' if 'PUT' in fault.get('only', '') else 'Bearer ***'})" in line
    assert world.check_whole() == published
    check_a_rerun_finishes(world)


@pytest.mark.parametrize(
    "fault",
    [
        {"cut": 1000, "only": "PUT /blobs/"},
        {"lose": True, "only": "PUT /blobs/"},
        {"refuse": 500, "only": "PUT /blobs/"},
        {"refuse": 502, "only": "/preupload/"},
        {"refuse": 503, "only": "/lfs/objects/batch"},
        {"refuse": 504, "only": "/tree/"},
        {"refuse": 429, "only": "/preupload/"},
    ],
)
def test_what_passes_is_tried_again(world: World, fault: dict[str, Any]) -> None:
    vars(world.server).update(fault, times=1)
    done = world.publish()
    assert done.returncode == 0, done.stderr
    assert world.server.times == 0
    assert world.check_whole()
    assert world.repo.tags == {"v1.0.0": 1, "v1.1.0": 2}
    assert "verysecret" not in done.stdout + done.stderr


@pytest.mark.parametrize("fault", [{"cut": 1000, "only": "PUT /blobs/"}, {"refuse": 503, "only": "/commit/"}])
def test_the_first_publication_leaves_an_empty_repository(world: World, fault: dict[str, Any]) -> None:
    world.server.repos.clear()
    world.server.blobs.clear()
    vars(world.server).update(fault)
    told(world.publish())
    assert world.repo.private
    assert world.repo.commits == [("initial", {})]
    assert world.repo.tags == {}
    world.server.heal()
    done = world.publish()
    assert done.returncode == 0, done.stderr
    assert [title for title, _ in world.repo.commits] == ["initial", "Version 1.1.0"]
    assert world.repo.tags == {"v1.1.0": 1}


def test_who_may_not_make_a_repository_is_told(world: World) -> None:
    world.server.repos.clear()
    vars(world.server).update(refuse=403, only="/repos/create")
    line = told(world.publish())
    assert line.startswith(f"gsi-bench: {REPO}: the token may not write there; take one with write permission for")
    assert world.server.repos == {}


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", f"there is no token of the Hub; {LOG_IN}"),
        ("hf_verysecret\x01", f"the token holds letters that no token of the Hub has; {LOG_IN}"),
        ("hf_verysecret é", f"the token holds letters that no token of the Hub has; {LOG_IN}"),
    ],
)
def test_without_a_good_token_nothing_is_asked_or_written(
    world: World, tmp_path: Path, token: str, message: str
) -> None:
    world.folder = shutil.copytree(world.folder, tmp_path / "new")
    (world.folder / "README.md").unlink(missing_ok=True)
    assert told(world.publish(HF_TOKEN=token)).startswith(f"gsi-bench: {REPO}: {message}")
    assert world.server.requests == []
    assert not (world.folder / "README.md").exists()


def test_nobody_there(world: World) -> None:
    line = told(world.publish(HF_ENDPOINT="http://127.0.0.1:9"))
    assert line.startswith(f"gsi-bench: {REPO}: {CUT}")
    assert world.server.requests == []


# The whole process is killed right before or after one request.
KILLED = """
import os, signal
from huggingface_hub.utils import get_session
session = type(get_session())
send = session.send
def fatal(self, request, **given):
    hit = "{request}" in f"{{request.method}} {{request.url}}".replace(os.environ["HF_ENDPOINT"], "")
    answer = None if hit and {before} else send(self, request, **given)
    return os.kill(os.getpid(), signal.SIGKILL) if hit else answer
session.send = fatal
"""


@pytest.mark.parametrize(
    ("request_", "before", "published", "tagged"),
    [
        ("PUT /blobs/", True, False, False),
        ("PUT /blobs/", False, False, False),
        ("/commit/", True, False, False),
        ("/commit/", False, True, False),
        ("/tag/", True, True, False),
        ("/tag/", False, True, True),
    ],
)
def test_a_run_that_is_killed(world: World, request_: str, before: bool, published: bool, tagged: bool) -> None:
    done = world.publish(KILLED.format(request=request_, before=before) + ONCE)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    assert world.check_whole() == published
    assert ("v1.1.0" in world.repo.tags) == tagged
    check_a_rerun_finishes(world)


# Between looking at the repository and the commit, somebody edits the card there by hand.
EDITED = """
from huggingface_hub import CommitOperationAdd, HfApi
commit = HfApi.create_commit
def second(self, repo_id, operations, **given):
    notes = [CommitOperationAdd("README.md", b"# Ours\\n\\nCall us.\\n")]
    commit(self, repo_id, notes, repo_type=given["repo_type"], commit_message="by hand")
    return commit(self, repo_id, operations, **given)
HfApi.create_commit = second
"""


def test_a_card_that_is_edited_meanwhile_is_kept(world: World) -> None:
    line = told(world.publish(EDITED + ONCE))
    assert line.startswith(f"gsi-bench: {REPO}: {RACE}")
    assert [title for title, _ in world.repo.commits] == ["initial", "Version 1.0.0", "by hand"]
    assert world.repo.tags == {"v1.0.0": 1}
    done = world.publish()
    assert done.returncode == 0, done.stderr
    assert world.repo.tags == {"v1.0.0": 1, "v1.1.0": 3}
    card = world.repo.commits[3][1]["README.md"].decode()
    assert "Version 1.1.0: 6 rows" in card
    assert card.rstrip().endswith("Call us.")
