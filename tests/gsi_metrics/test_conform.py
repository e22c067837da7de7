from __future__ import annotations

import gzip
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gsi_metrics.conform import ConformError, Tolerance, check_case, conform_metrics, run
from gsi_metrics.conform_kinds import KINDS
from tests.gsi_metrics.v1 import VECTORS, cases, needs_weights


def write(folder: Path, *stored: dict[str, Any]) -> Path:
    with gzip.open(folder / "some.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(case) + "\n" for case in stored)
    return folder


def changed(case: dict[str, Any], change: Callable[[Any], Any], *names: str) -> dict[str, Any]:
    """The case with one expected value changed."""
    copy = json.loads(json.dumps(case))
    place = copy["expected"]
    for name in names[:-1]:
        place = place[name]
    place[names[-1]] = change(place[names[-1]])
    return copy


@pytest.mark.parametrize(
    ("kind", "names", "change"),
    [
        ("iou_3d", ("value",), lambda value: value + 1e-8),
        ("corners_3d", ("value",), lambda value: [*value[:-1], [0.0, 0.0, 0.0]]),
        ("check_same", ("value",), lambda value: not value),
        ("get_operation", ("value",), lambda value: f"{value} "),
        ("move", ("sa", "value"), lambda value: value + 1e-8),
        ("scale", ("ic", "value"), lambda value: 1 - value),
        ("remove", ("origin_bbox_2d", "value"), lambda value: None),
        ("parse_ac_scores", ("value",), lambda value: {**value, "more": 1}),
        ("aggregate_tree", ("value", "EVAL_output_ac.json"), lambda value: {"elsewhere": {}}),
        ("statistics", ("value",), lambda value: {}),
        ("resolve_files", ("value", "gt_edited_img"), lambda value: "orig/other.png"),
        ("img_process", ("value", "min"), lambda value: value + 0.02),
        ("check_locality", ("value",), lambda value: not value),
        ("viewpoint_similarity", ("value",), lambda value: 0 if value is False else value is None),
    ],
)
def test_one_changed_value_is_found(tmp_path: Path, kind: str, names: tuple[str, ...], change: Any) -> None:
    case = next(case for case in cases(kind) if "raises" not in case["expected"])
    (tmp_path / "images").symlink_to(VECTORS / "images")
    assert conform_metrics(write(tmp_path, case), progress=False).ok
    wrong = write(tmp_path, case, changed(case, change, *names))
    report = conform_metrics(wrong, progress=False)
    assert (report.counts["some.jsonl.gz", kind], report.failed["some.jsonl.gz", kind]) == (2, 1)
    assert report.mismatches[0].case.startswith(case["id"])
    assert run(wrong, progress=False) == 1


def test_prints_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = cases("volume")[0]
    assert run(write(tmp_path, changed(case, lambda value: 2, "value"), case), progress=False) == 1
    printed = capsys.readouterr().out
    assert "volume" in printed
    assert f"{case['id']} value" in printed
    assert "expected 2" in printed
    assert "1 of 2 differ" in printed


def test_all_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write(tmp_path, *cases("volume")), progress=False) == 0
    assert f"all {len(cases('volume'))} agree" in capsys.readouterr().out


def test_a_refusal_must_be_expected_and_an_expected_one_must_come() -> None:
    case = next(case for case in cases("rotate_about_y") if "raises" in case["expected"])
    assert check_case(case, VECTORS) == []
    assert check_case({**case, "expected": {"value": 1}}, VECTORS)[0][2].startswith("raises ValueError")
    answered = next(case for case in cases("rotate_about_y") if "value" in case["expected"])
    assert check_case({**answered, "expected": {"raises": "AssertionError"}}, VECTORS)[0][1] == "raises AssertionError"


def test_an_error_of_ours_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "volume", lambda case: case.nothing)
    with pytest.raises(AttributeError):
        check_case({"kind": "volume", "id": "x", "input": {}, "expected": {"raises": "ValueError"}}, VECTORS)


def test_a_missing_input_is_no_refusal() -> None:
    flat = next(case for case in cases("viewpoint_similarity") if "raises" in case["expected"])
    assert check_case(flat, VECTORS) == []
    with pytest.raises(ConformError, match=rf"case {flat['id']}: .* does not exist"):
        check_case(flat, VECTORS / "images")
    with pytest.raises(ConformError, match="lacks 'angle_deg'"):
        check_case({**flat, "kind": "rotate_about_y", "input": {"rotation_matrix": []}}, VECTORS)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "a", "kind": "teleport", "input": {}, "expected": {"value": 1}}', "unknown kind 'teleport'"),
        ('{"id": "a", "kind": "volume", "input": {}}', "is no case"),
        ("{", "is no case"),
        ('{"id": "a", "kind": "volume", "input": {}, "expected": {}}', "is no case"),
        ('{"id": "a", "kind": "volume", "input": {}, "expected": {"ic": 1}}', "is no case"),
    ],
)
def test_what_is_no_known_case_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as stream:
        stream.write(line)
    with pytest.raises(ConformError, match=words):
        conform_metrics(tmp_path, progress=False)
    assert run(tmp_path, progress=False) == 2
    assert "a.jsonl.gz:1" in capsys.readouterr().err


def test_a_folder_with_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConformError, match="no pipeline"):
        conform_metrics(tmp_path, progress=False)
    (tmp_path / "a.jsonl.gz").write_bytes(b"\x1f\x8b truncated")
    with pytest.raises(ConformError, match="cannot be read"):
        conform_metrics(tmp_path, progress=False)


def test_tolerance() -> None:
    limit = Tolerance(1e-5, 1e-3)
    assert limit.holds(1.0, 1.0009)
    assert not limit.holds(1.0, 1.002)
    assert limit.holds(math.inf, math.inf)
    assert not limit.holds(math.inf, 1.0)
    assert limit.holds(math.nan, math.nan)
    assert not limit.holds(math.nan, 0.0)
    assert not limit.holds(0.0, math.nan)


@needs_weights
def test_the_pipeline_tree_goes_through_the_real_scoring_path(tmp_path: Path) -> None:
    tree = tmp_path / "pipeline"
    shutil.copytree(VECTORS / "pipeline", tree)
    report = conform_metrics(tmp_path, progress=False)
    assert report.ok
    assert report.counts.total() == 2 * 3 * 5
    path = tree / "expected" / "GSI-Real" / "edit-locality_eval_results.json"
    results = json.loads(path.read_text())
    key = next(iter(results))
    results[key]["ssim"] += 2e-5
    path.write_text(json.dumps(results))
    report = conform_metrics(tmp_path, progress=False)
    assert [item.case for item in report.mismatches] == [f"{key} {key}.ssim"]
    (tree / "infer_cache.json").write_text("{}")
    assert run(tmp_path, progress=False) == 1
