"""Small things: what lies and stands on tables, shelves, worktops and floors of a room of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import AssetInfo, Receptacle
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.geometry import corners, overlap_xy, rotation_z
from gsi_datasets.placing import Place, places
from gsi_datasets.scene import Box, SceneObject
from gsi_datasets.worlds import customs
from gsi_datasets.worlds.catalogue import Catalogue, placed


Array = NDArray[np.float64]
SHARE = 0.3  # of a place's area that things may cover
PER_SQUARE_METRE = 7.5  # things on a place, besides two
APART = 0.02
# Things stand this far inside the edge, metres; shelves are too narrow for more.
EDGE = 0.015
LOWEST_HEADROOM = 0.12
HIGHEST = 1.4  # what stands higher is not seen well, metres
TRIES = 24
SETTINGS = 0.6  # of the tables that people sit at, so many are laid
FILLED = 0.35  # of the containers, so many hold something
PILED = 0.3
SEAT = 0.85  # chairs whose middle is so near to a table's edge stand at it, metres
PLATE_INWARDS = 0.17  # from the edge of the table to the middle of a plate, metres


@dataclass(frozen=True)
class _Spot:
    """A place to fill: how many things it takes, how large it is, and what belongs there."""

    place: Place
    words: tuple[str, ...]
    area: float

    @property
    def most(self) -> int:
        """How many things may stand there."""
        return min(round(2 + PER_SQUARE_METRE * self.area), customs.FEW.get(self.place.owner.category, 99))


@dataclass(eq=False)
class Household:
    """The small things of a home; of two nouns that could be taken for each other it has one.

    Attributes:
        catalogue: where things come from.
        rng: the only source of chance.
        nouns: the category that stands for each group so far.
        items: what was placed, names not yet final.
    """

    catalogue: Catalogue
    rng: np.random.Generator
    nouns: dict[str, str] = field(default_factory=dict)
    items: list[SceneObject] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)
    _kind: str = ""
    _furniture: tuple[SceneObject, ...] = ()

    def enter(self, kind: str, furniture: Sequence[SceneObject]) -> None:
        """Go on with another room.

        Args:
            kind: of the room.
            furniture: what stands in it, each named.
        """
        self._kind, self._counts, self._furniture = kind, {}, tuple(furniture)
        for item in furniture:
            if not item.static:
                self._count(item.category)

    def furnish(self, wanted: int) -> None:
        """Lay tables, then put things onto the places of furniture, about so many in all."""
        spots = [
            _Spot(place, words, _area(place))
            for item in self._furniture
            for place in places(item)
            if item.static and place.receptacle.headroom > LOWEST_HEADROOM and place.centre[2] < HIGHEST
            if (words := self._options(item.category))
        ]
        if not spots:
            return
        goal = len(self.items) + wanted
        for spot in spots:
            if spot.place.owner.category == "table" and self.rng.random() < SETTINGS:
                self._lay(spot.place)
        known = sorted({word for spot in spots for word in spot.words if customs.MOST.get(word, 1) > 2})
        favourites = tuple(str(word) for word in self.rng.permutation(known)[:4])
        # Where there are few places they are fuller.
        for fullness in (1.0, 1.6):
            # People put things where there is room, and everywhere a little.
            weights = np.sqrt([spot.area for spot in spots])
            for _ in range(8 * wanted):
                if len(self.items) >= goal or weights.max() < 1e-3:
                    break
                number = int(self.rng.choice(len(spots), p=weights / weights.sum()))
                spot = spots[number]
                on = self._on(spot.place)
                full = sum(np.prod(item.box.size[:2]) for item in on) > fullness * SHARE * spot.area
                if full or len(on) >= round(fullness * spot.most) or not self._add(spot, on, favourites):
                    weights[number] *= 0.7

    def on_floor(self, place: Place, clear: Iterable[Box], count: int) -> None:
        """Things on the floor: bins and boxes at the walls, toys in the open.

        Args:
            place: the room's floor.
            clear: footprints to leave free.
            count: how many, about.
        """
        goal = len(self.items) + count
        taken = [*clear, *(item.box for item in self._furniture)]
        for word in self.rng.permutation(customs.ON_FLOOR[self._kind]):
            category = str(word)
            if len(self.items) >= goal:
                break
            again = min(customs.MOST.get(category, 1), int(self.rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15])))
            for _ in range(again):
                info = self._draw(category)
                if info is None:
                    break
                for _ in range(TRIES):
                    item = self._at_wall(place, info) if category not in customs.PLAYED_WITH else self._in(place, info)
                    if not any(_meet(item.box, box, 0.06) for box in taken) and self._free(item):
                        self._fill(self._keep(item))
                        break

    def _options(self, category: str) -> tuple[str, ...]:
        table = customs.THINGS[self._kind]
        words = table.get(category, table["*"])
        return tuple(word for word in words if word in CATEGORIES and self.catalogue.has(word, "tabletop"))

    def _allowed(self, category: str) -> bool:
        """Whether the room may have one more of a category."""
        if category not in CATEGORIES or self._counts.get(category, 0) >= customs.MOST.get(category, 1):
            return False
        return self.nouns.get(CATEGORIES[category].group, category) == category

    def _draw(self, category: str, largest: tuple[float, float, float] = (np.inf, np.inf, np.inf)) -> AssetInfo | None:
        """Something of a category, if the room may have one more of it."""
        if not self._allowed(category):
            return None
        highest = min(largest[2], customs.TALLEST.get((self._kind, category), np.inf))
        bounds = (largest[0], largest[1], highest)
        return self.catalogue.draw(category, self.rng, "tabletop", bounds) or self.catalogue.draw(
            category, self.rng, "furniture", bounds
        )

    def _keep(self, item: SceneObject) -> SceneObject:
        self._count(item.category)
        self.items.append(replace(item, name=f"thing-{len(self.items)}"))
        return self.items[-1]

    def _count(self, category: str) -> None:
        self.nouns.setdefault(CATEGORIES[category].group, category)
        self._counts[category] = self._counts.get(category, 0) + 1

    def _add(self, spot: _Spot, on: Sequence[SceneObject], favourites: Sequence[str]) -> bool:
        """One more thing on a place: what there are several of, what takes other things, or anything that fits."""
        draw = self.rng.random()
        there = {item.category for item in on}
        pool = [word for word in spot.words if word not in there]
        if draw < 0.45:
            pool = [word for word in spot.words if word in favourites]
        elif draw < 0.6 or not any(self._counts.get(word) for word in customs.CONTENTS):
            pool = [word for word in spot.words if word in customs.CONTENTS]
        pool = [word for word in pool or spot.words if self._allowed(word)]
        if not pool:
            return False
        category = str(self.rng.choice(pool))
        half = spot.place.half
        longest = 2 * float(half.max())
        info = self._draw(category, (longest, longest, spot.place.receptacle.headroom - 0.02))
        if info is None:
            return False
        alike = [item for item in on if item.category == category]
        piles = [item for item in alike if _can_carry(item)]
        if piles and self.rng.random() < PILED and self._pile(piles[-1], info):
            return True
        for _ in range(TRIES):
            # Things of a kind tend to stand together.
            near = alike[-1] if alike and self.rng.random() < 0.5 else None
            item = self._in(spot.place, info, near)
            if spot.place.overhang(corners(item.box)) <= 0 and self._free(item):
                self._fill(self._keep(item))
                return True
        return False

    def _in(self, place: Place, info: AssetInfo, near: SceneObject | None = None) -> SceneObject:
        """A thing somewhere on a place, where its kind belongs; it may reach over the edge."""
        owner = place.owner
        table = owner.category in ("table", "coffee table", "side table", "room")
        edge = float(np.arctan2(owner.rotation[1, 0], owner.rotation[0, 0]))
        yaw = self._yaw(info.category, edge + (self.rng.integers(4) * np.pi / 2 if table else 0.0))
        turned = np.abs(rotation_z(yaw - edge)[:2, :2])
        reach = np.maximum(place.half - EDGE - turned @ np.asarray(info.size[:2]) / 2, 0.0)
        share = self.rng.uniform(-1, 1, 2)
        if info.category in customs.AT_THE_BACK and not place.on_floor:
            share = 0.55 * share if table else np.array([share[0], 0.4 + 0.6 * abs(share[1])])
        elif info.category in customs.BEFORE_THE_SITTER and not table:
            share = np.array([0.45 * share[0], -0.2 + 0.4 * share[1]])
        local = share * reach
        if near is not None:
            towards = ((near.position - place.centre) @ owner.rotation)[:2]
            apart = (max(near.box.size[:2]) + max(info.size[:2])) / 2 + self.rng.uniform(0.01, 0.1)
            angle = self.rng.uniform(0, 2 * np.pi)
            local = np.clip(towards + apart * np.array([np.cos(angle), np.sin(angle)]), -reach, reach)
        return placed(info, place.centre + owner.rotation @ np.array([*local, 0.0]), yaw, owner.name, False)

    def _at_wall(self, place: Place, info: AssetInfo) -> SceneObject:
        """A thing on the floor with its back to a wall."""
        wall = int(self.rng.integers(4))
        length, deep = place.half if wall % 2 == 0 else place.half[::-1]
        off = info.size[1] / 2 + self.rng.uniform(0.04, 0.12)
        along = self.rng.uniform(-1, 1) * max(length - info.size[0] / 2 - 0.04, 0.0)
        position = place.centre + rotation_z(wall * np.pi / 2) @ np.array([along, deep - off, 0.0])
        return placed(info, position, wall * np.pi / 2 + float(self.rng.normal(0, 0.1)), place.owner.name, False)

    def _lay(self, table: Place) -> None:
        """Lay a table for those who sit at it: a plate each, and often something to drink from at its right."""
        owner = table.owner
        plate = self._draw("plate", (0.29, 0.29, 0.05))
        drink = next((word for word in ("glass", "mug", "cup") if self.nouns.get("cup", word) == word), "mug")
        glass = self._draw(drink, (0.15, 0.15, 0.2)) if self.rng.random() < 0.7 else None
        for chair in self._furniture:
            if chair.category not in ("chair", "stool"):
                continue
            at = ((chair.position - table.centre) @ owner.rotation)[:2]
            beyond = np.maximum(np.abs(at) - table.half, 0.0)
            if np.linalg.norm(beyond) > SEAT or plate is None:
                continue
            side = int(np.argmax(np.abs(at) - table.half))
            inwards = np.zeros(2)
            inwards[side] = -np.sign(at[side])
            seat = at.copy()
            seat[side] = np.sign(at[side]) * (table.half[side] - PLATE_INWARDS)
            if table.receptacle.round:
                inwards = -at / np.linalg.norm(at)
                seat = -inwards * (float(table.half.min()) - PLATE_INWARDS)
            # The sitter looks inwards; this is to their right.
            right = np.array([inwards[1], -inwards[0]])
            for info, spot in ((plate, seat), (glass, seat + 0.2 * right + 0.08 * inwards)):
                if info is None or not self._allowed(info.category):
                    continue
                position = table.centre + owner.rotation @ np.array([*spot, 0.0])
                item = placed(info, position, float(self.rng.uniform(0, 2 * np.pi)), owner.name, False)
                if table.overhang(corners(item.box)) <= 0 and self._free(item):
                    self._keep(item)

    def _fill(self, holder: SceneObject) -> None:
        """Now and then something that belongs there into a container or onto a tray, in its middle."""
        at_home = {word for words in customs.THINGS[self._kind].values() for word in words}
        at_home.update(customs.ON_FLOOR[self._kind])
        words = [word for word in customs.CONTENTS.get(holder.category, ()) if word in at_home and self._allowed(word)]
        if not words or not (inside := places(holder)) or self.rng.random() >= FILLED:
            return
        place = inside[0]
        room = 2 * float(place.half.min())
        info = self._draw(str(self.rng.choice(words)), (room, room, min(0.25, place.receptacle.rim + 0.25)))
        if info is None:
            return
        item = placed(info, place.centre, float(self.rng.uniform(0, 2 * np.pi)), holder.name, False)
        if place.overhang(corners(item.box)) <= 0:
            self._keep(item)

    def _pile(self, below: SceneObject, info: AssetInfo) -> bool:
        """A flat thing onto one like it that is not smaller; whether it was put there."""
        size = np.asarray(info.size)
        if (size[:2] > below.box.size[:2] + 0.01).any() or any(item.support == below.name for item in self.items):
            return False
        yaw = float(np.arctan2(below.rotation[1, 0], below.rotation[0, 0]) + self.rng.normal(0, 0.15))
        offset = 0.25 * self.rng.uniform(-1, 1, 2) * (below.box.size[:2] - size[:2])
        top = below.position + below.rotation @ np.array([*offset, float(below.box.size[2])])
        item = placed(info, top, yaw, below.name, False)
        if not self._free(item, but=below.name):
            return False
        self._keep(item)
        return True

    def _yaw(self, category: str, edge: float) -> float:
        """Things with a face look away from the wall; flat ones lie along the edges."""
        if category in customs.FACING:
            return edge + float(self.rng.normal(0, 0.2))
        if category in customs.ALIGNED and self.rng.random() < 0.85:
            return edge + float(self.rng.integers(4) * np.pi / 2 + self.rng.normal(0, 0.1))
        return float(self.rng.uniform(0, 2 * np.pi))

    def _free(self, item: SceneObject, but: str = "") -> bool:
        """Whether it touches neither other things nor furniture beside the one that it stands on."""
        others = [other for other in self.items if other.name != but]
        others += [other for other in self._furniture if other.static and other.name != item.support]
        return not any(_level(item, other) and _meet(item.box, other.box, APART) for other in others)

    def _on(self, place: Place) -> list[SceneObject]:
        """The things on a place."""
        on = [item for item in self.items if item.support == place.owner.name]
        return [item for item in on if abs(item.position[2] - place.centre[2]) < 0.01]


def _level(first: SceneObject, second: SceneObject) -> bool:
    """Whether two things stand at heights where they could touch."""
    reach = first.box.size[2] if first.position[2] < second.position[2] else second.box.size[2]
    return bool(abs(first.position[2] - second.position[2]) < reach + 0.01)


def _meet(first: Box, second: Box, clearance: float) -> bool:
    """Whether two footprints come nearer than this, metres."""
    # Most are far from each other, which is quickly seen.
    reach = float(np.linalg.norm(first.size[:2]) + np.linalg.norm(second.size[:2])) / 2 + clearance
    if np.linalg.norm(first.centre[:2] - second.centre[:2]) >= reach:
        return False
    return overlap_xy(first, second, clearance=clearance)


def _can_carry(item: SceneObject) -> bool:
    """Whether a pile may begin on it: models of the pack need not be flat."""
    return item.category in customs.PILES and item.asset.startswith("param/")


def _area(place: Place) -> float:
    receptacle: Receptacle = place.receptacle
    return float(4 * np.prod(place.half) * (np.pi / 4 if receptacle.round else 1.0))
