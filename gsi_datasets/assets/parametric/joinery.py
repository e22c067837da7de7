"""Pieces that built-in and case furniture share: finishes, tops with a hole, carcasses of boards, bowls and taps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.assets.asset import Material
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.hulls import Hulls, box_hull
from gsi_datasets.assets.parametric.primitives import (
    Mesh,
    arc,
    box,
    lathe,
    loft,
    merge,
    rounded_rectangle,
    shade,
    tube,
)
from gsi_datasets.assets.parametric.structures import STONES, WOOD_WORDS
from gsi_datasets.assets.parametric.surfaces import Surface
from gsi_datasets.assets.parametric.words import RGB, Color, named


Array = NDArray[np.float64]
Rng = np.random.Generator
Part = tuple[Mesh, Material]

BOARD = 0.018  # thickness of a board, metres
CHROME = Material((0.78, 0.79, 0.80), roughness=0.18, metallic=1.0)
CERAMIC_WHITE = Material((0.90, 0.90, 0.89), roughness=0.15)
GAP = Material((0.10, 0.095, 0.09), roughness=0.9)  # what shows between doors
PAINTED = ("white", "white", "white", "grey", "beige", "blue", "green", "black")


@dataclass(frozen=True, eq=False)
class Finish:
    """What a piece of furniture is made of.

    Attributes:
        surface: paint or wood.
        words: English and Chinese adjective.
        color: English colour word; empty for wood.
    """

    surface: Surface
    words: tuple[str, str]
    color: str

    def on(self, *meshes: Mesh) -> Part:
        """The meshes as one part, the grain of upright faces running upwards."""
        return self.surface.on(merge(*meshes), upright=True)


def finish(rng: Rng, wooden: float, paints: Sequence[str] = PAINTED) -> Finish:
    """Wood with the chance `wooden`, else paint of one of the named colours, as calm as furniture is."""
    if rng.random() < wooden:
        tone = str(rng.choice(list(WOOD_WORDS)))
        return Finish(surfaces.wood(rng, tone), WOOD_WORDS[tone], "white" if tone == "white" else "")
    color = calm(rng, str(rng.choice(list(paints))))
    return Finish(plain(color.rgb, 0.5), (color.name, color.zh), color.name)


def worktop(rng: Rng) -> tuple[Surface, tuple[str, str]]:
    """Stone or wood for a worktop, and the words for it."""
    if rng.random() < 0.3:
        return surfaces.wood(rng), ("a wooden top", "木台面")
    stone = str(rng.choice(list(STONES)))
    return STONES[stone][0](rng), (f"a {stone} top", f"{STONES[stone][1]}台面")


def calm(rng: Rng, name: str, grey_share: float = 0.5) -> Color:
    """A shade of the named colour, mixed with grey and white as furniture paints and cloths are."""
    color = named(rng, name)
    grey = float(np.mean(color.rgb))
    share, lift = (grey_share, 0.2 * grey_share) if name not in ("white", "grey", "beige", "brown") else (0.0, 0.0)
    red, green, blue = (float(channel + share * (grey - channel)) * (1 - lift) + lift for channel in color.rgb)
    return Color(name, (red, green, blue))


def plain(rgb: RGB, roughness: float) -> Surface:
    """One even colour as a surface."""
    return Surface(Material(rgb, roughness=roughness), (1.0, 1.0))


def oval(half_x: float, half_y: float, steps: int = 8) -> Array:
    """(4 * (steps + 1), 2) ellipse with as many points as a rounded rectangle of the same `steps`."""
    return rounded_rectangle(2.0, 2.0, 0.9999, steps) * (half_x, half_y)


def stacked(outlines: Sequence[tuple[Array, float]], x: float = 0.0, y: float = 0.0) -> Mesh:
    """A skin over level outlines, (N, 2) each at its height, from the underside to the last one; closed."""
    mesh = loft([np.column_stack([outline, np.full(len(outline), z)]) for outline, z in outlines])
    return mesh.moved(x, y)


def pierced(low: Sequence[float], high: Sequence[float], hole: ArrayLike, edge: float = 0.002) -> Mesh:
    """A slab between two corners, with a hole right through it.

    Args:
        low: (3,) metres.
        high: (3,) metres.
        hole: (N, 2) counter-clockwise outline within the slab; every ray from its middle meets it once.
        edge: how far the upper edge is cut back, metres.
    """
    rim = np.asarray(hole, dtype=float)
    middle = rim.mean(axis=0)
    left, right = np.asarray(low[:2]) - middle, np.asarray(high[:2]) - middle
    corner = np.array([(x, y) for x in (left[0], right[0]) for y in (left[1], right[1])])
    # The slab's own corners get rays too, so that the outside is exact.
    angle = np.arctan2(*(rim - middle).T[::-1]) % (2 * np.pi)
    order = np.argsort(angle)
    every = np.unique(np.concatenate([angle, np.arctan2(corner[:, 1], corner[:, 0]) % (2 * np.pi)]))
    inner = np.column_stack([np.interp(every, angle[order], rim[order, i], period=2 * np.pi) for i in (0, 1)])
    ray = np.column_stack([np.cos(every), np.sin(every)])
    with np.errstate(divide="ignore"):
        reach = np.where(ray > 0, right, left) / np.where(np.abs(ray) < 1e-12, 1e-12, ray)
    outer = middle + ray * np.abs(reach).min(axis=1, keepdims=True)
    shrunk = np.clip(outer, np.asarray(low[:2]) + edge, np.asarray(high[:2]) - edge)
    levels = [(inner, low[2]), (outer, low[2]), (outer, high[2] - edge), (shrunk, high[2]), (inner, high[2]),
              (inner, low[2])]  # fmt: skip
    rings = np.stack([np.column_stack([line, np.full(len(line), z)]) for line, z in levels])
    rings = np.concatenate([rings, rings[:, :1]], axis=1)
    rows, columns = rings.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])])
    points = rings.reshape(-1, 3)
    return shade(points, faces, points[:, :2].copy())


def around_hole(low: Sequence[float], high: Sequence[float], hole_low: ArrayLike, hole_high: ArrayLike) -> Hulls:
    """Four boxes that fill an upright box but for a rectangular shaft from `hole_low` to `hole_high`, (2,) each."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    (a0, b0), (a1, b1) = np.asarray(hole_low, dtype=float), np.asarray(hole_high, dtype=float)
    return [
        box_hull((x0, y0, z0), (a0, y1, z1)),
        box_hull((a1, y0, z0), (x1, y1, z1)),
        box_hull((a0, y0, z0), (a1, b0, z1)),
        box_hull((a0, b1, z0), (a1, y1, z1)),
    ]


def carcass(width: float, depth: float, low: float, high: float, walls: Sequence[float] = ()) -> list[Mesh]:
    """A case of boards, open at the front and the top: bottom, sides, back, and upright walls at the given x."""
    tall, side = high - low, (width - BOARD) / 2
    meshes = [box((width, depth, BOARD)).moved(0, 0, low)]
    meshes += [box((BOARD, depth, tall)).moved(x, 0, low) for x in (-side, side, *walls)]
    meshes.append(box((width, 0.008, tall)).moved(0, depth / 2 - 0.004, low))
    return meshes


def bowl(outline: Array, top: float, depth: float, lip: float = 0.008) -> Mesh:
    """A basin hung in a hole of `outline`, its lip lying on the worktop at height `top`.

    Args:
        outline: (N, 2) of the hole, centred on the basin's middle, metres.
        top: metres.
        depth: from the lip down to the basin's floor, metres.
        lip: height of the rim over the worktop, metres.
    """
    floor = top + lip - depth
    outside = [(0.62, floor - 0.012), (0.80, floor + 0.1 * depth), (0.94, floor + 0.5 * depth), (0.985, top - 0.002)]
    rim = [(1.06, top), (1.06, top + 0.6 * lip), (1.04, top + lip), (0.97, top + lip)]
    inside = [(0.935, top + 0.3 * lip - 0.004), (0.90, floor + 0.5 * depth), (0.76, floor + 0.12 * depth),
              (0.62, floor + 0.03 * depth), (0.12, floor)]  # fmt: skip
    return stacked([(outline * scale, z) for scale, z in (*outside, *rim, *inside)])


def drain(z: float) -> Mesh:
    """The metal disc of a waste, lying at height `z`."""
    return lathe([(0, 0), (0.024, 0), (0.024, 0.002), (0.018, 0.004), (0, 0.003)], 20).moved(z=z)


def tap(reach: float, height: float) -> Mesh:
    """A mixer tap standing on z = 0, its spout reaching towards -y.

    Args:
        reach: from its foot to the mouth, metres.
        height: of the spout's top, metres.
    """
    bend = min(0.45 * reach, 0.4 * height)
    turn = arc((-bend, height - 0.011 - bend), bend, 0.0, np.pi / 2, 6)
    tip = arc((-reach + 0.02, height - 0.031), 0.02, np.pi / 2, np.pi, 4)
    line = np.concatenate([[(0.0, 0.02)], turn, tip, [(-reach, height - 0.055)]])
    spout = tube(np.column_stack([np.zeros(len(line)), line]), 0.011, 14, up=(1.0, 0.0, 0.0))
    foot = lathe([(0, 0), (0.026, 0), (0.026, 0.005), (0.021, 0.009), (0.021, 0.06), (0.017, 0.066), (0, 0.066)], 24)
    lever = box((0.09, 0.014, 0.009), 0.003).moved(0.045).turned("y", -0.35).moved(0.012, 0.0, 0.045)
    return merge(foot, spout, lever)


def tap_hulls(x: float, y: float, z: float, reach: float, height: float) -> Hulls:
    """The column and the spout of a `tap` whose foot is at (x, y, z)."""
    return [
        box_hull((x - 0.02, y - 0.02, z), (x + 0.02, y + 0.02, z + 0.066)),
        box_hull((x - 0.011, y - reach, z + height - 0.05), (x + 0.011, y + 0.011, z + height)),
        box_hull((x - 0.011, y - 0.011, z + 0.066), (x + 0.011, y + 0.011, z + height - 0.05)),
    ]
