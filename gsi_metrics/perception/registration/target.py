"""The target as the source shows it: its visible surface, and the space where its unseen part may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import depth_to_points
from gsi_metrics.perception.registration.surroundings import base_height, camera_of
from gsi_metrics.sample import Array, Body, Sample


# Cosine under which a surface was seen too much from the side to predict another view of it.
GRAZING = 0.12
# Largest number of cells of the hull.
CELLS = 9000


@dataclass(frozen=True, eq=False)
class Target:
    """Points of the target, around the middle of its base.

    Attributes:
        anchor: (3,) the middle of the base of its box, metres, world.
        lift: metres from there up to the middle of its box.
        symmetry: order of rotational symmetry about the vertical; 0 any angle.
        points: (N, 3) visible surface in random order, metres, world axes.
        normals: (N, 3) of the surface, towards the camera.
        area: (N,) of the surface that each point stands for, square metres.
        pixels: (N, 2) column and row in the source.
        hull: (M, 3) centres of the cells that it may fill, for all that was seen.
        cell: their width, metres.
        count: pixels of it in the source.
        radius: metres from the vertical through the anchor to its farthest point.
        height: metres.
    """

    anchor: Array
    lift: float
    symmetry: int
    points: Array
    normals: Array
    area: Array
    pixels: NDArray[np.int64]
    hull: Array
    cell: float
    count: int
    radius: float
    height: float


def lift_target(sample: Sample, body: Body, most: int = 4000) -> Target | None:
    """The target's points by the source depth; None if no pixel of it has a depth."""
    camera, mask = camera_of(sample), sample.source_ids == body.id
    world = depth_to_points(sample.source_depth, camera)
    margin = (0.02 if sample.exact_depth else 0.04) + (0.05 if sample.exact_depth else 0.25) * body.size
    local = (world - body.centre) @ body.rotation
    rows, columns = np.nonzero(mask & (np.abs(local) <= 0.5 * body.size + margin).all(axis=-1))
    if not len(rows):
        return None
    normals = _normals(world, mask, camera.position)[rows, columns]
    points = world[rows, columns]
    # The depth of the rim may be that of what lies behind; a box of an estimate may be off: the points decide.
    toward = camera.position - points
    distance = np.linalg.norm(toward, axis=1)
    cosine = np.maximum((normals * toward).sum(axis=1) / distance, GRAZING)
    depth = sample.source_depth[rows, columns].astype(np.float64)
    area = depth**2 / (sample.intrinsics[0, 0] * sample.intrinsics[1, 1] * cosine)
    base = base_height(body)
    anchor = np.array([body.centre[0], body.centre[1], base])
    order = np.random.default_rng(0).permutation(len(rows))[:most]
    hull, cell = _hull(sample, body, camera)
    return Target(
        anchor=anchor,
        lift=float(body.centre[2] - base),
        symmetry=body.symmetry,
        points=(points - anchor)[order],
        normals=normals[order],
        area=area[order] * len(rows) / len(order),
        pixels=np.stack([columns, rows], axis=-1)[order],
        hull=hull - anchor,
        cell=cell,
        count=int(mask.sum()),
        radius=0.5 * float(np.hypot(body.size[0], body.size[1])),
        height=2 * float(body.centre[2] - base),
    )


def _normals(world: Array, mask: NDArray[np.bool_], eye: Array) -> Array:
    """(H, W, 3) unit normals of a map of points, from neighbours within the mask; towards the eye where none are."""
    import cv2

    rows, columns = np.nonzero(mask)
    top, left = max(rows.min() - 3, 0), max(columns.min() - 3, 0)
    window = np.s_[top : rows.max() + 4, left : columns.max() + 4]
    inside = mask[window] & np.isfinite(world[window]).all(axis=-1)
    weight = inside.astype(np.float64)
    share = cv2.blur(weight, (3, 3))
    soft = cv2.blur(np.where(inside[..., None], world[window], 0.0), (3, 3)) / np.maximum(share, 1e-9)[..., None]

    def slope(axis: int) -> tuple[Array, NDArray[np.bool_]]:
        ahead, back = np.roll(soft, -1, axis), np.roll(soft, 1, axis)
        has_ahead, has_back = np.roll(inside, -1, axis), np.roll(inside, 1, axis)
        step = np.where(has_ahead[..., None], ahead, soft) - np.where(has_back[..., None], back, soft)
        return step, has_ahead | has_back

    across, first = slope(1)
    down, second = slope(0)
    normal = np.cross(down, across)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    toward = eye - world[window]
    toward = toward / np.linalg.norm(toward, axis=-1, keepdims=True)
    good = inside & first & second & (length[..., 0] > 1e-12)
    unit = np.where(good[..., None], normal / np.maximum(length, 1e-12), toward)
    unit *= np.where((unit * toward).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    normals = np.zeros_like(world)
    normals[window] = unit
    return normals


def _hull(sample: Sample, body: Body, camera: object) -> tuple[Array, float]:
    """Cells of the body's box that the source does not show to be empty: (M, 3) centres, world, and their width."""
    intrinsics, extrinsics = sample.intrinsics, sample.source_extrinsics
    size = np.maximum(body.size, 0.004)
    distance = float(np.linalg.norm(extrinsics[:3, :3] @ body.centre + extrinsics[:3, 3]))
    # About three pixels of the source: two looks at half resolution leave no holes.
    cell = max(2.5 * distance / float(intrinsics[0, 0]), float(np.cbrt(size.prod() / CELLS)))
    counts = np.maximum(np.round(size / cell).astype(int), 1)
    axes = [((np.arange(count) + 0.5) / count - 0.5) * length for count, length in zip(counts, size, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ body.rotation.T + body.centre
    local = grid @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    depth = np.maximum(local[:, 2], 1e-6)
    columns = np.floor(local[:, 0] / depth * intrinsics[0, 0] + intrinsics[0, 2]).astype(int)
    rows = np.floor(local[:, 1] / depth * intrinsics[1, 1] + intrinsics[1, 2]).astype(int)
    height, width = sample.size
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    ids, seen = sample.source_ids[rows, columns], sample.source_depth[rows, columns]
    slack = cell if sample.exact_depth else 0.05 * distance
    behind = depth >= seen - slack
    movable = {other.id for other in sample.before if other.movable}
    hidden = (ids != body.id) & np.isin(ids, list(movable)) & behind
    keep = ~inside | ((ids == body.id) & behind) | hidden
    return grid[keep], cell
