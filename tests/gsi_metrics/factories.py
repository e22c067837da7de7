"""Decoded rows and measurements for tests: an edit that does any part of what was asked, seen without error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gsi_datasets.geometry import rotation_z
from gsi_metrics.measurement import Measurement, Other
from gsi_metrics.sample import Array, Body, Sample
from tests.factories import fake_triplet


def fake_sample(
    operation: str = "CM", seed: int = 0, size: int = 64, symmetry: int = 1, textured: bool = False
) -> Sample:
    """A decoded row.

    Args:
        operation: one of the seven actions.
        seed: decides the scene and the edit.
        size: width and height, pixels.
        symmetry: of the target.
        textured: whether walls and table carry a pattern, the same in source and target.
    """
    sample = Sample.from_row(fake_triplet(seed, operation, size).to_example())
    bodies = [
        tuple(replace(body, symmetry=symmetry) if body.id == sample.target_id else body for body in group)
        for group in (sample.before, sample.after)
    ]
    sample = replace(sample, before=bodies[0], after=bodies[1])
    if textured:
        assert sample.target is not None
        pattern = _pattern(size, seed)
        source = np.clip(sample.source + pattern, 0, 255).astype(np.uint8)
        target = np.clip(sample.target + pattern, 0, 255).astype(np.uint8)
        sample = replace(sample, source=source, target=target)
    return sample


def fake_measurement(sample: Sample, part: float = 1.0, **changes: Any) -> Measurement:
    """What a perfect observer says of an edit that does `part` of what was asked.

    1 is perfect, 0 is doing nothing, -1 the opposite, 0.5 half and 2 double; a removal is done or not.

    Args:
        sample: the row.
        part: of the request; scale factors and turns are powers of the whole.
        **changes: fields of the measurement to put instead.
    """
    others = tuple(Other(body.id, 1.0, 0.0) for body in sample.before if body.id != sample.target_id)
    fields: dict[str, Any] = {
        "sample": sample.id,
        "observer": "test",
        "found": True,
        "vacated": 1.0 if part else 0.0,
        "likeness": 1.0,
        "others": others,
        "confidence": 1.0,
    }
    if sample.operation == "SR":
        fields |= {"found": part < 1}
    elif sample.operation == "PC":
        source, target = np.linalg.inv(sample.source_extrinsics), np.linalg.inv(sample.target_extrinsics)
        pose = np.eye(4)
        pose[:3, :3] = part_of_turn(target[:3, :3] @ source[:3, :3].T, part) @ source[:3, :3]
        pose[:3, 3] = source[:3, 3] + part * (target[:3, 3] - source[:3, 3])
        fields |= {"found": None, "transform": pose @ np.linalg.inv(source)}
    else:
        before, after = target_bodies(sample)
        factor = float(after.size[0] / before.size[0]) ** part
        turn = after.rotation @ before.rotation.T
        yaw = part * float(np.arctan2(turn[1, 0], turn[0, 0]))
        shift = part * (after.centre - before.centre)
        if sample.operation == "OS":
            shift = np.array([0.0, 0.0, 0.5 * (factor - 1) * before.size[2]])
        fields |= {"shift": shift, "yaw": yaw, "scale": factor, "transform": similarity(before, shift, yaw, factor)}
    return Measurement(**(fields | changes))


def target_bodies(sample: Sample) -> tuple[Body, Body]:
    """The target before and after."""
    assert sample.target_id is not None
    before, after = sample.body(sample.target_id), sample.body(sample.target_id, after=True)
    assert before is not None
    assert after is not None
    return before, after


def similarity(body: Body, shift: Array, yaw: float, scale: float) -> Array:
    """(4, 4) turn and scale about the middle of the body, then shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation_z(yaw)
    matrix[:3, 3] = body.centre + shift - matrix[:3, :3] @ body.centre
    return matrix


def part_of_turn(rotation: Array, part: float) -> Array:
    """(3, 3) the same axis, `part` of the angle."""
    axis = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    sine = float(np.linalg.norm(axis)) / 2
    if sine < 1e-12:
        return np.eye(3)
    x, y, z = axis / (2 * sine)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = part * np.arctan2(sine, (np.trace(rotation) - 1) / 2)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _pattern(size: int, seed: int) -> Array:
    """(size, size, 1) a smooth pattern of about 25 levels, the same at every size."""
    rng = np.random.default_rng([seed, 7])
    v, u = (np.mgrid[:size, :size] + 0.5) / size
    waves = rng.normal(size=(12, 2)) * 25
    phases = rng.uniform(0, 2 * np.pi, 12)
    return 8 * np.cos(waves[:, :1, None] * u + waves[:, 1:, None] * v + phases[:, None, None]).sum(0)[..., None]
