"""Measures what was done to the target, and to the others, in an edited picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import rotation_z, similarity_about, split_similarity, yaw_of
from gsi_metrics.measurement import Floor, Measurement
from gsi_metrics.perception.observing import reencoded
from gsi_metrics.perception.registration.evidence import Evidence, Map, Reference, cost, gather, reference
from gsi_metrics.perception.registration.fit import Fit, Surface
from gsi_metrics.perception.registration.others import others
from gsi_metrics.perception.registration.search import (
    Found,
    differ,
    plainest,
    refine,
    search,
    still,
    valued,
    wrapped,
)
from gsi_metrics.perception.registration.surroundings import Ground, heights
from gsi_metrics.perception.registration.target import Target, lift_target
from gsi_metrics.sample import Array, Picture, Sample


OBSERVER = "registration-3"
# What must be so for the target to count as seen: pixels explained, as a share of its size and of what should show
# it, and the mean cost of its colours. In a picture that shares little with the source, chance finds a fit somewhere:
# there the colours must agree better.
GAINED, EXPLAINED, LOSS, LOSS_STRANGE, STRANGE = 0.02, 0.12, 0.55, 0.3, 0.5
# Where less than this share of its outline is known surface, it is judged by what it explains of the outline in all.
UNSEEN, FILLED = 0.15, 0.2
# A turn is told if it explains this share of the target's pixels, or if the colours agree as well as this on average.
TOLD, AGREED = 0.4, 0.2
# Nor is it told where a turn that differs by this many degrees explains nearly as much: this share of it, or more.
OTHER_TURN, AS_MUCH = 16.0, 0.8
# A copy must agree better than the target itself.
COPY = 0.45
# Share of the old place outside the new one below which it says nothing, and from which on it alone can say that the
# target is still there; and what must be free of it not to say so.
RIM, LEFT, STILL_THERE = 0.05, 0.15, 0.3
# Contrast with the empty scene below which a pixel of the old place says nothing.
TELLING = 0.15


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is the same for every edited picture of a row.

    Attributes:
        known: the scene with and without the target.
        target: its known surface.
        alone: what the source alone shows of it; None where the target is not to be turned.
        ground: heights seen from above.
        levels: heights at which things may stand, metres, world.
        untouched: (H, W, 3) features of the re-encoded source: what a codec alone changes.
        likeness: of the target there.
        floor: what is measured there.
    """

    known: Reference
    target: Target
    alone: Target | None
    ground: Ground
    levels: tuple[float, ...]
    untouched: Map
    likeness: float
    floor: Floor


@lru_cache(maxsize=1)
def prepare(sample: Sample) -> Prepared | None:
    """Everything about a row; None if the target has no pixel with a depth. Kept for the last row."""
    body = sample.body(sample.target_id) if sample.target_id is not None else None
    target = lift_target(sample, body) if body is not None else None
    if body is None or target is None:
        return None
    alone = lift_target(sample, body, alone=True) if sample.operation == "OR" else None
    known, ground = reference(sample), Ground(sample, body)
    untouched = gather(known, reencoded(sample.source))
    fit = Fit(sample, target, untouched)
    drift = refine(fit, ground, Found(np.zeros(5), 0.0, 0), 0, 1000, 80).motion
    floor = Floor(float(np.linalg.norm(_shift(target, drift))), abs(float(drift[3])), abs(float(drift[4])))
    likeness = 1 - float(_look(fit, np.zeros(5)).loss[0])
    return Prepared(known, target, alone, ground, tuple(heights(sample, body)), untouched.edited, likeness, floor)


def measure_objects(sample: Sample, edited: Picture) -> Measurement:
    """Measures an edited picture, already at the size of the source, against the row it belongs to."""
    prepared = prepare(sample)
    if prepared is None:
        return Measurement(sample.id, OBSERVER, cause="no pixel of the target has a depth in the source")
    target = prepared.target
    evidence = gather(prepared.known, edited)
    fit = Fit(sample, target, evidence)
    ranked = _ranked(sample, prepared, fit)
    best, copies = _choose(fit, ranked)
    hidden = np.zeros(sample.size, dtype=bool)
    for item in [best, *copies] if best is not None else copies:
        hidden |= _covered(fit, item.motion)
    beside = others(sample, prepared.known, evidence, prepared.untouched, hidden & ~prepared.known.mask)
    if best is None:
        return Measurement(
            sample.id,
            OBSERVER,
            found=False,
            vacated=_vacated(sample, prepared.known, evidence, None),
            others=beside,
            confidence=_confidence_gone(sample, prepared.known, target, evidence),
            floor=prepared.floor,
        )
    surface, covered = _look(fit, best.motion), _covered(fit, best.motion)
    if sample.operation == "OR" and (cause := _untold(prepared, fit, best, surface, ranked, copies)):
        return Measurement(sample.id, OBSERVER, cause=cause)
    vacated = _vacated(sample, prepared.known, evidence, covered)
    left = (prepared.known.mask & ~covered).sum() > LEFT * prepared.known.mask.sum()
    if left and vacated < STILL_THERE and not any(_at_home(fit, item.motion) for item in [best, *copies]):
        # Too much of the old copy is hidden to find it, but what is not hidden shows it.
        copies = [*copies, still(fit)]
    return Measurement(
        sample.id,
        OBSERVER,
        found=True,
        vacated=vacated,
        transform=_transform(target, best.motion),
        shift=_shift(target, best.motion),
        yaw=float(best.motion[3]),
        scale=float(np.exp(best.motion[4])),
        likeness=float(np.clip((1 - surface.loss[0]) / max(prepared.likeness, 0.1), 0, 1)),
        duplicates=len(copies),
        others=beside,
        confidence=_confidence(sample, fit, best, surface, [item for item in ranked[1:] if item not in copies]),
        floor=prepared.floor,
    )


def _starts(sample: Sample, target: Target) -> list[Array]:
    """The motion that was asked for: one more place to look at."""
    if sample.transform is None:
        return []
    scale, rotation, _ = split_similarity(sample.transform)
    shift = (sample.transform @ np.append(target.anchor, 1))[:3] - target.anchor
    return [np.array([*shift, float(yaw_of(rotation)), np.log(scale)])]


def _ranked(sample: Sample, prepared: Prepared, fit: Fit) -> list[Found]:
    """The best motions that differ, best first.

    Of a turn to what was asked for more is known than of any other, since the true result shows the sides that come to
    view. So for turns the answers with and without that knowledge are put together and ranked by both.
    """
    ground, starts = prepared.ground, _starts(sample, prepared.target)
    found = search(fit, ground, prepared.levels, starts, 3)
    if prepared.alone is None:
        return [plainest(fit, ground, found[0]), *found[1:]]
    alone = Fit(sample, prepared.alone, fit.evidence)
    seen_alone = search(alone, ground, prepared.levels, starts, 2)
    found = [plainest(fit, ground, found[0]), *found[1:], plainest(alone, ground, seen_alone[0]), *seen_alone[1:]]
    both = [0.5 * (valued(fit, ground, item) + valued(alone, ground, item)) for item in found]
    ranked: list[Found] = []
    for index in np.argsort(-np.array(both), kind="stable"):
        item = replace(found[index], value=both[index])
        if all(differ(fit, item.motion, other.motion) for other in ranked):
            ranked.append(item)
    return ranked


def _look(fit: Fit, motion: Array) -> Surface:
    return fit.surface(motion[None], 0, 2000, fit.side(motion, 1).shown)


def _seen(fit: Fit, item: Found, loss: float = LOSS) -> bool:
    """Whether the target is really there."""
    surface = _look(fit, item.motion)
    outline = fit.covered(item.motion, 1, certain=False).sum() * fit.evidence.levels[1].factor ** -2
    if surface.shown[0] < UNSEEN * outline:
        # It shows a side that nobody saw: then all there is to go by is that it fills its outline with its colours.
        return bool(item.value * fit.target.count > FILLED * outline and fit.evidence.unchanged > STRANGE)
    if item.value < GAINED or surface.gain[0] < EXPLAINED * surface.shown[0]:
        return False
    return bool(surface.loss[0] < (loss if fit.evidence.unchanged > STRANGE else LOSS_STRANGE))


def _choose(fit: Fit, ranked: list[Found]) -> tuple[Found | None, list[Found]]:
    """The target, and more copies of it.

    If it is seen where it was and elsewhere too, the one elsewhere is what the editor made.
    """
    seen: list[Found] = []
    if not any(_at_home(fit, item.motion) for item in ranked):
        ranked = [*ranked, still(fit)]
    for item in ranked:
        if _seen(fit, item, COPY if seen else LOSS) and not any(_overlap(fit, item, other) for other in seen):
            seen.append(item)
    if not seen:
        return None, []
    moved = [item for item in seen if not _at_home(fit, item.motion)]
    best = moved[0] if moved else seen[0]
    return best, [item for item in seen if item is not best]


def _at_home(fit: Fit, motion: Array) -> bool:
    return not differ(fit, motion, np.zeros(5))


def _overlap(fit: Fit, one: Found, other: Found) -> bool:
    """Whether two motions show the object at much the same pixels."""
    a, b = fit.covered(one.motion, 1, certain=False), fit.covered(other.motion, 1, certain=False)
    return bool((a & b).sum() > 0.25 * min(a.sum(), b.sum()))


def _untold(
    prepared: Prepared, fit: Fit, best: Found, surface: Surface, ranked: list[Found], copies: list[Found]
) -> str | None:
    """Why a turn cannot be told, if it cannot."""
    if valued(fit, prepared.ground, best) < TOLD and surface.loss[0] > AGREED:
        return "the object is seen, but looks too little as known from any side to tell how it is turned"
    for item in ranked:
        apart = np.degrees(abs(wrapped(item.motion[3:4] - best.motion[3], fit.target.symmetry)[0]))
        if apart > OTHER_TURN and item not in copies and item.value > AS_MUCH * best.value:
            return "two turns of the object explain the picture about equally well"
    return None


def _covered(fit: Fit, motion: Array) -> NDArray[np.bool_]:
    """(H, W) pixels that the target may cover or touch after a motion."""
    import cv2

    small = fit.covered(motion, 1, certain=False).astype(np.uint8)
    height, width = fit.sample.size
    grown = cv2.dilate(small, np.ones((3, 3), np.uint8))
    return cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _vacated(sample: Sample, known: Reference, evidence: Evidence, covered: NDArray[np.bool_] | None) -> float:
    """Share of the place the target left that no longer shows it; 1 if it hardly left any that could tell."""
    place = known.mask
    if covered is not None:
        place = place & ~covered
        if place.sum() < RIM * known.mask.sum():
            return 1.0
    contrast = cost(known.before - known.empty)
    weight = np.where(place & (contrast > TELLING), contrast, 0)
    if sample.background is None:
        # What is behind is only guessed: a pixel that does not look as before is free.
        weight, still = place.astype(np.float64), evidence.kept < 0.5
    else:
        still = evidence.kept < evidence.change
    if weight.sum() < 1e-6:
        return 0.0
    return float(np.clip((weight * ~still).sum() / weight.sum(), 0, 1))


def _transform(target: Target, motion: Array) -> Array:
    """(4, 4) similarity, world."""
    matrix = similarity_about(target.anchor, rotation_z(float(motion[3])), float(np.exp(motion[4])))
    matrix[:3, 3] += motion[:3]
    return matrix


def _shift(target: Target, motion: Array) -> Array:
    """(3,) metres, of the middle of the target's box."""
    return motion[:3] + np.array([0.0, 0.0, (np.exp(motion[4]) - 1) * target.lift])


def _confidence(sample: Sample, fit: Fit, best: Found, surface: Surface, rivals: list[Found]) -> float:
    """From how much of the picture the motion explains, how well, how large it is and how unique."""
    explained = float(np.clip(surface.gain[0] / surface.shown[0] / 0.5, 0, 1))
    alike = float(np.clip((LOSS - surface.loss[0]) / 0.3, 0, 1))
    large = fit.target.count / (fit.target.count + 60.0)
    margins = [best.value - item.value for item in rivals if _rival(fit, item.motion, best.motion)]
    unique = float(np.clip(min(margins, default=1.0) / (0.1 * max(best.value, 1e-6)), 0, 1))
    unique *= float(np.clip(surface.shown[0] / (0.4 * fit.target.count), 0.2, 1))
    known = (1.0 if sample.exact_depth else 0.7) * (1.0 if sample.background is not None else 0.8)
    return known * large * (explained * alike) ** 0.5 * (0.4 + 0.6 * unique)


def _rival(fit: Fit, one: Array, other: Array) -> bool:
    """Whether two motions are different answers."""
    return bool(
        np.linalg.norm(one[:3] - other[:3]) > max(0.03, 0.5 * fit.target.radius)
        or abs(wrapped(one[3:4] - other[3], fit.target.symmetry)[0]) > np.radians(20)
        or abs(one[4] - other[4]) > 0.2
    )


def _confidence_gone(sample: Sample, known: Reference, target: Target, evidence: Evidence) -> float:
    """That an object is gone can be told if it stood out from what is behind it, and nothing came that may be it."""
    contrast = float(cost(known.before - known.empty)[known.mask].mean())
    sure = (1.0 if sample.exact_depth else 0.8) * (1.0 if sample.background is not None else 0.8)
    if evidence.unchanged > STRANGE:
        # A side of it that nobody saw, in colours that nobody saw, cannot be told from something new.
        sure *= float(np.clip(1 - 2 * evidence.change[evidence.change > 0.5].sum() / target.count, 0.1, 1))
    return sure * float(np.clip(contrast / 0.5, 0, 1)) * target.count / (target.count + 60.0)


__all__ = ["measure_objects", "prepare", "wrapped"]
