from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi_datasets import storage
from gsi_datasets.images import encode_png
from gsi_datasets.schema import Triplet, features
from gsi_datasets.staging import staging_folder
from gsi_datasets.storage import (
    Manifest,
    StorageError,
    assemble,
    damaged,
    file_digest,
    manifests,
    shard_rows,
    write_atomically,
)
from tests.factories import fake_triplet


REPOSITORY = Path(__file__).parents[2]
OPERATIONS = ("CM", "OP", "OR", "RP", "SR", "OS")


def rows(number: int) -> list[Triplet]:
    return [fake_triplet(seed // 6, OPERATIONS[seed % 6], 32) for seed in range(number)]


def store(out: Path, content: Sequence[Triplet], version: str = "1.0.0") -> Manifest:
    """Assemble rows, taking each for 1000 bytes."""
    with staging_folder(out, "config", "test", "0" * 16) as staging:
        return assemble(
            out,
            staging,
            "config",
            "test",
            iter(content),
            [1000] * len(content),
            version=version,
            digest="0" * 16,
            package="0",
            renderer="gl",
            wanted=dict.fromkeys(OPERATIONS, 1),
            scenes=3,
            rejected={"CM": {"collision": 2}},
            spec={},
        )


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "shard_rows", lambda sizes: shard_rows(sizes, 20_000))


def test_shard_is_what_datasets_and_the_hub_expect(tmp_path: Path) -> None:
    content = rows(50)
    store(tmp_path, content)
    file = pq.ParquetFile(tmp_path / "config" / "test-00000-of-00001.parquet")
    groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sum(groups) == 50
    assert all(8 <= count <= 24 for count in groups[:-1])
    assert file.read().to_pylist() == [row.to_example() for row in content]
    metadata = file.schema_arrow.metadata
    assert json.loads(metadata[b"huggingface"])["info"]["features"].keys() == features().keys()
    assert "min_chunk_size" in json.loads(file.metadata.metadata[b"content_defined_chunking"])
    column = file.metadata.row_group(0).column(0)
    assert column.has_offset_index
    assert column.has_column_index


def test_pictures_that_rows_share_are_stored_once_per_group(tmp_path: Path) -> None:
    import numpy as np

    noise = encode_png(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    shared = [row.model_copy(update={"source_image": noise, "id": f"row-{i}"}) for i, row in enumerate(rows(24))]
    (file,) = store(tmp_path, shared).files
    assert file.bytes < 3 * len(noise) + 24 * 30_000


@pytest.mark.usefixtures("small_shards")
def test_shards_follow_each_other_and_the_manifest_knows_them(tmp_path: Path) -> None:
    content = rows(50)
    manifest = store(tmp_path, content)
    names = [f"config/test-0000{number}-of-00003.parquet" for number in range(3)]
    assert [file.path for file in manifest.files] == names
    assert [row for name in names for row in pq.read_table(tmp_path / name)["id"].to_pylist()] == [
        row.id for row in content
    ]
    assert sum(file.rows for file in manifest.files) == manifest.rows == 50
    assert sum(manifest.counts.values()) == 50
    assert manifest.licences == {"Apache-2.0": 1, "CC-BY-3.0": 1}
    assert manifests(tmp_path) == [manifest]
    assert not damaged(tmp_path, manifest)
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.usefixtures("small_shards")
def test_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    assert store(tmp_path / "a", rows(30)) == store(tmp_path / "b", rows(30))


@pytest.mark.usefixtures("small_shards")
def test_new_shards_replace_the_old_ones(tmp_path: Path) -> None:
    store(tmp_path, rows(50))
    (tmp_path / "config" / "train-00000-of-00001.parquet").touch()
    manifest = store(tmp_path, rows(30), "1.1.0")
    assert sorted(path.name for path in (tmp_path / "config").iterdir()) == [
        "test-00000-of-00002.parquet",
        "test-00001-of-00002.parquet",
        "test.json",
        "train-00000-of-00001.parquet",
    ]
    assert manifests(tmp_path) == [manifest]


def test_an_added_row_moves_few_borders_of_groups() -> None:
    row = rows(1)[0]
    many = [
        row.model_copy(update={"id": f"{scene}-{number}", "scene": f"scene-{scene}"})
        for scene in range(80)
        for number in range(1 + scene % 13)
    ]
    before = [[item.id for item in group] for group in storage.row_groups(many)]
    assert [name for group in before for name in group] == [item.id for item in many]
    assert all(8 <= len(group) <= 24 for group in before[:-1])
    assert len({len(group) for group in before}) > 3
    for place in (0, 100, 300):
        added = row.model_copy(update={"id": "new", "scene": "new"})
        after = [[item.id for item in group] for group in storage.row_groups([*many[:place], added, *many[place:]])]
        changed = [group for group in after if group not in before]
        assert 1 <= len(changed) <= 6


def test_one_group_of_rows_is_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, written = [0], [0]

    def counted() -> Iterator[Triplet]:
        for row in rows(60):
            drawn[0] += 1
            yield row

    write = pq.ParquetWriter.write_table

    def watched(writer: pq.ParquetWriter, table: pa.Table, **options: object) -> None:
        assert drawn[0] - written[0] <= storage.ROWS_PER_GROUP + 1  # the one that begins the next group
        write(writer, table, **options)
        written[0] = drawn[0]

    monkeypatch.setattr(pq.ParquetWriter, "write_table", watched)
    storage.write_shard(tmp_path / "x.parquet", counted(), 60)
    assert written == [60]


@pytest.mark.usefixtures("small_shards")
def test_full_disk_leaves_the_old_split_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = store(tmp_path, rows(50))
    write = storage.write_shard

    def full(path: Path, stream: Iterator[Triplet], number: int) -> None:
        if "00001-of" in path.name:
            path.write_bytes(b"PAR1 half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, stream, number)

    monkeypatch.setattr(storage, "write_shard", full)
    with pytest.raises(StorageError, match=r"config: cannot be written \(No space left.*free some space"):
        store(tmp_path, rows(30), "1.1.0")
    assert manifests(tmp_path) == [old]
    assert not damaged(tmp_path, old)
    assert not list(tmp_path.rglob("*.tmp"))


def test_damage_is_named(tmp_path: Path) -> None:
    manifest = store(tmp_path, rows(3))
    shard = tmp_path / manifest.files[0].path
    shard.write_bytes(shard.read_bytes()[:-1] + b"2")
    assert damaged(tmp_path, manifest) == f"{shard} is not what was built"
    shard.unlink()
    assert damaged(tmp_path, manifest) == f"{shard} is missing"


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    for content, what in (("{}", r"config: Field required"), ("", "the file: "), ('{"rows": 1.5}', "config: Field")):
        (tmp_path / "config" / "test.json").write_text(content)
        with pytest.raises(StorageError, match=rf"test\.json: is not a manifest of a built split \({what}") as caught:
            manifests(tmp_path)
        assert len(str(caught.value).splitlines()) == 1


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    with path.open("rb") as reader:
        write_atomically(path, b"newer")
        assert reader.read() == b"old", "who reads a file must not see the next one being written"
    write_atomically(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.integers(1, 1000), max_size=60), st.integers(1, 3000))
def test_shards_hold_every_row_and_are_of_like_size(sizes: list[int], target: int) -> None:
    counts = shard_rows(sizes, target)
    assert sum(counts) == len(sizes)
    assert all(counts) or not sizes
    start = 0
    for number in counts:
        assert sum(sizes[start : start + number]) <= target + max(sizes, default=0)
        start += number


def die_at(touches: Iterator[int], instant: int, folder: str, event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: SIGKILL at the given touch of a folder."""
    changes = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
    if event in changes and folder in str(arguments) and next(touches) == instant:
        os.kill(os.getpid(), signal.SIGKILL)


def kill_everywhere(base: Path, scratch: Path, content: Sequence[Triplet], final: dict[str, str]) -> int:
    """Run `store` over a copy of `base` in children killed at their 1st, 2nd, ... touch of the folder.

    After each kill the folder must say the truth, and storing once more must give the files of `final`.
    """
    for instant in range(1, 1000):
        out = scratch / str(instant)
        shutil.copytree(base, out)
        if (child := os.fork()) == 0:
            sys.addaudithook(partial(die_at, count(1), instant, str(out)))
            store(out, content, "1.1.0")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        for manifest in manifests(out):
            assert not damaged(out, manifest), instant
            shards = sorted((out / "config").glob("*.parquet"))
            assert [out / file.path for file in manifest.files] == shards, instant
        store(out, content, "1.1.0")
        assert {path.name: file_digest(path) for path in (out / "config").iterdir()} == final, instant
        shutil.rmtree(out)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return instant - 1
    raise AssertionError("never came to the end")


@pytest.mark.slow
@pytest.mark.usefixtures("small_shards")
def test_folder_says_the_truth_wherever_it_is_killed(tmp_path: Path) -> None:
    """Three shards replace two. Forks, so it runs in a process of its own that has no threads yet."""
    store(tmp_path / "base", rows(30))
    store(tmp_path / "final", rows(50), "1.1.0")
    code = (
        "from tests.gsi_datasets.test_storage import *\n"
        "base, final, scratch = map(Path, sys.argv[1:])\n"
        "storage.shard_rows = lambda sizes: shard_rows(sizes, 20_000)\n"
        "digests = {path.name: file_digest(path) for path in (final / 'config').iterdir()}\n"
        "print(kill_everywhere(base, scratch, rows(50), digests))"
    )
    places = [str(tmp_path / name) for name in ("base", "final", "scratch")]
    done = subprocess.run(
        [sys.executable, "-c", code, *places], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 12, "the kills were not where the folder is changed"
