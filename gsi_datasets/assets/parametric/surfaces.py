"""Procedural materials that tile: wood, stone, tiles, plaster, wallpaper, brick, carpet, concrete.

Every texture is periodic, so it may repeat across a floor or a wall without a seam. That comes for free from the
noise: it is filtered in the frequency domain, where both ends of the image are neighbours.

A `Surface` also knows how much of the real world one repeat covers; divide metres by `Surface.extent` to get uvs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Material
from gsi_datasets.assets.parametric.primitives import Mesh


Field = NDArray[np.floating]
Color = tuple[float, float, float]
Rng = np.random.Generator

# Dark, middle and light of the grain, sRGB.
WOODS: dict[str, tuple[Color, Color, Color]] = {
    "oak": ((0.52, 0.38, 0.24), (0.67, 0.51, 0.34), (0.76, 0.61, 0.43)),
    "honey": ((0.49, 0.31, 0.16), (0.63, 0.43, 0.24), (0.71, 0.52, 0.31)),
    "birch": ((0.70, 0.58, 0.43), (0.80, 0.70, 0.55), (0.86, 0.77, 0.63)),
    "walnut": ((0.24, 0.15, 0.10), (0.36, 0.24, 0.16), (0.45, 0.32, 0.22)),
    "cherry": ((0.39, 0.20, 0.12), (0.53, 0.30, 0.18), (0.62, 0.38, 0.24)),
    "wenge": ((0.15, 0.11, 0.09), (0.23, 0.18, 0.15), (0.30, 0.25, 0.21)),
    "grey": ((0.40, 0.37, 0.34), (0.53, 0.50, 0.46), (0.62, 0.59, 0.55)),
    "white": ((0.72, 0.70, 0.66), (0.81, 0.79, 0.75), (0.87, 0.85, 0.82)),
}

PAINTS: tuple[Color, ...] = (
    (0.90, 0.89, 0.86),
    (0.88, 0.85, 0.79),
    (0.86, 0.83, 0.78),
    (0.80, 0.80, 0.78),
    (0.72, 0.76, 0.74),
    (0.77, 0.80, 0.84),
    (0.84, 0.78, 0.70),
    (0.85, 0.80, 0.76),
)

ACCENTS: tuple[Color, ...] = (
    (0.40, 0.50, 0.46),
    (0.33, 0.42, 0.52),
    (0.62, 0.66, 0.56),
    (0.70, 0.55, 0.45),
    (0.74, 0.66, 0.50),
    (0.55, 0.57, 0.60),
    (0.60, 0.50, 0.53),
    (0.42, 0.43, 0.44),
)


@dataclass(frozen=True, eq=False)
class Surface:
    """A material and its scale.

    Attributes:
        material: texture, roughness and colour.
        extent: metres that one repeat of the texture covers along u and along v.
    """

    material: Material
    extent: tuple[float, float]

    def on(self, mesh: Mesh, upright: bool = False) -> tuple[Mesh, Material]:
        """Lay the texture on a mesh at its true scale, each face by the axis it looks along.

        Args:
            mesh: in metres; its uvs are replaced.
            upright: the grain of its sides runs upwards (legs, doors); else level.
        """
        axis = np.abs(mesh.normals).argmax(axis=1)
        x, y, z = mesh.vertices.T
        across, along = np.where(axis == 0, y, x), np.where(axis == 2, y, z)
        turned = (axis != 2) & upright
        u, v = np.where(turned, along, across), np.where(turned, across, along)
        return replace(mesh, uvs=np.stack([u / self.extent[0], v / self.extent[1]], axis=1)), self.material


def noise(rng: Rng, shape: tuple[int, int], fx: float, fy: float, slope: float = 3.0) -> Field:
    """Periodic noise of zero mean and unit deviation.

    Args:
        rng: source of randomness.
        shape: rows and columns.
        fx: frequency along x where the spectrum starts to fall, cycles per image.
        fy: the same along y; unlike `fx` it makes streaks.
        slope: how steeply it falls; 2 is rough, 6 is smooth.

    Returns:
        Field of `shape`.
    """
    spectrum = np.fft.rfft2(rng.standard_normal(shape, dtype=np.float32)) * _falloff(shape, fx, fy, slope)
    field = np.fft.irfft2(spectrum, s=shape).astype(np.float32)
    return field / np.float32(field.std() + 1e-9)


@lru_cache(maxsize=64)
def _falloff(shape: tuple[int, int], fx: float, fy: float, slope: float) -> Field:
    """(H, W / 2 + 1) what `noise` leaves of each frequency; nothing of the mean."""
    ky = np.fft.fftfreq(shape[0], 1 / shape[0]).astype(np.float32)[:, None] / fy
    kx = np.fft.rfftfreq(shape[1], 1 / shape[1]).astype(np.float32)[None] / fx
    kept = (1 + ky * ky + kx * kx) ** (-slope / 2)
    kept[0, 0] = 0
    return kept


def _grid(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Pixel centres as fractions of the image: u (1, W), and v (H, 1) upwards from the bottom as in texture space."""
    v, u = np.ogrid[0 : shape[0], 0 : shape[1]]
    return ((u + 0.5) / shape[1]).astype(np.float32), ((v + 0.5) / shape[0]).astype(np.float32)


def _cells(t: Field, count: int) -> tuple[NDArray[np.intp], Field]:
    """Which of `count` equal cells a fraction lies in, and where in it, 0 to 1."""
    scaled = t * np.float32(count)
    index = np.minimum(scaled.astype(np.intp), count - 1)
    return index, (scaled - index).astype(np.float32)


def _inset(t: Field) -> Field:
    """Distance to the nearer end of a cell."""
    return np.minimum(t, 1 - t)


def _ramp(t: Field, colors: Sequence[Color]) -> Field:
    """(H, W, 3) colours at the field `t`, 0 for the first colour and 1 for the last."""
    table = np.asarray(colors, dtype=np.float32)
    stops = np.linspace(0, 1, len(table))
    fine = np.stack([np.interp(np.linspace(0, 1, 256), stops, table[:, i]) for i in range(3)], axis=1)
    return fine.astype(np.float32)[np.clip(t * 255, 0, 255).astype(np.intp)]


def _shade(height: Field, strength: float) -> Field:
    """Light from the top left on a height field: a factor around 1, (H, W, 1)."""
    slope = (height - np.roll(height, 1, axis=1)) + (height - np.roll(height, -1, axis=0))
    return np.float32(1) + np.float32(strength) * slope[..., None]


def _material(rgb: Field, roughness: float) -> Material:
    return Material(
        (1.0, 1.0, 1.0), np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)[::-1].copy(), roughness=roughness
    )


def _tint(rng: Rng, color: Color, spread: float = 0.016) -> NDArray[np.float32]:
    """The colour a little lighter or darker, and hardly off in hue."""
    off = rng.normal(0, spread) + rng.normal(0, 0.3 * spread, 3)
    return np.clip(np.asarray(color) + off, 0.02, 0.97).astype(np.float32)


def _flat_grain(rng: Rng, shape: tuple[int, int], rings: int) -> Field:
    """Wood grain along x, about 0 to 1."""
    _, v = _grid(shape)
    broad = noise(rng, shape, 1.2, 3.0, 3.5)
    warp = noise(rng, shape, 1.5, 5.0, 4.0)
    rings_field = np.sin(2 * np.pi * (rings * v + 0.85 * warp)).astype(np.float32)
    fibre = noise(rng, shape, 3.0, shape[0] / 6, 1.6)
    pores = np.maximum(noise(rng, shape, 10.0, shape[0] / 3, 1.2) - 1.3, 0)
    return 0.56 + 0.10 * broad + 0.09 * rings_field + 0.09 * fibre - 0.20 * pores


def _wood(rng: Rng, tone: str | None) -> tuple[Color, Color, Color]:
    name = tone or str(rng.choice(list(WOODS)))
    shift = rng.normal(0, 0.012, 3) * 0.4 + rng.normal(0, 0.015)
    dark, middle, light = (tuple(float(x) for x in np.clip(np.asarray(c) + shift, 0.02, 0.95)) for c in WOODS[name])
    return dark, middle, light  # type: ignore[return-value]


def _boards(rng: Rng, shape: tuple[int, int], rows: int, cuts: int) -> tuple[NDArray[np.intp], Field, Field]:
    """Boards along x in running bond.

    Returns:
        Board index of `shape`; distance to the nearest long joint, (H, 1), and to the nearest end joint, (H, W), both
        as a fraction of the image.
    """
    u, v = _grid(shape)
    row, fv = _cells(v, rows)
    # Ends of neighbouring rows stay apart, as a joiner lays them.
    offset = (np.arange(rows) * 0.382 + rng.uniform(-0.08, 0.08, rows)).astype(np.float32)
    piece, fu = _cells((u + offset[row]) % 1.0, cuts)
    return row * cuts + piece, _inset(fv) / rows, _inset(fu) / cuts


def _per_board(rng: Rng, grain: Field, board: NDArray[np.intp]) -> Field:
    """The grain, looked up at a place of its own for each board; its size may differ from the board's along v only."""
    height, width = grain.shape
    count = int(board.max()) + 1
    # Laid out twice in each direction, the grain needs no wrapping.
    double = np.tile(grain, (2, 2))
    start = rng.integers(0, height, count) * 2 * width + rng.integers(0, width, count)
    rows, columns = np.arange(board.shape[0]) % height, np.arange(board.shape[1]) % width
    return double.ravel()[start[board] + rows[:, None] * 2 * width + columns]


def wood(rng: Rng, tone: str | None = None) -> Surface:
    """A table top or cabinet front: staves glued side by side, grain along u."""
    shape = (512, 256)
    grain = _flat_grain(rng, shape, int(rng.integers(10, 18)))
    extent = (1.3, 0.66)
    if rng.random() < 0.7:
        board, across, _ = _boards(rng, shape, int(rng.integers(5, 8)), 1)
        count = int(board.max()) + 1
        grain = _per_board(rng, grain, board) + rng.normal(0, 0.07, count).astype(np.float32)[board]
        grain -= 0.16 * np.exp(-((across * extent[1] / 0.0009) ** 2))
    return Surface(_material(_ramp(grain, _wood(rng, tone)), float(rng.uniform(0.35, 0.6))), extent)


def planks(rng: Rng, tone: str | None = None) -> Surface:
    """A floor of boards, 11-19 cm wide."""
    shape = (512, 512)
    rows, cuts = int(rng.integers(9, 13)), 2
    extent = (float(rng.uniform(2.2, 2.8)), rows * float(rng.uniform(0.115, 0.18)))
    board, across, ends = _boards(rng, shape, rows, cuts)
    grain = _per_board(rng, _flat_grain(rng, (256, 512), 16), board)
    grain += rng.normal(0, float(rng.uniform(0.07, 0.14)), int(board.max()) + 1).astype(np.float32)[board]
    gap = np.exp(-((across * extent[1] / 0.003) ** 2)) + np.exp(-((ends * extent[0] / 0.004) ** 2))
    rgb = _ramp(grain, _wood(rng, tone)) * (1 - 0.45 * np.minimum(gap, 1))[..., None]
    return Surface(_material(rgb, float(rng.uniform(0.4, 0.65))), extent)


def parquet(rng: Rng, tone: str | None = None) -> Surface:
    """A herringbone floor."""
    shape, length = (512, 512), int(rng.integers(4, 7))
    u, v = _grid(shape)
    cells = 2 * length  # the pattern repeats after twice the length of a block
    (i, fu), (j, fv) = _cells(u, cells), _cells(v, cells)
    along = (i - j) % cells
    flat = along < length
    # Which block a cell belongs to: its first cell, counted along the way the block lies.
    first_i = np.where(flat, (i - along) % cells, i)
    first_j = np.where(flat, j, (j - (cells - 1 - along)) % cells)
    block = first_i * cells + first_j
    side = np.where(flat, _inset(fv), _inset(fu))
    position = np.where(flat, along + fu, (cells - 1 - along) + fv).astype(np.float32)
    end = np.minimum(position, length - position)
    grain = _flat_grain(rng, (256, 512), 12)
    grain = np.where(flat, _per_board(rng, grain, block), _per_board(rng, grain, block.T).T)
    grain = grain + rng.normal(0, 0.10, cells * cells).astype(np.float32)[block]
    width = float(rng.uniform(0.07, 0.11))
    gap = np.exp(-((np.minimum(side, end) * width / 0.002) ** 2))
    rgb = _ramp(grain, _wood(rng, tone)) * (1 - 0.45 * gap)[..., None]
    return Surface(_material(rgb, float(rng.uniform(0.35, 0.55))), (cells * width, cells * width))


def _stone(rng: Rng, shape: tuple[int, int], base: NDArray[np.float32], vein: NDArray[np.float32]) -> Field:
    """Cloudy stone with veins that run one way, branch and fade, (H, W, 3)."""
    u, v = _grid(shape)
    cloud = noise(rng, shape, 2.0, 2.0, 3.0)
    fine = noise(rng, shape, 24, 24, 2.0)
    warp = noise(rng, shape, 1.6, 1.6, 3.2)
    right, up = (1, int(rng.choice([-2, -1, 1, 2])))
    rgb = base * (1 + 0.022 * cloud + 0.012 * fine)[..., None]
    # Few broad veins first, then many thin ones across them.
    for turns, width, strength, bend in ((1, 0.09, 0.55, 1.1), (2, 0.06, 0.4, 1.6), (4, 0.07, 0.22, 2.2)):
        phase = np.pi * 2 * turns * (right * u + up * v) + bend * warp + 0.5 * cloud + rng.uniform(0, 6.3)
        fade = np.clip(0.35 + 0.75 * np.roll(cloud, shape[0] // (turns + 1), axis=0), 0, 1)
        ridge = np.abs(np.sin(phase)) / width
        line = np.exp(-(ridge**1.3)) + 0.25 * np.exp(-(ridge / 4))
        rgb += (strength * fade * np.minimum(line, 1))[..., None] * (vein - rgb)
        right, up = up, -right
    return rgb


def marble(rng: Rng) -> Surface:
    """Polished stone with veins: white, grey, beige, green or black."""
    kinds: tuple[tuple[Color, Color], ...] = (
        ((0.87, 0.86, 0.84), (0.60, 0.60, 0.61)),
        ((0.83, 0.81, 0.77), (0.63, 0.55, 0.46)),
        ((0.76, 0.70, 0.61), (0.60, 0.50, 0.40)),
        ((0.54, 0.55, 0.56), (0.75, 0.75, 0.74)),
        ((0.20, 0.20, 0.21), (0.55, 0.54, 0.52)),
        ((0.28, 0.36, 0.32), (0.60, 0.66, 0.60)),
    )
    base, vein = kinds[int(rng.choice(len(kinds), p=(0.38, 0.2, 0.17, 0.12, 0.04, 0.09)))]
    rgb = _stone(rng, (384, 384), _tint(rng, base), _tint(rng, vein))
    return Surface(_material(rgb, float(rng.uniform(0.2, 0.4))), (1.4, 1.4))


def granite(rng: Rng) -> Surface:
    """Speckled stone for worktops."""
    kinds: tuple[tuple[Color, Color, Color], ...] = (
        ((0.62, 0.60, 0.58), (0.80, 0.78, 0.75), (0.28, 0.27, 0.27)),
        ((0.30, 0.30, 0.31), (0.52, 0.51, 0.50), (0.14, 0.14, 0.15)),
        ((0.66, 0.56, 0.47), (0.80, 0.73, 0.64), (0.33, 0.26, 0.22)),
        ((0.80, 0.79, 0.77), (0.90, 0.89, 0.87), (0.58, 0.56, 0.54)),
    )
    base, light, dark = (_tint(rng, c, 0.015) for c in kinds[int(rng.integers(len(kinds)))])
    shape = (384, 384)
    rgb = base * (1 + 0.05 * noise(rng, shape, 5, 5, 2.5))[..., None]
    for color, size in ((light, 60), (dark, 75)):
        mask = np.clip((noise(rng, shape, size, size, 4.0) - 0.75) * 2.5, 0, 1)
        rgb = rgb + (0.8 * mask)[..., None] * (color - rgb)
    return Surface(_material(rgb, float(rng.uniform(0.2, 0.4))), (0.8, 0.8))


def _chips(rng: Rng, rgb: Field, count: int, size: tuple[float, float], colors: NDArray[np.float32]) -> None:
    """Scatter angular chips over the image, in place; they wrap around its edges."""
    side = rgb.shape[0]
    reach = int(size[1]) + 1
    window = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    angles = np.arange(5) * (2 * np.pi / 5)
    for _ in range(count):
        row, column = rng.integers(0, side, 2)
        turn = angles + rng.uniform(0, 2 * np.pi) + rng.uniform(-0.45, 0.45, 5)
        radii = rng.uniform(*size) * rng.uniform(0.55, 1.0, 5)
        edges = np.cos(turn)[:, None, None] * window[0] + np.sin(turn)[:, None, None] * window[1]
        cover = np.clip(radii[:, None, None] - edges + 0.5, 0, 1).min(axis=0)[..., None]
        where = np.ix_((row + window[0, :, 0].astype(int)) % side, (column + window[1, 0].astype(int)) % side)
        color = colors[rng.integers(len(colors))] * rng.uniform(0.9, 1.06)
        rgb[where] += cover * (color - rgb[where])


def terrazzo(rng: Rng) -> Surface:
    """Stone chips in cement."""
    shape = (320, 320)
    base = _tint(rng, ((0.82, 0.80, 0.77), (0.72, 0.71, 0.69), (0.78, 0.74, 0.68))[int(rng.integers(3))])
    rgb = base * (1 + 0.015 * noise(rng, shape, 30, 30, 2.0))[..., None]
    palette = ((0.55, 0.52, 0.49), (0.40, 0.39, 0.38), (0.72, 0.60, 0.48), (0.88, 0.87, 0.84), (0.60, 0.42, 0.33))
    chosen = np.asarray([palette[i] for i in rng.choice(5, 3, replace=False)], dtype=np.float32)
    _chips(rng, rgb, 230, (1.6, 5.0), chosen)
    return Surface(_material(rgb, float(rng.uniform(0.3, 0.5))), (0.8, 0.8))


def _joints(across: Field, ends: Field, extent: tuple[float, float], width: float) -> Field:
    """1 on the joints between tiles, 0 on them, with a soft edge; `width` in metres."""
    nearest = np.minimum(across * extent[1], ends * extent[0])
    return np.clip((width / 2 - nearest) / 0.0025 + 0.5, 0, 1)


def floor_tiles(rng: Rng) -> Surface:
    """Square stone or ceramic tiles on a floor, 30-60 cm."""
    shape, count = (384, 384), 4
    size = float(rng.choice([0.3, 0.33, 0.45, 0.6]))
    extent = (count * size, count * size)
    u, v = _grid(shape)
    (i, fu), (j, fv) = _cells(u, count), _cells(v, count)
    joint = _joints(_inset(fv) / count, _inset(fu) / count, extent, 0.006)
    tones: tuple[Color, ...] = (
        (0.70, 0.68, 0.65),
        (0.62, 0.57, 0.51),
        (0.77, 0.73, 0.66),
        (0.45, 0.45, 0.45),
        (0.64, 0.47, 0.37),
        (0.80, 0.79, 0.77),
    )
    base = _tint(rng, tones[int(rng.integers(len(tones)))])
    field = noise(rng, shape, 6, 6, 2.4)
    board = j * count + i
    tone = 0.03 * _per_board(rng, field, board) + rng.normal(0, 0.018, count * count).astype(np.float32)[board]
    rgb = base * (1 + tone + 0.012 * noise(rng, shape, 60, 60, 2.0))[..., None]
    if rng.random() < 0.22:  # chessboard of two tones
        other = _tint(rng, (0.42, 0.42, 0.43) if base.mean() > 0.5 else (0.74, 0.73, 0.70))
        rgb = np.where(((i + j) % 2 == 1)[..., None], rgb / base * other, rgb)
    rgb += joint[..., None] * (_tint(rng, (0.55, 0.53, 0.50), 0.05) * 0.95 - rgb)
    return Surface(_material(rgb, float(rng.uniform(0.3, 0.55))), extent)


def wall_tiles(rng: Rng) -> Surface:
    """Glazed kitchen or bath tiles: squares or running bond, 6-20 cm."""
    shape = (384, 384)
    brick = rng.random() < 0.6
    rows, cuts = (6, 3) if brick else (5, 5)
    height = float(rng.uniform(0.065, 0.1)) if brick else float(rng.uniform(0.1, 0.2))
    extent = (cuts * height * 2, rows * height) if brick else (cuts * height, rows * height)
    u, v = _grid(shape)
    j, fv = _cells(v, rows)
    shift = np.float32(0.5 / cuts) * (j % 2 if brick else 0)
    i, fu = _cells((u + shift).astype(np.float32) % 1, cuts)
    across, ends = _inset(fv) / rows, _inset(fu) / cuts
    tones: tuple[Color, ...] = (
        (0.88, 0.87, 0.85),
        (0.84, 0.82, 0.77),
        (0.62, 0.71, 0.68),
        (0.57, 0.65, 0.72),
        (0.47, 0.55, 0.50),
        (0.74, 0.73, 0.72),
    )
    base = _tint(rng, tones[int(rng.integers(len(tones)))])
    board = j * cuts + i
    tone = np.clip(rng.normal(0, 0.014, rows * cuts), -0.025, 0.025).astype(np.float32)[board] + 0.014 * noise(
        rng, shape, 9, 9, 3.0
    )
    # Tiles pillow a little towards their joints.
    edge = np.minimum(across * extent[1], ends * extent[0])
    pillow = 1 - np.exp(-edge / 0.004)
    rgb = base * (1 + tone)[..., None] * _shade(pillow, 0.16)
    joint = _joints(across, ends, extent, 0.0035)
    grout = _tint(rng, (0.80, 0.79, 0.76) if rng.random() < 0.7 else (0.52, 0.51, 0.50))
    rgb += joint[..., None] * (grout - rgb)
    return Surface(_material(rgb, float(rng.uniform(0.2, 0.35))), extent)


def plaster(rng: Rng, color: Color | None = None) -> Surface:
    """A painted wall: nearly even, with the roller's grain and faint shadows."""
    shape = (384, 384)
    base = _tint(rng, color or PAINTS[int(rng.integers(len(PAINTS)))], 0.012)
    relief = noise(rng, shape, 40, 40, 2.2) * 0.7 + noise(rng, shape, 9, 9, 3.0) * 0.8
    rgb = (
        base
        * (1 + 0.012 * noise(rng, shape, 2.5, 2.5, 3.0))[..., None]
        * _shade(relief, float(rng.uniform(0.012, 0.03)))
    )
    return Surface(_material(rgb, float(rng.uniform(0.75, 0.95))), (1.6, 1.6))


def accent_plaster(rng: Rng) -> Surface:
    """A wall painted in a stronger colour."""
    return plaster(rng, ACCENTS[int(rng.integers(len(ACCENTS)))])


def concrete(rng: Rng) -> Surface:
    """Cast or screeded concrete with stains and pores."""
    shape = (384, 384)
    base = _tint(rng, ((0.62, 0.61, 0.59), (0.52, 0.52, 0.51), (0.70, 0.69, 0.66))[int(rng.integers(3))])
    stains = noise(rng, shape, 2.0, 2.0, 2.6)
    fine = noise(rng, shape, 40, 40, 1.8)
    pores = np.clip(noise(rng, shape, 50, 50, 4.0) - 2.4, 0, 1)
    rgb = base * (1 + 0.024 * stains + 0.02 * fine - 0.25 * pores)[..., None]
    return Surface(_material(rgb, float(rng.uniform(0.55, 0.8))), (2.0, 2.0))


def brick(rng: Rng) -> Surface:
    """A brick wall under white paint, or in pale clay."""
    shape, rows, cuts = (384, 384), 12, 4
    extent = (cuts * 0.25, rows * 0.083)
    u, v = _grid(shape)
    warp = 0.006 * noise(rng, shape, 8, 8, 3.5)
    j, fy = _cells((v + 0.5 * warp) % 1, rows)
    i, fx = _cells((u + warp / 3 + np.float32(0.5 / cuts) * (j % 2).astype(np.float32)) % 1, cuts)
    edge = np.minimum(_inset(fy) * 0.083, _inset(fx) * 0.25)
    body = np.clip((edge - 0.003) / 0.006, 0, 1).astype(np.float32)
    number = j * cuts + i
    rough = noise(rng, shape, 26, 26, 2.2)
    relief = body * 2.2 + 0.35 * rough + rng.normal(0, 0.4, rows * cuts).astype(np.float32)[number] * body
    if rng.random() < 0.75:
        base = _tint(rng, (0.86, 0.85, 0.82), 0.012)
        rgb = base * (1 - 0.10 * (1 - body) + 0.015 * rough)[..., None]
    else:
        clay = _ramp(
            0.5 + rng.normal(0, 0.25, rows * cuts).astype(np.float32)[number] + 0.1 * rough,
            ((0.52, 0.33, 0.26), (0.63, 0.43, 0.34), (0.70, 0.53, 0.43)),
        )
        rgb = clay + (1 - body)[..., None] * (_tint(rng, (0.70, 0.67, 0.62)) - clay)
    return Surface(_material(rgb * _shade(relief, 0.05), float(rng.uniform(0.75, 0.9))), extent)


def wallpaper(rng: Rng) -> Surface:
    """A printed paper: stripes, diamonds, dots, sprigs or a damask, in two close tones."""
    shape = (384, 384)
    u, v = _grid(shape)
    base = _tint(rng, (PAINTS + ACCENTS)[int(rng.integers(len(PAINTS) + len(ACCENTS)))], 0.012)
    tone = base * (0.84 if base.mean() > 0.6 else 1.22) + rng.normal(0, 0.015, 3)
    repeat = int(rng.integers(3, 6))
    a, b = 2 * np.pi * repeat * u, 2 * np.pi * repeat * v
    kind = int(rng.integers(5))
    # All patterns repeat a whole number of times.
    if kind == 0:  # stripes with a pin line
        ink = np.clip(6 * np.sin(a) + 0.5, 0, 1) * 0.6 + np.exp(-((np.cos(a) / 0.08) ** 2)) * (np.sin(a) < 0)
    elif kind == 1:  # diamonds
        ink = np.exp(-((np.sin((a + b) / 2) * np.sin((a - b) / 2) / 0.06) ** 2))
    elif kind == 2:  # dots, every second row shifted
        ink = np.clip(7 * (np.cos(a) * np.cos(b) - 0.72), 0, 1)
    elif kind == 3:  # leaves, two and two along a stem, the next stem half a step off
        x, y = (u * 2 * repeat) % 1.0 - 0.5, (v * 2 * repeat + 0.5 * np.floor(u * 2 * repeat)) % 1.0 - 0.5
        along, aside = np.abs(x) * 0.8 + (y + 0.16) * 0.6, (y + 0.16) * 0.8 - np.abs(x) * 0.6
        ink = np.clip(14 * (1 - ((along - 0.24) / 0.24) ** 2 - (aside / 0.085) ** 2) * 0.3, 0, 1)
        ink = np.maximum(ink, np.exp(-((x / 0.022) ** 2)))
    else:  # damask
        bloom = np.cos(a) + np.cos(b) + 0.8 * np.cos(a) * np.cos(2 * b) + 0.5 * np.cos(2 * a - np.sin(b))
        ink = np.clip(4 * np.sin(2.2 * bloom), 0, 1)
    ink = np.clip(ink.astype(np.float32), 0, 1)
    rgb = base + ink[..., None] * (tone.astype(np.float32) - base)
    rgb = rgb * _shade(noise(rng, shape, 60, 60, 2.2), 0.012) * (1 + 0.008 * noise(rng, shape, 3, 3))[..., None]
    size = repeat * float(rng.uniform(0.14, 0.28))
    return Surface(_material(rgb, float(rng.uniform(0.7, 0.9))), (size, size))


def carpet(rng: Rng, color: Color | None = None) -> Surface:
    """Cut-pile or loop carpet."""
    shape = (384, 384)
    tones: tuple[Color, ...] = (
        (0.66, 0.62, 0.56),
        (0.52, 0.52, 0.52),
        (0.45, 0.48, 0.53),
        (0.58, 0.50, 0.43),
        (0.48, 0.50, 0.43),
        (0.72, 0.69, 0.64),
    )
    base = _tint(rng, color or tones[int(rng.integers(len(tones)))])
    pile = noise(rng, shape, 90, 90, 2.0)
    tufts = noise(rng, shape, 28, 28, 3.0)
    rgb = base * (1 + 0.055 * pile + 0.035 * tufts + 0.02 * noise(rng, shape, 4, 4, 3.0))[..., None]
    return Surface(_material(rgb, 0.95), (1.1, 1.1))


def fabric(rng: Rng, color: Color | None = None) -> Surface:
    """Woven cloth: plain, striped or checked."""
    shape = (256, 256)
    u, v = _grid(shape)
    base = _tint(rng, color or (PAINTS + ACCENTS)[int(rng.integers(len(PAINTS) + len(ACCENTS)))])
    threads = 64
    weave = np.sin(2 * np.pi * threads * u) * np.sin(2 * np.pi * threads * v)
    slub = noise(rng, shape, 4, 70, 2.0) + noise(rng, shape, 70, 4, 2.0)
    rgb = base * (1 + 0.03 * weave + 0.022 * slub + 0.012 * noise(rng, shape, 3, 3))[..., None]
    kind = int(rng.integers(4))
    if kind >= 2:
        stripe = np.clip(6 * np.sin(2 * np.pi * 4 * u), -1, 1)
        check = stripe if kind == 2 else 0.5 * (stripe + np.clip(6 * np.sin(2 * np.pi * 4 * v), -1, 1))
        rgb = rgb * (1 + 0.07 * check)[..., None]
    return Surface(_material(rgb.astype(np.float32), 0.95), (0.4, 0.4))


def laminate(rng: Rng) -> Surface:
    """Plain coated board: white, grey, black or a colour, with the faintest grain."""
    tones: tuple[Color, ...] = (
        (0.86, 0.85, 0.83),
        (0.80, 0.78, 0.74),
        (0.50, 0.51, 0.52),
        (0.24, 0.25, 0.26),
        (0.36, 0.44, 0.44),
        (0.31, 0.37, 0.45),
        (0.66, 0.70, 0.65),
    )
    base = _tint(rng, tones[int(rng.integers(len(tones)))])
    shape = (256, 256)
    rgb = base * (1 + 0.014 * noise(rng, shape, 6, 60, 2.0) + 0.01 * noise(rng, shape, 3, 3, 3.0))[..., None]
    return Surface(_material(rgb, float(rng.uniform(0.35, 0.6))), (0.8, 0.8))


FLOORS: dict[Callable[[Rng], Surface], float] = {
    planks: 0.4,
    parquet: 0.2,
    floor_tiles: 0.16,
    carpet: 0.12,
    concrete: 0.06,
    terrazzo: 0.06,
}


def floor(rng: Rng) -> Surface:
    """What one walks on in a home, wood more often than not."""
    return list(FLOORS)[int(rng.choice(len(FLOORS), p=list(FLOORS.values())))](rng)
