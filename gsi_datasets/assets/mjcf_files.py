"""The files that an MJCF model names: they must be there, and none may lie outside the folder it is part of."""

from __future__ import annotations

import posixpath
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from gsi_datasets.assets.errors import AssetError


REMEDY = "download its archive, or the one of the objects that it uses (gsi-bench doctor)"
# Attributes that name files, and the compiler settings that say where those are.
FILE = re.compile(r"file(right|left|up|down|front|back)?$")
FOLDERS = {"mesh": "meshdir", "skin": "meshdir", "hfield": "meshdir", "texture": "texturedir"}
DEEPEST = 8
LARGEST = 256_000_000
"""Bytes of one XML file."""


def check(file: Path, root: Path) -> None:
    """Whether an MJCF file, with all that it names, can be given to MuJoCo.

    Args:
        file: the model, in `root` or below.
        root: the folder that holds everything that it may name. Links below it are followed: installers of scenes
            make some.

    Raises:
        AssetError: something is not there, is no XML, or is named by a path out of `root`; the message says which.
    """
    _check(file, root, 0)


def _check(file: Path, root: Path, depth: int) -> None:
    if depth > DEEPEST:
        raise AssetError(f"{file}: models in models, more than {DEEPEST} deep; does one include itself?")
    elements = list(_elements(file, file.parent, root, 0))
    settings = {"assetdir": "", "strippath": "false"}
    for element in elements:
        if element.tag == "compiler":
            settings |= element.attrib
    for element in elements:
        for name, value in element.attrib.items():
            if not FILE.match(name) or element.tag in ("include", "key"):
                continue
            if settings["strippath"] == "true":
                value = posixpath.basename(value)
            where = settings.get(FOLDERS.get(element.tag, ""), settings["assetdir"]) if element.tag != "model" else ""
            named = _within(file, file.parent, posixpath.join(where, value), f"{element.tag} {name}", root)
            if element.tag == "model":
                _check(named, root, depth + 1)


def _elements(file: Path, base: Path, root: Path, depth: int) -> Iterator[ElementTree.Element]:
    """All elements of a model, those of included files too; these are named relative to the model."""
    if depth > DEEPEST:
        raise AssetError(f"{file}: files included in files, more than {DEEPEST} deep; does one include itself?")
    try:
        if file.stat().st_size > LARGEST:
            raise AssetError(f"{file}: has more than {LARGEST // 1_000_000} MB, which no scene has")
        text = file.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise AssetError(f"{file}: declares a document type, which MJCF has no use for; take the line out")
        tree = ElementTree.fromstring(text)
    except OSError as error:
        raise AssetError(f"{file}: cannot be read ({error.strerror}); {REMEDY}") from error
    except ElementTree.ParseError as error:
        raise AssetError(f"{file}: is no XML ({error}); download it again") from error
    for element in tree.iter():
        yield element
        if element.tag == "include":
            named = _within(file, base, element.get("file", ""), "include file", root)
            yield from _elements(named, base, root, depth + 1)


def _within(file: Path, base: Path, value: str, field: str, root: Path) -> Path:
    """The file that a path names, if it is there and not out of the folder."""
    if not value or value.startswith("/") or "\\" in value or ":" in value:
        raise AssetError(f"{file}: {field}={value!r} is no relative path; paths must stay in {root}")
    inside = posixpath.relpath(base.absolute().as_posix(), root.absolute().as_posix())
    named = posixpath.normpath(posixpath.join(inside, value))
    if named == ".." or named.startswith("../"):
        raise AssetError(
            f"{file}: {field}={value!r} leads out of {root}; if the file is part of the scene, give the folder that "
            "holds both scenes/ and objects/ as world.folder"
        )
    if not (root / named).is_file():
        raise AssetError(f"{file}: {field}={value!r} is not there; {REMEDY}")
    return root / named
