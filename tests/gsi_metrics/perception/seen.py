"""Detections for tests: what a perfect detector sees, and ways to spoil it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gsi_metrics.perception.detections import Detection, Detections
from gsi_metrics.perception.truth import source_detections, target_detections
from gsi_metrics.sample import Picture, Sample
from tests.gsi_metrics.factories import fake_sample


SEED = 2


def moving(operation: str = "CM", size: int = 128) -> Sample:
    """A row with five objects on a table, all in view before and after."""
    sample = fake_sample(operation, seed=SEED, size=size)
    return replace(sample, target_id=None) if operation == "PC" else sample


def around(sample: Sample) -> tuple[Detections, Detections]:
    """What a perfect detector sees before and after."""
    return source_detections(sample), target_detections(sample)


def changed(seen: Detections, **changes: Any) -> Detections:
    """Detections with fields put in place, validated."""
    return Detections.model_validate(seen.model_dump() | changes)


def each(seen: Detections, change: Any) -> Detections:
    """Detections with a function put over every object; None takes it away."""
    objects = [new for item in seen.objects if (new := change(item)) is not None]
    return changed(seen, objects=[item.model_dump() for item in objects])


def maskless(seen: Detections) -> Detections:
    """The same without silhouettes, as most detectors give it."""
    return each(seen, lambda item: altered(item, mask=None))


def altered(item: Detection, **changes: Any) -> Detection:
    """A detection with fields put in place, validated."""
    return Detection.model_validate(item.model_dump() | changes)


def category(sample: Sample) -> str:
    """Of the target; unique in the rows of `moving`."""
    return next(body.category for body in sample.before if body.id == sample.target_id)


class Oracle:
    """A detector that knows its pictures; counts how often it is asked."""

    name, version = "oracle", "1"

    def __init__(self, *known: tuple[Picture, Detections]) -> None:
        self.known, self.calls = known, 0

    def detect(self, image: Picture, K: Any, queries: list[str], up: Any = None) -> Detections:
        self.calls += 1
        nearest = min(self.known, key=lambda pair: np.abs(pair[0].astype(int) - _fit(image, pair[0])).mean())
        return changed(nearest[1], observer=self.name).resized(*image.shape[:2])


def _fit(image: Picture, other: Picture) -> Any:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize(other.shape[1::-1])).astype(int)
