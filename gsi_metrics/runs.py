"""What a run leaves on disk: what was run, a line for each row, a summary written last.

`run.json` says what was scored and how, `scores.jsonl` holds a JSON object a row, `problems.txt` a line for each bad
input. `summary.json` is written last: where it stands, the run is complete.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gsi_datasets.storage import write_atomically
from gsi_metrics.protocols.v2 import METRICS
from gsi_metrics.worker import MISSING, PROBLEM, SCORED, Record


FORMAT = "gsi-bench-run-1"


class RunError(ValueError):
    """A folder that holds no finished run; the message says what to do."""


class Ledger:
    """Records in a file, a line each, by digest. A line that was cut off by a kill is dropped.

    Args:
        path: made with the first record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Record] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            # Or the next record would stand on the same line.
            with path.open("r+b") as stream:
                stream.truncate(whole)
        for line in content[:whole].splitlines():
            try:
                record = json.loads(line)
                self.known[record["digest"]] = record
            except (KeyError, TypeError, ValueError):
                continue

    def get(self, digest: str) -> Record | None:
        """What is known, if it is final: a bad input may have been mended, a judge may answer another time."""
        record = self.known.get(digest)
        if record is None or record.get("status") != SCORED:
            return None
        return None if record["unscored"].get("ac", "").startswith("judge:") else record

    def add(self, records: Iterable[Record]) -> None:
        """Write records down; they are on their way to the disk when this returns."""
        with self.path.open("ab") as stream:
            stream.write(b"".join(_line(record) for record in records))

    def replace(self, records: Iterable[Record]) -> None:
        """Put these records in place of all."""
        write_atomically(self.path, *(_line(record) for record in records))


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        folder: where it is.
        about: what was scored and how, as in `run.json`.
        summary: as in `summary.json`.
        records: a mapping a row, in the order of the data set.
    """

    folder: Path
    about: dict[str, Any]
    summary: dict[str, Any]
    records: list[Record]


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Raises:
        RunError: there is none, or its files do not belong together.
    """
    about, summary = (_read(folder / name) for name in ("run.json", "summary.json"))
    lines = (folder / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    if len(records) != summary["counts"]["rows"]:
        raise RunError(f"{folder}: scores.jsonl and summary.json are of different runs; score again")
    return Run(folder, about, summary, records)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent}: holds no finished run ({path.name} is missing); gsi-bench score first"
        ) from error
    except ValueError as error:
        raise RunError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunError(f"{path}: is not {FORMAT}; score again with this version")
    return content


def counts(records: Iterable[Record]) -> dict[str, int]:
    """How many rows there are, and what became of them."""
    states = Counter(record["status"] for record in records)
    return {"rows": states.total(), **{name: states[name] for name in (SCORED, MISSING, PROBLEM)}}


def causes(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """Why edits that could be read have no score: metric to cause to count, the commonest first."""
    found: dict[str, Counter[str]] = {metric: Counter() for metric in METRICS}
    for record in records:
        if record["status"] == SCORED:
            for metric, cause in record["unscored"].items():
                found[metric][cause] += 1
    return {metric: dict(counter.most_common()) for metric, counter in found.items() if counter}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `run.json` or `summary.json`, whole or not at all."""
    write_atomically(path, (json.dumps({"format": FORMAT, **content}, indent=1, ensure_ascii=False) + "\n").encode())


def _line(record: Record) -> bytes:
    return (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode()
