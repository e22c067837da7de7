"""How far what was measured is from what was asked, in the units of the request. One function per kind of operation.

Everything is a distance between poses, so it is the same in every world frame whose z is up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gsi_metrics.measurement import Measurement
from gsi_metrics.sample import Array, Body, Sample


@dataclass(frozen=True)
class Tolerances:
    """Every constant of IC and SA; `docs/protocol_v2.md` gives the reasons.

    Attributes:
        share: of the request, by which it may be missed.
        direction: radians by which a move may point elsewhere.
        half: no tolerance exceeds this share of the error of doing nothing, so doing nothing never passes.
        measurable: largest share of the request that the observer's noise may be; above it, IC and SA are unscored.
        region: how far from the ideal spot of a receptacle its middle region reaches, as a share of the receptacle's
            smaller half extent.
        height: of the target, by which it may be too high or too low in its receptacle.
        kept_shift: how far an object may drift that was not to be moved, as a share of its own width.
        kept_shift_least: the same in metres, for small objects.
        kept_yaw: radians by which an object may turn that was not to be turned.
        kept_log_scale: natural logarithm of the ratio by which an object may change size that was not to be scaled.
        vacated: share of the place a moved object left that must no longer show it.
        removed: the same for a removed object.
        replaced: share of the way from the looks of a removed object to those of the empty place that must be gone.
        patch: largest share of its place that one patch quite unlike the true result may take.
        other_shift: metres by which another object may be displaced.
        other_present: how much of another object must still be there.
        other_visibility: share of another object that must be visible before and after for it to be judged.
    """

    share: float = 0.25
    direction: float = np.radians(30)
    half: float = 0.5
    measurable: float = 1 / 3
    region: float = 0.5
    height: float = 0.5
    kept_shift: float = 0.25
    kept_shift_least: float = 0.02
    kept_yaw: float = np.radians(45)
    kept_log_scale: float = np.log(1.25)
    vacated: float = 0.5
    removed: float = 0.75
    replaced: float = 0.25
    patch: float = 0.05
    other_shift: float = 0.03
    other_present: float = 0.5
    other_visibility: float = 0.1


@dataclass(frozen=True)
class Deviation:
    """What was asked and what was measured, in one unit: metres, radians or a logarithm.

    Attributes:
        error: of the edit.
        nothing: error of an editor that does nothing.
        floor: what the observer cannot tell apart.
        allowed: error up to which the request counts as met.
        unit: ``m``, ``rad`` or ``log``.
        errors: everything measured, in the units of instructions; JSON-able.
        drift: changes nobody asked for, each as a share of what is tolerated.
        misses: more ways in which the request was not met, in words.
    """

    error: float
    nothing: float
    floor: float
    allowed: float
    unit: str
    errors: dict[str, float]
    drift: dict[str, float] = field(default_factory=dict)
    misses: tuple[str, ...] = ()


def deviation(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> Deviation:
    """Measures the edit against the request.

    Args:
        sample: a row of any operation but SR.
        measurement: with `found` not False and no `cause`.
        tolerances: the constants.

    Raises:
        KeyError: the operation is not one of the six.
    """
    return DEVIATIONS[sample.operation](sample, measurement, tolerances)


def _move(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> Deviation:
    """CM, OP and RP: where the middle of the target's box ends up."""
    before, after, shift = _target(sample, measurement)
    wanted = after.centre - before.centre
    nothing = float(np.linalg.norm(wanted))
    floor = measurement.floor.shift
    off = shift - wanted
    error = float(np.linalg.norm(off))
    errors = _pose_errors(sample, measurement, off)
    if nothing > 0:
        along = float(off @ wanted) / nothing
        errors["along_cm"] = 100 * along
        errors["across_cm"] = 100 * float(np.sqrt(max(error**2 - along**2, 0)))
    drift = {"size": _kept_size(measurement, tolerances)}
    misses: list[str] = []

    # Every operation is held to what its instruction states: a distance moved, an offset from the reference object, or
    # the middle of a receptacle.
    reference = sample.body(sample.reference_ids[0]) if sample.reference_ids else None
    scale, towards, got = nothing, wanted, shift
    if sample.operation == "OP" and reference is not None:
        error += _moved(measurement, reference.id, tolerances)
        towards, got = after.centre - reference.centre, before.centre + shift - reference.centre
        towards, got = towards * [1, 1, 0], got * [1, 1, 0]
        scale = min(nothing, float(np.linalg.norm(towards)))
    allowed = tolerances.share * scale
    if sample.operation == "RP" and reference is not None:
        error += _moved(measurement, reference.id, tolerances)
        allowed = 0.5 * tolerances.region * float(reference.size[:2].min())
        rise, high = abs(float(off[2])), _height(after)
        errors["height_cm"] = 100 * float(off[2])
        if rise > max(tolerances.height * high, floor):
            misses.append(f"{100 * rise:.1f} cm too {'high' if off[2] > 0 else 'low'} in the receptacle")
    elif sample.operation != "RP":
        angle = _angle(towards, got)
        errors["direction_degrees"] = float(np.degrees(angle))
        if angle > tolerances.direction:
            misses.append(f"{np.degrees(angle):.0f} degrees off the direction")
    if sample.operation == "CM":
        drift["turn"] = _kept_turn(before, measurement, tolerances)
    allowed = min(max(allowed, floor), tolerances.half * nothing)
    return Deviation(error, nothing, floor, allowed, "m", errors, drift, tuple(misses))


def _turn(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> Deviation:
    """OR: the geodesic angle to the wanted orientation, modulo the object's symmetry; the place is kept."""
    before, after, shift = _target(sample, measurement)
    wanted = _yaw_between(before, after)
    nothing = abs(_wrapped(wanted, before.symmetry))
    error = abs(_wrapped(measurement.yaw - wanted, before.symmetry))
    off = shift - (after.centre - before.centre)
    drift = {
        "place": _kept_place(off, before, measurement, tolerances),
        "size": _kept_size(measurement, tolerances),
    }
    floor = measurement.floor.yaw
    allowed = min(max(tolerances.share * nothing, floor), tolerances.half * nothing)
    return Deviation(error, nothing, floor, allowed, "rad", _pose_errors(sample, measurement, off), drift)


def _scaling(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> Deviation:
    """OS: the logarithm of the ratio to the wanted size; the point it stands on is kept."""
    before, after, shift = _target(sample, measurement)
    wanted = _factor(sample)
    nothing = abs(float(np.log(wanted)))
    error = abs(float(np.log(measurement.scale / wanted)))
    # The middle of the box rises or sinks with the size; the base must not.
    rise = 0.5 * (measurement.scale - wanted) * _height(before)
    off = shift - (after.centre - before.centre)
    base = off - np.array([0.0, 0.0, rise])
    larger = after if wanted > 1 else before
    drift = {
        "base": _kept_place(base, larger, measurement, tolerances),
        "turn": _kept_turn(before, measurement, tolerances),
    }
    floor = measurement.floor.log_scale
    allowed = min(max(tolerances.share * nothing, floor), tolerances.half * nothing)
    errors = _pose_errors(sample, measurement, off) | {"base_cm": 100 * float(np.linalg.norm(base))}
    return Deviation(error, nothing, floor, allowed, "log", errors, drift)


def _camera(sample: Sample, measurement: Measurement, tolerances: Tolerances) -> Deviation:
    """PC: angle between the orientations plus the parallax of the distance between the positions.

    A metre counts as the angle under which it is seen at the middle depth of the source, so that one number holds for
    pans, tilts, tracks and any mixture.
    """
    assert measurement.transform is not None
    known = sample.source_depth[sample.source_depth > 0]
    depth = float(np.median(known)) if known.size else 1.0
    source = np.linalg.inv(sample.source_extrinsics).astype(np.float64)
    wanted = np.linalg.inv(sample.target_extrinsics).astype(np.float64)
    seen: Array = measurement.transform @ source

    def apart(one: Array, other: Array) -> tuple[float, float]:
        turn = one[:3, :3].T @ other[:3, :3]
        sine = 0.5 * np.linalg.norm([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
        return float(np.arctan2(sine, 0.5 * (np.trace(turn) - 1))), float(np.linalg.norm(one[:3, 3] - other[:3, 3]))

    turned, shifted = apart(seen, wanted)
    all_turn, all_shift = apart(source, wanted)
    nothing = all_turn + all_shift / depth
    floor = measurement.floor.yaw + measurement.floor.shift / depth
    allowed = min(max(tolerances.share * nothing, floor), tolerances.half * nothing)
    errors = {"rotation_degrees": float(np.degrees(turned)), "translation_cm": 100 * shifted}
    return Deviation(turned + shifted / depth, nothing, floor, allowed, "rad", errors)


DEVIATIONS: dict[str, Callable[[Sample, Measurement, Tolerances], Deviation]] = {
    "CM": _move,
    "OP": _move,
    "RP": _move,
    "OR": _turn,
    "OS": _scaling,
    "PC": _camera,
}


def _target(sample: Sample, measurement: Measurement) -> tuple[Body, Body, Array]:
    assert sample.target_id is not None
    before, after = sample.body(sample.target_id), sample.body(sample.target_id, after=True)
    if before is None or after is None or measurement.shift is None:
        raise ValueError(f"row {sample.id}: the target is missing before, after or in the measurement")
    return before, after, measurement.shift


def _pose_errors(sample: Sample, measurement: Measurement, off: Array) -> dict[str, float]:
    before, after, _ = _target(sample, measurement)
    turn = _wrapped(measurement.yaw - _yaw_between(before, after), before.symmetry)
    return {
        "endpoint_cm": 100 * float(np.linalg.norm(off)),
        "yaw_degrees": float(np.degrees(turn)),
        "log_scale": float(np.log(measurement.scale / _factor(sample))),
    }


def _moved(measurement: Measurement, instance: int, tolerances: Tolerances) -> float:
    """Metres by which the reference was displaced: it counts in full against a place stated relative to it."""
    moved = max((other.moved for other in measurement.others if other.id == instance), default=0.0)
    return moved if moved > max(tolerances.other_shift, measurement.floor.shift) else 0.0


def _factor(sample: Sample) -> float:
    """Ratio of size that was asked for."""
    if sample.transform is None:
        return 1.0
    return float(np.cbrt(np.linalg.det(sample.transform[:3, :3])))


def _yaw_between(before: Body, after: Body) -> float:
    """Turn about the vertical from one to the other, radians."""
    turn = after.rotation @ before.rotation.T
    return float(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1]))


def _wrapped(angle: float, symmetry: int) -> float:
    """The smallest equivalent turn of an object that looks the same after 1/`symmetry` of a full turn, signed."""
    if symmetry == 0:
        return 0.0
    period = 2 * np.pi / symmetry
    return float((angle + period / 2) % period - period / 2)


def _height(body: Body) -> float:
    """Metres, vertical extent of the box."""
    return float(np.abs(body.rotation[2]) @ body.size)


def _angle(one: Array, other: Array) -> float:
    """Radians between two vectors; a right angle if one is zero, which points nowhere."""
    if not (one.any() and other.any()):
        return np.pi / 2
    # Unlike an arc cosine this is precise for small angles too.
    return float(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))


def _kept_place(off: Array, body: Body, measurement: Measurement, tolerances: Tolerances) -> float:
    tolerated = max(tolerances.kept_shift * float(body.size[:2].mean()), tolerances.kept_shift_least)
    return float(np.linalg.norm(off)) / max(tolerated, measurement.floor.shift)


def _kept_turn(body: Body, measurement: Measurement, tolerances: Tolerances) -> float:
    return abs(_wrapped(measurement.yaw, body.symmetry)) / max(tolerances.kept_yaw, measurement.floor.yaw)


def _kept_size(measurement: Measurement, tolerances: Tolerances) -> float:
    return abs(float(np.log(measurement.scale))) / max(tolerances.kept_log_scale, measurement.floor.log_scale)
