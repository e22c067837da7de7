"""Homes: one to four connected rooms as one asset; walls with doorways between them.

The family ``home_<kind>`` has a main room of that kind (spaces as ``_``), whose middle is the origin; the seed decides
the rest. `home_plan` gives the plan that the mesh is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

from gsi_datasets.assets.parametric.rooms import RoomPlan


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
    middle: tuple[float, float]


@dataclass(frozen=True)
class HomePlan:
    """The rooms of a home, the main one first."""

    rooms: tuple[HomeRoom, ...]
