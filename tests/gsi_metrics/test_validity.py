"""The study: errors are what they are said to be, tables say what the records say, and a killed run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gsi_datasets.geometry import corners, project
from gsi_datasets.scene import Camera
from gsi_metrics import validity
from gsi_metrics.baselines.editors import Plan
from gsi_metrics.baselines.room import fits
from gsi_metrics.baselines.states import Motion, State, box_of, request, target, true_state
from gsi_metrics.protocols import v2
from gsi_metrics.protocols.v1.geometry import vertices
from gsi_metrics.validity import published, study
from gsi_metrics.validity.controlled import controlled
from gsi_metrics.validity.plots import draw
from gsi_metrics.validity.study import KNOWN, V1, V2
from gsi_metrics.validity.tables import markdown, summary
from tests.folders import built_split
from tests.gsi_metrics.factories import fake_sample


FAST = (V1, KNOWN)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GSI_BENCH_LPIPS", str(tmp_path / "none.safetensors"))
    built_split(tmp_path / "data", rows=12)
    return tmp_path / "data"


def made_record(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": "a",
        "scene": "s",
        "operation": "CM",
        "edit": "truth",
        "protocol": V2,
        "true_error": 0.0,
        "drawn": "rendered",
        "ic": 1.0,
        "sa": 1.0,
        "el": 1.0,
        "ac": 1.0,
        "unscored": {},
        "faults": [],
        "errors": {"endpoint_cm": 0.4},
        "seconds": 1.0,
    }
    return record | changes


def target_of(table: dict[str, Any], what: str, operation: str = "CM") -> dict[str, Any]:
    return next(item for item in table["targets"] if (item["what"], item["operation"]) == (what, operation))


@pytest.mark.parametrize("operation", ["CM", "OP", "OR", "OS"])
def test_a_controlled_error_is_the_error_it_says(operation: str) -> None:
    found = 0
    for seed in range(4):
        sample = fake_sample(operation, seed)
        for item in controlled(sample):
            level = int(item.name.removeprefix("error-"))
            assert level / 4 - 1e-6 <= item.error <= (level + 1) / 4 + 1e-6
            matrix = item.plan.state.moved[target(sample).id]
            assert fits(sample, target(sample), matrix)
            scores = v2.score(sample, sample.source, item.plan.known(sample))
            assert scores.sa == pytest.approx(1 - item.error, abs=1e-6)
            found += 1
    assert found >= 6


def test_errors_of_a_move_point_everywhere() -> None:
    angles = []
    for seed in range(6):
        sample = fake_sample("CM", seed)
        for item in controlled(sample):
            off = item.plan.state.moved[target(sample).id][:3, 3] - request(sample).shift
            assert off[2] == pytest.approx(0, abs=1e-9)
            angles.append(np.arctan2(off[1], off[0]))
    assert len(angles) > 6
    assert np.ptp(angles) > np.pi


def test_removals_have_no_controlled_errors() -> None:
    assert controlled(fake_sample("SR")) == []


@pytest.mark.parametrize("operation", ["CM", "OR", "OS"])
def test_boxes_for_the_published_protocol_are_where_the_objects_are(operation: str) -> None:
    sample = fake_sample(operation, seed=2)
    asked, made = published.edit_of(sample), published.recording(sample, Plan(true_state(sample)))
    height, width = sample.size
    camera = Camera(published._intrinsics(sample), sample.source_extrinsics, width, height)
    for detection, body in (
        (made.origin_result.detections[0], target(sample)),
        (made.new_result.detections[0], sample.body(target(sample).id, after=True)),
    ):
        assert body is not None
        there = vertices(detection.bbox_3d, np.array(detection.rotation_matrix))
        ours = corners(box_of(body)) @ sample.source_extrinsics[:3, :3].T + sample.source_extrinsics[:3, 3]
        np.testing.assert_allclose(sorted(map(tuple, there.round(6))), sorted(map(tuple, ours.round(6))), atol=2e-6)
        uv = project(corners(box_of(body)), camera)[0]
        np.testing.assert_allclose(detection.bbox_2d, [*uv.min(axis=0), *uv.max(axis=0)], atol=1e-6)
    assert asked.original_bbox_3d == made.origin_result.detections[0].bbox_3d


def test_the_published_protocol_rewards_the_opposite_of_a_long_move() -> None:
    sample = fake_sample("CM", seed=1)
    far = Motion(10 * request(sample).shift)
    shifted = tuple(body if body.id != sample.target_id else _moved(body, far.shift) for body in sample.before)
    sample = replace(sample, after=shifted)
    plans = [
        Plan(State()),
        Plan(true_state(sample)),
        Plan(State(moved={target(sample).id: far.part(-1).of(target(sample))})),
    ]
    nothing, right, wrong = published.scores(sample, [sample.source] * 3, plans, None)
    assert (nothing["ic"], right["ic"], wrong["ic"]) == (0.0, 1.0, 1.0)
    assert right["sa"] == pytest.approx(1, abs=1e-3)
    assert wrong["sa"] == pytest.approx(0.7, abs=1e-3)
    assert right["el"] is None
    assert "LPIPS" in right["unscored"]["el"]


def _moved(body: Any, shift: Any) -> Any:
    return replace(body, centre=body.centre + shift)


def test_a_study_is_run_and_goes_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert validity.run(data, "gsi_syn_table", "test", out, count=6, protocols=FAST) in (0, 1)
    records = validity.read_results(out / "results.jsonl")
    keys = [(record["id"], record["edit"], record["protocol"]) for record in records]
    assert len(keys) == len(set(keys))
    assert {record["operation"] for record in records} == {"CM", "OP", "OR", "OS", "SR", "RP"}
    known = [record for record in records if record["protocol"] == KNOWN and "skipped" not in record]
    assert all(record["ic"] == 1 for record in known if record["edit"] == "truth")
    assert {record["edit"] for record in known} >= {"identity", "truth", "half", "blur", "unrelated"}
    assert (out / "validity.md").read_text().startswith("6 triplets of")

    # Killed while it wrote: the last line is torn and one more is lost.
    lines = (out / "results.jsonl").read_bytes().splitlines(keepends=True)
    (out / "results.jsonl").write_bytes(b"".join(lines[:-2]) + lines[-2][:40])
    drawn: list[str] = []
    plain = study._draw

    def counting(studio: Any, plans: Any, skipped: Any) -> Any:
        drawn.extend(plans)
        return plain(studio, plans, skipped)

    monkeypatch.setattr(study, "_draw", counting)
    validity.run(data, "gsi_syn_table", "test", out, count=6, protocols=FAST)
    assert validity.read_results(out / "results.jsonl") == records
    assert len(drawn) <= 2


def test_scores_of_another_version_are_not_taken_over(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    validity.run(data, "gsi_syn_table", "test", out, count=1, protocols=(KNOWN,))
    first = validity.read_results(out / "results.jsonl")
    monkeypatch.setattr(v2, "VERSION", "gsi-bench-v2.1")
    validity.run(data, "gsi_syn_table", "test", out, count=1, protocols=(KNOWN,))
    assert len(validity.read_results(out / "results.jsonl")) == 2 * len(first)
    assert json.loads((out / "validity.json").read_text())["editors"][KNOWN]["truth"]["CM"]["count"] == 1


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"id": "a"}\nnonsense\n{"id": "b"}\n')
    with pytest.raises(ValueError, match=r"results\.jsonl: line 2 is no JSON"):
        validity.read_results(path)


def test_an_unknown_protocol_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no protocol named 'v3'"):
        validity.run(data, "gsi_syn_table", "test", tmp_path / "out", protocols=("v3",))


def test_rows_are_chosen_evenly(data: Path) -> None:
    rows = validity.chosen_rows(data, "gsi_syn_table", "test", 6)
    assert sorted(row["operation"] for row in rows) == ["CM", "OP", "OR", "OS", "RP", "SR"]
    assert len(validity.chosen_rows(data, "gsi_syn_table", "test", 100)) == 12


def test_targets_are_held_against_what_was_found() -> None:
    records = [
        made_record(),
        made_record(edit="opposite", ic=1.0, sa=0.3),
        made_record(edit="identity", ic=0.0, sa=0.0),
        made_record(edit="truth+jpeg90", sa=0.9),
    ]
    table = summary(records)
    assert target_of(table, "truth: IC")["met"]
    assert target_of(table, "identity: IC")["met"]
    assert not target_of(table, "opposite: IC")["met"]
    assert target_of(table, "median error")["met"]
    assert not target_of(table, "change of SA, truth+jpeg90")["met"]
    assert [item["edit"] for item in table["worst"]] == ["opposite"]
    assert "| opposite: IC | <= 0.05 | **1** |" in markdown(table)


def test_an_unscored_truth_is_no_success() -> None:
    table = summary([made_record(ic=None, sa=None, unscored={"ic": "too near the noise", "sa": "too near the noise"})])
    assert not target_of(table, "truth: IC")["met"]
    assert table["editors"][V2]["truth"]["CM"]["ic"] == {"mean": None, "validity": 0.0}


def test_the_rank_is_one_where_accuracy_falls_with_the_error() -> None:
    shares = np.linspace(0, 1, 9)
    falling = [made_record(id=str(e), edit="error-0", true_error=e, sa=1 - e**2) for e in shares]
    blind = [made_record(id=str(e), edit="error-0", true_error=e, sa=1 - abs(e - 0.5), protocol=V1) for e in shares]
    rank = summary(falling + blind)["rank"]
    assert rank[V2]["CM"] == {"value": pytest.approx(1), "count": 9}
    assert abs(rank[V1]["CM"]["value"]) < 0.2


def test_the_plot_is_drawn(tmp_path: Path) -> None:
    records = [
        made_record(id=str(e), edit=edit, true_error=e, sa=1 - e, protocol=protocol)
        for protocol in (V1, V2)
        for edit in ("error-0", "identity", "truth")
        for e in (0.1, 0.5, 0.9)
    ]
    draw(records, tmp_path / "validity.png")
    assert np.asarray(Image.open(tmp_path / "validity.png")).std() > 20
    assert [path.name for path in tmp_path.iterdir()] == ["validity.png"]


def test_the_summary_is_plain_json() -> None:
    assert json.loads(json.dumps(summary([made_record()]), allow_nan=False))["rows"] == 1
