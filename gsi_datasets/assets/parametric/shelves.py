"""Case furniture of living rooms and bedrooms: bookcase, television stand and nightstand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gsi_datasets.assets.asset import Asset, Material, Receptacle
from gsi_datasets.assets.parametric.build import WOOD, Family, assemble
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.joinery import BOARD, GAP, Part, Rng, calm, finish
from gsi_datasets.assets.parametric.primitives import Mesh, box, merge
from gsi_datasets.assets.parametric.structures import EDGE, METALS, door_front, pull
from gsi_datasets.assets.parametric.words import Words


BACK = 0.008  # thickness of back panels, metres


def open_bookcase(asset_id: str, rng: Rng) -> Asset:
    """Four or five boards in a case; some of the compartments hold books, the others are free."""
    width, depth, height = rng.uniform(0.6, 1.0), rng.uniform(0.28, 0.35), rng.uniform(1.2, 2.0)
    made, plinth = finish(rng, 0.65), rng.uniform(0.05, 0.08)
    count = 5 if height > 1.75 else 4 if height > 1.35 else 3
    inner, back = width - 2 * BOARD, depth / 2 - BACK
    # Where things stand: upper faces of the boards; the last is the top.
    levels = [plinth + BOARD, *np.linspace(plinth + BOARD, height, count + 1)[1:]]
    board = (-inner / 2, inner / 2)
    meshes = [box((inner, depth - BACK - 0.004, BOARD)).moved(0, -BACK / 2, z - BOARD) for z in levels[:-1]]
    meshes += [box((BOARD, depth, height - BOARD), 0.001).moved(s * (width - BOARD) / 2) for s in (-1, 1)]
    meshes.append(box((width, depth, BOARD), 0.0015).moved(z=height - BOARD))
    meshes.append(box((inner, BACK, height - plinth - BOARD)).moved(0, depth / 2 - BACK / 2, plinth))
    meshes.append(box((inner, 0.016, plinth)).moved(0, -depth / 2 + 0.03))
    hulls = [box_hull((board[0], -depth / 2 + 0.002, z - BOARD), (board[1], back, z)) for z in levels[:-1]]
    hulls += [
        box_hull((-width / 2, -depth / 2, height - BOARD), (width / 2, depth / 2, height)),
        box_hull((-inner / 2, back, plinth), (inner / 2, depth / 2, height - BOARD)),
        *(box_hull((s * width / 2 - (s > 0) * BOARD, -depth / 2, 0.0),
                   (s * width / 2 + (s < 0) * BOARD, depth / 2, height - BOARD)) for s in (-1, 1)),
    ]  # fmt: skip
    # The board nearest to table height is the one people would name; it stays free.
    main = min(range(count), key=lambda k: abs(levels[k] - 0.95))
    full = [k for k in range(count) if k != main and rng.random() < 0.6]
    books: list[Part] = []
    places: dict[int, Receptacle] = {}
    for k, (low, high) in enumerate(pairwise(float(z) for z in levels)):
        room, start = high - BOARD - low, -inner / 2
        if k in full:
            share = 1.0 if rng.random() < 0.5 else rng.uniform(0.4, 0.7)
            row, row_hull, start = _row_of_books(rng, start, start + share * inner, low, room, back)
            books += row
            hulls.append(row_hull)
        span = inner / 2 - start - 2 * EDGE
        if span > 0.16:
            half_y = (depth - BACK - 0.004) / 2 - EDGE
            places[k] = Receptacle(
                "on", low, (span / 2, half_y), False, low, (start + EDGE + span / 2, -BACK / 2), room
            )
    first = places.pop(main)
    words = Words(f"{made.words[0]} bookcase", f"{made.words[1]}书架", made.color)
    return assemble(
        asset_id, "bookcase", words, [made.on(*meshes), *books], hulls, density=WOOD, receptacle=first,
        shelves=tuple(places.values()), kind="furniture",
    )  # fmt: skip


def _row_of_books(
    rng: Rng, start: float, stop: float, low: float, room: float, back: float
) -> tuple[list[Part], np.ndarray, float]:
    """Books side by side on a board, from `start` on: their meshes by colour, one hull, and where they end in x."""
    colors = ("red", "blue", "green", "white", "beige", "black", "yellow", "grey", "brown", "turquoise", "orange")
    paints = [calm(rng, name).rgb for name in colors]
    covers: dict[int, list[Mesh]] = {}
    pages: list[Mesh] = []
    x, deepest, highest = start + 0.001, 0.0, 0.0
    while True:
        thick, deep = rng.uniform(0.014, 0.045), rng.uniform(0.15, 0.21)
        tall = min(rng.uniform(0.19, 0.29), room - 0.025)
        if x + thick > stop - 0.002:
            break
        middle, front = x + thick / 2, back - 0.012 - deep
        spine = box((thick, 0.003, tall), 0.001).moved(middle, front + 0.0015)
        board = box((0.002, deep - 0.003, tall)).moved(middle, front + 0.003 + (deep - 0.003) / 2)
        cover = merge(spine, *(board.moved(s * (thick / 2 - 0.001)) for s in (-1, 1)))
        if rng.random() < 0.6:
            band = box((thick + 0.0006, 0.0006, 0.012)).moved(middle, front - 0.0001, tall * rng.uniform(0.7, 0.85))
            covers.setdefault(int(rng.integers(len(paints))), []).append(band.moved(z=low))
        covers.setdefault(int(rng.integers(len(paints))), []).append(cover.moved(z=low))
        block = box((thick - 0.004, deep - 0.006, tall - 0.008))
        pages.append(block.moved(middle, front + 0.003 + (deep - 0.006) / 2, low + 0.002))
        deepest, highest, x = max(deepest, deep), max(highest, tall), x + thick + 0.0008
    parts = [(merge(*covers[k]), Material(paints[k], roughness=0.6)) for k in sorted(covers)]
    parts.append((merge(*pages), Material((0.86, 0.83, 0.75), roughness=0.9)))
    hull = box_hull((start, back - 0.012 - deepest, low), (x, back - 0.012, low + highest))
    return parts, hull, x


def tv_stand(asset_id: str, rng: Rng) -> Asset:
    """A low board with an open compartment in its middle or below, doors or drawers beside it."""
    width, depth, height = rng.uniform(1.2, 1.8), rng.uniform(0.38, 0.44), rng.uniform(0.45, 0.55)
    made, legs, side = finish(rng, 0.7, ("white", "white", "grey", "black")), rng.uniform(0.06, 0.16), 0.3 * width
    low, back = height - 0.022, depth / 2 - BACK
    floor = legs + BOARD
    top = box((width, depth, 0.022), 0.002).moved(z=low)
    # Two closed blocks, an open shelf between them.
    middle = width - 0.03 - 2 * side
    body = [
        box((side, depth - 0.03, low - legs)).moved(s * (width / 2 - 0.015 - side / 2), 0.012, legs) for s in (-1, 1)
    ]
    body.append(box((middle, depth - 0.02, BOARD)).moved(0, 0.004, legs))
    body.append(box((middle, BACK, low - legs)).moved(0, back - 0.004, legs))
    face, tall, bar = -depth / 2 + 0.027, low - legs, pull(rng, False)
    front = door_front(side - 0.006, tall - 0.008, bool(rng.random() < 0.3)).moved(z=legs + 0.004)
    at = [s * (width / 2 - 0.015 - side / 2) for s in (-1, 1)]
    body += [front.moved(x, face) for x in at]
    pulls = [bar.moved(x, face - 0.018, low - 0.06) for x in at]
    feet = [
        box((0.035, 0.035, legs), 0.002).moved(sx * (width / 2 - 0.06), sy * (depth / 2 - 0.05))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    hulls = [
        box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, height)),
        *(box_hull((x - side / 2, -depth / 2 + 0.009, 0.0), (x + side / 2, depth / 2, low)) for x in at),
        box_hull((-middle / 2, -depth / 2 + 0.014, legs), (middle / 2, back - 0.004, floor)),
        box_hull((-middle / 2, back - 0.008, legs), (middle / 2, depth / 2, low)),
    ]
    shelf_half = ((middle / 2) - EDGE, (depth - 0.05) / 2 - EDGE)
    shelf = Receptacle("on", floor, shelf_half, False, floor, (0.0, -0.008), low - floor)
    words = Words(f"{made.words[0]} television stand", f"{made.words[1]}电视柜", made.color)
    return assemble(
        asset_id, "television stand", words, [made.on(top, *body), (merge(*feet, *pulls), METALS[rng.integers(3)])],
        hulls, density=WOOD, receptacle=Receptacle("on", height, (width / 2 - EDGE, depth / 2 - EDGE), False, height),
        shelves=(shelf,), kind="furniture",
    )  # fmt: skip


def nightstand(asset_id: str, rng: Rng) -> Asset:
    """A small case with a drawer under its top and an open shelf below."""
    width, depth, height = rng.uniform(0.4, 0.5), rng.uniform(0.37, 0.42), rng.uniform(0.5, 0.6)
    made, legs = finish(rng, 0.65), rng.uniform(0.06, 0.16)
    low, drawer = height - 0.02, rng.uniform(0.13, 0.17)
    floor, inner = legs + BOARD, width - 2 * BOARD - 0.01
    top = box((width, depth, 0.02), 0.002).moved(z=low)
    walls = [
        box((BOARD, depth - 0.03, low - legs)).moved(s * (width / 2 - 0.005 - BOARD / 2), 0.01, legs) for s in (-1, 1)
    ]
    bottom = box((inner, depth - 0.03, BOARD)).moved(0, 0.01, legs)
    rear = box((inner, BACK, low - legs)).moved(0, depth / 2 - 0.005 - BACK / 2, legs)
    case = box((inner, depth - 0.05, drawer)).moved(0, 0.015, low - drawer)
    face = -depth / 2 + 0.025
    front = door_front(inner - 0.006, drawer - 0.006, False).moved(0, face + 0.012, low - drawer + 0.002)
    shadow = box((inner, 0.003, drawer)).moved(0, face + 0.0135, low - drawer)
    knob = pull(rng, False).moved(0, face - 0.006, low - drawer / 2)
    feet = [
        box((0.03, 0.03, legs), 0.002).moved(sx * (width / 2 - 0.03), sy * (depth / 2 - 0.045))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    hulls = [
        box_hull((-width / 2, -depth / 2, low), (width / 2, depth / 2, height)),
        *(box_hull((s * width / 2 - s * 0.005 - (s > 0) * BOARD, -depth / 2 + 0.025, 0.0),
                   (s * width / 2 - s * 0.005 + (s < 0) * BOARD, depth / 2 - 0.005, low)) for s in (-1, 1)),
        box_hull((-inner / 2, -depth / 2 + 0.025, legs), (inner / 2, depth / 2 - 0.005, floor)),
        box_hull((-inner / 2, depth / 2 - 0.005 - BACK, floor), (inner / 2, depth / 2 - 0.005, low)),
        box_hull((-inner / 2, face - 0.006, low - drawer), (inner / 2, depth / 2 - 0.015, low)),
    ]  # fmt: skip
    headroom = low - drawer - floor
    shelf = Receptacle(
        "on", floor, (inner / 2 - 0.015, (depth - 0.04) / 2 - EDGE), False, floor, (0.0, 0.006), headroom
    )
    metal = METALS[rng.integers(3)]
    parts = [made.on(top, *walls, bottom, rear, case, front), (shadow, GAP), (merge(*feet, knob), metal)]
    words = Words(f"{made.words[0]} nightstand", f"{made.words[1]}床头柜", made.color)
    return assemble(
        asset_id, "nightstand", words, parts,
        hulls, density=WOOD, receptacle=Receptacle("on", height, (width / 2 - EDGE, depth / 2 - EDGE), False, height),
        shelves=(shelf,), kind="furniture",
    )  # fmt: skip


FAMILIES: dict[str, Family] = {"open_bookcase": open_bookcase, "tv_stand": tv_stand, "nightstand": nightstand}
