"""Finds published data sets in folders and archives, and the files of each edit."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from gsi_datasets.archives import extract, is_archive
from gsi_datasets.storage import storing
from gsi_metrics.edits import LARGEST
from gsi_metrics.official.errors import OfficialError
from gsi_metrics.official.names import row_id
from gsi_metrics.protocols.v1.formats import DATASET_TYPES, Edit
from gsi_metrics.protocols.v1.naming import MARK


EDITS = f"*{MARK}*.json"
TRUTH = "gtedit_"
ENDINGS = (".jpg", ".jpeg", ".png")
USED = {".json", *ENDINGS}
FORMATS = ("JPEG", "PNG")
ORIENTATION = 0x0112
"""Tag of EXIF."""
JSON_BYTES = 1 << 20
"""An edit takes two kilobytes; a file far beyond that is none."""


@dataclass(frozen=True)
class PublishedSet:
    """One data set: its name (``fine``, ``mesatask``, ...) and the folder that holds pictures and edits."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Asked:
    """The files of one edit.

    Attributes:
        image_id: of the original picture.
        query_id: of the edit.
        edit: what is asked for.
        picture: the original.
        truth: the true result; None where there is none.
    """

    image_id: str
    query_id: str
    edit: Path
    picture: Path
    truth: Path | None

    @property
    def id(self) -> str:
        """Of the row."""
        return row_id(f"{self.image_id}{MARK}{self.query_id}")


@contextmanager
def opened(source: Path, scratch: Path) -> Iterator[list[PublishedSet]]:
    """The data sets of a folder or an archive, or of a folder of archives; unpacked as long as the block lasts.

    Args:
        source: what was downloaded.
        scratch: folder to unpack in.

    Raises:
        OfficialError: there is none, or two have one name.
        ArchiveError: an archive is damaged or not to be trusted.
    """
    if not source.exists():
        raise OfficialError(f"{source}: does not exist; give a downloaded archive or a folder of the benchmark")
    with ExitStack() as stack:
        places = [source] if source.is_dir() else []
        packed = [source] if source.is_file() else [path for path in sorted(source.iterdir()) if _packed(path)]
        if source.is_file() and not is_archive(source):
            raise OfficialError(f"{source}: is neither a folder nor an archive (zip, tar); download it again")
        if packed:
            unpacked = scratch / ".unpacked"
            stack.callback(shutil.rmtree, unpacked, ignore_errors=True)
            with storing(scratch):
                shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was killed
                unpacked.mkdir(parents=True)
            for archive in packed:
                places.append(unpacked / archive.name)
                extract(archive, places[-1], wanted=lambda name: PurePosixPath(name).suffix.lower() in USED)
        found = [item for place in places for item in _sets(place, source)]
        if not found:
            raise OfficialError(
                f"{source}: holds no edit (<img_id>{MARK}<query_id>.json beside its picture); is this the data set, "
                "and not a model's results?"
            )
        names = [item.name for item in found]
        if twice := {name for name in names if names.count(name) > 1}:
            raise OfficialError(f"{source}: several folders hold a data set {min(twice)!r}; convert one at a time")
        yield found


def _packed(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in USED and is_archive(path)


def _sets(place: Path, source: Path) -> list[PublishedSet]:
    folders = sorted({path.parent for path in place.rglob(EDITS) if path.is_file()})
    return [PublishedSet(_name([place.name, *folder.relative_to(place).parts], source), folder) for folder in folders]


def _name(parts: list[str], source: Path) -> str:
    """The published name that a part of the path has or begins with; else what the innermost folder is called."""
    parts = [part.lower() for part in [source.resolve().name, *parts]]
    for part in reversed(parts):
        for name in DATASET_TYPES:
            if part == name or part.startswith((f"{name}_", f"{name}.", f"{name}-")):
                return name
    return row_id(parts[-1].split(".")[0].removesuffix("_dataset"))


def asked_in(folder: Path) -> tuple[list[Asked], list[str]]:
    """The edits of a data set by name, and what is wrong with those whose files are not all there."""
    names = _Names(folder)
    found: dict[str, Asked] = {}
    problems = []
    for name in names.edits:
        image_id, _, query_id = name.removesuffix(".json").partition(MARK)
        path = folder / name
        try:
            if not image_id or not query_id or MARK in query_id or "." in query_id:
                raise OfficialError(f"{path}: is not named <img_id>{MARK}<query_id>.json; rename or remove it")
            if (picture := names.original(image_id)) is None:
                raise OfficialError(f"{path}: there is no original picture {image_id}.jpg, .jpeg or .png; add it")
            item = Asked(image_id, query_id, path, picture, names.truth(image_id, query_id))
            if (other := found.setdefault(item.id, item)) is not item:
                raise OfficialError(f"{path}: has the id {item.id}, as has {other.edit.name}; rename one")
        except OfficialError as error:
            problems.append(str(error))
    return list(found.values()), problems


class _Names:
    """The names in a folder, asked for by how they begin.

    The published program takes any file whose name begins with an id: ``img_1`` may get the picture of ``img_10``.
    Here an id ends where it seems to end. So a whole data set gets the same files, and what is missing is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
        self.edits = [name for name in names if fnmatchcase(name, EDITS)]
        self.images = {name.partition(MARK)[0] for name in self.edits}
        pictures = [name for name in names if MARK not in name and PurePosixPath(name).suffix.lower() in ENDINGS]
        self.truths = [name for name in pictures if TRUTH in name]
        self.originals = [name for name in pictures if TRUTH not in name]

    def original(self, image_id: str) -> Path | None:
        """``<img_id>.<ext>``, else ``<img_id>_rgb.<ext>`` or the like."""
        mine = [name for name in _starting(self.originals, image_id) if self._owner(name) == image_id]
        exact = [name for name in mine if PurePosixPath(name).stem == image_id]
        exact.sort(key=lambda name: ENDINGS.index(PurePosixPath(name).suffix.lower()))
        return next((self.folder / name for name in (*exact, *mine)), None)

    def truth(self, image_id: str, query_id: str) -> Path | None:
        """``<img_id>_gtedit_<query_id>.<ext>``, maybe with more before or behind ``gtedit_<query_id>``."""
        for name in _starting(self.truths, f"{image_id}_"):
            if self._owner(name) == image_id and _begins(name.partition(TRUTH)[2], query_id):
                return self.folder / name
        return None

    def _owner(self, name: str) -> str:
        """The longest id of a picture with which a name begins; "" if there is none."""
        stem = PurePosixPath(name).stem
        starts = (stem[:end] for end in range(len(stem), 0, -1) if _may_end(stem, end))
        return next((start for start in starts if start in self.images), "")


def _starting(names: Sequence[str], start: str) -> Iterator[str]:
    """Of sorted names those that begin so."""
    for number in range(bisect_left(names, start), len(names)):
        if not names[number].startswith(start):
            return
        yield names[number]


def _begins(text: str, start: str) -> bool:
    """Whether a text begins with an id."""
    return text.startswith(start) and _may_end(text, len(start))


def _may_end(text: str, end: int) -> bool:
    """Whether an id may end in a text at a place: not within a number or a word."""
    pair = text[end - 1 : end + 1]
    return len(pair) < 2 or not (pair.isdigit() or pair.isalpha())


def read_edit(path: Path) -> tuple[Edit, dict[str, Any]]:
    """An edit, checked, and the JSON object as it is.

    Raises:
        OfficialError: it is no JSON of RFC 8259, too large, or a field is missing or wrong.
    """
    try:
        if path.stat().st_size > JSON_BYTES:
            raise OfficialError(f"{path}: has {path.stat().st_size:,} bytes, no edit has; look at what it is")
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        edit = Edit.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise OfficialError(f"{path}: {place}: {first['msg']}; mend the field or remove the edit") from error
    except OfficialError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise OfficialError(f"{path}: is no readable JSON ({error}); mend or remove the file") from error
    return edit, raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return table


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def read_picture(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A picture as it is, and its (width, height); decoded once, to see that it is whole.

    Raises:
        OfficialError: it is no JPEG or PNG, damaged, too large, or not of 8 bits.
    """
    from PIL import Image

    try:
        data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > LARGEST:
                raise OfficialError(f"{path}: {image.width} x {image.height} pixels are too many; look at what it is")
            if image.mode.startswith(("I", "F")):
                raise OfficialError(f"{path}: holds {image.mode} values; save it with 8 bits a channel")
            if image.getexif().get(ORIENTATION, 1) != 1:
                raise OfficialError(f"{path}: is turned by its EXIF data, which readers disagree on; save it upright")
            image.load()
    except OfficialError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OfficialError(f"{path}: is no readable JPEG or PNG ({error}); download it again") from error
    return data, image.size


def digest_of(*files: bytes) -> str:
    """SHA-256 over files, each with its length."""
    digest = hashlib.sha256()
    for data in files:
        digest.update(b"%d\0" % len(data) + data)
    return digest.hexdigest()
