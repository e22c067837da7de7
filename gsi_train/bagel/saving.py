"""Writes checkpoints, whole or not at all: our own layout, and the released one for other tools.

What is written goes to a folder beside first. Only when it is complete and on the disk does it move to its place, and
the file that marks a checkpoint moves last: a folder with that file is whole, and a full disk leaves the old one as it
was.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors import SafetensorError
from safetensors.torch import save_file

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.convert import RELEASED_VAE, RELEASED_WEIGHTS, CheckpointError
from gsi_train.bagel.generation import AnswerSettings, EditSettings
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.processing_bagel import BagelProcessor
from gsi_train.bagel.vae import to_flux


SETTINGS = "generation_config.json"
SPARE_BYTES = 64 << 20
"""Free space that a checkpoint needs besides its weights: tokenizer, configurations, card."""

CARD = """---
license: apache-2.0
library_name: gsi-bench
pipeline_tag: image-to-image
base_model: {base}
tags:
- bagel
- image-editing
- spatial-intelligence
---

# {name}

BAGEL (two-expert Qwen2 decoder, SigLIP vision tower, FLUX autoencoder; [paper](https://arxiv.org/abs/2505.14683)),
{weights:,} weights in {dtype}, saved by gsi-bench.

```python
import torch
from gsi_train.bagel.pipeline import BagelPipeline

bagel = BagelPipeline.from_pretrained("{name}", dtype=torch.bfloat16, device="cuda")
{use}
```

`gsi-bench edit --model {name} --data DATASET --out EDITS` edits a whole data set.
"""
DRAWS = '[edited] = bagel.edit([[picture, "Move the red cup 10 cm to the left."]], seeds=[42])'
ANSWERS = '[text] = bagel.answer([[picture, "How many cups are there?"]])'
BASE = "ByteDance-Seed/BAGEL-7B-MoT"


@contextmanager
def whole_folder(folder: Path, *, marker: str, patterns: Sequence[str], needed: int = 0) -> Iterator[Path]:
    """A folder to write to, whose content moves to `folder` when the block ends well, and else is gone.

    Args:
        folder: may exist; files in it that nothing replaces stay.
        marker: the file that says that it is whole; it goes first and comes last.
        patterns: files of an older checkpoint that must not stay beside the new one.
        needed: bytes that will be written, about.

    Raises:
        CheckpointError: it cannot be written; `folder` is as it was.
    """
    temporary = folder.with_name(f".{folder.resolve().name}.{os.getpid()}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if needed > free:
            raise OSError(errno.ENOSPC, f"{free / 1e9:.1f} GB are free, {needed / 1e9:.1f} GB are needed")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        written = sorted(path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file())
        for path in written:
            with (temporary / path).open("rb") as stream:
                os.fsync(stream.fileno())
        folder.mkdir(exist_ok=True)
        (folder / marker).unlink(missing_ok=True)
        for old in (path for pattern in patterns for path in folder.glob(pattern)):
            old.unlink()
        for path in sorted(written, key=lambda path: path == Path(marker)):
            (folder / path).parent.mkdir(exist_ok=True)
            (temporary / path).replace(folder / path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: cannot be written ({error}); free some space or choose another folder. What stood there is as "
            "it was"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_checkpoint(
    folder: Path,
    model: BagelForConditionalGeneration,
    vae: AutoencoderKL | None,
    processor: BagelProcessor,
    *,
    edit_settings: EditSettings | None = None,
    answer_settings: AnswerSettings | None = None,
    max_shard_size: str = "5GB",
    base: str = BASE,
    state_dict: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a folder of our own layout: weights in shards, autoencoder, processor, settings, card.

    Args:
        folder: where.
        model: without adapters.
        vae: its autoencoder, if it draws.
        processor: for its pictures and texts.
        edit_settings: that a loader takes by default.
        answer_settings: that a loader takes by default.
        max_shard_size: as for `save_pretrained` of transformers.
        base: the checkpoint that this one was made of, for the card.
        state_dict: other weights than the model's, e.g. their average.

    Raises:
        CheckpointError: it cannot be written, or an adapter is on the model.
    """
    _plain(model)
    needed = _bytes(model) + (_bytes(vae) if vae is not None else 0) + SPARE_BYTES
    patterns = ("model*.safetensors", "model*.safetensors.index.json")
    with whole_folder(folder, marker="config.json", patterns=patterns, needed=needed) as temporary:
        model.save_pretrained(
            temporary, max_shard_size=max_shard_size, state_dict=None if state_dict is None else dict(state_dict)
        )
        if vae is not None:
            vae.save_pretrained(temporary / "vae")
        processor.save_pretrained(temporary)
        settings = {
            "eos_token_id": model.config.eos_token_id,
            "edit": asdict(edit_settings or EditSettings()),
            "answer": asdict(answer_settings or AnswerSettings()),
        }
        _write_json(temporary / SETTINGS, settings)
        card = CARD.format(
            base=base,
            name=folder.resolve().name,
            weights=sum(weight.numel() for weight in model.parameters()),
            dtype=str(model.dtype).removeprefix("torch."),
            use=DRAWS if vae is not None else ANSWERS,
        )
        (temporary / "README.md").write_text(card, encoding="utf-8")


def load_settings(folder: Path) -> tuple[EditSettings, AnswerSettings]:
    """The settings that a folder holds; those of the released model where it holds none.

    Raises:
        CheckpointError: they are damaged.
    """
    file = folder / SETTINGS
    if not file.is_file():
        return EditSettings(), AnswerSettings()
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return EditSettings(**facts.get("edit", {})), AnswerSettings(**facts.get("answer", {}))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{file}: {error}; mend it, or remove it to take the defaults") from error


def export_released(
    folder: Path, model: BagelForConditionalGeneration, vae: AutoencoderKL, processor: BagelProcessor
) -> None:
    """Write a folder of the released layout, which other tools read: same names, same values, no metadata.

    Args:
        folder: where.
        model: whole, without adapters.
        vae: its autoencoder.
        processor: its tokenizer, and the sizes of pictures, which other tools pass over.

    Raises:
        CheckpointError: it cannot be written, or the model is not whole.
    """
    _plain(model)
    if model.config.understanding_only:
        raise CheckpointError("understanding_only: the released layout holds both experts; load the whole model first")
    stages = len(vae.config["block_out_channels"])
    needed = _bytes(model) + _bytes(vae) + SPARE_BYTES
    patterns = (RELEASED_WEIGHTS, RELEASED_VAE)
    with whole_folder(folder, marker="llm_config.json", patterns=patterns, needed=needed) as temporary:
        _save(temporary / RELEASED_WEIGHTS, model.state_dict())
        _save(temporary / RELEASED_VAE, to_flux(vae.state_dict(), stages))
        processor.save_pretrained(temporary)
        llm, vit = released_configs(model.config, model.dtype)
        _write_json(temporary / "vit_config.json", vit)
        _write_json(temporary / "llm_config.json", llm)


def released_configs(config: BagelConfig, dtype: torch.dtype) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `llm_config.json` and `vit_config.json` of a released folder say: see `BagelConfig.from_released`."""
    text, vision = config.text_config, config.vision_config
    llm = {name: getattr(text, name) for name in _LLM}
    llm |= {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "rope_theta": text.rope_parameters["rope_theta"],
        "rope_scaling": None,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "bos_token_id": text.bos_token_id,
        "eos_token_id": text.eos_token_id,
    }
    vit = {name: getattr(vision, name) for name in _VIT}
    # The last layer of the tower is never used, and counted nevertheless.
    vit |= {"model_type": "siglip_vision_model", "num_hidden_layers": vision.num_hidden_layers + 1}
    return llm, vit


_LLM = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "hidden_act",
    "attention_dropout",
    "initializer_range",
)
_VIT = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_channels",
    "image_size",
    "patch_size",
    "hidden_act",
    "layer_norm_eps",
    "attention_dropout",
)


def _save(file: Path, weights: Mapping[str, torch.Tensor]) -> None:
    save_file({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}, file)


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _bytes(module: torch.nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())


def _plain(model: BagelForConditionalGeneration) -> None:
    if any(".lora_" in name for name in model.state_dict()):
        raise CheckpointError("an adapter is on the model; merge it first, or save it alone (adapters.save_adapter)")
