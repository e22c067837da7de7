"""What stands on desks and sideboards: radios, speakers, staplers, globes, remote controls, laptops."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import METAL, WOOD, Array, Family, assemble
from gsi_datasets.assets.parametric.finishes import BRASS, DARK, STEEL, WHITE, grained, paint, timber
from gsi_datasets.assets.parametric.hulls import box_hull, tube_hulls, turned_hulls
from gsi_datasets.assets.parametric.pictures import artwork
from gsi_datasets.assets.parametric.primitives import Mesh, Rect, arc, box, ellipsoid, extrude, lathe, merge, tube
from gsi_datasets.assets.parametric.words import RGB, Words, bright_enough, named, phrase, pick


LEVEL = (0.0, 1.0, 0.0)
CORNER: Rect = (0.005, 0.005, 0.02, 0.02)
CHROME = Material(STEEL, roughness=0.25, metallic=1.0)
BLACK: RGB = (0.10, 0.10, 0.11)


def _knob(x: float, front: float, z: float, radius: float, depth: float) -> Mesh:
    """A round knob that stands off the front at y = -`front`."""
    line = [(0.0, 0.0), (radius, 0.0), (radius * 0.94, depth - 0.001), (radius * 0.85, depth), (0.0, depth)]
    return lathe(line, 20).turned("x", np.pi / 2).moved(x, -front, z)


def _panel(size: tuple[float, float], thick: float, front: float, z: float) -> Mesh:
    """A thin plate with the whole texture on its front, standing off the plane y = -`front` by `thick`."""
    sides = dict.fromkeys(("right", "back", "left", "top", "bottom"), CORNER)
    return box((size[0], 2 * thick, size[1]), 0.0005, sides).moved(y=-front, z=z)


def _case(rng: np.random.Generator) -> tuple[Material, RGB, tuple[str, str], str]:
    """Painted or wooden: the surface, its colour, an adjective in both languages, and the colour's word."""
    if rng.random() < 0.4:
        wood = timber(rng)
        return grained(rng, wood.rgb), wood.rgb, wood.words, ""
    color = pick(rng)
    return paint(color.rgb, 0.4), color.rgb, (color.name, color.zh), color.name


def radio(asset_id: str, rng: np.random.Generator) -> Asset:
    """A table radio: pierced loudspeaker on the left, dial and knobs on the right, an aerial or a carrying handle."""
    wide, tall, deep = rng.uniform(0.17, 0.25), rng.uniform(0.105, 0.145), rng.uniform(0.055, 0.08)
    finish, _, words, color = _case(rng)
    face_size = (wide - 0.014, tall - 0.014)
    ground = named(rng, str(rng.choice(["white", "beige", "black", "grey"]))).rgb
    ink = (0.12, 0.11, 0.11) if bright_enough(ground) else (0.80, 0.76, 0.68)
    ratio = face_size[1] / face_size[0]
    rows = int(256 * ratio)
    face = textures.Print(ground, rows, 256)
    across, up = 13, int(13 * ratio / 0.56 * 0.78)
    for i in range(across):
        for j in range(up):
            face.disc(0.05 + 0.5 * (i + 0.5) / across, 0.5 + 0.8 * ((j + 0.5) / up - 0.5), 0.0135, ink)
    face.box(0.61, 0.56, 0.95, 0.86, (0.96, 0.90, 0.70))
    for i in range(17):
        x = 0.63 + 0.3 * i / 16
        face.box(x - 0.002, 0.62, x + 0.002, 0.72 if i % 4 else 0.78, (0.15, 0.12, 0.10))
    needle = rng.uniform(0.65, 0.91)
    face.box(needle - 0.004, 0.58, needle + 0.004, 0.84, (0.80, 0.10, 0.08))
    front = Material(WHITE, textures.to_texture(face.done()), roughness=0.5)
    radius = 0.13 * face_size[1]
    knobs = [
        _knob((share - 0.5) * face_size[0], deep / 2 + 0.002, 0.007 + 0.28 * face_size[1], radius, 0.011)
        for share in (0.69, 0.87)
    ]
    hulls = [box_hull((-wide / 2, -deep / 2 - 0.002, 0.0), (wide / 2, deep / 2, tall))]
    for knob in knobs:
        low, high = knob.vertices.min(axis=0), knob.vertices.max(axis=0)
        hulls.append(box_hull(tuple(low), tuple(high)))
    metal = knobs
    if rng.random() < 0.5:
        lean = rng.uniform(-0.05, 0.05)
        path = np.array(
            [(0.4 * wide, 0.3 * deep, tall - 0.003), (0.4 * wide + lean, 0.3 * deep, tall + rng.uniform(0.06, 0.12))]
        )
        metal = [*knobs, tube(path, 0.0022, 8, up=LEVEL)]
        hulls += tube_hulls(path, 0.0022, 1)
        extra = ("with an aerial", "带天线的")
    else:
        reach, rise = 0.33 * wide, rng.uniform(0.022, 0.032)
        arch = [(-reach, tall - 0.003), (-reach, tall + 0.6 * rise), (-0.88 * reach, tall + rise)]
        line = np.array([*arch, *((-x, z) for x, z in arch[::-1])])
        path = np.column_stack([line[:, 0], np.zeros(6), line[:, 1]])
        metal = [*knobs, tube(path, 0.0038, 10, 1.4, up=LEVEL)]
        hulls += tube_hulls(path, 0.0038, 5)
        extra = ("with a carrying handle", "带提手的")
    case = box((wide, deep, tall), 0.005)
    return assemble(
        asset_id,
        "radio",
        Words(f"{words[0]} radio {extra[0]}", f"{extra[1]}{words[1]}收音机", color),
        [(case, finish), (_panel(face_size, 0.002, deep / 2, 0.007), front), (merge(*metal), CHROME)],
        hulls,
        density=500.0,
    )


def speaker(asset_id: str, rng: np.random.Generator) -> Asset:
    """A bookshelf speaker with two round drivers on a dark front."""
    wide, tall, deep = rng.uniform(0.11, 0.15), rng.uniform(0.17, 0.25), rng.uniform(0.11, 0.16)
    finish, _, words, color = _case(rng)
    face_size = (wide - 0.008, tall - 0.008)
    front = textures.Print(BLACK, int(128 * face_size[1] / face_size[0]), 128)
    tones = ((0.30, 0.30, 0.31), (0.06, 0.06, 0.06), (0.16, 0.16, 0.17), (0.24, 0.24, 0.25))
    cone = named(rng, "yellow").rgb if rng.random() < 0.2 else tones[2]
    low, high = 0.36 * face_size[0], 0.18 * face_size[0]
    levels = (0.36, 0.79)
    for level, radius in zip(levels, (low, high), strict=True):
        share = radius / face_size[0]
        for scale, tone in ((0.98, tones[1]), (0.86, cone), (0.55, tuple(0.8 * c for c in cone)), (0.32, tones[3])):
            front.disc(0.5, level, share * scale, (tone[0], tone[1], tone[2]))
    rings = []
    for level, radius in zip(levels, (low, high), strict=True):
        line = [(radius, 0.0), (radius + 0.004, 0.0), (radius + 0.003, 0.0025), (radius, 0.0025), (radius, 0.0)]
        rings.append(
            lathe(line, 40).turned("x", np.pi / 2).moved(y=-deep / 2 - 0.0015, z=0.004 + level * face_size[1])
        )
    return assemble(
        asset_id,
        "speaker",
        Words(f"{words[0]} speaker", f"{words[1]}音箱", color),
        [
            (box((wide, deep, tall), 0.003), finish),
            (
                _panel(face_size, 0.0015, deep / 2, 0.004),
                Material(WHITE, textures.to_texture(front.done()), roughness=0.8),
            ),
            (merge(*rings), CHROME),
        ],
        [box_hull((-wide / 2, -deep / 2 - 0.004, 0.0), (wide / 2, deep / 2, tall))],
        density=0.8 * WOOD,
    )


def stapler(asset_id: str, rng: np.random.Generator) -> Asset:
    """A stapler, its nose to the left."""
    length, width = rng.uniform(0.12, 0.155), rng.uniform(0.03, 0.038)
    color = pick(rng, ("red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "white", "black"))
    a = length / 2
    foot = extrude(np.array([(-a, -width / 2), (a, -width / 2), (a, width / 2), (-a, width / 2)]), 0.007, 0.0015)
    # Side views, counter-clockwise in (x, z): the magazine, and the arm above it.
    rail = np.array([(-a + 0.004, 0.019), (a - 0.012, 0.007), (a - 0.012, 0.021), (-a + 0.004, 0.029)])
    nose = arc((-a + 0.012, 0.037), 0.011, np.pi, np.pi / 2, 5)
    heel = arc((a - 0.016, 0.030), 0.015, np.pi / 2, 0.0, 5)
    arm = np.concatenate([[(a - 0.001, 0.018), (-a + 0.001, 0.0295)], nose, [(0.0, 0.053)], heel])
    parts, hulls = [], [box_hull((-a, -width / 2, 0.0), (a, width / 2, 0.007))]
    for outline, across, bevel in ((rail, width * 0.5, 0.0005), (arm, width * 0.82, 0.003)):
        line = outline if _area(outline) > 0 else outline[::-1]
        parts.append(extrude(line, across, bevel).turned("x", np.pi / 2).moved(y=across / 2))
        hulls.append(
            np.concatenate(
                [np.column_stack([line[:, 0], np.full(len(line), y), line[:, 1]]) for y in (-across / 2, across / 2)]
            )
        )
    hinge = box((0.018, width * 0.86, 0.026), 0.002).moved(x=a - 0.017, z=0.003)
    hulls.append(box_hull((a - 0.026, -width * 0.43, 0.003), (a - 0.008, width * 0.43, 0.029)))
    base = DARK if rng.random() < 0.6 else paint(color.rgb, 0.35)
    return assemble(
        asset_id,
        "stapler",
        phrase(("stapler", "订书机"), color),
        [(merge(foot, hinge), base), (parts[0], CHROME), (parts[1], paint(color.rgb, 0.3))],
        hulls,
        density=0.5 * METAL,
    )


def _area(outline: Array) -> float:
    """Signed area of a polygon, (N, 2); positive counter-clockwise."""
    x, y = outline.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def globe(asset_id: str, rng: np.random.Generator) -> Asset:
    """A globe with made-up continents, tilted in a metal arm on a round foot."""
    radius = rng.uniform(0.065, 0.095)
    tilt = np.radians(23.4)
    sea, land = (
        np.array(named(rng, str(rng.choice(["blue", "blue", "turquoise", "beige"]))).rgb),
        np.array((0.45, 0.55, 0.30)),
    )
    height = textures.noise(rng, 128, 256, 6, 7) + 0.5 * textures.noise(rng, 128, 256, 14, 17)
    height += 0.25 * textures.noise(rng, 128, 256, 34, 40)
    level = np.quantile(height, 0.66)
    desert = np.array((0.80, 0.68, 0.42))
    dry = np.clip(0.5 + 0.6 * textures.noise(rng, 128, 256, 5, 6), 0, 1)[..., None]
    image = np.where(height[..., None] > level, land * (1 - dry) + desert * dry, sea * (1 + 0.05 * height[..., None]))
    v = np.abs((np.arange(128) + 0.5) / 64 - 1)[:, None]
    image = np.where((v + 0.03 * height > 0.90)[..., None], 0.94, image)
    lines = (np.arange(256) % 21 == 0)[None, :] | (np.arange(128) % 16 == 0)[:, None]
    image = np.where(lines[..., None], 0.85 * image, image)
    map_look = Material(WHITE, textures.to_texture(image), roughness=0.35)

    centre = radius * 1.12 + 0.045
    ball = ellipsoid((radius, radius, radius), 36, 18).moved(z=-radius).turned("y", tilt).moved(z=centre)
    # The arm is half a circle from pole to pole, over the side towards which the axis does not lean.
    pole = np.pi / 2 - tilt + np.linspace(0.0, np.pi, 25)
    ring = np.column_stack([np.cos(pole), np.zeros(25), np.sin(pole)]) * radius * 1.1
    path = ring + np.array([0.0, 0.0, centre])
    holder = tube(path, 0.0038, 8, 1.6, up=LEVEL)
    pins = [
        tube([path[i], path[i] * 0.84 + 0.16 * np.array([0.0, 0.0, centre])], 0.0025, 8, up=LEVEL) for i in (0, -1)
    ]
    foot_radius = radius * rng.uniform(0.68, 0.8)
    foot = np.array(
        [(foot_radius - 0.002, 0.0), (foot_radius, 0.003), (foot_radius * 0.95, 0.010), (0.014, 0.018), (0.007, 0.026)]
    )
    low = -radius * 1.1
    stand = np.concatenate([foot, [(0.006, centre + low)]])
    metal = rng.random() < 0.5
    wood = timber(rng)
    base = Material(BRASS, roughness=0.3, metallic=1.0) if metal else grained(rng, wood.rgb)
    rings = ball.vertices[::3]
    made = ("brass", "黄铜") if metal else wood.words
    return assemble(
        asset_id,
        "globe",
        Words(f"globe on {made[0]} foot", f"{made[1]}底座地球仪", ""),
        [
            (ball, map_look),
            (merge(holder, *pins), Material(BRASS, roughness=0.3, metallic=1.0)),
            (lathe(np.concatenate([[(0.0, 0.0)], stand, [(0.0, centre + low)]]), 36), base),
        ],
        [*turned_hulls(stand), np.unique(rings, axis=0), *tube_hulls(path, 0.0038, 6, 1.6)],
        density=350.0,
    )


def remote_control(asset_id: str, rng: np.random.Generator) -> Asset:
    """A remote control lying flat, its buttons up, pointing to the back."""
    wide, long, tall = rng.uniform(0.038, 0.05), rng.uniform(0.14, 0.19), rng.uniform(0.014, 0.02)
    body = named(rng, str(rng.choice(["black", "black", "white", "grey"])))
    dark = not bright_enough(body.rgb)
    key: RGB = (0.42, 0.42, 0.44) if dark else (0.30, 0.30, 0.32)
    top = textures.Print(body.rgb, 256, int(256 * wide / long))
    top.disc(0.2, 0.94, 0.075, (0.82, 0.12, 0.10))
    rows = int(rng.integers(3, 5))
    for j in range(rows):
        for i in range(3):
            x, y = 0.22 + 0.28 * i, 0.84 - 0.075 * j
            if rows == 4:
                top.disc(x, y, 0.085, key)
            else:
                top.box(x - 0.10, y - 0.021, x + 0.10, y + 0.021, key)
    top.disc(0.5, 0.44, 0.30, key)
    top.disc(0.5, 0.44, 0.14, body.rgb)
    top.disc(0.5, 0.44, 0.10, (0.62, 0.62, 0.64))
    colors = ((0.80, 0.15, 0.12), (0.20, 0.55, 0.22), (0.90, 0.75, 0.15), (0.18, 0.32, 0.70))
    for i, tone in enumerate(colors):
        top.box(0.14 + 0.19 * i, 0.26, 0.29 + 0.19 * i, 0.285, tone)
    for j in range(2):
        for i in range(3):
            top.disc(0.22 + 0.28 * i, 0.19 - 0.07 * j, 0.075, key)
    sides = dict.fromkeys(("front", "right", "back", "left", "bottom"), CORNER)
    mesh = box((wide, long, tall), 0.0035, sides)
    # Raised keys: a low, flat cross pad and a power button that catch the light.
    pad = lathe([(0.0, 0.0), (0.30 * wide, 0.0), (0.29 * wide, 0.0012), (0.0, 0.0012)], 44)
    pad = pad.moved(y=(0.44 - 0.5) * (long - 0.007), z=tall - 0.0002)
    pad = Mesh(
        pad.vertices,
        pad.faces,
        pad.normals,
        np.column_stack(
            [
                0.5 + pad.vertices[:, 0] / (wide - 0.007),
                0.44 + (pad.vertices[:, 1] - (0.44 - 0.5) * (long - 0.007)) / (long - 0.007),
            ]
        ),
    )
    return assemble(
        asset_id,
        "remote control",
        phrase(("remote control", "遥控器"), body),
        [(merge(mesh, pad), Material(WHITE, textures.to_texture(top.done()), roughness=0.5))],
        [box_hull((-wide / 2, -long / 2, 0.0), (wide / 2, long / 2, tall))],
        density=800.0,
    )


def laptop(asset_id: str, rng: np.random.Generator) -> Asset:
    """An open laptop, its screen facing the front."""
    wide = rng.uniform(0.28, 0.33)
    deep, thick, lid = wide * rng.uniform(0.66, 0.7), 0.014, 0.006
    body = named(rng, str(rng.choice(["grey", "grey", "white", "black", "blue", "pink"])))
    keys: RGB = (0.13, 0.13, 0.14) if bright_enough(body.rgb) or body.name != "black" else (0.24, 0.24, 0.25)
    deck = textures.Print(body.rgb, 176, 256)
    for j in range(6):
        count = 14
        y = 0.93 - 0.078 * j
        for i in range(count):
            if j == 5 and 3 <= i <= 8:
                continue
            x0 = 0.05 + 0.9 * i / count
            deck.box(x0 + 0.003, y - 0.064, x0 + 0.9 / count - 0.003, y, keys)
    deck.box(0.05 + 0.9 * 3 / 14 + 0.003, 0.93 - 0.39 - 0.064, 0.05 + 0.9 * 9 / 14 - 0.003, 0.54, keys)
    deck.box(0.345, 0.07, 0.655, 0.385, (0.62 * body.rgb[0], 0.62 * body.rgb[1], 0.62 * body.rgb[2]))
    deck.box(0.35, 0.077, 0.65, 0.378, (0.86 * body.rgb[0], 0.86 * body.rgb[1], 0.86 * body.rgb[2]))
    sides = dict.fromkeys(("front", "right", "back", "left", "bottom"), CORNER)
    base = box((wide, deep, thick), 0.002, sides)
    angle = np.radians(rng.uniform(10.0, 24.0))
    tall = deep * 0.97

    def opened(mesh: Mesh) -> Mesh:
        return mesh.turned("x", -angle).moved(y=deep / 2 - 0.003, z=thick - 0.002)

    back = opened(
        box((wide, lid, tall), 0.0015, dict.fromkeys(("front", "right", "back", "left", "top", "bottom"), CORNER))
    )
    size = (wide - 0.014, tall - 0.024)
    black = opened(box((wide - 0.006, 0.002, tall - 0.006), 0.0003).moved(y=-lid / 2, z=0.003))
    screen = opened(box((size[0], 0.002, size[1]), 0.0003).moved(y=-lid / 2 - 0.0006, z=0.015))
    barrel = lathe([(0.0, 0.0), (0.005, 0.0), (0.005, 0.16 * wide), (0.0, 0.16 * wide)], 16).turned("y", np.pi / 2)
    hinges = [barrel.moved(share * wide, deep / 2 - 0.004, thick) for share in (-0.42, 0.26)]
    shown = Material(WHITE, artwork(rng, size[0] / size[1]), roughness=0.3, emission=0.5)
    corners = box_hull((-wide / 2, -lid / 2 - 0.0015, 0.0), (wide / 2, lid / 2, tall))
    turn = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]])
    flap = corners @ turn.T + np.array([0.0, deep / 2 - 0.003, thick - 0.002])
    look = Material(WHITE, textures.to_texture(deck.done()), roughness=0.45)
    return assemble(
        asset_id,
        "laptop",
        Words(f"open {body.name} laptop", f"打开的{body.zh}笔记本电脑", body.name),
        [(merge(base, back), look), (merge(black, *hinges), DARK), (screen, shown)],
        [box_hull((-wide / 2, -deep / 2, 0.0), (wide / 2, deep / 2, thick)), flap],
        density=1150.0,
    )


FAMILIES: dict[str, Family] = {
    "radio": radio,
    "speaker": speaker,
    "stapler": stapler,
    "globe": globe,
    "remote_control": remote_control,
    "laptop": laptop,
}
