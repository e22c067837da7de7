"""The recorded scenes that the stand-in player plays."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any


FOLDER = Path(__file__).parents[1] / "data" / "thor"


def names() -> list[str]:
    """Names without `_physics`, sorted."""
    return sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("FloorPlan*.json.gz"))


def recorded(name: str) -> dict[str, Any]:
    """`{"scene", "agent": {"position", "rotation"}, "objects": [...]}` as recorded from Unity."""
    value: dict[str, Any] = _read(FOLDER / f"{name.removesuffix('_physics')}.json.gz")
    return value


def assets() -> dict[str, Any]:
    """By asset id of ProcTHOR: `{"type", "size": [x, y, z], "primary", "secondary"}`."""
    value: dict[str, Any] = _read(FOLDER / "assets.json.gz")
    return value


def _read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))
