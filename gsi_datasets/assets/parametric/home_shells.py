"""The mesh and hulls of a home: the shell of each room, and the doorways through the walls between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, Receptacle
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.build import Family
from gsi_datasets.assets.parametric.homes import SIZES, WALL, HomeRoom, home_bounds, home_plan
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.primitives import Mesh, box, merge
from gsi_datasets.assets.parametric.rooms import (
    Opening,
    RoomPlan,
    curtains_and_windows,
    doors,
    frame,
    ground,
    on_wall,
    panel,
    picture_frames,
    strips,
)
from gsi_datasets.assets.parametric.surfaces import Surface


Array = NDArray[np.float64]
Rng = np.random.Generator
Part = tuple[Mesh, Material]

SLAB = 0.1  # thickness of floors for collisions, metres
THICK = WALL / 2  # of walls for collisions: two rooms share one
EDGE = 0.02  # nothing is put nearer than this to a wall, metres
# What a ceiling gets from the floor and the walls, the renderers' few lamps do not give it.
CEILING = Material((0.88, 0.88, 0.87), roughness=0.9, emission=0.22)
ACCENTS = (surfaces.accent_plaster, surfaces.wallpaper, surfaces.brick, surfaces.planks)


def home(asset_id: str, rng: Rng) -> Asset:
    """A home of `home_plan`'s shape; the origin is the middle of the main room's floor."""
    plan = home_plan(asset_id)
    white = Material((0.87, 0.87, 0.86), roughness=0.6)
    paint = surfaces.plaster(rng)
    dry = surfaces.floor(rng)  # the same floor runs through all rooms that stay dry
    parts: list[Part] = []
    hulls: list[Array] = []
    for room in plan.rooms:
        shell, pieces = _room(room, paint, dry, white, rng)
        x, y = room.middle
        for gap in room.plan.on("passage"):
            if gap.wall in (0, 3):  # each doorway is drawn once
                shell += _doorway(gap, room.plan, white, dry)
                pieces.append(_threshold(gap, room.plan))
        parts += [(mesh.moved(x, y), material) for mesh, material in shell]
        hulls += [points + np.array([x, y, 0.0]) for points in pieces]
    low, high = home_bounds(asset_id)
    floors = [
        Receptacle(
            "on", 0.0, (room.plan.size[0] / 2 - EDGE, room.plan.size[1] / 2 - EDGE), False, 0.0, room.middle,
            headroom=room.plan.size[2],
        )
        for room in plan.rooms
    ]  # fmt: skip
    size = tuple(float(length) for length in high - low)
    info = AssetInfo(
        asset_id, "room", "room", "房间", (size[0], size[1], size[2]), kind="structure", mass=1000.0, name="home",
        receptacle=floors[0], shelves=tuple(floors[1:]),
    )  # fmt: skip
    return Asset(info, tuple(mesh.part(material) for mesh, material in parts), tuple(hulls))


def _room(room: HomeRoom, paint: Surface, dry: Surface, white: Material, rng: Rng) -> tuple[list[Part], list[Array]]:
    """The shell of one room in its own frame, and what it collides as."""
    plan, wet = room.plan, room.kind == "bathroom"
    width, depth, height = plan.size
    floor = dry
    if wet or (room.kind == "kitchen" and rng.random() < 0.6):
        floor = (surfaces.floor_tiles, surfaces.terrazzo)[int(rng.random() < 0.2)](rng)
    walls = [on_wall(_pierced(plan, k), plan, k) for k in range(4)]
    trim: list[Mesh] = []
    ceiling = ground(width, depth).turned("x", np.pi).moved(z=height)
    parts: list[Part] = [floor.on(ground(width, depth)), (ceiling, CEILING)]
    special = -1
    if wet:
        # Tiles up to a height, or all the way.
        tiles, top = surfaces.wall_tiles(rng), float(rng.choice([1.2, 1.5, 2.0, height]))
        parts.append(tiles.on(merge(*strips(plan, 0.0, top - 0.002, 0.008))))
        if top < height:
            trim += strips(plan, top - 0.002, 0.015, 0.016)
    else:
        trim += strips(plan, 0.0, 0.08, 0.015)
        plain = [k for k in range(4) if not plan.on("passage", k)]
        if plain and rng.random() < 0.45:
            special = int(rng.choice(plain))
            choice = int(rng.choice(len(ACCENTS), p=[0.5, 0.25, 0.15, 0.1]))
            parts.append(ACCENTS[choice](rng).on(walls[special], upright=ACCENTS[choice] is surfaces.planks))
    parts.append(paint.on(merge(*(mesh for k, mesh in enumerate(walls) if k != special))))
    for opening in plan.on("passage"):
        trim += frame(opening, plan, 0.07, 0.03)[:3]
    if plan.on("door"):
        parts += doors(plan, rng, white, trim)
    if plan.on("window"):
        parts += curtains_and_windows(plan, rng, trim)
    parts += picture_frames(plan, rng)
    parts.append((merge(*trim), white))
    hulls = [box_hull((-width / 2, -depth / 2, -SLAB), (width / 2, depth / 2, 0))]
    for k in range(4):
        for (start, end), low, high in _solid(plan, k):
            hull = box_hull((start, 0.0, low), (end, THICK, high))
            hulls.append(_turned(hull + np.array([0.0, plan.distance(k), 0.0]), k))
    return parts, hulls


def _solid(plan: RoomPlan, wall: int) -> list[tuple[tuple[float, float], float, float]]:
    """What is left of a wall beside and above its doorways: along it from and to, from and up to a height, metres."""
    length, height = plan.length(wall), plan.size[2]
    pieces, start = [], -length / 2
    for gap in sorted(plan.on("passage", wall), key=lambda it: it.along):
        left, right = gap.along - gap.width / 2, gap.along + gap.width / 2
        pieces += [((start, left), 0.0, height), ((left, right), gap.height, height)]
        start = right
    pieces.append(((start, length / 2), 0.0, height))
    return pieces


def _pierced(plan: RoomPlan, wall: int) -> Mesh:
    """A wall with its doorways cut out; textures run on across the pieces."""
    pieces = []
    for (start, end), low, high in _solid(plan, wall):
        piece = panel(end - start, high - low)
        shifted = Mesh(piece.vertices, piece.faces, piece.normals, piece.uvs + np.array([(start + end) / 2, low]))
        pieces.append(shifted.moved((start + end) / 2, 0.0, low))
    return merge(*pieces)


def _doorway(gap: Opening, plan: RoomPlan, white: Material, floor: Surface) -> list[Part]:
    """The lining of the hole in the wall, and the floor in it."""
    side = box((0.02, WALL, gap.height - 0.02), 0.001)
    lining = [side.moved(gap.along + s * (gap.width / 2 - 0.01), WALL / 2) for s in (-1, 1)]
    lining.append(box((gap.width, WALL, 0.02), 0.001).moved(gap.along, WALL / 2, gap.height - 0.02))
    step = ground(gap.width, WALL).moved(gap.along, WALL / 2)
    meshes = [on_wall(mesh, plan, gap.wall) for mesh in lining]
    return [(merge(*meshes), white), floor.on(on_wall(step, plan, gap.wall))]


def _threshold(gap: Opening, plan: RoomPlan) -> Array:
    """The floor in a doorway, for collisions."""
    hull = box_hull((gap.along - gap.width / 2, 0.0, -SLAB), (gap.along + gap.width / 2, WALL, 0.0))
    return _turned(hull + np.array([0.0, plan.distance(gap.wall), 0.0]), gap.wall)


def _turned(points: Array, wall: int) -> Array:
    """Points turned about the vertical by so many quarters."""
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[wall]
    return points @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], dtype=float).T


FAMILIES: dict[str, Family] = {f"home_{kind.replace(' ', '_')}": home for kind in SIZES if kind != "hallway"}
