"""Turns a detector into an observer: looks at the source, the re-encoded source and the edited picture."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from gsi_metrics.measurement import Measurement
from gsi_metrics.perception.association import measurement_from_detections
from gsi_metrics.perception.detections import DetectionError, Detector
from gsi_metrics.sample import Picture, Sample


Observer = Callable[[Sample, Picture], Measurement]
"""Says what happened between a row's source and an edited picture; never raises for a picture it cannot read."""


def observer(detector: Detector, floor: bool = True) -> Observer:
    """An observer that asks a detector for every kind of object in the row.

    Args:
        detector: sees each picture at its own resolution, with K rescaled to it.
        floor: whether the noise floor is measured, on the source as JPEG of quality 90; costs one more detection.
    """

    def measure(sample: Sample, edited: Picture) -> Measurement:
        queries = sorted({body.category for body in sample.before})
        scale = np.diag([edited.shape[1] / sample.size[1], edited.shape[0] / sample.size[0], 1.0])
        up = sample.source_extrinsics[:3, 2]
        # Nobody knows how a camera is held that was to be moved.
        now = None if sample.operation == "PC" else up
        try:
            before = detector.detect(sample.source, sample.intrinsics, queries, up)
            after = detector.detect(edited, scale @ sample.intrinsics, queries, now)
            again = reencoded(sample.source)
            untouched = detector.detect(again, sample.intrinsics, queries, up) if floor else None
        except DetectionError as error:
            return Measurement(sample.id, f"{detector.name}-{detector.version}", cause=str(error))
        return measurement_from_detections(sample, edited, before, after, untouched)

    return measure


def reencoded(picture: Picture, quality: int = 90) -> Picture:
    """The picture after a JPEG: nothing happened in it, yet no pixel is sure to be the same."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    return np.asarray(Image.open(buffer))
