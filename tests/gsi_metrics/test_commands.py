from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gsi_datasets.cli import main
from tests.gsi_metrics.scored import data_folder, edits_folder
from tests.gsi_metrics.v1 import VECTORS, needs_weights


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data"))


def test_score_and_report(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edits_folder(data, tmp_path / "model")
    common = ["score", "model", "--data", str(data), "--perception", "truth", "--workers", "1"]
    assert main(common) == 0
    said = capsys.readouterr().out
    assert "6 rows, 6 scored" in said
    assert "1.000" in said
    assert "next:  gsi-bench report scores/model" in said
    assert main(["report", "scores/model", "--examples", "1"]) == 0
    assert (tmp_path / "scores/model/report.html").as_uri() in capsys.readouterr().out
    assert (tmp_path / "scores/model/report.png").exists()


def test_problems_are_printed_and_end_with_1(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = edits_folder(data, tmp_path / "model")
    for name in [*rows.entries][:2]:
        (tmp_path / f"model/{name}.png").write_text("no picture")
    out = tmp_path / "out"
    arguments = ["score", str(tmp_path / "model"), "--data", str(data), "--perception", "truth", "--out", str(out)]
    assert main([*arguments, "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert f"2 problems, all in {out / 'problems.txt'}" in said
    assert said.count("is no readable picture") == 2
    assert "6 rows, 4 scored" in said
    assert "     2 with a bad input" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "nowhere", "--data", "DATA"], "nowhere: is no folder"),
        (["score", "empty", "--data", "DATA"], "there is no picture in it"),
        (["score", "empty", "--data", "empty"], "neither a built folder"),
        (["score", "empty", "--data", "DATA", "--judge-url", "http://127.0.0.1:1/v1"], "--judge-model"),
        (["score", "empty", "--data", "DATA", "--protocol", "gsi-bench-v1"], "no recorded detections"),
        (["score", "empty", "--data", "DATA", "--perception", "recorded"], "--recordings"),
        (["score", "empty", "--data", "DATA", "--perception", "external"], "--perception-url"),
        (["report", "empty"], "holds no finished run"),
        (["validity", "empty"], "holds no finished dataset"),
    ],
)
def test_mistakes_end_with_one_clear_line(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main([str(data) if item == "DATA" else item for item in arguments]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("gsi-bench: ")


@needs_weights
def test_the_published_layout_is_scored_by_the_published_protocol(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    tree, out = VECTORS / "pipeline", tmp_path / "out"
    arguments = ["score", str(tree / "generated"), "--data", str(tree / "dataset"), "--out", str(out)]
    assert main([*arguments, "--recordings", str(tree / "infer_cache.json")]) == 0
    assert "gsi-bench-v1: 5 rows, 5 scored" in capsys.readouterr().out
    for path in (tree / "expected/GSI-Real").iterdir():
        assert (out / path.name).exists()
    assert main(["report", str(out)]) == 0
    # Other pictures under the same names are other pictures.
    other = tmp_path / "other"
    other.mkdir()
    for path in sorted((tree / "generated").iterdir()):
        (other / path.name).write_bytes(path.read_bytes())
    first = sorted(other.iterdir())[0]
    first.write_bytes(next(iter(sorted((tree / "dataset").glob("scene01*.png")))).read_bytes())
    before = (out / "edit-locality_eval_results.json").read_text()
    arguments[1] = str(other)
    assert main([*arguments, "--recordings", str(tree / "infer_cache.json")]) == 0
    assert (out / "edit-locality_eval_results.json").read_text() != before


@pytest.mark.slow
@needs_weights
def test_conform_finds_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "metrics", str(VECTORS)]) == 0
    assert "agree" in capsys.readouterr().out


def test_help_is_quick_and_names_the_commands() -> None:
    code = "import sys; from gsi_datasets.cli import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    for command in ("score", "report", "conform", "validity"):
        assert f"    {command} " in done.stdout
    loaded = set(done.stdout.splitlines()[-1].replace("'", "").strip("[]").split(", "))
    assert not loaded & {"numpy", "cv2", "torch", "scipy", "evaluate", "datasets", "matplotlib", "pydantic", "PIL"}
