"""Protocol `gsi-bench-v2`: four scores that mean something. Written down in `docs/protocol_v2.md`.

Pure functions: a row, an edited picture and what an observer measured go in, scores come out. What cannot be measured
is unscored with a cause; what was measured to be wrong is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gsi_metrics.appearance import appearance
from gsi_metrics.locality import LocalityRules, compare, excluded_pixels, floats, locality, matched
from gsi_metrics.measurement import Measurement, Other
from gsi_metrics.protocols.deviation import Deviation, Tolerances, deviation
from gsi_metrics.sample import Picture, Sample


VERSION = "gsi-bench-v2"
METRICS = ("ic", "sa", "el", "ac")


@dataclass(frozen=True)
class Scores:
    """The scores of one edited picture. None means unscored; then `unscored` says why.

    Attributes:
        id: of the row.
        scene: of the row.
        operation: of the row.
        ic: instruction compliance, 0 or 1.
        sa: spatial accuracy, 0 to 1.
        el: edit locality, 0 to 1.
        ac: appearance consistency, 0 to 1.
        unscored: cause by metric.
        faults: why IC is 0; empty if it is 1.
        errors: what was measured against the request; the unit is the end of the name.
        floor: noise of the observer in the same units.
        confidence: of the observer, 0 to 1.
        details: the numbers behind the scores.
    """

    id: str
    scene: str
    operation: str
    ic: float | None = None
    sa: float | None = None
    el: float | None = None
    ac: float | None = None
    unscored: dict[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    errors: dict[str, float] = field(default_factory=dict)
    floor: dict[str, float] = field(default_factory=dict)
    confidence: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; a number that is not finite becomes None."""
        return {name: _plain(value) for name, value in vars(self).items()}


def score(
    sample: Sample,
    edited: Picture,
    measurement: Measurement,
    judged: float | None = None,
    unjudged: str | None = None,
    tolerances: Tolerances | None = None,
) -> Scores:
    """Scores one edited picture.

    Args:
        sample: the row.
        edited: (h, w, 3) RGB.
        measurement: what an observer says happened.
        judged: verdict of an appearance judge in [0, 1]; None if nobody was asked.
        unjudged: why a judge that was asked gave no verdict.
        tolerances: constants of IC and SA.

    Raises:
        ValueError: the picture is no RGB picture, or measurement and sample belong to different rows.
    """
    tolerances = tolerances or Tolerances()
    if edited.ndim != 3 or edited.shape[2] != 3 or edited.dtype != np.uint8:
        raise ValueError(f"row {sample.id}: the edited picture is {edited.shape} {edited.dtype}; give (h, w, 3) uint8")
    if measurement.sample != sample.id:
        raise ValueError(f"row {sample.id}: the measurement is of row {measurement.sample}")

    unscored: dict[str, str] = {}
    local = locality(sample, edited, None if measurement.cause else measurement.transform)
    if local.cause is not None:
        unscored["el"] = local.cause
    ac, cause = appearance(sample, measurement, judged, unjudged)
    if cause is not None:
        unscored["ac"] = cause
    if sample.operation == "SR":
        verdict = _removal(sample, edited, measurement, tolerances)
    else:
        verdict = _placement(sample, measurement, tolerances)
    if verdict.cause is not None:
        unscored |= {"ic": verdict.cause, "sa": verdict.cause}
    floor = measurement.floor
    return Scores(
        id=sample.id,
        scene=sample.scene,
        operation=sample.operation,
        ic=None if verdict.cause else float(not verdict.faults),
        sa=verdict.sa,
        el=local.value,
        ac=ac,
        unscored=unscored,
        faults=tuple(verdict.faults),
        errors=verdict.errors,
        floor={
            "shift_cm": 100 * floor.shift,
            "yaw_degrees": math.degrees(floor.yaw),
            "log_scale": floor.log_scale,
        },
        confidence=measurement.confidence,
        details=verdict.details
        | {
            "observer": measurement.observer,
            "background": local.background,
            "objects": {str(key): value for key, value in local.objects.items()},
            "examined": local.left,
            "likeness": measurement.likeness,
        },
    )


@dataclass(frozen=True)
class _Verdict:
    sa: float | None = None
    cause: str | None = None
    faults: tuple[str, ...] = ()
    errors: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def skill(error: float, nothing: float, floor: float) -> float:
    """How much better than doing nothing, as in the skill scores of weather forecasts.

    1 up to `floor` from perfect, 0 from `floor` before the error of doing nothing on, a straight line between.

    Args:
        error: of the edit; any unit.
        nothing: error of doing nothing, above twice the floor.
        floor: what cannot be told apart.
    """
    return min(max((nothing - floor - error) / (nothing - 2 * floor), 0.0), 1.0)


def _placement(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> _Verdict:
    """IC and SA of every operation but SR."""
    if measurement.cause is not None:
        return _Verdict(cause=measurement.cause)
    if measurement.found is False:
        return _Verdict(sa=0.0, faults=("the object is not seen in the edited picture",))
    if measurement.transform is None or (sample.operation != "PC" and measurement.shift is None):
        return _Verdict(cause="the observer gives no transform")
    it = deviation(sample, measurement, tolerances)
    if it.nothing <= 1e-9:
        return _Verdict(cause="the request changes nothing that can be seen", errors=it.errors)
    if it.floor > tolerances.measurable * it.nothing:
        cause = f"the request ({it.nothing:.3g} {it.unit}) is too near the observer's noise ({it.floor:.2g} {it.unit})"
        return _Verdict(cause=cause, errors=it.errors)
    copies = _copies(sample, measurement, tolerances)
    faults = [*_misses(it), *copies, *_disturbed(sample, measurement, tolerances)]
    excess = sum(max(0.0, share - 1) for share in it.drift.values())
    sa = 0.0 if copies else max(0.0, skill(it.error, it.nothing, it.floor) - excess)
    details = {"error": it.error, "nothing": it.nothing, "allowed": it.allowed, "unit": it.unit, "drift": it.drift}
    return _Verdict(sa=sa, faults=tuple(faults), errors=it.errors, details=details)


def _removal(sample: Sample, edited: Picture, measurement: Measurement, tolerances: Tolerances) -> _Verdict:
    """SR: the right object is gone, nothing stands in its place, and nothing else went with it.

    SA is the Jaccard index of what was removed and what should have been: the emptied share of the target's place over
    one and whatever share of other objects is gone. A patch of something else there counts as not emptied.
    """
    if measurement.cause is not None:
        return _Verdict(cause=measurement.cause)
    seen = bool(measurement.found) or measurement.duplicates > 0
    looks = _emptied(sample, edited)
    faults = ["the object is still seen"] if seen else []
    if measurement.vacated < tolerances.removed:
        faults.append(f"only {measurement.vacated:.0%} of its place is free of it")
    if looks is not None and (looks.emptied < tolerances.replaced or looks.patch > tolerances.patch):
        faults.append("something else stands in its place")
    gone = 0.0 if seen else skill(1 - measurement.vacated, 1.0, 0.1)
    if looks is not None:
        gone *= min(looks.emptied / (2 * tolerances.replaced), 1.0) * (1 - looks.patch)
    lost = sum(skill(other.present, 1.0, 0.1) for other in _judged(sample, measurement, tolerances))
    faults += _disturbed(sample, measurement, tolerances)
    details = {"vacated": measurement.vacated, "others_lost": lost}
    if looks is not None:
        details |= {"emptied": looks.emptied, "patch": looks.patch}
    return _Verdict(sa=gone / (1 + lost), faults=tuple(faults), details=details)


@dataclass(frozen=True)
class _Looks:
    """What the place of a removed object looks like.

    Attributes:
        emptied: how far it went from the object's looks (0) to those of the true result (1), on average.
        patch: share of the place that the largest patch quite unlike the true result takes.
    """

    emptied: float
    patch: float


# Agreement with the true result below which a pixel shows something else.
UNLIKE = 0.3


def _emptied(sample: Sample, edited: Picture) -> _Looks | None:
    """None where no true result is known, or where it looks so much like the object that nothing can be told."""
    import cv2

    if sample.target is None:
        return None
    rules = LocalityRules()
    place = sample.source_ids == sample.target_id
    truth, outside = floats(sample.target), ~excluded_pixels(sample, None, rules)
    if not place.any() or not outside.any():
        return None
    untouched = float(compare(truth, floats(sample.source), place, rules)[0][place].mean())
    if untouched > 0.8:
        return None
    agreement = compare(truth, matched(sample, edited, outside, rules), place, rules)[0]
    unlike = cv2.morphologyEx(
        (place & (agreement < UNLIKE)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
    )
    areas = cv2.connectedComponentsWithStats(unlike)[2][1:, cv2.CC_STAT_AREA]
    return _Looks(
        emptied=min(max((float(agreement[place].mean()) - untouched) / (1 - untouched), 0.0), 1.0),
        patch=float(areas.max() / place.sum()) if len(areas) else 0.0,
    )


def _misses(it: Deviation) -> list[str]:
    """Faults of the target itself."""
    faults = list(it.misses)
    if it.error > it.allowed:
        faults.insert(0, f"{_said(it.error, it.unit)} off, {_said(it.allowed, it.unit)} allowed")
    words = {"size": "changed its size", "turn": "turned", "place": "left its place", "base": "left its base"}
    faults += [f"the object {words[name]}" for name, share in it.drift.items() if share > 1]
    return faults


def _copies(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> list[str]:
    """Faults of an object that is there more than once."""
    if sample.operation == "PC":
        return []
    faults = [f"{measurement.duplicates} more copies of the object are seen"] if measurement.duplicates else []
    if sample.operation in ("CM", "OP", "RP") and measurement.vacated < tolerances.vacated:
        faults.append(f"only {measurement.vacated:.0%} of the place it left is free of it")
    return faults


def _disturbed(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> list[str]:
    """Faults of the other objects."""
    names = {body.id: body.name for body in sample.before}
    limit = max(tolerances.other_shift, 2 * measurement.floor.shift)
    faults = []
    for other in _judged(sample, measurement, tolerances):
        if other.present < tolerances.other_present:
            faults.append(f"{names.get(other.id, other.id)} is gone or changed")
        elif other.moved > limit:
            faults.append(f"{names.get(other.id, other.id)} moved {_said(other.moved, 'm')}")
    return faults


def _judged(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> list[Other]:
    """The other objects of which enough is visible before, and should be after, to say anything."""
    kept = []
    for other in sorted(measurement.others, key=lambda item: item.id):
        bodies = (sample.body(other.id), sample.body(other.id, after=True))
        if other.id != sample.target_id and all(
            body is not None and body.visibility >= tolerances.other_visibility for body in bodies
        ):
            kept.append(other)
    return kept


def _said(value: float, unit: str) -> str:
    """A length, an angle or a ratio in words."""
    if unit == "m":
        return f"{100 * value:.1f} cm"
    return f"{math.degrees(value):.1f} degrees" if unit == "rad" else f"a factor {math.exp(value):.2f}"


def _plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
