"""The stand-in player of AI2-THOR, driven by the real controller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import thor
from tests.thor import scenes
from tests.thor.faults import parse


pytest.importorskip("ai2thor", reason="needs the extra [thor]: pip install 'gsi-bench[thor]'")
pytest.importorskip("embreex", reason="needs the extra [sim]: pip install 'gsi-bench[sim]'")

from ai2thor.build import COMMIT_ID
from ai2thor.controller import Controller


# Every agent but the LoCoBot is warned of in RoboTHOR's scenes.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a RoboTHOR scene")

APPLE = "Apple|-00.47|+01.15|+00.48"
BOWL = "Bowl|+00.27|+01.10|-00.75"
ISLAND = "CounterTop|-00.08|+01.15|00.00"
FLOOR = "Floor|+00.00|+00.00|+00.00"
# Not square, so that mixing up the two fields of view shows.
WIDTH, HEIGHT = 320, 240
RENDERED = {"renderDepthImage": True, "renderInstanceSegmentation": True, "renderSemanticSegmentation": True}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    folder = tmp_path_factory.mktemp("thor")
    with pytest.MonkeyPatch.context() as patch:
        thor.home(patch, folder)
        arguments = thor.arguments(thor.install(folder))
        controller = Controller(
            **arguments, scene="FloorPlan1", width=WIDTH, height=HEIGHT, fieldOfView=70, **RENDERED
        )
        yield controller
        controller.stop()


@pytest.fixture
def kitchen(shared: Controller) -> Controller:
    shared.reset("FloorPlan1")
    return shared


def thing(controller: Controller, object_id: str) -> dict[str, Any]:
    found: dict[str, Any] = controller.last_event.get_object(object_id)
    return found


def place(point: dict[str, float]) -> NDArray[np.float64]:
    return np.array([point[axis] for axis in "xyz"])


def look_at_the_apple(controller: Controller) -> None:
    at = {"x": -1.0, "y": 0.901, "z": 0.75}
    controller.step("TeleportFull", position=at, rotation=90, horizon=30, standing=True, raise_for_failure=True)


def bottom(item: dict[str, Any]) -> float:
    return float(item["axisAlignedBoundingBox"]["center"]["y"] - item["axisAlignedBoundingBox"]["size"]["y"] / 2)


def rotation(x: float, y: float, z: float) -> NDArray[np.float64]:
    """R = Ry Rx Rz, built here from unit vectors: the test does not trust the player's own."""
    x, y, z = np.deg2rad([x, y, z])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return np.asarray(about_y @ about_x @ about_z)


def points(event: Any) -> NDArray[np.float64]:
    """(H, W, 3) world position of every pixel, from the depth, the vertical field of view and the agent's pose."""
    meta = event.metadata
    height, width = event.depth_frame.shape
    focal = height / 2 / np.tan(np.deg2rad(meta["fov"]) / 2)
    v, u = np.indices((height, width)) + 0.5
    z = event.depth_frame
    local = np.stack([(u - width / 2) / focal * z, (height / 2 - v) / focal * z, z], axis=-1)
    turned = rotation(meta["agent"]["cameraHorizon"], meta["agent"]["rotation"]["y"], 0)
    return np.asarray(local @ turned.T + place(meta["cameraPosition"]))


def outside(item: dict[str, Any], where: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) how far points lie outside the box of an object, metres; the oriented one where there is one."""
    oriented = item["objectOrientedBoundingBox"]
    if oriented is None:
        found = item["axisAlignedBoundingBox"]
        return np.asarray((np.abs(where - place(found["center"])) - place(found["size"]) / 2).max(axis=1))
    corners = np.array(oriented["cornerPoints"])
    edges = np.array([corners[0] - corners[1], corners[4] - corners[0], corners[1] - corners[2]])
    lengths = np.linalg.norm(edges, axis=1)
    offset = (where - corners.mean(axis=0)) @ (edges / lengths[:, None]).T
    return np.asarray((np.abs(offset) - lengths / 2).max(axis=1))


def test_the_opening_conversation(kitchen: Controller) -> None:
    event = kitchen.last_event
    assert set(scenes.names()) == {name.removesuffix("_physics") for name in kitchen.scenes_in_build} - {"Procedural"}
    assert event.metadata["sceneName"] == "FloorPlan1_physics"
    assert event.frame.shape == (HEIGHT, WIDTH, 3)
    assert event.depth_frame.shape == (HEIGHT, WIDTH)
    assert event.depth_frame.dtype == np.float32
    assert event.metadata["actionReturn"] == {"cameraNearPlane": 0.1, "cameraFarPlane": 20.0}
    with pytest.raises(ValueError, match="not contained in build"):
        kitchen.reset("FloorPlan31")


def test_objects_are_reported_as_recorded(shared: Controller) -> None:
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
def test_depth_and_masks_lie_on_the_reported_boxes(shared: Controller, scene: str) -> None:
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


def test_a_box_in_the_open_fills_its_mask(kitchen: Controller) -> None:
    """The other direction: the mask of an unhidden box is its projection, to the pixel."""
    look_at_the_apple(kitchen)
    event = kitchen.last_event
    corners = np.array(thing(kitchen, APPLE)["objectOrientedBoundingBox"]["cornerPoints"])
    local = (corners - place(event.metadata["cameraPosition"])) @ rotation(30, 90, 0)
    focal = HEIGHT / 2 / np.tan(np.deg2rad(70) / 2)
    u, v = WIDTH / 2 + focal * local[:, 0] / local[:, 2], HEIGHT / 2 - focal * local[:, 1] / local[:, 2]
    left, top, right, low = event.instance_detections2D[APPLE]
    assert (left, right + 1) == pytest.approx((u.min(), u.max()), abs=1)
    assert (top, low + 1) == pytest.approx((v.min(), v.max()), abs=1)


def test_the_agent_moves_turns_and_looks(kitchen: Controller) -> None:
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


def test_the_agent_stops_at_walls_and_furniture(kitchen: Controller) -> None:
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


def test_all_reachable_positions_can_be_reached(kitchen: Controller) -> None:
    frame = kitchen.last_event.frame
    reachable = kitchen.step("GetReachablePositions").metadata["actionReturn"]
    assert len(reachable) > 50
    # A question is answered by a patch: the pictures stay.
    assert np.array_equal(kitchen.last_event.frame, frame)
    for position in reachable[::15]:
        assert kitchen.step("Teleport", position=position)
        assert place(kitchen.last_event.metadata["agent"]["position"]) == pytest.approx(place(position))


def test_interactable_poses_show_the_object(kitchen: Controller) -> None:
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


def move(controller: Controller, object_id: str, by: tuple[float, float, float], **options: Any) -> bool:
    item = thing(controller, object_id)
    target = dict(zip("xyz", (place(item["position"]) + by).tolist(), strict=True))
    return bool(
        controller.step("TeleportObject", objectId=object_id, position=target, rotation=item["rotation"], **options)
    )


def test_a_teleported_object_takes_boxes_and_pixels_along(kitchen: Controller) -> None:
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


def test_a_turned_object_turns_its_oriented_box(kitchen: Controller) -> None:
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


def test_a_collision_is_refused_unless_forced(kitchen: Controller) -> None:
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


def test_what_is_not_held_falls(kitchen: Controller) -> None:
    height = bottom(thing(kitchen, APPLE))
    assert move(kitchen, APPLE, (0, 0.4, 0))
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(height, abs=0.01)
    assert move(kitchen, APPLE, (0, 0.4, 0), forceKinematic=True)
    assert bottom(thing(kitchen, APPLE)) == pytest.approx(height + 0.4, abs=0.01)
    assert thing(kitchen, APPLE)["parentReceptacles"] is None
    assert move(kitchen, BOWL, (0, 0, -0.75))
    assert bottom(thing(kitchen, BOWL)) == pytest.approx(0, abs=0.01)
    assert thing(kitchen, BOWL)["parentReceptacles"] == [FLOOR]


def test_what_stood_on_a_moved_thing_falls(kitchen: Controller) -> None:
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


def test_physics_waits_while_paused(kitchen: Controller) -> None:
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


def test_placing_on_the_points_of_a_receptacle(kitchen: Controller) -> None:
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


def poses(controller: Controller) -> list[dict[str, Any]]:
    return [
        {"objectName": item["name"], "position": item["position"], "rotation": item["rotation"]}
        for item in controller.last_event.metadata["objects"]
        if item["pickupable"] or item["moveable"]
    ]


def test_setting_all_poses_restores_a_state(kitchen: Controller) -> None:
    start, wanted = kitchen.last_event, poses(kitchen)
    move(kitchen, APPLE, (0.2, 0, -0.1))
    move(kitchen, BOWL, (0, 0, -0.75))
    assert kitchen.step("SetObjectPoses", objectPoses=wanted, placeStationary=True)
    assert np.array_equal(kitchen.last_event.frame, start.frame)
    for item in start.metadata["objects"]:
        assert thing(kitchen, item["objectId"])["position"] == item["position"]
        assert thing(kitchen, item["objectId"])["parentReceptacles"] == item["parentReceptacles"]


def test_stationary_poses_float_and_others_fall(kitchen: Controller) -> None:
    height = bottom(thing(kitchen, APPLE))
    for stationary, wanted in ((True, height + 0.4), (False, height)):
        raised = poses(kitchen)
        for pose in raised:
            if pose["objectName"] == thing(kitchen, APPLE)["name"]:
                pose["position"] = {**pose["position"], "y": recorded_height(APPLE) + 0.4}
        assert kitchen.step("SetObjectPoses", objectPoses=raised, placeStationary=stationary)
        assert bottom(thing(kitchen, APPLE)) == pytest.approx(wanted, abs=0.01)


def recorded_height(object_id: str) -> float:
    """Recorded height of an object of FloorPlan1."""
    items = scenes.recorded("FloorPlan1")["objects"]
    return float(next(item["position"]["y"] for item in items if item["objectId"] == object_id))


def test_setting_poses_removes_the_unlisted_and_copies_the_repeated(kitchen: Controller) -> None:
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


def test_objects_are_disabled_enabled_and_removed(kitchen: Controller) -> None:
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


def test_cameras_beside_the_agent(kitchen: Controller) -> None:
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


def test_wrong_calls_are_told_as_unity_tells_them(kitchen: Controller) -> None:
    with pytest.raises(ValueError, match="Invalid action: ScaleObject"):
        kitchen.step("ScaleObject", objectId=APPLE, scale=2.0)
    assert kitchen.last_event.metadata["errorCode"] == "InvalidAction"
    with pytest.raises(ValueError, match=r'"TeleportFull" is missing arguments: .*horizon.*standing'):
        kitchen.step("TeleportFull", position={"x": 0, "y": 0.9, "z": 0}, rotation=0)
    with pytest.raises(ValueError, match=r'"PlaceObjectAtPoint" called with invalid argument: .forceAction.'):
        kitchen.step("PlaceObjectAtPoint", objectId=APPLE, position={"x": 0, "y": 1, "z": 0}, forceAction=True)
    assert not kitchen.step("DisableObject", objectId="Pear|1|1|1")
    assert "is not the objectId on any object in the scene" in kitchen.last_event.metadata["errorMessage"]
    assert kitchen.step("Pass")
    assert kitchen.step("Done")


def test_no_pictures_when_none_are_wanted(kitchen: Controller) -> None:
    assert kitchen.step("Pass", renderImage=False).frame is None
    kitchen.step("ChangeResolution", x=320, y=200)
    assert kitchen.last_event.frame.shape == (200, 320, 3)
    kitchen.step("ChangeResolution", x=WIDTH, y=HEIGHT)


def test_a_procthor_house(shared: Controller) -> None:
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
    thor.home(monkeypatch, tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    thor.install_build(monkeypatch, tmp_path)
    with Controller(
        platform="CloudRendering", scene="FloorPlan1", width=320, height=240, server_timeout=20.0
    ) as controller:
        event = controller.step(
            "AddThirdPartyCamera", position={"x": 0, "y": 2, "z": 0}, rotation={"x": 90, "y": 0, "z": 0}
        )
        assert event.frame.shape == (240, 320, 3)
        assert event.third_party_camera_frames[0].shape == (240, 320, 4)
        assert controller.server.unity_proc.args[0].endswith(f"thor-CloudRendering-{COMMIT_ID}")


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts controllers of one plan of faults; they give up after one second."""
    thor.home(monkeypatch, tmp_path)
    started = []

    def start(plan: str) -> Controller:
        arguments = {**thor.arguments(thor.install(tmp_path, plan)), "server_timeout": 1.0}
        started.append(Controller(**arguments, scene="FloorPlan1"))
        return started[-1]

    yield start
    for controller in started:
        controller.stop()
        controller.server.unity_proc.wait(5)


@pytest.mark.parametrize(("kind", "error"), [("crash", TimeoutError), ("hang", TimeoutError), ("cut", TimeoutError)])
def test_players_that_stop_answering(faulty: Any, tmp_path: Path, kind: str, error: type[Exception]) -> None:
    plan = f"{kind}@5"
    controller = faulty(plan)
    assert controller.step("Pass")
    with pytest.raises(error):
        controller.step("Pass")
    # Once only: the next player, of the same folder, goes on.
    again = faulty(plan)
    assert all(again.step("Pass") for _ in range(6))
    assert thor.history(tmp_path) == {"actions": 14, "fired": [plan]}


def test_a_crash_shows_in_the_exit_code(faulty: Any) -> None:
    controller = faulty("crash@4")
    with pytest.raises(TimeoutError):
        controller.step("Pass")
    assert controller.server.unity_proc.wait(5) == -6


def test_damaged_answers(faulty: Any) -> None:
    controller = faulty("garbage@4")
    with pytest.raises((RuntimeError, TimeoutError)):
        controller.step("Pass")


def test_a_refusal_waits_for_the_opening_to_be_over(faulty: Any, tmp_path: Path) -> None:
    controller = faulty("refuse@1")
    assert not controller.step("RotateRight")
    assert (
        controller.last_event.metadata["agent"]["rotation"]["y"] == scenes.recorded("FloorPlan1")["agent"]["rotation"]
    )
    assert controller.step("RotateRight")
    assert thor.history(tmp_path)["fired"] == ["refuse@1"]


def test_objects_get_lost_and_fall(faulty: Any) -> None:
    controller = faulty("drop@4,fall@6")
    assert controller.step("Pass")
    assert move(controller, APPLE, (0.1, 0, 0))
    assert thing(controller, APPLE) is None
    before = thing(controller, BOWL)
    assert move(controller, BOWL, (0.1, 0, 0))
    assert bottom(thing(controller, BOWL)) == pytest.approx(0, abs=0.01)
    assert thing(controller, BOWL)["rotation"] != before["rotation"]


def test_plans_are_checked() -> None:
    assert parse("hang@9, crash@2") == [("crash", 2), ("hang", 9)]
    for wrong in ("explode@3", "crash", "crash@0", "crash@x"):
        with pytest.raises(ValueError, match="is not a fault"):
            parse(wrong)
