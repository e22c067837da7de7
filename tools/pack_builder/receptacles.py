"""Measures where things can be put on or into a mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Receptacle


Array = NDArray[np.float64]
GRID = 161


def measure(corners: Array, relation: str, round_area: bool) -> Receptacle:
    """The flat area seen from above around the middle of the model.

    Args:
        corners: (F, 3, 3) triangles in the asset's frame, metres.
        relation: ``in`` or ``on``.
        round_area: take the largest ellipse rather than the largest rectangle.

    Raises:
        ValueError: no flat area of at least 2 cm lies there.
    """
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh
    from scipy import ndimage

    points = corners.reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    xs, ys = (np.linspace(low[i], high[i], GRID + 2)[1:-1] for i in (0, 1))
    x, y = np.meshgrid(xs, ys, indexing="ij")
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, corners.astype(np.float32))
    start = np.stack([x, y, np.full_like(x, high[2] + 0.1)], axis=-1).reshape(-1, 3).astype(np.float32)
    down = np.tile(np.array([0, 0, -1], dtype=np.float32), (len(start), 1))
    distance = scene.run(start, down, query="DISTANCE").reshape(x.shape)
    height = np.where(distance < 1e3, high[2] + 0.1 - distance, -1.0)

    if relation == "in":
        # The bottom of the inside; a handle may hang over it.
        middle = height[GRID // 4 : -GRID // 4, GRID // 4 : -GRID // 4]
        # Nothing can stand in a floor without thickness.
        floor = max(float(np.percentile(middle[middle >= 0], 5)), 0.001)
    else:
        hit = height[height >= 0]
        counts, edges = np.histogram(hit, bins=max(8, int((high[2] - low[2]) / 0.0015)))
        common = (hit >= edges[counts.argmax()]) & (hit <= edges[counts.argmax() + 1])
        floor = float(np.median(hit[common]))
    slack = 0.0015 if relation == "on" and not round_area else max(0.003, 0.08 * (high[2] - floor))
    # Seams and screw holes do not divide a table top.
    level = ndimage.binary_closing(np.pad(np.abs(height - floor) <= slack, 4), iterations=3)[4:-4, 4:-4]
    label, _ = ndimage.label(level)
    numbers = label[label > 0]
    if not len(numbers):
        raise ValueError("no flat area")
    area = label == np.bincount(numbers).argmax()
    if relation == "on" and not round_area:
        floor = float(np.percentile(height[area], 99))
    centre, half = _ellipse(area, xs, ys) if round_area else _rectangle(area, xs, ys)
    if min(half) < 0.01:
        raise ValueError(f"flat area at {floor:.3f} m is only {half} m")
    rim = float(high[2]) if high[2] - floor > 0.004 and relation == "in" else _rim(height, area, floor)
    return Receptacle(
        relation=relation,
        floor=round(floor, 4),
        half_extents=(round(half[0], 4), round(half[1], 4)),
        round=round_area,
        rim=round(rim, 4),
        centre=(round(centre[0], 4), round(centre[1], 4)),
    )


def _rim(height: Array, area: NDArray[np.bool_], floor: float) -> float:
    """The height of what stands around the area, or the floor's where nothing does."""
    from scipy import ndimage

    around = ndimage.binary_dilation(area, iterations=6) & ~area
    edge = height[around & (height > floor)]
    return float(np.percentile(edge, 90)) if len(edge) > 0.3 * around.sum() else floor


def _rectangle(area: NDArray[np.bool_], xs: Array, ys: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre and half sides of the largest upright rectangle in the area."""
    best, found = 0.0, (0, 0, 0, 0)
    depth = np.zeros(area.shape[1], dtype=int)
    for i in range(area.shape[0]):
        # How many rows of the area end here, per column; the classic largest rectangle under a histogram.
        depth = np.where(area[i], depth + 1, 0)
        open_bars: list[tuple[int, int]] = []
        for j, bar in enumerate([*depth.tolist(), 0]):
            start = j
            while open_bars and open_bars[-1][1] >= bar:
                start, height = open_bars.pop()
                if height * (j - start) > best:
                    best, found = height * (j - start), (i - height + 1, i, start, j - 1)
            open_bars.append((start, bar))
    i0, i1, j0, j1 = found
    return (
        (float(xs[i0] + xs[i1]) / 2, float(ys[j0] + ys[j1]) / 2),
        (float(xs[i1] - xs[i0]) / 2, float(ys[j1] - ys[j0]) / 2),
    )


def _ellipse(area: NDArray[np.bool_], xs: Array, ys: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre and half axes of an ellipse in the area with the proportions of its bounding box."""
    x, y = np.meshgrid(xs, ys, indexing="ij")
    low = np.array([x[area].min(), y[area].min()])
    high = np.array([x[area].max(), y[area].max()])
    centre, half = (low + high) / 2, (high - low) / 2
    reach = np.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1])
    outside = reach[~area]
    # A few specks of other heights do not end a plate.
    shrink = min(1.0, float(np.percentile(outside, 0.5)) if len(outside) else 1.0)
    return (float(centre[0]), float(centre[1])), (float(half[0] * shrink), float(half[1] * shrink))
