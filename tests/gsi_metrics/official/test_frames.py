"""The border between the published frames and ours, against what a detector recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi_datasets.geometry import axis_angle, box2d, rotation_angle
from gsi_datasets.scene import Box, Camera
from gsi_metrics.official import frames
from tests.gsi_metrics.official.samples import DATA


RECORDED = json.loads((DATA / "detections" / "infer_cache.json").read_text())
SEEN = [item for key in sorted(RECORDED) for item in RECORDED[key]["origin_result"]["detections"]]


@pytest.mark.parametrize("number", range(len(SEEN)))
def test_our_projection_of_a_recorded_box_is_the_recorded_rectangle(number: int) -> None:
    item = SEEN[number]
    extrinsics = frames.upright_extrinsics([item["rotation_matrix"]])
    box = frames.world_box(item["bbox_3d"], item["rotation_matrix"], extrinsics)
    camera = Camera(np.asarray(item["camera_intrinsics"]), extrinsics, 896, 672)
    assert box2d(box, camera) == pytest.approx(np.asarray(item["bbox_2d"]), abs=0.01)


@pytest.mark.parametrize("number", range(len(SEEN)))
def test_corners_of_ours_are_the_recorded_corners(number: int) -> None:
    item = SEEN[number]
    extrinsics = frames.upright_extrinsics([item["rotation_matrix"]])
    box = frames.world_box(item["bbox_3d"], item["rotation_matrix"], extrinsics)
    half = np.array(np.meshgrid(*([(-0.5, 0.5)] * 3))).reshape(3, -1).T * box.size
    ours = (half @ box.rotation.T + box.centre) @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    theirs = np.asarray(item["vertices_3d"])
    order = [np.linalg.norm(ours - corner, axis=1).argmin() for corner in theirs]
    assert sorted(order) == list(range(8))
    assert np.abs(ours[order] - theirs).max() < 1e-4


def test_what_stands_upright_there_stands_upright_here() -> None:
    rotations = [item["rotation_matrix"] for item in SEEN]
    extrinsics = frames.upright_extrinsics(rotations)
    for item in SEEN:
        box = frames.world_box(item["bbox_3d"], item["rotation_matrix"], extrinsics)
        assert box.rotation[:, 2] == pytest.approx([0, 0, 1], abs=1e-5)
        assert box.size[2] == item["bbox_3d"][4]
    # The camera looks down on the desk, and to the right stays to the right.
    assert extrinsics[:3, 2] @ [0, 0, 1] < -0.3
    assert extrinsics[:3, 0] == pytest.approx([1, 0, 0], abs=1e-6)


@given(
    centre=st.tuples(*[st.floats(-5, 5)] * 3),
    size=st.tuples(*[st.floats(0.01, 3)] * 3),
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    angle=st.floats(-3.1, 3.1),
    pitch=st.floats(-0.9, 0.9),
)
def test_there_and_back(centre: tuple, size: tuple, axis: tuple, angle: float, pitch: float) -> None:
    extrinsics = frames.upright_extrinsics([axis_angle([1, 0, 0], pitch)])
    box = Box(np.array(centre), np.array(size), axis_angle(axis, angle))
    numbers, rotation = frames.published_box(box, extrinsics)
    again = frames.world_box(numbers, rotation, extrinsics)
    assert again.centre == pytest.approx(box.centre, abs=1e-12)
    assert again.size == pytest.approx(box.size, abs=1e-12)
    assert rotation_angle(again.rotation, box.rotation) < 1e-9
    # The height there is the extent along the axis that points up here.
    assert numbers[4] == box.size[2]


@pytest.mark.parametrize("pitch", [-0.9, 0.0, 0.4])
def test_the_world_is_right_handed_with_z_up(pitch: float) -> None:
    down = axis_angle([1, 0, 0], pitch)
    rotation = frames.upright_extrinsics([down])[:3, :3]
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[:, 2] == pytest.approx(-down[:, 1])


def test_things_that_lie_say_nothing_of_gravity() -> None:
    lying, standing = axis_angle([1, 0, 0], np.pi / 2), axis_angle([1, 0, 0], 0.3)
    assert frames.upright_extrinsics([lying]) == pytest.approx(frames.upright_extrinsics([np.eye(3)]))
    assert frames.upright_extrinsics([lying, standing]) == pytest.approx(frames.upright_extrinsics([standing]))


def test_whose_intrinsics_they_are() -> None:
    canvas = np.array([[667.0, 0, 448], [0, 667, 336], [0, 0, 1]])
    assert frames.of_canvas(canvas, 640, 480)
    assert frames.of_canvas(canvas, 1920, 1440)
    picture = frames.scaled_intrinsics(canvas, 1920 / 896)
    assert picture[0] == pytest.approx([667 * 1920 / 896, 0, 960])
    assert not frames.of_canvas(picture, 1920, 1440)
