"""How bright a scene is: one convention, from which each renderer derives its own units.

The light a diffuse surface of albedo `a` sends to the camera is, in linear terms,

    a * EXPOSURE * (ambient + sum of intensity * color * cos(incidence) * (distance to target / distance)^2)

and the picture shows its sRGB value. `photo` computes just that, with bounces. `gl` and `warp` add light in display
space, so they take the display values at the two ends, in shadow and fully lit, and blend between them. In all three,
what would be brighter than white is eased into it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.scene import Scene


# White under a key light of intensity 1 and the usual ambient of 0.35 stays below white: 0.64 * 1.35 = 0.86 linear.
EXPOSURE = 0.64

# `gl` and `warp` draw this much darker, so that highlights are not cut off before they can be eased into white.
HEADROOM = 0.8
# Display values up to here stay as they are.
_KNEE = 0.85


def to_srgb(linear: ArrayLike) -> NDArray[np.float64]:
    """sRGB of linear values; values below 0 count as 0, those above 1 give more than 1."""
    value = np.maximum(np.asarray(linear, dtype=np.float64), 0.0)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def eased(display: ArrayLike) -> NDArray[np.float64]:
    """Display values of 0 and more, mapped to [0, 1): unchanged in the dark and middle, bent towards white above."""
    value = np.asarray(display, dtype=np.float64)
    room = 1.0 - _KNEE
    return np.where(value <= _KNEE, value, 1.0 - room * np.exp(-(np.maximum(value, _KNEE) - _KNEE) / room))


def developed(total: NDArray[np.uint32], count: int) -> NDArray[np.uint8]:
    """The picture that `count` passes, drawn with `HEADROOM` and summed, make."""
    levels = np.arange(255 * count + 1) / (255 * count) / HEADROOM
    return np.rint(255 * eased(levels)).astype(np.uint8)[total]


def to_linear(srgb: ArrayLike) -> NDArray[np.float64]:
    """Linear values of sRGB in [0, 1]."""
    value = np.asarray(srgb, dtype=np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.0) + 0.055) / 1.055) ** 2.4)


def display_lights(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ambient (3,) and the lights' diffuse colours (L, 3) for renderers that add light in display space.

    Lights are added one after the other, key first, each getting the step in display value that it adds.
    """
    total = EXPOSURE * np.asarray(scene.ambient, dtype=np.float64)
    shown = ambient = to_srgb(total)
    steps = []
    for light in scene.lights:
        total = total + EXPOSURE * light.intensity * np.asarray(light.color, dtype=np.float64)
        steps.append(to_srgb(total) - shown)
        shown = to_srgb(total)
    return ambient, np.array(steps).reshape(-1, 3)
