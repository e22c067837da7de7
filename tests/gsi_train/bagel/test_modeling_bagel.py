"""The model: its weights, its losses, what learns, and packs of all kinds. (Values: see test_conform.)"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration, is_generation_weight
from gsi_train.bagel.packing import Item, VitImage
from gsi_train.bagel.patches import sincos_table
from tests.gsi_train.bagel import tiny


def gradients(model: BagelForConditionalGeneration, *samples: list[Item], **kwargs: bool) -> dict[str, torch.Tensor]:
    model.zero_grad()
    pack, latents, noise = tiny.inputs(samples, model.config)
    model(pack, latents, noise, **kwargs).loss.backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def test_the_released_size_has_the_released_weights() -> None:
    with torch.device("meta"):
        weights = BagelForConditionalGeneration(BagelConfig()).state_dict()
    assert (sum(weight.numel() for weight in weights.values()), len(weights)) == (14_607_260_128, 1223)
    assert weights["vit_model.vision_model.embeddings.patch_embedding.weight"].shape == (1152, 588)
    assert weights["language_model.model.layers.27.self_attn.k_proj_moe_gen.bias"].shape == (512,)


def test_names_are_those_of_the_recorded_checkpoint(golden_folder: Path) -> None:
    def kinds(names: list[str]) -> set[str]:
        return {re.sub(r"\.\d+\.", ".#.", name) for name in names}

    with torch.device("meta"):
        names = list(BagelForConditionalGeneration(BagelConfig()).state_dict())
    assert kinds(names) == kinds(list(json.loads((golden_folder / "model_keys.json").read_text())))


def test_a_new_model_starts_with_true_tables_and_no_velocity(config: BagelConfig) -> None:
    model = BagelForConditionalGeneration(config)
    assert model.latent_pos_embed.pos_embed.equal(sincos_table(8, 64))
    assert not model.latent_pos_embed.pos_embed.requires_grad
    assert not model.llm2vae.weight.any()
    assert model.language_model.model.rotary_emb.inv_freq[0] == 1


def test_saved_and_loaded_it_computes_the_same(model: BagelForConditionalGeneration, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path, max_shard_size="500KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    again, info = BagelForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    inputs = tiny.inputs([tiny.edit()], model.config)
    assert again(*inputs).loss.equal(model(*inputs).loss)


def test_other_weights_are_refused(model: BagelForConditionalGeneration, tmp_path: Path) -> None:
    weights = model.state_dict()
    weights["more.weight"] = weights.pop("llm2vae.bias")
    model.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(ValueError, match=r"1 missing keys: llm2vae.bias; 1 unexpected keys: more.weight"):
        BagelForConditionalGeneration.from_pretrained(tmp_path)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_changes_no_gradient(model: BagelForConditionalGeneration, reentrant: bool) -> None:
    torch.manual_seed(0)
    samples = (tiny.edit(), tiny.answer())
    expected = gradients(model, *samples)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    assert model.language_model.model.layers[0].gradient_checkpointing
    found = gradients(model, *samples)
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, msg=name)


def test_frozen_understanding_learns_nothing_and_generation_does(model: BagelForConditionalGeneration) -> None:
    found = gradients(model, tiny.edit(), freeze_und=True)
    assert found.keys() == {name for name, _ in model.named_parameters() if is_generation_weight(name)}
    whole = gradients(model, tiny.edit())
    name = "language_model.model.layers.1.self_attn.v_proj_moe_gen.weight"
    assert not torch.allclose(found[name], whole[name])


def test_generation_weights_are_half_of_the_layers(model: BagelForConditionalGeneration) -> None:
    names = [name for name, _ in model.named_parameters()]
    ours = {name for name in names if is_generation_weight(name)}
    layers = {name for name in names if name.startswith("language_model.model.layers")}
    assert len(ours & layers) * 2 == len(layers)
    assert ours - layers == {
        "language_model.model.norm_moe_gen.weight",
        *(f"time_embedder.mlp.{number}.{kind}" for number in (0, 2) for kind in ("weight", "bias")),
        *(f"{name}.{kind}" for name in ("vae2llm", "llm2vae") for kind in ("weight", "bias")),
    }


def test_losses_add_up_over_packs(model: BagelForConditionalGeneration) -> None:
    """Several packs with the counts of all give what one pack with everything gives, weights and gradients alike."""
    samples = [tiny.edit("a"), tiny.chain(), tiny.answer()]
    pack, latents, noise = tiny.inputs(samples, model.config)
    whole = model(pack, latents, noise, ce_weight=0.25)
    parts, start = [], 0
    for items in samples:
        part, _, _ = tiny.inputs([items], model.config)
        stop = start + len(part.latent_indexes)
        counts = {"mse_tokens": len(pack.mse_loss_indexes), "ce_tokens": len(pack.ce_loss_indexes)}
        parts.append(model(part, latents[start:stop], noise[start:stop], ce_weight=0.25, **counts).loss)
        start = stop
    torch.testing.assert_close(torch.stack(parts).sum(), whole.loss)
    torch.testing.assert_close(whole.loss, whole.mse_loss + 0.25 * whole.ce_loss)
    torch.testing.assert_close(whole.mse_per_token.mean(), whole.mse_loss)


def test_text_loss_can_be_weighed_by_span(model: BagelForConditionalGeneration) -> None:
    pack, latents, noise = tiny.inputs([tiny.answer(), tiny.answer()], model.config)
    pack.ce_loss_weights[:2] = 3.0
    out = model(pack, latents, noise, ce_reweighting=True)
    weights = pack.ce_loss_weights
    torch.testing.assert_close(out.ce_loss, (out.ce_per_token * weights).sum() / weights.sum())
    torch.testing.assert_close(out.loss, out.ce_loss)
    assert out.mse_loss is None


def test_packs_without_vision_or_without_learning_are_read(model: BagelForConditionalGeneration) -> None:
    no_vision = [item for item in tiny.edit() if not isinstance(item, VitImage)]
    assert model(*tiny.inputs([no_vision], model.config)).loss > 0
    assert model(*tiny.inputs([tiny.edit()[:3]], model.config)).loss is None


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_processes_stay_in_step_without_vision(model: BagelForConditionalGeneration) -> None:
    """Where others might have pictures, the vision tower is called all the same, and changes nothing."""
    items = [item for item in tiny.edit() if not isinstance(item, VitImage)]
    found = gradients(model, items)
    tower = [name for name, _ in model.named_parameters() if name.startswith(("vit_model", "connector"))]
    assert found.keys() >= set(tower)
    assert not any(found[name].any() for name in tower)


def test_latents_that_do_not_belong_to_the_pack_are_refused(model: BagelForConditionalGeneration) -> None:
    pack, latents, noise = tiny.inputs([tiny.edit()], model.config)
    with pytest.raises(ValueError, match=r"latents: the pack needs \(12, 16\), given are none"):
        model(pack)
    with pytest.raises(ValueError, match=r"given are \(11, 16\)"):
        model(pack, latents[1:], noise)
    with pytest.raises(ValueError, match=r"noise: as large as the latents, \(12, 16\), not \(1, 16\)"):
        model(pack, latents, noise[:1])


def test_half_precision_keeps_losses_in_full(model: BagelForConditionalGeneration) -> None:
    inputs = tiny.inputs([tiny.edit(), tiny.answer()], model.config)
    expected = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(*inputs)
    half = model.to(torch.bfloat16)(*inputs)
    for out in (mixed, half):
        assert {out.velocity.dtype, out.logits.dtype, out.loss.dtype} == {torch.float32}
        torch.testing.assert_close(out.loss, expected.loss, rtol=0.05, atol=0)


def test_adapters_fit_the_generation_expert(model: BagelForConditionalGeneration) -> None:
    peft = pytest.importorskip("peft")
    targets = ["q_proj_moe_gen", "k_proj_moe_gen", "v_proj_moe_gen", "o_proj_moe_gen"]
    inputs = tiny.inputs([tiny.edit()], model.config)
    expected = model(*inputs).loss
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=targets))
    loss = adapted(*inputs).loss
    assert loss.equal(expected)
    loss.backward()
    learning = [name for name, weight in adapted.named_parameters() if weight.grad is not None]
    assert len(learning) == 2 * len(targets) * model.config.text_config.num_hidden_layers


def test_understanding_alone_needs_half_of_the_weights(model: BagelForConditionalGeneration, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    half, info = BagelForConditionalGeneration.from_pretrained(
        tmp_path, understanding_only=True, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not [name for name, _ in half.named_parameters() if is_generation_weight(name)]
    inputs = tiny.inputs([tiny.answer()], model.config)
    assert half(*inputs).loss.equal(model(*inputs).loss)
    with pytest.raises(ValueError, match="understanding_only"):
        half(*tiny.inputs([tiny.edit()], model.config))
