"""Edit locality: what an edit may change, what it may not, and what must not matter."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from gsi_metrics.locality import LocalityRules, carried, locality
from gsi_metrics.sample import Picture, Sample
from tests.gsi_metrics.factories import fake_sample


OPERATIONS = ("CM", "OP", "OR", "RP", "SR", "OS")
SIZE = 192


def textured(operation: str = "CM", seed: int = 1, size: int = SIZE) -> Sample:
    return fake_sample(operation, seed, size, textured=True)


def truth(sample: Sample) -> Picture:
    assert sample.target is not None
    return sample.target


def value(sample: Sample, edited: Picture) -> float:
    result = locality(sample, edited, sample.transform)
    assert result.value is not None, result.cause
    return result.value


def jpeg(picture: Picture, quality: int = 90) -> Picture:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def blurred(picture: Picture, radius: float) -> Picture:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def resized(picture: Picture, size: int) -> Picture:
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


@given(st.sampled_from(OPERATIONS), st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_truth_and_source_are_preserved(operation: str, seed: int) -> None:
    sample = fake_sample(operation, seed, 96, textured=True)
    assert value(sample, truth(sample)) >= 0.99
    assert value(sample, sample.source) >= 0.99


@pytest.mark.parametrize("operation", ["CM", "SR"])
def test_a_codec_is_forgiven_and_damage_is_not(operation: str) -> None:
    size = 512
    sample, stranger = textured(operation, size=size), textured("CM", 9, size)
    codec = value(sample, jpeg(truth(sample)))
    small = value(sample, resized(resized(truth(sample), size * 7 // 8), size))
    soft, softer = (value(sample, blurred(truth(sample), radius)) for radius in (4, 10))
    assert min(codec, small) >= 0.95
    assert 0.9 > soft > softer
    assert softer < 0.5
    assert value(sample, stranger.source[::-1]) < 0.25


def test_a_global_colour_shift_is_forgiven_up_to_its_limit() -> None:
    sample = textured()
    slight, strong = (
        np.clip(truth(sample) * gain + np.array(offset), 0, 255).astype(np.uint8)
        for gain, offset in ((0.96, (6, -4, 2)), (0.5, (90, 20, -40)))
    )
    assert value(sample, slight) >= 0.97
    assert value(sample, strong) < 0.8


def test_a_lost_object_costs_the_same_share_small_or_large() -> None:
    sample = textured()
    others = [body.id for body in sample.before if body.movable and body.id != sample.target_id]
    costs = []
    for instance in others:
        edited = truth(sample).copy()
        edited[sample.source_ids == instance] = 128
        costs.append(1 - value(sample, edited))
    assert min(costs) > 0.6 * 0.5 / len(others)
    assert max(costs) < 2.5 * min(costs)


def test_the_places_of_the_target_are_free() -> None:
    sample = textured()
    assert sample.target_ids_map is not None
    edited = truth(sample).copy()
    edited[(sample.source_ids == sample.target_id) | (sample.target_ids_map == sample.target_id)] = [255, 0, 255]
    assert value(sample, edited) >= 0.95


def test_where_the_target_went_instead_is_free_once_it_is_seen_there() -> None:
    sample = textured()
    astray = np.eye(4)
    astray[:3, 3] = [0.05, 0.25, 0.0]
    place = carried(sample, astray)
    assert place.sum() > 50
    edited = sample.source.copy()
    edited[place] = [255, 0, 255]
    unseen, seen = locality(sample, edited).value, locality(sample, edited, astray).value
    assert unseen is not None
    assert seen is not None
    assert seen > unseen + 0.01
    assert seen >= 0.98


def test_an_identity_carries_the_target_onto_itself() -> None:
    sample = textured()
    here, was = carried(sample, np.eye(4)), sample.source_ids == sample.target_id
    assert (here & was).sum() >= 0.95 * was.sum()
    assert (here & ~was).sum() <= 0.25 * was.sum()


def test_a_shadow_that_goes_along_is_free_but_a_new_one_is_not() -> None:
    sample = textured()
    dark = np.zeros(sample.size, bool)
    dark[-80:, :100] = True
    shaded = np.where(dark[..., None], truth(sample) * 0.6, truth(sample)).astype(np.uint8)
    half = np.where(dark[..., None], truth(sample) * 0.8, truth(sample)).astype(np.uint8)
    with_shadow = replace(sample, target=shaded)
    for picture in (shaded, half, truth(sample)):
        assert value(with_shadow, picture) >= 0.99
    assert value(sample, shaded) < 0.97


@given(st.permutations([0, 1, 2]))
@settings(max_examples=6, deadline=None)
def test_the_order_of_channels_does_not_matter(order: list[int]) -> None:
    sample = textured(size=96)
    edited = blurred(truth(sample), 1)
    mixed = replace(sample, source=sample.source[..., order], target=truth(sample)[..., order])
    assert value(mixed, edited[..., order]) == pytest.approx(value(sample, edited), abs=1e-5)


def test_the_size_of_the_pictures_does_not_matter() -> None:
    values = []
    for size in (128, 256, 512):
        sample = textured(size=size)
        edited = blurred(truth(sample), 0.01 * size)
        values.append(value(sample, edited))
    assert max(values) - min(values) < 0.05
    assert 0.2 < values[0] < 0.9


def test_an_edited_picture_of_another_size_is_brought_to_the_source() -> None:
    sample = textured()
    for size in (SIZE * 2, SIZE * 3 // 4):
        assert value(sample, resized(truth(sample), size)) >= 0.9


def test_the_order_of_objects_does_not_matter() -> None:
    sample = textured()
    edited = blurred(truth(sample), 2)
    turned = replace(sample, before=sample.before[::-1], after=sample.after[::-1])
    assert value(turned, edited) == value(sample, edited)


def test_plain_pictures_are_no_error() -> None:
    sample = textured()
    for level in (0, 128, 255):
        assert value(sample, np.full_like(sample.source, level)) < 0.3
    plain = replace(sample, source=np.full_like(sample.source, 90), target=np.full_like(sample.source, 90))
    assert value(plain, plain.source) == pytest.approx(1)


def test_views_and_full_pictures_are_unscored() -> None:
    view, close = textured("PC"), textured()
    assert locality(view, truth(view)).value is None
    crowded = replace(close, source_ids=np.where(np.arange(SIZE) > 30, close.target_id, 0) + 0 * close.source_ids)
    result = locality(crowded, truth(close))
    assert result.value is None
    assert "lies outside" in str(result.cause)
    assert result.left < LocalityRules().least_left


def test_real_pictures_have_no_true_result() -> None:
    sample = textured()
    real = replace(sample, target=None, target_depth=None, target_ids_map=None)
    assert value(real, truth(sample)) >= 0.95
    assert value(real, blurred(sample.source, 4)) < 0.5
