"""Do two crops show the same thing? A coarse measure by colours, for telling detections apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.perception.detections import Detection
from gsi_metrics.sample import Array, Picture


SIDE = 32
LEVELS = 8


def look(picture: Picture, item: Detection, silhouette: NDArray[np.bool_] | None = None) -> Array | None:
    """(LEVELS^3,) square roots of the shares of the colours within a silhouette, smoothed between neighbours.

    Args:
        picture: (H, W, 3) RGB, in whose pixels the detection is.
        item: what was seen; its own mask is taken if it has one.
        silhouette: (SIDE, SIDE) shape of the object within its 2D box, for a detection without mask; all of the box if
            None.

    Returns:
        None if no pixel of it lies in the picture.
    """
    height, width = picture.shape[:2]
    rows, columns = _grid(item)
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    if item.mask is not None:
        inside &= item.mask.decode()[np.ix_(rows, columns)]
    elif silhouette is not None:
        inside &= silhouette
    if not inside.any():
        return None
    # Each colour is shared between the eight nearest bins, so that a small change of light moves little.
    place = picture[np.ix_(rows, columns)][inside].astype(np.float64) / 255 * (LEVELS - 1)
    low = np.minimum(place.astype(int), LEVELS - 2)
    part = place - low
    shares = np.zeros(LEVELS**3)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, part, 1 - part).prod(1)
        bins = (low + corner) @ (LEVELS**2, LEVELS, 1)
        shares += np.bincount(bins, weight, LEVELS**3)
    return np.sqrt(shares / shares.sum())


def silhouette_of(item: Detection, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(SIDE, SIDE) shape of a (H, W) mask within the 2D box of a detection."""
    rows, columns = _grid(item)
    shape = mask[np.ix_(rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1))]
    return shape if shape.any() else np.ones((SIDE, SIDE), dtype=bool)


def likeness(one: Array | None, other: Array | None) -> float:
    """Bhattacharyya coefficient of two looks: 1 the same colours, 0 none in common or nothing to see."""
    return 0.0 if one is None or other is None else min(float(one @ other), 1.0)


def _grid(item: Detection) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    left, top, right, bottom = item.bbox_2d
    steps = (np.arange(SIDE) + 0.5) / SIDE
    rows = np.floor(top + steps * (bottom - top)).astype(np.intp)
    return rows, np.floor(left + steps * (right - left)).astype(np.intp)
