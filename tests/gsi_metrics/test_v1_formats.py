from __future__ import annotations

import json
from pathlib import Path

import pytest

from gsi_metrics.protocols.v1 import formats
from gsi_metrics.protocols.v1.aggregation import aggregate_folders
from gsi_metrics.protocols.v1.formats import FormatError
from gsi_metrics.protocols.v1.operations import move, rotate
from tests.gsi_metrics.v1 import VECTORS


TREE = VECTORS / "pipeline"
EDIT = TREE / "dataset" / "scene01_frame_551538_edit_1.json"


def test_edits_and_recordings_come_back_as_written(tmp_path: Path) -> None:
    edit = formats.read_edit(EDIT)
    formats.write_edit(tmp_path / "edit.json", edit)
    assert formats.read_edit(tmp_path / "edit.json") == edit
    assert json.loads((tmp_path / "edit.json").read_text()) == json.loads(EDIT.read_text())
    known = formats.read_recordings(TREE / formats.CACHE_NAME)
    formats.write_recordings(tmp_path / "cache.json", known)
    assert formats.read_recordings(tmp_path / "cache.json") == known


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"original_bbox_3d": [0, 0, 1, 1, 1, 1]}, "original_bbox_3d"),
        ({"original_bbox_3d": [0, 0, float("nan"), 1, 1, 1, 0]}, "original_bbox_3d.2: Input should be a finite"),
        ({"camera_intrinsics": [[1, 0, 0], [0, 1, 0]]}, "camera_intrinsics"),
        ({"rotation_matrix": None}, "rotation_matrix"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, change: dict, words: str) -> None:
    path = tmp_path / "a_edit_0.json"
    path.write_text(json.dumps({**json.loads(EDIT.read_text()), **change}))
    with pytest.raises(FormatError, match=words) as caught:
        formats.read_edit(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", ["", "[", "[]", '{"a_0": {"origin_result": {"detections": [{}]}}}'])
def test_bad_recordings_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "infer_cache.json"
    path.write_text(content)
    with pytest.raises(FormatError, match=r"infer_cache\.json"):
        formats.read_recordings(path)
    with pytest.raises(FormatError, match="does not exist"):
        formats.read_recordings(tmp_path / "other.json")


def test_results_keep_nan_and_take_booleans(tmp_path: Path) -> None:
    formats.write_json(
        formats.results_path(tmp_path, "edit-locality"), {"a_0": {"ssim": float("nan"), "lpips": 0, "mse": 1}}
    )
    entry = formats.read_results(tmp_path, "edit-locality")["a_0"]
    assert entry["operation"] == "all"
    assert entry["ssim"] != entry["ssim"]
    formats.write_json(
        formats.results_path(tmp_path, "instruction-compliance"), {"a_0": {"operation": "move", "compliance": True}}
    )
    assert formats.read_results(tmp_path, "instruction-compliance")["a_0"]["compliance"] == 1.0
    formats.write_json(formats.results_path(tmp_path, "spatial-accuracy"), {"a_0": {"operation": "move"}})
    with pytest.raises(FormatError, match=r"a_0\.edit_score"):
        formats.read_results(tmp_path, "spatial-accuracy")


def test_an_edit_without_what_its_operation_needs() -> None:
    edit = formats.read_edit(EDIT).model_copy(update={"new_bbox_3d": None, "new_rotation_matrix": None})
    with pytest.raises(ValueError, match="lacks the field new_bbox_3d, which move needs"):
        move(edit, [], [], True)
    with pytest.raises(ValueError, match="new_rotation_matrix"):
        rotate(edit, [], [], True)


def test_aggregation_says_what_it_leaves_out(tmp_path: Path) -> None:
    folder = tmp_path / "eval" / "a_model" / "fine_eval"
    folder.mkdir(parents=True)
    assert aggregate_folders(tmp_path / "eval", tmp_path)["EVAL_output_summary.json"] == {}
    for mode in formats.MODES:
        formats.write_json(formats.results_path(folder, mode), {})
    with pytest.warns(UserWarning, match=r"\*fine_amodel\.json"):
        assert aggregate_folders(tmp_path / "eval", tmp_path)["EVAL_output_summary.json"] == {}
    for name in ("x_fine_amodel.json", "y_fine_amodel.json"):
        (tmp_path / name).write_text("[]")
    with pytest.warns(UserWarning, match="several"):
        summary = aggregate_folders(tmp_path / "eval", tmp_path)["EVAL_output_summary.json"]
    assert summary["fine"]["amodel"]["average"] == 0
