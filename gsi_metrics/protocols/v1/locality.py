"""Edit locality and the score of a change of view: pictures compared pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gsi_metrics.protocols.v1.pictures import Mask, Picture, process
from gsi_metrics.protocols.v1.similarity import Values, lpips_input, masked_mean, moments, mse, ssim


if TYPE_CHECKING:
    from gsi_metrics.lpips import Lpips


@dataclass(frozen=True)
class Locality:
    """How alike two pictures are outside the excluded boxes; nan where nothing could be compared."""

    ssim: float
    lpips: float
    mse: float


def compare(first: Values, others: Sequence[Values], compared: Sequence[Mask], model: Lpips) -> list[Locality]:
    """Compare several pictures with one, which goes through the network only once.

    Args:
        first: (H, W, 3) picture, processed or 8-bit.
        others: pictures of the same shape and type; the range of values for SSIM is theirs.
        compared: (H, W) per picture, True where pixels count.
        model: LPIPS.
    """
    import torch

    size = first.shape[:2]
    with torch.inference_mode():
        batch = torch.stack([lpips_input(picture) for picture in (first, *others)])
        features = model.features(batch)
        distances = model.map([layer[:1] for layer in features], [layer[1:] for layer in features], size).numpy()
    reference = moments(first)
    return [
        Locality(ssim(reference, moments(other), mask), masked_mean(distance, mask), mse(first, other, mask))
        for other, distance, mask in zip(others, distances, compared, strict=True)
    ]


def localities(original: Picture, edited: Sequence[Picture], compared: Sequence[Mask], model: Lpips) -> list[Locality]:
    """Edit locality of several edits of one picture.

    Args:
        original: (H, W, 3) RGB.
        edited: RGB; resized bilinearly to the original's size where they differ.
        compared: per edit, True where pixels of the *processed* picture count; see `compared_pixels`.
        model: LPIPS.
    """
    fitted = [_fit(picture, original.shape[:2]) for picture in edited]
    return compare(process(original), [process(picture) for picture in fitted], compared, model)


def _fit(picture: Picture, size: tuple[int, int]) -> Picture:
    if picture.shape[:2] == size:
        return picture
    import cv2

    return np.asarray(cv2.resize(picture, size[::-1]), dtype=np.uint8)


def view_score(edited: Picture, truth: Picture, model: Lpips) -> float:
    """Half SSIM, half 1 - LPIPS, of the pictures as they are.

    Raises:
        ValueError: they differ in size.
    """
    if edited.shape != truth.shape:
        raise ValueError(f"the edited picture is {edited.shape[:2]}, the true result {truth.shape[:2]}")
    everywhere = np.ones(truth.shape[:2], dtype=bool)
    alike = compare(edited, [truth], [everywhere], model)[0]
    return 0.5 * alike.ssim + 0.5 * (1 - alike.lpips)
