"""What bathrooms are built with: vanity, bathtub and shower."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric import bath_accessories
from gsi_datasets.assets.parametric.build import WOOD, Array, Family, assemble
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.joinery import (
    CERAMIC_WHITE,
    CHROME,
    GAP,
    Rng,
    around_hole,
    bowl,
    carcass,
    drain,
    finish,
    oval,
    pierced,
    stacked,
    tap,
    tap_hulls,
    worktop,
)
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, merge, rounded_rectangle, tube
from gsi_datasets.assets.parametric.structures import EDGE, METALS, door_front, pull
from gsi_datasets.assets.parametric.words import Words


LEAST = 0.05  # half the width that a place beside a basin has at least, metres


def vanity(asset_id: str, rng: Rng) -> Asset:
    """A cabinet with a washbasin let into its top or standing on it, free room beside the basin."""
    width, depth, height = rng.uniform(0.62, 1.2), rng.uniform(0.45, 0.5), rng.uniform(0.82, 0.87)
    thick, front = rng.uniform(0.02, 0.04), -depth / 2
    low, made = height - thick, finish(rng, 0.45)
    top, noun = worktop(rng)
    half_x, half_y = min(rng.uniform(0.19, 0.25), (width - 0.27) / 2), rng.uniform(0.135, 0.155)
    side = 1 if rng.random() < 0.5 else -1
    x, y = side * (width / 2 - half_x - rng.uniform(0.05, 0.07)), front + half_y + 0.055
    outline = oval(half_x, half_y) if rng.random() < 0.5 else rounded_rectangle(2 * half_x, 2 * half_y, 0.05, 8)

    body_depth, plinth = depth - 0.045, rng.uniform(0.08, 0.2)
    case = [mesh.moved(0, 0.01) for mesh in carcass(width - 0.02, body_depth, plinth, low)]
    face = 0.01 - body_depth / 2
    count, framed, bar = (2 if width > 0.75 else 1), bool(rng.random() < 0.35), pull(rng, rng.random() < 0.4)
    drawers = int(rng.integers(1, 3)) if rng.random() < 0.5 else 0
    rows = drawers or 1
    each, tall = (width - 0.03) / (count if not drawers else 1), (low - plinth - 0.008) / rows
    fronts, pulls = [], []
    for row in range(rows):
        for k in range(count if not drawers else 1):
            at = each * (k + 0.5) - (width - 0.03) / 2
            z = plinth + 0.004 + row * tall
            fronts.append(door_front(each - 0.007, tall - 0.007, framed).moved(at, face, z))
            aside = 0.0 if drawers else (each / 2 - 0.05) * (1 if k == 0 else -1)
            pulls.append(bar.moved(at + aside, face - 0.018, z + tall - 0.13))
    legs = [
        box((0.04, 0.04, plinth), 0.002).moved(sx * (width / 2 - 0.05), sy * (depth / 2 - 0.06))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]

    sunk = bool(rng.random() < 0.55)
    slab_low, slab_high = (-width / 2, front, low), (width / 2, depth / 2, height)
    reach = half_y + rng.uniform(0.0, 0.02)
    spot = depth / 2 - 0.045
    if sunk:
        deep, spout = 0.12, rng.uniform(0.13, 0.18)
        slab = pierced(slab_low, slab_high, outline + np.array([x, y]))
        basin, floor = bowl(outline, height, deep).moved(x, y), height + 0.008 - deep
        hole_low, hole_high = (x - half_x, y - half_y), (x + half_x, y + half_y)
        hulls = around_hole(slab_low, slab_high, hole_low, hole_high)
        inside = ((-width / 2 + 0.01, face, 0.0), (width / 2 - 0.01, face + body_depth, low))
        hulls.append(box_hull(inside[0], (*inside[1][:2], floor)))
        hulls += around_hole((*inside[0][:2], floor), inside[1], hole_low, hole_high)
    else:
        deep, spout = rng.uniform(0.1, 0.13), rng.uniform(0.24, 0.29)
        slab = box((width, depth, thick), 0.002).moved(z=low)
        basin, floor = _vessel(outline, deep).moved(x, y, height), height + 0.016
        hulls = [
            box_hull(slab_low, slab_high),
            box_hull((-width / 2 + 0.01, face, 0.0), (width / 2 - 0.01, face + body_depth, low)),
            box_hull((x - 0.7 * half_x, y - 0.7 * half_y, height), (x + 0.7 * half_x, y + 0.7 * half_y, floor)),
            *around_hole((x - half_x, y - half_y, floor), (x + half_x, y + half_y, height + deep),
                         (x - 0.86 * half_x, y - 0.86 * half_y), (x + 0.86 * half_x, y + 0.86 * half_y)),
        ]  # fmt: skip
    hulls += tap_hulls(x, spot, height, reach, spout)
    metal = METALS[rng.integers(len(METALS))]
    parts = [
        top.on(slab), made.on(*case, *fronts), (basin, CERAMIC_WHITE), (merge(*legs, *pulls), metal),
        (box((width - 0.035, 0.004, low - plinth - 0.01)).moved(0, face + 0.0021, plinth + 0.004), GAP),
        (merge(tap(reach, spout).moved(x, spot, height), drain(floor).moved(x, y)), CHROME),
    ]  # fmt: skip
    places = _beside(width, depth, height, x, 1.06 * half_x)
    words = Words(f"{made.words[0]} vanity with {noun[0]}", f"带{noun[1]}的{made.words[1]}浴室柜", made.color)
    return assemble(
        asset_id, "vanity", words, parts, hulls, density=WOOD, receptacle=places[0], shelves=places[1:],
        kind="furniture",
    )  # fmt: skip


def bathtub(asset_id: str, rng: Rng) -> Asset:
    """A white tub with a straight apron all round and a mixer on its rim."""
    length, depth, height = rng.uniform(1.5, 1.7), rng.uniform(0.7, 0.75), rng.uniform(0.55, 0.6)
    rim, bottom, flat = rng.uniform(0.06, 0.085), 0.13, rng.uniform(0.05, 0.12)
    side = 1 if rng.random() < 0.5 else -1

    def ring(inset: float, radius: float, slope: float = 0.0) -> Array:
        # One end leans back more than the other: the one to lie against.
        x0, x1 = -length / 2 + inset + slope, length / 2 - inset - 2.2 * slope
        outline = rounded_rectangle(x1 - x0, depth - 2 * inset - 1.2 * slope, radius, 8)
        outline[:, 0] += (x0 + x1) / 2
        return outline if side > 0 else (outline * (-1, 1))[::-1]

    lines = [
        (ring(0.004, 0.02), 0.0), (ring(0.004, 0.02), height - 0.03), (ring(0.0, 0.024), height - 0.028),
        (ring(0.0, 0.024), height - 0.006), (ring(0.005, 0.022), height), (ring(rim, 0.16), height),
        (ring(rim + 0.008, 0.155, 0.0), height - 0.008), (ring(rim + 0.012, 0.15, 0.02), height - 0.2),
        (ring(rim + 0.02, 0.14, flat), bottom + 0.06), (ring(rim + 0.05, 0.13, flat), bottom + 0.012),
        (ring(rim + 0.09, 0.1, flat), bottom),
    ]  # fmt: skip
    x, y = -side * (length / 2 - rng.uniform(0.3, 0.45)), depth / 2 - 0.035
    mixer = tap(0.15, 0.12).moved(x, y, height)
    plug = drain(bottom).moved(-side * (length / 2 - 0.32))
    inner = (length / 2 - rim, depth / 2 - rim)
    hulls = [
        box_hull((-length / 2, -depth / 2, 0.0), (length / 2, depth / 2, bottom)),
        *around_hole(
            (-length / 2, -depth / 2, bottom), (length / 2, depth / 2, height), (-inner[0], -inner[1]), inner
        ),
        *tap_hulls(x, y, height, 0.15, 0.12),
    ]
    parts = [(stacked(lines), CERAMIC_WHITE), (merge(mixer, plug), CHROME)]
    words = Words("white bathtub", "白色浴缸", "white")
    return assemble(asset_id, "bathtub", words, parts, hulls, density=400.0, kind="furniture")


def shower(asset_id: str, rng: Rng) -> Asset:
    """A square cabin of glass in thin metal profiles on a tray, with a head on a riser."""
    side, height, tray = rng.uniform(0.8, 0.9), rng.uniform(1.95, 2.05), rng.uniform(0.05, 0.14)
    half, bar = side / 2, 0.025
    metal = METALS[int(rng.integers(2))]

    def square(inset: float, radius: float) -> Array:
        return rounded_rectangle(side - 2 * inset, side - 2 * inset, radius, 4)

    basin = stacked([
        (square(0.0, 0.01), 0.0), (square(0.0, 0.01), tray - 0.004), (square(0.004, 0.01), tray),
        (square(0.045, 0.03), tray), (square(0.055, 0.03), tray - 0.02), (square(0.12, 0.03), tray - 0.026),
    ])  # fmt: skip
    reach = half - 0.02
    posts = [box((bar, bar, height - tray)).moved(sx * reach, sy * reach, tray) for sx in (-1, 1) for sy in (-1, 1)]
    level = [box((2 * reach, bar, bar)).moved(0, s * reach, height - bar) for s in (-1, 1)]
    level += [box((bar, 2 * reach, bar)).moved(s * reach, 0, height - bar) for s in (-1, 1)]
    middle = box((0.016, 0.016, height - tray)).moved(0, -reach, tray)
    grip = pull(rng, True).moved(0.05, -reach - 0.008, 1.05)
    tall = height - tray - 0.02
    pane = box((2 * reach, 0.006, tall)).moved(z=tray)
    cross = box((0.006, 2 * reach, tall)).moved(z=tray)
    panes = merge(pane.moved(y=-reach), cross.moved(-reach), cross.moved(reach))
    back = box((2 * reach, 0.01, tall)).moved(0, reach, tray)
    riser = tube(np.array([[0, 0, 0.95], [0, 0, 1.84], [0, -0.03, 1.88], [0, -0.3, 1.9]]), 0.009, 10, up=(1, 0, 0))
    head = lathe([(0, 0.0), (0.1, 0.0), (0.103, 0.004), (0.1, 0.01), (0.02, 0.016), (0, 0.03)], 28).moved(
        0, -0.3, 1.87
    )
    mixer = box((0.2, 0.04, 0.04), 0.012).moved(0, 0.0, 0.97)
    fitting = merge(riser, head, mixer).moved(0, reach - 0.045, height - 2.0)
    glass = Material((0.80, 0.88, 0.88), roughness=0.05, opacity=0.22)
    parts = [
        (merge(basin, back), CERAMIC_WHITE), (merge(*posts, *level, middle, grip), metal), (fitting, CHROME),
        (panes, glass),
    ]  # fmt: skip
    wall = 0.033
    hulls = [
        box_hull((-half, -half, 0.0), (half, half, tray - 0.026)),
        *around_hole((-half, -half, tray - 0.026), (half, half, height), (-half + wall,) * 2, (half - wall,) * 2),
    ]
    words = Words("glass shower cabin", "玻璃淋浴房")
    return assemble(asset_id, "shower", words, parts, hulls, density=700.0, kind="furniture")


def _vessel(outline: Array, deep: float) -> Mesh:
    """A basin that stands on z = 0, its widest outline at its rim."""
    outside = [(0.70, 0.0), (0.74, 0.006), (0.90, 0.5 * deep), (0.99, deep - 0.008), (1.0, deep - 0.003)]
    inside = [(0.95, deep - 0.004), (0.85, 0.5 * deep), (0.66, 0.022), (0.5, 0.017), (0.1, 0.016)]
    lines = [*outside, (0.985, deep), (0.965, deep), *inside]
    return stacked([(outline * scale, z) for scale, z in lines])


def _beside(width: float, depth: float, height: float, x: float, half: float) -> list[Receptacle]:
    """The free parts of a top left and right of what takes `half` metres on each side of `x`, the larger first."""
    spans = [(-width / 2 + EDGE, x - half - EDGE), (x + half + EDGE, width / 2 - EDGE)]
    spans = sorted((span for span in spans if span[1] - span[0] >= 2 * LEAST), key=lambda span: span[0] - span[1])
    return [
        Receptacle("on", height, ((b - a) / 2, depth / 2 - EDGE), False, height, ((a + b) / 2, 0.0)) for a, b in spans
    ]


FAMILIES: dict[str, Family] = {"vanity": vanity, "bathtub": bathtub, "shower": shower, **bath_accessories.FAMILIES}
