"""Where the passes of one picture look and whence they are lit: fixed, evenly spread, the same for every scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


# Fractional steps that fill the unit interval and the unit square most evenly: golden and plastic numbers.
_GOLDEN = 0.6180339887498949
# Sine of the lowest elevation of sky light: what comes in lower only throws long shadows on walls.
LOWEST = 0.5
_PLASTIC = (0.7548776662466927, 0.5698402909980532)


def pixel(index: int, count: int) -> tuple[float, float]:
    """Where pass `index` of `count` looks within the pixel, from its centre, in [-0.5, 0.5]; one pass looks there."""
    if count == 1:
        return 0.0, 0.0
    return (index * _PLASTIC[0] + 0.5) % 1.0 - 0.5, (index * _PLASTIC[1] + 0.5) % 1.0 - 0.5


def disc(index: int, count: int) -> tuple[float, float]:
    """Where on the unit disc pass `index` of `count` is lit from; one pass: its centre."""
    if count == 1:
        return 0.0, 0.0
    radius, angle = np.sqrt((index + 0.5) / count), 2 * np.pi * _GOLDEN * index
    return float(radius * np.cos(angle)), float(radius * np.sin(angle))


def hemisphere(index: int, count: int) -> NDArray[np.float64]:
    """(3,) a direction towards the sky, evenly spread over the part of the sphere above `LOWEST`."""
    # A stride prime to the count, so that height on the sphere is not tied to the radius on the disc.
    stride = next(step for step in range(count // 2 + 1, count + 2) if np.gcd(step, count) == 1)
    level = ((index * stride) % count + 0.5) / count
    height, angle = LOWEST + (1.0 - LOWEST) * level, 2 * np.pi * (_GOLDEN * index + 0.35)
    radius = np.sqrt(1.0 - height**2)
    return np.array([radius * np.cos(angle), radius * np.sin(angle), height])


def frame(forward: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Three unit vectors at right angles, the last along `forward`."""
    ahead = forward / np.linalg.norm(forward)
    right = np.cross(ahead, [0.0, 1.0, 0.0] if abs(ahead[2]) > 0.99 else [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return right, np.cross(right, ahead), ahead
