"""LoRA on BAGEL through peft: a few matrices beside each projection learn, all else stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gsi_train.bagel.convert import CheckpointError, check_names
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.saving import whole_folder


_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")
GENERATION_TARGETS = (*(f"self_attn.{name}_moe_gen" for name in _ATTENTION), *(f"mlp_moe_gen.{name}" for name in _MLP))
"""All projections of the generation expert; ends of names, as peft wants them."""
ADAPTER = "adapter_model.safetensors"


def add_adapter(
    model: BagelForConditionalGeneration,
    rank: int,
    *,
    alpha: int | None = None,
    dropout: float = 0.0,
    targets: Sequence[str] = GENERATION_TARGETS,
) -> PeftModel:
    """Put a new adapter on a model; until it learns, the model computes what it did.

    Args:
        model: changed in place; the result wraps it.
        rank: of the matrices.
        alpha: the change is scaled by `alpha / rank` (default: `rank`).
        dropout: of the adapter's input, in training.
        targets: ends of the names of linear layers.
    """
    config = LoraConfig(
        r=rank, lora_alpha=rank if alpha is None else alpha, lora_dropout=dropout, target_modules=list(targets)
    )
    return get_peft_model(model, config)


def save_adapter(model: PeftModel, folder: Path, *, state_dict: Mapping[str, Tensor] | None = None) -> None:
    """Write an adapter, and nothing of the model under it, whole or not at all.

    Args:
        model: that wears it.
        folder: where.
        state_dict: all weights of `model`, where they are sharded and were gathered before.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    with whole_folder(folder, marker="adapter_config.json", patterns=(ADAPTER,)) as temporary:
        model.save_pretrained(str(temporary), state_dict=None if state_dict is None else dict(state_dict))


def load_adapter(model: BagelForConditionalGeneration, folder: Path, *, trainable: bool = False) -> PeftModel:
    """Read an adapter, strictly.

    Args:
        model: changed in place; the result wraps it.
        folder: that [`save_adapter`] wrote.
        trainable: to go on learning.

    Raises:
        CheckpointError: it cannot be read, or is of another model.
    """
    if not (folder / "adapter_config.json").is_file():
        raise CheckpointError(f"{folder}: holds no adapter_config.json; is it the folder of an adapter?")
    try:
        with safe_open(folder / ADAPTER, framework="pt") as opened:
            found = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
        config = LoraConfig.from_pretrained(str(folder))
        config.inference_mode = not trainable
        config.base_model_name_or_path = None  # peft fills it in
        adapted = get_peft_model(model, config)
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise CheckpointError(f"{folder}: is no adapter of this model ({error}); save it again") from error
    wanted = {
        name.replace(".default.", "."): tuple(weight.shape)
        for name, weight in adapted.state_dict().items()
        if ".lora_" in name
    }
    try:
        check_names(found, wanted, folder / ADAPTER)
    except CheckpointError:
        adapted.unload()
        raise
    adapted.load_adapter(str(folder), "default", is_trainable=trainable)
    return adapted


def merge_adapter(model: PeftModel) -> BagelForConditionalGeneration:
    """Add an adapter to the weights under it for good; gives the model that was wrapped."""
    return model.merge_and_unload(safe_merge=True)
