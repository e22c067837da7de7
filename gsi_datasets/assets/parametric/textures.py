"""Painted surfaces for objects: glaze, stripes, dots, wood, cloth, wicker, print, fruit skin, paper.

Textures are (H, W, 3) uint8 sRGB, at most 256 pixels a side, row 0 at the top. Around turned things they repeat
without a seam from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gsi_datasets.assets.parametric.words import RGB, bright_enough


Texture = NDArray[np.uint8]
Field = NDArray[np.float32]


def to_texture(image: NDArray[np.floating]) -> Texture:
    """(H, W, 3) values in [0, 1] as bytes."""
    return (np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def plain(color: Sequence[float], height: int = 4, width: int = 4) -> NDArray[np.float32]:
    """(height, width, 3) of one colour."""
    return np.broadcast_to(np.asarray(color, dtype=np.float32), (height, width, 3)).copy()


def noise(rng: np.random.Generator, height: int, width: int, rows: int, columns: int) -> Field:
    """(height, width) smooth random values about 0 with deviation about 1, seamless from left to right."""
    grid = rng.standard_normal((rows + 3, columns)).astype(np.float32)
    grid = np.concatenate([grid[:, -2:], grid, grid[:, :2]], axis=1)
    span = (2.0, 1.0, 2.0 + columns, 1.0 + rows)
    field = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=span)
    return np.float32(1.3) * np.asarray(field, dtype=np.float32)


def speckled(rng: np.random.Generator, image: NDArray[np.floating], share: float, dark: float = 0.45) -> Texture:
    """Glaze: soft unevenness and little dark specks over a painted image; `share` of the pixels are specks."""
    height, width = image.shape[:2]
    tone = 1.0 + 0.018 * noise(rng, height, width, 5, 7)
    if share > 0:
        spots = (rng.random((height, width)) < share).astype(np.float32)
        spots += 0.6 * np.roll(spots, 1, axis=1) + 0.5 * np.roll(spots, 1, axis=0)
        tone *= 1.0 - dark * np.minimum(spots, 1.0)
    return to_texture(image * tone[..., None])


def bands(image: NDArray[np.floating], spans: Sequence[tuple[float, float]], color: RGB) -> None:
    """Paint level stripes into an image; `spans` are (from, to) in v, 0 at the bottom."""
    height = len(image)
    v = 1.0 - (np.arange(height) + 0.5) / height
    for low, high in spans:
        edge = np.clip(np.minimum(v - low, high - v) * height + 0.5, 0.0, 1.0)[:, None, None]
        image[:] = image * (1 - edge) + edge * np.asarray(color, dtype=np.float32)


def columns(
    image: NDArray[np.floating], span: tuple[float, float], color: RGB, count: int, share: float = 0.5
) -> None:
    """Paint `count` upright stripes into an image between two heights in v; `share` of the way is stripe."""
    height, width = image.shape[:2]
    low, high = _rows(span, height)
    phase = (np.arange(width) + 0.5) / width * count % 1.0
    edge = np.clip((share / 2 - np.abs(phase - 0.5)) * width / count + 0.5, 0.0, 1.0)[None, :, None]
    image[low:high] = image[low:high] * (1 - edge) + edge * np.asarray(color, dtype=np.float32)


def dots(
    image: NDArray[np.floating],
    span: tuple[float, float],
    color: RGB,
    count: int,
    rows: int,
    aspect: float,
    size: float,
) -> None:
    """Paint rows of round dots, alternate rows shifted by half a step.

    Args:
        image: painted into.
        span: heights in v between which the rows lie.
        color: of the dots.
        count: dots around.
        rows: how many rows.
        aspect: metres around by metres along of the whole texture, to keep the dots round.
        size: radius as a fraction of the step around.
    """
    height, width = image.shape[:2]
    v = 1.0 - (np.arange(height)[:, None] + 0.5) / height
    row = (v - span[0]) / (span[1] - span[0]) * rows
    number = np.clip(np.floor(row), 0, rows - 1)
    across = ((np.arange(width)[None] + 0.5) / width * count + 0.5 * (number % 2)) % 1.0 - 0.5
    upward = (row - number - 0.5) * (span[1] - span[0]) / rows / aspect * count
    edge = np.clip((size - np.hypot(across, upward)) * width / count + 0.5, 0.0, 1.0)[..., None]
    image[:] = image * (1 - edge) + edge * np.asarray(color, dtype=np.float32)


def zigzag(
    image: NDArray[np.floating], span: tuple[float, float], color: RGB, count: int, thick: float = 0.35
) -> None:
    """Paint a zigzag line with `count` teeth between two heights in v."""
    height, width = image.shape[:2]
    v = 1.0 - (np.arange(height)[:, None] + 0.5) / height
    row = (v - span[0]) / (span[1] - span[0])
    wave = np.abs((np.arange(width)[None] + 0.5) / width * count % 1.0 - 0.5) * 2 * (1 - thick) + thick / 2
    edge = np.clip((thick / 2 - np.abs(row - wave)) * height * (span[1] - span[0]) + 0.5, 0.0, 1.0)[..., None]
    image[:] = image * (1 - edge) + edge * np.asarray(color, dtype=np.float32)


def wood(rng: np.random.Generator, color: RGB, height: int = 128, width: int = 128) -> Texture:
    """Wood with the grain running from left to right."""
    bend = noise(rng, height, width, 3, 2)
    across = np.linspace(0, rng.uniform(5, 9), height, dtype=np.float32)[:, None] + 0.45 * bend
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * across)
    fibre = noise(rng, height, width, height // 2, 5)
    tone = 1.0 - 0.16 * rings**3 + 0.045 * fibre + 0.04 * bend
    tint = np.array([1.0, 0.97, 0.92], dtype=np.float32)
    shade = tone[..., None] * (1 - (1 - tint) * rings[..., None])
    return to_texture(np.asarray(color, dtype=np.float32) * shade)


def wicker(rng: np.random.Generator, color: RGB, across: int, along: int, accent: RGB | None = None) -> Texture:
    """Strands woven over and under upright stakes: `across` stakes around and `along` strands high."""
    height = width = 256
    x = (np.arange(width)[None] + 0.5) / width * across
    y = (np.arange(height)[:, None] + 0.5) / height * along
    strand = np.floor(y).astype(int)
    over = np.cos(np.pi * (x + strand % 2))
    round_strand = np.sqrt(np.maximum(1.0 - (2 * (y - strand) - 1) ** 2, 0.0))
    tone = (0.45 + 0.55 * round_strand) * (0.78 + 0.22 * over)
    tone = tone * (1.0 + 0.07 * rng.standard_normal(along)[strand]) * (1 + 0.03 * noise(rng, height, width, 64, 64))
    image = tone[..., None] * np.asarray(color, dtype=np.float32)
    if accent is not None:
        middle = (strand > along * 0.36) & (strand < along * 0.52)
        image = np.where(middle[..., None], tone[..., None] * np.asarray(accent, dtype=np.float32), image)
    return to_texture(image)


def cloth(rng: np.random.Generator, image: NDArray[np.floating], threads: int = 64) -> Texture:
    """Fine weave over a painted image."""
    height, width = image.shape[:2]
    x = np.arange(width)[None] / width * threads * 2 * np.pi
    y = np.arange(height)[:, None] / height * threads * 2 * np.pi
    tone = 1 + 0.05 * np.sin(x) * np.sin(y) + 0.02 * noise(rng, height, width, 4, 4)
    tone = tone + 0.02 * noise(rng, height, width, height // 2, 3) + 0.02 * noise(rng, height, width, 3, width // 2)
    return to_texture(image * tone[..., None])


def paper(rng: np.random.Generator, image: NDArray[np.floating], amount: float = 0.02) -> Texture:
    """Paper or card fibres over a painted image."""
    height, width = image.shape[:2]
    tone = 1 + amount * (
        0.6 * noise(rng, height, width, 6, 6) + 0.5 * noise(rng, height, width, height // 2, width // 2)
    )
    return to_texture(image * tone[..., None])


def brushed(rng: np.random.Generator, color: RGB, height: int = 192, width: int = 64) -> Texture:
    """Metal with fine streaks running around."""
    tone = 1 + 0.014 * rng.standard_normal((height, 1)) + 0.008 * noise(rng, height, width, height - 4, 5)
    return to_texture(plain(color, height, width) * tone[..., None])


def page_edges(rng: np.random.Generator, height: int = 64, width: int = 8) -> Texture:
    """The edge of a block of pages, sheets running level."""
    sheets = 0.93 - 0.10 * rng.random((height, 1, 1)) ** 2
    return to_texture(np.broadcast_to(sheets * np.array([1.0, 0.97, 0.90]), (height, width, 3)))


class Print:
    """A printed face: shapes and words on a coloured ground, drawn at twice the size and scaled down."""

    def __init__(self, color: RGB, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.image = Image.new("RGB", (2 * width, 2 * height), _bytes(color))
        self.draw = ImageDraw.Draw(self.image)

    def _xy(self, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(2 * x * self.width, 2 * (1 - y) * self.height) for x, y in points]

    def box(self, x0: float, y0: float, x1: float, y1: float, color: RGB) -> None:
        """Fill a rectangle; coordinates in [0, 1], y upward."""
        (left, bottom), (right, top) = self._xy([(x0, y0), (x1, y1)])
        self.draw.rectangle((left, top, right - 1, bottom - 1), fill=_bytes(color))

    def disc(self, x: float, y: float, radius: float, color: RGB) -> None:
        """Fill a circle; the radius is a fraction of the width."""
        (cx, cy), r = self._xy([(x, y)])[0], 2 * radius * self.width
        self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=_bytes(color))

    def polygon(self, points: Sequence[tuple[float, float]], color: RGB) -> None:
        """Fill a polygon; coordinates in [0, 1], y upward."""
        self.draw.polygon(self._xy(points), fill=_bytes(color))

    def word(self, text: str, x: float, y: float, width: float, color: RGB, tall: float = 1.0) -> None:
        """Write a word centred at (x, y), `width` wide (all fractions of the width; `tall` caps the height)."""
        mask = _lettering(text)
        across = max(int(2 * width * self.width), 2)
        down = max(int(across * mask.height / mask.width), 2)
        if down > 2 * tall * self.height:
            down = max(int(2 * tall * self.height), 2)
            across = max(int(down * mask.width / mask.height), 2)
        small = mask.resize((across, down), Image.Resampling.BILINEAR)
        cx, cy = self._xy([(x, y)])[0]
        self.image.paste(_bytes(color), (int(cx - across / 2), int(cy - down / 2)), small)

    def lines(self, x0: float, x1: float, top: float, count: int, step: float, color: RGB) -> None:
        """Rows of small print, too small to read; the last one is short."""
        for i in range(count):
            stop = x1 if i < count - 1 else x0 + 0.6 * (x1 - x0)
            self.box(x0, top - i * step - 0.45 * step, stop, top - i * step, color)

    def done(self) -> NDArray[np.float32]:
        """(height, width, 3) values in [0, 1]."""
        small = self.image.resize((self.width, self.height), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32) / 255.0


def ink(ground: RGB) -> RGB:
    """Print colour that can be read on the ground."""
    return (0.10, 0.10, 0.13) if bright_enough(ground) else (0.97, 0.95, 0.90)


@lru_cache(maxsize=128)
def _lettering(text: str) -> Image.Image:
    font = ImageFont.load_default(48)
    left, top, right, bottom = font.getbbox(text)
    mask = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(mask).text((2 - left, 2 - top), text, fill=255, font=font, stroke_width=1)
    return mask


def _bytes(color: Sequence[float]) -> tuple[int, int, int]:
    red, green, blue = (int(np.clip(c, 0, 1) * 255 + 0.5) for c in color)
    return red, green, blue


def _rows(span: tuple[float, float], height: int) -> tuple[int, int]:
    """First and last row between two heights in v."""
    return round((1 - span[1]) * height), round((1 - span[0]) * height)


def swatches(colors: Sequence[RGB]) -> tuple[Texture, list[tuple[float, float, float, float]]]:
    """A strip of plain colours, and the rectangle (u0, v0, u1, v1) inside each, for parts without a pattern."""
    strip = np.repeat(np.asarray(colors, dtype=np.float32)[None], 4, axis=0).repeat(8, axis=1)
    count = len(colors)
    return to_texture(strip), [((i + 0.4) / count, 0.4, (i + 0.6) / count, 0.6) for i in range(count)]
