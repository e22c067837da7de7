"""What one plays with: blocks, cars, balls, teddy bears, stacking rings."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import PLASTIC, WOOD, Array, Family, assemble
from gsi_datasets.assets.parametric.finishes import DARK, WHITE, paint
from gsi_datasets.assets.parametric.hulls import Hulls, box_hull, turned_hulls
from gsi_datasets.assets.parametric.primitives import Mesh, arc, box, curve, ellipsoid, extrude, lathe, merge
from gsi_datasets.assets.parametric.words import BRIGHT, RGB, Color, Words, accent, named, phrase, pick


LETTERS = "ABCDEFGHJKLMNPRSTUVXYZ"
SHAPES = {"cube": "立方体", "cylinder": "圆柱", "triangular": "三角", "arch": "拱形", "cuboid": "长方体"}


def _upright(outline: Array, depth: float, bevel: float) -> Mesh:
    """A side view in (x, z), counter-clockwise, given a depth along y about 0."""
    return extrude(outline, depth, bevel).turned("x", np.pi / 2).moved(y=depth / 2)


def _upright_hull(outline: Array, depth: float) -> Array:
    """The corners of a convex side view in (x, z) with a depth along y about 0."""
    return np.concatenate(
        [np.column_stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]]) for y in (-depth / 2, depth / 2)]
    )


def toy_block(asset_id: str, rng: np.random.Generator) -> Asset:
    """A painted wooden block: a cube with or without a letter, a cuboid, a cylinder, a roof or an arch."""
    size = rng.uniform(0.034, 0.05)
    color = pick(rng, BRIGHT)
    kind = str(rng.choice(["letter", "letter", "cube", "cuboid", "cylinder", "triangular", "arch"]))
    coat = Material(WHITE, textures.speckled(rng, textures.plain(color.rgb, 64, 64), 0.0), roughness=0.45)
    noun, half = ("toy block", "积木"), size / 2
    cube = box_hull((-half, -half, 0.0), (half, half, size))
    if kind == "letter":
        letter = str(rng.choice(list(LETTERS)))
        face = textures.Print(color.rgb, 128, 128)
        face.box(0.1, 0.1, 0.9, 0.9, (0.95, 0.93, 0.87))
        tall = 0.5 * (1.1 if letter in "MW" else 0.9)
        face.word(letter, 0.5, 0.5, tall, color.rgb, 0.55)
        look = Material(WHITE, textures.speckled(rng, face.done(), 0.0), roughness=0.45)
        words = phrase(noun, color, (), (f"with letter {letter}", f"带字母{letter}的"))
        mesh, hulls, symmetry, material = box((size, size, size), 0.002), [cube], 1, look
    else:
        words = phrase((f"{kind} {noun[0]}", SHAPES[kind] + noun[1]), color)
        material = coat
        if kind == "cube":
            mesh, hulls, symmetry = box((size, size, size), 0.002), [cube], 4
        elif kind == "cuboid":
            long = size * rng.uniform(1.7, 2.2)
            mesh, symmetry = box((long, size, size), 0.002), 2
            hulls = [box_hull((-long / 2, -half, 0.0), (long / 2, half, size))]
        elif kind == "cylinder":
            tall, edge = size * rng.uniform(0.9, 1.7), 0.0015
            line = np.array([(half - edge, 0.0), (half, edge), (half, tall - edge), (half - edge, tall)])
            mesh, hulls, symmetry = (
                lathe(np.concatenate([[(0.0, 0.0)], line, [(0.0, tall)]]), 40),
                turned_hulls(line),
                0,
            )
        elif kind == "triangular":
            outline = np.array([(-size, 0.0), (size, 0.0), (0.0, size)])
            mesh, hulls, symmetry = _upright(outline, size, 0.0015), [_upright_hull(outline, size)], 2
        else:
            inner = 0.62 * size
            rim = np.maximum(arc((0.0, 0.0), inner, 0.0, np.pi, 16), (-np.inf, 0.0))
            rim[[0, -1], 1] = 0.0
            outline = np.concatenate(
                [[(-1.15 * size, 0.0), (-inner, 0.0)], rim[-2:0:-1], [(inner, 0.0), (1.15 * size, 0.0)]]
            )
            outline = np.concatenate([outline, [(1.15 * size, 1.2 * size), (-1.15 * size, 1.2 * size)]])
            mesh, symmetry = _upright(outline, size, 0.0015), 2
            hulls = []
            for a, b in zip(rim[:-1:2], rim[2::2], strict=True):
                hulls.append(_upright_hull(np.array([a, (a[0], 1.2 * size), (b[0], 1.2 * size), b]), size))
            for side in (-1.0, 1.0):
                low, high = sorted((side * inner, side * 1.15 * size))
                hulls.append(box_hull((low, -half, 0.0), (high, half, 1.2 * size)))
    return assemble(asset_id, "toy block", words, [(mesh, material)], hulls, density=WOOD, symmetry=symmetry)


# Side views of cars with the nose at -x: body outline and cabin outline, in shares of length and height.
CARS: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {
    "car": (
        [(-0.5, 0.2), (0.5, 0.2), (0.5, 0.52), (0.44, 0.6), (-0.34, 0.58), (-0.48, 0.48)],
        [(-0.2, 0.55), (0.36, 0.55), (0.24, 0.98), (-0.05, 0.98)],
    ),
    "beetle": (
        [(-0.5, 0.2), (0.5, 0.2), (0.49, 0.4), (0.40, 0.56), (0.3, 0.62), (-0.32, 0.62), (-0.43, 0.55), (-0.49, 0.4)],
        [(-0.24, 0.58), (0.34, 0.58), (0.25, 0.84), (0.1, 0.98), (-0.04, 0.98), (-0.16, 0.84)],
    ),
    "van": (
        [(-0.5, 0.2), (0.5, 0.2), (0.5, 0.58), (-0.42, 0.58), (-0.49, 0.5)],
        [(-0.42, 0.55), (0.5, 0.55), (0.48, 1.0), (-0.3, 1.0)],
    ),
    "racer": (
        [(-0.5, 0.16), (0.5, 0.16), (0.5, 0.56), (0.38, 0.58), (-0.2, 0.52), (-0.49, 0.4)],
        [(-0.08, 0.45), (0.3, 0.52), (0.2, 0.86), (0.06, 0.86)],
    ),
}


def toy_car(asset_id: str, rng: np.random.Generator) -> Asset:
    """A toy car on four wheels, its nose to the front."""
    kind = str(rng.choice(list(CARS)))
    long = rng.uniform(0.10, 0.15)
    tall, wide = long * rng.uniform(0.42, 0.48), long * rng.uniform(0.40, 0.46)
    color = pick(rng, [*BRIGHT, "white", "black"])
    other = accent(rng, color)
    two = rng.random() < 0.45
    body, cabin = (np.array(line) * (long, tall) for line in CARS[kind])
    top = np.array([(x, z) for x, z in cabin if z > 0.95 * cabin[:, 1].max()])
    middle = cabin.mean(axis=0)
    shell = _upright(body, wide, 0.0035)
    glass = _upright(cabin, 0.84 * wide, 0.002)
    roof_line = np.array([(top[:, 0].min() - 0.002, tall * 0.93), (top[:, 0].max() + 0.002, tall * 0.93)])
    roof_top = float(top[:, 1].max()) + 0.003
    roof_line = np.concatenate([roof_line, [(top[:, 0].max() + 0.001, roof_top), (top[:, 0].min() - 0.001, roof_top)]])
    if kind == "racer":
        roof_line[:2, 1] = 0.80 * tall
    # Posts carry the roof between the windows.
    posts = [
        box((0.005, 0.86 * wide, roof_top - 0.54 * tall), 0.0005).moved(x=float(x), z=0.53 * tall)
        for x in (middle[0],)
    ]
    roof = _upright(roof_line, 0.87 * wide, 0.0012)
    radius = 0.2 * tall * rng.uniform(1.0, 1.2) + 0.002
    tyre_wide = 0.2 * wide
    tyre = [(0.0, 0.0), (radius * 0.55, 0.0), (radius * 0.6, 0.0012), (radius * 0.94, 0.0012), (radius, 0.003)]
    tyre += [(radius, tyre_wide - 0.002), (radius * 0.94, tyre_wide), (0.0, tyre_wide)]
    rim = [(0.0, -0.001), (radius * 0.52, -0.001), (radius * 0.55, 0.0005), (0.0, 0.0005)]
    wheels, rims, hulls = [], [], []
    angle = -np.pi / 2 + np.pi / 16 + np.arange(16) * np.pi / 8
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius / np.cos(np.pi / 16)
    for x in (-0.29 * long, 0.29 * long):
        for side in (-1.0, 1.0):
            turn = np.pi / 2 if side > 0 else -np.pi / 2
            place = {"x": x, "y": side * (wide / 2 + 0.002), "z": radius}
            wheels.append(lathe(tyre, 28).turned("x", turn).moved(**place))
            rims.append(lathe(rim, 20).turned("x", turn).moved(**place))
            ring = np.column_stack([circle[:, 0] + x, np.zeros(16), np.maximum(circle[:, 1] + radius, 0.0)])
            inner, outer = sorted((side * (wide / 2 + 0.002 - tyre_wide), side * (wide / 2 + 0.003)))
            hulls.append(np.concatenate([ring + np.array([0.0, y, 0.0]) for y in (inner, outer)]))
    hulls += [_upright_hull(body, wide), _upright_hull(np.concatenate([cabin, roof_line]), 0.87 * wide)]
    lights = [
        lathe([(0.0, 0.0), (0.006, 0.0), (0.0045, 0.0025), (0.0, 0.003)], 14)
        .turned("y", -np.pi / 2)
        .moved(x=-0.49 * long, y=side * 0.33 * wide, z=0.36 * tall if kind != "racer" else 0.24 * tall)
        for side in (-1.0, 1.0)
    ]
    tones, rects = textures.swatches(
        [color.rgb, other.rgb if two else color.rgb, (0.90, 0.88, 0.80), (0.13, 0.17, 0.22)]
    )
    painted = merge(
        shell.painted(rects[0]),
        merge(roof, *posts).painted(rects[1]),
        merge(*rims, *lights).painted(rects[2]),
        glass.painted(rects[3]),
    )
    names = {
        "car": ("toy car", "玩具车"),
        "beetle": ("round toy car", "圆形玩具车"),
        "van": ("toy van", "玩具面包车"),
        "racer": ("toy sports car", "玩具跑车"),
    }

    def ahead(points: Array) -> Array:
        return np.column_stack([-points[:, 1], points[:, 0], points[:, 2]])

    return assemble(
        asset_id,
        "toy car",
        phrase(names[kind], color, (), (f"with {other.name} roof", f"{other.zh}车顶的") if two else None),
        [
            (painted.turned("z", np.pi / 2), Material(WHITE, tones, roughness=0.25)),
            (merge(*wheels).turned("z", np.pi / 2), DARK),
        ],
        [ahead(points) for points in hulls],
        density=0.7 * PLASTIC,
    )


def ball(asset_id: str, rng: np.random.Generator) -> Asset:
    """A ball that stands on a small flat: plain, striped, dotted, in panels, or a tennis or basket ball."""
    kind = str(rng.choice(["plain", "band", "panels", "dots", "tennis", "basket", "stripes"]))
    radius = {"tennis": 0.033, "basket": rng.uniform(0.07, 0.09)}.get(kind, rng.uniform(0.03, 0.075))
    color = pick(rng, [*BRIGHT, "white"])
    if kind == "tennis":
        color = Color("yellow", (0.82, 0.88, 0.25))
    elif kind == "basket":
        color = Color("orange", (0.82, 0.42, 0.14))
    other = accent(rng, color)
    image, noun = textures.plain(color.rgb, 256, 256), ("ball", "球")
    trait, symmetry, rough = None, 0, 0.4
    if kind == "band":
        textures.bands(image, [(0.42, 0.64)], other.rgb)
        trait = (f"with {other.name} band", f"带{other.zh}环带的")
    elif kind == "stripes":
        textures.bands(image, [(low, low + 0.09) for low in (0.14, 0.34, 0.54, 0.74)], other.rgb)
        trait = (f"with {other.name} stripes", f"带{other.zh}条纹的")
    elif kind == "panels":
        symmetry = int(rng.integers(3, 6))
        textures.columns(image, (0.0, 1.0), other.rgb, symmetry, 0.5)
        trait = (f"with {other.name} panels", f"带{other.zh}色块的")
    elif kind == "dots":
        symmetry = int(rng.integers(6, 9))
        textures.dots(image, (0.28, 0.82), other.rgb, symmetry, 3, 2.0, 0.24)
        trait = (f"with {other.name} dots", f"带{other.zh}圆点的")
    elif kind in ("tennis", "basket"):
        v = 1 - (np.arange(256)[:, None] + 0.5) / 256
        u = (np.arange(256)[None] + 0.5) / 256
        noun, symmetry, rough = ("tennis ball", "网球") if kind == "tennis" else ("basketball", "篮球"), 2, 0.85
        line: RGB = (0.94, 0.94, 0.90) if kind == "tennis" else (0.10, 0.08, 0.07)
        wave = 0.52 + (0.24 if kind == "tennis" else 0.27) * np.cos(4 * np.pi * u)
        steep = np.hypot(1.0, 0.27 * 4 * np.pi * np.sin(4 * np.pi * u) / 2)
        near = np.abs(v - wave) / steep
        if kind == "basket":
            meridian = np.abs((4 * u + 0.5) % 1 - 0.5) / 2 * np.maximum(np.sin(np.pi * np.clip(v, 0.05, 0.95)), 0.1)
            near = np.minimum(np.minimum(near, np.abs(v - 0.52)), meridian)
        width = 0.016 if kind == "tennis" else 0.008
        cover = np.clip((width - near) * 256 + 0.5, 0, 1)[..., None]
        grain = 1 + 0.05 * textures.noise(rng, 256, 256, 110, 110)[..., None]
        image = (image * grain * (1 - cover) + np.array(line, dtype=np.float32) * cover).astype(np.float32)
    flat = 0.17
    mesh = ellipsoid((radius, radius, radius), 40, 20, flat)
    start = -np.pi / 2 + float(np.arcsin(flat))
    level = np.linspace(start, np.pi / 2, 13)
    outline = np.stack([np.cos(level), np.sin(level) - np.sin(start)], axis=1) * radius
    outline[-1, 0] = 0.0
    return assemble(
        asset_id,
        "ball",
        phrase(noun, color, (), trait),
        [(mesh, Material(WHITE, textures.speckled(rng, image, 0.0), roughness=rough))],
        turned_hulls(outline),
        density=250.0 if kind != "plain" else 400.0,
        symmetry=symmetry,
    )


def teddy_bear(asset_id: str, rng: np.random.Generator) -> Asset:
    """A sitting teddy bear, perhaps with a bow tie."""
    size = rng.uniform(0.85, 1.3)
    color = pick(rng, ("brown", "brown", "beige", "white", "grey", "pink", "black", "blue"))
    pale = (
        named(rng, "beige")
        if color.name not in ("beige", "white")
        else named(rng, "brown" if color.name == "beige" else "grey")
    )

    def lump(
        radii: tuple[float, float, float], at: tuple[float, float, float], flat: float = 0.0, steps: int = 18
    ) -> Mesh:
        return ellipsoid(radii, steps, steps // 2, flat).moved(*at)

    def fur(tone: RGB) -> Material:
        grain = textures.noise(rng, 128, 128, 50, 50) + 0.6 * textures.noise(rng, 128, 128, 20, 20)
        return Material(WHITE, textures.to_texture(np.array(tone) * (1 + 0.07 * grain[..., None])), roughness=1.0)

    plump = rng.uniform(0.92, 1.08)
    body = lump((0.042 * plump, 0.036 * plump, 0.05), (0.0, 0.0, 0.0), 0.5, 24)
    head = lump((0.035, 0.032, 0.032), (0.0, -0.004, 0.078), 0.0, 24)
    legs = [
        lump((0.018, 0.034, 0.017), (0.0, 0.0, 0.0), 0.4).turned("z", -s * 0.35).moved(s * 0.034, -0.037, 0.0)
        for s in (-1, 1)
    ]
    reach = rng.uniform(0.5, 0.9)
    arms = [
        lump((0.0145, 0.0145, 0.03), (0.0, 0.0, -0.03))
        .turned("y", s * -reach)
        .turned("x", 0.35)
        .moved(s * 0.047, -0.014, 0.056)
        for s in (-1, 1)
    ]
    ears = [lump((0.0135, 0.007, 0.0135), (s * 0.026, 0.0, 0.122), 0.0, 12) for s in (-1, 1)]
    muzzle = lump((0.016, 0.013, 0.012), (0.0, -0.033, 0.089), 0.0, 16)
    soles = [
        lump((0.011, 0.004, 0.011), (0.0, -0.0325, 0.005), 0.0, 14)
        .turned("z", -s * 0.35)
        .moved(s * 0.034, -0.037, 0.0)
        for s in (-1, 1)
    ]
    inner = [lump((0.0085, 0.004, 0.0085), (s * 0.026, -0.005, 0.127), 0.0, 12) for s in (-1, 1)]
    eyes = [lump((0.004, 0.003, 0.004), (s * 0.0135, -0.0325, 0.112), 0.0, 10) for s in (-1, 1)]
    nose = lump((0.006, 0.004, 0.004), (0.0, -0.0455, 0.099), 0.0, 10)
    parts = [
        (merge(body, head, *legs, *arms, *ears), fur(color.rgb)),
        (merge(muzzle, *soles, *inner), fur(pale.rgb)),
        (merge(*eyes, nose), Material((0.05, 0.04, 0.04), roughness=0.2)),
    ]
    trait = None
    if rng.random() < 0.5:
        ribbon = accent(rng, color)
        loops = [lump((0.014, 0.006, 0.009), (s * 0.014, -0.037, 0.066), 0.0, 12) for s in (-1, 1)]
        parts.append(
            (merge(*loops, lump((0.0055, 0.006, 0.0055), (0.0, -0.039, 0.0695), 0.0, 10)), paint(ribbon.rgb, 0.7))
        )
        trait = (f"with {ribbon.name} bow tie", f"系{ribbon.zh}领结的")
    hulls = [np.unique(piece.vertices[::2], axis=0) * size for piece in (head, *arms, *ears, muzzle)]
    for piece in (body, *legs):
        points = np.unique(piece.vertices, axis=0)
        hulls.append(np.where(np.abs(points) < 1e-9, 0.0, points) * size)
    return assemble(
        asset_id,
        "teddy bear",
        phrase(("teddy bear", "泰迪熊"), color, (), trait),
        [(mesh.scaled(size, size, size), look) for mesh, look in parts],
        hulls,
        density=220.0,
    )


def stacking_rings(asset_id: str, rng: np.random.Generator) -> Asset:
    """Rings of falling size on a peg, each in a colour of its own."""
    count = int(rng.integers(4, 7))
    radius, thick = rng.uniform(0.042, 0.058), rng.uniform(0.008, 0.011)
    names = rng.permutation(list(BRIGHT))[: count + 1]
    foot = named(rng, "white") if rng.random() < 0.5 else named(rng, str(names[-1]))
    colors = [named(rng, str(name)) for name in names[:count]]
    tones, rects = textures.swatches([foot.rgb, *(color.rgb for color in colors)])
    base = np.array([(radius * 1.02, 0.0), (radius * 1.05, 0.003), (radius * 1.05, 0.011), (radius * 1.02, 0.014)])
    pieces = [lathe(np.concatenate([[(0.0, 0.0)], base, [(0.0, 0.014)]]), 32).painted(rects[0])]
    hulls: Hulls = turned_hulls(base)
    z = 0.014
    for i in range(count):
        outer = radius * (1 - 0.6 * i / count)
        ring = arc((outer - thick, z + thick), thick, -np.pi / 2, np.pi * 1.5, 12)
        ring[-1] = ring[0]
        pieces.append(lathe(ring, 24).painted(rects[i + 1]))
        side = arc((outer - thick, z + thick), thick, -np.pi / 2, np.pi / 2, 8)
        hulls += turned_hulls(side, 16)
        z += 2 * thick - 0.0005
    tip = np.concatenate(
        [
            [(0.0, 0.0135), (0.007, 0.0135), (0.007, z)],
            curve([(0.010, z + 0.003), (0.012, z + 0.010), (0.008, z + 0.018)], 3),
            [(0.0, z + 0.021)],
        ]
    )
    pieces.append(lathe(tip, 16).painted(rects[0]))
    hulls += turned_hulls(np.array([(0.008, z), (0.012, z + 0.010), (0.008, z + 0.018), (0.002, z + 0.021)]), 12)
    return assemble(
        asset_id,
        "toy",
        Words("stacking ring toy", "套圈玩具", ""),
        [(merge(*pieces), Material(WHITE, tones, roughness=0.3))],
        hulls,
        density=0.5 * PLASTIC,
        symmetry=0,
    )


FAMILIES: dict[str, Family] = {
    "toy_block": toy_block,
    "toy_car": toy_car,
    "ball": ball,
    "teddy_bear": teddy_bear,
    "stacking_rings": stacking_rings,
}
