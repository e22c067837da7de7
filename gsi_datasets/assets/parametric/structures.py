"""What stays where it is: tables, desks, kitchen counters and sideboards.

Tops are flat and exact: the receptacle's floor, the highest vertices and the top hull are the same height.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.build import WOOD, Family, assemble
from gsi_datasets.assets.parametric.hulls import box_hull, turned_hulls
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, merge
from gsi_datasets.assets.parametric.rooms import room
from gsi_datasets.assets.parametric.surfaces import Surface
from gsi_datasets.assets.parametric.words import Words


Array = NDArray[np.float64]
Rng = np.random.Generator
Base = tuple[list[Mesh], list[Array]]
Part = tuple[Mesh, Material]
EDGE = 0.02  # nothing is put nearer than this to a table's edge, metres

WOOD_WORDS = {
    "oak": ("oak", "橡木"), "honey": ("honey-coloured wooden", "蜜色木"), "birch": ("birch", "桦木"),
    "walnut": ("walnut", "胡桃木"), "cherry": ("cherry wood", "樱桃木"), "wenge": ("dark wooden", "深色木"),
    "grey": ("grey wooden", "灰色木"), "white": ("white wooden", "白色木"),
}  # fmt: skip
STONES: dict[str, tuple[Callable[[Rng], Surface], str]] = {
    "marble": (surfaces.marble, "大理石"),
    "granite": (surfaces.granite, "花岗岩"),
    "terrazzo": (surfaces.terrazzo, "水磨石"),
    "laminate": (surfaces.laminate, "层压板"),
}
PAINT: tuple[tuple[float, float, float], ...] = (
    (0.88, 0.87, 0.84), (0.88, 0.87, 0.84), (0.80, 0.78, 0.73), (0.45, 0.46, 0.47), (0.20, 0.21, 0.22),
    (0.36, 0.45, 0.42), (0.27, 0.34, 0.42), (0.55, 0.60, 0.51),
)  # fmt: skip
METALS = (
    Material((0.13, 0.13, 0.14), roughness=0.45),
    Material((0.66, 0.66, 0.66), roughness=0.35, metallic=1.0),
    Material((0.70, 0.57, 0.35), roughness=0.35, metallic=1.0),
)


def table(asset_id: str, rng: Rng) -> Asset:
    """A rectangular table: wood or stone on legs, two trestles or end panels."""
    width, depth, height = rng.uniform(0.95, 1.6), rng.uniform(0.66, 0.92), rng.uniform(0.71, 0.77)
    thick = rng.uniform(0.022, 0.045)
    surface, words = _top(rng, "table", "桌", 0.85)
    low = height - thick
    top, top_hull = _slab(width, depth, low, height, rng)
    legs, hulls = (_legs, _legs, _trestles, _panels)[rng.integers(4)](rng, width, depth, low)
    chance = rng.random()
    if chance < 0.65 and not words.en.startswith("marble"):
        base = surface.on(merge(*legs), upright=True)
    elif chance < 0.85:
        base = merge(*legs), METALS[0]
    else:
        base = merge(*legs), _paint(rng)
    return _furniture(asset_id, "table", words, [surface.on(top), base], [top_hull, *hulls], (width, depth, height), 2)


def round_table(asset_id: str, rng: Rng) -> Asset:
    """A round table on a pedestal or on three or four legs."""
    radius, height = rng.uniform(0.45, 0.62), rng.uniform(0.71, 0.76)
    thick = rng.uniform(0.022, 0.04)
    surface, words = _top(rng, "round table", "圆桌", 0.75)
    low, edge = height - thick, rng.uniform(0.002, 0.008)
    top = lathe([(0, low), (radius - edge, low), (radius, low + edge), (radius, height - edge),
                 (radius - edge, height), (0, height)], 72)  # fmt: skip
    hulls = [*turned_hulls([(radius, low), (radius, height)])]
    if rng.random() < 0.6:
        foot, neck = radius * rng.uniform(0.5, 0.65), rng.uniform(0.03, 0.06)
        belly = neck * rng.uniform(1.0, 1.8)
        pedestal = [(0, 0), (foot, 0), (foot, 0.012), (foot * 0.5, 0.03), (neck, 0.09), (belly, low * 0.4),
                    (neck, low * 0.75), (neck, low - 0.04), (neck * 2.2, low), (0, low)]  # fmt: skip
        stem = lathe(pedestal, 36)
        hulls += [*turned_hulls([(foot, 0.0), (foot, 0.03)]), *turned_hulls([(belly, 0.03), (belly, low)])]
    else:
        count, foot = int(rng.integers(3, 5)), rng.uniform(0.012, 0.02)
        leg = lathe([(0, 0), (foot, 0), (0.026, low), (0, low)], 20).moved(radius * 0.68)
        stem = merge(*(leg.turned("z", (k + 0.5) * 2 * np.pi / count) for k in range(count)))
        hulls.append(box_hull((-radius * 0.6, -radius * 0.6, low - 0.05), (radius * 0.6, radius * 0.6, low)))
    base = surface.on(stem, upright=True) if words.en != "marble round table" else (stem, METALS[rng.integers(3)])
    return _furniture(
        asset_id, "table", words, [surface.on(top), base], hulls, (2 * radius, 2 * radius, height), 1, True
    )


def desk(asset_id: str, rng: Rng) -> Asset:
    """A writing desk: drawers on one side, a panel or legs on the other."""
    width, depth, height = rng.uniform(1.2, 1.6), rng.uniform(0.62, 0.78), rng.uniform(0.72, 0.76)
    thick = rng.uniform(0.022, 0.035)
    surface, words = _top(rng, "desk", "书桌", 1.0)
    low, block = height - thick, rng.uniform(0.36, 0.46)
    side = 1 if rng.random() < 0.5 else -1
    x = side * (width / 2 - block / 2 - 0.01)
    top, top_hull = _slab(width, depth, low, height, rng)
    body = box((block, depth - 0.07, low - 0.04), 0.002).moved(x, 0, 0.04)
    plinth = box((block - 0.03, depth - 0.12, 0.04)).moved(x)
    panel = box((0.03, depth - 0.06, low), 0.002).moved(-side * (width / 2 - 0.03))
    back = box((width - 0.1, 0.018, 0.35)).moved(0, depth / 2 - 0.06, low - 0.35)
    count = int(rng.integers(3, 5))
    each, y = (low - 0.07) / count, -depth / 2 + 0.035
    fronts = [door_front(block - 0.02, each - 0.008, False).moved(x, y, 0.055 + each * k) for k in range(count)]
    handle = pull(rng, False)
    handles = [handle.moved(x, y - 0.018, 0.055 + each * (k + 0.6)) for k in range(count)]
    front = surface if rng.random() < 0.6 else None
    parts = [
        surface.on(merge(top, body, panel, back)),
        front.on(merge(*fronts)) if front else (merge(*fronts), _paint(rng)),
        (merge(plinth, *handles), METALS[rng.integers(3)]),
    ]
    hulls = [
        top_hull,
        box_hull((x - block / 2, -depth / 2 + 0.035, 0), (x + block / 2, depth / 2 - 0.035, low)),
        box_hull(
            (-side * (width / 2 - 0.03) - 0.015, -depth / 2 + 0.03, 0),
            (-side * (width / 2 - 0.03) + 0.015, depth / 2 - 0.03, low),
        ),
    ]
    return _furniture(asset_id, "desk", words, parts, hulls, (width, depth, height))


def counter(asset_id: str, rng: Rng) -> Asset:
    """A kitchen counter or island: cabinet doors on both long sides, a slab on top."""
    size = rng.uniform(1.4, 2.2), rng.uniform(0.65, 0.9), rng.uniform(0.86, 0.92)
    if rng.random() < 0.7:
        stone = str(rng.choice(list(STONES)))
        surface, chinese = STONES[stone][0](rng), STONES[stone][1]
        words = Words(f"kitchen counter with a {stone} top", f"{chinese}台面橱柜")
    else:
        surface, words = surfaces.wood(rng), Words("kitchen counter with a wooden top", "木台面橱柜")
    return _cabinet(asset_id, rng, "counter", words, surface, size, 0.09, (-1, 1))


def sideboard(asset_id: str, rng: Rng) -> Asset:
    """A low cabinet with doors, to stand against a wall."""
    size = rng.uniform(1.1, 1.7), rng.uniform(0.38, 0.48), rng.uniform(0.7, 0.86)
    surface, words = _top(rng, "sideboard", "餐边柜", 1.0)
    return _cabinet(asset_id, rng, "cabinet", words, surface, size, rng.uniform(0.06, 0.14), (-1,))


def _top(rng: Rng, noun: str, noun_zh: str, wooden: float) -> tuple[Surface, Words]:
    """A surface for a top, wood with the chance `wooden`, and the caption it makes."""
    tone = str(rng.choice(list(WOOD_WORDS)))
    if rng.random() < wooden:
        english, chinese = WOOD_WORDS[tone]
        return surfaces.wood(rng, tone), Words(f"{english} {noun}", f"{chinese}{noun_zh}")
    return surfaces.marble(rng), Words(f"marble {noun}", f"大理石{noun_zh}")


def _paint(rng: Rng) -> Material:
    return Material(PAINT[rng.integers(len(PAINT))], roughness=0.5)


def _slab(width: float, depth: float, low: float, high: float, rng: Rng) -> tuple[Mesh, Array]:
    """A top with softened edges, and its hull."""
    mesh = box((width, depth, high - low), rng.uniform(0.0015, 0.006)).moved(z=low)
    return mesh, box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, high))


def _legs(rng: Rng, width: float, depth: float, height: float) -> Base:
    """Four legs, square, tapered or round, and most often an apron between them."""
    thick, inset = rng.uniform(0.04, 0.075), rng.uniform(0.01, 0.06)
    leg = box((thick, thick, height), 0.004)
    taper = rng.uniform(0.45, 1.0)
    if rng.random() < 0.4:
        leg = lathe([(0, 0), (thick * taper / 2, 0), (thick / 2, height), (0, height)], 20)
    else:
        shrink = np.where(leg.vertices[:, 2:] < height / 2, taper, 1.0)
        leg = leg.bent(leg.vertices * np.concatenate([shrink, shrink, np.ones_like(shrink)], axis=1))
    at_x, at_y = (width - thick) / 2 - inset, (depth - thick) / 2 - inset
    spots = [(sx * at_x, sy * at_y) for sx in (-1, 1) for sy in (-1, 1)]
    meshes = [leg.moved(x, y) for x, y in spots]
    half = thick / 2
    hulls = [box_hull((x - half, y - half, 0), (x + half, y + half, height)) for x, y in spots]
    if rng.random() < 0.75:
        drop = rng.uniform(0.05, 0.1)
        long, short = box((2 * at_x, 0.02, drop)), box((0.02, 2 * at_y, drop))
        meshes += [long.moved(0, s * at_y, height - drop) for s in (-1, 1)]
        meshes += [short.moved(s * at_x, 0, height - drop) for s in (-1, 1)]
    return meshes, hulls


def _trestles(rng: Rng, width: float, depth: float, height: float) -> Base:
    """Two frames that stand across, A-shaped or upright, and a beam between them."""
    bar, reach, foot = rng.uniform(0.04, 0.06), width / 2 - rng.uniform(0.14, 0.24), depth * rng.uniform(0.7, 0.85)
    upper = foot * rng.choice([0.35, 1.0])
    lean = np.arctan2((foot - upper) / 2, height)
    post = box((bar, bar, height / np.cos(lean) - 0.01), 0.003)
    meshes, hulls = [], []
    for x in (-reach, reach):
        for s in (-1, 1):
            meshes.append(post.turned("x", s * lean).moved(x, s * (foot - bar) / 2, 0.005))
        meshes.append(box((bar, upper, bar), 0.003).moved(x, 0, height - bar))
        meshes.append(box((bar, foot, bar * 0.6), 0.003).moved(x, 0, 0 if upper == foot else height * 0.22))
        hulls.append(box_hull((x - bar / 2, -foot / 2, 0), (x + bar / 2, foot / 2, height)))
    meshes.append(box((2 * reach, bar * 0.7, bar), 0.003).moved(0, 0, height * rng.uniform(0.3, 0.8)))
    return meshes, hulls


def _panels(rng: Rng, width: float, depth: float, height: float) -> Base:
    """A board at each end and one between them."""
    thick, reach = rng.uniform(0.025, 0.05), width / 2 - rng.uniform(0.03, 0.2)
    size = (thick, depth - 0.06, height)
    meshes = [box(size, 0.003).moved(x) for x in (-reach, reach)]
    meshes.append(box((2 * reach, 0.022, rng.uniform(0.1, 0.3))).moved(0, 0, height - 0.3))
    hulls = [box_hull((x - thick / 2, -size[1] / 2, 0), (x + thick / 2, size[1] / 2, height)) for x in (-reach, reach)]
    return meshes, hulls


def door_front(width: float, height: float, framed: bool) -> Mesh:
    """A door or drawer front standing on z = 0, its face at y = -0.018, with a raised frame around if wanted."""
    if not framed:
        return box((width, 0.018, height), 0.0025).moved(0, -0.009)
    bar = min(0.06, height / 4)
    side, level = box((bar, 0.018, height), 0.0025), box((width - 2 * bar, 0.018, bar), 0.0025)
    return merge(
        box((width - 0.02, 0.010, height - 0.02)).moved(0, -0.005, 0.01),
        *(side.moved(s * (width - bar) / 2, -0.009) for s in (-1, 1)),
        *(level.moved(0, -0.009, z) for z in (0, height - bar)),
    )


def pull(rng: Rng, upright: bool) -> Mesh:
    """A bar or a knob that stands out towards -y from y = 0."""
    if rng.random() < 0.3:
        return lathe([(0, 0), (0.005, 0), (0.005, 0.012), (0.014, 0.018), (0.012, 0.026), (0, 0.028)], 16).turned(
            "x", np.pi / 2
        )
    length = rng.uniform(0.09, 0.18)
    bar = box((0.011, 0.009, length), 0.003).moved(0, -0.0225, -length / 2)
    feet = [box((0.009, 0.02, 0.009), 0.002).moved(0, -0.01, s * (length / 2 - 0.015) - 0.0045) for s in (-1, 1)]
    mesh = merge(bar, *feet)
    return mesh if upright else mesh.turned("y", np.pi / 2)


def _cabinet(
    asset_id: str,
    rng: Rng,
    category: str,
    words: Words,
    surface: Surface,
    size: tuple[float, float, float],
    plinth: float,
    sides: Sequence[int],
) -> Asset:
    """A body with doors and drawers on the given sides (-1 front, 1 back), on a plinth, under a top."""
    width, depth, height = size
    low = height - rng.uniform(0.022, 0.042)
    top, top_hull = _slab(width, depth, low, height, rng)
    inner = depth - 0.1
    body = box((width - 0.04, inner, low - plinth), 0.002).moved(z=plinth)
    count = max(2, round(width / rng.uniform(0.42, 0.55)))
    each, tall = (width - 0.05) / count, low - plinth - 0.012
    framed, drawer, handle = bool(rng.random() < 0.5), bool(rng.random() < 0.5), pull(rng, True)
    flat = handle.turned("y", np.pi / 2)
    drop = 0.15 if drawer else 0.0
    door, box_front = (
        door_front(each - 0.006, tall - drop, framed),
        door_front(each - 0.006, drop - 0.006 if drop else 0.1, False),
    )
    fronts, pulls = [], []
    for side in sides:
        turn = 0.0 if side < 0 else np.pi
        for k in range(count):
            x = each * (k + 0.5 - count / 2)
            fronts.append(door.moved(x, -inner / 2, plinth + 0.006).turned("z", turn))
            reach = (each / 2 - 0.045) * (1 if k % 2 == 0 else -1)
            pulls.append(handle.moved(x + reach, -inner / 2 - 0.018, low - drop - 0.15).turned("z", turn))
            if drawer:
                fronts.append(box_front.moved(x, -inner / 2, low - drop).turned("z", turn))
                pulls.append(flat.moved(x, -inner / 2 - 0.018, low - drop / 2).turned("z", turn))
    base = box((width - 0.08, inner - 0.06, plinth)).moved()
    wooden = surfaces.wood(rng) if category == "counter" else surface
    fill = wooden.on(merge(body, *fronts), upright=True) if rng.random() < 0.4 else (merge(body, *fronts), _paint(rng))
    parts = [surface.on(top), fill, (merge(base, *pulls), METALS[rng.integers(3)])]
    hulls = [
        top_hull,
        box_hull((-width / 2 + 0.02, -inner / 2 - 0.018, 0), (width / 2 - 0.02, inner / 2 + 0.018, low)),
    ]
    return _furniture(asset_id, category, words, parts, hulls, size, 1)


def _furniture(
    asset_id: str,
    category: str,
    words: Words,
    parts: list[Part],
    hulls: list[Array],
    size: tuple[float, float, float],
    symmetry: int = 1,
    is_round: bool = False,
) -> Asset:
    """Put it together, with the whole top as a place to put things."""
    half = (size[0] / 2 - EDGE, size[1] / 2 - EDGE)
    return assemble(
        asset_id, category, words, parts, hulls, density=WOOD, symmetry=symmetry,
        receptacle=Receptacle("on", size[2], half, is_round, size[2]), kind="furniture",
    )  # fmt: skip


FAMILIES: dict[str, Family] = {
    "table": table,
    "round_table": round_table,
    "desk": desk,
    "counter": counter,
    "sideboard": sideboard,
    "room": room,
}
