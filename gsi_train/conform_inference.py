"""What an inference recording holds, computed again: contexts, branch velocities, guided steps, pictures, answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.convert import CheckpointError, load_flux_vae
from gsi_train.bagel.generation import (
    AnswerSettings,
    EditSettings,
    Picture,
    Step,
    answer,
    build_branches,
    draw,
)
from gsi_train.bagel.modeling_bagel import BagelContext
from gsi_train.bagel.packing import Text, VaeImage, VitImage
from gsi_train.bagel.patches import unpatchify
from gsi_train.bagel.processing_bagel import BagelImageProcessor, to_image, to_tensor
from gsi_train.bagel.vae import decode, encode
from gsi_train.conform import EXACT, IMAGE, LOSS, STATE, ConformError, Recording
from gsi_train.conform_golden import Golden


EDITS = {"infer_edit": (("src",), "text"), "infer_two_images": (("src", "src2"), "text2")}
"""Recording to pictures and text."""
CONTEXTS = {"ctx": "full", "ctx_text_cfg": "no_text", "ctx_img_cfg": "no_image"}
BRANCHES = {"v_cond": "full", "v_no_text": "no_text", "v_no_image": "no_image"}


def _edit(golden: Golden, recording: Recording) -> None:
    """An edit of one or several pictures, by all settings that were recorded."""
    names, text = EDITS[recording.name]
    try:
        vae = load_flux_vae(golden.folder / "vae.safetensors")
    except CheckpointError as error:
        raise ConformError(str(error)) from error
    rules = golden.facts["transforms"]
    processor = BagelImageProcessor(rules["vae"], rules["vit_infer"])
    items: list[Picture | Text] = []
    for number, name in enumerate(names):
        image = Image.fromarray(golden.pictures[f"image_{name}"].numpy())
        resized = processor.vae.resize(image)
        levels = ((to_tensor(resized) * 0.5 + 0.5) * 255).round().to(torch.uint8).permute(1, 2, 0)
        recording.compare(f"in.resized_image_{number}", levels, EXACT)
        for_vae, for_vit = processor.edit_views(image)
        recording.compare(f"in.vae_pixels_{number}", for_vae, STATE)
        recording.compare(f"in.vit_pixels_{number}", for_vit, STATE)
        items.append(Picture(VaeImage(latent=encode(vae, for_vae[None])[0]), VitImage(pixels=for_vit)))
    items.append(Text(ids=golden.ids(golden.facts["strings"][text])))
    branches = build_branches(golden.model, items)
    for recorded, branch in CONTEXTS.items():
        _context(recording, f"mid.{recorded}", getattr(branches, branch))

    config = golden.model.config
    height, width = recording.facts["image_shape_hw"]
    grid = (height // config.pixels_per_latent_token, width // config.pixels_per_latent_token)
    for variant, facts in recording.facts["variants"].items():
        steps: list[Step] = []
        [tokens] = draw(
            golden.model, [branches], [recording.given("in.noise")], [grid], _settings(facts), watch=steps.append
        )
        _compare_steps(recording, f"out.{variant}", steps)
        recording.compare(f"out.{variant}.latent_tokens", tokens, STATE)
        _compare_picture(recording, f"out.{variant}", tokens, grid, config, vae)


def _settings(facts: dict[str, Any]) -> EditSettings:
    return EditSettings(
        points=facts["num_timesteps"],
        text_scale=facts["cfg_text_scale"],
        image_scale=facts["cfg_img_scale"],
        interval=tuple(facts["cfg_interval"]),
        renorm=facts["cfg_renorm_type"],
        renorm_min=facts["cfg_renorm_min"],
        shift=facts["timestep_shift"],
    )


def _context(recording: Recording, key: str, context: BagelContext) -> None:
    recording.compare(f"{key}.kv_lens", torch.tensor([len(context)]), EXACT)
    recording.compare(f"{key}.rope", torch.tensor([context.position]), EXACT)
    for layer, (keys, values) in enumerate(zip(context.keys, context.values, strict=True)):
        recording.compare(f"{key}.key_{layer}", keys.transpose(0, 1), STATE)
        recording.compare(f"{key}.value_{layer}", values.transpose(0, 1), STATE)


def _compare_steps(recording: Recording, key: str, steps: Sequence[Step]) -> None:
    recording.compare(f"{key}.t", torch.tensor([step.time for step in steps]), LOSS)
    recording.compare(f"{key}.x_t", torch.stack([step.states[0] for step in steps]), STATE)
    recording.compare(f"{key}.v_t", torch.stack([step.velocities[0] for step in steps]), STATE)
    for number, step in enumerate(steps):
        for recorded, branch in BRANCHES.items():
            if f"{key}.step{number}.{recorded}" in recording.tensors:
                recording.compare(f"{key}.step{number}.{recorded}", step.branches[branch][0], STATE)


def _compare_picture(
    recording: Recording, key: str, tokens: Tensor, grid: tuple[int, int], config: BagelConfig, vae: Any
) -> None:
    latent = unpatchify(tokens, grid, config.latent_patch_size)[None]
    recording.compare(f"{key}.latent", latent, STATE)
    pixels = decode(vae, latent)
    if f"{key}.decoded" in recording.tensors:
        recording.compare(f"{key}.decoded", pixels, STATE)
    levels = torch.tensor(list(to_image(pixels[0]).tobytes())).reshape(*pixels.shape[-2:], 3)
    recording.compare(f"{key}.image_uint8", levels, IMAGE)


def _answer(golden: Golden, recording: Recording) -> None:
    """A question about a picture, answered greedily."""
    rule = golden.facts["transforms"]["vit_infer"]
    image = Image.fromarray(golden.pictures[f"image_{recording.facts['image']}"].numpy())
    pixels = BagelImageProcessor(vit=rule).vit_view(image)
    recording.compare("in.vit_pixels", pixels, STATE)
    context = golden.model.new_context()
    for item in (VitImage(pixels=pixels), Text(ids=golden.ids(recording.facts["prompt"]))):
        [context] = golden.model.append([context], [item])
    _context(recording, "mid.ctx", context)
    logits: list[Tensor] = []
    settings = AnswerSettings(max_new_tokens=recording.facts["steps"])
    [said] = answer(golden.model, [context], settings, watch=lambda rows: logits.append(rows[0]))
    recording.compare("out.logits", torch.stack(logits), LOSS)
    recording.compare("out.next_tokens", torch.tensor(said), EXACT)
    recording.compare("out.tokens", torch.tensor([golden.model.config.bos_token_id, *said[:-1]]), EXACT)


CHECKS = {**dict.fromkeys(EDITS, _edit), "infer_vqa": _answer}
"""Recording to what checks it."""
