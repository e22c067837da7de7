"""The steps that an attempt takes before it is drawn, and the last look at its pictures, cheap ones first.

A step is a function over one travelling `Attempt`; it fills in what it found out and returns None, or a `Reason` to
reject.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gsi_datasets import checks, referring, telling
from gsi_datasets.camera_control import SMALLEST_OVERLAP, overlap
from gsi_datasets.checks import Reason
from gsi_datasets.operations import Candidate, Sight
from gsi_datasets.record import share
from gsi_datasets.scene import Scene
from gsi_datasets.simulators.base import Simulator


if TYPE_CHECKING:
    from gsi_datasets.renderers.base import Renderer
    from gsi_datasets.renderers.rays import Caster, Layers
    from gsi_datasets.rows import Pictures

# Smallest visible area of an edited object, as a share of the image.
SMALLEST_AREA = 0.0016
# Share of the silhouette that must lie inside the frame of what is referred to: movable things, furniture.
INSIDE = {False: 0.99, True: 0.85}
# Five percent of what a moved camera sees may be nearer than this, metres.
NEAREST_VIEW = 0.35


@dataclass(frozen=True, eq=False)
class Tools:
    """What a worker process keeps warm: physics, rays, colours."""

    simulator: Simulator
    rays: Caster
    renderer: Renderer


@cache
def tools(renderer: str) -> Tools:
    """The tools of this process, made once."""
    from gsi_datasets import renderers
    from gsi_datasets.renderers.rays import RayCaster

    # The renderer first: it may have to set up the environment before MuJoCo is imported.
    draw = renderers.create(renderer)
    from gsi_datasets.simulators.mujoco import MujocoSimulator

    return Tools(MujocoSimulator(), RayCaster(), draw)


@dataclass(frozen=True)
class Link:
    """The place of a row in a chain of edits.

    Attributes:
        step: number of the edit, from 1; each begins where the one before ended.
        steps: how many the chain has.
        inverse: whether the row takes this edit back: it begins where the edit ended and ends where it began.
    """

    step: int
    steps: int
    inverse: bool = False


@dataclass(eq=False)
class Attempt:
    """One candidate on its way.

    Attributes:
        candidate: what is to be done.
        before: the source scene at rest.
        background: the source scene without the target; the source itself for PC.
        seen_before: depth, ids and visibility of the source.
        after: the scene as physics left it; the ideal one until then.
        seen_after: the same of `after`.
        kept: what stays in view when the camera moves.
        link: the place in a chain; None for what stands alone.
        measured: what the checks measured, JSON-able.
    """

    candidate: Candidate
    before: Scene
    background: Scene
    seen_before: Layers
    after: Scene
    seen_after: Layers | None
    kept: tuple[str, ...] = ()
    link: Link | None = None
    measured: dict[str, Any] = field(default_factory=dict)


Step = Callable[[Attempt, Tools], Reason | None]


def look(scene: Scene, seen: Layers, order: Sequence[str]) -> Sight:
    """What of a scene can be meant, edited and referred to.

    Args:
        scene: the source.
        seen: its ids and visibility.
        order: names of the movable objects, in which operations try them. What cannot be seen well enough need not be
            tried; edits of the same few objects share the image without the object.
    """
    area = pixels(scene)
    shares = {name: share(visibility) for name, visibility in seen.visibility.items()}
    targets = [name for name in order if not checks.visible(seen.visibility, name, "", 0.6, area)]
    anchors = [
        item.name
        for item in scene.objects
        if item.instance > 0
        and not checks.visible(seen.visibility, item.name, "", 0.5, area, inside=INSIDE[item.static])
    ]
    return Sight(scene, tuple(referring.describe(scene, shares)), tuple(targets), frozenset(anchors))


def ground(attempt: Attempt, use: Tools) -> Reason | None:
    """Geometry: is there a place to stand, is it free, is the size believable?"""
    candidate = attempt.candidate
    return (
        checks.destination_on_support(candidate)
        or checks.destination_free(candidate)
        or checks.believable_size(candidate)
        or checks.camera_free(attempt.before, candidate)
    )


def see_before(attempt: Attempt, use: Tools) -> Reason | None:
    """Target and reference can be seen in the source."""
    candidate, seen, before = attempt.candidate, attempt.seen_before.visibility, attempt.before
    reason = None
    if candidate.target:
        reason = checks.visible(seen, candidate.target, "before", 0.6, pixels(before))
    if reason is None and candidate.reference is not None:
        inside = INSIDE[before[candidate.reference].static]
        reason = checks.visible(seen, candidate.reference, "before", 0.5, pixels(before), inside)
    return reason


def touch_nothing(attempt: Attempt, use: Tools) -> Reason | None:
    """At the ideal destination the collision shapes do not overlap."""
    if attempt.candidate.removes or attempt.candidate.moves_camera:
        return None
    return checks.no_penetration(use.simulator.contacts(attempt.after), attempt.candidate.target)


def see_after(attempt: Attempt, use: Tools) -> Reason | None:
    """The target can be seen where it goes, and still stands out from what it could be taken for."""
    attempt.seen_after = use.rays.layers(attempt.after)
    if attempt.candidate.moves_camera:
        return _keep_in_view(attempt)
    if attempt.candidate.removes:
        return None
    fraction = 0.35 if attempt.candidate.operation == "RP" else 0.55
    return checks.visible(
        attempt.seen_after.visibility, attempt.candidate.target, "after", fraction, pixels(attempt.before)
    )


def _keep_in_view(attempt: Attempt) -> Reason | None:
    """The moved camera sees enough of what it saw, and at least one object as well as before."""
    assert attempt.seen_after is not None
    before, after, seen = attempt.before, attempt.after, attempt.seen_after
    shared = overlap(attempt.seen_before.depth, before.camera, seen.depth, after.camera)
    attempt.measured["overlap"] = round(shared, 3)
    if shared < SMALLEST_OVERLAP:
        return Reason("out-of-frame", f"only {100 * shared:.0f} % of what the camera saw stay in view")
    near = seen.depth[seen.depth > 0]
    if not len(near) or np.quantile(near, 0.05) < NEAREST_VIEW:
        return Reason("close", f"something is nearer than {100 * NEAREST_VIEW:.0f} cm to the moved camera")
    attempt.kept = tuple(
        item.name
        for item in before.movable
        if not checks.visible(attempt.seen_before.visibility, item.name, "before", 0.6, pixels(before))
        and not checks.visible(seen.visibility, item.name, "after", 0.5, pixels(before))
    )
    return None if attempt.kept else Reason("out-of-frame", "no object is seen well before and after")


def tell_turn(attempt: Attempt, use: Tools) -> Reason | None:
    """A turn can be told from other turns, by shape or by look, from what both views show."""
    if attempt.candidate.operation != "OR":
        return None
    assert attempt.seen_after is not None
    seen = attempt.seen_before, attempt.seen_after
    margin = telling.turn_margin(attempt.before, attempt.after, attempt.candidate.target, *seen)
    attempt.measured["turn_margin"] = round(margin, 3)
    if margin < telling.ENOUGH:
        return Reason("untellable", f"{attempt.candidate.target} looks much the same after another turn")
    return None


def execute(attempt: Attempt, use: Tools) -> Reason | None:
    """Physics: the target ends where it should, and nothing else moves."""
    if attempt.candidate.moves_camera:
        attempt.measured |= {"others_moved_mm": 0.0, "others_turned_degrees": 0.0}
        return None
    ideal, target = attempt.after, attempt.candidate.target
    settled = use.simulator.settle(ideal)
    reason = None if settled.rested else Reason("unstable", "the scene does not come to rest after the edit")
    if reason is None and not attempt.candidate.removes:
        reason = checks.reached(ideal[target], settled.scene[target])
    if reason is None:
        reason = checks.others_still(attempt.before, settled.scene, target)
    if reason is not None:
        return reason
    others = [checks.deviation(item, settled.scene[item.name]) for item in ideal.movable if item.name != target]
    attempt.measured["others_moved_mm"] = round(1e3 * max((off.position for off in others), default=0.0), 4)
    attempt.measured["others_turned_degrees"] = round(
        float(np.degrees(max((off.angle for off in others), default=0.0))), 4
    )
    if attempt.candidate.removes:
        attempt.after = attempt.background
        return None
    off = checks.deviation(ideal[target], settled.scene[target])
    attempt.measured["target_off_mm"] = round(1e3 * off.position, 4)
    attempt.measured["target_off_degrees"] = round(float(np.degrees(off.angle)), 4)
    attempt.measured["target_off_scale"] = round(off.scale, 6)
    # What moved by less than the eye can see is drawn where it stood: the pixels around the edit stay the same.
    attempt.after = attempt.before.with_objects([replace(settled.scene[target], support=ideal[target].support)])
    attempt.seen_after = use.rays.layers(attempt.after)
    return None


STEPS: tuple[Step, ...] = (see_before, ground, touch_nothing, see_after, tell_turn, execute)


def visibly_changed(attempt: Attempt, images: Pictures) -> Reason | None:
    """Filter: the edit can be seen in the pixels of the object."""
    assert attempt.seen_after is not None
    if attempt.candidate.moves_camera:
        return checks.changed_enough(images.source, images.target, np.ones(images.source.shape[:2], dtype=bool))
    instance = attempt.before[attempt.candidate.target].instance
    mask = (attempt.seen_before.instances == instance) | (attempt.seen_after.instances == instance)
    if attempt.candidate.operation == "OR":
        # A turned object covers much the same pixels: its look must change plainly.
        return checks.changed_enough(images.source, images.target, mask, fraction=0.25, level=24)
    return checks.changed_enough(images.source, images.target, mask)


def pixels(scene: Scene) -> int:
    """How many pixels an edited object must cover."""
    camera = scene.camera
    return round(SMALLEST_AREA * camera.width * camera.height)
