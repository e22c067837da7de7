"""The autoencoder under both names, and its numbers as recorded."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from gsi_train.bagel.configuration_bagel import BagelVaeConfig
from gsi_train.bagel.convert import load_flux_vae
from gsi_train.bagel.patches import patchify
from gsi_train.bagel.vae import config_of, decode, encode, new_vae, to_diffusers, to_flux
from tests.gsi_train.bagel.tiny import FOLDER


def test_as_recorded() -> None:
    recorded = load_file(FOLDER / "modules.safetensors")
    vae = load_flux_vae(FOLDER / "vae.safetensors")
    mean = encode(vae, recorded["vae_input"])
    drawn = encode(vae, recorded["vae_input"], noise=recorded["vae_posterior_eps"])
    assert torch.allclose(mean, recorded["vae_latent_mean_scaled"], rtol=0, atol=1e-4)
    assert torch.allclose(drawn, recorded["vae_latent_sample_scaled"], rtol=0, atol=1e-4)
    pixels = decode(vae, recorded["vae_latent_mean_scaled"])
    assert torch.allclose(pixels, recorded["vae_decoded"], rtol=0, atol=1e-4)
    assert torch.equal(patchify(recorded["vae_latent_mean_scaled"][0], 2), recorded["latent_tokens_0"])


def test_a_seed_decides_what_is_drawn() -> None:
    vae = load_flux_vae(FOLDER / "vae.safetensors")
    pixels = torch.rand(1, 3, 32, 32) * 2 - 1
    first, again, other = (encode(vae, pixels, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("full", [False, True])
def test_names_there_and_back(full: bool) -> None:
    if full:
        with torch.device("meta"):
            weights = to_flux(new_vae(BagelVaeConfig()).state_dict(), 4)
    else:
        weights = load_file(FOLDER / "vae.safetensors")
    again = to_flux(to_diffusers(weights, 4), 4)
    assert {name: weight.shape for name, weight in again.items()} == {n: w.shape for n, w in weights.items()}
    if not full:
        assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_of_full_size() -> None:
    with torch.device("meta"):
        weights = to_flux(new_vae(BagelVaeConfig()).state_dict(), 4)
    assert len(weights) == 244
    assert sum(weight.numel() for weight in weights.values()) == 83_819_683
    for name, shape in {
        "encoder.conv_out.weight": (32, 512, 3, 3),
        "decoder.conv_in.weight": (512, 16, 3, 3),
        "decoder.conv_out.weight": (3, 128, 3, 3),
        "encoder.down.1.block.0.nin_shortcut.weight": (256, 128, 1, 1),
        "decoder.up.0.block.0.nin_shortcut.weight": (128, 256, 1, 1),
        "decoder.up.3.upsample.conv.weight": (512, 512, 3, 3),
        "encoder.mid.attn_1.proj_out.weight": (512, 512, 1, 1),
    }.items():
        assert weights[name].shape == shape, name


def test_configuration_from_shapes() -> None:
    with torch.device("meta"):
        weights = to_flux(new_vae(BagelVaeConfig()).state_dict(), 4)
    config = config_of({name: tuple(weight.shape) for name, weight in weights.items()})
    assert list(config.channel_multipliers) == [1, 2, 4, 4]
    assert (config.base_channels, config.layers_per_block, config.latent_channels) == (128, 2, 16)
    with pytest.raises(ValueError, match=r"ae\.safetensors"):
        config_of({"encoder.conv_in.bias": (3,)})
