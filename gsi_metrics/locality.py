"""Edit locality (EL) of `gsi-bench-v2`: is everything that was not edited as it was?

The whole picture is examined at its own resolution, but for where the target was, where it should be and where it is
seen to be now. A difference that the true result shows too (a shadow that goes along) is no fault. What is compared is
local structure and local colour, after a global change of colour is taken out; both forgive the noise of a codec.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.sample import Array, Picture, Sample


Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LocalityRules:
    """Constants of EL; lengths are shares of the picture's diagonal, colours are in [0, 1].

    Attributes:
        band: how far the edge of an excluded place is pushed out, for soft edges and contact shadows.
        shadow: the same around a place where the object should not be, as a share of the root of its area: there the
            true result does not say what its shadow looks like.
        window: standard deviation of the window in which structure and colour are compared.
        noise: contrast below which structure is noise of a codec (8 of 255 levels).
        colour: difference of local colour that counts as half preserved (20 of 255 levels).
        plain: weight of a pixel without detail beside one with it: blur and damage show where there is detail.
        gain: largest global change of contrast that is taken out, as a ratio.
        offset: largest global change of brightness of a channel that is taken out.
        least_left: share of the picture that must be left to examine; else EL is unscored.
        least_object: share of the picture an object must show to be looked at on its own.
        unrelated: preservation that another scene of the same kind reaches; becomes 0.
        same: preservation that the true result reaches as a JPEG of quality 90; becomes 1.
    """

    band: float = 0.012
    shadow: float = 0.25
    window: float = 0.0025
    noise: float = 8 / 255
    colour: float = 20 / 255
    plain: float = 0.1
    gain: float = 1.25
    offset: float = 0.1
    least_left: float = 0.2
    least_object: float = 0.0005
    unrelated: float = 0.12
    same: float = 0.96


@dataclass(frozen=True)
class Locality:
    """What was preserved.

    Attributes:
        value: EL in [0, 1]; None if unscored.
        cause: why it is unscored.
        background: preservation of everything that is no movable object, raw.
        objects: preservation of each other object, raw, by instance id.
        left: share of the picture that was examined.
    """

    value: float | None
    cause: str | None = None
    background: float | None = None
    objects: dict[int, float] = field(default_factory=dict)
    left: float = 1.0


def locality(
    sample: Sample, edited: Picture, transform: Array | None = None, rules: LocalityRules | None = None
) -> Locality:
    """Scores what was to stay.

    Args:
        sample: the row.
        edited: (h, w, 3) RGB; resized to the source if its size differs.
        transform: (4, 4) world, where the target is seen to have gone; None if that is not known.
        rules: constants.

    Returns:
        EL is half the preservation of the background and half the mean preservation of the other objects, rescaled so
        that an unrelated picture is 0 and a re-encoded one 1. So an object that is deleted costs the same whether it
        is large or small in the picture.
    """
    rules = rules or LocalityRules()
    if sample.operation == "PC":
        return Locality(None, "the whole view changes when the camera moves", left=0.0)
    excluded = excluded_pixels(sample, transform, rules)
    left = float(1 - excluded.mean())
    if left < rules.least_left:
        return Locality(None, f"only {left:.0%} of the picture lies outside the places of the target", left=left)
    before, after = floats(sample.source), matched(sample, edited, ~excluded, rules)
    # What lies between the source and the true result is as good as either: shadows go along, or half along.
    expected = before if sample.target is None else _nearest_between(after, before, floats(sample.target))
    quality, weight = compare(expected, after, ~excluded, rules)

    rest, objects = ~excluded, {}
    for body in sorted(sample.before, key=lambda item: item.id):
        if body.movable and body.id != sample.target_id:
            seen = (sample.source_ids == body.id) & ~excluded
            rest &= ~seen
            if seen.sum() >= rules.least_object * seen.size:
                objects[body.id] = float(np.average(quality[seen], weights=weight[seen]))
    background = float(np.average(quality[rest], weights=weight[rest])) if rest.any() else None
    parts = [background] if background is not None else []
    if objects:
        parts.append(float(np.mean(list(objects.values()))))
    value = float(np.clip((np.mean(parts) - rules.unrelated) / (rules.same - rules.unrelated), 0, 1))
    return Locality(value, None, background, objects, left)


def excluded_pixels(sample: Sample, transform: Array | None, rules: LocalityRules) -> Mask:
    """(H, W) where the target was, should be, and is seen to be, each with its band."""
    was = sample.source_ids == sample.target_id
    if sample.target_ids_map is None:
        # Nobody knows what its shadow did, so the band must hold it.
        excluded = _grown(was, _reach(was, rules))
        if sample.transform is not None:
            there = carried(sample, sample.transform)
            excluded |= _grown(there, _reach(there, rules))
    else:
        excluded = _grown(was | (sample.target_ids_map == sample.target_id), _reach(was, rules, shadow=False))
    if transform is not None:
        now = carried(sample, transform)
        excluded |= _grown(now, _reach(now, rules))
    return excluded


def _reach(mask: Mask, rules: LocalityRules, shadow: bool = True) -> float:
    """How far the edge of an excluded place is pushed out, pixels."""
    band = rules.band * float(np.hypot(*mask.shape))
    return max(band, rules.shadow * float(np.sqrt(mask.sum()))) if shadow else band


def carried(sample: Sample, transform: Array) -> Mask:
    """(H, W) the pixels that the target covers once its visible points went through `transform`, its box's included.

    The hull of the moved points is filled: what is seen of an object is rarely much hollow, and an exclusion may be a
    little too large.
    """
    import cv2

    height, width = sample.size
    mask = np.zeros((height, width), np.uint8)
    rows, columns = np.nonzero((sample.source_ids == sample.target_id) & (sample.source_depth > 0))
    if len(rows) == 0:
        return mask.astype(bool)
    depth = sample.source_depth[rows, columns].astype(np.float64)
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    camera = np.vstack([np.linalg.inv(sample.intrinsics) @ pixels * depth, np.ones(len(rows))])
    to_camera = sample.source_extrinsics
    there = (to_camera @ transform @ np.linalg.inv(to_camera) @ camera)[:3]
    there = there[:, there[2] > 1e-3]
    if there.shape[1] == 0:
        return mask.astype(bool)
    seen = (sample.intrinsics @ there)[:2] / there[2]
    limit = 4.0 * max(height, width)
    points = np.clip(seen, -limit, limit).T.astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points), 1)
    return mask.astype(bool)


def matched(sample: Sample, edited: Picture, keep: Mask, rules: LocalityRules) -> Floats:
    """(H, W, 3) in [0, 1]: the edited picture at the size and in the colours of the source.

    A global change of contrast and brightness of each channel is taken out, within the limits of `rules`.

    Args:
        sample: the row.
        edited: (h, w, 3) after.
        keep: (H, W) pixels by which colours are compared; of them only those that the true result leaves as they were.
        rules: constants.
    """
    import cv2

    height, width = sample.size
    if edited.shape[:2] != (height, width):
        how = cv2.INTER_AREA if edited.shape[0] > height else cv2.INTER_CUBIC
        edited = np.asarray(cv2.resize(edited, (width, height), interpolation=how))
    before, after = floats(sample.source), floats(edited)
    if sample.target is not None:
        # A large shadow that comes or goes would pass for a change of brightness.
        still = keep & (np.abs(floats(sample.target) - before).max(-1) < rules.noise)
        keep = still if still.any() else keep
    for channel in range(3):
        x, y = after[..., channel][keep].astype(np.float64), before[..., channel][keep].astype(np.float64)
        gain, offset = 1.0, 0.0
        for _ in range(4):
            # Weights of Cauchy's kind: what was changed besides must not bend the fit.
            weight = 1 / (1 + ((gain * x + offset - y) / rules.colour) ** 2)
            mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
            spread = weight @ (x - mean_x) ** 2
            slope = weight @ ((x - mean_x) * (y - mean_y)) / spread if spread > 1e-9 else 1.0
            gain = float(np.clip(slope, 1 / rules.gain, rules.gain))
            offset = float(np.clip(mean_y - gain * mean_x, -rules.offset, rules.offset))
        after[..., channel] = gain * after[..., channel] + offset
    return after


def compare(expected: Floats, after: Floats, keep: Mask, rules: LocalityRules) -> tuple[Floats, Floats]:
    """Maps how well each pixel agrees, and how much it tells.

    Args:
        expected: (H, W, 3) in [0, 1].
        after: (H, W, 3) in [0, 1], `matched`.
        keep: (H, W) pixels that count; the others influence nothing.
        rules: constants.

    Returns:
        Agreement, (H, W) in [0, 1]: structure, which is covariance over variance in a window as in SSIM (of all
        channels together, so their order does not matter), times colour, which is
        1 / (1 + (difference of means / `colour`)^2).
        Weight, (H, W): near 1 where either picture shows detail, `plain` where both are plain.
    """
    import cv2

    sigma = rules.window * float(np.hypot(*keep.shape))
    mask = keep.astype(np.float32)[..., None]

    def blur(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), dtype=np.float32)

    total = np.maximum(blur(mask), 1e-6)[..., None]
    mean_e, mean_a = blur(expected * mask) / total, blur(after * mask) / total
    # Rounding makes a variance of nothing a little negative.
    variance_e = np.maximum(blur(expected * expected * mask) / total - mean_e**2, 0).sum(-1)
    variance_a = np.maximum(blur(after * after * mask) / total - mean_a**2, 0).sum(-1)
    covariance = (blur(expected * after * mask) / total - mean_e * mean_a).sum(-1)
    noise = 3 * rules.noise**2
    structure = np.clip((2 * covariance + noise) / (variance_e + variance_a + noise), 0, 1)
    colour = 1 / (1 + ((mean_e - mean_a) ** 2).mean(-1) / rules.colour**2)
    detail = np.maximum(variance_e, variance_a)
    agreement: Floats = structure * colour
    weight: Floats = rules.plain + (1 - rules.plain) * detail / (detail + noise)
    return agreement, weight


def floats(picture: Picture) -> Floats:
    """The picture in [0, 1]."""
    return picture.astype(np.float32) / np.float32(255)


def _nearest_between(after: Floats, before: Floats, truth: Floats) -> Floats:
    """For each pixel the colour between `before` and `truth` that is nearest to `after`."""
    way = truth - before
    length = (way * way).sum(-1)
    along = ((after - before) * way).sum(-1) / np.maximum(length, 1e-9)
    return before + np.clip(along, 0, 1)[..., None] * way


def _grown(mask: Mask, radius: float) -> Mask:
    """The mask with a border of `radius` pixels put around it."""
    import cv2

    if not mask.any():
        return mask
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= radius)
