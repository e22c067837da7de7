"""Short training runs of the tiny BAGEL."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from gsi_train.recipe import TrainConfig


def config(data: Path, out: Path, **fields: Any) -> TrainConfig:
    """Five steps of two packs, a checkpoint after every second."""
    known: dict[str, Any] = {
        "split": "test",
        "mode": "full",
        "steps": 5,
        "packs_per_step": 2,
        "pack_tokens": 500,
        "max_pack_tokens": 700,
        "learning_rate": 1e-3,
        "warmup_steps": 2,
        "save_every": 2,
        "validation_rows": 1,
        "vae_steps": 2,
        "lora_rank": 4,
    }
    return TrainConfig(data=str(data), out=str(out), **{**known, **fields})


def options(config: TrainConfig) -> list[str]:
    """A configuration as the command line has it."""
    return [
        text for name, value in vars(config).items() if value not in (None, "") for text in (f"--{name}", str(value))
    ]


def losses(out: Path) -> list[float]:
    """Of all steps in the log."""
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


def weights(folder: Path) -> dict[str, bytes]:
    """Files of weights of a result, autoencoder included."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}


def questions(folder: Path, rows: int = 4) -> Path:
    """A data set of pictures of one colour, and what colour it is."""
    names = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 220, 30)}
    made = []
    for number in range(rows):
        name = [*names][number % 3]
        stream = io.BytesIO()
        Image.fromarray(np.full((56, 56, 3), names[name], np.uint8)).save(stream, "PNG")
        made.append({"image": {"bytes": stream.getvalue()}, "question": "Which colour?", "answer": name})
    features = datasets.Features(
        {"image": datasets.Image(), "question": datasets.Value("string"), "answer": datasets.Value("string")}
    )
    folder.mkdir(parents=True)
    datasets.Dataset.from_list(made, features=features).to_parquet(folder / "train.parquet")
    return folder
