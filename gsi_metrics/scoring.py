"""Scores a folder of edited pictures: every row is scored, unscored with a cause, missing, or a problem; none is lost.

A run that was cut off goes on where it was. The files that come out are the same, however often that happened and
whatever the number of workers.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gsi_datasets import __version__
from gsi_datasets.progress import bar
from gsi_datasets.storage import write_atomically
from gsi_metrics import runs
from gsi_metrics.aggregate import aggregate
from gsi_metrics.edits import EditError, digest_of, find_edits
from gsi_metrics.perception import OBSERVERS
from gsi_metrics.processes import score_all
from gsi_metrics.protocols import v2
from gsi_metrics.rows import Rows, open_rows
from gsi_metrics.runs import Ledger
from gsi_metrics.worker import (
    JUDGED_TOGETHER,
    MISSING,
    PROBLEM,
    SCORED,
    JudgeSettings,
    Record,
    ScoringError,
    Settings,
    Task,
    unscored,
)


PROTOCOLS = ("gsi-bench-v1", "gsi-bench-v2")
DETECTORS = ("open_vocabulary", "external")
NO_EDIT = "there is no edited picture"


@dataclass(frozen=True, eq=False)
class Summary:
    """What came of a run.

    Attributes:
        out: folder with `scores.jsonl`, `summary.json` and, if there are any, `problems.txt`.
        protocol: how it was scored.
        counts: of rows: `rows`, `scored`, `missing` and `problem`.
        again: how many of the scored rows were taken over from an earlier run.
        causes: why scored rows lack a metric: metric to cause to count.
        problems: one message for each bad input, missing pictures among them.
        notes: one message for each picture that was changed before it was scored.
        table: of `aggregate`.
    """

    out: Path
    protocol: str
    counts: dict[str, int]
    again: int
    causes: dict[str, dict[str, int]]
    problems: list[str]
    notes: list[str]
    table: dict[str, Any] = field(repr=False)


def score_edits(
    edits: str | Path,
    data: str | Path,
    *,
    out: str | Path,
    config: str | None = None,
    split: str = "test",
    protocol: str | None = None,
    observer: str = "registration",
    options: Mapping[str, Any] | None = None,
    judge: JudgeSettings | None = None,
    partial: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Summary:
    """Score a folder of edited pictures.

    Args:
        edits: folder of ``<id>.png`` (``.jpg``, ``.jpeg``, ``.webp``); for data in the published layout
            ``<img_id>_edit_<query_id>.png``.
        data: a built folder, a name or path for `datasets.load_dataset`, or a folder in the published layout, of
            original pictures and edit JSONs.
        out: folder for the results; one that holds an unfinished run is finished.
        config: of the data set; the only one by default. For the published layout ``GSI-Real`` (default) or
            ``GSI-Syn``, which have gates of their own.
        split: of the data set.
        protocol: ``gsi-bench-v1`` or ``gsi-bench-v2``; by default the first for the published layout and for
            rows without depth.
        observer: who looks; see `gsi_metrics.perception.open_observer`. For the published protocol ``recorded``.
        options: of the observer, e.g. ``{"path": ...}`` of recorded detections.
        judge: whom to ask about appearance; nobody by default.
        partial: leave rows without an edited picture out, instead of counting them as missing.
        workers: processes; 1 scores in this process. By default one per core, or 1 where a detector looks.
        progress: show a bar.

    Raises:
        ScoringError: the settings do not fit together, or another run writes to `out`.
        RowsError: there are no such rows.
        EditError: `edits` is no folder, or no picture in it belongs to a row.
    """
    from filelock import FileLock, Timeout

    edits, out = Path(edits), Path(out)
    rows = None if _published(data) else open_rows(data, config, split)
    protocol = protocol or ("gsi-bench-v1" if rows is None or not rows.with_depth() else v2.VERSION)
    if protocol not in PROTOCOLS:
        raise ScoringError(f"no protocol named {protocol!r}; there are {', '.join(PROTOCOLS)}")
    if observer not in OBSERVERS:
        raise ScoringError(f"no observer named {observer!r}; there are {', '.join(OBSERVERS)}")
    if workers is not None and workers < 1:
        raise ScoringError(f"workers is {workers}; it must be at least 1")
    if workers is None:
        # A detector would be loaded once for each process; its own threads fill the cores.
        workers = 1 if observer in DETECTORS else os.cpu_count() or 1
    options = dict(options or {})
    about = {
        "name": edits.resolve().name,
        "edits": str(edits.resolve()),
        "data": str(Path(data).resolve()) if Path(data).exists() else str(data),
        "config": config,
        "split": split,
        "protocol": protocol,
        "observer": observer,
        "judge": judge.model if judge else None,
        "package": __version__,
    }
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lock", timeout=0):
            if protocol == v2.VERSION:
                rows = rows or open_rows(data, config, split)
                if not rows.with_depth():
                    raise ScoringError(
                        f"{data}: has no depth, by which {v2.VERSION} measures; use --protocol gsi-bench-v1 with "
                        "--recordings"
                    )
                settings = Settings(observer, options, judge)
                return _score_folder(edits, rows, out, settings, about, partial, workers, progress)
            from gsi_metrics.published import score_published, score_rows

            if rows is not None:
                return score_rows(edits, rows, out, about, options.get("path"), partial, workers, progress)
            return score_published(edits, Path(data), out, about, options.get("path"), workers, progress)
    except Timeout as error:
        raise ScoringError(f"{out}: another run writes to it; choose another folder or wait") from error


def score_pairs(
    paths: Mapping[str, Path], rows: Rows, settings: Settings, ledger: Ledger, workers: int, progress: bool
) -> tuple[dict[str, Record], int]:
    """Score edited pictures of these rows; what the ledger knows is not scored again, what is new goes into it.

    Args:
        paths: id of a row to its edited picture.
        rows: that hold these ids.
        settings: how to score.
        ledger: where scores are kept.
        workers: processes; 1 is this one.
        progress: show a bar.

    Returns:
        Record by id, and how many of them were known.
    """
    done: dict[str, Record] = {}
    digests: dict[str, str] = {}
    base = settings.digest() + rows.digest
    for name, path in paths.items():
        try:
            digests[name] = hashlib.sha256(f"{base}{name}{digest_of(path)}".encode()).hexdigest()
        except EditError as error:
            done[name] = unscored(rows.entries[name], PROBLEM, str(error))
            continue
        if (known := ledger.get(digests[name])) is not None:
            done[name] = known
    again = sum(record["status"] == SCORED for record in done.values())
    open_ids = [name for name in digests if name not in done]
    tasks = (Task(row, paths[row["id"]], digests[row["id"]]) for row in rows.read(open_ids))
    together = 1 if settings.judge is None else JUDGED_TOGETHER
    tally: Counter[str] = Counter({"again": again})
    with bar("score", "edit", progress, total=len(paths), initial=len(done)) as shown:
        for records in score_all(tasks, settings, workers, together):
            ledger.add(records)
            for record in records:
                done[record["id"]] = record
                tally[PROBLEM if record["status"] == PROBLEM else _state(record)] += 1
            shown.set_postfix({name: count for name, count in tally.items() if count}, refresh=False)
            shown.update(len(records))
    return done, again


def _score_folder(
    edits: Path,
    rows: Rows,
    out: Path,
    settings: Settings,
    about: dict[str, Any],
    partial: bool,
    workers: int,
    progress: bool,
) -> Summary:
    found = find_edits(edits, rows.entries)
    (out / "summary.json").unlink(missing_ok=True)
    runs.write_json(out / "run.json", about | {"data_set": rows.name})
    if settings.judge is not None and settings.judge.cache is None:
        judge = JudgeSettings(**(vars(settings.judge) | {"cache": out / "verdicts"}))
        settings = Settings(settings.observer, settings.options, judge)
    ledger = Ledger(out / "scores.jsonl")
    done, again = score_pairs(found.paths, rows, settings, ledger, workers, progress)
    records = []
    for name, entry in rows.entries.items():
        if name in done:
            records.append(done[name])
        elif name in found.problems:
            records.append(unscored(entry, PROBLEM, found.problems[name]))
        elif not partial:
            records.append(unscored(entry, MISSING, NO_EDIT))
    strangers = [text for name, text in found.problems.items() if name not in rows.entries]
    return finish(out, about["protocol"], records, again, strangers)


def finish(out: Path, protocol: str, records: list[Record], again: int, strangers: Iterable[str]) -> Summary:
    """Write the files of a run, the summary last.

    Args:
        out: the run's folder.
        protocol: how it was scored.
        records: a mapping a row, in the order of the data set.
        again: how many were known.
        strangers: problems of files that belong to no row.
    """
    problems = [*strangers]
    for record in records:
        name, ac = record["id"], record["unscored"].get("ac", "")
        if record["status"] != SCORED:
            problems.append(f"{name}: {next(iter(record['unscored'].values()))}")
        elif ac.startswith("judge:"):
            problems.append(f"{name}: {ac}")
    notes = [f"{record['file']}: {record['note']}" for record in records if record.get("note")]
    summary = Summary(
        out=out,
        protocol=protocol,
        counts=runs.counts(records),
        again=again,
        causes=runs.causes(records),
        problems=problems,
        notes=notes,
        table=aggregate(records),
    )
    Ledger(out / "scores.jsonl").replace(records)
    if problems:
        write_atomically(out / "problems.txt", "".join(f"{text}\n" for text in problems).encode())
    else:
        (out / "problems.txt").unlink(missing_ok=True)
    runs.write_json(
        out / "summary.json",
        {
            "protocol": protocol,
            "counts": summary.counts,
            "problems": len(problems),
            "resized": len(notes),
            "causes": summary.causes,
            "operations": summary.table,
        },
    )
    return summary


def _state(record: Record) -> str:
    return "unscored" if all(record[metric] is None for metric in v2.METRICS) else "scored"


def _published(data: str | Path) -> bool:
    """Whether a folder has the published layout: edits as JSON files beside the pictures."""
    return Path(data).is_dir() and any(Path(data).glob("*_edit_*.json"))
