"""Solids of recorded things.

A recorded thing is known by one box, and the boxes of a furnished room lie in each other: what stands on a sofa is
inside the sofa's box, what stands in a shelf inside the shelf's. A room made of such boxes shows nothing and lets
nothing be moved. So a box that holds recorded things without enclosing them is cut down to the level they stand on,
and those that stood higher keep a board of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.thor.boxes import Array, box, upright, vector


# A thing is held by a box from this part of its volume on.
_HELD = 0.3
# Things that stand within this height of each other stand on the same surface, metres.
_LEVEL = 0.03
_BOARD = 0.02
# How far a board goes beyond the thing on it, metres.
_RIM = 0.05

Record = dict[str, Any]


def aligned_box(record: Record) -> Array:
    """(8, 3) axis-aligned box in the world."""
    found = record["axisAlignedBoundingBox"]
    centre, size = vector(found["center"]), vector(found["size"])
    return box(centre - size / 2, centre + size / 2)


def own_box(record: Record) -> Array:
    """(8, 3) box of a record in the world: the oriented one where Unity gives it."""
    oriented = record["objectOrientedBoundingBox"]
    return aligned_box(record) if oriented is None else np.array(oriented["cornerPoints"], dtype=float)


def solids(records: Sequence[Record]) -> list[list[Array]]:
    """The solid boxes of each record, in the world."""
    by_id = {record["objectId"]: record for record in records}
    shut = {record["objectId"] for record in records if record["openable"] and not record["isOpen"]}
    loose = [
        record
        for record in records
        if (record["pickupable"] or record["moveable"])
        and not shut.intersection(_holders(record, by_id))
        # What stands on the floor is under a table, not in it.
        and not any(parent.startswith("Floor|") for parent in record["parentReceptacles"] or [])
    ]
    return [_solid(record, [] if record["objectId"] in shut else loose) for record in records]


def _holders(record: Record, by_id: dict[str, Record]) -> list[str]:
    """Ids of all that holds a record, whatever is in between."""
    found: list[str] = []
    queue = list(record["parentReceptacles"] or [])
    while queue:
        parent = queue.pop(0)
        if parent not in found:
            found.append(parent)
            queue += by_id[parent]["parentReceptacles"] or [] if parent in by_id else []
    return found


def _solid(record: Record, loose: Sequence[Record]) -> list[Array]:
    corners = own_box(record)
    if record["objectType"] == "Floor" or not upright(corners):
        return [corners]
    held = [item for item in loose if item is not record and _share(item, record) > _HELD]
    own = [item for item in loose if (item["parentReceptacles"] or [None])[0] == record["objectId"]]
    if not held and not own:
        # A shelf is recorded as the room above its board.
        return [_cut(corners, corners[:, 1].min() + _BOARD)] if record["objectType"] == "Shelf" else [corners]
    if not record["receptacle"] and (record["pickupable"] or not held):
        return [corners]
    levels = sorted(_bottom(item) for item in own or held)
    # What something else holds sticks out of this box, so that the two tops do not coincide.
    surface = _busiest(levels) - (0 if own else 0.005)
    if surface < corners[:, 1].min() - _LEVEL:
        # A towel hangs from its holder.
        return [corners]
    parts = [_cut(corners, surface)]
    for item in own or held:
        if _bottom(item) > surface + _LEVEL and not _stacked(item, own or held):
            parts.append(_board(item, corners))
    return parts


def _bottom(record: Record) -> float:
    return float(aligned_box(record)[:, 1].min())


def _share(item: Record, holder: Record) -> float:
    """Part of the volume of one aligned box inside another."""
    one, other = aligned_box(item), aligned_box(holder)
    low, high = one.min(axis=0), one.max(axis=0)
    common = np.minimum(high, other.max(axis=0)) - np.maximum(low, other.min(axis=0))
    return float(np.prod(np.maximum(common, 0) / np.maximum(high - low, 1e-4)))


def _busiest(levels: Sequence[float]) -> float:
    """The lowest of the heights within `_LEVEL` of each other that most things share."""
    return max(levels, key=lambda level: (sum(0 <= other - level < _LEVEL for other in levels), -level))


def _cut(corners: Array, level: float) -> Array:
    """The box with its top at a level, and at least a board thick."""
    base = corners[:, 1].min()
    low, high = min(base, level - _BOARD), level
    middle = corners[:, 1].mean()
    lowered = corners.copy()
    lowered[:, 1] = np.where(corners[:, 1] > middle, high, low)
    return lowered


def _stacked(item: Record, others: Sequence[Record]) -> bool:
    """Whether a thing stands on another loose one."""
    here = aligned_box(item)
    for other in others:
        there = aligned_box(other)
        close = abs(there[:, 1].max() - here[:, 1].min()) < _LEVEL
        beside = (here.min(axis=0) > there.max(axis=0)) | (here.max(axis=0) < there.min(axis=0))
        if other is not item and close and not beside[[0, 2]].any():
            return True
    return False


def _board(item: Record, holder: Array) -> Array:
    there = aligned_box(item)
    low = np.maximum(there.min(axis=0) - _RIM, holder.min(axis=0))
    high = np.minimum(there.max(axis=0) + _RIM, holder.max(axis=0))
    high[1] = there[:, 1].min()
    low[1] = high[1] - _BOARD
    return box(low, high)
