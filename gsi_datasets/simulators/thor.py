"""AI2-THOR in the place of physics, rays and renderer: Unity moves, sees and draws.

The player holds one state; a scene is put into it by what differs: objects are taken out, brought back and put to
their poses, and the outcome is read back and compared. An edit is made as AI2-THOR's users make it, unforced, so that
Unity can refuse; whatever is known to be at rest is restored by force. A state therefore follows from a scene alone,
whatever was tried before, and a player that failed is replaced and brought to the same state.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import box2d, corners, rotation_angle
from gsi_datasets.renderers.rays import Layers
from gsi_datasets.scene import Array, Camera, Scene, SceneObject
from gsi_datasets.simulators.base import Contact, Settled
from gsi_datasets.simulators.thor_frames import (
    Triple,
    aligned_box,
    camera_parameters,
    pose_of,
    to_world,
    unity_pose,
    vector,
)
from gsi_datasets.simulators.thor_player import VERSION, Platform, PlayerFault, ThorPlayer, ThorScene
from gsi_datasets.simulators.thor_sight import visibility
from gsi_datasets.worlds.specs import ThorWorld


Image = NDArray[np.uint8]
REACHED, REACHED_RADIANS = 0.05, np.radians(5.0)
"""The paper's tolerances: an attempt that ends farther off is rolled back and made once more."""
SAME, SAME_RADIANS = 1e-5, np.radians(1e-3)
"""Poses that differ by less are one pose in Unity's single precision, metres."""
RESTORED, RESTORED_RADIANS = 1e-3, np.radians(0.5)
"""A restored object that stands no farther off is restored, metres."""
# What a refused object is tried at, metres above: touching what it stands on can be taken for a collision.
LIFTS = (0.0, 0.0, 0.01, 0.02)
# Looks at a scene, one action apart, in which it must come to rest.
LOOKS = 12
# Pictures end at the far plane, metres.
FAR = 20.0


@dataclass(frozen=True, eq=False)
class Actor:
    """An object of a scene in Unity.

    Attributes:
        id: ``objectId``.
        offset: (4, 4) from the object's pose in Unity, in world axes, to that of the scene's object.
        pose: (4, 4) of the scene's object as recorded.
        recorded: Unity's position and rotation for it.
        movable: whether the scene lets it be moved and taken out.
    """

    id: str
    offset: Array
    pose: Array
    recorded: tuple[Triple, Triple]
    movable: bool

    def unity(self, item: SceneObject) -> tuple[Triple, Triple]:
        """Position and rotation in Unity of the object in a state of the scene."""
        pose = item.pose
        if np.array_equal(pose, self.pose):
            return self.recorded
        return unity_pose(pose @ np.linalg.inv(self.offset))


@dataclass(frozen=True, eq=False)
class Play:
    """What Unity must know to play a scene.

    Attributes:
        scene: its name, or the dictionary of a house.
        actors: by name of object, static ones too.
        instances: by ``objectId``.
    """

    scene: ThorScene
    actors: dict[str, Actor]
    instances: dict[str, int]


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
    """What became of a scene: as Unity left it, and the id of what was in the way, if anything."""

    settled: Settled
    blocked: Contact | None = None


@dataclass(frozen=True, eq=False)
class _Frame:
    rgb: Image
    depth: NDArray[np.float32]
    instances: NDArray[np.uint16]


class ThorSimulator:
    """Physics, layers and colours by Unity.

    Args:
        player: what plays.
        size: width and height of its pictures, pixels.
    """

    name = "unity"

    def __init__(self, player: ThorPlayer, size: int) -> None:
        self.player, self._size = player, size
        self._plays: dict[str, Play] = {}
        self._play: Play | None = None
        self._objects: dict[str, dict[str, Any]] = {}
        self._camera = False
        self._at_rest: dict[str, set[tuple[str, bytes]]] = {}
        self._outcomes: WeakKeyDictionary[Scene, _Outcome] = WeakKeyDictionary()
        self._pictures: WeakKeyDictionary[Scene, Image] = WeakKeyDictionary()

    # What a world asks.

    def record(self, scene: ThorScene, holds: Callable[[dict[str, Any]], bool]) -> Recording:
        """Look at a scene as Unity begins it.

        Args:
            scene: its name, or the dictionary of a house.
            holds: whether an object, by its metadata, is asked where things can be put on it.
        """

        def work() -> Recording:
            self._begin(Play(scene, {}, {}))
            metadata = self._rest().metadata
            spots = {}
            for record in metadata["objects"]:
                if record["receptacle"] and holds(record):
                    spots[record["objectId"]] = self._points(
                        "GetSpawnCoordinatesAboveReceptacle", objectId=record["objectId"], anywhere=True
                    )
            return Recording(metadata, spots, self._points("GetReachablePositions"))

        return self.player.insist(work)

    def bind(self, room: str, play: Play) -> None:
        """Say what Unity must know of the scenes whose room has this asset id."""
        self._plays[room] = play
        self._at_rest[room] = {(name, actor.pose.tobytes()) for name, actor in play.actors.items()}

    # What the pipeline asks.

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
        """Depth, instance ids and visibility of the scene, or of what it became if it was settled.

        A camera of another resolution than the player's gets every so many pixels of a whole picture.
        """
        frame = self._frame(scene)
        return Layers(frame.depth, frame.instances, visibility(self._shown(scene), frame.depth, frame.instances))

    def render(self, scenes: Sequence[Scene]) -> list[Image]:
        """One (H, W, 3) picture of each scene; those whose layers were looked at have theirs already."""
        return [self._pictures[scene] if scene in self._pictures else self._frame(scene).rgb for scene in scenes]

    def versions(self) -> dict[str, str]:
        """The version of ai2thor; the player it starts belongs to it."""
        return {"ai2thor": VERSION}

    # Attempts.

    def _outcome(self, scene: Scene) -> _Outcome:
        if scene not in self._outcomes:
            outcome = self.player.insist(lambda: self._attempt(scene))
            self._outcomes[scene] = outcome
            if outcome.blocked is None and outcome.settled.rested:
                room, settled = scene["room"].asset, outcome.settled.scene
                self._at_rest[room] |= {(item.name, item.pose.tobytes()) for item in settled.movable}
        return self._outcomes[scene]

    def _attempt(self, scene: Scene) -> _Outcome:
        """The edits, made once more from a clean scene if the first time does not end where it should."""
        known = self._at_rest[scene["room"].asset]
        edited = [item for item in scene.movable if (item.name, item.pose.tobytes()) not in known]
        self._apply(scene, {item.name for item in edited})
        outcome = self._edit(scene, edited)
        if outcome.blocked is not None or not outcome.settled.rested:
            assert self._play is not None
            self._begin(self._play)
            self._apply(scene, {item.name for item in edited})
            outcome = self._edit(scene, edited)
        return outcome

    def _edit(self, scene: Scene, edited: Sequence[SceneObject]) -> _Outcome:
        for item in edited:
            if (blocker := self._put(scene, item)) is not None:
                refused = Contact(item.name, blocker, LIFTS[-1])
                return _Outcome(Settled(scene, False, 0.0, self._carriers(scene), (item.name,)), refused)
        event = self._rest()
        left, lost = [], []
        for item in scene.movable:
            actor = self._actor(scene, item)
            record = self._objects.get(actor.id)
            if record is None or not _within(_apart(record, *actor.unity(item)), REACHED, REACHED_RADIANS):
                lost.append(item.name)
            if record is not None:
                left.append(_read(item, actor, record))
        restless = tuple(dict.fromkeys([*lost, *self._moving(scene, event)]))
        settled = scene.with_objects(left)
        return _Outcome(Settled(settled, not restless, 0.0, self._carriers(settled), restless))

    def _put(self, scene: Scene, item: SceneObject) -> str | None:
        """Put an edited object where the scene has it, unforced; gives the name of what is in the way."""
        actor = self._actor(scene, item)
        position, rotation = actor.unity(item)
        actors = self._plays[scene["room"].asset].actors
        holder = actors[item.support].id if item.support in actors else ""
        if holder and holder not in (self._objects[actor.id]["parentReceptacles"] or []):
            # Onto another receptacle: where AI2-THOR itself says that there is room.
            spots = self._points("GetSpawnCoordinatesAboveReceptacle", objectId=holder, anywhere=True)
            foot = corners(item.box)[:, 2].min()
            near = spots[np.linalg.norm(spots[:, :2] - item.box.centre[:2], axis=1) <= REACHED]
            if not len(near):
                return item.support
            level = {**position, "y": float(near[np.argmin(np.abs(near[:, 2] - foot)), 2])}
            for _ in range(2):
                if self._do("PlaceObjectAtPoint", objectId=actor.id, position=level, rotation=rotation):
                    return None
        for lift in LIFTS:
            at = {**position, "y": position["y"] + lift}
            event = self._do("TeleportObject", objectId=actor.id, position=at, rotation=rotation)
            if event:
                return None
        message = str(event.metadata["errorMessage"])
        named = (name for name, other in actors.items() if other.id in message and other is not actor)
        return next(named, item.support or "room")

    def _carriers(self, scene: Scene) -> tuple[Contact, ...]:
        """A contact of each object with what Unity says it is on or in."""
        names = {actor.id: name for name, actor in self._plays[scene["room"].asset].actors.items()}
        found = []
        for item in scene.movable:
            record = self._objects.get(self._actor(scene, item).id)
            carrier = None if record is None else support_of(record, self._objects)
            name = "room" if carrier is not None and carrier["objectType"] == "Floor" else None
            name = name or (names.get(carrier["objectId"]) if carrier is not None else None)
            if name in scene:
                found.append(Contact(str(name), item.name, 0.0, 1.0))
        return tuple(found)

    def _moving(self, scene: Scene, event: Any) -> list[str]:
        """What still moves, and what should not have moved at all: things that count as fixed in the scene."""
        moving = {record["objectId"] for record in event.metadata["objects"] if record["isMoving"]}
        found = []
        for item in scene.objects:
            actor = self._plays[scene["room"].asset].actors.get(item.name)
            if actor is None:
                continue
            record = self._objects.get(actor.id)
            shifted = item.static and (
                record is None or not _within(_apart(record, *actor.recorded), RESTORED, RESTORED_RADIANS)
            )
            if shifted or actor.id in moving:
                found.append(item.name)
        return found

    # State.

    def _shown(self, scene: Scene) -> Scene:
        outcome = self._outcomes.get(scene)
        return scene if outcome is None or not outcome.settled.rested else outcome.settled.scene

    def _frame(self, scene: Scene) -> _Frame:
        frame = self.player.insist(lambda: self._look(self._shown(scene)))
        if frame.rgb.shape[:2] == (self._size, self._size):
            self._pictures[scene] = frame.rgb
        return frame

    def _look(self, scene: Scene) -> _Frame:
        self._apply(scene, camera=scene.camera)
        parameters = camera_parameters(scene.camera)
        for _ in range(2):
            if self._camera:
                event = self._do("UpdateThirdPartyCamera", True, thirdPartyCameraId=0, **parameters)
            else:
                event = self._do("AddThirdPartyCamera", True, **parameters)
            if event:
                break
        else:
            raise PlayerFault(f"the camera cannot be placed: {event.metadata['errorMessage']}")
        self._camera = True
        assert self._play is not None
        try:
            colours = np.asarray(event.third_party_instance_segmentation_frames[0])[..., :3].astype(np.uint32)
            rgb = np.ascontiguousarray(event.third_party_camera_frames[0][..., :3])
            depth = np.array(event.third_party_depth_frames[0], dtype=np.float32)
        except IndexError as error:
            raise PlayerFault("an answer without pictures") from error
        depth[depth >= FAR * (1 - 1e-4)] = 0.0
        keys = colours @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
        found, inverse = np.unique(keys, return_inverse=True)
        owners = {
            (int(it["color"][0]) << 16) + (int(it["color"][1]) << 8) + int(it["color"][2]): it["name"]
            for it in event.metadata["colors"]
            if it["name"] in self._play.instances
        }
        table = [self._play.instances.get(owners.get(int(key), ""), 0) for key in found]
        instances = np.array(table, dtype=np.uint16)[inverse].reshape(keys.shape)
        camera = scene.camera
        if (camera.height, camera.width) != depth.shape:
            rows = ((np.arange(camera.height) + 0.5) * depth.shape[0] / camera.height).astype(int)
            columns = ((np.arange(camera.width) + 0.5) * depth.shape[1] / camera.width).astype(int)
            pick = np.ix_(rows, columns)
            rgb, depth, instances = rgb[pick], depth[pick], instances[pick]
        return _Frame(rgb, depth, instances)

    def _apply(self, scene: Scene, skip: Collection[str] = (), camera: Camera | None = None) -> None:
        """Bring the player to a state at rest.

        Args:
            scene: the state.
            skip: names of objects whose pose does not matter yet.
            camera: if given, what is absent from the scene may stay where it cannot see it.
        """
        play = self._plays[scene["room"].asset]
        if self._play is not play or self.player.scene is not play.scene:
            self._begin(play)
        for _ in range(2):
            if self._arrange(play, scene, skip, camera):
                return
            self._begin(play)
        if not self._arrange(play, scene, skip, camera):
            raise PlayerFault(f"the state of scene {scene.name} cannot be restored")

    def _arrange(self, play: Play, scene: Scene, skip: Collection[str], camera: Camera | None) -> bool:
        """Make the player's state that of the scene, by force; gives whether it is."""
        wanted = {item.name: item for item in scene.movable}
        for name, actor in play.actors.items():
            if name in wanted and actor.id not in self._objects:
                self._do("EnableObject", objectId=actor.id)
            elif name not in scene and actor.id in self._objects and self._disturbs(actor, camera):
                self._do("DisableObject", objectId=actor.id)
        away = [item for item in wanted.values() if item.name not in skip and not self._stands(play, item, SAME)]
        for item in sorted(away, key=lambda it: float(it.position[2])):
            position, rotation = play.actors[item.name].unity(item)
            self._do(
                "TeleportObject",
                objectId=play.actors[item.name].id,
                position=position,
                rotation=rotation,
                forceAction=True,
            )
        if away:
            self._rest()
        present = all(actor.id in self._objects for name, actor in play.actors.items() if name in wanted)
        absent = all(
            name in scene or actor.id not in self._objects or not self._disturbs(actor, camera)
            for name, actor in play.actors.items()
        )
        placed = all(self._stands(play, item, RESTORED) for name, item in wanted.items() if name not in skip)
        return present and absent and placed

    def _disturbs(self, actor: Actor, camera: Camera | None) -> bool:
        """Whether an object that a scene does not have matters; all do where no camera says what is seen."""
        if not actor.movable or camera is None:
            return actor.movable
        return box2d(aligned_box(self._objects[actor.id]), camera) is not None

    def _stands(self, play: Play, item: SceneObject, metres: float) -> bool:
        actor = play.actors[item.name]
        record = self._objects.get(actor.id)
        radians = SAME_RADIANS if metres == SAME else RESTORED_RADIANS
        return record is not None and _within(_apart(record, *actor.unity(item)), metres, radians)

    def _actor(self, scene: Scene, item: SceneObject) -> Actor:
        return self._plays[scene["room"].asset].actors[item.name]

    # Actions.

    def _begin(self, play: Play) -> None:
        self._play, self._camera = None, False
        metadata = self.player.load(play.scene)
        self._objects = {record["objectId"]: record for record in metadata["objects"]}
        self._play = play

    def _do(self, action: str, pictures: bool = False, **parameters: Any) -> Any:
        event = self.player.step(action, renderImage=pictures, **parameters)
        self._objects = {record["objectId"]: record for record in event.metadata["objects"]}
        return event

    def _points(self, action: str, **parameters: Any) -> Array:
        for _ in range(2):
            event = self._do(action, **parameters)
            if event:
                break
        found = event.metadata["actionReturn"] if event else None
        return to_world(np.array([vector(point) for point in found or []]).reshape(-1, 3))

    def _rest(self) -> Any:
        """Let time pass until nothing moves, or patience ends; gives the last event."""
        before = self._objects
        for _ in range(LOOKS):
            event = self._do("Pass")
            now = self._objects
            if now.keys() == before.keys() and all(_same(now[key], before[key]) for key in now):
                break
            before = now
        return event


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


def support_of(record: dict[str, Any], objects: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The object that Unity says a thing is on or in: the smallest of its parent receptacles."""
    parents = [objects[name] for name in record["parentReceptacles"] or [] if name in objects]
    sizes = [float(np.prod(vector(parent["axisAlignedBoundingBox"]["size"]))) for parent in parents]
    return parents[int(np.argmin(sizes))] if parents else None


def _apart(record: dict[str, Any], position: Triple, rotation: Triple) -> tuple[float, float]:
    """How far an object stands from a pose: metres and radians."""
    here, there = pose_of(record), pose_of({"position": position, "rotation": rotation})
    turn = float(rotation_angle(here[:3, :3], there[:3, :3]))
    return float(np.linalg.norm(here[:3, 3] - there[:3, 3])), turn


def _within(apart: tuple[float, float], metres: float, radians: float) -> bool:
    return apart[0] <= metres and apart[1] <= radians


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    if first["position"] == second["position"] and first["rotation"] == second["rotation"]:
        return True
    return _within(_apart(first, second["position"], second["rotation"]), 10 * SAME, 10 * SAME_RADIANS)


def _read(item: SceneObject, actor: Actor, record: dict[str, Any]) -> SceneObject:
    """The object as Unity has it; what stands where it was asked to is the same, to the last bit."""
    if _within(_apart(record, *actor.unity(item)), SAME, SAME_RADIANS):
        return item
    pose = pose_of(record) @ actor.offset
    return replace(item, position=pose[:3, 3], rotation=pose[:3, :3])
