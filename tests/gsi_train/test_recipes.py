"""Shipped recipes: read by the parsers that will read them, and what they name exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file

import gsi_train
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.packing import VaeImage, VitImage, build_pack, edit_items
from gsi_train.bagel.processing_bagel import VAE_RULE, VIT_RULE
from gsi_train.conform_golden import Golden
from gsi_train.recipe import TrainingError, read_config
from tests.gsi_train.bagel.tiny import FOLDER


RECIPES = Path(gsi_train.__file__).with_name("recipes")
SHIPPED = sorted(RECIPES.glob("*.yaml"))
LAUNCHERS = sorted((RECIPES / "accelerate").glob("*.yaml"))


def test_all_of_them_are_there() -> None:
    names = {"full-8xh100", "gen-expert-1xh100", "lora-1xh100-512", "paper", "tiny-cpu"}
    assert {path.stem for path in SHIPPED} == names
    assert {path.stem for path in LAUNCHERS} == {"fsdp2", "multi", "multi-node", "single"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_recipe_is_read(path: Path) -> None:
    config = read_config(["--config", str(path), "--data", "d", "--out", "o"])
    for name, value in yaml.safe_load(path.read_text()).items():
        found = getattr(config, name)
        # YAML takes 2e-3 for a word, the parser knows better.
        assert found == (float(value) if isinstance(found, float) else value), name


def test_a_field_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(SHIPPED[0].read_text() + "learning_rats: 1\n")
    with pytest.raises(TrainingError, match="learning_rats"):
        read_config(["--config", str(tmp_path / "r.yaml"), "--data", "d", "--out", "o"])


@pytest.mark.parametrize("path", [*SHIPPED, *LAUNCHERS], ids=lambda path: path.stem)
def test_what_a_comment_names_exists(path: Path) -> None:
    for name in re.findall(r"gsi_train/recipes/[\w./-]+\.yaml", path.read_text()):
        assert (RECIPES.parents[1] / name).is_file(), name
    for name in re.findall(r"--recipe ([\w-]+)", path.read_text()):
        assert (RECIPES / f"{name}.yaml").is_file(), name


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_accelerate_takes_it(path: Path) -> None:
    found: Any = load_config_from_file(str(path))
    given = yaml.safe_load(path.read_text())
    assert found.num_processes == given["num_processes"]
    assert found.mixed_precision == "bf16"
    assert found.num_processes % found.num_machines == 0
    if "fsdp_config" in given:
        kinds = {type(module).__name__ for module in Golden.read(FOLDER).model.modules()}
        wrapped = {*found.fsdp_config["fsdp_transformer_layer_cls_to_wrap"].split(",")}
        assert wrapped <= kinds
        assert wrapped == {*BagelForConditionalGeneration._no_split_modules}


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.stem != "tiny-cpu"], ids=lambda path: path.stem)
def test_its_largest_sample_fits_a_pack(path: Path) -> None:
    """Square pictures as large as the recipe lets them be, and an instruction of 60 tokens."""
    recipe = read_config(["--config", str(path), "--data", "d", "--out", "o"])
    config = BagelConfig()
    sides = {"vae": (recipe.image_size or VAE_RULE.max_size), "vit": (recipe.vit_size or VIT_RULE.max_size)}
    config.check_image_sizes(sides["vae"], sides["vit"])
    latents = sides["vae"] // 16
    picture = VaeImage(grid=(latents, latents), timestep_logit=0.0)
    pixels = torch.empty(3, *[sides["vit"] // 14 * 14] * 2)
    pack = build_pack([edit_items(picture, VitImage(pixels=pixels), list(range(60)), picture)], config)
    assert len(pack) <= recipe.max_pack_tokens
