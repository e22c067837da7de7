"""The build: the same bytes whatever happens to it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from gsi_datasets import build as build_module
from gsi_datasets import progress as progress_module
from gsi_datasets import workers as workers_module
from gsi_datasets.build import BuildError, BuildInterrupted, BuildReport, build
from gsi_datasets.images import encode_png
from gsi_datasets.ledger import FAILURES_IN_A_ROW, Ledger
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.schema import Operation
from gsi_datasets.spec import DatasetSpec, Split
from gsi_datasets.staging import scene_path
from gsi_datasets.storage import StorageError, damaged, file_digest, manifests
from gsi_datasets.worlds.specs import WorldError
from tests.factories import fake_scene_result


REPOSITORY = Path(__file__).parents[2]
COUNTS: dict[Operation, int] = {"CM": 9, "OP": 7, "SR": 3, "OR": 0}


def with_counts(counts: dict[Operation, int], version: str = "1.0.0") -> DatasetSpec:
    return DatasetSpec(name="gsi_fake", version=version, image_size=64, splits={"test": Split(counts=counts)})


SPEC = with_counts(COUNTS)


def make_scene(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    """Depends on its arguments only."""
    return fake_scene_result(index, wanted, spec.seed, 32)


def make_slowly(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    """The same, but every run takes its own time, so scenes end in another order."""
    time.sleep(random.SystemRandom().uniform(0, 0.2))
    return make_scene(spec, split, index, renderer, wanted)


def make_or_die(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    if index in (1, 4):
        os.kill(os.getpid(), signal.SIGKILL)
    return make_scene(spec, split, index, renderer, wanted)


def make_after_dying(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    died = Path(os.environ["GSI_TEST_FOLDER"]) / f"died-{index}"
    if index in (0, 3) and not died.exists():
        died.touch()
        os._exit(7)
    return make_scene(spec, split, index, renderer, wanted)


def make_or_raise(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    if index == 2:
        raise ZeroDivisionError("no such light")
    return make_scene(spec, split, index, renderer, wanted)


def make_or_hang(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    if index == 1:
        time.sleep(1000)
    return make_scene(spec, split, index, renderer, wanted)


def always_raise(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    raise RuntimeError(f"the lamp of scene {index} is broken")


def miss_a_folder(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    raise WorldError("world.folder: there is none; give one")


def without_removal(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    result = make_scene(spec, split, index, renderer, wanted)
    for row in [row for row in result.rows if row.operation == "SR"]:
        result.rows.remove(row)
        result.rejections.append(Rejection("SR", "glued"))
    return result


def always_the_same(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    row = fake_scene_result(0, ["CM"], 0, 32).rows[0].model_copy(update={"id": f"row-{index}"})
    return SceneResult(index, [row])


def make_heavy(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    """More bytes than the size of the pictures lets expect."""
    result = make_scene(spec, split, index, renderer, wanted)
    noise = encode_png(np.random.default_rng(index).integers(0, 256, (256, 256, 3), dtype=np.uint8))
    result.rows = [row.model_copy(update={"target_image": noise}) for row in result.rows]
    return result


def run(out: Path, spec: DatasetSpec = SPEC, **changes: object) -> BuildReport:
    options = {"renderer": "gl", "workers": 2, "make_scene": make_scene, "progress": False} | changes
    return build(spec, "test", out, **options)  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, str]:
    """Digest of every file."""
    return {str(path.relative_to(folder)): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def wait_for(happened: Callable[[], object]) -> None:
    """Wait until something happens that must happen within a minute."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive_in_group(group: int) -> bool:
    """Whether a process of the group runs; those that only wait to be reaped do not count."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it just ended
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder built without interruption by one worker."""
    out = tmp_path_factory.mktemp("reference")
    run(out, workers=1)
    return out


def staged_only(out: Path, monkeypatch: pytest.MonkeyPatch, spec: DatasetSpec = SPEC) -> Path:
    """Leave what a build leaves that is killed just before it writes shards; gives the staging folder."""

    def killed(*args: object, **facts: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "assemble", killed)
        with pytest.raises(RuntimeError, match="killed here"):
            run(out, spec)
    return out / ".staging" / f"{spec.name}-test-{spec.digest('test', 'gl')}"


def test_counts_are_met_exactly_and_nothing_else_is_left(reference: Path) -> None:
    (manifest,) = manifests(reference)
    assert manifest.counts == {"CM": 9, "OP": 7, "SR": 3}
    assert manifest.rows == 19
    pictures = ["card/cm.jpg", "card/op.jpg", "card/sr.jpg"]
    rows = ["gsi_fake/test-00000-of-00001.parquet", "gsi_fake/test.json"]
    assert sorted(tree(reference)) == ["README.md", *pictures, *rows]
    assert not list(reference.glob(".*"))


def test_load_dataset_decodes_every_column(reference: Path, tmp_path: Path) -> None:
    import datasets

    table = datasets.load_dataset(str(reference), "gsi_fake", split="test", cache_dir=str(tmp_path))
    (manifest,) = manifests(reference)
    assert len(table) == manifest.rows
    for row in table:
        assert row["source_image"].size == (32, 32)
        assert row["source_image"].mode == "RGB"
        assert np.asarray(row["source_depth"]).max() > 500
        assert np.asarray(row["target_instances"]).max() >= 2
        assert np.shape(row["intrinsics"]) == (3, 3)
        assert (row["ideal"] is None or row["ideal"]["centre"] is None) == (row["operation"] == "SR")
        assert row["objects_before"][0]["category"] == "table"
        assert json.loads(row["provenance"])["renderer"] == "gl"
    assert len(set(table["id"])) == manifest.rows


def test_rows_are_those_of_the_scenes_in_order(reference: Path) -> None:
    import pyarrow.parquet as pq

    found = pq.read_table(reference / "gsi_fake" / "test-00000-of-00001.parquet").to_pylist()
    expected, room = [], dict(COUNTS)
    for index in range(100):
        for row in make_scene(SPEC, "test", index, "gl", frozenset(["CM", "OP", "SR"])).rows:
            if room[row.operation]:
                room[row.operation] -= 1
                expected.append(row.to_example())
    assert found == expected


@pytest.mark.parametrize(("workers", "make"), [(2, make_slowly), (3, make_slowly), (3, make_after_dying)])
def test_bytes_do_not_depend_on_workers_timing_or_a_dying_process(
    workers: int, make: object, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GSI_TEST_FOLDER", str(tmp_path))
    run(tmp_path / "out", workers=workers, make_scene=make)
    assert tree(tmp_path / "out") == tree(reference)


def test_second_run_does_nothing(reference: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in reference.rglob("*.parquet")}
    report = run(reference, make_scene=always_raise)
    assert report.finished_before
    assert report.made == 0
    assert {path: path.stat().st_mtime_ns for path in reference.rglob("*.parquet")} == before


def test_summary_shows_counts_and_reasons(tmp_path: Path) -> None:
    report = run(tmp_path, make_scene=make_or_raise)
    lines = report.summary().splitlines()
    assert lines[0].startswith(f"gsi_fake/test: 19 triplets from {report.manifest.scenes} scenes")
    assert [line.split()[:2] for line in lines[2:5]] == [["CM", "9"], ["OP", "7"], ["SR", "3"]]
    assert lines[5].split() == ["scene", "1", "1", "error"]
    assert lines[6] == "seconds per scene: render 0.23, settle 0.05"
    assert run(tmp_path).summary().endswith("nothing to do")


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "a", progress=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gsi_fake/test: 19/19 triplets, ")
    assert "/h, " in line
    monkeypatch.setattr(progress_module, "SECONDS_PER_LINE", 0.0)
    report = run(tmp_path / "b", progress=True)
    assert len(capsys.readouterr().err.splitlines()) > report.manifest.scenes


def test_damaged_shard_is_built_again(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    shard = out / "gsi_fake" / "test-00000-of-00001.parquet"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    assert not run(out).finished_before
    assert tree(out) == tree(reference)


def test_resume_makes_no_staged_scene_again_and_redoes_torn_ones(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = staged_only(tmp_path / "out", monkeypatch)
    assert not list((tmp_path / "out" / "gsi_fake").glob("*"))
    whole = scene_path(folder, 1).read_bytes()
    for index, content in ((1, whole[:-7]), (3, b""), (4, whole), (5, whole[:-1] + b"\0")):
        scene_path(folder, index).write_bytes(content)
    (folder / ".00000002.scene.123.tmp").write_bytes(b"half")
    report = run(tmp_path / "out")
    assert report.made == 4
    assert tree(tmp_path / "out") == tree(reference)


def test_scenes_staged_for_fewer_operations_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest knows no counts, so a killed build of lower counts stages into the same folder."""
    staged_only(tmp_path / "out", monkeypatch, with_counts({"CM": 9, "SR": 1}))
    large = with_counts({"CM": 9, "OP": 2, "SR": 9})
    run(tmp_path / "out", large)
    run(tmp_path / "fresh", large)
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


def test_new_counts_and_versions_replace_the_old_split(tmp_path: Path) -> None:
    run(tmp_path / "out")
    newer = with_counts({"CM": 4}, version="1.1.0")
    run(tmp_path / "out", newer)
    run(tmp_path / "fresh", newer)
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


def test_process_that_dies_twice_costs_its_scene(tmp_path: Path) -> None:
    run(tmp_path, make_scene=make_or_die)
    (manifest,) = manifests(tmp_path)
    assert manifest.rejected["scene"] == {"crash": 2}
    assert manifest.rows == 19


@pytest.mark.slow
def test_process_that_hangs_costs_its_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "SCENE_SECONDS", 8.0)
    assert run(tmp_path, make_scene=make_or_hang).manifest.rejected["scene"] == {"crash": 1}


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_manager(tmp_path: Path) -> None:
    code = "from tests.gsi_datasets.test_build import *; run(Path(sys.argv[1]), make_scene=make_or_hang)"
    manager = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, start_new_session=True)
    try:
        wait_for(lambda: list(tmp_path.glob(".staging/*/00000002.scene")))
        manager.kill()
        manager.wait()
        wait_for(lambda: not alive_in_group(manager.pid))
    finally:
        if alive_in_group(manager.pid):
            os.killpg(manager.pid, signal.SIGKILL)


def test_exception_costs_its_scene(tmp_path: Path) -> None:
    report = run(tmp_path, make_scene=make_or_raise, keep_rejects=True)
    assert report.manifest.rejected["scene"] == {"error": 1}
    lines = [json.loads(line) for line in (tmp_path / "gsi_fake/rejects/test/rejects.jsonl").open(encoding="utf-8")]
    (error,) = [line for line in lines if line["reason"] == "error"]
    assert error["scene"] == 2
    assert "ZeroDivisionError: no such light (test_build.py, line" in error["detail"]
    assert len(lines) == sum(sum(reasons.values()) for reasons in report.manifest.rejected.values())
    pictures = [line["before"] for line in lines if line["before"]]
    assert pictures
    assert all((tmp_path / "gsi_fake/rejects/test" / name).read_bytes()[:4] == b"\x89PNG" for name in pictures)
    assert len(manifests(tmp_path)) == 1


def test_what_no_scene_can_do_without_ends_the_build_at_once(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"^world.folder: there is none; give one$"):
        run(tmp_path, make_scene=miss_a_folder)


def test_only_errors_stop_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=f"last {FAILURES_IN_A_ROW} scenes all failed.*the lamp of scene 7 is broken"):
        run(tmp_path, make_scene=always_raise)
    assert run(tmp_path).manifest.rows == 19, "what failed must not be remembered"


def test_hopeless_operation_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"splits\.test\.counts\.SR: 3 rows are wanted, but 61 scenes gave 0.* glued"):
        run(tmp_path, make_scene=without_removal)
    assert not list((tmp_path / "gsi_fake").glob("*"))


def test_duplicates_are_rejected_until_the_build_gives_up(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"counts\.CM: 9 rows are wanted, but 121 scenes gave 1 .* 120 duplicate"):
        run(
            tmp_path, SPEC.model_copy(update={"splits": {"test": Split(counts={"CM": 9})}}), make_scene=always_the_same
        )


def test_repeated_ids_stop_the_build() -> None:
    ledger = Ledger({"CM": 5})
    row = fake_scene_result(0, ["CM"]).rows[0]
    ledger.take(SceneResult(0, [row]))
    with pytest.raises(BuildError, match="ids must be unique"):
        ledger.take(SceneResult(1, [row.model_copy(update={"instruction": "Another."})]))


def test_rows_of_one_scene_do_not_overfill() -> None:
    ledger = Ledger({"CM": 2})
    row = fake_scene_result(0, ["CM"]).rows[0]
    rows = [row.model_copy(update={"id": f"row-{i}", "instruction": f"Move it {i} cm."}) for i in range(5)]
    assert ledger.take(SceneResult(0, rows)) == []
    assert ledger.kept == [(0, [0, 1])]
    assert not ledger.open


def test_rejections_of_full_operations_do_not_count() -> None:
    ledger = Ledger({"CM": 1, "OP": 1})
    ledger.take(SceneResult(0, [fake_scene_result(0, ["CM"]).rows[0]]))
    ledger.take(SceneResult(1, rejections=[Rejection("CM", "collision"), Rejection("OP", "collision")]))
    assert ledger.table() == {"OP": {"collision": 1}}


@pytest.mark.parametrize("out", ["/proc/gsi-bench", "{file}/below"])
def test_folder_that_cannot_be_written_is_refused_before_any_work(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = Path(out.format(file=tmp_path / "file"))
    with pytest.raises(StorageError, match=r"cannot be written .* choose another output folder"):
        run(target, make_scene=always_raise)


def test_too_little_space_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(StorageError, match=r"0\.0 GB are free"):
        run(tmp_path, make_scene=always_raise)


def test_second_build_of_the_same_folder_is_refused(tmp_path: Path) -> None:
    with build_module.staging_folder(tmp_path, "gsi_fake", "test", "0" * 16):
        code = "from tests.gsi_datasets.test_build import *; run(Path(sys.argv[1]))"
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
    assert other.returncode == 1
    assert "StorageError" in other.stderr
    assert "another build is writing into this folder" in other.stderr


def test_unknown_split_and_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"no split 'dev'; choose one of \['test'\]"):
        build(SPEC, "dev", tmp_path, renderer="gl", make_scene=make_scene)
    with pytest.raises(BuildError, match="workers: 0"):
        run(tmp_path, workers=0)


def test_disk_filling_up_in_a_worker_is_one_clear_error(tmp_path: Path) -> None:
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small file system")
    try:
        with pytest.raises(StorageError, match=r"\.scene: cannot be written \(No space left.*free some space"):
            run(mount, make_scene=make_heavy)
        left = [path for path in mount.rglob("*") if path.is_file()]
        assert [path for path in left if path.suffix == ".scene"]
        assert {path.suffix for path in left if path.name != "lock"} == {".scene"}
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_interrupt_keeps_scenes_and_says_how_to_go_on(reference: Path, tmp_path: Path) -> None:
    code = "from tests.gsi_datasets.test_build import *; run(Path(sys.argv[1]), make_scene=make_slowly)"
    started = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out")], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: list(tmp_path.glob("out/.staging/*/*.scene")))
    started.terminate()
    _, errors = started.communicate(timeout=20)
    assert BuildInterrupted.__name__ in errors
    assert "run the same command again to go on" in errors
    run(tmp_path / "out")
    assert tree(tmp_path / "out") == tree(reference)


@pytest.mark.slow
def test_bytes_do_not_depend_on_kills(reference: Path, tmp_path: Path) -> None:
    """SIGKILL to manager and workers at ten moments, then a run to the end."""
    rng = np.random.default_rng(5)
    code = "from tests.gsi_datasets.test_build import *; run(Path(sys.argv[1]), make_scene=make_slowly)"
    killed = 0
    for _ in range(40):
        started = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "out")], cwd=REPOSITORY, start_new_session=True
        )
        try:
            started.wait(timeout=float(rng.uniform(0.4, 2.5)))
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()
            killed += 1
        for manifest in manifests(tmp_path / "out"):
            assert not damaged(tmp_path / "out", manifest)
        if killed == 10:
            break
        if started.returncode == 0:
            assert tree(tmp_path / "out") == tree(reference)
            shutil.rmtree(tmp_path / "out")
    assert killed == 10
    run(tmp_path / "out")
    assert tree(tmp_path / "out") == tree(reference)
