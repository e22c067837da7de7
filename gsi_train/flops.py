"""How much work a pack is, and how much a GPU could do: what model FLOPs utilisation (MFU) is made of.

MFU = FLOPs of all packs of a step / (seconds of the step * peak of one GPU * GPUs).

Counted are matrix products, two FLOPs for a multiplication and an addition, that the forward and the backward pass of
the model need, and nothing that is done twice: states that are computed again (gradient checkpointing), padding, pairs
that the mask forbids. Encoding pictures by the autoencoder is left out, though its time is not: cached latents show as
a higher MFU. So is all that is no matrix product.

A linear layer of `n` weights costs, for each of its tokens, `2n` forward, `2n` for the gradient of its weights if
they learn, and `2n` for the gradient of its input if anything before it learns: 6n where all learns, 4n where a frozen
layer has to pass gradients on (LoRA), 2n where none arrives (the understanding side when only the generation side
learns, and its last layer where no text is learned).

Attention costs, for each pair of tokens that the mask allows, each head and each of its channels, `4` forward and `8`
backward. With a frozen understanding side, a query of it asks for no gradient (4 in all), a latent's query at a key of
it for that of scores and query (8), and only pairs of latents for all (12).
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from gsi_train.bagel.attention import CAUSAL, NOISE
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.layers import BagelTimestepEmbedder
from gsi_train.bagel.packing import Pack


PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H200 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "H800": 989e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}
"""bfloat16 products with float32 sums, dense, FLOP/s, of the makers' data sheets; the first name that fits counts."""


_PARTS = {"Laptop", "Max-Q", "MIG"}
"""In the names of slower relatives, and of slices."""


def peak_flops(device: torch.device) -> float | None:
    """What a GPU can do at most, FLOP/s in bfloat16; None for one that is not in the table, and for processors."""
    if device.type != "cuda":
        return None
    return _peak(torch.cuda.get_device_name(device))


def _peak(name: str) -> float | None:
    words = name.split()
    if _PARTS & {*words}:
        return None
    for known, peak in PEAKS.items():
        # Whole words, so that an "A100" is none in a name like "A1000"; "A100-SXM4-80GB" begins with one.
        if all(any(word == part or word.startswith(f"{part}-") for word in words) for part in known.split()):
            return peak
    return None


class Pairs(NamedTuple):
    """Allowed pairs of query and key in a pack.

    Attributes:
        total: all of them.
        from_latents: whose query is a latent.
        among_latents: whose query and key are.
    """

    total: int
    from_latents: int
    among_latents: int


def attention_pairs(pack: Pack) -> Pairs:
    """Count the pairs that the rule of attention allows (see [`attention.allowed`])."""
    splits = pack.layout.split[pack.latent_indexes].bincount(minlength=len(pack.split_lens)).tolist()
    items = zip(pack.split_lens, pack.attn_modes, splits, strict=True)
    total = from_latents = among_latents = 0
    for length in pack.sample_lens:
        seen = seen_latents = done = 0
        while done < length:
            tokens, mode, latents = next(items)
            total += tokens * seen + (tokens * (tokens + 1) // 2 if mode == CAUSAL else tokens**2)
            from_latents += latents * (seen + tokens)
            among_latents += latents * (seen_latents + latents)
            if mode != NOISE:
                seen, seen_latents = seen + tokens, seen_latents + latents
            done += tokens
    return Pairs(total, from_latents, among_latents)


def pack_flops(config: BagelConfig, pack: Pack, *, mode: str, lora_rank: int = 0) -> float:
    """Model FLOPs of a forward and a backward pass; see the head of this file for the formula.

    Args:
        config: of the model.
        pack: on the CPU, where it is read without waiting for a GPU.
        mode: what learns: `full`, or with a frozen understanding side (`freeze_und`) `generation` or `lora`.
        lora_rank: of the adapters on all projections of the generation expert, in `lora`.
    """
    return linear_flops(config, pack, mode=mode, lora_rank=lora_rank) + attention_flops(config, pack, mode=mode)


def attention_flops(config: BagelConfig, pack: Pack, *, mode: str) -> float:
    """The part of [`pack_flops`] that grows with the square of the tokens; the vision tower's included."""
    text, vision = config.text_config, config.vision_config
    total, from_latents, among_latents = attention_pairs(pack)
    pairs = 12 * total if mode == "full" else 4 * (total + from_latents + among_latents)
    decoder = pairs * text.num_attention_heads * _head_size(config) * text.num_hidden_layers
    patches = sum(length**2 for length in pack.vit_lens)
    tower = (12 if mode == "full" else 4) * patches * vision.hidden_size * vision.num_hidden_layers
    return float(decoder + tower)


def linear_flops(config: BagelConfig, pack: Pack, *, mode: str, lora_rank: int = 0) -> float:
    """The part of [`pack_flops`] that linear layers do."""
    text, vision = config.text_config, config.vision_config
    hidden, layers = text.hidden_size, text.num_hidden_layers
    patches, latents, pictures = len(pack.vit_indexes), len(pack.latent_indexes), len(pack.latent_grids)
    learned, said = len(pack.mse_loss_indexes), len(pack.ce_loss_indexes)
    full, lora = mode == "full", mode == "lora"

    # Products per weight and token: one forward, one for each gradient.
    tower = vision.num_hidden_layers * (4 * vision.hidden_size**2 + 2 * vision.hidden_size * vision.intermediate_size)
    connector = vision.hidden_size * hidden + hidden**2
    patch = vision.num_channels * vision.patch_size**2 * vision.hidden_size
    products = patches * ((2 if full else 1) * patch + (3 if full else 1) * (tower + connector))
    into = 1 if lora else 2
    products += latents * into * config.latent_token_size * hidden
    products += pictures * (into * BagelTimestepEmbedder.frequencies + (1 if lora else 3) * hidden) * hidden

    queries, keys = text.num_attention_heads * _head_size(config), text.num_key_value_heads * _head_size(config)
    inward = hidden * (queries + 2 * keys)
    outward = queries * hidden + 3 * hidden * text.intermediate_size
    for tokens, passes, reached in (
        (len(pack) - latents, 3 if full else 1, said),
        (latents, 2 if lora else 3, learned),
    ):
        # What the last layer says of tokens without a loss reaches nobody.
        last = passes if reached else 1
        products += tokens * (layers * passes * inward + ((layers - 1) * passes + last) * outward)
    if lora:
        sides = 7 * hidden + 2 * queries + 2 * keys + 3 * text.intermediate_size
        products += latents * lora_rank * 3 * layers * sides
        # Nothing before the first layer learns, so that its first projections pass nothing on.
        products -= latents * (inward + 3 * hidden * lora_rank)
    products += learned * (2 if lora else 3) * config.latent_token_size * hidden
    products += said * (3 if full else 1) * hidden * text.vocab_size
    return 2.0 * products


def _head_size(config: BagelConfig) -> int:
    text = config.text_config
    return getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
