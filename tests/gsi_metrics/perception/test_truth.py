from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.schema import OPERATIONS
from gsi_metrics.perception.truth import measure, source_detections, target_detections
from tests.gsi_metrics.perception.seen import moving


@pytest.mark.parametrize("operation", OPERATIONS)
def test_says_of_the_true_result_what_was_asked(operation: str) -> None:
    sample = moving(operation)
    assert sample.target is not None
    it = measure(sample, sample.target)
    assert it.cause is None
    if operation == "SR":
        assert it.found is False
        assert it.transform is None
        assert it.vacated == 1
        return
    assert np.array_equal(it.transform, sample.transform)
    if operation == "PC":
        assert it.found is None
        return
    before, after = (next(b for b in group if b.id == sample.target_id) for group in (sample.before, sample.after))
    assert it.shift == pytest.approx(after.centre - before.centre)
    assert it.transform @ [*before.centre, 1] == pytest.approx([*after.centre, 1])
    assert it.scale == pytest.approx(after.size[0] / before.size[0])
    c, s = np.cos(it.yaw), np.sin(it.yaw)
    assert np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ before.rotation == pytest.approx(after.rotation)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_says_of_the_source_that_nothing_happened(operation: str) -> None:
    sample = moving(operation)
    it = measure(sample, sample.source.copy())
    assert it.cause is None
    assert it.found is (None if operation == "PC" else True)
    assert it.transform == pytest.approx(np.eye(4))
    assert it.vacated == 0
    assert (it.yaw, it.scale, it.likeness) == (0, 1, 1)


def test_says_nothing_of_any_other_picture() -> None:
    sample = moving()
    assert sample.target is not None
    other = sample.target.copy()
    other[0, 0, 0] ^= 1
    it = measure(sample, other)
    assert "pixel for pixel" in str(it.cause)
    assert measure(sample, sample.target[::2, ::2]).cause is not None


def test_detects_what_shows() -> None:
    sample = moving("SR")
    before, after = source_detections(sample), target_detections(sample)
    assert len(before.objects) == len(after.objects) + 1
    for item in before.objects:
        K, centre = np.array(before.intrinsics), np.array(item.centre)
        u, v = (K @ centre)[:2] / centre[2]
        left, top, right, bottom = item.bbox_2d
        assert left - 4 < u < right + 4
        assert top - 4 < v < bottom + 4
    with pytest.raises(ValueError, match="no true result"):
        target_detections(replace(sample, target_ids_map=None))
