from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gsi_metrics.perception import open_observer
from gsi_metrics.perception.detections import DetectionError
from gsi_metrics.perception.recorded import Recorded, Recording, write_recordings
from gsi_metrics.perception.truth import measure
from tests.gsi_metrics.perception.seen import around, moving


SAMPLE = Path(__file__).parents[2] / "data" / "detections" / "infer_cache.json"


def test_measures_from_our_own_file(tmp_path: Path) -> None:
    sample = moving()
    before, after = around(sample)
    path = tmp_path / "detections.json"
    write_recordings(path, {sample.id: Recording(before=before, after=after, untouched=before)})
    assert sample.target is not None
    it = open_observer("recorded", path=path)(sample, sample.target)
    assert it.cause is None
    assert it.shift == pytest.approx(measure(sample, sample.target).shift, abs=1e-6)
    assert "no detections for another" in str(Recorded(path)(replace(sample, id="another"), sample.target).cause)


def test_measures_from_the_published_file(tmp_path: Path) -> None:
    sample = moving("OP", size=96)
    records = [{"detections": [item.to_published(*sample.size) for item in seen.objects]} for seen in around(sample)]
    path = tmp_path / "infer_cache.json"
    path.write_text(json.dumps({sample.id: dict(zip(("origin_result", "new_result"), records, strict=True))}))
    assert sample.target is not None
    it = Recorded(path)(sample, sample.target)
    assert it.cause is None
    assert it.shift == pytest.approx(measure(sample, sample.target).shift, abs=1e-6)


def test_reads_the_published_sample() -> None:
    sample = replace(
        moving(size=64),
        id="0a1b2c3d4e_frame_000000_0",
        source=np.zeros((672, 896, 3), np.uint8),
        intrinsics=np.array([[667.3333, 0.0, 448.0], [0.0, 667.3333, 336.0], [0.0, 0.0, 1.0]]),
    )
    it = Recorded(SAMPLE).recording(sample)
    assert [item.category for item in it.before.objects] == ["cup"]
    moved = np.subtract(it.after.objects[0].centre, it.before.objects[0].centre)
    assert moved == pytest.approx([0.31, 0, 0.02])


def test_one_bad_entry_spoils_no_other(tmp_path: Path) -> None:
    sample = moving()
    before, after = around(sample)
    path = tmp_path / "detections.json"
    names = ("good", "nan", "short", "number")
    write_recordings(path, {name: Recording(before=before, after=after) for name in names})
    content = json.loads(path.read_text())
    content["recordings"]["nan"]["before"]["objects"][0]["centre"][1] = float("nan")
    del content["recordings"]["short"]["after"]
    content["recordings"]["number"] = 3
    path.write_text(json.dumps(content))
    assert sample.target is not None
    causes = {name: Recorded(path)(replace(sample, id=name), sample.target).cause for name in names}
    assert causes["good"] is None
    assert "nan: before.objects[0].centre[1]" in str(causes["nan"])
    assert "short: after: Field required" in str(causes["short"])
    assert "number" in str(causes["number"])


@pytest.mark.parametrize("entry", [None, 3, {}, {"origin_result": {}}, {"origin_result": {"detections": [{}]}}, []])
def test_bad_published_entries_have_a_cause(tmp_path: Path, entry: object) -> None:
    sample = moving()
    path = tmp_path / "infer_cache.json"
    path.write_text(json.dumps({sample.id: entry}))
    assert sample.target is not None
    assert str(path) in str(Recorded(path)(sample, sample.target).cause)


@pytest.mark.parametrize("text", ["", "[1, 2]", "3", '{"format": "other-9", "recordings": {}}', "\udcff"])
def test_refuses_other_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DetectionError, match=r"other\.json"):
        Recorded(path)
    with pytest.raises(DetectionError, match=r"missing\.json"):
        Recorded(tmp_path / "missing.json")


def test_front_door() -> None:
    sample = moving()
    assert open_observer("truth")(sample, sample.source).cause is None
    with pytest.raises(ValueError, match="there are registration, truth"):
        open_observer("crystal_ball")
    with pytest.raises(ValueError, match="observer truth: takes no options, got path"):
        open_observer("truth", path="x")
    with pytest.raises(ValueError, match="observer recorded"):
        open_observer("recorded", file="x")
