"""The border between two conventions of space: ours (`gsi_datasets.scene`) and that of the published files.

There: the camera's frame (x right, y down, z forward, metres), boxes of (x, y, z, w, h, l, yaw) with the height along
the box's own y axis, which points down, and a K of the detector's working picture, whose longer side is 896.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.scene import Box
from gsi_metrics.protocols.v1.geometry import box_2d
from gsi_metrics.protocols.v1.pictures import SIDE


Array = NDArray[np.float64]

# From a published box's axes to ours: x is x, y is its z, z (up) is its -y.
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
TILTED = np.cos(np.radians(60.0))
"""Beyond, a box says nothing about gravity: what is in it lies on its side."""


def published_box(box: Box, extrinsics: Array) -> tuple[list[float], list[list[float]]]:
    """A box of the world as it is published.

    Args:
        box: in the world.
        extrinsics: (4, 4) world to camera.

    Returns:
        (x, y, z, w, h, l, yaw), yaw being the turn about the camera's vertical that is nearest to the rotation, and
        (3, 3) box to camera.
    """
    rotation = extrinsics[:3, :3] @ box.rotation @ UPRIGHT
    centre = extrinsics[:3, :3] @ box.centre + extrinsics[:3, 3]
    width, length, height = box.size
    yaw = np.arctan2(rotation[0, 2] - rotation[2, 0], rotation[0, 0] + rotation[2, 2])
    return [float(value) for value in (*centre, width, height, length, yaw)], rotation.tolist()


def world_box(box: Sequence[float], rotation: ArrayLike, extrinsics: Array) -> Box:
    """The inverse of `published_box`: a published box, and its matrix made exactly a rotation, in the world."""
    to_world = extrinsics[:3, :3].T
    width, height, length = box[3:6]
    turned = to_world @ nearest_rotation(rotation) @ UPRIGHT.T
    return Box(to_world @ (np.asarray(box[:3]) - extrinsics[:3, 3]), np.array([width, length, height]), turned)


def nearest_rotation(matrix: ArrayLike) -> Array:
    """(3, 3) rotation next to a matrix of few digits."""
    left, _, right = np.linalg.svd(np.asarray(matrix, dtype=np.float64))
    flip = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
    return left @ flip @ right


def detection(box: Box, extrinsics: Array, intrinsics: Array, label: str) -> dict[str, Any]:
    """What a detector that makes no mistake would write down of a box.

    Args:
        box: in the world.
        extrinsics: (4, 4) world to camera.
        intrinsics: (3, 3) K of the working picture.
        label: what it looked for.
    """
    numbers, rotation = published_box(box, extrinsics)
    area = box_2d(numbers, rotation, intrinsics).tolist()
    return {"label": label, "bbox_3d": numbers, "bbox_2d": area, "rotation_matrix": rotation}


def canvas_scale(width: int, height: int) -> float:
    """How much larger than a picture the detector's working picture is."""
    return SIDE / max(width, height)


def scaled_intrinsics(intrinsics: ArrayLike, scale: float) -> Array:
    """(3, 3) K of a picture that is `scale` times as large."""
    return np.diag([scale, scale, 1.0]) @ np.asarray(intrinsics, dtype=np.float64)


def of_canvas(intrinsics: ArrayLike, width: int, height: int) -> bool:
    """Whether a published K belongs to the working picture, and not to the stored one.

    The files do not say, and published sets differ in it. Optical axes pass near the middle of a picture, so it is
    the one whose middle is nearer.
    """
    centre = np.asarray(intrinsics, dtype=np.float64)[:2, 2]
    middle = np.array([width, height]) / 2
    scale = canvas_scale(width, height)
    return bool(np.linalg.norm(centre / scale - middle) <= np.linalg.norm(centre - middle))


def upright_extrinsics(rotations: Sequence[ArrayLike]) -> Array:
    """(4, 4) world to camera for a camera at the origin of a world whose z is up.

    Published files say nothing of gravity. Boxes stand upright, so up is what the boxes of one picture agree on; where
    none of them stands, the camera counts as level.

    Args:
        rotations: (3, 3) box to camera of every object of the picture.
    """
    downs = [nearest_rotation(rotation)[:, 1] for rotation in rotations]
    total = np.sum([down for down in downs if down[1] > TILTED], axis=0)
    down = np.array([0.0, 1.0, 0.0]) if np.linalg.norm(total) == 0 else total / np.linalg.norm(total)
    forward = np.cross([1.0, 0.0, 0.0], down)
    forward /= np.linalg.norm(forward)
    extrinsics = np.eye(4)
    extrinsics[:3, :3] = np.column_stack([np.cross(down, forward), forward, -down])
    return extrinsics
