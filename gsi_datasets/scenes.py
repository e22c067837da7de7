"""From a spec and a number to scenes at rest, each with a camera: what the journey of triplets starts from.

A tabletop is one scene. A home is seen from several viewpoints, each of which is a scene of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gsi_datasets import checks
from gsi_datasets.checks import Reason
from gsi_datasets.scene import Scene
from gsi_datasets.simulators.base import Simulator, supports
from gsi_datasets.spec import DatasetSpec
from gsi_datasets.worlds.specs import MolmoWorld, Outside, RoomWorld, Viewed


if TYPE_CHECKING:
    from gsi_datasets.renderers.rays import Caster
    from gsi_datasets.views import Curation

# What moves farther than this while it comes to rest fell, or was put where it cannot stay.
FELL_METRES, FELL_RADIANS = 0.02, np.radians(6)


class Clock(Protocol):
    """Times a named step."""

    def __call__(self, step: str) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, eq=False)
class Stage:
    """A scene to make triplets of, or why there is none.

    Attributes:
        scene: at rest, seen by its camera; None if there is none.
        reason: why not.
        seed: what the seeds of its edits are made from, besides split and purpose.
        setting: kind of world and, in homes, of room and view, for provenance.
    """

    scene: Scene | None
    reason: Reason | None = None
    seed: tuple[int, ...] = ()
    setting: dict[str, Any] = field(default_factory=dict)


def stages(
    spec: DatasetSpec,
    split: str,
    index: int,
    simulator: Simulator,
    rays: Caster,
    clock: Clock = lambda step: nullcontext(),
) -> Iterator[Stage]:
    """The scenes of one number of a split.

    Args:
        spec: what is built.
        split: name of the split.
        index: number in the split.
        simulator: physics.
        rays: what views are judged by.
        clock: times the steps.
    """
    _, world, _ = spec.world_of(index)
    with clock("compose"):
        arranged = compose(spec, split, index)
    with clock("rest"):
        rested, reason = bring_to_rest(arranged, simulator, world.objects[0])
    if rested is None:
        yield Stage(None, reason)
        return
    if not isinstance(world, Viewed):
        yield Stage(rested, None, (index,), {"world": world.kind})
        return
    with clock("views"):
        curation = viewpoints(spec, split, index, rested, rays)
    if len(curation.chosen) < world.views:
        counts = ", ".join(f"{count} {word}" for word, count in curation.rejected.items())
        yield Stage(None, Reason("no-view", f"{len(curation.chosen)} of {world.views} views; {counts}"))
    for number, view in enumerate(curation.chosen):
        scene = replace(rested, name=f"{rested.name}-v{number}", camera=view.camera)
        if isinstance(world, RoomWorld | MolmoWorld):
            from gsi_datasets.worlds.room import lit_where_seen

            scene = lit_where_seen(scene)
        setting = {"world": world.kind, "room": view.kind, "home": rested["room"].asset, "view": number}
        yield Stage(scene, None, (index, number), setting)


def compose(spec: DatasetSpec, split: str, index: int) -> Scene:
    """The arranged scene, before physics."""
    name, world, number = spec.world_of(index)
    full = "-".join(part for part in (spec.name, split, name, f"{number:06d}") if part)
    rng = np.random.default_rng(spec.seed_for(split, index, "world"))
    held_out = split != "train"
    composer: Any = import_module(f"gsi_datasets.worlds.{world.kind}")
    if isinstance(world, Outside):
        arranged: Scene = composer.compose(full, world, number, spec.image_size, rng, held_out=held_out)
    else:
        arranged = composer.compose(full, world, spec.image_size, rng, held_out=held_out)
    return arranged


def viewpoints(spec: DatasetSpec, split: str, index: int, rested: Scene, rays: Caster) -> Curation:
    """The views that are chosen of a home at rest, and those that are not."""
    from gsi_datasets.views import curate

    _, world, _ = spec.world_of(index)
    assert isinstance(world, Viewed)
    rng = np.random.default_rng(spec.seed_for(split, index, "views"))
    return curate(rested, world, world.views, spec.image_size, rng, rays)


def bring_to_rest(scene: Scene, simulator: Simulator, fewest: int) -> tuple[Scene | None, Reason | None]:
    """Let physics have the last word; what falls over or off is taken away, and the rest settles again.

    What does not say what it rests on (scenes that others have made) rests on what physics finds below it.
    """
    for _ in range(4):
        if len(scene.movable) < fewest:
            return None, Reason("sparse", f"only {len(scene.movable)} objects found a place and stay there")
        settled = simulator.settle(scene)
        carried = supports(settled)
        fallen = [
            item.name
            for item in settled.scene.movable
            if checks.deviation(scene[item.name], item).position > FELL_METRES
            or checks.deviation(scene[item.name], item).angle > FELL_RADIANS
            or carried.get(item.name) is None
            or item.support not in (None, carried[item.name])
            or item.name in settled.restless
        ]
        if not fallen and settled.rested:
            return _carried(settled.scene, carried), None
        scene = scene.without(*fallen)
        while orphans := [
            item.name for item in scene.movable if item.support is not None and item.support not in scene
        ]:
            scene = scene.without(*orphans)
    return None, Reason("unstable", "the scene does not come to rest")


def _carried(scene: Scene, carriers: Mapping[str, str | None]) -> Scene:
    return scene.with_objects(
        replace(item, support=carriers[item.name]) for item in scene.movable if item.support is None
    )
