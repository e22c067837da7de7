"""`gsi-bench train` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gsi_datasets.cli import main
from gsi_train.tiny import tiny_bagel
from tests.folders import built_split
from tests.gsi_train.runs import losses


FIELDS = ["steps=2", "pack_tokens=300", "max_pack_tokens=600", "validation_rows=1"]


def test_says_what_it_made_and_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built_split(tmp_path / "data", rows=3)
    tiny_bagel(1).save_pretrained(tmp_path / "model")
    out = tmp_path / "run"
    command = ["train", "--data", str(tmp_path / "data"), "--split", "test", "--out", str(out)]
    assert main([*command, f"model={tmp_path / 'model'}", *FIELDS]) == 0
    told = capsys.readouterr().out
    assert f"result     {out / 'model'}" in told
    assert f"next:  gsi-bench edit --model {out / 'model'} --data {tmp_path / 'data'} --split test" in told
    for path in ("log.jsonl", "loss.png", "pictures/step-0000002.png", "model/config.json"):
        assert (out / path).is_file(), path
    assert len(losses(out)) == 2
    assert main([*command, f"model={tmp_path / 'model'}", *FIELDS, "learning_rate=1"]) == 1
    assert "holds a run with another learning_rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--recipe", "none"], "--recipe: none is no file; shipped are full-8xh100, "),
        (["--accelerate", "none"], "--accelerate: none is no file; shipped are fsdp2, "),
        (["steps"], "steps: fields of the recipe are given as field=value"),
        (["stepz=1"], "stepz"),
        (["steps=0"], "steps: 0; it must be at least 1"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert main(["train", "--data", "data", "--out", str(tmp_path / "run"), *options]) == 1
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_several_processes_are_started_by_accelerate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    options = ["--recipe", "full-8xh100", "--accelerate", "fsdp2", "--data", "d", "--out", str(tmp_path), "steps=7"]
    assert main(["train", *options]) == 3
    [command] = asked
    assert command[:4] == [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    assert Path(command[4]).name == "fsdp2.yaml"
    assert command[5:7] == ["-m", "gsi_train.sft"]
    assert command[-2:] == ["--steps", "7"]
