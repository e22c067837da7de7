"""Checkpoints of a run: written beside and renamed, so that one with a name is whole; read by any number of processes.

`OUT/checkpoints/step-0000200/` holds tensors as `torch.distributed.checkpoint` writes them, each process its shards,
and `state.json`, all the rest.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from accelerate import Accelerator
from torch import nn
from torch.distributed import is_initialized
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from gsi_datasets.storage import storing, sync_folder
from gsi_train.average import WeightAverage


STATE = "state.json"
_NAME = re.compile(r"step-(\d+)")
_UNREADABLE = (CheckpointException, OSError, ValueError, KeyError, RuntimeError, EOFError, pickle.PickleError)
_LEARNED = StateDictOptions(ignore_frozen_params=True)


class DamagedCheckpointError(ValueError):
    """A checkpoint that cannot be gone on from; the message names it and the remedy."""


@dataclass(frozen=True)
class Learner:
    """What changes from step to step.

    Attributes:
        model: as prepared by accelerate.
        optimizer: of torch, not the wrapper of accelerate.
        average: of the weights; None if there is none.
    """

    model: nn.Module
    optimizer: Optimizer
    average: WeightAverage | None

    def begin(self) -> None:
        """Give every weight its state in the optimiser, all zeros.

        Otherwise a weight has one from its first gradient on, and a checkpoint lacks what reading it asks for.
        """
        # Makes them by a step without gradients, which counts as one.
        get_optimizer_state_dict(self.model, self.optimizer, options=_LEARNED)
        for state in self.optimizer.state.values():
            state["step"].zero_()

    def tensors(self) -> dict[str, Any]:
        """All of it by name; the weights themselves, not copies."""
        found: dict[str, Any] = {
            "model": get_model_state_dict(self.model, options=_LEARNED),
            "optimizer": get_optimizer_state_dict(self.model, self.optimizer, options=_LEARNED),
        }
        return found if self.average is None else found | {"average": dict(self.average.values)}

    def take(self, tensors: Mapping[str, Any]) -> None:
        """Give model and optimiser what [`tensors`] gave; the average was filled in place."""
        options = StateDictOptions(ignore_frozen_params=True, strict=False)
        set_model_state_dict(self.model, tensors["model"], options=options)
        set_optimizer_state_dict(self.model, self.optimizer, tensors["optimizer"], options=_LEARNED)


class Checkpoints:
    """Those of a run.

    Args:
        folder: where.
        keep: how many stay.
        accelerator: of the run.
    """

    def __init__(self, folder: Path, keep: int, accelerator: Accelerator) -> None:
        self.folder, self.keep, self.accelerator = folder, keep, accelerator
        if accelerator.is_main_process:
            with storing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                for left in folder.glob(".*.tmp"):
                    shutil.rmtree(left)
        accelerator.wait_for_everyone()

    def found(self) -> list[tuple[int, Path]]:
        """Steps and folders, oldest first."""
        named = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match[1]), path) for match, path in named if match)

    def save(self, step: int, learner: Learner, facts: Mapping[str, Any]) -> None:
        """Write one; all processes call this. Older ones than the last `keep` are removed then.

        Args:
            step: that was done last.
            learner: what to keep.
            facts: plain data, for `state.json`.

        Raises:
            StorageError: it cannot be written; those before stay as they are.
        """
        final = self.folder / f"step-{step:07d}"
        temporary = self.folder / f".{final.name}.tmp"
        main = self.accelerator.is_main_process
        tensors = learner.tensors()
        updates = None if learner.average is None else learner.average.updates
        try:
            try:
                # Whoever cannot write tells all others, so that nobody waits for ever.
                dcp.save(tensors, checkpoint_id=temporary, no_dist=not is_initialized())
            except CheckpointException as error:
                raise _as_os_error(error) from error
            if main:
                text = json.dumps({"step": step, "average_updates": updates, **facts}, indent=2)
                (temporary / STATE).write_text(text, encoding="utf-8")
                for path in temporary.iterdir():
                    with path.open("rb") as stream:
                        os.fsync(stream.fileno())
                shutil.rmtree(final, ignore_errors=True)
                temporary.replace(final)
                sync_folder(self.folder)
                for _, old in self.found()[: -self.keep]:
                    shutil.rmtree(old)
        except OSError as error:
            with storing(final):
                raise error
        finally:
            if main:
                shutil.rmtree(temporary, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def load_newest(self, learner: Learner) -> dict[str, Any] | None:
        """Go on from the newest one, or begin; all processes call this.

        Returns:
            What was in `facts`, with `step`; None if there is no checkpoint.

        Raises:
            DamagedCheckpointError: it cannot be read, or is of other weights.
        """
        learner.begin()
        if not (found := self.found()):
            return None
        path = found[-1][1]
        tensors = learner.tensors()
        try:
            state = json.loads((path / STATE).read_text(encoding="utf-8"))
            dcp.load(tensors, checkpoint_id=path, no_dist=not is_initialized())
        except _UNREADABLE as error:
            raise DamagedCheckpointError(
                f"{path}: cannot be gone on from ({_told(error)}); remove it to go on from the one before, or choose "
                "another folder"
            ) from error
        learner.take(tensors)
        if learner.average is not None:
            learner.average.updates = state["average_updates"]
        return dict(state)


def _as_os_error(error: CheckpointException) -> OSError:
    """What went wrong on the first process that could not write."""
    cause = next(iter(error.failures.values()))[0]
    if isinstance(cause, OSError):
        return cause
    # The writer of zip files does not say what the system told it.
    return OSError(None, _told(cause))


def _told(error: BaseException) -> str:
    if isinstance(error, CheckpointException):
        error = next(iter(error.failures.values()))[0]
    return (str(error).splitlines() or [type(error).__name__])[0]
