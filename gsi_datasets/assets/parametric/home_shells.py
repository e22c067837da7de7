"""The mesh and hulls of a home: the shell of each room, and the doorways through the walls between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, Receptacle
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.build import Family
from gsi_datasets.assets.parametric.homes import SIZES, WALL, HomePlan, HomeRoom, home_bounds, home_plan
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, merge, rotation
from gsi_datasets.assets.parametric.rooms import (
    DADO,
    METAL,
    Opening,
    RoomPlan,
    curtains_and_windows,
    doors,
    frame,
    ground,
    on_wall,
    panel,
    picture_frames,
    rug,
    strips,
)
from gsi_datasets.assets.parametric.surfaces import Surface


Array = NDArray[np.float64]
Rng = np.random.Generator
Part = tuple[Mesh, Material]

SLAB = 0.1  # thickness of floors for collisions, metres
THICK = WALL / 2  # of walls for collisions: two rooms share one
EDGE = 0.02  # nothing is put nearer than this to a wall, metres
LAP = 0.002  # floors, walls and ceilings reach so far into each other: no ray slips through, metres
CASING = 0.06  # width of the boards around a doorway, metres
# What a ceiling gets from the floor and the walls, the renderers' few lamps do not give it.
CEILING = Material((0.9, 0.9, 0.89), roughness=0.9, emission=0.28)
OPAL = Material((0.98, 0.97, 0.94), roughness=0.4, emission=0.8)
SWITCH = Material((0.93, 0.93, 0.91), roughness=0.4)
DRY = (surfaces.planks, surfaces.parquet, surfaces.carpet)
# Rooms of these kinds have a rug so often, unless the whole floor is carpet.
RUGS = {"living room": 0.9, "bedroom": 0.7, "study": 0.6}
# A rug gives way: what stands on it stands on the floor, and its pile shows only this much above that, metres.
PILE = 0.004
ACCENTS = (surfaces.accent_plaster, surfaces.wallpaper, surfaces.brick, surfaces.planks)


@dataclass(frozen=True, eq=False)
class _Style:
    """What all rooms of a home have in common.

    Attributes:
        white: paint of woodwork.
        paint: of the walls, where a room has none of its own.
        floor: of the rooms that stay dry.
        tiled: floor of those that do not.
        moulded: there are mouldings under the ceilings.
        lamp: the form of the ceiling lamps: ``round`` or ``square``.
    """

    white: Material
    paint: Surface
    floor: Surface
    tiled: Surface
    moulded: bool
    lamp: str


def home(asset_id: str, rng: Rng) -> Asset:
    """A home of `home_plan`'s shape; the origin is the middle of the main room's floor."""
    plan = home_plan(asset_id)
    shade = float(rng.uniform(0.84, 0.9))
    laid = int(rng.choice(len(DRY), p=[0.55, 0.25, 0.2]))
    style = _Style(
        Material((shade, shade, shade - 0.01), roughness=0.6),
        surfaces.plaster(rng),
        DRY[laid](rng),
        (surfaces.floor_tiles, surfaces.terrazzo, surfaces.marble)[int(rng.choice(3, p=[0.7, 0.15, 0.15]))](rng),
        bool(rng.random() < 0.3),
        "round" if rng.random() < 0.7 else "square",
    )
    tiled = [room.kind == "bathroom" or (room.kind == "kitchen" and rng.random() < 0.6) for room in plan.rooms]
    parts = _floors(plan, tiled, style)
    hulls: list[Array] = []
    for room in plan.rooms:
        x, y = room.middle
        parts += [(mesh.moved(x, y), material) for mesh, material in _room(room, style, rng)]
        hulls += [points + np.array([x, y, 0.0]) for points in _hulls(room.plan)]
    for room in plan.rooms:
        if rng.random() < RUGS.get(room.kind, 0.0) and DRY[laid] is not surfaces.carpet:
            mesh, material = rug(rng, *room.plan.size[:2])
            x, y = room.middle
            parts.append((mesh.moved(x, y, PILE - mesh.vertices[:, 2].max()), material))
    low, high = home_bounds(asset_id)
    width, depth, height = (float(length) for length in high - low)
    places = [
        Receptacle(
            "on", 0.0, (room.plan.size[0] / 2 - EDGE, room.plan.size[1] / 2 - EDGE), False, 0.0, room.middle,
            headroom=room.plan.size[2],
        )
        for room in plan.rooms
    ]  # fmt: skip
    info = AssetInfo(
        asset_id, "room", "room", "房间", (width, depth, height), kind="structure", mass=1000.0, name="home",
        receptacle=places[0], shelves=tuple(places[1:]),
    )  # fmt: skip
    return Asset(info, tuple(mesh.part(material) for mesh, material in _joined(parts)), tuple(hulls))


def _floors(plan: HomePlan, tiled: list[bool], style: _Style) -> list[Part]:
    """The floors of all rooms, laid through from room to room, and what is in the doorways between them."""
    dry, wet, linings, rails = list[Mesh](), list[Mesh](), list[Mesh](), list[Mesh]()
    for room, stone in zip(plan.rooms, tiled, strict=True):
        width, depth, _ = room.plan.size
        (wet if stone else dry).append(ground(width + 2 * LAP, depth + 2 * LAP).moved(*room.middle))
        for gap in room.plan.on("passage"):
            if gap.wall in (0, 3):  # the two rooms of a doorway share it
                place = [on_wall(mesh, room.plan, gap.wall).moved(*room.middle) for mesh in _doorway(gap)]
                dry.append(place[0])  # no two tiled rooms lie side by side
                rails.append(place[1])
                linings += place[2:]
    parts: list[Part] = [(merge(*linings), style.white), (merge(*rails), METAL)] if rails else []
    parts += [style.floor.on(merge(*dry))] if dry else []
    return parts + ([style.tiled.on(merge(*wet))] if wet else [])


def _doorway(gap: Opening) -> list[Mesh]:
    """The floor in a hole in the wall, the rail on its middle, and its lining; in the frame of the wall."""
    # The lining is 2 cm thick in the hole and reaches 1 cm into the wall: no ray slips between them.
    side = box((0.03, WALL, gap.height - 0.02))
    head = box((gap.width + 0.02, WALL, 0.03)).moved(gap.along, WALL / 2, gap.height - 0.02)
    rail = box((gap.width - 0.04, 0.04, 0.003), 0.001).moved(gap.along, WALL / 2)
    step = ground(gap.width, WALL - 2 * LAP).moved(gap.along, WALL / 2)
    return [step, rail, head, *(side.moved(gap.along + s * (gap.width / 2 - 0.005), WALL / 2) for s in (-1, 1))]


def _room(room: HomeRoom, style: _Style, rng: Rng) -> list[Part]:
    """The walls and the ceiling of one room and what is on them, in its own frame."""
    plan, white = room.plan, style.white
    width, depth, height = plan.size
    parts: list[Part] = [(ground(width + 2 * LAP, depth + 2 * LAP).turned("x", np.pi).moved(z=height), CEILING)]
    trim: list[Mesh] = []
    parts += _bathroom_walls(plan, style, rng, trim) if room.kind == "bathroom" else _walls(room, style, rng, trim)
    if style.moulded:
        trim += [on_wall(box((plan.length(k), 0.05, 0.05)).moved(0, -0.025, height - 0.05), plan, k) for k in range(4)]
    for gap in plan.on("passage"):
        around = replace(gap, width=gap.width + 2 * CASING, height=gap.height + CASING)
        trim += frame(around, plan, CASING, 0.022, butted=True)[:3]
    if plan.on("door"):
        parts += doors(plan, rng, white, trim, butted=True)
    if plan.on("window"):
        [(panes, view), *cloth] = curtains_and_windows(plan, rng, trim, butted=True)
        parts += [(panes, _frosted(view) if room.kind == "bathroom" else view), *cloth]
    parts += picture_frames(plan, rng)
    parts += [(_light_switch(plan), SWITCH), *_lamp(style.lamp, plan)]
    return [*parts, (merge(*trim), white)]


def _walls(room: HomeRoom, style: _Style, rng: Rng, trim: list[Mesh]) -> list[Part]:
    """Painted walls, maybe one of another kind, or boards or tiles up to a height; skirting goes to the trim."""
    plan = room.plan
    walls = [on_wall(_pierced(plan, k), plan, k) for k in range(4)]
    paint = surfaces.plaster(rng) if rng.random() < 0.35 else style.paint
    chance = rng.random()
    if room.kind == "kitchen" and chance < 0.25:
        trim += strips(plan, 1.4, 0.012, 0.012)
        return [paint.on(merge(*walls)), surfaces.wall_tiles(rng).on(merge(*strips(plan, 0.0, 1.4, 0.008)))]
    trim += strips(plan, 0.0, 0.08, 0.015)
    if room.kind != "kitchen" and chance < 0.15:
        trim += strips(plan, DADO, 0.04, 0.025)
        boards = surfaces.planks(rng) if rng.random() < 0.5 else surfaces.accent_plaster(rng)
        return [paint.on(merge(*walls)), boards.on(merge(*strips(plan, 0.0, DADO, 0.01)), upright=True)]
    plain = [k for k in range(4) if not plan.on("passage", k) and not plan.on("door", k)]
    if not plain or chance > 0.55:
        return [paint.on(merge(*walls))]
    special = int(rng.choice(plain))
    choice = int(rng.choice(len(ACCENTS), p=[0.5, 0.25, 0.15, 0.1]))
    accent = ACCENTS[choice](rng).on(walls[special], upright=ACCENTS[choice] is surfaces.planks)
    return [accent, paint.on(merge(*(mesh for k, mesh in enumerate(walls) if k != special)))]


def _bathroom_walls(plan: RoomPlan, style: _Style, rng: Rng, trim: list[Mesh]) -> list[Part]:
    """Walls tiled up to a height or all the way; the edge of the tiles goes to the trim."""
    walls = merge(*(on_wall(_pierced(plan, k), plan, k) for k in range(4)))
    tiles, top = surfaces.wall_tiles(rng), float(rng.choice([1.2, 1.5, 2.0, plan.size[2]]))
    if top == plan.size[2]:
        return [tiles.on(walls)]
    trim += strips(plan, top, 0.012, 0.012)
    return [style.paint.on(walls), tiles.on(merge(*strips(plan, 0.0, top, 0.008)))]


def _frosted(view: Material) -> Material:
    """The view out of a window through etched glass: light and dark without any shape."""
    from scipy.ndimage import gaussian_filter

    texture = gaussian_filter(np.asarray(view.texture, dtype=np.float32), (22, 22, 0), mode="nearest")
    return replace(view, texture=(0.55 * texture + 0.3 * texture.mean() + 12).astype(np.uint8), emission=0.5)


def _light_switch(plan: RoomPlan) -> Mesh:
    """A switch beside the first way in, on the side that has more wall."""
    gap = (*plan.on("passage"), *plan.on("door"))[0]
    along = gap.along - float(np.copysign(gap.width / 2 + 0.17, gap.along))
    plate = box((0.08, 0.008, 0.08), 0.003).moved(along, -0.004, 1.03)
    rocker = box((0.05, 0.006, 0.05), 0.002).moved(along, -0.011, 1.045)
    return merge(*(on_wall(mesh, plan, gap.wall) for mesh in (plate, rocker)))


def _lamp(form: str, plan: RoomPlan) -> list[Part]:
    """A lamp flat under the middle of the ceiling."""
    height = plan.size[2]
    size = 0.15 if min(plan.size[:2]) < 2.2 else 0.2  # half its width, metres
    if form == "square":
        shade = box((2 * size, 2 * size, 0.05), 0.012).moved(z=height - 0.06)
        rim = box((2 * size + 0.02, 2 * size + 0.02, 0.015), 0.004).moved(z=height - 0.015)
        return [(shade, OPAL), (rim, METAL)]
    turn = np.linspace(-np.pi / 2, 0, 7)
    bowl = [(size * np.cos(a), 0.055 * (1 + np.sin(a))) for a in turn]
    shade = lathe([(0.0, 0.0), *bowl[1:], (0.0, 0.055)], 32).moved(z=height - 0.07)
    rim = lathe([(0.0, 0.0), (size + 0.012, 0.0), (size + 0.012, 0.018), (0.0, 0.018)], 32).moved(z=height - 0.018)
    return [(shade, OPAL), (rim, METAL)]


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
    """A wall with its doorways cut out."""
    end, top = plan.length(wall) / 2, plan.size[2]
    pieces = []
    for (left, right), low, high in _solid(plan, wall):
        left, right = left - LAP * (left == -end), right + LAP * (right == end)
        low, high = low - LAP * (low == 0), high + LAP * (high == top)
        pieces.append(panel(right - left, high - low).moved((left + right) / 2, 0.0, low))
    return merge(*pieces)


def _hulls(plan: RoomPlan) -> list[Array]:
    """What one room collides as, in its own frame: the floor, its halves of the walls, and floor in doorways."""
    width, depth, _ = plan.size
    hulls = [box_hull((-width / 2, -depth / 2, -SLAB), (width / 2, depth / 2, 0))]
    for wall in range(4):
        boxes = [((start, 0.0, low), (end, THICK, high)) for (start, end), low, high in _solid(plan, wall)]
        for gap in plan.on("passage", wall):
            left, right = gap.along - gap.width / 2, gap.along + gap.width / 2
            boxes.append(((left, 0.0, -SLAB), (right, THICK, 0.0)))
        out = np.array([0.0, plan.distance(wall), 0.0])
        hulls += [(box_hull(low, high) + out) @ rotation("z", wall * np.pi / 2).T for low, high in boxes]
    return hulls


def _joined(parts: Iterable[Part]) -> list[Part]:
    """The parts with those of the same material made one."""
    found: dict[int, tuple[list[Mesh], Material]] = {}
    for mesh, material in parts:
        found.setdefault(id(material), ([], material))[0].append(mesh)
    return [(merge(*meshes), material) for meshes, material in found.values()]


FAMILIES: dict[str, Family] = {f"home_{kind.replace(' ', '_')}": home for kind in SIZES if kind != "hallway"}
