"""What is on the walls of a home's rooms beside doorways: windows and a door to the outside, pictures anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gsi_datasets.assets.parametric.home_layout import CORNER, RIGHT, TOWARDS, WALL, Rectangle, Rng, Spot
from gsi_datasets.assets.parametric.rooms import SIDE, Opening, RoomPlan


DRAPED = ("living room", "bedroom", "study")
APART = 0.25  # between openings, metres
OUTSIDE = 1.5  # what is free of rooms so far behind a wall is outside, metres
DOOR = (0.98, 2.11)  # width and height with the frame, metres


def openings(number: int, rooms: Sequence[Rectangle], plan: RoomPlan, door: bool, rng: Rng) -> tuple[Opening, ...]:
    """The openings of a room, its doorways (those of `plan`) first.

    Args:
        number: which room.
        rooms: all rooms of the home.
        plan: its size and its doorways.
        door: whether the way out of the home is here.
        rng: the only source of chance.
    """
    kind = rooms[number].kind
    others = [room for room in rooms if room is not rooms[number]]
    covered = [[span for other in others if (span := _covered(rooms[number], wall, other))] for wall in range(4)]
    walls = _Walls(plan, covered, rng, list(plan.openings))
    drawn = kind in DRAPED and bool(rng.random() < 0.6)
    for _ in range(_windows(kind, rng)):
        if kind == "bathroom":
            window = Opening("window", 0, 0.0, float(rng.uniform(0.5, 0.8)), 1.5, float(rng.uniform(0.5, 0.65)))
        elif kind == "kitchen":
            window = Opening("window", 0, 0.0, float(rng.uniform(1.0, 1.5)), 1.12, float(rng.uniform(0.85, 1.1)))
        else:
            window = Opening("window", 0, 0.0, float(rng.uniform(1.0, 1.7)), 0.9, float(rng.uniform(1.05, 1.3)), drawn)
        walls.put(window, least=0.5 if kind == "bathroom" else 0.8)
    if door:
        walls.put(Opening("door", 0, 0.0, DOOR[0], 0.0, DOOR[1]), least=DOOR[0])
    for _ in range(_pictures(kind, rng)):
        width, height = (float(x) for x in rng.permutation([rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.6)]))
        walls.put(Opening("picture", 0, 0.0, width, 1.6 - height / 2, height), least=width)
    return tuple(walls.found)


@dataclass(eq=False)
class _Walls:
    """The walls of a room while they get their openings.

    Attributes:
        plan: its size.
        covered: per wall, the stretches that have another room behind them.
        rng: the only source of chance.
        found: the openings so far.
    """

    plan: RoomPlan
    covered: list[list[Spot]]
    rng: Rng
    found: list[Opening]

    def put(self, opening: Opening, least: float) -> None:
        """Find a wall and a place for an opening; where there is none as wide as `least`, metres, leave it out."""
        aside = 2 * (APART + (SIDE if opening.curtained else 0.0))
        chance = self.rng.permutation(4)
        # Walls that have nothing yet come first.
        for wall in sorted(range(4), key=lambda it: (len(self._on(it)), chance[it])):
            taken = [_span(other) for other in self._on(wall)]
            if opening.kind in ("window", "door"):
                taken += self.covered[wall]
            start, end = max(_gaps(self.plan.length(wall), taken), key=lambda gap: gap[1] - gap[0])
            width = min(opening.width, end - start - aside)
            if width >= least:
                spare = 0.7 * (end - start - aside - width) / 2
                along = float((start + end) / 2 + self.rng.uniform(-1, 1) * spare)
                self.found.append(replace(opening, wall=wall, along=along, width=float(width)))
                return

    def _on(self, wall: int) -> list[Opening]:
        return [opening for opening in self.found if opening.wall == wall]


def _windows(kind: str, rng: Rng) -> int:
    if kind == "hallway":
        return 0
    if kind == "bathroom":
        return int(rng.random() < 0.6)
    return 2 if kind == "living room" and rng.random() < 0.5 else 1


def _pictures(kind: str, rng: Rng) -> int:
    if kind == "bathroom":
        return 0
    if kind in DRAPED:
        return int(rng.integers(1, 3))
    return int(rng.random() < 0.6)


def _covered(room: Rectangle, wall: int, other: Rectangle) -> Spot | None:
    """The stretch of a wall that has another room behind it, along it as seen from inside, metres."""
    along, across = wall % 2, 1 - wall % 2
    outwards = TOWARDS[wall, across]
    gap = other.low[across] - room.high[across] if outwards > 0 else room.low[across] - other.high[across]
    if not 0 < gap < OUTSIDE:
        return None
    ends = (np.array([other.low[along] - WALL, other.high[along] + WALL]) - room.middle[along]) * RIGHT[wall, along]
    return float(ends.min()), float(ends.max())


def _span(opening: Opening) -> Spot:
    half = opening.width / 2 + (SIDE if opening.curtained else 0.0)
    return opening.along - half, opening.along + half


def _gaps(length: float, taken: Sequence[Spot]) -> list[Spot]:
    """What is left of a wall; at least one stretch, maybe empty."""
    edge = length / 2 + APART - CORNER
    gaps, start = [], -edge
    for low, high in sorted(taken):
        gaps.append((start, max(start, min(low, edge))))
        start = min(max(start, high), edge)
    return [*gaps, (start, edge)]
