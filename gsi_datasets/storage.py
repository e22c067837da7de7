"""The built folder: Parquet shards and a manifest per split, each written whole or not at all.

Layout: ``<out>/<config>/<split>-00000-of-0000N.parquet`` and ``<out>/<config>/<split>.json``. The manifest is written
last and taken away before any shard is touched: where it stands, the shards it names are complete.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gsi_datasets.schema import IMAGE_COLUMNS, OPERATIONS, EditRow, features


FEWEST_PER_GROUP, ROWS_PER_GROUP = 8, 24
"""Rows in a row group. Of 512 px, the first streamed row comes in a fifth of the time that usual groups need."""
SHARD_BYTES = 500_000_000  # before pictures that rows share are folded, which takes off about a third
# Rows of one scene share these pictures. A dictionary stores them once per row group, which takes a third off the
# download; the limit keeps Parquet from giving the dictionary up after its usual 1 MiB.
SHARED_COLUMNS = ("source_image", "background_image", "source_depth", "source_instances")
DICTIONARY_BYTES = 256 << 20
# What `datasets` itself writes: an inserted row then changes few chunks of an uploaded file.
CHUNKING = {"min_chunk_size": 256 << 10, "max_chunk_size": 1 << 20, "norm_level": 0}


class StorageError(RuntimeError):
    """The folder cannot be written or read; the message names the path and the remedy."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataFile(_Strict):
    """A shard: path relative to the built folder, size in bytes, SHA-256 and number of rows."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=0)


class Credit(_Strict):
    """An asset that is seen in the split, and whom to thank for it; named in each row's provenance."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str = ""
    author: str
    licence: str
    source: str


class Manifest(_Strict):
    """What a finished split is. Nothing in it depends on when, where or how often the build ran.

    Attributes:
        config: name of the spec.
        split: name of the split.
        version: of the data.
        digest: of all that decides the rows.
        package: version of this package.
        renderer: what drew the colours.
        wanted: rows asked for per operation; where there are several worlds, per ``<world>/<operation>``.
        counts: rows per operation.
        rows: their sum.
        picture_bytes: of the pictures of all rows, each counted in every row that shows it.
        scenes: how many were tried.
        rejected: operation -> reason -> how many candidates; operation ``scene`` for scenes lost as a whole.
        files: the shards, in order.
        credits: assets of the rows, by id.
        spec: the spec, without its splits.
        kind: simulated and verified, or published by others and converted.
        gate: which model looked at the rows after the build, and what it turned away; None if none did.
    """

    config: str
    split: str
    version: str
    digest: str
    package: str
    renderer: str
    wanted: dict[str, int]
    counts: dict[str, int]
    rows: int
    picture_bytes: int
    scenes: int
    rejected: dict[str, dict[str, int]]
    files: list[DataFile]
    credits: list[Credit]
    spec: dict[str, Any]
    kind: Literal["simulated", "published"] = "simulated"
    gate: dict[str, Any] | None = None

    @property
    def licences(self) -> dict[str, int]:
        """How many assets stand under each licence, by SPDX identifier."""
        names = sorted(credit.licence for credit in self.credits)
        return {name: names.count(name) for name in dict.fromkeys(names)}


def manifest_path(out: Path, config: str, split: str) -> Path:
    """Where the manifest of a split stands."""
    return out / config / f"{split}.json"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        StorageError: if it cannot be read or is none.
    """
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror}); build the split first") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise StorageError(
            f"{path}: is not a manifest of a built split ({place}: {first['msg']}); give a folder that gsi-bench "
            "build wrote; if it is one, remove this file and build again"
        ) from error


def manifests(out: Path) -> list[Manifest]:
    """The finished splits in a built folder, by config and split."""
    paths = (path for path in out.glob("*/*.json") if not path.relative_to(out).parts[0].startswith("."))
    return [read_manifest(path) for path in sorted(paths)]


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def damaged(out: Path, manifest: Manifest) -> str:
    """What is wrong with the shards that a manifest names; empty if each is there with its size and SHA-256."""
    for file in manifest.files:
        path = out / file.path
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != file.bytes or file_digest(path) != file.sha256:
            return f"{path} is not what was built"
    return ""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while writing `path` into one `StorageError`."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "make the folder writable"
        raise StorageError(
            f"{path}: cannot be written ({error.strerror or error}); {remedy} or choose another output folder, then "
            "run the same command again (what is finished is kept)"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, *pieces: bytes) -> None:
    """Write a file so that, killed at any instant, either the old or the new content stands there.

    Raises:
        StorageError: if the disk is full or the folder cannot be written; the temporary file is gone then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storing(path):
        try:
            with temporary.open("wb") as stream:
                for piece in pieces:
                    stream.write(piece)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def check_folder(out: Path, needed: int) -> None:
    """Create the output folder and try it before any work starts.

    Args:
        out: the folder.
        needed: estimate of what will be written, bytes.

    Raises:
        StorageError: if it cannot be written or has too little space.
    """
    with storing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / ".writable", b"probe")
    (out / ".writable").unlink(missing_ok=True)
    free = shutil.disk_usage(out).free
    if free < needed:
        raise StorageError(
            f"{out}: {free / 1e9:.1f} GB are free, about {needed / 1e9:.1f} GB are needed; free some space, choose "
            "another output folder, or build fewer triplets"
        )


def shard_rows(sizes: Sequence[int], target: int = SHARD_BYTES) -> list[int]:
    """How many rows go into each shard so that shards are of like size, near `target` bytes at most."""
    total = sum(sizes)
    shards = max(1, -(-total // target))
    rows = [0] * shards
    seen = 0
    for size in sizes:
        rows[min(shards - 1, seen * shards // max(total, 1))] += 1
        seen += size
    return [count for count in rows if count] or [0]


def write_shard(path: Path, rows: Iterator[EditRow], count: int) -> None:
    """Write the next `count` rows as one Parquet file, holding one row group in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = features().arrow_schema
    pictures = {name for name in schema.names if name.endswith(("_image", "_depth", "_instances"))}
    repeated = [f"{name}.bytes" for name in SHARED_COLUMNS] + [name for name in schema.names if name not in pictures]
    writer = pq.ParquetWriter(
        path,
        schema,
        compression=_codecs(schema),
        use_dictionary=repeated,
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        write_page_index=True,
        use_content_defined_chunking=CHUNKING,
    )
    with writer:
        writer.add_key_value_metadata({"content_defined_chunking": json.dumps(CHUNKING)})
        for group in row_groups(islice(rows, count)):
            table = pa.Table.from_pylist([row.to_example() for row in group], schema=schema)
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)


def row_groups(rows: Iterable[EditRow]) -> Iterator[list[EditRow]]:
    """Rows in groups that follow from their content.

    Were groups counted, an added row would shift the border of every group behind it, and stores of content-defined
    chunks would find few of the old chunks again. So a group ends, once it is large enough, where a scene begins whose
    name says so: soon after an added row the borders are the old ones. Scenes stay together more often, too, and
    pictures that their rows share are stored once per group.
    """
    group: list[EditRow] = []
    for row in rows:
        ends = len(group) >= FEWEST_PER_GROUP and row.scene != group[-1].scene and _marked(row.scene)
        if ends or len(group) == ROWS_PER_GROUP:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _marked(scene: str) -> bool:
    """Half of all names."""
    return hashlib.sha256(scene.encode()).digest()[0] % 2 == 0


def _codecs(schema: Any) -> dict[str, str]:
    """Codec of each column of an Arrow schema: none for pictures.

    PNG does not shrink further, and a codec's own blocks would hide from stores of content-defined chunks that a
    picture is there already.
    """
    import io

    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(schema.empty_table(), stream)
    stored = pq.ParquetFile(stream).schema
    paths = [stored.column(number).path for number in range(len(stored.names))]
    return {path: "none" if path.removesuffix(".bytes") in IMAGE_COLUMNS else "snappy" for path in paths}


def assemble(
    out: Path, staging: Path, config: str, split: str, rows: Iterator[EditRow], sizes: Sequence[int], **facts: Any
) -> Manifest:
    """Write the shards and the manifest of a split.

    All new shards are complete in `staging` before the first old file is touched. Then the old manifest goes, the old
    shards go, the new shards move in and the new manifest is written: a folder with a manifest is always whole, and
    one without says that it is not.

    Args:
        out: the built folder.
        staging: a folder of the same file system, for what is not finished.
        config: name of the spec.
        split: name of the split.
        rows: the rows in their final order, `len(sizes)` of them.
        sizes: bytes of each row; they decide where one shard ends and the next begins.
        facts: the other fields of the manifest, except those that follow from the rows.

    Raises:
        StorageError: if the disk is full or a folder cannot be written; nothing unfinished is left in `out` then.
    """
    folder = out / config
    asked = {slot.rpartition("/")[2] for slot in facts["wanted"]}
    counts: dict[str, int] = {name: 0 for name in OPERATIONS if name in asked or "chains" in asked}
    credits = {}

    def noted() -> Iterator[EditRow]:
        for row in rows:
            counts[row.operation] += 1
            for asset in json.loads(row.provenance).get("assets", ()):
                credits[asset["id"]] = Credit.model_validate(asset)
            yield row

    stream = noted()
    shards = shard_rows(sizes)
    names = [f"{split}-{number:05d}-of-{len(shards):05d}.parquet" for number in range(len(shards))]
    files = []
    try:
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, count in zip(names, shards, strict=True):
                temporary = staging / f"{name}.tmp"
                write_shard(temporary, stream, count)
                with temporary.open("rb+") as handle:
                    os.fsync(handle.fileno())
                files.append((temporary, folder / name, count))
            described = [
                DataFile(
                    path=final.relative_to(out).as_posix(),
                    bytes=temporary.stat().st_size,
                    sha256=file_digest(temporary),
                    rows=count,
                )
                for temporary, final, count in files
            ]
            manifest = Manifest(
                config=config,
                split=split,
                counts=counts,
                rows=len(sizes),
                picture_bytes=sum(sizes),
                files=described,
                credits=[credits[name] for name in sorted(credits)],
                **facts,
            )
            manifest_path(out, config, split).unlink(missing_ok=True)
            sync_folder(folder)
            for old in stale_shards(folder, split):
                old.unlink()
            for temporary, final, _ in files:
                temporary.replace(final)
            sync_folder(folder)
    finally:
        remove(staging.glob("*.tmp"))
    write_atomically(manifest_path(out, config, split), manifest.model_dump_json(indent=2).encode() + b"\n")
    return manifest


def stale_shards(folder: Path, split: str) -> list[Path]:
    """The shards of a split that stand in a folder."""
    digits = "[0-9]" * 5
    return sorted(folder.glob(f"{split}-{digits}-of-{digits}.parquet"))


def remove(paths: Iterable[Path]) -> None:
    """Remove files that may be gone already."""
    for path in paths:
        path.unlink(missing_ok=True)
