"""A recipe: what a training run is, as YAML, as options of the command line, and as a dataclass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn, cast, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError


CHOICES = {
    "mode": ("full", "generation", "lora"),
    "dtype": ("float32", "bfloat16"),
    "mixed_precision": ("no", "bf16"),
    "gradient_checkpointing": ("none", "mlps", "layers"),
    "optimizer": ("adamw", "adamw8bit"),
    "log_with": ("", "tensorboard", "trackio"),
}
SHARES = ("drop_text", "drop_vit", "drop_vae", "text_share", "ema_decay")
POSITIVE = ("learning_rate", "clip", "timestep_shift")
LEAST = dict.fromkeys(("steps", "packs_per_step", "save_every", "keep", "pack_tokens", "validation_rows"), 1)
LEAST |= dict.fromkeys(("lora_rank", "vae_steps", "shuffle_buffer"), 1)
LEAST |= dict.fromkeys(("count", "image_size", "vit_size", "warmup_steps", "validate_every", "seed"), 0)
LEAST |= dict.fromkeys(("mse_weight", "ce_weight"), 0)
TINY = "tiny"
# May change when a run goes on.
FREE = ("steps", "save_every", "keep", "validate_every", "validation_rows", "validation_scores", "log_with", "out")


class TrainingError(RuntimeError):
    """A run that cannot start or go on; the message names the field or step and the remedy."""


@dataclass
class TrainConfig:
    """A recipe.

    Attributes:
        data: a built folder, or a name for `datasets.load_dataset`.
        out: folder for checkpoints, log, pictures and the result; one that holds a run is gone on with.
        model: folder or repository of a BAGEL; `tiny` makes one and fits its autoencoder to the pictures.
        data_config: of the data set.
        split: of the data set.
        count: only so many rows, spread evenly over the split (of a stream: the first); 0: all.
        streaming: read rows as they come instead of downloading them first.
        shuffle_buffer: rows among which the next one is drawn when streaming.
        text_data: rows with `image`, `question` and `answer` to be learned beside the edits, in `full` only.
        text_config: of `text_data`.
        text_split: of `text_data`.
        text_share: share of all samples that are taken from there.
        image_size: longest side of pictures that are drawn, pixels; 0: as the model's processor says.
        vit_size: the same for pictures that the vision tower sees (518 when the released model learned to edit).
        mode: what learns: `full`, `generation` (the generation expert), or `lora` (adapters on it).
        lora_rank: of adapters.
        dtype: of weights as they are loaded.
        attention: implementation; `flex_attention` on GPUs.
        mixed_precision: of accelerate: `no` or `bf16`.
        gradient_checkpointing: what is computed again instead of kept: `none`, `mlps` (two thirds of the memory for
            half of the work) or `layers`.
        compile: fuse small operations of the layers with torch.compile; for GPUs.
        latent_cache: folder in which what the autoencoder makes of pictures is kept; empty: computed each time.
        steps: updates of the weights.
        packs_per_step: of all processes and micro-batches together.
        pack_tokens: a pack is full when it holds as many.
        max_pack_tokens: it never holds more; a larger sample is an error.
        drop_text: share of instructions that are left out, for guidance.
        drop_vit: share of sources for the vision tower that are left out.
        drop_vae: share of sources for the autoencoder that are left out.
        timestep_shift: moves times towards noise.
        mse_weight: of the loss of pictures.
        ce_weight: of the loss of texts.
        optimizer: `adamw` or `adamw8bit`.
        offload_optimizer: keep its state in host memory.
        learning_rate: after the warm-up, constant.
        warmup_steps: of linear warm-up.
        clip: of the norm of the gradient.
        ema_decay: of the averaged weights, which are the result; 0: no average. See [`average.WeightAverage`].
        ema_device: where they lie, e.g. `cpu`; empty: beside the weights.
        seed: of everything.
        save_every: steps between checkpoints.
        keep: how many checkpoints stay.
        validate_every: steps between edits of validation rows; 0: only at the end.
        validation_split: of the data set; empty: rows that are learned.
        validation_rows: how many rows are edited.
        validation_scores: score them too.
        vae_steps: of fitting the autoencoder of a tiny BAGEL.
        log_with: tracker of accelerate besides the log file: `tensorboard` or `trackio`; empty: none.
    """

    data: str
    out: str
    model: str = TINY
    data_config: str | None = None
    split: str = "train"
    count: int = 0
    streaming: bool = False
    shuffle_buffer: int = 1000
    text_data: str = ""
    text_config: str | None = None
    text_split: str = "train"
    text_share: float = 0.0
    image_size: int = 0
    vit_size: int = 0
    mode: str = "lora"
    lora_rank: int = 64
    dtype: str = "float32"
    attention: str = "sdpa"
    mixed_precision: str = "no"
    gradient_checkpointing: str = "none"
    compile: bool = False
    latent_cache: str = ""
    steps: int = 1000
    packs_per_step: int = 1
    pack_tokens: int = 10240
    max_pack_tokens: int = 11520
    drop_text: float = 0.1
    drop_vit: float = 0.5
    drop_vae: float = 0.1
    timestep_shift: float = 4.0
    mse_weight: float = 1.0
    ce_weight: float = 0.25
    optimizer: str = "adamw"
    offload_optimizer: bool = False
    learning_rate: float = 2.5e-5
    warmup_steps: int = 100
    clip: float = 1.0
    ema_decay: float = 0.995
    ema_device: str = ""
    seed: int = 42
    save_every: int = 200
    keep: int = 2
    validate_every: int = 0
    validation_split: str = ""
    validation_rows: int = 4
    validation_scores: bool = False
    vae_steps: int = 300
    log_with: str = ""

    def __post_init__(self) -> None:
        kinds = get_type_hints(type(self))
        for item in fields(self):
            name, value = item.name, getattr(self, item.name)
            try:
                TypeAdapter(kinds[name]).validate_python(value, strict=True)
            except ValidationError as error:
                raise TrainingError(f"{name}: {value!r}; {error.errors()[0]['msg']}") from error
            if name in CHOICES and value not in CHOICES[name]:
                raise TrainingError(
                    f"{name}: there is no {value!r}; there are {', '.join(filter(None, CHOICES[name]))}"
                )
            if name in LEAST and not value >= LEAST[name]:
                raise TrainingError(f"{name}: {value}; it must be at least {LEAST[name]}")
            if name in POSITIVE and not 0 < value < math.inf:
                raise TrainingError(f"{name}: {value}; it must be above 0")
            if name in SHARES and not 0 <= value <= 1:
                raise TrainingError(f"{name}: {value}; it must be from 0 to 1")
        if self.pack_tokens > self.max_pack_tokens:
            raise TrainingError(f"max_pack_tokens: {self.max_pack_tokens} is less than pack_tokens; raise it")
        if bool(self.text_data) != bool(self.text_share) or (self.text_data and self.mode != "full"):
            raise TrainingError("text_data: needs text_share above 0 and mode full; the other modes learn no text")
        if self.streaming and self.model == TINY:
            raise TrainingError("streaming: a tiny BAGEL is fitted to all pictures first; set streaming to false")


def read_config(arguments: Sequence[str]) -> TrainConfig:
    """A recipe and options as `--config FILE --field value ...`.

    Raises:
        TrainingError: a field is unknown, missing, or of another kind.
    """
    from trl import TrlParser

    class Parser(TrlParser):
        def error(self, message: str) -> NoReturn:
            raise TrainingError(f"recipe: {message}")

    try:
        [config] = Parser(cast(Any, TrainConfig)).parse_args_and_config(list(arguments))
    except (ValueError, yaml.YAMLError) as error:
        raise TrainingError(f"recipe: {error}") from error
    assert isinstance(config, TrainConfig)
    return config
