from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gsi_metrics
from gsi_metrics import worker
from gsi_metrics.module import Request
from gsi_metrics.rows import RowsError
from gsi_metrics.worker import ScoringError
from tests.gsi_metrics.scored import data_folder, edits_folder
from tests.gsi_metrics.v1 import VECTORS, needs_weights


SHORT = dict(zip(gsi_metrics.MODULES, ("ic", "sa", "el", "ac"), strict=True))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's is read or written, and nothing is asked of the network."""
    import evaluate

    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_MODULES_CACHE", "HF_METRICS_CACHE"):
            patch.setattr(evaluate.config, name, folder / name)
        patch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
        yield


@pytest.fixture(autouse=True)
def _own_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Request, "folder", tmp_path / "scores")


def pairs(data: Path, edits: Path, column: str = "target_image") -> dict[str, list[str]]:
    rows = edits_folder(data, edits, column)
    return {"predictions": [str(edits / f"{name}.png") for name in rows.entries], "references": [*rows.entries]}


def load(name: str, **options: Any) -> Any:
    return gsi_metrics.load(name, **{"perception": "truth", "workers": 1, "progress": False, **options})


@pytest.mark.parametrize("name", gsi_metrics.MODULES)
def test_every_metric_loads_from_the_installation_and_scores(data: Path, tmp_path: Path, name: str) -> None:
    metric = load(name, data=data)
    assert type(metric).__mro__[-2].__module__.startswith("evaluate")
    result = metric.compute(**pairs(data, tmp_path / "edits"))
    assert result[name] == pytest.approx(1.0, abs=0.02)
    assert result["protocol"] == "gsi-bench-v2"
    assert set(result["operations"]) == {"CM", "OP", "OR", "OS", "RP", "SR"}
    assert result["operations"]["CM"][name] == pytest.approx(1.0, abs=0.02)
    assert result["interval"][0] <= result[name] <= result["interval"][1]
    assert result["count"] == (5 if name == "appearance_consistency" else 6)
    assert result["validity"] == pytest.approx(result["count"] / 6)
    card = (Path(gsi_metrics.__file__).parent / name / "README.md").read_text()
    assert f'gsi_metrics.load("{name}"' in card
    assert importlib.import_module(f"gsi_metrics.{name}.{name}").DESCRIPTION in metric.description


def test_edits_are_measured_once_for_all_metrics(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = worker.open_observer

    def counting(name: str, **options: Any) -> Any:
        observer = real(name, **options)

        def look(sample: Any, edited: Any) -> Any:
            seen.append(sample.id)
            return observer(sample, edited)

        return look

    monkeypatch.setattr(worker, "open_observer", counting)
    given = pairs(data, tmp_path / "edits")
    results = {name: load(name).compute(**given, data=str(data)) for name in gsi_metrics.MODULES}
    assert sorted(seen) == sorted(given["references"])
    # Other pictures of the same rows are other edits, and both are remembered.
    other = pairs(data, tmp_path / "other", "source_image")
    assert load("spatial_accuracy", data=data).compute(**other)["spatial_accuracy"] == pytest.approx(0.0)
    assert len(seen) == 12
    assert load("spatial_accuracy", data=data).compute(**given) == results["spatial_accuracy"]
    assert len(seen) == 12


def test_settings_of_compute_win(data: Path, tmp_path: Path) -> None:
    given = pairs(data, tmp_path / "edits")
    metric = load("instruction_compliance", data="nowhere")
    assert metric.compute(**given, data=data)["instruction_compliance"] == 1.0
    with pytest.raises(RowsError, match="no split 'train'"):
        metric.compute(**given, data=data, split="train")
    with pytest.raises(TypeError, match="no option 'obsever'"):
        metric.compute(**given, obsever="truth")


def test_pairs_that_cannot_be_scored(data: Path, tmp_path: Path) -> None:
    given = pairs(data, tmp_path / "edits")
    with pytest.raises(ScoringError, match="say which rows"):
        load("edit_locality").compute(**given)
    metric = load("edit_locality", data=data)
    with pytest.raises(RowsError, match="no row has the id 'stranger'"):
        metric.compute(predictions=given["predictions"][:1], references=["stranger"])
    with pytest.raises(ScoringError, match="2 pictures for the id"):
        metric.compute(predictions=given["predictions"][:2], references=given["references"][:1] * 2)
    with pytest.raises(ValueError, match="no metric named 'beauty'"):
        gsi_metrics.load("beauty")
    # A picture that is not there is no score, and is counted.
    Path(given["predictions"][0]).unlink()
    result = metric.compute(**given)
    assert result["count"] == 5
    assert any("cannot be read" in cause for cause in result["causes"])


def test_add_batch_by_batch_as_evaluate_does(data: Path, tmp_path: Path) -> None:
    given = pairs(data, tmp_path / "edits")
    metric = load("spatial_accuracy", data=data)
    for start in (0, 2, 4):
        metric.add_batch(**{key: values[start : start + 2] for key, values in given.items()})
    assert metric.compute()["count"] == 6


SCRIPT = """
import sys
import gsi_metrics

print("once")
metric = gsi_metrics.load("spatial_accuracy", data=sys.argv[1], perception="truth", workers=2, cache=sys.argv[3])
names = sys.argv[4:]
print(metric.compute(predictions=[f"{sys.argv[2]}/{name}.png" for name in names], references=names)["count"])
"""


@pytest.mark.slow
def test_a_script_without_a_guard_runs_once(data: Path, tmp_path: Path) -> None:
    given = pairs(data, tmp_path / "edits")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(data), str(tmp_path / "edits"), str(tmp_path / "cache")]
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*command, *given["references"]], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.split() == ["once", "6"], done.stderr


@needs_weights
def test_the_published_protocol(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    tree = VECTORS / "pipeline"
    edits = tmp_path / "generated"
    shutil.copytree(tree / "generated", edits)
    files = sorted(edits.glob("*.png"))
    options = {"path": str(tree / "infer_cache.json")}
    metric = load("instruction_compliance", data=str(tree / "dataset"), protocol="gsi-bench-v1", options=options)
    references = [path.stem.replace("_edit_", "_") for path in files]
    result = metric.compute(predictions=[str(path) for path in files], references=references)
    assert result["protocol"] == "gsi-bench-v1"
    assert result["count"] == len(files)
    assert result["operations"]["move"]["instruction_compliance"] == 1.0
