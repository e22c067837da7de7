"""The published protocol says the same of a sample, whichever layout it comes in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gsi_datasets.cli import main
from gsi_metrics.official.reading import convert
from gsi_metrics.official.writing import write
from gsi_metrics.rows import open_rows
from tests.folders import built_split
from tests.gsi_metrics.official.samples import PIPELINE, rows_of
from tests.gsi_metrics.v1 import Blind, needs_weights


pytest.importorskip("torch", reason="the published protocol needs torch")

KINDS = {"GSI-Real": "fine", "GSI-Syn": "mesatask"}
RECORDED = str(PIPELINE / "infer_cache.json")


def files(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(out.glob("*_eval_*.json"))}


@needs_weights
@pytest.mark.parametrize("kind", KINDS)
def test_published_samples_score_the_same_as_rows(kind: str, tmp_path: Path) -> None:
    """And both as the published program scored them."""
    convert(PIPELINE / "dataset", tmp_path / "rows", name=KINDS[kind], progress=False)
    score = ["score", str(PIPELINE / "generated"), "--recordings", RECORDED, "--data"]
    assert main([*score, str(PIPELINE / "dataset"), "--config", kind, "--out", str(tmp_path / "theirs")]) == 0
    assert main([*score, str(tmp_path / "rows"), "--out", str(tmp_path / "ours")]) == 0
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
    assert len(files(tmp_path / "ours")) == 6
    for mode, field, tolerance in (
        ("instruction-compliance", "compliance", 1e-4),
        ("spatial-accuracy", "edit_score", 1e-4),
        ("edit-locality", "ssim", 1e-5),
        ("edit-locality", "lpips", 1e-4),
    ):
        expected = json.loads((PIPELINE / "expected" / kind / f"{mode}_eval_results.json").read_text())
        found = json.loads((tmp_path / "ours" / f"{mode}_eval_results.json").read_text())
        for key, value in found.items():
            assert value[field] == pytest.approx(expected[key][field], abs=tolerance)
    assert not list((tmp_path / "ours").glob(".published*"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of ours, written in the published layout with their true results."""
    tree = tmp_path_factory.mktemp("tree")
    built_split(tree / "data", rows=12, size=512)
    write(open_rows(tree / "data"), tree / "official", edits="truth", progress=False)
    (tree / "edits").mkdir()
    for row in rows_of(tree / "data", "gsi_syn_table"):
        (tree / "edits" / f"{row['id']}.png").write_bytes(row["target_image"]["bytes"])
    return tree


@pytest.fixture
def ours(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may change, and an LPIPS that sees no differences."""
    from gsi_metrics import lpips

    monkeypatch.setattr(lpips, "load", Blind)
    return Path(shutil.copytree(built, tmp_path / "tree"))


def score(tree: Path, edits: str, data: str, out: str, *more: str) -> int:
    recorded = str(tree / "official" / "generated_images" / "infer_cache.json")
    places = [str(tree / edits), "--data", str(tree / data), "--out", str(tree / out), "--recordings", recorded]
    return main(["score", *places, "--protocol", "gsi-bench-v1", *more])


def records(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]


def test_rows_of_ours_score_the_same_in_their_layout(ours: Path) -> None:
    # A viewpoint gate without enough to match stops the published program at a sample; here it is told.
    codes = (
        score(ours, "edits", "data", "a"),
        score(ours, "official/generated_images", "official", "b", "--config", "GSI-Syn"),
    )
    assert codes[0] == codes[1]
    assert files(ours / "a") == files(ours / "b")
    found = json.loads((ours / "a" / "spatial-accuracy_eval_results.json").read_text())
    assert len(found) >= 10
    assert max(item["edit_score"] for item in found.values()) == 1.0
    ids = [row["id"] for row in rows_of(ours / "data", "gsi_syn_table")]
    assert [record["id"] for record in records(ours / "a")] == ids
    assert {record["operation"] for record in records(ours / "a")} == {"CM", "OP", "OR", "OS", "SR", "RP"}


def test_missing_and_broken_edits_are_counted(ours: Path) -> None:
    paths = sorted((ours / "edits").iterdir())
    paths[0].unlink()
    paths[1].write_bytes(b"not a picture")
    assert score(ours, "edits", "data", "a") == 1
    states = {record["id"]: record["status"] for record in records(ours / "a")}
    assert states[paths[0].stem] == "missing"
    assert states[paths[1].stem] == "problem"
    assert len(states) == 12
    score(ours, "edits", "data", "b", "--partial")
    assert paths[0].stem not in {record["id"] for record in records(ours / "b")}


def test_other_rows_or_pictures_are_not_taken_for_these(ours: Path) -> None:
    score(ours, "edits", "data", "a")
    before = files(ours / "a")
    score(ours, "edits", "data", "a")
    assert files(ours / "a") == before
    paths = sorted((ours / "edits").iterdir())
    source = next(row for row in rows_of(ours / "data", "gsi_syn_table") if row["id"] == paths[0].stem)
    paths[0].write_bytes(source["source_image"]["bytes"])
    score(ours, "edits", "data", "a")
    assert files(ours / "a") != before


def test_rows_without_depth_say_which_protocol_they_are_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(PIPELINE / "dataset", tmp_path / "rows", name="fine", progress=False)
    shutil.copytree(PIPELINE / "generated", tmp_path / "edits")
    arguments = ["score", str(tmp_path / "edits"), "--data", str(tmp_path / "rows"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--protocol", "gsi-bench-v2"]) == 1
    assert "use --protocol gsi-bench-v1 with --recordings" in capsys.readouterr().err
    assert main(arguments) == 1
    assert "no recorded detections" in capsys.readouterr().err
