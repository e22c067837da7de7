from dataclasses import replace

import numpy as np
import pytest


pytest.importorskip("mujoco", reason="pip install gsi-bench[sim]")

from gsi_datasets.assets.asset import Asset, AssetInfo
from gsi_datasets.geometry import axis_angle, intrinsics_from_fov, look_at, rotation_angle, rotation_z, tilt_between
from gsi_datasets.scene import Camera, Scene, SceneObject
from gsi_datasets.simulators import base
from gsi_datasets.simulators.mujoco import MujocoSimulator, supports


HEIGHT = 0.75


def block(x, y, z, centre=(0, 0)):
    """Corners of an upright box of this size standing on z = 0."""
    signs = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0, 1)])
    return signs * (x, y, z) + np.array([*centre, 0])


def prism(radius, height, sides=24, bottom=0.0):
    angles = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    return np.concatenate([np.c_[ring, np.full(sides, z)] for z in (bottom, bottom + height)])


def raised(points, z):
    return points + np.array([0, 0, z])


SHAPES = {
    "table": [raised(block(1.2, 0.8, 0.04), HEIGHT - 0.04), *(block(0.05, 0.05, 0.7, (x, 0)) for x in (-0.5, 0.5))],
    "cube": [block(0.1, 0.1, 0.1)],
    "tall": [block(0.06, 0.06, 0.3)],
    "book": [block(0.2, 0.14, 0.03)],
    "can": [prism(0.033, 0.12)],
    "tray": [
        block(0.3, 0.3, 0.01),
        *(raised(block(0.3, 0.01, 0.06, (0, y)), 0.01) for y in (-0.145, 0.145)),
        *(raised(block(0.01, 0.28, 0.06, (x, 0)), 0.01) for x in (-0.145, 0.145)),
    ],
    # A cross of two bars away from the origin: its mesh frame is not the asset's frame.
    "wedge": [np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.06, 0], [0, 0, 0.05], [0.1, 0, 0.05], [0, 0.06, 0.05]])],
}


def lookup(name):
    hulls = tuple(np.asarray(points, float) for points in SHAPES[name])
    points = np.concatenate(hulls)
    size = tuple(np.ptp(points, axis=0))
    return Asset(AssetInfo(name, name, name, name, size, mass=0.4), parts=(), hulls=hulls)


def thing(name, shape, x=0.0, y=0.0, z=HEIGHT, rotation=None, scale=1.0, static=False):
    points = np.concatenate(SHAPES[shape])
    low, high = points.min(axis=0), points.max(axis=0)
    return SceneObject(
        name=name,
        instance=1,
        asset=shape,
        category=shape,
        caption=shape,
        caption_zh=shape,
        position=np.array([x, y, z]),
        rotation=np.eye(3) if rotation is None else rotation,
        local_centre=(low + high) / 2,
        local_size=high - low,
        scale=scale,
        static=static,
    )


def make_scene(*objects, table=True):
    camera = Camera(intrinsics_from_fov(0.9, 64, 64), look_at([0, -1, 1.5], [0, 0, HEIGHT]), 64, 64)
    return Scene("scene", ((thing("table", "table", z=0, static=True),) if table else ()) + objects, camera)


def busy_scene():
    return make_scene(
        thing("cube", "cube", -0.3, 0.1, rotation=rotation_z(0.3)),
        thing("book", "book", 0.0, 0.2, rotation=rotation_z(-0.4)),
        thing("book_2", "book", 0.01, 0.2, HEIGHT + 0.03),
        thing("can", "can", 0.25, -0.1),
        thing("tray", "tray", 0.3, 0.2),
        thing("wedge", "wedge", 0.3, 0.2, HEIGHT + 0.012),
        thing("tall", "tall", -0.2, -0.2, HEIGHT + 0.001),
    )


@pytest.fixture(scope="module")
def simulator():
    return MujocoSimulator(lookup)


def moved(before, after):
    return float(np.linalg.norm(after.position - before.position))


def poses(scene):
    return np.concatenate([np.r_[item.position, item.rotation.ravel()] for item in scene.objects])


@pytest.mark.parametrize("shape", ["cube", "can", "book", "tall", "wedge", "tray"])
def test_what_stands_stays(simulator, shape):
    scene = make_scene(thing("it", shape, rotation=rotation_z(0.7)))
    settled = simulator.settle(scene)
    assert settled.rested
    assert settled.seconds <= 0.3
    assert moved(scene["it"], settled.scene["it"]) < 1e-4
    assert rotation_angle(scene["it"].rotation, settled.scene["it"].rotation) < np.radians(0.05)
    np.testing.assert_array_equal(settled.scene["table"].position, scene["table"].position)


def test_poses_go_in_and_out_unchanged(simulator):
    # No contact and next to no time: what comes back is what went in, in the asset's own frame.
    rng = np.random.default_rng(3)
    objects = [
        thing(f"it_{i}", shape, *rng.uniform(-1, 1, 2), 5 + i, axis_angle(rng.normal(size=3), rng.uniform(0, 3)))
        for i, shape in enumerate(["wedge", "cube", "tray", "can"])
    ]
    scene = make_scene(*objects)
    at_once = MujocoSimulator(lookup, patience=0.0).settle(scene)
    assert not at_once.rested
    np.testing.assert_allclose(poses(at_once.scene), poses(scene), atol=1e-9)


def test_what_is_dropped_lands_on_the_table(simulator):
    for shape in ("cube", "can", "wedge"):
        settled = simulator.settle(make_scene(thing("it", shape, 0.1, 0.05, HEIGHT + 0.01)))
        assert settled.rested
        assert settled.scene["it"].position == pytest.approx([0.1, 0.05, HEIGHT], abs=2e-4)


def test_what_is_moved_comes_to_rest_where_it_was_put(simulator):
    scene = simulator.settle(busy_scene()).scene
    for name in ("cube", "can", "tall"):
        shift = np.array([0.0, 0.15 if name == "tall" else -0.15, 0.0])
        goal = replace(scene[name], position=scene[name].position + shift)
        settled = simulator.settle(scene.with_objects([goal]))
        assert settled.rested
        for item in settled.scene.movable:
            expected = goal if item.name == name else scene[item.name]
            assert moved(expected, item) < 2e-4, item.name
            assert rotation_angle(expected.rotation, item.rotation) < np.radians(0.2), item.name


@pytest.mark.parametrize(("degrees", "stands"), [(5, True), (30, False)])
def test_a_tilted_tower_recovers_or_topples(simulator, degrees, stands):
    tilt = axis_angle([0, 1, 0], np.radians(degrees))
    lift = 0.03 * np.sin(np.radians(degrees))  # its lower edge touches the table
    settled = simulator.settle(make_scene(thing("tall", "tall", z=HEIGHT + lift, rotation=tilt)))
    assert settled.rested
    leaning = tilt_between(np.eye(3), settled.scene["tall"].rotation)
    assert leaning < np.radians(0.1) if stands else leaning > np.radians(80)


@pytest.mark.parametrize(("overhang", "stands"), [(0.4, True), (0.6, False)])
def test_overhang(simulator, overhang, stands):
    x = 0.6 + (overhang - 0.5) * 0.2
    scene = make_scene(thing("book", "book", x))
    settled = simulator.settle(scene)
    if stands:
        assert settled.rested
        assert moved(scene["book"], settled.scene["book"]) < 1e-3
    else:
        assert not settled.rested  # it fell past everything static
        assert settled.seconds < 1.0


def test_overlap_is_reported_with_its_depth(simulator):
    scene = make_scene(thing("a", "cube"), thing("b", "cube", 0.088), thing("far", "cube", 0.4))
    contacts = {(it.first, it.second): it for it in simulator.contacts(scene)}
    assert contacts["a", "b"].depth == pytest.approx(0.012, abs=1e-6)
    assert contacts["a", "b"].lift == pytest.approx(0, abs=1e-6)
    assert contacts["a", "table"].depth == pytest.approx(0, abs=1e-6)
    assert contacts["a", "table"].lift == pytest.approx(-1, abs=1e-6)
    assert ("far", "table") in contacts
    assert not any("far" in pair and "table" not in pair for pair in contacts)


def test_near_contacts_have_negative_depth_and_distant_ones_are_none(simulator):
    def found(gap):
        return simulator.contacts(make_scene(thing("a", "cube", z=HEIGHT + gap)))

    assert found(0.0005)[0].depth == pytest.approx(-0.0005, abs=1e-6)
    assert found(0.002) == ()


def test_looking_at_contacts_leaves_no_gap_when_settling_later():
    scene = make_scene(thing("it", "can", z=HEIGHT + 0.002))
    simulator = MujocoSimulator(lookup)
    simulator.contacts(scene)
    assert simulator.settle(scene).scene["it"].position[2] == pytest.approx(HEIGHT, abs=1e-4)


def test_who_carries_whom(simulator):
    settled = simulator.settle(busy_scene())
    assert settled.rested
    assert supports(settled) == {
        "cube": "table",
        "book": "table",
        "book_2": "book",
        "can": "table",
        "tray": "table",
        "wedge": "tray",
        "tall": "table",
    }
    assert base.supports is supports


def test_what_lies_in_a_tray_rests_on_its_floor(simulator):
    scene = make_scene(thing("tray", "tray"), thing("cube", "cube", 0.05, 0.02, HEIGHT + 0.03))
    settled = simulator.settle(scene)
    assert settled.rested
    assert settled.scene["cube"].position == pytest.approx([0.05, 0.02, HEIGHT + 0.01], abs=2e-4)
    # And cannot leave it: pushed against the rim it overlaps.
    pushed = scene.with_objects([replace(scene["cube"], position=np.array([0.1, 0, HEIGHT + 0.011]))])
    depths = {(it.first, it.second): it.depth for it in simulator.contacts(pushed)}
    assert depths["tray", "cube"] == pytest.approx(0.01, abs=1e-5)


@pytest.mark.parametrize("scale", [0.5, 1.37, 2.0])
def test_a_scaled_object_rests_on_its_support(simulator, scale):
    for shape in ("cube", "can", "wedge"):
        scene = make_scene(thing("it", shape, scale=scale), thing("other", shape, 0.4))
        settled = simulator.settle(scene)
        assert settled.rested
        assert settled.scene["it"].scale == scale
        assert moved(scene["it"], settled.scene["it"]) < 1e-4
    side = simulator.contacts(make_scene(thing("a", "cube", scale=scale), thing("b", "cube", 0.05 + 0.05 * scale)))
    assert {(it.first, it.second) for it in side} == {("a", "table"), ("b", "table"), ("a", "b")}


def test_mass_grows_with_the_cube_of_scale_and_is_split_by_volume(simulator):
    compiled = simulator._model(make_scene(thing("a", "tray"), thing("b", "tray", 0.4, scale=2.0)))
    assert compiled.model.body_mass[1:] == pytest.approx([0.4, 3.2])
    volumes = np.array([np.prod(np.ptp(hull, axis=0)) for hull in SHAPES["tray"]])
    heights = np.array([hull[:, 2].mean() for hull in SHAPES["tray"]])
    assert compiled.model.body_ipos[1, 2] == pytest.approx(volumes @ heights / volumes.sum(), abs=1e-6)


def test_the_same_scene_gives_the_same_bits_whatever_came_before():
    scene = busy_scene()
    edited = scene.with_objects([replace(scene["can"], position=np.array([0.1, -0.1, HEIGHT + 0.02]))])
    fresh = MujocoSimulator(lookup).settle(edited)
    used = MujocoSimulator(lookup)
    for other in (scene, scene.without("cube"), make_scene(thing("tall", "tall")), edited, scene):
        used.settle(other)
        used.contacts(other)
    again = used.settle(edited)
    np.testing.assert_array_equal(poses(again.scene), poses(fresh.scene))
    assert (again.rested, again.seconds, again.contacts) == (fresh.rested, fresh.seconds, fresh.contacts)


def test_states_of_a_scene_share_a_model_and_others_do_not():
    simulator, scene = MujocoSimulator(lookup), busy_scene()
    model = simulator._model(scene)
    assert simulator._model(scene.with_objects([replace(scene["can"], position=np.array([0.0, 0, 1]))])) is model
    assert simulator._model(scene.with_objects([replace(scene["can"], scale=1.5)])) is not model
    assert simulator._model(scene.without("can")) is not model
    shifted = replace(scene["table"], position=np.array([0.0, 0.0, -0.1]))
    assert simulator._model(scene.with_objects([shifted])) is not model


def test_static_hulls_out_of_reach_are_left_out():
    simulator = MujocoSimulator(lookup)
    near = make_scene(thing("it", "cube"), thing("wall", "cube", 0.3, static=True))
    far = make_scene(thing("it", "cube"), thing("wall", "cube", 0.6, static=True))
    assert simulator._model(near).model.ngeom == simulator._model(far).model.ngeom + 1


def test_an_impossible_state_is_not_at_rest_and_raises_nothing(simulator, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    lost = make_scene(thing("it", "cube", z=float("nan")))
    assert not simulator.settle(lost).rested
    simulator.contacts(lost)
    huge = make_scene(thing("it", "cube", z=1e11))
    assert not simulator.settle(huge).rested
    inside = make_scene(*(thing(f"it_{i}", "tray", z=HEIGHT + 1e-4 * i, rotation=rotation_z(i)) for i in range(4)))
    simulator.settle(inside)  # may or may not come to rest; must not raise
    assert list(tmp_path.iterdir()) == []  # MuJoCo's log file
    out, err = capfd.readouterr()
    assert out + err == ""
    assert simulator.settle(make_scene(thing("it", "cube"))).rested  # and harms nothing later


def test_a_scene_without_movable_objects_is_at_rest(simulator):
    settled = simulator.settle(make_scene())
    assert settled.rested
    assert settled.contacts == ()
    assert simulator.tipping_angles(make_scene()) == {}


def test_an_asset_without_hulls_is_named(monkeypatch):
    monkeypatch.setitem(SHAPES, "ghost", SHAPES["cube"])
    simulator = MujocoSimulator(lambda name: replace(lookup(name), hulls=()))
    with pytest.raises(ValueError, match="asset ghost has no collision hulls"):
        simulator.settle(make_scene(thing("it", "ghost"), table=False))


def test_an_unusable_hull_is_named(monkeypatch):
    monkeypatch.setitem(SHAPES, "flat", [np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])])
    with pytest.raises(ValueError, match="a collision hull of one of flat"):
        MujocoSimulator(lookup).settle(make_scene(thing("it", "flat"), table=False))


def test_tipping_angles(simulator):
    scene = simulator.settle(make_scene(thing("tall", "tall"), thing("cube", "cube", 0.3))).scene
    angles = simulator.tipping_angles(scene)
    assert angles["tall"] == pytest.approx(np.arctan2(0.03, 0.15), abs=1e-3)
    assert angles["cube"] == pytest.approx(np.arctan2(0.05, 0.05), abs=1e-3)
    edge = simulator.tipping_angles(make_scene(thing("book", "book", 0.59), thing("lost", "cube", z=2.0)))
    assert edge["book"] == pytest.approx(np.arctan2(0.01, 0.015), abs=1e-3)
    assert edge["lost"] == 0.0
