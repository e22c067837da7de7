"""The floor of a home: where a person can stand, and which rooms these places make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.geometry import corners, rotation_z, yaw_of
from gsi_datasets.rooms import AnyRoom, beyond, holds
from gsi_datasets.scene import Box, Scene


Array = NDArray[np.float64]
STEP = 0.1
"""Metres from one floor point to the next."""
CLEARANCE = 0.25
"""Metres that a person keeps to furniture and walls."""
HEADROOM = 0.2
"""Metres above the eyes from which on things hang high enough to stand below."""
FLAT = 0.03
"""Metres: what is no higher, a rug, can be stood on."""
# A cluster has at least so many points; what is left in a corner behind furniture has fewer.
SMALLEST = 15


@dataclass(frozen=True, eq=False)
class Floor:
    """Where a person can stand.

    Attributes:
        points: (N, 2) x and y, metres, world.
        labels: (N,) which of `rooms` each point belongs to; -1 for pockets, too small to count.
        rooms: of the plan, those where DBSCAN found a cluster or, parted by furniture, several.
    """

    points: Array
    labels: NDArray[np.int64]
    rooms: tuple[AnyRoom, ...]

    def of(self, label: int) -> Array:
        """(M, 2) the points of a room."""
        return self.points[self.labels == label]


def free_floor(scene: Scene, plan: Sequence[AnyRoom], eye_height: float) -> Floor:
    """The free points of all floors, clustered into rooms.

    Args:
        scene: at rest; its home is the object named ``room``.
        plan: the rooms of the home.
        eye_height: of the tallest viewer, metres; what hangs above that is in nobody's way.
    """
    from sklearn.cluster import DBSCAN

    origin = scene["room"].position[:2]
    points = np.concatenate([_grid(room) for room in plan]) + origin
    obstacles = [
        item.box
        for item in scene.objects
        if assets.info(item.asset).kind != "structure" and _in_the_way(item.box, eye_height + HEADROOM)
    ]
    points = points[distance_to(obstacles, points) >= CLEARANCE]
    if not len(points):
        return Floor(points, np.empty(0, dtype=np.int64), ())
    # Neighbours on the grid, diagonal ones included, belong together; two walls' clearance parts rooms.
    found = DBSCAN(eps=1.5 * STEP, min_samples=3).fit_predict(points)
    labels = np.full(len(points), -1, dtype=np.int64)
    for cluster in range(found.max() + 1):
        members = found == cluster
        if members.sum() >= SMALLEST:
            labels[members] = room_at(plan, points[members].mean(axis=0) - origin)
    numbers, compact = np.unique(labels[labels >= 0], return_inverse=True)
    labels[labels >= 0] = compact
    return Floor(points, labels, tuple(plan[number] for number in numbers))


def room_at(plan: Sequence[AnyRoom], point: Array) -> int:
    """Index of the room that a point (2,) of the home's frame lies in, or is nearest to."""
    return int(np.argmin([beyond(room, point) for room in plan]))


def distance_to(obstacles: Iterable[Box], points: Array) -> Array:
    """(N,) metres from points (N, 2) to the nearest footprint, each a rectangle turned as its box is; 0 inside."""
    nearest = np.full(len(points), np.inf)
    for box in obstacles:
        centre, half, turn = footprint_rectangle(box)
        outside = np.maximum(np.abs((points - centre) @ turn) - half, 0.0)
        np.minimum(nearest, np.hypot(*outside.T), out=nearest)
    return nearest


def footprint_rectangle(box: Box) -> tuple[Array, Array, Array]:
    """Middle (2,), half extents (2,) and axes (2, 2; columns) of the rectangle around a box seen from above."""
    turn = rotation_z(float(yaw_of(box.rotation)))[:2, :2]
    local = corners(box)[:, :2] @ turn
    low, high = local.min(axis=0), local.max(axis=0)
    return turn @ (0.5 * (low + high)), 0.5 * (high - low), turn


def _grid(room: AnyRoom) -> Array:
    """(N, 2) points of one floor that keep clear of its walls, in the home's frame."""
    half = np.asarray(room.size[:2]) / 2 - CLEARANCE
    steps = [STEP * np.arange(-int(reach / STEP), int(reach / STEP) + 1) for reach in np.maximum(half, 0)]
    x, y = np.meshgrid(*steps, indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1) + room.middle
    return points[holds(room, points, CLEARANCE)] if room.outline else points


def _in_the_way(box: Box, ceiling: float) -> bool:
    heights = corners(box)[:, 2]
    return bool(heights.max() > FLAT and heights.min() < ceiling)
