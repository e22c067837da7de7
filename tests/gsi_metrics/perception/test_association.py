from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gsi_datasets.geometry import axis_angle, rotation_angle
from gsi_datasets.schema import OPERATIONS
from gsi_metrics.measurement import Measurement
from gsi_metrics.perception.association import assign, iou, measurement_from_detections, rigid, same_category
from gsi_metrics.perception.detections import Detection, Detections
from gsi_metrics.perception.observing import observer
from gsi_metrics.perception.truth import measure
from gsi_metrics.sample import Sample
from tests.gsi_metrics.perception.seen import Oracle, altered, around, category, changed, each, maskless, moving


def seen(sample: Sample, after: Detections | None = None, **options: Any) -> Measurement:
    before, true = around(sample)
    assert sample.target is not None
    return measurement_from_detections(sample, sample.target, before, after or true, **options)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("masks", [True, False])
def test_a_perfect_detector_measures_what_was_asked(operation: str, masks: bool) -> None:
    sample = moving(operation)
    before, after = around(sample) if masks else tuple(maskless(item) for item in around(sample))
    assert sample.target is not None
    it, truth = measurement_from_detections(sample, sample.target, before, after), measure(sample, sample.target)
    assert it.cause is None
    assert it.found is truth.found
    assert it.duplicates == 0
    if truth.transform is not None:
        assert it.transform == pytest.approx(truth.transform, abs=1e-6)
    if truth.shift is not None:
        assert it.shift == pytest.approx(truth.shift, abs=1e-6)
    assert (it.yaw, it.scale) == pytest.approx((truth.yaw, truth.scale), abs=1e-6)
    # Without silhouettes what stands in front of another object is taken for a part of it.
    assert all(other.moved < 1e-6 and other.present > (0.85 if masks else 0.7) for other in it.others)
    if operation in ("CM", "OP", "SR"):
        assert it.vacated > 0.9


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_happened(operation: str) -> None:
    sample = moving(operation)
    before, _ = around(sample)
    it = measurement_from_detections(sample, sample.source, before, before)
    assert it.transform == pytest.approx(np.eye(4), abs=1e-6)
    if operation in ("CM", "OP", "SR"):
        assert it.vacated == pytest.approx(0)
    assert it.likeness == pytest.approx(1)


def test_the_order_of_detections_does_not_matter() -> None:
    sample = moving()
    _, after = around(sample)
    back = changed(after, objects=[item.model_dump() for item in reversed(after.objects)])
    assert seen(sample, back).shift == pytest.approx(seen(sample).shift)


def test_the_picture_may_have_any_resolution() -> None:
    sample = moving()
    _, after = around(sample)
    assert sample.target is not None
    oracle = Oracle((sample.source, around(sample)[0]), (sample.target, after))
    half = np.ascontiguousarray(sample.target[::2, ::2])
    it = observer(oracle)(sample, half)
    assert it.cause is None
    assert it.shift == pytest.approx(measure(sample, sample.target).shift, abs=1e-6)
    assert it.floor.shift == pytest.approx(0)
    assert oracle.calls == 3


@pytest.mark.parametrize("unit", [0.5, 1.3, 4.0])
def test_a_detector_may_err_about_the_unit_of_length(unit: float) -> None:
    """A monocular detector's metre is a guess; nothing else changes with it."""
    sample = moving()
    before, after = (
        each(it, lambda item: altered(item, centre=unit * np.array(item.centre), size=unit * np.array(item.size)))
        for it in around(sample)
    )
    assert sample.target is not None
    it = measurement_from_detections(sample, sample.target, before, after)
    assert it.shift == pytest.approx(measure(sample, sample.target).shift, abs=1e-6)
    assert it.scale == pytest.approx(1)


def test_a_copy_left_behind_is_counted() -> None:
    sample = moving()
    before, after = around(sample)
    assert sample.target is not None
    left = next(item for item in before.objects if item.category == category(sample))
    # Both places show it.
    edited = np.where((sample.source_ids == sample.target_id)[..., None], sample.source, sample.target)
    both = changed(after, objects=[item.model_dump() for item in (*after.objects, left)])
    it = measurement_from_detections(sample, edited, before, both)
    assert it.duplicates == 1
    assert it.vacated == pytest.approx(0)
    assert it.shift == pytest.approx([0, 0, 0], abs=1e-6)


def test_the_wrong_one_moved() -> None:
    """Two alike: the target stayed, its twin went where the target should be."""
    sample = moving()
    before, after = around(sample)
    target = category(sample)
    twin = next(item for item in before.objects if item.category not in (target, "table"))
    there = next(item for item in after.objects if item.category == target)

    def alike(seen: Detections, *also: Detection) -> Detections:
        objects = [altered(item, category=target) if item.category == twin.category else item for item in seen.objects]
        return changed(seen, objects=[item.model_dump() for item in (*objects, *also)])

    bodies = tuple(
        replace(body, category=target) if body.category == twin.category else body for body in sample.before
    )
    sample = replace(sample, before=bodies)
    wrong = each(before, lambda item: None if item.category == twin.category else item)
    it = measurement_from_detections(sample, sample.source, alike(before), alike(wrong, there))
    assert it.shift == pytest.approx([0, 0, 0], abs=1e-6)
    moved = [other.moved for other in it.others if other.moved > 0.05]
    assert len(moved) == 1


def test_other_objects_are_watched() -> None:
    sample = moving()
    _, after = around(sample)
    others = sorted({item.category for item in after.objects} - {category(sample), "table"})
    ids = {body.category: body.id for body in sample.before}

    def meddled(item: Detection) -> Detection | None:
        if item.category == others[0]:
            return None
        shift = (0.06, 0, 0) if item.category == others[1] else (0, 0, 0)
        return altered(item, centre=np.add(item.centre, shift))

    it = seen(sample, each(after, meddled))
    found = {other.id: other for other in it.others}
    assert found[ids[others[0]]].present == 0
    assert math.isinf(found[ids[others[0]]].moved)
    assert found[ids[others[1]]].moved == pytest.approx(0.06)
    assert it.confidence < 1


def test_a_lost_target_in_an_untouched_place_is_the_detectors_failure() -> None:
    sample = moving("SR")
    before, after = around(sample)
    it = measurement_from_detections(sample, sample.source, before, after)
    assert "its place is as before" in str(it.cause)


def test_a_target_missed_in_the_source_is_unscored() -> None:
    sample = moving()
    before, after = around(sample)
    blind = each(before, lambda item: None if item.category == category(sample) else item)
    assert sample.target is not None
    it = measurement_from_detections(sample, sample.target, blind, after)
    assert "does not find the target in the source" in str(it.cause)


def test_nothing_seen_at_all_has_a_cause() -> None:
    for operation in OPERATIONS:
        sample = moving(operation)
        before, after = (changed(it, objects=[]) for it in around(sample))
        assert sample.target is not None
        assert measurement_from_detections(sample, sample.target, before, after).cause is not None


def test_detectors_are_not_mixed() -> None:
    sample = moving()
    _, after = around(sample)
    assert "use one detector" in str(seen(sample, changed(after, version="2")).cause)


def test_the_noise_of_the_detector_becomes_the_floor() -> None:
    sample = moving("OS")
    before, _ = around(sample)
    noisy = each(
        before, lambda item: altered(item, centre=np.add(item.centre, (0.02, 0, 0)), size=np.multiply(item.size, 1.1))
    )
    floor = seen(sample, untouched=noisy).floor
    assert floor.shift == pytest.approx(0.02)
    assert floor.log_scale == pytest.approx(math.log(1.1))
    blind = each(before, lambda item: None if item.category == category(sample) else item)
    assert "no noise floor" in str(seen(sample, untouched=blind).cause)


def test_a_symmetric_object_turns_by_the_least() -> None:
    sample = moving("OR")
    wanted = seen(sample).yaw
    for symmetry in (2, 4, 0):
        bodies = tuple(replace(body, symmetry=symmetry) for body in sample.before)
        yaw = seen(replace(sample, before=bodies)).yaw
        if symmetry == 0:
            assert yaw == 0
        else:
            assert abs(yaw) <= math.pi / symmetry + 1e-9
            assert math.cos(symmetry * (yaw - wanted)) == pytest.approx(1)


def test_boxes_without_a_front_do_not_measure_turns() -> None:
    sample = moving("OR")
    before, after = (changed(it, yaw_period=math.pi / 2) for it in around(sample))
    assert sample.target is not None
    assert "modulo 90 degrees" in str(measurement_from_detections(sample, sample.target, before, after).cause)
    square = replace(sample, before=tuple(replace(body, symmetry=4) for body in sample.before))
    assert measurement_from_detections(square, sample.target, before, after).cause is None


def test_the_camera_is_found_in_spite_of_a_wrong_box() -> None:
    sample = moving("PC")
    _, after = around(sample)
    assert len(after.objects) >= 5
    number = next(k for k, item in enumerate(after.objects) if item.category != "table")
    wrong = altered(after.objects[number], centre=np.add(after.objects[number].centre, (0.3, 0, 0.2)))
    objects = [wrong if k == number else item for k, item in enumerate(after.objects)]
    it = seen(sample, changed(after, objects=[item.model_dump() for item in objects]))
    assert it.transform is not None
    assert sample.transform is not None
    assert rotation_angle(it.transform[:3, :3], sample.transform[:3, :3]) < math.radians(1)
    assert it.transform[:3, 3] == pytest.approx(sample.transform[:3, 3], abs=0.01)


def test_rigid_motion_of_exact_points() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 3))
    turn, shift = axis_angle([1, 1, 0], 0.8), np.array([0.1, 2.0, -1.0])
    motion = rigid(points, points @ turn.T + shift)
    assert motion[:3, :3] == pytest.approx(turn)
    assert motion[:3, 3] == pytest.approx(shift)
    flat = points * [1, 1, 0]
    assert np.linalg.det(rigid(flat, flat @ turn.T)[:3, :3]) == pytest.approx(1)
    with pytest.raises(ValueError, match="at least 3"):
        rigid(points[:2], points[:2])


def test_assignment_leaves_dear_pairs_out() -> None:
    cost = np.array([[0.1, 9.0], [0.2, 0.8]])
    assert assign(cost) == [(0, 0)]
    assert assign(np.zeros((0, 3))) == []
    assert len(assign(np.zeros((2, 3)))) == 2


def test_small_parts() -> None:
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert same_category("coffee mug", "Mug")
    assert same_category("toy_block", "toy block.")
    assert not same_category("smug", "mug")


def test_a_longer_way_measures_longer() -> None:
    sample = moving()
    _, after = around(sample)
    lengths = []
    for extra in (0.0, 0.05, 0.1, 0.2):
        further = each(
            after,
            lambda item, extra=extra: (
                altered(item, centre=np.add(item.centre, (0, 0, extra))) if item.category == category(sample) else item
            ),
        )
        it = seen(sample, further)
        assert it.shift is not None
        truth = measure(sample, sample.target).shift  # type: ignore[arg-type]
        lengths.append(float(np.linalg.norm(it.shift - truth)))
    assert all(b - a == pytest.approx(c) for (a, b), c in zip(pairwise(lengths), (0.05, 0.05, 0.1), strict=True))
