"""Pictures and texts in, pictures or texts out: by seed, together or alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gsi_train.bagel.generation import AnswerSettings, GenerationError
from gsi_train.bagel.pipeline import BagelPipeline
from tests.gsi_train.bagel import whole


TURN = [whole.picture("src"), "Move the red cup."]
OTHER = [whole.picture("src"), whole.picture("src2"), "Rotate the box."]


@pytest.fixture(scope="module")
def pipeline() -> BagelPipeline:
    return whole.pipeline()


def apart(first: Image.Image, second: Image.Image) -> int:
    return int(np.abs(np.asarray(first, int) - np.asarray(second, int)).max())


def test_a_seed_decides_the_picture(pipeline: BagelPipeline) -> None:
    first, again, other = pipeline.edit([TURN, TURN, TURN], [7, 7, 8])
    assert apart(first, again) <= 1
    assert apart(first, other) > 10
    assert apart(first, pipeline.edit([TURN], [7])[0]) <= 1
    assert first.tobytes() == pipeline.edit([TURN, TURN, TURN], [7, 7, 8])[0].tobytes()


@pytest.mark.parametrize("renorm", ["global", "text_channel"])
def test_together_as_alone(pipeline: BagelPipeline, renorm: str) -> None:
    settings = replace(whole.SETTINGS, renorm=renorm)
    together = pipeline.edit([TURN, OTHER], [1, 2], settings=settings)
    assert [image.size for image in together] == [(64, 48), (32, 64)]
    for turn, seed, image in zip([TURN, OTHER], [1, 2], together, strict=True):
        assert apart(image, pipeline.edit([turn], [seed], settings=settings)[0]) <= 1


def test_latents_drawn_from_the_posterior_follow_the_seed(pipeline: BagelPipeline) -> None:
    settings = replace(whole.SETTINGS, sample_latents=True)
    first, again, other = pipeline.edit([TURN, TURN, TURN], [7, 7, 8], settings=settings)
    assert apart(first, again) <= 1
    assert apart(first, other) > 10
    assert apart(first, pipeline.edit([TURN], [7])[0]) > 1


def test_a_picture_of_text_alone_needs_a_size(pipeline: BagelPipeline) -> None:
    with pytest.raises(GenerationError, match="size: needed"):
        pipeline.edit([["A cup."]])
    assert pipeline.edit([["A cup."]], size=(48, 32))[0].size == (48, 32)
    with pytest.raises(GenerationError, match="multiples of 16"):
        pipeline.edit([["A cup."]], size=(50, 32))
    with pytest.raises(ValueError, match="max_latent_size"):
        pipeline.edit([["A cup."]], size=(256, 32))


def test_what_is_asked_and_how_far_it_is(pipeline: BagelPipeline, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[int, int]] = []
    pipeline.edit([TURN], progress=True, on_step=lambda *state: told.append(state))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert "4/4" in capsys.readouterr().err
    with pytest.raises(GenerationError, match="1 seeds for 2"):
        pipeline.edit([TURN, TURN], [1])


def test_answers_as_recorded_and_in_company(pipeline: BagelPipeline) -> None:
    settings = AnswerSettings(max_new_tokens=8)
    question = [whole.picture("vqa"), "How many cups?"]
    alone = pipeline.answer([question], settings=settings)
    together = pipeline.answer([[whole.picture("src"), "What?"], question], settings=settings)
    assert together[1:] == alone
    assert pipeline.answer([question], [1], settings=AnswerSettings(8, 3.0)) != pipeline.answer(
        [question], [2], settings=AnswerSettings(8, 3.0)
    )


def test_in_bfloat16(pipeline: BagelPipeline) -> None:
    half = whole.pipeline()
    half.model.to(torch.bfloat16)
    assert half.vae is not None
    half.vae.to(torch.bfloat16)
    image = half.edit([TURN], [7])[0]
    # Random weights carry rounding far; the mean shows that it is the same picture.
    exact = np.asarray(pipeline.edit([TURN], [7])[0], float)
    assert np.abs(np.asarray(image, float) - exact).mean() < 8
