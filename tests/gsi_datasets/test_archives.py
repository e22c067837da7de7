"""Archives that are not what they seem: each is refused in one sentence, and nothing of it reaches the disk."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gsi_datasets import archives
from gsi_datasets.archives import ArchiveError, Limits, extract, is_archive


GOOD = {"fine/a.png": b"first picture", "fine/a_edit_0.json": b"{}"}
SMALL = Limits(members=10, member_bytes=1000, total_bytes=2500, ratio=4, ratio_from=1500, depth=4)
Table = dict[str, Callable[[Path], None]]


def zipped(path: Path, content: dict[str, bytes], pressed: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", pressed) as out:
        for name, data in content.items():
            out.writestr(zipfile.ZipInfo(name), data, pressed)


def zipped_with(name: str, data: bytes = b"x") -> Callable[[Path], None]:
    return lambda path: zipped(path, GOOD | {name: data})


def zip_entry(mode: int, name: str = "fine/odd") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        with zipfile.ZipFile(path, "w") as out:
            out.writestr("fine/a.png", b"x")
            out.writestr(entry, b"/etc/passwd")

    return make


def patched(search: bytes, replacement: bytes, content: dict[str, bytes] = GOOD) -> Callable[[Path], None]:
    """A zip with bytes replaced wherever they stand: names as no tool would write them."""

    def make(path: Path) -> None:
        zipped(path, content)
        data = path.read_bytes()
        assert search in data
        path.write_bytes(data.replace(search, replacement))

    return make


def encrypted(path: Path) -> None:
    zipped(path, GOOD)
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(magic)
        data[start + offset] |= 1
    path.write_bytes(data)


def method(path: Path) -> None:
    zipped(path, GOOD)
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.find(magic) + offset, 97)
    path.write_bytes(data)


def declared(size: int) -> Callable[[Path], None]:
    """A zip whose directory says another size than comes out."""

    def make(path: Path) -> None:
        zipped(path, {"fine/a.png": b"y" * 400}, zipfile.ZIP_DEFLATED)
        data = bytearray(path.read_bytes())
        struct.pack_into("<I", data, data.find(b"PK\x01\x02") + 24, size)
        path.write_bytes(data)

    return make


def overlapping(path: Path) -> None:
    """Two entries of the directory that unpack the same bytes."""
    zipped(path, {"fine/a.png": b"y" * 400})
    data = path.read_bytes()
    start, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry = data[start:end]
    twin = entry.replace(b"a.png", b"b.png")
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, len(entry) + len(twin))
    path.write_bytes(data[:start].replace(b"a.png", b"a.png") + entry + twin + bytes(tail))


def cut(make: Callable[[Path], None], share: float) -> Callable[[Path], None]:
    def shorter(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return shorter


def tarred(path: Path, *entries: tarfile.TarInfo, mode: str = "w", content: dict[str, bytes] = GOOD) -> None:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
        for entry in entries:
            out.addfile(entry, io.BytesIO(b"x" * entry.size))


def tar_with(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: str = "w") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, link
        entry.size = 1 if kind == tarfile.REGTYPE else 0
        tarred(path, entry, mode=mode)

    return make


def tar_header_damaged(path: Path) -> None:
    tarred(path)
    data = bytearray(path.read_bytes())
    data[1024] ^= 0xFF
    path.write_bytes(data)


def tar_huge_name(path: Path) -> None:
    """A long name of four gigabytes, of which gzip makes four megabytes; here only as much as is read."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 4 << 30
    with gzip.open(path, "wb") as out:
        out.write(entry.tobuf(tarfile.GNU_FORMAT))
        out.write(b"n" * (1 << 20))


def tar_lies(path: Path) -> None:
    """The last member is shorter than its header says."""
    tarred(path)
    data = path.read_bytes()
    entry = tarfile.TarInfo("fine/z.png")
    entry.size = 900
    path.write_bytes(data[:2048] + entry.tobuf() + b"z" * 100)


def many(count: int) -> dict[str, bytes]:
    return {f"fine/{number}.json": b"{}" for number in range(count)}


HOSTILE: Table = {
    "zip absolute": zipped_with("/etc/cron.d/job"),
    "zip absolute with two slashes": zipped_with("//server/share/x.png"),
    "zip parent": zipped_with("../../out.png"),
    "zip parent inside": zipped_with("fine/../../out.png"),
    "zip parent at the end": zipped_with("fine/.."),
    "zip backslash": patched(b"fine/a_edit_0.json", b"fine\\a_edit_0.json"),
    "zip backslash parent": patched(b"fine/a_edit_0.json", b"..\\..\\..\\evil.json"),
    "zip drive": zipped_with("C:/windows/x.png"),
    "zip drive without slash": zipped_with("c:x.png"),
    "zip NUL in a name": patched(b"a_edit_0.json", b"a.json\0.png\0x"),
    "zip newline in a name": zipped_with("fine/a\nb.png"),
    "zip escape sequence in a name": zipped_with("fine/\x1b[2Jb.png"),
    "zip right-to-left name": zipped_with("fine/\u202egnp.exe"),
    "zip empty name": patched(b"fine/a_edit_0.json", b"//////////////////"),
    "zip empty part": zipped_with("fine//b.png"),
    "zip dot part": zipped_with("fine/./b.png"),
    "zip name too long": zipped_with("fine/" + "n" * 300 + ".png"),
    "zip too deep": zipped_with("a/" * 8 + "b.png"),
    "zip symbolic link": zip_entry(stat.S_IFLNK | 0o777),
    "zip device": zip_entry(stat.S_IFCHR | 0o666),
    "zip fifo": zip_entry(stat.S_IFIFO | 0o666),
    "zip socket": zip_entry(stat.S_IFSOCK | 0o666),
    "zip twice": patched(b"fine/b.png", b"fine/a.png", GOOD | {"fine/b.png": b"other"}),
    "zip twice but for case": zipped_with("fine/A.PNG"),
    "zip file and folder": zipped_with("fine/a.png/b.png"),
    "zip file and folder but for case": zipped_with("fine"),
    "zip encrypted": encrypted,
    "zip unknown compression": method,
    "zip checksum": patched(b"first picture", b"other picture"),
    "zip more than it declares": declared(100),
    "zip less than it declares": declared(500),
    "zip overlapping": overlapping,
    "zip cut in the directory": cut(lambda path: zipped(path, GOOD), 0.8),
    "zip cut in the middle": cut(lambda path: zipped(path, GOOD), 0.4),
    "zip member too large": zipped_with("fine/b.png", os.urandom(1001)),
    "zip total too large": lambda path: zipped(path, {f"{n}.png": os.urandom(900) for n in range(3)}),
    "zip ratio": lambda path: zipped(path, {f"{n}.png": b"0" * 900 for n in range(2)}, zipfile.ZIP_DEFLATED),
    "zip too many": lambda path: zipped(path, many(11)),
    "tar absolute": tar_with("/etc/cron.d/job"),
    "tar parent": tar_with("../out.png"),
    "tar parent inside": tar_with("fine/../../out.png"),
    "tar backslash": tar_with("..\\out.png"),
    "tar symbolic link": tar_with("fine/link", tarfile.SYMTYPE, "/etc/passwd"),
    "tar symbolic link inside": tar_with("fine/link", tarfile.SYMTYPE, "a.png"),
    "tar hard link": tar_with("fine/link", tarfile.LNKTYPE, "../../etc/passwd"),
    "tar hard link inside": tar_with("fine/link", tarfile.LNKTYPE, "fine/a.png"),
    "tar character device": tar_with("fine/null", tarfile.CHRTYPE),
    "tar block device": tar_with("fine/disk", tarfile.BLKTYPE),
    "tar fifo": tar_with("fine/pipe", tarfile.FIFOTYPE),
    "tar sparse": tar_with("fine/sparse", tarfile.GNUTYPE_SPARSE),
    "tar twice": tar_with("fine/a.png"),
    "tar file and folder": tar_with("fine/a.png/b.png"),
    "tar header damaged": tar_header_damaged,
    "tar cut": cut(tarred, 0.1),
    "tar shorter than it says": tar_lies,
    "tar too many": lambda path: tarred(path, content=many(11)),
    "tar total too large": lambda path: tarred(path, content={f"{n}.png": os.urandom(900) for n in range(3)}),
    "tar.gz absolute": tar_with("/etc/x.png", mode="w:gz"),
    "tar.gz link": tar_with("fine/link", tarfile.SYMTYPE, "..", mode="w:gz"),
    "tar.gz ratio": lambda path: tarred(path, mode="w:gz", content={f"{n}.png": b"0" * 900 for n in range(2)}),
    "tar.gz cut": cut(lambda path: tarred(path, mode="w:gz", content={"a.png": os.urandom(900)}), 0.7),
    "tar.gz name of gigabytes": tar_huge_name,
    "tar.bz2 parent": tar_with("../x.png", mode="w:bz2"),
    "tar.bz2 cut": cut(lambda path: tarred(path, mode="w:bz2", content={"a.png": os.urandom(900)}), 0.7),
    "tar.xz link": tar_with("fine/link", tarfile.LNKTYPE, "fine/a.png", mode="w:xz"),
    "tar.xz cut": cut(lambda path: tarred(path, mode="w:xz", content={"a.png": os.urandom(900)}), 0.7),
    "neither": lambda path: path.write_bytes(b"a web page that says the file is gone") and None,
    "empty": lambda path: path.write_bytes(b"") and None,
}


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("case", HOSTILE)
def test_refused_and_nothing_written(case: str, tmp_path: Path) -> None:
    archive = tmp_path / "in" / "fine_dataset.any"
    archive.parent.mkdir()
    HOSTILE[case](archive)
    before = listing(tmp_path)
    with pytest.raises(ArchiveError) as caught:
        extract(archive, tmp_path / "out" / "fine", SMALL)
    told = str(caught.value)
    assert told.startswith(f"{archive}: ")
    assert told.isprintable()
    assert len(told.removeprefix(f"{archive}: ")) > 20
    assert listing(tmp_path) == before
    assert not (tmp_path / "out" / "fine").exists()


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("zip absolute", "'/etc/cron.d/job' has an absolute path"),
        ("zip parent", "'../../out.png' leads out of the folder"),
        ("zip symbolic link", "'fine/odd' is a link"),
        ("zip twice but for case", "'fine/A.PNG' stands there twice"),
        ("zip encrypted", "'fine/a.png' is encrypted"),
        ("zip checksum", "'fine/a.png' cannot be unpacked (Bad CRC-32"),
        ("zip overlapping", "shares its bytes with another member"),
        ("zip ratio", "unpack to 1,800 bytes"),
        ("tar hard link", "'fine/link' is a link (to ../../etc/passwd)"),
        ("tar character device", "'fine/null' is no regular file"),
        ("tar header damaged", "breaks off after 1 members"),
        ("tar.gz name of gigabytes", "a header of 4,294,967,296 bytes"),
        ("neither", "is no readable zip or tar"),
    ],
)
def test_what_is_told(case: str, told: str, tmp_path: Path) -> None:
    HOSTILE[case](tmp_path / "archive")
    with pytest.raises(ArchiveError) as caught:
        extract(tmp_path / "archive", tmp_path / "out", SMALL)
    assert told in str(caught.value)


def test_a_bomb_is_seen_before_it_goes_off(tmp_path: Path) -> None:
    bomb = zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED)
    with bomb as out, out.open("zeros.png", "w") as stream:
        for _ in range(200):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="a bomb"):
        extract(tmp_path / "bomb.zip", tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_good_archives_come_out_as_they_went_in(form: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    content = GOOD | {"fine/Bild ä 图.png": os.urandom(300), "top.json": b"[]"}
    junk = {"__MACOSX/fine/._a.png": b"?", "fine/.DS_Store": b"?"}
    if form == "zip":
        zipped(archive, content | junk)
    else:
        tarred(archive, mode=form, content=content | junk)
    assert is_archive(archive)
    found = extract(archive, tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in found} == content
    assert listing(tmp_path / "out").keys() == {str(path) for path in found}
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o111 == 0 for path in found)


def test_tar_of_a_folder_as_people_make_it(tmp_path: Path) -> None:
    (tmp_path / "set" / "fine").mkdir(parents=True)
    (tmp_path / "set" / "fine" / "a.png").write_bytes(b"x")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as out:
        out.add(tmp_path / "set", ".")
    found = extract(tmp_path / "a.tgz", tmp_path / "out")
    assert found == [tmp_path / "out" / "fine" / "a.png"]


def test_only_what_is_wanted_but_all_is_checked(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", GOOD | {"fine/run.sh": b"rm"})
    found = extract(tmp_path / "a.zip", tmp_path / "out", wanted=lambda name: name.endswith(".png"))
    assert [path.name for path in found] == ["a.png"]
    zipped(tmp_path / "b.zip", GOOD | {"../run.sh": b"rm"})
    with pytest.raises(ArchiveError, match="leads out"):
        extract(tmp_path / "b.zip", tmp_path / "other", wanted=lambda name: name.endswith(".png"))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", GOOD)
    (tmp_path / "out").mkdir()
    assert len(extract(tmp_path / "a.zip", tmp_path / "out")) == 2
    with pytest.raises(ArchiveError, match="is not empty"):
        extract(tmp_path / "a.zip", tmp_path / "out")
    with pytest.raises(ArchiveError, match="does not exist"):
        extract(tmp_path / "none.zip", tmp_path / "none")


def test_stopped_or_without_room_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "a.zip", GOOD)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_copy", stop)
        with pytest.raises(KeyboardInterrupt):
            extract(tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    usage = type("Usage", (), {"free": 3})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ArchiveError, match="free some space"):
        extract(tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    assert not is_archive(tmp_path / "a.json")
    assert not is_archive(tmp_path / "none")
