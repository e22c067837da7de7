"""Collision shapes by rule: exact convex pieces for turned and boxy things, hollow ones included.

Every function returns a list of (N, 3) corner points in metres. Whatever touches the ground has a flat face at
z = 0 exactly, so that it stands without rocking.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


Array = NDArray[np.float64]
Hulls = list[Array]

TOLERANCE = 0.0015


def sectors_for(radius: float) -> int:
    """How many steps around keep a polygon within `TOLERANCE` of a circle of this radius (metres); 12 or more."""
    return max(12, 4 * int(np.ceil(np.pi / np.arccos(1 - TOLERANCE / max(radius, 2 * TOLERANCE)) / 4)))


def box_hull(low: Sequence[float], high: Sequence[float]) -> Array:
    """The 8 corners of an upright box."""
    return np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)


def prism_hull(outline: ArrayLike, low: float, high: float) -> Array:
    """A convex outline, (N, 2), raised from `low` to `high`."""
    flat = np.asarray(outline, dtype=float)
    return np.concatenate([np.column_stack([flat, np.full(len(flat), z)]) for z in (low, high)])


def turned_hulls(profile: ArrayLike, sectors: int = 0) -> Hulls:
    """A solid of revolution as a stack of convex pieces, as few as `TOLERANCE` allows.

    Args:
        profile: (P, 2) outline of (radius, z) with z rising.
        sectors: steps around; 0 chooses by size.
    """
    line = _rising(profile)
    around = _circle(sectors or sectors_for(float(line[:, 0].max())))
    return [_ring(line[keep], around) for keep in _convex_runs([(line, 1.0)])]


def wedge_hulls(outer: ArrayLike, inner: ArrayLike, sectors: int = 0) -> Hulls:
    """A hollow solid of revolution: a stack of discs for the floor and rings of wedges for the wall.

    Args:
        outer: (P, 2) outline of (radius, z) with z rising, from the ground to the rim.
        inner: (Q, 2) outline of the cavity with z rising, from its floor to the rim.
        sectors: wedges around; 0 chooses by size.
    """
    outside, inside = _rising(outer), _rising(inner)
    sectors = sectors or sectors_for(float(outside[:, 0].max()))
    around = _circle(sectors)
    floor = inside[0, 1]
    base = np.concatenate([outside[outside[:, 1] < floor], [[np.interp(floor, outside[:, 1], outside[:, 0]), floor]]])
    hulls = turned_hulls(base, sectors)

    levels = np.unique(np.concatenate([outside[outside[:, 1] > floor, 1], inside[:, 1]]))
    out = np.column_stack([np.interp(levels, outside[:, 1], outside[:, 0]), levels])
    into = np.column_stack([np.interp(levels, inside[:, 1], inside[:, 0]), levels])
    for keep in _convex_runs([(out, 1.0), (into, -1.0)]):
        wall = np.concatenate([out[keep], into[keep]])
        hulls += [_ring(wall, np.stack([around[i], around[(i + 1) % sectors]])) for i in range(sectors)]
    return hulls


def ring_hulls(section: ArrayLike, sectors: int) -> Hulls:
    """A ring of convex cross-section, (P, 2) of (radius, z), as `sectors` pieces."""
    line, around = np.asarray(section, dtype=float), _circle(sectors)
    return [_ring(line, np.stack([around[i], around[(i + 1) % sectors]])) for i in range(sectors)]


def tray_hulls(size: Sequence[float], wall: float, floor: float) -> Hulls:
    """An open box of outer `size` with walls and a floor of given thickness, standing on z = 0."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    return [
        box_hull((-x, -y, 0.0), (x, y, floor)),
        box_hull((-x, -y, floor), (x, -y + wall, z)),
        box_hull((-x, y - wall, floor), (x, y, z)),
        box_hull((-x, -y + wall, floor), (-x + wall, y - wall, z)),
        box_hull((x - wall, -y + wall, floor), (x, y - wall, z)),
    ]


def tube_hulls(path: ArrayLike, radius: ArrayLike, pieces: int = 4, across: float = 1.0) -> Hulls:
    """A swept rod as a chain of convex pieces.

    Args:
        path: (P, 3) metres.
        radius: one number or (P,), metres.
        pieces: how many.
        across: ratio of the section's half width along y to `radius`; 1 for round rods.
    """
    line = np.asarray(path, dtype=float)
    size = np.broadcast_to(np.asarray(radius, dtype=float), len(line))
    ends = np.rint(np.linspace(0, len(line) - 1, pieces + 1)).astype(int)
    forward = np.gradient(line, axis=0)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    hulls = []
    for a, b in pairwise(ends):
        points = []
        for i in (a, (a + b) // 2, b):
            side = np.cross(forward[i], (0.0, 1.0, 0.0))
            if np.linalg.norm(side) < 0.2:
                side = np.cross(forward[i], (0.0, 0.0, 1.0))
            side /= np.linalg.norm(side)
            over = np.cross(forward[i], side)
            points += [line[i] + size[i] * (s * side + t * across * over) for s, t in _OCTAGON]
        hulls.append(np.array(points))
    return hulls


_OCTAGON = tuple((np.cos(a), np.sin(a)) for a in np.pi / 8 + np.arange(8) * np.pi / 4)


def _rising(profile: ArrayLike) -> Array:
    line = np.asarray(profile, dtype=float)
    if (np.diff(line[:, 1]) < -1e-9).any():
        raise ValueError("a collision outline must rise in z from point to point")
    return line


def _circle(sectors: int) -> Array:
    """(sectors, 2) corners of the polygon with the area of the unit circle."""
    angle = np.pi / 2 + np.arange(sectors) * (2 * np.pi / sectors)
    grown = np.sqrt((2 * np.pi / sectors) / np.sin(2 * np.pi / sectors))
    return grown * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _ring(profile: Array, around: Array) -> Array:
    """Corner points of a profile turned to the given directions."""
    points = profile[:, None, :1] * around[None]
    height = np.broadcast_to(profile[:, None, 1:], (*points.shape[:2], 1))
    points = np.concatenate([points, height], axis=2)
    points[profile[:, 0] < 1e-6] = points[profile[:, 0] < 1e-6][:, :1]
    return np.unique(points.reshape(-1, 3), axis=0)


def _convex_runs(lines: Sequence[tuple[Array, float]]) -> list[Array]:
    """Cut lines of common z levels into runs, each within `TOLERANCE` of convex.

    Args:
        lines: (P, 2) outlines and +1 where the solid lies towards the axis, -1 where it lies away from it.

    Returns:
        For each run the numbers of the points to keep.
    """
    count = len(lines[0][0])
    runs, start = [], 0
    while start < count - 1:
        stop, keep = start + 1, np.array([start, start + 1])
        while stop + 1 < count:
            piece = np.arange(start, stop + 2)
            kept = [_envelope(line[piece], sign) for line, sign in lines]
            if any(np.abs(gap).max() > TOLERANCE for _, gap in kept):
                break
            stop, keep = stop + 1, piece[np.unique(np.concatenate([corners for corners, _ in kept]))]
        runs.append(keep)
        start = stop
    return runs


def _envelope(line: Array, sign: float) -> tuple[NDArray[np.int64], Array]:
    """Corners of the convex envelope of radius over z, and how far it stands off each point."""
    hull: list[int] = []
    radius = sign * line[:, 0]
    for i in range(len(line)):
        while len(hull) > 1:
            (r0, z0), (r1, z1) = ((radius[k], line[k, 1]) for k in hull[-2:])
            if (r1 - r0) * (line[i, 1] - z0) > (radius[i] - r0) * (z1 - z0):
                break
            hull.pop()
        hull.append(i)
    corners = np.array(hull)
    # Where the outline runs level, distance along z says nothing; measure across the line instead.
    gap = np.interp(line[:, 1], line[corners, 1], radius[corners]) - radius
    slope = np.gradient(line, axis=0)
    steep = np.abs(slope[:, 1]) / np.maximum(np.linalg.norm(slope, axis=1), 1e-12)
    return corners, gap * steep
