"""The operations: from a scene at rest to candidate edits with an exact Φ3D and ideal destination.

A candidate says which object, what happens to it, where it must end up and what will be said. Proposing is cheap:
whether there is room, whether it can be seen and whether physics agrees is for `checks` and the simulator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets, referring
from gsi_datasets.geometry import camera_axes, rotation_z
from gsi_datasets.instructions import UNITS
from gsi_datasets.referring import Expression
from gsi_datasets.scene import Scene, SceneObject
from gsi_datasets.spec import Edits


# A turn this close to a symmetry of the object cannot be told from no turn.
SMALLEST_VISIBLE_TURN = np.radians(20)


@dataclass(frozen=True, eq=False)
class Candidate:
    """T = <R, A, Φ3D> with its ideal destination.

    Attributes:
        operation: the action A.
        target: name of the object R that is edited.
        reference: name of the object the instruction refers to; None if none.
        parameters: the numbers in the instruction, JSON-able; lengths in the unit named there.
        target_expression: how the target is named.
        reference_expression: how the reference is named.
        after: the ideal scene after the edit.
    """

    operation: str
    target: str
    reference: str | None
    parameters: dict[str, Any]
    target_expression: Expression
    reference_expression: Expression | None
    after: Scene

    @property
    def removes(self) -> bool:
        """Whether the target is gone afterwards."""
        return self.target not in self.after

    def transform(self, before: Scene) -> NDArray[np.float64] | None:
        """(4, 4) similarity Φ3D that carries the target's source points to their destination, world; None for SR."""
        if self.removes:
            return None
        return self.after[self.target].pose @ np.linalg.inv(before[self.target].pose)


Proposer = Callable[[Scene, SceneObject, Edits, np.random.Generator], Candidate | None]


def propose(
    scene: Scene,
    operation: str,
    edits: Edits,
    rng: np.random.Generator,
    tries: int = 24,
    among: Sequence[str] | None = None,
) -> list[Candidate]:
    """Candidates of one operation, at most `tries`: one for each target, then a second one for each, and so on.

    Args:
        scene: at rest; supports set.
        operation: CM, OP, OR, OS, SR or RP.
        edits: how far operations go.
        rng: the only source of chance.
        tries: how many to draw.
        among: names of the objects that may be targets or references, in the order in which to try them; all movable
            ones in random order if None.
    """
    proposer = PROPOSERS[operation]
    if among is None:
        among = [str(name) for name in rng.permutation([item.name for item in scene.movable])]
    targets = [scene[name] for name in among if not scene.resting_on(name)]
    candidates = []
    for target in itertools.islice(itertools.cycle(targets), tries):
        candidate = proposer(scene, target, edits, rng)
        if candidate is not None and (candidate.reference is None or candidate.reference in among):
            candidates.append(candidate)
    return candidates


def _name(scene: Scene, name: str, rng: np.random.Generator) -> Expression | None:
    options = referring.expressions(scene, name)
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


def camera_move(scene: Scene, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """CM: slide on the support along the camera's right or forward axis, projected to the ground."""
    support = target.support
    if support is None or not scene[support].static:
        return None
    expression = _name(scene, target.name, rng)
    if expression is None:
        return None
    value, unit, metres = _distance(edits.move_cm, edits, rng)
    direction = str(rng.choice(["left", "right", "forward", "back"]))
    right, forward, _ = camera_axes(scene.camera.extrinsics)
    step = {"left": -right, "right": right, "forward": forward, "back": -forward}[direction]
    after = _moved(scene, target, position=target.position + metres * step)
    parameters = {"direction": direction, "distance": value, "unit": unit, "metres": metres, "frame": "source camera"}
    return Candidate("CM", target.name, None, parameters, expression, None, after)


def object_place(scene: Scene, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """OP: stand at a centre-to-centre distance to one side of a reference object, sides as the camera sees them."""
    table = _table(scene, target)
    anchors = [
        item
        for item in scene.movable
        if item.name != target.name and item.support == table.name and item.category != target.category
    ]
    if not anchors:
        return None
    anchor = anchors[rng.integers(len(anchors))]
    expression, anchor_expression = _name(scene, target.name, rng), _name(scene, anchor.name, rng)
    if expression is None or anchor_expression is None:
        return None
    value, unit, metres = _distance(edits.place_cm, edits, rng)
    place = str(rng.choice(["left", "right", "front", "behind"]))
    right, forward, _ = camera_axes(scene.camera.extrinsics)
    side = {"left": -right, "right": right, "front": -forward, "behind": forward}[place]
    # Box centres are what the instruction measures between; only their ground positions matter here.
    shift = anchor.box.centre + metres * side - target.box.centre
    position = target.position + np.array([shift[0], shift[1], 0.0])
    if target.support != table.name:
        position[2] = _surface_height(table)
    after = _moved(scene, target, position=position, support=table.name)
    parameters = {"place": place, "distance": value, "unit": unit, "metres": metres, "frame": "source camera"}
    return Candidate("OP", target.name, anchor.name, parameters, expression, anchor_expression, after)


def object_rotation(scene: Scene, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """OR: turn about the vertical through the box centre; only turns that change how the object looks."""
    order = assets.info(target.asset).symmetry
    if order == 0:
        return None
    options = [angle for angle in edits.rotate_degrees if _visible_turn(np.radians(angle), order)]
    expression = _name(scene, target.name, rng)
    if expression is None or not options:
        return None
    degrees = float(options[rng.integers(len(options))])
    turn = rotation_z(np.radians(degrees))
    # Turn about the box centre: for a box that leans a little, that is not the asset's origin.
    centre = target.box.centre
    position = centre + turn @ (target.position - centre)
    after = _moved(scene, target, position=position, rotation=turn @ target.rotation)
    parameters = {"degrees": degrees, "sense": "positive is counterclockwise seen from above"}
    return Candidate("OR", target.name, None, parameters, expression, None, after)


def _visible_turn(angle: float, order: int) -> bool:
    period = 2 * np.pi / order
    return min(angle % period, period - angle % period) >= SMALLEST_VISIBLE_TURN


def object_scale(scene: Scene, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """OS: uniform scale about the point where it stands, so that it neither floats nor sinks."""
    expression = _name(scene, target.name, rng)
    if expression is None:
        return None
    factor = float(edits.scale_factors[rng.integers(len(edits.scale_factors))])
    after = _moved(scene, target, scale=target.scale * factor)
    return Candidate("OS", target.name, None, {"factor": factor, "anchor": "base"}, expression, None, after)


def spatial_removal(scene: Scene, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """SR: remove the one object a spatial criterion picks."""
    options = referring.spatial_expressions(scene, target.name)
    if not options:
        return None
    expression = options[rng.integers(len(options))]
    return Candidate("SR", target.name, None, {}, expression, None, scene.without(target.name))


def receptacle_place(scene: Scene, target: SceneObject, edits: Edits, rng: np.random.Generator) -> Candidate | None:
    """RP: into or onto the middle of a free container that it fits."""
    containers = [
        item
        for item in scene.movable
        if item.name not in (target.name, target.support)
        and assets.info(item.asset).receptacle is not None
        and not scene.resting_on(item.name)
    ]
    if not containers:
        return None
    container = containers[rng.integers(len(containers))]
    receptacle = assets.info(container.asset).receptacle
    assert receptacle is not None
    expression, container_expression = _name(scene, target.name, rng), _name(scene, container.name, rng)
    if expression is None or container_expression is None:
        return None
    # The foot must stand on the flat floor whichever way it is turned.
    foot = 0.5 * np.hypot(*(target.scale * target.local_size[:2]))
    if receptacle.relation == "in" and foot > container.scale * min(receptacle.half_extents):
        return None
    if receptacle.relation == "on" and foot > 1.15 * container.scale * min(receptacle.half_extents):
        return None
    floor = container.position + container.rotation @ (
        container.scale * np.array([*receptacle.centre, receptacle.floor])
    )
    offset = target.box.centre - target.position
    position = np.array([floor[0] - offset[0], floor[1] - offset[1], floor[2]])
    after = _moved(scene, target, position=position, support=container.name)
    parameters = {"relation": receptacle.relation, "spot": "centre"}
    return Candidate("RP", target.name, container.name, parameters, expression, container_expression, after)


def _table(scene: Scene, target: SceneObject) -> SceneObject:
    """The static object at the end of the chain of supports."""
    item = target
    while not item.static:
        if item.support is None:
            raise ValueError(f"scene {scene.name}: {item.name} rests on nothing; settle the scene first")
        item = scene[item.support]
    return item


def _surface_height(table: SceneObject) -> float:
    receptacle = assets.info(table.asset).receptacle
    if receptacle is None:
        raise ValueError(f"asset {table.asset} supports objects but states no receptacle surface")
    return float(table.position[2] + table.scale * receptacle.floor)


PROPOSERS: dict[str, Proposer] = {
    "CM": camera_move,
    "OP": object_place,
    "OR": object_rotation,
    "OS": object_scale,
    "SR": spatial_removal,
    "RP": receptacle_place,
}
