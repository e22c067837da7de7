"""What one eats: fruit that rests on a flat spot without rolling, bread, cake."""

from __future__ import annotations

import colorsys

import numpy as np

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import FRUIT, Array, Family, assemble
from gsi_datasets.assets.parametric.hulls import Hulls, tube_hulls, turned_hulls
from gsi_datasets.assets.parametric.primitives import Mesh, along, arc, curve, ellipsoid, lathe, loft, merge, tube
from gsi_datasets.assets.parametric.words import RGB, Color, accent, named, phrase, pick


Span = tuple[float, float]
Parts = list[tuple[Mesh, Material]]

BREAD, CAKE = 300.0, 450.0  # kg / m^3

# Ripe and unripe skins: hue, saturation and value, each as a range; nature's green is yellower than a glaze's.
_SKINS: dict[str, dict[str, tuple[Span, Span, Span]]] = {
    "apple": {
        "red": ((-0.02, 0.01), (0.75, 0.88), (0.58, 0.74)),
        "green": ((0.225, 0.255), (0.62, 0.76), (0.62, 0.74)),
        "yellow": ((0.135, 0.150), (0.60, 0.72), (0.86, 0.93)),
    },
    "pear": {
        "green": ((0.215, 0.245), (0.55, 0.68), (0.62, 0.74)),
        "yellow": ((0.130, 0.148), (0.55, 0.68), (0.84, 0.92)),
        "brown": ((0.070, 0.085), (0.55, 0.66), (0.46, 0.55)),
        "red": ((-0.02, 0.01), (0.68, 0.80), (0.52, 0.64)),
    },
    "orange": {"orange": ((0.066, 0.085), (0.86, 0.94), (0.88, 0.96))},
    "lemon": {
        "yellow": ((0.136, 0.152), (0.72, 0.84), (0.88, 0.95)),
        "green": ((0.215, 0.245), (0.62, 0.74), (0.52, 0.64)),
    },
    "banana": {
        "yellow": ((0.130, 0.145), (0.70, 0.80), (0.88, 0.94)),
        "green": ((0.205, 0.230), (0.60, 0.70), (0.64, 0.74)),
    },
}


def ripe(rng: np.random.Generator, fruit: str) -> Color:
    """A colour the fruit has by nature."""
    skins = _SKINS[fruit]
    # The first is the commonest.
    name = str(rng.choice([*skins, next(iter(skins))]))
    h, s, v = (float(rng.uniform(*span)) for span in skins[name])
    return Color(name, colorsys.hsv_to_rgb(h % 1.0, s, v))


def skin(
    rng: np.random.Generator,
    color: RGB,
    *,
    streaks: float = 0.0,
    freckles: float = 0.0,
    pores: float = 0.0,
    ends: RGB | None = None,
) -> textures.Texture:
    """(128, 128, 3) fruit skin; u runs around, v from the flat spot to the stem.

    Args:
        rng: source of chance.
        color: of the flesh of the skin.
        streaks: strength of fine stripes from pole to pole.
        freckles: share of the pixels that are pale spots.
        pores: strength of a fine grain.
        ends: colour around the stem; None for the same.
    """
    size = 128
    image = textures.plain(color, size, size)
    if ends is not None:
        v = np.linspace(1, 0, size, dtype=np.float32)[:, None]
        cover = np.clip((v - 0.80) / 0.14 + 0.12 * textures.noise(rng, size, size, 4, 16), 0, 1)[..., None]
        image += 0.75 * cover * (np.asarray(ends, dtype=np.float32) - image)
    tone = 1 + 0.02 * textures.noise(rng, size, size, 3, 6)
    tone = tone + streaks * textures.noise(rng, size, size, 2, 40) + pores * textures.noise(rng, size, size, 60, 60)
    spots = (rng.random((size, size, 1)) < freckles).astype(np.float32)
    image = image * tone[..., None]
    return textures.to_texture(image + 0.35 * spots * (1 - image))


def stalk(rng: np.random.Generator, foot: float, length: float, leaf: bool) -> tuple[Parts, Hulls]:
    """An upright stem from `foot` metres above the ground, with a leaf to the right if wanted."""
    line = np.array([(0.0, 0.0, foot - 0.003), (0.0, 0.0, foot + 0.5 * length), (0.0, 0.0, foot + length)])
    stem = tube(line, [0.0012, 0.0012, 0.0017], 8, up=(0.0, 1.0, 0.0))
    brown = (0.33, 0.22, 0.12)
    parts, hulls = [(stem, Material(brown, roughness=0.8))], tube_hulls(line, 0.0015, 1)
    if leaf:
        reach, wide, rise = rng.uniform(0.026, 0.034), rng.uniform(0.007, 0.0095), rng.uniform(0.002, 0.008)
        start = foot + 0.6 * length
        points = [(0.0, start), (0.35 * reach, start + rise), (reach, start + 0.3 * rise)]
        path = curve(points, 5)
        spine = np.column_stack([path[:, 0], np.zeros(len(path)), path[:, 1]])
        width = wide * np.sin(np.pi * np.linspace(0, 1, len(path)) ** 0.8) + 0.0005
        blade = tube(spine, width, 10, 0.1, up=(0.0, 1.0, 0.0))
        turn = rng.uniform(0, 2 * np.pi)
        parts.append((blade.turned("z", turn), Material(named(rng, "green").rgb, roughness=0.55)))
        cos, sin = np.cos(turn), np.sin(turn)
        spun = np.array([(cos, sin, 0.0), (-sin, cos, 0.0), (0.0, 0.0, 1.0)])
        hulls += [points @ spun for points in tube_hulls(spine, 0.1 * width, 2, 10.0)]
    return parts, hulls


def leafy(rng: np.random.Generator, share: float) -> tuple[bool, tuple[str, str] | None]:
    """Whether the fruit has kept its leaf, and the words for it."""
    leaf = bool(rng.random() < share)
    return leaf, ("with a leaf", "带叶子的") if leaf else None


def convex(profile: Array) -> Hulls:
    """Hulls of a turned fruit: the outside up to its highest ring."""
    top = int(np.argmax(profile[:, 1]))
    return turned_hulls(np.maximum.accumulate(profile[1 : top + 1], axis=0) * (0, 1) + profile[1 : top + 1] * (1, 0))


def apple(asset_id: str, rng: np.random.Generator) -> Asset:
    """A standing apple, round, flat or tall."""
    radius = rng.uniform(0.034, 0.042)
    height = radius * rng.uniform(1.62, 1.95)
    low = rng.uniform(0.33, 0.4)
    outline = [
        (low, 0.0),
        (0.72, 0.10),
        (0.97, 0.38),
        (1.0, 0.58),
        (0.88, 0.84),
        (0.52, 1.0),
        (0.26, 0.95),
        (0.0, 0.85),
    ]
    profile = np.concatenate([[(0.0, 0.0)], curve(np.array(outline) * (radius, height), 4)])
    color = ripe(rng, "apple")
    streaks = rng.uniform(0.03, 0.08) if color.name == "red" else 0.015
    texture = skin(rng, color.rgb, streaks=streaks, freckles=0.002, ends=(0.72, 0.70, 0.30))
    leaf, trait = leafy(rng, 0.4)
    parts, hulls = stalk(rng, 0.86 * height, rng.uniform(0.26, 0.34) * height, leaf)
    body = (lathe(profile, 36, crease=1.2), Material((1.0, 1.0, 1.0), texture, roughness=rng.uniform(0.28, 0.4)))
    words = phrase(("apple", "苹果"), color, (), trait)
    return assemble(
        asset_id, "apple", words, [body, *parts], convex(profile) + hulls, density=FRUIT, symmetry=1 if leaf else 0
    )


def pear(asset_id: str, rng: np.random.Generator) -> Asset:
    """A standing pear."""
    radius = rng.uniform(0.031, 0.037)
    height = radius * rng.uniform(2.3, 2.9)
    neck = rng.uniform(0.40, 0.5)
    outline = [
        (0.38, 0.0),
        (0.74, 0.05),
        (1.0, 0.27),
        (0.93, 0.46),
        (0.66, 0.66),
        (neck, 0.86),
        (0.26, 0.985),
        (0.1, 1.0),
        (0.0, 0.99),
    ]
    profile = np.concatenate([[(0.0, 0.0)], curve(np.array(outline) * (radius, height), 4)])
    color = ripe(rng, "pear")
    texture = skin(rng, color.rgb, streaks=0.012, freckles=0.005, pores=0.02)
    leaf, trait = leafy(rng, 0.35)
    parts, hulls = stalk(rng, 0.99 * height, rng.uniform(0.016, 0.022), leaf)
    body = (lathe(profile, 36, crease=1.2), Material((1.0, 1.0, 1.0), texture, roughness=0.5))
    words = phrase(("pear", "梨"), color, (), trait)
    return assemble(
        asset_id, "pear", words, [body, *parts], convex(profile) + hulls, density=FRUIT, symmetry=1 if leaf else 0
    )


def orange(asset_id: str, rng: np.random.Generator) -> Asset:
    """An orange; its name says its colour."""
    radius = rng.uniform(0.033, 0.043)
    color = ripe(rng, "orange")
    flat = rng.uniform(0.9, 1.0)
    base = rng.uniform(0.3, 0.36)
    body = ellipsoid((radius, radius, radius * flat), 36, 20, base)
    texture = skin(rng, color.rgb, pores=0.03)
    parts = [(body, Material((1.0, 1.0, 1.0), texture, roughness=0.45))]
    top = float(body.vertices[:, 2].max())
    angle = np.linspace(-np.pi / 2 + np.arcsin(base), np.pi / 2, 9)
    rise = flat * (np.sin(angle) + np.sqrt(1 - base**2))
    hulls = turned_hulls(radius * np.column_stack([np.cos(angle), rise]))
    leaf, trait = leafy(rng, 0.5)
    if leaf:
        more, extra = stalk(rng, top, 0.006, True)
        parts, hulls = parts + more, hulls + extra
    else:
        button = lathe([(0.0, -0.001), (0.0032, -0.001), (0.003, 0.0006), (0.0, 0.001)], 12).moved(z=top)
        parts.append((button, Material((0.36, 0.42, 0.16), roughness=0.8)))
    size = [("large", "大")] if radius > 0.0395 else [("small", "小")] if radius < 0.0355 else []
    words = phrase(("orange", "橙子"), None, size, trait)
    return assemble(asset_id, "orange", words, parts, hulls, density=FRUIT, symmetry=1 if leaf else 0)


def lemon(asset_id: str, rng: np.random.Generator) -> Asset:
    """A lemon lying on its side."""
    radius = rng.uniform(0.024, 0.029)
    length = radius * rng.uniform(2.5, 2.9)
    outline = [(0.0, 0.0), (0.13, 0.012), (0.22, 0.045), (0.55, 0.13), (0.95, 0.36), (1.0, 0.52), (0.82, 0.76)]
    outline += [(0.45, 0.90), (0.24, 0.94), (0.17, 0.985), (0.0, 1.0)]
    profile = curve(np.array(outline) * (radius, length), 3)
    profile[[0, -1], 0] = 0.0
    color = ripe(rng, "lemon")
    body = _laid(lathe(profile, 32, crease=1.2), 0.93 * radius)
    texture = skin(rng, color.rgb, pores=0.03)
    coarse = _laid(lathe(profile[::2], 24), 0.93 * radius).vertices
    material = Material((1.0, 1.0, 1.0), texture, roughness=0.42)
    words = phrase(("lemon", "柠檬"), color)
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    spun = np.array([(cos, sin, 0.0), (-sin, cos, 0.0), (0.0, 0.0, 1.0)])
    hull = np.unique(coarse.round(6), axis=0) @ spun
    return assemble(asset_id, "lemon", words, [(body.turned("z", turn), material)], [hull], density=FRUIT)


def _laid(mesh: Mesh, height: float) -> Mesh:
    """A turned thing laid along x, with what is more than `height` below its axis cut flat."""
    lying = mesh.turned("y", np.pi / 2)
    x, y, z = lying.vertices.T
    return lying.bent(np.column_stack([x - (x.min() + x.max()) / 2, y, np.maximum(z + height, 0.0)]), 1.0)


def banana(asset_id: str, rng: np.random.Generator) -> Asset:
    """A banana lying on its side."""
    bend, reach = rng.uniform(1.3, 1.8), rng.uniform(0.155, 0.195)
    thick = rng.uniform(0.0155, 0.0185)
    steps = 25
    angle = np.linspace(-bend / 2, bend / 2, steps)
    round_ = reach / bend
    path = np.column_stack([round_ * np.sin(angle), -round_ * np.cos(angle), np.full(steps, 0.88 * thick)])
    t = np.linspace(0, 1, steps)
    points = [(0.0, 0.2), (0.035, 0.24), (0.12, 0.66), (0.3, 0.97), (0.5, 1.0), (0.72, 0.9), (0.84, 0.52), (0.91, 0.3)]
    size = thick * np.interp(t, *np.array([*points, (1.0, 0.27)]).T)
    body = tube(path, size, 10, up=(0.0, 0.0, 1.0))
    body = body.bent(np.maximum(body.vertices, (-np.inf, -np.inf, 0.0)), 0.8)
    color = ripe(rng, "banana")
    image = skin(rng, color.rgb, pores=0.012).astype(np.float32) / 255.0
    v = np.linspace(1, 0, len(image), dtype=np.float32)[:, None]
    dark = np.array((0.26, 0.17, 0.09), dtype=np.float32)
    spotted = color.name == "yellow" and rng.random() < 0.45
    cover = np.clip((0.03 - v) / 0.015, 0, 1) + np.clip((v - 0.975) / 0.015, 0, 1) + np.zeros_like(image[..., 0])
    if spotted:
        tall, wide = cover.shape
        spots = textures.noise(rng, tall, wide, 40, 16) + 0.5 * textures.noise(rng, tall, wide, 70, 30)
        cover = cover + np.clip((spots - 1.7) / 0.3, 0, 0.8)
    cover = np.clip(cover, 0, 1)[..., None]
    texture = textures.to_texture(image * (1 - cover) + cover * dark)
    hulls = [np.maximum(points, (-np.inf, -np.inf, 0.0)) for points in tube_hulls(path, size, 6)]
    words = phrase(("banana", "香蕉"), color, (), ("with brown spots", "带棕色斑点的") if spotted else None)
    material = Material((1.0, 1.0, 1.0), texture, roughness=0.5)
    return assemble(asset_id, "banana", words, [(body, material)], hulls, density=FRUIT)


def crust(rng: np.random.Generator, color: RGB, flour: float) -> Array:
    """(128, 128, 3) baked crust, darker in patches and dusted with a share of flour, in [0, 1]."""
    size = 128
    patches = textures.noise(rng, size, size, 5, 5) + 0.6 * textures.noise(rng, size, size, 16, 16)
    grain = textures.noise(rng, size, size, 60, 60)
    image = textures.plain(color, size, size) * (1 - 0.05 * patches + 0.025 * grain)[..., None]
    dust = np.clip(flour * (0.8 + 0.5 * patches + 0.15 * grain), 0, 0.85)[..., None]
    return (image * (1 - dust) + dust * np.array([0.95, 0.91, 0.84])).astype(np.float32)


def scored(image: Array, centres: Array, half: tuple[float, float], slant: float) -> textures.Texture:
    """Cut pale slashes into a crust.

    Args:
        image: (H, W, 3), changed in place.
        centres: (N, 2) of (u, v).
        half: half length and half width in texture units.
        slant: radians from the u axis.
    """
    height, width = image.shape[:2]
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
    for cu, cv in centres:
        along_cut = (u - cu) * np.cos(slant) + (v - cv) * np.sin(slant)
        across = -(u - cu) * np.sin(slant) + (v - cv) * np.cos(slant)
        inside = 1 - (along_cut / half[0]) ** 2 - (across / half[1]) ** 2
        cover = np.clip(inside * 3, 0, 1)[..., None]
        image[:] = image * (1 - cover) + cover * np.array([0.90, 0.77, 0.55])
    return textures.to_texture(image)


def bread(asset_id: str, rng: np.random.Generator) -> Asset:
    """A loaf: baked in a tin, round, or a baguette."""
    hue, dark = rng.uniform(0.066, 0.08), rng.uniform(0.5, 0.62)
    color = Color("brown", colorsys.hsv_to_rgb(hue, rng.uniform(0.58, 0.68), dark))
    flour = float(rng.choice([0.0, 0.12, 0.3]))
    image = crust(rng, color.rgb, flour)
    symmetry = 1
    if (kind := str(rng.choice(["tin", "round", "stick"]))) == "tin":
        length, width, height = rng.uniform(0.19, 0.24), rng.uniform(0.095, 0.11), rng.uniform(0.09, 0.11)
        half = width / 2
        side = [(0.86 * half, 0.0), (0.93 * half, 0.004), (0.98 * half, 0.45 * height), (half, 0.6 * height)]
        top = [(0.97 * half, 0.78 * height), (0.6 * half, 0.96 * height), (0.0, height)]
        right = np.concatenate([side[:2], curve([*side[1:], *top], 3)[1:]])
        outline = np.concatenate([right, (right * (-1, 1))[-2::-1]])
        t = np.array([-1.0, -0.985, -0.94, -0.85, -0.5, 0.0, 0.5, 0.85, 0.94, 0.985, 1.0])
        wide, tall = 1 - 0.07 * np.abs(t) ** 30, 1 - 0.05 * t**4 - 0.07 * np.abs(t) ** 30
        sections = np.stack([np.full((len(t), len(outline)), 0.0)] * 3, axis=2)
        sections[..., 0] = t[:, None] * length / 2
        sections[..., 1:] = outline[None] * np.stack([wide, tall], axis=1)[:, None]
        loaf = loft(sections, 0.9)
        texture = textures.to_texture(image)
        hulls = [sections[::2].reshape(-1, 3)]
        words = phrase(("loaf of bread", "吐司面包"), color)
        symmetry = 2
    elif kind == "round":
        radius, height = rng.uniform(0.075, 0.1), rng.uniform(0.07, 0.09)
        bulge = [(0.82, 0.0), (0.98, 0.16), (1.0, 0.34), (0.83, 0.72), (0.45, 0.96), (0.0, 1.0)]
        profile = np.concatenate([[(0.0, 0.0)], curve(np.array(bulge) * (radius, height), 4)])
        loaf = lathe(profile, 40, crease=1.0)
        symmetry = int(rng.integers(4, 7))
        v = float(np.interp(0.72 * height, profile[1:, 1], along(profile)[1:]))
        cuts = np.array([((i + 0.5) / symmetry, v) for i in range(symmetry)])
        texture = scored(image, cuts, (0.16, 0.016), np.pi / 2)
        hulls = turned_hulls(profile[1:])
        words = phrase(("round loaf of bread", "圆面包"), color)
    else:
        length, radius = rng.uniform(0.3, 0.4), rng.uniform(0.03, 0.036)
        t = np.linspace(0, 1, 25)
        swell = np.sqrt(np.clip(1 - np.abs(2 * t - 1) ** 5, 0.02, 1))
        path = np.column_stack([(t - 0.5) * length, np.zeros((25, 2))])
        loaf = tube(path, radius * swell, 20, up=(0.0, 0.0, 1.0))
        low = 0.72 * radius
        x, y, z = loaf.vertices.T
        loaf = loaf.bent(np.column_stack([x, y, np.maximum(z, -low) + low]), 0.9)
        cuts = np.array([(u, v) for u in (0.0, 1.0) for v in np.linspace(0.16, 0.84, 6)])
        texture = scored(image, cuts, (0.11, 0.014), 0.45)
        hulls = [
            np.maximum(points, (-np.inf, -np.inf, -low)) + np.array([0.0, 0.0, low])
            for points in tube_hulls(path, radius * swell, 3)
        ]
        words = phrase(("baguette", "法棍面包"), color)
    material = Material((1.0, 1.0, 1.0), texture, roughness=0.8)
    return assemble(asset_id, "bread", words, [(loaf, material)], hulls, density=BREAD, symmetry=symmetry)


def cake(asset_id: str, rng: np.random.Generator) -> Asset:
    """A round iced cake, plain or with berries around its edge."""
    radius, height = rng.uniform(0.075, 0.1), rng.uniform(0.055, 0.075)
    color = pick(rng, ["white", "pink", "brown", "beige", "yellow", "turquoise", "purple"])
    other = accent(rng, color)
    round_edge = 0.009
    edge = arc((radius - round_edge, height - round_edge), round_edge, 0.0, np.pi / 2, 4)
    profile = np.concatenate([[(0.0, 0.0), (radius, 0.0)], edge, [(0.0, height)]])
    image = textures.plain(color.rgb, 256, 128)
    ring = along(profile)
    wall = float(ring[2] - ring[1])
    banded = rng.random() < 0.5
    if banded:
        textures.bands(image, [(ring[1] + 0.3 * wall, ring[1] + 0.62 * wall)], other.rgb)
    else:
        textures.bands(image, [(ring[1], ring[1] + 0.18 * wall)], other.rgb)
    parts = [(lathe(profile, 48), Material((1.0, 1.0, 1.0), textures.to_texture(image), roughness=0.6))]
    hulls = turned_hulls(profile[1:-1])
    part = "band" if banded else "base"
    trait = (f"with {other.name} {part}", f"带{other.zh}环带的" if banded else f"{other.zh}底部的")
    symmetry = 0
    if rng.random() < 0.7:
        symmetry = int(rng.integers(6, 11))
        berry = pick(rng, [name for name in ("red", "blue", "white", "pink") if name not in (color.name, other.name)])
        size = rng.uniform(0.008, 0.011)
        angle = -np.pi / 2 + np.arange(symmetry) * 2 * np.pi / symmetry
        spots = 0.74 * radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        one = ellipsoid((size, size, size), 12, 8, 0.4)
        berries = merge(*(one.moved(x, y, height - 0.001) for x, y in spots))
        parts.append((berries, Material(berry.rgb, roughness=0.3)))
        corners = turned_hulls(
            [(0.4 * size, 0.0), (size, 0.9 * size), (0.55 * size, 1.75 * size), (0.0, 1.91 * size)], 8
        )
        hulls += [points + np.array([x, y, height - 0.001]) for x, y in spots for points in corners]
        trait = (f"with {berry.name} berries", f"带{berry.zh}浆果的")
    words = phrase(("cake", "蛋糕"), color, (), trait)
    return assemble(asset_id, "cake", words, parts, hulls, density=CAKE, symmetry=symmetry)


FAMILIES: dict[str, Family] = {
    "apple": apple,
    "orange": orange,
    "lemon": lemon,
    "pear": pear,
    "banana": banana,
    "bread": bread,
    "cake": cake,
}
