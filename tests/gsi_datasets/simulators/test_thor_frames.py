"""Unity's frame against ours, on scenes and frames that Unity recorded.

The frames (tests/data/thor_frames) come from the test data of Kajiih/rl_ai2thor (MIT), the scenes from procthor
(Apache-2.0).
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gsi_datasets.geometry import corners, image_bounds, is_rotation, project
from gsi_datasets.scene import Box
from gsi_datasets.simulators import thor_frames as frames
from tests.thor import scenes


FRAMES = Path(__file__).parents[2] / "data" / "thor_frames"
RECORDED = [record for name in scenes.names() for record in scenes.recorded(name)["objects"]]
ORIENTED = [record for record in RECORDED if record["objectOrientedBoundingBox"]]


def event(number: int) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    metadata = json.loads(gzip.decompress((FRAMES / f"FloorPlan{number}.json.gz").read_bytes()))
    picture = cv2.imread(str(FRAMES / f"FloorPlan{number}.png"))
    assert picture is not None
    return metadata, picture.astype(np.uint8)


def test_there_is_enough_to_prove_it_on() -> None:
    turned = [it for it in ORIENTED if sum(5 < it["rotation"][axis] % 90 < 85 for axis in "xyz") > 1]
    assert len(RECORDED) > 500
    assert len(ORIENTED) > 250
    assert len(turned) > 5  # about two axes: the order of the turns matters


def test_corners_follow_from_pose_and_size() -> None:
    """Euler order and the order of the eight corners, of every recorded object."""
    worst = 0.0
    for record in ORIENTED:
        box = frames.oriented_box(record)
        assert box is not None
        local = frames.ORIENTED_CORNERS * box.size[[0, 2, 1]] / 2
        turned = local @ frames.matrix_of(frames.vector(record["rotation"])).T
        points = frames.to_world(box.centre) + turned
        worst = max(worst, float(np.abs(points - record["objectOrientedBoundingBox"]["cornerPoints"]).max()))
    assert worst < 1e-3  # Unity's own boxes are skewed by so much


def test_aligned_corners_follow_from_centre_and_size() -> None:
    for record in RECORDED:
        found = record["axisAlignedBoundingBox"]
        if "cornerPoints" in found:
            points = frames.vector(found["center"]) + frames.ALIGNED_CORNERS * frames.vector(found["size"]) / 2
            np.testing.assert_allclose(points, found["cornerPoints"], atol=2e-6)


def test_poses_there_and_back() -> None:
    for record in RECORDED:
        pose = frames.pose_of(record)
        assert is_rotation(pose[:3, :3])
        position, rotation = frames.unity_pose(pose)
        np.testing.assert_allclose(frames.vector(position), frames.vector(record["position"]), atol=1e-12)
        np.testing.assert_allclose(
            frames.matrix_of(frames.vector(rotation)), frames.matrix_of(frames.vector(record["rotation"])), atol=1e-9
        )


def test_the_world_is_right_handed_and_z_is_up() -> None:
    right, up, forward = frames.to_world(np.eye(3))
    np.testing.assert_array_equal(up, [0, 0, 1])
    np.testing.assert_array_equal(np.cross(right, forward), up)
    # Yaw 90 looks along Unity's x, which stays x.
    pose = frames.pose_of({"position": {"x": 1, "y": 2, "z": 3}, "rotation": {"x": 0, "y": 90, "z": 0}})
    np.testing.assert_allclose(pose[:3, 1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], [1, 3, 2])


@pytest.mark.parametrize("yaw", [0.0, 37.0, 180.0, 301.5])
@pytest.mark.parametrize("horizon", [-20.0, 0.0, 45.0])
def test_cameras_there_and_back(yaw: float, horizon: float) -> None:
    camera = frames.camera_of({"x": 1.0, "y": 1.5, "z": -2.0}, (horizon, yaw, 0.0), 60.0, 640, 360)
    assert is_rotation(camera.extrinsics[:3, :3])
    assert camera.extrinsics[2, 2] == pytest.approx(-np.sin(np.radians(horizon)))  # a positive horizon looks down
    given = frames.camera_parameters(camera)
    back = frames.camera_of(
        given["position"], frames.vector(given["rotation"]), given["fieldOfView"], camera.width, camera.height
    )
    np.testing.assert_allclose(back.extrinsics, camera.extrinsics, atol=1e-12)
    np.testing.assert_allclose(back.intrinsics, camera.intrinsics, atol=1e-9)


def test_upright_boxes_are_the_same_boxes() -> None:
    for record in ORIENTED:
        box = frames.oriented_box(record)
        assert box is not None
        axes = frames.pose_of(record)[:3, :3]
        box = Box(box.centre, box.size, axes)
        stood = frames.upright(box, axes[:, 1])
        assert is_rotation(stood.rotation)
        assert stood.rotation[2, 2] >= 1 / np.sqrt(3) - 1e-9
        gap = np.linalg.norm(corners(stood)[:, None] - corners(box)[None], axis=2).min(axis=1)
        assert gap.max() < 1e-9


@pytest.mark.parametrize(("number", "fewest"), [(1, 4), (301, 20), (401, 0)])
def test_visible_things_lie_in_the_frame(number: int, fewest: int) -> None:
    """Unity says which objects the frame shows: their boxes must lie in it, with any mirrored axis they do not."""
    metadata, _ = event(number)
    camera = frames.agent_camera(metadata)
    seen = 0
    for record in metadata["objects"]:
        if not record["visible"] or record["objectType"] == "Floor":
            continue
        box = frames.oriented_box(record) or frames.aligned_box(record)
        bounds = image_bounds(box, camera)
        assert bounds is not None, record["objectId"]
        assert (bounds[:2] < camera.width).all(), record["objectId"]
        assert (bounds[2:] > 0).all(), record["objectId"]
        seen += 1
    assert seen >= fewest


# Rectangles of what is plain to see, measured by hand in the recorded frames: u_min, v_min, u_max, v_max, pixels.
BY_HAND = {
    (301, "TissueBox"): (131, 191, 152, 210),
    (301, "Bowl"): (113, 230, 136, 251),
    (301, "Mug"): (73, 230, 89, 250),
}


@pytest.mark.parametrize(("number", "kind"), BY_HAND)
def test_boxes_land_on_what_the_frames_show(number: int, kind: str) -> None:
    metadata, _ = event(number)
    camera = frames.agent_camera(metadata)
    record = next(it for it in metadata["objects"] if it["objectType"] == kind and it["visible"])
    box = frames.oriented_box(record)
    assert box is not None
    pixels, _ = project(corners(box), camera)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    hand = np.array(BY_HAND[number, kind], dtype=float)
    shared = np.prod(np.clip(np.minimum(high, hand[2:]) - np.maximum(low, hand[:2]), 0, None))
    union = np.prod(high - low) + np.prod(hand[2:] - hand[:2]) - shared
    assert shared / union > 0.6
