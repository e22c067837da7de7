"""Published files become rows and rows published files, and nothing is lost on the way."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gsi_datasets.cli import main
from gsi_datasets.geometry import transform_points
from gsi_datasets.schema import features
from gsi_metrics.official import OfficialError
from gsi_metrics.official.edits import edit_json, published_part
from gsi_metrics.official.frames import published_box
from gsi_metrics.official.names import operation_of
from gsi_metrics.official.reading import convert
from gsi_metrics.official.writing import write
from gsi_metrics.protocols.v1 import formats
from gsi_metrics.protocols.v1.naming import edited_pictures, resolve
from gsi_metrics.protocols.v1.prompts import operation_from_prompt
from gsi_metrics.rows import open_rows
from tests.folders import built_split
from tests.gsi_metrics.official.samples import IMAGE, MOVE, PIPELINE, SAMPLE, SCALE, changed, copy_of, rows_of


def back_and_forth(source: Path, tmp_path: Path) -> Path:
    convert(source, tmp_path / "rows", progress=False)
    return write(open_rows(tmp_path / "rows"), tmp_path / "back", progress=False).folder


@pytest.mark.parametrize("source", [SAMPLE, PIPELINE / "dataset"])
def test_published_files_come_back_as_they_were(source: Path, tmp_path: Path) -> None:
    back = back_and_forth(source, tmp_path)
    wanted = {path.name: json.loads(path.read_text()) for path in source.glob("*.json")}
    assert {path.name: json.loads(path.read_text()) for path in back.glob("*.json")} == wanted
    pictures = {path.read_bytes() for path in source.iterdir() if path.suffix != ".json"}
    assert {path.read_bytes() for path in back.iterdir() if path.suffix != ".json"} == pictures


@pytest.mark.parametrize("source", [SAMPLE, PIPELINE / "dataset"])
def test_the_columns_alone_say_the_same(source: Path, tmp_path: Path) -> None:
    """Frames and K of both directions: what is published again must not rest on the copy of the old JSON."""
    convert(source, tmp_path / "rows", progress=False)
    config = next(path.parent.name for path in (tmp_path / "rows").glob("*/test.json"))
    rows = rows_of(tmp_path / "rows", config)
    assert len(rows) == len(list(source.glob("*.json")))
    for row in rows:
        published = published_part(row)
        given = published["edit"]
        # Rows that were never published, so that nothing keeps its old digits.
        found = edit_json(row | {"parameters": "{}"}, Image.open(io.BytesIO(row["source_image"]["bytes"])).size)
        assert found["prompt"] == given["prompt"]
        assert found["target"] == given["target"]
        for name in ("original_bbox_3d", "new_bbox_3d"):
            if name in given and row["operation"] != "OR":
                assert found[name][:6] == pytest.approx(given[name][:6], abs=2e-6)
        for name in ("camera_intrinsics", "rotation_matrix", "new_rotation_matrix"):
            if name in given:
                assert np.abs(np.subtract(found[name], given[name])).max() < 2e-6 * np.abs(given[name]).max()


def test_what_was_changed_in_a_row_is_published_changed(tmp_path: Path) -> None:
    convert(SAMPLE, tmp_path / "rows", progress=False)
    row = next(row for row in rows_of(tmp_path / "rows", "fine") if row["operation"] == "CM")
    moved = [dict(item) for item in row["objects_after"]]
    moved[0]["centre"] = list(np.add(moved[0]["centre"], (0.1, 0.0, 0.0)))
    given = json.loads((SAMPLE / MOVE).read_text())
    found = edit_json(row | {"objects_after": moved, "instruction": "Move the cup far."}, (896, 672))
    assert found["new_bbox_3d"][0] == pytest.approx(given["new_bbox_3d"][0] + 0.1, abs=1e-9)
    assert found["prompt"] == "Move the cup far."
    assert found["original_bbox_3d"] == given["original_bbox_3d"]


def test_rows_say_what_the_edit_says(tmp_path: Path) -> None:
    convert(SAMPLE, tmp_path / "rows", progress=False)
    rows = {row["operation"]: row for row in rows_of(tmp_path / "rows", "fine")}
    assert sorted(rows) == ["CM", "OR", "OS", "SR"]
    move = rows["CM"]
    assert move["id"] == f"{IMAGE}_edit_0"
    assert move["scene"] == IMAGE
    # 30 cm to the right, as the camera sees it, and here the world's x axis is the camera's.
    assert np.asarray(move["transform_world"])[:3, 3] == pytest.approx([0.3, 0, 0], abs=1e-6)
    assert np.asarray(move["transform_camera"])[:3, 3] == pytest.approx([0.3, 0, 0], abs=1e-6)
    turn = np.asarray(rows["OR"]["transform_world"])
    degrees = np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))
    assert "45 degrees clockwise" in rows["OR"]["instruction"]
    assert degrees == pytest.approx(-45, abs=1e-3)  # positive is counter-clockwise, seen from above
    assert turn[2] == pytest.approx([0, 0, 1, 0], abs=1e-4)
    scale = np.asarray(rows["OS"]["transform_world"])
    assert scale[:3, :3] == pytest.approx(1.5 * np.eye(3), abs=1e-5)
    box = rows["OS"]["objects_before"][0]
    assert transform_points(box["centre"], scale) == pytest.approx(rows["OS"]["ideal"]["centre"], abs=1e-9)
    assert rows["SR"]["objects_after"] == []
    assert rows["SR"]["ideal"] is None
    for row in rows.values():
        assert row["target_image"] is None
        assert row["source_depth"] is None
        assert row["source_image"]["bytes"] == (SAMPLE / f"{IMAGE}.jpg").read_bytes()
        extrinsics = np.asarray(row["source_extrinsics"])
        upward = extrinsics[:3, :3] @ np.asarray(row["objects_before"][0]["rotation"])[:, 2]
        assert upward == pytest.approx(extrinsics[:3, 2], abs=1e-4)


def test_k_belongs_to_the_stored_picture(tmp_path: Path) -> None:
    convert(SAMPLE, tmp_path / "rows", progress=False)
    row = rows_of(tmp_path / "rows", "fine")[0]
    width, height = Image.open(SAMPLE / f"{IMAGE}.jpg").size
    given = np.asarray(json.loads((SAMPLE / MOVE).read_text())["camera_intrinsics"])
    assert np.asarray(row["intrinsics"])[:2, 2] == pytest.approx([width / 2, height / 2])
    assert row["intrinsics"][0][0] == pytest.approx(given[0, 0] * width / 896)


def test_a_yaw_of_its_own_and_unknown_fields_are_kept(tmp_path: Path) -> None:
    folder = copy_of(tmp_path / "mesatask_dataset")
    box = json.loads((folder / MOVE).read_text())["original_bbox_3d"]
    changed(folder / MOVE, original_bbox_3d=[*box[:6], 2.5], note={"annotator": [1, None]}, new_rotation_matrix=None)
    reference = {"label": "table", "bbox_3d": [0, 0.2, 2.5, 1, 0.7, 0.6, 0.0], "iou_score": 0.5}
    changed(folder / SCALE, reference=reference, target="monitor.")
    back = back_and_forth(folder, tmp_path)
    assert json.loads((back / MOVE).read_text()) == json.loads((folder / MOVE).read_text())
    assert json.loads((back / SCALE).read_text()) == json.loads((folder / SCALE).read_text())
    row = rows_of(tmp_path / "rows", "mesatask")[3]
    assert [item["category"] for item in row["objects_before"]] == ["monitor", "table"]
    assert row["reference_ids"] == [2]


@pytest.mark.parametrize(
    ("prompt", "reference", "point", "wanted"),
    [
        ("Move the cup 30 centimeters to the right.", False, False, "CM"),
        ("Move the cup 10 cm to the left, relative to the camera view.", False, False, "CM"),
        ("Place the cup on the table.", False, False, "RP"),
        ("Please put the cup into the bowl.", False, False, "RP"),
        ("Place the cup 10 cm to the left of the bowl.", False, False, "OP"),
        ("Move the cup in front of the camera.", False, False, "PC"),
        ("Move the cup 20 cm left.", True, False, "OP"),
        ("Move the cup to the position of the table.", True, True, "RP"),
        ("Spin the cup by 30 degrees.", True, False, "OR"),
        ("Remove the highest cup.", False, False, "SR"),
        ("Make the cup larger.", False, False, "OS"),
        ("Move the camera to the right.", False, False, "PC"),
    ],
)
def test_which_operation_it_is(prompt: str, reference: bool, point: bool, wanted: str) -> None:
    assert operation_of(operation_from_prompt(prompt), prompt, reference, point) == wanted


def pack_zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as out:
        for path in sorted(folder.iterdir()):
            out.write(path, f"{folder.name}/{path.name}")


def test_all_ways_to_hold_it_give_the_same_rows(tmp_path: Path) -> None:
    folder = copy_of(tmp_path / "fine_dataset")
    (tmp_path / "downloads").mkdir()
    pack_zip(folder, tmp_path / "downloads" / "fine_dataset.zip")
    with tarfile.open(tmp_path / "fine.tar.gz", "w:gz") as out:
        out.add(folder, ".")
    wanted = None
    for number, source in enumerate(("fine_dataset", "downloads", "downloads/fine_dataset.zip", "fine.tar.gz")):
        done = convert(tmp_path / source, tmp_path / f"out-{number}", progress=False)
        assert [item.manifest.config for item in done] == ["fine"], source
        files = {
            path.name: path.read_bytes() for path in sorted((tmp_path / f"out-{number}").rglob("*")) if path.is_file()
        }
        wanted = wanted or files
        assert files == wanted, source


def test_several_sets_at_once_and_one_anew(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("fine_dataset", "mesatask_dataset"):
        pack_zip(copy_of(tmp_path / name), source / f"{name}.zip")
    done = convert(source, tmp_path / "out", progress=False)
    assert [item.manifest.config for item in done] == ["fine", "mesatask"]
    shutil.copy(SAMPLE / MOVE, tmp_path / "fine_dataset" / f"{IMAGE}_edit_9.json")
    convert(tmp_path / "fine_dataset", tmp_path / "out", progress=False)
    assert len(rows_of(tmp_path / "out", "fine")) == 5
    assert len(rows_of(tmp_path / "out", "mesatask")) == 4
    assert not list((tmp_path / "out").glob(".*"))
    with pytest.raises(OfficialError, match="cannot all be named"):
        convert(source, tmp_path / "other", name="one", progress=False)


def test_any_reader_reads_it(tmp_path: Path) -> None:
    import datasets

    convert(PIPELINE / "dataset", tmp_path / "rows", name="robothor", progress=False)
    rows = datasets.load_dataset(str(tmp_path / "rows"), "robothor", split="test", cache_dir=str(tmp_path / "cache"))
    assert rows.features == features()
    assert [row["target_image"] is not None for row in rows] == [row["id"].endswith("edit_4") for row in rows]
    stream = datasets.load_dataset(str(tmp_path / "rows"), "robothor", split="test", streaming=True)
    assert [row["id"] for row in stream] == rows["id"][:]


def test_people_can_look_at_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "official", str(SAMPLE), str(tmp_path / "rows")]) == 0
    assert "fine: 4 rows of 1 pictures (CM 1, OR 1, SR 1, OS 1)" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "rows")]) == 0
    page = (tmp_path / "rows" / "pictures" / "fine-test.html").read_text()
    assert "4 spatial edits, as published" in page
    assert page.count("Asked for (nobody drew it)") == 4
    assert 'data-layer="depth"' not in page
    with Image.open(tmp_path / "rows" / "pictures" / "fine-test.png") as sheet:
        assert sheet.width > 1000
    card = (tmp_path / "rows" / "README.md").read_text()
    assert "4 edits of 1 pictures" in card
    assert "$" not in card.split("---")[2]
    assert main(["publish", "dataset", str(tmp_path / "rows"), "--repo", "someone/published"]) == 0
    told = capsys.readouterr().out
    assert "eval.yaml" not in told
    assert "look up whether their terms let you pass them on" in told


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            ["gate", "ROWS", "--config", "fine", "--model", "m", "--url", "http://127.0.0.1:9/v1"],
            "as simulated rows have",
        ),
        (["validity", "ROWS"], "needs simulated rows"),
        (
            ["train", "--recipe", "tiny-cpu", "--data", "ROWS", "--split", "test", "--out", "OUT"],
            "have no target_image",
        ),
    ],
)
def test_what_needs_a_true_result_says_so(
    command: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if command[0] == "train":
        pytest.importorskip("torch")
        pytest.importorskip("trl")
    convert(SAMPLE, tmp_path / "rows", progress=False)
    places = {"ROWS": str(tmp_path / "rows"), "OUT": str(tmp_path / "out")}
    arguments = [places.get(item, item) for item in command]
    extra = [] if command[0] == "train" else ["--out", str(tmp_path / "out")]
    assert main([*arguments, *extra]) == 1
    assert told in capsys.readouterr().err


def test_published_and_simulated_rows_do_not_mix(tmp_path: Path) -> None:
    built_split(tmp_path / "out")
    with pytest.raises(OfficialError, match="choose another folder"):
        convert(SAMPLE, tmp_path / "out", progress=False)
    assert not (tmp_path / "out" / "fine").exists()


def test_our_rows_in_their_layout(tmp_path: Path) -> None:
    built_split(tmp_path / "data", rows=12)
    written = write(open_rows(tmp_path / "data"), tmp_path / "official", edits="truth", progress=False)
    rows = {row["id"]: row for row in rows_of(tmp_path / "data", "gsi_syn_table")}
    assert written.operations == {"move": 6, "rotate": 2, "scale": 2, "remove": 2}
    found = [resolve(path, written.folder) for path in edited_pictures(written.folder / "generated_images")]
    recordings = formats.read_recordings(written.folder / "generated_images" / formats.CACHE_NAME)
    assert {files.key for files in found} == set(recordings)
    assert len(found) == 12
    names = {name: row_id for row_id, name in written.names.items()}
    for files in found:
        row = rows[names[files.image_id, files.query_id]]
        assert files.original.read_bytes() == row["source_image"]["bytes"]
        assert files.truth is not None
        assert files.edited.read_bytes() == files.truth.read_bytes() == row["target_image"]["bytes"]
        edit = formats.read_edit(files.edit)
        assert edit.prompt == row["instruction"]
        seen = recordings[files.key].origin_result.detections
        assert edit.original_bbox_3d in [item.bbox_3d for item in seen]
        # K of the working picture, in which the target's pixels lie in the detector's rectangle.
        ids = np.asarray(Image.open(io.BytesIO(row["source_instances"]["bytes"])))
        v, u = np.nonzero(ids == row["target_ids"][0])
        scale = 896 / ids.shape[0]
        x1, y1, x2, y2 = seen[[item.bbox_3d for item in seen].index(edit.original_bbox_3d)].bbox_2d
        assert x1 - scale <= u.min() * scale
        assert u.max() * scale <= x2 + scale
        assert y1 - scale <= v.min() * scale
        assert v.max() * scale <= y2 + scale
    assert len({files.original for files in found}) == len({row["source_image"]["bytes"] for row in rows.values()})


def test_our_rows_there_and_back(tmp_path: Path) -> None:
    built_split(tmp_path / "data", rows=12)
    write(open_rows(tmp_path / "data"), tmp_path / "official", progress=False)
    convert(tmp_path / "official", tmp_path / "again", name="ours", progress=False)
    ours = rows_of(tmp_path / "data", "gsi_syn_table")
    again = {(row["instruction"], row["source_image"]["bytes"]): row for row in rows_of(tmp_path / "again", "ours")}
    assert len(again) == 12
    for row in ours:
        other = again[row["instruction"], row["source_image"]["bytes"]]
        assert other["operation"] == row["operation"]
        assert other["target_image"] == row["target_image"]
        assert np.asarray(other["intrinsics"]) == pytest.approx(np.asarray(row["intrinsics"]), abs=1e-9)
        for which in ("objects_before", "objects_after"):
            boxes = [seen_from_camera(it, which) for it in (row, other)]
            assert (boxes[0] is None) == (boxes[1] is None)
            if boxes[0] is not None:
                assert boxes[1] == pytest.approx(boxes[0], abs=1e-9)
        if row["operation"] in ("CM", "OP", "RP", "OR"):
            camera = [np.asarray(it["transform_camera"]) for it in (row, other)]
            assert camera[1] == pytest.approx(camera[0], abs=1e-6)


def seen_from_camera(row: dict, which: str) -> np.ndarray | None:
    from gsi_datasets.scene import Box

    body = next((item for item in row[which] if item["id"] in row["target_ids"]), None)
    if body is None:
        return None
    box = Box(*(np.asarray(body[name]) for name in ("centre", "size", "rotation")))
    numbers, rotation = published_box(box, np.asarray(row["source_extrinsics"]))
    return np.concatenate([numbers, np.ravel(rotation)])


def test_edits_of_a_model_get_their_published_names(tmp_path: Path) -> None:
    built_split(tmp_path / "data", rows=6)
    rows = rows_of(tmp_path / "data", "gsi_syn_table")
    (tmp_path / "edits").mkdir()
    for row, ending in zip(rows[:3], ("png", "jpeg", "webp"), strict=True):
        image = Image.open(io.BytesIO(row["target_image"]["bytes"]))
        image.save(tmp_path / "edits" / f"{row['id']}.{ending}", lossless=True)
    (tmp_path / "edits" / "stranger.png").write_bytes(b"")
    written = write(open_rows(tmp_path / "data"), tmp_path / "out", edits=tmp_path / "edits", progress=False)
    assert sorted(written.edited) == sorted(row["id"] for row in rows[:3])
    assert sorted(path.suffix for path in written.edited.values()) == [".jpg", ".png", ".png"]
    assert all(resolve(path, tmp_path / "out") for path in written.edited.values())
    assert len(written.problems) == 1
    assert "stranger" in written.problems[0]


@pytest.mark.parametrize("name", ["taken", "with_rgb_inside"])
def test_folders_that_cannot_be_taken(name: str, tmp_path: Path) -> None:
    built_split(tmp_path / "data")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(OfficialError, match="choose another folder"):
        write(open_rows(tmp_path / "data"), tmp_path / name, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "taken"]
    assert (tmp_path / "taken" / "notes.txt").read_text() == "mine"


def test_stopped_in_the_middle_nothing_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gsi_metrics.official import reading, writing

    built_split(tmp_path / "data")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "edit_json", stop)
    with pytest.raises(KeyboardInterrupt):
        write(open_rows(tmp_path / "data"), tmp_path / "out", progress=False)
    monkeypatch.setattr(reading, "row_of", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(SAMPLE, tmp_path / "rows", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
