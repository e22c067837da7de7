"""Rows to score against, one at a time: from a built folder, or from whatever `datasets.load_dataset` knows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gsi_datasets.storage import manifest_path, manifests, read_manifest


Row = dict[str, Any]

PAGE_BYTES = 1 << 16


class RowsError(ValueError):
    """No rows to score against; the message says where they were looked for and what to do."""


@dataclass(frozen=True)
class Entry:
    """What is known of a row without its pictures: id, scene and operation."""

    id: str
    scene: str
    operation: str


@dataclass(frozen=True, eq=False)
class Rows:
    """One split.

    Attributes:
        name: of the data set, config and split, to show.
        digest: of the content; scores of another content are not taken over.
        entries: every row by id, in the order of the split.
        read: gives the rows of these ids one after the other, in the order of the split, with undecoded pictures
            (``{"bytes": ...}``). Never more than a row group of a file is held in memory.
    """

    name: str
    digest: str
    entries: dict[str, Entry]
    read: Callable[[Collection[str]], Iterator[Row]]

    def with_depth(self) -> bool:
        """Whether the rows know how far things are, as simulated ones do and published ones do not."""
        first = next(self.read([next(iter(self.entries))]))
        return first.get("source_depth") is not None


def open_rows(data: str | Path, config: str | None = None, split: str = "test") -> Rows:
    """Open a split.

    Args:
        data: a built folder, or a name or path for `datasets.load_dataset`.
        config: which config; the only one by default.
        split: which split.

    Raises:
        RowsError: there is no such split, or its rows are none of ours.
    """
    folder = Path(data)
    if folder.is_dir() and (found := manifests(folder)):
        configs = sorted({item.config for item in found})
        if config is None and len(configs) > 1:
            raise RowsError(f"{data}: holds {configs}; choose one with config (--config)")
        chosen = config or configs[0]
        splits = sorted(item.split for item in found if item.config == chosen)
        if split not in splits:
            held = f"it has {splits}" if splits else f"there is no config {chosen!r}; it holds {configs}"
            raise RowsError(f"{data}: no split {split!r} of {chosen!r}; {held}")
        return _built(folder, chosen, split)
    return _loaded(str(data), config, split)


def _built(folder: Path, config: str, split: str) -> Rows:
    """Straight from Parquet: no copy in a cache, no other memory than a row group's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = manifest_path(folder, config, split)
    manifest = read_manifest(path)
    files = [folder / item.path for item in manifest.files]
    entries: list[Entry] = []
    groups: list[tuple[Path, int, set[str]]] = []
    for file in files:
        if not file.is_file():
            raise RowsError(f"{file}: is missing; build or download the data set again")
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            columns = parquet.read_row_group(group, columns=["id", "scene", "operation"]).to_pylist()
            entries += [Entry(**item) for item in columns]
            groups.append((file, group, {item["id"] for item in columns}))

    def read(ids: Collection[str]) -> Iterator[Row]:
        wanted = set(ids)
        for file, group, held in groups:
            if wanted & held:
                # A row at a time, page by page, with nothing read ahead: a third of the memory, and fast enough.
                parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=PAGE_BYTES)
                for batch in parquet.iter_batches(1, row_groups=[group], use_threads=False):
                    if batch.column("id")[0].as_py() in wanted:
                        yield batch.to_pylist()[0]
                pa.default_memory_pool().release_unused()

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Rows(f"{folder.resolve().name}/{config}/{split}", digest, _by_id(entries, str(folder)), read)


def _loaded(data: str, config: str | None, split: str) -> Rows:
    """By the datasets library, which maps its files into memory and reads from them what is asked for."""
    import datasets

    try:
        rows = datasets.load_dataset(data, config, split=split)
    except Exception as error:
        # The library, its file systems and the Hub client have no error class in common.
        where = f"{data}: neither a built folder nor a data set that `datasets` can load"
        raise RowsError(f"{where} (config {config}, split {split}): {error}") from error
    if missing := {"id", "scene", "operation", "source_image"} - set(rows.column_names):
        raise RowsError(f"{data}: has no column {sorted(missing)}; is this a gsi-bench data set?")
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(name, datasets.Image(decode=False))
    entries = [Entry(**item) for item in rows.select_columns(["id", "scene", "operation"])]

    def read(ids: Collection[str]) -> Iterator[Row]:
        wanted = set(ids)
        yield from rows.select([index for index, entry in enumerate(entries) if entry.id in wanted])

    # Fingerprints of the library change with its version and with the machine; checksums may be missing.
    content = [data, config, split, len(entries), [item.id for item in entries], str(rows.info.version)]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    name = "/".join(part for part in (data, config, split) if part)
    return Rows(name, digest, _by_id(entries, data), read)


def _by_id(entries: list[Entry], where: str) -> dict[str, Entry]:
    by_id = {entry.id: entry for entry in entries}
    if len(by_id) < len(entries):
        twice = Counter(entry.id for entry in entries).most_common(1)[0][0]
        raise RowsError(f"{where}: the id {twice} stands for several rows; the data set is damaged")
    if not by_id:
        raise RowsError(f"{where}: holds no rows")
    return by_id
