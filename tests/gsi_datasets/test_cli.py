"""The command line as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gsi_datasets.cli import main


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    program = "import sys; from gsi_datasets.cli import main; sys.exit(main(['doctor']))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_explain_draws_a_floor_plan_and_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gsi_datasets import explain, renderers
    from tests.painter import painting_tools

    use = painting_tools()
    monkeypatch.setattr(explain, "tools", lambda renderer: use)
    monkeypatch.setattr(renderers, "choose", lambda name: "painter")
    spec = tmp_path / "small.yaml"
    spec.write_text("name: small\nimage_size: 96\nworld: {kind: room, views: 2}\nsplits: {test: {counts: {PC: 2}}}\n")
    assert main(["build", str(spec), "--explain", "1", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "scene 1:" in said
    assert "movable objects" in said
    [picture] = (tmp_path / "out").rglob("*.png")
    assert str(picture) in said
    assert Image.open(picture).size[0] > 400
    assert not list((tmp_path / "out").rglob("*.parquet"))
    table = tmp_path / "table.yaml"
    table.write_text("name: table\nsplits: {test: {counts: {CM: 2}}}\n")
    assert main(["build", str(table), "--explain", "--out", str(tmp_path / "out")]) == 1
    assert "has no room world" in capsys.readouterr().err
