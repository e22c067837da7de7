"""Edited pictures: which file belongs to which row, and what is in it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gsi_metrics.sample import Picture


ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
ASPECT = 0.01
"""By how much the aspect ratio may differ from the source's, for a picture that is only of another size."""
LARGEST = 64_000_000
"""Pixels; more is no edited picture but an accident, or meant as one."""


class EditError(ValueError):
    """An edited picture that cannot be scored; the message names the file and the remedy."""


@dataclass
class Edits:
    """Edited pictures by id of the row.

    Attributes:
        paths: id to file.
        problems: id or file name to why it has no place here.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def find_edits(folder: Path, known: Collection[str], as_id: Callable[[str], str] = str) -> Edits:
    """The pictures of a folder, named ``<id>.png`` (``.jpg``, ``.jpeg``, ``.webp``); other files are passed over.

    Args:
        folder: without sub-folders.
        known: ids of all rows.
        as_id: the id that a name without its ending stands for.

    Raises:
        EditError: the folder is missing, or no picture in it belongs to a row.
    """
    if not folder.is_dir():
        raise EditError(f"{folder}: is no folder; put the edited pictures in one, named <id>.png")
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    found = match((as_id(path.stem), path) for path in pictures)
    for name in sorted(found.paths.keys() - set(known)):
        path = found.paths.pop(name)
        found.problems[path.name] = f"{path}: no row has the id {name!r}; is this another data set, config or split?"
    if not found.paths and not found.problems.keys() & set(known):
        example = next(iter(known))
        there = f"the {len(pictures)} pictures in it belong to no row" if pictures else "there is no picture in it"
        raise EditError(f"{folder}: {there}; name them like the rows, e.g. {example}.png")
    return found


def match(named: Iterable[tuple[str, Path]]) -> Edits:
    """Files by id; an id with several files has none, for nobody knows which is meant."""
    several: dict[str, list[Path]] = {}
    for name, path in named:
        several.setdefault(name, []).append(path)
    found = Edits()
    for name, paths in several.items():
        if len(paths) == 1:
            found.paths[name] = paths[0]
        else:
            files = ", ".join(path.name for path in paths)
            found.problems[name] = f"{paths[0].parent}: {len(paths)} pictures for the id {name} ({files}); keep one"
    return found


def digest_of(path: Path) -> str:
    """SHA-256 of the file.

    Raises:
        EditError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EditError(f"{path}: cannot be read ({error.strerror})") from error


def read_edit(path: Path, size: tuple[int, int]) -> tuple[Picture, str]:
    """An edited picture at the size of its source, and a note if it had another one.

    Args:
        path: the file.
        size: (height, width) of the source.

    Returns:
        (height, width, 3) RGB, and a note, empty if there is nothing to say.

    Raises:
        EditError: it is no picture, a damaged one, one of 16 bits, or its shape is not the source's.
    """
    from PIL import Image, ImageOps

    height, width = size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(path)
        if image.width * image.height > LARGEST:
            raise EditError(f"{path}: {image.width} x {image.height} pixels are too many; give {width} x {height}")
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):
            raise EditError(f"{path}: holds {image.mode} values; save it with 8 bits a channel")
        image = image.convert("RGB")
    except EditError:
        raise
    except FileNotFoundError as error:
        raise EditError(f"{path}: does not exist") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise EditError(f"{path}: is no readable picture ({error}); make or download it again") from error
    if image.size == (width, height):
        return np.asarray(image), ""
    given = f"{image.width} x {image.height}"
    if abs(image.width * height / (image.height * width) - 1) > ASPECT:
        raise EditError(f"{path}: is {given}, its source {width} x {height}; edits keep the shape of their source")
    resized = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized), f"resized from {given} to {width} x {height}"
