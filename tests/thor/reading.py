"""Reading events of ai2thor in tests: projection and boxes done here anew, so that no test trusts the player's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.thor import scenes


APPLE = "Apple|-00.47|+01.15|+00.48"
BOWL = "Bowl|+00.27|+01.10|-00.75"
ISLAND = "CounterTop|-00.08|+01.15|00.00"
FLOOR = "Floor|+00.00|+00.00|+00.00"
# Not square, so that mixing up the two fields of view shows.
WIDTH, HEIGHT = 320, 240


def thing(controller: Any, object_id: str) -> dict[str, Any]:
    found: dict[str, Any] = controller.last_event.get_object(object_id)
    return found


def place(point: dict[str, float]) -> NDArray[np.float64]:
    return np.array([point[axis] for axis in "xyz"])


def look_at_the_apple(controller: Any) -> None:
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


def move(controller: Any, object_id: str, by: tuple[float, float, float], **options: Any) -> bool:
    item = thing(controller, object_id)
    target = dict(zip("xyz", (place(item["position"]) + by).tolist(), strict=True))
    return bool(
        controller.step("TeleportObject", objectId=object_id, position=target, rotation=item["rotation"], **options)
    )


def poses(controller: Any) -> list[dict[str, Any]]:
    return [
        {"objectName": item["name"], "position": item["position"], "rotation": item["rotation"]}
        for item in controller.last_event.metadata["objects"]
        if item["pickupable"] or item["moveable"]
    ]


def recorded_height(object_id: str) -> float:
    """Recorded height of an object of FloorPlan1."""
    items = scenes.recorded("FloorPlan1")["objects"]
    return float(next(item["position"]["y"] for item in items if item["objectId"] == object_id))
