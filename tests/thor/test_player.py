"""The stand-in player of AI2-THOR, driven by the real controller: scenes, agent, pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import thor
from tests.thor import scenes
from tests.thor.reading import (
    APPLE,
    FLOOR,
    HEIGHT,
    ISLAND,
    WIDTH,
    bottom,
    look_at_the_apple,
    move,
    outside,
    place,
    points,
    rotation,
    thing,
)


# Every agent but the LoCoBot is warned of in RoboTHOR's scenes.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a RoboTHOR scene")


def test_the_opening_conversation(kitchen: Any) -> None:
    event = kitchen.last_event
    assert set(scenes.names()) == {name.removesuffix("_physics") for name in kitchen.scenes_in_build} - {"Procedural"}
    assert event.metadata["sceneName"] == "FloorPlan1_physics"
    assert event.frame.shape == (HEIGHT, WIDTH, 3)
    assert event.depth_frame.shape == (HEIGHT, WIDTH)
    assert event.depth_frame.dtype == np.float32
    assert event.metadata["actionReturn"] == {"cameraNearPlane": 0.1, "cameraFarPlane": 20.0}
    with pytest.raises(ValueError, match="not contained in build"):
        kitchen.reset("FloorPlan31")


def test_objects_are_reported_as_recorded(shared: Any) -> None:
    for name in scenes.names():
        event = shared.reset(name)
        agent = event.metadata["agent"]
        recorded = scenes.recorded(name)
        assert place(agent["position"]) == pytest.approx(place(recorded["agent"]["position"]))
        for got, wanted in zip(event.metadata["objects"], recorded["objects"], strict=True):
            assert got.keys() - {"visibleBounds2D"} == wanted.keys()
            for key in (
                "name",
                "objectId",
                "objectType",
                "parentReceptacles",
                "receptacleObjectIds",
                "mass",
                "isOpen",
            ):
                assert got[key] == wanted[key], (name, got["objectId"], key)
            # The agent's place was solved from these distances; they were measured by Unity.
            assert got["distance"] == pytest.approx(wanted["distance"], abs=1e-5)
            assert place(got["position"]) == pytest.approx(place(wanted["position"]), abs=1e-6)
            for key in ("axisAlignedBoundingBox", "objectOrientedBoundingBox"):
                if wanted[key] is None:
                    assert got[key] is None
                else:
                    assert np.allclose(got[key]["cornerPoints"], wanted[key]["cornerPoints"], atol=2e-6)


@pytest.mark.parametrize("scene", scenes.names())
def test_depth_and_masks_lie_on_the_reported_boxes(shared: Any, scene: str) -> None:
    shared.reset(scene)
    seen = set()
    for turns in range(4):
        event = shared.step("RotateRight") if turns else shared.step("LookDown", degrees=20)
        where = points(event)
        by_id = {item["objectId"]: item for item in event.metadata["objects"]}
        for name, mask in event.instance_masks.items():
            if name in by_id:
                # A thin top may be drawn as a board of two centimetres.
                limit = 0.002 if by_id[name]["pickupable"] else 0.025
                assert outside(by_id[name], where[mask]).max() < limit, name
                assert event.class_masks[name.split("|")[0]][mask].all()
                seen.add(name)
        near = {name for name, mask in event.instance_masks.items() if (event.depth_frame[mask] <= 1.5).any()}
        assert {name for name, item in by_id.items() if item["visible"]} == near & by_id.keys()
    assert len(seen) > 8


def test_a_thing_in_the_open_fills_its_mask(kitchen: Any) -> None:
    """The other direction: the mask of an unhidden thing is its projection, to the pixel; an apple is round."""
    look_at_the_apple(kitchen)
    event = kitchen.last_event
    corners = np.array(thing(kitchen, APPLE)["objectOrientedBoundingBox"]["cornerPoints"])
    across, along = (corners[0] - corners[1]) / 2, (corners[1] - corners[2]) / 2
    turn = np.linspace(0, 2 * np.pi, 180)[:, None]
    ring = np.cos(turn) * across + np.sin(turn) * along
    rim = np.concatenate([corners[:4].mean(axis=0) + ring, corners[4:].mean(axis=0) + ring])
    local = (rim - place(event.metadata["cameraPosition"])) @ rotation(30, 90, 0)
    focal = HEIGHT / 2 / np.tan(np.deg2rad(70) / 2)
    u, v = WIDTH / 2 + focal * local[:, 0] / local[:, 2], HEIGHT / 2 - focal * local[:, 1] / local[:, 2]
    left, top, right, low = event.instance_detections2D[APPLE]
    assert (left, right + 1) == pytest.approx((u.min(), u.max()), abs=1)
    assert (top, low + 1) == pytest.approx((v.min(), v.max()), abs=1)


def test_the_agent_moves_turns_and_looks(kitchen: Any) -> None:
    def agent() -> dict[str, Any]:
        return dict(kitchen.last_event.metadata["agent"])

    start = place(agent()["position"])
    kitchen.step("Teleport", rotation=180)
    for action, step in {
        "MoveAhead": (0, 0, -0.25),
        "MoveBack": (0, 0, 0.25),
        "MoveRight": (-0.25, 0, 0),
        "MoveLeft": (0.25, 0, 0),
    }.items():
        before = place(agent()["position"])
        assert kitchen.step(action), action
        assert place(agent()["position"]) - before == pytest.approx(step, abs=1e-6)
    assert place(agent()["position"]) == pytest.approx(start)
    kitchen.step("RotateRight", degrees=30)
    kitchen.step("RotateLeft")
    assert agent()["rotation"]["y"] == pytest.approx(120)
    kitchen.step("LookDown")
    assert agent()["cameraHorizon"] == pytest.approx(30)
    kitchen.step("LookUp", degrees=60)
    assert not kitchen.step("LookUp")
    assert "can't look up" in kitchen.last_event.metadata["errorMessage"]
    high = kitchen.last_event.metadata["cameraPosition"]["y"]
    kitchen.step("Crouch")
    assert high - kitchen.last_event.metadata["cameraPosition"]["y"] == pytest.approx(0.675)
    assert kitchen.step("Stand")
    assert not kitchen.step("Stand")


def test_the_agent_stops_at_walls_and_furniture(kitchen: Any) -> None:
    for yaw in (0, 90, 180, 270):
        kitchen.reset("FloorPlan1")
        kitchen.step("Teleport", rotation=yaw)
        for _ in range(30):
            if not kitchen.step("MoveAhead"):
                break
        assert "is blocking Agent 0 from moving" in kitchen.last_event.metadata["errorMessage"]
    with pytest.raises(RuntimeError, match="out of scene bounds"):
        kitchen.step("Teleport", position={"x": 50, "y": 0.9, "z": 0}, raise_for_failure=True)
    assert not kitchen.step("Teleport", position={"x": 0, "y": 0.9, "z": 0})
    assert kitchen.last_event.metadata["errorMessage"].startswith(f"Collided with: {ISLAND}")
    assert kitchen.step("Teleport", position={"x": 0, "y": 0.9, "z": 0}, forceAction=True)


def test_all_reachable_positions_can_be_reached(kitchen: Any) -> None:
    frame = kitchen.last_event.frame
    reachable = kitchen.step("GetReachablePositions").metadata["actionReturn"]
    assert len(reachable) > 50
    # A question is answered by a patch: the pictures stay.
    assert np.array_equal(kitchen.last_event.frame, frame)
    for position in reachable[::15]:
        assert kitchen.step("Teleport", position=position)
        assert place(kitchen.last_event.metadata["agent"]["position"]) == pytest.approx(place(position))


def test_interactable_poses_show_the_object(kitchen: Any) -> None:
    poses = kitchen.step("GetInteractablePoses", objectId=APPLE).metadata["actionReturn"]
    assert poses
    for pose in poses[::7]:
        kitchen.step(
            "TeleportFull",
            position={axis: pose[axis] for axis in "xyz"},
            rotation={"x": 0, "y": pose["rotation"], "z": 0},
            horizon=pose["horizon"],
            standing=pose["standing"],
        )
        assert APPLE in kitchen.last_event.instance_masks
    column, row = np.argwhere(kitchen.last_event.instance_masks[APPLE])[0][::-1] + 0.5
    found = kitchen.step("GetObjectInFrame", x=column / WIDTH, y=row / HEIGHT).metadata["actionReturn"]
    assert found == APPLE


def test_cameras_beside_the_agent(kitchen: Any) -> None:
    top = kitchen.step("GetMapViewCameraProperties").metadata["actionReturn"]
    eye = kitchen.last_event.metadata["cameraPosition"]
    agent = kitchen.last_event.metadata["agent"]
    kitchen.step("AddThirdPartyCamera", **top, farClippingPlane=50, skyboxColor="white")
    kitchen.step("AddThirdPartyCamera", position=eye, rotation={"x": 0, "y": 0, "z": 0}, fieldOfView=30)
    same = {"x": 0, "y": agent["rotation"]["y"], "z": 0}
    event = kitchen.step("UpdateThirdPartyCamera", thirdPartyCameraId=1, rotation=same, fieldOfView=70)
    assert [camera["thirdPartyCameraId"] for camera in event.metadata["thirdPartyCameras"]] == [0, 1]
    # The second now looks as the agent does.
    assert np.array_equal(event.third_party_camera_frames[1], event.frame)
    assert np.array_equal(event.third_party_depth_frames[1], event.depth_frame)
    # The first looks down through the ceiling, which is open from behind.
    assert event.third_party_instance_masks[0][FLOOR].mean() > 0.05
    assert ISLAND in event.third_party_instance_masks[0]
    with pytest.raises(RuntimeError, match="thirdPartyCameraId"):
        kitchen.step("UpdateThirdPartyCamera", thirdPartyCameraId=2, fieldOfView=70, raise_for_failure=True)


def test_wrong_calls_are_told_as_unity_tells_them(kitchen: Any) -> None:
    with pytest.raises(ValueError, match="Invalid action: ScaleObject"):
        kitchen.step("ScaleObject", objectId=APPLE, scale=2.0)
    assert kitchen.last_event.metadata["errorCode"] == "InvalidAction"
    with pytest.raises(ValueError, match=r'"TeleportFull" is missing arguments: .*horizon.*standing'):
        kitchen.step("TeleportFull", position={"x": 0, "y": 0.9, "z": 0}, rotation=0)
    with pytest.raises(ValueError, match=r'"PlaceObjectAtPoint" called with invalid argument: .forceAction.'):
        kitchen.step("PlaceObjectAtPoint", objectId=APPLE, position={"x": 0, "y": 1, "z": 0}, forceAction=True)
    assert not kitchen.step("DisableObject", objectId="Pear|1|1|1")
    assert "is not the objectId on any object in the scene" in kitchen.last_event.metadata["errorMessage"]
    assert not kitchen.step("PlaceObjectAtPoint", objectId=APPLE, position={"x": 0})
    assert kitchen.step("Pass")
    assert kitchen.step("Done")


def test_no_pictures_when_none_are_wanted(kitchen: Any) -> None:
    assert kitchen.step("Pass", renderImage=False).frame is None
    kitchen.step("ChangeResolution", x=320, y=200)
    assert kitchen.last_event.frame.shape == (200, 320, 3)
    kitchen.step("ChangeResolution", x=WIDTH, y=HEIGHT)


def test_a_procthor_house(shared: Any) -> None:
    house = json.loads((scenes.FOLDER / "house.json").read_text())
    event = shared.reset(house)
    assert event.metadata["lastAction"] == "CreateHouse"
    assert event.metadata["sceneName"] == "Procedural"
    objects = {item["objectId"]: item for item in event.metadata["objects"]}
    assert objects.keys() == {"2|0", "2|1", "2|2", *(f"small|2|{k}" for k in range(5))}
    mug = objects["small|2|0"]
    assert mug["objectType"] == "Mug"
    assert mug["pickupable"]
    assert mug["parentReceptacles"] == ["2|1"]
    assert mug["axisAlignedBoundingBox"]["center"] == pytest.approx({"x": 1.7, "y": 0.80215, "z": 2.1})
    assert objects["2|0"]["objectOrientedBoundingBox"] is None
    event = shared.step("TeleportFull", **house["metadata"]["agent"])
    assert event
    assert event.metadata["sceneBounds"]["size"] == pytest.approx({"x": 4.0, "y": 2.8, "z": 4.0})
    assert "small|2|0" in event.instance_masks
    assert "wall|2|0.00|4.00|4.00|4.00" in event.instance_masks
    # A thing set down beside the table ends on the floor.
    assert move(shared, "small|2|0", (-0.7, 0, -0.9))
    assert bottom(thing(shared, "small|2|0")) == pytest.approx(0, abs=0.01)
    house["objects"][0]["assetId"] = "Sarcophagus_1"
    with pytest.raises(RuntimeError, match="Sarcophagus_1"):
        shared.step("CreateHouse", house=house, raise_for_failure=True)


def test_a_build_for_cloud_rendering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = thor.controller_class()
    thor.home(monkeypatch, tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    thor.install_build(monkeypatch, tmp_path)
    with kind(platform="CloudRendering", scene="FloorPlan1", width=320, height=240, server_timeout=20.0) as controller:
        event = controller.step(
            "AddThirdPartyCamera", position={"x": 0, "y": 2, "z": 0}, rotation={"x": 90, "y": 0, "z": 0}
        )
        assert event.frame.shape == (240, 320, 3)
        assert event.third_party_camera_frames[0].shape == (240, 320, 4)
        assert controller.server.unity_proc.args[0].endswith(
            "thor-CloudRendering-f0825767cd50d69f666c7f282e54abfe58f1e917"
        )
