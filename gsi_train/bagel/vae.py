"""BAGEL's autoencoder, which is FLUX.1's: pictures to latents and back, and both ways to name its weights.

`AutoencoderKL` of diffusers computes the same function under other names. It leaves scale and shift to its users; the
functions here apply them, so that every latent in this package is a scaled one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from gsi_train.bagel.configuration_bagel import BagelVaeConfig


# Beginnings and parts of names in `ae.safetensors` and in diffusers; # is a number.
_NAMES = (
    ("encoder.down.#.block.#.", "encoder.down_blocks.#.resnets.#."),
    ("encoder.down.#.downsample.", "encoder.down_blocks.#.downsamplers.0."),
    ("decoder.up.#.block.#.", "decoder.up_blocks.#.resnets.#."),
    ("decoder.up.#.upsample.", "decoder.up_blocks.#.upsamplers.0."),
    (".mid.block_1.", ".mid_block.resnets.0."),
    (".mid.block_2.", ".mid_block.resnets.1."),
    (".mid.attn_1.norm.", ".mid_block.attentions.0.group_norm."),
    (".mid.attn_1.q.", ".mid_block.attentions.0.to_q."),
    (".mid.attn_1.k.", ".mid_block.attentions.0.to_k."),
    (".mid.attn_1.v.", ".mid_block.attentions.0.to_v."),
    (".mid.attn_1.proj_out.", ".mid_block.attentions.0.to_out.0."),
    (".nin_shortcut.", ".conv_shortcut."),
    ("encoder.norm_out.", "encoder.conv_norm_out."),
    ("decoder.norm_out.", "decoder.conv_norm_out."),
)
_ATTENTION_MATRIX = re.compile(r"\.mid_block\.attentions\.0\.to_(q|k|v|out\.0)\.weight$")


def _renamed(name: str, old: int, new: int, stages: int) -> str:
    """A name in column `new` of `_NAMES` for one in column `old`."""
    for pair in _NAMES:
        pattern = re.escape(pair[old]).replace(r"\#", r"(\d+)")
        replacement = pair[new].replace("#", r"\1", 1).replace("#", r"\2", 1)
        name = re.sub(pattern, replacement, name)
    # One numbers the decoder's stages by their resolution, the other in the order in which they work.
    return re.sub(r"^decoder\.(up|up_blocks)\.(\d+)\.", lambda it: f"decoder.{it[1]}.{stages - 1 - int(it[2])}.", name)


def diffusers_name(name: str, stages: int) -> str:
    """What diffusers calls a weight of `ae.safetensors`; `stages` is the number of resolutions."""
    return _renamed(name, 0, 1, stages)


def flux_name(name: str, stages: int) -> str:
    """What `ae.safetensors` calls a weight of diffusers; `stages` is the number of resolutions."""
    return _renamed(name, 1, 0, stages)


def to_diffusers(weights: Mapping[str, Tensor], stages: int) -> dict[str, Tensor]:
    """Weights under FLUX names as diffusers has them; 1x1 kernels of attention become matrices."""
    named = {diffusers_name(name, stages): weight for name, weight in weights.items()}
    return {name: weight.flatten(1) if _ATTENTION_MATRIX.search(name) else weight for name, weight in named.items()}


def to_flux(weights: Mapping[str, Tensor], stages: int) -> dict[str, Tensor]:
    """Weights of diffusers as `ae.safetensors` has them."""
    return {
        flux_name(name, stages): weight[:, :, None, None] if _ATTENTION_MATRIX.search(name) else weight
        for name, weight in weights.items()
    }


def config_of(shapes: Mapping[str, tuple[int, ...]]) -> BagelVaeConfig:
    """The configuration of weights under FLUX names, which come without any.

    Args:
        shapes: by name of the weight.

    Raises:
        ValueError: these are no weights of such an autoencoder.
    """
    try:
        base = shapes["encoder.conv_in.weight"][0]
        stages = 1 + max(int(found[1]) for name in shapes if (found := re.match(r"encoder\.down\.(\d+)\.", name)))
        blocks = {name for name in shapes if re.match(r"encoder\.down\.0\.block\.\d+\.conv1\.weight", name)}
        widths = [shapes[f"encoder.down.{stage}.block.0.conv2.weight"][0] for stage in range(stages)]
        return BagelVaeConfig(
            in_channels=shapes["encoder.conv_in.weight"][1],
            base_channels=base,
            channel_multipliers=[width // base for width in widths],
            layers_per_block=len(blocks),
            latent_channels=shapes["decoder.conv_in.weight"][1],
        )
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"no autoencoder under FLUX names: {error}; take ae.safetensors of the checkpoint") from error


def new_vae(config: BagelVaeConfig, *, tile: int = 1024) -> AutoencoderKL:
    """An autoencoder with random weights (on the meta device under `torch.device("meta")`).

    Args:
        config: what it is made of.
        tile: pixels; nothing depends on it unless tiling is switched on.
    """
    widths = [config.base_channels * factor for factor in config.channel_multipliers]
    stages = len(widths)
    facts: dict[str, Any] = {
        "in_channels": config.in_channels,
        "out_channels": config.in_channels,
        "down_block_types": ("DownEncoderBlock2D",) * stages,
        "up_block_types": ("UpDecoderBlock2D",) * stages,
        "block_out_channels": widths,
        "layers_per_block": config.layers_per_block,
        "latent_channels": config.latent_channels,
        "norm_num_groups": config.norm_groups,
        "sample_size": tile,
        "scaling_factor": config.scaling_factor,
        "shift_factor": config.shift_factor,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "force_upcast": False,
    }
    return AutoencoderKL(**facts)


class Moments(NamedTuple):
    """Mean and deviation of a posterior over latents, not scaled, float32."""

    mean: Tensor
    std: Tensor


@torch.no_grad()
def posterior(vae: AutoencoderKL, pixels: Tensor) -> Moments:
    """What pictures of one size may be as latents: [n, 3, H, W] in [-1, 1] -> twice [n, channels, H / 8, W / 8]."""
    found = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    return Moments(found.mean.float(), found.std.float())


def scaled(vae: AutoencoderKL, moments: Moments, noise: Tensor | None = None) -> Tensor:
    """Scaled latents: of the mode, or drawn with standard normal `noise` as large as the mean."""
    latent = moments.mean
    if noise is not None:
        latent = latent + moments.std * noise.to(latent.device)
    return vae.config["scaling_factor"] * (latent - vae.config["shift_factor"])


def encode(
    vae: AutoencoderKL, pixels: Tensor, generator: torch.Generator | None = None, noise: Tensor | None = None
) -> Tensor:
    """The latent of pictures of one size.

    Args:
        vae: the autoencoder.
        pixels: [n, 3, H, W] in [-1, 1].
        generator: draw from the posterior with it (on the CPU, so that a seed means the same everywhere).
        noise: draw with this, [n, channels, H / 8, W / 8].

    Returns:
        Scaled latents, [n, channels, H / 8, W / 8], float32; of the posterior's mode without `generator` and `noise`.
    """
    moments = posterior(vae, pixels)
    if generator is not None:
        noise = torch.randn(moments.mean.shape, generator=generator)
    return scaled(vae, moments, noise)


@torch.no_grad()
def decode(vae: AutoencoderKL, latent: Tensor) -> Tensor:
    """Pictures of scaled latents of one size: [n, channels, h, w] -> [n, 3, 8 h, 8 w], about in [-1, 1]."""
    latent = latent.float() / vae.config["scaling_factor"] + vae.config["shift_factor"]
    return vae.decode(latent.to(vae.device, vae.dtype)).sample.float()
