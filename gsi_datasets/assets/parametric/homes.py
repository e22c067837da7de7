"""Homes: one to four connected rooms, laid out by `home_plan`; `home_shells` makes the mesh from the plan.

The family ``home_<kind>`` (spaces as ``_``) has a main room of that kind; ``param/home_<kind>/<seed>`` has
``1 + seed % 4`` rooms. The origin is the middle of the main room's floor, not of the bounding box: see `home_bounds`.
The other rooms lie around it, each joined to one before it by a doorway that one looks and walks through.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.parametric.home_layout import (
    RIGHT,
    SIZES,
    TOWARDS,
    WALL,
    Array,
    Doorway,
    Rectangle,
    Rng,
    Spot,
    layout,
)
from gsi_datasets.assets.parametric.home_openings import openings
from gsi_datasets.assets.parametric.rooms import Opening, RoomPlan, runs
from gsi_datasets.geometry import rotation_z


__all__ = ["RIGHT", "SIZES", "TOWARDS", "WALL", "HomePlan", "HomeRoom", "home_bounds", "home_plan"]

PASSAGE_HEIGHT = 2.05
ATTEMPTS = 100
# Nobody lives there without daylight.
LIT = ("kitchen", "living room", "bedroom", "study")
# The longest stretch of wall without any opening, metres at least: for cupboards, a bed, a wardrobe, a bathtub.
BARE = {"kitchen": 2.2, "living room": 2.2, "bedroom": 1.9, "study": 1.6, "bathroom": 1.9}


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
    def size(self) -> tuple[float, float, float]:
        """Inner extents x, y, z, metres."""
        return self.plan.size

    @property
    def outline(self) -> tuple[Spot, ...]:
        """Empty: its floor is a rectangle."""
        return ()

    @property
    def windows(self) -> tuple[Spot, ...]:
        """x and y of each window, from the middle of the floor, metres."""
        found = []
        for window in self.plan.on("window"):
            wall = np.array([window.along, self.plan.distance(window.wall), 0.0])
            at = rotation_z(window.wall * np.pi / 2) @ wall
            found.append((float(at[0]), float(at[1])))
        return tuple(found)

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
    """The plan of a home by its asset id, ``param/home_<kind>/<seed>``; the same id gives the same plan.

    Raises:
        AssetError: there is no such kind of home.
    """
    _, family, seed = asset_id.split("/")
    kind = family.removeprefix("home_").replace("_", " ")
    if kind not in BARE:
        raise AssetError(f"no home {asset_id!r}: main rooms are {', '.join(BARE)}")
    rng = np.random.default_rng([zlib.crc32(b"home plan"), zlib.crc32(asset_id.encode())])
    count = 1 + int(seed) % 4
    for _ in range(ATTEMPTS):
        rooms, doorways = layout(kind, count, rng)
        plan = _planned(rooms, doorways, rng)
        if len(rooms) == count and _liveable(plan):
            return plan
    # At least two in five plans are liveable.
    raise AssetError(f"{asset_id}: no liveable plan in {ATTEMPTS} attempts")


def _planned(rooms: list[Rectangle], doorways: list[Doorway], rng: Rng) -> HomePlan:
    """What is on the walls of rooms that have their places."""
    height = float(rng.uniform(2.45, 2.75))
    kinds = [room.kind for room in rooms]
    # One comes home through the hallway, or a room that is not a bathroom.
    way_in = kinds.index("hallway") if "hallway" in kinds else int(kinds[0] == "bathroom" and len(kinds) > 1)
    found = []
    for number, room in enumerate(rooms):
        width, depth = (float(length) for length in room.high - room.low)
        own = [it for it in doorways if number in it.rooms]
        passages = [Opening("passage", *it.seen_from(number, room), it.width, 0.0, PASSAGE_HEIGHT) for it in own]
        plan = RoomPlan((width, depth, height), tuple(passages))
        plan = replace(plan, openings=openings(number, rooms, plan, number == way_in, rng))
        name = f"{room.kind.replace(' ', '_')}_{1 + kinds[:number].count(room.kind)}"
        middle = (float(room.middle[0]), float(room.middle[1]))
        found.append(HomeRoom(name, room.kind, plan, middle))
    return HomePlan(tuple(found))


def _liveable(plan: HomePlan) -> bool:
    """Whether one gets in, rooms to stay in have a window, and furniture finds a wall."""
    doors = any(room.plan.on("door") for room in plan.rooms)
    lit = all(room.plan.on("window") for room in plan.rooms if room.kind in LIT)
    return doors and lit and all(_longest_bare(room.plan) >= BARE.get(room.kind, 0.0) for room in plan.rooms)


def _longest_bare(plan: RoomPlan) -> float:
    """The longest stretch of wall that nothing is on, metres."""
    return max(
        high - low
        for wall in range(4)
        for low, high in runs(plan.length(wall), [opening for opening in plan.openings if opening.wall == wall])
    )
