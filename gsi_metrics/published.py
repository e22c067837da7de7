"""Edits scored by the published protocol, from its own layout or from rows, with the same files as any other run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gsi_metrics import runs
from gsi_metrics.edits import digest_of
from gsi_metrics.protocols import v2
from gsi_metrics.protocols.v1.naming import edited_pictures
from gsi_metrics.rows import Entry, Rows
from gsi_metrics.scoring import NO_EDIT, Summary, finish
from gsi_metrics.worker import MISSING, PROBLEM, SCORED, Record, ScoringError, unscored


if TYPE_CHECKING:
    from gsi_metrics.protocols.v1.driver import FolderScores


DATASETS = ("GSI-Real", "GSI-Syn")


def score_published(
    edits: Path,
    originals: Path,
    out: Path,
    about: dict[str, Any],
    recordings: str | Path | None,
    workers: int | None,
    progress: bool,
) -> Summary:
    """Score a folder in the published layout with `gsi-bench-v1`: the published files, and our own beside them.

    In the records EL is SSIM, with LPIPS and MSE in `details`; AC is the judge's, which is asked by other means there.

    Args:
        edits: folder of ``<img_id>_edit_<query_id>.png``.
        originals: folder of original pictures and edit JSONs.
        out: the run's folder; the six published files go there too.
        about: what is run.
        recordings: the ``infer_cache.json``; by default the one in `out`, else the one beside the originals or edits.
        workers: threads.
        progress: show a bar.

    Raises:
        ScoringError: no recorded detections, or the packages or weights that this protocol needs are missing.
    """
    found = _recordings(recordings, out, originals, edits)
    dataset = about["config"] or "GSI-Real"
    if dataset not in DATASETS:
        raise ScoringError(f"no gates for {dataset!r}; the published protocol knows {' and '.join(DATASETS)}")
    about = about | {"data_set": originals.resolve().name}
    scores = _scored(edits, originals, out, about, found, dataset, _content(edits, found, dataset), workers, progress)
    records, strangers = _records(scores)
    return finish(out, about["protocol"], records, 0, strangers)


def score_rows(
    edits: Path,
    rows: Rows,
    out: Path,
    about: dict[str, Any],
    recordings: str | Path | None,
    partial: bool,
    workers: int | None,
    progress: bool,
) -> Summary:
    """Score edits of rows with `gsi-bench-v1`: the rows are written out in the published layout and scored there.

    Args:
        edits: folder of ``<id>.png``; for rows that were published also of ``<img_id>_edit_<query_id>.png``.
        rows: any of our schema.
        out: the run's folder; the six published files go there too.
        about: what is run.
        recordings: the ``infer_cache.json``, by the published names; by default the one in `out`, else
            beside the edits.
        partial: leave rows without an edited picture out.
        workers: threads.
        progress: show a bar.

    Raises:
        ScoringError: as for `score_published`.
        OfficialError: a row cannot be written in the published layout.
        EditError: `edits` is no folder, or no picture in it belongs to a row.
    """
    from gsi_metrics.official.writing import GENERATED, write

    found = _recordings(recordings, out, edits)
    with TemporaryDirectory(dir=out, prefix=".published-") as scratch:
        written = write(rows, Path(scratch, "rows"), edits=edits, progress=progress)
        content = hashlib.sha256(f"{_content(edits, found, written.dataset)}{rows.digest}".encode()).hexdigest()
        generated = written.folder / GENERATED
        about = about | {"data_set": rows.name}
        scores = _scored(generated, written.folder, out, about, found, written.dataset, content, workers, progress)
        by_name = {f"{image}_{query}": rows.entries[name] for name, (image, query) in written.names.items()}
        file_names = {path.name: rows.entries[name] for name, path in written.edited.items()}
        records, strangers = _records(scores, by_name | file_names)
    if not partial:
        scored = {record["id"] for record in records}
        records += [unscored(entry, MISSING, NO_EDIT) for name, entry in rows.entries.items() if name not in scored]
    order = {name: place for place, name in enumerate(rows.entries)}
    records.sort(key=lambda record: order[record["id"]])
    return finish(out, about["protocol"], records, 0, [*strangers, *written.problems])


def _recordings(given: str | Path | None, *folders: Path) -> Path:
    try:
        from gsi_metrics.protocols.v1.formats import CACHE_NAME
    except ImportError as error:
        raise ScoringError(f"{error}; this protocol needs more packages: pip install 'gsi-bench[v1]'") from error
    places = [Path(given)] if given else [folder / CACHE_NAME for folder in folders]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise ScoringError(
            f"{places[0]}: no recorded detections; this protocol scores what a detector saw: give its "
            f"{CACHE_NAME} with --recordings"
        )
    return found


def _scored(
    edits: Path,
    originals: Path,
    out: Path,
    about: dict[str, Any],
    recordings: Path,
    dataset: str,
    content: str,
    workers: int | None,
    progress: bool,
) -> FolderScores:
    """Scores of a folder; those of an earlier run of the same content are taken over."""
    try:
        from gsi_metrics.lpips_weights import LpipsWeightsError
        from gsi_metrics.protocols.v1.driver import score_folder
        from gsi_metrics.protocols.v1.formats import FormatError
    except ImportError as error:
        raise ScoringError(f"{error}; this protocol needs more packages: pip install 'gsi-bench[v1]'") from error
    resume = _begun(out / "run.json") == content
    (out / "summary.json").unlink(missing_ok=True)
    runs.write_json(out / "run.json", about | {"observer": "recorded", "content": content})
    try:
        return score_folder(
            originals,
            edits,
            out,
            dataset=dataset,
            recordings=recordings,
            resume=resume,
            workers=workers,
            progress=progress,
        )
    except (FormatError, LpipsWeightsError) as error:
        raise ScoringError(str(error)) from error


def _records(scores: FolderScores, entries: Mapping[str, Entry] | None = None) -> tuple[list[Record], list[str]]:
    """Records of all samples, and problems of files that belong to none.

    Args:
        scores: by published key.
        entries: the row of a published key or file name; by default a sample is a row of its own, and its scene is
            its picture, for edits of one picture are not independent.
    """
    failures, records, strangers = scores.failures, [], []
    for key in sorted(scores.results["edit-locality"]):
        entry = entries[key] if entries else Entry(key, key.rpartition("_")[0], "unknown")
        records.append(_record(key, entry, bool(entries), scores.results, failures.get(key, "no score")))
    for name, cause in sorted(failures.items()):
        if name in scores.results["edit-locality"]:
            strangers.append(cause)
        elif entries and name in entries:
            records.append(unscored(entries[name], PROBLEM, cause))
        elif "." in name:
            strangers.append(cause)
        else:
            records.append(unscored(Entry(name, name.rpartition("_")[0], "unknown"), PROBLEM, cause))
    return records, strangers


def _content(edits: Path, recordings: Path, dataset: str) -> str:
    """SHA-256 of what is scored: the published program takes results over by name, whatever became of the pictures."""
    digest = hashlib.sha256(f"{dataset}\0{digest_of(recordings)}".encode())
    for path in edited_pictures(edits):
        digest.update(f"{path.name}\0{digest_of(path)}".encode())
    return digest.hexdigest()


def _begun(path: Path) -> str | None:
    """Content of the run that was begun here."""
    try:
        return json.loads(path.read_bytes()).get("content")
    except (OSError, ValueError, AttributeError):
        return None


def _record(key: str, entry: Entry, ours: bool, results: Any, failure: str) -> Record:
    """One sample, under our name for its operation if it is a row of ours."""
    local = results["edit-locality"][key]
    done = results["instruction-compliance"].get(key)
    exact = results["spatial-accuracy"].get(key)
    values = {
        "ic": None if done is None else float(done["compliance"]),
        "sa": None if exact is None else float(exact["edit_score"]),
        "el": float(local["ssim"]) if local["ssim"] == local["ssim"] else None,
        "ac": None,
    }
    why = {"ac": "asked of a judge by other means", "el": "no pixel can be compared"}
    return {
        "id": entry.id,
        "scene": entry.scene,
        "operation": entry.operation if ours else local["operation"],
        "status": SCORED,
        **values,
        "unscored": {name: why.get(name, failure) for name in v2.METRICS if values[name] is None},
        "details": {name: float(local[name]) if local[name] == local[name] else None for name in ("lpips", "mse")},
        "digest": "",
        "file": "",
    }
