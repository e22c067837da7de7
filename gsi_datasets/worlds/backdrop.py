"""What stands along the walls behind the table, so that a room looks lived in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets import pack
from gsi_datasets.assets.asset import AssetInfo
from gsi_datasets.assets.parametric.rooms import RoomPlan, room_plan
from gsi_datasets.geometry import rotation_z
from gsi_datasets.scene import SceneObject


# Furniture that people put against a wall, and how often.
AGAINST_WALLS = {
    "sofa": 4, "bookcase": 4, "cabinet": 4, "floor plant": 4, "dresser": 3, "shelf": 3, "armchair": 3,
    "floor lamp": 3, "wardrobe": 2, "chair": 2, "piano": 1, "bench": 1, "fireplace": 1, "nightstand": 1,
}  # fmt: skip
SIDEBOARDS = 64  # generated ones to draw from
GAP = 0.03  # behind furniture, for the skirting, metres


def backdrop(
    rng: np.random.Generator,
    room: AssetInfo,
    keep_clear: Sequence[tuple[NDArray[np.float64], float]],
    licences: frozenset[str] | None = None,
) -> list[SceneObject]:
    """Two to six pieces of furniture along the walls, facing into the room.

    They overlap neither each other nor doors nor windows, and are background: instance 0, static.

    Args:
        rng: the only source of chance.
        room: of the parametric family ``room``, centred on the world's origin.
        keep_clear: discs (centre x and y, radius; metres) that stay free.
        licences: allowed ones; all if None.
    """
    plan = room_plan(room.id)
    options: dict[str, list[AssetInfo]] = {}
    for info in pack.infos().values():
        allowed = licences is None or info.licence in licences
        if allowed and info.category in AGAINST_WALLS and info.size[2] < plan.size[2] - 0.2:
            options.setdefault(info.category, []).append(info)
    options.setdefault("cabinet", [])
    kinds = sorted(options)
    weights = np.array([AGAINST_WALLS[kind] for kind in kinds], dtype=np.float64)
    placed: list[SceneObject] = []
    taken: list[NDArray[np.float64]] = []
    wanted = int(rng.integers(2, 7))
    for _ in range(12 * wanted):
        if len(placed) == wanted:
            break
        kind, wall = kinds[rng.choice(len(kinds), p=weights / weights.sum())], int(rng.integers(4))
        if kind != "floor plant" and any(item.category == kind for item in placed):
            continue
        if kind == "cabinet" and (rng.random() < 0.5 or not options[kind]):
            info = assets.info(f"param/sideboard/{rng.integers(SIDEBOARDS)}")
        else:
            info = options[kind][rng.integers(len(options[kind]))]
        room_left = (plan.length(wall) - info.size[0]) / 2 - 0.05
        if room_left < 0:
            continue
        along = float(rng.uniform(-room_left, room_left))
        if _hides_opening(plan, wall, along, info):
            continue
        turn = rotation_z(wall * np.pi / 2)
        position = turn @ np.array([along, plan.distance(wall) - GAP - info.size[1] / 2, 0.0])
        rectangle = _rectangle(position, turn, info)
        if any(_meet(rectangle, other) for other in taken) or not _clear(rectangle, keep_clear):
            continue
        taken.append(rectangle)
        size = np.asarray(info.size)
        placed.append(
            SceneObject(
                f"decor_{len(placed) + 1}", 0, info.id, info.category, info.caption, info.caption_zh, position, turn,
                np.array([0.0, 0.0, size[2] / 2]), size, static=True,
            )
        )  # fmt: skip
    return placed


def _hides_opening(plan: RoomPlan, wall: int, along: float, info: AssetInfo) -> bool:
    return any(
        opening.wall == wall
        and info.size[2] > opening.blocked[1] - 0.05
        and abs(opening.along - along) < (opening.blocked[0] + info.size[0]) / 2 + 0.06
        for opening in plan.openings
    )


def _rectangle(position: NDArray[np.float64], turn: NDArray[np.float64], info: AssetInfo) -> NDArray[np.float64]:
    """(2, 2) lowest and highest x, y; quarter turns keep rectangles level with the axes."""
    half = np.abs(turn[:2, :2] @ (np.asarray(info.size[:2]) / 2)) + 0.02
    return np.stack([position[:2] - half, position[:2] + half])


def _meet(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return bool((first[0] < second[1]).all() and (second[0] < first[1]).all())


def _clear(rectangle: NDArray[np.float64], discs: Sequence[tuple[NDArray[np.float64], float]]) -> bool:
    for centre, radius in discs:
        nearest = np.clip(centre[:2], rectangle[0], rectangle[1])
        if np.linalg.norm(nearest - centre[:2]) < radius:
            return False
    return True
