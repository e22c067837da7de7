"""Edits and pictures that are damaged or made to do harm: one sentence each, and nothing is written."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gsi_datasets.archives import ArchiveError
from gsi_metrics.official import OfficialError
from gsi_metrics.official.reading import convert
from tests.gsi_metrics.official.samples import IMAGE, MOVE, REMOVE, SCALE, TURN, changed, copy_of


Harm = Callable[[Path], Path]
EYE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
BOX = [0.1, 0.1, 2.0, 0.1, 0.1, 0.1, 0.0]
K = [[667.0, 0.0, 448.0], [0.0, 667.0, 336.0], [0.0, 0.0, 1.0]]


def field(file: str, **values: object) -> Harm:
    return lambda folder: changed(folder / file, **values)


def text(content: str | bytes, file: str = MOVE) -> Harm:
    def harm(folder: Path) -> Path:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / file).write_bytes(data)
        return folder / file

    return harm


def swapped(old: str, new: str, file: str = MOVE) -> Harm:
    def harm(folder: Path) -> Path:
        content = (folder / file).read_text()
        assert old in content
        (folder / file).write_text(content.replace(old, new))
        return folder / file

    return harm


def picture(make: Callable[[Path], object]) -> Harm:
    def harm(folder: Path) -> Path:
        path = folder / f"{IMAGE}.jpg"
        make(path)
        return path

    return harm


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def sixteen_bits(path: Path) -> None:
    Image.fromarray(np.zeros((480, 640), np.uint16)).save(path, "PNG")


def renamed(old: str, new: str) -> Harm:
    def harm(folder: Path) -> Path:
        (folder / old).rename(folder / new)
        return folder / new

    return harm


def twin(folder: Path) -> Path:
    other = folder / f"{IMAGE.upper()}_edit_0.json"
    other.write_bytes((folder / MOVE).read_bytes())
    (folder / f"{IMAGE.upper()}.jpg").write_bytes((folder / f"{IMAGE}.jpg").read_bytes())
    return folder / MOVE


def bad_truth(folder: Path) -> Path:
    path = folder / f"{IMAGE}_x_gtedit_0.png"
    path.write_bytes(b"<html>not found</html>")
    return path


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif)


JSON: dict[str, tuple[Harm, str]] = {
    "empty": (text(""), "is no readable JSON"),
    "half": (text('{"prompt": "Move the cup'), "is no readable JSON"),
    "a page": (text("<html></html>"), "is no readable JSON"),
    "not UTF-8": (text(b"\xff\xfe\x00{"), "is no readable JSON"),
    "nested": (text("[" * 100_000), "is no readable JSON"),
    "nested in a field": (text('{"prompt": ' + '{"a":' * 100_000), "is no readable JSON"),
    "a list": (text("[]"), "the file"),
    "a number": (text("7"), "the file"),
    "null": (text("null"), "the file"),
    "huge": (text('{"prompt": "' + "a" * (2 << 20) + '"}'), "no edit has"),
    "huge whole number": (swapped("2.810751", "9" * 5000), "is no readable JSON"),
    "a field twice": (swapped('"target"', '"prompt": "Remove all.", "target"'), "'prompt' stands there twice"),
    "NaN": (swapped("2.810751", "NaN"), "NaN is no number"),
    "Infinity": (swapped("2.810751", "-Infinity"), "-Infinity is no number"),
    "overflow": (swapped("2.810751", "1e999"), "original_bbox_3d.2"),
    "no prompt": (field(MOVE, prompt=...), "prompt"),
    "prompt a list": (field(MOVE, prompt=["Move", "the", "cup"]), "prompt"),
    "prompt empty": (field(MOVE, prompt="  "), "prompt"),
    "prompt without end": (field(MOVE, prompt="Move " + "the cup " * 1000), "prompt"),
    "prompt of several lines": (field(MOVE, prompt="Move the cup.\nIgnore the picture."), "prompt"),
    "prompt with escape sequences": (field(MOVE, prompt="Move \x1b[31m the cup"), "prompt"),
    "prompt that turns the reading round": (field(MOVE, prompt="Move \u202e the cup"), "prompt"),
    "prompt of no operation": (field(MOVE, prompt="Paint the cup blue."), "'paint'"),
    "prompt please": (field(MOVE, prompt="please"), "asks for nothing"),
    "no target": (field(MOVE, target=...), "target"),
    "target a number": (field(MOVE, target=3), "target"),
    "no box": (field(MOVE, original_bbox_3d=...), "original_bbox_3d"),
    "box of six": (field(MOVE, original_bbox_3d=BOX[:6]), "original_bbox_3d"),
    "box of eight": (field(MOVE, original_bbox_3d=[*BOX, 0.0]), "original_bbox_3d"),
    "box of texts": (field(MOVE, original_bbox_3d=[str(number) for number in BOX]), "original_bbox_3d.0"),
    "box of truths": (field(MOVE, original_bbox_3d=[True] * 7), "original_bbox_3d.0"),
    "box of nulls": (field(MOVE, original_bbox_3d=[None] * 7), "original_bbox_3d.0"),
    "box a mapping": (field(MOVE, original_bbox_3d={"x": 0}), "original_bbox_3d"),
    "flat box": (field(MOVE, original_bbox_3d=[*BOX[:3], 0.1, 0.0, 0.1, 0.0]), "must be positive"),
    "box turned inside out": (field(SCALE, new_bbox_3d=[*BOX[:3], 0.1, -0.1, 0.1, 0.0]), "must be positive"),
    "box behind the camera": (field(MOVE, original_bbox_3d=[0, 0, -2.0, *BOX[3:]]), "behind the camera"),
    "box in millimetres": (field(MOVE, original_bbox_3d=[number * 1e4 for number in BOX]), "in metres?"),
    "box at the end of the world": (field(MOVE, new_bbox_3d=[1e300, *BOX[1:]]), "new_bbox_3d"),
    "move to nowhere": (field(MOVE, new_bbox_3d=...), "new_bbox_3d: is missing"),
    "scale to nothing": (field(SCALE, new_bbox_3d=...), "new_bbox_3d: is missing"),
    "turn to nowhere": (field(TURN, new_rotation_matrix=...), "new_rotation_matrix: is missing"),
    "rotation of 2 x 2": (field(MOVE, rotation_matrix=[[1, 0], [0, 1]]), "rotation_matrix"),
    "rotation flat": (field(MOVE, rotation_matrix=[1, 0, 0, 0, 1, 0, 0, 0, 1]), "rotation_matrix"),
    "rotation that scales": (field(MOVE, rotation_matrix=[[2, 0, 0], [0, 2, 0], [0, 0, 2]]), "is no rotation"),
    "rotation that mirrors": (field(MOVE, rotation_matrix=[[-1, 0, 0], *EYE[1:]]), "is no rotation"),
    "rotation of zeros": (field(TURN, new_rotation_matrix=[[0, 0, 0]] * 3), "is no rotation"),
    "rotation of huge numbers": (field(MOVE, rotation_matrix=[[1e300] * 3] * 3), "is no rotation"),
    "no camera": (field(MOVE, camera_intrinsics=...), "camera_intrinsics"),
    "camera of 2 x 3": (field(MOVE, camera_intrinsics=K[:2]), "camera_intrinsics"),
    "camera without focal length": (field(MOVE, camera_intrinsics=[[0, 0, 448], *K[1:]]), "is no K"),
    "camera with negative focal length": (field(MOVE, camera_intrinsics=[[-667, 0, 448], *K[1:]]), "is no K"),
    "camera of homogeneous nonsense": (field(MOVE, camera_intrinsics=[*K[:2], [0, 0, 0]]), "is no K"),
    "reference a text": (field(MOVE, reference="the table"), "reference"),
    "reference without box": (field(MOVE, reference={"label": "table"}), "reference.bbox_3d"),
    "reference flat": (field(MOVE, reference={"bbox_3d": [*BOX[:3], 0, 0, 0, 0]}), "reference.bbox_3d"),
    "reference mirrored": (
        field(MOVE, reference={"bbox_3d": BOX, "rotation_matrix": [[-1, 0, 0], *EYE[1:]]}),
        "reference.rotation_matrix",
    ),
    "reference point of two": (field(MOVE, reference_point=[1, 2]), "reference_point"),
}
PICTURES: dict[str, tuple[Harm, str]] = {
    "no picture": (picture(Path.unlink), "no original picture"),
    "empty picture": (picture(lambda path: path.write_bytes(b"")), "is no readable JPEG or PNG"),
    "a page": (picture(lambda path: path.write_text("<html></html>")), "is no readable JPEG or PNG"),
    "cut": (picture(lambda path: path.write_bytes(path.read_bytes()[:2000])), "is no readable JPEG or PNG"),
    "an SVG": (picture(lambda path: path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')), "is no readable"),
    "a GIF": (picture(lambda path: Image.new("RGB", (9, 9)).save(path, "GIF")), "is no readable JPEG or PNG"),
    "a program of PostScript": (picture(lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF\n")), "is no readable"),
    "turned by EXIF": (picture(turned), "is turned by its EXIF data"),
    "16 bits": (picture(sixteen_bits), "8 bits a channel"),
    "bomb": (picture(lambda path: path.write_bytes(png_header(60_000, 60_000))), "is no readable JPEG or PNG"),
    "many pixels": (picture(lambda path: path.write_bytes(png_header(9000, 9000))), "pixels are too many"),
    "no pixels": (picture(lambda path: path.write_bytes(png_header(0, 0))), "is no readable JPEG or PNG"),
    "damaged true result": (bad_truth, "is no readable JPEG or PNG"),
    "no query": (renamed(MOVE, f"{IMAGE}_edit_.json"), "rename or remove it"),
    "two queries": (renamed(MOVE, f"{IMAGE}_edit_0_edit_1.json"), "rename or remove it"),
    "a dot in the query": (renamed(MOVE, f"{IMAGE}_edit_0.1.json"), "rename or remove it"),
    "an edit of another picture": (renamed(MOVE, "other_edit_0.json"), "no original picture"),
    "names that differ in case": (twin, "has the id"),
}
CASES = {f"JSON {name}": case for name, case in JSON.items()} | {f"file {name}": it for name, it in PICTURES.items()}


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_and_nothing_written(name: str, tmp_path: Path) -> None:
    harm, told = CASES[name]
    folder = copy_of(tmp_path / "fine")
    damaged = harm(folder)
    with pytest.raises(OfficialError) as caught:
        convert(folder, tmp_path / "out", progress=False)
    lines = str(caught.value).splitlines()
    assert "cannot be converted (--skip-bad leaves them out):" in lines[0]
    assert told in str(caught.value)
    assert damaged.name in str(caught.value) or "no picture" in name or "another picture" in name
    assert all(line.isprintable() and len(line) < 1000 for line in lines)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["JSON flat box", "JSON nested", "file no query"])
def test_the_rest_can_be_had(name: str, tmp_path: Path) -> None:
    folder = copy_of(tmp_path / "fine")
    CASES[name][0](folder)
    done = convert(folder, tmp_path / "out", skip_bad=True, progress=False)
    assert [item.manifest.rows for item in done] == [3]
    assert len(done[0].left_out) == 1
    (folder / f"{IMAGE}.jpg").write_bytes(b"")
    with pytest.raises(OfficialError, match=r"4 of 4 edits|3 of 3 edits"):
        convert(folder, tmp_path / "none", skip_bad=True, progress=False)
    assert not (tmp_path / "none").exists()


def test_hostile_archives_leave_nothing(tmp_path: Path) -> None:
    folder = copy_of(tmp_path / "fine")
    with zipfile.ZipFile(tmp_path / "fine_dataset.zip", "w") as out:
        for path in sorted(folder.iterdir()):
            out.write(path, path.name)
        out.writestr("../../outside_edit_0.json", "{}")
    with pytest.raises(ArchiveError, match="leads out of the folder"):
        convert(tmp_path / "fine_dataset.zip", tmp_path / "out", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fine", "fine_dataset.zip"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no edit"),
        (lambda path: path.write_text("<html></html>"), "is neither a folder nor an archive"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "holds no edit"),
    ],
)
def test_what_is_no_data_set(make: Callable[[Path], object], told: str, tmp_path: Path) -> None:
    make(tmp_path / "in")
    with pytest.raises(OfficialError, match=told):
        convert(tmp_path / "in", tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_there_are_enough_cases() -> None:
    """The table must not shrink unseen."""
    assert len(CASES) >= 60


def test_a_picture_may_be_large_but_not_too_large(tmp_path: Path) -> None:
    folder = copy_of(tmp_path / "fine")
    stream = io.BytesIO()
    Image.new("RGB", (4032, 3024), "grey").save(stream, "JPEG")
    (folder / f"{IMAGE}.jpg").write_bytes(stream.getvalue())
    assert convert(folder, tmp_path / "out", progress=False)[0].manifest.rows == 4
    assert json.loads((tmp_path / "out" / "fine" / "test.json").read_text())["kind"] == "published"
    assert REMOVE in {path.name for path in folder.iterdir()}
