"""What can be said of a thing by looking at its mesh: its colour, and after which turns it looks the same."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset
from gsi_datasets.assets.look import PATCH, surface_samples


Array = NDArray[np.float64]
PURE = 0.7
"""Share of a surface that must have one colour for the thing to be called so."""
# Hue, saturation and value within which everyone would use the word; what lies between two words gets none.
WORDS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "black": ((0, 1), (0, 1), (0, 0.16)),
    "white": ((0, 1), (0, 0.1), (0.82, 1)),
    "grey": ((0, 1), (0, 0.12), (0.25, 0.7)),
    "beige": ((0.06, 0.15), (0.13, 0.34), (0.66, 1)),
    "brown": ((0.02, 0.11), (0.35, 1), (0.2, 0.62)),
    "orange": ((0.04, 0.1), (0.6, 1), (0.72, 1)),
    "yellow": ((0.12, 0.18), (0.45, 1), (0.65, 1)),
    "green": ((0.22, 0.45), (0.25, 1), (0.2, 1)),
    "turquoise": ((0.465, 0.53), (0.3, 1), (0.35, 1)),
    "blue": ((0.55, 0.69), (0.3, 1), (0.25, 1)),
    "purple": ((0.72, 0.83), (0.25, 1), (0.25, 1)),
    "pink": ((0.88, 0.98), (0.18, 0.6), (0.7, 1)),
}
RED = ((0.965, 1.02), (0.6, 1.0), (0.3, 1.0))
# After a turn, this share of the surface must lie on what was there before, so near (share of the thing's size) and
# of so similar a colour.
SAME, NEAR, ALIKE = 0.97, 0.035, 0.15
FOLDS = (0, 6, 5, 4, 3, 2)
ANY_TURN = np.radians((17.0, 48.0, 101.0, 163.0))


def colour_of(asset: Asset) -> str:
    """The word for the colour that most of an asset's surface has; empty if there is none."""
    _, colours = surface_samples(asset)
    hsv = np.array([colorsys.rgb_to_hsv(*colour) for colour in np.clip(colours, 0, 1)])
    found = {word: _share(hsv, spans) for word, spans in WORDS.items()}
    turned = hsv + np.where(hsv[:, :1] < 0.5, 1.0, 0.0) * (1, 0, 0)
    found["red"] = _share(turned, RED)
    word = max(found, key=lambda it: found[it])
    return word if found[word] >= PURE else ""


def symmetry_of(asset: Asset) -> int:
    """Order of rotational symmetry about the vertical through its origin, of shape and look: 1 none, 0 any angle."""
    from scipy.spatial import cKDTree

    points, colours = surface_samples(asset)
    tree = cKDTree(points)
    # Patches, for two sets of samples of one fine pattern differ point by point.
    patches = colours[tree.query(points, k=PATCH)[1]].mean(axis=1)
    reach = NEAR * float(np.linalg.norm(np.ptp(points, axis=0)))

    def looks_same(angle: float) -> bool:
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        away, there = tree.query(points @ turn.T)
        alike = np.abs(patches[there] - patches).max(axis=1) < ALIKE
        return bool(((away < reach) & alike).mean() >= SAME)

    for order in FOLDS:
        angles = ANY_TURN if order == 0 else 2 * np.pi / order * np.arange(1, order)
        if all(looks_same(float(angle)) for angle in angles):
            return order
    return 1


def _share(hsv: Array, spans: tuple[tuple[float, float], ...]) -> float:
    low, high = np.array(spans).T
    return float(((hsv >= low) & (hsv <= high)).all(axis=1).mean())
