"""What furniture a room of each kind has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gsi_datasets.assets.asset import AssetInfo
from gsi_datasets.scene import SceneObject
from gsi_datasets.worlds.furnishing import STAND, Room


LOW_STOOL = 0.6  # metres


def kitchen(room: Room) -> None:
    """A row of units with what is cooked on, a fridge, and a table with chairs where there is room."""
    run = None
    for _ in range(5):  # a shorter one may fit where a longer one does not
        info = _draw(room, "counter", family="kitchen_run")
        if run := room.against_wall(info, stand=0.8, corner=True):
            break
    if run is None:
        for _ in range(int(room.rng.integers(2, 4))):
            first = room.against_wall(_draw(room, "counter", family="counter"), stand=0.8)
            if first and room.rng.random() < 0.6:
                room.beside(first, _draw(room, "stove"), int(room.rng.choice([-1, 1])), True)
    elif info is not None:
        # The units over a run are made with it: as long, of the same finish, the hood over the hob.
        seed = info.id.rpartition("/")[2]
        _hang_over(room, run, room.catalogue.info(f"param/wall_units/{seed}"), 1.45)
    room.against_wall(_draw(room, "fridge"), stand=STAND, corner=True)
    table = _table(room, clear=0.55)
    _chairs(room, table, int(room.rng.integers(2, 5)))
    if room.rng.random() < 0.4:
        room.against_wall(_draw(room, "cabinet"), stand=STAND)
    _some(room, "stool", 0.5)
    _some(room, "floor plant", 0.4)


def living_room(room: Room) -> None:
    """A sofa with a table before it and a television opposite, armchairs, shelves, a lamp and plants."""
    sofa = room.against_wall(_draw(room, "sofa"), corner=False)
    stand = room.opposite(
        sofa, _draw(room, "television stand") or _draw(room, "cabinet", largest=(2.0, 0.6, 0.9)), STAND
    )
    table = room.before(sofa, _draw(room, "coffee table"), (0.32, 0.5), static=True, turn=0.0)
    if table is not None:
        chair = _draw(room, "armchair")
        side = int(room.rng.choice([-1, 1]))
        if chair is not None and not any(_at_end(room, table, chair, end) for end in (side, -side)):
            room.against_wall(chair, static=False)
    room.on_top(stand, _draw(room, "television"))
    room.against_wall(_draw(room, "bookcase"), stand=STAND, corner=True)
    if room.rng.random() < 0.6:
        room.against_wall(_draw(room, "cabinet"), stand=STAND)
    if room.room.plan.size[0] * room.room.plan.size[1] > 17:
        dining = _table(room, clear=0.45)
        _chairs(room, dining, int(room.rng.integers(2, 4)))
    if sofa is not None:
        room.beside(sofa, _draw(room, "side table"), int(room.rng.choice([-1, 1])), True)
    _some(room, "floor lamp", 0.8)
    _some(room, "floor plant", 0.8)
    _some(room, "bean bag", 0.3)
    _some(room, "stool", 0.4)
    _some(room, "chair", 0.5)


def bedroom(room: Room) -> None:
    """A bed with its head to a wall and nightstands beside it, a wardrobe or dresser, a chair."""
    bed = room.against_wall(_draw(room, "bed"))
    kind = _draw(room, "nightstand")
    if bed is not None and kind is not None:
        for side in (-1, 1):
            if side == -1 or room.rng.random() < 0.7:
                room.beside(bed, kind, side, True)
    room.against_wall(_draw(room, "wardrobe"), stand=STAND, corner=True)
    dresser = room.against_wall(_draw(room, str(room.rng.choice(["dresser", "dressing table", "desk"]))), stand=STAND)
    seated = _sit_at(room, dresser) if dresser is not None and dresser.category != "dresser" else None
    if room.rng.random() < 0.5:
        room.against_wall(_draw(room, "bookcase"), stand=STAND, corner=True)
    _some(room, "armchair", 0.5)
    for _ in range(int(room.rng.integers(1, 3)) - (seated is not None)):
        _some(room, "chair", 0.9)
    _some(room, "floor lamp", 0.5)
    _some(room, "floor plant", 0.6)
    _some(room, "stool", 0.4)


def study(room: Room) -> None:
    """A desk with a chair at it, bookcases, a cabinet and something to sit on."""
    desk = room.against_wall(_draw(room, "desk"), stand=0.0)
    if desk is not None:
        _sit_at(room, desk)
    room.against_wall(_draw(room, "bookcase"), stand=STAND, corner=True)
    room.against_wall(_draw(room, str(room.rng.choice(["bookcase", "shelf", "cabinet"]))), stand=STAND)
    if room.rng.random() < 0.6:
        room.against_wall(_draw(room, "cabinet"), stand=STAND)
    table = room.anywhere(_draw(room, "coffee table"), static=True, clear=0.4) if room.rng.random() < 0.4 else None
    if table is None:
        _some(room, "armchair", 0.7)
    for _ in range(int(room.rng.integers(1, 3))):
        _some(room, "chair", 0.8)
    _some(room, "floor lamp", 0.6)
    _some(room, "floor plant", 0.7)
    _some(room, "stool", 0.4)


def bathroom(room: Room) -> None:
    """A washbasin with a mirror over it, a toilet, a tub or shower, shelves, and what stands about."""
    basin = room.against_wall(_draw(room, "vanity"), stand=0.6)
    mirror = _draw(room, "mirror")
    if basin is not None and mirror is not None:
        _hang_over(room, basin, mirror, max(1.5 - mirror.size[2] / 2, float(basin.box.size[2]) + 0.05))
    first, second = ("bathtub", "shower") if room.rng.random() < 0.55 else ("shower", "bathtub")
    tub = room.against_wall(_draw(room, first), stand=0.4, corner=True)
    if tub is None:
        tub = room.against_wall(_draw(room, second), stand=0.4, corner=True)
    room.before(tub, _draw(room, "bath mat"), (0.03, 0.12), static=True, turn=0.0)
    room.against_wall(_draw(room, "toilet"), stand=0.45)
    if room.rng.random() < 0.6:
        room.against_wall(_draw(room, "washing machine"), stand=0.4, corner=True)
    room.against_wall(_draw(room, "shelf"), stand=0.3, corner=True)
    room.against_wall(_draw(room, "towel rail"), lift=0.85)
    _some(room, "laundry basket", 0.8)
    _some(room, "waste bin", 0.6)
    _some(room, "stool", 0.6)
    _some(room, "floor plant", 0.3)


def hallway(room: Room) -> None:
    """Something to put keys on."""
    room.against_wall(_draw(room, "cabinet", largest=(1.3, 0.42, 1.0)))
    _some(room, "floor plant", 0.5)
    _some(room, "stool", 0.4)


RECIPES: dict[str, Callable[[Room], None]] = {
    "kitchen": kitchen,
    "living room": living_room,
    "bedroom": bedroom,
    "study": study,
    "bathroom": bathroom,
    "hallway": hallway,
}


def _draw(
    room: Room,
    category: str,
    largest: tuple[float, float, float] = (np.inf, np.inf, np.inf),
    family: str | None = None,
) -> AssetInfo | None:
    return room.catalogue.draw(category, room.rng, "furniture", largest, family)


def _some(room: Room, category: str, chance: float) -> SceneObject | None:
    """Something that can be moved, at a wall or, if it is to sit on, anywhere."""
    if room.rng.random() >= chance:
        return None
    # Bar stools belong at a counter.
    low = category == "stool" and room.room.kind != "kitchen"
    info = _draw(room, category, largest=(1.0, 1.0, LOW_STOOL)) if low else _draw(room, category)
    if category in ("chair", "stool", "bean bag") and room.rng.random() < 0.4:
        return room.anywhere(info, static=False, clear=0.12, inwards=True)
    return room.against_wall(info, static=False, corner=category in ("floor plant", "floor lamp", "armchair"))


def _table(room: Room, clear: float) -> SceneObject | None:
    """A dining table with room for chairs, in the open or, in a small room, at a wall."""
    info = _draw(room, "table", largest=(1.75, 1.25, 0.8))
    if info is None or info.size[2] < 0.65:
        return None
    return room.anywhere(info, static=True, clear=clear) or room.against_wall(info)


def _chairs(room: Room, table: SceneObject | None, count: int) -> None:
    """Chairs at a table: all alike, or two kinds."""
    kinds = [_draw(room, "chair") for _ in range(2 if room.rng.random() < 0.5 else 1)]
    room.chairs_around(table, lambda: kinds[room.rng.integers(len(kinds))], count)


def _sit_at(room: Room, desk: SceneObject) -> SceneObject | None:
    """A chair at the front of a desk."""
    info = _draw(room, "chair")
    return room.seat_at(desk, info, over_clear=True) if info is not None else None


def _at_end(room: Room, table: SceneObject, info: AssetInfo, side: int) -> bool:
    """An armchair at the end of a coffee table, looking at it."""
    across = table.box.size[0] / 2 + info.size[1] / 2 + room.rng.uniform(0.2, 0.4)
    at = table.position + table.rotation @ np.array([side * across, room.rng.uniform(-0.1, 0.1), 0.0])
    yaw = float(np.arctan2(table.rotation[1, 0], table.rotation[0, 0])) + side * np.pi / 2 + np.pi
    return room.put(info, at, yaw + float(room.rng.normal(0, 0.2)), static=False) is not None


def _hang_over(room: Room, below: SceneObject, info: AssetInfo | None, height: float) -> None:
    """A thing on the wall over another one, its lower edge so high."""
    if info is None:
        return
    wall, along = room.where(below)
    room.against_wall(info, lift=height, where=(wall, along))
