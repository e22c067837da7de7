"""What a player knows between two actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.thor import physics, scenes
from tests.thor.boxes import Array, up, vector
from tests.thor.drawing import Camera
from tests.thor.world import Thing, World


# Camera above the middle of the agent, standing and crouching, metres.
EYE = {True: 0.675, False: 0.0}
# What the horizon may be, degrees below the horizontal.
UP, DOWN = -30.0, 60.0

Point = dict[str, float]


class ActionError(Exception):
    """The action fails.

    Attributes:
        code: the `errorCode` of the reply.
    """

    def __init__(self, message: str, code: str = "Undefined") -> None:
        super().__init__(message)
        self.code = code


def load(name: str) -> World:
    """The recorded world of a scene, with or without `_physics`."""
    live = name if "_" in name else f"{name}_physics"
    return World.recorded(live, scenes.recorded(name))


@dataclass(eq=False)
class State:
    """One player.

    Attributes:
        width, height: of all pictures, pixels.
        world: the scene.
        position: (3,) of the agent.
        yaw, horizon: degrees.
        standing: whether the agent stands.
        settings: the parameters of `Initialize`.
        cameras: third-party cameras as `metadata.thirdPartyCameras` lists them, with how they project.
        moved: the thing the last action moved.
        paused: whether physics waits for `AdvancePhysicsStep`.
        pending: the things that then come to rest.
    """

    width: int
    height: int
    world: World = field(default_factory=lambda: load(scenes.names()[0]))
    position: Array = field(init=False)
    yaw: float = field(init=False)
    horizon: float = 0.0
    standing: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    cameras: list[dict[str, Any]] = field(default_factory=list)
    moved: Thing | None = None
    paused: bool = False
    pending: list[Thing] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.enter(self.world)

    def enter(self, world: World) -> None:
        """Put the agent into a world."""
        physics.entangle(world)
        self.world, self.position, self.yaw = world, world.start.copy(), world.heading
        self.horizon, self.standing = 0.0, True
        self.cameras, self.pending, self.paused = [], [], False

    def eye(self) -> Camera:
        """The agent's camera."""
        fov = float(self.settings.get("fieldOfView") or 90.0)
        rotation = np.array([self.horizon, self.yaw, 0.0])
        return Camera(self.position + up(EYE[self.standing]), rotation, fov, self.height, self.width)

    def views(self) -> list[Camera]:
        """The third-party cameras."""
        return [
            Camera(
                vector(item["position"]),
                vector(item["rotation"]),
                item["fieldOfView"],
                self.height,
                self.width,
                item["orthographicSize"] if item["orthographic"] else None,
            )
            for item in self.cameras
        ]

    def thing(self, object_id: str) -> Thing:
        """An object of the scene; ActionError if there is none."""
        thing = self.world.find(object_id)
        if thing is None:
            raise ActionError(f"objectId: {object_id} is not the objectId on any object in the scene!")
        return thing

    def rest(self, thing: Thing, riders: list[Thing]) -> None:
        """Let a moved thing and what stood on it come to rest, now or when physics goes on."""
        self.moved = thing
        if self.paused:
            self.pending += [thing, *riders]
        else:
            physics.rest(self.world, thing, riders)

    def settle(self) -> None:
        """Let everything that waits come to rest."""
        waiting, self.pending = self.pending, []
        for thing in waiting:
            physics.rest(self.world, thing, physics.carried(self.world, thing))
