"""A run that is killed loses at most the steps since its last checkpoint, and ends as if it had never been killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gsi_train.recipe import TrainConfig
from gsi_train.tiny import tiny_bagel
from tests.folders import built_split
from tests.gsi_train.runs import config, losses, options, weights


STEPS = 30


def started(config: TrainConfig) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "gsi_train.sft", *options(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    built_split(tmp_path / "data", rows=4)
    tiny_bagel(1).save_pretrained(tmp_path / "model")
    fields = {"model": str(tmp_path / "model"), "steps": STEPS, "save_every": 3}
    whole = config(tmp_path / "data", tmp_path / "whole", **fields)
    finished = started(whole)
    told = finished.communicate(timeout=600)[0].decode()
    assert finished.returncode == 0, told
    assert f"result     {tmp_path / 'whole' / 'model'}" in told

    part = replace(whole, out=str(tmp_path / "killed"))
    log, rng = tmp_path / "killed" / "log.jsonl", np.random.default_rng(0)
    for kill in range(4):
        process = started(part)
        # Somewhere in the next steps, while one is computed, logged or saved.
        wanted = 6 * (kill + 1)
        while lines(log) < wanted and process.poll() is None:
            time.sleep(0.005)
        time.sleep(float(rng.uniform(0, 0.3)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL
        steps = [int(path.name[5:]) for path in (tmp_path / "killed" / "checkpoints").glob("step-*")]
        # The one that was being written when it was killed may be missing.
        assert max(steps) >= wanted - 2 * 3
    ended = started(part)
    told = ended.communicate(timeout=600)[0].decode()
    assert ended.returncode == 0, told
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert len(losses(tmp_path / "killed")) == STEPS
    assert weights(tmp_path / "killed" / "model") == weights(tmp_path / "whole" / "model")
    assert not list((tmp_path / "killed" / "checkpoints").glob(".*"))
