"""Fitted kitchens: a run of base units with sink, hob and oven, and the wall units that hang over it.

`param/wall_units/<seed>` is made for `param/kitchen_run/<seed>`: as long, of the same wood or paint, its hood over the
hob when the two are hung one over the other, middle over middle.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.build import WOOD, Family, assemble
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.joinery import (
    BOARD,
    CERAMIC_WHITE,
    CHROME,
    GAP,
    Finish,
    Rng,
    around_hole,
    bowl,
    carcass,
    drain,
    finish,
    pierced,
    stacked,
    tap,
    tap_hulls,
    worktop,
)
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, merge, rounded_rectangle
from gsi_datasets.assets.parametric.structures import EDGE, METALS, door_front, pull
from gsi_datasets.assets.parametric.words import Words


DEPTH = 0.6  # of the worktop, metres
PLINTH = 0.1  # height, metres
SPLASH = 0.012  # thickness of the tiles behind the worktop, metres
LEAST = 0.1  # half the width that a free stretch of worktop has at least, metres
STEEL = Material((0.70, 0.71, 0.72), roughness=0.28, metallic=1.0)
DARK_GLASS = Material((0.07, 0.07, 0.075), roughness=0.12)
RINGS = Material((0.36, 0.36, 0.37), roughness=0.4)
SINKS = (STEEL, STEEL, CERAMIC_WHITE, Material((0.20, 0.20, 0.21), roughness=0.5))


@dataclass(frozen=True, eq=False)
class KitchenPlan:
    """What a run of base units and the wall units over it have in common.

    Attributes:
        length: metres.
        count: how many units of equal width.
        sink: number of the unit with the sink, from the left.
        hob: number of the unit with hob and oven.
        hood: an extractor hood hangs over the hob.
        made: of what fronts and sides are.
        framed: the fronts have raised frames.
        handle: a handle for upright use, standing out towards -y.
        metal: of the handles.
    """

    length: float
    count: int
    sink: int
    hob: int
    hood: bool
    made: Finish
    framed: bool
    handle: Mesh
    metal: Material

    @property
    def each(self) -> float:
        """Width of a unit, metres."""
        return self.length / self.count

    def middle(self, unit: int) -> float:
        """x of the middle of a unit, metres."""
        return (unit + 0.5) * self.each - self.length / 2


def kitchen_plan(asset_id: str) -> KitchenPlan:
    """The plan of a kitchen by the number its asset id ends with."""
    rng = np.random.default_rng([zlib.crc32(b"kitchen plan"), int(asset_id.rsplit("/", 1)[1])])
    length = rng.uniform(1.85, 3.0)
    count = max(3, round(length / 0.6))
    apart = [(a, b) for a in range(count) for b in range(count) if abs(a - b) >= 2]
    sink, hob = apart[rng.integers(len(apart))]
    made = finish(rng, 0.4)
    return KitchenPlan(
        float(length), count, sink, hob, bool(rng.random() < 0.6), made, bool(rng.random() < 0.4), pull(rng, True),
        METALS[rng.integers(len(METALS))],
    )  # fmt: skip


def kitchen_run(asset_id: str, rng: Rng) -> Asset:
    """Base units under one worktop, with sink and tap, hob and oven, tiles behind; stands against a wall at +y."""
    plan = kitchen_plan(asset_id)
    length, height, thick = plan.length, rng.uniform(0.86, 0.92), rng.uniform(0.025, 0.042)
    low, half, back = height - thick, plan.length / 2, DEPTH / 2
    top, noun = worktop(rng)
    sink, hob = plan.middle(plan.sink), plan.middle(plan.hob)

    body_depth = DEPTH - 0.04
    face = back - body_depth
    walls = [plan.each * k - half for k in range(1, plan.count)]
    case = [mesh.moved(0, back - body_depth / 2) for mesh in carcass(length, body_depth, PLINTH, low, walls)]
    plinth = box((length - 0.02, body_depth - 0.07, PLINTH)).moved(0, back - (body_depth - 0.07) / 2)
    fronts, pulls = _base_fronts(plan, rng, face, low)
    oven, knobs, bar = _oven(plan.each, low)
    oven, knobs, bar = (mesh.moved(hob, face) for mesh in (oven, knobs, bar))
    shadow = box((length - 0.01, 0.004, low - PLINTH - 0.008)).moved(0, face + 0.0021, PLINTH + 0.004)

    half_x, half_y, y = min(rng.uniform(0.2, 0.25), plan.each / 2 - 0.05), rng.uniform(0.17, 0.195), -0.035
    outline = rounded_rectangle(2 * half_x, 2 * half_y, rng.uniform(0.03, 0.08), 8)
    slab_low, slab_high = (-half, -back, low), (half, back - SPLASH, height)
    slab = pierced(slab_low, slab_high, outline + np.array([sink, y]))
    deep, spout, reach, spot = 0.17, rng.uniform(0.22, 0.32), 0.21, back - 0.06
    floor = height + 0.004 - deep
    basin = bowl(outline, height, deep, 0.004).moved(sink, y)
    wide = min(0.57, plan.each - 0.02)
    plate = stacked([(rounded_rectangle(wide, 0.5, 0.01, 3), z) for z in (0.0, 0.005)]).moved(hob, -0.02, height)
    rings = merge(*(_ring(hob + x, y - 0.02, radius).moved(z=height + 0.005) for x, y, radius in _burners(rng)))
    splash = box((length, SPLASH, 0.5)).moved(0, back - SPLASH / 2, height)

    parts = [
        top.on(slab), plan.made.on(*case, *fronts), (shadow, GAP), (merge(plinth, knobs), METALS[0]),
        (merge(*pulls), plan.metal), (bar, STEEL), (merge(oven, plate), DARK_GLASS), (rings, RINGS),
        (basin, SINKS[rng.integers(len(SINKS))]), surfaces.wall_tiles(rng).on(splash),
        (merge(tap(reach, spout).moved(sink, spot, height), drain(floor).moved(sink, y)), CHROME),
    ]  # fmt: skip
    hole = (sink - half_x, y - half_y), (sink + half_x, y + half_y)
    body = (-half, face - BOARD, 0.0), (half, back, low)
    hulls = [
        *around_hole(slab_low, slab_high, *hole),
        box_hull(body[0], (*body[1][:2], floor)),
        *around_hole((*body[0][:2], floor), body[1], *hole),
        box_hull((-half, back - SPLASH, height), (half, back, height + 0.5)),
        box_hull((hob - wide / 2, -0.27, height), (hob + wide / 2, 0.23, height + 0.005)),
        *tap_hulls(sink, spot, height, reach, spout),
    ]
    places = _free(half, height, [(sink, 1.06 * half_x), (hob, wide / 2)])
    words = Words(
        f"{plan.made.words[0]} kitchen counter with {noun[0]}",
        f"带{noun[1]}的{plan.made.words[1]}橱柜",
        plan.made.color,
    )
    return assemble(
        asset_id, "counter", words, parts, hulls, density=WOOD, receptacle=places[0], shelves=places[1:],
        kind="furniture",
    )  # fmt: skip


def wall_units(asset_id: str, rng: Rng) -> Asset:
    """Cupboards in a row, some with a hood between them, to hang on a wall; their back is their +y side."""
    plan = kitchen_plan(asset_id)
    height, depth = rng.uniform(0.6, 0.72), 0.35
    count, each = plan.count, plan.each
    hood = plan.hob if plan.hood else None
    meshes, pulls, shadows, hulls = [], [], [], []
    for unit in range(count):
        if unit == hood:
            continue
        x = plan.middle(unit)
        meshes += [mesh.moved(x, -depth / 2 + 0.01) for mesh in carcass(each, depth - 0.02, 0.0, height)]
        meshes.append(box((each, depth - 0.02, BOARD)).moved(x, -depth / 2 + 0.01, height - BOARD))
        meshes.append(door_front(each - 0.006, height - 0.004, plan.framed).moved(x, -depth + 0.02, 0.002))
        shadows.append(box((each - 0.008, 0.004, height - 0.012)).moved(x, -depth + 0.0221, 0.006))
        aside = (each / 2 - 0.045) * (1 if unit % 2 == 0 and unit < count - 1 else -1)
        pulls.append(plan.handle.moved(x + aside, -depth + 0.002, 0.14))
        hulls.append(box_hull((x - each / 2, -depth, 0.0), (x + each / 2, 0.0, height)))
    parts = [plan.made.on(*meshes), (merge(*shadows), GAP), (merge(*pulls), plan.metal)]
    if hood is not None:
        x, wide, deep = plan.middle(hood), each, 0.46

        def level(width: float, away: float, z: float) -> tuple[np.ndarray, float]:
            return rounded_rectangle(width, away, 0.004, 2) + np.array([0.0, -away / 2]), z

        canopy = stacked([level(wide, deep, 0.0), level(wide, deep, 0.05), level(0.26, 0.24, 0.22)])
        duct = box((0.24, 0.22, height - 0.2)).moved(0, -0.11, 0.2)
        parts.append((merge(canopy, duct).moved(x), STEEL))
        hulls.append(box_hull((x - wide / 2, -deep, 0.0), (x + wide / 2, 0.0, 0.05)))
        hulls.append(box_hull((x - 0.13, -0.24, 0.05), (x + 0.13, 0.0, height)))
    trait = (" with a hood", "带油烟机的") if hood is not None else ("", "")
    words = Words(
        f"{plan.made.words[0]} wall cabinets{trait[0]}", f"{trait[1]}{plan.made.words[1]}吊柜", plan.made.color
    )
    return assemble(asset_id, "wall cabinet", words, parts, hulls, density=WOOD, kind="furniture")


def _base_fronts(plan: KitchenPlan, rng: Rng, face: float, low: float) -> tuple[list[Mesh], list[Mesh]]:
    """Doors and drawers of all units but the oven's, and their handles."""
    fronts, pulls = [], []
    tall, width = low - PLINTH - 0.006, plan.each - 0.006
    level = plan.handle.turned("y", np.pi / 2)
    for unit in range(plan.count):
        x, z = plan.middle(unit), PLINTH + 0.003
        if unit == plan.hob:
            # Under the oven is room for one low drawer.
            fronts.append(door_front(width, tall - OVEN - 0.006, False).moved(x, face, z))
            continue
        rows = (
            [0.0, 1.0] if unit == plan.sink else ([0.0, 0.38, 0.76, 1.0], [0.0, 0.8, 1.0], [0.0, 1.0])[rng.integers(3)]
        )
        for a, b in pairwise(rows):
            front = (b - a) * tall - 0.005
            fronts.append(door_front(width, front, plan.framed and front > 0.2).moved(x, face, z + a * tall))
            if front > 0.4:
                aside = (width / 2 - 0.04) * (1 if unit % 2 == 0 and unit < plan.count - 1 else -1)
                pulls.append(plan.handle.moved(x + aside, face - BOARD, z + a * tall + front - 0.14))
            else:
                pulls.append(level.moved(x, face - BOARD, z + a * tall + front - min(0.05, front / 2)))
    return fronts, pulls


OVEN = 0.595  # height of an oven's front, metres


def _oven(width: float, low: float) -> tuple[Mesh, Mesh, Mesh]:
    """Glass door, knobs, and what is of metal (control strip, bar of the door); standing out towards -y from 0."""
    wide, z = min(width, 0.6) - 0.006, low - OVEN - 0.003
    door = box((wide, 0.02, OVEN - 0.105), 0.002).moved(0, -0.01, z)
    strip = box((wide, 0.018, 0.1), 0.002).moved(0, -0.009, z + OVEN - 0.1)
    knob = lathe([(0, 0), (0.019, 0), (0.017, 0.016), (0, 0.018)], 20).turned("x", np.pi / 2)
    at = (-0.2, -0.13, 0.13, 0.2)
    knobs = merge(*(knob.moved(x, -0.018, z + OVEN - 0.05) for x in at))
    bar = box((wide - 0.1, 0.014, 0.016), 0.004).moved(0, -0.05, z + OVEN - 0.15)
    feet = [box((0.014, 0.03, 0.014), 0.003).moved(s * (wide / 2 - 0.08), -0.034, z + OVEN - 0.149) for s in (-1, 1)]
    return door, knobs, merge(strip, bar, *feet)


def _burners(rng: Rng) -> list[tuple[float, float, float]]:
    """x, y and radius of the rings of a hob, metres from its middle."""
    large, small = rng.uniform(0.095, 0.11), rng.uniform(0.07, 0.08)
    sizes = [large, small, small, large]
    return [(sx * 0.14, sy * 0.12, sizes[2 * i + j]) for i, sx in enumerate((-1, 1)) for j, sy in enumerate((-1, 1))]


def _ring(x: float, y: float, radius: float) -> Mesh:
    """A printed ring, a hair above z = 0."""
    line = [(radius - 0.004, 0.0), (radius, 0.0), (radius, 0.0006), (radius - 0.004, 0.0006), (radius - 0.004, 0.0)]
    return lathe(line, 48).moved(x, y)


def _free(half: float, height: float, taken: Sequence[tuple[float, float]]) -> list[Receptacle]:
    """The stretches of a worktop between what takes `half` metres on each side of x, the longest first."""
    ends = sorted([(-half - 1.0, 1.0), *taken, (half + 1.0, 1.0)])
    spans = [(a + wide + EDGE, b - other - EDGE) for (a, wide), (b, other) in pairwise(ends)]
    spans = sorted((span for span in spans if span[1] - span[0] >= 2 * LEAST), key=lambda span: span[0] - span[1])
    low, high = -DEPTH / 2 + EDGE, DEPTH / 2 - SPLASH - EDGE
    return [
        Receptacle("on", height, ((b - a) / 2, (high - low) / 2), False, height, ((a + b) / 2, (low + high) / 2))
        for a, b in spans
    ]


FAMILIES: dict[str, Family] = {"kitchen_run": kitchen_run, "wall_units": wall_units}
