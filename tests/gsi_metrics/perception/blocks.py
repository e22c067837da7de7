"""A scene of patterned blocks on a table, drawn by rays in plain numpy: rows with an exact answer, in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import intrinsics_from_fov, look_at, rotation_z, similarity
from gsi_metrics.sample import Array, Body, Picture, Sample


SIDE = 256
TABLE, TARGET, OTHER, TALL = 1, 2, 3, 4
TOP = 0.75
INTRINSICS = intrinsics_from_fov(0.62, SIDE, SIDE)
EXTRINSICS = look_at(np.array([0.0, -1.0, 1.45]), np.array([0.04, 0.06, TOP]))
COLOURS = {
    TABLE: ((150, 110, 80), (135, 96, 66)),
    TARGET: ((210, 60, 50), (240, 220, 90)),
    OTHER: ((60, 110, 190), (225, 225, 230)),
    TALL: ((60, 150, 90), (30, 60, 40)),
}


def block(instance: int, place: tuple[float, float], size: tuple[float, float, float], yaw: float = 0.0) -> Body:
    """A block standing on the table."""
    name = {TABLE: "table", TARGET: "target", OTHER: "other", TALL: "tall"}[instance]
    centre = np.array([*place, TOP + size[2] / 2])
    return Body(instance, name, name, name, centre, np.array(size), rotation_z(yaw), support="table")


def table() -> Body:
    size = np.array([1.6, 1.2, TOP])
    return Body(TABLE, "table", "table", "table", np.array([0, 0.1, TOP / 2]), size, np.eye(3), movable=False)


def scene() -> dict[int, Body]:
    """Three blocks on a table, by id."""
    return {
        TABLE: table(),
        TARGET: block(TARGET, (-0.08, -0.02), (0.14, 0.09, 0.10), 0.3),
        OTHER: block(OTHER, (0.2, -0.1), (0.12, 0.12, 0.08), -0.2),
        TALL: block(TALL, (0.12, 0.25), (0.08, 0.08, 0.2), 0.5),
    }


def moved(body: Body, shift: tuple[float, float], yaw: float = 0.0, scale: float = 1.0) -> Body:
    """The block elsewhere on its support, turned about the vertical and scaled about its base."""
    size = scale * body.size
    centre = body.centre + np.array([*shift, (size[2] - body.size[2]) / 2])
    return replace(body, centre=centre, size=size, rotation=rotation_z(yaw) @ body.rotation)


def motion(before: Body, after: Body) -> Array:
    """(4, 4) similarity that carries one to the other."""
    scale = float(after.size[0] / before.size[0])
    turn = after.rotation @ before.rotation.T
    return similarity(turn, after.centre - scale * turn @ before.centre, scale)


def draw(
    bodies: Mapping[int, Body], extrinsics: Array = EXTRINSICS, fine: int = 2
) -> tuple[Picture, NDArray[np.float32], NDArray[np.int32]]:
    """(H, W, 3) picture, (H, W) depth in metres and (H, W) ids; colours are the mean of `fine` x `fine` rays."""
    depth, ids, _ = _cast(bodies, extrinsics, 1)
    _, _, colour = _cast(bodies, extrinsics, fine)
    mean = colour.reshape(SIDE, fine, SIDE, fine, 3).mean(axis=(1, 3))
    return np.clip(mean, 0, 255).round().astype(np.uint8), depth.astype(np.float32), ids


def _cast(bodies: Mapping[int, Body], extrinsics: Array, fine: int) -> tuple[Array, NDArray[np.int32], Array]:
    v, u = (np.mgrid[: SIDE * fine, : SIDE * fine] + 0.5) / fine
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(INTRINSICS).T @ extrinsics[:3, :3]
    eye = -extrinsics[:3, :3].T @ extrinsics[:3, 3]
    # Behind everything a patterned wall, so far away that it is only background.
    nearest = (2.5 - eye[1]) / np.where(rays[..., 1] > 1e-3, rays[..., 1], 1e-3)
    wall = eye + nearest[..., None] * rays
    stripe = np.sin(9 * wall[..., 0]) * np.sin(11 * wall[..., 2]) > 0
    colour = np.where(stripe[..., None], (170.0, 175.0, 180.0), (150.0, 152.0, 160.0))
    ids = np.zeros(nearest.shape, dtype=np.int32)
    light = np.array([-0.4, -0.5, 0.77])
    for instance, body in bodies.items():
        start, way = (eye - body.centre) @ body.rotation, rays @ body.rotation
        way = np.where(np.abs(way) < 1e-9, 1e-9, way)
        one, two = (-0.5 * body.size - start) / way, (0.5 * body.size - start) / way
        enter, leave = np.minimum(one, two), np.maximum(one, two).min(axis=-1)
        axis, first = enter.argmax(axis=-1), enter.max(axis=-1)
        hit = (first < leave) & (first > 0.05) & (first < nearest)
        local = (start + first[hit, None] * way[hit]) / body.size
        face = axis[hit]
        sign = np.sign(np.take_along_axis(local, face[:, None], axis=1)[:, 0])
        normal = body.rotation[:, face].T * sign[:, None]
        # Every face has a pattern of its own, in the block's own measure.
        across, along = (np.take_along_axis(local, ((face + k) % 3)[:, None], axis=1)[:, 0] for k in (1, 2))
        if instance == TABLE:
            pattern = np.sin(17 * local[:, 0] + 9 * local[:, 1]) * np.sin(23 * local[:, 1] - 5 * local[:, 0]) > 0.1
        else:
            phase = 1.7 * face + 0.9 * sign
            pattern = np.sin(7 * across + phase + 2 * along) + np.sin(5 * along - 2 * phase - 3 * across) > 0.1
        light_on = 0.55 + 0.45 * np.maximum(normal @ light, 0)
        plain, other = COLOURS[instance]
        colour[hit] = np.where(pattern[:, None], plain, other) * light_on[:, None]
        ids[hit], nearest[hit] = instance, first[hit]
    return nearest, ids, colour


def row(operation: str = "CM", after: Body | None = None, **changes: Any) -> Sample:
    """A row whose target ends as `after`; removed if None."""
    bodies = scene()
    source, depth, ids = draw(bodies)
    rest = {key: value for key, value in bodies.items() if key != TARGET}
    result = rest if after is None else bodies | {TARGET: after}
    target, target_depth, target_ids = draw(result)
    fields: dict[str, Any] = {
        "id": "blocks",
        "scene": "blocks",
        "operation": operation,
        "instruction": "",
        "source": source,
        "source_depth": depth,
        "source_ids": ids,
        "background": draw(rest)[0],
        "target": target,
        "target_depth": target_depth,
        "target_ids_map": target_ids,
        "intrinsics": INTRINSICS,
        "source_extrinsics": EXTRINSICS,
        "target_extrinsics": EXTRINSICS,
        "before": tuple(bodies.values()),
        "after": tuple(result.values()),
        "target_id": TARGET,
        "reference_ids": (),
        "transform": None if after is None else motion(bodies[TARGET], after),
        "parameters": {},
    }
    return Sample(**{**fields, **changes})
