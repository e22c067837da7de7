"""The journey of a triplet, in one file to read top to bottom.

    compose -> rest -> look -> for each operation: propose -> ground -> execute -> verify -> render -> filter -> word

A step is a function over one travelling `Attempt`; it fills in what it found out and returns None, or a `Reason` to
reject. Cheap steps come first. All attempts of a scene that got that far are drawn together, so they share the source
image. Everything random is seeded by content (spec, split, scene, purpose): the result of `make_scene` depends on
its arguments only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import checks, instructions, referring, rows, telling
from gsi_datasets.checks import Reason
from gsi_datasets.images import Encoder
from gsi_datasets.operations import Candidate, propose
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.scene import Scene
from gsi_datasets.schema import OPERATIONS
from gsi_datasets.simulators.base import Simulator
from gsi_datasets.spec import DatasetSpec


if TYPE_CHECKING:
    from gsi_datasets.renderers.base import Renderer
    from gsi_datasets.renderers.rays import Layers, RayCaster

# Smallest visible area of an edited object, as a share of the image.
SMALLEST_AREA = 0.0016
TRIES_PER_OPERATION = 60


@dataclass(frozen=True, eq=False)
class Tools:
    """What a worker process keeps warm: physics, rays, colours."""

    simulator: Simulator
    rays: RayCaster
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


@dataclass(eq=False)
class Attempt:
    """One candidate on its way.

    Attributes:
        candidate: what is to be done.
        before: the source scene at rest.
        background: the source scene without the target.
        seen_before: depth, ids and visibility of the source.
        after: the scene as physics left it; the ideal one until then.
        seen_after: the same of `after`.
        measured: what the checks measured, JSON-able.
    """

    candidate: Candidate
    before: Scene
    background: Scene
    seen_before: Layers
    after: Scene
    seen_after: Layers | None
    measured: dict[str, Any]


Step = Callable[[Attempt, Tools], Reason | None]


def make_scene(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    """All triplets of one scene, and why other candidates were rejected.

    Args:
        spec: what to build.
        split: name of the split.
        index: number of the scene in the split.
        renderer: ``gl``, ``warp`` or ``photo``.
        wanted: operations still needed; the others are skipped, which changes nothing for those wanted.
    """
    use, result = tools(renderer), SceneResult(index)
    with _timed(result, "compose"):
        scene = compose(spec, split, index)
    with _timed(result, "rest"):
        rested, reason = bring_to_rest(scene, use.simulator, spec.world.objects[0])
    if rested is None:
        assert reason is not None
        result.rejections.append(Rejection("", reason.word, reason.detail))
        return result
    scene = rested
    with _timed(result, "ids and depth"):
        seen = use.rays.layers(scene)

    # What cannot be seen well enough need not be tried. Operations try the rest in the same order: edits of the same
    # few objects share the image without the object.
    order = np.random.default_rng(spec.seed_for(split, index, "targets")).permutation(len(scene.movable))
    in_sight = [
        scene.movable[number].name
        for number in order
        if not checks.visible(seen.visibility, scene.movable[number].name, "", 0.6, _pixels(scene))
    ]
    passed: list[Attempt] = []
    backgrounds: dict[str, Scene] = {}
    for operation in OPERATIONS:
        if operation not in wanted:
            continue
        rng = np.random.default_rng(spec.seed_for(split, index, operation))
        with _timed(result, "propose"):
            candidates = propose(scene, operation, spec.edits, rng, TRIES_PER_OPERATION, in_sight)
        kept: set[str] = set()
        for candidate in candidates:
            if candidate.target in kept:
                continue  # two edits of one kind to one object would differ too little
            background = backgrounds.setdefault(candidate.target, scene.without(candidate.target))
            attempt = Attempt(candidate, scene, background, seen, candidate.after, None, {})
            reason = _first_reason(attempt, use, result)
            if reason is not None:
                result.rejections.append(_rejection(attempt, reason))
                continue
            passed.append(attempt)
            kept.add(candidate.target)
            if len(kept) == spec.edits.per_operation:
                break

    with _timed(result, "render"):
        pictures = draw(scene, passed, use.renderer)
    encoder = Encoder()
    for attempt in passed:
        images = rows.Pictures(*(pictures[state] for state in (scene, attempt.after, attempt.background)))
        if reason := visibly_changed(attempt, images):
            rejection = _rejection(attempt, reason)
            result.rejections.append(
                replace(rejection, before=encoder.png(images.source), after=encoder.png(images.target))
            )
            continue
        with _timed(result, "encode"):
            number = sum(row.operation == attempt.candidate.operation for row in result.rows)
            result.rows.append(rows.triplet(spec, split, index, number, attempt, images, use, encoder))
    if scene in pictures:
        illustrate(result, encoder.png(pictures[scene]))
    return result


def compose(spec: DatasetSpec, split: str, index: int) -> Scene:
    """The arranged scene, before physics."""
    from gsi_datasets.worlds import tabletop

    rng = np.random.default_rng(spec.seed_for(split, index, "world"))
    return tabletop.compose(f"{spec.name}-{split}-{index:06d}", spec.world, spec.image_size, rng)


def bring_to_rest(scene: Scene, simulator: Simulator, fewest: int) -> tuple[Scene | None, Reason | None]:
    """Let physics have the last word; what falls over or off is taken away, and the rest settles again."""
    from gsi_datasets.simulators.mujoco import supports

    for _ in range(4):
        if len(scene.movable) < fewest:
            return None, Reason("sparse", f"only {len(scene.movable)} objects found a place and stay there")
        settled = simulator.settle(scene)
        carried = supports(settled)
        fallen = [
            item.name
            for item in settled.scene.movable
            if checks.deviation(scene[item.name], item).position > 0.02
            or checks.deviation(scene[item.name], item).angle > np.radians(6)
            or carried.get(item.name) != item.support
        ]
        if not fallen and settled.rested:
            return settled.scene, None
        scene = scene.without(*fallen)
        while orphans := [item.name for item in scene.movable if item.support not in scene]:
            scene = scene.without(*orphans)
    return None, Reason("unstable", "the scene does not come to rest")


def ground(attempt: Attempt, use: Tools) -> Reason | None:
    """Geometry: is there a place to stand, is it free, is the size believable?"""
    candidate = attempt.candidate
    return (
        checks.destination_on_support(candidate)
        or checks.destination_free(candidate)
        or checks.believable_size(candidate)
    )


def see_before(attempt: Attempt, use: Tools) -> Reason | None:
    """Target and reference can be seen in the source."""
    candidate, seen = attempt.candidate, attempt.seen_before.visibility
    reason = checks.visible(seen, candidate.target, "before", 0.6, _pixels(attempt.before))
    if reason is None and candidate.reference is not None:
        reason = checks.visible(seen, candidate.reference, "before", 0.5, _pixels(attempt.before))
    return reason


def touch_nothing(attempt: Attempt, use: Tools) -> Reason | None:
    """At the ideal destination the collision shapes do not overlap."""
    if attempt.candidate.removes:
        return None
    return checks.no_penetration(use.simulator.contacts(attempt.after), attempt.candidate.target)


def see_after(attempt: Attempt, use: Tools) -> Reason | None:
    """The target can be seen where it goes, and still stands out from what it could be taken for."""
    attempt.seen_after = use.rays.layers(attempt.after)
    if attempt.candidate.removes:
        return None
    fraction = 0.35 if attempt.candidate.operation == "RP" else 0.55
    return checks.visible(
        attempt.seen_after.visibility, attempt.candidate.target, "after", fraction, _pixels(attempt.before)
    )


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


def draw(scene: Scene, passed: list[Attempt], renderer: Renderer) -> dict[Scene, NDArray[np.uint8]]:
    """Every picture that is needed, each drawn once: source, targets, and the scene without each target."""
    states = list(dict.fromkeys(state for it in passed for state in (scene, it.after, it.background)))
    return dict(zip(states, renderer.render(states), strict=True)) if states else {}


def visibly_changed(attempt: Attempt, images: rows.Pictures) -> Reason | None:
    """Filter: the edit can be seen in the pixels of the object."""
    assert attempt.seen_after is not None
    instance = attempt.before[attempt.candidate.target].instance
    mask = (attempt.seen_before.instances == instance) | (attempt.seen_after.instances == instance)
    if attempt.candidate.operation == "OR":
        # A turned object covers much the same pixels: its look must change plainly.
        return checks.changed_enough(images.source, images.target, mask, fraction=0.25, level=24)
    return checks.changed_enough(images.source, images.target, mask)


def illustrate(result: SceneResult, source: bytes) -> None:
    """Give one rejection of each kind the source image, so that people can see what was wrong."""
    shown: set[tuple[str, str]] = set()
    for number, item in enumerate(result.rejections):
        if item.before is None and (item.operation, item.reason) not in shown:
            shown.add((item.operation, item.reason))
            result.rejections[number] = replace(item, before=source)


def sentences(attempt: Attempt) -> tuple[list[str], list[str]]:
    """Word: all phrasings, English and Chinese."""
    candidate, before = attempt.candidate, attempt.before

    def phrase(name: str | None, expression: referring.Expression | None) -> tuple[str, str]:
        if name is None or expression is None:
            return "", ""
        return referring.english(expression), referring.chinese(expression, before[name].caption_zh)

    return instructions.word(
        candidate.operation,
        candidate.parameters,
        phrase(candidate.target, candidate.target_expression),
        phrase(candidate.reference, candidate.reference_expression),
    )


def _pixels(scene: Scene) -> int:
    camera = scene.camera
    return round(SMALLEST_AREA * camera.width * camera.height)


def _first_reason(attempt: Attempt, use: Tools, result: SceneResult) -> Reason | None:
    for step in STEPS:
        with _timed(result, step.__name__.replace("_", " ")):
            reason = step(attempt, use)
        if reason is not None:
            return reason
    return None


def _rejection(attempt: Attempt, reason: Reason) -> Rejection:
    english, _ = sentences(attempt)
    return Rejection(attempt.candidate.operation, reason.word, reason.detail, english[0])


@contextmanager
def _timed(result: SceneResult, step: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        result.seconds[step] = result.seconds.get(step, 0.0) + time.perf_counter() - start
