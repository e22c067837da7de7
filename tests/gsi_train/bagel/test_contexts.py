"""Contexts: said step by step equals said at once, they never change, and several go in one call."""

from __future__ import annotations

import pytest
import torch

from gsi_train.bagel.modeling_bagel import BagelContext, BagelForConditionalGeneration
from gsi_train.bagel.packing import Item, Text, VaeImage
from gsi_train.conform_golden import Golden
from tests.gsi_train.bagel import tiny


GRID = (2, 3)
PICTURE = VaeImage(latent=torch.randn(4, 4, 6, generator=torch.Generator().manual_seed(3)))
WORDS = Text(ids=list(b"left"))


def said(model: BagelForConditionalGeneration, *items: Item) -> BagelContext:
    context = model.new_context()
    for item in items:
        [context] = model.append([context], [item])
    return context


@pytest.fixture
def still(golden: Golden) -> BagelForConditionalGeneration:
    return golden.model


def test_step_by_step_equals_at_once(still: BagelForConditionalGeneration) -> None:
    seen = tiny.vit()
    target = VaeImage(grid=GRID, noised=True, timestep_logit=0.7)
    pack, latents, noise = tiny.inputs([[PICTURE, seen, WORDS, target]], still.config)
    assert PICTURE.latent is not None
    latents = pack.latent_tokens([PICTURE.latent, torch.zeros_like(PICTURE.latent)], 2)
    with torch.no_grad():
        expected = still(pack, latents, noise, timestep_shift=3.0)
    context = said(still, PICTURE, seen, WORDS)
    noised = expected.timesteps[1] * noise[6:]
    [velocity] = still.denoise([context], [noised], [GRID], expected.timesteps[1])
    torch.testing.assert_close(velocity, expected.velocity, atol=1e-5, rtol=0)


def test_a_context_never_changes(still: BagelForConditionalGeneration) -> None:
    context = said(still, PICTURE)
    before = [value.clone() for value in (*context.keys, *context.values)]
    longer, other = (still.append([context], [item])[0] for item in (WORDS, tiny.vit()))
    still.denoise([context], [torch.zeros(6, 16)], [GRID], 1.0)
    assert all(now.equal(then) for now, then in zip((*context.keys, *context.values), before, strict=True))
    assert (len(context), len(longer), len(other)) == (8, 14, 16)
    assert (context.position, longer.position, other.position) == (1, 7, 2)


@pytest.mark.parametrize("implementation", ["sdpa", "eager", "flex_attention"])
def test_together_is_as_alone(model: BagelForConditionalGeneration, implementation: str) -> None:
    model.eval().set_attn_implementation({"": implementation})
    contexts = [model.new_context(), said(model, PICTURE), said(model, WORDS, tiny.vit())]
    items: list[Item] = [PICTURE, Text(ids=[5]), tiny.vit(14, 28)]
    together = model.append(contexts, items)
    for context, item, found in zip(contexts, items, together, strict=True):
        [alone] = model.append([context], [item])
        assert (len(found), found.position) == (len(alone), alone.position)
        torch.testing.assert_close(found.keys[-1], alone.keys[-1], atol=1e-5, rtol=0)
    noised, grids = [torch.randn(6, 16), torch.randn(4, 16), torch.randn(1, 16)], [(2, 3), (4, 1), (1, 1)]
    times = torch.tensor([0.2, 0.5, 1.0])
    together_v = model.denoise(together, noised, grids, times)
    for number, velocity in enumerate(together_v):
        chosen = slice(number, number + 1)
        [alone_v] = model.denoise(together[chosen], noised[chosen], grids[chosen], times[chosen])
        torch.testing.assert_close(velocity, alone_v, atol=1e-5, rtol=0)


def test_tokens_one_by_one_are_a_text(still: BagelForConditionalGeneration) -> None:
    seen = said(still, tiny.vit())
    context = seen
    for token in (300, *WORDS.ids, 301):
        logits, [context] = still.next_token([context], [token])
    [expected] = still.append([seen], [WORDS])
    assert context.position == expected.position
    torch.testing.assert_close(context.keys[-1], expected.keys[-1], atol=1e-5, rtol=0)
    assert logits.shape == (1, 320)


def test_saying_something_draws_no_random_number(still: BagelForConditionalGeneration) -> None:
    torch.manual_seed(1)
    context = said(still, PICTURE, WORDS)
    still.denoise([context], [torch.zeros(6, 16)], [GRID], 1.0)
    found = torch.rand(())
    torch.manual_seed(1)
    assert found == torch.rand(())
