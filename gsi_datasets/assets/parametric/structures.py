"""What stays where it is: tables, desks, counters, and the room around them.

Tops are flat and exact: the receptacle's floor, the highest vertices and the top hull are the same height.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, Receptacle
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.build import WOOD, Family, assemble
from gsi_datasets.assets.parametric.hulls import box_hull, turned_hulls
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, merge
from gsi_datasets.assets.parametric.surfaces import Surface
from gsi_datasets.assets.parametric.words import Words


Array = NDArray[np.float64]
Rng = np.random.Generator
EDGE = 0.02  # nothing is put nearer than this to a table's edge, metres

WOOD_WORDS = {
    "oak": ("oak", "橡木"), "honey": ("honey-coloured wooden", "蜜色木"), "birch": ("birch", "桦木"),
    "walnut": ("walnut", "胡桃木"), "cherry": ("cherry wood", "樱桃木"), "wenge": ("dark wooden", "深色木"),
    "grey": ("grey wooden", "灰色木"), "white": ("white wooden", "白色木"),
}  # fmt: skip


def metric(mesh: Mesh, extent: tuple[float, float], upright: bool = False) -> Mesh:
    """Lay a texture on at its true scale, each face by the axis it looks along.

    Args:
        mesh: in metres.
        extent: metres that one repeat covers along u and v.
        upright: turn the grain of the sides up (legs); else it runs level.
    """
    axis = np.abs(mesh.normals).argmax(axis=1)
    x, y, z = mesh.vertices.T
    across = np.where(axis == 0, y, x)
    along = np.where(axis == 2, y, z)
    side = (axis != 2) & upright
    u, v = np.where(side, along, across), np.where(side, across, along)
    return replace(mesh, uvs=np.stack([u / extent[0], v / extent[1]], axis=1))


def _legs(rng: Rng, width: float, depth: float, height: float) -> tuple[list[Mesh], list[Array]]:
    """Four legs under a top of this size, square or turned, and their hulls."""
    thick, inset = rng.uniform(0.045, 0.075), rng.uniform(0.01, 0.06)
    if rng.random() < 0.5:
        leg = box((thick, thick, height), 0.004)
    else:
        foot = thick * rng.uniform(0.3, 0.4)
        leg = lathe([(0, 0), (foot, 0), (thick * 0.5, height), (0, height)], 20)
    meshes, hulls = [], []
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width / 2 - inset - thick / 2), sy * (depth / 2 - inset - thick / 2)
            meshes.append(leg.moved(x, y))
            hulls.append(box_hull((x - thick / 2, y - thick / 2, 0), (x + thick / 2, y + thick / 2, height)))
    return meshes, hulls


def _top_receptacle(width: float, depth: float, height: float, is_round: bool = False) -> Receptacle:
    return Receptacle("on", height, (width / 2 - EDGE, depth / 2 - EDGE), is_round, height)


def _words(tone: str, noun: str, noun_zh: str) -> Words:
    english, chinese = WOOD_WORDS[tone]
    return Words(f"{english} {noun}", f"{chinese}{noun_zh}", "")


def table(asset_id: str, rng: Rng) -> Asset:
    """A rectangular table with four legs and an apron."""
    width, depth, height = rng.uniform(1.0, 1.6), rng.uniform(0.68, 0.92), rng.uniform(0.71, 0.77)
    thick, tone = rng.uniform(0.022, 0.045), str(rng.choice(list(WOOD_WORDS)))
    surface = surfaces.wood(rng, tone)
    top = box((width, depth, thick), 0.003).moved(z=height - thick)
    legs, hulls = _legs(rng, width, depth, height - thick)
    drop, inset = rng.uniform(0.06, 0.1), rng.uniform(0.05, 0.08)
    aprons = [
        box((width - 2 * inset, 0.02, drop)).moved(0, sign * (depth / 2 - inset), height - thick - drop)
        for sign in (-1, 1)
    ] + [
        box((0.02, depth - 2 * inset, drop)).moved(sign * (width / 2 - inset), 0, height - thick - drop)
        for sign in (-1, 1)
    ]
    base = surface.material
    if rng.random() < 0.3:
        base = Material(tuple(rng.choice([0.9, 0.85, 0.12, 0.3]) * np.ones(3)), roughness=0.5)  # type: ignore[arg-type]
    parts = [
        (metric(top, surface.extent), surface.material),
        (metric(merge(*legs, *aprons), surface.extent, upright=True), base),
    ]
    top_hull = box_hull((-width / 2, -depth / 2, height - thick), (width / 2, depth / 2, height))
    return assemble(
        asset_id, "table", _words(tone, "table", "桌"), parts, [top_hull, *hulls], density=WOOD, symmetry=2,
        receptacle=_top_receptacle(width, depth, height), kind="furniture",
    )  # fmt: skip


def round_table(asset_id: str, rng: Rng) -> Asset:
    """A round table on a pedestal."""
    radius, height = rng.uniform(0.45, 0.62), rng.uniform(0.71, 0.76)
    thick = rng.uniform(0.022, 0.04)
    wooden = rng.random() < 0.7
    tone = str(rng.choice(list(WOOD_WORDS)))
    surface = surfaces.wood(rng, tone) if wooden else surfaces.marble(rng)
    low = height - thick
    top = lathe([(0, low), (radius - 0.006, low), (radius, low + 0.004), (radius, height - 0.003),
                 (radius - 0.003, height), (0, height)], 72)  # fmt: skip
    foot, neck = radius * rng.uniform(0.5, 0.65), rng.uniform(0.03, 0.06)
    pedestal = [(0, 0), (foot, 0), (foot, 0.015), (foot * 0.5, 0.035), (neck, 0.09), (neck, low - 0.05),
                (neck * 2.2, low), (0, low)]  # fmt: skip
    stem = lathe(pedestal, 36)
    base = surface.material if wooden else Material((0.15, 0.15, 0.16), roughness=0.4)
    parts = [(metric(top, surface.extent), surface.material), (metric(stem, surface.extent, upright=True), base)]
    hulls = [*turned_hulls([(radius, low), (radius, height)]), *turned_hulls([(foot, 0.0), (foot, 0.03)])]
    words = _words(tone, "round table", "圆桌") if wooden else Words("marble-topped round table", "大理石面圆桌", "")
    return assemble(
        asset_id, "table", words, parts, hulls, density=WOOD, symmetry=1,
        receptacle=_top_receptacle(2 * radius, 2 * radius, height, True), kind="furniture",
    )  # fmt: skip


def desk(asset_id: str, rng: Rng) -> Asset:
    """A writing desk: drawers on one side, a panel or legs on the other."""
    width, depth, height = rng.uniform(1.2, 1.6), rng.uniform(0.62, 0.78), rng.uniform(0.72, 0.76)
    thick, tone = rng.uniform(0.022, 0.035), str(rng.choice(list(WOOD_WORDS)))
    surface = surfaces.wood(rng, tone)
    low, block = height - thick, rng.uniform(0.36, 0.46)
    side = 1 if rng.random() < 0.5 else -1
    x = side * (width / 2 - block / 2 - 0.01)
    body = box((block, depth - 0.04, low - 0.04), 0.002).moved(x, 0, 0.04)
    panel = box((0.03, depth - 0.04, low), 0.002).moved(-side * (width / 2 - 0.03))
    back = box((width - 0.1, 0.018, 0.35)).moved(0, depth / 2 - 0.05, low - 0.35)
    count = int(rng.integers(3, 5))
    each = (low - 0.07) / count
    fronts = [
        box((block - 0.03, 0.018, each - 0.012), 0.003).moved(x, -depth / 2 + 0.015, 0.055 + each * k)
        for k in range(count)
    ]
    handles = [
        box((0.11, 0.02, 0.012), 0.003).moved(x, -depth / 2 - 0.004, 0.055 + each * (k + 0.62)) for k in range(count)
    ]
    top = box((width, depth, thick), 0.003).moved(z=low)
    front = surface.material if rng.random() < 0.5 else Material((0.9, 0.9, 0.88), roughness=0.5)
    parts = [
        (metric(merge(top, body, panel, back), surface.extent), surface.material),
        (metric(merge(*fronts), surface.extent), front),
        (merge(*handles), Material((0.25, 0.25, 0.26), roughness=0.35)),
    ]
    hulls = [
        box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, height)),
        box_hull((x - block / 2, -depth / 2 + 0.02, 0), (x + block / 2, depth / 2 - 0.02, low)),
    ]
    return _furniture(asset_id, "desk", _words(tone, "desk", "书桌"), parts, hulls, width, depth, height)


def counter(asset_id: str, rng: Rng) -> Asset:
    """A kitchen counter or island: cabinet doors below, a slab on top."""
    width, depth, height = rng.uniform(1.5, 2.2), rng.uniform(0.65, 0.9), rng.uniform(0.86, 0.92)
    thick = rng.uniform(0.025, 0.045)
    kinds: dict[str, tuple[Callable[[Rng], Surface], Words]] = {
        "marble": (surfaces.marble, Words("kitchen counter with a marble top", "大理石台面橱柜", "")),
        "granite": (surfaces.granite, Words("kitchen counter with a granite top", "花岗岩台面橱柜", "")),
        "terrazzo": (surfaces.terrazzo, Words("kitchen counter with a terrazzo top", "水磨石台面橱柜", "")),
        "laminate": (surfaces.laminate, Words("kitchen counter with a laminate top", "层压板台面橱柜", "")),
        "wood": (surfaces.wood, Words("kitchen counter with a wooden top", "木台面橱柜", "")),
    }
    make, words = kinds[str(rng.choice(list(kinds)))]
    slab, low = make(rng), height - thick
    top = box((width, depth, thick), 0.004).moved(z=low)
    plinth = box((width - 0.06, depth - 0.1, 0.1)).moved()
    body = box((width - 0.03, depth - 0.04, low - 0.1), 0.002).moved(z=0.1)
    count = round(width / rng.uniform(0.42, 0.55))
    each = (width - 0.05) / count
    fronts, handles = [], []
    for sign in (-1, 1):
        y = sign * (depth / 2 - 0.012)
        for k in range(count):
            x = -width / 2 + 0.025 + each * (k + 0.5)
            fronts.append(box((each - 0.012, 0.018, low - 0.14), 0.004).moved(x, y, 0.115))
            handles.append(box((0.012, 0.02, 0.14), 0.003).moved(x + each * 0.36, y + sign * 0.016, low - 0.22))
    paint = np.asarray(
        surfaces.ACCENTS[rng.integers(len(surfaces.ACCENTS))] if rng.random() < 0.5 else (0.9, 0.9, 0.88)
    )
    front = Material(tuple(float(c) for c in paint), roughness=0.45)  # type: ignore[arg-type]
    parts = [
        (metric(top, slab.extent), slab.material),
        (merge(body, *fronts), front),
        (merge(plinth, *handles), Material((0.2, 0.2, 0.21), roughness=0.4)),
    ]
    hulls = [
        box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, height)),
        box_hull((-width / 2 + 0.02, -depth / 2 + 0.02, 0), (width / 2 - 0.02, depth / 2 - 0.02, low)),
    ]
    return _furniture(asset_id, "counter", words, parts, hulls, width, depth, height)


def _furniture(
    asset_id: str,
    category: str,
    words: Words,
    parts: list[tuple[Mesh, Material]],
    hulls: list[Array],
    width: float,
    depth: float,
    height: float,
) -> Asset:
    return assemble(
        asset_id, category, words, parts, hulls, density=WOOD,
        receptacle=_top_receptacle(width, depth, height), kind="furniture",
    )  # fmt: skip


@dataclass(frozen=True)
class Opening:
    """A door, window or picture on a wall.

    Attributes:
        kind: ``door``, ``window`` or ``picture``.
        wall: 0 to 3: the wall at +y, -x, -y, +x.
        along: of its middle, metres to the right of the wall's middle as seen from inside.
        width: metres.
        low: height of its lower edge, metres.
        height: metres.
    """

    kind: str
    wall: int
    along: float
    width: float
    low: float
    height: float


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


def room_plan(asset_id: str) -> RoomPlan:
    """The plan of a room by its asset id."""
    rng = np.random.default_rng([zlib.crc32(b"room plan"), zlib.crc32(asset_id.encode())])
    size = (float(rng.uniform(3.4, 5.0)), float(rng.uniform(3.4, 5.0)), float(rng.uniform(2.5, 2.8)))
    plan = RoomPlan(size, ())
    openings: list[Opening] = []
    walls = [int(wall) for wall in rng.permutation(4)]
    kinds = ["window", "door", "picture" if rng.random() < 0.8 else "window", "picture" if rng.random() < 0.6 else ""]
    for wall, kind in zip(walls, kinds, strict=True):
        length = plan.length(wall)
        if kind == "door":
            width, low, height = 0.88, 0.0, 2.05
        elif kind == "window":
            width, low, height = float(rng.uniform(1.0, 1.7)), 0.9, float(rng.uniform(1.0, 1.35))
        elif kind == "picture":
            width, height = float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.4, 0.75))
            low = 1.6 - height / 2
        else:
            continue
        along = float(rng.uniform(-1, 1) * (length / 2 - width / 2 - 0.35))
        openings.append(Opening(kind, wall, along, width, low, height))
    return RoomPlan(size, tuple(openings))


def room(asset_id: str, rng: Rng) -> Asset:
    """A furnished shell: floor, four walls, ceiling, skirting, door, window, pictures; faces look inwards."""
    plan = room_plan(asset_id)
    width, depth, height = plan.size
    floors = [
        surfaces.planks,
        surfaces.planks,
        surfaces.parquet,
        surfaces.floor_tiles,
        surfaces.concrete,
        surfaces.carpet,
    ]
    floor = floors[rng.integers(len(floors))](rng)
    wall = surfaces.plaster(rng)
    accents = [surfaces.plaster, surfaces.wallpaper, surfaces.wall_tiles, surfaces.brick]
    accent = accents[rng.choice(4, p=[0.35, 0.3, 0.2, 0.15])](rng) if rng.random() < 0.6 else wall
    accent_wall = int(rng.integers(4))
    white = Material(tuple(float(c) for c in np.full(3, rng.uniform(0.82, 0.9))), roughness=0.6)  # type: ignore[arg-type]
    plain: list[Mesh] = []
    accented: list[Mesh] = []
    trim: list[Mesh] = []
    for k in range(4):
        length = plan.length(k)
        surface = accent if k == accent_wall else wall
        panel = _panel(length, height, surface.extent)
        (accented if k == accent_wall else plain).append(_on_wall(panel, plan, k))
        gaps = [o for o in plan.openings if o.kind == "door" and o.wall == k]
        for start, end in _runs(length, gaps):
            strip = box((end - start, 0.015, 0.08), 0.002).moved((start + end) / 2, -0.0075, 0)
            trim.append(_on_wall(strip, plan, k))
    parts = [(metric(_ground(width, depth), floor.extent), floor.material)]
    parts += [(merge(*plain), wall.material)] if plain else []
    parts += [(merge(*accented), accent.material)]
    wood_door = rng.random() < 0.4
    door_material = surfaces.wood(rng).material if wood_door else white
    ceiling = _ground(width, depth).turned("x", np.pi).moved(z=height)
    for opening in plan.openings:
        frame, pane, material = _opening(opening, rng)
        if opening.kind == "picture":
            tone = rng.choice([0.12, 0.35, 0.85])
            parts.append(
                (_on_wall(frame, plan, opening.wall), Material((tone, tone * 0.92, tone * 0.82), roughness=0.5))
            )
        else:
            trim.append(_on_wall(frame, plan, opening.wall))
        parts.append((_on_wall(pane, plan, opening.wall), door_material if opening.kind == "door" else material))
    parts.append((merge(ceiling, *trim), white))
    slab = 0.1
    hulls = [box_hull((-width / 2, -depth / 2, -slab), (width / 2, depth / 2, 0))]
    for sx, sy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        x, y = sx * (width / 2 + slab / 2), sy * (depth / 2 + slab / 2)
        hx, hy = (slab / 2, depth / 2) if sx else (width / 2, slab / 2)
        hulls.append(box_hull((x - hx, y - hy, 0), (x + hx, y + hy, height)))
    info = AssetInfo(asset_id, "room", "room", "房间", plan.size, kind="structure", mass=1000.0, name="room")
    return Asset(info, tuple(mesh.part(material) for mesh, material in parts), tuple(hulls))


def _panel(length: float, height: float, extent: tuple[float, float]) -> Mesh:
    """An upright rectangle in the plane y = 0 that looks towards -y, standing on z = 0."""
    x, z = length / 2, height
    vertices = np.array([(-x, 0, 0), (x, 0, 0), (x, 0, z), (-x, 0, z)], dtype=float)
    uvs = np.array([(0, 0), (length / extent[0], 0), (length / extent[0], z / extent[1]), (0, z / extent[1])])
    return Mesh(vertices, np.array([(0, 1, 2), (0, 2, 3)]), np.tile([0.0, -1.0, 0.0], (4, 1)), uvs)


def _ground(width: float, depth: float) -> Mesh:
    """A level rectangle at z = 0 that looks up."""
    x, y = width / 2, depth / 2
    vertices = np.array([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], dtype=float)
    uvs = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float)
    return Mesh(vertices, np.array([(0, 1, 2), (0, 2, 3)]), np.tile([0.0, 0.0, 1.0], (4, 1)), uvs)


def _on_wall(mesh: Mesh, plan: RoomPlan, wall: int) -> Mesh:
    """From the frame of a wall (x to the right, -y into the room, z up) to its place in the room."""
    return mesh.moved(y=plan.distance(wall)).turned("z", wall * np.pi / 2)


def _runs(length: float, gaps: list[Opening]) -> list[tuple[float, float]]:
    """The stretches of a wall between the gaps."""
    runs, start = [], -length / 2
    for gap in sorted(gaps, key=lambda item: item.along):
        runs.append((start, gap.along - gap.width / 2 - 0.06))
        start = gap.along + gap.width / 2 + 0.06
    runs.append((start, length / 2))
    return [(a, b) for a, b in runs if b - a > 0.05]


def _opening(opening: Opening, rng: Rng) -> tuple[Mesh, Mesh, Material]:
    """Frame, filling and the filling's surface, in the frame of the wall."""
    w, h, z = opening.width, opening.height, opening.low
    bar = {"door": 0.07, "window": 0.06, "picture": 0.025}[opening.kind]
    thick = {"door": 0.03, "window": 0.05, "picture": 0.025}[opening.kind]
    bars = [box((bar, thick, h), 0.003).moved(side * (w / 2 - bar / 2), -thick / 2, z) for side in (-1, 1)]
    bars.append(box((w, thick, bar), 0.003).moved(0, -thick / 2, z + h - bar))
    if opening.kind != "door":
        bars.append(box((w, thick, bar), 0.003).moved(0, -thick / 2, z))
    if opening.kind == "window":
        bars.append(box((0.045, thick * 0.8, h), 0.003).moved(0, -thick * 0.4, z))
        bars.append(box((w + 0.12, 0.16, 0.03), 0.004).moved(0, -0.08, z - 0.03))
    if opening.kind == "door":
        leaf = box((w - 2 * bar, 0.02, h - bar), 0.003).moved(0, -0.01, z)
        sunk = [
            box((w - 2 * bar - 0.2, 0.012, part), 0.004).moved(0, -0.024, low)
            for low, part in ((0.2, 0.7), (1.05, 0.75))
        ]
        bars.append(box((0.12, 0.03, 0.02), 0.004).moved(w / 2 - bar - 0.1, -0.045, 1.02))
        return merge(*bars), metric(merge(leaf, *sunk), (1.0, 1.0), upright=True), Material()
    pane = _panel(w, h, (w, h)).moved(0, -0.012, z)
    picture = _sky(rng) if opening.kind == "window" else _painting(rng)
    return merge(*bars), pane, Material((1.0, 1.0, 1.0), picture, roughness=0.3)


def _sky(rng: Rng) -> NDArray[np.uint8]:
    """A bright view out of a window: sky over soft far green, out of focus."""
    height = width = 96
    v = np.linspace(1, 0, height)[:, None, None]
    horizon = 0.3 + 0.05 * surfaces.noise(rng, (1, width), 2, 1, 4.0)[0][None, :, None]
    sky = np.array([0.80, 0.90, 0.99]) * (1 - 0.12 * v) + np.array([0.06, 0.03, 0.0]) * (1 - v)
    green = np.array([0.55, 0.66, 0.48]) + 0.05 * surfaces.noise(rng, (height, width), 4, 4, 3.0)[..., None]
    blend = np.clip((v - horizon) / 0.06 + 0.5, 0, 1)
    return np.clip(255 * (sky * blend + green * (1 - blend)), 0, 255).astype(np.uint8)


def _painting(rng: Rng) -> NDArray[np.uint8]:
    """An abstract picture: soft fields of a few colours."""
    shape = (96, 128)
    field = surfaces.noise(rng, shape, 1.5, 1.5, 4.0) + 0.4 * surfaces.noise(rng, shape, 5, 5, 3.0)
    colors = np.array([surfaces.PAINTS[i] for i in rng.integers(0, len(surfaces.PAINTS), 2)] +
                      [surfaces.ACCENTS[i] for i in rng.integers(0, len(surfaces.ACCENTS), 3)])  # fmt: skip
    level = np.clip((field - field.min()) / (np.ptp(field) + 1e-6) * len(colors), 0, len(colors) - 1).astype(int)
    return (255 * np.clip(rng.permutation(colors)[level] + 0.02 * rng.normal(size=(*shape, 1)), 0, 1)).astype(np.uint8)


FAMILIES: dict[str, Family] = {
    "table": table,
    "round_table": round_table,
    "desk": desk,
    "counter": counter,
    "room": room,
}
