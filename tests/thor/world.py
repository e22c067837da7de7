"""What is in a scene, where it is, and how Unity would report it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.thor.boxes import ALIGNED, Array, box, frame, triple, turn, vector
from tests.thor.shapes import Record, own_box, solids


# Height of walls without a recorded ceiling, and how much wider than what is in it a room is, metres.
_HEIGHT = 2.5
_MARGIN = 0.1
_THICK = 0.1


@dataclass(eq=False)
class Thing:
    """One object.

    Attributes:
        record: what Unity reports, with the pose and the boxes of the beginning.
        position: (3,) metres.
        rotation: (3,) Euler degrees.
        parts: solid boxes in the frame of the pose.
        kinematic: not moved by physics.
        enabled: in the scene.
    """

    record: Record
    position: Array
    rotation: Array
    parts: list[Array]
    kinematic: bool = False
    enabled: bool = True
    _placed: tuple[Array, Array, list[Array]] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, record: Record, parts: Sequence[Array]) -> Thing:
        position, rotation = vector(record["position"]), vector(record["rotation"])
        local = [(part - position) @ turn(rotation) for part in parts]
        return cls(copy.deepcopy(record), position, rotation, local, kinematic=False)

    @property
    def id(self) -> str:
        return str(self.record["objectId"])

    @property
    def loose(self) -> bool:
        """Whether it can be moved at all."""
        return bool(self.record["pickupable"] or self.record["moveable"])

    def solids(self) -> list[Array]:
        """Solid boxes in the world. Poses are replaced, never changed in place, so that identity tells an old one."""
        if self._placed is None or self._placed[0] is not self.position or self._placed[1] is not self.rotation:
            matrix = turn(self.rotation).T
            solids = [part @ matrix + self.position for part in self.parts]
            self._placed = self.position, self.rotation, solids
        return self._placed[2]

    def bottom(self) -> float:
        return min(float(part[:, 1].min()) for part in self.solids())

    def oriented(self) -> Array | None:
        """(8, 3) oriented box in the world, in Unity's order; None where Unity gives none."""
        recorded = self.record["objectOrientedBoundingBox"]
        return None if recorded is None else self._carried(np.array(recorded["cornerPoints"], dtype=float))

    def aligned(self) -> tuple[Array, Array]:
        """Lower and upper corner (3,) of the axis-aligned box in the world.

        Unity's is that of the meshes, which only its recorded rotation tells; at others it is that of the box.
        """
        if np.allclose(turn(self.rotation), turn(vector(self.record["rotation"])), atol=1e-6):
            found = self.record["axisAlignedBoundingBox"]
            centre = vector(found["center"]) - vector(self.record["position"]) + self.position
            half = vector(found["size"]) / 2
            return centre - half, centre + half
        corners = self._carried(own_box(self.record))
        return corners.min(axis=0), corners.max(axis=0)

    def _carried(self, corners: Array) -> Array:
        """Recorded points carried from the recorded pose to the present one."""
        local = (corners - vector(self.record["position"])) @ turn(vector(self.record["rotation"]))
        return local @ turn(self.rotation).T + self.position

    def metadata(self, viewer: Array, visible: bool) -> Record:
        """The entry of `metadata.objects`."""
        entry = dict(self.record)
        low, high = self.aligned()
        centre, half = (low + high) / 2, (high - low) / 2
        oriented = self.oriented()
        entry.update(
            position=triple(self.position),
            rotation=triple(self.rotation),
            axisAlignedBoundingBox={
                "cornerPoints": (centre + ALIGNED * half).tolist(),
                "center": triple(centre),
                "size": triple(2 * half),
            },
            objectOrientedBoundingBox=None if oriented is None else {"cornerPoints": oriented.tolist()},
            distance=float(np.linalg.norm(self.position - viewer)),
            visible=visible,
            isInteractable=visible,
            isMoving=False,
        )
        return entry


@dataclass(frozen=True, eq=False)
class Wall:
    """A flat piece of the structure: floor, wall or ceiling.

    Attributes:
        id: as among the instance colours.
        corners: (4, 3) in order round the piece.
        inwards: (3,) unit normal on the side that is drawn; Unity's walls are open from behind.
    """

    id: str
    corners: Array
    inwards: Array

    def solid(self) -> Array:
        """(8, 3) box behind the face."""
        points = np.concatenate([self.corners, self.corners - _THICK * self.inwards])
        return box(points.min(axis=0), points.max(axis=0))


@dataclass(eq=False)
class World:
    """One scene.

    Attributes:
        name: as in `metadata.sceneName`.
        things: all objects, disabled ones too.
        walls: the structure.
        low, high: (3,) corners of the room.
        start: (3,) position of the agent.
        heading: its yaw, degrees.
        pairs: ids of what may share space.
    """

    name: str
    things: list[Thing] = field(default_factory=list)
    walls: list[Wall] = field(default_factory=list)
    low: Array = field(default_factory=lambda: np.array([-2.5, 0.0, -2.5]))
    high: Array = field(default_factory=lambda: np.array([2.5, _HEIGHT, 2.5]))
    start: Array = field(default_factory=lambda: np.array([0.0, 0.901, 0.0]))
    heading: float = 0.0
    pairs: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def empty(cls, name: str) -> World:
        """A bare room, as it is before a house is built."""
        world = cls(name)
        world.walls = room(world.low, world.high)
        return world

    @classmethod
    def recorded(cls, name: str, scene: dict[str, Any]) -> World:
        """The world of a recorded scene."""
        records = scene["objects"]
        things = [Thing.of(record, parts) for record, parts in zip(records, solids(records), strict=True)]
        corners = np.array([corner for thing in things for corner in thing.aligned()])
        low, high = corners.min(axis=0) - _MARGIN, corners.max(axis=0) + _MARGIN
        # Under a recorded floor lies another, out of its plane, as wide as the room.
        floored = any(thing.record["objectType"] == "Floor" for thing in things)
        low[1], high[1] = -0.003 if floored else 0.0, max(_HEIGHT, high[1])
        world = cls(name, things, [], low, high, vector(scene["agent"]["position"]), scene["agent"]["rotation"])
        world.walls = room(low, high)
        return world

    def present(self) -> list[Thing]:
        return [thing for thing in self.things if thing.enabled]

    def find(self, object_id: str) -> Thing | None:
        return next((thing for thing in self.present() if thing.id == object_id), None)

    def entangled(self, one: Thing | Wall, other: Thing | Wall) -> bool:
        return (one.id, other.id) in self.pairs or (other.id, one.id) in self.pairs

    def bounds(self) -> dict[str, Any]:
        """`metadata.sceneBounds`."""
        centre, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        corners = (centre + ALIGNED * half).tolist()
        return {"cornerPoints": corners, "center": triple(centre), "size": triple(2 * half)}


def room(low: Array, high: Array) -> list[Wall]:
    """Walls, ceiling and floor of a box, seen from inside."""
    sides = [("Floor", 1, 0), ("Ceiling", 1, 1), ("Wall", 0, 0), ("Wall", 0, 1), ("Wall", 2, 0), ("Wall", 2, 1)]
    walls = []
    for kind, axis, side in sides:
        centre, axes, half = frame(box(low, high))
        outwards = axes[axis] * (1 if side else -1)
        across, up = (axes[k] * half[k] for k in range(3) if k != axis)
        middle = centre + outwards * half[axis]
        corners = np.array([middle - across - up, middle + across - up, middle + across + up, middle - across + up])
        piece = f"{kind}|{middle[0]:+06.2f}|{middle[1]:+06.2f}|{middle[2]:+06.2f}"
        walls.append(Wall(piece, corners, -outwards))
    return walls
