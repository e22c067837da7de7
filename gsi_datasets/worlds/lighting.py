"""Light: a key light with soft shadows, a weaker fill, and what comes from everywhere."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.rooms import AnyRoom
from gsi_datasets.scene import Light


Rgb = tuple[float, float, float]

# Mood: colour of the key light, of the fill, and how much of the light is ambient.
MOODS: dict[str, tuple[Rgb, Rgb, float]] = {
    "daylight": ((1.0, 0.98, 0.95), (0.88, 0.93, 1.0), 0.60),
    "overcast": ((0.97, 0.98, 1.0), (0.92, 0.95, 1.0), 0.70),
    "afternoon": ((1.0, 0.93, 0.82), (0.88, 0.91, 1.0), 0.56),
    "lamp": ((1.0, 0.91, 0.78), (1.0, 0.94, 0.88), 0.58),
    "studio": ((1.0, 1.0, 1.0), (1.0, 0.99, 0.97), 0.64),
}


def lighting(
    rng: np.random.Generator, room_size: Sequence[float], table_centre: NDArray[np.float64]
) -> tuple[tuple[Light, ...], Rgb]:
    """The lamps of a room and its ambient light.

    The three shares add up to about the same light for every mood, so pictures are well exposed in each.

    Args:
        rng: the only source of chance.
        room_size: (3,) inner extents, metres; lamps stay inside.
        table_centre: (3,) what is lit, metres; its z is the floor's.
    """
    mood = str(rng.choice(list(MOODS)))
    key_color, fill_color, ambient = MOODS[mood]
    target = (float(table_centre[0]), float(table_centre[1]), 0.8)
    azimuth = rng.uniform(0, 2 * np.pi)
    height = float(room_size[2]) - 0.12
    away = rng.uniform(0.3, 0.7) if mood == "lamp" else rng.uniform(0.7, 1.5)
    radius = rng.uniform(0.15, 0.3) if mood in ("lamp", "afternoon") else rng.uniform(0.3, 0.5)
    total = rng.uniform(1.45, 1.65)
    fill = rng.uniform(0.18, 0.28)
    key = total - ambient - fill
    lights = (
        Light(_inside(room_size, target, azimuth, away, height), target, key_color, float(key), float(radius)),
        Light(
            _inside(room_size, target, azimuth + rng.uniform(2.2, 4.1), 1.2, height * 0.85),
            target, fill_color, float(fill), 0.5, shadows=False,
        ),
    )  # fmt: skip
    tint = 0.5 + 0.5 * np.asarray(fill_color)
    return lights, (float(ambient * tint[0]), float(ambient * tint[1]), float(ambient * tint[2]))


def home_lighting(asset_id: str, room: AnyRoom) -> tuple[tuple[Light, ...], Rgb]:
    """The lamps and the ambient light that one room of a home is seen by; the mood is the same in all its rooms.

    By day the key light comes from the side of a window, else from the ceiling; it is stronger against the ambient
    light than over a table, or whole rooms look flat. No structure stops it: neighbours seen through doorways get
    some of it.

    Args:
        asset_id: of the home; decides all that is left to chance.
        room: which of its rooms.
    """
    rng = np.random.default_rng([zlib.crc32(b"home light"), zlib.crc32(asset_id.encode())])
    mood = str(rng.choice(list(MOODS)))
    key_color, fill_color, ambient = MOODS[mood]
    ambient *= 0.85
    radius = float(rng.uniform(0.2, 0.3) if mood in ("lamp", "afternoon") else rng.uniform(0.35, 0.5))
    total, fill = float(rng.uniform(1.85, 2.05)), float(rng.uniform(0.36, 0.44))
    azimuth, away, turn, pick = rng.uniform([0, 0.1, np.pi - 0.6, 0], [2 * np.pi, 0.5, np.pi + 0.6, 1])
    if room.windows and mood in ("daylight", "overcast", "afternoon"):
        x, y = room.windows[int(pick * len(room.windows))]
        azimuth, away = np.arctan2(y, x), 0.6 * np.hypot(x, y)
    height, target = room.size[2], (0.0, 0.0, 0.7)
    key_at = _inside(room.size, target, azimuth, away, height - 0.12)
    fill_at = _inside(room.size, target, azimuth + turn, 0.3 * min(room.size[:2]), 0.8 * height)
    lights = (
        Light(_moved(key_at, room), _moved(target, room), key_color, total - ambient - fill, radius),
        Light(_moved(fill_at, room), _moved(target, room), fill_color, fill, 0.5, shadows=False),
    )
    tint = 0.5 + 0.5 * np.asarray(fill_color)
    return lights, (float(ambient * tint[0]), float(ambient * tint[1]), float(ambient * tint[2]))


def _moved(point: Rgb, room: AnyRoom) -> tuple[float, float, float]:
    """A point of a room's own frame in its home's."""
    return point[0] + room.middle[0], point[1] + room.middle[1], point[2]


def _inside(
    room_size: Sequence[float], target: Rgb, azimuth: float, away: float, height: float
) -> tuple[float, float, float]:
    """A lamp position at a distance from the target, kept off the walls."""
    x, y = target[0] + away * np.cos(azimuth), target[1] + away * np.sin(azimuth)
    limit = np.asarray(room_size[:2]) / 2 - 0.25
    return float(np.clip(x, -limit[0], limit[0])), float(np.clip(y, -limit[1], limit[1])), float(height)
