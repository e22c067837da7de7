from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gsi_metrics import worker
from gsi_metrics.edits import EditError, read_edit
from gsi_metrics.perception.recorded import Recording, write_recordings
from gsi_metrics.perception.truth import source_detections, target_detections
from gsi_metrics.processes import score_all
from gsi_metrics.rows import RowsError, open_rows
from gsi_metrics.runs import Ledger, read_run
from gsi_metrics.sample import Sample
from gsi_metrics.scoring import Summary, score_edits
from gsi_metrics.worker import JudgeSettings, ScoringError, Settings, Task
from tests.gsi_metrics.scored import data_folder, edits_folder, resave
from tests.loopback import Answer, loopback


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data"))


def scored(edits: Path, data: Path, out: Path, **options: Any) -> Summary:
    return score_edits(
        edits,
        data,
        out=out,
        **{"observer": "truth", "workers": 1, "progress": False, **options},  # type: ignore[arg-type]
    )


def test_true_results_are_perfect_and_untouched_sources_worth_nothing(data: Path, tmp_path: Path) -> None:
    edits_folder(data, tmp_path / "true")
    it = scored(tmp_path / "true", data, tmp_path / "out")
    assert it.counts == {"rows": 6, "scored": 6, "missing": 0, "problem": 0}
    assert not it.problems
    assert not (tmp_path / "out/problems.txt").exists()
    assert (it.table["all"]["ic"]["mean"], it.table["all"]["sa"]["mean"]) == (1.0, pytest.approx(1.0))
    assert it.table["SR"]["ac"]["mean"] is None
    edits_folder(data, tmp_path / "source", "source_image")
    still = scored(tmp_path / "source", data, tmp_path / "still")
    assert (still.table["all"]["ic"]["mean"], still.table["all"]["sa"]["mean"]) == (0.0, pytest.approx(0.0))
    run = read_run(tmp_path / "still")
    assert [record["id"] for record in run.records] == [*open_rows(data).entries]
    assert run.summary["operations"] == json.loads(json.dumps(still.table))
    assert run.about["name"] == "source"


def test_files_are_the_same_whoever_scores(data: Path, tmp_path: Path) -> None:
    edits_folder(data, tmp_path / "edits")
    files = []
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        scored(tmp_path / "edits", data, out, workers=workers)
        files.append([(out / name).read_bytes() for name in ("scores.jsonl", "summary.json", "run.json")])
    assert files[0] == files[1]


def spoil_truncated(edits: Path, name: str) -> None:
    path = edits / f"{name}.png"
    path.write_bytes(path.read_bytes()[:-200])


def spoil_text(edits: Path, name: str) -> None:
    (edits / f"{name}.png").write_text("<html>404</html>")


def spoil_empty(edits: Path, name: str) -> None:
    (edits / f"{name}.png").write_bytes(b"")


def spoil_shape(edits: Path, name: str) -> None:
    resave(edits / f"{name}.png", (64, 48))


def spoil_deep(edits: Path, name: str) -> None:
    Image.fromarray(np.full((64, 64), 40_000, np.uint16)).save(edits / f"{name}.png")


def spoil_twice(edits: Path, name: str) -> None:
    Image.open(edits / f"{name}.png").save(edits / f"{name}.jpg")


def spoil_missing(edits: Path, name: str) -> None:
    (edits / f"{name}.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "status", "words"),
    [
        (spoil_truncated, "problem", "is no readable picture"),
        (spoil_text, "problem", "is no readable picture"),
        (spoil_empty, "problem", "is no readable picture"),
        (spoil_shape, "problem", "is 64 x 48, its source 64 x 64"),
        (spoil_deep, "problem", "8 bits a channel"),
        (spoil_twice, "problem", "2 pictures for the id"),
        (spoil_missing, "missing", "there is no edited picture"),
    ],
)
def test_a_bad_picture_costs_its_own_row_only(
    data: Path, tmp_path: Path, spoil: Callable[[Path, str], None], status: str, words: str
) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    name = [*rows.entries][2]
    spoil(tmp_path / "edits", name)
    it = scored(tmp_path / "edits", data, tmp_path / "out")
    assert it.counts["scored"] == 5
    assert it.counts[status] == 1
    assert len(it.problems) == 1
    assert words in it.problems[0]
    assert name in it.problems[0]
    assert "\n" not in it.problems[0]
    assert (tmp_path / "out/problems.txt").read_text() == f"{it.problems[0]}\n"
    # It is in every rate: an editor that gives no picture does not look better for it.
    assert it.table["all"]["ic"]["validity"] == pytest.approx(5 / 6)
    record = next(item for item in read_run(tmp_path / "out").records if item["id"] == name)
    assert record["status"] == status
    assert all(record[metric] is None for metric in ("ic", "sa", "el", "ac"))


def test_a_mended_picture_is_scored_in_the_next_run(data: Path, tmp_path: Path) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    name = next(iter(rows.entries))
    whole = (tmp_path / f"edits/{name}.png").read_bytes()
    spoil_truncated(tmp_path / "edits", name)
    assert scored(tmp_path / "edits", data, tmp_path / "out").counts["problem"] == 1
    (tmp_path / f"edits/{name}.png").write_bytes(whole)
    it = scored(tmp_path / "edits", data, tmp_path / "out")
    assert (it.again, it.counts["scored"], it.problems) == (5, 6, [])
    assert not (tmp_path / "out/problems.txt").exists()


def test_strangers_are_named(data: Path, tmp_path: Path) -> None:
    edits_folder(data, tmp_path / "edits")
    (tmp_path / "edits/notes.txt").write_text("no picture")
    for name in ("stranger.png", "a<b>.webp"):
        Image.new("RGB", (64, 64)).save(tmp_path / "edits" / name)
    it = scored(tmp_path / "edits", data, tmp_path / "out")
    assert it.counts == {"rows": 6, "scored": 6, "missing": 0, "problem": 0}
    assert len(it.problems) == 2
    assert "no row has the id 'stranger'" in it.problems[1]


def test_another_size_of_the_same_shape_is_resized_with_a_note(data: Path, tmp_path: Path) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    resave(tmp_path / f"edits/{[*rows.entries][1]}.png", (128, 128))
    it = scored(tmp_path / "edits", data, tmp_path / "out")
    assert not it.problems
    assert it.notes == [f"{[*rows.entries][1]}.png: resized from 128 x 128 to 64 x 64"]
    assert it.counts["scored"] == 6


def test_pictures_are_read_as_viewers_show_them(tmp_path: Path) -> None:
    picture = np.zeros((6, 4, 3), np.uint8)
    picture[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.fromarray(np.rot90(picture).copy()).save(tmp_path / "a.png", exif=exif)
    found, note = read_edit(tmp_path / "a.png", (6, 4))
    assert not note
    assert np.array_equal(found, picture)
    with pytest.raises(EditError, match="does not exist"):
        read_edit(tmp_path / "b.png", (6, 4))


def test_nan_in_recorded_detections(data: Path, tmp_path: Path) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    recordings = {}
    for row in rows.read(rows.entries):
        sample = Sample.from_row(row)
        recordings[sample.id] = Recording(before=source_detections(sample), after=target_detections(sample))
    path = tmp_path / "detections.json"
    write_recordings(path, recordings)
    bad, gone = [*rows.entries][:2]
    content = json.loads(path.read_text())
    content["recordings"][bad]["after"]["objects"][0]["centre"][1] = float("nan")
    del content["recordings"][gone]
    path.write_text(json.dumps(content))
    it = scored(tmp_path / "edits", data, tmp_path / "out", observer="recorded", options={"path": path})
    assert it.counts["scored"] == 4
    assert len(it.problems) == 2
    assert it.problems[0].startswith(bad)
    assert "finite" in it.problems[0]
    assert "no detections" in it.problems[1]


def test_nan_in_a_row(data: Path, tmp_path: Path) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    row = next(rows.read(rows.entries))
    row["objects_after"][1]["size"][0] = float("nan")
    (record,) = worker.Scorer(Settings("truth")).score([Task(row, tmp_path / f"edits/{row['id']}.png", "")])
    assert record["status"] == "problem"
    assert "objects_after" in record["unscored"]["sa"]
    assert "is not finite" in record["unscored"]["sa"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observer": "nobody"}, "no observer named 'nobody'"),
        ({"protocol": "v3"}, "no protocol named 'v3'"),
        ({"workers": 0}, "workers is 0"),
        ({"split": "train"}, "no split 'train'"),
        ({"config": "other"}, "no config 'other'"),
        ({"observer": "recorded"}, "path"),
        ({"observer": "recorded", "options": {"path": "nowhere.json"}}, "nowhere.json"),
        ({"options": {"depth": 3}}, "takes no options"),
    ],
)
def test_settings_that_cannot_be(data: Path, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    edits_folder(data, tmp_path / "edits")
    with pytest.raises((ScoringError, RowsError), match=words):
        scored(tmp_path / "edits", data, tmp_path / "out", **change)


def test_folders_that_cannot_be(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EditError, match="there is no picture in it"):
        scored(tmp_path / "empty", data, tmp_path / "out")
    with pytest.raises(EditError, match="is no folder"):
        scored(tmp_path / "nowhere", data, tmp_path / "out")
    Image.new("RGB", (64, 64)).save(tmp_path / "empty/other.png")
    with pytest.raises(EditError, match="belong to no row"):
        scored(tmp_path / "empty", data, tmp_path / "out")
    with pytest.raises(RowsError, match="neither a built folder"):
        scored(tmp_path / "empty", tmp_path / "empty", tmp_path / "out")


def test_partial_leaves_rows_without_an_edit_out(data: Path, tmp_path: Path) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    for name in [*rows.entries][2:]:
        (tmp_path / f"edits/{name}.png").unlink()
    assert scored(tmp_path / "edits", data, tmp_path / "a").counts["missing"] == 4
    it = scored(tmp_path / "edits", data, tmp_path / "b", partial=True)
    assert (it.counts["rows"], it.problems) == (2, [])


def test_only_what_changed_is_scored_again(data: Path, tmp_path: Path) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    first = scored(tmp_path / "edits", data, tmp_path / "out")
    files = (tmp_path / "out/scores.jsonl").read_bytes()
    assert (first.again, scored(tmp_path / "edits", data, tmp_path / "out").again) == (0, 6)
    assert (tmp_path / "out/scores.jsonl").read_bytes() == files
    name = [*rows.entries][4]
    spoil_missing(tmp_path / "edits", name)
    Image.new("RGB", (64, 64)).save(tmp_path / f"edits/{name}.png")
    it = scored(tmp_path / "edits", data, tmp_path / "out")
    assert it.again == 5
    assert it.causes["ic"] == {"truth knows only the true result and the untouched source, pixel for pixel": 1}
    # Another version of the data set, other scores.
    other = data_folder(tmp_path / "data", rows=7)
    assert scored(tmp_path / "edits", other, tmp_path / "out").again == 0


def test_a_half_written_line_is_dropped(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "scores.jsonl")
    ledger.add(
        [{"digest": "a", "status": "scored", "unscored": {}}, {"digest": "b", "status": "problem", "unscored": {}}]
    )
    with (tmp_path / "scores.jsonl").open("ab") as stream:
        stream.write(b'{"digest": "c", "status": "sco')
    again = Ledger(tmp_path / "scores.jsonl")
    assert again.get("a") is not None
    assert again.get("b") is None  # the input may have been mended
    assert again.get("c") is None
    again.add([{"digest": "d", "status": "scored", "unscored": {}}])
    assert [json.loads(line)["digest"] for line in (tmp_path / "scores.jsonl").read_text().splitlines()] == [
        "a",
        "b",
        "d",
    ]


KILLED = """
import os, signal, sys
from gsi_metrics import worker
from gsi_metrics.scoring import score_edits

done = 0
real = worker.v2.score

def score(*arguments, **options):
    global done
    done += 1
    if done > 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)

worker.v2.score = score
score_edits(sys.argv[1], sys.argv[2], out=sys.argv[3], observer="truth", workers=1, progress=False)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill")
def test_a_killed_run_goes_on(data: Path, tmp_path: Path) -> None:
    edits_folder(data, tmp_path / "edits")
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "edits"), str(data), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len((out / "scores.jsonl").read_text().splitlines()) == 3
    assert not (out / "summary.json").exists()
    it = scored(tmp_path / "edits", data, out)
    assert (it.again, it.counts["scored"]) == (3, 6)
    scored(tmp_path / "edits", data, tmp_path / "whole")
    for name in ("scores.jsonl", "summary.json", "run.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


class Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


@pytest.mark.slow
def test_an_edit_that_kills_its_process_costs_itself_only(data: Path, tmp_path: Path) -> None:
    rows = edits_folder(data, tmp_path / "edits")
    tasks = [Task(row, tmp_path / f"edits/{row['id']}.png", row["id"]) for row in rows.read(rows.entries)]
    tasks[1].row["bomb"] = Bomb()
    records = [record for batch in score_all(tasks, Settings("truth"), 2) for record in batch]
    assert sorted(record["id"] for record in records) == sorted(rows.entries)
    bad = [record for record in records if record["status"] != "scored"]
    assert [record["id"] for record in bad] == [tasks[1].row["id"]]
    assert "the process that scored it died" in bad[0]["unscored"]["ic"]


def test_two_runs_do_not_write_to_one_folder(data: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    edits_folder(data, tmp_path / "edits")
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out/.lock"), pytest.raises(ScoringError, match="another run writes to it"):
        scored(tmp_path / "edits", data, tmp_path / "out")


def test_a_judge_that_talks_gibberish_is_a_problem_and_asked_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gsi_metrics.judge

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(gsi_metrics.judge, "judge_all", partial(gsi_metrics.judge.judge_all, pause=0.0))
    edits_folder(data, tmp_path / "edits")
    sane = False

    def answer(body: Any, _: int) -> Answer:
        asked = body["messages"][1]["content"]
        nonce = asked[1]["text"].splitlines()[0]
        bad = not sane and "Rotate" in asked[1]["text"]
        text = "I like it" if bad else json.dumps({"nonce": nonce, "score": 5, "reason": "so"})
        return Answer({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    with loopback(answer) as server:
        judge = JudgeSettings("judge", server.url + "/v1")
        it = scored(tmp_path / "edits", data, tmp_path / "out", judge=judge)
        assert it.table["CM"]["ac"]["mean"] == 0.5
        assert it.table["OR"]["ac"]["mean"] is None
        assert it.table["OR"]["sa"]["mean"] == pytest.approx(1.0)
        assert len(it.problems) == 1
        assert "judge:" in it.problems[0]
        sane, asked = True, len(server.seen)
        it = scored(tmp_path / "edits", data, tmp_path / "out", judge=judge)
        assert (it.again, it.problems, it.table["OR"]["ac"]["mean"]) == (5, [], 0.5)
        assert len(server.seen) == asked + 1


def test_rows_of_the_datasets_library(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in data.rglob("*.parquet"):
        shutil.copy(path, bare / path.name)
    edits_folder(data, tmp_path / "edits")
    rows = open_rows(bare)
    assert [*rows.entries] == [*open_rows(data).entries]
    wanted = [*rows.entries][3]
    (row,) = rows.read([wanted])
    assert row["id"] == wanted
    assert row["source_image"]["bytes"].startswith(b"\x89PNG")
    assert scored(tmp_path / "edits", bare, tmp_path / "out").table["all"]["ic"]["mean"] == 1.0
