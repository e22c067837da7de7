"""The validity study: what each protocol says of edits whose truth is known. `gsi-bench validity`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsi_datasets.storage import write_atomically
from gsi_metrics.baselines import spec_of, stranger
from gsi_metrics.validity.study import PROTOCOLS, Key, Record, Task, study_row, version


if TYPE_CHECKING:
    from gsi_datasets.spec import DatasetSpec

RESULTS = "results.jsonl"
# Libraries that start one thread per core in every process.
THREAD_SETTINGS = ("LP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(
    data: Path,
    config: str,
    split: str,
    out: Path,
    count: int = 210,
    workers: int = 1,
    protocols: tuple[str, ...] = PROTOCOLS,
) -> int:
    """Runs the study, or goes on where it was, and writes tables and a plot.

    Args:
        data: a built folder.
        config: which config.
        split: which split.
        out: folder for ``results.jsonl``, ``validity.json``, ``validity.md`` and ``validity.png``. What an earlier
            run with the same data and versions scored is kept; remove ``results.jsonl`` to begin anew.
        count: triplets, the same number of each operation, spread over the scenes.
        workers: processes.
        protocols: any of ``v1``, ``v2-known`` (an observer that makes no mistake) and ``v2`` (registration).

    Returns:
        0 if every target is reached, 1 if not; the tables say which.

    Raises:
        ValueError: there is no protocol of this name.
        StorageError: the folder holds no such dataset.
    """
    if unknown := set(protocols) - set(PROTOCOLS):
        raise ValueError(f"no protocol named {sorted(unknown)[0]!r}; there are {', '.join(PROTOCOLS)}")
    out.mkdir(parents=True, exist_ok=True)
    path = out / RESULTS
    versions = {name: version(name) for name in protocols}
    known = _present(read_results(path), versions)
    tasks = _tasks(chosen_rows(data, config, split, count), known, protocols, spec_of(data, config, split))
    with path.open("a", encoding="utf-8") as file:
        for records in _work(tasks, workers):
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
            file.flush()
    ids = {str(task.row["id"]) for task in tasks}
    return report([record for record in _present(read_results(path), versions) if record["id"] in ids], out)


def report(records: list[Record], out: Path) -> int:
    """Writes ``validity.json``, ``validity.md`` and ``validity.png``, and prints the targets; as `run` returns."""
    from gsi_metrics.validity.plots import draw
    from gsi_metrics.validity.tables import markdown, summary

    table = summary(records)
    write_atomically(out / "validity.json", json.dumps(table, indent=1, ensure_ascii=False).encode())
    write_atomically(out / "validity.md", markdown(table).encode())
    draw(records, out / "validity.png")
    targets = table["targets"]
    missed = [item for item in targets if not item["met"]]
    for item in missed:
        print(f"not reached: {item['what']} {item['operation']}: {item['value']} (target {item['target']})")
    print(
        f"{len(table['targets']) - len(missed)} of {len(table['targets'])} targets reached; see {out / 'validity.md'}"
    )
    return int(bool(missed))


def read_results(path: Path) -> list[Record]:
    """Records written so far. A last line that a killed run left unfinished is cut off.

    Raises:
        ValueError: another line is no JSON.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_atomically(path, whole)
    records = []
    for number, line in enumerate(whole.decode("utf-8").splitlines(), 1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}: line {number} is no JSON; remove the line, it will be scored again") from error
    return records


def chosen_rows(data: Path, config: str, split: str, count: int) -> list[dict[str, Any]]:
    """As many rows of each operation, spread evenly over the file and so over the scenes; in the order of the file."""
    import pyarrow.parquet as pq

    from gsi_datasets.storage import manifest_path, read_manifest
    from gsi_metrics.rows import RowsError

    manifest = read_manifest(manifest_path(data, config, split))
    if manifest.kind != "simulated":
        raise RowsError(f"{data}: {config} was {manifest.kind}; the study draws edits anew and needs simulated rows")
    files = [pq.ParquetFile(data / item.path) for item in manifest.files]
    places: dict[str, list[tuple[int, int, int]]] = {}
    for number, file in enumerate(files):
        for group in range(file.num_row_groups):
            operations = file.read_row_group(group, columns=["operation"])["operation"].to_pylist()
            for row, operation in enumerate(operations):
                places.setdefault(operation, []).append((number, group, row))
    each = -(-count // len(places))
    wanted: set[tuple[int, int, int]] = set()
    for some in places.values():
        size = min(each, len(some))
        wanted |= {some[index * len(some) // size] for index in range(size)}
    rows: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        for group in range(file.num_row_groups):
            if inside := sorted(row for f, g, row in wanted if (f, g) == (number, group)):
                rows += file.read_row_group(group).take(inside).to_pylist()
    return rows


def _present(records: list[Record], versions: dict[str, str]) -> list[Record]:
    """Those of the protocols and versions that are asked for."""
    return [
        record
        for record in records
        if record["protocol"] in versions and record.get("version") == versions[record["protocol"]]
    ]


def _tasks(
    rows: list[dict[str, Any]], known: Iterable[Record], protocols: tuple[str, ...], spec: DatasetSpec | None
) -> list[Task]:
    done: dict[str, set[Key]] = {}
    for record in known:
        done.setdefault(record["id"], set()).add((record["edit"], record["protocol"]))
    return [
        Task(row, stranger(rows, number), frozenset(done.get(row["id"], set())), protocols, spec)
        for number, row in enumerate(rows)
    ]


def _work(tasks: list[Task], workers: int) -> Iterator[list[Record]]:
    """The records of each row, as they come."""
    from tqdm import tqdm

    bar = tqdm(total=len(tasks), unit="triplet", desc="validity", mininterval=1, file=sys.stderr)
    with bar:
        if workers <= 1:
            for task in tasks:
                yield study_row(task)
                bar.update()
            return
        from multiprocessing import get_context

        for name in THREAD_SETTINGS:
            os.environ.setdefault(name, "1")
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            try:
                for future in as_completed([pool.submit(study_row, task) for task in tasks]):
                    yield future.result()
                    bar.update()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
