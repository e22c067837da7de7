from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gsi_datasets.geometry import axis_angle
from gsi_metrics.perception.detections import Mask
from gsi_metrics.perception.lifting import level_axes, lift, support_up
from gsi_metrics.perception.truth import source_detections
from gsi_metrics.sample import Sample
from tests.gsi_metrics.perception.seen import moving


def scene() -> tuple[Sample, Any]:
    sample = moving(size=512)
    return sample, sample.source_extrinsics[:3, 2]


def test_boxes_stand_where_the_objects_are() -> None:
    sample, up = scene()
    measured = 0
    for item in source_detections(sample).objects:
        if item.category == "table":
            continue
        assert isinstance(item.mask, Mask)
        box = lift(item.mask.decode(), sample.source_depth, sample.intrinsics, up)
        assert box is not None
        assert np.linalg.det(box.rotation) == pytest.approx(1)
        assert box.rotation[:, 2] == pytest.approx(up)
        # Two sides and the top are seen: all of a block, but for frayed edges.
        assert np.linalg.norm(box.centre - np.array(item.centre)) < 0.015
        assert np.sort(box.size) == pytest.approx(np.sort(item.size), abs=0.012)
        measured += 1
    assert measured == 5


def test_a_box_has_no_front() -> None:
    """Own x points to the viewer's right, within 45 degrees."""
    sample, up = scene()
    for item in source_detections(sample).objects:
        assert item.mask is not None
        box = lift(item.mask.decode(), sample.source_depth, sample.intrinsics, up)
        assert box is not None
        assert (level_axes(up) @ box.rotation)[0, 0] >= np.cos(np.radians(45)) - 1e-9


def test_too_little_is_no_box() -> None:
    sample, up = scene()
    speck = np.zeros(sample.size, dtype=bool)
    assert lift(speck, sample.source_depth, sample.intrinsics, up) is None
    speck[100:103, 100:103] = True
    assert lift(speck, sample.source_depth, sample.intrinsics, up) is None
    whole = sample.source_ids == sample.target_id
    assert lift(whole, np.zeros_like(sample.source_depth), sample.intrinsics, up) is None


def test_a_line_of_points_is_no_box_and_no_error() -> None:
    flat = np.zeros((64, 64), dtype=bool)
    flat[32, :] = True
    depth = np.full((64, 64), 2.0, np.float32)
    assert lift(flat, depth, np.array([[64.0, 0, 32], [0, 64.0, 32], [0, 0, 1]]), np.array([0.0, -1, 0])) is None


def test_up_is_found_from_the_table() -> None:
    sample, up = scene()
    found = support_up(sample.source_depth, sample.intrinsics)
    assert np.degrees(np.arccos(min(found @ up, 1.0))) < 1
    assert np.array_equal(found, support_up(sample.source_depth, sample.intrinsics))


def test_up_is_the_cameras_where_nothing_tells() -> None:
    K = np.array([[64.0, 0, 32], [0, 64.0, 32], [0, 0, 1]])
    assert support_up(np.zeros((64, 64), np.float32), K) == pytest.approx([0, -1, 0])
    # A wall in front of the camera is no table.
    assert support_up(np.full((64, 64), 2.0, np.float32), K) == pytest.approx([0, -1, 0])


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.4])
def test_level_axes_are_a_rotation(angle: float) -> None:
    up = axis_angle([1, 0.2, 0], angle) @ [0, -1, 0]
    axes = level_axes(up)
    assert axes @ axes.T == pytest.approx(np.eye(3))
    assert np.linalg.det(axes) == pytest.approx(1)
    assert axes @ up == pytest.approx([0, 0, 1])


def test_a_wall_larger_than_the_table_is_not_taken_for_it() -> None:
    """The camera looks down by 35 degrees on a table 0.7 m below it; two thirds of the picture are a wall."""
    K, size = np.array([[64.0, 0, 32], [0, 64.0, 32], [0, 0, 1]]), 64
    up = axis_angle([1, 0, 0], np.radians(35)) @ [0, -1, 0]
    away = level_axes(up)[1]
    v, u = np.mgrid[:size, :size] + 0.5
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(K).T
    with np.errstate(divide="ignore"):
        table, wall = -0.7 / (rays @ up), 0.75 / (rays @ away)
    depth = np.where((table > 0) & (table < wall), table, wall).astype(np.float32)
    assert 0.5 < (depth == wall.astype(np.float32)).mean() < 0.7
    assert support_up(depth, K) @ up > np.cos(np.radians(1))
