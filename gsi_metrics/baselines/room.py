"""Whether an object of a row fits somewhere else: on its support, clear of the others, in the picture, in sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gsi_datasets.geometry import footprint_clearance, image_bounds, invert_rigid, transform_box, transform_points
from gsi_datasets.scene import Box, Camera
from gsi_metrics.baselines.states import Motion, base, box_of, target
from gsi_metrics.sample import Array, Body, Sample


# Metres between two objects beside each other.
GAP = 0.005
# Share of its visible points that must not be hidden at the new place.
SEEN = 0.7


def fits(sample: Sample, body: Body, matrix: Array, inside: Body | None = None) -> bool:
    """Whether `body` may stand where `matrix` carries it.

    Args:
        sample: the row.
        body: one of `sample.before`.
        matrix: (4, 4) world similarity.
        inside: a receptacle that it may stand in or on; it must not hang over its edge.
    """
    box = transform_box(box_of(body), matrix)
    table = table_of(sample, body)
    if (table is not None and not _within(box, box_of(table))) or not _in_picture(sample, box):
        return False
    for other in sample.before:
        if not other.movable or other.id == body.id or (inside is not None and other.id == inside.id):
            continue
        if footprint_clearance(box, box_of(other)) < GAP:
            return False
    return _in_sight(sample, body, matrix)


def table_of(sample: Sample, body: Body) -> Body | None:
    """What stands still at the end of the chain of supports; None if the row does not say."""
    by_name = {item.name: item for item in sample.before}
    seen = set()
    while body.movable and body.support in by_name and body.name not in seen:
        seen.add(body.name)
        body = by_name[body.support]
    return None if body.movable else body


def table_height(sample: Sample, body: Body) -> float | None:
    """Height of the surface, metres: where those stand that stand on it directly. None if there is none."""
    table = table_of(sample, body)
    if table is None:
        return None
    heights = [float(base(item)[2]) for item in sample.before if item.movable and item.support == table.name]
    return float(np.median(heights)) if heights else None


def free_place(
    sample: Sample, rng: np.random.Generator, motion: Motion | None = None, beside: bool = False, tries: int = 300
) -> Array | None:
    """(3,) a shift of the target along the table to where it fits, 5 to 60 cm; None if none is found.

    From a receptacle it comes down to the table.

    Args:
        sample: the row.
        rng: the only source of chance.
        motion: how it is turned and scaled besides.
        beside: keep clear of where it stands now, too.
        tries: how many places to try.
    """
    body, height = target(sample), table_height(sample, target(sample))
    drop = 0.0 if height is None else height - float(base(body)[2])
    for _ in range(tries):
        angle, way = rng.uniform(-np.pi, np.pi), rng.uniform(0.05, 0.6)
        shift = np.array([way * np.cos(angle), way * np.sin(angle), drop])
        matrix = replace(motion or Motion(shift), shift=shift).of(body)
        if beside and footprint_clearance(transform_box(box_of(body), matrix), box_of(body)) < GAP:
            continue
        if fits(sample, body, matrix):
            return shift
    return None


def _within(box: Box, table: Box) -> bool:
    """Whether the footprint of `box` lies within that of `table`, in the table's own axes."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = box.centre + (0.5 * signs * box.size) @ box.rotation.T
    local = (corners - table.centre) @ table.rotation
    return bool((np.abs(local[:, :2]) <= 0.5 * table.size[:2]).all())


def _in_picture(sample: Sample, box: Box) -> bool:
    height, width = sample.size
    bounds = image_bounds(box, Camera(sample.intrinsics, sample.source_extrinsics, width, height))
    return bounds is not None and bool((bounds[:2] >= 0).all() and (bounds[2:] <= (width, height)).all())


def _in_sight(sample: Sample, body: Body, matrix: Array) -> bool:
    """Whether most of its visible points stay visible behind the other objects, as far as the source's depth tells."""
    points = visible_points(sample, body.id)
    if not len(points):
        return False
    camera = transform_points(transform_points(points, matrix), sample.source_extrinsics)
    height, width = sample.size
    uv = ((camera @ sample.intrinsics[:2].T) / camera[:, 2:]).astype(int)
    inside = (uv >= 0).all(axis=1) & (uv < (width, height)).all(axis=1)
    uv, depth = uv[inside], camera[inside, 2]
    # What was behind the object itself is not known; it stood on a table, which hides nothing.
    there, ids = sample.source_depth[uv[:, 1], uv[:, 0]], sample.source_ids[uv[:, 1], uv[:, 0]]
    hidden = (ids != body.id) & (there > 0) & (there < depth - 0.02)
    return float((~hidden).sum()) >= SEEN * len(points)


def visible_points(sample: Sample, instance: int) -> Array:
    """(N, 3) world points of the pixels in which an object is seen in the source."""
    rows, columns = np.nonzero((sample.source_ids == instance) & (sample.source_depth > 0))
    depth = sample.source_depth[rows, columns].astype(np.float64)
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=1)
    camera = (pixels @ np.linalg.inv(sample.intrinsics).T) * depth[:, None]
    return transform_points(camera, invert_rigid(sample.source_extrinsics))
