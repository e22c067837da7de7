"""Colours and what they are called in English and Chinese."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


RGB = tuple[float, float, float]

# Hue, saturation and value, each as a range within which everyone would still use the word.
_PALETTE: dict[str, tuple[str, tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ("红色", (-0.015, 0.012), (0.72, 0.88), (0.58, 0.80)),
    "orange": ("橙色", (0.058, 0.082), (0.78, 0.90), (0.85, 0.95)),
    "yellow": ("黄色", (0.125, 0.150), (0.65, 0.82), (0.86, 0.95)),
    "green": ("绿色", (0.30, 0.42), (0.45, 0.72), (0.34, 0.62)),
    "turquoise": ("青绿色", (0.48, 0.51), (0.50, 0.70), (0.58, 0.72)),
    "blue": ("蓝色", (0.575, 0.635), (0.58, 0.80), (0.45, 0.75)),
    "purple": ("紫色", (0.74, 0.79), (0.42, 0.62), (0.42, 0.62)),
    "pink": ("粉色", (0.92, 0.97), (0.30, 0.45), (0.86, 0.95)),
    "brown": ("棕色", (0.050, 0.075), (0.55, 0.70), (0.32, 0.45)),
    "beige": ("米色", (0.09, 0.12), (0.18, 0.27), (0.80, 0.88)),
    "white": ("白色", (0.08, 0.14), (0.00, 0.04), (0.90, 0.95)),
    "grey": ("灰色", (0.0, 1.0), (0.00, 0.05), (0.42, 0.56)),
    "black": ("黑色", (0.0, 1.0), (0.00, 0.10), (0.07, 0.13)),
}

ZH: dict[str, str] = {name: row[0] for name, row in _PALETTE.items()}
COLORS: tuple[str, ...] = tuple(_PALETTE)
BRIGHT: tuple[str, ...] = ("red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink")


@dataclass(frozen=True)
class Color:
    """A colour with its word.

    Attributes:
        name: English word.
        rgb: sRGB in [0, 1].
    """

    name: str
    rgb: RGB

    @property
    def zh(self) -> str:
        """Chinese word."""
        return ZH[self.name]


def named(rng: np.random.Generator, name: str) -> Color:
    """A shade of the named colour."""
    _, hue, saturation, value = _PALETTE[name]
    h, s, v = (float(rng.uniform(*span)) for span in (hue, saturation, value))
    return Color(name, colorsys.hsv_to_rgb(h % 1.0, s, v))


def pick(rng: np.random.Generator, names: Sequence[str] = COLORS) -> Color:
    """A shade of one of the named colours."""
    return named(rng, str(rng.choice(list(names))))


def accent(rng: np.random.Generator, base: Color) -> Color:
    """A second colour that stands out from the first and has a different name."""
    near = {
        "red": {"orange", "pink", "brown", "purple", "green"},
        "orange": {"red", "yellow", "brown", "pink", "beige"},
        "yellow": {"orange", "beige", "white"},
        "green": {"turquoise", "grey", "brown", "black", "red"},
        "turquoise": {"green", "blue", "grey"},
        "blue": {"turquoise", "purple", "black", "grey"},
        "purple": {"blue", "pink", "red", "black", "grey", "brown"},
        "pink": {"purple", "red", "beige", "orange", "grey"},
        "brown": {"red", "orange", "black", "purple", "green", "grey"},
        "beige": {"white", "yellow", "pink", "orange", "grey"},
        "white": {"beige", "yellow"},
        "grey": {"brown", "turquoise", "green", "blue", "purple", "pink", "beige"},
        "black": {"brown", "blue", "purple", "green"},
    }[base.name]
    return pick(rng, [name for name in COLORS if name != base.name and name not in near])


def bright_enough(rgb: RGB) -> bool:
    """Whether dark print would be readable on this colour."""
    return 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2] > 0.5


@dataclass(frozen=True)
class Words:
    """A caption in both languages, and the main colour's word.

    Attributes:
        en: English noun phrase without article.
        zh: the same in Chinese.
        color: English colour word in it; empty if none.
    """

    en: str
    zh: str
    color: str = ""


def phrase(
    noun: tuple[str, str],
    color: Color | None = None,
    adjectives: Sequence[tuple[str, str]] = (),
    trait: tuple[str, str] | None = None,
) -> Words:
    """Put a caption together.

    Args:
        noun: English and Chinese noun.
        color: main colour.
        adjectives: English and Chinese words put before the colour, such as ``("tall", "高的")``.
        trait: English and Chinese words put after the noun in English and first in Chinese, such as
            ``("with white stripes", "带白色条纹的")``.
    """
    english = (
        [en for en, _ in adjectives] + ([color.name] if color else []) + [noun[0]] + ([trait[0]] if trait else [])
    )
    chinese = (trait[1] if trait else "") + "".join(zh for _, zh in adjectives)
    chinese += (f"{color.zh}的" if color and len(noun[1]) < 2 else color.zh if color else "") + noun[1]
    return Words(" ".join(english), chinese, color.name if color else "")
