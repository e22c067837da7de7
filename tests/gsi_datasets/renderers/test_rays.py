"""Rays against what can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.geometry import project
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Camera, Scene
from tests.gsi_datasets.renderers import toys


@pytest.fixture
def caster() -> RayCaster:
    return RayCaster(toys.lookup)


def facing(width: int = 160, height: int = 120, focal: float = 150.0) -> Camera:
    """At the origin, looking along +x, z up."""
    return toys.look((0, 0, 0), (1, 0, 0), width, height, focal)


def test_depth_of_a_slanted_plane_is_exact(caster: RayCaster) -> None:
    camera = toys.look((0.3, -1.2, 1.1), (0.0, 0.0, 0.02), 200, 150, 180.0, shift=(13.3, -7.9))
    layers = caster.layers(Scene("plane", (toys.place("sheet", (0, 0, 0), 3),), camera))
    u, v = np.meshgrid(np.arange(200) + 0.5, np.arange(150) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.intrinsics).T @ camera.extrinsics[:3, :3]
    expected = (0.02 - camera.position[2]) / rays[..., 2]
    hit = camera.position + expected[..., None] * rays
    on_sheet = (expected > 0) & (np.abs(hit[..., :2]) < 3.99).all(axis=-1)
    assert on_sheet.sum() > 20_000
    np.testing.assert_allclose(layers.depth[on_sheet], expected[on_sheet], atol=1e-4)
    assert (layers.instances[on_sheet] == 3).all()
    assert layers.depth.dtype == np.float32
    assert layers.instances.dtype == np.uint16


@pytest.mark.parametrize("scale", [0.25, 1.0, 3.0])
def test_depth_of_a_turned_scaled_box_is_exact(caster: RayCaster, scale: float) -> None:
    cube = toys.place("cube", (2.5, 0.1, -0.4 * scale), 7, yaw=0.5, scale=scale)
    layers = caster.layers(Scene("box", (cube,), facing()))
    u, v = np.meshgrid(np.arange(160) + 0.5, np.arange(120) + 0.5)
    camera = facing()
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.intrinsics).T @ camera.extrinsics[:3, :3]
    # Slabs: where each ray enters and leaves the three pairs of planes of the box.
    origin, direction = cube.rotation.T @ -cube.box.centre, rays @ cube.rotation
    with np.errstate(divide="ignore"):
        sides = (np.array([-0.5, 0.5])[:, None] * cube.box.size - origin)[:, None, None] / direction
    enter, leave = sides.min(axis=0).max(axis=-1), sides.max(axis=0).min(axis=-1)
    hit = enter < leave
    assert ((layers.depth > 0) != hit).mean() < 1e-3  # rays through the very edge may fall on either side
    both = hit & (layers.depth > 0)
    np.testing.assert_allclose(layers.depth[both], enter[both], atol=1e-4)
    np.testing.assert_array_equal(layers.instances > 0, layers.depth > 0)


def test_depth_is_along_the_optical_axis(caster: RayCaster) -> None:
    wall = toys.place("cube", (2.5, 0, -4), 1, scale=8.0)
    wall = replace(wall, position=np.array([2.0 + 4.0, 0, -4.0]))
    depth = caster.layers(Scene("wall", (wall,), facing())).depth
    np.testing.assert_allclose(depth, 2.0, atol=1e-5)  # the same in the corners: not the length of the ray


def test_silhouette_of_a_ball(caster: RayCaster) -> None:
    ball = toys.place("ball", (1.5, 0, -0.1), 2)
    layers = caster.layers(Scene("ball", (ball,), facing(focal=300.0)))
    # A sphere of radius r at distance d on the axis is a disc of radius f r / sqrt(d^2 - r^2).
    radius = 300.0 * 0.1 / np.sqrt(1.5**2 - 0.1**2)
    assert layers.visibility["ball_2"].visible == pytest.approx(np.pi * radius**2, rel=0.01)
    assert layers.depth[60, 80] == pytest.approx(1.4, abs=1e-3)
    rows, columns = np.nonzero(layers.instances == 2)
    centre, _ = project(ball.box.centre, facing(focal=300.0))
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], centre, atol=0.1)


def test_half_an_occluder_hides_half(caster: RayCaster) -> None:
    far = toys.place("cube", (3.5, 0, -0.5), 1)
    near = toys.place("cube", (1.5, 0.5, -0.5), 2)  # its side at y = 0 runs through the far one's middle
    seen = caster.layers(Scene("half", (far, near), facing())).visibility
    assert seen["cube_1"].fraction == pytest.approx(0.5, abs=0.02)
    assert seen["cube_1"].inside == 1.0
    assert seen["cube_1"].amodal == pytest.approx(2 * seen["cube_1"].visible, rel=0.03)
    # Amodal pixels do not depend on what is in front.
    alone = caster.layers(Scene("alone", (far,), facing())).visibility["cube_1"]
    assert alone.amodal == alone.visible == seen["cube_1"].amodal


@pytest.mark.parametrize("border", ["right", "bottom"])
def test_half_out_of_the_frame(caster: RayCaster, border: str) -> None:
    # A board that faces the camera, its middle on the border of the frame.
    board = toys.place("wall", (0, 0, 0), 4, yaw=-np.pi / 2, scale=0.3)
    half = 0.3 * 2.8 / 2
    where = [3.0, -3.0 * 80 / 150, -half] if border == "right" else [3.0, 0.0, -3.0 * 60 / 150 - half]
    seen = caster.layers(Scene("cut", (replace(board, position=np.array(where)),), facing())).visibility["wall_4"]
    assert seen.inside == pytest.approx(0.5, abs=0.02)
    assert seen.fraction == pytest.approx(seen.inside)


def test_out_of_frame_and_behind(caster: RayCaster) -> None:
    aside = toys.place("cube", (2, 10, 0), 1)
    behind = toys.place("cube", (-2, 0, -0.5), 2)
    layers = caster.layers(Scene("none", (aside, behind), facing()))
    assert not layers.depth.any()
    assert not layers.instances.any()
    for seen in layers.visibility.values():
        assert (seen.visible, seen.amodal, seen.inside, seen.fraction) == (0, 0, 0.0, 0.0)


def test_floor_that_reaches_behind_the_camera(caster: RayCaster) -> None:
    floor = toys.place("sheet", (0, 0, -1.02), 0, name="floor")
    layers = caster.layers(Scene("floor", (floor,), facing()))
    rows = (np.arange(120) + 0.5 - 60) / 150
    below = rows > 1.0 / 4.0  # the sheet ends four metres ahead
    np.testing.assert_allclose(layers.depth[below], np.repeat(1.0 / rows[below, None], 160, axis=1), atol=1e-4)
    assert not layers.depth[rows < 1.0 / 4.1].any()


def test_background_has_depth_but_no_id(caster: RayCaster) -> None:
    wall = toys.place("cube", (3, 0, -0.5), 0, name="wall")
    layers = caster.layers(Scene("background", (wall,), facing()))
    assert layers.depth.any()
    assert not layers.instances.any()
    assert not layers.visibility


def test_lower_instance_wins_ties_in_any_order(caster: RayCaster) -> None:
    first, second = toys.place("cube", (3, 0, -0.5), 5), toys.place("cube", (3, 0, -0.5), 9)
    for objects in [(first, second), (second, first)]:
        ids = caster.layers(Scene("tie", objects, facing())).instances
        assert set(np.unique(ids)) == {0, 5}


def test_caching_changes_nothing() -> None:
    scene = toys.tabletop(size=128)
    moved = replace(scene["mug_2"], position=scene["mug_2"].position + np.array([0.07, 0.01, 0.0]), scale=1.2)
    states = [scene, scene.with_objects([moved]), scene.without("carton_4"), scene]
    # `tiny` forgets everything all the time.
    warm, tiny = RayCaster(toys.lookup), RayCaster(toys.lookup, meshes=1, casts=1)
    for state in states:
        fresh = RayCaster(toys.lookup).layers(state)
        for caster in (warm, tiny):
            found = caster.layers(state)
            assert found.depth.tobytes() == fresh.depth.tobytes()
            assert found.instances.tobytes() == fresh.instances.tobytes()
            assert found.visibility == fresh.visibility


def test_an_edit_casts_the_changed_object_only(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = []

    def lookup(name: str) -> toys.Asset:
        looked_up.append(name)
        return toys.lookup(name)

    caster, scene = RayCaster(lookup), toys.tabletop(size=64)
    before = caster.layers(scene)
    assert len(looked_up) == len(set(looked_up))
    misses = caster._cast.cache_info().misses
    moved = replace(scene["can_5"], position=scene["can_5"].position + np.array([0.0, 0.05, 0.0]))
    after = caster.layers(scene.with_objects([moved]))
    assert caster._cast.cache_info().misses == misses + 1
    assert (before.instances != after.instances).any()


def test_another_resolution_sees_the_same(caster: RayCaster) -> None:
    scene = toys.tabletop(size=256)
    full = caster.layers(scene)
    low = caster.layers(replace(scene, camera=scene.camera.resized(64, 64)))
    assert low.depth.shape == (64, 64)
    for name, seen in full.visibility.items():
        assert low.visibility[name].visible * 16 == pytest.approx(seen.visible, rel=0.25, abs=40)
        assert low.visibility[name].inside == pytest.approx(seen.inside, abs=0.05)
