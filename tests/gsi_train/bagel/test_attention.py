"""The rule of attention in words, and three computations that agree."""

from __future__ import annotations

import warnings

import pytest
import torch

from gsi_train.bagel.attention import BlockAttention, Layout, Part, SampleAttention, block_mask, dense_mask
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.layers import BagelAttention
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from tests.gsi_train.bagel import tiny


SAMPLES, SPLITS = [9, 4, 5], [2, 3, 3, 1, 4, 2, 3]
MODES = ["full", "noise", "full", "causal", "causal", "causal", "noise"]


def in_words(query: int, key: int) -> bool:
    """The rule, said slowly."""

    def place(token: int, lens: list[int]) -> int:
        return next(number for number in range(len(lens)) if token < sum(lens[: number + 1]))

    if place(query, SAMPLES) != place(key, SAMPLES):
        return False
    if place(query, SPLITS) == place(key, SPLITS):
        return MODES[place(query, SPLITS)] != "causal" or key <= query
    return key < query and MODES[place(key, SPLITS)] != "noise"


def test_the_rule_is_what_it_is_in_words() -> None:
    mask = dense_mask(Layout.of(SAMPLES, SPLITS, MODES))
    assert mask.tolist() == [[in_words(query, key) for key in range(18)] for query in range(18)]


def test_the_order_of_the_tokens_does_not_matter() -> None:
    layout = Layout.of(SAMPLES, SPLITS, MODES)
    order = torch.randperm(18, generator=torch.Generator().manual_seed(0))
    assert dense_mask(layout[order]).equal(dense_mask(layout)[order][:, order])


def test_lengths_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples of"):
        Layout.of([3], [2], ["full"])
    with pytest.raises(ValueError, match="no such mode: sideways"):
        Layout.of([2], [2], ["sideways"])


def test_three_ways_of_attention_agree(config: BagelConfig) -> None:
    torch.manual_seed(0)
    layer = BagelAttention(config.text_config, 0, ("_moe_gen", ""))
    layout = Layout.of(SAMPLES, SPLITS, MODES)[torch.randperm(18)]
    query, key, value = torch.randn(4, 18, 16), torch.randn(2, 18, 16), torch.randn(2, 18, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        blocks = BlockAttention(block_mask(layout))(layer, query, key, value)
    whole = Part(None, dense_mask(layout))
    rows = [torch.nonzero(layout.sample == number)[:, 0] for number in range(3)]
    samples = [Part(row, dense_mask(layout[row])) for row in rows]
    for implementation in ("sdpa", "eager"):
        for parts in ([whole], samples):
            out = SampleAttention(parts, implementation)(layer, query, key, value)
            torch.testing.assert_close(out, blocks, atol=2e-6, rtol=0)


@pytest.mark.parametrize("implementation", ["eager", "flex_attention"])
def test_the_model_gives_the_same_in_each_way(model: BagelForConditionalGeneration, implementation: str) -> None:
    pack, latents, noise = tiny.inputs([tiny.edit(), tiny.chain(), tiny.answer()], model.config)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model(pack, latents, noise)
        model.set_attn_implementation({"": implementation})
        out = model(pack, latents, noise)
    torch.testing.assert_close(out.velocity, expected.velocity, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.logits, expected.logits, atol=1e-5, rtol=0)
