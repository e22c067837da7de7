"""From a silhouette and metric depth to an upright box, with numpy: what a 2D model sees, put into space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import rotation_z
from gsi_datasets.scene import Box
from gsi_metrics.sample import Array


FEWEST = 20
"""Points; fewer say nothing about a size."""
TRIM = 1.0
"""Percent of the points at each end that do not count, for edges of masks and depth are frayed."""
TILT = np.radians(60)
"""Largest angle between the camera's up and the world's that a support plane may have."""


def lift(mask: NDArray[np.bool_], depth: NDArray[np.float32], K: Array, up: Array) -> Box | None:
    """The upright box of least footprint around the visible surface of an object.

    Only the side towards the camera is seen, so boxes of one object before and after an edit compare better than their
    sizes are true. The box has no front: of four equal turns it takes the one whose x axis points most to the right.

    Args:
        mask: (H, W) the object's visible pixels.
        depth: (H, W) metres along the optical axis; 0 where unknown.
        K: (3, 3).
        up: (3,) unit vector against gravity, camera frame.

    Returns:
        In the camera frame, own axes with z up; None if too little is seen.
    """
    points = _points(_core(mask) & (depth > 0), depth, K)
    if len(points) < FEWEST:
        return None
    level = level_axes(up)
    standing = points @ level.T
    bottom, top = np.percentile(standing[:, 2], [TRIM, 100 - TRIM])
    ground = standing[:, :2]
    best = None
    for angle in _directions(ground):
        c, s = np.cos(angle), np.sin(angle)
        low, high = np.percentile(ground @ np.array([[c, -s], [s, c]]), [TRIM, 100 - TRIM], axis=0)
        area = float(np.prod(high - low))
        if best is None or area < best[0]:
            best = (area, angle, low, high)
    assert best is not None
    _, angle, low, high = best
    size = np.array([*(high - low), top - bottom])
    if not (size > 1e-4).all():
        return None
    rotation = level.T @ rotation_z(angle)
    middle = np.array([*(low + high) / 2, 0.0])
    centre = rotation @ middle + level.T @ np.array([0.0, 0.0, (bottom + top) / 2])
    return Box(centre, size, rotation)


def support_up(depth: NDArray[np.float32], K: Array, seed: int = 0) -> Array:
    """(3,) up, camera frame: the normal of the largest plane that can be a table or a floor.

    Args:
        depth: (H, W) metres; 0 where unknown.
        K: (3, 3).
        seed: of the planes that are tried.

    Returns:
        The camera's own up if no plane is found.
    """
    points = _points(depth > 0, depth, K)
    camera_up = np.array([0.0, -1.0, 0.0])
    rng = np.random.default_rng(seed)
    if len(points) < FEWEST:
        return camera_up
    points = points[rng.permutation(len(points))[:4000]]
    corners = points[rng.integers(0, len(points), (500, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals / np.maximum(lengths, 1e-12)[:, None]
    normals *= np.where(normals @ camera_up < 0, -1.0, 1.0)[:, None]
    fit = (lengths > 1e-9) & (normals @ camera_up > np.cos(TILT))
    if not fit.any():
        return camera_up
    normals, anchors = normals[fit], corners[fit, 0]
    # A plane holds what lies within 1 % of its distance from the camera.
    thickness = 0.01 * np.linalg.norm(points, axis=1)
    off = np.abs(normals @ points.T - (normals * anchors).sum(1)[:, None])
    # Cameras are held upright more often than not; the weight tells a table from the wall behind it.
    weight = (normals @ camera_up) ** 2
    held = points[off[((off < thickness).sum(1) * weight).argmax()] < thickness]
    normal = np.linalg.svd(held - held.mean(0), full_matrices=False)[2][2]
    normal = normal if normal @ camera_up > 0 else -normal
    return np.asarray(normal if normal @ camera_up > np.cos(TILT) else camera_up)


def level_axes(up: Array) -> Array:
    """(3, 3) camera to a level frame: rows are the viewer's right, away and up."""
    z = np.asarray(up, dtype=np.float64)
    z = z / np.linalg.norm(z)
    right = np.array([1.0, 0.0, 0.0]) - z[0] * z
    if np.linalg.norm(right) < 1e-6:
        right = np.array([0.0, 0.0, 1.0]) - z[2] * z
    x = right / np.linalg.norm(right)
    return np.stack([x, np.cross(z, x), z])


def _core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without its edge, where depth belongs to what lies behind; all of it if little else is left."""
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return inner if inner.sum() >= max(FEWEST, 0.5 * mask.sum()) else mask


def _points(mask: NDArray[np.bool_], depth: NDArray[np.float32], K: Array) -> Array:
    """(N, 3) camera frame; pixel centres are at +0.5."""
    rows, columns = np.nonzero(mask)
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=1) @ np.linalg.inv(K).T
    return np.asarray(rays * depth[rows, columns].astype(np.float64)[:, None])


def _directions(ground: Array) -> Array:
    """Angles in [-45, 45) degrees of the edges of the hull: the least rectangle lies along one of them."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        corners = ground[ConvexHull(ground).vertices]
    except QhullError:
        return np.zeros(1)
    edges = np.roll(corners, -1, axis=0) - corners
    quarter = np.pi / 2
    return np.unique((np.arctan2(edges[:, 1], edges[:, 0]) + quarter / 2) % quarter - quarter / 2)
