"""The observer that knows: what a perfect one would say. An upper bound for the others, and a test of the protocols.

It cannot look at pictures. It recognises the true result and the untouched source by their pixels and says nothing
about any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import split_similarity, yaw_of
from gsi_metrics.measurement import Measurement, Other
from gsi_metrics.perception.detections import Detections, Mask
from gsi_metrics.sample import Array, Body, Picture, Sample


OBSERVER = "truth-1"


def source_detections(sample: Sample) -> Detections:
    """What a perfect detector would see in the source: every object of which a pixel shows."""
    return _detections(sample, sample.source_ids, sample.before, sample.source_extrinsics)


def target_detections(sample: Sample) -> Detections:
    """The same in the true result.

    Raises:
        ValueError: the row has none (a real picture).
    """
    if sample.target_ids_map is None:
        raise ValueError(f"row {sample.id}: there is no true result to look at")
    return _detections(sample, sample.target_ids_map, sample.after, sample.target_extrinsics)


def measure(sample: Sample, edited: Picture) -> Measurement:
    """Says what happened if `edited` is, pixel for pixel, the true result or the untouched source.

    Args:
        sample: the row.
        edited: (H, W, 3) RGB.
    """
    if sample.target is not None and np.array_equal(edited, sample.target):
        return _true_edit(sample)
    if np.array_equal(edited, sample.source):
        return _no_edit(sample)
    return Measurement(
        sample.id, OBSERVER, cause="truth knows only the true result and the untouched source, pixel for pixel"
    )


def _true_edit(sample: Sample) -> Measurement:
    others = tuple(Other(body.id, 1.0, 0.0) for body in _others(sample))
    if sample.operation == "PC":
        return Measurement(
            sample.id, OBSERVER, transform=sample.transform, likeness=1.0, others=others, confidence=1.0
        )
    before, after = _target(sample, sample.before), _target(sample, sample.after)
    if before is None or after is None or sample.transform is None:
        return Measurement(sample.id, OBSERVER, found=False, vacated=1.0, others=others, confidence=1.0)
    scale, rotation, _ = split_similarity(sample.transform)
    return Measurement(
        sample.id,
        OBSERVER,
        found=True,
        vacated=1.0,
        transform=sample.transform,
        shift=after.centre - before.centre,
        yaw=float(yaw_of(rotation)),
        scale=scale,
        likeness=1.0,
        others=others,
        confidence=1.0,
    )


def _no_edit(sample: Sample) -> Measurement:
    camera = sample.operation == "PC"
    return Measurement(
        sample.id,
        OBSERVER,
        found=None if camera else True,
        transform=np.eye(4),
        shift=None if camera else np.zeros(3),
        likeness=1.0,
        others=tuple(Other(body.id, 1.0, 0.0) for body in _others(sample)),
        confidence=1.0,
    )


def _others(sample: Sample) -> list[Body]:
    return [body for body in sample.before if body.movable and body.id != sample.target_id]


def _target(sample: Sample, bodies: tuple[Body, ...]) -> Body | None:
    return next((body for body in bodies if body.id == sample.target_id), None)


def _detections(sample: Sample, ids: NDArray[np.int32], bodies: tuple[Body, ...], extrinsics: Array) -> Detections:
    """Boxes from the row, silhouettes and 2D boxes from the instance map (pixel edges, so one pixel has an area)."""
    objects = []
    for body in bodies:
        mask = ids == body.id
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if rows.size:
            objects.append(
                {
                    "category": body.category,
                    "bbox_2d": (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1),
                    "centre": extrinsics[:3, :3] @ body.centre + extrinsics[:3, 3],
                    "size": body.size,
                    "rotation": extrinsics[:3, :3] @ body.rotation,
                    "mask": Mask.encode(mask),
                }
            )
    height, width = ids.shape
    return Detections.model_validate(
        {
            "height": height,
            "width": width,
            "intrinsics": sample.intrinsics,
            "objects": objects,
            "observer": "truth",
            "version": "1",
        }
    )
