"""The journey of a triplet, in one file to read top to bottom.

    compose -> rest -> view -> look
    -> for each operation: propose -> ground -> execute -> verify -> render -> filter -> word

A step is a function over one travelling `Attempt`; it fills in what it found out and returns None, or a `Reason` to
reject. Cheap steps come first. All attempts of a scene that got that far are drawn together, so they share the source
image. Everything random is seeded by content (spec, split, scene, purpose): the result of `make_scene` depends on
its arguments only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import checks, instructions, referring, rows, telling
from gsi_datasets.camera_control import SMALLEST_OVERLAP, overlap
from gsi_datasets.checks import Reason
from gsi_datasets.images import Encoder
from gsi_datasets.operations import Candidate, Sight, propose
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.scene import Scene
from gsi_datasets.scenes import Stage, stages
from gsi_datasets.schema import OPERATIONS
from gsi_datasets.simulators.base import Simulator
from gsi_datasets.spec import DatasetSpec


if TYPE_CHECKING:
    from gsi_datasets.renderers.base import Renderer
    from gsi_datasets.renderers.rays import Layers, RayCaster

# Smallest visible area of an edited object, as a share of the image.
SMALLEST_AREA = 0.0016
# Share of the silhouette that must lie inside the frame of what is referred to: movable things, furniture.
INSIDE = {False: 0.99, True: 0.85}
# Five percent of what a moved camera sees may be nearer than this, metres.
NEAREST_VIEW = 0.35
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
        background: the source scene without the target; the source itself for PC.
        seen_before: depth, ids and visibility of the source.
        after: the scene as physics left it; the ideal one until then.
        seen_after: the same of `after`.
        kept: what stays in view when the camera moves.
        measured: what the checks measured, JSON-able.
    """

    candidate: Candidate
    before: Scene
    background: Scene
    seen_before: Layers
    after: Scene
    seen_after: Layers | None
    kept: tuple[str, ...]
    measured: dict[str, Any]


Step = Callable[[Attempt, Tools], Reason | None]


def make_scene(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    """All triplets of one scene (of a home: of all its views), and why other candidates were rejected.

    Args:
        spec: what to build.
        split: name of the split.
        index: number of the scene in the split.
        renderer: ``gl``, ``warp`` or ``photo``.
        wanted: operations still needed (where there are several worlds: ``<world>/<operation>``); the others are
            skipped, which changes nothing for those wanted.
    """
    use, result = tools(renderer), SceneResult(index)
    name, _, _ = spec.world_of(index)
    operations = [it for it in OPERATIONS if (f"{name}/{it}" if name else it) in wanted]
    if not operations:
        return result
    verified: list[tuple[Stage, list[Attempt], list[Rejection]]] = []
    for stage in stages(spec, split, index, use.simulator, use.rays, partial(_timed, result)):
        if stage.scene is None:
            assert stage.reason is not None
            result.rejections.append(Rejection("", stage.reason.word, stage.reason.detail))
        else:
            verified.append((stage, *_verified(spec, split, stage, stage.scene, operations, use, result)))
    # All views of a home in one go: they show the same things, which are handed to the renderer once.
    with _timed(result, "render"):
        pictures = draw([attempt for _, attempts, _ in verified for attempt in attempts], use.renderer)
    for stage, attempts, rejections in verified:
        _finish(spec, split, stage, attempts, rejections, pictures, use, result)
    return result


def _verified(
    spec: DatasetSpec,
    split: str,
    stage: Stage,
    scene: Scene,
    operations: Sequence[str],
    use: Tools,
    result: SceneResult,
) -> tuple[list[Attempt], list[Rejection]]:
    """The attempts of one scene that pass every check which needs no colours, and why the others do not."""
    with _timed(result, "ids and depth"):
        seen = use.rays.layers(scene)
    order = np.random.default_rng(spec.seed_for(split, *stage.seed, "targets")).permutation(len(scene.movable))
    sight = look(scene, seen, [scene.movable[number].name for number in order])
    passed: list[Attempt] = []
    rejections: list[Rejection] = []
    backgrounds: dict[str, Scene] = {"": scene}
    for operation in operations:
        rng = np.random.default_rng(spec.seed_for(split, *stage.seed, operation))
        with _timed(result, "propose"):
            candidates = propose(sight, operation, spec.edits, rng, TRIES_PER_OPERATION)
        kept: set[str] = set()
        for candidate in candidates:
            if candidate.subject in kept:
                continue  # two edits of one kind to one object would differ too little
            if candidate.target not in backgrounds:
                backgrounds[candidate.target] = scene.without(candidate.target)
            background = backgrounds[candidate.target]
            attempt = Attempt(candidate, scene, background, seen, candidate.after, None, (), {})
            reason = _first_reason(attempt, use, result)
            if reason is not None:
                rejections.append(_rejection(attempt, reason))
                continue
            passed.append(attempt)
            kept.add(candidate.subject)
            if len(kept) == spec.edits.per_operation:
                break
    return passed, rejections


def _finish(
    spec: DatasetSpec,
    split: str,
    stage: Stage,
    attempts: list[Attempt],
    rejections: list[Rejection],
    pictures: Mapping[Scene, NDArray[np.uint8]],
    use: Tools,
    result: SceneResult,
) -> None:
    """Look at the pictures of one scene, and add its rows and rejections to the result."""
    encoder, counts = Encoder(), Counter[str]()
    for attempt in attempts:
        states = (attempt.before, attempt.after, attempt.background)
        images = rows.Pictures(*(pictures[state] for state in states))
        if reason := visibly_changed(attempt, images):
            rejection = _rejection(attempt, reason)
            rejections.append(replace(rejection, before=encoder.png(images.source), after=encoder.png(images.target)))
            continue
        with _timed(result, "encode"):
            operation = attempt.candidate.operation
            result.rows.append(rows.triplet(spec, split, stage, counts[operation], attempt, images, use, encoder))
            counts[operation] += 1
    if attempts:
        illustrate(rejections, encoder.png(pictures[attempts[0].before]))
    result.rejections += rejections


def look(scene: Scene, seen: Layers, order: Sequence[str]) -> Sight:
    """What of a scene can be meant, edited and referred to.

    Args:
        scene: the source.
        seen: its ids and visibility.
        order: names of the movable objects, in which operations try them. What cannot be seen well enough need not be
            tried; edits of the same few objects share the image without the object.
    """
    pixels = _pixels(scene)
    shares = {name: rows.share(visibility) for name, visibility in seen.visibility.items()}
    targets = [name for name in order if not checks.visible(seen.visibility, name, "", 0.6, pixels)]
    anchors = [
        item.name
        for item in scene.objects
        if item.instance > 0
        and not checks.visible(seen.visibility, item.name, "", 0.5, pixels, inside=INSIDE[item.static])
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
        reason = checks.visible(seen, candidate.target, "before", 0.6, _pixels(before))
    if reason is None and candidate.reference is not None:
        inside = INSIDE[before[candidate.reference].static]
        reason = checks.visible(seen, candidate.reference, "before", 0.5, _pixels(before), inside)
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
        attempt.seen_after.visibility, attempt.candidate.target, "after", fraction, _pixels(attempt.before)
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
        if not checks.visible(attempt.seen_before.visibility, item.name, "before", 0.6, _pixels(before))
        and not checks.visible(seen.visibility, item.name, "after", 0.5, _pixels(before))
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


def draw(attempts: Sequence[Attempt], renderer: Renderer) -> dict[Scene, NDArray[np.uint8]]:
    """Every picture that is needed, each drawn once: sources, targets, and the scenes without each target."""
    states = list(dict.fromkeys(state for it in attempts for state in (it.before, it.after, it.background)))
    return dict(zip(states, renderer.render(states), strict=True)) if states else {}


def visibly_changed(attempt: Attempt, images: rows.Pictures) -> Reason | None:
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


def illustrate(rejections: list[Rejection], source: bytes) -> None:
    """Give one rejection of each kind the source image, so that people can see what was wrong."""
    shown: set[tuple[str, str]] = set()
    for number, item in enumerate(rejections):
        if item.before is None and (item.operation, item.reason) not in shown:
            shown.add((item.operation, item.reason))
            rejections[number] = replace(item, before=source)


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
