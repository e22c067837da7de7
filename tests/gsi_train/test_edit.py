"""Edits of a whole data set: every row, once, by one editor, and `gsi-bench score` takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from gsi_datasets.cli import main
from gsi_train.bagel.editor import fingerprint
from gsi_train.edit import EditingError, edit_rows
from tests.folders import built_split
from tests.gsi_train.bagel import whole


ROWS = 6


class Negative:
    """An editor that turns colours round."""

    def __init__(self, name: str = "negative", fail_after: int | None = None) -> None:
        self.name, self.fail_after = name, fail_after
        self.asked: list[tuple[str, int]] = []

    def describe(self) -> Mapping[str, Any]:
        return {"model": self.name, "points": (1, 2)}

    def edit(
        self,
        sources: Sequence[Image.Image],
        instructions: Sequence[str],
        seeds: Sequence[int],
        on_step: Callable[[int, int], None],
    ) -> list[Image.Image]:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise KeyboardInterrupt
        on_step(1, 1)
        self.asked += zip(instructions, seeds, strict=True)
        return [ImageOps.invert(source.convert("RGB")).resize((80, 80)) for source in sources]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    built_split(folder, rows=ROWS)
    return folder


@pytest.mark.parametrize("together", [1, 4])
def test_every_row_once(data: Path, tmp_path: Path, together: int) -> None:
    editor = Negative()
    summary = edit_rows(editor, data, tmp_path, seed=5, together=together, progress=False)
    assert (summary.rows, summary.made, summary.kept, summary.problems) == (ROWS, ROWS, 0, [])
    assert len({text for text, _ in editor.asked}) == ROWS
    assert {seed for _, seed in editor.asked} == {5}
    assert {Image.open(path).size for path in tmp_path.glob("*.png")} == {(64, 64)}
    assert len(list(tmp_path.glob("*.png"))) == ROWS


def test_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        edit_rows(Negative(fail_after=2), data, tmp_path, progress=False)
    done = sorted(tmp_path.glob("*.png"))
    assert len(done) == 2
    stamp = done[0].stat().st_mtime_ns
    done[1].write_bytes(done[1].read_bytes()[:200])
    editor = Negative()
    summary = edit_rows(editor, data, tmp_path, progress=False)
    assert (summary.kept, summary.made, len(editor.asked)) == (1, ROWS - 1, ROWS - 1)
    assert done[0].stat().st_mtime_ns == stamp
    assert np.asarray(Image.open(done[1])).shape == (64, 64, 3)


def test_a_few_rows_then_all(data: Path, tmp_path: Path) -> None:
    assert edit_rows(Negative(), data, tmp_path, count=2, progress=False).made == 2
    summary = edit_rows(Negative(), data, tmp_path, progress=False)
    assert (summary.kept, summary.made) == (2, ROWS - 2)


def test_a_folder_holds_the_pictures_of_one_editor(data: Path, tmp_path: Path) -> None:
    edit_rows(Negative(), data, tmp_path, count=1, progress=False)
    with pytest.raises(EditingError, match=r"editor\.model: negative, now other"):
        edit_rows(Negative("other"), data, tmp_path, progress=False)
    with pytest.raises(EditingError, match="seed: 42, now 1"):
        edit_rows(Negative(), data, tmp_path, seed=1, progress=False)
    (tmp_path / "edits.json").write_text("{")
    with pytest.raises(EditingError, match="is damaged"):
        edit_rows(Negative(), data, tmp_path, progress=False)
    (tmp_path / "edits.json").unlink()
    with pytest.raises(EditingError, match="unknown origin"):
        edit_rows(Negative(), data, tmp_path, progress=False)


def test_a_source_that_cannot_be_read_is_told_and_the_rest_is_done(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gsi_metrics import rows as rows_module

    original = rows_module.open_rows

    def spoilt(*args: Any) -> Any:
        rows = original(*args)

        def read(ids: Any) -> Any:
            for number, row in enumerate(rows.read(ids)):
                yield row | {"source_image": {"bytes": b"nothing"}} if number == 1 else row

        return rows_module.Rows(rows.name, rows.digest, rows.entries, read)

    monkeypatch.setattr("gsi_train.edit.open_rows", spoilt)
    summary = edit_rows(Negative(), data, tmp_path, together=4, progress=False)
    assert summary.made == ROWS - 1
    assert len(summary.problems) == 1
    assert "cannot be read" in summary.problems[0]


def test_the_command_edits_and_score_reads(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole.pipeline().save_pretrained(tmp_path / "model")
    arguments = ["edit", "--model", str(tmp_path / "model"), "--data", str(data), "--out", str(tmp_path / "edits")]
    assert main([*arguments, "--points", "3", "--batch", "2", "--interval", "0.1", "1", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert f"edited     {ROWS} of {ROWS} rows" in said
    assert f"next:  gsi-bench score {tmp_path / 'edits'} --data {data} --split test" in said
    record = json.loads((tmp_path / "edits" / "edits.json").read_text())
    assert record["editor"]["points"] == 3
    assert record["editor"]["interval"] == [0.1, 1.0]
    assert record["editor"]["text_scale"] == 4.0

    assert main([*arguments, "--points", "4", "--device", "cpu"]) == 1
    assert "editor.points: 3, now 4" in capsys.readouterr().err

    from gsi_metrics.edits import find_edits
    from gsi_metrics.rows import open_rows

    rows = open_rows(data)
    found = find_edits(tmp_path / "edits", rows.entries)
    assert found.paths.keys() == rows.entries.keys()
    assert not found.problems


def test_a_wrong_model_is_one_message(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edit", "--model", str(tmp_path), "--data", str(data), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("gsi-bench: ")
    assert not (tmp_path / "out").exists()


def test_weights_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(bytes(1 << 20))
    before = fingerprint([file])
    assert fingerprint([file]) == before
    content = bytearray(1 << 20)
    content[1 << 19] = 1
    file.write_bytes(content)
    assert fingerprint([file]) != before
