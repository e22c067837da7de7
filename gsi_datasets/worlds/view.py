"""The view of a tabletop: a person's height, any side, a lens that takes the arrangement in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import corners, intrinsics_from_fov, look_at
from gsi_datasets.scene import Camera, SceneObject


EYE_HEIGHT = (1.12, 1.75)
FIELD_OF_VIEW = (np.radians(26), np.radians(66))
PITCH = (np.radians(17), np.radians(52))
WALL_CLEARANCE = 0.3


def frame_objects(
    objects: Sequence[SceneObject],
    azimuth: float,
    reach: NDArray[np.float64],
    image_size: int,
    rng: np.random.Generator,
) -> Camera:
    """A camera that looks at the objects from `azimuth` and leaves them room to move.

    Args:
        objects: what must be seen.
        azimuth: direction from the objects to the camera about the vertical, radians.
        reach: (2,) half extents of the room, metres; the camera stays inside.
        image_size: width and height, pixels.
        rng: the only source of chance.
    """
    points = np.concatenate([corners(item.box) for item in objects])
    low, high = points.min(axis=0), points.max(axis=0)
    aim = 0.5 * (low + high) + rng.normal(0, 0.02, 3)
    aim[2] = low[2] + 0.35 * (high[2] - low[2])
    heading = np.array([np.cos(azimuth), np.sin(azimuth)])
    # How far one can step back before the wall.
    with np.errstate(divide="ignore"):
        room = float(np.min((reach - WALL_CLEARANCE - np.sign(heading) * aim[:2]) / np.abs(heading)))
    distance = min(rng.uniform(0.75, 1.45), room)
    height = rng.uniform(max(EYE_HEIGHT[0], low[2] + 0.3), max(EYE_HEIGHT[1], low[2] + 0.5)) - aim[2]
    height = float(np.clip(height, distance * np.tan(PITCH[0]), distance * np.tan(PITCH[1])))
    position = np.array([*(aim[:2] + distance * heading), aim[2] + height])
    extrinsics = look_at(position, aim)
    camera = points @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    tangent = float(np.abs(camera[:, :2] / np.maximum(camera[:, 2:], 0.05)).max())
    fov = float(np.clip(2 * np.arctan(rng.uniform(1.1, 1.3) * tangent), *FIELD_OF_VIEW))
    return Camera(intrinsics_from_fov(fov, image_size, image_size), extrinsics, image_size, image_size)
