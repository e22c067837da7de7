"""Where the passes of one picture look and whence they are lit: fixed, evenly spread, the same for every scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


# The fractional step that fills the unit interval most evenly.
_GOLDEN = 0.6180339887498949
# Sine of the lowest elevation of sky light: what comes in lower only throws long shadows on walls.
LOWEST = 0.5


def pixel(index: int, count: int) -> tuple[float, float]:
    """Where pass `index` of `count` looks within the pixel, from its centre, in [-0.5, 0.5].

    The mean is the pixel's centre, so that the picture is not shifted; a single pass looks there.
    """
    return (index + 0.5) / count - 0.5, (_shuffled(index, count, _GOLDEN) + 0.5) / count - 0.5


def disc(index: int, count: int) -> tuple[float, float]:
    """Where on the unit disc pass `index` of `count` is lit from; one pass: its centre."""
    if count == 1:
        return 0.0, 0.0
    radius, angle = np.sqrt((index + 0.5) / count), 2 * np.pi * _GOLDEN * index
    return float(radius * np.cos(angle)), float(radius * np.sin(angle))


def hemisphere(index: int, count: int) -> NDArray[np.float64]:
    """(3,) a direction towards the sky, evenly spread over the part of the sphere above `LOWEST`."""
    # Shuffled, so that height on the sphere is not tied to the radius on the disc.
    level = (_shuffled(index, count, np.sqrt(2.0)) + 0.5) / count
    height, angle = LOWEST + (1.0 - LOWEST) * level, 2 * np.pi * (_GOLDEN * index + 0.35)
    radius = np.sqrt(1.0 - height**2)
    return np.array([radius * np.cos(angle), radius * np.sin(angle), height])


def _shuffled(index: int, count: int, step: float) -> int:
    """A permutation of 0 .. count - 1: the ranks of the multiples of an irrational step, modulo one."""
    return int(np.argsort(np.argsort(np.arange(count) * step % 1.0))[index])


def frame(forward: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Three unit vectors at right angles, the last along `forward`."""
    ahead = forward / np.linalg.norm(forward)
    right = np.cross(ahead, [0.0, 1.0, 0.0] if abs(ahead[2]) > 0.99 else [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return right, np.cross(right, ahead), ahead
