"""The objects that were to stay: is each still there, and how far did it go?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.measurement import Other
from gsi_metrics.perception.registration.evidence import TOLERANCE, Evidence, Map, Reference, cost, shrunk
from gsi_metrics.perception.registration.surroundings import base_height
from gsi_metrics.sample import Array, Body, Sample


# Pixels below which nothing can be said of an object.
FEWEST = 24
# An object this much like before at its place has not moved by what can be seen.
IN_PLACE = 0.97
# How alike a place must look to be where an object went, and how much more than its own place does.
ALIKE, BETTER = 0.62, 0.1
# Likeness below which even the re-encoded source is no yardstick.
LEAST = 0.5
# Sizes at which an object is looked for elsewhere.
SIZES = (0.8, 0.9, 1.0, 1.12, 1.25)
# Share of the picture that must look as before for it to show this scene at all.
SAME_SCENE = 0.4
# Largest change of log luminance taken for a shadow or its end.
LIGHT = 0.45
# Pixels of the source by which an object is looked for around its place before everywhere.
NEARBY = 12


def others(
    sample: Sample, known: Reference, evidence: Evidence, untouched: Map, hidden: NDArray[np.bool_]
) -> tuple[Other, ...]:
    """Every other movable object of which enough can be seen.

    Args:
        sample: the row.
        known: what edited pictures are compared with.
        evidence: of the edited picture.
        untouched: (H, W, 3) features of the re-encoded source; an object is all there if it looks as much like before
            as it does there.
        hidden: (H, W) where the target now is, and may hide what was seen.
    """
    found = []
    for body in sample.before:
        if body.movable and body.id != sample.target_id:
            place = (sample.source_ids == body.id) & ~hidden
            if place.sum() < max(FEWEST, 0.2 * (sample.source_ids == body.id).sum()):
                found.append(Other(body.id, 1.0, 0.0))
            else:
                usual = max(_alike(untouched, known.before, place), LEAST)
                found.append(_other(sample, known, evidence, body, place, usual))
    return tuple(found)


def _other(
    sample: Sample, known: Reference, evidence: Evidence, body: Body, place: NDArray[np.bool_], usual: float
) -> Other:
    here = max(_alike(evidence.edited, known.before, place), _alike(evidence.edited, known.empty, place))
    present = min(here / usual, 1.0)
    if present >= IN_PLACE:
        return Other(body.id, present, 0.0)
    window = _window(place, NEARBY)
    offset, near = _nearby(evidence.edited[window], known.before[window], place[window])
    near = min(near / usual, 1.0)
    if near >= ALIKE and near >= present - 0.02:
        return Other(body.id, max(near, present), _metres(sample, body, place, offset))
    if present >= ALIKE:
        return Other(body.id, present, 0.0)
    offset, far = _anywhere(known, evidence, place) if evidence.unchanged > SAME_SCENE else (np.zeros(2), 0.0)
    if far >= ALIKE and far > present + BETTER:
        return Other(body.id, far, _metres(sample, body, place, offset))
    return Other(body.id, present, 0.0 if present >= 0.5 else float("inf"))


def _alike(seen: Map, expected: Map, place: NDArray[np.bool_]) -> float:
    """How much of a place looks as expected, up to one change of light of all of it."""
    difference = seen[place] - expected[place]
    shift = np.clip(np.median(difference[:, 0]), -LIGHT, LIGHT)
    difference[:, 0] -= shift
    return float(1 - cost(difference).mean())


def _nearby(seen: Map, expected: Map, place: NDArray[np.bool_]) -> tuple[Array, float]:
    """(2,) columns and rows by which a place is displaced, to parts of a pixel, and how alike it is there."""
    weight = place.astype(np.float32)
    costs, steps = {}, range(-NEARBY, NEARBY + 1, 3)

    def at(dx: int, dy: int) -> float:
        if (dx, dy) not in costs:
            shifted = np.roll(seen, (-dy, -dx), axis=(0, 1))
            difference = shifted - expected
            difference[..., 0] -= np.clip(np.median(difference[..., 0][place]), -LIGHT, LIGHT)
            costs[dx, dy] = float((cost(difference) * weight).sum() / weight.sum())
        return costs[dx, dy]

    best = min(((dx, dy) for dx in steps for dy in steps), key=lambda item: (at(*item), abs(item[0]) + abs(item[1])))
    for step in (1, 1, 1):
        around = [(best[0] + i * step, best[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        best = min(around, key=lambda item: (at(*item), abs(item[0]) + abs(item[1])))
    part = []
    for axis in (0, 1):
        one = tuple(np.eye(2, dtype=int)[axis])
        low, mid, high = at(best[0] - one[0], best[1] - one[1]), at(*best), at(best[0] + one[0], best[1] + one[1])
        bend = low - 2 * mid + high
        part.append(0.5 * (low - high) / bend if bend > 1e-6 else 0.0)
    return np.array(best) + np.clip(part, -0.5, 0.5), 1 - at(*best)


def _anywhere(known: Reference, evidence: Evidence, place: NDArray[np.bool_]) -> tuple[Array, float]:
    """As `_nearby`, all over the picture at half its resolution and at several sizes, for what comes nearer grows."""
    level = evidence.levels[1]
    seen = level.seen[..., :3] * TOLERANCE
    before, mask = shrunk(known.before, level.factor), shrunk(place.astype(np.float32), level.factor) > 0.6
    if mask.sum() < FEWEST // 4:
        return np.zeros(2), 0.0
    window = _window(mask, 0)
    found = [_matched(before, seen, before[window], mask[window], size) for size in SIZES]
    middle, best = max(found, key=lambda item: item[1])
    rows, columns = window
    home = np.array([columns.start + columns.stop, rows.start + rows.stop]) / 2
    return (middle - home) / level.factor, best


def _matched(before: Map, seen: Map, look: Map, mask: NDArray[np.bool_], size: float) -> tuple[Array, float]:
    """(2,) column and row of the middle of the place most like a look at some size, and how alike it is."""
    import cv2

    shape = [max(4, round(side * size)) for side in mask.shape]
    if shape[0] >= seen.shape[0] or shape[1] >= seen.shape[1]:
        return np.zeros(2), 0.0
    look = np.asarray(cv2.resize(look, shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    inside = cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    weight = np.ascontiguousarray(np.repeat(inside[..., None], 3, axis=2).astype(np.float32))
    picture = np.ascontiguousarray(seen / TOLERANCE)
    distance = cv2.matchTemplate(picture, np.ascontiguousarray(look / TOLERANCE), cv2.TM_SQDIFF, mask=weight)
    best, middle = 0.0, np.zeros(2)
    for _ in range(4):
        row, column = (int(index) for index in np.unravel_index(int(np.argmin(distance)), distance.shape))
        patch = np.s_[row : row + shape[0], column : column + shape[1]]
        alike = _alike(seen[patch], look, inside)
        # A twin that was there before is not it.
        if alike > best and _alike(before[patch], look, inside) < alike - BETTER:
            best, middle = alike, np.array([column + shape[1] / 2, row + shape[0] / 2])
        distance[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5] = np.inf
    return middle, best


def _metres(sample: Sample, body: Body, place: NDArray[np.bool_], offset: Array) -> float:
    """Metres in the world by which an image displacement moves something that keeps its height."""
    rows, columns = np.nonzero(place)
    pixel = np.array([columns.mean() + 0.5, rows.max() + 0.5])
    inverse, height = np.linalg.inv(sample.source_extrinsics), base_height(body)
    points = []
    for at in (pixel, pixel + offset):
        ray = inverse[:3, :3] @ np.linalg.solve(sample.intrinsics, np.append(at, 1.0))
        reach = (height - inverse[2, 3]) / ray[2] if ray[2] < -1e-3 else np.inf
        # Above the horizon of its support it was lifted: then the distance of the object tells the scale.
        distance = float(np.linalg.norm(body.centre - inverse[:3, 3]) / np.linalg.norm(ray))
        points.append(inverse[:3, 3] + min(reach, 3 * distance) * ray)
    return float(np.linalg.norm(points[1] - points[0]))


def _window(place: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(place.any(1)), np.flatnonzero(place.any(0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + margin + 1),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + margin + 1),
    )
