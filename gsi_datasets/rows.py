"""From a verified attempt to a row."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import __version__, assets, instructions, referring
from gsi_datasets.geometry import world_to_camera_transform
from gsi_datasets.images import Encoder
from gsi_datasets.record import share
from gsi_datasets.scene import Box, Scene
from gsi_datasets.schema import BoxRecord, ObjectRecord, Triplet
from gsi_datasets.spec import DatasetSpec


if TYPE_CHECKING:
    from gsi_datasets.renderers.rays import Layers
    from gsi_datasets.scenes import Stage
    from gsi_datasets.steps import Attempt, Tools


@dataclass(frozen=True, eq=False)
class Pictures:
    """The three colour images, (H, W, 3) uint8: before, after, and before without the target."""

    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    background: NDArray[np.uint8]


def triplet(
    spec: DatasetSpec,
    split: str,
    stage: Stage,
    label: str,
    attempt: Attempt,
    pictures: Pictures,
    use: Tools,
    encoder: Encoder,
) -> Triplet:
    """The row of one attempt.

    Args:
        spec: what is built.
        split: name of the split.
        stage: the scene.
        label: of the row among those of this scene, e.g. ``cm-0``.
        attempt: verified; its `after` is what physics left.
        pictures: drawn from it.
        use: what made it, for provenance.
        encoder: of this scene.
    """
    candidate, before, after = attempt.candidate, attempt.before, attempt.after
    assert attempt.seen_after is not None
    english, chinese = sentences(attempt)
    # Which phrasing comes first varies with the content, not with the place in the file.
    rng = np.random.default_rng(spec.seed_for(split, *stage.seed, label, "wording"))
    first = int(rng.integers(len(english)))
    english, chinese = ([texts[first], *texts[:first], *texts[first + 1 :]] for texts in (english, chinese))
    extrinsics = before.camera.extrinsics
    transform = candidate.transform(before)
    parameters = dict(candidate.parameters)
    if candidate.target_expression is not None:
        parameters["target_expression"] = candidate.target_expression.to_dict()
    if candidate.reference_expression is not None:
        parameters["reference_expression"] = candidate.reference_expression.to_dict()
    still = candidate.removes or candidate.moves_camera
    references = attempt.kept if candidate.moves_camera else (candidate.reference,) if candidate.reference else ()
    if link := attempt.link:
        parameters["chain"] = {"id": before.name, **asdict(link)}
    return Triplet(
        id=f"{before.name}-{label}",
        scene=before.name,
        operation=candidate.operation,  # type: ignore[arg-type]
        instruction=english[0],
        instruction_zh=chinese[0],
        instructions=english,
        instructions_zh=chinese,
        source_image=encoder.png(pictures.source),
        target_image=encoder.png(pictures.target),
        background_image=encoder.png(pictures.background),
        source_depth=encoder.depth(attempt.seen_before.depth),
        target_depth=encoder.depth(attempt.seen_after.depth),
        source_instances=encoder.png(attempt.seen_before.instances),
        target_instances=encoder.png(attempt.seen_after.instances),
        objects_before=object_records(before, attempt.seen_before),
        objects_after=object_records(after, attempt.seen_after),
        target_ids=[] if candidate.moves_camera else [before[candidate.target].instance],
        reference_ids=[before[name].instance for name in references],
        intrinsics=before.camera.intrinsics.tolist(),
        source_extrinsics=extrinsics.tolist(),
        target_extrinsics=after.camera.extrinsics.tolist(),
        transform_world=[] if transform is None else transform.tolist(),
        transform_camera=[] if transform is None else world_to_camera_transform(transform, extrinsics).tolist(),
        ideal=None if still else box_record(candidate.after[candidate.target].box),
        actual=None if still else box_record(after[candidate.target].box),
        parameters=_json(parameters),
        checks=_json(attempt.measured),
        provenance=_json(provenance(spec, split, stage, before, use)),
    )


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


def box_record(box: Box) -> BoxRecord:
    """A box as it is written down."""
    return BoxRecord(centre=box.centre.tolist(), size=box.size.tolist(), rotation=box.rotation.tolist())


def object_records(scene: Scene, seen: Layers) -> list[ObjectRecord]:
    """Every instance of a scene (floor, walls and decoration are background)."""
    return [
        ObjectRecord(
            id=item.instance,
            name=item.name,
            category=item.category,
            caption=item.caption,
            caption_zh=item.caption_zh,
            asset=item.asset,
            **box_record(item.box).model_dump(),
            symmetry=assets.info(item.asset).symmetry,
            visibility=share(seen.visibility[item.name]),
            support=item.support or "",
            movable=not item.static,
        )
        for item in scene.objects
        if item.instance > 0
    ]


def provenance(spec: DatasetSpec, split: str, stage: Stage, scene: Scene, use: Tools) -> dict[str, Any]:
    """Where a row comes from and whom it owes thanks."""
    used = sorted({item.asset for item in scene.objects})
    credits = [assets.info(asset) for asset in used]
    return {
        "spec": spec.name,
        "version": spec.version,
        "digest": spec.digest(split, use.renderer.name),
        "split": split,
        "seed": spec.seed,
        "scene_index": stage.seed[0],
        "renderer": use.renderer.name,
        **stage.setting,
        "versions": {"gsi-bench": __version__}
        | use.simulator.versions()
        | use.rays.versions()
        | use.renderer.versions(),
        "assets": [
            {"id": it.id, "name": it.name, "author": it.author, "licence": it.licence, "source": it.source}
            for it in credits
            if not it.id.startswith("param/")
        ],
        "generated_assets": [it.id for it in credits if it.id.startswith("param/")],
    }


def _json(value: object) -> str:
    """JSON with sorted keys: equal content is equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
