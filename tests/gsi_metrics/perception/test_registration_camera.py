"""The camera's motion, measured between two views of a drawn scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.geometry import axis_angle, rotation_angle
from gsi_metrics.perception.registration import measure
from gsi_metrics.sample import Array, Sample
from tests.gsi_metrics.perception.blocks import EXTRINSICS, SIDE, TALL, draw, row, scene


def seen_from(shift: tuple[float, float, float], turn: Array) -> Array:
    """World to a camera that was shifted in the world and turned about its own axes."""
    pose = np.linalg.inv(EXTRINSICS)
    moved = pose.copy()
    moved[:3, :3], moved[:3, 3] = pose[:3, :3] @ turn, pose[:3, 3] + shift
    return np.linalg.inv(moved)


@pytest.fixture(scope="module")
def still() -> Sample:
    return replace(row("PC"), target_id=None, operation="PC", transform=np.eye(4))


@pytest.mark.parametrize(
    ("shift", "axis", "degrees"),
    [
        ((0.0, 0.0, 0.0), (0, 1, 0), 0.0),
        ((0.12, 0.0, 0.0), (0, 1, 0), 0.0),
        ((0.0, 0.15, -0.05), (0, 1, 0), 0.0),
        ((0.0, 0.0, 0.0), (0, 1, 0), 8.0),
        ((0.05, -0.05, 0.03), (1, 0, 0), -5.0),
    ],
)
def test_the_motion_of_the_camera_in_the_world(
    still: Sample, shift: tuple[float, float, float], axis: tuple[int, int, int], degrees: float
) -> None:
    extrinsics = seen_from(shift, axis_angle(axis, np.radians(degrees)))
    found = measure(still, draw(scene(), extrinsics)[0])
    assert found.cause is None
    assert found.transform is not None
    # The motion carries the old camera to the new one.
    wanted, got = np.linalg.inv(extrinsics), found.transform @ np.linalg.inv(EXTRINSICS)
    assert np.linalg.norm(got[:3, 3] - wanted[:3, 3]) < 0.015
    assert np.degrees(rotation_angle(got[:3, :3], wanted[:3, :3])) < 0.8
    assert found.found is None
    assert found.confidence > 0.3
    assert found.likeness > 0.8
    assert found.floor.shift < 0.01


def test_an_object_missing_from_the_new_view_is_told(still: Sample) -> None:
    bodies = {key: body for key, body in scene().items() if key != TALL}
    found = measure(still, draw(bodies, seen_from((0.05, 0.0, 0.0), np.eye(3)))[0])
    present = {item.id: item.present for item in found.others}
    assert present[TALL] < 0.6
    assert min(value for key, value in present.items() if key != TALL) > 0.75


def test_a_view_of_something_else_is_not_measured(still: Sample) -> None:
    found = measure(still, np.full((SIDE, SIDE, 3), 128, np.uint8))
    assert "camera" in (found.cause or "")


def test_matches_in_one_point_are_no_view_to_measure() -> None:
    from gsi_metrics.perception.registration.camera import _pose

    rng = np.random.default_rng(0)
    points = np.tile([0.3, 0.2, 1.0], (40, 1)) + rng.normal(0, 1e-9, (40, 3))
    assert _pose(points, rng.uniform(0, 200, (40, 2)), np.array([[200.0, 0, 100], [0, 200.0, 100], [0, 0, 1]])) is None
