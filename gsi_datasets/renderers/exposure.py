"""How bright a scene is: one convention, from which each renderer derives its own units.

The light a diffuse surface of albedo `a` sends to the camera is, in linear terms,

    a * EXPOSURE * (ambient + sum of intensity * color * cos(incidence) * (distance to target / distance)^2)

and the picture shows its sRGB value. `photo` computes just that, with bounces. `gl` and `warp` add light in display
space, so they take the display values at the two ends, in shadow and fully lit, and blend between them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.scene import Scene


# White under a key light of intensity 1 and the usual ambient of 0.35 stays below white: 0.64 * 1.35 = 0.86 linear.
EXPOSURE = 0.64


def to_srgb(linear: ArrayLike) -> NDArray[np.float64]:
    """sRGB in [0, 1] of linear values, clipped to [0, 1]."""
    value = np.clip(np.asarray(linear, dtype=np.float64), 0.0, 1.0)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * np.maximum(value, 1e-9) ** (1 / 2.4) - 0.055)


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
