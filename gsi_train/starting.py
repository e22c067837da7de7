"""What a run starts from: rows, model, what of it learns, and the stream of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import torch
from accelerate import Accelerator
from tqdm import tqdm

from gsi_train.bagel.adapters import add_adapter
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration, is_generation_weight
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.processing_bagel import BagelImageProcessor
from gsi_train.latents import LatentCache
from gsi_train.recipe import TINY, TrainConfig, TrainingError
from gsi_train.samples import EDIT_COLUMNS, TEXT_COLUMNS, Rates, Samples


def load_rows(name: str, part: str | None, split: str, columns: Sequence[str], config: TrainConfig) -> Any:
    """A split, pictures not decoded."""
    try:
        rows = datasets.load_dataset(name, part, split=split, streaming=config.streaming)
    except Exception as error:
        # The library, its file systems and the Hub client have no error class in common.
        raise TrainingError(f"data: {name}, split {split}, cannot be loaded: {error}") from error
    if missing := [column for column in columns if column not in (rows.column_names or columns)]:
        raise TrainingError(f"{name}: has no column {', '.join(missing)}; is this a gsi-bench data set?")
    for column, feature in (rows.features or {}).items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(column, datasets.Image(decode=False))
    if isinstance(rows, datasets.IterableDataset):
        return rows.take(config.count) if config.count else rows
    for column in columns:
        if empty := rows.data.column(column).null_count:
            raise TrainingError(
                f"{name}: {empty} of {len(rows)} rows have no {column} (published edits ask for what nobody drew); "
                "build rows, or give a data set in which every row has one"
            )
    if config.count and config.count < len(rows):
        rows = rows.select([len(rows) * number // config.count for number in range(config.count)])
    if not len(rows):
        raise TrainingError(f"{name}: split {split} holds no rows; build some")
    return rows


def validation_rows(rows: Any, config: TrainConfig) -> datasets.Dataset:
    if config.validation_split:
        facts = replace(config, count=config.validation_rows)
        rows = load_rows(config.data, config.data_config, config.validation_split, EDIT_COLUMNS, facts)
    if isinstance(rows, datasets.IterableDataset):
        taken = list(rows.take(config.validation_rows))
        if not taken:
            raise TrainingError(
                f"{config.data}: split {config.validation_split or config.split} holds no rows; build some"
            )
        return datasets.Dataset.from_list(taken, features=rows.features)
    count = min(config.validation_rows, len(rows))
    return rows.select([len(rows) * number // count for number in range(count)])


def load_bagel(config: TrainConfig, rows: Any, accelerator: Accelerator) -> BagelPipeline:
    """The model at the start of the run; a tiny one is made once and kept."""
    name = config.model
    if config.model == TINY:
        folder = Path(config.out) / "start"
        name = str(folder)
        if accelerator.is_main_process and not (folder / "config.json").is_file():
            from gsi_train.tiny import fitted_bagel

            fitted_bagel(rows, seed=config.seed, steps=config.vae_steps).save_pretrained(folder)
        accelerator.wait_for_everyone()
    bagel = BagelPipeline.from_pretrained(name, dtype=getattr(torch, config.dtype), device=accelerator.device)
    assert bagel.vae is not None
    bagel.vae.requires_grad_(False)
    bagel.model.set_attn_implementation({"": config.attention})
    images = bagel.processor.image_processor
    rules = {
        name: replace(rule, max_size=size, min_size=min(rule.min_size, size)) if size else rule
        for name, rule, size in (("vae", images.vae, config.image_size), ("vit", images.vit, config.vit_size))
    }
    bagel.processor.image_processor = BagelImageProcessor(**rules)
    try:
        bagel.processor.check(bagel.model.config)
    except ValueError as error:
        raise TrainingError(f"image_size, vit_size: {error}") from error
    return bagel


def choose_learning(model: BagelForConditionalGeneration, config: TrainConfig) -> Any:
    """Choose what learns; gives the model, wrapped where there is an adapter."""
    if config.gradient_checkpointing == "mlps":
        model.language_model.model.checkpoint_mlps()
    elif config.gradient_checkpointing == "layers":
        model.gradient_checkpointing_enable()
    if config.mode == "lora":
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            return add_adapter(model, config.lora_rank)
    for name, weight in model.named_parameters():
        # The tables of positions never learn.
        weight.requires_grad_(weight.requires_grad and (config.mode == "full" or is_generation_weight(name)))
    return model


def open_samples(config: TrainConfig, rows: Any, bagel: BagelPipeline, accelerator: Accelerator) -> Samples:
    assert bagel.vae is not None
    images = bagel.processor.image_processor
    cache = LatentCache(Path(config.latent_cache), bagel.vae, images.vae) if config.latent_cache else None
    texts = None
    if config.text_data:
        facts = replace(config, streaming=False, count=0)
        texts = load_rows(config.text_data, config.text_config, config.text_split, TEXT_COLUMNS, facts)
    narrow = rows.select_columns(list(EDIT_COLUMNS))
    samples = Samples(
        narrow,
        bagel.processor,
        bagel.model.config,
        config.seed,
        Rates(config.drop_text, config.drop_vit, config.drop_vae, config.text_share),
        config.pack_tokens,
        config.max_pack_tokens,
        config.shuffle_buffer,
        texts,
        cache,
    )
    if cache is not None and isinstance(narrow, datasets.Dataset):
        share = range(accelerator.process_index, len(narrow), accelerator.num_processes)
        for number in tqdm(share, desc="latents", unit="row", disable=not accelerator.is_main_process, leave=False):
            samples.keep_latents(narrow[number])
        accelerator.wait_for_everyone()
    return samples
