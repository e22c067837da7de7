"""Homes: one to four connected rooms, laid out by `home_plan`; `home_shells` makes the mesh from the plan.

The family ``home_<kind>`` (spaces as ``_``) has a main room of that kind; ``param/home_<kind>/<seed>`` has
``1 + seed % 4`` rooms. The origin is the middle of the main room's floor, not of the bounding box: see `home_bounds`.
The other rooms lie around the main one, behind walls with doorways that one looks and walks through.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.parametric.rooms import SIDE, Opening, RoomPlan


Array = NDArray[np.float64]
Rng = np.random.Generator
Spot = tuple[float, float]

WALL = 0.12  # thickness of the walls between rooms, metres
# Inner width and depth, least and most, metres.
SIZES: dict[str, tuple[Spot, Spot]] = {
    "kitchen": ((2.9, 4.2), (2.7, 3.7)),
    "living room": ((4.0, 5.4), (3.7, 4.7)),
    "bedroom": ((3.2, 4.4), (3.1, 4.0)),
    "study": ((2.8, 3.8), (2.7, 3.5)),
    "bathroom": ((2.1, 2.9), (1.9, 2.6)),
    "hallway": ((1.3, 1.6), (2.4, 4.0)),
}
# What lies beside a main room, most likely first.
BESIDE = {
    "kitchen": ("living room", "hallway", "study", "bathroom"),
    "living room": ("kitchen", "hallway", "study", "bedroom"),
    "bedroom": ("bathroom", "hallway", "study", "living room"),
    "study": ("living room", "hallway", "bedroom", "bathroom"),
    "bathroom": ("bedroom", "hallway", "study", "kitchen"),
}
DRAPED = ("living room", "bedroom", "study")
PASSAGE_HEIGHT = 2.05
# From the corner of a room to an opening, metres.
CORNER = 0.3
# Unit vectors from the middle of a room towards its walls, and along them to the right as seen from inside.
TOWARDS = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)], dtype=float)
RIGHT = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], dtype=float)


@dataclass(frozen=True)
class HomeRoom:
    """One room of a home.

    Attributes:
        name: unique in the home, matches `[a-z0-9_-]+`, e.g. ``bedroom_1``.
        kind: ``kitchen``, ``living room``, ``bedroom``, ``study``, ``bathroom`` or ``hallway``.
        plan: its inner size and what is on its walls, in its own frame (origin in the middle of its floor). Openings
            of the kind ``passage`` are doorways without a leaf to a neighbouring room.
        middle: x and y of the middle of its floor in the home's frame, metres. Rooms are not turned.
    """

    name: str
    kind: str
    plan: RoomPlan
    middle: Spot

    @property
    def low(self) -> Array:
        """(2,) the lower corner of its floor, metres."""
        return np.asarray(self.middle) - np.asarray(self.plan.size[:2]) / 2

    @property
    def high(self) -> Array:
        """(2,) the higher corner of its floor, metres."""
        return np.asarray(self.middle) + np.asarray(self.plan.size[:2]) / 2


@dataclass(frozen=True)
class HomePlan:
    """The rooms of a home, the main one first."""

    rooms: tuple[HomeRoom, ...]

    def room_at(self, x: float, y: float) -> HomeRoom | None:
        """The room whose floor a point lies over; None within walls, doorways and outside."""
        point = np.array([x, y])
        return next((room for room in self.rooms if (room.low <= point).all() and (point <= room.high).all()), None)


def home_bounds(asset_id: str) -> tuple[Array, Array]:
    """(3,) lowest and highest corner of a home's inside, metres, in its own frame."""
    rooms = home_plan(asset_id).rooms
    low, high = np.min([room.low for room in rooms], axis=0), np.max([room.high for room in rooms], axis=0)
    return np.array([*low, 0.0]), np.array([*high, rooms[0].plan.size[2]])


@lru_cache(maxsize=256)
def home_plan(asset_id: str) -> HomePlan:
    """The plan of a home by its asset id, ``param/home_<kind>/<seed>``."""
    _, family, seed = asset_id.split("/")
    kind = family.removeprefix("home_").replace("_", " ")
    rng = np.random.default_rng([zlib.crc32(b"home plan"), zlib.crc32(asset_id.encode())])
    height = float(rng.uniform(2.45, 2.75))
    rooms = [_Rectangle(kind, np.zeros(2), _size(kind, rng))]
    first = int(rng.integers(4))
    # The second room lies opposite the first, so that both may be longer than the main one without meeting.
    sides = [first, (first + 2) % 4, (first + 1) % 4]
    beside = list(BESIDE[kind])
    for side in sides[: int(seed) % 4]:
        neighbour = beside.pop(int(min(rng.integers(len(beside)), rng.integers(len(beside)))))
        rooms.append(_attached(rooms[0], neighbour, side, side != sides[2], rng))
    passages = [_passage(rooms[0], room, side, rng) for room, side in zip(rooms[1:], sides, strict=False)]
    plans = []
    for number, room in enumerate(rooms):
        own = [it[0] for it in passages] if number == 0 else [passages[number - 1][1]]
        size = (float(room.size[0]), float(room.size[1]), height)
        plan = RoomPlan(size, tuple(own))
        openings = (*own, *_furnish_walls(room.kind, plan, number == 0, rng))
        name = f"{room.kind.replace(' ', '_')}_{sum(it.kind == room.kind for it in rooms[:number]) + 1}"
        middle = (float(room.middle[0]), float(room.middle[1]))
        plans.append(HomeRoom(name, room.kind, replace(plan, openings=openings), middle))
    return HomePlan(tuple(plans))


@dataclass(frozen=True, eq=False)
class _Rectangle:
    kind: str
    middle: Array
    size: Array


def _size(kind: str, rng: Rng) -> Array:
    size = np.array([rng.uniform(*bounds) for bounds in SIZES[kind]])
    return size[rng.permutation(2)]


def _attached(main: _Rectangle, kind: str, side: int, free: bool, rng: Rng) -> _Rectangle:
    """A room behind one wall of the main one. What is not `free` stays within the length of that wall."""
    size = _size(kind, rng)
    along, deep = (0, 1) if side % 2 == 0 else (1, 0)
    if not free:
        size[along] = min(size[along], main.size[along])
    middle = np.zeros(2)
    middle[deep] = TOWARDS[side, deep] * ((main.size[deep] + size[deep]) / 2 + WALL)
    # Enough of the wall must be common for a doorway.
    most = (main.size[along] + size[along]) / 2 - 1.7 if free else (main.size[along] - size[along]) / 2
    middle[along] = rng.uniform(-1, 1) * max(most, 0.0) * 0.8
    return _Rectangle(kind, middle, size)


def _passage(main: _Rectangle, other: _Rectangle, side: int, rng: Rng) -> tuple[Opening, Opening]:
    """The doorway between two rooms, as each of them has it."""
    axis = 0 if side % 2 == 0 else 1
    low = max(main.middle[axis] - main.size[axis] / 2, other.middle[axis] - other.size[axis] / 2)
    high = min(main.middle[axis] + main.size[axis] / 2, other.middle[axis] + other.size[axis] / 2)
    width = float(rng.uniform(0.86, 0.96))
    spare = max((high - low - width) / 2 - CORNER, 0.0)
    at = (low + high) / 2 + rng.uniform(-1, 1) * spare
    ours = float((at - main.middle[axis]) * RIGHT[side, axis])
    back = (side + 2) % 4
    theirs = float((at - other.middle[axis]) * RIGHT[back, axis])
    opening = Opening("passage", side, ours, width, 0.0, PASSAGE_HEIGHT)
    return opening, replace(opening, wall=back, along=theirs)


def _furnish_walls(kind: str, plan: RoomPlan, main: bool, rng: Rng) -> list[Opening]:
    """Windows, pictures and, in the main room, the door, on the walls that have no doorway; or beside it."""
    taken = {opening.wall for opening in plan.openings}
    free = [int(wall) for wall in rng.permutation(4) if wall not in taken]
    drawn = kind in DRAPED and bool(rng.random() < 0.6)
    found: list[Opening] = []
    kinds: list[str] = ["door"] if main or kind == "hallway" else []
    if kind not in ("hallway",):
        kinds.insert(0, "window")
    if kind in DRAPED:
        kinds += ["picture", "picture" if rng.random() < 0.6 else "window"]
    elif kind != "bathroom":
        kinds += ["picture"]
    for wall, what in zip(free, kinds, strict=False):
        if opening := _opening(what, kind, wall, plan, drawn and what == "window", rng):
            found.append(opening)
    if main and "door" not in [it.kind for it in found]:
        found += _beside(plan, taken)
    return found


def _opening(what: str, kind: str, wall: int, plan: RoomPlan, drawn: bool, rng: Rng) -> Opening | None:
    """One opening on a free wall."""
    if what == "door":
        width, low, height = 0.88, 0.0, 2.05
    elif what == "window" and kind == "bathroom":
        width, low, height = float(rng.uniform(0.5, 0.8)), 1.5, float(rng.uniform(0.5, 0.65))
    elif what == "window":
        low = 1.1 if kind == "kitchen" else 0.9
        width, height = float(rng.uniform(1.0, 1.7)), float(rng.uniform(1.05, 1.3)) - (low - 0.9)
    else:
        width, height = (float(x) for x in rng.permutation([rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.6)]))
        low = 1.6 - height / 2
    margin = CORNER + (SIDE if drawn else 0.0)
    spare = plan.length(wall) / 2 - width / 2 - margin
    if spare < 0:
        return None
    return Opening(what, wall, float(rng.uniform(-1, 1) * spare), width, low, height, drawn)


def _beside(plan: RoomPlan, taken: set[int]) -> list[Opening]:
    """The door beside a doorway, on the longest stretch of wall that is left."""
    best: tuple[float, Opening] | None = None
    for wall in sorted(taken):
        gap = plan.on("passage", wall)[0]
        for sign in (-1, 1):
            edge = gap.along + sign * gap.width / 2
            room = plan.length(wall) / 2 - sign * edge
            middle = edge + sign * room / 2
            if room > 0.88 + 2 * CORNER and (best is None or room > best[0]):
                best = room, Opening("door", wall, float(middle), 0.88, 0.0, 2.05)
    return [best[1]] if best else []
