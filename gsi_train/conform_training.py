"""Compares what training computes: resized pictures, single modules, packs, masks, states, losses and gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gsi_train.bagel.attention import Layout, dense_mask
from gsi_train.bagel.modeling_bagel import BagelOutput
from gsi_train.bagel.packing import Pack, build_pack, token_estimate
from gsi_train.bagel.patches import patch_ids, patchify
from gsi_train.bagel.processing_bagel import ResizeRule
from gsi_train.bagel.vae import decode, encode
from gsi_train.conform import EXACT, GRADIENT, LOSS, STATE, VANISHING, Recording, read_json
from gsi_train.conform_golden import Golden


PACK = {
    "packed_text_ids": "text_ids",
    "packed_text_indexes": "text_indexes",
    "packed_position_ids": "position_ids",
    "packed_vit_tokens": "vit_tokens",
    "packed_vit_position_ids": "vit_position_ids",
    "packed_vit_token_indexes": "vit_indexes",
    "packed_latent_position_ids": "latent_position_ids",
    "packed_vae_token_indexes": "latent_indexes",
    "mse_loss_indexes": "mse_loss_indexes",
    "packed_label_ids": "label_ids",
    "ce_loss_indexes": "ce_loss_indexes",
    "ce_loss_weights": "ce_loss_weights",
}
"""Recorded names of the tensors of a pack, and ours."""


def check_resized(golden: Golden, recording: Recording) -> None:
    """The resize rule: sizes of many pictures, and all values of some."""
    for row in read_json(golden.folder / "resize_table.json"):
        rule = ResizeRule(row["max_size"], row["min_size"], row["stride"], row["max_pixels"])
        width, height = row["in_wh"]
        size = torch.tensor(rule.size(width, height, row["img_num"]))
        recording.judge(f"size of {row}", size, torch.tensor(row["out_wh"]), EXACT)
    for key in recording.tensors:
        view = next((view for view in golden.facts["transforms"] if key.startswith(f"{view}_")), None)
        if view is not None:
            picture = golden.pictures[f"image_{key.removeprefix(f'{view}_')}"]
            resized = ResizeRule(**golden.facts["transforms"][view]).resize(Image.fromarray(picture.numpy()))
            recording.compare(key, torch.from_numpy(np.array(resized)), EXACT)


@torch.no_grad()
def check_modules(golden: Golden, recording: Recording) -> None:
    """Single modules."""
    model, config = golden.model, golden.model.config
    compare, given = recording.compare, recording.given
    for name, table, grid in (
        ("latent", model.latent_pos_embed, (3, 5)),
        ("vit", model.vit_pos_embed, (4, 3)),
    ):
        size = f"{grid[0]}x{grid[1]}"
        ids = patch_ids(grid, table.side)
        compare(f"{name}_position_ids_{size}", ids, EXACT)
        compare(f"{name}_position_ids_{size}_interpolate_variant", patch_ids(grid, table.side, True), EXACT)
        compare(f"{name}_pos_embed_{size}", table.table()[ids], STATE)
        recording.judge(f"{name}_pos_embed.pos_embed", table.pos_embed, table.table(), STATE)
    times = given("timestep_t")
    compare("timestep_sinusoid_256", model.time_embedder.waves(times), STATE)
    compare("timestep_embedding", model.time_embedder(times), STATE)

    tower, lens = model.vit_model.vision_model, given("vit_seqlens").tolist()
    tokens, ids = given("vit_tokens"), given("vit_position_ids")
    built = build_pack([golden.samples("train_multiturn", [0.0, 0.0, 0.0], [[], []])[1]], config)
    recording.judge("vit_tokens of a pack", built.vit_tokens, tokens[lens[0] :], EXACT)
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, out: Tensor) -> None:
            rows = out if out.dim() == 2 else torch.cat([x[:n] for x, n in zip(out, lens, strict=True)])
            seen[name] = rows

        return hook

    watched: list[tuple[str, nn.Module]] = [("vit_embeddings", tower.embeddings)]
    watched += [(f"vit_hidden_{number}", layer) for number, layer in enumerate(tower.encoder.layers)]
    hooks = [module.register_forward_hook(watch(name)) for name, module in watched]
    features = tower(tokens, ids, lens)
    for hook in hooks:
        hook.remove()
    for name, value in seen.items():
        compare(name, value, STATE)
    compare("vit_features", features, STATE)
    compare("connector_output", model.connector(features), STATE)
    compare("vit_llm_input", model._embed_patches(tokens, ids, lens), STATE)

    pixels, noise = torch.stack([golden.pixels(f"vae_{name}") for name in ("src", "tgt")]), given("vae_posterior_eps")
    compare("vae_input", pixels, EXACT)
    compare("vae_moments", golden.vae.encode(pixels).latent_dist.parameters, STATE)
    mean = encode(golden.vae, pixels)
    compare("vae_latent_mean_scaled", mean, STATE)
    compare("vae_latent_sample_scaled", encode(golden.vae, pixels, noise=noise), STATE)
    compare("vae_decoded", decode(golden.vae, mean), STATE)
    compare("latent_tokens_0", patchify(mean[0], config.latent_patch_size), STATE)
    compare("vae2llm_out_0", model.vae2llm(given("latent_tokens_0")), STATE)


def check_training(golden: Golden, recording: Recording) -> None:
    """A packed batch."""
    model, facts = golden.model, recording.facts
    pack = _check_pack(golden, recording)
    latents = pack.latent_tokens(list(recording.given("in.padded_latent")), model.config.latent_patch_size)
    noise = recording.given("in.noise")
    chosen = str(model.config._attn_implementation)
    for shift in facts["timestep_shift_variants"]:
        name = f"shift{shift:g}"
        model.zero_grad()
        out = model(pack, latents, noise, timestep_shift=shift, output_hidden_states=True)
        _check_output(recording, f"out.{name}", pack, latents, noise, out)
        if name in facts.get("grad_norms", {}):
            assert out.loss is not None
            out.loss.backward()
            _check_gradients(golden, recording, facts["grad_norms"][name], name)
            prefix = f"grad.{name}."
            for key in [key for key in recording.tensors if key.startswith(prefix)]:
                weight = model.get_parameter(key.removeprefix(prefix))
                recording.compare(key, torch.zeros(()) if weight.grad is None else weight.grad, GRADIENT)
        for other in ("eager", "flex_attention"):
            model.set_attn_implementation({"": other})
            with torch.no_grad(), warnings.catch_warnings():
                # That it is slow without a compiler does not matter here.
                warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
                again = model(pack, latents, noise, timestep_shift=shift)
            model.set_attn_implementation({"": chosen})
            expected = recording.given(f"out.{name}.velocity_pred")
            recording.judge(f"out.{name}.velocity_pred with {other}", again.velocity, expected, STATE)
    if "grad_norms_freeze_und_mse_only" in facts:
        model.zero_grad()
        out = model(pack, latents, noise, timestep_shift=1.0, ce_weight=0.0, freeze_und=True)
        assert out.loss is not None
        out.loss.backward()
        _check_gradients(golden, recording, facts["grad_norms_freeze_und_mse_only"], "freeze_und")
    model.zero_grad()


def _check_pack(golden: Golden, recording: Recording) -> Pack:
    """Build the pack from pictures and texts, and compare all of it."""
    facts, config = recording.facts, golden.model.config
    times = recording.given("in.packed_timesteps")
    lens = [rows * columns for rows, columns in facts["patchified_vae_latent_shapes"]]
    first = torch.stack([piece[0] for piece in times.split(lens)])
    samples = golden.samples(recording.name, first[first.isfinite()].tolist(), facts["dropped"])
    pack = build_pack(samples, config)
    for key, ours in PACK.items():
        if f"in.{key}" in recording.tensors:
            recording.compare(f"in.{key}", getattr(pack, ours), EXACT)
    recording.compare("in.vit_token_seqlens", torch.tensor(pack.vit_lens), EXACT)
    recording.compare("in.packed_timesteps", pack.timestep_logits.repeat_interleave(torch.tensor(lens)), EXACT)
    pictures = [picture for picture in pack.pixels if picture is not None]
    expected = recording.given("in.padded_images")
    padded = torch.zeros_like(expected)
    for place, picture in zip(padded, pictures, strict=True):
        place[:, : picture.shape[1], : picture.shape[2]] = picture
    recording.compare("in.padded_images", padded, EXACT)
    recording.compare("in.padded_latent", encode(golden.vae, padded), STATE)
    for name, value in (
        ("sequence_length", len(pack)),
        ("sample_lens", pack.sample_lens),
        ("split_lens", pack.split_lens),
        ("attn_modes", pack.attn_modes),
        ("patchified_vae_latent_shapes", [list(grid) for grid in pack.latent_grids]),
        ("samples", [{"num_tokens_estimate": token_estimate(items, config)} for items in samples]),
    ):
        same = torch.tensor(value == facts[name])
        recording.judge(f"{recording.name}.json {name}", same, torch.tensor(True), EXACT)
    mask = dense_mask(pack.layout)
    starts = [sum(pack.sample_lens[:number]) for number in range(len(pack.sample_lens) + 1)]
    for number, (start, stop) in enumerate(pairwise(starts)):
        recording.compare(f"in.attention_allowed_sample{number}", mask[start:stop, start:stop], EXACT)
        mask[start:stop, start:stop] = False
    recording.judge("attention between samples", mask, torch.zeros_like(mask), EXACT)
    if "in.attention_allowed_padded" in recording.tensors:
        extra = facts["pad_len_of_the_padded_variant"]
        layout = Layout.of([*pack.sample_lens, extra], [*pack.split_lens, extra], [*pack.attn_modes, "causal"])
        recording.compare("in.attention_allowed_padded", dense_mask(layout), EXACT)
    return pack


def _check_output(
    recording: Recording, name: str, pack: Pack, latents: Tensor, noise: Tensor, out: BagelOutput
) -> None:
    compare = recording.compare
    assert out.timesteps is not None
    assert out.hidden_states is not None
    assert out.velocity is not None
    compare(f"{name}.timesteps", out.timesteps.repeat_interleave(torch.tensor(pack.latent_lens)), STATE)
    compare(f"{name}.llm_input", out.hidden_states[0], STATE)
    for number, state in enumerate(out.hidden_states[1:-1]):
        compare(f"{name}.hidden_{number}", state, STATE)
    compare(f"{name}.last_hidden", out.hidden_states[-1], STATE)
    compare(f"{name}.velocity_pred", out.velocity, STATE)
    target = (noise - latents)[pack.rank[pack.mse_loss_indexes]]
    compare(f"{name}.mse_elementwise", (out.velocity - target).square(), STATE)
    for key, value in (("mse_per_token", out.mse_per_token), ("mse_loss", out.mse_loss)):
        assert value is not None
        compare(f"{name}.{key}", value, LOSS)
    if out.logits is not None and out.ce_per_token is not None and out.ce_loss is not None:
        compare(f"{name}.ce_logits", out.logits, LOSS)
        compare(f"{name}.ce_per_token", out.ce_per_token, LOSS)
        compare(f"{name}.ce_loss", out.ce_loss, LOSS)
        weights = pack.ce_loss_weights
        compare(f"{name}.ce_loss_reweighted", (out.ce_per_token * weights).sum() / weights.sum(), LOSS)


def _check_gradients(golden: Golden, recording: Recording, norms: dict[str, float | None], name: str) -> None:
    """Compare the norm of the gradient of every weight; those that have none count as zero."""
    grads = {key: weight.grad for key, weight in golden.model.named_parameters()}
    if norms.keys() != grads.keys():
        recording.problem(f"{name}: gradients of {len(norms)} weights are recorded, the model has {len(grads)}")
    floor = VANISHING * math.hypot(*(norm or 0.0 for norm in norms.values()))
    for key in norms.keys() & grads.keys():
        grad, norm = grads[key], norms[key]
        got = torch.zeros(()) if grad is None else grad.norm()
        recording.judge(f"{name} gradient of {key}", got, torch.tensor(norm or 0.0), GRADIENT, floor)
    total = recording.facts["total_grad_norm"].get(name)
    if total is not None:
        got = torch.stack([grad.norm() for grad in grads.values() if grad is not None]).norm()
        recording.judge(f"{name} gradient of all", got, torch.tensor(total), GRADIENT)


CHECKS: dict[str, Callable[[Golden, Recording], None]] = {
    "resized": check_resized,
    "modules": check_modules,
    "train_edit": check_training,
    "train_batch": check_training,
    "train_multiturn": check_training,
}
"""By the name of the recording."""
