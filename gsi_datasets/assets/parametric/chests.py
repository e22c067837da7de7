"""What keeps clothes, and low tables: chest of drawers, wardrobe, coffee table."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Receptacle
from gsi_datasets.assets.parametric.build import WOOD, Family, assemble
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.joinery import BOARD, GAP, Rng, finish
from gsi_datasets.assets.parametric.primitives import box, merge
from gsi_datasets.assets.parametric.structures import EDGE, METALS, door_front, pull
from gsi_datasets.assets.parametric.words import Words


FACE = 0.018  # thickness of doors and drawer fronts, metres
SEAM = 0.009  # gap between them, metres
CALM = ("white", "white", "grey", "beige", "green", "blue")  # a black wardrobe is a hole in the picture


def chest_of_drawers(asset_id: str, rng: Rng) -> Asset:
    """Three to five rows of drawers, the upper ones often shallower, under a top."""
    width, depth, height = rng.uniform(0.75, 1.25), rng.uniform(0.42, 0.5), rng.uniform(0.76, 1.0)
    made, legs, low = finish(rng, 0.6), rng.uniform(0.05, 0.14), height - 0.022
    rows = 3 if height < 0.85 else int(rng.integers(3, 6))
    columns = 2 if width > 1.0 else 1
    shares = np.linspace(rng.uniform(0.7, 1.0), 1.0, rows)
    levels = low - (low - legs - 0.01) * np.concatenate([[0.0], np.cumsum(shares) / shares.sum()])
    inner, face = width - 0.02, -depth / 2 + 0.01 + FACE
    top = box((width, depth, 0.022), 0.003).moved(z=low)
    body = box((inner, depth - 0.01 - FACE, low - legs), 0.002).moved(0, (0.01 + FACE) / 2, legs)
    shadow = box((inner - 0.01, 0.003, low - legs - 0.01)).moved(0, face - 0.001, legs + 0.005)
    bar, framed = pull(rng, False), bool(rng.random() < 0.3)
    fronts, pulls = [], []
    each = inner / columns
    for k in range(rows):
        tall = float(levels[k] - levels[k + 1])
        front = door_front(each - SEAM, tall - SEAM, framed)
        for c in range(columns):
            x = each * (c + 0.5 - columns / 2)
            fronts.append(front.moved(x, face, float(levels[k + 1]) + SEAM / 2))
            grip = face - (0.01 if framed else FACE) + 0.001
            spread = (-0.25, 0.25) if columns == 1 else (0.0,)
            pulls += [bar.moved(x + s * each, grip, float(levels[k + 1]) + tall / 2) for s in spread]
    feet = [
        box((0.045, 0.045, legs + 0.005), 0.003).moved(sx * (inner / 2 - 0.03), sy * (depth / 2 - 0.055))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    hulls = [
        box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, height)),
        box_hull((-inner / 2, -depth / 2 + 0.01, 0.0), (inner / 2, depth / 2, low)),
    ]
    place = Receptacle("on", height, (width / 2 - EDGE, depth / 2 - EDGE), False, height)
    words = Words(f"{made.words[0]} chest of drawers", f"{made.words[1]}斗柜", made.color)
    parts = [made.on(top, body, *fronts, *feet), (shadow, GAP), (merge(*pulls), METALS[rng.integers(3)])]
    return assemble(asset_id, "dresser", words, parts, hulls, density=0.5 * WOOD, receptacle=place, kind="furniture")


def wardrobe(asset_id: str, rng: Rng) -> Asset:
    """Two to four tall doors, perhaps with drawers below them, on a plinth under a cornice; nothing stands on it."""
    doors = int(rng.integers(2, 5))
    width, depth, height = doors * rng.uniform(0.44, 0.52), rng.uniform(0.55, 0.62), rng.uniform(1.9, 2.15)
    made, plinth, low = finish(rng, 0.6, CALM), rng.uniform(0.06, 0.1), height - 0.03
    drop = rng.uniform(0.2, 0.26) if rng.random() < 0.5 else 0.0
    inner, face = width - 0.03, -depth / 2 + 0.012 + FACE
    body = [
        box((width, depth, 0.03), 0.004).moved(z=low),
        box((inner, depth - 0.012 - FACE, low - plinth), 0.002).moved(0, (0.012 + FACE) / 2, plinth),
        box((inner - 0.03, depth - 0.08, plinth)).moved(0, 0.02),
    ]
    shadow = box((inner - 0.01, 0.003, low - plinth - 0.01)).moved(0, face - 0.001, plinth + 0.005)
    each, framed, bar = inner / doors, bool(rng.random() < 0.5), pull(rng, True)
    tall = low - plinth - drop - 0.01
    door = door_front(each - SEAM, tall - SEAM, framed)
    pulls = []
    for k in range(doors):
        x, bottom = each * (k + 0.5 - doors / 2), plinth + 0.005 + drop
        body.append(door.moved(x, face, bottom + SEAM / 2))
        # Doors open in pairs; an odd last one opens by itself.
        inward = 1 if k % 2 == 0 and k + 1 < doors else -1
        pulls.append(bar.moved(x + inward * (each / 2 - 0.04), face - FACE + 0.001, 1.05))
    if drop:
        count = max(1, doors // 2)
        front, level = door_front(inner / count - SEAM, drop - SEAM, False), bar.turned("y", np.pi / 2)
        for k in range(count):
            x = inner / count * (k + 0.5 - count / 2)
            body.append(front.moved(x, face, plinth + 0.005 + SEAM / 2))
            pulls.append(level.moved(x, face - FACE + 0.001, plinth + drop / 2))
    hulls = [
        box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, height)),
        box_hull((-inner / 2, -depth / 2 + 0.012, 0.0), (inner / 2, depth / 2, low)),
    ]
    words = Words(f"{made.words[0]} wardrobe", f"{made.words[1]}衣柜", made.color)
    parts = [made.on(*body), (shadow, GAP), (merge(*pulls), METALS[rng.integers(3)])]
    return assemble(asset_id, "wardrobe", words, parts, hulls, density=0.25 * WOOD, kind="furniture")


def coffee_table(asset_id: str, rng: Rng) -> Asset:
    """A low table on four legs, most often with a shelf between them."""
    width, depth, height = rng.uniform(0.85, 1.2), rng.uniform(0.48, 0.62), rng.uniform(0.38, 0.46)
    made = finish(rng, 0.75, ("white", "black", "grey"))
    thick, post = rng.uniform(0.022, 0.035), rng.uniform(0.035, 0.05)
    low, at_x, at_y = height - thick, width / 2 - post / 2 - 0.015, depth / 2 - post / 2 - 0.015
    top = box((width, depth, thick), rng.uniform(0.002, 0.006)).moved(z=low)
    spots = [(sx * at_x, sy * at_y) for sx in (-1, 1) for sy in (-1, 1)]
    legs = [box((post, post, low), 0.003).moved(x, y) for x, y in spots]
    rails = [box((2 * at_x - post, 0.018, 0.05)).moved(0, s * at_y, low - 0.05) for s in (-1, 1)]
    rails += [box((0.018, 2 * at_y - post, 0.05)).moved(s * at_x, 0, low - 0.05) for s in (-1, 1)]
    half = post / 2
    hulls = [box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, height))]
    hulls += [box_hull((x - half, y - half, 0.0), (x + half, y + half, low)) for x, y in spots]
    shelves: tuple[Receptacle, ...] = ()
    boards = [top]
    if rng.random() < 0.7:
        floor = rng.uniform(0.1, 0.14)
        # It is let into the legs.
        size = 2 * at_x - 0.004, 2 * at_y - 0.004
        boards.append(box((*size, BOARD), 0.002).moved(z=floor - BOARD))
        hulls.append(box_hull((-size[0] / 2, -size[1] / 2, floor - BOARD), (size[0] / 2, size[1] / 2, floor)))
        free = (at_x - half - 0.01, at_y - half - 0.01)
        shelves = (Receptacle("on", floor, free, False, floor, (0.0, 0.0), low - 0.05 - floor),)
    parts = [made.on(*boards, *legs, *rails)]
    if rng.random() < 0.3:
        parts = [made.on(*boards), (merge(*legs, *rails), METALS[rng.integers(3)])]
    place = Receptacle("on", height, (width / 2 - EDGE, depth / 2 - EDGE), False, height)
    words = Words(f"{made.words[0]} coffee table", f"{made.words[1]}茶几", made.color)
    return assemble(
        asset_id, "coffee table", words, parts, hulls, density=WOOD, receptacle=place, shelves=shelves,
        kind="furniture",
    )  # fmt: skip


FAMILIES: dict[str, Family] = {
    "chest_of_drawers": chest_of_drawers,
    "wardrobe": wardrobe,
    "coffee_table": coffee_table,
}
