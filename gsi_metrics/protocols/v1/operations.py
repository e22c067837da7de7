"""Scores of the four object operations from boxes before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gsi_metrics.protocols.v1.formats import Box2D, Detection, Edit
from gsi_metrics.protocols.v1.geometry import Array, box_2d, centre_distance, iou_3d, rotation_distance
from gsi_metrics.protocols.v1.sameness import BOX_2D, BOX_3D, BOX_3D_STRICT, ROTATION, same


EPSILON = 1e-5
_T = TypeVar("_T")


@dataclass(frozen=True)
class Score:
    """Instruction compliance and spatial accuracy of one edit, 0 to 1."""

    ic: float
    sa: float


NOTHING = Score(0.0, 0.0)


def origin_box(edit: Edit, origin: Sequence[Detection]) -> Box2D | None:
    """The 2D box of the first detection whose 3D box nearly equals the one in the edit."""
    return next((item.bbox_2d for item in origin if same(item.bbox_3d, edit.original_bbox_3d, BOX_3D)), None)


def find_target(
    origin: Sequence[Detection],
    new: Sequence[Detection],
    threshold: float,
    start: ArrayLike,
    goal: ArrayLike,
    centre: ArrayLike,
) -> Detection | None:
    """The detection nearest to `centre` among those that are new and have gone a part of the way on the picture.

    Args:
        origin: detections before; whatever nearly equals one of them has not changed.
        new: detections after.
        threshold: of sameness for 3D boxes.
        start: (4,) 2D box of the object before.
        goal: (4,) 2D box where it should be.
        centre: (3+,) metres, camera frame.
    """
    way = np.linalg.norm(np.subtract(goal, start)) + EPSILON
    fresh = (
        item
        for item in new
        if not any(_unchanged(item, old, threshold) for old in origin)
        and np.linalg.norm(np.subtract(item.bbox_2d, start)) / way > 0.2
    )
    return min(fresh, key=lambda item: centre_distance(item.bbox_3d, centre), default=None)


def move(edit: Edit, origin: Sequence[Detection], new: Sequence[Detection], gate: bool | None) -> Score:
    """Overlap with the goal, and how far the object went compared with how far it should.

    Args:
        edit: with `new_bbox_3d`.
        origin: detections before.
        new: detections after.
        gate: answer of the locality gate.

    Raises:
        ValueError: a field of the edit is missing.
    """
    goal = _needed(edit.new_bbox_3d, "new_bbox_3d", "move")
    start = origin_box(edit, origin)
    if not gate or start is None or not new:
        return NOTHING
    target = find_target(origin, new, BOX_3D, start, box_2d(goal, edit.rotation_matrix, edit.camera_intrinsics), goal)
    overlap = iou_3d(goal, target.bbox_3d) if target else 0.0
    went = centre_distance(edit.original_bbox_3d, target.bbox_3d) if target else 0.0
    share = went / (centre_distance(edit.original_bbox_3d, goal) + EPSILON)
    score = 0.3 * overlap + 0.7 * float(_closeness(np.sqrt(share)))
    if len(new) != len(origin):
        score *= 0.5
    return Score(1.0 if score > 0.05 else 0.0, score)


def rotate(edit: Edit, origin: Sequence[Detection], new: Sequence[Detection], gate: bool | None) -> Score:
    """How far the object turned compared with how far it should; arguments as for `move`."""
    goal = _needed(edit.new_rotation_matrix, "new_rotation_matrix", "rotate")
    start = origin_box(edit, origin)
    if not gate or start is None or not new:
        return NOTHING
    place = box_2d(edit.original_bbox_3d, goal, edit.camera_intrinsics)
    target = find_target(origin, new, BOX_3D_STRICT, start, place, edit.original_bbox_3d)
    if target is None:
        return NOTHING
    before, after = edit.rotation_matrix, target.rotation_matrix
    ic = 0.0 if same(before, after, ROTATION) else 1.0
    if not centre_distance(target.bbox_3d, edit.original_bbox_3d) < 0.5:
        return Score(ic, 0.0)
    share = rotation_distance(before, after) / (rotation_distance(before, goal) + EPSILON)
    error = rotation_distance(goal, after)
    return Score(ic, 0.5 * float(_closeness(share)) + 0.5 * float(np.exp(-abs(error))))


def remove(edit: Edit, origin: Sequence[Detection], new: Sequence[Detection], gate: bool | None) -> Score:
    """Whether nothing is left at the place, and how many detections went with it; see `move`."""
    start = origin_box(edit, origin)
    if not gate or start is None:
        return NOTHING
    if any(iou_3d(edit.original_bbox_3d, item.bbox_3d) > 0.1 or same(start, item.bbox_2d, BOX_2D) for item in new):
        return NOTHING
    score = float(np.clip(1 - 0.3 * (len(origin) - len(new) - 1), 0, 1))
    return Score(1.0 if score >= 0.5 else 0.0, score)


def scale(edit: Edit, origin: Sequence[Detection], new: Sequence[Detection], gate: bool | None) -> Score:
    """Ratio of extents compared with the requested one; arguments as for `move`.

    Without a target the object counts as unchanged, which scores. Extents that are not positive may give nan.
    """
    goal = _needed(edit.new_bbox_3d, "new_bbox_3d", "scale")
    start = origin_box(edit, origin)
    if not gate or start is None or not new:
        return NOTHING
    place = box_2d(goal, edit.rotation_matrix, edit.camera_intrinsics)
    target = find_target(origin, new, BOX_3D_STRICT, start, place, goal)
    size = np.asarray(edit.original_bbox_3d)[3:6] + EPSILON
    wanted = np.asarray(goal)[3:6] / size
    got = np.asarray(target.bbox_3d)[3:6] / size if target else np.ones(3)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = float(np.exp(-np.mean(np.log(got / (wanted + EPSILON) + EPSILON) ** 2)))
    return Score(1.0 if np.linalg.norm(got - 1) > 0.2 else 0.0, score)


OBJECT_OPERATIONS: dict[str, Callable[[Edit, Sequence[Detection], Sequence[Detection], bool | None], Score]] = {
    "move": move,
    "rotate": rotate,
    "remove": remove,
    "scale": scale,
}


def _unchanged(item: Detection, old: Detection, threshold: float) -> bool:
    return same(item.bbox_3d, old.bbox_3d, threshold) or same(item.bbox_2d, old.bbox_2d, BOX_2D)


def _closeness(ratio: ArrayLike) -> Array:
    """1 for a ratio of 1, falling with the squared logarithm to both sides."""
    return np.exp(-(np.log(np.asarray(ratio, dtype=np.float64) + EPSILON) ** 2))


def _needed(value: _T | None, field: str, operation: str) -> _T:
    if value is None:
        raise ValueError(f"the edit lacks the field {field}, which {operation} needs")
    return value
