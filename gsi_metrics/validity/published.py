"""The published protocol with a detector that makes no mistake: boxes follow from what is known to be shown.

What it still gets wrong is the protocol's own fault. The gates and EL look at the pictures; AC would take a judge and
is taken to be passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gsi_datasets.geometry import transform_box
from gsi_datasets.scene import Box
from gsi_metrics.baselines.editors import Plan
from gsi_metrics.baselines.states import box_of, target
from gsi_metrics.official.frames import canvas_scale, detection, scaled_intrinsics
from gsi_metrics.official.names import VERBS
from gsi_metrics.protocols.v1.formats import Detection, Detections, Edit, Recording
from gsi_metrics.protocols.v1.locality import Locality
from gsi_metrics.protocols.v1.operations import OBJECT_OPERATIONS
from gsi_metrics.protocols.v1.pictures import SIDE
from gsi_metrics.sample import Array, Picture, Sample


if TYPE_CHECKING:
    from gsi_metrics.lpips import Lpips

DATASET = "GSI-Syn"


def scores(sample: Sample, pictures: list[Picture], plans: list[Plan], model: Lpips | None) -> list[dict[str, Any]]:
    """IC, SA and EL of several edits of one row by the published protocol.

    Args:
        sample: the row.
        pictures: (H, W, 3) edited.
        plans: what they show.
        model: LPIPS; without it the gates count as passed, and there is no EL.

    Returns:
        For each picture ``{"ic", "sa", "el", "ac", "unscored"}``.
    """
    if sample.operation == "PC":
        return [_view(sample, picture, model) for picture in pictures]
    recordings = [recording(sample, item) for item in plans]
    asked = edit_of(sample)
    measured = _localities(sample, pictures, asked, recordings, model)
    return [
        _one(sample, picture, asked, made, here)
        for picture, made, here in zip(pictures, recordings, measured, strict=True)
    ]


def edit_of(sample: Sample) -> Edit:
    """What was asked for, in the published format."""
    body = target(sample)
    after = sample.body(body.id, after=True)
    intrinsics = _intrinsics(sample)
    before = _detected(sample, box_of(body), body.category, intrinsics)
    wanted = None if after is None else _detected(sample, box_of(after), body.category, intrinsics)
    return Edit.model_validate(
        {
            "prompt": sample.instruction,
            "target": body.category,
            "original_bbox_3d": before.bbox_3d,
            "camera_intrinsics": intrinsics.tolist(),
            "rotation_matrix": before.rotation_matrix,
            "new_bbox_3d": None if wanted is None else wanted.bbox_3d,
            "new_rotation_matrix": None if wanted is None else wanted.rotation_matrix,
        }
    )


def recording(sample: Sample, made: Plan) -> Recording:
    """What a perfect detector of the target's category sees before and after."""
    category, intrinsics = target(sample).category, _intrinsics(sample)
    bodies = [body for body in sample.before if body.category == category and body.visibility > 0]
    before = [_detected(sample, box_of(body), category, intrinsics) for body in bodies]
    if made.other is not None:
        other = made.other
        seen = [
            _detected(other, box_of(body), category, _intrinsics(other))
            for body in other.before
            if body.category == category and body.visibility > 0
        ]
    else:
        state = made.state
        boxes = [
            transform_box(box_of(body), state.moved.get(body.id, np.eye(4)))
            for body in bodies
            if body.id not in state.gone
        ]
        by_id = {body.id: body for body in bodies}
        boxes += [transform_box(box_of(by_id[key]), matrix) for key, matrix in state.copies if key in by_id]
        seen = [_detected(sample, box, category, intrinsics) for box in boxes]
    return Recording(origin_result=Detections(detections=tuple(before)), new_result=Detections(detections=tuple(seen)))


def _one(sample: Sample, picture: Picture, asked: Edit, made: Recording, here: Locality | None) -> dict[str, Any]:
    import cv2

    from gsi_metrics.protocols.v1.gates import locality_gate, viewpoint_gate

    operation = VERBS[sample.operation]  # type: ignore[index]
    try:
        gate: bool | None = here is None or locality_gate(here.ssim, here.lpips, DATASET)
        if gate and operation == "rotate":
            gate = viewpoint_gate(sample.source, picture)
        before, after = made.origin_result.detections, made.new_result.detections
        score = OBJECT_OPERATIONS[operation](asked, before, after, gate)
    except (ValueError, cv2.error) as error:
        # The published program stops here.
        cause = " ".join(str(error).split())
        return {"ic": None, "sa": None, "el": None, "ac": None, "unscored": {"ic": cause, "sa": cause, "el": cause}}
    # As aggregated: 0 where IC is 0.
    locality = None if here is None else (1 - here.lpips) * (score.ic > 0)
    missing = {"ac": "no judge was asked"} | ({} if here else {"el": "the weights of LPIPS are not there"})
    return {"ic": score.ic, "sa": score.sa, "el": locality, "ac": None, "unscored": missing}


def _localities(
    sample: Sample, pictures: list[Picture], asked: Edit, recordings: list[Recording], model: Lpips | None
) -> list[Locality] | list[None]:
    if model is None:
        return [None] * len(pictures)
    from gsi_metrics.protocols.v1.locality import localities
    from gsi_metrics.protocols.v1.operations import origin_box
    from gsi_metrics.protocols.v1.pictures import compared_pixels, new_box

    height, width = (min(side, SIDE) for side in sample.size)
    masks = [
        compared_pixels(
            (height, width),
            [origin_box(asked, made.origin_result.detections), new_box(asked, made.new_result.detections)],
        )
        for made in recordings
    ]
    found: list[Locality] = []
    for start in range(0, len(pictures), 4):
        found += localities(sample.source, pictures[start : start + 4], masks[start : start + 4], model)
    return found


def _view(sample: Sample, picture: Picture, model: Lpips | None) -> dict[str, Any]:
    from gsi_metrics.protocols.v1.locality import view_score

    if model is None or sample.target is None:
        cause = "needs the weights of LPIPS and a true result"
        return {"ic": None, "sa": None, "el": None, "ac": None, "unscored": {"ic": cause, "sa": cause}}
    value = view_score(picture, sample.target, model)
    return {"ic": value, "sa": value, "el": None, "ac": None, "unscored": {"ac": "no judge was asked"}}


def _detected(sample: Sample, box: Box, category: str, intrinsics: Array) -> Detection:
    return Detection.model_validate(detection(box, sample.source_extrinsics, intrinsics, category))


def _intrinsics(sample: Sample) -> Array:
    """(3, 3) K of the picture in which the published detector works."""
    height, width = sample.size
    return scaled_intrinsics(sample.intrinsics, canvas_scale(width, height))
