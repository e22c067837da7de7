"""A tiny BAGEL with random weights (under 5 MB): every part of the real one, to test and to learn a handful by heart.

Its autoencoder can be fitted to some pictures in seconds ([`fit_vae`]); latents of a random one say little.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.generation import AnswerSettings, EditSettings
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.processing_bagel import SPECIAL_TOKENS, BagelImageProcessor, BagelProcessor, ResizeRule
from gsi_train.bagel.vae import new_vae


SIDE = 64
"""Of its pictures, pixels."""
VIT_SIDE = 56
"""Of its pictures for the vision tower, pixels."""
BYTES = 256
VOCABULARY = BYTES + len(SPECIAL_TOKENS)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """The bytes of a text, and the four special tokens after them."""
    shown = [*range(33, 127), *range(161, 173), *range(174, BYTES)]
    hidden = sorted(set(range(BYTES)) - set(shown))
    letters = {chr(byte): byte for byte in shown}
    letters |= {chr(BYTES + number): byte for number, byte in enumerate(hidden)}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS.values()))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def tiny_config() -> BagelConfig:
    """Two layers of width 128; a picture of 64 pixels has 8 x 8 latent tokens and 4 x 4 patches."""
    special: dict[str, Any] = {name: BYTES + number for number, name in enumerate(SPECIAL_TOKENS)}
    return BagelConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 1024,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
            "tie_word_embeddings": False,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": VIT_SIDE,
            "patch_size": 14,
            "vision_use_head": False,
        },
        vae_config={
            "base_channels": 16,
            "channel_multipliers": [1, 2, 2],
            "layers_per_block": 1,
            "latent_channels": 16,
            "norm_groups": 8,
            "scaling_factor": 1.0,
            "shift_factor": 0.0,
        },
        max_latent_size=SIDE // 8,
        vit_max_num_patch_per_side=VIT_SIDE // 14,
        **special,
    )


def tiny_bagel(seed: int = 0) -> BagelPipeline:
    """A whole tiny BAGEL; the same seed gives the same weights.

    Args:
        seed: of the weights; torch's own generator is left as it was.
    """
    config = tiny_config()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BagelForConditionalGeneration(config).eval()
        vae = new_vae(config.vae_config, tile=SIDE).eval()
    images = BagelImageProcessor(ResizeRule(SIDE, SIDE, 8), ResizeRule(VIT_SIDE, VIT_SIDE, 14))
    processor = BagelProcessor(images, tiny_tokenizer())
    processor.check(config)
    # Nothing to guide: what is learned by heart is known for certain.
    drawing = EditSettings(points=25, text_scale=1.0, image_scale=1.0, shift=1.0)
    return BagelPipeline(model, vae, processor, drawing, AnswerSettings(max_new_tokens=32))


def fitted_bagel(rows: Iterable[Mapping[str, Any]], *, seed: int, steps: int) -> BagelPipeline:
    """A tiny BAGEL whose autoencoder knows the pictures of some triplets.

    Args:
        rows: with files of pictures, `source_image` and `target_image`.
        seed: of the weights.
        steps: of fitting.
    """
    bagel = tiny_bagel(seed)
    images = [Image.open(io.BytesIO(row[name]["bytes"])) for row in rows for name in ("source_image", "target_image")]
    with tqdm(total=steps, desc="autoencoder", unit="step", dynamic_ncols=True) as bar:

        def told(step: int, error: float) -> None:
            bar.update(step - bar.n)
            bar.set_postfix({"PSNR": f"{10 * math.log10(4 / error):.1f} dB"}, refresh=False)

        fit_vae(bagel, images, steps=steps, on_step=told)
    return bagel


def fit_vae(
    bagel: BagelPipeline,
    images: Sequence[Image.Image],
    *,
    steps: int = 300,
    learning_rate: float = 2e-3,
    on_step: Callable[[int, float], None] | None = None,
) -> float:
    """Teach the autoencoder of a tiny BAGEL some pictures, and make its latents standard normal.

    The posterior is squeezed to its mode: there is no prior to sample from, only pictures to keep.

    Args:
        bagel: its `vae`, and what its configuration says of latents, are changed.
        images: all of them are in every step.
        steps: of Adam.
        learning_rate: falls to zero along a cosine.
        on_step: is told the step and its error.

    Returns:
        Mean squared error of the last step, for values in [-1, 1].
    """
    assert bagel.vae is not None
    vae, pixels = bagel.vae, torch.stack([bagel.processor.image_processor.vae_view(image) for image in images])
    optimizer = torch.optim.Adam(vae.parameters(), learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    vae.train()
    for step in range(steps):
        moments = vae.encode(pixels).latent_dist
        error = (vae.decode(moments.mean).sample - pixels).square().mean()
        # The second term keeps the posterior narrow, the third its means near zero.
        loss = error + 1e-3 * (moments.logvar + 12).square().mean() + 1e-4 * moments.mean.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if on_step is not None:
            on_step(step + 1, error.item())
    vae.eval()
    _standardise(bagel, vae, pixels)
    return error.item()


@torch.no_grad()
def _standardise(bagel: BagelPipeline, vae: AutoencoderKL, pixels: Tensor) -> None:
    """Scale and shift so that latents of these pictures have mean 0 and deviation 1."""
    latents = vae.encode(pixels).latent_dist.mean
    shift, scale = latents.mean().item(), 1 / latents.std().item()
    vae.register_to_config(shift_factor=shift, scaling_factor=scale)
    bagel.model.config.vae_config.shift_factor = shift
    bagel.model.config.vae_config.scaling_factor = scale
