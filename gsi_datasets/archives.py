"""Unpacks archives that were downloaded and are not trusted: zip, and tar with or without compression.

Every member is checked before a byte is written, and what comes out is counted while it is written, for headers may
lie. The folder appears whole or not at all.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, cast


CHUNK = 1 << 20
JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
"""Names that systems add and nobody wants."""
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)
"""What the readers of the standard library raise on damaged, encrypted and unknown archives."""


class ArchiveError(ValueError):
    """An archive that is damaged or not to be trusted; the message names it, the member and the remedy."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold.

    Attributes:
        members: their number.
        member_bytes: of one, unpacked.
        total_bytes: of all, unpacked.
        ratio: unpacked to packed size of the whole archive, once it unpacks to more than `ratio_from` bytes. Pictures
            and JSON files stay far below.
        ratio_from: bytes.
        depth: folders inside folders.
        name_bytes: of one part of a path, as file systems allow.
    """

    members: int = 200_000
    member_bytes: int = 1 << 30
    total_bytes: int = 64 << 30
    ratio: int = 100
    ratio_from: int = 16 << 20
    depth: int = 16
    name_bytes: int = 255


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    folder: bool
    handle: zipfile.ZipInfo | tarfile.TarInfo


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by its content."""
    try:
        with _opened(path):
            return True
    except ArchiveError:
        return False


def extract(
    archive: Path, folder: Path, limits: Limits | None = None, wanted: Callable[[str], bool] = lambda name: True
) -> list[Path]:
    """Unpack the regular files of an archive.

    Rights, owners and times are not taken over.

    Args:
        archive: zip, tar, tar.gz, tar.bz2 or tar.xz.
        folder: does not exist yet, or is empty.
        limits: what the archive may hold.
        wanted: by its name, whether a file is unpacked; all are checked.

    Returns:
        The files, by name.

    Raises:
        ArchiveError: a member would be written outside the folder, is a link or a device, is damaged, encrypted or
            too large, stands there twice, or there are too many; or there is no room. Nothing is written then.
    """
    limits = limits or Limits()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArchiveError(f"{folder}: is not empty; unpack {archive.name} into another folder")
    with _opened(archive) as reader:
        members = _checked(archive, reader, limits)
        chosen = [item for item in members if not _junk(item.name) and wanted(item.name)]
        _check_room(archive, folder, sum(item.size for item in chosen))
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            budget = _Budget(archive, limits)
            for item in chosen:
                target = place / item.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with _content(archive, reader, item) as stream, target.open("wb") as out:
                    _copy(stream, out, item, budget)
            place.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            place.replace(folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return sorted(folder / item.name for item in chosen)


Reader = zipfile.ZipFile | tarfile.TarFile


@contextmanager
def _opened(archive: Path) -> Iterator[Reader]:
    with ExitStack() as stack:
        try:
            if zipfile.is_zipfile(archive):
                reader: Reader = stack.enter_context(zipfile.ZipFile(archive))
            else:
                content = stack.enter_context(_unpressed(archive))
                stream = cast(IO[bytes], _Sips(content))
                reader = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))
        except FileNotFoundError as error:
            raise ArchiveError(f"{archive}: does not exist") from error
        except DAMAGED as error:
            raise ArchiveError(f"{archive}: is no readable zip or tar ({error}); download it again") from error
        yield reader


def _unpressed(archive: Path) -> IO[bytes]:
    """The tar inside."""
    with archive.open("rb") as stream:
        start = stream.read(6)
    for magic, opened in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open)):
        if start.startswith(magic):
            return cast(IO[bytes], opened(archive, "rb"))
    return archive.open("rb")


class _Sips:
    """A stream that is read in small amounts only: long names of a tar may be declared to have gigabytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 16 * CHUNK:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._stream.read(size)


def _checked(archive: Path, reader: Reader, limits: Limits) -> list[_Member]:
    """The regular files, after looking at every member."""
    packed = archive.stat().st_size
    files: dict[str, _Member] = {}
    folders: set[str] = set()
    spans: list[tuple[int, int, str]] = []
    total = count = 0
    try:
        for item in _listed(reader):
            count += 1
            if count > limits.members:
                raise ArchiveError(f"{archive}: holds more than {limits.members:,} members; this is no data set")
            name = item.name
            if item.folder and name in ("", "."):
                continue
            _check_name(archive, name, limits)
            key = name.casefold()
            if item.folder:
                folders.add(key)
            else:
                _check_kind(archive, item)
                if key in files:
                    raise _wrong(archive, name, "stands there twice (names differ in case at most)")
                if item.size > limits.member_bytes:
                    raise _wrong(archive, name, f"unpacks to {item.size:,} bytes, more than {limits.member_bytes:,}")
                total += item.size
                if total > limits.total_bytes or (total > limits.ratio_from and total > limits.ratio * packed):
                    raise _wrong(archive, name, f"makes it unpack to {total:,} bytes from {packed:,}: a bomb")
                files[key] = item
                if isinstance(item.handle, zipfile.ZipInfo):
                    spans.append((item.handle.header_offset, item.handle.compress_size, name))
            folders.update(_parents(key))
        _check_end(archive, reader)
    except ArchiveError:
        raise
    except DAMAGED as error:
        raise ArchiveError(f"{archive}: is damaged ({error}); download it again") from error
    for key, item in files.items():
        if key in folders:
            raise _wrong(archive, item.name, "is a file and a folder at once")
    for (start, size, _), (after, _, name) in zip(sorted(spans), sorted(spans)[1:], strict=False):
        if start + size > after:
            raise _wrong(archive, name, "shares its bytes with another member: a bomb")
    return list(files.values())


def _listed(reader: Reader) -> Iterator[_Member]:
    """Members as they are named, but for the ``./`` that tar puts before names and the ``/`` behind folders."""
    if isinstance(reader, zipfile.ZipFile):
        for entry in reader.infolist():
            name = entry.orig_filename
            yield _Member(name.removesuffix("/") if entry.is_dir() else name, entry.file_size, entry.is_dir(), entry)
    else:
        for item in reader:
            yield _Member(item.name.removeprefix("./"), item.size, item.isdir(), item)


def _check_end(archive: Path, reader: Reader) -> None:
    """A tar ends with a block of zeros; anything else is a damaged header, which `tarfile` takes for the end."""
    if isinstance(reader, tarfile.TarFile):
        assert reader.fileobj is not None
        reader.fileobj.seek(reader.offset)
        if reader.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ArchiveError(f"{archive}: breaks off after {len(reader.getnames())} members; download it again")


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _check_name(archive: Path, name: str, limits: Limits) -> None:
    """Only plain relative paths; those are the same everywhere, whatever the system."""
    parts = name.split("/")
    if not name.isprintable():
        raise _wrong(archive, name, "has characters in its name that cannot be printed")
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0]:
        raise _wrong(archive, name, "has an absolute path, or one of another system")
    if ".." in parts:
        raise _wrong(archive, name, "leads out of the folder")
    if not all(parts) or "." in parts:
        raise _wrong(archive, name, "has an empty part in its path")
    if len(parts) > limits.depth:
        raise _wrong(archive, name[:80], f"lies more than {limits.depth} folders deep")
    if any(len(part.encode()) > limits.name_bytes for part in parts):
        raise _wrong(archive, f"{name[:80]}...", f"has a name of more than {limits.name_bytes} bytes")


def _check_kind(archive: Path, item: _Member) -> None:
    handle = item.handle
    if isinstance(handle, tarfile.TarInfo):
        if handle.issym() or handle.islnk():
            raise _wrong(archive, item.name, f"is a link (to {handle.linkname})")
        if not handle.isreg() or handle.issparse():
            raise _wrong(archive, item.name, "is no regular file")
        return
    kind = stat.S_IFMT(handle.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise _wrong(archive, item.name, "is a link")
    if kind not in (0, stat.S_IFREG):
        raise _wrong(archive, item.name, "is no regular file")
    if handle.flag_bits & 0x1:
        raise _wrong(archive, item.name, "is encrypted")


def _junk(name: str) -> bool:
    return any(part in JUNK or part.startswith("._") for part in name.split("/"))


def _check_room(archive: Path, folder: Path, needed: int) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ArchiveError(
            f"{archive}: unpacks to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free at {there}; free some space "
            "or choose another folder"
        )


@contextmanager
def _content(archive: Path, reader: Reader, item: _Member) -> Iterator[IO[bytes]]:
    """The bytes of a member; whatever goes wrong with them is told by its name."""
    try:
        if isinstance(reader, zipfile.ZipFile):
            assert isinstance(item.handle, zipfile.ZipInfo)
            stream: IO[bytes] | None = reader.open(item.handle)
        else:
            assert isinstance(item.handle, tarfile.TarInfo)
            stream = reader.extractfile(item.handle)
        assert stream is not None
        with stream:
            yield stream
    except ArchiveError:
        raise
    except DAMAGED as error:
        raise _wrong(archive, item.name, f"cannot be unpacked ({error})") from error


@dataclass
class _Budget:
    """What may still be written."""

    archive: Path
    limits: Limits
    used: int = 0


def _copy(stream: IO[bytes], out: IO[bytes], item: _Member, budget: _Budget) -> None:
    done = 0
    while chunk := stream.read(CHUNK):
        done += len(chunk)
        budget.used += len(chunk)
        if done > item.size or budget.used > budget.limits.total_bytes:
            raise _wrong(budget.archive, item.name, f"unpacks to more than the {item.size:,} bytes that it declares")
        out.write(chunk)
    if done != item.size:
        raise _wrong(budget.archive, item.name, f"has {done:,} bytes, but declares {item.size:,}")


def _wrong(archive: Path, member: str, what: str) -> ArchiveError:
    return ArchiveError(f"{archive}: {member!r} {what}; download it again, or ask where it comes from")
