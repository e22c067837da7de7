from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.geometry import corners, intrinsics_from_fov, look_at, rotation_z, transform_points
from gsi_datasets.scene import Camera, Scene, SceneObject


def make_object(name, **changes):
    plain = SceneObject(
        name=name,
        instance=1,
        asset="toy/cube",
        category="box",
        caption="white box",
        caption_zh="白色盒子",
        position=np.array([0.5, -0.25, 0.75]),
        rotation=np.eye(3),
        local_centre=np.array([0.01, 0.0, 0.1]),
        local_size=np.array([0.1, 0.2, 0.3]),
    )
    return replace(plain, **changes)


def make_scene(*objects):
    camera = Camera(intrinsics_from_fov(0.9, 640, 480), look_at([0, -1, 1], [0, 0, 0]), 640, 480)
    return Scene("scene", tuple(objects), camera)


def test_objects_are_found_by_name():
    scene = make_scene(make_object("table", static=True), make_object("mug_1"))
    assert scene["mug_1"].name == "mug_1"
    assert "mug_1" in scene
    assert "mug_2" not in scene
    assert [item.name for item in scene.movable] == ["mug_1"]
    with pytest.raises(KeyError):
        scene["mug_2"]


def test_names_must_not_repeat():
    with pytest.raises(ValueError, match="names repeat"):
        make_scene(make_object("mug_1"), make_object("mug_1"))


def test_with_objects_replaces_in_place_and_leaves_the_original():
    scene = make_scene(make_object("a"), make_object("b"), make_object("c"))
    moved = scene.with_objects([replace(scene["b"], position=np.ones(3))])
    assert [item.name for item in moved.objects] == ["a", "b", "c"]
    np.testing.assert_array_equal(moved["b"].position, np.ones(3))
    np.testing.assert_array_equal(scene["b"].position, [0.5, -0.25, 0.75])
    assert moved["a"] is scene["a"]
    with pytest.raises(KeyError, match="nobody"):
        scene.with_objects([make_object("nobody")])


def test_without_takes_out_only_the_named():
    scene = make_scene(make_object("a"), make_object("b"), make_object("c"))
    rest = scene.without("a", "c")
    assert [item.name for item in rest.objects] == ["b"]
    assert "a" not in rest
    assert "a" in scene


def test_resting_on_gives_direct_dependants_only():
    scene = make_scene(
        make_object("table", static=True),
        make_object("plate", support="table"),
        make_object("mug", support="plate"),
        make_object("book", support="table"),
    )
    assert [item.name for item in scene.resting_on("table")] == ["plate", "book"]
    assert [item.name for item in scene.resting_on("plate")] == ["mug"]
    assert scene.resting_on("mug") == ()


def test_box_of_a_turned_and_scaled_object():
    item = make_object("mug", rotation=rotation_z(np.pi / 2), scale=2.0)
    np.testing.assert_allclose(item.box.centre, [0.5, -0.25 + 0.02, 0.75 + 0.2])
    np.testing.assert_allclose(item.box.size, [0.2, 0.4, 0.6])
    low = item.local_centre - item.local_size / 2
    np.testing.assert_allclose(corners(item.box)[0], transform_points(low, item.pose), atol=1e-12)


def test_resized_camera_scales_its_intrinsics():
    camera = make_scene().camera
    half = camera.resized(320, 240)
    assert (half.width, half.height) == (320, 240)
    np.testing.assert_allclose(half.intrinsics[:2], camera.intrinsics[:2] / 2)
    np.testing.assert_array_equal(half.intrinsics[2], [0, 0, 1])
    np.testing.assert_allclose(half.position, [0, -1, 1], atol=1e-12)
