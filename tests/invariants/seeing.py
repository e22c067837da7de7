"""What a row shows: its two views as colours, metres and ids, and the points of an object in them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    """One image of a row: colours, metres, ids and the camera."""

    colour: NDArray[np.float64]
    depth: Array
    ids: NDArray[np.int64]
    intrinsics: Array
    extrinsics: Array

    def points(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Array:
        """(N, 3) world points at these pixels."""
        pixels = np.stack([cols + 0.5, rows + 0.5, np.ones(len(rows))])
        camera = (np.linalg.inv(self.intrinsics) @ pixels) * self.depth[rows, cols]
        return (camera.T - self.extrinsics[:3, 3]) @ self.extrinsics[:3, :3]

    def project(self, points: Array) -> tuple[Array, Array]:
        """(N, 2) pixels and (N,) depths of world points."""
        camera = points @ self.extrinsics[:3, :3].T + self.extrinsics[:3, 3]
        pixels = camera @ self.intrinsics.T
        return pixels[:, :2] / pixels[:, 2:], camera[:, 2]


def picture(value: Any) -> NDArray[Any]:
    """An image column as an array, decoded or not."""
    if isinstance(value, dict):
        value = Image.open(io.BytesIO(value["bytes"]))
    return np.asarray(value)


def view(row: dict[str, Any], which: str) -> View:
    """The source or the target view of a row."""
    return View(
        picture(row[f"{which}_image"]).astype(np.float64),
        picture(row[f"{which}_depth"]).astype(np.float64) / 1000,
        picture(row[f"{which}_instances"]).astype(np.int64),
        np.asarray(row["intrinsics"]),
        np.asarray(row[f"{which}_extrinsics"]),
    )


@dataclass(frozen=True, eq=False)
class Sample:
    """Points of the target seen in one view: (N, 3) metres and (N, 3) colours."""

    points: Array
    colours: Array


def sample(seen: View, instance: int, count: int = 1500) -> Sample:
    """An even choice of the object's pixels, its outline included."""
    rows, cols = np.nonzero((seen.ids == instance) & (seen.depth > 0))
    keep = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))
    rows, cols = rows[keep], cols[keep]
    return Sample(seen.points(rows, cols), seen.colour[rows, cols])
