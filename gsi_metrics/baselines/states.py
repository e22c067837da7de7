"""What a picture of a row could show: its scene with objects moved, gone or copied. And what is true of that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gsi_datasets.geometry import (
    axis_angle,
    image_bounds,
    invert_rigid,
    rotation_angle,
    rotation_z,
    similarity,
    split_similarity,
    transform_box,
    transform_points,
    yaw_of,
)
from gsi_datasets.scene import Box, Camera
from gsi_metrics.measurement import Measurement, Other
from gsi_metrics.sample import Array, Body, Sample, SampleError


@dataclass(frozen=True, eq=False)
class State:
    """The source scene of a row, changed.

    Attributes:
        moved: instance id to the (4, 4) world similarity that carries its points.
        gone: instance ids of what is not there any more.
        copies: what is there once more: its instance id and the (4, 4) world similarity from the original to the copy.
        extrinsics: (4, 4) world to camera; None for the source's.
    """

    moved: Mapping[int, Array] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()
    copies: tuple[tuple[int, Array], ...] = ()
    extrinsics: Array | None = None


@dataclass(frozen=True, eq=False)
class Motion:
    """A motion of an object that stands upright, about the point it stands on.

    Attributes:
        shift: (3,) metres, world, of the middle of its base.
        yaw: radians about the vertical.
        log_scale: natural logarithm of the ratio of size.
    """

    shift: Array
    yaw: float = 0.0
    log_scale: float = 0.0

    def part(self, share: float) -> Motion:
        """So much of it: 1 is all, 0 nothing, 0.5 half, 2 double, -1 the opposite."""
        return Motion(share * self.shift, share * self.yaw, share * self.log_scale)

    def of(self, body: Body) -> Array:
        """(4, 4) world similarity that does this to `body`."""
        foot, factor, turn = base(body), float(np.exp(self.log_scale)), rotation_z(self.yaw)
        return similarity(turn, foot + self.shift - factor * turn @ foot, factor)


def rng_for(*parts: str | int) -> np.random.Generator:
    """A generator seeded by content."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def base(body: Body) -> Array:
    """(3,) the middle of the lower face of the upright box around it."""
    return body.centre - np.array([0.0, 0.0, 0.5 * float(np.abs(body.rotation[2]) @ body.size)])


def box_of(body: Body) -> Box:
    """Its box as geometry has it."""
    return Box(body.centre, body.size, body.rotation)


def target(sample: Sample) -> Body:
    """The object that is to be edited.

    Raises:
        SampleError: the row names none, or one it does not describe.
    """
    body = None if sample.target_id is None else sample.body(sample.target_id)
    if body is None:
        raise SampleError(f"row {sample.id}: target_ids names no object of objects_before")
    return body


def request(sample: Sample) -> Motion:
    """What the true result does to the target; of a row of CM, OP, RP, OR or OS.

    Raises:
        SampleError: the target is missing before or after.
    """
    before = target(sample)
    after = sample.body(before.id, after=True)
    if after is None:
        raise SampleError(f"row {sample.id}: the target is missing in objects_after")
    yaw = float(yaw_of(after.rotation @ before.rotation.T))
    if sample.operation in ("CM", "OS"):
        yaw = 0.0  # a thousandth of a degree from physics is not part of the request
    log_scale = float(np.log(after.size / before.size).mean())
    return Motion(base(after) - base(before), yaw, log_scale)


def true_state(sample: Sample) -> State:
    """What the true result shows."""
    if sample.operation == "PC":
        return State(extrinsics=sample.target_extrinsics)
    if sample.operation == "SR":
        return State(gone=frozenset({target(sample).id}))
    return State(moved={target(sample).id: request(sample).of(target(sample))})


def camera_part(sample: Sample, share: float) -> Array:
    """(4, 4) world to camera after so much of the camera's motion; arguments as for `Motion.part`."""
    source, wanted = invert_rigid(sample.source_extrinsics), invert_rigid(sample.target_extrinsics)
    turn = wanted[:3, :3] @ source[:3, :3].T
    angle = float(rotation_angle(np.eye(3), turn))
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    pose = source.copy()
    if angle > 1e-9:
        pose[:3, :3] = axis_angle(axis, share * angle) @ source[:3, :3]
    pose[:3, 3] = source[:3, 3] + share * (wanted[:3, 3] - source[:3, 3])
    return invert_rigid(pose)


def wrapped(angle: float, symmetry: int) -> float:
    """The smallest equivalent turn of an object with this order of symmetry, signed, radians."""
    if symmetry == 0:
        return 0.0
    period = 2 * np.pi / symmetry
    return float((angle + period / 2) % period - period / 2)


def true_error(sample: Sample, state: State) -> float | None:
    """How far a state is from the request, as a share of the request; 0 is perfect, 1 as far off as doing nothing.

    Metres for CM, OP and RP, radians modulo symmetry for OR, logarithm of the ratio of size for OS, the worse of turn
    and way for PC. None for SR, where nothing has a size, and where the target is gone.
    """
    if sample.operation == "SR" or sample.target_id in state.gone:
        return None
    if sample.operation == "PC":
        return _camera_error(sample, state.extrinsics if state.extrinsics is not None else sample.source_extrinsics)
    body, wanted = target(sample), request(sample)
    factor, rotation, _ = split_similarity(state.moved.get(body.id, np.eye(4)))
    if sample.operation == "OR":
        return abs(wrapped(float(yaw_of(rotation)) - wanted.yaw, body.symmetry)) / abs(
            wrapped(wanted.yaw, body.symmetry)
        )
    if sample.operation == "OS":
        return abs(float(np.log(factor)) - wanted.log_scale) / abs(wanted.log_scale)
    there, ideal = (transform_points(body.centre, matrix) for matrix in (_of(state, body), wanted.of(body)))
    return float(np.linalg.norm(there - ideal) / np.linalg.norm(ideal - body.centre))


def known(sample: Sample, state: State) -> Measurement:
    """What an observer without error says of a picture of `state`. Looks are taken to be unchanged."""
    others = tuple(
        Other(body.id, float(body.id not in state.gone), _displaced(body, state))
        for body in sample.before
        if body.movable and body.id != sample.target_id
    )
    fields: dict[str, Any] = {"likeness": 1.0, "others": others, "confidence": 1.0}
    if sample.operation == "PC":
        now = state.extrinsics if state.extrinsics is not None else sample.source_extrinsics
        # The camera's motion carries its pose before to its pose after.
        return Measurement(sample.id, "known", transform=invert_rigid(now) @ sample.source_extrinsics, **fields)
    body = target(sample)
    matrix = _of(state, body)
    copies = sum(instance == body.id for instance, _ in state.copies)
    if body.id in state.gone or not _in_view(sample, body, matrix):
        return Measurement(sample.id, "known", found=copies > 0, vacated=1.0, duplicates=max(copies - 1, 0), **fields)
    still = np.allclose(matrix, np.eye(4), atol=1e-9)
    left = any(instance == body.id and np.allclose(place, np.eye(4), atol=1e-9) for instance, place in state.copies)
    factor, rotation, _ = split_similarity(matrix)
    return Measurement(
        sample.id,
        "known",
        found=True,
        vacated=0.0 if still or left else 1.0,
        transform=matrix,
        shift=transform_points(body.centre, matrix) - body.centre,
        yaw=float(yaw_of(rotation)),
        scale=factor,
        duplicates=copies,
        **fields,
    )


def nothing_known(sample: Sample) -> Measurement:
    """What an observer without error says of a picture of another scene: nothing of the row is there."""
    others = tuple(
        Other(body.id, 0.0, np.inf) for body in sample.before if body.movable and body.id != sample.target_id
    )
    return Measurement(sample.id, "known", found=False, vacated=1.0, others=others, confidence=1.0)


def _of(state: State, body: Body) -> Array:
    return np.asarray(state.moved.get(body.id, np.eye(4)), dtype=np.float64)


def _displaced(body: Body, state: State) -> float:
    if body.id in state.gone:
        return float("inf")
    return float(np.linalg.norm(transform_points(body.centre, _of(state, body)) - body.centre))


def _in_view(sample: Sample, body: Body, matrix: Array) -> bool:
    height, width = sample.size
    camera = Camera(sample.intrinsics, sample.source_extrinsics, width, height)
    bounds = image_bounds(transform_box(box_of(body), matrix), camera)
    return bounds is not None and bool((bounds[:2] < (width, height)).all() and (bounds[2:] > 0).all())


def _camera_error(sample: Sample, extrinsics: Array) -> float:
    now, source, wanted = (
        invert_rigid(matrix) for matrix in (extrinsics, sample.source_extrinsics, sample.target_extrinsics)
    )
    shares = []
    asked_turn, asked_way = float(rotation_angle(source[:3, :3], wanted[:3, :3])), wanted[:3, 3] - source[:3, 3]
    if asked_turn > 1e-6:
        shares.append(float(rotation_angle(now[:3, :3], wanted[:3, :3])) / asked_turn)
    if np.linalg.norm(asked_way) > 1e-6:
        shares.append(float(np.linalg.norm(now[:3, 3] - wanted[:3, 3]) / np.linalg.norm(asked_way)))
    return max(shares, default=0.0)
