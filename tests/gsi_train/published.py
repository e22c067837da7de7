"""A finished run of each kind, and a scored folder, as `publish model` wants them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from gsi_metrics.scoring import score_edits
from gsi_train.sft import train
from gsi_train.tiny import tiny_bagel
from tests.folders import built_split
from tests.gsi_metrics.scored import edits_folder
from tests.gsi_train.runs import config


@dataclass(frozen=True)
class Made:
    """Where everything lies.

    Attributes:
        data: a built folder with one config, split ``test``.
        start: the model that both runs start from.
        full: run that gave a model.
        lora: run that gave an adapter.
        scores: of the true results, which no model has drawn.
    """

    data: Path
    start: Path
    full: Path
    lora: Path
    scores: Path

    @property
    def means(self) -> dict[str, float]:
        """What the scores say, by metric."""
        table = json.loads((self.scores / "summary.json").read_text())["operations"]["all"]
        return {short: table[short]["mean"] for short in ("ic", "sa", "el", "ac")}


def make(folder: Path) -> Made:
    """Build, train and score, in seconds."""
    made = Made(*(folder / name for name in ("data", "start", "full", "lora", "scores")))
    built_split(made.data, rows=4)
    bagel = tiny_bagel(1)
    # A new one draws nothing at first, and adapters could not change that.
    torch.nn.init.normal_(bagel.model.llm2vae.weight, std=0.05, generator=torch.Generator().manual_seed(1))
    bagel.save_pretrained(made.start)
    for out, mode in ((made.full, "full"), (made.lora, "lora")):
        train(config(made.data, out, mode=mode, model=str(made.start), steps=2))
    edits_folder(made.data, folder / "edits")
    score_edits(folder / "edits", made.data, out=made.scores, observer="truth", workers=1, progress=False)
    return made
