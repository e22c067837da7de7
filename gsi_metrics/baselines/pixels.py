"""Changes of whole pictures, whatever they show."""

from __future__ import annotations

import io

import numpy as np

from gsi_metrics.sample import Picture


def jpeg(picture: Picture, quality: int = 90) -> Picture:
    """As a JPEG file gives it back."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    return np.asarray(Image.open(buffer))


def resampled(picture: Picture, share: float = 448 / 512) -> Picture:
    """Made smaller by `share` and brought back to its size, as by an editor that works at another resolution."""
    from PIL import Image

    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((round(width * share), round(height * share)), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def tinted(picture: Picture, gain: float = 1.03, offsets: tuple[float, float, float] = (4.0, 0.0, -4.0)) -> Picture:
    """A small change of all colours: gain, and an offset of each channel in levels of 255."""
    return np.clip(np.rint(gain * picture.astype(np.float64) + offsets), 0, 255).astype(np.uint8)


def blurred(picture: Picture, share: float = 0.02) -> Picture:
    """Gaussian blur; its sigma is this share of the width."""
    import cv2

    return np.asarray(cv2.GaussianBlur(picture, (0, 0), share * picture.shape[1]), dtype=np.uint8)


def recompressed(picture: Picture) -> Picture:
    """A coarse codec: a slight blur, then few numbers for each 8 x 8 block (JPEG 30), as a poor latent space does."""
    return jpeg(blurred(picture, 1 / 512), 30)


def mixed(first: Picture, second: Picture) -> Picture:
    """Half of each."""
    return ((first.astype(np.uint16) + second + 1) // 2).astype(np.uint8)
