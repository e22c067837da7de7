"""Scenes, settings and extra cameras."""

from __future__ import annotations

from typing import Any

from tests.thor import houses, scenes
from tests.thor.state import ActionError, Point, State, load
from tests.thor.world import World


class SettingActions:
    """What is played, and how it is shown."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get_scenes_in_build(self) -> list[str]:
        live = [name if "_" in name else f"{name}_physics" for name in scenes.names()]
        return [*live, "Procedural"]

    def reset(self, sceneName: str) -> None:
        self._state.settings = {}
        self._state.enter(World.empty("Procedural") if sceneName == "Procedural" else load(sceneName))

    def initialize(self, renderInstanceSegmentation: bool = False, **parameters: Any) -> dict[str, float]:
        self._state.settings = {**parameters, "renderInstanceSegmentation": renderInstanceSegmentation}
        return {"cameraNearPlane": 0.1, "cameraFarPlane": 20.0}

    def create_house(self, house: dict[str, Any]) -> None:
        try:
            world = houses.build(house)
        except houses.HouseError as error:
            raise ActionError(str(error)) from None
        world.start, world.heading = self._state.position, self._state.yaw
        self._state.enter(world)

    def change_resolution(self, x: int, y: int) -> None:
        self._state.width, self._state.height = x, y

    def change_quality(self, quality: str) -> None:
        pass

    def pass_(self) -> None:
        pass

    def done(self) -> None:
        pass

    def add_third_party_camera(
        self,
        position: Point,
        rotation: Point,
        fieldOfView: float = 90.0,
        skyboxColor: str = "#FFFFFF",
        orthographic: bool = False,
        orthographicSize: float = 5.0,
        nearClippingPlane: float | None = None,
        farClippingPlane: float | None = None,
        antiAliasing: str = "none",
    ) -> None:
        self._state.cameras.append(
            {
                "thirdPartyCameraId": len(self._state.cameras),
                "position": {**position},
                "rotation": {axis: float(rotation.get(axis, 0.0)) for axis in "xyz"},
                "fieldOfView": float(fieldOfView),
                "orthographic": orthographic,
                "orthographicSize": float(orthographicSize),
            }
        )

    def update_third_party_camera(
        self,
        thirdPartyCameraId: int = 0,
        position: Point | None = None,
        rotation: Point | None = None,
        fieldOfView: float | None = None,
        orthographic: bool | None = None,
        orthographicSize: float | None = None,
    ) -> None:
        if not 0 <= thirdPartyCameraId < len(self._state.cameras):
            raise ActionError(
                f"ThirdPartyCameraId: {thirdPartyCameraId} (int: default=0) must in 0 <= thirdPartyCameraId <"
                f" len(thirdPartyCameras)={len(self._state.cameras)}."
            )
        camera = self._state.cameras[thirdPartyCameraId]
        camera["position"] = {**camera["position"], **(position or {})}
        camera["rotation"] = {**camera["rotation"], **(rotation or {})}
        changes = {"fieldOfView": fieldOfView, "orthographic": orthographic, "orthographicSize": orthographicSize}
        camera.update({key: value for key, value in changes.items() if value is not None})
