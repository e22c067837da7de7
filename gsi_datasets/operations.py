"""The operations: from a scene at rest to candidate edits with an exact Φ3D and ideal destination.

A candidate says which object, what happens to it, where it must end up and what will be said. Proposing is cheap:
whether there is room, whether it can be seen and whether physics agrees is for `checks` and the simulator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets, camera_control, referring
from gsi_datasets.geometry import camera_axes, invert_rigid, rotation_z
from gsi_datasets.instructions import UNITS
from gsi_datasets.placing import SPOTS, Place, named_place, place_of, root, surface
from gsi_datasets.referring import Described, Expression
from gsi_datasets.scene import Scene, SceneObject
from gsi_datasets.spec import Edits


# A turn this close to a symmetry of the object cannot be told from no turn.
SMALLEST_VISIBLE_TURN = np.radians(20)


@dataclass(frozen=True, eq=False)
class Sight:
    """A scene as its camera sees it.

    Attributes:
        scene: at rest; supports set.
        meant: every object that an instruction can mean.
        targets: names of movable objects that are seen well, in the order in which to try them.
        anchors: names of all objects that are seen well enough to be referred to.
    """

    scene: Scene
    meant: tuple[Described, ...]
    targets: tuple[str, ...]
    anchors: frozenset[str]

    @classmethod
    def of(cls, scene: Scene, names: Iterable[str] | None = None) -> Sight:
        """Of a scene of which everything is seen; `names` are the objects to try, all movable ones if None."""
        chosen = tuple(names) if names is not None else tuple(item.name for item in scene.movable)
        anchors = frozenset(item.name for item in scene.objects if item.instance > 0)
        return cls(scene, tuple(referring.describe(scene)), chosen, anchors)


@dataclass(frozen=True, eq=False)
class Candidate:
    """T = <R, A, Φ3D> with its ideal destination.

    Attributes:
        operation: the action A.
        target: name of the object R that is edited; empty for PC.
        reference: name of the object the instruction refers to; None if none.
        parameters: the numbers in the instruction, JSON-able; lengths in the unit named there.
        target_expression: how the target is named; None for PC.
        reference_expression: how the reference is named.
        after: the ideal scene after the edit.
    """

    operation: str
    target: str
    reference: str | None
    parameters: dict[str, Any]
    target_expression: Expression | None
    reference_expression: Expression | None
    after: Scene

    @property
    def moves_camera(self) -> bool:
        """Whether the camera moves, and no object."""
        return self.operation == "PC"

    @property
    def removes(self) -> bool:
        """Whether the target is gone afterwards."""
        return not self.moves_camera and self.target not in self.after

    @property
    def subject(self) -> str:
        """What two candidates that are too much alike have in common: the target, or the kind of camera motion."""
        return str(self.parameters["motion"]) if self.moves_camera else self.target

    def transform(self, before: Scene) -> NDArray[np.float64] | None:
        """(4, 4) Φ3D, world: the similarity that carries the target's source points to their destination.

        None for SR; for PC the rigid motion that carries the camera.
        """
        if self.removes:
            return None
        if self.moves_camera:
            return invert_rigid(self.after.camera.extrinsics) @ before.camera.extrinsics
        return self.after[self.target].pose @ np.linalg.inv(before[self.target].pose)


Proposer = Callable[[Sight, SceneObject, Edits, np.random.Generator], Candidate | None]


def propose(sight: Sight, operation: str, edits: Edits, rng: np.random.Generator, tries: int = 24) -> list[Candidate]:
    """Candidates of one operation, at most `tries`: one for each target, then a second one for each, and so on.

    Args:
        sight: the scene and what is seen of it.
        operation: one of the seven actions.
        edits: how far operations go.
        rng: the only source of chance.
        tries: how many to draw.
    """
    if operation == "PC":
        return [perspective_control(sight, edits, rng) for _ in range(tries)]
    proposer = PROPOSERS[operation]
    targets = [sight.scene[name] for name in sight.targets if not sight.scene.resting_on(name)]
    candidates = []
    for target in itertools.islice(itertools.cycle(targets), tries):
        candidate = proposer(sight, target, edits, rng)
        if candidate is not None and (candidate.reference is None or candidate.reference in sight.anchors):
            candidates.append(candidate)
    return candidates


def _name(sight: Sight, name: str, rng: np.random.Generator) -> Expression | None:
    options = referring.expressions(sight.scene, name, sight.meant)
    return options[rng.integers(len(options))] if options else None


def _distance(bounds_cm: tuple[float, float], edits: Edits, rng: np.random.Generator) -> tuple[float, str, float]:
    """A round distance: its value, its unit, and the same in metres."""
    unit = str(rng.choice(edits.units))
    metres, _, _, step = UNITS[unit]
    low, high = (bound * 0.01 / (metres * step) for bound in bounds_cm)
    value = step * float(rng.integers(int(np.ceil(low - 1e-9)), int(np.floor(high + 1e-9)) + 1))
    return value, unit, value * metres


def _moved(scene: Scene, target: SceneObject, **changes: Any) -> Scene:
    return scene.with_objects([replace(target, **changes)])


def camera_move(sight: Sight, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """CM: slide on the support along the camera's right or forward axis, projected to the ground."""
    scene = sight.scene
    place = place_of(scene, target)
    if place is None or not place.owner.static:
        return None
    expression = _name(sight, target.name, rng)
    if expression is None:
        return None
    value, unit, metres = _distance(edits.floor_move_cm if place.on_floor else edits.move_cm, edits, rng)
    direction = str(rng.choice(["left", "right", "forward", "back"]))
    right, forward, _ = camera_axes(scene.camera.extrinsics)
    step = {"left": -right, "right": right, "forward": forward, "back": -forward}[direction]
    after = _moved(scene, target, position=target.position + metres * step)
    parameters = {"direction": direction, "distance": value, "unit": unit, "metres": metres, "frame": "source camera"}
    return Candidate("CM", target.name, None, parameters | surface(place), expression, None, after)


def object_place(sight: Sight, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """OP: stand at a centre-to-centre distance to one side of a reference object, sides as the camera sees them."""
    scene = sight.scene
    ground = root(scene, target)
    anchors = [
        (item, place)
        for item in scene.objects
        if item.name in sight.anchors and item.support == ground.name and item.category != target.category
        if item.name != target.name and (place := place_of(scene, item)) is not None
        if target.support != ground.name or _same(place, place_of(scene, target))
    ]
    if not anchors:
        return None
    anchor, place = anchors[rng.integers(len(anchors))]
    expression, anchor_expression = _name(sight, target.name, rng), _name(sight, anchor.name, rng)
    if expression is None or anchor_expression is None:
        return None
    value, unit, metres = _distance(edits.floor_place_cm if place.on_floor else edits.place_cm, edits, rng)
    side_name = str(rng.choice(["left", "right", "front", "behind"]))
    right, forward, _ = camera_axes(scene.camera.extrinsics)
    side = {"left": -right, "right": right, "front": -forward, "behind": forward}[side_name]
    # Box centres are what the instruction measures between; only their ground positions matter here.
    shift = anchor.box.centre + metres * side - target.box.centre
    position = target.position + np.array([shift[0], shift[1], 0.0])
    if target.support != ground.name:
        position[2] = place.centre[2]
    after = _moved(scene, target, position=position, support=ground.name)
    parameters = {"place": side_name, "distance": value, "unit": unit, "metres": metres, "frame": "source camera"}
    parameters |= surface(place)
    return Candidate("OP", target.name, anchor.name, parameters, expression, anchor_expression, after)


def _same(first: Place, second: Place | None) -> bool:
    return second is not None and first.owner is second.owner and first.receptacle == second.receptacle


def object_rotation(sight: Sight, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """OR: turn about the vertical through the box centre; only turns that change how the object looks."""
    order = assets.info(target.asset).symmetry
    if order == 0:
        return None
    options = [angle for angle in edits.rotate_degrees if _visible_turn(np.radians(angle), order)]
    expression = _name(sight, target.name, rng)
    if expression is None or not options:
        return None
    degrees = float(options[rng.integers(len(options))])
    turn = rotation_z(np.radians(degrees))
    # Turn about the box centre: for a box that leans a little, that is not the asset's origin.
    centre = target.box.centre
    position = centre + turn @ (target.position - centre)
    after = _moved(sight.scene, target, position=position, rotation=turn @ target.rotation)
    parameters = {"degrees": degrees, "sense": "positive is counterclockwise seen from above"}
    return Candidate("OR", target.name, None, parameters, expression, None, after)


def _visible_turn(angle: float, order: int) -> bool:
    period = 2 * np.pi / order
    return min(angle % period, period - angle % period) >= SMALLEST_VISIBLE_TURN


def object_scale(sight: Sight, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """OS: uniform scale about the point where it stands, so that it neither floats nor sinks."""
    expression = _name(sight, target.name, rng)
    if expression is None:
        return None
    factor = float(edits.scale_factors[rng.integers(len(edits.scale_factors))])
    after = _moved(sight.scene, target, scale=target.scale * factor)
    return Candidate("OS", target.name, None, {"factor": factor, "anchor": "base"}, expression, None, after)


def spatial_removal(sight: Sight, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """SR: remove the one object a spatial criterion picks."""
    options = referring.spatial_expressions(sight.scene, target.name, sight.meant)
    place = place_of(sight.scene, target)
    if not options or place is None:
        return None
    expression = options[rng.integers(len(options))]
    return Candidate("SR", target.name, None, surface(place), expression, None, sight.scene.without(target.name))


def receptacle_place(sight: Sight, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """RP: into or onto a container or a piece of furniture, at its middle or at one of its ends for the camera."""
    scene = sight.scene
    if assets.info(target.asset).kind == "furniture":
        return None
    containers = [
        item
        for item in scene.objects
        if item.name in sight.anchors
        and item.name not in (target.name, target.support)
        and named_place(item) is not None
        and (item.static or not scene.resting_on(item.name))
    ]
    if not containers:
        return None
    container = containers[rng.integers(len(containers))]
    place = named_place(container)
    assert place is not None
    relation = place.receptacle.relation
    expression, container_expression = _name(sight, target.name, rng), _name(sight, container.name, rng)
    if expression is None or container_expression is None:
        return None
    # The foot must stand on the flat floor whichever way it is turned; onto a plate it may reach a little over.
    foot = 0.5 * float(np.hypot(*(target.scale * target.local_size[:2])))
    if target.scale * target.local_size[2] > place.receptacle.headroom * container.scale - 0.01:
        return None
    spots = [(which, place.spot(which, scene.camera.extrinsics, foot)) for which in SPOTS]
    if relation == "on" and spots[0][1] is None and foot <= 1.15 * float(place.half.min()):
        spots[0] = ("centre", place.centre)
    options = [(which, at) for which, at in spots if at is not None]
    if not options:
        return None
    which, floor = options[rng.integers(len(options))]
    offset = target.box.centre - target.position
    position = np.array([floor[0] - offset[0], floor[1] - offset[1], floor[2]])
    after = _moved(scene, target, position=position, support=container.name)
    parameters = {"relation": relation, "spot": which, "frame": "source camera"}
    return Candidate("RP", target.name, container.name, parameters, expression, container_expression, after)


def perspective_control(sight: Sight, edits: Edits, rng: np.random.Generator) -> Candidate:
    """PC: move or turn the camera; no object is named."""
    motion = camera_control.draw(edits.camera_move_cm, edits.camera_turn_degrees, rng)
    after = replace(sight.scene, camera=camera_control.moved(sight.scene.camera, motion))
    return Candidate("PC", "", None, motion.parameters(), None, None, after)


PROPOSERS: dict[str, Proposer] = {
    "CM": camera_move,
    "OP": object_place,
    "OR": object_rotation,
    "OS": object_scale,
    "SR": spatial_removal,
    "RP": receptacle_place,
}
