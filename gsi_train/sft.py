"""Supervised fine-tuning of BAGEL on triplets, to read from top to bottom.

    gsi-bench train --recipe tiny-cpu --data DIR --out OUT learning_rate=1e-3
    accelerate launch -m gsi_train.sft --config recipe.yaml --data DIR --out OUT --learning_rate 1e-3

A field of [`TrainConfig`] is a key of the recipe and an option of both. [`samples`] says why a run that goes on does
exactly what it would have done, whatever the number of processes.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import datasets
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import DistributedType, set_seed
from filelock import FileLock, Timeout
from peft.helpers import disable_input_dtype_casting
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor
from tqdm import tqdm

from gsi_datasets.storage import check_folder, write_atomically
from gsi_train.average import WeightAverage
from gsi_train.bagel.adapters import save_adapter
from gsi_train.bagel.packing import Pack
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.saving import save_checkpoint
from gsi_train.bagel.vae import posterior
from gsi_train.checkpoints import Checkpoints, Learner
from gsi_train.curves import draw_curves
from gsi_train.flops import pack_flops, peak_flops
from gsi_train.latents import noise_seed, scaled_latent
from gsi_train.optimizers import make_optimizer
from gsi_train.recipe import FREE, TINY, TrainConfig, TrainingError, read_config
from gsi_train.record import LOG, Record
from gsi_train.samples import EDIT_COLUMNS, Step
from gsi_train.starting import choose_learning, load_bagel, load_rows, open_samples, validation_rows
from gsi_train.validation import Validation, validate


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Attributes:
        folder: of the model or adapter.
        first: loss of the first step that the log holds.
        last: mean loss of the last steps.
        validation: of the last step.
        grid: its picture.
    """

    folder: Path
    first: float
    last: float
    validation: Validation
    grid: Path


def train(config: TrainConfig) -> Result:
    """Run a recipe to its end, or go on with what `config.out` holds of it.

    Raises:
        TrainingError: the run cannot start or go on; checkpoints stay as they are.
        DataError, StorageError, CheckpointError, DamagedCheckpointError: as their names say.
    """
    accelerator = _accelerator(config)
    with _claimed(config) if accelerator.is_main_process else nullcontext():
        return _train(config, accelerator)


def _train(config: TrainConfig, accelerator: Accelerator) -> Result:
    out, main, processes = Path(config.out), accelerator.is_main_process, accelerator.num_processes
    set_seed(config.seed)

    rows = load_rows(config.data, config.data_config, config.split, EDIT_COLUMNS, config)
    chosen = validation_rows(rows, config)
    bagel = load_bagel(config, rows, accelerator)
    learning = choose_learning(bagel.model, config)
    optimizer = make_optimizer(
        [weight for weight in learning.parameters() if weight.requires_grad],
        name=config.optimizer,
        learning_rate=config.learning_rate,
        offload=config.offload_optimizer,
    )
    model, prepared = accelerator.prepare(learning, optimizer)
    if config.compile:
        # Last of all: adapters, checkpointing and sharding are in place.
        bagel.model.language_model.model.compile_layers()
    # A sharded model has other parameters than before.
    whole = accelerator.unwrap_model(model)
    weights = {name: weight for name, weight in whole.named_parameters() if weight.requires_grad}
    average = WeightAverage(weights, config.ema_decay, config.ema_device or None) if config.ema_decay else None
    learner = Learner(model, prepared.optimizer, average)

    samples = open_samples(config, rows, bagel, accelerator)
    checkpoints = Checkpoints(out / "checkpoints", config.keep, accelerator)
    start = 0
    if state := checkpoints.load_newest(learner):
        start = state["step"]
        samples.load_state(state["samples"])
    record = Record(out, start) if main else None
    if config.log_with:
        accelerator.init_trackers("gsi-bench", {name: str(value) for name, value in asdict(config).items()})
    # Where weights are sharded, they are gathered for calls of the root only, adapters included.
    editor = replace(bagel, model=whole)
    grid, validation = _grid(out, start), None
    peak = peak_flops(accelerator.device)

    stream = samples.steps(config.packs_per_step, accelerator.process_index, processes)
    bar = tqdm(total=config.steps, initial=start, desc="train", unit="step", disable=not main, dynamic_ncols=True)
    for number in range(start + 1, config.steps + 1):
        began = time.perf_counter()
        step = next(stream)
        waited = time.perf_counter() - began
        # What draws from generators of torch (nothing here does) is the same in a run that goes on.
        torch.manual_seed(config.seed * 1_000_003 + number)
        rate = config.learning_rate * min(1.0, number / max(1, config.warmup_steps))
        _set_rate(prepared.optimizer, rate)
        model.train()
        totals = torch.zeros(4, device=accelerator.device, dtype=torch.float64)
        for index, pack in enumerate(step.packs):
            work = pack_flops(bagel.model.config, pack, mode=config.mode, lora_rank=config.lora_rank)
            loss = _backward(model, bagel, pack, step, config, accelerator, last=index == len(step.packs) - 1)
            totals += torch.cat([loss.double(), totals.new_tensor([work])])
        total, mse, ce, work = accelerator.reduce(totals, "mean").tolist()
        norm = accelerator.clip_grad_norm_(list(weights.values()), config.clip)
        norm = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise TrainingError(
                f"step {number}: the loss is {total}, the norm of its gradient {norm} (rows {', '.join(step.ids)}); "
                f"lower learning_rate, or check these rows and the model. {checkpoints.folder} is as it was"
            )
        prepared.step()
        prepared.zero_grad()
        if average is not None:
            average.update()

        seconds = time.perf_counter() - began
        entry = {
            "step": number,
            "loss": total,
            **({"mse": mse} if step.learned else {}),
            **({"ce": ce} if step.said else {}),
            "learning_rate": rate,
            "grad_norm": norm,
            "tokens": step.tokens,
            "tokens_per_second": step.tokens / seconds,
            "seconds": seconds,
            "waited_seconds": waited,
            **({"mfu": work / seconds / peak} if peak else {}),
            **_memory(accelerator.device),
        }
        if record is not None:
            record.write(entry, step.ids)
        if config.log_with:
            accelerator.log({name: value for name, value in entry.items() if name != "step"}, step=number)
        bar.update()
        bar.set_postfix({"loss": f"{total:.4f}"}, refresh=False)
        last = number == config.steps
        if last or number % config.save_every == 0:
            checkpoints.save(number, learner, {"samples": step.state})
        if last or (config.validate_every and number % config.validate_every == 0):
            grid = _grid(out, number)
            validation = _validate(editor, chosen, grid, config, average, accelerator)
            if record is not None:
                bar.write(f"step {number}: {_told(validation)}")
                draw_curves(record.entries(), out / "loss.png")
            if config.log_with:
                accelerator.log(validation.means(), step=number)
    bar.close()

    if validation is None:
        validation = _validate(editor, chosen, grid, config, average, accelerator)
    with average.in_place() if average is not None else nullcontext():
        folder = _export(bagel, model, out, config, accelerator)
    if config.log_with:
        accelerator.end_training()
    losses = [entry["loss"] for entry in record.entries()] if record is not None else [math.nan]
    tail = losses[-max(1, len(losses) // 20) :]
    return Result(folder, losses[0], sum(tail) / len(tail), validation, grid)


def _accelerator(config: TrainConfig) -> Accelerator:
    if config.log_with and find_spec(config.log_with) is None:
        raise TrainingError(f"log_with: {config.log_with} is not installed; pip install {config.log_with}")
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        log_with=config.log_with or None,
        project_dir=config.out,
        # A pack without questions or pictures leaves some weights without gradient.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if config.packs_per_step % accelerator.num_processes:
        raise TrainingError(
            f"packs_per_step: {config.packs_per_step} cannot be shared by {accelerator.num_processes} processes; "
            "choose a multiple of them"
        )
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and (policy := plugin.mixed_precision_policy) is not None:
        # Latents and noise stay in float32 until they are mixed.
        plugin.mixed_precision_policy = replace(policy, cast_forward_inputs=False)
    return accelerator


@contextmanager
def _claimed(config: TrainConfig) -> Iterator[None]:
    """A folder holds one run, and one process writes to it: go on with it, or refuse another recipe."""
    out = Path(config.out)
    check_folder(out, 0)
    record, facts = out / "config.json", asdict(config)
    # What went wrong before anything was made binds nobody.
    if record.is_file() and any((out / name).exists() for name in ("start", "checkpoints")):
        known = json.loads(record.read_text(encoding="utf-8"))
        if apart := [name for name in facts if name not in FREE and known.get(name) != facts[name]]:
            raise TrainingError(f"{out}: holds a run with another {', '.join(apart)}; choose another folder for out")
    try:
        with FileLock(out / ".lock", timeout=0):
            write_atomically(record, (json.dumps(facts, indent=2) + "\n").encode())
            yield
    except Timeout as error:
        raise TrainingError(f"{out}: another run writes to it; choose another folder for out, or wait") from error


def _backward(
    model: Any,
    bagel: BagelPipeline,
    pack: Pack,
    step: Step,
    config: TrainConfig,
    accelerator: Accelerator,
    *,
    last: bool,
) -> Tensor:
    """Forward and backward of a pack.

    The loss of a step is a mean over its tokens in all packs of all processes. Gradients are averaged over processes,
    so that each divides by its share.

    Args:
        model: as prepared by accelerate.
        bagel: has the autoencoder.
        pack: one sequence.
        step: that it belongs to.
        config: weights of losses, shift of times, mode.
        accelerator: of the run.
        last: of this step, so that gradients are exchanged now at the latest.

    Returns:
        [3]: its parts of the loss, of the picture loss and of the text loss of the step, times the processes.
    """
    assert bagel.vae is not None
    latents = []
    for pixels, latent, seed in zip(pack.pixels, pack.latents, pack.seeds, strict=True):
        if latent is None:
            assert pixels is not None
            assert seed is not None
            moments = posterior(bagel.vae, pixels[None])
            latent = scaled_latent(bagel.vae, type(moments)(moments.mean[0], moments.std[0]), noise_seed(seed))
        latents.append(latent.to(accelerator.device))
    noise = pack.draw_noise(bagel.model.config.latent_token_size).to(accelerator.device)
    pack = pack.to(accelerator.device)
    tokens = pack.latent_tokens(latents, bagel.model.config.latent_patch_size) if latents else None
    # A sharded model that waits to exchange gradients holds those of all weights.
    waits = not last and accelerator.distributed_type != DistributedType.FSDP
    with accelerator.no_sync(model) if waits else nullcontext():
        with _precision(model, config, accelerator):
            found = model(
                pack,
                tokens,
                noise,
                timestep_shift=config.timestep_shift,
                mse_weight=config.mse_weight,
                ce_weight=config.ce_weight,
                mse_tokens=max(step.learned, 1) / accelerator.num_processes,
                ce_tokens=step.said / accelerator.num_processes if step.said else None,
                freeze_und=config.mode != "full",
            )
        accelerator.backward(found.loss)
    zero = found.loss.detach().new_zeros(())
    parts = (found.loss, found.mse_loss, found.ce_loss)
    return torch.stack([zero if part is None else part.detach() for part in parts])


@contextmanager
def _precision(model: Any, config: TrainConfig, accelerator: Accelerator) -> Iterator[None]:
    """Products in bfloat16, if the recipe says so; adapters then take what comes as it is."""
    with accelerator.autocast(), disable_input_dtype_casting(model, active=config.mixed_precision != "no"):
        yield


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _memory(device: torch.device) -> dict[str, float]:
    """Peak so far on a GPU, GB."""
    return {"memory_gb": torch.cuda.max_memory_allocated(device) / 1e9} if device.type == "cuda" else {}


def _grid(out: Path, step: int) -> Path:
    return out / "pictures" / f"step-{step:07d}.png"


def _validate(
    bagel: BagelPipeline,
    rows: datasets.Dataset,
    file: Path,
    config: TrainConfig,
    average: WeightAverage | None,
    accelerator: Accelerator,
) -> Validation:
    with average.in_place() if average is not None else nullcontext(), _precision(bagel.model, config, accelerator):
        return validate(bagel, rows, file, scores=config.validation_scores)


def _told(validation: Validation) -> str:
    means = validation.means()
    told = (
        f"PSNR of edits to the target {means['psnr_target']:.1f} dB (unedited {means['psnr_unedited']:.1f}), to the "
        f"source {means['psnr_source']:.1f} dB"
    )
    if "psnr_changed" in means:
        told += (
            f"; where the target differs {means['psnr_changed']:.1f} dB (unedited "
            f"{means['psnr_changed_unedited']:.1f})"
        )
    return told


def _export(bagel: BagelPipeline, model: Any, out: Path, config: TrainConfig, accelerator: Accelerator) -> Path:
    """Write what was learned, as a model or as an adapter; all processes call this."""
    # Shards are gathered in host memory, of the first process only. An adapter is all that learns.
    gathered = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=config.mode == "lora")
    state: Any = get_model_state_dict(model, options=gathered)
    folder = out / ("adapter" if config.mode == "lora" else "model")
    if accelerator.is_main_process:
        if config.mode == "lora":
            save_adapter(accelerator.unwrap_model(model), folder, state_dict=state)
        else:
            save_checkpoint(
                folder,
                bagel.model,
                bagel.vae,
                bagel.processor,
                edit_settings=bagel.edit_settings,
                answer_settings=bagel.answer_settings,
                base=config.model,
                state_dict=state,
            )
    accelerator.wait_for_everyone()
    return folder


def report(result: Result, config: TrainConfig) -> str:
    """What a run made, where it is, and what to do next."""
    out = Path(config.out)
    told = _told(result.validation)
    if config.mode == "lora":
        which = f"{config.model if config.model != TINY else out / 'start'} --adapter {result.folder}"
    else:
        which = str(result.folder)
    part = f" --config {config.data_config}" if config.data_config else ""
    return (
        f"loss       {result.first:.4f} at first, {result.last:.4f} at last\n"
        f"edits      {told}\n"
        f"pictures   {result.grid}\n"
        f"log        {out / LOG}, {out / 'loss.png'}\n"
        f"result     {result.folder}\n\n"
        f"next:  gsi-bench edit --model {which} --data {config.data}{part} --split {config.split} --out EDITS"
    )


if __name__ == "__main__":
    _config = read_config(sys.argv[1:])
    print(report(train(_config), _config))
