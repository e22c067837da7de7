"""Boxes and rotations in Unity's frame: left-handed, x right, y up, z forward, metres and degrees.

A box is an (8, 3) array of corners in the order of `objectOrientedBoundingBox.cornerPoints`: in the box's own axes
(+,-,+), (-,-,+), (-,-,-), (+,-,-), then the same four with y+.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray


Array = NDArray[np.float64]

ORIENTED = np.array(
    [[1, -1, 1], [-1, -1, 1], [-1, -1, -1], [1, -1, -1], [1, 1, 1], [-1, 1, 1], [-1, 1, -1], [1, 1, -1]], dtype=float
)
# The order of `axisAlignedBoundingBox.cornerPoints`.
ALIGNED = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)], dtype=float)


def vector(value: Mapping[str, float]) -> Array:
    """(3,) array of a map with x, y, z."""
    return np.array([float(value[axis]) for axis in "xyz"])


def triple(value: Iterable[float]) -> dict[str, float]:
    """The map with x, y, z that Unity sends; no negative zeros."""
    return {axis: float(number) + 0.0 for axis, number in zip("xyz", value, strict=True)}


def up(metres: float) -> Array:
    """(3,) vector upwards."""
    return np.array([0.0, metres, 0.0])


def turn(degrees: ArrayLike) -> Array:
    """(3, 3) rotation of Euler angles (x, y, z): R = Ry Rx Rz on column vectors."""
    x, y, z = np.deg2rad(np.asarray(degrees, dtype=float))
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def box(low: ArrayLike, high: ArrayLike) -> Array:
    """The (8, 3) box between two corners."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    return (low + high) / 2 + ORIENTED * (high - low) / 2


def frame(corners: Array) -> tuple[Array, Array, Array]:
    """Centre (3,), axes as rows (3, 3) and half sizes (3,) of a box."""
    edges = np.array([corners[0] - corners[1], corners[4] - corners[0], corners[1] - corners[2]])
    lengths = np.linalg.norm(edges, axis=1)
    # A flat box (a credit card's may be) has no direction of its own along its thickness.
    axes = edges / np.maximum(lengths, 1e-9)[:, None]
    for k in np.flatnonzero(lengths < 1e-9):
        axes[k] = np.cross(axes[(k + 1) % 3], axes[(k + 2) % 3])
    return corners.mean(axis=0), axes, lengths / 2


def upright(corners: Array) -> bool:
    """Whether a box stands on its base, to a degree."""
    return bool(abs(frame(corners)[1][1, 1]) > np.cos(np.deg2rad(1.0)))


def overlap(one: Array, other: Array, slack: float = 0.0) -> bool:
    """Whether two boxes share volume when each face of the first is moved inwards by `slack` metres."""
    centre, axes, half = frame(one)
    there, others, extent = frame(other)
    half = np.maximum(half - slack, 1e-4)
    crossed = np.cross(axes[:, None], others[None]).reshape(9, 3)
    lengths = np.linalg.norm(crossed, axis=1)
    candidates = np.concatenate([axes, others, crossed[lengths > 1e-6] / lengths[lengths > 1e-6, None]])
    reach = np.abs(candidates @ axes.T) @ half + np.abs(candidates @ others.T) @ extent
    return bool((np.abs(candidates @ (there - centre)) < reach).all())


def above(corners: Array, x: float, z: float) -> bool:
    """Whether a point of the floor plan lies in the plan of a box."""
    if not upright(corners):
        return bool(
            (corners[:, (0, 2)].min(axis=0) <= (x, z)).all() and (corners[:, (0, 2)].max(axis=0) >= (x, z)).all()
        )
    centre, axes, half = frame(corners)
    offset = np.array([x, centre[1], z]) - centre
    return bool((np.abs(axes[(0, 2), :] @ offset) <= half[[0, 2]] + 1e-9).all())
