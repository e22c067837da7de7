"""A small built folder and folders of edits of it, for tests of everything that scores folders."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from gsi_metrics.rows import Rows, open_rows
from tests.folders import built_split


def data_folder(folder: Path, rows: int = 6) -> Path:
    """A built folder with one split ``test``."""
    built_split(folder, rows=rows)
    return folder


def edits_folder(data: Path, folder: Path, column: str = "target_image") -> Rows:
    """Edited pictures for every row: the true results, or another column."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = open_rows(data)
    for row in rows.read(rows.entries):
        (folder / f"{row['id']}.png").write_bytes(row[column]["bytes"])
    return rows


def resave(path: Path, size: tuple[int, int], mode: str = "RGB") -> None:
    """The picture at another size or in another mode."""
    image = Image.open(io.BytesIO(path.read_bytes())).resize(size)
    image.convert("I").convert(mode).save(path) if mode == "I;16" else image.convert(mode).save(path)
