"""The one state that an AI2-THOR player holds: put to that of a scene by what differs, looked at, and read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import box2d, rotation_angle
from gsi_datasets.scene import Array, Camera, Scene, SceneObject
from gsi_datasets.simulators.thor_frames import (
    Triple,
    aligned_box,
    camera_parameters,
    pose_of,
    to_world,
    unity_pose,
    vector,
)
from gsi_datasets.simulators.thor_player import PlayerFault, ThorPlayer, ThorScene


Record = dict[str, Any]
SAME, SAME_RADIANS = 1e-5, np.radians(1e-3)
"""Poses that differ by less are one pose in Unity's single precision, metres."""
RESTORED, RESTORED_RADIANS = 1e-3, np.radians(0.5)
"""A restored object that stands no farther off is restored, metres."""
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
class Frame:
    """What a camera sees.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB.
        depth: (H, W) float32, metres along the optical axis; 0 where nothing is.
        instances: (H, W) uint16; 0 for background.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    instances: NDArray[np.uint16]


class Stage:
    """The state of a player.

    Args:
        player: what plays.

    Attributes:
        play: what is played.
        objects: Unity's metadata by ``objectId``, as of the last action.
    """

    def __init__(self, player: ThorPlayer) -> None:
        self.player = player
        self.play: Play | None = None
        self.objects: dict[str, Record] = {}
        self._camera = False

    def enter(self, play: Play) -> None:
        """Begin a play from its recorded state."""
        self.play, self._camera = None, False
        self._take(self.player.load(play.scene))
        self.play = play

    def do(self, action: str, pictures: bool = False, **parameters: Any) -> Any:
        """Do an action and read what became of the objects; gives the event, false if the action failed."""
        event = self.player.step(action, renderImage=pictures, **parameters)
        self._take(event.metadata)
        return event

    def points(self, action: str, **parameters: Any) -> Array:
        """(N, 3) the points in the world that a question is answered by."""
        for _ in range(2):
            if event := self.do(action, **parameters):
                break
        found = event.metadata["actionReturn"] if event else None
        return to_world(np.array([vector(point) for point in found or []]).reshape(-1, 3))

    def rest(self) -> Any:
        """Let time pass until nothing moves, or patience ends; gives the last event."""
        before = self.objects
        for _ in range(LOOKS):
            event = self.do("Pass")
            now = self.objects
            if now.keys() == before.keys() and all(_unmoved(now[key], before[key]) for key in now):
                break
            before = now
        return event

    def show(
        self,
        play: Play,
        scene: Scene,
        skip: Collection[str] = (),
        camera: Camera | None = None,
        *,
        strict: bool = True,
    ) -> None:
        """Bring the player to a state at rest.

        Args:
            play: what the scene is a state of.
            scene: the state.
            skip: names of objects whose pose does not matter yet.
            camera: if given, what is absent from the scene may stay where it cannot see it.
            strict: whether it is a fault of the player if it does not get there: the state is known to be at rest.
        """
        if self.play is not play or self.player.scene is not play.scene:
            self.enter(play)
        for _ in range(2):
            if self._arrange(play, scene, skip, camera):
                return
            self.enter(play)
        if not self._arrange(play, scene, skip, camera) and strict:
            raise PlayerFault(f"the state of scene {scene.name} cannot be restored")

    def look(self, camera: Camera) -> Frame:
        """What a camera sees of the present state.

        One of another resolution than the player's gets every so many pixels of a whole picture.
        """
        parameters = camera_parameters(camera)
        for _ in range(2):
            if self._camera:
                event = self.do("UpdateThirdPartyCamera", True, thirdPartyCameraId=0, **parameters)
            else:
                event = self.do("AddThirdPartyCamera", True, **parameters)
            if event:
                break
        else:
            raise PlayerFault(f"the camera cannot be placed: {event.metadata['errorMessage']}")
        self._camera = True
        try:
            # CloudRendering sends a fourth channel.
            colours = np.asarray(event.third_party_instance_segmentation_frames[0])[..., :3]
            rgb = np.ascontiguousarray(event.third_party_camera_frames[0][..., :3])
            depth = np.array(event.third_party_depth_frames[0], dtype=np.float32)
        except IndexError as error:
            raise PlayerFault("an answer without pictures") from error
        depth[depth >= FAR * (1 - 1e-4)] = 0.0
        instances = self._instances(colours, event.metadata["colors"])
        if (camera.height, camera.width) != depth.shape:
            rows = ((np.arange(camera.height) + 0.5) * depth.shape[0] / camera.height).astype(int)
            columns = ((np.arange(camera.width) + 0.5) * depth.shape[1] / camera.width).astype(int)
            pick = np.ix_(rows, columns)
            rgb, depth, instances = rgb[pick], depth[pick], instances[pick]
        return Frame(rgb, depth, instances)

    def stands(self, actor: Actor, item: SceneObject, metres: float, radians: float) -> bool:
        """Whether an object is there and no farther off than so much from where a state of the scene has it."""
        record = self.objects.get(actor.id)
        return record is not None and near(record, *actor.unity(item), metres, radians)

    def _take(self, metadata: Record) -> None:
        self.objects = {record["objectId"]: record for record in metadata["objects"]}

    def _instances(self, colours: NDArray[np.uint8], table: list[Record]) -> NDArray[np.uint16]:
        """(H, W) instances of a picture (H, W, 3) of instance colours."""
        assert self.play is not None
        places = np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
        known = {
            int(np.asarray(entry["color"][:3], dtype=np.uint32) @ places): self.play.instances[entry["name"]]
            for entry in table
            if entry["name"] in self.play.instances
        }
        keys = colours.astype(np.uint32) @ places
        found, inverse = np.unique(keys, return_inverse=True)
        return np.array([known.get(int(key), 0) for key in found], dtype=np.uint16)[inverse].reshape(keys.shape)

    def _arrange(self, play: Play, scene: Scene, skip: Collection[str], camera: Camera | None) -> bool:
        """Make the player's state that of the scene, by force; gives whether it is."""
        wanted = {item.name: item for item in scene.movable}
        for name, actor in play.actors.items():
            if name in wanted and actor.id not in self.objects:
                self.do("EnableObject", objectId=actor.id)
            elif self._intrudes(name, actor, scene, camera):
                self.do("DisableObject", objectId=actor.id)
        kept = {name: item for name, item in wanted.items() if name not in skip}
        away = [it for name, it in kept.items() if not self.stands(play.actors[name], it, SAME, SAME_RADIANS)]
        for item in sorted(away, key=lambda it: float(it.position[2])):
            actor = play.actors[item.name]
            position, rotation = actor.unity(item)
            self.do("TeleportObject", objectId=actor.id, position=position, rotation=rotation, forceAction=True)
        if away:
            self.rest()
        return (
            all(play.actors[name].id in self.objects for name in wanted)
            and not any(self._intrudes(name, actor, scene, camera) for name, actor in play.actors.items())
            and all(self.stands(play.actors[name], it, RESTORED, RESTORED_RADIANS) for name, it in kept.items())
        )

    def _intrudes(self, name: str, actor: Actor, scene: Scene, camera: Camera | None) -> bool:
        """Whether an object is there that the scene does not have, where it matters."""
        if name in scene or not actor.movable or actor.id not in self.objects:
            return False
        return camera is None or box2d(aligned_box(self.objects[actor.id]), camera) is not None


def near(record: Record, position: Triple, rotation: Triple, metres: float, radians: float) -> bool:
    """Whether an object stands no farther than so much from a pose."""
    if record["position"] == position and record["rotation"] == rotation:
        return True
    here, there = pose_of(record), pose_of({"position": position, "rotation": rotation})
    turn = float(rotation_angle(here[:3, :3], there[:3, :3]))
    return bool(np.linalg.norm(here[:3, 3] - there[:3, 3]) <= metres and turn <= radians)


def support_of(record: Record, objects: dict[str, Record]) -> Record | None:
    """The object that Unity says a thing is on or in: the smallest of its parent receptacles."""
    parents = [objects[name] for name in record["parentReceptacles"] or [] if name in objects]
    sizes = [float(np.prod(vector(parent["axisAlignedBoundingBox"]["size"]))) for parent in parents]
    return parents[int(np.argmin(sizes))] if parents else None


def _unmoved(now: Record, before: Record) -> bool:
    return near(now, before["position"], before["rotation"], 10 * SAME, 10 * SAME_RADIANS)
