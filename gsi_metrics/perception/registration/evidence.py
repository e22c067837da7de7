"""What the pixels say: the edited picture made comparable with the source, and where it differs from the empty scene.

Colours are compared by three features that a change of light hardly touches: the logarithm of the luminance, and two
ratios to the luminance. A difference costs between 0 and 1 (Geman-McClure), so no pixel can outvote the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.perception.registration.surroundings import depth_behind, empty_scene, views
from gsi_metrics.sample import Picture, Sample


Map = NDArray[np.float32]

# Levels added before ratios are taken, so that noise in the dark does not count.
DARK = 24.0
# What counts as a plain difference: of the logarithm of luminance, and of the two ratios.
TOLERANCE = np.array([0.18, 0.07, 0.07], dtype=np.float32)
# The same where only the colour counts and the light may be any.
LOOSE = TOLERANCE * np.array([2.5, 1.2, 1.2], dtype=np.float32)
# What explaining a pixel by an unseen side is worth, against explaining it by a side that was seen.
UNSEEN = 0.7
# What an unseen side costs where the picture shows the empty scene: there may be a side, or none.
EMPTY = 0.15
# Aspect ratios that differ by more cannot be the same view squeezed.
SQUEEZE = 0.02


def fit_size(picture: Picture, size: tuple[int, int]) -> Picture | None:
    """The picture at another (height, width); None if its aspect ratio is another, so it cannot be the same view."""
    import cv2

    height, width = size
    if picture.shape[:2] == size:
        return picture
    if abs(np.log(picture.shape[1] * height / (picture.shape[0] * width))) > SQUEEZE or min(picture.shape[:2]) < 32:
        return None
    shrinks = picture.shape[0] > height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


def features(picture: Map) -> Map:
    """(H, W, 3) log luminance and two colour ratios of (H, W, 3) RGB levels."""
    import cv2

    red, green, blue = (picture[..., channel] + np.float32(DARK) for channel in range(3))
    bright = (red + green + blue) / np.float32(3)
    tint = np.stack([(red - green) / bright, (0.5 * (red + green) - blue) / bright], axis=-1)
    # Codecs keep colour at half the resolution.
    return np.dstack([np.log(bright), cv2.GaussianBlur(tint, (0, 0), 1.5)])


def cost(difference: Map, tolerance: Map = TOLERANCE) -> Map:
    """(...) cost from 0 to 1 of differences of features (..., 3)."""
    squared = (difference[..., 0] / tolerance[0]) ** 2
    squared += (difference[..., 1] / tolerance[1]) ** 2
    squared += (difference[..., 2] / tolerance[2]) ** 2
    return squared / (1 + squared)


def smoothed(picture: Picture) -> Map:
    """(H, W, 3) float, blurred a little: codecs and resizing change no more than that."""
    import cv2

    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.8), dtype=np.float32)


def match_colour(edited: Map, source: Map) -> Map:
    """The edited picture with each channel's gain and offset fitted to the source's, where they can be matched.

    Differences that are no global change of colour are outliers of the fit and change nothing.
    """
    fitted = np.empty_like(edited)
    for channel in range(3):
        x, y = edited[::4, ::4, channel].ravel(), source[::4, ::4, channel].ravel()
        gain, offset = 1.0, float(np.median(y - x))
        for width in (30.0, 15.0, 8.0, 8.0):
            weight = 1 / (1 + ((gain * x + offset - y) / width) ** 2) ** 2
            total = weight.sum()
            mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
            spread = (weight * (x - mean_x) ** 2).sum() / total
            # A ridge towards gain 1: a picture of one colour has no gain.
            gain = ((weight * (x - mean_x) * (y - mean_y)).sum() / total + 9) / (spread + 9)
            gain = float(np.clip(gain, 0.6, 1.6))
            offset = float(np.clip(mean_y - gain * mean_x, -60, 60))
        fitted[..., channel] = gain * edited[..., channel] + offset
    return np.clip(fitted, 0, 255)


@dataclass(frozen=True, eq=False)
class Reference:
    """What every edited picture of a row is compared with.

    Attributes:
        sizes: pixels of each level per pixel of the source, finest first.
        source: (H, W, 3) the source, smoothed, levels.
        before: (H, W, 3) its features.
        empty: (H, W, 3) features of the scene without the target.
        mask: (H, W) the target in the source.
        outside: (H, W) what is not the target, a little away from it.
        behind: depth of the empty scene at every level, metres.
        colours: for every level, of every view: (h, w, 4) features of the target, in tolerances, spread beyond its
            outline; and how much the view's differ from one pixel to the next there, in squared tolerances.
        palette: colours of the target.
        band_before: half of the range of `before` around every pixel, low and high.
        band_empty: the same of `empty`.
    """

    sizes: tuple[float, ...]
    source: Map
    before: Map
    empty: Map
    mask: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    behind: tuple[Map, ...]
    colours: tuple[tuple[Map, ...], ...]
    palette: Palette
    band_before: tuple[Map, Map]
    band_empty: tuple[Map, Map]


@dataclass(frozen=True, eq=False)
class Level:
    """The evidence at one resolution.

    Attributes:
        factor: its pixels per pixel of the source.
        seen: (h, w, 4) features of the edited picture, in tolerances, and the cost of taking it for the empty scene.
        unknown: (h, w, 2) gain of explaining a pixel by an unseen side of the target; depth of the empty scene.
        colours: (h, w, 4) of every view, as in `Reference`.
    """

    factor: float
    seen: Map
    unknown: Map
    colours: tuple[Map, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What an edited picture shows against the source and the empty scene.

    Attributes:
        levels: finest first.
        edited: (H, W, 3) features of the edited picture, its global colour matched to the source's.
        change: (H, W) cost of taking the edited picture for the empty scene.
        kept: (H, W) cost of taking it for the source.
        noise: typical difference of log luminance where nothing changed.
        unchanged: share of the picture outside the target that looks as before.
    """

    levels: tuple[Level, ...]
    edited: Map
    change: Map
    kept: Map
    noise: float
    unchanged: float


def reference(sample: Sample, sizes: tuple[float, ...] = (1.0, 0.5, 0.25)) -> Reference:
    """Prepares a row."""
    import cv2

    mask = sample.source_ids == sample.target_id
    source = smoothed(sample.source)
    before, empty = features(source), features(smoothed(empty_scene(sample, mask)))
    weight, behind = mask.astype(np.float32), depth_behind(sample, mask)
    looks, masks = [before], [mask]
    for view in views(sample)[1:]:
        looks.append(features(smoothed(view.picture)))
        masks.append(view.ids == sample.target_id)
    return Reference(
        sizes=sizes,
        source=source,
        before=before,
        empty=empty,
        mask=mask,
        outside=~cv2.dilate(weight, np.ones((5, 5), np.uint8)).astype(bool),
        behind=tuple(shrunk(behind, factor) for factor in sizes),
        colours=tuple(
            tuple(_colours(look, shown.astype(np.float32), size) for look, shown in zip(looks, masks, strict=True))
            for size in sizes
        ),
        palette=Palette(np.concatenate([look[shown] for look, shown in zip(looks, masks, strict=True)])),
        band_before=_band(before),
        band_empty=_band(empty),
    )


def gather(known: Reference, edited: Picture) -> Evidence:
    """Compares an edited picture, already at the size of the source, with the source and the empty scene."""
    seen = features(match_colour(smoothed(edited), known.source))
    change, kept = _unlike(seen, known.band_empty), _unlike(seen, known.band_before)
    # The target's shadow is in the source but not in the empty scene; seeing it again is no change.
    change = np.where(known.outside, np.minimum(change, kept), change)
    residual = np.abs(seen[..., 0] - known.before[..., 0])[known.outside]
    unchanged = float((change[known.outside] < 0.5).mean()) if residual.size else 0.0
    foreign = _enlarged(known.palette.cost(shrunk(seen, 0.5)), seen.shape[:2])
    unknown = np.maximum(change - foreign, 0) * np.float32(UNSEEN) - np.float32(EMPTY) * (1 - change)
    levels = []
    for factor, behind, colours in zip(known.sizes, known.behind, known.colours, strict=True):
        both = np.dstack([shrunk(seen, factor) / TOLERANCE, shrunk(change, factor)])
        levels.append(
            Level(
                factor,
                np.ascontiguousarray(both, dtype=np.float32),
                np.ascontiguousarray(np.dstack([shrunk(unknown, factor), behind]), dtype=np.float32),
                colours,
            )
        )
    noise = float(np.median(residual)) if residual.size else 0.0
    return Evidence(tuple(levels), seen, change, kept, noise, unchanged)


def _band(expected: Map) -> tuple[Map, Map]:
    """Half of the range that features have around every pixel: codecs and resizing shift them by so much.

    All of the range would hide objects in front of a busy pattern.
    """
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(expected, kernel), cv2.dilate(expected, kernel)
    return 0.5 * (expected + low), 0.5 * (expected + high)


def _unlike(seen: Map, band: tuple[Map, Map]) -> Map:
    """(H, W) cost of features outside a band."""
    return cost(np.maximum(np.maximum(seen - band[1], band[0] - seen), 0))


def shrunk(picture: Map, factor: float) -> Map:
    import cv2

    if factor == 1:
        return picture
    size = (round(picture.shape[1] * factor), round(picture.shape[0] * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _enlarged(picture: Map, size: tuple[int, int]) -> Map:
    import cv2

    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _colours(before: Map, weight: Map, factor: float) -> Map:
    """One level of `Reference.colours`, for a weight that is 1 on the target."""
    whole = shrunk(before, factor) / TOLERANCE
    steps = [((np.roll(whole, step, axis) - whole) ** 2).sum(axis=-1) for axis in (0, 1) for step in (-1, 1)]
    colours = _spread(shrunk(before * weight[..., None], factor), shrunk(weight, factor))
    return np.ascontiguousarray(np.dstack([colours / TOLERANCE, np.mean(steps, axis=0)]), dtype=np.float32)


def _spread(weighted: Map, weight: Map) -> Map:
    """Colours inside an outline, continued a little beyond it."""
    import cv2

    near, share = cv2.GaussianBlur(weighted, (0, 0), 1.0), cv2.GaussianBlur(weight, (0, 0), 1.0)
    inside = weight > 0.3
    return np.where(
        inside[..., None], weighted / np.maximum(weight, 0.3)[..., None], near / np.maximum(share, 1e-3)[..., None]
    )


class Palette:
    """Cost of any colour as one of the target's, whatever the light: a table over the features."""

    def __init__(self, colours: Map, cells: int = 20) -> None:
        self.cells = cells
        chosen = np.random.default_rng(0).permutation(len(colours))[:400]
        scaled = colours[chosen] / LOOSE
        self.low, self.high = (np.array(edge, dtype=np.float32) for edge in ((3.0, -1.2, -0.9), (5.7, 1.6, 1.0)))
        axes = [np.linspace(low, high, cells) for low, high in zip(self.low, self.high, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) / LOOSE
        if not len(scaled):
            self.table = np.ones(len(grid), np.float32)
            return
        from scipy.spatial import cKDTree

        # The third nearest: a colour that only two of the points have is none of the object's.
        distance, _ = cKDTree(scaled).query(grid, k=min(3, len(scaled)))
        squared = distance.reshape(len(grid), -1)[:, -1] ** 2
        self.table = (squared / (1 + squared)).astype(np.float32)

    def cost(self, seen: Map) -> Map:
        """(H, W) cost of features (H, W, 3)."""
        place = np.rint((seen - self.low) / (self.high - self.low) * (self.cells - 1)).astype(np.int32)
        i, j, k = np.moveaxis(place.clip(0, self.cells - 1), -1, 0)
        return self.table[(i * self.cells + j) * self.cells + k]
