"""Guidance, schedule and answers. (The recordings are compared in test_conform.py, step by step.)"""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import load_file

from gsi_train.bagel.generation import (
    AnswerSettings,
    Branches,
    EditSettings,
    GenerationError,
    Step,
    answer,
    build_branches,
    draw,
    guide,
    schedule,
)
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.packing import Text
from gsi_train.conform_golden import Golden
from tests.gsi_train.bagel.tiny import FOLDER


GRID = (2, 3)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(6, 16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def still(golden: Golden) -> BagelForConditionalGeneration:
    return golden.model


@pytest.fixture
def branches(still: BagelForConditionalGeneration) -> list[Branches]:
    return [build_branches(still, [Text(ids=list(text))]) for text in (b"a cup", b"two balls on a table")]


@pytest.mark.parametrize("name", ["text_channel", "global", "channel", "global_interval_min", "text_only_global"])
def test_guidance_alone_as_recorded(name: str) -> None:
    recorded = load_file(FOLDER / "infer_edit.safetensors")
    facts = json.loads((FOLDER / "infer_edit.json").read_text())["variants"][name]
    settings = EditSettings(
        text_scale=facts["cfg_text_scale"],
        image_scale=facts["cfg_img_scale"],
        renorm=facts["cfg_renorm_type"],
        renorm_min=facts["cfg_renorm_min"],
    )
    full, no_text, no_image = (
        recorded[f"out.text_channel.step0.{branch}"] for branch in ("v_cond", "v_no_text", "v_no_image")
    )
    guided = guide(full, no_text, no_image if settings.image_scale > 1 else None, settings)
    assert torch.allclose(guided, recorded[f"out.{name}.v_t"][0], rtol=0, atol=1e-5)


def test_one_in_renorm_min_switches_it_off() -> None:
    full, no_text = noise(0), noise(1)
    plain = no_text + 4 * (full - no_text)
    for renorm in ("text_channel", "global", "channel"):
        settings = EditSettings(renorm=renorm, renorm_min=1.0)
        assert torch.allclose(guide(full, no_text, None, settings), plain, atol=1e-6)
        assert not torch.allclose(guide(full, no_text, None, EditSettings(renorm=renorm)), plain, atol=1e-2)


def test_times() -> None:
    times = schedule(50, 3.0)
    assert times[[1, 2, 3, -4, -3, -2]].tolist() == pytest.approx(
        [0.993103, 0.986014, 0.978723, 0.163636, 0.113208, 0.058824], abs=1e-6
    )
    assert (times[0], times[-1]) == (1, 0)
    settings = EditSettings(interval=(0.4, 1.0))
    assert sum(settings.guided(time) for time in times[:-1].tolist()) == 41
    assert not EditSettings(text_scale=1.0).guided(0.5)
    assert not settings.guided(0.4)


def test_times_and_updates_are_those_of_diffusers() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=torch.linspace(1, 0, 9)[:-1].tolist())
    times = schedule(9, 3.0)
    assert torch.allclose(scheduler.sigmas, times, atol=1e-7)
    theirs = scheduler.step(noise(1), scheduler.timesteps[0], noise(0)).prev_sample
    assert torch.allclose(theirs, noise(0) - noise(1) * (times[0] - times[1]), atol=1e-6)


def test_points_are_one_more_than_updates(still: BagelForConditionalGeneration, branches: list[Branches]) -> None:
    told: list[tuple[int, int]] = []
    draw(still, branches[:1], [noise(0)], [GRID], EditSettings(points=4), lambda *state: told.append(state))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("renorm", ["global", "text_channel"])
def test_pictures_drawn_together_do_not_meet(
    still: BagelForConditionalGeneration, branches: list[Branches], renorm: str
) -> None:
    settings = EditSettings(points=4, renorm=renorm)
    grids = [GRID, (3, 2)]
    together = draw(still, branches, [noise(0), 3 * noise(1)], grids, settings)
    for number in range(2):
        start = [noise(0), 3 * noise(1)][number]
        [alone] = draw(still, [branches[number]], [start], [grids[number]], settings)
        assert torch.allclose(together[number], alone, rtol=0, atol=1e-5)


def test_only_needed_branches_are_computed(still: BagelForConditionalGeneration, branches: list[Branches]) -> None:
    seen: list[Step] = []
    settings = EditSettings(points=4, interval=(0.7, 1.0), image_scale=1.0)
    draw(still, branches[:1], [noise(0)], [GRID], settings, watch=seen.append)
    assert [sorted(step.branches) for step in seen] == [["full", "no_text"], ["full", "no_text"], ["full"]]


def test_what_is_not_finite_is_an_error(model: BagelForConditionalGeneration) -> None:
    with torch.no_grad():
        model.llm2vae.bias[0] = float("nan")
    one = build_branches(model, [Text(ids=[1])])
    with pytest.raises(GenerationError, match="no finite values"):
        draw(model, [one], [noise(0)], [GRID], EditSettings(points=2))


def test_answers_stop_each_by_itself(model: BagelForConditionalGeneration) -> None:
    eos, other = model.config.eos_token_id, 65
    with torch.no_grad():
        model.language_model.lm_head.weight.zero_()
    contexts = [model.new_context()] * 2
    rows = iter([[other, other], [eos, other], [other], [eos], [other]])

    def scripted(contexts: Any, tokens: Any) -> Any:
        wanted = next(rows)
        assert len(contexts) == len(wanted)
        logits = torch.zeros(len(wanted), model.config.text_config.vocab_size)
        logits[range(len(wanted)), wanted] = 1
        return logits, list(contexts)

    model.next_token = scripted  # type: ignore[method-assign]
    assert answer(model, contexts, AnswerSettings(max_new_tokens=9)) == [[other], [other] * 3]
    assert next(rows) == [other]


def test_drawn_answers_follow_the_seed(still: BagelForConditionalGeneration) -> None:
    def said(seed: int, beside: int) -> list[int]:
        generators = [torch.Generator().manual_seed(number) for number in (seed, beside)]
        settings = AnswerSettings(max_new_tokens=6, temperature=2.0)
        return answer(still, [still.new_context()] * 2, settings, generators)[0]

    assert said(1, 5) == said(1, 6)
    assert said(1, 5) != said(2, 5)


@pytest.mark.parametrize(
    "wrong", [{"points": 1}, {"renorm": "none"}, {"renorm_min": 2.0}, {"shift": 0.0}], ids=lambda it: next(iter(it))
)
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(GenerationError, match=next(iter(wrong))):
        EditSettings(**wrong)
