"""What is done to objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.thor import physics
from tests.thor.boxes import up, vector
from tests.thor.state import ActionError, Point, State
from tests.thor.world import Thing


class ObjectActions:
    """Teleports, poses, removal, and the physics that follows."""

    def __init__(self, state: State) -> None:
        self._state = state

    def teleport_object(
        self,
        objectId: str,
        position: Point,
        rotation: Point,
        forceAction: bool = False,
        forceKinematic: bool = False,
        allowTeleportOutOfHand: bool = False,
        makeUnbreakable: bool = False,
    ) -> None:
        thing = self._state.thing(objectId)
        before = thing.position, thing.rotation
        riders = physics.carried(self._state.world, thing)
        thing.position, thing.rotation = vector(position), np.array([float(rotation.get(axis, 0.0)) for axis in "xyz"])
        touched = None if forceAction else physics.blocker(self._state.world, thing)
        if touched is not None:
            thing.position, thing.rotation = before
            raise ActionError(f"{objectId} is colliding with {touched.id} after teleport.")
        thing.kinematic = forceKinematic or thing.kinematic
        self._state.rest(thing, riders)

    def place_object_at_point(
        self, objectId: str, position: Point, rotation: Point | None = None, forceKinematic: bool = False
    ) -> None:
        thing, point = self._state.thing(objectId), vector(position)
        if (point < self._state.world.low - 0.01).any() or (point > self._state.world.high).any():
            raise ActionError(
                f"Position coordinate ({', '.join(f'{v:.1f}' for v in point)}) is not within scene bounds"
            )
        before = thing.position, thing.rotation
        riders = physics.carried(self._state.world, thing)
        if rotation is not None:
            thing.rotation = vector(rotation)
        below = physics.Surfaces(self._state.world, thing).under(point[0], point[2], point[1] + 0.01)
        level = point[1] if below is None else below[0]
        thing.position = np.array([point[0], thing.position[1], point[2]])
        thing.position = thing.position + up(level - thing.bottom())
        touched = physics.blocker(self._state.world, thing)
        if touched is not None:
            thing.position, thing.rotation = before
            raise ActionError(f"spawn area not clear ({touched.id}), can't place object at that point")
        thing.kinematic = forceKinematic
        self._state.rest(thing, riders)

    def set_object_poses(self, objectPoses: list[dict[str, Any]], placeStationary: bool = True) -> None:
        if not objectPoses:
            return
        by_name = {thing.record["name"]: thing for thing in self._state.world.present() if thing.loose}
        before = {thing.id: (thing.position, thing.rotation) for thing in by_name.values()}
        failure = None
        for thing in by_name.values():
            thing.enabled = False
        placed = []
        for number, pose in enumerate(objectPoses):
            found = by_name.get(pose["objectName"])
            if found is None:
                failure = f"No Pickupable or Moveable object of name {pose['objectName']} found in scene."
                continue
            thing = self._copy(found, number) if found.enabled else found
            thing.position, thing.rotation = vector(pose["position"]), vector(pose["rotation"])
            thing.enabled, thing.kinematic = True, placeStationary
            placed.append(thing)
        for thing in sorted(placed, key=Thing.bottom):
            unmoved = thing.id in before and np.allclose([thing.position, thing.rotation], before[thing.id], atol=1e-4)
            if not (unmoved and placeStationary):
                self._state.rest(thing, [])
        for thing in by_name.values():
            if not thing.enabled:
                physics.relate(self._state.world, thing)
        if failure is not None:
            raise ActionError(failure)

    def _copy(self, thing: Thing, number: int) -> Thing:
        record = {
            **thing.record,
            "name": f"{thing.record['name']}_copy_{number}",
            "objectId": f"{thing.id}_copy_{number}",
        }
        copied = Thing(record, thing.position, thing.rotation, thing.parts)
        self._state.world.things.append(copied)
        return copied

    def disable_object(self, objectId: str) -> None:
        thing = self._state.thing(objectId)
        riders = physics.carried(self._state.world, thing)
        thing.enabled = False
        self._state.rest(thing, riders)

    def enable_object(self, objectId: str) -> None:
        thing = next((item for item in self._state.world.things if item.id == objectId), None)
        if thing is None:
            raise ActionError(f"objectId: {objectId} is not the objectId on any object in the scene!")
        thing.enabled = True
        physics.relate(self._state.world, thing)

    def remove_from_scene(self, objectId: str) -> None:
        thing = self._state.thing(objectId)
        riders = physics.carried(self._state.world, thing)
        thing.enabled = False
        self._state.rest(thing, riders)
        self._state.world.things.remove(thing)

    def pause_physics_auto_sim(self) -> None:
        self._state.paused = True

    def unpause_physics_auto_sim(self) -> None:
        self._state.paused = False
        self._state.settle()

    def advance_physics_step(
        self, timeStep: float = 0.02, simSeconds: float | None = None, allowAutoSimulation: bool = False
    ) -> None:
        if not self._state.paused and not allowAutoSimulation:
            raise ActionError(
                "AdvancePhysicsStep can only be called if Physics AutoSimulation is currently paused"
                " or if you have passed allowAutoSimulation=true!"
            )
        self._state.settle()
