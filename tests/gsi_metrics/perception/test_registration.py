"""Edits of a drawn scene, measured from their pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gsi_metrics.measurement import Measurement, Other
from gsi_metrics.perception.observing import reencoded
from gsi_metrics.perception.registration import measure
from gsi_metrics.sample import Array, Body, Picture, Sample
from tests.gsi_metrics.perception import blocks
from tests.gsi_metrics.perception.blocks import EXTRINSICS, OTHER, SIDE, TALL, TARGET, draw, moved, row, scene


MOVE = (0.10, -0.06)
BLOCKS = scene()
HERE = BLOCKS[TARGET]
THERE = moved(HERE, MOVE)


@pytest.fixture(scope="module")
def asked() -> Sample:
    """A row that asks for a move."""
    return row("CM", THERE)


def picture(*changed: Body, without: int | None = None) -> Picture:
    """The scene with some bodies changed, or one taken away."""
    bodies = BLOCKS | {body.id: body for body in changed}
    return draw({key: body for key, body in bodies.items() if key != without})[0]


def off(measured: Measurement, wanted: Array | tuple[float, ...]) -> float:
    """Metres between the measured shift and what it should be."""
    assert measured.found
    assert measured.shift is not None
    return float(np.linalg.norm(measured.shift - np.asarray(wanted)))


def other(measured: Measurement, instance: int) -> Other:
    return next(item for item in measured.others if item.id == instance)


def test_an_untouched_picture_shows_no_motion(asked: Sample) -> None:
    found = measure(asked, asked.source)
    assert off(found, (0, 0, 0)) < 0.001
    assert abs(found.yaw) < 0.01
    assert found.scale == pytest.approx(1, abs=0.01)
    assert found.vacated == 1  # it left no place that could still show it
    assert found.likeness > 0.95
    assert found.duplicates == 0
    assert all(item.present > 0.95 and item.moved < 0.005 for item in found.others)
    assert found.floor.shift < 0.003


@pytest.mark.parametrize("part", [1.0, 0.5, -1.0])
def test_a_move_is_measured_wherever_it_went(asked: Sample, part: float) -> None:
    # Half of it, and the opposite: what was asked for decides nothing.
    shift = (part * MOVE[0], part * MOVE[1], 0.0)
    found = measure(asked, picture(moved(HERE, shift[:2])))
    assert off(found, shift) < 0.005
    assert abs(found.yaw) < np.radians(5)
    assert found.scale == pytest.approx(1, abs=0.03)
    assert found.vacated > 0.9
    assert found.duplicates == 0
    assert found.confidence > 0.5
    assert all(item.present > 0.9 and item.moved < 0.01 for item in found.others)
    assert found.transform is not None
    assert found.transform[:3] @ [*HERE.centre, 1] == pytest.approx(HERE.centre + shift, abs=0.006)


@pytest.mark.parametrize("degrees", [35.0, -60.0])
def test_a_turn_has_a_sign(asked: Sample, degrees: float) -> None:
    found = measure(asked, picture(moved(HERE, (0, 0), np.radians(degrees))))
    assert np.degrees(found.yaw) == pytest.approx(degrees, abs=3)
    assert off(found, (0, 0, 0)) < 0.01


@pytest.mark.parametrize("degrees", [75.0, -75.0, 0.0])
def test_what_the_true_result_shows_favours_no_turn(degrees: float) -> None:
    turned = row("OR", moved(HERE, (0, 0), np.radians(75)))
    found = measure(turned, picture(moved(HERE, (0, 0), np.radians(degrees))))
    assert np.degrees(found.yaw) == pytest.approx(degrees, abs=4)
    assert off(found, (0, 0, 0)) < 0.012


@pytest.mark.parametrize("turns_alike", [True, False])
def test_a_turn_is_not_told_of_what_looks_alike_from_all_sides(
    monkeypatch: pytest.MonkeyPatch, turns_alike: bool
) -> None:
    # A cube without a pattern, of which nobody says that it looks the same after a quarter turn.
    cube = blocks.block(TARGET, (-0.08, -0.02), (0.12, 0.12, 0.10), 0.3)
    monkeypatch.setattr(blocks, "scene", lambda: BLOCKS | {TARGET: cube})
    if turns_alike:
        monkeypatch.setitem(blocks.COLOURS, TARGET, ((210, 60, 50), (210, 60, 50)))
    asked_turn = row("OR", moved(cube, (0, 0), np.radians(75)))
    found = measure(asked_turn, asked_turn.target)
    if turns_alike:
        assert not found.found
        assert "about equally well" in str(found.cause)
    else:
        assert np.degrees(found.yaw) == pytest.approx(75, abs=3)


@pytest.mark.parametrize("scale", [0.7, 1.3])
def test_a_size_is_measured_on_the_support(asked: Sample, scale: float) -> None:
    found = measure(asked, picture(moved(HERE, (0, 0), scale=scale)))
    assert found.scale == pytest.approx(scale, rel=0.03)
    # The middle of the box rises with the size, the base stays.
    assert off(found, (0, 0, (scale - 1) * HERE.size[2] / 2)) < 0.008


def test_what_stands_on_another_object_is_higher(asked: Sample) -> None:
    shift = BLOCKS[OTHER].centre - HERE.centre + [0, 0, (BLOCKS[OTHER].size[2] + HERE.size[2]) / 2]
    found = measure(asked, picture(replace(HERE, centre=HERE.centre + shift)))
    assert off(found, shift) < 0.015
    assert found.vacated > 0.9


def test_a_removed_object_is_found_nowhere(asked: Sample) -> None:
    found = measure(replace(asked, operation="SR", transform=None), picture(without=TARGET))
    assert found.found is False
    assert found.transform is None
    assert found.vacated > 0.9
    assert found.cause is None
    assert found.confidence > 0.5


def test_a_copy_left_behind_is_counted(asked: Sample) -> None:
    pasted = picture(THERE)
    old = (asked.source_ids == TARGET) & (draw(BLOCKS | {TARGET: THERE})[2] != TARGET)
    pasted[old] = asked.source[old]
    found = measure(asked, pasted)
    assert found.duplicates == 1
    assert found.vacated < 0.2
    assert off(found, (*MOVE, 0)) < 0.01


def test_another_object_that_moved_is_told(asked: Sample) -> None:
    found = measure(asked, picture(moved(BLOCKS[OTHER], (0.0, -0.12))))
    assert off(found, (0, 0, 0)) < 0.003
    assert other(found, OTHER).moved == pytest.approx(0.12, abs=0.03)
    assert other(found, TALL).moved < 0.01
    assert other(found, TALL).present > 0.9


def test_a_small_push_of_another_object_is_measured(asked: Sample) -> None:
    found = measure(asked, picture(THERE, moved(BLOCKS[OTHER], (0.02, 0.0))))
    assert other(found, OTHER).moved == pytest.approx(0.02, abs=0.006)


def test_another_object_that_vanished_is_told(asked: Sample) -> None:
    found = measure(asked, picture(THERE, without=TALL))
    assert other(found, TALL).present < 0.5
    assert other(found, TALL).moved == np.inf
    assert other(found, OTHER).present > 0.9


def test_an_unrelated_picture_shows_nothing_of_the_row(asked: Sample) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    found = measure(asked, np.asarray(Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    assert found.found is False
    assert found.cause is None
    assert all(item.present < 0.5 for item in found.others)


def smaller_and_back(image: Picture) -> Picture:
    small = Image.fromarray(image).resize((224, 224), Image.Resampling.LANCZOS)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def tinted(image: Picture) -> Picture:
    return np.clip(image * [1.05, 0.98, 1.0] + [-4.0, 3.0, 5.0], 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spoil", [reencoded, smaller_and_back, tinted])
def test_codec_size_and_colour_change_little(asked: Sample, spoil: object) -> None:
    assert callable(spoil)
    found = measure(asked, spoil(picture(THERE)))
    assert off(found, (*MOVE, 0)) < 0.008
    assert all(item.present > 0.6 and item.moved < 0.01 for item in found.others)


def test_a_picture_of_another_size_is_brought_back(asked: Sample) -> None:
    small = np.asarray(Image.fromarray(picture(THERE)).resize((192, 192), Image.Resampling.LANCZOS))
    assert off(measure(asked, small), (*MOVE, 0)) < 0.01


def test_a_picture_of_another_shape_is_not_measured(asked: Sample) -> None:
    found = measure(asked, np.zeros((SIDE, 2 * SIDE, 3), np.uint8))
    assert found.found is None
    assert f"{2 * SIDE} x {SIDE}" in (found.cause or "")


def test_a_wrong_edit_is_measured_the_same_without_the_answer(asked: Sample) -> None:
    edited = picture(moved(HERE, (0.05, 0.08)))
    blind = replace(asked, target=None, target_depth=None, target_ids_map=None, after=asked.before, transform=None)
    assert measure(asked, edited).shift == pytest.approx(measure(blind, edited).shift, abs=0.002)


def test_the_same_picture_gives_the_same_numbers(asked: Sample) -> None:
    edited = picture(THERE)
    one, two = measure(asked, edited), measure(replace(asked), edited)
    assert np.array_equal(one.transform, two.transform)  # type: ignore[arg-type]
    assert (one.likeness, one.confidence, one.others, one.floor) == (
        two.likeness,
        two.confidence,
        two.others,
        two.floor,
    )


def test_estimated_depth_and_no_background_still_measure(asked: Sample) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    wrong = 1.06 + 0.03 * np.sin(3 * rows) * np.cos(4 * columns)
    grain = np.random.default_rng(1).normal(0, 0.004, asked.source_depth.shape)
    guessed = (asked.source_depth * wrong + grain).astype(np.float32)
    # Boxes come from the same estimate.
    eye = -EXTRINSICS[:3, :3].T @ EXTRINSICS[:3, 3]
    boxes = tuple(replace(it, centre=eye + 1.06 * (it.centre - eye), size=1.06 * it.size) for it in asked.before)
    real = replace(
        asked, source_depth=guessed, before=boxes, exact_depth=False, background=None, target=None, transform=None
    )
    found, known = measure(real, picture(THERE)), measure(asked, picture(THERE))
    assert off(found, (*MOVE, 0)) < 0.25 * np.hypot(*MOVE)
    assert found.vacated > 0.6
    assert found.confidence < known.confidence
    still = measure(real, real.source)
    assert off(still, (0, 0, 0)) < 0.01


def test_without_a_seen_target_there_is_no_measurement(asked: Sample) -> None:
    found = measure(replace(asked, source_ids=np.zeros_like(asked.source_ids)), asked.source)
    assert "target" in (found.cause or "")
