"""Which files belong to an edit: of all legal names those of its own, and what a killed run leaves is cleaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import datasets
import pytest

from gsi_metrics.official.files import asked_in
from gsi_metrics.official.reading import convert
from gsi_metrics.protocols.v1.naming import resolve
from tests.gsi_metrics.official.samples import MOVE, SAMPLE, copy_of, rows_of


def folder_of(place: Path, *names: str) -> Path:
    place.mkdir()
    for name in names:
        (place / name).touch()
    return place


def found(place: Path) -> dict[str, tuple[str, str | None]]:
    items, problems = asked_in(place)
    assert not problems
    return {item.edit.stem: (item.picture.name, item.truth and item.truth.name) for item in items}


def test_ids_that_begin_alike(tmp_path: Path) -> None:
    names = [f"img_{n}{end}" for n in (1, 10) for end in ("_edit_1.json", "_edit_10.json", ".jpg")]
    place = folder_of(tmp_path / "fine", *names, "img_1_gtedit_10.png", "img_10_gtedit_1.png", "img_10_gtedit_10.png")
    assert found(place) == {
        "img_1_edit_1": ("img_1.jpg", None),
        "img_1_edit_10": ("img_1.jpg", "img_1_gtedit_10.png"),
        "img_10_edit_1": ("img_10.jpg", "img_10_gtedit_1.png"),
        "img_10_edit_10": ("img_10.jpg", "img_10_gtedit_10.png"),
    }


def test_an_id_that_goes_on_as_another(tmp_path: Path) -> None:
    place = folder_of(
        tmp_path / "fine",
        *("room_edit_0.json", "room.png", "room_2_edit_0.json", "room_2.png"),
        *("room_2_gtedit_0.png", "room_view_gtedit_0_a.png"),
    )
    assert found(place) == {
        "room_edit_0": ("room.png", "room_view_gtedit_0_a.png"),
        "room_2_edit_0": ("room_2.png", "room_2_gtedit_0.png"),
    }


@pytest.mark.parametrize(
    "picture", ["a_1.jpg", "a_1.jpeg", "a_1.png", "a_1.JPG", "a_1_rgb.png", "a_1-colour.jpg", "a_1colour.jpeg"]
)
def test_names_that_a_picture_may_have(tmp_path: Path, picture: str) -> None:
    place = folder_of(tmp_path / "fine", "a_1_edit_0.json", picture, "a_1_gtedit_0.png", "a_10.jpg", "b.jpg")
    assert found(place) == {"a_1_edit_0": (picture, "a_1_gtedit_0.png")}


def test_the_plain_name_and_jpeg_come_first(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "fine", "a_edit_0.json", "a-b.jpg", "a.png", "a.jpeg")
    assert found(place) == {"a_edit_0": ("a.jpeg", None)}


@pytest.mark.parametrize(
    "other", ["a_10.jpg", "a_1_gtedit_0.png", "a_1_edit_0.jpg", "a_1.gif", "A_1.jpg", "a_1_b.jpg"]
)
def test_the_picture_of_another_is_not_taken(tmp_path: Path, other: str) -> None:
    place = folder_of(tmp_path / "fine", "a_1_edit_0.json", other, "a_1_b_edit_0.json", "a_1_b.png")
    items, problems = asked_in(place)
    assert [item.image_id for item in items] == ["a_1_b"]
    assert problems == [f"{place / 'a_1_edit_0.json'}: there is no original picture a_1.jpg, .jpeg or .png; add it"]


def test_a_whole_data_set_gets_the_files_that_the_published_program_takes(tmp_path: Path) -> None:
    names = [f"{image}{end}" for image in ("s1_f0", "s1_f00") for end in (".jpg", "_edit_0.json", "_edit_01.json")]
    truths = [f"{image}_gtedit_{query}.png" for image in ("s1_f0", "s1_f00") for query in ("0", "01")]
    place = folder_of(tmp_path / "fine", *names, *truths)
    folder_of(tmp_path / "edits", *(name.replace("json", "png") for name in names if "json" in name))
    for stem, (picture, truth) in found(place).items():
        files = resolve(tmp_path / "edits" / f"{stem}.png", place)
        assert (files.original.name, files.truth and files.truth.name) == (picture, truth)


def test_old_rows_survive_a_kill_and_its_leftovers_go(tmp_path: Path) -> None:
    archive = tmp_path / "fine.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in SAMPLE.iterdir():
            packed.write(path, path.name)
    data = tmp_path / "data"
    convert(copy_of(tmp_path / "robothor"), data, progress=False)
    convert(archive, data, progress=False)
    whole = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    (copy_of(tmp_path / "changed") / MOVE).unlink()
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (tmp_path / "changed").iterdir():
            packed.write(path, path.name)
    code = """
import os, signal, sys
from gsi_datasets import storage
from gsi_metrics.official import reading
write = storage.write_shard
def killed(path, rows, count):
    write(path, rows, count)
    os.kill(os.getpid(), signal.SIGKILL)
storage.write_shard = killed
reading.convert(sys.argv[1], sys.argv[2], progress=False)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code, str(archive), str(data)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert {path: path.read_bytes() for path in whole} == whole
    assert len([path for path in data.iterdir() if path.name.startswith(".")]) == 2
    assert datasets.load_dataset(str(data), "fine", split="test").num_rows == 4
    convert(archive, data, progress=False)
    assert not [path for path in data.iterdir() if path.name.startswith(".")]
    assert (len(rows_of(data, "fine")), len(rows_of(data, "robothor"))) == (3, 4)
