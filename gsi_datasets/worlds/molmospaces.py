"""Houses of MolmoSpaces (iTHOR, ProcTHOR, Holodeck in MJCF) as scenes for the embedded simulator.

`compose` takes over where everything stands; what rests on what, physics finds out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.molmospaces import ROOM, SOURCE, House, mounted
from gsi_datasets.floor import room_at
from gsi_datasets.rooms import AnyRoom, rooms_of
from gsi_datasets.scene import Scene, SceneObject
from gsi_datasets.worlds.lighting import home_lighting
from gsi_datasets.worlds.room import across
from gsi_datasets.worlds.specs import MolmoWorld, SceneError, WorldError


Array = NDArray[np.float64]
REMEDY = (
    "give the folder that holds scenes/ (with <scene>.xml beside <scene>_metadata.json) and objects/; "
    "gsi-bench doctor says how to get one"
)
# Fittings of the room: seen, in nobody's way, and nothing that people would speak of moving or putting things on.
FITTINGS = frozenset(
    {
        "Blinds",
        "Curtains",
        "Door",
        "Doorframe",
        "Drawer",
        "Doorway",
        "Faucet",
        "HandTowelHolder",
        "LightSwitch",
        "Mirror",
        "Painting",
    }
    | {"Poster", "ShowerCurtain", "ShowerDoor", "ShowerGlass", "ShowerHead", "StoveBurner", "StoveKnob"}
    | {"ToiletPaperHanger", "TowelHolder", "Window"}
)


def compose(
    name: str, world: MolmoWorld, number: int, image_size: int, rng: np.random.Generator, *, held_out: bool
) -> Scene:
    """A house as its files have it, not yet at rest in our simulator.

    Args:
        name: of the scene.
        world: where the houses are, and how many of their objects may move.
        number: counts the scenes of a split; houses are taken in turn, so that each serves again after all others.
        image_size: width and height of the view, pixels. The camera looks across the main room; views replace it.
        rng: not used: a house leaves nothing to chance, its views do.
        held_out: whether to take a house that no training split has.

    Raises:
        WorldError: the folder holds no house for this split.
        AssetError, SceneError: this house is broken; says which file, and what to do.
    """
    library = mounted(world.path())
    keys = library.keys()
    if not keys:
        raise WorldError(f"world.folder: no scenes in {world.path()}; {REMEDY}")
    chosen = world.scenes_of(keys, held_out)
    key = chosen[number % len(chosen)]
    house = library.house(key)
    shell = assets.get(f"{SOURCE}/{key}#{ROOM}")
    rooms = rooms_of(shell.info.id)
    low, high = shell.bounds()
    home = SceneObject(
        ROOM,
        0,
        shell.info.id,
        "room",
        "room",
        "房间",
        np.zeros(3),
        np.eye(3),
        (low + high) / 2,
        high - low,
        static=True,
    )
    placed = list(_placed(house, key))
    loose = _loose(placed, rooms, world.objects[1])
    objects = [replace(item, static=not free) for item, free in zip(placed, loose, strict=True)]
    if not any(loose):
        raise SceneError(f"{house.model.file}: holds nothing that can be moved; leave it out of the folder")
    lights, ambient = home_lighting(shell.info.id, rooms[0])
    return Scene(name, (home, *_named(objects, house)), across(rooms[0], image_size), lights, ambient)


def _placed(house: House, key: str) -> Iterator[SceneObject]:
    """The objects where they stand, by the names of their bodies; static unless they could be moved."""
    for body, frame in house.frames.items():
        info = assets.info(f"{SOURCE}/{key}#{body}")
        size = np.asarray(info.size)
        yield SceneObject(
            body, 0, info.id, info.category, info.caption, info.caption_zh,
            frame.position - (0.0, 0.0, house.floor), frame.rotation,
            np.array([0.0, 0.0, size[2] / 2]), size, static=not house.movable(body, info),
        )  # fmt: skip


def _loose(items: list[SceneObject], rooms: tuple[AnyRoom, ...], most: int) -> list[bool]:
    """Which things may be moved: all that could, up to a number, those of the main room first."""
    places = [room_at(rooms, item.box.centre[:2]) for item in items]
    order = sorted((k for k, item in enumerate(items) if not item.static), key=lambda k: places[k])
    chosen = frozenset(order[:most])
    return [k in chosen for k in range(len(items))]


def _named(items: list[SceneObject], house: House) -> list[SceneObject]:
    """The things with their final names and numbers, what never moves first; fittings are background, number 0."""
    counts: dict[str, int] = {}
    named, number = [], 0
    for item in sorted(items, key=lambda it: not it.static):
        word = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in item.category.lower())
        counts[word] = counts.get(word, 0) + 1
        fitting = house.records[item.name].category in FITTINGS and item.static
        number += not fitting
        named.append(replace(item, name=f"{word}_{counts[word]}", instance=0 if fitting else number))
    return named
