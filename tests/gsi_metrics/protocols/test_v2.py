"""Protocol `gsi-bench-v2`: what must hold for every row, whatever the observer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gsi_datasets.geometry import rotation_z
from gsi_metrics.measurement import Floor, Measurement, Other
from gsi_metrics.protocols.deviation import Tolerances
from gsi_metrics.protocols.v2 import Scores, score, skill
from gsi_metrics.sample import Array, Body, Sample
from tests.gsi_metrics.factories import fake_measurement, fake_sample, similarity, target_bodies


OPERATIONS = ("CM", "OP", "OR", "RP", "PC", "SR", "OS")
PLACED = ("CM", "OP", "RP")
seeds = st.integers(0, 30)
every = settings(max_examples=40, deadline=None)


def judge(sample: Sample, measurement: Measurement, **options: Any) -> Scores:
    """Scores the true picture, so that only the measurement decides."""
    assert sample.target is not None
    return score(sample, sample.target, measurement, **options)


@given(st.sampled_from(OPERATIONS), seeds)
@every
def test_perfect_is_one(operation: str, seed: int) -> None:
    sample = fake_sample(operation, seed)
    scores = judge(sample, fake_measurement(sample))
    assert (scores.ic, scores.faults) == (1.0, ())
    assert scores.sa == pytest.approx(1)
    assert all(abs(value) < 1e-6 for value in scores.errors.values())


@given(st.sampled_from(OPERATIONS), seeds)
@every
def test_nothing_is_zero(operation: str, seed: int) -> None:
    sample = fake_sample(operation, seed)
    scores = score(sample, sample.source, fake_measurement(sample, 0))
    assert scores.ic == 0
    assert scores.sa == pytest.approx(0, abs=1e-9)
    assert scores.faults


@given(st.sampled_from([name for name in OPERATIONS if name != "SR"]), seeds)
@every
def test_opposite_is_zero(operation: str, seed: int) -> None:
    sample = fake_sample(operation, seed)
    scores = judge(sample, fake_measurement(sample, -1))
    assert (scores.ic, scores.sa) == (0, 0)


@given(st.sampled_from([name for name in OPERATIONS if name not in ("SR", "RP")]), seeds)
@every
def test_half_earns_half_but_does_not_comply(operation: str, seed: int) -> None:
    sample = fake_sample(operation, seed)
    scores = judge(sample, fake_measurement(sample, 0.5))
    assert scores.ic == 0
    assert scores.sa == pytest.approx(0.5, abs=0.02)


@given(
    st.sampled_from([name for name in OPERATIONS if name != "SR"]), seeds, st.floats(0.05, 0.95), st.floats(0.01, 0.9)
)
@every
def test_closer_is_better(operation: str, seed: int, part: float, step: float) -> None:
    sample = fake_sample(operation, seed)
    nearer = part + step * (1 - part)
    less, more = (judge(sample, fake_measurement(sample, value)).sa for value in (part, nearer))
    assert less is not None
    assert more is not None
    assert less < more


@given(st.sampled_from(PLACED), seeds, st.floats(-3, 3), st.floats(-1.5, 1.5), st.floats(0.01, 0.9))
@every
def test_accuracy_of_a_place_depends_on_nothing_but_the_distance(
    operation: str, seed: int, azimuth: float, height: float, share: float
) -> None:
    sample = fake_sample(operation, seed)
    before, after = target_bodies(sample)
    wanted = after.centre - before.centre
    ray = np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])
    shift = wanted + share * np.linalg.norm(wanted) * ray
    measurement = fake_measurement(sample, shift=shift, transform=similarity(before, shift, 0.0, 1.0))
    scores = judge(sample, measurement)
    assert scores.sa == pytest.approx(1 - share, abs=1e-6)
    assert scores.errors["endpoint_cm"] == pytest.approx(100 * share * np.linalg.norm(wanted))


def test_skill_is_continuous_and_strictly_decreasing_between_its_anchors() -> None:
    errors = np.linspace(0, 2, 2001)
    values = np.array([skill(error, 1.0, 0.1) for error in errors])
    between = (errors > 0.1) & (errors < 0.9)
    assert (np.diff(values[between]) < 0).all()
    assert np.abs(np.diff(values)).max() < 0.002
    assert (values[errors <= 0.1] == 1).all()
    assert (values[errors >= 0.9 + 1e-9] == 0).all()


@pytest.mark.parametrize("degrees", [-40, 40])
@pytest.mark.parametrize("operation", ["CM", "OP"])
def test_the_right_distance_in_a_wrong_direction_does_not_comply(operation: str, degrees: float) -> None:
    sample = fake_sample(operation, 1)
    before, after = target_bodies(sample)
    shift = rotation_z(np.radians(degrees)) @ (after.centre - before.centre)
    scores = judge(sample, fake_measurement(sample, shift=shift))
    assert scores.ic == 0
    if operation == "CM":
        assert scores.errors["direction_degrees"] == pytest.approx(40)
        assert any("degrees off the direction" in fault for fault in scores.faults)


def test_a_turn_is_judged_modulo_symmetry() -> None:
    sample = fake_sample("OR", 3, symmetry=4)
    yaw = fake_measurement(sample).yaw
    expected = judge(sample, fake_measurement(sample))
    for quarter in (1, 2, 3):
        turned = fake_measurement(sample, yaw=yaw + quarter * np.pi / 2)
        assert judge(sample, turned).sa == pytest.approx(expected.sa)
    wrong = judge(sample, fake_measurement(sample, yaw=yaw + np.pi / 4))
    assert (wrong.ic, wrong.sa) == (0, 0)


def test_a_turn_that_nobody_can_see_is_unscored() -> None:
    sample = fake_sample("OR", 3, symmetry=0)
    scores = judge(sample, fake_measurement(sample))
    assert (scores.ic, scores.sa) == (None, None)
    assert "changes nothing that can be seen" in scores.unscored["ic"]


@given(st.sampled_from(OPERATIONS), seeds, st.floats(-3, 3), st.floats(-5, 5), st.floats(0, 2))
@every
def test_the_world_frame_does_not_matter(operation: str, seed: int, angle: float, push: float, part: float) -> None:
    sample = fake_sample(operation, seed)
    measurement = fake_measurement(sample, part)
    frame = np.eye(4)
    frame[:3, :3] = rotation_z(angle)
    frame[:3, 3] = [push, -push, 0.5 * push]
    one, two = judge(sample, measurement), judge(carried(sample, frame), seen_from(measurement, frame))
    assert one.ic == two.ic
    assert one.sa == pytest.approx(two.sa, abs=1e-6)
    for name, value in one.errors.items():
        assert value == pytest.approx(two.errors[name], abs=1e-4)


@given(st.sampled_from(OPERATIONS), seeds, st.randoms(use_true_random=False))
@every
def test_the_order_of_objects_does_not_matter(operation: str, seed: int, random: np.random.Generator) -> None:
    sample = fake_sample(operation, seed)
    presence = {body.id: 0.3 + 0.1 * body.id for body in sample.before}
    measurement = fake_measurement(sample)
    others = [replace(other, present=min(presence[other.id], 1.0)) for other in measurement.others]
    one = judge(sample, replace(measurement, others=tuple(others)))
    random.shuffle(others)
    mixed = replace(sample, before=sample.before[::-1], after=sample.after[::-1])
    assert judge(mixed, replace(measurement, others=tuple(others))).to_dict() == one.to_dict()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("present", "moved"), [(0.0, np.inf), (0.2, 0.0), (1.0, 0.1)])
def test_other_objects_must_stay(operation: str, present: float, moved: float) -> None:
    sample = fake_sample(operation, 2)
    measurement = fake_measurement(sample)
    first = next(other for other in measurement.others if other.id != 1)
    others = (Other(first.id, present, moved), *(item for item in measurement.others if item is not first))
    scores = judge(sample, replace(measurement, others=others))
    assert scores.ic == 0
    assert any("is gone or changed" in fault or "moved" in fault for fault in scores.faults)


def test_an_object_hidden_in_the_true_result_is_not_missed() -> None:
    sample = fake_sample("CM", 2)
    measurement = fake_measurement(sample)
    hidden = next(other for other in measurement.others if other.id != 1)
    after = tuple(replace(body, visibility=0.02) if body.id == hidden.id else body for body in sample.after)
    others = tuple(Other(item.id, 0.0, np.inf) if item is hidden else item for item in measurement.others)
    assert judge(replace(sample, after=after), replace(measurement, others=others)).ic == 1


@pytest.mark.parametrize("operation", PLACED)
@pytest.mark.parametrize("change", [{"duplicates": 1}, {"vacated": 0.2}])
def test_a_copy_is_no_move(operation: str, change: dict[str, float]) -> None:
    sample = fake_sample(operation, 1)
    scores = judge(sample, fake_measurement(sample, **change))
    assert (scores.ic, scores.sa) == (0, 0)


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ("SR", "PC")])
def test_an_object_that_is_not_there_is_wrong_and_not_unscored(operation: str) -> None:
    sample = fake_sample(operation, 1)
    lost = Measurement(sample.id, "test", found=False, vacated=1.0, confidence=1.0)
    scores = judge(sample, lost)
    assert (scores.ic, scores.sa, scores.ac) == (0, 0, 0)
    assert scores.unscored == {}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_cannot_be_measured_is_unscored_with_its_cause(operation: str) -> None:
    sample = fake_sample(operation, 1)
    scores = judge(sample, Measurement(sample.id, "test", cause="the observer broke"))
    assert (scores.ic, scores.sa, scores.ac) == (None, None, None)
    assert scores.unscored["ic"] == scores.unscored["sa"] == "the observer broke"
    assert (scores.el is None) == (operation == "PC")


def test_a_request_near_the_noise_is_unscored() -> None:
    sample = fake_sample("CM", 1)
    before, after = target_bodies(sample)
    length = float(np.linalg.norm(after.centre - before.centre))
    scores = judge(sample, fake_measurement(sample, floor=Floor(shift=0.4 * length)))
    assert (scores.ic, scores.sa) == (None, None)
    assert "noise" in scores.unscored["sa"]


@pytest.mark.parametrize(("part", "ic", "sa"), [(0.71, 1, 1), (1.29, 1, 1), (0.29, 0, 0), (0.5, 0, 0.5)])
def test_the_noise_floor_widens_both_anchors(part: float, ic: float, sa: float) -> None:
    sample = fake_sample("CM", 1)
    before, after = target_bodies(sample)
    floor = Floor(shift=0.3 * float(np.linalg.norm(after.centre - before.centre)))
    scores = judge(sample, fake_measurement(sample, part, floor=floor))
    assert (scores.ic, scores.sa) == (ic, pytest.approx(sa))


@pytest.mark.parametrize(
    ("operation", "drift", "word"),
    [
        ("CM", {"scale": 1.6}, "size"),
        ("CM", {"yaw": 1.5}, "turned"),
        ("OP", {"scale": 0.6}, "size"),
        ("OR", {"shift": np.array([0.2, 0.0, 0.0])}, "place"),
        ("OR", {"scale": 1.6}, "size"),
        ("OS", {"yaw": 1.5}, "turned"),
        ("OS", {"shift": np.array([0.0, 0.0, 0.3])}, "base"),
    ],
)
def test_what_was_not_asked_for_must_stay(operation: str, drift: dict[str, float], word: str) -> None:
    sample = fake_sample(operation, 4)
    scores = judge(sample, fake_measurement(sample, **drift))
    assert scores.ic == 0
    assert scores.sa is not None
    assert scores.sa < 1
    assert any(word in fault for fault in scores.faults)


def test_scaling_about_the_middle_leaves_the_base() -> None:
    sample = fake_sample("OS", 4)
    before, after = target_bodies(sample)
    rise = 0.5 * (after.size[2] - before.size[2]) * 19
    tall = replace(
        sample,
        before=(replace(before, size=before.size * [1, 1, 20]),),
        after=(replace(after, size=after.size * [1, 1, 20], centre=after.centre + np.array([0, 0, rise])),),
    )
    for part in (0.5, 1, 2):
        assert judge(tall, fake_measurement(tall, part)).errors["base_cm"] == pytest.approx(0, abs=1e-6)
    assert judge(tall, fake_measurement(tall)).ic == 1
    about_the_middle = judge(tall, fake_measurement(tall, shift=np.zeros(3)))
    assert about_the_middle.faults == ("the object left its base",)


def test_a_receptacle_has_room_but_a_middle() -> None:
    sample = fake_sample("RP", 1)
    before, after = target_bodies(sample)
    container = sample.body(sample.reference_ids[0])
    assert container is not None
    wanted, half = after.centre - before.centre, float(container.size[:2].min()) / 2
    inside, rim, floating = (
        judge(sample, fake_measurement(sample, shift=wanted + np.array(off)))
        for off in ((0.4 * half, 0, 0), (0.9 * half, 0, 0), (0, 0, 0.6 * float(after.size[2])))
    )
    assert (inside.ic, rim.ic, floating.ic) == (1, 0, 0)


def test_a_moved_reference_spoils_a_relation() -> None:
    sample = fake_sample("OP", 1)
    reference = sample.reference_ids[0]
    measurement = fake_measurement(sample)
    others = tuple(replace(item, moved=0.08) if item.id == reference else item for item in measurement.others)
    scores = judge(sample, replace(measurement, others=others))
    assert scores.ic == 0
    assert scores.sa is not None
    assert scores.sa < 0.95


def test_removing_more_than_was_asked_for_costs() -> None:
    sample = fake_sample("SR", 1)
    measurement = fake_measurement(sample)
    gone = tuple(Other(item.id, 0.0, np.inf) for item in measurement.others)
    scores = judge(sample, replace(measurement, others=gone))
    assert scores.ic == 0
    assert scores.sa == pytest.approx(1 / (1 + len(gone)))


def test_a_moved_object_is_not_removed() -> None:
    sample = fake_sample("SR", 1)
    scores = judge(sample, fake_measurement(sample, found=True, vacated=1.0))
    assert (scores.ic, scores.sa) == (0, 0)


def test_an_object_replaced_by_another_is_not_removed() -> None:
    sample = fake_sample("SR", 1, size=128)
    assert sample.target is not None
    place = sample.source_ids == sample.target_id
    replaced = sample.target.copy()
    replaced[place] = [20, 160, 170]
    scores = score(sample, replaced, fake_measurement(sample))
    assert scores.ic == 0
    assert scores.faults == ("something else stands in its place",)
    assert scores.sa == pytest.approx(0, abs=0.1)


def test_a_small_thing_in_the_place_of_a_large_one_is_no_removal() -> None:
    sample = fake_sample("SR", 1, size=128)
    assert sample.target is not None
    rows, columns = np.nonzero(sample.source_ids == sample.target_id)
    left = columns < np.quantile(columns, 0.3)
    replaced = sample.target.copy()
    replaced[rows[left], columns[left]] = [20, 160, 170]
    scores = score(sample, replaced, fake_measurement(sample))
    assert scores.faults == ("something else stands in its place",)
    assert 0.1 < scores.details["patch"] < 0.4
    assert scores.details["emptied"] > 0.25  # on average it looks empty
    assert 0.5 < scores.sa < 0.9  # type: ignore[operator]


def test_a_removal_has_no_appearance_and_a_view_no_locality() -> None:
    removal, view = fake_sample("SR", 1), fake_sample("PC", 1)
    assert judge(removal, fake_measurement(removal)).ac is None
    assert judge(view, fake_measurement(view)).el is None


def test_a_camera_that_turns_only_or_moves_only_is_half_right() -> None:
    sample = fake_sample("PC", 5)
    source, target = np.linalg.inv(sample.source_extrinsics), np.linalg.inv(sample.target_extrinsics)
    turned = source.copy()
    turned[:3, :3] = target[:3, :3]
    scores = judge(sample, fake_measurement(sample, transform=turned @ np.linalg.inv(source)))
    assert scores.errors["rotation_degrees"] == pytest.approx(0, abs=1e-6)
    assert scores.errors["translation_cm"] == pytest.approx(100 * np.linalg.norm(source[:3, 3] - target[:3, 3]))
    assert scores.sa is not None
    assert 0 < scores.sa < 1


def test_a_judge_is_heard_and_checked() -> None:
    sample = fake_sample("CM", 1)
    measurement = fake_measurement(sample, likeness=0.2)
    assert judge(sample, measurement, judged=0.9).ac == 0.9
    assert judge(sample, measurement).ac is not None
    silent = judge(sample, measurement, unjudged="the judge did not answer")
    assert (silent.ac, silent.unscored) == (None, {"ac": "the judge did not answer"})
    with pytest.raises(ValueError, match="verdict"):
        judge(sample, measurement, judged=10)


def test_wrong_inputs_are_named() -> None:
    sample = fake_sample("CM", 1)
    with pytest.raises(ValueError, match="measurement is of row other"):
        judge(sample, replace(fake_measurement(sample), sample="other"))
    with pytest.raises(ValueError, match=r"\(h, w, 3\) uint8"):
        score(sample, np.zeros((8, 8), np.uint8), fake_measurement(sample))


def test_tolerances_are_what_decides() -> None:
    sample = fake_sample("CM", 1)
    measurement = fake_measurement(sample, 0.6)
    assert sample.target is not None
    assert score(sample, sample.target, measurement).ic == 0
    assert score(sample, sample.target, measurement, tolerances=Tolerances(share=0.45)).ic == 1


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "SR"])
def test_no_tolerance_lets_doing_nothing_pass(operation: str) -> None:
    sample = fake_sample(operation, 1)
    still = fake_measurement(sample, 0, vacated=1.0)
    generous = Tolerances(share=5, region=50, direction=np.pi, height=50)
    assert score(sample, sample.source, still, tolerances=generous).ic == 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_scores_are_json(operation: str) -> None:
    sample = fake_sample(operation, 2)
    lost = tuple(Other(body.id, 0.0, np.inf) for body in sample.before if body.id != sample.target_id)
    record = judge(sample, fake_measurement(sample, others=lost)).to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def carried(sample: Sample, frame: Array) -> Sample:
    """The same row written in another world frame."""
    back = np.linalg.inv(frame)

    def body(item: Body) -> Body:
        return replace(item, centre=frame[:3, :3] @ item.centre + frame[:3, 3], rotation=frame[:3, :3] @ item.rotation)

    return replace(
        sample,
        before=tuple(body(item) for item in sample.before),
        after=tuple(body(item) for item in sample.after),
        source_extrinsics=sample.source_extrinsics @ back,
        target_extrinsics=sample.target_extrinsics @ back,
        transform=None if sample.transform is None else frame @ sample.transform @ back,
    )


def seen_from(measurement: Measurement, frame: Array) -> Measurement:
    """The same measurement written in another world frame."""
    return replace(
        measurement,
        shift=None if measurement.shift is None else frame[:3, :3] @ measurement.shift,
        transform=None if measurement.transform is None else frame @ measurement.transform @ np.linalg.inv(frame),
    )
