"""Which rays of a picture can notice that some objects of the scene have changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.scene import Array, Box, Scene, SceneObject


# Boxes are taken this much larger to each side, metres.
_MARGIN = 0.01


def changed_boxes(first: Scene, second: Scene) -> list[Box] | None:
    """Boxes around what one of the scenes has and the other not, or not so; None if the views or lights differ."""
    same_view = all(
        np.array_equal(getattr(first.camera, name), getattr(second.camera, name))
        for name in ("intrinsics", "extrinsics", "width", "height")
    )
    if not same_view or first.lights != second.lights or first.ambient != second.ambient:
        return None
    return [
        item.box
        for here, there in ((first, second), (second, first))
        for item in here.objects
        if item.name not in there or not _same(item, there[item.name])
    ]


def may_touch(
    boxes: Sequence[Box],
    eye: Array,
    directions: NDArray[np.float32],
    reach: NDArray[np.float32],
    lamps: Sequence[Array],
) -> NDArray[np.bool_]:
    """Which rays pass through one of the boxes on the way from the eye to what they hit, or from there to a lamp.

    Args:
        boxes: what changed.
        eye: (3,) where the rays start, metres.
        directions: (3, N) unit directions.
        reach: (N,) distances to what the rays hit, metres; 0 for those that hit nothing.
        lamps: (3,) positions of the lamps that cast shadows, metres.

    Returns:
        (N,) True for rays whose colour may be another with the boxes' contents in place or gone.
    """
    hit = reach > 0
    span = np.where(hit, reach + np.float32(_MARGIN), np.float32(1e6))
    points = (directions * reach + eye.astype(np.float32)[:, None])[:, hit]
    touched = np.zeros(len(reach), dtype=bool)
    shaded = np.zeros(points.shape[1], dtype=bool)
    for box in boxes:
        half = (box.size / 2 + _MARGIN).astype(np.float32)
        turn, centre = box.rotation.T, box.centre[:, None]
        local = turned(turn, points) - (turn @ centre).astype(np.float32)
        touched |= _crosses(half, turn @ (eye[:, None] - centre), turned(turn, directions), span)
        for lamp in lamps:
            source = (turn @ (lamp[:, None] - centre)).astype(np.float32)
            shaded |= _crosses(half, local, source - local, np.float32(1.0))
    touched[hit] |= shaded
    return touched


def turned(matrix: Array, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, N) vectors turned by a (3, 3) matrix, on one core: a matrix product would wake all of them for nothing."""
    x, y, z = vectors
    return np.stack([a * x + b * y + c * z for a, b, c in matrix.astype(np.float32)])


def _crosses(
    half: NDArray[np.float32],
    starts: NDArray[np.floating],
    directions: NDArray[np.float32],
    length: NDArray[np.float32] | np.float32,
) -> NDArray[np.bool_]:
    """(N,) whether segments start + t * direction, (3, N) each, t from 0 to length, meet the box of half sizes."""
    enter: Any = np.float32(0.0)
    leave: Any = length
    for start, along, side in zip(starts.astype(np.float32), directions, half, strict=True):
        # A direction along a face would divide by zero; the margin makes up for the difference.
        scale = np.float32(1.0) / np.where(np.abs(along) < 1e-12, np.float32(1e-12), along)
        near, far = (-side - start) * scale, (side - start) * scale
        enter = np.maximum(enter, np.minimum(near, far))
        leave = np.minimum(leave, np.maximum(near, far))
    return enter <= leave


def _same(first: SceneObject, second: SceneObject) -> bool:
    return (
        (first.asset, first.scale) == (second.asset, second.scale)
        and np.array_equal(first.position, second.position)
        and np.array_equal(first.rotation, second.rotation)
    )
