"""Rooms: floor, four walls and a ceiling, with doors, windows, curtains, pictures and a rug; faces look inwards."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, AssetInfo, Material
from gsi_datasets.assets.parametric import pictures, surfaces
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.primitives import Mesh, box, merge, shade
from gsi_datasets.assets.parametric.surfaces import Surface


Array = NDArray[np.float64]
Rng = np.random.Generator
Part = tuple[Mesh, Material]

SLAB = 0.1  # thickness of what walls and floor collide as, metres
DADO = 0.86  # height of panelling: below the sills, metres
SIDE = 0.42  # width of a drawn-back curtain, metres
METAL = Material((0.62, 0.61, 0.59), roughness=0.35, metallic=1.0)


@dataclass(frozen=True)
class Opening:
    """A door, window or picture on a wall.

    Attributes:
        kind: ``door``, ``window``, ``picture`` or ``passage``, a doorway to another room of a home.
        wall: 0 to 3: the wall at +y, -x, -y, +x.
        along: of its middle, metres to the right of the wall's middle as seen from inside.
        width: metres.
        low: height of its lower edge, metres.
        height: metres.
        curtained: curtains hang down to the floor on both sides.
    """

    kind: str
    wall: int
    along: float
    width: float
    low: float
    height: float
    curtained: bool = False

    @property
    def blocked(self) -> tuple[float, float]:
        """How wide, and from what height on, nothing may stand before it; metres."""
        if self.curtained:
            return self.width + 2 * SIDE, 0.0
        return self.width, self.low


@dataclass(frozen=True)
class RoomPlan:
    """Inner size (x, y, z) in metres and what is on the walls."""

    size: tuple[float, float, float]
    openings: tuple[Opening, ...]

    def length(self, wall: int) -> float:
        """Length of a wall, metres."""
        return self.size[0] if wall % 2 == 0 else self.size[1]

    def distance(self, wall: int) -> float:
        """From the middle of the room to a wall, metres."""
        return self.size[1] / 2 if wall % 2 == 0 else self.size[0] / 2

    def on(self, kind: str, wall: int | None = None) -> tuple[Opening, ...]:
        """The openings of a kind, on one wall or on all."""
        return tuple(o for o in self.openings if o.kind == kind and wall in (None, o.wall))


def room_plan(asset_id: str) -> RoomPlan:
    """The plan of a room by its asset id."""
    rng = np.random.default_rng([zlib.crc32(b"room plan"), zlib.crc32(asset_id.encode())])
    size = (float(rng.uniform(3.4, 5.0)), float(rng.uniform(3.4, 5.0)), float(rng.uniform(2.5, 2.8)))
    plan = RoomPlan(size, ())
    curtained = bool(rng.random() < 0.55)
    kinds = ["window", "door", "picture" if rng.random() < 0.75 else "window", "picture" if rng.random() < 0.7 else ""]
    openings: list[Opening] = []
    for wall, kind in zip(rng.permutation(4), kinds, strict=True):
        if kind == "door":
            width, low, height = 0.88, 0.0, 2.05
        elif kind == "window":
            width, low, height = float(rng.uniform(1.0, 1.7)), 0.9, float(rng.uniform(1.1, 1.35))
        elif kind == "picture":
            width, height = (float(x) for x in rng.permutation([rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.6)]))
            low = 1.55 - height / 2
        else:
            continue
        drawn = curtained and kind == "window"
        margin = 0.3 + (SIDE if drawn else 0)
        along = float(rng.uniform(-1, 1) * max(plan.length(int(wall)) / 2 - width / 2 - margin, 0))
        openings.append(Opening(kind, int(wall), along, width, low, height, drawn))
    return RoomPlan(size, tuple(openings))


def room(asset_id: str, rng: Rng) -> Asset:
    """An empty room of `room_plan`'s shape; the origin is the middle of the floor."""
    plan = room_plan(asset_id)
    width, depth, height = plan.size
    white = Material(tuple(float(c) for c in np.full(3, rng.uniform(0.84, 0.9))), roughness=0.6)  # type: ignore[arg-type]
    accents = (surfaces.accent_plaster, surfaces.wallpaper, surfaces.brick, surfaces.wall_tiles, surfaces.planks)
    floor = surfaces.floor(rng)
    wall = surfaces.plaster(rng)
    style = str(rng.choice(["plain", "one wall", "dado"], p=[0.4, 0.38, 0.22]))
    chances = [0.38, 0.28, 0.15, 0.1, 0.09] if style == "one wall" else [0.35, 0.15, 0.0, 0.25, 0.25]
    choice = int(rng.choice(len(accents), p=chances))
    accent, boarded = accents[choice](rng), accents[choice] is surfaces.planks
    special = int(rng.integers(4)) if style == "one wall" else -1

    walls = [on_wall(panel(plan.length(k), height), plan, k) for k in range(4)]
    trim = [ground(width, depth).turned("x", np.pi).moved(z=height), *strips(plan, 0.0, 0.08, 0.015)]
    if rng.random() < 0.4:
        trim += [on_wall(box((plan.length(k), 0.05, 0.05)).moved(0, -0.025, height - 0.05), plan, k) for k in range(4)]
    parts: list[Part] = [floor.on(ground(width, depth))]
    parts.append(wall.on(merge(*(mesh for k, mesh in enumerate(walls) if k != special))))
    if style == "one wall":
        parts.append(accent.on(walls[special], upright=boarded))
    elif style == "dado":
        parts.append(accent.on(merge(*strips(plan, 0.0, DADO, 0.01)), upright=boarded))
        trim += strips(plan, DADO, 0.04, 0.025)
    parts += doors(plan, rng, white, trim)
    parts += curtains_and_windows(plan, rng, trim)
    parts += picture_frames(plan, rng)
    if rng.random() < 0.3:
        parts.append(rug(rng, width, depth))
    parts.append((merge(*trim), white))

    hulls = [box_hull((-width / 2, -depth / 2, -SLAB), (width / 2, depth / 2, 0))]
    for sx, sy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        x, y = sx * (width + SLAB) / 2, sy * (depth + SLAB) / 2
        hx, hy = (SLAB / 2, depth / 2) if sx else (width / 2, SLAB / 2)
        hulls.append(box_hull((x - hx, y - hy, 0), (x + hx, y + hy, height)))
    info = AssetInfo(asset_id, "room", "room", "房间", plan.size, kind="structure", mass=1000.0, name="room")
    return Asset(info, tuple(mesh.part(material) for mesh, material in parts), tuple(hulls))


def doors(plan: RoomPlan, rng: Rng, white: Material, trim: list[Mesh], butted: bool = False) -> list[Part]:
    """Leaves and handles; the frames are added to the trim, `butted` or not as in `frame`."""
    leaf: Surface | None = surfaces.wood(rng) if rng.random() < 0.4 else None
    glazed, panels = bool(rng.random() < 0.2), int(rng.integers(0, 3))
    leaves, handles = [], []
    for o in plan.on("door"):
        trim += frame(o, plan, 0.07, 0.035, butted)[:3]
        w, h = o.width - 0.14, o.height - 0.07
        pieces = [box((w, 0.02, h), 0.002).moved(0, -0.01)]
        for low, part in {0: (), 1: ((0.15, h - 0.3),), 2: ((0.15, 0.75), (1.02, h - 1.15))}[panels]:
            pieces.append(box((w - 0.22, 0.012, part), 0.006).moved(0, -0.024, low))
        leaves += [on_wall(piece.moved(o.along), plan, o.wall) for piece in pieces]
        x = w / 2 - 0.06
        for piece in (
            box((0.035, 0.012, 0.16), 0.004).moved(x, -0.026, 0.95),
            box((0.12, 0.014, 0.018), 0.004).moved(x - 0.045, -0.06, 1.04),
            box((0.016, 0.045, 0.016), 0.003).moved(x, -0.04, 1.04),
        ):
            handles.append(on_wall(piece.moved(o.along), plan, o.wall))
    paint = Material(white.color, roughness=0.35 if glazed else 0.5)
    door = leaf.on(merge(*leaves), upright=True) if leaf else (merge(*leaves), paint)
    return [door, (merge(*handles), METAL)]


def curtains_and_windows(plan: RoomPlan, rng: Rng, trim: list[Mesh], butted: bool = False) -> list[Part]:
    """Views out of the windows and curtains; frames (see `frame`) and sills are added to the trim."""
    view = Material((1.0, 1.0, 1.0), pictures.outside(rng), roughness=0.9, emission=0.75)
    cloth = surfaces.fabric(rng)
    casements = int(rng.integers(2, 4))
    panes, curtains = [], []
    for o in plan.on("window"):
        trim += frame(o, plan, 0.055, 0.05, butted)
        parted = min(casements, int(o.width / 0.33))  # narrow windows have fewer
        bars = [o.width * (k / parted - 0.5) for k in range(1, parted)]
        trim += [
            on_wall(box((0.05, 0.04, o.height), 0.003).moved(o.along + x, -0.02, o.low), plan, o.wall) for x in bars
        ]
        sill = box((o.width + 0.12, 0.16, 0.03), 0.004).moved(o.along, -0.08, o.low - 0.03)
        trim.append(on_wall(sill, plan, o.wall))
        pane = panel(o.width, o.height, stretched=True).moved(o.along, -0.012, o.low)
        panes.append(on_wall(pane, plan, o.wall))
        if o.curtained:
            top = min(o.low + o.height + 0.18, plan.size[2] - 0.06)
            for side in (-1, 1):
                cloth_mesh = _curtain(SIDE, top - 0.02, rng).moved(o.along + side * (o.width / 2 + 0.1), -0.1, 0.02)
                curtains.append(on_wall(cloth_mesh, plan, o.wall))
            rod = box((o.width + 2 * SIDE + 0.1, 0.025, 0.025), 0.008).moved(o.along, -0.1, top)
            trim.append(on_wall(rod, plan, o.wall))
    return [(merge(*panes), view)] + ([cloth.on(merge(*curtains), upright=True)] if curtains else [])


def picture_frames(plan: RoomPlan, rng: Rng) -> list[Part]:
    parts: list[Part] = []
    frames = []
    for o in plan.on("picture"):
        frames += frame(o, plan, 0.022, 0.025)
        canvas = panel(o.width, o.height, stretched=True).moved(o.along, -0.012, o.low)
        image = Material((1.0, 1.0, 1.0), pictures.artwork(rng, o.width / o.height), roughness=0.7)
        parts.append((on_wall(canvas, plan, o.wall), image))
    tone = ((0.12, 0.11, 0.1), (0.36, 0.25, 0.16), (0.62, 0.5, 0.36), (0.85, 0.84, 0.82))[rng.integers(4)]
    return [*parts, (merge(*frames), Material(tone, roughness=0.45))] if frames else parts


def rug(rng: Rng, width: float, depth: float) -> Part:
    """A rug about the middle of the floor."""
    x, y = min(rng.uniform(1.7, 2.5), width - 1.0), min(rng.uniform(1.3, 2.0), depth - 1.0)
    if rng.random() < 0.5:
        x, y = min(y, width - 1.0), min(x, depth - 1.0)
    mesh = box((x, y, 0.008), 0.003)
    flat = np.stack([mesh.vertices[:, 0] / x + 0.5, mesh.vertices[:, 1] / y + 0.5], axis=1)
    mesh = Mesh(mesh.vertices, mesh.faces, mesh.normals, flat).moved(*rng.uniform(-0.15, 0.15, 2))
    return mesh, Material((1.0, 1.0, 1.0), pictures.rug(rng, x / y), roughness=0.95)


def panel(length: float, height: float, stretched: bool = False) -> Mesh:
    """An upright rectangle in the plane y = 0 that looks towards -y, standing on z = 0; `stretched`: one texture."""
    x, z = length / 2, height
    vertices = np.array([(-x, 0, 0), (x, 0, 0), (x, 0, z), (-x, 0, z)], dtype=float)
    uvs = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float) if stretched else vertices[:, [0, 2]]
    return Mesh(vertices, np.array([(0, 1, 2), (0, 2, 3)]), np.tile([0.0, -1.0, 0.0], (4, 1)), uvs)


def ground(width: float, depth: float) -> Mesh:
    """A level rectangle at z = 0 that looks up."""
    x, y = width / 2, depth / 2
    vertices = np.array([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], dtype=float)
    return Mesh(vertices, np.array([(0, 1, 2), (0, 2, 3)]), np.tile([0.0, 0.0, 1.0], (4, 1)), vertices[:, :2])


def _curtain(width: float, height: float, rng: Rng) -> Mesh:
    """A drawn-back curtain in folds, looking towards -y, standing on z = 0."""
    columns = 40
    x = np.linspace(-width / 2, width / 2, columns)
    phase = 2 * np.pi * (x / width) * rng.integers(5, 8) + 0.6 * np.sin(9 * x / width + rng.uniform(0, 6))
    points, uvs = [], []
    for z, deep in ((0.0, 0.032), (height, 0.022)):
        y = deep * np.sin(phase)
        points.append(np.stack([x, y, np.full(columns, z)], axis=1))
        uvs.append(np.stack([x, np.full(columns, z)], axis=1))
    low, high = np.arange(columns - 1), np.arange(columns - 1) + columns
    faces = np.concatenate([np.stack([low, low + 1, high + 1], axis=1), np.stack([low, high + 1, high], axis=1)])
    return shade(np.concatenate(points), faces, np.concatenate(uvs), np.pi / 2)


def frame(o: Opening, plan: RoomPlan, bar: float, thick: float, butted: bool = False) -> list[Mesh]:
    """Left, right, upper and lower bar around an opening, in the room.

    Bars run through each other at the corners; where they are `butted`, the sides end at the level ones.
    """
    over, under = (bar if butted else 0.0), (bar if butted and o.low > 0 else 0.0)
    upright = box((bar, thick, o.height - over - under), 0.003).moved(z=o.low + under)
    sides = [upright.moved(s * (o.width - bar) / 2) for s in (-1, 1)]
    level = box((o.width, thick, bar), 0.003)
    bars = [*sides, level.moved(z=o.low + o.height - bar), level.moved(z=o.low)]
    return [on_wall(mesh.moved(o.along, -thick / 2), plan, o.wall) for mesh in bars]


def strips(plan: RoomPlan, low: float, height: float, thick: float) -> list[Mesh]:
    """A strip around the room on the walls, broken by the doors."""
    return [
        on_wall(box((end - start, thick, height), 0.002).moved((start + end) / 2, -thick / 2, low), plan, wall)
        for wall in range(4)
        for start, end in runs(plan.length(wall), (*plan.on("door", wall), *plan.on("passage", wall)))
    ]


def runs(length: float, gaps: Iterable[Opening]) -> list[tuple[float, float]]:
    """The stretches of a wall between the gaps."""
    found, start = [], -length / 2
    for gap in sorted(gaps, key=lambda item: item.along):
        found.append((start, gap.along - gap.width / 2))
        start = gap.along + gap.width / 2
    found.append((start, length / 2))
    return [(a, b) for a, b in found if b - a > 0.05]


def on_wall(mesh: Mesh, plan: RoomPlan, wall: int) -> Mesh:
    """From the frame of a wall (x to the right, -y into the room, z up) to its place in the room."""
    return mesh.moved(y=plan.distance(wall)).turned("z", wall * np.pi / 2)
