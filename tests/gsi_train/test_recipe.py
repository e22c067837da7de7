"""A recipe: file, options, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gsi_train import recipe
from gsi_train.recipe import TrainingError, read_config


TINY = Path(recipe.__file__).parent / "recipes" / "tiny-cpu.yaml"


def read(*options: str) -> recipe.TrainConfig:
    return read_config(["--config", str(TINY), "--data", "d", "--out", "o", *options])


def test_options_win_over_the_file() -> None:
    found = read("--steps", "7", "--mixed_precision", "bf16")
    assert (found.steps, found.mode, found.mixed_precision, found.data) == (7, "full", "bf16", "d")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stepz", "7"], "stepz"),
        (["--steps", "0"], "steps: 0; it must be at least 1"),
        (["--steps", "many"], "steps"),
        (["--mode", "half"], "mode: there is no 'half'; there are full, generation, lora"),
        (["--drop_vit", "1.5"], "drop_vit: 1.5; it must be from 0 to 1"),
        (["--pack_tokens", "9999"], "max_pack_tokens: "),
        (["--text_share", "0.5"], "text_data: needs text_share"),
        (["--streaming", "true"], "streaming: a tiny BAGEL"),
        (["--learning_rate", "nan"], "learning_rate: nan; it must be above 0"),
        (["--vae_steps", "0"], "vae_steps: 0; it must be at least 1"),
        (["--log_with", "paper"], "log_with: there is no 'paper'; there are tensorboard, trackio"),
    ],
)
def test_what_is_refused(options: list[str], told: str, capsys: pytest.CaptureFixture[Any]) -> None:
    with pytest.raises(TrainingError, match=told):
        read(*options)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: 1.5", "steps: 1.5; Input should be a valid integer"),
        ("steps: true", "steps: True"),
        ("learning_rate: null", "learning_rate: None"),
        ("model: 7", "model: 7"),
        ("model: [", "recipe: "),
        ("stepz: 7", "stepz"),
    ],
)
def test_what_is_refused_in_a_file(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(TrainingError, match=told):
        read_config(["--config", str(tmp_path / "own.yaml"), "--data", "d", "--out", "o"])
