"""What things are kept in: bottles, jars, cans, baskets, crates, trays, boxes, pen holders, soap dispensers."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import CARDBOARD, CERAMIC, WOOD, Array, Family, assemble, dish, shell
from gsi_datasets.assets.parametric.hulls import Hulls, box_hull, tray_hulls, tube_hulls, turned_hulls, wedge_hulls
from gsi_datasets.assets.parametric.primitives import FACES, Mesh, Rect, arc, box, curve, lathe, merge, tube
from gsi_datasets.assets.parametric.words import Color, accent, bright_enough, named, phrase, pick


FULL = 1000.0  # kg / m^3 of vessels with what is in them
HOLLOW = 250.0  # of woven and boarded things whose mesh is filled where they are not
WHITE = (1.0, 1.0, 1.0)

# What labels say; plain words, no makers.
LABELS = {
    "bottle": ("OLIVE", "LEMON", "APPLE", "CHERRY", "PEACH", "SPRING"),
    "jar": ("HONEY", "JAM", "PLUM", "HERBS", "OLIVES", "TEA"),
    "can": ("SOUP", "BEANS", "CORN", "PEAS", "TOMATO", "PEARS"),
}


def label(rng: np.random.Generator, kind: str, ground: Color, aspect: float) -> textures.Texture:
    """(H, 256, 3) a printed wrap-around label, its word in the middle.

    Args:
        rng: source of chance.
        kind: a key of `LABELS`.
        ground: colour of the paper.
        aspect: metres around by metres high.
    """
    height = int(np.clip(256 / aspect, 32, 256))
    sheet = textures.Print(ground.rgb, height, 256)
    other = accent(rng, ground)
    style = rng.choice(["frame", "disc", "split"])
    ratio = 256 / height
    if style == "frame":
        sheet.box(0.0, 0.06, 1.0, 0.12, other.rgb)
        sheet.box(0.0, 0.88, 1.0, 0.94, other.rgb)
    elif style == "disc":
        for x in (0.0, 0.5, 1.0):
            sheet.disc(x, 0.64, min(0.11, 0.28 / ratio), other.rgb)
    else:
        sheet.box(0.0, 0.7, 1.0, 1.0, other.rgb)
    ink = textures.ink(ground.rgb)
    sheet.word(str(rng.choice(LABELS[kind])), 0.5, 0.38 if style != "frame" else 0.6, 0.26, ink, 0.3)
    sheet.lines(0.42, 0.58, 0.2 if style != "frame" else 0.36, 2, 0.07, ink)
    sheet.lines(0.06, 0.2, 0.6, 5, 0.08, ink)
    return textures.paper(rng, sheet.done())


def sleeve(radius: float, low: float, high: float) -> Mesh:
    """A sheet of paper around a cylinder, its outside filling the texture."""
    out = radius + 0.0004
    ring = [(radius, low), (out, low), (out, high), (radius, high), (radius, low)]
    mesh = lathe(ring, 40)
    z = np.clip((mesh.vertices[:, 2] - low) / (high - low), 0.0, 1.0)
    return Mesh(mesh.vertices, mesh.faces, mesh.normals, np.column_stack([mesh.uvs[:, 0], z]))


def bottle(asset_id: str, rng: np.random.Generator) -> Asset:
    """A closed bottle of coloured glass, slim, sloping, round or squat, with or without a label."""
    kind = str(rng.choice(["slim", "sloping", "round", "squat"]))
    height, radius, neck, shoulder = {
        "slim": (rng.uniform(0.25, 0.31), rng.uniform(0.034, 0.039), 0.0135, 0.62),
        "sloping": (rng.uniform(0.24, 0.29), rng.uniform(0.035, 0.041), 0.0135, 0.46),
        "round": (rng.uniform(0.15, 0.2), rng.uniform(0.045, 0.055), 0.014, 0.5),
        "squat": (rng.uniform(0.14, 0.17), rng.uniform(0.034, 0.042), 0.016, 0.66),
    }[kind]
    foot = [(0.0, 0.0), (radius - 0.004, 0.0), (radius, 0.004)]
    if kind == "round":
        points = [(0.86 * radius, 0.004), (radius, 0.3 * height), (0.8 * radius, 0.52 * height), (neck, 0.7 * height)]
        foot = [(0.0, 0.0), (0.8 * radius, 0.0)]
    else:
        top = 0.84 if kind == "sloping" else 0.76
        points = [(radius, shoulder * height), (0.86 * radius, (0.55 * shoulder + 0.45 * top) * height)]
        points += [(neck * 1.15, top * height)]
    cap = 0.018
    body = np.concatenate([curve([*points, (neck, height - cap)], 5), [(0.0, height - cap)]])
    profile = np.concatenate([foot, body])
    color = pick(rng, ["green", "brown", "blue", "turquoise", "purple", "red", "yellow", "white", "black"])
    clear = color.name not in ("white", "black")
    glass = Material(color.rgb, roughness=0.08 if clear else 0.25, opacity=0.8 if clear else 1.0)
    lid = accent(rng, color)
    stopper = lathe(
        [(0.0, height - cap), (neck + 0.002, height - cap), (neck + 0.002, height - 0.001), (0.0, height)], 24
    )
    parts = [(lathe(profile, 36), glass), (stopper, Material(lid.rgb, roughness=0.4))]
    trait = (f"with {lid.name} cap", f"带{lid.zh}瓶盖的")
    symmetry = 0
    if kind != "round" and rng.random() < 0.65:
        ground = pick(rng, [name for name in ("white", "beige", "yellow", "red", "blue") if name != color.name])
        low, high = 0.16 * shoulder * height, rng.uniform(0.72, 0.9) * shoulder * height
        texture = label(rng, "bottle", ground, 2 * np.pi * radius / (high - low))
        parts.append((sleeve(radius, low, high), Material(WHITE, texture, roughness=0.65)))
        trait, symmetry = (f"with {ground.name} label", f"带{ground.zh}标签的"), 1
    outer = np.concatenate([profile[1:-1], [(neck + 0.002, height - cap + 1e-4), (neck + 0.002, height - 0.001)]])
    size = [("tall", "高的")] if height > 0.27 else []
    words = phrase(("bottle", "瓶子"), color, size, trait)
    return assemble(asset_id, "bottle", words, parts, turned_hulls(outer), density=FULL, symmetry=symmetry)


def jar(asset_id: str, rng: np.random.Generator) -> Asset:
    """A filled jar with a screw lid and often a label."""
    radius = rng.uniform(0.032, 0.045)
    height = radius * rng.uniform(2.0, 3.0)
    color = pick(rng, ["red", "orange", "yellow", "green", "purple", "brown", "white", "blue"])
    lid = accent(rng, color)
    mouth, thick = radius * 0.86, 0.015
    top = height - thick
    side = [(radius, 0.005), (radius, top - 0.014), (0.97 * radius, top - 0.007), (mouth - 0.001, top)]
    foot = [(0.0, 0.0), (radius - 0.004, 0.0), (radius, 0.005)]
    profile = np.concatenate([foot, curve(side[1:], 3), [(0.0, top)]])
    edge = arc((mouth, height - 0.002), 0.002, 0.0, np.pi / 2, 3)
    cover = lathe(np.concatenate([[(0.0, top), (mouth + 0.002, top)], edge, [(0.0, height)]]), 36)
    parts = [
        (lathe(profile, 36), Material(color.rgb, roughness=0.1)),
        (cover, Material(lid.rgb, roughness=0.35)),
    ]
    symmetry = 0
    if rng.random() < 0.7:
        ground = pick(rng, [name for name in ("white", "beige") if name != color.name])
        low, high = 0.14 * height, top - 0.02
        texture = label(rng, "jar", ground, 2 * np.pi * radius / (high - low))
        parts.append((sleeve(radius, low, high), Material(WHITE, texture, roughness=0.65)))
        symmetry = 1
    outer = np.concatenate(
        [profile[1:-1], [(mouth + 0.002, top + 1e-4), (mouth + 0.002, height - 0.002), (mouth, height)]]
    )
    words = phrase(("jar", "罐子"), color, (), (f"with {lid.name} lid", f"带{lid.zh}盖子的"))
    return assemble(asset_id, "jar", words, parts, turned_hulls(outer), density=1300.0, symmetry=symmetry)


def can(asset_id: str, rng: np.random.Generator) -> Asset:
    """A tin with a paper label, or a drinks can painted all round."""
    color = pick(rng, ["red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "white", "black"])
    metal = Material((0.78, 0.79, 0.80), roughness=0.3, metallic=1.0)
    symmetry, trait = 1, None
    if rng.random() < 0.5:
        radius, height = rng.uniform(0.033, 0.043), rng.uniform(0.075, 0.115)
        low, high = 0.007, height - 0.007
        rim = radius + 0.0008
        tin = [
            (0.0, 0.0),
            (rim, 0.0),
            (rim, 0.003),
            (radius, 0.0035),
            (radius, height - 0.0035),
            (rim, height - 0.003),
        ]
        tin += [(rim, height), (rim - 0.002, height), (rim - 0.0025, height - 0.002), (0.0, height - 0.002)]
        texture = label(rng, "can", color, 2 * np.pi * radius / (high - low))
        parts = [(lathe(tin, 40), metal), (sleeve(radius, low, high), Material(WHITE, texture, roughness=0.55))]
        outer = np.array([(rim, 0.0), (rim, height)])
        noun = ("tin can", "罐头")
    else:
        radius, height = rng.uniform(0.026, 0.033), rng.uniform(0.115, 0.15)
        outer = np.array(
            [
                (0.76 * radius, 0.0),
                (0.8 * radius, 0.003),
                (radius, 0.011),
                (radius, height - 0.015),
                (0.83 * radius, height),
            ]
        )
        lid = [(0.0, height - 0.003), (0.78 * radius, height - 0.003), (0.79 * radius, height)]
        image = textures.plain(color.rgb, 256, 256)
        other = accent(rng, color)
        kind = rng.choice(["stripes", "columns", "dots"])
        symmetry = 0
        if kind == "stripes":
            textures.bands(image, [(0.32, 0.4), (0.48, 0.56), (0.64, 0.72)], other.rgb)
            trait = (f"with {other.name} stripes", f"带{other.zh}条纹的")
        elif kind == "columns":
            symmetry = int(rng.integers(8, 13))
            textures.columns(image, (0.2, 0.86), other.rgb, symmetry, 0.45)
            trait = (f"with {other.name} vertical stripes", f"带{other.zh}竖条纹的")
        else:
            symmetry = int(rng.integers(8, 12))
            aspect = 2 * np.pi * radius / (height + radius)
            textures.dots(
                image, (0.22, 0.84), other.rgb, symmetry, max(2, round(0.55 * symmetry / aspect)), aspect, 0.28
            )
            trait = (f"with {other.name} dots", f"带{other.zh}圆点的")
        body = lathe(np.concatenate([[(0.0, 0.0)], outer, [(0.8 * radius, height), *lid[:2][::-1]]]), 40)
        disc = lathe(
            [
                (0.0, height - 0.0031),
                (0.78 * radius, height - 0.0031),
                (0.78 * radius, height - 0.0025),
                (0.0, height - 0.0025),
            ],
            32,
        )
        painted = Material(WHITE, textures.to_texture(image), roughness=0.3)
        parts = [(body, painted), (disc, metal)]
        noun = ("drinks can", "易拉罐")
    words = phrase(noun, color, (), trait)
    return assemble(asset_id, "can", words, parts, turned_hulls(outer), density=FULL, symmetry=symmetry)


def basket(asset_id: str, rng: np.random.Generator) -> Asset:
    """An open wicker basket, round or oval, some with two ears."""
    radius, height = rng.uniform(0.11, 0.15), rng.uniform(0.075, 0.12)
    color = pick(rng, ["brown", "beige", "beige", "white", "grey"])
    stripe = accent(rng, color) if rng.random() < 0.45 else None
    base = radius * rng.uniform(0.74, 0.88)
    outer = np.concatenate(
        [[(base - 0.002, 0.0)], curve([(base, 0.003), ((base + radius) / 2 * 1.03, height / 2), (radius, height)], 4)]
    )
    section = shell(outer, 0.006, 0.008)
    squeeze = float(rng.choice([1.0, 1.0, 0.72]))
    texture = textures.wicker(rng, color.rgb, 44, 34, None)
    if stripe is not None:
        texture = textures.wicker(rng, color.rgb, 44, 34, None).copy()
        low, high = (round((1 - section.v_at(t * height)) * len(texture)) for t in (0.72, 0.42))
        band = textures.wicker(rng, stripe.rgb, 44, 34)
        texture[low:high] = band[low:high]
    angle = np.arange(48) * 2 * np.pi / 48
    rim = radius - 0.003
    braid = np.column_stack([rim * np.cos(angle), rim * np.sin(angle), np.full(48, height)])
    mesh = merge(
        lathe(section.profile, 48),
        tube(braid, 0.0048, 8, closed=True).painted((0.0, 0.02, 1.0, 0.6)),
    )
    hulls = wedge_hulls(section.outer, section.inner)
    symmetry = 0 if squeeze == 1.0 else 2
    trait = (f"with {stripe.name} band", f"带{stripe.zh}环带的") if stripe else None
    if rng.random() < 0.4:
        symmetry = 2
        reach = rng.uniform(0.03, 0.042)
        line = curve(
            [(0.0, -0.04, -0.004), (0.0, -0.026, 0.7 * reach), (0.0, 0.026, 0.7 * reach), (0.0, 0.04, -0.004)], 4
        )
        for side in (-1, 1):
            path = line + np.array([side * rim, 0.0, height])
            mesh = merge(mesh, tube(path, 0.0045, 8, up=(1.0, 0.0, 0.0)).painted((0.0, 0.1, 1.0, 0.5)))
            hulls += tube_hulls(path, 0.0045, 4)
    # Woven walls are half air, and an oval one is a round one pressed together.
    flat = np.array([1.0, squeeze, 1.0])
    place = dish(section, "in")
    half = place.half_extents[0]
    place = Receptacle("in", place.floor, (half, half * squeeze), True, height + 0.0048)
    words = phrase(("wicker basket", "藤编篮"), color, () if squeeze == 1.0 else [("oval", "椭圆形")], trait)
    material = Material(WHITE, texture, roughness=0.85)
    parts = [(mesh.scaled(*flat), material)]
    return assemble(
        asset_id,
        "basket",
        words,
        parts,
        [h * flat for h in hulls],
        density=HOLLOW,
        symmetry=symmetry,
        receptacle=place,
    )


def timber(rng: np.random.Generator) -> tuple[Color, Color]:
    """A wooden or painted surface: its colour, and that of the boards beneath."""
    bare = named(rng, str(rng.choice(["brown", "beige"])))
    return (
        (bare, bare)
        if rng.random() < 0.55
        else (pick(rng, ["red", "green", "blue", "white", "turquoise", "yellow"]), bare)
    )


def crate(asset_id: str, rng: np.random.Generator) -> Asset:
    """An open box of boards with gaps between them."""
    length, depth, height = rng.uniform(0.22, 0.32), rng.uniform(0.16, 0.21), rng.uniform(0.09, 0.14)
    board, floor, post = 0.008, 0.009, 0.02
    color, _ = timber(rng)
    rows = int(rng.integers(2, 4))
    gap = 0.012
    wide = (height - gap * (rows - 1)) / rows
    boards = [box((length - 2 * board, depth - 2 * board, floor), 0.001)]
    for i in range(rows):
        z = i * (wide + gap)
        for side in (-1, 1):
            strip: Rect = (0.0, 0.3 * i, 1.0, 0.3 * i + 0.3)
            run = box((length, board, wide), 0.0012).painted(strip)
            boards.append(run.moved(y=side * (depth - board) / 2, z=z))
            end = box((depth - 2 * board, board, wide), 0.0012).painted(strip).turned("z", np.pi / 2)
            boards.append(end.moved(x=side * (length - board) / 2, z=z))
    for sx in (-1, 1):
        for sy in (-1, 1):
            stud = box((height - floor, post, post), 0.0012).turned("y", -np.pi / 2)
            x, y = sx * (length / 2 - board - post / 2), sy * (depth / 2 - board - post / 2)
            stud = stud.moved(z=-float(stud.vertices[:, 2].min()) + floor)
            boards.append(stud.moved(x=x - float(stud.vertices[:, 0].mean()), y=y))
    texture = textures.wood(rng, color.rgb, 128, 256)
    hulls = tray_hulls((length, depth, height), board, floor)
    corner = np.array([length / 2 - board - post, depth / 2 - board - post])
    for sx in (-1, 1):
        for sy in (-1, 1):
            near, far = corner * (sx, sy), (corner + post) * (sx, sy)
            low, high = np.minimum(near, far), np.maximum(near, far)
            hulls.append(box_hull((*low, floor), (*high, height)))
    half = (length / 2 - board - post, depth / 2 - board)
    words = phrase(("wooden crate", "木箱"), color)
    material = Material(WHITE, texture, roughness=0.75)
    return assemble(
        asset_id,
        "crate",
        words,
        [(merge(*boards), material)],
        hulls,
        density=WOOD,
        symmetry=2,
        receptacle=Receptacle("in", floor, half, False, height),
    )


def tray(asset_id: str, rng: np.random.Generator) -> Asset:
    """A low tray: of boards with two grips, or round and lacquered."""
    color, inner = timber(rng)
    if rng.random() < 0.45:
        radius, height, floor = rng.uniform(0.13, 0.175), rng.uniform(0.018, 0.026), 0.005
        outer = np.array(
            [(radius - 0.006, 0.0), (radius - 0.003, 0.004), (radius - 0.0005, 0.5 * height), (radius, height)]
        )
        section = shell(outer, 0.005, floor)
        color = pick(rng)
        image = textures.plain(color.rgb, 256, 64)
        other, trait = accent(rng, color), None
        if rng.random() < 0.6:
            length = 1.0 - section.inside[0]
            textures.bands(image, [(section.inside[1] - 0.78 * length, section.inside[1] - 0.68 * length)], other.rgb)
            trait = (f"with {other.name} ring", f"带{other.zh}圆环的")
        material = Material(WHITE, textures.speckled(rng, image, 0.0), roughness=0.3)
        words = phrase(("round tray", "圆托盘"), color, (), trait)
        return assemble(
            asset_id,
            "tray",
            words,
            [(lathe(section.profile, 64), material)],
            wedge_hulls(section.outer, section.inner),
            density=WOOD,
            symmetry=0,
            receptacle=dish(section, "on"),
        )
    length, depth, height = rng.uniform(0.32, 0.42), rng.uniform(0.22, 0.29), rng.uniform(0.03, 0.045)
    wall, floor = 0.01, 0.008
    strips = []
    for side in (-1, 1):
        strips.append(box((length, wall, height), 0.002).moved(y=side * (depth - wall) / 2))
        end = box((depth - 2 * wall, wall, height), 0.002).turned("z", np.pi / 2)
        strips.append(end.moved(x=side * (length - wall) / 2))
    grips, hulls = [], tray_hulls((length, depth, height), wall, floor)
    reach, stand = 0.05, 0.024
    line = curve(
        [(0.0, -reach, -0.006), (0.0, -0.8 * reach, stand), (0.0, 0.8 * reach, stand), (0.0, reach, -0.006)], 4
    )
    for side in (-1, 1):
        path = line + np.array([side * (length - wall) / 2, 0.0, height])
        grips.append(tube(path, 0.0042, 8, up=(1.0, 0.0, 0.0)))
        hulls += tube_hulls(path, 0.0042, 4)
    bed = box((length - 2 * wall, depth - 2 * wall, floor), 0.0)
    wood = Material(WHITE, textures.wood(rng, inner.rgb, 128, 256), roughness=0.5)
    paint = Material(WHITE, textures.wood(rng, color.rgb, 64, 256), roughness=0.5)
    metal = Material((0.2, 0.2, 0.21), roughness=0.4, metallic=1.0)
    painted = color is not inner
    # The floor is most of what one sees, so it gives the colour.
    words = phrase(
        ("wooden tray", "木托盘"), inner, (), (f"with {color.name} rim", f"带{color.zh}边的") if painted else None
    )
    return assemble(
        asset_id,
        "tray",
        words,
        [(bed, wood), (merge(*strips), paint), (merge(*grips), metal)],
        hulls,
        density=WOOD,
        symmetry=2,
        receptacle=Receptacle("on", floor, (length / 2 - wall, depth / 2 - wall), False, height),
    )


def cardboard_box(asset_id: str, rng: np.random.Generator) -> Asset:
    """A closed cardboard box with tape along its top, brown or printed in a colour."""
    length = rng.uniform(0.11, 0.22)
    depth, height = length * rng.uniform(0.6, 0.85), length * rng.uniform(0.4, 0.75)
    bare = rng.random() < 0.5
    color = (
        Color("brown", (0.62, 0.44, 0.27))
        if bare
        else pick(rng, ["red", "yellow", "green", "blue", "white", "orange"])
    )
    tape = named(rng, "beige") if bare and rng.random() < 0.5 else accent(rng, color)
    image = textures.Print(color.rgb, 256, 256)
    # Top left: lid with tape; bottom left: end with the tape's tail; right: plain side with small print.
    image.box(0.0, 0.69, 0.5, 0.81, tape.rgb)
    image.box(0.19, 0.36, 0.31, 0.5, tape.rgb)
    ink = textures.ink(color.rgb)
    image.lines(0.76, 0.94, 0.12, 2, 0.05, ink)
    image.polygon([(0.56, 0.06), (0.56, 0.14), (0.6, 0.19), (0.64, 0.14), (0.64, 0.06)], ink)
    image.box(0.0, 0.498, 0.5, 0.502, tuple(0.7 * c for c in color.rgb))  # type: ignore[arg-type]
    lid: Rect = (0.0, 0.5, 0.5, 1.0)
    end: Rect = (0.0, 0.0, 0.5, 0.5)
    side: Rect = (0.5, 0.0, 1.0, 0.5)
    plain: Rect = (0.55, 0.6, 0.95, 0.95)
    atlas = {"top": lid, "left": end, "right": end, "front": side, "back": side, "bottom": plain}
    mesh = box((length, depth, height), 0.0015, atlas)
    material = Material(WHITE, textures.paper(rng, image.done(), 0.03), roughness=0.85)
    x, y = length / 2, depth / 2
    words = phrase(("cardboard box", "纸箱"), color, (), (f"with {tape.name} tape", f"带{tape.zh}胶带的"))
    hull = box_hull((-x, -y, 0.0), (x, y, height))
    return assemble(asset_id, "box", words, [(mesh, material)], [hull], density=CARDBOARD, symmetry=2)


def gift_box(asset_id: str, rng: np.random.Generator) -> Asset:
    """A wrapped present with a lid, a crossed ribbon and a bow."""
    length = rng.uniform(0.1, 0.17)
    depth, height = length * rng.uniform(0.8, 1.0), length * rng.uniform(0.5, 0.9)
    color = pick(rng)
    ribbon = accent(rng, color)
    image = textures.plain(color.rgb, 128, 128)
    if rng.random() < 0.45:
        pale = (
            tuple(0.55 * c + 0.45 for c in color.rgb)
            if not bright_enough(color.rgb)
            else tuple(0.8 * c for c in color.rgb)
        )
        textures.dots(image, (0.02, 0.98), pale, 8, 8, 1.0, 0.16)  # type: ignore[arg-type]
    lid = min(0.3 * height, 0.028)
    over = 0.003
    low: dict[str, Rect] = dict.fromkeys(FACES[:4], (0.0, 0.0, 1.0, (height - lid) / length))
    high: dict[str, Rect] = dict.fromkeys(FACES[:4], (0.0, 0.0, 1.0, lid / length))
    body = merge(
        box((length - 2 * over, depth - 2 * over, height - lid), 0.001, low),
        box((length, depth, lid), 0.002, high).moved(z=height - lid),
    )
    wide, thick = 0.12 * length, 0.0008
    bands = [
        box((wide, depth + 2 * thick, lid), 0.0005).moved(z=height - lid + thick),
        box((length + 2 * thick, wide, lid), 0.0005).moved(z=height - lid + thick),
        box((wide, depth - 2 * over + 2 * thick, height - lid), 0.0005),
        box((length - 2 * over + 2 * thick, wide, height - lid), 0.0005),
    ]
    size = 0.19 * length
    top = height + thick
    hulls: Hulls = [box_hull((-length / 2, -depth / 2, 0.0), (length / 2, depth / 2, top))]
    loop = curve(
        [(0.0, 0.002), (0.6 * size, 0.42 * size), (size, 0.34 * size), (0.85 * size, 0.05 * size), (0.0, 0.002)], 4
    )[:-1]
    for side in (-1, 1):
        path = np.column_stack([side * loop[:, 0], np.zeros(len(loop)), loop[:, 1] + top])
        bow = tube(path, 0.42 * wide, 8, 0.14, closed=True, up=(0.0, 1.0, 0.0))
        bands.append(bow.turned("z", np.pi / 4))
        hull = np.array(
            [
                (side * x, y, top + z)
                for x in (0.0, size)
                for y in (-0.4 * wide, 0.4 * wide)
                for z in (0.0, 0.46 * size)
            ]
        )
        spin = np.sqrt(0.5)
        hulls.append(hull @ np.array([(spin, spin, 0.0), (-spin, spin, 0.0), (0.0, 0.0, 1.0)]))
    bands.append(box((0.7 * wide, 0.7 * wide, 0.3 * size), 0.002).turned("z", np.pi / 4).moved(z=top - 0.001))
    paper = Material(WHITE, textures.paper(rng, image), roughness=0.5)
    parts = [(body, paper), (merge(*bands), Material(ribbon.rgb, roughness=0.35))]
    words = phrase(("gift box", "礼盒"), color, (), (f"with {ribbon.name} ribbon", f"带{ribbon.zh}丝带的"))
    return assemble(asset_id, "gift box", words, parts, hulls, density=CARDBOARD, symmetry=2)


def pen_holder(asset_id: str, rng: np.random.Generator) -> Asset:
    """A beaker with pencils leaning in it."""
    radius, height = rng.uniform(0.034, 0.042), rng.uniform(0.09, 0.11)
    color = pick(rng)
    outer = np.array([(radius - 0.002, 0.0), (radius, 0.002), (radius, 0.5 * height), (radius, height)])
    section = shell(outer, 0.003, 0.005)
    image = textures.plain(color.rgb, 128, 64)
    trait = None
    if rng.random() < 0.4:
        other = accent(rng, color)
        textures.bands(image, [(section.v_at(0.15 * height), section.v_at(0.35 * height))], other.rgb)
        trait = (f"with {other.name} band", f"带{other.zh}环带的")
    count = int(rng.integers(3, 6))
    paint = [pick(rng, ["red", "yellow", "green", "blue", "orange", "black", "pink"]).rgb for _ in range(count)]
    swatches = np.concatenate([textures.plain(rgb, 8, 4) for rgb in paint], axis=1)
    swatches = np.concatenate([np.broadcast_to(np.array((0.85, 0.68, 0.47), np.float32), (2, 4 * count, 3)), swatches])
    pencils, hulls = [], wedge_hulls(section.outer, section.inner)
    room = radius - 0.003 - 0.0045
    turn = rng.uniform(0, 2 * np.pi)
    for i in range(count):
        angle = turn + 2 * np.pi * i / count + rng.uniform(-0.2, 0.2)
        heading = np.array([np.cos(angle), np.sin(angle)])
        low = np.array([*(-0.55 * room * heading), 0.006 + 0.001])
        lean = np.array([*(0.95 * room * heading), height])
        tip = low + (lean - low) * rng.uniform(1.5, 1.8)
        path = low + (tip - low) * np.array([0.0, 0.5, 0.92, 1.0])[:, None]
        side = np.array([-heading[1], heading[0], 0.0])
        rod = tube(path, [0.0036, 0.0036, 0.0036, 0.0006], 6, up=side)
        # Cedar shows at the sharpened end, the paint elsewhere.
        v = np.where(rod.uvs[:, 1] > 0.95, 0.92, 0.4)
        pencils.append(
            Mesh(rod.vertices, rod.faces, rod.normals, np.column_stack([np.full(len(v), (i + 0.5) / count), v]))
        )
        hulls.append(_rod(path[0], path[-1], side, 0.0033))
    parts = [
        (lathe(section.profile, 40), Material(WHITE, textures.speckled(rng, image, 0.0), roughness=0.4)),
        (merge(*pencils), Material(WHITE, textures.to_texture(swatches), roughness=0.45)),
    ]
    words = phrase(("pen holder", "笔筒"), color, (), trait)
    return assemble(asset_id, "pen holder", words, parts, hulls, density=CERAMIC * 0.6)


def _rod(start: Array, stop: Array, side: Array, radius: float) -> Array:
    """(8, 3) corners of a thin square bar."""
    over = np.cross(side, stop - start)
    over /= np.linalg.norm(over)
    return np.array([end + radius * (s * side + t * over) for end in (start, stop) for s in (-1, 1) for t in (-1, 1)])


def soap_dispenser(asset_id: str, rng: np.random.Generator) -> Asset:
    """A bottle with a pump whose nozzle points to the front."""
    radius, height = rng.uniform(0.03, 0.038), rng.uniform(0.105, 0.14)
    color = pick(rng)
    kind = rng.choice(["straight", "round", "taper"])
    neck = 0.012
    sides = {
        "straight": [(radius, 0.004), (radius, 0.8 * height), (0.8 * radius, 0.94 * height), (neck, height)],
        "round": [(0.85 * radius, 0.004), (1.05 * radius, 0.4 * height), (0.8 * radius, 0.8 * height), (neck, height)],
        "taper": [(radius, 0.004), (0.85 * radius, 0.55 * height), (0.62 * radius, 0.9 * height), (neck, height)],
    }[str(kind)]
    side = curve(sides, 5) if kind != "straight" else np.concatenate([sides[:1], curve(sides[1:], 5)])
    profile = np.concatenate([[(0.0, 0.0), (side[0, 0] - 0.003, 0.0)], side, [(0.0, height)]])
    image = textures.plain(color.rgb, 128, 64)
    share = 0.004 if rng.random() < 0.4 else 0.0
    body = (
        lathe(profile, 40),
        Material(WHITE, textures.speckled(rng, image, share), roughness=rng.uniform(0.15, 0.4)),
    )
    pump = named(rng, str(rng.choice([name for name in ("white", "black") if name != color.name])))
    top = height + rng.uniform(0.032, 0.04)
    stack = [(0.0, height - 0.001), (0.0135, height - 0.001), (0.0135, height + 0.012), (0.0045, height + 0.0125)]
    stack += [(0.0045, top - 0.01), (0.0085, top - 0.0095), (0.0085, top - 0.001), (0.0, top)]
    reach = rng.uniform(0.032, 0.04)
    line = curve([(0.0, 0.0, top - 0.0055), (0.0, -0.6 * reach, top - 0.005), (0.0, -reach, top - 0.011)], 4)
    spout = tube(line, np.linspace(0.0042, 0.003, len(line)), 10, up=(1.0, 0.0, 0.0))
    steel = rng.random() < 0.35
    material = (
        Material((0.75, 0.75, 0.76), roughness=0.25, metallic=1.0) if steel else Material(pump.rgb, roughness=0.35)
    )
    trait = ("with metal pump", "带金属泵头的") if steel else (f"with {pump.name} pump", f"带{pump.zh}泵头的")
    outer = np.concatenate([profile[1:-1], [(0.0135, height + 1e-4), (0.0135, height + 0.012)]])
    head = [(0.0085, height + 0.012), (0.0085, top - 0.001), (0.004, top)]
    hulls = turned_hulls(outer) + turned_hulls(head, 8) + tube_hulls(line, 0.0036, 1)
    words = phrase(("soap dispenser", "皂液器"), color, (), trait)
    return assemble(
        asset_id, "soap dispenser", words, [body, (merge(lathe(stack, 24), spout), material)], hulls, density=FULL
    )


FAMILIES: dict[str, Family] = {
    "bottle": bottle,
    "jar": jar,
    "can": can,
    "basket": basket,
    "crate": crate,
    "tray": tray,
    "box": cardboard_box,
    "gift_box": gift_box,
    "pen_holder": pen_holder,
    "soap_dispenser": soap_dispenser,
}
