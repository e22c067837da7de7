"""The card of a model: README.md, from what its run left and what `gsi-bench score` found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import yaml

from gsi_train.recipe import TINY
from gsi_train.record import LOG, ROWS, read_learned
from gsi_train.results import TASK, PublishingError, Results, model_index, told


HERE = "training"
"""Folder of a repository for what its run left."""
OF_THIS_MACHINE = ("data", "out", "model", "text_data", "latent_cache", "log_with")
"""Fields of a recipe that may hold paths; what they say of data and model is in the card, by its name on the Hub."""


@dataclass(frozen=True)
class Training:
    """A run, as far as it is told.

    Attributes:
        recipe: its fields.
        log: a mapping a step.
        curve: PNG of the loss.
        grid: PNG of sources, edits and targets at the last step.
        learned: ids of the rows that it has learned from; None if that was not recorded.
    """

    recipe: dict[str, Any]
    log: list[dict[str, Any]]
    curve: Path
    grid: Path
    learned: frozenset[str] | None

    @classmethod
    def read(cls, run: Path) -> Training:
        """Read the folder of a run.

        Raises:
            PublishingError: the run has not come to its end, or a file is damaged.
        """
        grids = sorted((run / "pictures").glob("step-*.png"))
        if not grids or not (run / "loss.png").is_file():
            raise PublishingError(f"{run}: has no curve or no pictures; let the run come to its end")
        try:
            recipe = json.loads((run / "config.json").read_text(encoding="utf-8"))
            log = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
            steps = [{"step": int(item["step"]), **item} for item in log]
            return cls(recipe, steps, run / "loss.png", grids[-1], read_learned(run))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PublishingError(
                f"{run}: config.json, {LOG} or {ROWS} cannot be read ({error}); run it again"
            ) from error

    def files(self) -> dict[str, Path | bytes]:
        """What of it is published; nothing in it names a place on this machine."""
        fields = {name: value for name, value in self.recipe.items() if name not in OF_THIS_MACHINE}
        log = "".join(f"{json.dumps(entry)}\n" for entry in self.log)
        return {
            f"{HERE}/recipe.yaml": yaml.safe_dump(fields, sort_keys=False).encode(),
            f"{HERE}/log.jsonl": log.encode(),
            f"{HERE}/loss.png": self.curve,
            f"{HERE}/edits.png": self.grid,
        }


@dataclass(frozen=True)
class Facts:
    """What a card tells.

    Attributes:
        repo: of the model.
        tag: of the version; None for no tag.
        weights: how many, without the autoencoder; of an adapter, its own.
        dtype: of these, e.g. ``bfloat16``.
        adapter: whether it is an adapter.
        base: repository of the model that it was made of; None for a model made from scratch.
        dataset: repository of the data set that it learned from; None if that is not on the Hub.
        training: None if nothing is known of it.
        results: scored runs.
    """

    repo: str
    tag: str | None
    weights: int
    dtype: str
    adapter: bool
    base: str | None
    dataset: str | None
    training: Training | None = None
    results: Sequence[Results] = field(default_factory=tuple)


def render_card(facts: Facts) -> str:
    """The text of the card; the same facts give the same text."""
    from huggingface_hub import ModelCard, ModelCardData

    name = facts.repo.split("/")[1]
    relation = "adapter" if facts.adapter else "finetune"
    more: dict[str, Any] = {"base_model_relation": relation} if facts.base else {}
    data = ModelCardData(
        license="apache-2.0",
        library_name="peft" if facts.adapter else "gsi-bench",
        pipeline_tag=TASK,
        base_model=facts.base,
        datasets=_datasets(facts) or None,
        tags=["bagel", "image-editing", "spatial-intelligence", "gsi-bench", *(["lora"] if facts.adapter else [])],
        model_name=name,
        eval_results=model_index(facts.results) or None,
        **more,
    )
    template = Path(__file__).with_name("templates") / "model.md"
    text = Template(template.read_text(encoding="utf-8")).substitute(
        name=name,
        repo=facts.repo,
        what=_what(facts),
        revision=f' revision="{facts.tag}",' if facts.tag else "",
        revision_option=f" --revision {facts.tag}" if facts.tag else "",
        dataset=next(iter(_datasets(facts)), "DATASET"),
        results=told(facts.results) or "None were given.",
        training=_training(facts),
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}"))


def _datasets(facts: Facts) -> list[str]:
    """Those that it learned from and was scored on, in this order."""
    return list(dict.fromkeys([*filter(None, [facts.dataset]), *(item.dataset for item in facts.results)]))


def _what(facts: Facts) -> str:
    base = f"[{facts.base}](https://huggingface.co/{facts.base})" if facts.base else ""
    size = f"{facts.weights:,} weights in {facts.dtype}"
    if facts.adapter:
        return (
            f"A LoRA adapter on {base}, which teaches it to edit pictures by exact spatial instructions: {size}. The "
            "model that it is for is downloaded with it."
        )
    made = f", fine-tuned from {base}" if base else ""
    if facts.training is not None and facts.training.recipe["model"] == TINY:
        made = ", tiny and made from scratch to try the whole loop"
    return (
        f"A model that edits pictures by exact spatial instructions{made}: {size}. It is a BAGEL (two-expert Qwen2 "
        "decoder, SigLIP vision tower, FLUX autoencoder; [paper](https://arxiv.org/abs/2505.14683))."
    )


def _training(facts: Facts) -> str:
    if facts.training is None:
        return "Nothing was recorded of it."
    run = facts.training
    recipe, log = run.recipe, run.log
    data = f"[{facts.dataset}](https://huggingface.co/datasets/{facts.dataset})" if facts.dataset else "not named"
    part = f", `{recipe['data_config']}`" if recipe.get("data_config") else ""
    seen = f", {len(run.learned):,} rows" if run.learned is not None else ""
    lines = [
        ("data set", f"{data}{part}, `{recipe['split']}`{seen}"),
        ("what learned", _LEARNED[recipe["mode"]].format(rank=recipe["lora_rank"])),
        ("steps", f"{log[-1]['step']:,}, of {recipe['packs_per_step']} packs each"),
        ("tokens", f"{sum(entry['tokens'] for entry in log):,}"),
        ("learning rate", f"{recipe['learning_rate']:g} after {recipe['warmup_steps']} steps of warm-up"),
        ("averaged weights", f"decay {recipe['ema_decay']:g}" if recipe["ema_decay"] else "no"),
        ("loss", f"{_mean(log[: _window(log)]):.4f} at first, {_mean(log[-_window(log) :]):.4f} at last"),
        ("time", f"{_time(sum(entry['seconds'] for entry in log))}{_memory(log)}"),
    ]
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in lines)])
    shown = (
        f"rows of the split `{recipe['validation_split']}`, from which it did not learn"
        if recipe.get("validation_split")
        else "rows from which it learned"
    )
    return (
        f"With `gsi-bench train`; every field of the recipe is in [recipe.yaml]({HERE}/recipe.yaml), every step in "
        f"[log.jsonl]({HERE}/log.jsonl).\n\n{table}\n\n![loss]({HERE}/loss.png)\n\n"
        f"Source, edit and target of {shown}, after the last step:\n\n![edits]({HERE}/edits.png)"
    )


_LEARNED = {
    "full": "all weights but the autoencoder's",
    "generation": "the generation expert",
    "lora": "adapters of rank {rank} on the generation expert",
}


def _window(log: Sequence[Mapping[str, Any]]) -> int:
    return max(1, len(log) // 20)


def _mean(log: Sequence[Mapping[str, Any]]) -> float:
    return float(np.mean([entry["loss"] for entry in log]))


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"


def _memory(log: Sequence[Mapping[str, Any]]) -> str:
    peak = max((entry.get("memory_gb", 0.0) for entry in log), default=0.0)
    return f", at most {peak:.1f} GB of GPU memory" if peak else ""
