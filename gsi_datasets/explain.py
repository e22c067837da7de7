"""Why a home is seen from where it is: its floor plan with rooms, candidates and chosen views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gsi_datasets.spec import DatasetSpec, SpecError
from gsi_datasets.steps import tools
from gsi_datasets.worlds.specs import RoomWorld


def explain(spec: DatasetSpec, split: str, index: int, out: Path, renderer: str) -> tuple[Path, str]:
    """Draw the floor plan of one scene of a room world beside the pictures of its views.

    Args:
        spec: what is built.
        split: name of the split.
        index: of the scene; where several worlds take turns, the next one that is a room world is taken.
        out: the folder; the picture comes into ``<out>/pictures/``.
        renderer: who draws the views.

    Returns:
        The file, and one line of what was found.

    Raises:
        SpecError: the spec has no room world.
    """
    from gsi_datasets import scenes
    from gsi_datasets.gallery.floorplan import draw_plan
    from gsi_datasets.worlds.room import lit_where_seen

    worlds = max(len(spec.worlds), 1)
    index = next((it for it in range(index, index + worlds) if isinstance(spec.world_of(it)[1], RoomWorld)), -1)
    if index < 0:
        raise SpecError(f"{spec.name}: has no room world; only those have floor plans (--explain)")
    use = tools(renderer)
    world = spec.world_of(index)[1]
    arranged = scenes.compose(spec, split, index)
    rested, reason = scenes.bring_to_rest(arranged, use.simulator, world.objects[0])
    scene = rested or arranged
    curation = scenes.viewpoints(spec, split, index, scene, use.rays)
    views = [lit_where_seen(replace(scene, camera=view.camera)) for view in curation.chosen]
    pictures = use.renderer.render(views)
    file = out / "pictures" / f"{spec.name}-{split}-plan-{index:06d}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw_plan(scene, curation, pictures, file)
    counts = ", ".join(f"{count} {word}" for word, count in curation.rejected.items())
    rest = f"; the scene is rejected: {reason.word}, {reason.detail}" if reason else ""
    return file, f"scene {index}: {len(scene.movable)} movable objects, {len(curation.chosen)} views ({counts}){rest}"
