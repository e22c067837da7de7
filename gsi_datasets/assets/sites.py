"""Places of imported assets: where the box that a source calls a place for things meets a level surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import MeshPart, Receptacle


Array = NDArray[np.float64]
PROBES = 15  # along each side
LEVEL = 0.008
"""Metres that a surface may be uneven, and that what is seen and what collides may differ."""
BELOW = 0.06
"""Metres below its box that a surface may lie."""
SMALLEST = 0.02
"""Half extent, metres: nothing can be put on less."""
RIM = 0.015  # metres above a place from which on one is in a thing
COVERED = 0.95  # share of a place's rectangle that must be its surface


def place_in(
    low: Array, high: Array, parts: Sequence[MeshPart], hulls: Sequence[Array], hollow: bool
) -> Receptacle | None:
    """The place that a box marks: the largest rectangle about its middle of level surface that things rest on.

    Args:
        low: (3,) lowest corner of the box in the asset's frame, metres.
        high: (3,) its highest corner.
        parts: what the asset looks like.
        hulls: what it collides as.
        hollow: whether what is put into the asset is in it, if its rim is above that place, rather than on it.

    Returns:
        None if there is no such surface there, or what is seen there is not what things would rest on.
    """
    triangles = np.concatenate([part.vertices[part.faces] for part in parts]).astype(np.float64)
    corners_low, corners_high = triangles.min(axis=1), triangles.max(axis=1)
    triangles = triangles[((corners_low <= high) & (corners_high >= low - BELOW))[:, :2].all(axis=1)]
    pitch = (high - low)[:2] / PROBES
    # Off the very middle, where edges of triangles often run.
    steps = [low[k] + pitch[k] * (np.arange(PROBES) + 0.5) + 1e-5 for k in range(2)]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1)
    seen = _crossings(triangles, grid.reshape(-1, 2))
    floor, floor_below, ceiling = low[2] - BELOW, float(high[2]), np.full(len(seen), np.inf)
    heights = np.array([max((z for z in column if floor <= z <= floor_below), default=np.nan) for column in seen])
    feet, tops = _spans(hulls, grid.reshape(-1, 2))
    solid = np.max(np.where(tops <= floor_below + LEVEL, tops, -np.inf), axis=0, initial=-np.inf)
    # What stands on the surface, as a part of the asset, leaves no place there.
    buried = ((feet < heights + 2 * LEVEL) & (tops > heights + 2 * LEVEL)).any(axis=0)
    good = (np.abs(heights - solid) < LEVEL) & ~buried
    if not good.any():
        return None
    level = float(np.median(heights[good]))
    good &= np.abs(heights - level) < LEVEL
    span = _rectangle(good.reshape(PROBES, PROBES))
    if span is None:
        return None
    rows, columns = span
    inside = np.zeros((PROBES, PROBES), dtype=bool)
    inside[rows, columns] = True
    (x0, x1), (y0, y1) = ((steps[k][it.start], steps[k][it.stop - 1]) for k, it in enumerate((rows, columns)))
    # The surface ends somewhere between its last probe and the next.
    half = (float((x1 - x0) / 2 + pitch[0] / 4), float((y1 - y0) / 2 + pitch[1] / 4))
    if min(half) < SMALLEST:
        return None
    for number in np.flatnonzero(inside.ravel() & good):
        ceiling[number] = min((z for z in seen[number] if z > level + 2 * LEVEL), default=np.inf)
    top = max(float(part.vertices[:, 2].max()) for part in parts)
    within = hollow and top - level > RIM
    return Receptacle(
        "in" if within else "on",
        floor=level,
        half_extents=half,
        round=False,
        rim=top if within else level,
        centre=(float((x0 + x1) / 2), float((y0 + y1) / 2)),
        headroom=float(ceiling.min()) - level,
    )


def _rectangle(good: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The largest rectangle of a grid that is nearly all good, shrunk from the whole side by side."""
    rows, columns = slice(0, good.shape[0]), slice(0, good.shape[1])
    while rows.stop - rows.start > 1 and columns.stop - columns.start > 1:
        block = good[rows, columns]
        if block.mean() >= COVERED:
            return rows, columns
        worst = int(np.argmin([block[0].mean(), block[-1].mean(), block[:, 0].mean(), block[:, -1].mean()]))
        match worst:
            case 0:
                rows = slice(rows.start + 1, rows.stop)
            case 1:
                rows = slice(rows.start, rows.stop - 1)
            case 2:
                columns = slice(columns.start + 1, columns.stop)
            case _:
                columns = slice(columns.start, columns.stop - 1)
    return None


def _crossings(triangles: Array, points: Array) -> list[Array]:
    """For each point (N, 2), the heights at which triangles (F, 3, 3) lie over or under it."""
    a, b, c = (triangles[:, k] for k in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    upright = np.abs(area) < 1e-12
    safe = np.where(upright, 1.0, area)
    found = []
    for point in points:
        to = point - a[:, :2]
        u = (to[:, 0] * ac[:, 1] - to[:, 1] * ac[:, 0]) / safe
        v = (ab[:, 0] * to[:, 1] - ab[:, 1] * to[:, 0]) / safe
        hit = ~upright & (u >= 0) & (v >= 0) & (u + v <= 1)
        found.append((a[:, 2] + u * ab[:, 2] + v * ac[:, 2])[hit])
    return found


def _spans(hulls: Sequence[Array], points: Array) -> tuple[Array, Array]:
    """(H, N) lowest and highest point of each hull over or under each point (N, 2); nan where it is beside it."""
    from scipy.spatial import ConvexHull

    feet, tops = np.full((2, len(hulls), len(points)), np.nan)
    for number, hull in enumerate(hulls):
        if (points > hull[:, :2].max(axis=0)).any(axis=1).all() or (points < hull[:, :2].min(axis=0)).any(
            axis=1
        ).all():
            continue
        normal, offset = np.split(ConvexHull(hull).equations, [3], axis=1)
        rest = points @ normal[:, :2].T + offset[:, 0]  # what is left of each half space at a point
        up, down, side = normal[:, 2] > 1e-9, normal[:, 2] < -1e-9, np.abs(normal[:, 2]) <= 1e-9
        top = (-rest[:, up] / normal[up, 2]).min(axis=1)
        foot = (-rest[:, down] / normal[down, 2]).max(axis=1)
        inside = (top >= foot) & (rest[:, side] <= 1e-9).all(axis=1)
        feet[number, inside], tops[number, inside] = foot[inside], top[inside]
    return feet, tops
