"""Reading a built folder back, to look at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gsi_datasets.record import Rejection
from gsi_datasets.storage import StorageError, manifest_path, manifests, read_manifest


def only_config(out: Path) -> str:
    """The one config of a built folder.

    Raises:
        StorageError: if there is none, or several to choose from.
    """
    names = sorted({item.config for item in manifests(out)})
    if len(names) != 1:
        found = f"holds {names}; choose one with --config" if names else "holds no finished dataset; build one first"
        raise StorageError(f"{out}: {found}")
    return names[0]


def read_rows(out: Path, config: str, split: str, count: int | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as stored (images as ``{"bytes": ...}``), in the order of the file.

    Args:
        out: a built folder.
        config: which config.
        split: which split.
        count: take so many at random; all if None.
        seed: of the choice.
    """
    import pyarrow.parquet as pq

    manifest = read_manifest(manifest_path(out, config, split))
    wanted = np.arange(manifest.rows)
    if count is not None and count < manifest.rows:
        wanted = np.sort(np.random.default_rng(seed).choice(manifest.rows, count, replace=False))
    rows: list[dict[str, Any]] = []
    start = 0
    for item in manifest.files:
        file = pq.ParquetFile(out / item.path)
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            inside = wanted[(wanted >= start) & (wanted < end)] - start
            if len(inside):
                rows += file.read_row_group(group).take(inside).to_pylist()
            start = end
    return rows


def read_rejects(out: Path, config: str, split: str) -> list[Rejection]:
    """What was rejected, with its pictures; empty if the build did not keep it."""
    folder = out / config / "rejects" / split
    listing = folder / "rejects.jsonl"
    if not listing.is_file():
        return []
    rejections = []
    for line in listing.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        pictures = {key: (folder / record[key]).read_bytes() for key in ("before", "after") if record.get(key)}
        texts = {key: record[key] for key in ("operation", "reason", "detail", "instruction")}
        rejections.append(Rejection(**texts, **pictures))
    return rejections
