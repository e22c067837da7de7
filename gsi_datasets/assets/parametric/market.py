"""From the market and the garden: tomatoes, pumpkins, donuts, cheese, cacti, pails.

Symmetries leave out what nobody would notice: flecks of skin, sprinkles, the lean of a stem.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import FRUIT, PLASTIC, Family, assemble, dish, shell
from gsi_datasets.assets.parametric.hulls import prism_hull, ring_hulls, tube_hulls, turned_hulls, wedge_hulls
from gsi_datasets.assets.parametric.primitives import Mesh, arc, curve, extrude, lathe, merge, tube
from gsi_datasets.assets.parametric.tableware import decorate
from gsi_datasets.assets.parametric.words import BRIGHT, Words, named, phrase, pick


def _skin(
    rng: np.random.Generator, stops: Sequence[tuple[float, ArrayLike]], grain: float, fleck: float = 0.0
) -> textures.Texture:
    """Fruit skin: colours at heights in v blended into one another, unevenly, with pores and flecks."""
    size = 128
    v = 1.0 - (np.arange(size)[:, None] + 0.5) / size + 0.015 * textures.noise(rng, size, size, 6, 12)
    levels, colors = [at for at, _ in stops], np.array([color for _, color in stops])
    image = np.stack([np.interp(v, levels, colors[:, i]) for i in range(3)], axis=2)
    tone = 1 + grain * rng.standard_normal((size, size, 1))
    if fleck > 0:
        tone = tone * (1 + 0.25 * (rng.random((size, size, 1)) < fleck))
    return textures.to_texture(image * tone)


def _lobed(mesh: Mesh, amount: float, lobes: int) -> Mesh:
    """Give a turned fruit `lobes` soft bulges around; the foot stays level."""
    x, y, z = mesh.vertices.T
    wave = 1 + amount * np.cos(lobes * np.arctan2(y, x))
    return mesh.bent(np.column_stack([x * wave, y * wave, z]))


def _stem(rng: np.random.Generator, low: float, length: float, thick: float) -> Mesh:
    lean = rng.uniform(-0.12, 0.12, 2) * length
    path = curve([(0, 0, low), (0.3 * lean[0], 0.3 * lean[1], low + 0.6 * length), (*lean, low + length)], 3)
    return tube(path, np.linspace(thick, 1.3 * thick, len(path)), 6, up=(0.0, 1.0, 0.0))


def tomato(asset_id: str, rng: np.random.Generator) -> Asset:
    """A tomato with its green calyx."""
    radius = rng.uniform(0.03, 0.04)
    tall = radius * rng.uniform(1.45, 1.65)
    color = named(rng, "red")
    side = curve(
        [
            (0.34 * radius, 0.0),
            (0.8 * radius, 0.14 * tall),
            (radius, 0.52 * tall),
            (0.72 * radius, 0.92 * tall),
            (0.4 * radius, 0.99 * tall),
            (0.12 * radius, 0.95 * tall),
            (0.0, 0.94 * tall),
        ],
        4,
    )
    mesh = _lobed(lathe(np.concatenate([[(0.0, 0.0)], side]), 40), 0.02, 5)
    base = np.array((0.80, 0.12, 0.07)) * rng.uniform(0.9, 1.05)
    skin = _skin(rng, [(0.0, base), (0.85, base), (1.0, 0.8 * base + (0.06, 0.06, 0.0))], 0.008)
    leaf = Material((0.25, 0.45, 0.14), roughness=0.7)
    leaves = []
    for i in range(5):
        path = curve([(0, 0, 0.945 * tall), (0.25 * radius, 0, 1.0 * tall), (0.55 * radius, 0, 1.01 * tall)], 2)
        leaf_mesh = tube(path, [0.0012, 0.0032, 0.0034, 0.0026, 0.0006], 6, 0.35, up=(0.0, 1.0, 0.0))
        leaves.append(leaf_mesh.turned("z", i * 2 * np.pi / 5))
    green = merge(*leaves, _stem(rng, 0.94 * tall, 0.16 * tall, 0.0016))
    outer = side[: int(np.argmax(side[:, 1])) + 1]
    hulls = turned_hulls(outer, 20) + turned_hulls([(0.003, 0.95 * tall), (0.003, 1.1 * tall)], 12)
    parts = [(mesh, Material((1.0, 1.0, 1.0), skin, roughness=0.2)), (green, leaf)]
    return assemble(asset_id, "tomato", phrase(("tomato", "番茄"), color), parts, hulls, density=FRUIT)


def pumpkin(asset_id: str, rng: np.random.Generator) -> Asset:
    """A ribbed pumpkin with a thick stem."""
    radius = rng.uniform(0.065, 0.095)
    tall = radius * rng.uniform(1.15, 1.45)
    color = named(rng, str(rng.choice(["orange", "orange", "green", "beige"])))
    ribs = int(rng.integers(8, 13))
    side = curve(
        [
            (0.36 * radius, 0.0),
            (0.8 * radius, 0.1 * tall),
            (radius, 0.48 * tall),
            (0.75 * radius, 0.88 * tall),
            (0.4 * radius, 0.98 * tall),
            (0.12 * radius, 0.92 * tall),
            (0.0, 0.91 * tall),
        ],
        3,
    )
    mesh = lathe(np.concatenate([[(0.0, 0.0)], side]), 6 * ribs)
    x, y, z = mesh.vertices.T
    groove = 1 - 0.075 * (1 - np.abs(np.sin(0.5 * ribs * np.arctan2(x, -y)))) ** 1.5
    mesh = mesh.bent(np.column_stack([x * groove, y * groove, z]), crease=np.radians(80))
    base = np.array(color.rgb) * (0.92, 0.9, 0.8)
    skin = _skin(rng, [(0.0, 0.8 * base), (0.3, base), (0.85, base), (1.0, 0.6 * base)], 0.02)
    stem = _stem(rng, 0.9 * tall, 0.28 * tall, 0.007)
    outer = side[: int(np.argmax(side[:, 1])) + 1]
    parts = [
        (mesh, Material((1.0, 1.0, 1.0), skin, roughness=0.55)),
        (stem, Material((0.42, 0.38, 0.2), roughness=0.8)),
    ]
    hulls = turned_hulls(outer * (0.975, 1.0)) + tube_hulls(
        [(0, 0, 0.9 * tall), (0, 0, 1.04 * tall), (0, 0, 1.17 * tall)], 0.008, 1
    )
    return assemble(
        asset_id, "pumpkin", phrase(("pumpkin", "南瓜"), color), parts, hulls, density=600.0, symmetry=ribs
    )


def donut(asset_id: str, rng: np.random.Generator) -> Asset:
    """A ring with icing and sprinkles."""
    thick = rng.uniform(0.015, 0.018)
    radius = thick * rng.uniform(1.75, 2.0)
    icing = pick(rng, ["pink", "brown", "white", "turquoise", "purple"])
    ring = arc((radius, 0.84 * thick), thick, -np.pi / 2, 1.5 * np.pi, 20)
    ring[:, 1] = np.maximum(ring[:, 1], 0.0)
    ring[-1] = ring[0]
    size = 192
    image = textures.plain((0.80, 0.56, 0.28), size, size)
    rows = 1.0 - (np.arange(size)[:, None] + 0.5) / size
    wave = 0.018 * np.sin(np.arange(size) / size * 2 * np.pi * 15)[None]
    iced = np.clip(((0.24 - wave) - np.abs(rows - 0.5)) * size / 2 + 0.5, 0, 1)[..., None]
    image = image * (1 - iced) + iced * np.array(icing.rgb)
    sprinkles = [named(rng, name).rgb for name in ("red", "yellow", "blue", "white", "green") if name != icing.name]
    # Sprinkles lie evenly around: no side looks unlike another.
    for number in range(90):
        row, column = int(rng.uniform(0.34, 0.66) * size), 2 * number + int(rng.integers(2))
        tall, wide = (2, 5) if number // len(sprinkles) % 2 else (5, 2)
        image[row : row + tall, column : column + wide] = sprinkles[number % len(sprinkles)]
    words = Words(f"donut with {icing.name} icing", f"带{icing.zh}糖霜的甜甜圈", icing.name)
    parts = [(lathe(ring, 40), Material((1.0, 1.0, 1.0), textures.to_texture(image), roughness=0.4))]
    return assemble(asset_id, "donut", words, parts, ring_hulls(ring[:-1], 14), density=350.0, symmetry=0)


def cheese(asset_id: str, rng: np.random.Generator) -> Asset:
    """A wedge of cheese with holes in its cut faces."""
    radius, height = rng.uniform(0.11, 0.14), rng.uniform(0.04, 0.055)
    opening = rng.uniform(0.6, 0.85)
    color = named(rng, "yellow")
    rim = arc((0.0, 0.0), radius, -np.pi / 2 - opening / 2, -np.pi / 2 + opening / 2, 9)
    outline = np.concatenate([[(0.0, 0.0)], rim]) + np.array([0.0, radius / 2])
    mesh = extrude(outline, height, 0.0015)
    size = 192
    base = np.array((0.93, 0.76, 0.34)) * rng.uniform(0.97, 1.03)
    image = textures.plain(tuple(base), size, size) * (1 + 0.015 * textures.noise(rng, size, size, 9, 9))[..., None]
    y, x = np.mgrid[0:size, 0:size] / size
    for _ in range(16):
        cx, cy, r = rng.random(), rng.random(), rng.uniform(0.015, 0.05)
        far = np.hypot(x - cx, (y - cy) * 0.8) / r
        hole = np.clip((1 - far) * 6, 0, 1)[..., None]
        image = (
            image * (1 - hole)
            + hole * base * np.array((0.78, 0.70, 0.55)) * (0.85 + 0.2 * (y - cy + r) / (2 * r))[..., None]
        )
    words = phrase(("piece of cheese", "奶酪"), color)
    parts = [(mesh, Material((1.0, 1.0, 1.0), textures.to_texture(image), roughness=0.5))]
    return assemble(asset_id, "cheese", words, parts, [prism_hull(outline, 0.0, height)], density=1050.0)


def cactus(asset_id: str, rng: np.random.Generator) -> Asset:
    """A ribbed cactus in a pot."""
    radius, height = rng.uniform(0.042, 0.058), rng.uniform(0.06, 0.085)
    pot_color = pick(rng, [name for name in (*BRIGHT, "white", "brown", "grey", "black") if name != "green"])
    side = np.concatenate(
        [[(0.72 * radius, 0.0)], curve([(0.74 * radius, 0.003), (0.86 * radius, height / 2), (radius, height)], 4)]
    )
    section = shell(side, 0.004, 0.85 * height)
    texture, _, painted = decorate(
        rng, section, pot_color, (section.v_at(0.15 * height), section.v_at(0.9 * height)), 2 * np.pi * 0.87 * radius
    )
    soil_level = 0.85 * height
    soil_radius = float(section.inner[0, 0]) + 0.002
    soil = lathe(
        [
            (0.0, soil_level - 0.01),
            (soil_radius, soil_level - 0.01),
            (soil_radius, soil_level + 0.001),
            (0.0, soil_level + 0.004),
        ],
        32,
    )
    earth = textures.paper(rng, textures.plain((0.26, 0.18, 0.12), 64, 64), 0.12)
    ribs = int(rng.integers(9, 14))
    tall, wide = rng.uniform(0.08, 0.17), radius * rng.uniform(0.5, 0.66)
    green = np.array((0.24, 0.45, 0.22)) * rng.uniform(0.85, 1.2)
    pieces, hulls = [], turned_hulls(section.outer)
    arms = [(0.0, 0.0, wide, tall, soil_level - 0.004)]
    for side_sign in (-1, 1):
        if tall > 0.12 and rng.random() < 0.5:
            arms.append(
                (side_sign * (wide + 0.012), 0.0, 0.45 * wide, 0.4 * tall, soil_level + rng.uniform(0.35, 0.5) * tall)
            )
    for x, y, r, h, z in arms:
        line = curve(
            [(0.7 * r, 0.0), (r, 0.3 * h), (0.92 * r, 0.75 * h), (0.45 * r, 0.97 * h), (0.0, h)], 2 if x else 4
        )
        body = lathe(np.concatenate([[(0.0, 0.0)], line]), 4 * ribs)
        px, py, pz = body.vertices.T
        groove = 1 - 0.13 * (0.5 - 0.5 * np.cos(ribs * np.arctan2(px, -py)))
        body = body.bent(np.column_stack([px * groove, py * groove, pz]), crease=np.radians(75)).moved(x, y, z)
        pieces.append(body)
        hulls += [hull + np.array([x, y, z]) for hull in turned_hulls(line[:-1] * (0.93, 1.0), 14)]
        if x:
            path = curve([(np.sign(x) * 0.5 * wide, 0, z + 0.02), (x, 0, z - 0.005), (x, 0, z + 0.4 * h)], 4)
            pieces.append(tube(path, 0.4 * wide, 10, up=(0.0, 1.0, 0.0)))
            hulls += tube_hulls(path, 0.38 * wide, 2)
    skin = np.ones((64, 8 * ribs, 3), dtype=np.float32) * green
    columns = (np.arange(8 * ribs) % 8 == 0)[None, :, None] & (np.arange(64) % 5 == 0)[:, None, None]
    skin = np.where(
        columns, np.array((0.9, 0.88, 0.7)), skin * (1 + 0.05 * textures.noise(rng, 64, 8 * ribs, 20, 20))[..., None]
    )
    parts = [
        (lathe(section.profile, 36), Material((1.0, 1.0, 1.0), texture, roughness=0.4)),
        (soil, Material((1.0, 1.0, 1.0), earth, roughness=0.95)),
        (merge(*pieces), Material((1.0, 1.0, 1.0), textures.to_texture(skin), roughness=0.7)),
    ]
    words = Words(f"cactus in {pot_color.name} pot", f"{pot_color.zh}花盆里的仙人掌", pot_color.name)
    # Ribs, and whatever the pot is painted with, look alike from everywhere unless an arm tells.
    symmetry = 1 if len(arms) > 1 or painted else ribs
    return assemble(asset_id, "plant", words, parts, hulls, density=900.0, symmetry=symmetry)


def bucket(asset_id: str, rng: np.random.Generator) -> Asset:
    """A small pail with its wire handle folded to the front."""
    radius, height = rng.uniform(0.07, 0.095), rng.uniform(0.12, 0.16)
    color = pick(rng, ["red", "yellow", "green", "blue", "pink", "grey", "white", "turquoise", "orange"])
    foot = 0.74 * radius
    flank = curve([(foot, 0.003), ((foot + radius) / 2, height / 2), (radius, height)], 2)
    section = shell(np.concatenate([[(foot - 0.002, 0.0)], flank]), 0.0025, 0.004)
    ring = arc((radius, float(section.outer[-1, 1]) - 0.003), 0.004, -np.pi / 2, 1.5 * np.pi, 8)
    ring[-1] = ring[0]
    angle = np.linspace(0, np.pi, 19)
    level = height - 0.016 - 0.02 * np.sin(angle)
    path = np.column_stack([(radius + 0.004) * np.cos(angle), -(radius + 0.008) * np.sin(angle) ** 0.8, level])
    return assemble(
        asset_id,
        "bucket",
        phrase(("bucket", "水桶"), color),
        [
            (merge(lathe(section.profile, 44), lathe(ring, 44)), Material(color.rgb, roughness=0.45)),
            (tube(path, 0.0022, 8), Material((0.55, 0.55, 0.57), roughness=0.3)),
        ],
        wedge_hulls(section.outer, section.inner) + tube_hulls(path, 0.0022, 6),
        density=PLASTIC,
        receptacle=dish(section, "in"),
    )


FAMILIES: dict[str, Family] = {
    "tomato": tomato,
    "pumpkin": pumpkin,
    "donut": donut,
    "cheese": cheese,
    "cactus": cactus,
    "bucket": bucket,
}
