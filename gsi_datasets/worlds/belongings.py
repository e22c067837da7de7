"""Small things: what lies and stands on tables, shelves, worktops and floors of a room of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gsi_datasets.assets.asset import AssetInfo, Receptacle
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.geometry import corners, overlap_xy
from gsi_datasets.placing import Place, places
from gsi_datasets.scene import Box, SceneObject
from gsi_datasets.worlds.catalogue import Catalogue, placed
from gsi_datasets.worlds.tabletop import ALIGNED, FACING


# By kind of room and category of furniture (`*`: any other), what is found there; underscores are spaces.
THINGS: dict[str, dict[str, str]] = {
    "kitchen": {
        "table": "plate bowl mug glass bottle bread fruit_bowl apple orange teapot tray salt_shaker candle vase",
        "counter": "toaster kettle coffee_maker blender knife_block cutting_board pot pan jar bottle bowl can mug "
        "pepper_mill cereal_box milk_carton lemon bread plant utensil_pot tray",
        "*": "bowl jar plant book box basket bottle vase pot",
    },
    "living room": {
        "coffee table": "book mug tray candle bowl remote_control plant vase magazine toy_car apple fruit_bowl",
        "table": "plate bowl glass bottle candle vase fruit_bowl apple teapot mug tray",
        "television stand": "speaker remote_control picture_frame plant clock sculpture candle",
        "*": "book vase plant picture_frame clock candle sculpture radio globe box lamp telephone bowl",
    },
    "bedroom": {
        "nightstand": "lamp clock book mug glass candle picture_frame plant glasses",
        "dressing table": "bottle lipstick hairbrush jar candle box plant",
        "desk": "book notebook lamp laptop mug pen_holder",
        "*": "box book picture_frame vase lamp candle teddy_bear hat plant clock basket stack_of_shirts jar",
    },
    "study": {
        "desk": "laptop lamp book notebook mug pen_holder telephone stapler globe plant clock box letter_tray printer "
        "radio speaker headphones",
        "*": "book box plant globe picture_frame vase clock printer radio speaker sculpture lamp candle basket",
    },
    "bathroom": {
        "sink": "soap_dispenser soap toothbrush_cup cup bottle comb towel candle",
        "*": "towel bottle jar basket plant candle soap_dispenser box spray_bottle sponge hairbrush cup",
    },
    "hallway": {"*": "bowl bunch_of_keys plant vase box hat book basket"},
}
ON_FLOOR: dict[str, str] = {
    "kitchen": "waste_bin crate basket bucket",
    "living room": "ball toy_truck toy_block box basket teddy_bear toy_train vase",
    "bedroom": "pair_of_shoes box storage_bin bag teddy_bear ball basket",
    "study": "waste_bin box storage_bin bag guitar basket",
    "bathroom": "waste_bin scale bucket basket pair_of_shoes",
    "hallway": "pair_of_shoes bag box",
}
# What there are several of, and what takes other things.
MANY = {
    "mug",
    "glass",
    "plate",
    "bowl",
    "bottle",
    "can",
    "book",
    "apple",
    "candle",
    "box",
    "jar",
    "vase",
    "plant",
    "cup",
}
MANY |= {"toy block", "picture frame", "towel", "notebook", "orange"}
OPEN = ("plate", "bowl", "tray", "basket", "fruit bowl", "crate", "cutting board", "salad bowl")
SMALL = ("apple", "orange", "lemon", "mug", "can", "candle", "soap", "toy block", "sponge", "cupcake", "jar", "cup")
SHARE = 0.3  # of a place's area that things may cover
ROUND_AREA = np.pi / 4
APART = 0.03
LOWEST_HEADROOM = 0.12
TRIES = 30


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

    def furnish(self, kind: str, furniture: list[SceneObject], wanted: int) -> None:
        """Put about so many things onto the places of furniture, the best places first.

        Args:
            kind: of the room.
            furniture: what stands in it; each named.
            wanted: how many things.
        """
        spots = [
            (place, self._options(kind, item.category)) for item in furniture if item.static for place in places(item)
        ]
        spots = [(place, words) for place, words in spots if place.receptacle.headroom > LOWEST_HEADROOM]
        if not spots:
            return
        areas = np.array([_area(place) for place, _ in spots])
        # People put things where there is room, and everywhere a little.
        weights = np.sqrt(areas)
        goal = len(self.items) + wanted
        several = [
            word for word in self.rng.permutation(sorted({w for _, words in spots for w in words})) if word in MANY
        ]
        favourites = set(several[:3])
        for _ in range(6 * wanted):
            if len(self.items) >= goal:
                break
            number = int(self.rng.choice(len(spots), p=weights / weights.sum()))
            place, words = spots[number]
            if self._covered(place) > SHARE * areas[number]:
                weights[number] *= 0.5
                continue
            self._add(place, words, favourites)

    def _options(self, kind: str, category: str) -> list[str]:
        table = THINGS[kind]
        words = [word.replace("_", " ") for word in table.get(category, table["*"]).split()]
        return [word for word in words if word in CATEGORIES and self.catalogue.has(word, "tabletop")]

    def _add(self, place: Place, words: list[str], favourites: set[str]) -> None:
        """One more thing on a place: what there are several of, what takes other things, or anything that fits."""
        draw = self.rng.random()
        pool = [word for word in words if word in favourites] if draw < 0.4 else words
        if 0.4 <= draw < 0.55:
            pool = [word for word in OPEN if word in words] or words
        elif 0.55 <= draw < 0.65:
            pool = [word for word in SMALL if word in words] or words
        pool = [word for word in pool or words if self.nouns.get(CATEGORIES[word].group, word) == word]
        if not pool:
            return
        category = str(self.rng.choice(pool))
        half = place.half
        largest = (2 * float(half.max()), 2 * float(half.max()), place.receptacle.headroom - 0.02)
        info = self.catalogue.draw(category, self.rng, "tabletop", largest)
        if info is not None and (item := self.find_spot(place, info)) is not None:
            self.nouns.setdefault(CATEGORIES[category].group, category)
            self.items.append(replace(item, name=f"thing-{len(self.items)}"))

    def find_spot(self, place: Place, info: AssetInfo) -> SceneObject | None:
        """A thing standing free on a place, or None."""
        owner = place.owner
        edge = float(np.arctan2(owner.rotation[1, 0], owner.rotation[0, 0]))
        for _ in range(TRIES):
            local = self.rng.uniform(-1, 1, 2) * place.half
            position = place.centre + owner.rotation @ np.array([*local, 0.0])
            item = placed(info, position, self._yaw(info.category, edge), owner.name, False)
            if place.overhang(corners(item.box)) > -0.03:
                continue
            if not any(
                _near(item, other) and overlap_xy(item.box, other.box, clearance=APART) for other in self.items
            ):
                return item
        return None

    def on_floor(self, kind: str, place: Place, taken: list[Box], count: int) -> None:
        """Things on the floor: bins, boxes, toys.

        Args:
            kind: of the room.
            place: its floor.
            taken: what stands on it, and what is to stay clear.
            count: how many to try.
        """
        words = [word.replace("_", " ") for word in ON_FLOOR[kind].split()]
        for word in self.rng.permutation(words)[:count]:
            category = str(word)
            if category not in CATEGORIES or self.nouns.get(CATEGORIES[category].group, category) != category:
                continue
            info = self.catalogue.draw(category, self.rng, "tabletop") or self.catalogue.draw(category, self.rng)
            if info is None:
                continue
            for _ in range(TRIES):
                item = self.find_spot(place, info)
                if item is None:
                    break
                if any(overlap_xy(item.box, box, clearance=0.06) for box in taken):
                    continue
                self.nouns.setdefault(CATEGORIES[category].group, category)
                self.items.append(replace(item, name=f"thing-{len(self.items)}"))
                break

    def _yaw(self, category: str, edge: float) -> float:
        """Things with a face look away from the wall; flat ones lie along the edges."""
        if category in FACING:
            return edge + float(self.rng.normal(0, 0.35))
        if category in ALIGNED and self.rng.random() < 0.75:
            return edge + float(self.rng.integers(4) * np.pi / 2 + self.rng.normal(0, 0.12))
        return float(self.rng.uniform(0, 2 * np.pi))

    def _covered(self, place: Place) -> float:
        """Area of a place that things stand on, square metres."""
        on = [item for item in self.items if item.support == place.owner.name]
        level = [item for item in on if abs(item.position[2] - place.centre[2]) < 0.01]
        return float(sum(np.prod(item.box.size[:2]) for item in level))


def _near(first: SceneObject, second: SceneObject) -> bool:
    """Whether two things stand at heights where they could touch."""
    reach = first.box.size[2] if first.position[2] < second.position[2] else second.box.size[2]
    return bool(abs(first.position[2] - second.position[2]) < reach + 0.01)


def _area(place: Place) -> float:
    receptacle: Receptacle = place.receptacle
    return float(4 * np.prod(place.half) * (ROUND_AREA if receptacle.round else 1.0))
