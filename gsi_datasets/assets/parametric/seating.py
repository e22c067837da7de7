"""Small furniture that people move about: side tables, floor lamps, dining chairs, stools, cushions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric import surfaces, textures
from gsi_datasets.assets.parametric.build import WOOD, Array, Family, assemble
from gsi_datasets.assets.parametric.hulls import Hulls, box_hull, ring_hulls, turned_hulls
from gsi_datasets.assets.parametric.joinery import Finish, Part, Rng, calm, finish, stacked
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, merge, rounded_rectangle, tube
from gsi_datasets.assets.parametric.structures import EDGE, METALS
from gsi_datasets.assets.parametric.words import Color, Words, phrase, pick


CLOTHS = ("red", "blue", "green", "grey", "beige", "yellow", "turquoise", "pink", "brown", "white", "orange", "purple")


def side_table(asset_id: str, rng: Rng) -> Asset:
    """A small round or square table on three or four legs or on a pedestal."""
    half, height, thick = rng.uniform(0.19, 0.25), rng.uniform(0.44, 0.56), rng.uniform(0.016, 0.024)
    made, low, is_round = finish(rng, 0.6), height - thick, bool(rng.random() < 0.6)
    metal = METALS[rng.integers(len(METALS))]
    if is_round:
        top = lathe([(0, low), (half, low), (half, height - 0.003), (half - 0.003, height), (0, height)], 48)
        hulls = turned_hulls([(half, low), (half, height)])
    else:
        top = box((2 * half, 2 * half, thick), 0.002).moved(z=low)
        hulls = [box_hull((-half, -half, low), (half, half, height))]
    if rng.random() < 0.35:
        foot = 0.72 * half
        stem = lathe([(0, 0), (foot, 0), (foot, 0.008), (0.02, 0.014), (0.014, 0.03), (0.014, low - 0.01), (0.06, low),
                      (0, low)], 40)  # fmt: skip
        hulls += [*turned_hulls([(foot, 0.0), (foot, 0.009)]), *turned_hulls([(0.016, 0.009), (0.016, low)])]
        base: Part = stem, metal
    else:
        count = int(rng.integers(3, 5)) if is_round else 4
        reach = (0.82 * half if is_round else 0.86 * half * np.sqrt(2)) - 0.01
        legs, pieces = _splayed(count, 0.78 * reach, reach, low, rng.uniform(0.011, 0.016))
        hulls += pieces
        base = made.on(*legs) if rng.random() < 0.6 else (merge(*legs), metal)
    inset = half - EDGE
    adjective = ("round ", "圆") if is_round else ("square ", "方")
    words = Words(f"{adjective[0]}{made.words[0]} side table", f"{made.words[1]}{adjective[1]}边几", made.color)
    return assemble(
        asset_id, "side table", words, [made.on(top), base], hulls, density=WOOD,
        receptacle=Receptacle("on", height, (inset, inset), is_round, height), kind="furniture",
    )  # fmt: skip


def floor_lamp(asset_id: str, rng: Rng) -> Asset:
    """A shade on a tall rod, on a heavy round foot or on three wooden legs."""
    height, drop = rng.uniform(1.4, 1.65), rng.uniform(0.22, 0.3)
    low, high = rng.uniform(0.17, 0.22), rng.uniform(0.11, 0.19)
    cover = pick(
        rng, ("white", "white", "beige", "beige", "grey", "black", "yellow", "red", "blue", "green", "orange")
    )
    metal = METALS[rng.integers(len(METALS))]
    bottom, wall = height - drop, 0.003
    ring = [(low, bottom), (high, height), (high - wall, height), (low - wall, bottom), (low, bottom)]
    cloth = Material((1.0, 1.0, 1.0), textures.cloth(rng, textures.plain(cover.rgb, 128, 256), 60), roughness=0.95,
                     emission=0.12)  # fmt: skip
    bulb = lathe([(0, 0), (0.014, 0), (0.03, 0.035), (0.03, 0.06), (0.018, 0.084), (0, 0.09)], 20)
    bulb = bulb.moved(z=bottom + 0.04)
    level = height - 0.02
    inset = float(np.interp(level, [bottom, height], [low, high])) - 0.5 * wall
    spokes = [box((2 * inset, 0.004, 0.004)).turned("z", k * np.pi / 3).moved(z=level) for k in range(3)]
    light = Material((0.97, 0.95, 0.88), roughness=0.5, emission=0.3)
    hulls: Hulls = ring_hulls(
        np.array([(low, bottom), (high, height), (high - 0.012, height), (low - 0.012, bottom)]), 24
    )
    if rng.random() < 0.65:
        foot = rng.uniform(0.14, 0.17)
        stand = lathe([(0, 0), (foot, 0), (foot, 0.012), (foot - 0.01, 0.022), (0.02, 0.028), (0.011, 0.05),
                       (0.011, bottom + 0.04), (0, bottom + 0.04)], 40)  # fmt: skip
        hulls += [*turned_hulls([(foot, 0.0), (foot, 0.02)]), *turned_hulls([(0.012, 0.02), (0.012, bottom)])]
        parts: list[Part] = [(merge(stand, *spokes, _rod(bottom, level)), metal)]
        made, symmetry = "", 1
    else:
        wood = finish(rng, 1.0)
        joint = bottom - 0.12
        legs, pieces = _splayed(3, 0.03, rng.uniform(0.22, 0.26), joint, 0.014)
        hub = lathe([(0, 0), (0.045, 0), (0.045, 0.05), (0, 0.05)], 24).moved(z=joint - 0.025)
        stem = lathe([(0, 0), (0.01, 0), (0.01, 0.16), (0, 0.16)], 16).moved(z=joint)
        hulls += [*pieces, *turned_hulls([(0.012, joint), (0.012, bottom)])]
        parts = [wood.on(*legs, hub), (merge(stem, *spokes, _rod(bottom, level)), metal)]
        made, symmetry = "three-legged ", 1
    parts += [(lathe(ring, 48), cloth), (bulb, light)]
    words = Words(
        f"{made}floor lamp with {_a(cover.name)} shade",
        f"带{cover.zh}灯罩的{'三脚' if made else ''}落地灯",
        cover.name,
    )
    # Its foot is iron: far heavier than the rest.
    return assemble(asset_id, "floor lamp", words, parts, hulls, density=1800.0, symmetry=symmetry, kind="furniture")


def dining_chair(asset_id: str, rng: Rng) -> Asset:
    """A chair of wood or paint, its seat bare or upholstered, its back of slats, rails or cloth."""
    width, depth, seat = rng.uniform(0.42, 0.47), rng.uniform(0.42, 0.47), rng.uniform(0.44, 0.47)
    height, post = rng.uniform(0.82, 0.96), rng.uniform(0.032, 0.04)
    made = finish(rng, 0.6, ("white", "black", "grey", "green", "blue"))
    color = calm(rng, str(rng.choice(CLOTHS)), 0.2)
    soft = bool(rng.random() < 0.6)
    cloth, lean = surfaces.fabric(rng, color.rgb), rng.uniform(0.05, 0.09)
    thick, low = 0.02, seat - (0.05 if soft else 0.02)
    at_x, front, rear = (width - post) / 2, -depth / 2 + post / 2, depth / 2 - post / 2
    frame, hulls = [], []
    for s in (-1, 1):
        frame.append(_tapered(post, low).moved(s * at_x, front))
        frame.append(_tapered(post, low).moved(s * at_x, rear))
        # The hind posts go on above the seat and lean back.
        upper = box((post, post, height - low), 0.004)
        share = upper.vertices[:, 2:] / (height - low)
        upper = upper.bent(upper.vertices + share * (0.0, lean, 0.0)).moved(s * at_x, rear, low)
        frame.append(upper)
        hulls.append(np.unique(upper.vertices, axis=0))
        foot = 0.62 * post / 2
        for y in (front, rear):
            hulls.append(_frustum((s * at_x, y), foot, post / 2, low))
    apron = 0.055
    frame += [box((2 * at_x, 0.018, apron)).moved(0, y, low - apron) for y in (front, rear)]
    frame += [box((0.018, rear - front, apron)).moved(s * at_x, 0, low - apron) for s in (-1, 1)]
    board = box((width + 0.01, depth - 0.002, thick), 0.005).moved(0, -0.004, low)
    hulls.append(box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2 - 0.01, seat)))
    parts: list[Part] = []
    if soft:
        pad = _pillow(width - 0.005, depth - post - 0.006, seat - low - thick + 0.012, 0.035)
        parts.append(cloth.on(pad.moved(0, -post / 2, low + thick - 0.006)))
    kind = str(rng.choice(["slats", "rails", "cloth"] if soft else ["slats", "rails"]))
    tilt = lean / (height - low)
    inner = 2 * at_x - post

    def across(tall: float, z: float, deep: float = 0.016) -> Mesh:
        # Between the posts, leaning as they do.
        return (
            box((inner + 0.01, deep, tall), 0.003).turned("x", -np.arctan(tilt)).moved(0, rear + tilt * (z - low), z)
        )

    if kind == "rails":
        step = (height - seat - 0.1) / 3
        frame += [across(0.05, seat + 0.1 + step * k * 1.1) for k in range(3)]
    elif kind == "slats":
        frame += [across(0.06, height - 0.07), across(0.03, seat + 0.07)]
        slat = height - seat - 0.16
        for x in np.linspace(-inner / 2, inner / 2, 7)[1:-1]:
            piece = box((0.02, 0.01, slat + 0.02), 0.002).turned("x", -np.arctan(tilt))
            frame.append(piece.moved(float(x), rear + tilt * (seat + 0.09 - low), seat + 0.09))
    else:
        tall = height - seat - 0.14
        pad = box((inner + 0.004, 0.04, tall), 0.015).turned("x", -np.arctan(tilt))
        parts.append(cloth.on(pad.moved(0, rear + tilt * (seat + 0.11 - low) - 0.006, seat + 0.11)))
        frame.append(across(0.04, height - 0.05))
    middle = seat + 0.08
    ends = [(rear + tilt * (z - low), z) for z in (middle, height - 0.012)]
    half = width / 2 - post
    hulls.append(np.array([[x, y + d, z] for y, z in ends for x in (-half, half) for d in (-0.012, 0.012)]))
    parts.append(made.on(*frame, board))
    trait = (f" with {_a(color.name)} seat", f"带{color.zh}坐垫的") if soft else ("", "")
    words = Words(
        f"{made.words[0]} chair{trait[0]}", f"{trait[1]}{made.words[1]}椅子", _main(made, color if soft else None)
    )
    return assemble(asset_id, "chair", words, parts, hulls, density=WOOD, kind="furniture")


def stool(asset_id: str, rng: Rng) -> Asset:
    """A round stool on splayed legs with a ring of rungs, its seat bare or padded."""
    radius, height = rng.uniform(0.15, 0.19), rng.uniform(0.43, 0.5)
    made, soft = finish(rng, 0.65, ("white", "black", "red", "yellow", "blue", "green")), bool(rng.random() < 0.45)
    color = calm(rng, str(rng.choice(CLOTHS)), 0.2)
    low = height - (0.055 if soft else 0.028)
    wide = radius * rng.uniform(0.98, 1.08)
    count = int(rng.integers(3, 5))
    legs, hulls = _splayed(count, 0.6 * radius, wide, low, 0.016)
    level, half = 0.3 * height, 0.0
    half = float(np.interp(level, [0.0, low], [wide, 0.6 * radius]))
    spots = [(half * np.cos(a), half * np.sin(a)) for a in _around(count)]
    rungs = []
    for k, (x, y) in enumerate(spots):
        other = spots[(k + 1) % count]
        rungs.append(tube([(x, y, level), (*other, level)], 0.009, 12))
    edge = low + 0.028
    side = [(radius - 0.006, low), (radius, low + 0.006), (radius, edge - 0.006), (radius - 0.006, edge)]
    seat = lathe([(0, low), *side, (0, edge)], 48)
    parts = [made.on(*legs, *rungs, seat)]
    hulls += turned_hulls([(radius, low), (radius, edge)])
    words = Words(f"{made.words[0]} stool", f"{made.words[1]}凳子", made.color)
    if soft:
        rounded = [(radius - 0.004, height - 0.01), (radius - 0.02, height - 0.001), (radius - 0.04, height)]
        pad = lathe(
            [(0, edge - 0.002), (radius - 0.004, edge - 0.002), (radius, edge + 0.006), *rounded, (0, height)], 48
        )
        parts.append(surfaces.fabric(rng, color.rgb).on(pad))
        hulls += turned_hulls([(radius - 0.004, edge), (radius - 0.02, height)])
        words = Words(f"{made.words[0]} stool with {_a(color.name)} seat", f"带{color.zh}坐垫的{made.words[1]}凳子",
                      _main(made, color))  # fmt: skip
    place = Receptacle("on", height, (radius - 0.045,) * 2, True, height)
    return assemble(asset_id, "stool", words, parts, hulls, density=WOOD, receptacle=place, kind="furniture")


def cushion(asset_id: str, rng: Rng) -> Asset:
    """A square cushion lying flat, plump in the middle, of one cloth."""
    size, thick = rng.uniform(0.36, 0.46), rng.uniform(0.11, 0.14)
    color = calm(rng, str(rng.choice(CLOTHS)), 0.2)
    mesh = _pillow(size, size, thick, 0.5)
    half = size / 2
    # Three flat frusta follow the bulge closely enough; the lowest face is what it lies on.
    levels = [(0.5, 0.0), (0.95, 0.4 * thick), (0.95, 0.6 * thick), (0.5, thick)]
    hulls = [
        np.concatenate([[[sx * a * half, sy * a * half, z] for sx in (-1, 1) for sy in (-1, 1)] for a, z in pair])
        for pair in pairwise(levels)
    ]
    words = phrase(("cushion", "靠垫"), color)
    cloth = surfaces.fabric(rng, color.rgb)
    return assemble(asset_id, "cushion", words, [cloth.on(mesh)], hulls, density=45.0, symmetry=1)


def _main(made: Finish, color: Color | None) -> str:
    """The colour word of something with a seat of another colour: the frame's, or the seat's where that is wood."""
    return made.color or (color.name if color else "")


def _a(word: str) -> str:
    """The word with its indefinite article."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _around(count: int) -> Array:
    """(count,) directions of legs, the first two towards the front."""
    return -np.pi / 2 + (np.arange(count) + 0.5) * 2 * np.pi / count


def _splayed(count: int, upper: float, foot: float, height: float, radius: float) -> tuple[list[Mesh], Hulls]:
    """Round legs that stand wider at the ground, with a hull each.

    Args:
        count: how many.
        upper: distance of their tops from the middle, metres.
        foot: distance of their feet from the middle, metres.
        height: metres.
        radius: of a leg at its top, metres.
    """
    meshes, hulls = [], []
    for angle in _around(count):
        toe, top = 0.7 * radius, radius
        leg = lathe([(0, 0), (toe, 0), (top, height), (0, height)], 16)
        slant = (upper - foot) / height * np.array([np.cos(angle), np.sin(angle), 0.0])
        leg = leg.bent(leg.vertices + leg.vertices[:, 2:] * slant)
        leg = leg.moved(foot * np.cos(angle), foot * np.sin(angle))
        meshes.append(leg)
        hulls.append(np.unique(leg.vertices, axis=0))
    return meshes, hulls


def _rod(low: float, high: float) -> Mesh:
    """The thin rod that carries a shade."""
    return lathe([(0, low), (0.006, low), (0.006, high + 0.004), (0, high + 0.004)], 12)


def _tapered(post: float, height: float) -> Mesh:
    """A square leg, thinner at its foot."""
    leg = box((post, post, height), 0.004)
    shrink = np.where(leg.vertices[:, 2:] < height / 2, 0.62, 1.0)
    return leg.bent(leg.vertices * np.concatenate([shrink, shrink, np.ones_like(shrink)], axis=1))


def _frustum(at: tuple[float, float], foot: float, upper: float, height: float) -> Array:
    """Hull of a `_tapered` leg."""
    return np.array(
        [
            [at[0] + sx * r, at[1] + sy * r, z]
            for r, z in ((foot, 0.0), (upper, height))
            for sx in (-1, 1)
            for sy in (-1, 1)
        ]
    )


def _pillow(width: float, depth: float, thick: float, bulge: float) -> Mesh:
    """Something stuffed: level outlines that swell from a flat bottom to the seam and back to a soft top.

    Args:
        width: metres.
        depth: metres.
        thick: metres.
        bulge: 0.03 for an upholstered seat up to 0.5 for a cushion, whose faces curve all over.
    """
    angle = np.linspace(-np.pi / 2, np.pi / 2, 15)
    reach = np.cos(angle) ** (0.12 + 1.1 * bulge)
    reach = np.maximum(reach, 0.5 if bulge > 0.2 else 0.9)
    z = (np.sin(angle) + 1) / 2 * thick
    # The nearer to the middle of a face, the rounder.
    corner = np.minimum(0.035 + bulge * (1 - reach) * width, 0.49 * reach * min(width, depth))
    return stacked([
        (rounded_rectangle(width * scale, depth * scale, float(round_), 6), float(level))
        for scale, round_, level in zip(reach, corner, z, strict=True)
    ])  # fmt: skip


FAMILIES: dict[str, Family] = {
    "side_table": side_table,
    "floor_lamp": floor_lamp,
    "dining_chair": dining_chair,
    "stool": stool,
    "cushion": cushion,
}
