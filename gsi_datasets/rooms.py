"""The rooms of a structure: those of our own homes, from their plans, and those of houses that others have made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.asset import Room
from gsi_datasets.assets.parametric.homes import HomeRoom, home_plan


Array = NDArray[np.float64]
AnyRoom = HomeRoom | Room


def rooms_of(asset_id: str) -> tuple[AnyRoom, ...]:
    """The rooms of a structure, the main one first; one that does not tell them is one room, its bounding box.

    Args:
        asset_id: of a home, of the room around a tabletop, or of a structure of a mounted source.
    """
    if asset_id.startswith("param/home_"):
        return home_plan(asset_id).rooms
    asset = assets.get(asset_id)
    if asset.rooms:
        return asset.rooms
    if asset_id.startswith("param/"):
        # Its walls have a thickness; what it is inside, it says.
        return (Room("room_1", "room", (0.0, 0.0), asset.info.size),)
    low, high = asset.bounds()
    middle, size = (low + high) / 2, high - low
    return (Room("room_1", "room", (float(middle[0]), float(middle[1])), (*map(float, size),)),)  # type: ignore[arg-type]


def holds(room: AnyRoom, points: Array, clearance: float = 0.0) -> NDArray[np.bool_]:
    """(N,) whether points (N, 2) of the structure's frame lie over a floor, so far from its edges, metres."""
    inside = (np.abs(points - room.middle) <= np.asarray(room.size[:2]) / 2 - clearance).all(axis=1)
    if room.outline:
        away, within = _polygon(np.asarray(room.outline), points)
        inside &= within & (away >= clearance)
    return np.asarray(inside)


def beyond(room: AnyRoom, point: Array) -> float:
    """How far a point (2,) of the structure's frame lies outside a floor, metres along both axes; 0 over it."""
    if room.outline:
        away, within = _polygon(np.asarray(room.outline), point[None])
        return 0.0 if within[0] else float(away[0])
    return float(np.maximum(np.abs(point - room.middle) - np.asarray(room.size[:2]) / 2, 0).sum())


def _polygon(outline: Array, points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """(N,) distance of points (N, 2) to the edges of a simple polygon (M, 2), and whether they lie within."""
    start, end = outline, np.roll(outline, -1, axis=0)
    edge = end - start
    to = points[:, None] - start
    length = np.maximum((edge**2).sum(axis=1), 1e-12)
    along = np.clip((to * edge).sum(axis=-1) / length, 0, 1)
    away = np.linalg.norm(to - along[..., None] * edge, axis=-1).min(axis=1)
    # A ray towards +x crosses the outline an odd number of times.
    x, y = points[:, :1], points[:, 1:]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(edge[:, 1] == 0, 1.0, edge[:, 1])
    crossing = start[:, 0] + (y - start[:, 1]) / rise * edge[:, 0]
    return away, np.asarray((spans & (x < crossing)).sum(axis=1) % 2 == 1)
