"""A stand-in for the Unity player of AI2-THOR.

    python -m tests.thor.player --folder FOLDER [--faults PLAN] [options of Unity]

The real `ai2thor.controller.Controller` starts it and talks to it through two named pipes. See `tests.thor.install`.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.thor import physics
from tests.thor.actions import perform
from tests.thor.boxes import triple, up
from tests.thor.drawing import Picture, colour_table, draw
from tests.thor.faults import Faults
from tests.thor.protocol import Field, Message, Wire, pack
from tests.thor.state import ActionError, State
from tests.thor.world import Thing


# Answered with the reply alone, without pictures and objects.
_QUESTIONS = (
    "GetScenesInBuild",
    "GetReachablePositions",
    "GetInteractablePoses",
    "GetObjectInFrame",
    "GetSpawnCoordinatesAboveReceptacle",
    "GetMapViewCameraProperties",
)
# Fields of the metadata that the default agent leaves empty.
_EMPTY: dict[str, Any] = {
    "arm": None,
    "collided": False,
    "collidedObjects": [],
    "inventoryObjects": [],
    "flatSurfacesOnGrid": [],
    "distances": [],
    "normals": [],
    "isOpenableGrid": [],
    "segmentedObjectIds": [],
    "objectIdsInBox": [],
    "actionIntReturn": 0,
    "actionFloatReturn": 0.0,
    "actionStringsReturn": [],
    "actionFloatsReturn": [],
    "actionVector3sReturn": [],
    "visibleRange": None,
    "currentTime": 0.0,
}


class Player:
    """One process: its scene, and its answers."""

    def __init__(self, width: int, height: int, alpha: bool = False) -> None:
        self.alpha = alpha
        self.state = State(width, height)

    def answer(self, action: dict[str, Any], faults: Faults, number: int) -> Message:
        """Do an action and tell what became of it."""
        name = action["action"]
        reply: dict[str, Any] = {
            "lastAction": name,
            "lastActionSuccess": True,
            "errorMessage": "",
            "errorCode": None,
            "agentId": 0,
            "actionReturn": None,
        }
        try:
            if faults.take(("refuse",), number, name):
                raise ActionError(f"{name} was refused by the plan of faults.")
            reply["actionReturn"] = perform(self.state, action)
        except ActionError as error:
            reply.update(lastActionSuccess=False, errorMessage=str(error), errorCode=error.code)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # Unity, too, reports what goes wrong inside an action and lives on.
            reply.update(
                lastActionSuccess=False, errorMessage=f"{type(error).__name__}: {error}", errorCode="Undefined"
            )
        moved = self.state.moved
        if reply["lastActionSuccess"] and moved is not None and moved.enabled:
            self._mishap(moved, faults.take(("drop", "fall"), number, name))
        if name in _QUESTIONS and self.state.settings.get("fastActionEmit", True):
            return [(Field.METADATA_PATCH, pack(reply))]
        return self.message(reply, action.get("sequenceId", 0), action.get("renderImage", True))

    def _mishap(self, thing: Thing, kind: str | None) -> None:
        world = self.state.world
        if kind == "drop":
            thing.enabled = False
            physics.relate(world, thing)
        if kind == "fall":
            thing.rotation = thing.rotation + np.array([0.0, 0.0, 90.0])
            thing.position = (world.low + world.high) / 2
            thing.position = thing.position + up(world.low[1] - thing.bottom())
            physics.relate(world, thing)

    def message(self, reply: dict[str, Any], sequence: int, pictures: bool) -> Message:
        """A full message: metadata, then the pictures of the extra cameras and of the agent."""
        state, settings = self.state, self.state.settings
        seen = draw(state.world, state.eye())
        ids = settings.get("renderInstanceSegmentation", settings.get("renderObjectImage", False))
        classes = settings.get("renderSemanticSegmentation", settings.get("renderClassImage", False))
        table = colour_table([*seen.names, *seen.kinds])
        agent = {
            **_EMPTY,
            **self._metadata(seen),
            **reply,
            "colors": [{"name": name, "color": list(colour)} for name, colour in table.items()]
            if ids or classes
            else None,
        }
        metadata = {"agents": [agent], "thirdPartyCameras": None, "activeAgentId": 0, "sequenceId": sequence}
        message: Message = [(Field.METADATA, pack(metadata))]
        if not pictures:
            return message
        wanted = (settings.get("renderDepthImage", False), ids, classes)
        extra = (Field.CAMERA_RGB, Field.CAMERA_DEPTH, Field.CAMERA_IDS, Field.CAMERA_CLASSES)
        for view in state.views():
            message += self._pictures(draw(state.world, view), extra, wanted, table)
        return message + self._pictures(seen, (Field.RGB, Field.DEPTH, Field.IDS, Field.CLASSES), wanted, table)

    def _pictures(
        self,
        seen: Picture,
        fields: tuple[Field, ...],
        wanted: tuple[bool, bool, bool],
        table: dict[str, tuple[int, int, int]],
    ) -> Message:
        depth, ids, classes = wanted
        opaque = np.full((*seen.depth.shape, 1), 255, dtype=np.uint8)
        message = [(fields[0], _rows(np.concatenate([seen.rgb, opaque], axis=-1) if self.alpha else seen.rgb))]
        if depth:
            message.append((fields[1], _rows(seen.depth)))
        if ids:
            message.append((fields[2], _rows(seen.colours(table))))
        if classes:
            message.append((fields[3], _rows(seen.colours(table, classes=True))))
        return message

    def _metadata(self, seen: Picture) -> dict[str, Any]:
        state = self.state
        eye = state.eye()
        reach = float(state.settings.get("visibilityDistance", 1.5))
        near = np.unique(seen.owner[seen.depth <= reach])
        visible = {seen.names[k] for k in near if k >= 0}
        hand = triple(eye.position - up(0.16))
        return {
            "objects": [thing.metadata(state.position, thing.id in visible) for thing in state.world.present()],
            "isSceneAtRest": not state.pending,
            "agent": {
                "name": "agent",
                "position": triple(state.position),
                "rotation": {"x": 0.0, "y": state.yaw, "z": 0.0},
                "cameraHorizon": state.horizon,
                "isStanding": state.standing,
                "inHighFrictionArea": False,
            },
            "heldObjectPose": {
                "position": hand,
                "rotation": {"x": 0.0, "y": state.yaw, "z": 0.0},
                "localPosition": {"x": 0.0, "y": -0.16, "z": 0.38},
                "localRotation": {"x": 0.0, "y": 0.0, "z": 0.0},
            },
            "fov": eye.fov,
            "cameraPosition": triple(eye.position),
            "cameraOrthSize": -1.0,
            "thirdPartyCameras": [
                {key: camera[key] for key in ("thirdPartyCameraId", "position", "rotation", "fieldOfView")}
                for camera in state.cameras
            ],
            "sceneName": state.world.name,
            "screenWidth": state.width,
            "screenHeight": state.height,
            "depthFormat": "Meters",
            "sceneBounds": state.world.bounds(),
        }


def _rows(picture: NDArray[Any]) -> bytes:
    """Unity's order: the bottom row first."""
    return np.ascontiguousarray(picture[::-1]).tobytes()


def serve(player: Player, wire: Wire, faults: Faults) -> None:
    """Answer until the controller closes its pipe."""
    hello = {"lastAction": None, "lastActionSuccess": True, "errorMessage": "", "errorCode": None, "agentId": 0}
    wire.send(player.message({**hello, "actionReturn": None}, 0, True))
    while (action := wire.receive()) is not None:
        number = faults.count()
        kind = faults.take(("crash", "hang", "garbage", "cut"), number, action["action"])
        if kind == "hang":
            _hang()
        if kind == "crash":
            _die()
        message = player.answer(action, faults, number)
        if kind == "garbage":
            wire.send_raw(bytes(range(7, 207)))
        elif kind == "cut":
            body = b"".join(data for _, data in message)
            wire.send_raw(bytes([Field.RGB]) + len(body).to_bytes(4, "big") + body[: len(body) // 2])
            _die()
        else:
            wire.send(message)


def _hang() -> None:
    """For as long as the controller lives, which is expected to kill this process."""
    controller = os.getppid()
    while os.getppid() == controller:
        time.sleep(0.2)
    raise SystemExit


def _die() -> None:
    """As Unity does: by an abort, here without a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGABRT)


def main() -> None:
    """Start from the command line and the environment that the controller gives."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--faults", default="")
    parser.add_argument("--cloud", action="store_true", help="behave as the build for CloudRendering")
    parser.add_argument("-screen-width", type=int, default=300)
    parser.add_argument("-screen-height", type=int, default=300)
    options, _ = parser.parse_known_args()
    pipes = (Path(os.environ[f"AI2THOR_FIFO_{end}_PIPE_PATH"]) for end in ("SERVER", "CLIENT"))
    width, height = (300, 300) if options.cloud else (options.screen_width, options.screen_height)
    player = Player(width, height, alpha=options.cloud)
    serve(player, Wire(*pipes), Faults(options.folder, options.faults))


if __name__ == "__main__":
    main()
