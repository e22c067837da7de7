from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from gsi_metrics.aggregate import aggregate
from gsi_metrics.report import write_report
from gsi_metrics.report.examples import after_drawing, before_drawing, choose
from gsi_metrics.report.words import error_words, kind_of_fault
from gsi_metrics.runs import RunError, read_run
from gsi_metrics.scoring import score_edits
from tests.gsi_metrics.factories import fake_sample
from tests.gsi_metrics.scored import data_folder, edits_folder


VOID = {"meta", "img", "input", "br", "link", "path", "circle", "rect"}


class Page(HTMLParser):
    """Checks that tags close in order, and keeps what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.articles: list[dict[str, str | None]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "article":
            self.articles.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of true results, one of them missing, and a run of untouched sources."""
    folder = tmp_path_factory.mktemp("runs")
    data = data_folder(folder / "data", rows=12)
    for name, column in (("perfect", "target_image"), ("lazy", "source_image")):
        rows = edits_folder(data, folder / "edits" / name, column)
        if name == "perfect":
            (folder / "edits" / name / f"{[*rows.entries][-1]}.png").unlink()
        score_edits(folder / "edits" / name, data, out=folder / name, observer="truth", workers=1, progress=False)
    return folder / "perfect", folder / "lazy"


def test_the_page_of_a_run_is_complete_in_itself(runs: tuple[Path, Path], tmp_path: Path) -> None:
    files = write_report([runs[0]], tmp_path, examples=1)
    text = files.page.read_text(encoding="utf-8")
    page = Page(text)
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert len(page.articles) == 12 - 1  # of two rows an operation, one best and one worst; one row has no edit
    assert {item["data-why"] for item in page.articles} == {"best", "worst"}
    for words in ("11 of 12 rows scored", "1 without an edited picture", "there is no edited picture", "True result"):
        assert words in text
    with Image.open(files.overview) as picture:
        assert picture.width > 1000
    numbers = json.loads(files.numbers.read_text())
    assert numbers["runs"][0]["operations"] == json.loads(json.dumps(aggregate(read_run(runs[0]).records)))
    assert write_report([runs[0]], tmp_path / "again", examples=1).page.read_text(encoding="utf-8") == text


def test_several_runs_are_compared_by_row(runs: tuple[Path, Path], tmp_path: Path) -> None:
    files = write_report(list(runs), tmp_path, examples=1)
    text = files.page.read_text(encoding="utf-8")
    page = Page(text)
    assert {item["data-why"] for item in page.articles} == {"differs"}
    assert "lazy minus perfect" in text
    (difference,) = json.loads(files.numbers.read_text())["differences"]
    assert difference["operations"]["all"]["ic"]["difference"] == -1.0
    assert difference["operations"]["all"]["ic"]["pairs"] == 11
    assert text.count('<button type="button" data-layer="2"') == len(page.articles)  # two models and the truth


def test_words_from_files_cannot_become_code(runs: tuple[Path, Path], tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    for name in ("run.json", "summary.json", "scores.jsonl"):
        (tmp_path / name).write_bytes((runs[0] / name).read_bytes())
    about = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(about | {"name": evil, "observer": evil, "data_set": evil}))
    records = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    for record in records:
        record["faults"], record["unscored"] = [evil], {"ac": evil}
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "problems.txt").write_text(f"{evil}\n")
    text = write_report([tmp_path], examples=1).page.read_text(encoding="utf-8")
    assert evil not in text
    assert text.count("<script") == 1
    assert "script-src 'sha256-" in text


def test_pictures_that_are_gone_leave_the_numbers(runs: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("summary.json", "scores.jsonl"):
        (tmp_path / name).write_bytes((runs[0] / name).read_bytes())
    about = json.loads((runs[0] / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(about | {"edits": str(tmp_path / "gone")}))
    text = write_report([tmp_path], examples=1).page.read_text(encoding="utf-8")
    assert not Page(text).articles
    assert "11 pictures are not where they were." in text
    (tmp_path / "run.json").write_text(json.dumps(about | {"data": str(tmp_path / "gone")}))
    assert "The rows are not where they were" in write_report([tmp_path]).page.read_text(encoding="utf-8")


def test_runs_that_cannot_be_reported(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no finished run"):
        write_report([tmp_path])
    for name in ("run.json", "summary.json", "scores.jsonl"):
        (tmp_path / name).write_bytes((runs[0] / name).read_bytes())
    about = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(about | {"protocol": "gsi-bench-v1"}))
    with pytest.raises(RunError, match="different protocols"):
        write_report([tmp_path, runs[1]])
    lines = (tmp_path / "scores.jsonl").read_text().splitlines()
    (tmp_path / "scores.jsonl").write_text("\n".join(lines[:3]) + "\n")
    with pytest.raises(RunError, match="of different runs"):
        read_run(tmp_path)


def test_best_and_worst_do_not_overlap(runs: tuple[Path, Path]) -> None:
    run = read_run(runs[0])
    chosen = choose([run], 3)
    assert set(chosen) == {record["id"] for record in run.records if record["status"] == "scored"}
    assert [*choose([run], 1).values()].count("best") == 6


def test_requested_and_measured_boxes_are_drawn() -> None:
    sample = fake_sample("CM", seed=3)
    assert {stroke.role for stroke in before_drawing(sample).strokes} == {"ghost", "target"}
    measured = {"measured": {"transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}}
    strokes = after_drawing(sample, measured).strokes
    assert {(stroke.role, stroke.dashed) for stroke in strokes} == {("ghost", True), ("target", False)}
    # Measured as unmoved, it is drawn where it was.
    before = [stroke for stroke in before_drawing(sample).strokes if stroke.role == "target"]
    after = [stroke for stroke in strokes if stroke.role == "target"]
    for one, other in zip(before, after, strict=True):
        assert one.points == pytest.approx(other.points)
    assert {stroke.role for stroke in after_drawing(sample, {"measured": {"transform": None}}).strokes} == {"ghost"}
    assert not after_drawing(fake_sample("PC", seed=3), measured).strokes


def test_faults_are_counted_by_kind() -> None:
    assert kind_of_fault("3.2 cm off, 2.5 cm allowed") == kind_of_fault("a factor 1.30 off, a factor 1.10 allowed")
    assert kind_of_fault("mug_1 moved 4.1 cm") == kind_of_fault("dark_red_candle_12 moved 30.0 cm")
    assert (
        kind_of_fault("only 30% of the place it left is free of it") == "too little of the place it left is free of it"
    )
    assert not re.search(r"\d|…", kind_of_fault("2 more copies of the object are seen"))


def test_errors_are_told_in_units() -> None:
    told = error_words({"endpoint_cm": 3.21, "yaw_degrees": -0.01, "log_scale": 0.6931, "other": None})
    assert told == ["off 3.2 cm", "turn off 0.0°", "size ×2.00 of what was asked"]
