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
ALIKE, BETTER = 0.72, 0.1
# Largest change of log luminance taken for a shadow or its end.
LIGHT = 0.45
# Pixels of the source by which an object is looked for around its place before everywhere.
NEARBY = 12


def others(sample: Sample, known: Reference, evidence: Evidence, hidden: NDArray[np.bool_]) -> tuple[Other, ...]:
    """Every other movable object of which enough can be seen.

    Args:
        sample: the row.
        known: what edited pictures are compared with.
        evidence: of the edited picture.
        hidden: (H, W) where the target now is, and may hide what was seen.
    """
    found = []
    for body in sample.before:
        if body.movable and body.id != sample.target_id:
            place = (sample.source_ids == body.id) & ~hidden
            if place.sum() < max(FEWEST, 0.2 * (sample.source_ids == body.id).sum()):
                found.append(Other(body.id, 1.0, 0.0))
            else:
                found.append(_other(sample, known, evidence, body, place))
    return tuple(found)


def _other(sample: Sample, known: Reference, evidence: Evidence, body: Body, place: NDArray[np.bool_]) -> Other:
    present = max(_alike(evidence.edited, known.before, place), _alike(evidence.edited, known.empty, place))
    if present >= IN_PLACE:
        return Other(body.id, present, 0.0)
    window = _window(place, NEARBY)
    offset, near = _nearby(evidence.edited[window], known.before[window], place[window])
    if near >= ALIKE and near >= present - 0.02:
        return Other(body.id, max(near, present), _metres(sample, body, place, offset))
    if present >= ALIKE - 0.1:
        return Other(body.id, present, 0.0)
    offset, far = _anywhere(known, evidence, place)
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
    """As `_nearby`, all over the picture at half its resolution; the object's own place is left out."""
    import cv2

    level = evidence.levels[1]
    before = shrunk(known.before, level.factor)
    mask = shrunk(place.astype(np.float32), level.factor) > 0.6
    if mask.sum() < FEWEST // 4:
        return np.zeros(2), 0.0
    rows, columns = np.nonzero(mask)
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    template, weight = before[top:bottom, left:right] / TOLERANCE, mask[top:bottom, left:right].astype(np.float32)
    picture = level.seen[..., :3] / TOLERANCE
    distance = cv2.matchTemplate(
        np.ascontiguousarray(picture),
        np.ascontiguousarray(template),
        cv2.TM_SQDIFF,
        mask=np.ascontiguousarray(np.repeat(weight[..., None], 3, axis=2)),
    )
    best, offset = 0.0, np.zeros(2)
    for _ in range(4):
        row, column = np.unravel_index(int(np.argmin(distance)), distance.shape)
        patch = level.seen[row : row + bottom - top, column : column + right - left, :3]
        alike = _alike(patch, before[top:bottom, left:right], weight > 0)
        # A twin that was there before is not it.
        old = before[row : row + bottom - top, column : column + right - left]
        if alike > best and _alike(old, before[top:bottom, left:right], weight > 0) < alike - BETTER:
            best, offset = alike, np.array([column - left, row - top]) / level.factor
        distance[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5] = np.inf
    return offset, best


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
