"""The target as the row shows it: its known surface, and the space where its unseen part may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import depth_to_points, split_similarity
from gsi_metrics.perception.registration.surroundings import View, base_height, views
from gsi_metrics.sample import Array, Body, Sample


# Cosine under which a surface was seen too much from the side to predict another view of it.
GRAZING = 0.12
# Largest number of cells of the hull.
CELLS = 9000


@dataclass(frozen=True, eq=False)
class Target:
    """Points of the target, around the middle of its base, as it stands in the source.

    Attributes:
        anchor: (3,) the middle of the base of its box, metres, world.
        lift: metres from there up to the middle of its box.
        symmetry: order of rotational symmetry about the vertical; 0 any angle.
        points: (N, 3) known surface in random order, metres, world axes.
        normals: (N, 3) of the surface, towards the camera that saw it.
        view: (N,) number of the view that saw it: 0 the source, 1 the true result.
        pixels: (N, 2) column and row there.
        again: (N, 2) column and row in the other view, where that shows it too; -1 where not.
        depth: (N,) metres, there.
        steepness: (N,) 1 over the cosine under which it was seen there.
        grown: (N,) log scale of the target there.
        hull: (M, 3) centres of the cells that it may fill, for all that was seen.
        cell: their width, metres.
        count: pixels of it in the source.
        known: pixels that all points stand for, each in its view.
        radius: metres from the vertical through the anchor to its farthest point.
    """

    anchor: Array
    lift: float
    symmetry: int
    points: Array
    normals: Array
    view: NDArray[np.int64]
    pixels: NDArray[np.int64]
    again: NDArray[np.int64]
    depth: NDArray[np.float32]
    steepness: NDArray[np.float32]
    grown: NDArray[np.float32]
    hull: Array
    cell: float
    count: int
    known: int
    radius: float


@dataclass(frozen=True, eq=False)
class _Surface:
    """What one view shows of the target: per pixel (N, ...), points and normals as the target stands in the source."""

    points: Array
    normals: Array
    pixels: NDArray[np.int64]
    again: NDArray[np.int64]
    depth: Array
    cosine: Array
    grown: float


def lift_target(sample: Sample, body: Body, most: int = 4000, alone: bool = False) -> Target | None:
    """The target's points by the depth of every view; None if no pixel of it has a depth in the source.

    Args:
        sample: the row.
        body: the target.
        most: number of points.
        alone: take the surface from the source alone; the other view then only says where nothing is.
    """
    seen = views(sample)
    surfaces = [_surface(sample, body, view) for view in seen[: 1 if alone else None]]
    if not len(surfaces[0].points):
        return None
    if len(surfaces) > 1:
        # What both show should count once. The source is taken unless it shows it at less than half the cosine.
        source, result = surfaces
        surfaces = [_best(source, seen[1], result, body, 0.5), _best(result, seen[0], source, body, 2.0)]
    base = base_height(body)
    anchor = np.array([body.centre[0], body.centre[1], base])
    numbers = np.repeat(np.arange(len(surfaces)), [len(item.points) for item in surfaces])
    order = np.random.default_rng(0).permutation(len(numbers))[:most]
    hull, cell = _hull(sample, body, seen)

    def joined(name: str) -> Any:
        return np.concatenate([getattr(item, name) for item in surfaces])[order]

    return Target(
        anchor=anchor,
        lift=float(body.centre[2] - base),
        symmetry=body.symmetry,
        points=joined("points") - anchor,
        normals=joined("normals"),
        view=numbers[order],
        pixels=joined("pixels"),
        again=joined("again"),
        depth=joined("depth").astype(np.float32),
        steepness=(1 / joined("cosine")).astype(np.float32),
        grown=np.array([item.grown for item in surfaces], dtype=np.float32)[numbers[order]],
        hull=hull - anchor,
        cell=cell,
        count=int((sample.source_ids == body.id).sum()),
        known=len(numbers),
        radius=0.5 * float(np.hypot(body.size[0], body.size[1])),
    )


def _surface(sample: Sample, body: Body, view: View) -> _Surface:
    """Every pixel of the target in a view that has a depth near its box."""
    mask, eye = view.ids == body.id, view.camera.position
    back = np.linalg.inv(view.carried)
    scale, rotation, _ = split_similarity(view.carried)
    there = depth_to_points(view.depth, view.camera)
    world = there @ back[:3, :3].T + back[:3, 3]
    margin = (0.02 if sample.exact_depth else 0.04) + (0.05 if sample.exact_depth else 0.25) * body.size
    local = (world - body.centre) @ body.rotation
    # The depth of the rim may be that of what lies behind; a box of an estimate may be off: the points decide.
    rows, columns = np.nonzero(mask & (view.depth > 0) & (np.abs(local) <= 0.5 * body.size + margin).all(axis=-1))
    if not len(rows):
        none, nowhere = np.zeros((0, 3)), np.zeros((0, 2), dtype=np.int64)
        return _Surface(none, none, nowhere, nowhere, np.zeros(0), np.zeros(0), float(np.log(scale)))
    normals, toward = _normals(there, mask, eye)[rows, columns], eye - there[rows, columns]
    cosine = np.maximum((normals * toward).sum(axis=1) / np.linalg.norm(toward, axis=1), GRAZING)
    return _Surface(
        points=world[rows, columns],
        normals=normals @ rotation,
        pixels=np.stack([columns, rows], axis=-1),
        again=np.full((len(rows), 2), -1),
        depth=view.depth[rows, columns].astype(np.float64),
        cosine=cosine,
        grown=float(np.log(scale)),
    )


def _best(surface: _Surface, other: View, others: _Surface, body: Body, weight: float) -> _Surface:
    """The points another view does not show, or less well: at a lower cosine times `weight`."""
    height, width = other.ids.shape
    cosine = np.zeros((height, width))
    cosine[others.pixels[:, 1], others.pixels[:, 0]] = others.cosine
    column, row, depth = _seen_from(other, surface.points)
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    column, row = column.clip(0, width - 1), row.clip(0, height - 1)
    near = np.abs(depth - other.depth[row, column]) < 0.005 + 0.02 * float(body.size.max())
    shown = inside & near & (other.ids[row, column] == body.id)
    keep = ~shown | (weight * cosine[row, column] < surface.cosine)
    return _Surface(
        points=surface.points[keep],
        normals=surface.normals[keep],
        pixels=surface.pixels[keep],
        again=np.where(shown[:, None], np.stack([column, row], axis=-1), -1)[keep],
        depth=surface.depth[keep],
        cosine=surface.cosine[keep],
        grown=surface.grown,
    )


def _seen_from(view: View, points: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Column, row and depth in a view of (N, 3) world points of the target as it stands in the source."""
    extrinsics = view.camera.extrinsics
    moved = points @ view.carried[:3, :3].T + view.carried[:3, 3]
    local = moved @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    pixels = local @ view.camera.intrinsics.T / np.maximum(local[:, 2:], 1e-6)
    column, row = (np.floor(pixels[:, axis]).astype(np.int64) for axis in (0, 1))
    return column, row, local[:, 2]


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


def _hull(sample: Sample, body: Body, seen: list[View]) -> tuple[Array, float]:
    """Cells of the body's box that no view shows to be empty: (M, 3) centres, world, and their width."""
    intrinsics, extrinsics = sample.intrinsics, sample.source_extrinsics
    size = np.maximum(body.size, 0.004)
    distance = float(np.linalg.norm(extrinsics[:3, :3] @ body.centre + extrinsics[:3, 3]))
    # About three pixels of the source: two looks at half resolution leave no holes.
    cell = max(2.5 * distance / float(intrinsics[0, 0]), float(np.cbrt(size.prod() / CELLS)))
    counts = np.maximum(np.round(size / cell).astype(int), 1)
    axes = [((np.arange(count) + 0.5) / count - 0.5) * length for count, length in zip(counts, size, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ body.rotation.T + body.centre
    slack = cell if sample.exact_depth else 0.05 * distance
    movable = [other.id for other in sample.before if other.movable and other.id != body.id]
    keep = np.ones(len(grid), dtype=bool)
    for view in seen:
        column, row, depth = _seen_from(view, grid)
        height, width = view.ids.shape
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        column, row = column.clip(0, width - 1), row.clip(0, height - 1)
        ids, behind = view.ids[row, column], depth >= view.depth[row, column] - slack
        keep &= ~inside | (((ids == body.id) | np.isin(ids, movable)) & behind)
    return grid[keep], cell
