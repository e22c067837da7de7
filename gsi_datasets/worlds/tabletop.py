"""Tabletop worlds: a room, a table or counter, and 5 to 12 things on it that belong together.

`compose` only arranges: every pose is where the thing should come to rest, physics has the last word afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.asset import AssetInfo, Receptacle
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.geometry import corners, overlap_xy, rotation_z
from gsi_datasets.scene import Scene, SceneObject
from gsi_datasets.worlds.backdrop import backdrop
from gsi_datasets.worlds.lighting import lighting
from gsi_datasets.worlds.specs import World
from gsi_datasets.worlds.view import frame_objects


THEMES: dict[str, str] = {
    "breakfast": "mug cup glass plate bowl bread teapot kettle banana apple orange pear cereal_box milk_carton jar "
    "toaster coffee_maker salt_shaker tray fruit_bowl",
    "kitchen": "pot pan cutting_board knife_block bottle can jar bowl pepper_mill toaster blender kettle lemon apple "
    "bread salt_shaker plate basket",
    "desk": "book notebook lamp mug pen_holder laptop clock radio headphones stapler telephone globe plant speaker "
    "box picture_frame keyboard remote_control",
    "decor": "vase flower_vase candle book bowl plant sculpture clock lamp box teapot tray lantern",
    "play": "toy_block toy_car teddy_bear ball book box crate chessboard toy basket doll apple globe can",
    "bathroom": "soap_dispenser soap sponge comb candle plant basket bottle jar toothbrush_cup vase box tray",
    "dinner": "plate glass bottle bowl candle bread vase pepper_mill salt_shaker tray pot fruit_bowl",
}
# Things that are often several, and things that are found in or on others.
# Footprint, metres: larger things leave no room for edits. Flat things may be larger.
LARGEST = 0.34
LARGEST_FLAT = {"tray": 0.46, "cutting board": 0.42, "chessboard": 0.4}
MANY = {"mug", "cup", "glass", "plate", "bowl", "bottle", "can", "book", "apple", "orange", "pear", "lemon", "candle"}
MANY |= {"box", "jar", "toy block", "vase", "notebook", "toy car", "crate", "plant"}
SMALL = ("apple", "orange", "lemon", "pear", "toy block", "salt shaker", "soap", "candle", "can", "sponge", "mug")
# Containers and how often each is drawn; what is put into a deep one can hardly be seen.
CONTAINERS = {"plate": 0.34, "bowl": 0.24, "tray": 0.26, "basket": 0.08, "crate": 0.08}
STACKABLE = {"book": ("book", "notebook", "box", "mug", "candle", "apple"), "box": ("box", "book", "toy block")}
# Flat things lie along the table's edges; things with a face look towards the viewer.
ALIGNED = {"book", "notebook", "laptop", "keyboard", "tray", "cutting board", "box", "crate", "chessboard", "basket"}
FACING = {"clock", "radio", "laptop", "picture frame", "toaster", "coffee maker", "speaker", "telephone", "television"}
FACING |= {"teddy bear", "doll", "cereal box", "milk carton", "monitor", "keyboard", "sculpture", "mirror"}


# Rooms of training splits have smaller seeds than this, all others larger ones.
HELD_OUT = 1 << 20
CC0 = frozenset({"CC0-1.0"})


@dataclass(frozen=True)
class _Item:
    """Something to place: on the table, or on an item placed earlier (by its index)."""

    info: AssetInfo
    carrier: int | None = None


def compose(name: str, world: World, image_size: int, rng: np.random.Generator, held_out: bool = False) -> Scene:
    """A tabletop scene, arranged but not yet at rest.

    Args:
        name: of the scene.
        world: how many objects, which assets.
        image_size: width and height of the view, pixels.
        rng: the only source of chance.
        held_out: whether to take a room that no training scene has.
    """
    room_id, table_info = draw_room(rng, held_out), _table(rng, world)
    room_info = assets.info(room_id)
    room = _place(room_info, "room", 0, np.zeros(3), np.eye(3), static=True)
    reach = np.array(room_info.size[:2]) / 2
    centre = rng.uniform(-0.12, 0.12, 2) * reach
    turn = rotation_z(rng.integers(4) * np.pi / 2)
    table = _place(table_info, "table", 1, np.array([*centre, 0.0]), turn, static=True)

    azimuth = rng.uniform(0, 2 * np.pi)
    wanted = int(rng.integers(world.objects[0], world.objects[1] + 1))
    objects = _arrange(_pick(wanted, world, rng), table, table_info, azimuth, rng)
    camera = frame_objects(objects, azimuth, reach, image_size, rng)
    clear = [(centre, float(np.hypot(*table_info.size[:2])) / 2 + 0.25), (camera.position[:2], 0.7)]
    groups = {CATEGORIES[item.category].group for item in objects}
    decor = [
        item
        for item in backdrop(rng, room_info, clear, CC0 if world.assets == "cc0" else None)
        if CATEGORIES[item.category].group not in groups
    ]
    lights, ambient = lighting(rng, room_info.size, table.position)
    return Scene(name, (room, table, *decor, *objects), camera, lights, ambient)


def draw_room(rng: np.random.Generator, held_out: bool) -> str:
    """The asset id of a room; training splits and the others draw from ranges that do not meet."""
    return f"param/room/{rng.integers(HELD_OUT) + held_out * HELD_OUT}"


@cache
def _catalogue(kind: str) -> dict[str, list[AssetInfo | str]]:
    """Per category: the pack's models and the names of the parametric families."""
    from gsi_datasets.assets import pack

    found: dict[str, list[AssetInfo | str]] = {}
    for info in pack.infos().values():
        if info.kind == "tabletop" and _fits_a_table(info) and (kind == "all" or info.licence == "CC0-1.0"):
            found.setdefault(info.category, []).append(info)
    for family in assets.families():
        sample = assets.info(f"param/{family}/0")
        if sample.kind == "tabletop" and _fits_a_table(sample):
            found.setdefault(sample.category, []).append(family)
    return found


def _fits_a_table(info: AssetInfo) -> bool:
    return max(info.size[:2]) <= LARGEST_FLAT.get(info.category, LARGEST)


def _draw(category: str, world: World, rng: np.random.Generator) -> AssetInfo:
    """An asset of a category: more often a generated one the fewer models there are, lest one be seen everywhere."""
    options = _catalogue(world.assets)[category]
    families = [item for item in options if isinstance(item, str)]
    models = [item for item in options if isinstance(item, AssetInfo)]
    if families and rng.random() >= 0.4 * len(models) / (len(models) + 2):
        return assets.info(f"param/{families[rng.integers(len(families))]}/{rng.integers(10_000)}")
    return models[rng.integers(len(models))]


def _table(rng: np.random.Generator, world: World) -> AssetInfo:
    from gsi_datasets.assets import pack

    if rng.random() < 0.8:
        family = str(rng.choice(["table", "table", "round_table", "desk", "counter"]))
        return assets.info(f"param/{family}/{rng.integers(1 << 20)}")
    models = [info for info in pack.infos().values() if _serves_as_table(info, world)]
    return models[rng.integers(len(models))] if models else assets.info(f"param/table/{rng.integers(1 << 20)}")


def _serves_as_table(info: AssetInfo, world: World) -> bool:
    surface = info.receptacle
    if surface is None or info.category not in ("table", "desk", "counter"):
        return False
    allowed = world.assets == "all" or info.licence == "CC0-1.0"
    return allowed and min(surface.half_extents) > 0.27 and info.size[2] > 0.6


def _pick(wanted: int, world: World, rng: np.random.Generator) -> list[_Item]:
    """What stands on the table: several of a kind, a stack, a container with something in it, and singles."""
    have = _catalogue(world.assets)
    words = THEMES[str(rng.choice(list(THEMES)))].split()
    theme = [word.replace("_", " ") for word in words if word.replace("_", " ") in have]
    items: list[_Item] = []
    used: set[str] = set()

    def free(category: str) -> bool:
        return category in have and CATEGORIES[category].group not in used

    def add(category: str, carrier: int | None = None) -> int:
        used.add(CATEGORIES[category].group)
        items.append(_Item(_draw(category, world, rng), carrier))
        return len(items) - 1

    def some(options: list[str]) -> str | None:
        return str(rng.choice(options)) if options else None

    def shallow_first() -> str | None:
        options = [word for word in CONTAINERS if free(word)]
        weights = np.array([CONTAINERS[word] for word in options])
        return str(rng.choice(options, p=weights / weights.sum())) if options else None

    if rng.random() < 0.75 and (kind := some([word for word in theme if word in MANY and free(word)])):
        for _ in range(int(rng.choice([2, 2, 3]))):
            add(kind)
    # Something to put things into or onto, and something small to put there; at times it is there already.
    container = add(kind) if (kind := shallow_first()) else None
    if container is not None and rng.random() < 0.3 and (content := some([word for word in SMALL if free(word)])):
        add(content, container)
    if rng.random() < 0.6 and (kind := shallow_first()):
        add(kind)
    for _ in range(int(rng.integers(1, 3))):
        if content := some([word for word in SMALL if free(word)]):
            add(content)
    if rng.random() < 0.35 and (kind := some([word for word in STACKABLE if free(word)])):
        base = add(kind)
        used.discard(CATEGORIES[kind].group)
        if top := some([word for word in STACKABLE[kind] if free(word)]):
            add(top, base)
        used.add(CATEGORIES[kind].group)
    # What the theme does not fill, anything else does.
    for category in [*rng.permutation(theme), *rng.permutation(sorted(set(have) - set(theme)))]:
        if len(items) >= wanted:
            break
        if free(category):
            add(str(category))
    return items[:wanted]


def _place(
    info: AssetInfo,
    name: str,
    instance: int,
    position: NDArray[np.float64],
    rotation: NDArray[np.float64],
    support: str | None = None,
    static: bool = False,
) -> SceneObject:
    size = np.asarray(info.size, dtype=np.float64)
    local_centre = np.array([0.0, 0.0, size[2] / 2])
    return SceneObject(
        name, instance, info.id, info.category, info.caption, info.caption_zh, position, rotation, local_centre, size,
        support=support, static=static,
    )  # fmt: skip


def _arrange(
    items: list[_Item], table: SceneObject, info: AssetInfo, azimuth: float, rng: np.random.Generator
) -> list[SceneObject]:
    """Places that do not overlap, on a stage around a point of the table; what finds no place is left out."""
    surface = info.receptacle
    if surface is None:
        raise ValueError(f"asset {info.id} is used as a table but has no receptacle surface")
    half = np.asarray(surface.half_extents)
    height = table.position[2] + surface.floor
    stage = np.minimum(half, 0.26 + 0.03 * len(items))
    middle = rng.uniform(-1, 1, 2) * (half - stage) * (0 if surface.round else 1)
    placed: dict[int, SceneObject] = {}
    counts: dict[str, int] = {}
    # Large things first; what stands on others after them.
    order = sorted(range(len(items)), key=lambda k: (items[k].carrier is not None, -np.prod(items[k].info.size[:2])))
    for k in order:
        item = items[k]
        carrier = placed.get(item.carrier) if item.carrier is not None else None
        if item.carrier is not None and carrier is None:
            continue
        number = counts.get(item.info.category, 0) + 1
        name = f"{item.info.category.replace(' ', '_')}_{number}"
        for _ in range(120):
            yaw = _yaw(item.info.category, table, azimuth, rng)
            if carrier is None:
                spot = surface.centre + middle + rng.uniform(-1, 1, 2) * stage
                position = table.position + table.rotation @ np.array([*spot, 0.0])
                position[2] = height
            else:
                position = _spot_on(carrier, items[item.carrier or 0].info, item.info, rng)
            candidate = _place(
                item.info, name, len(placed) + 2, position, rotation_z(yaw), carrier.name if carrier else "table"
            )
            if carrier is not None or _fits(candidate, table, surface, placed.values()):
                placed[k] = candidate
                counts[item.info.category] = number
                break
    return [replace(item, instance=k + 2) for k, item in enumerate(placed.values())]


def _spot_on(
    carrier: SceneObject, carrier_info: AssetInfo, info: AssetInfo, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The middle of a container's floor, or of the top of a stack."""
    receptacle = carrier_info.receptacle
    floor = receptacle.floor if receptacle else carrier_info.size[2]
    offset = (
        np.asarray(receptacle.centre)
        if receptacle
        else rng.uniform(-0.08, 0.08, 2) * np.asarray(carrier_info.size[:2])
    )
    return carrier.position + carrier.rotation @ np.array([*offset, floor])


def _yaw(category: str, table: SceneObject, azimuth: float, rng: np.random.Generator) -> float:
    if category in FACING:
        # Front is -y: it faces the camera where the yaw is the camera's azimuth plus a quarter turn.
        return azimuth + np.pi / 2 + rng.uniform(-0.9, 0.9)
    if category in ALIGNED and rng.random() < 0.75:
        edge = np.arctan2(table.rotation[1, 0], table.rotation[0, 0])
        return edge + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.12)
    return rng.uniform(0, 2 * np.pi)


def _fits(item: SceneObject, table: SceneObject, surface: Receptacle, others: Iterable[SceneObject]) -> bool:
    """Whether it stands on the usable area and clear of the others."""
    local = (corners(item.box)[:, :2] - table.position[:2]) @ table.rotation[:2, :2] - surface.centre
    ratio = np.abs(local) / surface.half_extents
    if (np.linalg.norm(ratio, axis=1) if surface.round else ratio.max(axis=1)).max() > 0.97:
        return False
    return not any(overlap_xy(item.box, other.box, clearance=0.015) for other in others)
