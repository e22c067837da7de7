"""LoRA: nothing changes until it learns, then it is saved alone, read strictly, merged exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from gsi_train.bagel.adapters import (
    ADAPTER,
    GENERATION_TARGETS,
    add_adapter,
    load_adapter,
    merge_adapter,
    save_adapter,
)
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.convert import CheckpointError
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration, is_generation_weight
from gsi_train.bagel.pipeline import BagelPipeline
from tests.gsi_train.bagel import tiny, whole


RANK = 2


def learned(model: BagelForConditionalGeneration) -> PeftModel:
    """A model with an adapter that says something."""
    adapted = add_adapter(model, RANK)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return adapted


def test_a_new_adapter_changes_nothing(model: BagelForConditionalGeneration) -> None:
    torch.manual_seed(3)
    samples = [tiny.edit()]
    pack, latents, noise = tiny.inputs(samples, model.config)
    model.eval()
    before = model(pack, latents, noise).loss
    adapted = add_adapter(model, RANK)
    assert torch.equal(adapted(pack, latents, noise).loss, before)


def test_only_the_generation_expert_learns(model: BagelForConditionalGeneration) -> None:
    adapted = add_adapter(model, RANK)
    names = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    layers = model.config.text_config.num_hidden_layers
    assert len(names) == 2 * layers * len(GENERATION_TARGETS)
    assert all(is_generation_weight(name) and ".lora_" in name for name in names)


def test_full_size_has_the_weights_that_the_specification_counts() -> None:
    with torch.device("meta"):
        adapted = add_adapter(BagelForConditionalGeneration(BagelConfig()), 16)
    count = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert count == 28 * 90_112 * 16


def test_saved_read_and_merged(model: BagelForConditionalGeneration, tmp_path: Path) -> None:
    torch.manual_seed(1)
    samples = [tiny.edit()]
    pack, latents, noise = tiny.inputs(samples, model.config)
    adapted = learned(model.eval())
    expected = adapted(pack, latents, noise).loss
    save_adapter(adapted, tmp_path / "adapter")
    assert (tmp_path / "adapter" / ADAPTER).stat().st_size < 200_000

    other = whole.pipeline().model
    before = other(pack, latents, noise).loss
    again = load_adapter(other, tmp_path / "adapter")
    assert torch.equal(again(pack, latents, noise).loss, expected)
    assert not torch.allclose(before, expected, atol=1e-3)
    assert not any(weight.requires_grad for weight in again.parameters())

    merged = merge_adapter(again)
    assert isinstance(merged, BagelForConditionalGeneration)
    assert list(merged.state_dict()) == list(whole.pipeline().model.state_dict())
    assert torch.allclose(merged(pack, latents, noise).loss, expected, atol=1e-5)


def test_goes_on_learning(model: BagelForConditionalGeneration, tmp_path: Path) -> None:
    save_adapter(learned(model), tmp_path)
    again = load_adapter(whole.pipeline().model, tmp_path, trainable=True)
    assert sum(weight.requires_grad for weight in again.parameters()) == 2 * 3 * len(GENERATION_TARGETS)


def test_a_pipeline_with_an_adapter_draws_something_else(tmp_path: Path) -> None:
    plain = whole.pipeline()
    turn = [whole.picture("src"), "Move it."]
    before = plain.edit([turn], [3])[0].tobytes()
    plain.save_pretrained(tmp_path / "base")
    save_adapter(learned(plain.model), tmp_path / "adapter")
    again = BagelPipeline.from_pretrained(tmp_path / "base", adapter=tmp_path / "adapter")
    assert again.edit([turn], [3])[0].tobytes() != before
    again.save_pretrained(tmp_path / "merged")


def test_an_adapter_names_its_model(tmp_path: Path) -> None:
    plain, folder = whole.pipeline(), tmp_path / "adapter"
    plain.save_pretrained(tmp_path / "base")
    plain.model.name_or_path = str(tmp_path / "base")
    save_adapter(learned(plain.model), folder)
    named = BagelPipeline.from_pretrained(folder).model.state_dict()
    given = BagelPipeline.from_pretrained(tmp_path / "base", adapter=folder).model.state_dict()
    assert all(torch.equal(weight, given[name]) for name, weight in named.items())
    with pytest.raises(CheckpointError, match=r"is an adapter itself; name the model, or leave .* out"):
        BagelPipeline.from_pretrained(folder, adapter=folder)
    file = folder / "adapter_config.json"
    for base, told in (("nowhere", "nowhere: there is no such folder"), (None, "names no base_model_name_or_path")):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": base}))
        with pytest.raises(CheckpointError, match=rf"is an adapter, .*{told}.*name that model, with adapter='/"):
            BagelPipeline.from_pretrained(folder)


def test_a_model_with_an_adapter_is_not_saved_as_a_whole_one(tmp_path: Path) -> None:
    pipeline = whole.pipeline()
    learned(pipeline.model)
    with pytest.raises(CheckpointError, match="merge it first"):
        pipeline.save_pretrained(tmp_path / "bagel")


def test_an_adapter_of_another_model_is_refused(model: BagelForConditionalGeneration, tmp_path: Path) -> None:
    save_adapter(learned(model), tmp_path)
    weights = load_file(tmp_path / ADAPTER)
    name = sorted(weights)[0]
    save_file({key: value for key, value in weights.items() if key != name}, tmp_path / ADAPTER)
    base = whole.pipeline().model
    with pytest.raises(CheckpointError, match=r"1 missing: .*lora_A"):
        load_adapter(base, tmp_path)
    assert list(base.state_dict()) == list(whole.pipeline().model.state_dict())
    with pytest.raises(CheckpointError, match=r"adapter_config\.json"):
        load_adapter(base, tmp_path / "nothing")
