"""Rows become pictures and JSON files as the published evaluation reads them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gsi_datasets.images import photograph
from gsi_datasets.progress import bar
from gsi_datasets.storage import storing
from gsi_metrics.edits import Edits, find_edits
from gsi_metrics.official.edits import edit_json, published_part, recording
from gsi_metrics.official.errors import OfficialError
from gsi_metrics.official.names import VERBS, Namer, edit_id
from gsi_metrics.protocols.v1.formats import CACHE_NAME, DATASET_TYPES, write_json
from gsi_metrics.protocols.v1.naming import MARK
from gsi_metrics.rows import Row, Rows


TRUTH = "truth"
GENERATED = "generated_images"


@dataclass
class Written:
    """What was written.

    Attributes:
        folder: pictures and edits.
        names: id of a row -> ``(image id, query id)``.
        dataset: ``GSI-Real`` or ``GSI-Syn``, which have gates of their own in the published protocol.
        operations: published operation -> number of edits.
        edited: id of a row -> edited picture in ``generated_images``.
        problems: edited pictures that found no place.
    """

    folder: Path
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    dataset: str = "GSI-Syn"
    operations: Counter[str] = field(default_factory=Counter)
    edited: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def write(rows: Rows, out: str | Path, *, edits: str | Path | None = None, progress: bool = True) -> Written:
    """Write a split in the published layout, whole or not at all.

    Args:
        rows: of `gsi_metrics.rows.open_rows`.
        out: a folder that does not exist, or is empty.
        edits: a folder of edited pictures (``<id>.png``), which get their published names in ``generated_images``;
            ``truth`` takes the true results instead, and writes what a detector without mistakes would see.
        progress: show a bar.

    Raises:
        OfficialError: a row cannot be published, or `out` is not empty.
        EditError: `edits` is no folder, or no picture in it belongs to a row.
        StorageError: `out` cannot be written.
    """
    out = Path(out)
    if "_rgb" in str(out.absolute()):
        raise OfficialError(f"{out}: the published program leaves '_rgb' out of every path; choose another folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OfficialError(f"{out}: is not empty; choose another folder, or remove it")
    truth = str(edits) == TRUTH
    given = find_edits(Path(edits), rows.entries, edit_id) if edits is not None and not truth else Edits()
    with storing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        place = out.parent / f".{out.name}.part"
        shutil.rmtree(place, ignore_errors=True)  # of a run that was killed
        place.mkdir()
    written = Written(out, problems=list(given.problems.values()))
    namer, recordings = Namer(), {}
    try:
        with storing(out):
            (place / GENERATED).mkdir()
            for row in bar("write", "row", progress, rows.read(list(rows.entries)), total=len(rows.entries)):
                stem, recorded = _write_row(row, place, namer, written)
                target = row.get("target_image")
                if truth and target:
                    written.edited[row["id"]] = _picture(out, place, f"{GENERATED}/{stem}", target["bytes"])
                    recordings[stem.replace(MARK, "_", 1)] = recorded
                elif path := given.paths.get(row["id"]):
                    written.edited[row["id"]] = _picture(out, place, f"{GENERATED}/{stem}", path.read_bytes())
            if recordings:
                write_json(place / GENERATED / CACHE_NAME, recordings)
            if not written.edited:
                (place / GENERATED).rmdir()
            if out.exists():
                out.rmdir()
            place.replace(out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return written


def _write_row(row: Row, place: Path, namer: Namer, written: Written) -> tuple[str, dict[str, Any]]:
    """Write picture, true result and edit of a row; gives the name of the edit and what a detector would see."""
    source = row["source_image"]["bytes"]
    size = photograph(source).size
    published = published_part(row)
    if published is not None:
        written.dataset = DATASET_TYPES.get(published["dataset"], "GSI-Real")
    image_id, query_id = namer.name(row, published, hashlib.sha256(source).digest())
    stem = f"{image_id}{MARK}{query_id}"
    if (place / f"{stem}.json").exists():
        raise OfficialError(f"row {row['id']}: another row is published as {stem}, too; rename its scene")
    written.names[row["id"]] = image_id, query_id
    written.operations[VERBS[row["operation"]]] += 1
    _picture(place, place, image_id, source)
    if target := row.get("target_image"):
        _picture(place, place, f"{image_id}_gtedit_{query_id}", target["bytes"])
    (place / f"{stem}.json").write_text(json.dumps(edit_json(row, size), indent=4), encoding="utf-8")
    return stem, recording(row, size)


def _picture(out: Path, place: Path, name: str, data: bytes) -> Path:
    """Write a picture under `place` unless it is there, ending as the published program looks for it.

    Returns:
        The file's path once `place` has become `out`.
    """
    ending = ".jpg" if data.startswith(b"\xff\xd8") else ".png"
    if ending == ".png" and not data.startswith(b"\x89PNG"):
        try:
            stream = io.BytesIO()
            photograph(data).save(stream, "PNG")
            data = stream.getvalue()
        except (OSError, ValueError, SyntaxError):
            pass  # whoever scores it says what is wrong with it
    path = place / f"{name}{ending}"
    if not path.exists():
        path.write_bytes(data)
    return out / f"{name}{ending}"
