"""Furniture: what stands in a room of each kind, against which walls and in which groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets import get
from gsi_datasets.assets.asset import AssetInfo
from gsi_datasets.assets.parametric.homes import HomeRoom
from gsi_datasets.geometry import corners, overlap_xy, rotation_z
from gsi_datasets.scene import Box, SceneObject
from gsi_datasets.worlds.catalogue import Catalogue, placed


Array = NDArray[np.float64]
GAP = 0.025  # behind furniture, for the skirting, metres
WAY = 0.72  # how deep the way from a door or doorway into the room is, metres
STAND = 0.5  # room to stand before what is opened or used, metres
APART = 0.035  # between things, metres
PULL = 0.06  # how far a chair is pulled out at a time until it fits, metres
TRIES = 40


@dataclass(eq=False)
class Room:
    """A room that is being furnished.

    Attributes:
        room: its plan.
        catalogue: where furniture comes from.
        rng: the only source of chance.
        items: what stands in it so far, names not yet final.
        kept_clear: footprints that furniture leaves free: ways from doors, room to stand before cupboards.
    """

    room: HomeRoom
    catalogue: Catalogue
    rng: np.random.Generator
    items: list[SceneObject] = field(default_factory=list)
    kept_clear: list[Box] = field(default_factory=list)

    def __post_init__(self) -> None:
        for opening in self.room.plan.openings:
            if opening.kind in ("door", "passage"):
                self.kept_clear.append(self._zone(opening.wall, opening.along, opening.width + 0.1, 0.0, WAY))

    def against_wall(
        self,
        info: AssetInfo | None,
        *,
        static: bool = True,
        lift: float = 0.0,
        stand: float = 0.0,
        where: tuple[int, float] | None = None,
        corner: bool = False,
    ) -> SceneObject | None:
        """Put a thing with its back to a wall, at a random place or at `where` (wall, metres along it).

        Args:
            info: what; nothing happens if None.
            static: whether it never moves.
            lift: hang it so high, metres.
            stand: room to keep clear before it, metres.
            where: the only place to try.
            corner: prefer the ends of walls.
        """
        if info is None:
            return None
        plan = self.room.plan
        for number in range(1 if where else TRIES):
            wall, along = where or (int(self.rng.integers(4)), 0.0)
            spare = (plan.length(wall) - info.size[0]) / 2 - 0.01
            if spare < 0 or abs(along) > spare + 1e-9:
                continue
            if where is None:
                along = float(self.rng.uniform(-spare, spare))
                if corner and number < TRIES / 2:
                    along = float(np.copysign(spare - self.rng.uniform(0, 0.05), along))
            if lift + info.size[2] > plan.size[2] - 0.02 or self._hides_opening(wall, along, info, lift):
                continue
            at = self._at_wall(wall, along, GAP + info.size[1] / 2, lift)
            item = placed(info, at, wall * np.pi / 2, "room", static)
            if self._add(item, hung=lift > 0):
                if stand:
                    front = self._zone(wall, along, info.size[0], GAP + info.size[1], GAP + info.size[1] + stand)
                    self.kept_clear.append(front)
                return self.items[-1]
        return None

    def opposite(self, item: SceneObject | None, info: AssetInfo | None, stand: float) -> SceneObject | None:
        """Put a thing at the wall that another one, with its back to a wall, looks at; or else at any wall."""
        if item is None or info is None:
            return self.against_wall(info, stand=stand)
        wall, along = self.where(item)
        for aside in (0.0, -0.3, 0.3, -0.6, 0.6, -0.9, 0.9, -1.2, 1.2):
            if found := self.against_wall(info, stand=stand, where=((wall + 2) % 4, aside - along)):
                return found
        return self.against_wall(info, stand=stand)

    def before(
        self,
        anchor: SceneObject | None,
        info: AssetInfo | None,
        gap: tuple[float, float],
        *,
        static: bool,
        turn: float,
    ) -> SceneObject | None:
        """Put a thing in front of another one, turned against it by `turn` radians."""
        if anchor is None or info is None:
            return None
        deep = info.size[0] if abs(np.sin(turn)) > 0.7 else info.size[1]
        for _ in range(12):
            away = anchor.box.size[1] / 2 + deep / 2 + self.rng.uniform(*gap)
            aside = self.rng.uniform(-0.12, 0.12) * anchor.box.size[0]
            at = anchor.position + anchor.rotation @ np.array([aside, -away, 0.0])
            yaw = float(np.arctan2(anchor.rotation[1, 0], anchor.rotation[0, 0])) + turn
            item = placed(info, np.array([at[0], at[1], 0.0]), yaw, "room", static)
            if self._add(item, over_clear=True):
                return self.items[-1]
        return None

    def beside(
        self, anchor: SceneObject | None, info: AssetInfo | None, side: int, static: bool
    ) -> SceneObject | None:
        """Put a thing at the left (-1) or right (1) of another one against the same wall, backs in line."""
        if anchor is None or info is None:
            return None
        across = anchor.box.size[0] / 2 + info.size[0] / 2 + self.rng.uniform(0.03, 0.1)
        back = anchor.box.size[1] / 2 - info.size[1] / 2
        at = anchor.position + anchor.rotation @ np.array([side * across, back, 0.0])
        yaw = float(np.arctan2(anchor.rotation[1, 0], anchor.rotation[0, 0]))
        item = placed(info, np.array([at[0], at[1], 0.0]), yaw, "room", static)
        return self.items[-1] if self._add(item) else None

    def anywhere(
        self, info: AssetInfo | None, *, static: bool, clear: float, inwards: bool = False
    ) -> SceneObject | None:
        """Put a thing where there is room around it, along the walls or looking `inwards`, about."""
        if info is None:
            return None
        for _ in range(TRIES):
            at = self.rng.uniform(self.room.low, self.room.high)
            yaw = float(self.rng.integers(4)) * np.pi / 2
            if inwards:
                x, y = np.asarray(self.room.middle) - at
                yaw = float(np.arctan2(x, -y) + self.rng.normal(0, 0.4))
            item = placed(info, np.array([*at, 0.0]), yaw, "room", static)
            if self._add(item, clear=clear):
                return self.items[-1]
        return None

    def chairs_around(self, table: SceneObject | None, options: Callable[[], AssetInfo | None], count: int) -> int:
        """Put chairs at a table, see `seat_at`; gives how many found a place."""
        if table is None:
            return 0
        size = table.box.size[:2]
        sides: list[tuple[float, float, float]] = []
        for sign in (-1, 1):
            places = 2 if size[0] > 1.25 else 1
            sides += [
                ((k + 0.5) / places * size[0] - size[0] / 2, sign * size[1] / 2, 0.0 if sign < 0 else np.pi)
                for k in range(places)
            ]
            sides.append((sign * size[0] / 2, 0.0, np.pi / 2 if sign > 0 else -np.pi / 2))
        found = 0
        for number in self.rng.permutation(len(sides)):
            info = options()
            if found == count or info is None:
                break
            found += self.seat_at(table, info, *sides[number]) is not None
        return found

    def seat_at(
        self,
        table: SceneObject,
        info: AssetInfo,
        x: float = 0.0,
        y: float | None = None,
        turn: float = 0.0,
        *,
        over_clear: bool = False,
    ) -> SceneObject | None:
        """Put a chair at a table or desk, its seat under the top where there is room for it, or pulled out.

        Args:
            table: what it faces.
            info: the chair.
            x: the place at the table's edge, in the table's frame, metres.
            y: the same; the front edge if None.
            turn: 0 at the front edge, a half turn at the back, a quarter at the right.
            over_clear: whether it may stand where people stand before other furniture.
        """
        y = -table.box.size[1] / 2 if y is None else y
        normal = np.array([np.sign(x), 0.0]) if abs(turn) == np.pi / 2 else np.array([0.0, np.sign(y)])
        under = self.rng.uniform(0.4, 0.55) if self.rng.random() < 0.65 else self.rng.uniform(-0.4, 0.2)
        yaw = float(np.arctan2(table.rotation[1, 0], table.rotation[0, 0])) + turn + np.pi + self.rng.normal(0, 0.1)
        for out in np.arange(0.0, 0.61, PULL):
            spot = np.array([x, y]) + normal * (info.size[1] * (0.5 - under) + out)
            at = table.position + table.rotation @ np.array([*spot, 0.0])
            item = placed(info, np.array([at[0], at[1], 0.0]), yaw, "room", False)
            if self._add(item, over_clear=over_clear, beneath=table):
                return self.items[-1]
        return None

    def put(self, info: AssetInfo, at: Array, yaw: float, *, static: bool) -> SceneObject | None:
        """Put a thing at a place on the floor, if it is free."""
        item = placed(info, np.array([at[0], at[1], 0.0]), yaw, "room", static)
        return self.items[-1] if self._add(item) else None

    def where(self, item: SceneObject) -> tuple[int, float]:
        """The wall that a thing has its back to, and where along it, metres."""
        wall = round(float(np.arctan2(item.rotation[1, 0], item.rotation[0, 0])) / (np.pi / 2)) % 4
        local = rotation_z(-wall * np.pi / 2) @ (item.position - np.array([*self.room.middle, 0.0]))
        return wall, float(local[0])

    def on_top(self, carrier: SceneObject | None, info: AssetInfo | None) -> SceneObject | None:
        """Put a fixed thing onto the middle of the main place of another one: a television on its stand."""
        if carrier is None or info is None:
            return None
        surface = self.catalogue.info(carrier.asset).receptacle
        if (
            surface is None
            or info.size[0] > 2.1 * surface.half_extents[0]
            or info.size[1] > 2 * surface.half_extents[1]
        ):
            return None
        at = carrier.position + carrier.rotation @ np.array([*surface.centre, surface.floor])
        yaw = float(np.arctan2(carrier.rotation[1, 0], carrier.rotation[0, 0]))
        item = placed(info, at, yaw, carrier.name, True)
        self.items.append(replace(item, name=f"{self.room.name}-{len(self.items)}"))
        return self.items[-1]

    def _add(
        self,
        item: SceneObject,
        *,
        clear: float = APART,
        over_clear: bool = False,
        hung: bool = False,
        beneath: SceneObject | None = None,
    ) -> bool:
        """Keep a thing if it stands in the room, in nobody's way; it may reach under the table `beneath`."""
        points = corners(item.box)[:, :2]
        if (points < self.room.low + 0.005).any() or (points > self.room.high - 0.005).any():
            return False
        for other in self.items:
            low, high = corners(other.box)[:, 2].min(), corners(other.box)[:, 2].max()
            if other is beneath:
                if self._clash(item, other):
                    return False
                continue
            level = item.position[2] < high and low < item.position[2] + item.box.size[2]
            if level and overlap_xy(item.box, other.box, clearance=clear):
                return False
        if not hung and not over_clear and any(overlap_xy(item.box, zone) for zone in self.kept_clear):
            return False
        if over_clear and any(overlap_xy(item.box, zone) for zone in self.kept_clear[: self._ways]):
            return False
        self.items.append(replace(item, name=f"{self.room.name}-{len(self.items)}"))
        return True

    def _clash(self, first: SceneObject, second: SceneObject) -> bool:
        """Whether any two convex pieces of two things touch, by the boxes around the pieces: never too late."""
        if not overlap_xy(first.box, second.box):
            return False
        ours, theirs = (self._pieces(item) for item in (first, second))
        return any(
            abs(one.centre[2] - two.centre[2]) < (one.size[2] + two.size[2]) / 2 + APART / 3
            and overlap_xy(one, two, clearance=APART / 3)
            for one in ours
            for two in theirs
        )

    def _pieces(self, item: SceneObject) -> list[Box]:
        bounds = [(hull.min(axis=0), hull.max(axis=0)) for hull in get(item.asset).hulls]
        return [
            Box(item.position + item.rotation @ ((low + high) / 2), high - low, item.rotation) for low, high in bounds
        ]

    @property
    def _ways(self) -> int:
        """How many of the clear zones are ways from doors: these come first."""
        return sum(opening.kind in ("door", "passage") for opening in self.room.plan.openings)

    def _at_wall(self, wall: int, along: float, off: float, height: float) -> Array:
        turn = rotation_z(wall * np.pi / 2)
        local = np.array([along, self.room.plan.distance(wall) - off, height])
        return np.array([*self.room.middle, 0.0]) + turn @ local

    def _zone(self, wall: int, along: float, width: float, near: float, far: float) -> Box:
        """The floor before a stretch of wall, from `near` to `far` of it, as a flat box."""
        centre = self._at_wall(wall, along, (near + far) / 2, 0.0)
        return Box(centre, np.array([width, far - near, 0.01]), rotation_z(wall * np.pi / 2))

    def _hides_opening(self, wall: int, along: float, info: AssetInfo, lift: float) -> bool:
        for opening in self.room.plan.openings:
            wide, low = opening.blocked
            if opening.kind == "picture":
                wide = opening.width
            over = opening.low + opening.height
            level = lift + info.size[2] > low - 0.05 and lift < over
            if opening.wall == wall and level and abs(opening.along - along) < (wide + info.size[0]) / 2 + 0.06:
                return True
        return False
