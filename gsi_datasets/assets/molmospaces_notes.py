"""What MolmoSpaces says of its objects beside the scenes: their kind, a description, and whose work they are."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.thor import AUTHOR, KINDS
from gsi_datasets.assets.vocabulary import CATEGORIES


UNKNOWN = "NOASSERTION"
"""What SPDX writes where a licence is not known."""
SPDX = {
    "by": "CC-BY-4.0",
    "by-sa": "CC-BY-SA-4.0",
    "by-nc": "CC-BY-NC-4.0",
    "by-nc-sa": "CC-BY-NC-SA-4.0",
    "by-nd": "CC-BY-ND-4.0",
    "by-nc-nd": "CC-BY-NC-ND-4.0",
    "0": "CC0-1.0",
}


@dataclass(frozen=True)
class Note:
    """What is said of one asset; empty where nothing is.

    Attributes:
        category: of the annotation, any words.
        lemma: the WordNet noun of it.
        name: a description, in English.
        licence: SPDX identifier.
        author: whom to credit.
        source: a link, or where the model was first published.
    """

    category: str = ""
    lemma: str = ""
    name: str = ""
    licence: str = ""
    author: str = ""
    source: str = ""

    def credit(self, object_enum: str | int | None, is_thor: bool) -> tuple[str, str, str]:
        """Author, licence and source of the asset.

        Args:
            object_enum: what the scene's metadata says where the object comes from.
            is_thor: whether its type is one of AI2-THOR's; these objects are Ai2's own, CC BY 4.0.
        """
        thor = is_thor and "objaverse" not in str(object_enum).lower()
        return (
            self.author or (AUTHOR if thor else "unknown"),
            self.licence or ("CC-BY-4.0" if thor else UNKNOWN),
            self.source or f"MolmoSpaces ({'AI2-THOR' if thor else 'Objaverse or custom'})",
        )


def noun_for(object_type: str, note: Note) -> str:
    """The noun for an object.

    Args:
        object_type: its category in the scene's metadata: a type of AI2-THOR, ``AlarmClock``, or any words.
        note: what is known of its asset.

    Returns:
        A noun of `assets.vocabulary` if one of the words is there; else the words.
    """
    if object_type in KINDS:
        return KINDS[object_type].category
    candidates = [plain(it) for it in (object_type, note.category, note.lemma) if it]
    for words in candidates:
        if words in CATEGORIES:
            return words
    # "obja" and the like say nothing; an annotation does.
    said = [words for words in candidates[1:] if words] or candidates
    return said[0]


def plain(words: str) -> str:
    """Words in lower case, parted by single spaces, of ``CamelCase`` or ``snake_case``; letters only."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", words)
    return " ".join(re.sub(r"[^A-Za-z ]+", " ", parted).lower().split()) or "object"


def read_notes(root: Path, beside: Path) -> Mapping[str, Note]:
    """The notes of a folder by asset id: of ``objects_metadata.json(.gz)``, and of an ``assets_index.json``.

    Args:
        root: the folder that holds everything.
        beside: the folder of the scene; a library of assets may lie in a folder next to it.

    Raises:
        AssetError: one of these files is broken.
    """
    # Sources of objects are links to folders, which ** does not follow.
    tables = sorted((root / "objects").glob("*/objects_metadata.json*"))
    return _notes((*tables, *sorted(beside.glob("*/assets_index.json"))))


@lru_cache(maxsize=4)
def _notes(files: tuple[Path, ...]) -> dict[str, Note]:
    found: dict[str, Note] = {}
    for file in files:
        for key, described in _annotations(file):
            if isinstance(described, dict):
                found[str(described.get("assetId") or key)] = _note(described)
    return found


def _annotations(file: Path) -> Iterator[tuple[str, Any]]:
    table = _read(file)
    if not isinstance(table, dict):
        raise AssetError(f"{file}: is no table of assets by their ids; download it again")
    if file.name != "assets_index.json":
        yield from table.items()
        return
    for key, entry in table.items():
        where = entry.get("metadata_path") if isinstance(entry, dict) else None
        if not where:
            continue
        path = (file.parent / str(where)).resolve()
        if not path.is_relative_to(file.parent.resolve()):
            raise AssetError(f"{file}: {key}.metadata_path={where!r} leads out of {file.parent}; mend it")
        yield key, _read(path)


def _read(file: Path) -> Any:
    try:
        data = file.read_bytes()
        return json.loads(gzip.decompress(data) if file.suffix == ".gz" else data)
    except OSError as error:
        raise AssetError(f"{file}: cannot be read ({error}); download it again") from error
    except ValueError as error:
        raise AssetError(f"{file}: is no JSON ({error}); download it again") from error


def _note(described: Mapping[str, Any]) -> Note:
    short = described.get("description_short")
    names = [str(it) for it in short.values() if it] if isinstance(short, dict) else []
    info = described.get("license_info")
    if isinstance(info, str):
        info = {"license": info}
    said = {str(key).lower(): str(value) for key, value in (info or {}).items() if value}

    def first(*keys: str) -> str:
        return next((said[key] for key in keys if key in said), "")

    return Note(
        category=str(described.get("category") or ""),
        lemma=str(described.get("synset") or "").partition(".")[0],
        name=(max(names, key=len) if names else str(described.get("description") or ""))[:80],
        licence=spdx(first("spdx", "license", "licence", "license_type", "name")),
        author=first("creator_display_name", "creator", "author", "creator_username", "username", "attribution"),
        source=first("uri", "url", "source", "source_url", "link", "creator_profile_url"),
    )


def spdx(words: str) -> str:
    """The SPDX identifier of a licence as people write it: ``by-nc``, ``CC BY 4.0``, a link to its deed."""
    if not words:
        return ""
    text = words.lower().replace("_", "-").strip()
    if "publicdomain/zero" in text or re.fullmatch(r"cc-?0.*|.*\bcc0\b.*", text):
        return "CC0-1.0"
    terms = re.search(r"\bby((?:[- ](?:nc|nd|sa))*)", text)
    if terms:
        kind = "by" + "".join(f"-{it}" for it in re.findall(r"nc|nd|sa", terms.group(1)))
        version = re.search(r"\d\.\d", text)
        identifier = SPDX.get(kind, UNKNOWN)
        return identifier.replace("4.0", version.group()) if version else identifier
    return words if re.fullmatch(r"[A-Za-z0-9.+-]+", words) else UNKNOWN
