"""Finished scenes wait here until their split is complete: one file per scene, so a kill loses none of them.

``<out>/.staging/<config>-<split>-<digest>/00000012.scene``: magic, SHA-256 of all that follows, length of a JSON
document, the document, then the pictures one after the other. In the document a picture is its number; equal ones
(rows of a scene share their source) are kept once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.schema import IMAGE_COLUMNS, Triplet
from gsi_datasets.storage import StorageError, remove, storing, write_atomically


MAGIC = b"gsi-scene-1\n"
DIGEST_BYTES = 32


class DamagedScene(ValueError):  # noqa: N818
    """A staged file that was torn, or is something else; its scene must be made again."""


def scene_path(folder: Path, index: int) -> Path:
    """Where a scene is staged."""
    return folder / f"{index:08d}.scene"


def write_scene(folder: Path, result: SceneResult, wanted: frozenset[str] = frozenset()) -> Path:
    """Stage what a scene gave.

    Args:
        folder: the staging folder.
        result: rows and rejections.
        wanted: the operations that were asked for; a scene that was made for fewer than are needed is made again.

    Raises:
        StorageError: if the disk is full or the folder cannot be written.
    """
    pictures: dict[bytes, int] = {}

    def put(record: dict[str, Any], *names: str) -> dict[str, Any]:
        for name in names:
            if record[name] is not None:
                record[name] = pictures.setdefault(record[name], len(pictures))
        return record

    document = {
        "index": result.index,
        "wanted": sorted(wanted),
        "rows": [put(row.model_dump(), *IMAGE_COLUMNS) for row in result.rows],
        "rejections": [put(dict(vars(item)), "before", "after") for item in result.rejections],
        "seconds": result.seconds,
        "pictures": [len(picture) for picture in pictures],
    }
    text = json.dumps(document, ensure_ascii=False).encode()
    body = [len(text).to_bytes(8, "little"), text, *pictures]
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    path = scene_path(folder, result.index)
    write_atomically(path, MAGIC, digest.digest(), *body)
    return path


def read_scene(path: Path) -> tuple[SceneResult, frozenset[str]]:
    """What a scene gave, and the operations that it was asked for.

    Raises:
        DamagedScene: if the file is not whole.
        StorageError: if it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror}); run the same command again") from error
    start = len(MAGIC) + DIGEST_BYTES
    body = memoryview(content)[start:]
    if content[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != content[len(MAGIC) : start]:
        raise DamagedScene(f"{path}: is not a whole scene")
    end = 8 + int.from_bytes(body[:8], "little")
    document = json.loads(bytes(body[8:end]))
    pictures = []
    for size in document["pictures"]:
        pictures.append(bytes(body[end : end + size]))
        end += size
    try:
        for row in document["rows"]:
            row.update({name: pictures[row[name]] for name in IMAGE_COLUMNS})
        for item in document["rejections"]:
            item.update({name: pictures[item[name]] for name in ("before", "after") if item[name] is not None})
        result = SceneResult(
            document["index"],
            [Triplet.model_validate(row) for row in document["rows"]],
            [Rejection(**item) for item in document["rejections"]],
            document["seconds"],
        )
    except (ValidationError, TypeError, LookupError) as error:  # whole, but written by another version
        raise DamagedScene(f"{path}: does not hold rows of this version: {error}") from error
    if path.name != scene_path(path.parent, result.index).name:
        raise DamagedScene(f"{path}: holds scene {result.index}")
    return result, frozenset(document["wanted"])


@contextmanager
def staging_folder(out: Path, config: str, split: str, digest: str) -> Iterator[Path]:
    """The staging folder of a split, held by this process alone and without half-written files.

    Raises:
        StorageError: if another build works in `out`.
    """
    root = out / ".staging"
    folder = root / f"{config}-{split}-{digest}"
    with _locked(root):
        with storing(folder):
            folder.mkdir(exist_ok=True)
        try:
            _sweep(folder, out / config, out)
            yield folder
        finally:
            _sweep(folder, out / config, out)


def _sweep(*folders: Path) -> None:
    """Remove what a process that was killed left half-written."""
    for folder in folders:
        remove(folder.glob(".*.tmp"))
    remove(folders[0].glob("*.tmp"))


def clear(folder: Path) -> None:
    """Remove a staging folder and those of earlier specs of the same split."""
    stem, hexadecimal = folder.name.rsplit("-", 1)
    for path in folder.parent.glob(f"{stem}-{'[0-9a-f]' * len(hexadecimal)}"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    path = root / "lock"
    with storing(root):
        root.mkdir(parents=True, exist_ok=True)
        stream = path.open("a")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"{root.parent}: another build is writing into this folder; wait until it ends or choose another one"
            ) from error
        # Between opening and locking, the build before this one may have ended and removed the file.
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(stream.fileno())):
            raise StorageError(f"{root.parent}: another build was just ending; run the same command again")
        yield
        with suppress(OSError):
            if all(item == path for item in root.iterdir()):
                path.unlink()
                root.rmdir()
