"""Boxes of the published protocol: corners, projection, overlap, moves and turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


Array = NDArray[np.float64]

# Signs of (w/2, h/2, l/2) per corner. The published program has two orders: A for footprints, overlap and placing an
# object at a corner, B for projection.
CORNERS_A = np.array(
    [(1, -1, 1), (1, -1, -1), (-1, -1, -1), (-1, -1, 1), (1, 1, 1), (1, 1, -1), (-1, 1, -1), (-1, 1, 1)]
)
CORNERS_B = np.array(
    [(1, 1, 1), (1, -1, 1), (-1, -1, 1), (-1, 1, 1), (1, 1, -1), (1, -1, -1), (-1, -1, -1), (-1, 1, -1)]
)
# Axis and sign per direction word: camera frame, y down, z away from the camera.
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "front": (2, -1), "behind": (2, 1), "above": (1, -1), "below": (1, 1)}


def yaw_matrix(yaw: float) -> Array:
    """(3, 3) rotation by `yaw` radians about the y axis."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _corners(box: ArrayLike, rotation: ArrayLike | None, signs: NDArray[np.int_]) -> Array:
    numbers = np.asarray(box, dtype=np.float64)
    axes = yaw_matrix(numbers[6]) if rotation is None else np.asarray(rotation, dtype=np.float64)
    return (signs * numbers[3:6] / 2) @ axes.T + numbers[:3]


def corners(box: ArrayLike, rotation: ArrayLike | None = None) -> Array:
    """(8, 3) corners in order A, camera frame.

    Args:
        box: (7,) 3D box.
        rotation: (3, 3) box to camera; the box's yaw when None.
    """
    return _corners(box, rotation, CORNERS_A)


def vertices(box: ArrayLike, rotation: ArrayLike | None = None) -> Array:
    """(8, 3) corners in order B; arguments as for `corners`."""
    return _corners(box, rotation, CORNERS_B)


def project(points: ArrayLike, intrinsics: ArrayLike) -> Array:
    """(N, 2) pixels of (N, 3) points. Points at or behind the camera are projected too: infinite, nan or mirrored."""
    rays = np.asarray(points, dtype=np.float64) @ np.asarray(intrinsics, dtype=np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        return rays[:, :2] / rays[:, 2:]


def box_2d(box: ArrayLike, rotation: ArrayLike | None, intrinsics: ArrayLike) -> Array:
    """(4,) pixels: the box around the projected corners.

    Args:
        box: (7,) 3D box.
        rotation: (3, 3) box to camera; the box's yaw when None.
        intrinsics: (3, 3) K.
    """
    pixels = project(vertices(box, rotation), intrinsics)
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])


def volume(box: ArrayLike) -> float:
    """Cubic metres."""
    _, _, _, w, h, l, _ = np.asarray(box, dtype=np.float64)  # noqa: E741
    return float(w * h * l)


def iou_2d(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two (4,) boxes; 0 where the union is empty."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    sides = np.clip(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0, None)
    inter = sides.prod()
    union = (first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod() - inter
    return float(inter / union) if union != 0 else 0.0


def iou_3d(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two (7,) boxes turned by their yaw; 0 if a footprint is degenerate."""
    from shapely.geometry import Polygon

    first, second = corners(a), corners(b)
    floors = [Polygon(points[:4, [0, 2]]) for points in (first, second)]
    if not all(floor.is_valid for floor in floors):
        return 0.0
    spans = [(points[:, 1].min(), points[:, 1].max()) for points in (first, second)]
    height = min(spans[0][1], spans[1][1]) - max(spans[0][0], spans[1][0])
    inter = floors[0].intersection(floors[1]).area * max(0.0, height)
    union = sum(floor.area * (high - low) for floor, (low, high) in zip(floors, spans, strict=True)) - inter
    return float(inter / union) if union > 0 else 0.0


def centre_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Metres between the centres of two (7,) boxes."""
    return float(np.linalg.norm(np.asarray(a, dtype=np.float64)[:3] - np.asarray(b, dtype=np.float64)[:3]))


def rotation_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Radians of the turn between two (3, 3) matrices, 0 to pi."""
    trace = np.trace(np.asarray(a, dtype=np.float64).T @ np.asarray(b, dtype=np.float64))
    return float(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def move_box(box: ArrayLike, direction: str, distance: float, rotation: ArrayLike | None = None) -> Array:
    """The (7,) box moved.

    Args:
        box: (7,) 3D box.
        direction: one of `DIRECTIONS`; any other word moves nothing.
        distance: centimetres.
        rotation: (3, 3) box to camera. "Left" is then the column of it that follows the row in which its x axis is
            largest, sign not adjusted; the camera's x axis when None.
    """
    moved = np.array(box, dtype=np.float64)
    if direction not in DIRECTIONS:
        return moved
    axis, sign = DIRECTIONS[direction]
    axes = np.eye(3) if rotation is None else np.asarray(rotation, dtype=np.float64)
    vector = axes[:, np.argmax(np.abs(axes[:, axis]))]
    moved[:3] += sign * vector * distance / 100
    return moved


def rotate_about_vertical(rotation: ArrayLike, angle: float, direction: str) -> Array:
    """(3, 3) rotation after a turn about the box's own vertical axis.

    Args:
        rotation: (3, 3) box to camera.
        angle: degrees, 0 to 360.
        direction: ``clockwise`` or ``counterclockwise``.

    Raises:
        ValueError: any other angle or direction.
    """
    if not 0 <= angle <= 360:
        raise ValueError(f"a turn of {angle} degrees is not in 0 to 360")
    if direction not in ("clockwise", "counterclockwise"):
        raise ValueError(f"direction {direction!r} is neither 'clockwise' nor 'counterclockwise'")
    turn = np.radians(angle) if direction == "counterclockwise" else 2 * np.pi - np.radians(angle)
    return np.asarray(rotation, dtype=np.float64) @ yaw_matrix(turn).T


def reference_index(boxes: Sequence[ArrayLike], word: str) -> int:
    """Which of several (7,) boxes a referring word means; the first one on ties.

    Args:
        boxes: at least one.
        word: ``the leftest``, ``the rightest``, ``the frontest``, ``the backest``, ``the highest``, ``the lowest``,
            ``the nearest`` or ``the furthest``.
    """
    centres = np.asarray(boxes, dtype=np.float64)[:, :3]
    away = np.linalg.norm(centres, axis=1)
    keys = {
        "the leftest": centres[:, 0],
        "the rightest": -centres[:, 0],
        "the frontest": centres[:, 2],
        "the backest": -centres[:, 2],
        "the highest": centres[:, 1],
        "the lowest": -centres[:, 1],
        "the nearest": away,
        "the furthest": -away,
    }
    return int(np.argmin(keys[word]))
