"""What the agent asks; nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.thor.boxes import Array, triple, turn, up
from tests.thor.drawing import NEAR, Camera, pick
from tests.thor.physics import Obstacles, Surfaces, middle
from tests.thor.state import EYE, ActionError, Point, State


class Questions:
    """Positions, poses, places and objects."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get_reachable_positions(self, gridSize: float | None = None) -> list[Point]:
        return [triple(place) for place in reachable(self._state, gridSize)]

    def get_interactable_poses(
        self,
        objectId: str,
        rotations: Sequence[float] = (0, 90, 180, 270),
        horizons: Sequence[float] = (-30, 0, 30, 60),
        standings: Sequence[bool] = (True, False),
    ) -> list[dict[str, Any]]:
        thing = self._state.thing(objectId)
        target = middle(thing)
        reach = float(self._state.settings.get("visibilityDistance", 1.5))
        poses = []
        for place in reachable(self._state):
            if np.linalg.norm((target - place)[[0, 2]]) > reach:
                continue
            for yaw in rotations:
                for horizon in horizons:
                    for standing in standings:
                        eye = Camera(
                            place + up(EYE[standing]),
                            np.array([horizon, yaw, 0.0]),
                            self._state.eye().fov,
                            self._state.height,
                            self._state.width,
                        )
                        seen = spot(eye, target)
                        if seen is not None and pick(self._state.world, eye, *seen)[0] == objectId:
                            poses.append({**triple(place), "rotation": yaw, "standing": standing, "horizon": horizon})
        return poses

    def get_object_in_frame(self, x: float, y: float, checkVisible: bool = False) -> str | None:
        name, _ = pick(self._state.world, self._state.eye(), x * self._state.width, y * self._state.height)
        if name is None or self._state.world.find(name) is None:
            raise ActionError(f"Could not find an object at ({x}, {y}) in the frame.")
        return name

    def get_spawn_coordinates_above_receptacle(self, objectId: str, anywhere: bool = True) -> list[Point]:
        thing = self._state.thing(objectId)
        if not thing.record["receptacle"]:
            raise ActionError(f"{objectId} is not a receptacle.")
        low, high = thing.aligned()
        surfaces = Surfaces(self._state.world)
        found = []
        for x in np.linspace(low[0], high[0], 22)[1:-1]:
            for z in np.linspace(low[2], high[2], 22)[1:-1]:
                top = surfaces.under(x, z, float(high[1]) + 1.0)
                # Unity casts a ray down and keeps what hits the receptacle first.
                if top is not None and top[1] is thing:
                    point = np.array([x, top[0], z])
                    if anywhere or spot(self._state.eye(), point) is not None:
                        found.append(triple(point))
        return found

    def get_map_view_camera_properties(self) -> dict[str, Any]:
        low, high = self._state.world.low, self._state.world.high
        place = (low + high) / 2
        return {
            "position": {**triple(place), "y": float(high[1])},
            "rotation": {"x": 90.0, "y": 0.0, "z": 0.0},
            "orthographicSize": float((high - low)[[0, 2]].max() / 2),
            "orthographic": True,
        }


def reachable(state: State, spacing: float | None = None) -> list[Array]:
    """Where the agent can step to from where it is, in the order of the search."""
    grid = float(spacing or state.settings.get("gridSize", 0.25))
    low, high = state.world.low[[0, 2]], state.world.high[[0, 2]]
    obstacles = Obstacles(state.world)
    reached = {(0, 0): state.position}
    queue = [(0, 0)]
    for column, row in queue:
        for cell in ((column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)):
            place = state.position + grid * np.array([cell[0], 0.0, cell[1]])
            inside = (place[[0, 2]] > low).all() and (place[[0, 2]] < high).all()
            if cell not in reached and inside and obstacles.touching(place) is None:
                reached[cell] = place
                queue.append(cell)
    return list(reached.values())


def spot(camera: Camera, point: Array) -> tuple[float, float] | None:
    """Column and row where a camera sees a point, None if outside the picture."""
    x, y, z = turn(camera.rotation).T @ (point - camera.position)
    if z <= NEAR:
        return None
    focal = camera.height / 2 / np.tan(np.deg2rad(camera.fov) / 2)
    column, row = focal * x / z + camera.width / 2, camera.height / 2 - focal * y / z
    return (column, row) if 0 <= column < camera.width and 0 <= row < camera.height else None
