"""AI2-THOR in the place of physics, rays and renderer: Unity moves, sees and draws.

An edit is made as AI2-THOR's users make it, unforced, so that Unity can refuse; whatever is known to be at rest is
restored by force (`thor_stage`). A state therefore follows from a scene alone, whatever was tried before, and a
player that failed is replaced and brought to the same state (`thor_player`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import corners
from gsi_datasets.renderers.rays import Layers
from gsi_datasets.scene import Array, Scene, SceneObject
from gsi_datasets.simulators.base import Contact, Settled
from gsi_datasets.simulators.thor_frames import pose_of
from gsi_datasets.simulators.thor_player import VERSION, Platform, ThorPlayer, ThorScene
from gsi_datasets.simulators.thor_sight import visibility
from gsi_datasets.simulators.thor_stage import (
    RESTORED,
    RESTORED_RADIANS,
    SAME,
    SAME_RADIANS,
    Actor,
    Frame,
    Play,
    Stage,
    near,
    support_of,
)
from gsi_datasets.worlds.specs import ThorWorld


Image = NDArray[np.uint8]
REACHED, REACHED_RADIANS = 0.05, np.radians(5.0)
"""The paper's tolerances: an attempt that ends farther off, metres, is rolled back and made again."""
ATTEMPTS = 3
# What a refused object is tried at, metres above: touching what it stands on can be taken for a collision.
LIFTS = (0.0, 0.0, 0.01, 0.02)


@dataclass(frozen=True, eq=False)
class Recording:
    """A scene as Unity begins it.

    Attributes:
        metadata: of the event, at rest.
        spots: by ``objectId`` of receptacles, (N, 3) points in the world on which something can be put.
        reachable: (N, 3) points in the world where the agent can stand.
    """

    metadata: dict[str, Any]
    spots: dict[str, Array]
    reachable: Array


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What became of a scene: as Unity left it, and the contact it refused, if it did."""

    settled: Settled
    blocked: Contact | None = None


class ThorSimulator:
    """Physics, layers and colours by Unity.

    Args:
        player: what plays.
        size: width and height of its pictures, pixels.
    """

    name = "unity"

    def __init__(self, player: ThorPlayer, size: int) -> None:
        self.player, self._size = player, size
        self._stage = Stage(player)
        self._plays: dict[str, Play] = {}
        self._at_rest: dict[str, set[tuple[str, bytes]]] = {}
        self._outcomes: WeakKeyDictionary[Scene, _Outcome] = WeakKeyDictionary()
        self._pictures: WeakKeyDictionary[Scene, Image] = WeakKeyDictionary()

    def record(self, scene: ThorScene, holds: Callable[[dict[str, Any]], bool]) -> Recording:
        """Look at a scene as Unity begins it.

        Args:
            scene: its name, or the dictionary of a house.
            holds: whether an object, by its metadata, is asked where things can be put on it.
        """

        def work() -> Recording:
            self._stage.enter(Play(scene, {}, {}))
            metadata = self._stage.rest().metadata
            holders = [it["objectId"] for it in metadata["objects"] if it["receptacle"] and holds(it)]
            return Recording(
                metadata, {it: self._spots(it) for it in holders}, self._stage.points("GetReachablePositions")
            )

        return self.player.insist(work)

    def bind(self, room: str, play: Play) -> None:
        """Say what Unity must know of the scenes whose room has this asset id."""
        self._plays[room] = play
        self._at_rest[room] = {(name, actor.pose.tobytes()) for name, actor in play.actors.items()}

    def contacts(self, scene: Scene) -> tuple[Contact, ...]:
        """What carries each object; and what an edited one collides with, if Unity refuses to put it there.

        Unity does not say how deep things overlap: such a contact is as deep as lifting the object did not help.
        """
        outcome = self._outcome(scene)
        return outcome.settled.contacts if outcome.blocked is None else (*outcome.settled.contacts, outcome.blocked)

    def settle(self, scene: Scene) -> Settled:
        """Make the edits that lead to the scene and let physics run; what Unity refuses does not come to rest."""
        return self._outcome(scene).settled

    def layers(self, scene: Scene) -> Layers:
        """Depth, instance ids and visibility of the scene, or of what it became if it was settled."""
        shown, frame = self._frame(scene)
        return Layers(frame.depth, frame.instances, visibility(shown, frame.depth, frame.instances))

    def render(self, scenes: Sequence[Scene]) -> list[Image]:
        """One (H, W, 3) picture of each scene; those whose layers were looked at have theirs already."""
        return [self._pictures[scene] if scene in self._pictures else self._frame(scene)[1].rgb for scene in scenes]

    def versions(self) -> dict[str, str]:
        """The version of ai2thor; the player it starts belongs to it."""
        return {"ai2thor": VERSION}

    def _play(self, scene: Scene) -> Play:
        return self._plays[scene["room"].asset]

    def _frame(self, scene: Scene) -> tuple[Scene, Frame]:
        outcome = self._outcomes.get(scene)
        shown = scene if outcome is None or outcome.blocked else outcome.settled.scene
        # What did not come to rest is shown as far as it can be; its checks reject it.
        strict = outcome is None or outcome.settled.rested

        def work() -> Frame:
            self._stage.show(self._play(shown), shown, camera=shown.camera, strict=strict)
            return self._stage.look(shown.camera)

        frame = self.player.insist(work)
        if frame.rgb.shape[:2] == (self._size, self._size):
            self._pictures[scene] = frame.rgb
        return shown, frame

    def _outcome(self, scene: Scene) -> _Outcome:
        if scene not in self._outcomes:
            self._outcomes[scene] = outcome = self.player.insist(lambda: self._attempt(scene))
            if outcome.blocked is None and outcome.settled.rested:
                settled = outcome.settled.scene
                self._at_rest[scene["room"].asset] |= {(item.name, item.pose.tobytes()) for item in settled.movable}
        return self._outcomes[scene]

    def _attempt(self, scene: Scene) -> _Outcome:
        """The edits, made again from a clean scene if they do not end where they should."""
        known, play = self._at_rest[scene["room"].asset], self._play(scene)
        edited = [item for item in scene.movable if (item.name, item.pose.tobytes()) not in known]
        for number in range(ATTEMPTS):
            if number:
                self._stage.enter(play)
            self._stage.show(play, scene, {item.name for item in edited})
            outcome = self._edit(play, scene, edited)
            if outcome.blocked is not None or outcome.settled.rested:
                break
        return outcome

    def _edit(self, play: Play, scene: Scene, edited: Sequence[SceneObject]) -> _Outcome:
        for item in edited:
            if (blocker := self._put(play, item)) is not None:
                refused = Contact(item.name, blocker, LIFTS[-1])
                return _Outcome(Settled(scene, False, 0.0, self._carriers(play, scene), (item.name,)), refused)
        event = self._stage.rest()
        moving = {record["objectId"] for record in event.metadata["objects"] if record["isMoving"]}
        left, restless = [], []
        for item in scene.objects:
            if (actor := play.actors.get(item.name)) is None:
                continue
            record = self._stage.objects.get(actor.id)
            limits = (RESTORED, RESTORED_RADIANS) if item.static else (REACHED, REACHED_RADIANS)
            if record is None or actor.id in moving or not near(record, *actor.unity(item), *limits):
                restless.append(item.name)
            if record is not None and not item.static:
                left.append(_read(item, actor, record))
        settled = scene.with_objects(left)
        return _Outcome(Settled(settled, not restless, 0.0, self._carriers(play, settled), tuple(restless)))

    def _put(self, play: Play, item: SceneObject) -> str | None:
        """Put an edited object where the scene has it, unforced; gives the name of what is in the way."""
        actor = play.actors[item.name]
        position, rotation = actor.unity(item)
        holder = play.actors[item.support].id if item.support in play.actors else ""
        if holder and holder not in (self._stage.objects[actor.id]["parentReceptacles"] or []):
            # Onto another receptacle: where AI2-THOR itself says that there is room.
            spots, foot = self._spots(holder), corners(item.box)[:, 2].min()
            free = spots[np.linalg.norm(spots[:, :2] - item.box.centre[:2], axis=1) <= REACHED]
            if not len(free):
                return item.support
            level = {**position, "y": float(free[np.argmin(np.abs(free[:, 2] - foot)), 2])}
            for _ in range(2):
                if self._stage.do("PlaceObjectAtPoint", objectId=actor.id, position=level, rotation=rotation):
                    return None
        for lift in LIFTS:
            at = {**position, "y": position["y"] + lift}
            if event := self._stage.do("TeleportObject", objectId=actor.id, position=at, rotation=rotation):
                return None
        message = str(event.metadata["errorMessage"])
        named = (name for name, other in play.actors.items() if other.id in message and other is not actor)
        return next(named, item.support or "room")

    def _spots(self, holder: str) -> Array:
        """(N, 3) points in the world where Unity would put things on a receptacle."""
        return self._stage.points("GetSpawnCoordinatesAboveReceptacle", objectId=holder, anywhere=True)

    def _carriers(self, play: Play, scene: Scene) -> tuple[Contact, ...]:
        """A contact of each object with what Unity says it is on or in."""
        names = {actor.id: name for name, actor in play.actors.items()}
        found = []
        for item in scene.movable:
            record = self._stage.objects.get(play.actors[item.name].id)
            carrier = None if record is None else support_of(record, self._stage.objects)
            if carrier is not None:
                name = "room" if carrier["objectType"] == "Floor" else names.get(carrier["objectId"], "")
                if name in scene:
                    found.append(Contact(name, item.name, 0.0, 1.0))
        return tuple(found)


_CONNECTED: dict[tuple[str, Platform, int], ThorSimulator] = {}


def connect(world: ThorWorld, size: int) -> ThorSimulator:
    """The player of this process for a world, started when it is first needed.

    Args:
        world: says which player.
        size: width and height of pictures, pixels.

    Raises:
        WorldError: what the player needs is not there.
    """
    key = world.executable or os.environ.get(world.variable, ""), world.platform, size
    if key not in _CONNECTED:
        _CONNECTED[key] = ThorSimulator(ThorPlayer(*key), size)
    return _CONNECTED[key]


def disconnect() -> None:
    """End all players of this process; they also end with it."""
    for simulator in _CONNECTED.values():
        simulator.player.stop()
    _CONNECTED.clear()


def _read(item: SceneObject, actor: Actor, record: dict[str, Any]) -> SceneObject:
    """The object as Unity has it; what stands where it was asked to is the same, to the last bit."""
    if near(record, *actor.unity(item), SAME, SAME_RADIANS):
        return item
    pose = pose_of(record) @ actor.offset
    return replace(item, position=pose[:3, 3], rotation=pose[:3, :3])
