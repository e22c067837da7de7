"""Room worlds: a furnished home, one to four rooms, with things on its tables, shelves and floors.

`compose` only arranges: every pose is where the thing should come to rest, physics has the last word afterwards.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gsi_datasets.assets.parametric.homes import home_bounds, home_plan
from gsi_datasets.geometry import intrinsics_from_fov, look_at
from gsi_datasets.placing import places
from gsi_datasets.rooms import AnyRoom, holds, rooms_of
from gsi_datasets.scene import Camera, Scene, SceneObject
from gsi_datasets.worlds.belongings import Household
from gsi_datasets.worlds.catalogue import Catalogue
from gsi_datasets.worlds.furnishing import Room
from gsi_datasets.worlds.lighting import home_lighting
from gsi_datasets.worlds.recipes import RECIPES
from gsi_datasets.worlds.specs import RoomWorld


# Homes of training splits have smaller seeds than this, all others larger ones: they never share a room.
HELD_OUT = 1 << 22
ELSEWHERE = 0.35  # share of the main room's things that each other room has
PROVISIONAL_FOV = np.radians(65)


def compose(name: str, world: RoomWorld, image_size: int, rng: np.random.Generator, held_out: bool = False) -> Scene:
    """A furnished home, arranged but not yet at rest.

    Args:
        name: of the scene.
        world: kinds and number of rooms, how many things, which assets.
        image_size: width and height of the view, pixels. The camera looks across the main room; views replace it.
        rng: the only source of chance.
        held_out: whether to take a home that no training split has.
    """
    asset = draw_home(world, rng, held_out)
    plan, (low, high) = home_plan(asset), home_bounds(asset)
    home = SceneObject(
        "room", 0, asset, "room", "room", "房间", np.zeros(3), np.eye(3), (low + high) / 2, high - low, static=True
    )
    catalogue = Catalogue(world.assets)
    household = Household(catalogue, rng)
    wanted = int(rng.integers(world.objects[0], world.objects[1] + 1))
    objects: list[SceneObject] = []
    for number, room in enumerate(plan.rooms):
        furnished = Room(room, catalogue, rng)
        RECIPES[room.kind](furnished)
        objects += furnished.items
        movable = sum(not item.static for item in furnished.items)
        share = 1.0 if number == 0 else ELSEWHERE
        goal = max(round(share * wanted) - movable, 3)
        household.enter(room.kind, furnished.items)
        goal += len(household.items)
        floor, clear = places(home)[number], furnished.kept_clear
        household.on_floor(floor, clear, int(rng.integers(1, 5)))
        household.furnish(goal - len(household.items))
        # Where there is little to put things on, they stand on the floor.
        household.on_floor(floor, clear, goal - len(household.items))
    main = plan.rooms[0]
    lights, ambient = home_lighting(asset, main)
    return Scene(name, (home, *_named([*objects, *household.items])), across(main, image_size), lights, ambient)


def draw_home(world: RoomWorld, rng: np.random.Generator, held_out: bool) -> str:
    """The asset id of a home; arguments as for `compose`."""
    kind = world.rooms[rng.integers(len(world.rooms))]
    count = int(rng.integers(world.connected[0], world.connected[1] + 1))
    # Homes with `count` rooms are those with this rest, see `homes`.
    seed = 4 * int(rng.integers(HELD_OUT // 4)) + count - 1 + held_out * HELD_OUT
    return f"param/home_{kind.replace(' ', '_')}/{seed}"


def lit_where_seen(scene: Scene) -> Scene:
    """A home with the lamps of the room that its camera stands in."""
    home = scene["room"]
    here = (scene.camera.position - home.position)[None, :2]
    room = next((it for it in rooms_of(home.asset) if holds(it, here)[0]), None)
    if room is None:
        return scene
    lights, ambient = home_lighting(home.asset, room)
    return replace(scene, lights=lights, ambient=ambient)


def _named(items: list[SceneObject]) -> list[SceneObject]:
    """The things with their final names, numbers and supports, furniture that never moves first."""
    items = sorted(items, key=lambda item: not item.static)
    counts: dict[str, int] = {}
    names: dict[str, str] = {"room": "room"}
    for item in items:
        counts[item.category] = counts.get(item.category, 0) + 1
        names[item.name] = f"{item.category.replace(' ', '_')}_{counts[item.category]}"
    return [
        replace(item, name=names[item.name], instance=number, support=names[item.support or "room"])
        for number, item in enumerate(items, start=1)
    ]


def across(room: AnyRoom, image_size: int) -> Camera:
    """A camera in a corner of a room that looks at its middle."""
    x, y = np.asarray(room.middle) + np.asarray(room.size[:2]) / 2 - 0.35
    view = look_at([x, y, 1.5], [*room.middle, 0.7])
    return Camera(intrinsics_from_fov(PROVISIONAL_FOV, image_size, image_size), view, image_size, image_size)
