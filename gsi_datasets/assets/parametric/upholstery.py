"""Soft furniture: sofas, armchairs and beds, their seats and blankets level enough to put things on."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Receptacle
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.build import Array, Family, assemble
from gsi_datasets.assets.parametric.hulls import Hulls, box_hull
from gsi_datasets.assets.parametric.joinery import Part, Rng, calm, finish, stacked
from gsi_datasets.assets.parametric.primitives import Mesh, box, lathe, loft, merge, rounded_rectangle
from gsi_datasets.assets.parametric.structures import METALS
from gsi_datasets.assets.parametric.words import Color, Words


CLOTHS = ("grey", "grey", "beige", "white", "brown", "blue", "green", "turquoise", "red", "yellow", "pink", "black")
BEDDING = ("white", "grey", "beige", "blue", "green", "turquoise", "pink", "yellow", "red", "purple")
FOAM = 55.0  # kilograms per cubic metre of a padded frame, the hollow inside averaged in
SINGLE = 1.1  # beds narrower than this are for one, metres


def sofa(asset_id: str, rng: Rng) -> Asset:
    """A sofa with two or three seat cushions; each of them is a place."""
    count = int(rng.integers(2, 4))
    color = calm(rng, str(rng.choice(CLOTHS)), 0.25)
    each = rng.uniform(0.6, 0.72) if count == 2 else rng.uniform(0.56, 0.64)
    parts, hulls, places = _seating(rng, count, each, color)
    number, number_zh = ("two", "双") if count == 2 else ("three", "三")
    words = Words(f"{color.name} {number}-seat sofa", f"{color.zh}{number_zh}人沙发", color.name)
    return assemble(
        asset_id, "sofa", words, parts, hulls, density=FOAM, receptacle=places[0], shelves=places[1:],
        kind="furniture",
    )  # fmt: skip


def armchair(asset_id: str, rng: Rng) -> Asset:
    """A padded chair with arms, made as a sofa is, for one."""
    color = calm(rng, str(rng.choice(CLOTHS)), 0.2)
    parts, hulls, _ = _seating(rng, 1, rng.uniform(0.52, 0.58), color)
    words = Words(f"{color.name} armchair", f"{color.zh}扶手椅", color.name)
    return assemble(asset_id, "armchair", words, parts, hulls, density=0.75 * FOAM, kind="furniture")


def _seating(rng: Rng, count: int, each: float, color: Color) -> tuple[list[Part], Hulls, tuple[Receptacle, ...]]:
    """Base, arms, back, cushions and feet of something to sit on.

    Args:
        rng: the only source of chance.
        count: seats.
        each: width of a seat, metres.
        color: of the cloth.

    Returns:
        Parts, hulls and a place on each seat cushion.
    """
    depth = rng.uniform(0.84, 0.94) if count > 1 else rng.uniform(0.76, 0.84)
    seat, feet, plump = rng.uniform(0.42, 0.46), rng.uniform(0.08, 0.15), rng.uniform(0.13, 0.17)
    arm, arm_top = rng.uniform(0.11, 0.2), seat + rng.uniform(0.12, 0.19)
    top, rear = seat + rng.uniform(0.3, 0.38), rng.uniform(0.13, 0.17)
    inner = count * each
    half, front, back = inner / 2 + arm, -depth / 2, depth / 2
    # The seat cushions reach under the back cushions.
    deck, seat_depth = seat - plump, depth - rear
    soft = rng.uniform(0.025, 0.05)
    body = [
        padded(inner + 0.04, depth - 0.05, deck - feet + 0.015, 0.02).moved(0, 0.015, feet),
        padded(2 * half - 0.02, rear, top - 0.07 - feet, 0.05).moved(0, back - rear / 2, feet),
    ]
    body += [padded(arm, depth - 0.015, arm_top - feet, soft).moved(s * (half - arm / 2), -0.0075, feet)
             for s in (-1, 1)]  # fmt: skip
    hulls: Hulls = [
        box_hull((-inner / 2 - 0.02, front + 0.04, feet), (inner / 2 + 0.02, back - 0.01, deck)),
        box_hull((-half + 0.02, back - rear + 0.005, feet), (half - 0.02, back, top - 0.08)),
        *(box_hull((s * (half - arm / 2) - arm / 2, front + 0.003, feet),
                   (s * (half - arm / 2) + arm / 2, back - 0.015, arm_top)) for s in (-1, 1)),
    ]  # fmt: skip
    cushions, places = [], []
    bottom = padded(each - 0.008, seat_depth - 0.012, plump, 0.035)
    lean, tall, thick = rng.uniform(0.14, 0.2), top - seat, rng.uniform(0.13, 0.16)
    upper = padded(each - 0.012, tall, thick, 0.045, crown=0.03)
    solid = box((each - 0.06, tall - 0.05, thick - 0.05)).moved(z=0.025)
    upper, solid = (mesh.turned("x", np.pi / 2 - lean) for mesh in (upper, solid))
    # It stands on the seat, pressed a little into both it and the back.
    low, high = upper.vertices.min(axis=0), upper.vertices.max(axis=0)
    to_y, to_z = back - rear + 0.04 - high[1], seat - 0.012 - low[2]
    near, far = front + 0.06, low[1] + to_y - 0.02
    for k in range(count):
        x = each * (k + 0.5 - count / 2)
        cushions += [bottom.moved(x, front + seat_depth / 2, deck), upper.moved(x, to_y, to_z)]
        hulls += [
            box_hull((x - each / 2 + 0.004, front + 0.006, deck), (x + each / 2 - 0.004, back - rear, seat)),
            np.unique(solid.moved(x, to_y, to_z).vertices, axis=0),
        ]
        spot = (x, (near + far) / 2)
        places.append(Receptacle("on", seat, (each / 2 - 0.06, (far - near) / 2), False, seat, spot))
    legs, leg_hulls = _feet(rng, half - 0.06, front + 0.07, back - 0.07, feet + 0.01)
    cloth = surfaces.fabric(rng, color.rgb)
    return [cloth.on(merge(*body, *cushions)), legs], [*hulls, *leg_hulls], tuple(places)


def bed(asset_id: str, rng: Rng) -> Asset:
    """A bed for one or two: frame with a headboard, mattress, pillows and a blanket, whose level part is a place."""
    width = float(rng.choice([0.9, 1.4, 1.6, 1.8]))
    length, rail, legs = 2.0, rng.uniform(0.28, 0.34), rng.uniform(0.08, 0.16)
    level, board, head = rng.uniform(0.46, 0.52), rng.uniform(0.05, 0.09), rng.uniform(0.85, 1.1)
    color, sheet = calm(rng, str(rng.choice(BEDDING)), 0.3), calm(rng, "white")
    made, padded_frame = finish(rng, 0.75, ("white", "white", "grey", "black")), bool(rng.random() < 0.4)
    shell = surfaces.fabric(rng, calm(rng, str(rng.choice(["grey", "beige", "brown", "blue", "green"])), 0.5).rgb)
    # y of the mattress's foot and head end.
    foot, rear = -length / 2, length / 2
    bevel = 0.012 if padded_frame else 0.004
    rails = [box((0.03, length + 0.03, rail - legs), bevel).moved(s * (width / 2 + 0.02), -0.015, legs)
             for s in (-1, 1)]  # fmt: skip
    rails.append(box((width + 0.07, 0.03, rail - legs), bevel).moved(0, foot - 0.02, legs))
    slab = padded(width + 0.07, board, head, 0.025) if padded_frame else box((width + 0.07, board, head), 0.005)
    frame = [*rails, slab.moved(0, rear + board / 2), box((width + 0.01, length, 0.03)).moved(0, 0, legs + 0.02)]
    mattress = padded(width, length - 0.01, level - rail + 0.1, 0.045).moved(0, 0, rail - 0.1)

    thick, reach = rng.uniform(0.03, 0.05), rng.uniform(0.62, 0.7) * length
    top, hem = level + thick, rail + rng.uniform(0.01, 0.05)
    blanket = _draped(rng, width + 0.05, reach, hem, top).moved(0, foot - 0.005 + reach / 2)
    folded = rng.uniform(0.16, 0.26)
    over = padded(width + 0.035, folded, thick + 0.024, 0.02).moved(0, foot + reach - folded / 2 + 0.02, level)
    count = 1 if width < SINGLE else 2
    wide = min(0.7, width / count - 0.06)
    pillow = padded(wide, 0.42, 0.1, 0.047, crown=0.045).turned("x", rng.uniform(0.2, 0.4))
    pillow = pillow.moved(0, rear - 0.01 - pillow.vertices[:, 1].max(), level - 0.012 - pillow.vertices[:, 2].min())
    pillows = [pillow.moved(width / count * (k + 0.5 - count / 2)) for k in range(count)]
    linen, cover = surfaces.fabric(rng, sheet.rgb), surfaces.fabric(rng, color.rgb)
    case = linen if rng.random() < 0.6 else cover
    feet, hulls = _feet(rng, width / 2 - 0.03, foot + 0.03, rear - 0.05, legs + 0.02)

    low, high = pillow.vertices.min(axis=0), pillow.vertices.max(axis=0)
    side = width / 2 + 0.035
    hulls += [
        box_hull((-side, foot - 0.035, legs), (side, rear, rail)),
        box_hull((-side, rear, 0.0), (side, rear + board, head)),
        box_hull((-width / 2, foot + 0.01, rail), (width / 2, rear - 0.01, level)),
        box_hull((-width / 2 - 0.02, foot, level - 0.02), (width / 2 + 0.02, foot + reach - 0.01, top)),
        box_hull((-width / 2 - 0.01, foot + reach - folded + 0.025, top), (width / 2 + 0.01, foot + reach + 0.015,
                                                                         top + 0.022)),
        box_hull((-width / 2 + 0.05, low[1] + 0.05, level), (width / 2 - 0.05, high[1] - 0.02, high[2] - 0.06)),
    ]  # fmt: skip
    start, stop = foot + 0.06, foot + reach - folded - 0.04
    place = Receptacle("on", top, (width / 2 - 0.06, (stop - start) / 2), False, top, (0.0, (start + stop) / 2))
    kind, kind_zh = ("single", "单人") if count == 1 else ("double", "双人")
    words = Words(f"{kind} bed with {color.name} bedding", f"带{color.zh}被子的{kind_zh}床", color.name)
    wood: Part = shell.on(merge(*frame)) if padded_frame else made.on(*frame)
    parts = [wood, feet, linen.on(merge(mattress, over)), cover.on(blanket), case.on(merge(*pillows))]
    return assemble(asset_id, "bed", words, parts, hulls, density=90.0, receptacle=place, kind="furniture")


def padded(width: float, depth: float, height: float, radius: float, crown: float = 0.0) -> Mesh:
    """A stuffed block standing on z = 0, all its edges round.

    Args:
        width: metres.
        depth: metres.
        height: at its edges, metres.
        radius: of the edges, metres; at most half of the shortest side.
        crown: how much higher the middle of its upper face is, metres; 0 leaves it level.
    """
    radius = min(radius, 0.49 * min(width, depth, height))
    around = np.linspace(0, np.pi / 2, 6)
    inset, rise = radius * (1 - np.sin(around)), radius * (1 - np.cos(around))
    rows = [(float(a), float(z)) for a, z in zip(inset, rise, strict=True)]
    rows += [(float(a), height - float(z)) for a, z in zip(inset[::-1], rise[::-1], strict=True)]
    corner = 1.25 * radius
    outlines = [(rounded_rectangle(width - 2 * a, depth - 2 * a, corner - a, 5), z) for a, z in rows]
    if not crown:
        return stacked(outlines)
    # The swelling must not follow the diagonals, so that its rings need points along their sides too.
    flat = [(_dense(outline, 0.08), z) for outline, z in outlines]
    rings = [np.column_stack([line, np.full(len(line), z)]) for line, z in flat]
    last = flat[-1][0]
    for share in (0.93, 0.85, 0.75, 0.6, 0.45, 0.3, 0.15):
        swell = (1 - (share * last / np.abs(last).max(axis=0)) ** 2).prod(axis=1)
        rings.append(np.column_stack([share * last, height + crown * swell]))
    return loft(rings)


def _dense(outline: Array, longest: float) -> Array:
    """(M, 2) the outline with its sides, where longer than `longest` metres, cut into eight."""
    gaps = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1)
    points = []
    for start, stop, gap in zip(outline, np.roll(outline, -1, axis=0), gaps, strict=True):
        steps = 8 if gap > longest else 1
        points += [start + (stop - start) * k / steps for k in range(steps)]
    return np.array(points)


def _draped(rng: Rng, width: float, depth: float, hem: float, top: float) -> Mesh:
    """A blanket from its hem up, level on top, falling over the edges in shallow waves; centred in x and y."""
    outline = rounded_rectangle(width, depth, 0.06, 6)
    # Points every 2 cm or so, that the waves may show.
    closed = np.concatenate([outline, outline[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, length[-1], int(length[-1] / 0.02), endpoint=False)
    line = np.column_stack([np.interp(at, length, closed[:, i]) for i in (0, 1)])
    ahead = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    out = np.column_stack([ahead[:, 1], -ahead[:, 0]]) / np.linalg.norm(ahead, axis=1, keepdims=True)
    wave = sum(
        share * np.sin(2 * np.pi * int(rng.integers(*turns)) * at / length[-1] + rng.uniform(0, 2 * np.pi))
        for share, turns in ((0.55, (9, 14)), (0.3, (17, 26)), (0.15, (35, 50)))
    )
    drop = top - hem
    rows: list[tuple[Array, float]] = []
    for share in np.linspace(0.0, 1.0, 6)[:-1]:
        loose = 0.012 * (1 - share) * (1 + np.asarray(wave))
        rows.append((line + loose[:, None] * out, hem + float(share) * (drop - 0.035)))
    for angle in np.linspace(0, np.pi / 2, 6):
        rows.append((line - 0.035 * (1 - np.cos(angle)) * out, top - 0.035 * (1 - float(np.sin(angle)))))
    return stacked(rows)


def _feet(rng: Rng, half: float, front: float, back: float, height: float) -> tuple[Part, Hulls]:
    """Four tapered round feet at (+-half, front or back), with a hull each."""
    toe, upper = rng.uniform(0.013, 0.018), rng.uniform(0.02, 0.027)
    foot = lathe([(0, 0), (toe, 0), (upper, height), (0, height)], 16)
    placed = [foot.moved(s * half, y) for s in (-1, 1) for y in (front, back)]
    hulls = [np.unique(mesh.vertices, axis=0) for mesh in placed]
    metal = METALS[rng.integers(len(METALS))]
    return (finish(rng, 1.0).on(*placed) if rng.random() < 0.6 else (merge(*placed), metal)), hulls


FAMILIES: dict[str, Family] = {"sofa": sofa, "armchair": armchair, "bed": bed}
