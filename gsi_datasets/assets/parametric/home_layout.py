"""Where the rooms of a home lie: rectangles side by side, joined by doorways into a tree with the main room first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


Array = NDArray[np.float64]
Rng = np.random.Generator
Spot = tuple[float, float]

WALL = 0.12  # thickness of the walls between rooms, metres
CORNER = 0.3  # from the corner of a room to a doorway, metres
# Inner extents, least and most, metres; either may lie along x.
SIZES: dict[str, tuple[Spot, Spot]] = {
    "kitchen": ((2.9, 4.2), (2.7, 3.7)),
    "living room": ((4.0, 5.4), (3.7, 4.7)),
    "bedroom": ((3.2, 4.4), (3.1, 4.0)),
    "study": ((2.8, 3.8), (2.7, 3.5)),
    "bathroom": ((2.1, 2.9), (1.9, 2.6)),
    "hallway": ((1.3, 1.6), (2.4, 4.0)),
}
# What lies beside a room, most likely first.
BESIDE = {
    "kitchen": ("living room", "hallway", "study"),
    "living room": ("kitchen", "hallway", "study", "bedroom"),
    "bedroom": ("bathroom", "hallway", "study", "living room"),
    "study": ("living room", "hallway", "bedroom"),
    "bathroom": ("hallway", "bedroom"),
    "hallway": ("bedroom", "living room", "kitchen", "study", "bathroom"),
}
# How many doorways leave enough wall for what must stand there; nobody walks through a bathroom.
DOORWAYS = {"kitchen": 2, "living room": 3, "bedroom": 2, "study": 2, "bathroom": 1, "hallway": 3}
# Unit vectors from the middle of a room towards its walls, and along them to the right as seen from inside.
TOWARDS = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)], dtype=float)
RIGHT = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], dtype=float)
TRIES = 60


@dataclass(frozen=True, eq=False)
class Rectangle:
    """The floor of a room.

    Attributes:
        kind: of the room.
        low: (2,) lower corner, metres, in the home's frame.
        high: (2,) higher corner.
    """

    kind: str
    low: Array
    high: Array

    @property
    def middle(self) -> Array:
        """(2,) metres."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Doorway:
    """A hole in the wall between two rooms.

    Attributes:
        rooms: numbers of the two.
        wall: of the first one, 0 to 3 as in `rooms.Opening`; of the other it is the opposite one.
        at: x or y of its middle, whichever runs along the wall, metres, in the home's frame.
        width: metres.
    """

    rooms: tuple[int, int]
    wall: int
    at: float
    width: float

    def seen_from(self, number: int, room: Rectangle) -> tuple[int, float]:
        """Its wall in one of its rooms, and metres to the right of that wall's middle as seen from inside."""
        wall = self.wall if number == self.rooms[0] else (self.wall + 2) % 4
        axis = wall % 2
        return wall, float((self.at - room.middle[axis]) * RIGHT[wall, axis])


def layout(kind: str, count: int, rng: Rng) -> tuple[list[Rectangle], list[Doorway]]:
    """Rooms around a main one whose middle is the origin, each but that joined to one before it.

    Args:
        kind: of the main room.
        count: how many rooms; where there is no place for one more, fewer are given.
        rng: the only source of chance.
    """
    half = _size(kind, rng) / 2
    rooms, doorways = [Rectangle(kind, -half, half)], list[Doorway]()
    for _ in range(TRIES):
        if len(rooms) == count:
            break
        if found := _neighbour(rooms, doorways, rng):
            rooms.append(found[0])
            doorways.append(found[1])
    return rooms, doorways


def _size(kind: str, rng: Rng) -> Array:
    size = np.array([rng.uniform(*bounds) for bounds in SIZES[kind]])
    return size[rng.permutation(2)]


def _neighbour(rooms: list[Rectangle], doorways: list[Doorway], rng: Rng) -> tuple[Rectangle, Doorway] | None:
    """One more room behind a wall that has no doorway yet; None if the one drawn does not fit."""
    taken = [(number, it.seen_from(number, rooms[number])[0]) for it in doorways for number in it.rooms]
    walls = [[wall for wall in range(4) if (number, wall) not in taken] for number in range(len(rooms))]
    able = [number for number, room in enumerate(rooms) if 4 - len(walls[number]) < DOORWAYS[room.kind]]
    beside = able[_early(len(able), rng)]
    base, wall = rooms[beside], int(rng.choice(walls[beside]))
    kinds = [kind for kind in BESIDE[base.kind] if kind not in [room.kind for room in rooms]]
    if not kinds:
        return None
    kind = kinds[_early(len(kinds), rng)]
    size, width = _size(kind, rng), float(rng.uniform(0.86, 0.96))
    # The wall runs along one axis; across it the new room starts where the wall ends.
    along, across = wall % 2, 1 - wall % 2
    low = np.zeros(2)
    outwards = TOWARDS[wall, across]
    low[across] = base.high[across] + WALL if outwards > 0 else base.low[across] - WALL - size[across]
    common = width + 2 * CORNER
    first, last = base.low[along] - size[along] + common, base.high[along] - common
    flush = (base.low[along], base.high[along] - size[along])
    low[along] = flush[rng.integers(2)] if rng.random() < 0.6 else rng.uniform(first, last)
    room = Rectangle(kind, low, low + size)
    if any(np.maximum(room.low - it.high, it.low - room.high).max() < WALL - 1e-9 for it in rooms):
        return None
    nearest = max(base.low[along], room.low[along]) + CORNER + width / 2
    farthest = min(base.high[along], room.high[along]) - CORNER - width / 2
    if nearest > farthest:
        return None
    # Doorways near the end of a wall leave the rest of it to furniture.
    at = rng.uniform(nearest, farthest)
    if rng.random() < 0.6:
        at = (nearest, farthest)[rng.integers(2)]
    return room, Doorway((beside, len(rooms)), wall, float(at), width)


def _early(count: int, rng: Rng) -> int:
    """An index below `count`, the first ones more often."""
    return int(min(rng.integers(count), rng.integers(count)))
