"""What one cooks with: pots, pans, kettles, boards, shakers."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import CERAMIC, METAL, WOOD, Array, Family, assemble, dish, shell
from gsi_datasets.assets.parametric.hulls import prism_hull, tube_hulls, turned_hulls, wedge_hulls
from gsi_datasets.assets.parametric.primitives import (
    Mesh,
    arc,
    curve,
    extrude,
    lathe,
    merge,
    rounded_rectangle,
    tube,
)
from gsi_datasets.assets.parametric.words import Color, Words, named, phrase, pick


BLACK = Material((0.07, 0.07, 0.075), roughness=0.5)
WOODS = {"brown": (0.48, 0.31, 0.18), "beige": (0.80, 0.66, 0.46)}


def enamel(rng: np.random.Generator) -> tuple[Color, Material]:
    """Coloured enamel or grey brushed steel."""
    if rng.random() < 0.35:
        color = named(rng, "grey")
        light = tuple(1.35 * c for c in color.rgb)
        return color, Material((1.0, 1.0, 1.0), textures.brushed(rng, light), roughness=0.35)  # type: ignore[arg-type]
    color = pick(rng, ["red", "orange", "yellow", "green", "turquoise", "blue", "black", "white", "pink"])
    return color, Material(color.rgb, roughness=0.3)


def wooden(rng: np.random.Generator) -> tuple[Color, textures.Texture]:
    """A wood tone with the word for it, and its texture."""
    name = str(rng.choice(list(WOODS)))
    tone = np.array(WOODS[name]) * rng.uniform(0.92, 1.08)
    rgb = (float(tone[0]), float(tone[1]), float(tone[2]))
    return Color(name, rgb), textures.wood(rng, rgb)


def _grips(radius: float, height: float) -> tuple[Mesh, list[Array]]:
    """Two loops at the left and right of a pot, near the rim."""
    meshes, hulls = [], []
    for side in (-1, 1):
        line = curve([(radius - 0.001, -0.036), (radius + 0.022, -0.032), (radius + 0.03, 0.0)], 3)
        line = np.concatenate([line, line[-2::-1] * (1, -1)])
        path = np.column_stack([side * line[:, 0], side * line[:, 1], np.full(len(line), height)])
        meshes.append(tube(path, 0.0052, 8))
        hulls += tube_hulls(path, 0.0052, 3)
    return merge(*meshes), hulls


def pot(asset_id: str, rng: np.random.Generator) -> Asset:
    """A cooking pot with two handles, open or with its lid on."""
    radius, height = rng.uniform(0.082, 0.115), rng.uniform(0.085, 0.125)
    color, surface = enamel(rng)
    side = curve([(radius - 0.006, 0.0), (radius - 0.001, 0.005), (radius, 0.014), (radius, height)], 3)
    section = shell(side, 0.003, 0.006)
    body = lathe(section.profile, 48)
    grips, grip_hulls = _grips(radius, 0.8 * height)
    dark = BLACK if color.name != "black" else Material((0.55, 0.55, 0.57), roughness=0.35)
    hulls = wedge_hulls(section.outer, section.inner) + grip_hulls
    if rng.random() < 0.5:
        return assemble(
            asset_id,
            "pot",
            phrase(("cooking pot", "汤锅"), color, [("open", "敞口的")]),
            [(body, surface), (grips, dark)],
            hulls,
            density=METAL,
            symmetry=2,
            receptacle=dish(section, "in"),
        )
    top = float(section.outer[-1, 1])
    dome = [
        (0.0, top),
        (radius + 0.002, top),
        (radius + 0.002, top + 0.003),
        (0.7 * radius, top + 0.016),
        (0.0, top + 0.021),
    ]
    knob = [(0.0, top + 0.018), (0.008, top + 0.018), (0.007, top + 0.028), (0.017, top + 0.034), (0.017, top + 0.04)]
    knob_mesh = lathe([*knob, (0.013, top + 0.044), (0.0, top + 0.045)], 20)
    lid_hulls = turned_hulls([*dome[1:4], (0.012, top + 0.021)]) + turned_hulls([*knob[3:], (0.013, top + 0.045)], 12)
    lid_hulls += turned_hulls([(0.0075, top + 0.019), (0.0075, top + 0.034)], 12)
    return assemble(
        asset_id,
        "pot",
        phrase(("cooking pot", "汤锅"), color, (), ("with lid", "带盖的")),
        [(merge(body, lathe(dome, 48)), surface), (merge(grips, knob_mesh), dark)],
        hulls + lid_hulls,
        density=METAL,
        symmetry=2,
    )


def pan(asset_id: str, rng: np.random.Generator) -> Asset:
    """A frying pan; its handle points to the right."""
    radius, height = rng.uniform(0.1, 0.135), rng.uniform(0.038, 0.05)
    color, surface = enamel(rng)
    side = curve([(0.78 * radius, 0.0), (0.84 * radius, 0.006), (0.93 * radius, 0.45 * height), (radius, height)], 4)
    section = shell(side, 0.003, 0.0045)
    reach = rng.uniform(0.14, 0.19)
    start = float(np.interp(0.72 * height, side[:, 1], side[:, 0])) - 0.001
    line = curve([(start, 0.72 * height), (start + 0.03, 0.95 * height), (start + reach, height + 0.018)], 5)
    path = np.column_stack([line[:, 0], np.zeros(len(line)), line[:, 1]])
    thick = np.interp(np.linspace(0, 1, len(path)), [0, 0.25, 0.9, 1.0], [0.006, 0.0075, 0.0085, 0.006])
    grip = tube(path, thick * 1.55, 12, 0.65, up=(0.0, 1.0, 0.0))
    if color.name == "black":
        stick = Material((0.45, 0.29, 0.17), roughness=0.6)
        words = phrase(("frying pan", "平底锅"), color, (), ("with brown handle", "棕色手柄的"))
    else:
        stick = BLACK
        words = phrase(("frying pan", "平底锅"), color, (), ("with black handle", "黑色手柄的"))
    hulls = wedge_hulls(section.outer, section.inner) + tube_hulls(path, thick, 3, 1.55)
    return assemble(
        asset_id,
        "pan",
        words,
        [(lathe(section.profile, 52), surface), (grip, stick)],
        hulls,
        density=METAL,
        receptacle=dish(section, "in"),
    )


def kettle(asset_id: str, rng: np.random.Generator) -> Asset:
    """A stove kettle: round body, spout to the left, arched handle over the top."""
    radius = rng.uniform(0.072, 0.09)
    height = radius * rng.uniform(1.25, 1.5)
    color, surface = enamel(rng)
    mouth = 0.4 * radius
    side = curve([(0.9 * radius, 0.003), (radius, 0.02), (0.93 * radius, 0.5 * height), (mouth, height)], 5)
    knob = arc((0.0, height + 0.022), 0.011, -1.0, np.pi / 2, 6)
    knob[-1, 0] = 0.0
    lid = [(mouth + 0.004, height), (mouth + 0.004, height + 0.004), (0.006, height + 0.012)]
    body = lathe(np.concatenate([[(0.0, 0.0), (0.88 * radius, 0.0)], side, lid, [(0.0, height + 0.012)]]), 44)
    button = lathe(np.concatenate([[(0.0, height + 0.01), (0.005, height + 0.01)], knob]), 20)
    x0 = -0.86 * radius
    line = curve([(x0, 0.42 * height), (x0 - 0.03, 0.58 * height), (x0 - 0.046, 0.9 * height)], 5)
    spout_path = np.column_stack([line[:, 0], np.zeros(len(line)), line[:, 1]])
    spout_radius = np.linspace(0.017, 0.0095, len(line))
    spout = tube(spout_path, spout_radius, 14, up=(0.0, 1.0, 0.0))
    foot = 0.72 * radius
    low = float(np.interp(foot, side[::-1, 0], side[::-1, 1])) - 0.003
    peak = height + rng.uniform(0.06, 0.075)
    bow = curve([(foot, low), (foot * 1.12, 0.55 * low + 0.45 * peak), (0.6 * foot, peak - 0.004), (0.0, peak)], 4)
    bow = np.concatenate([bow, bow[-2::-1] * (-1, 1)])
    path = np.column_stack([bow[:, 0], np.zeros(len(bow)), bow[:, 1]])
    grip = tube(path, 0.0085, 10, 0.6, up=(0.0, 1.0, 0.0))
    hulls = turned_hulls(np.concatenate([[(0.88 * radius, 0.0)], side, lid[1:], knob[[0, 3]]]))
    hulls += tube_hulls(spout_path, spout_radius, 2) + tube_hulls(path, 0.0052, 6, 1.6)
    dark = BLACK if color.name != "black" else Material((0.5, 0.33, 0.2), roughness=0.6)
    second = "black" if dark is BLACK else "brown"
    words = phrase(
        ("kettle", "水壶"),
        color,
        (),
        (f"with {second} handle", f"{'黑色' if second == 'black' else '棕色'}提手的"),
    )
    return assemble(
        asset_id, "kettle", words, [(merge(body, spout), surface), (merge(grip, button), dark)], hulls, density=700.0
    )


def cutting_board(asset_id: str, rng: np.random.Generator) -> Asset:
    """A wooden board with a grip at its right end."""
    width, depth, thick = rng.uniform(0.22, 0.32), rng.uniform(0.15, 0.22), rng.uniform(0.012, 0.02)
    color, texture = wooden(rng)
    grip, neck = rng.uniform(0.07, 0.1), rng.uniform(0.018, 0.026)
    plain = rounded_rectangle(width, depth, rng.uniform(0.008, 0.05), 6)
    if rng.random() < 0.75:
        # The grip grows out of the middle of the right side, which lies between the last and the first corner.
        end = arc((width / 2 + grip - neck, 0.0), neck, -np.pi / 2, np.pi / 2, 8)
        root = [(width / 2, -neck - 0.008), (width / 2 + 0.012, -neck)]
        outline = np.concatenate([plain, root, end, [(x, -y) for x, y in reversed(root)]])
        hulls = [prism_hull(plain, 0.0, thick)]
        hulls.append(prism_hull([(width / 2 - 0.01, -neck), *end, (width / 2 - 0.01, neck)], 0.0, thick))
        shape, zh = "cutting board with a handle", "带手柄的"
    else:
        outline, hulls = plain, [prism_hull(plain, 0.0, thick)]
        shape, zh = "cutting board", ""
    symmetry = 1 if zh else 2
    words = Words(f"{color.name} wooden {shape}", f"{zh}{color.zh}木砧板", color.name)
    surface = Receptacle("on", thick, (0.42 * width, 0.42 * depth), False, thick)
    mesh = extrude(outline, thick, 0.0025)
    material = Material((1.0, 1.0, 1.0), texture, roughness=0.6)
    return assemble(
        asset_id,
        "cutting board",
        words,
        [(mesh, material)],
        hulls,
        density=WOOD,
        symmetry=symmetry,
        receptacle=surface,
    )


def salt_shaker(asset_id: str, rng: np.random.Generator) -> Asset:
    """A shaker with a domed cap."""
    radius, height = rng.uniform(0.019, 0.025), rng.uniform(0.06, 0.085)
    color = pick(rng, ["white", "blue", "red", "green", "yellow", "turquoise", "pink", "black"])
    waist = radius * rng.uniform(0.72, 1.0)
    body = curve([(radius - 0.002, 0.0), (radius, 0.003), (waist, 0.55 * height), (0.8 * radius, 0.78 * height)], 4)
    cap = arc((0.0, 0.8 * height), 0.84 * radius, 0.0, np.pi / 2, 6)
    cap[:, 1] = 0.8 * height + (cap[:, 1] - 0.8 * height) * (0.2 * height) / (0.84 * radius)
    cap[-1, 0] = 0.0
    metal = Material((0.62, 0.62, 0.64), roughness=0.3)
    base = lathe(np.concatenate([[(0.0, 0.0)], body, [(0.0, 0.78 * height)]]), 32)
    lid = lathe(np.concatenate([[(0.0, 0.76 * height), (0.84 * radius, 0.76 * height)], cap]), 32)
    hulls = turned_hulls(np.concatenate([body[:-1], [(0.84 * radius, 0.765 * height)], cap[:-1], [(0.002, height)]]))
    words = phrase(("salt shaker", "盐瓶"), color, (), ("with grey cap", "带灰色盖子的"))
    surface = Material(color.rgb, roughness=0.25)
    return assemble(
        asset_id, "salt shaker", words, [(base, surface), (lid, metal)], hulls, density=CERAMIC * 0.6, symmetry=0
    )


def pepper_mill(asset_id: str, rng: np.random.Generator) -> Asset:
    """A turned mill of wood or painted wood."""
    height, radius = rng.uniform(0.13, 0.22), rng.uniform(0.024, 0.03)
    # Grain shows which way a wooden one is turned.
    grain = rng.random() < 0.5
    if grain:
        color, texture = wooden(rng)
    else:
        color = pick(rng, ["black", "red", "white", "green", "blue"])
        texture = textures.speckled(rng, textures.plain(color.rgb, 64, 64), 0.0)
    waist = radius * rng.uniform(0.62, 0.78)
    side = curve(
        [(radius, 0.004), (0.93 * radius, 0.14 * height), (waist, 0.42 * height), (0.88 * radius, 0.68 * height)], 5
    )
    head = curve([(0.7 * radius, 0.70 * height), (0.9 * radius, 0.8 * height), (0.5 * radius, 0.92 * height)], 5)
    knob = arc((0.0, 0.96 * height), 0.04 * height, -0.9, np.pi / 2, 5)
    knob[-1, 0] = 0.0
    outline = np.concatenate([[(radius, 0.0)], side, head])
    body = lathe(np.concatenate([[(0.0, 0.0)], outline, [(0.0, 0.925 * height)]]), 32)
    top = lathe(np.concatenate([[(0.0, 0.915 * height), (0.012, 0.915 * height)], knob]), 20)
    steel = Material((0.62, 0.62, 0.64), roughness=0.3)
    hulls = turned_hulls(outline) + turned_hulls(
        np.concatenate([[(0.01, 0.92 * height)], knob[:-1], [(0.002, height)]]), 12
    )
    words = phrase(("pepper mill", "胡椒研磨器"), color, [("tall", "高的")] if height > 0.18 else [])
    material = Material((1.0, 1.0, 1.0), texture, roughness=0.45)
    symmetry = 1 if grain else 0
    parts = [(body, material), (top, steel)]
    return assemble(asset_id, "pepper mill", words, parts, hulls, density=WOOD, symmetry=symmetry)


FAMILIES: dict[str, Family] = {
    "pot": pot,
    "pan": pan,
    "kettle": kettle,
    "cutting_board": cutting_board,
    "salt_shaker": salt_shaker,
    "pepper_mill": pepper_mill,
}
