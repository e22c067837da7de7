"""The stand-in player of AI2-THOR, driven by the real controller: objects and their physics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.thor.reading import (
    APPLE,
    BOWL,
    FLOOR,
    ISLAND,
    bottom,
    look_at_the_apple,
    move,
    place,
    poses,
    recorded_height,
    rotation,
    thing,
)


def test_a_teleported_object_takes_boxes_and_pixels_along(kitchen: Any) -> None:
    look_at_the_apple(kitchen)
    event, before = kitchen.last_event, thing(kitchen, APPLE)
    assert move(kitchen, APPLE, (0.2, 0, -0.1))
    after, moved = thing(kitchen, APPLE), kitchen.last_event
    step = place(after["position"]) - place(before["position"])
    assert step == pytest.approx([0.2, 0, -0.1], abs=0.01)
    for key in ("axisAlignedBoundingBox", "objectOrientedBoundingBox"):
        shift = np.array(after[key]["cornerPoints"]) - np.array(before[key]["cornerPoints"])
        assert np.allclose(shift, step, atol=1e-6)
    changed = (event.frame != moved.frame).any(axis=-1)
    assert changed.any()
    either = event.instance_masks[APPLE] | moved.instance_masks[APPLE]
    assert not changed[~either].any()
    assert after["parentReceptacles"] == [ISLAND]
    # What stood beside it is where it was.
    assert thing(kitchen, BOWL)["position"] == event.get_object(BOWL)["position"]


def test_a_turned_object_turns_its_oriented_box(kitchen: Any) -> None:
    before = thing(kitchen, BOWL)
    # About all three axes, or the order of the angles would not show.
    turned = {"x": 20.0, "y": before["rotation"]["y"] + 50, "z": -35.0}
    kitchen.step(
        "TeleportObject",
        objectId=BOWL,
        position={**before["position"], "y": before["position"]["y"] + 0.3},
        rotation=turned,
        forceKinematic=True,
        raise_for_failure=True,
    )
    after = thing(kitchen, BOWL)
    centre = [np.array(item["objectOrientedBoundingBox"]["cornerPoints"]) for item in (before, after)]
    pivot = [place(item["position"]) for item in (before, after)]
    carried = (centre[0] - pivot[0]) @ (rotation(*place(turned)) @ rotation(*place(before["rotation"])).T).T + pivot[1]
    assert np.allclose(centre[1], carried, atol=1e-6)
    low, high = carried.min(axis=0), carried.max(axis=0)
    assert place(after["axisAlignedBoundingBox"]["size"]) == pytest.approx(high - low, abs=1e-6)


def test_a_collision_is_refused_unless_forced(kitchen: Any) -> None:
    bowl, apple = thing(kitchen, BOWL), thing(kitchen, APPLE)
    over = {**bowl["position"], "y": apple["position"]["y"] + 0.02}
    into = {"objectId": APPLE, "position": over, "rotation": apple["rotation"]}
    assert not kitchen.step("TeleportObject", **into)
    assert kitchen.last_event.metadata["errorMessage"] == f"{APPLE} is colliding with {BOWL} after teleport."
    assert thing(kitchen, APPLE)["position"] == apple["position"]
    # Two centimetres of overlap are too many; two of air are enough.
    reach = (place(bowl["axisAlignedBoundingBox"]["size"]) + place(apple["axisAlignedBoundingBox"]["size"]))[0] / 2
    centre = bowl["axisAlignedBoundingBox"]["center"]["x"] - apple["axisAlignedBoundingBox"]["center"]["x"]
    touching = {**over, "x": apple["position"]["x"] + centre - reach + 0.02}
    assert not kitchen.step("TeleportObject", **{**into, "position": touching})
    assert kitchen.step("TeleportObject", **{**into, "position": {**touching, "x": touching["x"] - 0.04}})
    # Forced, it is pushed out and comes to rest on top.
    assert kitchen.step("TeleportObject", **into, forceAction=True)
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(
        bottom(bowl) + bowl["axisAlignedBoundingBox"]["size"]["y"], abs=0.01
    )
    assert thing(kitchen, APPLE)["parentReceptacles"] == [BOWL]
    assert thing(kitchen, BOWL)["receptacleObjectIds"] == [APPLE]
    assert APPLE not in thing(kitchen, ISLAND)["receptacleObjectIds"]


def test_what_is_not_held_falls(kitchen: Any) -> None:
    height = bottom(thing(kitchen, APPLE))
    assert move(kitchen, APPLE, (0, 0.4, 0))
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(height, abs=0.01)
    assert move(kitchen, APPLE, (0, 0.4, 0), forceKinematic=True)
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(height + 0.4, abs=0.01)
    assert thing(kitchen, APPLE)["parentReceptacles"] is None
    assert move(kitchen, BOWL, (0, 0, -0.75))
    assert bottom(thing(kitchen, BOWL)) == pytest.approx(0, abs=0.01)
    assert thing(kitchen, BOWL)["parentReceptacles"] == [FLOOR]


def test_what_stood_on_a_moved_thing_falls(kitchen: Any) -> None:
    bowl = thing(kitchen, BOWL)
    kitchen.step(
        "TeleportObject",
        objectId=APPLE,
        position=bowl["position"],
        rotation={"x": 0, "y": 0, "z": 0},
        forceAction=True,
    )
    assert move(kitchen, BOWL, (0, 0, 0.35))
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(bottom(bowl), abs=0.01)
    assert thing(kitchen, APPLE)["parentReceptacles"] == [ISLAND]


def test_physics_waits_while_paused(kitchen: Any) -> None:
    height = bottom(thing(kitchen, APPLE))
    assert not kitchen.step("AdvancePhysicsStep", timeStep=0.01)
    kitchen.step("PausePhysicsAutoSim")
    assert move(kitchen, APPLE, (0, 0.4, 0))
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(height + 0.4, abs=1e-6)
    assert not kitchen.last_event.metadata["isSceneAtRest"]
    kitchen.step("AdvancePhysicsStep", timeStep=0.01)
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(height, abs=0.01)
    assert kitchen.last_event.metadata["isSceneAtRest"]
    assert kitchen.step("UnpausePhysicsAutoSim")


def test_placing_on_the_points_of_a_receptacle(kitchen: Any) -> None:
    free = kitchen.step("GetSpawnCoordinatesAboveReceptacle", objectId=ISLAND).metadata["actionReturn"]
    assert len(free) > 100
    # Not on top of what stands there, nor below it.
    bowl = thing(kitchen, BOWL)["axisAlignedBoundingBox"]
    offsets = np.array([place(point) for point in free]) - place(bowl["center"])
    assert not (np.abs(offsets[:, [0, 2]]) < place(bowl["size"])[[0, 2]] / 3).all(axis=1).any()
    assert np.ptp(offsets[:, 1]) < 1e-6
    placed = 0
    for point in free[::40]:
        if kitchen.step("PlaceObjectAtPoint", objectId=APPLE, position=point):
            placed += 1
            assert bottom(thing(kitchen, APPLE)) == pytest.approx(point["y"], abs=0.01)
            assert thing(kitchen, APPLE)["parentReceptacles"] == [ISLAND]
        else:
            assert kitchen.last_event.metadata["errorMessage"].startswith("spawn area not clear")
    assert placed >= 3
    look_at_the_apple(kitchen)
    asked = {"objectId": ISLAND, "anywhere": False}
    seen = kitchen.step("GetSpawnCoordinatesAboveReceptacle", **asked).metadata["actionReturn"]
    assert 0 < len(seen) < len(free)
    assert not kitchen.step("PlaceObjectAtPoint", objectId=APPLE, position={"x": 30, "y": 1, "z": 0})
    assert "not within scene bounds" in kitchen.last_event.metadata["errorMessage"]


def test_setting_all_poses_restores_a_state(kitchen: Any) -> None:
    start, wanted = kitchen.last_event, poses(kitchen)
    move(kitchen, APPLE, (0.2, 0, -0.1))
    move(kitchen, BOWL, (0, 0, -0.75))
    assert kitchen.step("SetObjectPoses", objectPoses=wanted, placeStationary=True)
    assert np.array_equal(kitchen.last_event.frame, start.frame)
    for item in start.metadata["objects"]:
        assert thing(kitchen, item["objectId"])["position"] == item["position"]
        assert thing(kitchen, item["objectId"])["parentReceptacles"] == item["parentReceptacles"]


def test_stationary_poses_float_and_others_fall(kitchen: Any) -> None:
    height = bottom(thing(kitchen, APPLE))
    for stationary, wanted in ((True, height + 0.4), (False, height)):
        raised = poses(kitchen)
        for pose in raised:
            if pose["objectName"] == thing(kitchen, APPLE)["name"]:
                pose["position"] = {**pose["position"], "y": recorded_height(APPLE) + 0.4}
        assert kitchen.step("SetObjectPoses", objectPoses=raised, placeStationary=stationary)
        assert bottom(thing(kitchen, APPLE)) == pytest.approx(wanted, abs=0.01)


def test_setting_poses_removes_the_unlisted_and_copies_the_repeated(kitchen: Any) -> None:
    apple = next(pose for pose in poses(kitchen) if pose["objectName"].startswith("Apple"))
    beside = {**apple, "position": {**apple["position"], "x": apple["position"]["x"] + 0.2}}
    still = [
        item for item in kitchen.last_event.metadata["objects"] if not item["pickupable"] and not item["moveable"]
    ]
    assert kitchen.step("SetObjectPoses", objectPoses=[apple, beside], placeStationary=True)
    objects = kitchen.last_event.metadata["objects"]
    expected = [*(item["objectId"] for item in still), APPLE, f"{APPLE}_copy_1"]
    assert sorted(item["objectId"] for item in objects) == sorted(expected)
    assert not kitchen.step("SetObjectPoses", objectPoses=[{**apple, "objectName": "Pear"}])
    assert "No Pickupable or Moveable object of name Pear" in kitchen.last_event.metadata["errorMessage"]


def test_objects_are_disabled_enabled_and_removed(kitchen: Any) -> None:
    look_at_the_apple(kitchen)
    assert APPLE in kitchen.last_event.instance_masks
    kitchen.step("DisableObject", objectId=APPLE)
    assert thing(kitchen, APPLE) is None
    assert APPLE not in kitchen.last_event.instance_masks
    assert APPLE not in thing(kitchen, ISLAND)["receptacleObjectIds"]
    assert not kitchen.step("DisableObject", objectId=APPLE)
    assert kitchen.step("EnableObject", objectId=APPLE)
    assert APPLE in kitchen.last_event.instance_masks
    assert thing(kitchen, APPLE)["parentReceptacles"] == [ISLAND]
    kitchen.step("RemoveFromScene", objectId=APPLE)
    assert thing(kitchen, APPLE) is None
    assert not kitchen.step("EnableObject", objectId=APPLE)
