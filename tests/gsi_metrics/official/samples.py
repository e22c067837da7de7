"""The published sample that is in the repository, and copies of it with a change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


DATA = Path(__file__).parents[2] / "data"
SAMPLE = DATA / "official" / "fine_dataset"
PIPELINE = DATA / "v1" / "pipeline"
IMAGE = "0a1b2c3d4e_frame_000000"
MOVE, TURN, REMOVE, SCALE = (f"{IMAGE}_edit_{number}.json" for number in range(4))


def copy_of(folder: Path, source: Path = SAMPLE) -> Path:
    """A copy that a test may change."""
    shutil.copytree(source, folder)
    return folder


def changed(file: Path, **fields: Any) -> Path:
    """Write fields of an edit anew; ``...`` takes one away."""
    content = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))
    return file


def rows_of(out: Path, config: str) -> list[dict[str, Any]]:
    """All rows of a built folder's test split, as stored."""
    return [row for file in sorted((out / config).glob("test-*.parquet")) for row in pq.read_table(file).to_pylist()]
