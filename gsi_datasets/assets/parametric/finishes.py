"""Finishes that families share: metal, paint, timber."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gsi_datasets.assets.asset import Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.words import RGB


WHITE: RGB = (1.0, 1.0, 1.0)
STEEL: RGB = (0.74, 0.74, 0.75)
BRASS: RGB = (0.78, 0.62, 0.34)
DARK = Material((0.09, 0.09, 0.10), roughness=0.5)


@dataclass(frozen=True)
class Timber:
    """A kind of wood.

    Attributes:
        rgb: sRGB in [0, 1].
        words: English and Chinese adjective for things made of it.
    """

    rgb: RGB
    words: tuple[str, str]


TIMBERS = (
    Timber((0.83, 0.68, 0.48), ("light wooden", "浅色木质")),
    Timber((0.62, 0.42, 0.25), ("wooden", "木质")),
    Timber((0.34, 0.21, 0.13), ("dark wooden", "深色木质")),
)


def timber(rng: np.random.Generator) -> Timber:
    """One of the kinds of wood, its tone a little different every time."""
    kind = TIMBERS[rng.integers(len(TIMBERS))]
    red, green, blue = (channel * rng.uniform(0.96, 1.04) for channel in kind.rgb)
    return Timber((red, green, blue), kind.words)


def paint(rgb: RGB, roughness: float = 0.5) -> Material:
    """One even colour."""
    return Material(rgb, roughness=roughness)


def grained(rng: np.random.Generator, rgb: RGB, roughness: float = 0.55) -> Material:
    """Wood, the grain running along u."""
    return Material(WHITE, textures.wood(rng, rgb), roughness=roughness)


def grained_up(rng: np.random.Generator, rgb: RGB, roughness: float = 0.5) -> Material:
    """Wood for turned things, the grain running along v and without a seam in u."""
    half = textures.wood(rng, rgb).transpose(1, 0, 2)
    return Material(WHITE, np.ascontiguousarray(np.concatenate([half, half[:, ::-1]], axis=1)), roughness=roughness)
