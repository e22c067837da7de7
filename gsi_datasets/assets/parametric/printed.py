"""Printed things: books, notebooks, cereal boxes, milk cartons."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import CARDBOARD, PAPER, Array, Family, assemble
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.primitives import CREASE, FACES, Mesh, Rect, box, merge, shade, tube
from gsi_datasets.assets.parametric.words import RGB, Color, accent, phrase, pick


Trait = tuple[str, str]

WHITE = (1.0, 1.0, 1.0)
TITLES = (
    ("QUIET", "RIVERS"),
    ("SMALL", "GARDENS"),
    ("THE LONG", "WINTER"),
    ("CLOUDS", ""),
    ("ON", "WALKING"),
    ("PAPER", "BIRDS"),
    ("NORTH", ""),
    ("BREAD &", "SALT"),
    ("NIGHT", "TRAINS"),
    ("STONES", ""),
)
CEREALS = ("FLAKES", "OATS", "CRUNCH", "MUESLI", "LOOPS", "BRAN")

# Where the faces of a bound volume lie in its texture: spine along the bottom, front cover above, cloth at the right.
SPINE: Rect = (0.0, 0.0, 1.0, 0.12)
COVER: Rect = (0.0, 0.15, 0.75, 1.0)
CLOTH: Rect = (0.82, 0.3, 0.98, 0.9)


def artwork(rng: np.random.Generator, sheet: textures.Print, ground: Color) -> tuple[RGB, Trait]:
    """Draw a picture over the lower two thirds of a sheet; its main colour and the words for it."""
    other = accent(rng, ground)
    third = textures.ink(ground.rgb)
    kind = str(rng.choice(["disc", "hills", "stripes", "blocks", "triangle"]))
    if kind == "disc":
        sheet.disc(0.5, 0.36, rng.uniform(0.2, 0.3), other.rgb)
        return other.rgb, (f"with {other.name} circle", f"带{other.zh}圆形图案的")
    if kind == "hills":
        sheet.disc(rng.uniform(0.3, 0.7), 0.46, 0.1, third)
        x = np.linspace(0, 1, 24)
        wave = 0.3 + 0.08 * np.sin(2 * np.pi * (x * rng.uniform(0.7, 1.4) + rng.uniform()))
        sheet.polygon([(0.0, 0.0), *zip(x.tolist(), wave.tolist(), strict=True), (1.0, 0.0)], other.rgb)
        return other.rgb, (f"with {other.name} hills", f"带{other.zh}山丘图案的")
    if kind == "stripes":
        for i in range(4):
            sheet.box(0.0, 0.08 + 0.13 * i, 1.0, 0.15 + 0.13 * i, other.rgb)
        return other.rgb, (f"with {other.name} stripes", f"带{other.zh}条纹的")
    if kind == "blocks":
        for i in range(3):
            for j in range(3):
                if (i + j) % 2 == 0:
                    sheet.box(0.14 + 0.24 * i, 0.08 + 0.17 * j, 0.38 + 0.24 * i, 0.25 + 0.17 * j, other.rgb)
        return other.rgb, (f"with {other.name} squares", f"带{other.zh}方块图案的")
    sheet.polygon([(0.16, 0.1), (0.84, 0.1), (0.5, 0.58)], other.rgb)
    return other.rgb, (f"with {other.name} triangle", f"带{other.zh}三角图案的")


def bound(color: RGB, cover: textures.Field, spine: textures.Field) -> textures.Field:
    """(256, 256, 3) texture of a bound volume from its printed faces; see `SPINE`, `COVER`, `CLOTH`."""
    image = textures.plain(color, 256, 256)
    image[: len(cover), : cover.shape[1]] = cover
    image[-len(spine) :] = spine
    return image


def book(asset_id: str, rng: np.random.Generator) -> Asset:
    """A hardback lying flat, front cover up, spine to the left, its title readable from the front."""
    width = rng.uniform(0.12, 0.18)
    depth, height = width * rng.uniform(1.3, 1.5), rng.uniform(0.016, 0.042)
    color = pick(rng)
    front = textures.Print(color.rgb, 218, 192)
    ink, trait = artwork(rng, front, color)
    first, second = TITLES[rng.integers(len(TITLES))]
    dark = textures.ink(color.rgb)
    front.word(first, 0.5, 0.88, 0.66, dark, 0.1)
    if second:
        front.word(second, 0.5, 0.75, 0.66, dark, 0.1)
    back = textures.Print(color.rgb, 31, 256)
    back.box(0.06, 0.0, 0.08, 1.0, ink)
    back.box(0.92, 0.0, 0.94, 1.0, ink)
    back.word(f"{first} {second}".strip(), 0.45, 0.5, 0.5, dark, 0.5)
    texture = textures.paper(rng, bound(color.rgb, front.done(), back.done()), 0.015)
    board, over = 0.0025, 0.003
    plain: dict[str, Rect] = dict.fromkeys(FACES, CLOTH)
    lid = box((width, depth, board), 0.0006, {**plain, "top": COVER})
    hinge = box((board, depth, height), 0.0008, {**plain, "left": SPINE})
    cover = merge(
        box((width, depth, board), 0.0006, plain),
        lid.moved(z=height - board),
        hinge.moved(x=-(width - board) / 2),
    )
    sheets = box((width - over - board, depth - 2 * over, height - 2 * board + 2e-4))
    sheets = sheets.moved(x=(board - over) / 2, z=board - 1e-4)
    parts = [
        (cover, Material(WHITE, texture, roughness=rng.uniform(0.4, 0.7))),
        (sheets, Material(WHITE, textures.page_edges(rng), roughness=0.9)),
    ]
    x, y = width / 2, depth / 2
    thick = [("thick", "厚")] if height > 0.034 else [("thin", "薄")] if height < 0.021 else []
    words = phrase(("book", "书"), color, [(en, f"{zh}的") for en, zh in thick], trait)
    return assemble(asset_id, "book", words, parts, [box_hull((-x, -y, 0.0), (x, y, height))], density=PAPER)


def notebook(asset_id: str, rng: np.random.Generator) -> Asset:
    """A notebook lying flat: with a spiral along its left edge, or with an elastic band."""
    width = rng.uniform(0.10, 0.16)
    depth, height = width * rng.uniform(1.35, 1.45), rng.uniform(0.01, 0.016)
    color = pick(rng)
    other = accent(rng, color)
    spiral = rng.random() < 0.5
    front = textures.Print(color.rgb, 218, 192)
    if spiral:
        front.box(0.28, 0.55, 0.78, 0.82, (0.96, 0.95, 0.91))
        front.word("NOTES", 0.53, 0.72, 0.3, (0.15, 0.15, 0.18), 0.1)
        front.lines(0.34, 0.72, 0.63, 1, 0.03, (0.5, 0.5, 0.55))
        front.box(0.0, 0.0, 1.0, 0.14, other.rgb)
    else:
        front.word("NOTES", 0.42, 0.14, 0.32, textures.ink(color.rgb), 0.1)
    image = bound(color.rgb, front.done(), textures.plain(color.rgb, 31, 256))
    board = 0.0012
    plain: dict[str, Rect] = dict.fromkeys(FACES, CLOTH)
    covers = [
        box((width, depth, board), 0.0004, plain),
        box((width, depth, board), 0.0004, {**plain, "top": COVER}).moved(z=height - board),
    ]
    sheets = box((width - 0.003, depth - 0.003, height - 2 * board + 2e-4)).moved(z=board - 1e-4)
    paper = (sheets, Material(WHITE, textures.page_edges(rng, 32), roughness=0.9))
    x, y = width / 2, depth / 2
    hulls = [box_hull((-x, -y, 0.0), (x, y, height))]
    if spiral:
        radius, wire = height / 2 + 0.0006, 0.0009
        angle = np.arange(12) * 2 * np.pi / 12
        middle = height / 2 + wire + 0.0006
        ring = np.column_stack([radius * np.cos(angle) - x, np.zeros(12), radius * np.sin(angle) + middle])
        coil = tube(ring, wire, 6, closed=True, up=(0.0, 1.0, 0.0))
        steps = np.linspace(-0.9 * y, 0.9 * y, 15)
        # Rings lie on the ground, so the covers float by the wire's thickness above it; the lowest one is the foot.
        parts = [merge(*covers).moved(z=wire + 0.0006), paper[0].moved(z=wire + 0.0006)]
        turns = merge(*(coil.moved(y=float(step)) for step in steps))
        turns = turns.moved(z=-float(turns.vertices[:, 2].min()))
        grey = Material((0.72, 0.72, 0.74), roughness=0.3, metallic=1.0)
        drawn = [
            (parts[0], Material(WHITE, textures.paper(rng, image), roughness=0.5)),
            (parts[1], paper[1]),
            (turns, grey),
        ]
        top = float(turns.vertices[:, 2].max())
        low = wire + 0.0006
        hulls = [
            box_hull((-x, -y, 0.0), (x, y, height + low)),
            box_hull((-x - radius, -0.9 * y, 0.0), (-x + radius, 0.9 * y, top)),
        ]
        words = phrase(
            ("spiral notebook", "线圈笔记本"), color, (), (f"with {other.name} stripe", f"带{other.zh}条纹的")
        )
    else:
        covers.append(box((board, depth, height), 0.0004, plain).moved(x=-(width - board) / 2))
        strap = box((0.006, depth + 0.0012, height + 0.0006), 0.0003).moved(x=0.34 * width)
        drawn = [
            (merge(*covers), Material(WHITE, textures.paper(rng, image), roughness=0.55)),
            paper,
            (strap, Material(other.rgb, roughness=0.8)),
        ]
        words = phrase(("notebook", "笔记本"), color, (), (f"with {other.name} elastic band", f"带{other.zh}松紧带的"))
    return assemble(asset_id, "notebook", words, drawn, hulls, density=PAPER)


def cereal_box(asset_id: str, rng: np.random.Generator) -> Asset:
    """A standing cereal box, its picture to the front."""
    width = rng.uniform(0.15, 0.2)
    depth, height = rng.uniform(0.045, 0.065), width * rng.uniform(1.3, 1.55)
    color = pick(rng, ["red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "brown"])
    other = accent(rng, color)
    front = textures.Print(color.rgb, 256, 176)
    aspect = 256 / 176
    if rng.random() < 0.5:
        for i in range(12):
            a, b = (2 * np.pi * (i + t) / 12 for t in (0.0, 0.5))
            reach = 1.2
            spread = [(0.5 + reach * np.cos(t), 0.32 + reach * np.sin(t) / aspect) for t in (a, b)]
            front.polygon([(0.5, 0.32), *spread], tuple(0.82 * c + 0.18 for c in color.rgb))  # type: ignore[arg-type]
    front.box(0.0, 0.7, 1.0, 0.93, other.rgb)
    title = str(rng.choice(CEREALS))
    front.word(title, 0.5, 0.815, 0.84, textures.ink(other.rgb), 0.17)
    rim = 0.36
    dish = accent(rng, color).rgb if rng.random() < 0.5 else (0.96, 0.95, 0.93)
    front.disc(0.5, rim, 0.3, dish)
    front.box(0.0, rim, 1.0, rim + 0.22, color.rgb)
    front.polygon([(0.18, rim), (0.82, rim), (0.84, rim + 0.02), (0.16, rim + 0.02)], dish)
    for _ in range(26):
        x, y = rng.uniform(0.25, 0.75), rng.uniform(0.0, 0.08)
        tone = rng.uniform(0.8, 1.05)
        flake = (min(0.86 * tone, 1.0), 0.6 * tone, 0.25 * tone)
        front.disc(x, rim + 0.03 + y * (1 - 2.6 * abs(x - 0.5)), rng.uniform(0.028, 0.042), flake)
    side = textures.Print(color.rgb, 256, 80)
    ink = textures.ink(color.rgb)
    side.box(0.0, 0.7, 1.0, 0.93, other.rgb)
    side.lines(0.14, 0.86, 0.6, 11, 0.045, ink)
    image = np.concatenate([front.done(), side.done()], axis=1)
    wide: Rect = (0.0, 0.0, 176 / 256, 1.0)
    slim: Rect = (176 / 256, 0.0, 1.0, 1.0)
    end: Rect = (0.72, 0.01, 0.98, 0.06)
    atlas = {"front": wide, "back": wide, "left": slim, "right": slim, "top": end, "bottom": end}
    mesh = box((width, depth, height), 0.001, atlas)
    x, y = width / 2, depth / 2
    words = phrase(("cereal box", "麦片盒"), color, (), (f"with {other.name} banner", f"带{other.zh}横幅的"))
    material = Material(WHITE, textures.paper(rng, image), roughness=0.5)
    hull = box_hull((-x, -y, 0.0), (x, y, height))
    return assemble(asset_id, "cereal box", words, [(mesh, material)], [hull], density=CARDBOARD, symmetry=2)


def carton(width: float, body: float, roof: float, fin: float) -> Mesh:
    """A square carton with a gable roof whose ends are folded in, and an upright fin along the ridge.

    The walls take the left half of the texture and the roof the upper right quarter, each face as seen from outside;
    the ends and the fin take the lower right.
    """
    x = width / 2
    ridge, t = body + roof, 0.0009
    vertices: list[Array] = []
    uvs: list[Array] = []
    faces: list[tuple[int, int, int]] = []

    def face(points: list[tuple[float, float, float]], rect: Rect) -> None:
        flat = np.array(
            [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)] if len(points) == 4 else [(0, 0), (1, 0), (0.5, 1)]
        )
        start = len(vertices)
        vertices.extend(np.array(points, dtype=float))
        uvs.extend(np.array(rect[:2]) + flat * (np.array(rect[2:]) - rect[:2]))
        faces.extend((start, start + i, start + i + 1) for i in range(1, len(points) - 1))

    wall: Rect = (0.0, 0.0, 0.5, 1.0)
    slope: Rect = (0.5, 0.5, 1.0, 1.0)
    plain: Rect = (0.6, 0.1, 0.9, 0.4)
    for turn in range(4):
        c, s = (1, 0, -1, 0)[turn], (0, 1, 0, -1)[turn]

        def at(u: float, v: float, z: float, c: int = c, s: int = s) -> tuple[float, float, float]:
            return (c * u - s * v, s * u + c * v, z)

        face([at(-x, -x, 0), at(x, -x, 0), at(x, -x, body), at(-x, -x, body)], wall)
        if turn % 2 == 0:
            face([at(-x, -x, body), at(x, -x, body), at(x, -t, ridge), at(-x, -t, ridge)], slope)
            face([at(-x, -t, ridge), at(x, -t, ridge), at(x, -t, ridge + fin), at(-x, -t, ridge + fin)], plain)
        else:
            # The end is folded inward along a line from the middle of its foot.
            dent = at(0, -x + 0.35 * width, body + 0.55 * roof)
            left, right = at(-x, -x, body), at(x, -x, body)
            up_left, up_right = at(-t, -x, ridge), at(t, -x, ridge)
            face([left, right, dent], plain)
            face([right, up_right, dent], plain)
            face([up_left, left, dent], plain)
            face([up_right, up_left, dent], plain)
            face([up_left, up_right, at(t, -x, ridge + fin), at(-t, -x, ridge + fin)], plain)
    face([(-x, -t, ridge + fin), (x, -t, ridge + fin), (x, t, ridge + fin), (-x, t, ridge + fin)], plain)
    face([(-x, x, 0), (x, x, 0), (x, -x, 0), (-x, -x, 0)], plain)
    return shade(np.array(vertices), np.array(faces, dtype=np.int64), np.array(uvs), 0.3 * CREASE)


def milk_carton(asset_id: str, rng: np.random.Generator) -> Asset:
    """A gable-topped carton, printed alike on all four sides."""
    width = rng.uniform(0.065, 0.08)
    body, roof, fin = width * rng.uniform(1.9, 2.6), width * 0.45, 0.016
    base = pick(rng, ["white", "white", "blue", "green", "pink", "beige"])
    other = accent(rng, base)
    height, across = 256, 128
    front = textures.Print(base.rgb, height, across)
    kind = rng.choice(["wave", "block", "drop"])
    ink = textures.ink(base.rgb)
    if kind == "wave":
        across_x = np.linspace(0, 1, 24)
        wave = 0.4 + 0.05 * np.sin(2 * np.pi * across_x)
        front.polygon([(0.0, 0.0), *zip(across_x.tolist(), wave.tolist(), strict=True), (1.0, 0.0)], other.rgb)
    elif kind == "block":
        front.box(0.0, 0.0, 1.0, 0.36, other.rgb)
        front.box(0.0, 0.9, 1.0, 1.0, other.rgb)
    else:
        front.disc(0.5, 0.3, 0.26, other.rgb)
        front.polygon([(0.27, 0.35), (0.73, 0.35), (0.5, 0.58)], other.rgb)
    front.word("MILK", 0.5, 0.72, 0.72, ink, 0.2)
    front.lines(0.15, 0.85, 0.08, 2, 0.03, textures.ink(other.rgb if kind != "drop" else base.rgb))
    top = textures.plain(other.rgb, 128, 128)
    image = np.concatenate([front.done(), np.concatenate([top, textures.plain(base.rgb, 128, 128)])], axis=1)
    x, top_z = width / 2, body + roof + fin
    low = box_hull((-x, -x, 0.0), (x, x, body))
    high = np.array(
        [(a * x, b, z) for a in (-1, 1) for b, z in ((-x, body), (x, body), (-0.001, top_z), (0.001, top_z))]
    )
    words = phrase(("milk carton", "牛奶盒"), base, (), (f"with {other.name} top", f"{other.zh}顶部的"))
    material = Material(WHITE, textures.paper(rng, image), roughness=0.45)
    mesh = carton(width, body, roof, fin)
    return assemble(asset_id, "milk carton", words, [(mesh, material)], [low, high], density=1000.0, symmetry=2)


FAMILIES: dict[str, Family] = {
    "book": book,
    "notebook": notebook,
    "cereal_box": cereal_box,
    "milk_carton": milk_carton,
}
