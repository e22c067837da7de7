"""The scene around the target: what is behind it, and at which heights things may stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import depth_to_points
from gsi_datasets.scene import Camera
from gsi_metrics.sample import Array, Body, Picture, Sample


def camera_of(sample: Sample) -> Camera:
    """The source camera."""
    return Camera(sample.intrinsics, sample.source_extrinsics, sample.size[1], sample.size[0])


@dataclass(frozen=True, eq=False)
class View:
    """A picture in which the target's looks and shape are known.

    Attributes:
        picture: (H, W, 3) RGB.
        depth: (H, W) metres, 0 where nothing is known.
        ids: (H, W) instance ids.
        camera: that saw it.
        carried: (4, 4) similarity, world, from where the target is in the source to where it is here.
    """

    picture: Picture
    depth: NDArray[np.float32]
    ids: NDArray[np.int32]
    camera: Camera
    carried: Array


def views(sample: Sample) -> list[View]:
    """The source; and, where a row has one, the true result, which may show sides that the source does not."""
    found = [View(sample.source, sample.source_depth, sample.source_ids, camera_of(sample), np.eye(4))]
    if sample.target is None or sample.target_depth is None or sample.target_ids_map is None:
        return found
    if sample.transform is not None and sample.operation != "PC":
        camera = Camera(sample.intrinsics, sample.target_extrinsics, sample.size[1], sample.size[0])
        found.append(View(sample.target, sample.target_depth, sample.target_ids_map, camera, sample.transform))
    return found


def empty_scene(sample: Sample, mask: NDArray[np.bool_]) -> Picture:
    """(H, W, 3) the scene without the target: as stored, else painted over from its rim."""
    import cv2

    if sample.background is not None:
        return sample.background
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8))
    return np.asarray(cv2.inpaint(sample.source, grown, 5, cv2.INPAINT_TELEA), dtype=np.uint8)


def base_height(body: Body) -> float:
    """Height of the lowest point of a body's box, metres, world."""
    return float(body.centre[2] - 0.5 * np.abs(body.rotation[2]) @ body.size)


def top_height(body: Body) -> float:
    """Height of the highest point of a body's box, metres, world."""
    return float(body.centre[2] + 0.5 * np.abs(body.rotation[2]) @ body.size)


def depth_behind(sample: Sample, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W) depth of the scene without the target, metres; large where nothing is known.

    Behind the target it is the farther of its rim and the plane on which it stands: taking the scene for too far hides
    nothing that might be seen.
    """
    import cv2
    from scipy.ndimage import distance_transform_edt

    depth = np.where(sample.source_depth > 0, sample.source_depth, np.float32(1e3))
    body = sample.body(sample.target_id) if sample.target_id is not None else None
    if not mask.any() or body is None:
        return depth
    hole = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    nearest = distance_transform_edt(hole, return_distances=False, return_indices=True)
    rows, columns = np.nonzero(hole)
    rim = depth[nearest[0][rows, columns], nearest[1][rows, columns]]
    inverse = np.linalg.inv(sample.source_extrinsics)
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=-1) @ np.linalg.inv(sample.intrinsics).T
    slope = rays @ inverse[2, :3]
    plane = np.full(len(rows), -np.inf)
    down = slope < -1e-6
    plane[down] = (base_height(body) - inverse[2, 3]) / slope[down]
    filled = depth.copy()
    filled[rows, columns] = np.where(plane < 1.5 * rim, np.maximum(rim, plane), rim)
    return filled


def heights(sample: Sample, body: Body) -> list[float]:
    """Heights at which the target may stand: its own, the floors, the tops of the other objects; metres, ascending."""
    found = [base_height(body)]
    found += [height for other in sample.before if other.movable and other.id != body.id for height in _floors(other)]
    found += [top_height(other) for other in sample.before if not other.movable]
    merged: list[float] = []
    for height in sorted(found):
        if not merged or height - merged[-1] > 0.015:
            merged.append(height)
    return merged


def _floors(body: Body) -> tuple[float, float]:
    """Heights at which something may stand in or on a body: its floor, a wall's thickness up, and its top."""
    return base_height(body) + 0.01, top_height(body)


class Ground:
    """At which height the target would stand at a place: what the depth map shows from above, without the target."""

    def __init__(self, sample: Sample, body: Body, cell: float = 0.01) -> None:
        points = depth_to_points(sample.source_depth, camera_of(sample))
        near: Array = points[(sample.source_ids != body.id) & (sample.source_depth > 0)]
        self.own, self.cell = base_height(body), cell
        near = near[np.abs(near[:, 2] - self.own) < 0.5]
        if not len(near):
            near = body.centre[None]
        self.low = near[:, :2].min(axis=0)
        index = ((near[:, :2] - self.low) / cell).astype(int)
        self.shape = np.minimum(index.max(axis=0) + 1, 1200)
        inside = (index < self.shape).all(axis=1)
        flat = index[inside, 0] * self.shape[1] + index[inside, 1]
        total = np.bincount(flat, near[inside, 2], minlength=int(self.shape.prod()))
        count = np.bincount(flat, minlength=int(self.shape.prod()))
        self.height = np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(self.shape)
        self.others = [other for other in sample.before if other.movable and other.id != body.id]

    def floor(self, place: Array) -> float:
        """Height of the surface that carries something whose base is at or near (3,) metres, world."""
        i, j = ((place[:2] - self.low) / self.cell).astype(int)
        patch = self.height[max(i - 1, 0) : max(i + 2, 0), max(j - 1, 0) : max(j + 2, 0)]
        known = patch[np.isfinite(patch)]
        options = [float(np.median(known))] if known.size else [self.own]
        for other in self.others:
            # Behind a wall of it, the floor of a container is not seen.
            if (np.abs((place - other.centre) @ other.rotation)[:2] < 0.5 * other.size[:2]).all():
                options += _floors(other)
        return min(options, key=lambda height: abs(height - place[2]))
