"""Work of a pack: what torch counts, pair for pair what the mask allows, and the figures of the specification."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gsi_train import flops
from gsi_train.bagel.adapters import add_adapter
from gsi_train.bagel.attention import dense_mask
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration, is_generation_weight
from gsi_train.bagel.packing import Item, Text, VaeImage, VitImage, build_pack, edit_items
from gsi_train.conform_golden import Golden
from tests.gsi_train.bagel import tiny


RANK = 4
LINEAR = ("mm", "addmm")
ATTENTION = ("bmm", "baddbmm")
# Pictures of one size: what the vision tower pads is no work of the model.
WITH_TEXT: list[list[Item]] = [tiny.edit(), [tiny.vit(), Text(ids=[5, 6]), Text(ids=[7, 8, 9], loss=True)]]


def model_for(mode: str, attention: str) -> BagelForConditionalGeneration:
    model = Golden.read(tiny.FOLDER).model.train()
    model.set_attn_implementation({"": attention})
    if mode == "lora":
        add_adapter(model, RANK)
    if mode == "generation":
        for name, weight in model.named_parameters():
            weight.requires_grad_(weight.requires_grad and is_generation_weight(name))
    return model


def counted(model: BagelForConditionalGeneration, samples: list[list[Item]], mode: str, kinds: tuple[str, ...]) -> int:
    """What torch counts in a forward and a backward pass."""
    pack, latents, noise = tiny.inputs(samples, model.config)
    with FlopCounterMode(display=False) as counter:
        out = model(pack, latents, noise, freeze_und=mode != "full")
        (out.loss if mode == "full" else out.mse_loss).backward()
    return sum(n for operation, n in counter.get_flop_counts()["Global"].items() if operation.__name__ in kinds)


@pytest.mark.parametrize("samples", [[tiny.edit()], WITH_TEXT], ids=["pictures", "texts too"])
@pytest.mark.parametrize("mode", ["full", "generation", "lora"])
def test_linear_layers_do_what_torch_counts(mode: str, samples: list[list[Item]]) -> None:
    model = model_for(mode, "sdpa")
    pack = build_pack(samples, model.config)
    assert flops.linear_flops(model.config, pack, mode=mode, lora_rank=RANK) == counted(model, samples, mode, LINEAR)


def test_attention_does_what_torch_counts() -> None:
    # Where everything sees everything, nothing that eager attention computes is in vain.
    samples: list[list[Item]] = [[replace(tiny.vae(timestep_logit=0.0), noised=True)]]
    model = model_for("full", "eager")
    pack = build_pack(samples, model.config)
    assert flops.attention_flops(model.config, pack, mode="full") == counted(model, samples, "full", ATTENTION)


def test_pairs_are_those_of_the_mask() -> None:
    config = Golden.read(tiny.FOLDER).model.config
    pack = build_pack([tiny.edit(), tiny.chain(), tiny.answer(), tiny.chain()], config)
    mask = dense_mask(pack.layout)
    latent = torch.zeros(len(pack), dtype=torch.bool)
    latent[pack.latent_indexes] = True
    expected = mask.sum(), mask[latent].sum(), mask[latent][:, latent].sum()
    assert flops.attention_pairs(pack) == tuple(map(int, expected))


def test_a_frozen_understanding_side_asks_for_no_gradient() -> None:
    config = Golden.read(tiny.FOLDER).model.config
    text = config.text_config
    pack = build_pack([[VaeImage(grid=(1, 2), noised=True, timestep_logit=0.0)]], config)
    # Two latents between two markers: 16 pairs forward; 8 of latents' queries, of which 4 at latents' keys.
    per_pair = 4 * text.num_attention_heads * flops._head_size(config) * text.num_hidden_layers
    assert flops.attention_flops(config, pack, mode="lora") == per_pair * (16 + 8 + 4)
    assert flops.attention_flops(config, pack, mode="full") == per_pair * 16 * 3


def test_the_figures_of_the_specification() -> None:
    def source(side: int) -> VaeImage:
        return VaeImage(grid=(side // 16, side // 16), timestep_logit=0.0)

    config = BagelConfig()
    items = edit_items(source(512), VitImage(pixels=torch.empty(3, 518, 518)), list(range(40)), source(512))
    pack = build_pack([items], config)
    assert len(pack) == 3465
    assert flops.attention_pairs(pack).total == pytest.approx(8.0e6, rel=0.01)
    assert flops.attention_flops(config, pack, mode="full") == pytest.approx(3 * (3.2e12 + 0.224e12), rel=0.02)
    # 3 x (linear 45, attention 3.2, vision tower 1.3); the autoencoder's 2.2 are not counted.
    assert flops.pack_flops(config, pack, mode="full") == pytest.approx(150e12, rel=0.02)
    # Of 109 in all, 2.2 are the autoencoder's.
    assert flops.pack_flops(config, pack, mode="generation") == pytest.approx(107e12, rel=0.02)
    # Frozen weights of 6.5 billion: two passes over 2048 tokens instead of three, but 161 million of the adapters.
    less = flops.pack_flops(config, pack, mode="generation") - flops.pack_flops(
        config, pack, mode="lora", lora_rank=64
    )
    assert less == pytest.approx(2 * 2048 * (6.526e9 - 3 * 161e6), rel=0.02)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA RTX A1000", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
    ],
)
def test_peaks_by_name(name: str, peak: float | None) -> None:
    assert flops._peak(name) == peak


def test_a_processor_has_no_peak() -> None:
    assert flops.peak_flops(torch.device("cpu")) is None
