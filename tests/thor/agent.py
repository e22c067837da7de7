"""What the agent does with itself."""

from __future__ import annotations

import numpy as np

from tests.thor.boxes import turn, vector
from tests.thor.physics import Obstacles
from tests.thor.state import DOWN, UP, ActionError, Point, State


class AgentActions:
    """Teleports, steps, turns and looks."""

    def __init__(self, state: State) -> None:
        self._state = state

    def teleport(
        self,
        position: Point | None = None,
        rotation: Point | None = None,
        horizon: float | None = None,
        standing: bool | None = None,
        forceAction: bool = False,
    ) -> None:
        place = self._state.position if position is None else vector(position)
        tilt = self._state.horizon if horizon is None else float(horizon)
        if not forceAction:
            if (place < self._state.world.low).any() or (place > self._state.world.high).any():
                raise ActionError("Teleport target out of scene bounds! Ignore this by setting forceAction=true.")
            if not UP <= tilt <= DOWN:
                raise ActionError(f"Each horizon must be in [{UP:.0f}:{DOWN:.0f}]. You gave {tilt}.")
            touched = Obstacles(self._state.world).touching(place)
            if touched is not None and not np.allclose(place, self._state.position):
                raise ActionError(f"Collided with: {touched.id}.")
            # Unity lets the agent down onto the floor.
            place = np.array([place[0], self._state.world.start[1], place[2]])
        self._state.position, self._state.horizon = place, tilt
        self._state.yaw = self._state.yaw if rotation is None else float(rotation["y"]) % 360
        self._state.standing = self._state.standing if standing is None else standing

    def teleport_full(
        self, position: Point, rotation: Point, horizon: float, standing: bool, forceAction: bool = False
    ) -> None:
        self.teleport(position, rotation, horizon, standing, forceAction)

    def move_ahead(self, moveMagnitude: float | None = None, forceAction: bool = False) -> None:
        self._move(0, moveMagnitude, forceAction)

    def move_right(self, moveMagnitude: float | None = None, forceAction: bool = False) -> None:
        self._move(90, moveMagnitude, forceAction)

    def move_back(self, moveMagnitude: float | None = None, forceAction: bool = False) -> None:
        self._move(180, moveMagnitude, forceAction)

    def move_left(self, moveMagnitude: float | None = None, forceAction: bool = False) -> None:
        self._move(270, moveMagnitude, forceAction)

    def _move(self, bearing: float, magnitude: float | None, force: bool) -> None:
        grid = float(self._state.settings.get("gridSize", 0.25))
        step = turn((0, self._state.yaw + bearing, 0))[:, 2] * (grid if magnitude is None else magnitude)
        place = self._state.position + step
        touched = Obstacles(self._state.world).touching(place)
        if touched is not None and not force:
            amount = ", ".join(f"{value:.2f}" for value in step)
            raise ActionError(f"{touched.id} is blocking Agent 0 from moving by ({amount}).")
        if self._state.settings.get("snapToGrid", True):
            place = np.array([round(place[0] / grid) * grid, place[1], round(place[2] / grid) * grid])
        self._state.position = place

    def rotate_right(self, degrees: float | None = None, forceAction: bool = False) -> None:
        self._state.yaw = (self._state.yaw + self._step(degrees)) % 360

    def rotate_left(self, degrees: float | None = None, forceAction: bool = False) -> None:
        self._state.yaw = (self._state.yaw - self._step(degrees)) % 360

    def _step(self, degrees: float | None) -> float:
        return float(self._state.settings.get("rotateStepDegrees", 90.0) if degrees is None else degrees)

    def look_up(self, degrees: float = 30.0) -> None:
        if self._state.horizon - degrees < UP - 1e-6:
            raise ActionError(f"can't look up beyond {-UP:.0f} degrees above the forward horizon")
        self._state.horizon -= degrees

    def look_down(self, degrees: float = 30.0) -> None:
        if self._state.horizon + degrees > DOWN + 1e-6:
            raise ActionError(f"can't look down beyond {DOWN:.0f} degrees below the forward horizon")
        self._state.horizon += degrees

    def stand(self) -> None:
        if self._state.standing:
            raise ActionError("Already standing.")
        self._state.standing = True

    def crouch(self) -> None:
        if not self._state.standing:
            raise ActionError("Already crouching.")
        self._state.standing = False
