"""What is put around scenes of others that bring no room of their own: a generated room, or a plain floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.geometry import corners
from gsi_datasets.scene import Light, SceneObject
from gsi_datasets.worlds.lighting import lighting


Array = NDArray[np.float64]
MARGIN = 1.0  # between a scene and the walls of its room, metres
ROOMS = 1 << 20  # seeds to draw from
DRAWS = 40


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Attributes:
    objects: the room or floor; empty if the scene brings its own.
    size: (3,) inner extents, metres.
    reach: (2,) half extents that cameras stay within, metres.
    """

    objects: tuple[SceneObject, ...]
    size: Array
    reach: Array = field(default_factory=lambda: np.array([20.0, 20.0]))


NOTHING = Surroundings((), np.array([6.0, 6.0, 2.8]))


def around(items: Sequence[SceneObject], rng: np.random.Generator, margin: float = MARGIN) -> Surroundings:
    """A generated room about the world's origin that holds the things with a margin; the largest of some if none does.

    Args:
        items: what must be inside, near the origin.
        rng: the only source of chance.
        margin: metres between them and the walls.
    """
    points = np.concatenate([corners(item.box) for item in items])
    needed = np.abs(points[:, :2]).max(axis=0) + margin
    best = None
    for seed in rng.integers(ROOMS, size=DRAWS):
        info = assets.info(f"param/room/{seed}")
        lacking = float(np.maximum(needed - np.array(info.size[:2]) / 2, 0).sum())
        if best is None or lacking < best[0]:
            best = lacking, info
        if lacking == 0:
            break
    assert best is not None
    info = best[1]
    size = np.array(info.size)
    room = SceneObject(
        "room", 0, info.id, info.category, info.caption, info.caption_zh, np.zeros(3), np.eye(3),
        np.array([0.0, 0.0, size[2] / 2]), size, static=True,
    )  # fmt: skip
    return Surroundings((room,), size, size[:2] / 2)


def light(
    items: Sequence[SceneObject], room: Surroundings, rng: np.random.Generator
) -> tuple[tuple[Light, ...], tuple[float, float, float]]:
    """Lamps over the movable things."""
    movable = [item for item in items if not item.static]
    centre = np.mean([item.position for item in movable], axis=0)
    return lighting(rng, room.size.tolist(), np.array([*centre[:2], 0.0]))
