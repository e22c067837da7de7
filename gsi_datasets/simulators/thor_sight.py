"""How much of each object a frame of AI2-THOR shows.

Unity says which pixels an object has, not which it would have if nothing stood before it. Its box says where these
could be. Of the pixels that the box covers and the object does not have, those count as hidden where something is
seen in front of the box or, unless that is what the object rests on or the structure, inside it. A box is larger than
what is in it, so too many pixels count as hidden, and the fraction that is seen is a lower bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import NEAR, image_bounds
from gsi_datasets.renderers.rays import Visibility
from gsi_datasets.scene import Box, Camera, Scene, SceneObject


Array = NDArray[np.float64]
# Samples along each side of a window, how far beyond the frame a silhouette is followed, in frames, and by how much
# what lies in a box must be nearer than its back, metres.
_SAMPLES = 64
_BEYOND = 1.0
_BACK = 0.01


def visibility(scene: Scene, depth: NDArray[np.float32], instances: NDArray[np.uint16]) -> dict[str, Visibility]:
    """How much of each object with an instance is seen.

    Args:
        scene: with the camera of the frame.
        depth: (H, W) metres along the optical axis, 0 where nothing is.
        instances: (H, W) of the same frame.
    """
    counts = np.bincount(instances.ravel(), minlength=max((item.instance for item in scene.objects), default=0) + 1)
    return {
        item.name: _seen(item, scene, depth, instances, int(counts[item.instance]))
        for item in scene.objects
        if item.instance > 0
    }


def _seen(
    item: SceneObject, scene: Scene, depth: NDArray[np.float32], instances: NDArray[np.uint16], visible: int
) -> Visibility:
    camera, box = scene.camera, item.box
    bounds = image_bounds(box, camera)
    if bounds is None:
        return Visibility(visible, visible, 0.0, 0.0)
    left, top, right, bottom = bounds
    wide = np.array([camera.width, camera.height])
    low, high = np.maximum(bounds[:2], -_BEYOND * wide), np.minimum(bounds[2:], (1 + _BEYOND) * wide)
    if (low >= high).any():
        return Visibility(visible, visible, 0.0, 0.0)
    inside = 1.0
    if left < 0 or top < 0 or right > camera.width or bottom > camera.height:
        u, v = (np.linspace(low[k], high[k], _SAMPLES) for k in (0, 1))
        entry, leave = passage(box, camera, u, v)
        within = ((u >= 0) & (u <= camera.width))[None] & ((v >= 0) & (v <= camera.height))[:, None]
        hit = entry < leave
        inside = float((hit & within).sum() / max(hit.sum(), 1))
    hidden = _hidden(item, scene, depth, instances, np.maximum(low, 0), np.minimum(high, wide))
    amodal = visible + hidden
    return Visibility(visible, amodal, inside, visible / amodal * inside if amodal else 0.0)


def _hidden(
    item: SceneObject,
    scene: Scene,
    depth: NDArray[np.float32],
    instances: NDArray[np.uint16],
    low: Array,
    high: Array,
) -> int:
    """Pixels of the frame in which something hides the object, about."""
    start, stop = np.floor(low).astype(int), np.ceil(high).astype(int)
    if (start >= stop).any():
        return 0
    stride = int(max(1, np.ceil((stop - start).max() / _SAMPLES)))
    columns, rows = np.arange(start[0], stop[0], stride), np.arange(start[1], stop[1], stride)
    entry, leave = passage(item.box, scene.camera, columns + 0.5, rows + 0.5)
    seen, owner = depth[np.ix_(rows, columns)], instances[np.ix_(rows, columns)]
    behind = scene[item.support].instance if item.support and item.support in scene else 0
    background = (owner == 0) | (owner == behind)
    limit = np.where(background, entry, leave - _BACK)
    hides = (entry < leave) & (owner != item.instance) & (seen > 0) & (seen < limit)
    return int(hides.sum()) * stride**2


def passage(box: Box, camera: Camera, u: Array, v: Array) -> tuple[Array, Array]:
    """Depths along the optical axis at which rays through pixels enter a box and leave it, each (V, U), metres.

    Args:
        box: in the world.
        camera: whose rays.
        u: (U,) pixels to the right.
        v: (V,) pixels downwards.

    Returns:
        The entry is not before the leave where the ray misses.
    """
    turn = box.rotation.T @ camera.extrinsics[:3, :3].T
    matrix = turn @ np.linalg.inv(camera.intrinsics)
    origin = box.rotation.T @ (camera.position - box.centre)
    ways = u[None, :, None] * matrix[:, 0] + v[:, None, None] * matrix[:, 1] + matrix[:, 2]
    ways = np.where(np.abs(ways) < 1e-12, 1e-12, ways)
    half = box.size / 2
    ends = np.stack([(-half - origin) / ways, (half - origin) / ways])
    return np.maximum(ends.min(axis=0).max(axis=-1), NEAR), ends.max(axis=0).min(axis=-1)
