"""A folder in the published layout, scored by the published protocol, with the same files as any other run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gsi_metrics import runs
from gsi_metrics.edits import digest_of
from gsi_metrics.protocols import v2
from gsi_metrics.protocols.v1.naming import edited_pictures
from gsi_metrics.rows import Entry
from gsi_metrics.scoring import Summary, finish
from gsi_metrics.worker import PROBLEM, SCORED, Record, ScoringError, unscored


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
    """Score with `gsi-bench-v1`: the published files, and records of our own form beside them.

    In the records EL is SSIM, with LPIPS and MSE in `details`; AC is the judge's, which is asked by other means there.

    Args:
        edits: folder of ``<img_id>_edit_<query_id>.png``.
        originals: folder of original pictures and edit JSONs.
        out: the run's folder; the six published files go there too.
        about: what is run.
        recordings: the ``infer_cache.json``; by default the one in `out`, else the one beside the originals.
        workers: threads.
        progress: show a bar.

    Raises:
        ScoringError: no recorded detections, or the packages or weights that this protocol needs are missing.
    """
    try:
        from gsi_metrics.lpips_weights import LpipsWeightsError
        from gsi_metrics.protocols.v1.driver import score_folder
        from gsi_metrics.protocols.v1.formats import CACHE_NAME, FormatError
    except ImportError as error:
        raise ScoringError(f"{error}; this protocol needs more packages: pip install 'gsi-bench[v1]'") from error
    places = [Path(recordings)] if recordings else [out / CACHE_NAME, originals / CACHE_NAME, edits / CACHE_NAME]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise ScoringError(
            f"{places[0]}: no recorded detections; this protocol scores what a detector saw: give its "
            f"{CACHE_NAME} with --recordings"
        )
    dataset = about["config"] or "GSI-Real"
    if dataset not in DATASETS:
        raise ScoringError(f"no gates for {dataset!r}; the published protocol knows {' and '.join(DATASETS)}")
    content = _content(edits, found, dataset)
    about = about | {"data_set": originals.resolve().name, "observer": "recorded", "content": content}
    resume = _begun(out / "run.json") == content
    (out / "summary.json").unlink(missing_ok=True)
    runs.write_json(out / "run.json", about)
    try:
        scores = score_folder(
            originals,
            edits,
            out,
            dataset=dataset,
            recordings=found,
            resume=resume,
            workers=workers,
            progress=progress,
        )
    except (FormatError, LpipsWeightsError) as error:
        raise ScoringError(str(error)) from error
    failures = scores.failures
    measured = sorted(scores.results["edit-locality"])
    records = [_record(key, scores.results, failures.get(key, "no score")) for key in measured]
    strangers = []
    for name, cause in sorted(failures.items()):
        if name in scores.results["edit-locality"] or "." in name:
            strangers.append(cause)
        else:
            records.append(unscored(Entry(name, name.rpartition("_")[0], "unknown"), PROBLEM, cause))
    return finish(out, about["protocol"], records, 0, strangers)


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


def _record(key: str, results: Any, failure: str) -> Record:
    """One sample; its scene is its picture, for edits of one picture are not independent."""
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
        "id": key,
        "scene": key.rpartition("_")[0],
        "operation": local["operation"],
        "status": SCORED,
        **values,
        "unscored": {name: why.get(name, failure) for name in v2.METRICS if values[name] is None},
        "details": {name: float(local[name]) if local[name] == local[name] else None for name in ("lpips", "mse")},
        "digest": "",
        "file": "",
    }
