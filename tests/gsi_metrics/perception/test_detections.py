from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gsi_datasets.geometry import axis_angle
from gsi_metrics.perception.detections import Detection, DetectionError, Detections, Mask, published
from tests.gsi_metrics.perception.seen import around, changed, moving


GOOD: dict[str, Any] = {
    "category": "mug",
    "score": 0.7,
    "bbox_2d": [10.0, 20.0, 40.0, 60.0],
    "centre": [0.1, -0.2, 2.0],
    "size": [0.1, 0.2, 0.3],
    "rotation": axis_angle([1, 2, 3], 0.7).tolist(),
}
SAMPLE = Path(__file__).parents[2] / "data" / "detections" / "infer_cache.json"


def picture(**changes: Any) -> dict[str, Any]:
    K = [[100.0, 0, 64], [0, 100.0, 48], [0, 0, 1]]
    return {"height": 96, "width": 128, "intrinsics": K, "objects": [GOOD], "observer": "test"} | changes


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("centre", [0.1, float("nan"), 2.0], "finite"),
        ("centre", [0.1, 2.0], "Field required"),
        ("size", [0.1, 0.0, 0.3], "greater than 0"),
        ("size", [0.1, float("inf"), 0.3], "finite"),
        ("bbox_2d", [40.0, 20.0, 10.0, 60.0], "has no area"),
        ("rotation", np.diag([1.0, 1.0, -1.0]).tolist(), "is not a rotation"),
        ("rotation", (2 * np.eye(3)).tolist(), "is not a rotation"),
        ("score", 1.2, "less than or equal to 1"),
        ("category", "", "at least 1 character"),
        ("colour", "red", "Extra inputs"),
        ("mask", {"size": [96, 128], "counts": [3, 4]}, "add up to 7"),
        ("mask", {"size": [2, 2], "counts": [4]}, "the picture (96, 128)"),
    ],
)
def test_refuses_what_cannot_be(field: str, value: Any, said: str) -> None:
    with pytest.raises(DetectionError, match=r"a\.json") as caught:
        Detections.from_json(json.dumps(picture(objects=[GOOD | {field: value}])), "a.json")
    assert said in str(caught.value)
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"height": 3}', "\x00"])
def test_refuses_what_is_no_detections(text: str) -> None:
    with pytest.raises(DetectionError):
        Detections.from_json(text)


def test_comes_back_from_a_file(tmp_path: Path) -> None:
    seen, _ = around(moving())
    seen.write(tmp_path / "seen.json")
    assert Detections.read(tmp_path / "seen.json") == seen
    with pytest.raises(DetectionError, match=r"missing\.json"):
        Detections.read(tmp_path / "missing.json")


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_masks_come_back(height: int, width: int, random: Any) -> None:
    mask = np.array([[random.random() < 0.5 for _ in range(width)] for _ in range(height)])
    coded = Mask.encode(mask)
    assert np.array_equal(coded.decode(), mask)
    assert sum(coded.counts[1::2]) == mask.sum()


def test_masks_run_down_the_columns() -> None:
    mask = np.zeros((3, 2), dtype=bool)
    mask[1:, 0] = True
    assert Mask.encode(mask).counts == (1, 2, 3)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 3))
@settings(max_examples=40, deadline=None)
def test_published_form_and_back(tilt: float, yaw: float, depth: float) -> None:
    rotation = axis_angle([0, 1, 0], yaw) @ axis_angle([1, 0, 0], tilt)
    item = Detection.model_validate(GOOD | {"rotation": rotation, "centre": [0.3, 0.1, depth]})
    there = item.to_published(480, 640)
    back = Detection.from_published(there, 480, 640)
    assert np.allclose(back.rotation, item.rotation)
    assert np.allclose(back.size, item.size)
    assert np.allclose(back.bbox_2d, item.bbox_2d)
    assert back.centre == item.centre


def test_published_extents_follow_their_axes() -> None:
    """W along the box's x, h along its y, l along its z. A box that stands upright: h is its height."""
    record = {"bbox_3d": [0, 0, 2, 0.5, 0.9, 0.3, 0.0], "bbox_2d": [0, 0, 896, 448]}
    item = Detection.from_published(record, 100, 200)
    assert item.size == (0.5, 0.3, 0.9)
    # Our z axis is the box's up, which is the camera's -y; our front is -y, which is towards the camera.
    assert np.allclose(np.array(item.rotation) @ [0, 0, 1], [0, -1, 0])
    assert np.allclose(np.array(item.rotation) @ [0, -1, 0], [0, 0, -1])
    assert np.allclose(item.bbox_2d, [0, 0, 200, 100])


def test_published_yaw_is_read_where_there_is_no_matrix() -> None:
    record = {"bbox_3d": [0, 0, 2, 1, 1, 1, 0.4], "bbox_2d": [1, 2, 3, 4]}
    matrix = np.array([[math.cos(0.4), 0, math.sin(0.4)], [0, 1, 0], [-math.sin(0.4), 0, math.cos(0.4)]])
    bare = Detection.from_published(record, 896, 896)
    assert np.allclose(
        bare.rotation, Detection.from_published(record | {"rotation_matrix": matrix}, 896, 896).rotation
    )
    assert bare.to_published(896, 896)["bbox_3d"][6] == pytest.approx(0.4)
    turned = Detection.from_published(record | {"rotation_matrix": np.eye(3).tolist()}, 896, 896)
    assert turned.to_published(896, 896)["bbox_3d"][6] == pytest.approx(0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bbox_3d": [0, 0, 2, 1, float("nan"), 1, 0]}, "finite"),
        ({"bbox_3d": [0, 0, 2]}, "shape"),
        ({"bbox_3d": "no numbers at all"}, "could not convert"),
        ({"bbox_2d": [5, 5, 5, 9]}, "no area"),
        ({"rotation_matrix": np.zeros((3, 3)).tolist()}, "not a rotation"),
    ],
)
def test_refuses_published_detections_that_cannot_be(change: dict[str, Any], said: str) -> None:
    record = {"bbox_3d": [0, 0, 2, 1, 1, 1, 0], "bbox_2d": [1, 2, 3, 4]}
    with pytest.raises(DetectionError) as caught:
        published([record, record | change], (96, 128), np.diag([100, 100, 1]), "test")
    assert said in str(caught.value)
    assert "detections[1]" in str(caught.value)


def test_reads_the_published_sample() -> None:
    """Where box, matrix and K of the sample are projected, the 2D box of the sample lies."""
    records = json.loads(SAMPLE.read_text())["0a1b2c3d4e_frame_000000_0"]["origin_result"]["detections"]
    K = np.array(records[0]["camera_intrinsics"])
    # A picture of the working size, so pixels are as in the file.
    (item,) = published(records, (672, 896), K, "sample").objects
    signs = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1)
    corners = np.array(item.rotation) @ (np.array(item.size)[:, None] * signs) + np.array(item.centre)[:, None]
    pixels = (K @ corners)[:2] / (K @ corners)[2]
    box = [*pixels.min(1), *pixels.max(1)]
    assert np.allclose(box, records[0]["bbox_2d"], atol=0.05)
    assert np.allclose(item.bbox_2d, records[0]["bbox_2d"])


def test_another_resolution_shows_the_same() -> None:
    seen, _ = around(moving(size=64))
    large = seen.resized(128, 192)
    assert np.allclose(large.intrinsics, np.diag([3, 2, 1]) @ np.array(seen.intrinsics))
    for small, big in zip(seen.objects, large.objects, strict=True):
        assert np.allclose(np.array(small.bbox_2d) * [3, 2, 3, 2], big.bbox_2d)
        assert small.mask is not None
        assert big.mask is not None
        assert big.mask.decode().sum() == 6 * small.mask.decode().sum()
    assert large.resized(64, 64) == seen


def test_yaw_period_is_at_most_a_turn() -> None:
    seen, _ = around(moving())
    assert changed(seen, yaw_period=math.pi).yaw_period == math.pi
    with pytest.raises(ValueError, match="yaw_period"):
        changed(seen, yaw_period=7.0)
