"""The journey of a triplet, in one file to read top to bottom.

    compose -> rest -> view -> look
    -> for each operation: propose -> ground -> execute -> verify -> render -> filter -> word

The steps are functions over one travelling `Attempt` (`steps.py`). All attempts of a scene that passed them are drawn
together, so they share the source image. Everything random is seeded by content (spec, split, scene, purpose): the
result of `make_scene` depends on its arguments only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import chains, rows
from gsi_datasets.checks import Reason
from gsi_datasets.images import Encoder
from gsi_datasets.operations import Candidate, Sight, propose
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.scene import Scene
from gsi_datasets.scenes import Stage, stages
from gsi_datasets.spec import DatasetSpec
from gsi_datasets.steps import STEPS, Attempt, Tools, look, tools, visibly_changed
from gsi_datasets.worlds.specs import ThorWorld


if TYPE_CHECKING:
    from gsi_datasets.renderers.base import Renderer
    from gsi_datasets.renderers.rays import Layers

TRIES_PER_OPERATION = 60


def make_scene(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    """All triplets of one scene (of a home: of all its views), and why other candidates were rejected.

    Args:
        spec: what to build.
        split: name of the split.
        index: number of the scene in the split.
        renderer: ``gl``, ``warp`` or ``photo``.
        wanted: slots still needed (`Split.slots`); the others are skipped, which changes nothing for those wanted.
    """
    result, operations = SceneResult(index), spec.operations_of(index, wanted)
    if not operations:
        return result
    use = tools_for(spec, index, renderer)
    views: list[_View] = []
    for stage in stages(spec, split, index, use.simulator, use.rays, partial(_timed, result)):
        if stage.scene is None:
            assert stage.reason is not None
            result.rejections.append(Rejection("", stage.reason.word, stage.reason.detail))
            continue
        view = _View(spec, split, stage, stage.scene, use, result)
        if spec.chain:
            view.link_up(operations)
        else:
            view.verify(operations)
        views.append(view)
    # All views of a home in one go: they show the same things, which are handed to the renderer once.
    with _timed(result, "render"):
        pictures = draw([attempt for view in views for attempt in view.attempts], use.renderer)
    for view in views:
        view.finish(pictures)
    return result


def tools_for(spec: DatasetSpec, index: int, renderer: str) -> Tools:
    """The tools for a scene of a spec: Unity moves, sees and draws what it plays, whatever draws the other scenes."""
    _, world, _ = spec.world_of(index)
    if not isinstance(world, ThorWorld):
        return tools(renderer)
    from gsi_datasets.simulators.thor import connect

    unity = connect(world, spec.image_size)
    return Tools(unity, unity, unity)


class _View:
    """The journey of the triplets of one scene.

    Attributes:
        attempts: what passed every check that needs no colours.
        rejections: why the others did not.
    """

    def __init__(
        self, spec: DatasetSpec, split: str, stage: Stage, scene: Scene, use: Tools, result: SceneResult
    ) -> None:
        self.spec, self.split, self.stage, self.scene, self.use, self.result = spec, split, stage, scene, use, result
        self.attempts: list[Attempt] = []
        self.rejections: list[Rejection] = []
        with _timed(result, "ids and depth"):
            self.seen = use.rays.layers(scene)

    def verify(self, operations: Sequence[str]) -> None:
        """Find the edits of each operation that the scene gives."""
        backgrounds: dict[str, Scene] = {"": self.scene}
        for operation in operations:
            kept: set[str] = set()
            for candidate in self._candidates(self.scene, self.seen, operation):
                if candidate.subject in kept:
                    continue  # two edits of one kind to one object would differ too little
                if candidate.target not in backgrounds:
                    backgrounds[candidate.target] = self.scene.without(candidate.target)
                attempt = self._try(candidate, self.scene, self.seen, backgrounds[candidate.target])
                if attempt is None:
                    continue
                self.attempts.append(attempt)
                kept.add(candidate.subject)
                if len(kept) == self.spec.edits.per_operation:
                    break

    def link_up(self, operations: Sequence[str]) -> None:
        """Find a chain of edits, each of which begins where the one before ended, and what takes them back."""
        assert self.spec.chain is not None
        rng = np.random.default_rng(self.spec.seed_for(self.split, *self.stage.seed, "chain"))
        steps = int(rng.integers(self.spec.chain.steps[0], self.spec.chain.steps[1] + 1))
        scene, seen = self.scene, self.seen
        edited: set[str] = set()
        for step in range(1, steps + 1):
            for operation in rng.permutation(operations):
                attempt = self._next(str(operation), step, scene, seen, edited)
                if attempt is not None:
                    break
            else:
                self.attempts.clear()
                self.rejections.append(Rejection("", "no-chain", f"no edit found for step {step} of {steps}"))
                return
            assert attempt.seen_after is not None
            self.attempts.append(chains.linked(attempt, step, steps))
            edited.add(attempt.candidate.subject)
            scene, seen = attempt.after, attempt.seen_after
        if self.spec.chain.inverse:
            back = [chains.taken_back(it, self._look(it.after, it.seen_after)) for it in reversed(self.attempts)]
            self.attempts += [attempt for attempt in back if attempt is not None]

    def finish(self, pictures: Mapping[Scene, NDArray[np.uint8]]) -> None:
        """Look at the pictures, and add rows and rejections to the result."""
        encoder, counts = Encoder(), Counter[str]()
        kept: list[tuple[Attempt, rows.Pictures]] = []
        for attempt in self.attempts:
            images = rows.Pictures(*(pictures[it] for it in (attempt.before, attempt.after, attempt.background)))
            if reason := visibly_changed(attempt, images):
                rejection = _rejection(attempt, reason)
                self.rejections.append(
                    replace(rejection, before=encoder.png(images.source), after=encoder.png(images.target))
                )
            else:
                kept.append((attempt, images))
        if self.spec.chain and len(kept) < len(self.attempts):
            kept = []  # a chain is whole or not at all
        for attempt, images in kept:
            with _timed(self.result, "encode"):
                name = attempt.candidate.operation.lower()
                label = chains.label(attempt) if attempt.link else f"{name}-{counts[name]}"
                row = rows.triplet(self.spec, self.split, self.stage, label, attempt, images, self.use, encoder)
                self.result.rows.append(row)
                counts[name] += 1
        if self.attempts:
            illustrate(self.rejections, encoder.png(pictures[self.attempts[0].before]))
        self.result.rejections += self.rejections

    def _candidates(self, scene: Scene, seen: Layers, operation: str, *purpose: str | int) -> list[Candidate]:
        rng = np.random.default_rng(self.spec.seed_for(self.split, *self.stage.seed, operation, *purpose))
        with _timed(self.result, "propose"):
            return propose(self._look(scene, seen), operation, self.spec.edits, rng, TRIES_PER_OPERATION)

    def _look(self, scene: Scene, seen: Layers | None) -> Sight:
        # Operations try the objects in the same order: edits of the same few share the image without the object.
        assert seen is not None
        seed = self.spec.seed_for(self.split, *self.stage.seed, "targets")
        order = np.random.default_rng(seed).permutation(len(scene.movable))
        wanted = self.spec.edits.categories
        items = [scene.movable[number] for number in order]
        return look(scene, seen, [item.name for item in items if not wanted or item.category in wanted])

    def _next(self, operation: str, step: int, scene: Scene, seen: Layers, edited: set[str]) -> Attempt | None:
        """The first edit of an operation that passes, of what was not edited yet."""
        for candidate in self._candidates(scene, seen, operation, "step", step):
            if candidate.subject not in edited:
                background = scene.without(candidate.target) if candidate.target else scene
                if attempt := self._try(candidate, scene, seen, background):
                    return attempt
        return None

    def _try(self, candidate: Candidate, scene: Scene, seen: Layers, background: Scene) -> Attempt | None:
        """The attempt, if it passes every check that needs no colours; else its rejection is noted."""
        attempt = Attempt(candidate, scene, background, seen, candidate.after, None)
        for step in STEPS:
            with _timed(self.result, step.__name__.replace("_", " ")):
                reason = step(attempt, self.use)
            if reason is not None:
                self.rejections.append(_rejection(attempt, reason))
                return None
        return attempt


def draw(attempts: Sequence[Attempt], renderer: Renderer) -> dict[Scene, NDArray[np.uint8]]:
    """Every picture that is needed, each drawn once: sources, targets, and the scenes without each target."""
    states = list(dict.fromkeys(state for it in attempts for state in (it.before, it.after, it.background)))
    return dict(zip(states, renderer.render(states), strict=True)) if states else {}


def illustrate(rejections: list[Rejection], source: bytes) -> None:
    """Give one rejection of each kind the source image, so that people can see what was wrong."""
    shown: set[tuple[str, str]] = set()
    for number, item in enumerate(rejections):
        if item.before is None and (item.operation, item.reason) not in shown:
            shown.add((item.operation, item.reason))
            rejections[number] = replace(item, before=source)


def _rejection(attempt: Attempt, reason: Reason) -> Rejection:
    english, _ = rows.sentences(attempt)
    return Rejection(attempt.candidate.operation, reason.word, reason.detail, english[0])


@contextmanager
def _timed(result: SceneResult, step: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        result.seconds[step] = result.seconds.get(step, 0.0) + time.perf_counter() - start
