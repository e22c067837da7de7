"""Images that do not repeat: pictures on a wall, the view out of a window, rugs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.parametric.surfaces import ACCENTS, PAINTS, noise


Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Rng = np.random.Generator

INKS = np.asarray(
    [*ACCENTS, (0.75, 0.42, 0.28), (0.86, 0.66, 0.32), (0.22, 0.29, 0.38), (0.55, 0.27, 0.25), (0.30, 0.40, 0.30)],
    dtype=np.float32,
)


def _bytes(rgb: Field) -> Image:
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def _grid(rows: int, columns: int) -> tuple[Field, Field]:
    """x to the right and y downwards, 0 to 1, (rows, columns) each."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return (x + 0.5) / columns, (y + 0.5) / rows


def _over(rgb: Field, cover: NDArray[np.floating], color: NDArray[np.float32]) -> None:
    """Paint a colour where `cover` is 1, in place."""
    rgb += np.clip(cover, 0, 1)[..., None] * (color - rgb)


def outside(rng: Rng) -> Image:
    """(192, 192, 3) what a window shows: bright sky, far hills or houses, trees, out of focus."""
    size = 192
    _, y = _grid(size, size)
    top, low = np.array([0.66, 0.80, 0.96], np.float32), np.array([0.93, 0.96, 0.98], np.float32)
    if rng.random() < 0.35:  # overcast
        top, low = np.array([0.86, 0.89, 0.92], np.float32), np.array([0.95, 0.96, 0.96], np.float32)
    rgb = top + (y**0.7)[..., None] * (low - top)
    clouds = noise(rng, (size, size), 2.0, 4.0, 3.0)
    _over(rgb, 0.35 * np.clip(clouds, 0, 1) * (1 - y), np.ones(3, np.float32))
    for level, color in ((0.62, (0.66, 0.74, 0.76)), (0.70, (0.52, 0.63, 0.50)), (0.82, (0.43, 0.56, 0.37))):
        rise = 0.05 * noise(rng, (1, size), 2.5, 1, 3.0)[0]
        leaves = 1 + 0.06 * noise(rng, (size, size), 9, 9, 3.0)
        cover = (y - (level + rng.uniform(-0.04, 0.04) - rise)) / 0.035
        rgb += np.clip(cover, 0, 1)[..., None] * (np.asarray(color, np.float32) * leaves[..., None] - rgb)
    return _bytes(rgb)


def artwork(rng: Rng, aspect: float) -> Image:
    """A picture to hang: hills, blocks of colour, discs or a plant, often within a paper mount.

    Args:
        rng: source of randomness.
        aspect: width over height.
    """
    rows = 160
    columns = max(8, round(rows * aspect))
    paint = (_hills, _blocks, _discs, _plant)[rng.integers(4)]
    rgb = paint(rng, rows, columns)
    rgb = rgb * (1 + 0.02 * noise(rng, (rows, columns), 30, 30, 2.0))[..., None]
    if rng.random() < 0.6:
        x, y = _grid(rows, columns)
        edge = np.minimum(np.minimum(x, 1 - x) * aspect, np.minimum(y, 1 - y))
        _over(rgb, (0.11 * min(aspect, 1) - edge) * rows + 0.5, np.array([0.93, 0.92, 0.89], np.float32))
    return _bytes(rgb)


def _hills(rng: Rng, rows: int, columns: int) -> Field:
    x, y = _grid(rows, columns)
    sky, far = np.asarray(PAINTS[rng.integers(len(PAINTS))], np.float32), INKS[rng.integers(len(INKS))]
    rgb = sky * (1.04 - 0.12 * y)[..., None] + np.zeros((rows, columns, 3), np.float32)
    if rng.random() < 0.7:
        cx, cy, radius = rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.4), rng.uniform(0.06, 0.11)
        distance = np.hypot((x - cx) * columns / rows, y - cy)
        _over(rgb, (radius - distance) * rows, np.array([0.96, 0.86, 0.66], np.float32))
    count = int(rng.integers(3, 6))
    for k in range(count):
        crest = 0.42 + 0.5 * k / count + 0.055 * noise(rng, (1, columns), 1.5, 1, 2.6)[0]
        near = (k + 1) / count
        _over(rgb, (y - crest) * rows, (sky + near**0.8 * (0.75 * far - sky)).astype(np.float32))
    return rgb


def _blocks(rng: Rng, rows: int, columns: int) -> Field:
    x, y = _grid(rows, columns)
    colors = INKS[rng.choice(len(INKS), 4, replace=False)]
    rgb = np.asarray(PAINTS[rng.integers(3)], np.float32) + np.zeros((rows, columns, 3), np.float32)
    rough = 0.012 * noise(rng, (rows, columns), 6, 6, 2.4)
    cuts = np.sort(rng.uniform(0.15, 0.85, 2))
    for color, (low, high) in zip(
        colors, ((0.06, cuts[0]), (cuts[0] + 0.02, cuts[1]), (cuts[1] + 0.02, 0.94)), strict=False
    ):
        inside = np.minimum(np.minimum(x - 0.07, 0.93 - x) * columns / rows, np.minimum(y - low, high - y))
        _over(rgb, (inside + rough) * 40, color)
    return rgb


def _discs(rng: Rng, rows: int, columns: int) -> Field:
    x, y = _grid(rows, columns)
    rgb = np.asarray(PAINTS[rng.integers(3)], np.float32) + np.zeros((rows, columns, 3), np.float32)
    for color in INKS[rng.choice(len(INKS), int(rng.integers(3, 6)), replace=False)]:
        cx, cy, radius = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.3)
        dx, dy = (x - cx) * columns / rows, y - cy
        shape = radius - np.hypot(dx, dy)
        if rng.random() < 0.5:  # half a disc
            angle = rng.integers(4) * np.pi / 2
            shape = np.minimum(shape, np.cos(angle) * dx + np.sin(angle) * dy)
        _over(rgb, shape * rows, color)
    return rgb


def _plant(rng: Rng, rows: int, columns: int) -> Field:
    x, y = _grid(rows, columns)
    rgb = np.array([0.92, 0.90, 0.85], np.float32) + np.zeros((rows, columns, 3), np.float32)
    green = np.array([0.28, 0.40, 0.30], np.float32) * rng.uniform(0.8, 1.3)
    dx = (x - 0.5) * columns / rows
    bend = rng.uniform(-0.15, 0.15)
    stem = bend * (0.9 - y) ** 2
    _over(rgb, (0.005 - np.abs(dx - stem)) * rows * ((y > 0.15) & (y < 0.9)), green)
    for k in range(int(rng.integers(7, 12))):
        start = 0.82 - 0.06 * k
        side = 1 if k % 2 else -1
        angle, length = rng.uniform(0.5, 0.9), rng.uniform(0.14, 0.24)
        px, py = side * (dx - bend * (0.9 - start) ** 2), start - y
        along, aside = px * np.cos(angle) + py * np.sin(angle), py * np.cos(angle) - px * np.sin(angle)
        leaf = 0.2 * length * np.sin(np.pi * np.clip(along / length, 0, 1)) - np.abs(aside)
        _over(rgb, leaf * rows, green * np.float32(rng.uniform(0.85, 1.2)))
    return rgb


def rug(rng: Rng, aspect: float) -> Image:
    """A woven rug with a border and a field of stripes, diamonds or plain pile.

    Args:
        rng: source of randomness.
        aspect: width over depth.
    """
    rows, columns = (256, max(8, round(256 * aspect))) if aspect < 1 else (max(8, round(256 / aspect)), 256)
    x, y = _grid(rows, columns)
    ground = np.asarray((PAINTS + ACCENTS)[rng.integers(len(PAINTS) + len(ACCENTS))], np.float32) * 0.9
    first, second = INKS[rng.choice(len(INKS), 2, replace=False)] * np.float32(0.9)
    scale = max(rows, columns)
    across, down = x * columns / scale, y * rows / scale
    rgb = ground + np.zeros((rows, columns, 3), np.float32)
    edge = np.minimum(np.minimum(x, 1 - x) * columns, np.minimum(y, 1 - y) * rows) / scale
    kind, turns = int(rng.integers(4)), float(rng.integers(5, 10))
    if kind == 0:
        _over(rgb, 8 * np.sin(2 * np.pi * turns * down), first)
    elif kind == 1:
        wave = np.abs((across * turns) % 1 - 0.5) + np.abs((down * turns) % 1 - 0.5)
        _over(rgb, (0.3 - wave) * 12, first)
        _over(rgb, (0.06 - np.abs(wave - 0.42)) * 25, second)
    elif kind == 2:
        _over(rgb, (0.06 - np.abs(np.abs((across * turns) % 1 - 0.5) - (down * turns) % 1 * 0.5)) * 20, first)
    if rng.random() < 0.75:
        _over(rgb, (0.055 - edge) * 200, second)
        _over(rgb, (0.006 - np.abs(edge - 0.042)) * 300, ground)
    pile = noise(rng, (rows, columns), 80, 80, 2.0)
    return _bytes(rgb * (1 + 0.06 * pile)[..., None])
