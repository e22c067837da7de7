"""Scoring a folder, with a stand-in for LPIPS: files, failures, resuming. The scores are checked in test_conform."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gsi_metrics import lpips
from gsi_metrics.protocols.v1 import driver, formats
from gsi_metrics.protocols.v1.driver import FolderScores, score_folder
from tests.gsi_metrics.v1 import VECTORS, Blind


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lpips, "load", Blind)
    shutil.copytree(VECTORS / "pipeline", tmp_path / "tree")
    return tmp_path / "tree"


def score(tree: Path, **options: Any) -> FolderScores:
    options = {"recordings": tree / formats.CACHE_NAME, "progress": False, **options}
    return score_folder(tree / "dataset", tree / "generated", tree / "out", **options)


def files(tree: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tree / "out").iterdir()}


def test_writes_six_files_in_the_order_of_the_names(tree: Path) -> None:
    threads = torch.get_num_threads()
    scores = score(tree)
    assert torch.get_num_threads() == threads
    assert not scores.failures
    written = {path.name: json.loads(path.read_text()) for path in (tree / "out").iterdir()}
    assert len(written) == 6
    expected = json.loads((tree / "expected" / "GSI-Real" / "spatial-accuracy_eval_results.json").read_text())
    found = written["spatial-accuracy_eval_results.json"]
    assert list(found) == sorted(expected)
    # Views need LPIPS; a stand-in without differences opens the gate, which the real one does for these samples too.
    objects = [key for key, entry in expected.items() if entry["operation"] != "view"]
    assert len(objects) == 4
    for key in objects:
        assert found[key] == pytest.approx(expected[key], abs=1e-9)
    statistics = written["instruction-compliance_eval_stats.json"]
    assert statistics["overall_total_count"] == 5
    assert statistics["operation_success_rate"]["rotate"] == {"rate": 1.0, "count": 1}


def test_the_data_set_decides_the_gate(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(Blind):
        def map(self, *args: Any) -> torch.Tensor:
            return super().map(*args) + 0.4

    monkeypatch.setattr(lpips, "load", Strict)
    real = score(tree, dataset="GSI-Real").results["instruction-compliance"]
    syn = score(tree, dataset="GSI-Syn", resume=False).results["instruction-compliance"]
    assert real["scene03_frame_757389_3"]["compliance"] == 1
    assert syn["scene03_frame_757389_3"]["compliance"] == 0


def test_the_number_of_workers_changes_nothing(tree: Path) -> None:
    score(tree, workers=1)
    alone = files(tree)
    shutil.rmtree(tree / "out")
    score(tree, workers=3)
    assert files(tree) == alone


def test_what_cannot_be_scored_is_told_and_the_rest_is_scored(tree: Path) -> None:
    move, rotate, scale = (
        "scene05_frame_322777_edit_5",
        "scene01_frame_551538_edit_1",
        "scene03_frame_757389_edit_3",
    )
    picture = tree / "generated" / f"{move}.png"
    picture.write_bytes(picture.read_bytes()[:2000])
    (tree / "dataset" / f"{rotate}.json").unlink()
    path = tree / "dataset" / f"{scale}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prompt": "Inflate the box."}))
    shutil.copy(tree / "generated" / f"{scale}.png", tree / "generated" / "stray.png")
    shutil.copy(tree / "generated" / f"{scale}.png", tree / "generated" / "scene03_frame_757389_edit_77.png")
    shutil.copy(path, tree / "dataset" / "scene03_frame_757389_edit_77.json")
    scores = score(tree)
    assert set(scores.failures) == {
        "scene05_frame_322777_5",
        f"{rotate}.png",
        "scene03_frame_757389_3",
        "stray.png",
        "scene03_frame_757389_edit_77.png",
    }
    assert "cannot be read" in scores.failures["scene05_frame_322777_5"]
    assert f"{rotate}.json does not exist" in scores.failures[f"{rotate}.png"]
    assert "no operation 'inflate'" in scores.failures["scene03_frame_757389_3"]
    assert "<img_id>_edit_<query_id>" in scores.failures["stray.png"]
    assert "no recorded detections" in scores.failures["scene03_frame_757389_edit_77.png"]
    # The pictures of an unknown operation are compared all the same.
    assert list(scores.results["edit-locality"]) == [
        "scene03_frame_757389_3",
        "scene04_frame_873942_4",
        "scene09_frame_459713_9",
    ]
    assert len(scores.results["spatial-accuracy"]) == 2


def test_an_unreadable_original_fails_its_edits_only(tree: Path) -> None:
    (tree / "dataset" / "scene05_frame_322777.png").write_bytes(b"no picture")
    scores = score(tree)
    assert list(scores.failures) == ["scene05_frame_322777_5"]
    assert "scene05_frame_322777.png: cannot be read" in scores.failures["scene05_frame_322777_5"]


def test_a_picture_too_small_to_compare_fails_its_edits_only(tree: Path) -> None:
    Image.new("RGB", (5, 5)).save(tree / "dataset" / "scene05_frame_322777.png")
    scores = score(tree)
    assert list(scores.failures) == ["scene05_frame_322777_5"]
    assert "too small to compare" in scores.failures["scene05_frame_322777_5"]
    assert len(scores.results["edit-locality"]) == 4


def test_several_edits_of_one_picture_score_as_each_alone(tree: Path) -> None:
    known = formats.read_recordings(tree / formats.CACHE_NAME)
    for number in range(5, 5 + driver.BATCH + 2):
        for folder, ending in (("generated", "png"), ("dataset", "json")):
            source = tree / folder / f"scene05_frame_322777_edit_5.{ending}"
            if number != 5:
                shutil.copy(source, tree / folder / f"scene05_frame_322777_edit_{number}.{ending}")
        known[f"scene05_frame_322777_{number}"] = known["scene05_frame_322777_5"]
    formats.write_recordings(tree / formats.CACHE_NAME, known)
    scores = score(tree)
    entries = [
        entry for key, entry in scores.results["edit-locality"].items() if key.startswith("scene05_frame_322777")
    ]
    assert len(entries) == driver.BATCH + 2
    assert all(entry == entries[0] for entry in entries)


def test_resumes_without_scoring_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score(tree)
    whole = files(tree)
    for mode in formats.MODES:
        path = formats.results_path(tree / "out", mode)
        results = json.loads(path.read_text())
        del results["scene03_frame_757389_3"]
        path.write_text(json.dumps(results))
    scored = []
    plain = driver._score_batch
    monkeypatch.setattr(driver, "_score_batch", lambda batch, *rest: scored.extend(batch) or plain(batch, *rest))
    scores = score(tree)
    assert [sample.files.key for sample in scored] == ["scene03_frame_757389_3"]
    assert len(scores.results["edit-locality"]) == 5
    assert files(tree) == whole
    score(tree, resume=False)
    assert len(scored) == 6


def test_interrupted_it_keeps_what_is_done(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = driver._score_batch

    def stop(batch: list, *rest: Any) -> list:
        if batch[0].files.key.startswith("scene04"):
            raise KeyboardInterrupt
        return plain(batch, *rest)

    monkeypatch.setattr(driver, "_score_batch", stop)
    with pytest.raises(KeyboardInterrupt):
        score(tree, workers=1)
    kept = formats.read_results(tree / "out", "edit-locality")
    assert list(kept) == ["scene01_frame_551538_1", "scene03_frame_757389_3"]
    monkeypatch.setattr(driver, "_score_batch", plain)
    assert len(score(tree).results["spatial-accuracy"]) == 5


def test_a_folder_without_pictures_is_an_error(tree: Path) -> None:
    shutil.rmtree(tree / "generated")
    with pytest.raises(formats.FormatError, match="generated: no"):
        score(tree)
    with pytest.raises(formats.FormatError, match=r"infer_cache\.json does not exist"):
        score(tree, recordings=None)
