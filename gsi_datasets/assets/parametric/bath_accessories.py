"""What bathrooms have besides: mirror, towel rail, shelf, laundry basket, waste bin and mat."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric import surfaces, textures
from gsi_datasets.assets.parametric.build import PLASTIC, WOOD, Array, Family, assemble, dish, shell
from gsi_datasets.assets.parametric.hulls import box_hull, wedge_hulls
from gsi_datasets.assets.parametric.joinery import (
    Part,
    Rng,
    calm,
    finish,
    stacked,
)
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, loft, merge, rounded_rectangle, tube
from gsi_datasets.assets.parametric.structures import EDGE, METALS
from gsi_datasets.assets.parametric.surfaces import Surface
from gsi_datasets.assets.parametric.words import Words, phrase, pick


HOLLOW = 250.0  # kg / m^3 of woven things


def bathroom_mirror(asset_id: str, rng: Rng) -> Asset:
    """A mirror in a thin frame, rectangular or round, to hang on a wall; its back is its +y side."""
    width, height, deep = rng.uniform(0.5, 0.9), rng.uniform(0.6, 0.9), 0.03
    metal, bar = METALS[rng.integers(len(METALS))], rng.uniform(0.01, 0.03)
    name = (("black", "黑色"), ("silver", "银色"), ("gold", "金色"))[METALS.index(metal)]
    if rng.random() < 0.35:
        radius = width / 2
        ring = [(radius - bar, 0), (radius, 0), (radius, deep), (radius - bar, deep), (radius - bar, 0)]
        disc = [(0, 0), (radius - bar, 0), (radius - bar, 0.7 * deep), (0, 0.7 * deep)]
        frame, face = (lathe(line, 64).turned("x", np.pi / 2).moved(z=radius) for line in (ring, disc))
        height, words = width, Words("round mirror", "圆镜")
    else:
        upright, across = box((bar, deep, height), 0.002), box((width - 2 * bar, deep, bar), 0.002)
        frame = merge(
            *(upright.moved(s * (width - bar) / 2, -deep / 2) for s in (-1, 1)),
            *(across.moved(0, -deep / 2, z) for z in (0, height - bar)),
        )
        face = box((width - 2 * bar, 0.7 * deep, height - 2 * bar)).moved(0, -0.35 * deep, bar)
        words = Words("mirror", "镜子")
    spread = np.column_stack([face.vertices[:, 0] / width + 0.5, face.vertices[:, 2] / height])
    face = replace(face, uvs=spread)
    glass = Material((1.0, 1.0, 1.0), _gleam(rng), roughness=0.08)
    words = Words(f"{words.en} with a {name[0]} frame", f"{name[1]}框{words.zh}")
    hull = box_hull((-width / 2, -deep, 0.0), (width / 2, 0.0, height))
    return assemble(
        asset_id, "mirror", words, [(frame, metal), (face, glass)], [hull], density=1200.0, kind="furniture"
    )


def _gleam(rng: Rng) -> textures.Texture:
    """(128, 128, 3) what a mirror shows in general: pale blue grey, lighter above, two bands of light across it."""
    v, u = np.mgrid[1.0:0.0:128j, 0.0:1.0:128j]
    slant, start = u + 0.7 * v, rng.uniform(0.5, 0.8)
    bands = np.exp(-(((slant - start) / 0.11) ** 4)) + np.exp(-(((slant - start - 0.22) / 0.035) ** 4))
    tone = 0.74 + 0.14 * v + 0.075 * bands
    return textures.to_texture(tone[..., None] * np.array([0.93, 0.985, 1.0]))


def towel_rail(asset_id: str, rng: Rng) -> Asset:
    """A rail on two brackets with a towel over it, to hang on a wall; its back is its +y side."""
    width, away, drop = rng.uniform(0.5, 0.65), rng.uniform(0.06, 0.075), rng.uniform(0.42, 0.6)
    color = calm(rng, str(rng.choice(["white", "blue", "green", "pink", "beige", "grey", "yellow", "turquoise"])))
    cloth = surfaces.fabric(rng, color.rgb)
    metal = METALS[rng.integers(len(METALS))]
    rail = tube([(-width / 2, -away, drop), (width / 2, -away, drop)], 0.008, 14)
    arms = [
        tube([(s * (width / 2 - 0.015), -away, drop), (s * (width / 2 - 0.015), 0.0, drop)], 0.007, 12)
        for s in (-1, 1)
    ]
    plates = [lathe([(0, 0), (0.022, 0), (0.022, 0.008), (0, 0.008)], 20).turned("x", np.pi / 2) for _ in arms]
    plates = [plate.moved(s * (width / 2 - 0.015), 0.0, drop) for plate, s in zip(plates, (-1, 1), strict=True)]
    wide, back, thick = width * rng.uniform(0.6, 0.78), drop * rng.uniform(0.72, 0.95), 0.011
    rings = []
    for x in np.linspace(-wide / 2, wide / 2, 25):
        wave = 0.004 * np.sin(9.0 * x / wide + 1.0) + 0.0025 * np.sin(23.0 * x / wide)
        turn = np.linspace(0.0, np.pi, 9)
        outer = np.column_stack([-away + (0.009 + thick) * np.cos(turn), drop + (0.009 + thick) * np.sin(turn)])
        inner = np.column_stack([-away + 0.009 * np.cos(turn), drop + 0.009 * np.sin(turn)])[::-1]
        front, behind = -away - 0.009 - thick + wave - 0.004, -away + 0.009 + thick + 0.5 * wave + 0.001
        hem = [(front, 0.0), (front + thick, 0.0)]
        far = [(behind - thick, drop - back), (behind, drop - back)]
        line = np.concatenate([far, outer, hem, inner])
        rings.append(np.column_stack([np.full(len(line), x), line]))
    towel = loft(rings)
    parts = [(merge(rail, *arms, *plates), metal), cloth.on(towel)]
    top = drop + 0.02
    hull = box_hull((-width / 2, -away - 0.02, 0.0), (width / 2, 0.0, top))
    words = Words(f"towel rail with a {color.name} towel", f"挂着{color.zh}毛巾的毛巾架", color.name)
    return assemble(asset_id, "towel rail", words, parts, [hull], density=500.0, kind="furniture")


def bathroom_shelf(asset_id: str, rng: Rng) -> Asset:
    """A narrow stand of three or four boards between four posts."""
    width, depth, height = rng.uniform(0.4, 0.5), rng.uniform(0.26, 0.31), rng.uniform(0.9, 1.6)
    count = 4 if height > 1.15 else 3
    thick, post = rng.uniform(0.014, 0.02), 0.02
    made = finish(rng, 0.65, ("white", "grey", "green", "blue"))
    metal = bool(rng.random() < 0.5)
    # The topmost board closes the stand, the others hang between the posts.
    levels = np.linspace(rng.uniform(0.12, 0.2), height, count)
    boards = [box((width, depth, thick), 0.0015).moved(z=levels[-1] - thick)]
    inside = (width - 2 * post - 0.001, depth - 0.004)
    boards += [box((inside[0], inside[1], thick), 0.0015).moved(z=z - thick) for z in levels[:-1]]
    at = [(sx * (width - post) / 2, sy * (depth - post) / 2) for sx in (-1, 1) for sy in (-1, 1)]
    posts = [box((post, post, height - thick), 0.002).moved(x, y) for x, y in at]
    parts = [made.on(*boards, *([] if metal else posts))]
    if metal:
        parts.append((merge(*posts), METALS[rng.integers(len(METALS))]))
    hulls = [box_hull((-width / 2, -depth / 2, levels[-1] - thick), (width / 2, depth / 2, levels[-1]))]
    hulls += [
        box_hull((-inside[0] / 2, -inside[1] / 2, z - thick), (inside[0] / 2, inside[1] / 2, z)) for z in levels[:-1]
    ]
    hulls += [box_hull((x - post / 2, y - post / 2, 0.0), (x + post / 2, y + post / 2, height - thick)) for x, y in at]
    half = (inside[0] / 2 - 0.01, depth / 2 - EDGE)
    top = Receptacle("on", height, (width / 2 - EDGE, depth / 2 - EDGE), False, height)
    shelves = [
        Receptacle("on", float(z), half, False, float(z), headroom=float(above - thick - z))
        for z, above in pairwise(levels)
    ]
    words = Words(f"{made.words[0]} bathroom shelf", f"{made.words[1]}浴室置物架", made.color)
    return assemble(
        asset_id, "shelf", words, parts, hulls, density=WOOD, receptacle=top, shelves=shelves[::-1], kind="furniture"
    )


def laundry_basket(asset_id: str, rng: Rng) -> Asset:
    """A tall woven basket, open or with a lid of the same weave."""
    width, depth, height = rng.uniform(0.36, 0.46), rng.uniform(0.28, 0.34), rng.uniform(0.46, 0.6)
    color = pick(rng, ("brown", "beige", "white", "grey"))
    red, green, blue = (min(1.3 * channel, 1.0) for channel in color.rgb)  # the weave's shadows darken it
    strands = textures.wicker(rng, (red, green, blue), 30, 30)
    weave = Surface(Material((1.0, 1.0, 1.0), strands, roughness=0.85), (0.42, 0.42))
    wall, floor, taper = 0.012, 0.014, rng.uniform(0.88, 1.0)

    def ring(inset: float, scale: float) -> Array:
        return rounded_rectangle(width * scale - 2 * inset, depth * scale - 2 * inset, 0.05, 6)

    lines = [
        (ring(0.0, taper), 0.0), (ring(0.0, 1.0), height - 0.002), (ring(0.002, 1.0), height),
        (ring(wall - 0.002, 1.0), height), (ring(wall, 1.0), height - 0.002), (ring(wall, taper), floor),
    ]  # fmt: skip
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    loop = np.column_stack([np.zeros(24), 0.055 * np.cos(angle), 0.8 * height + 0.022 * np.sin(angle)])
    grip = tube(loop, 0.006, 8, closed=True, up=(1.0, 0.0, 0.0))
    grips = [grip.moved(s * (width / 2 + 0.001)) for s in (-1, 1)]
    low, high = np.array([width, depth]) * taper / 2, np.array([width, depth]) / 2
    hulls = [box_hull((-low[0], -low[1], 0.0), (low[0], low[1], floor))]
    for axis in (0, 1):
        for s in (-1, 1):
            corners = []
            for half, z in ((low, 0.0), (high, height)):
                for depth_in in (0.0, wall):
                    for t in (-1, 1):
                        point = np.array([t * half[0], t * half[1], z])
                        point[axis] = s * (half[axis] - depth_in)
                        corners.append(point)
            hulls.append(np.array(corners))
    place: Receptacle | None = None
    trait = ("", "")
    meshes = [stacked(lines), *grips]
    if rng.random() < 0.5:
        cover = 0.02
        meshes.append(stacked([(ring(-0.004, 1.0), height), (ring(-0.004, 1.0), height + cover - 0.004),
                               (ring(0.002, 1.0), height + cover)]))  # fmt: skip
        hulls.append(
            box_hull((-high[0] - 0.004, -high[1] - 0.004, height), (high[0] + 0.004, high[1] + 0.004, height + cover))
        )
        trait = (" with a lid", "带盖的")
    else:
        area = (float(low[0] - wall - 0.025), float(low[1] - wall - 0.025))
        place = Receptacle("in", floor, area, False, height)
    words = Words(f"{color.name} laundry basket{trait[0]}", f"{trait[1]}{color.zh}洗衣篮", color.name)
    return assemble(
        asset_id, "laundry basket", words, [weave.on(merge(*meshes))], hulls, density=HOLLOW, receptacle=place,
        kind="furniture",
    )  # fmt: skip


def waste_bin(asset_id: str, rng: Rng) -> Asset:
    """An open bin, round, of painted or bare metal or of plastic."""
    radius, height = rng.uniform(0.11, 0.15), rng.uniform(0.26, 0.36)
    color = pick(rng, ("white", "black", "grey", "red", "green", "blue", "turquoise", "pink"))
    base = radius * rng.uniform(0.72, 0.95)
    outer = np.array([(base - 0.003, 0.0), (base, 0.003), ((base + radius) / 2, height / 2), (radius, height)])
    section = shell(outer, 0.004, 0.008)
    parts: list[Part] = [(lathe(section.profile, 48), Material(color.rgb, roughness=0.4))]
    words = phrase(("waste bin", "垃圾桶"), color)
    hulls = wedge_hulls(section.outer, section.inner)
    return assemble(
        asset_id, "waste bin", words, parts, hulls, density=PLASTIC, symmetry=0, receptacle=dish(section, "in"),
        kind="furniture",
    )  # fmt: skip


def bath_mat(asset_id: str, rng: Rng) -> Asset:
    """A flat mat with rounded corners, one colour with a border of another tone."""
    width, depth, thick = rng.uniform(0.7, 0.9), rng.uniform(0.45, 0.58), 0.012
    color = calm(rng, str(rng.choice(["white", "grey", "blue", "green", "beige", "pink", "turquoise"])))
    pile = surfaces.carpet(rng, color.rgb)
    edge = surfaces.carpet(rng, tuple(float(c) for c in 0.82 * np.array(color.rgb)))  # type: ignore[arg-type]
    border = rng.uniform(0.03, 0.06)

    def slab(inset: float, height: float) -> Mesh:
        size = (width - 2 * inset, depth - 2 * inset)
        line = rounded_rectangle(*size, 0.04, 5)
        return stacked([(line, 0.0), (line, height - 0.003), (line - 0.003 * np.sign(line), height)])

    hull = box_hull((-width / 2, -depth / 2, 0.0), (width / 2, depth / 2, thick))
    words = phrase(("bath mat", "浴室地垫"), color)
    parts = [edge.on(slab(0.0, thick - 0.002)), pile.on(slab(border, thick))]
    return assemble(asset_id, "bath mat", words, parts, [hull], density=150.0, symmetry=2, kind="furniture")


FAMILIES: dict[str, Family] = {
    "bathroom_mirror": bathroom_mirror,
    "towel_rail": towel_rail,
    "bathroom_shelf": bathroom_shelf,
    "laundry_basket": laundry_basket,
    "waste_bin": waste_bin,
    "bath_mat": bath_mat,
}
