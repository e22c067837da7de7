"""What stands about to be looked at: vases, lamps, candles, plants, sculptures, picture frames, clocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import CERAMIC, Array, Family, Shell, assemble, shell
from gsi_datasets.assets.parametric.finishes import BRASS, DARK, WHITE, grained, grained_up, paint, timber
from gsi_datasets.assets.parametric.frames import clock, picture_frame
from gsi_datasets.assets.parametric.hulls import Hulls, box_hull, turned_hulls
from gsi_datasets.assets.parametric.leaves import foliage
from gsi_datasets.assets.parametric.primitives import Mesh, arc, box, curve, lathe, merge, shade, tube
from gsi_datasets.assets.parametric.tableware import ceramic_color, decorate, plate_section
from gsi_datasets.assets.parametric.words import Words, accent, phrase, pick


# Radius as a share of the widest, height as a share of the whole, from the foot to the lip.
VASES = {
    "bottle": [(0.62, 0.03), (1.0, 0.3), (0.8, 0.55), (0.3, 0.75), (0.28, 0.9), (0.38, 1.0)],
    "round": [(0.5, 0.03), (0.95, 0.3), (1.0, 0.5), (0.72, 0.82), (0.45, 0.92), (0.52, 1.0)],
    "amphora": [(0.4, 0.03), (0.7, 0.3), (1.0, 0.66), (0.8, 0.83), (0.5, 0.92), (0.6, 1.0)],
    "flared": [(0.6, 0.03), (0.5, 0.3), (0.52, 0.6), (0.72, 0.85), (1.0, 1.0)],
    "cylinder": [(0.93, 0.03), (0.96, 0.3), (1.0, 0.65), (0.97, 1.0)],
    "cone": [(0.52, 0.03), (0.66, 0.3), (0.84, 0.65), (1.0, 1.0)],
    "teardrop": [(0.72, 0.03), (1.0, 0.26), (0.66, 0.58), (0.36, 0.8), (0.36, 1.0)],
}
WIDE = ("flared", "cylinder", "cone")


def _vase_section(rng: np.random.Generator, kind: str, height: float, radius: float, steps: int) -> Shell:
    """A hollow vase of one of the kinds in `VASES`, its outline in `steps` pieces from point to point."""
    shape = np.array(VASES[kind])
    shape[1:-1, 0] *= rng.uniform(0.94, 1.06, len(shape) - 2)
    side = curve(shape * (radius / shape[:, 0].max(), height), steps)
    return shell(np.concatenate([[(side[0, 0] - 0.003, 0.0)], side]), 0.0035, 0.01)


def vase(asset_id: str, rng: np.random.Generator) -> Asset:
    """A vase, glazed and perhaps painted or ribbed."""
    kind = str(rng.choice(list(VASES)))
    height = rng.uniform(0.13, 0.26)
    radius = height * rng.uniform(0.22, 0.3) * (1.25 if kind == "round" else 0.85 if kind in WIDE else 1.0)
    base = ceramic_color(rng)
    ribs = int(rng.integers(9, 13)) if rng.random() < 0.25 else 0
    section = _vase_section(rng, kind, height, radius, 3 if ribs else 4)
    mesh = lathe(section.profile, 4 * ribs or 40)
    trait: tuple[str, str] | None
    if ribs:
        texture, trait, symmetry = textures.speckled(rng, textures.plain(base.rgb, 128, 64), 0.0), None, ribs
        x, y, z = mesh.vertices.T
        reach = np.hypot(x, y)
        outside = np.einsum("ij,ij->i", mesh.normals[:, :2], mesh.vertices[:, :2]) > 0.0
        fade = np.clip((z - 0.06 * height) / 0.01, 0, 1) * np.clip((0.9 * height - z) / 0.01, 0, 1) * outside
        factor = 1 - 0.05 * fade * (0.5 - 0.5 * np.cos(ribs * np.arctan2(x, -y))) * (reach > 1e-6)
        mesh = mesh.bent(np.column_stack([x * factor, y * factor, z]), np.radians(50.0))
    else:
        span = (section.v_at(0.12 * height), section.v_at(0.9 * height))
        texture, trait, symmetry = decorate(rng, section, base, span, 2 * np.pi * radius * 0.85)
        if trait and "inside" in trait[0] and kind not in WIDE:
            trait = None
    sizes = [("tall", "高的")] if height > 0.22 else [("small", "小")] if height < 0.15 else []
    shape = [("ribbed", "棱纹")] if ribs else []
    material = Material(WHITE, texture, roughness=rng.uniform(0.15, 0.5))
    return assemble(
        asset_id,
        "vase",
        phrase(("vase", "花瓶"), base, sizes + shape, trait),
        [(mesh, material)],
        turned_hulls(section.outer),
        density=CERAMIC,
        symmetry=symmetry,
    )


def _sleeve_hulls(low: tuple[float, float], high: tuple[float, float], wall: float, sectors: int = 16) -> Hulls:
    """The wall of a hollow cone between two (radius, z), in flat pieces."""
    angle = np.arange(sectors + 1) * (2 * np.pi / sectors)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    grown = 1 + 0.33 * (1 / np.cos(np.pi / sectors) - 1)
    hulls = []
    for i in range(sectors):
        corners = [
            np.column_stack([around[i : i + 2] * grown * radius, np.full(2, z)])
            for r, z in (low, high)
            for radius in (r, r - wall)
        ]
        hulls.append(np.concatenate(corners))
    return hulls


def lamp(asset_id: str, rng: np.random.Generator) -> Asset:
    """A table lamp: a turned base and a cloth shade."""
    tall = rng.uniform(0.17, 0.26)
    radius = tall * rng.uniform(0.24, 0.34)
    low, high = rng.uniform(0.085, 0.115), rng.uniform(0.055, 0.085)
    drop = rng.uniform(0.11, 0.15)
    base, cover = (
        pick(rng),
        pick(rng, ("white", "beige", "beige", "white", "grey", "yellow", "red", "blue", "green", "pink")),
    )
    made = str(rng.choice(["ceramic", "wooden", "stand", "stacked"]))
    wood = timber(rng)
    if made == "stand":
        plate = [(0.0, 0.0), (0.062, 0.0), (0.065, 0.003), (0.065, 0.012), (0.060, 0.016)]
        shape = np.array([*plate[1:], (0.010, 0.019), (0.008, 0.03), (0.008, tall)])
        material = paint(base.rgb, 0.35)
        words = (f"with {base.name} stand", f"{base.zh}支架的")
    else:
        if made == "stacked":
            balls = [
                arc((0.0, z), 0.5 * r, -1.15, 1.15, 7) * (1.35, 1.0)
                for z, r in zip(np.array([0.22, 0.53, 0.82]) * tall, np.array([0.34, 0.30, 0.26]) * tall, strict=True)
            ]
            foot = np.array([(0.058, 0.0), (0.062, 0.004), (0.058, 0.010)])
            shape = np.concatenate([foot, *balls, [(0.009, tall)]])
        else:
            kind = str(rng.choice(["round", "amphora", "teardrop", "bottle"]))
            line = np.array(VASES[kind])[:-1] * (max(radius, 0.05), 0.95 * tall)
            side = curve([*line, (0.012, tall)], 5)
            shape = np.concatenate([[(side[0, 0] - 0.003, 0.0)], side])
        if made == "wooden":
            material, words = grained_up(rng, wood.rgb), (f"with {wood.words[0]} base", f"{wood.words[1]}底座的")
        else:
            image = textures.speckled(rng, textures.plain(base.rgb, 128, 128), 0.0)
            material, words = Material(WHITE, image, roughness=0.25), (f"with {base.name} base", f"{base.zh}底座的")
    foot_mesh = lathe(np.concatenate([[(0.0, 0.0)], shape, [(0.0, tall)]]), 36)

    bottom, top = tall + 0.015, tall + 0.015 + drop
    wall = 0.002
    ring = [(low, bottom), (high, top), (high - wall, top), (low - wall, bottom), (low, bottom)]
    weave = textures.cloth(rng, textures.plain(cover.rgb, 128, 256), 60)
    cloth = Material(WHITE, weave, roughness=0.95, emission=0.12)
    hood = lathe(ring, 40, rect=(0.0, 0.0, 1.0, 1.0))
    # A rod carries the shade by a cloth disc set a little below its top.
    level = top - 0.012
    inset = float(np.interp(level, [bottom, top], [low, high])) - 0.5 * wall
    disc = lathe([(0.0, level - 0.001), (inset, level - 0.001), (inset, level), (0.0, level)], 40)
    rod = lathe([(0.0, tall - 0.004), (0.005, tall - 0.004), (0.005, level), (0.0, level)], 12)
    solid = shape[np.argsort(shape[:, 1], kind="stable")]
    hulls = turned_hulls(np.concatenate([solid, [(0.006, tall + 0.002), (0.006, top - 0.02)]]))
    return assemble(
        asset_id,
        "lamp",
        phrase(
            ("table lamp", "台灯"), None, (), (f"{words[0]} and {cover.name} shade", f"带{cover.zh}灯罩、{words[1]}")
        ),
        [(foot_mesh, material), (merge(hood, disc), cloth), (rod, Material(BRASS, roughness=0.35, metallic=1.0))],
        hulls + _sleeve_hulls((low, bottom), (high, top), 0.004),
        density=0.55 * CERAMIC,
        symmetry=0,
    )


def candle(asset_id: str, rng: np.random.Generator) -> Asset:
    """A pillar candle with a wick, often on a dish or in a stand."""
    radius, height = rng.uniform(0.024, 0.038), rng.uniform(0.06, 0.16)
    color = pick(
        rng, ("white", "white", "red", "green", "blue", "beige", "pink", "purple", "orange", "yellow", "turquoise")
    )
    hollow = rng.uniform(0.003, 0.007)
    edge = arc((radius - 0.003, height - 0.003), 0.003, 0.0, np.pi / 2, 3)
    pool = curve(
        [(radius * 0.72, height - 0.4 * hollow), (radius * 0.4, height - hollow), (0.0, height - 1.05 * hollow)], 3
    )
    outer = np.concatenate([[(radius - 0.0015, 0.0), (radius, 0.0015)], edge])
    tone = textures.plain(color.rgb, 64, 64) * np.linspace(0.96, 1.03, 64, dtype=np.float32)[::-1, None, None]
    wax = Material(WHITE, textures.speckled(rng, tone, 0.0), roughness=0.45)
    body = lathe(np.concatenate([[(0.0, 0.0)], outer, pool]), 36)
    wick = tube(
        [(0, 0, height - hollow - 0.002), (0.0003, 0, height + 0.004), (0.0009, 0, height + 0.009)],
        0.001,
        8,
        up=(0, 1, 0),
    )
    hulls = turned_hulls(outer)
    words, holder = phrase(("pillar candle", "柱形蜡烛"), color), []
    kind = str(rng.choice(["bare", "dish", "stand"]))
    if kind != "bare":
        metal = rng.random() < 0.5
        other = accent(rng, color)
        finish = Material(BRASS, roughness=0.3, metallic=1.0) if metal else paint(other.rgb, 0.3)
        made = ("brass", "黄铜") if metal else (other.name, other.zh)
        if kind == "dish":
            section = plate_section(radius + rng.uniform(0.018, 0.03), 0.013, 0.004, radius + 0.006)
            holder, lift = [(lathe(section.profile, 36), finish)], 0.004
            under = turned_hulls(section.outer[section.outer[:, 1] <= 0.0135])
            noun = ("dish", "托碟")
        else:
            lift, foot = rng.uniform(0.05, 0.11), radius * rng.uniform(1.15, 1.4)
            stem = [(foot - 0.002, 0.0), (foot, 0.003), (foot * 0.9, 0.009)]
            stem += [
                tuple(p)
                for p in curve(
                    [(0.012, 0.022), (0.008, 0.5 * lift), (0.012, lift - 0.012), (radius + 0.004, lift - 0.003)], 4
                )
            ]
            outline = np.array([*stem, (radius + 0.004, lift)])
            holder = [(lathe(np.concatenate([[(0.0, 0.0)], outline, [(0.0, lift)]]), 36), finish)]
            under = turned_hulls(outline)
            noun = ("stand", "烛台")
        body, wick = body.moved(z=lift), wick.moved(z=lift)
        hulls = under + [points + np.array([0.0, 0.0, lift]) for points in hulls]
        words = phrase(
            ("pillar candle", "柱形蜡烛"), color, (), (f"on {made[0]} {noun[0]}", f"置于{made[1]}{noun[1]}上的")
        )
    tip = float(wick.vertices[:, 2].max())
    hulls += turned_hulls([(0.003, tip - 0.01), (0.002, tip)], 8)
    return assemble(
        asset_id,
        "candle",
        words,
        [(body, wax), (wick, DARK), *holder],
        hulls,
        density=900.0 if kind == "bare" else 1300.0,
        symmetry=0,
    )


def plant(asset_id: str, rng: np.random.Generator) -> Asset:
    """A plant in a pot, its leaves upright, arching, in a rosette or on stems."""
    kind = str(rng.choice(["upright", "arching", "rosette", "bushy"]))
    radius = rng.uniform(0.045, 0.07)
    height = radius * rng.uniform(1.35, 1.8) * (0.8 if kind == "rosette" else 1.0)
    base = pick(
        rng,
        ("white", "white", "orange", "brown", "grey", "beige", "blue", "turquoise", "yellow", "pink", "black", "red"),
    )
    taper = rng.uniform(0.68, 0.98)
    rim = rng.random() < 0.5
    wall = [(radius * taper - 0.003, 0.0), (radius * taper, 0.003)]
    if rim:
        lip = 0.8 * height
        at = radius * (taper + (1 - taper) * 0.8)
        wall += [(at, lip), (at + 0.005, lip + 0.0005), (radius + 0.005, height)]
    else:
        wall += [(radius * (taper + (1 - taper) * t), height * t) for t in (0.35, 0.7, 1.0)]
    outer = np.array(wall)
    soil = 0.9 * height
    rim_radius = outer[-1, 0] - 0.004
    profile = np.concatenate(
        [[(0.0, 0.0)], outer, [(rim_radius, height), (rim_radius - 0.001, soil - 0.002), (0.0, soil - 0.002)]]
    )
    grain = textures.noise(rng, 64, 64, 30, 30)
    earth = textures.to_texture(np.array([0.24, 0.16, 0.11]) * (1 + 0.3 * grain[..., None]))
    ground = lathe(
        [(0.0, soil - 0.004), (rim_radius, soil - 0.004), (rim_radius * 0.7, soil + 0.002), (0.0, soil + 0.004)], 24
    )
    pot_texture = textures.speckled(rng, textures.plain(base.rgb, 64, 64), 0.0)
    leaves, look, crown = foliage(rng, kind, rim_radius * 0.8, soil)
    noun = {
        "upright": ("upright plant", "直立绿植"),
        "arching": ("leafy plant", "绿植"),
        "rosette": ("succulent plant", "多肉植物"),
        "bushy": ("bushy plant", "茂密绿植"),
    }[kind]
    hulls = [*turned_hulls(outer), crown]
    return assemble(
        asset_id,
        "plant",
        Words(f"{noun[0]} in {base.name} pot", f"{base.zh}花盆里的{noun[1]}"),
        [
            (lathe(profile, 36), Material(WHITE, pot_texture, roughness=0.6)),
            (ground, Material(WHITE, earth, roughness=1.0)),
            (leaves, look),
        ],
        hulls,
        density=1300.0,
    )


def _twisted(outline: Array, levels: Array, scale: Array, turn: Array) -> tuple[Mesh, Hulls]:
    """A convex outline, (N, 2), raised through levels (L,) with a size and an angle at each."""
    cos, sin = np.cos(turn), np.sin(turn)
    spin = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1) * scale[:, None, None]
    rings = np.einsum("lij,nj->lni", spin, outline)
    rings = np.concatenate([rings, np.broadcast_to(levels[:, None, None], (*rings.shape[:2], 1))], axis=2)
    count = len(outline)
    centre = np.array([[0.0, 0.0, levels[0]], [0.0, 0.0, levels[-1]]])
    vertices = np.concatenate([rings.reshape(-1, 3), centre])
    row, column = np.meshgrid(np.arange(len(levels) - 1), np.arange(count), indexing="ij")
    a, b = row * count + column, row * count + (column + 1) % count
    sides = np.concatenate(
        [np.stack([a, b, b + count], -1).reshape(-1, 3), np.stack([a, b + count, a + count], -1).reshape(-1, 3)]
    )
    ring, bottom, top = np.arange(count), len(vertices) - 2, len(vertices) - 1
    last = (len(levels) - 1) * count
    caps = np.concatenate(
        [
            np.stack([np.roll(ring, -1), ring, np.full(count, bottom)], axis=1),
            np.stack([last + ring, last + np.roll(ring, -1), np.full(count, top)], axis=1),
        ]
    )
    uvs = 0.5 + 0.5 * vertices[:, [0, 2]] / np.abs(vertices).max()
    step = max(1, (len(levels) - 1) // 8)
    cuts = [*range(0, len(levels) - 1, step), len(levels) - 1]
    hulls = [np.concatenate([rings[i], rings[(i + j) // 2], rings[j]]) for i, j in pairwise(cuts) if j > i]
    return shade(vertices, np.concatenate([sides, caps]), uvs, np.radians(30.0)), hulls


def _ring_hulls(path: Array, thick: Array) -> Hulls:
    """A closed rod in the xz plane, (P, 3) with half its thickness (P,), in ten pieces."""
    count = len(path)
    middle = path.mean(axis=0)
    outward = (path - middle) / np.linalg.norm(path - middle, axis=1, keepdims=True)
    angle = np.pi / 8 + np.arange(8) * np.pi / 4
    section = np.cos(angle)[None, :, None] * outward[:, None] + np.sin(angle)[None, :, None] * np.array(
        [0.0, 1.0, 0.0]
    )
    rings = path[:, None] + thick[:, None, None] * section
    step = count // 10
    return [rings[np.arange(i, i + step + 1) % count].reshape(-1, 3) for i in range(0, count, step)]


def sculpture(asset_id: str, rng: np.random.Generator) -> Asset:
    """An abstract form on a plinth: a twisted column, stacked pebbles or a ring."""
    kind = str(rng.choice(["twisted", "pebbles", "ring"]))
    color = pick(rng)
    side, base = rng.uniform(0.045, 0.055), 0.018
    plinth = box((2 * side, 2 * side, base), 0.0015)
    wood = timber(rng)
    stand = grained(rng, wood.rgb) if rng.random() < 0.6 else DARK
    matter = Material(
        WHITE, textures.speckled(rng, textures.plain(color.rgb, 64, 64), 0.0), roughness=rng.uniform(0.2, 0.6)
    )
    brass = rng.random() < 0.2
    if brass:
        matter = Material(BRASS, roughness=0.28, metallic=1.0)
    symmetry = 1
    if kind == "twisted":
        corners = int(rng.choice([3, 4, 5]))
        angle = np.arange(corners) * 2 * np.pi / corners + np.pi / 4
        points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        ahead = np.roll(points, -1, axis=0) - points
        outline = np.stack([points + t * ahead for t in (0.12, 0.5, 0.88)], axis=1).reshape(-1, 2) * 0.042
        levels = np.linspace(0.0, rng.uniform(0.14, 0.24), 25)
        rise = levels / levels[-1]
        mesh, hulls = _twisted(
            outline, levels, 1 - rng.uniform(0.1, 0.55) * rise, rng.uniform(1.2, 3.0) * rise * rng.choice([-1, 1])
        )
        symmetry = 4 if corners == 4 else 1
        noun = ("twisted sculpture", "扭转雕塑")
    elif kind == "pebbles":
        z, pieces, hulls = -0.002, [], []
        size = rng.uniform(0.038, 0.046)
        for _ in range(int(rng.integers(3, 6))):
            x, y, h = size, size * rng.uniform(0.75, 0.95), size * rng.uniform(0.42, 0.6)
            tilt = np.linspace(-1.25, 1.25, 9)
            line = np.stack([np.cos(tilt), np.sin(tilt) / np.sin(1.25) * h / size], axis=1) * size
            pebble = lathe(np.concatenate([[(0.0, line[0, 1])], line, [(0.0, line[-1, 1])]]), 28)
            pebble = pebble.scaled(1.0, y / x, 1.0).turned("z", rng.uniform(0, np.pi)).moved(z=z + h)
            pieces.append(pebble)
            hulls.append(np.unique(pebble.vertices[::2], axis=0))
            z += 2 * h - 0.002
            size *= rng.uniform(0.74, 0.88)
        mesh, noun = merge(*pieces), ("stacked pebble sculpture", "叠石雕塑")
    else:
        radius, thick = rng.uniform(0.05, 0.075), rng.uniform(0.009, 0.015)
        angle = -np.pi / 2 + np.arange(40) * 2 * np.pi / 40
        path = np.column_stack([radius * np.cos(angle), np.zeros(40), radius * np.sin(angle)])
        weight = thick * (1.25 - 0.45 * np.sin(angle - 0.6))
        mesh = tube(path, weight, 14, closed=True, up=(0.0, 1.0, 0.0))
        lift = -float(mesh.vertices[:, 2].min()) - 0.004
        mesh = mesh.moved(z=lift)
        hulls = _ring_hulls(path + np.array([0.0, 0.0, lift]), weight)
        noun = ("ring sculpture", "圆环雕塑")
    hulls = [points + np.array([0.0, 0.0, base]) for points in hulls]
    return assemble(
        asset_id,
        "sculpture",
        phrase(noun, None, [("brass", "黄铜")]) if brass else phrase(noun, color),
        [(mesh.moved(z=base), matter), (plinth, stand)],
        [box_hull((-side, -side, 0.0), (side, side, base)), *hulls],
        density=1200.0,
        symmetry=1 if stand is not DARK else symmetry,
    )


FAMILIES: dict[str, Family] = {
    "vase": vase,
    "lamp": lamp,
    "candle": candle,
    "plant": plant,
    "sculpture": sculpture,
    "picture_frame": picture_frame,
    "clock": clock,
}
