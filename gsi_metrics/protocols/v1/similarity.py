"""SSIM, LPIPS and MSE over chosen pixels, as the published protocol takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.protocols.v1.pictures import Mask


if TYPE_CHECKING:
    import torch

Floating = NDArray[np.floating[Any]]
# Processed float32 pictures, or 8-bit ones as they are.
Values = NDArray[np.float32] | NDArray[np.uint8]
WINDOW = 7


@dataclass(frozen=True, eq=False)
class Moments:
    """Window means of one picture, kept so that several pictures can be compared with it.

    Attributes:
        values: (H, W, 3) float32, or float64 if the picture has 8 bits.
        mean: (H, W, 3) of the values.
        square: (H, W, 3) of the squared values.
    """

    values: Floating
    mean: Floating
    square: Floating


def moments(picture: Values) -> Moments:
    """Window means of an (H, W, 3) picture.

    Raises:
        ValueError: the picture is smaller than the window.
    """
    if min(picture.shape[:2]) < WINDOW:
        raise ValueError(f"a picture of {picture.shape[1]}x{picture.shape[0]} pixels is too small to compare")
    values: Floating = picture.astype(np.float32 if picture.dtype == np.float32 else np.float64, copy=False)
    return Moments(values, _window_mean(values), _window_mean(values * values))


def ssim(first: Moments, second: Moments, compared: Mask) -> float:
    """Mean structural similarity over the compared pixels, with the range of values of the second picture.

    Same formula, window, borders and float type as scikit-image's `structural_similarity` with its defaults; the
    window means differ in the last bit. nan if the second picture is constant, or if nothing is compared.
    """
    import cv2

    span = second.values.max() - second.values.min()
    if span == 0 or not compared.any():
        return float("nan")
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    product = first.mean * second.mean
    squares = first.mean * first.mean
    squares += second.mean * second.mean
    covariance = _window_mean(first.values * second.values)
    covariance -= product
    covariance *= 2 * unbiased
    covariance += c2
    variance = first.square + second.square
    variance -= squares
    variance *= unbiased
    variance += c2
    product *= 2
    product += c1
    squares += c1
    product *= covariance
    squares *= variance
    product /= squares
    return float(np.mean(cv2.mean(product, compared.view(np.uint8))[:3]))


def _window_mean(values: Floating) -> Floating:
    import cv2

    return np.asarray(cv2.boxFilter(values, -1, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT))


def mse(first: Values, second: Values, compared: Mask) -> float:
    """Mean squared difference over the compared pixels and channels; nan if there are none."""
    import cv2

    if not compared.any():
        return float("nan")
    difference = first.astype(np.float32) - second.astype(np.float32)
    difference *= difference
    return float(np.mean(cv2.mean(difference, compared.view(np.uint8))[:3]))


def lpips_input(picture: Values) -> torch.Tensor:
    """(3, H, W) tensor for LPIPS: divided by 255 if any value of this picture is above 1, then -1 to 1."""
    import torch

    values = torch.from_numpy(picture.astype(np.float32).transpose(2, 0, 1))
    if picture.max() > 1:
        values = values / 255
    return values * 2 - 1


def masked_mean(distances: NDArray[np.float32], compared: Mask) -> float:
    """Mean of an (H, W) map over the compared pixels; 0 if there are none."""
    return float((distances * compared).sum() / max(compared.sum(), 1e-6))
