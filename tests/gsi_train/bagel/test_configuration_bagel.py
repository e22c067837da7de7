"""The configuration: defaults of the released model, its layout, and sizes that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.conform_golden import golden_config


def test_defaults_are_the_released_model() -> None:
    config = BagelConfig()
    text, vision, vae = config.text_config, config.vision_config, config.vae_config
    assert (text.hidden_size, text.num_hidden_layers, text.num_key_value_heads, text.vocab_size) == (
        3584,
        28,
        4,
        152064,
    )
    assert text.rope_parameters["rope_theta"] == 1e6
    assert (vision.hidden_size, vision.num_hidden_layers, vision.patch_size) == (1152, 26, 14)
    assert (vae.downsample, vae.latent_channels, vae.scaling_factor, vae.shift_factor) == (8, 16, 0.3611, 0.1159)
    assert (config.latent_token_size, config.pixels_per_latent_token, config.max_latent_size) == (64, 16, 64)


def test_saved_and_read_again_it_is_the_same(golden_folder: Path, tmp_path: Path) -> None:
    for config in (BagelConfig(), golden_config(golden_folder)):
        config.save_pretrained(tmp_path)
        assert BagelConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()


def test_the_released_layout_states_one_vision_layer_more(golden_folder: Path) -> None:
    llm, vit = (json.loads((golden_folder / f"{part}_config.json").read_text()) for part in ("llm", "vit"))
    config = BagelConfig.from_released(llm, vit)
    assert config.vision_config.num_hidden_layers == vit["num_hidden_layers"] - 1
    assert config.text_config.rope_parameters["rope_theta"] == llm["rope_theta"]
    assert config.vae_config.latent_channels == 16
    del llm["hidden_size"]
    with pytest.raises(ValueError, match=r"llm_config.json: hidden_size missing"):
        BagelConfig.from_released(llm, vit)


def test_pictures_larger_than_the_tables_are_refused_at_the_start() -> None:
    BagelConfig().check_image_sizes(1024, 980)
    with pytest.raises(
        ValueError, match=r"max_latent_size: a table of 32 x 32 .* at most 512 pixels a side, not 1024"
    ):
        BagelConfig(max_latent_size=32).check_image_sizes(1024)
    with pytest.raises(ValueError, match=r"vit_max_num_patch_per_side: .* at most 980 pixels a side, not 994"):
        BagelConfig().check_image_sizes(1024, 994)
