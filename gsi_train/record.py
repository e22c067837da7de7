"""What a run keeps of its steps: a log, and which rows it has learned from.

The rows are kept so that a score on one of them cannot pass for a score on a new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gsi_datasets.storage import storing, write_atomically


LOG, ROWS = "log.jsonl", "rows.jsonl"
"""Files in the folder of a run."""


class Record:
    """Files to which each step adds.

    Of the log, what comes after the checkpoint that a run goes on from is taken back. Not so of the rows: it will see
    them again.

    Args:
        run: folder of the run.
        start: step of that checkpoint; 0 for none.
    """

    def __init__(self, run: Path, start: int) -> None:
        self.run = run
        kept = [entry for entry in self.entries() if entry["step"] <= start]
        write_atomically(run / LOG, _lines(kept))
        known = read_learned(run)
        # A run from before there was this file would tell a part for the whole.
        self.learned = set(known or ()) if known is not None or start == 0 else None
        if self.learned is not None:
            write_atomically(run / ROWS, _lines(sorted(self.learned)))

    def entries(self) -> list[dict[str, Any]]:
        """All whole lines of the log."""
        return _read(self.run / LOG)

    def write(self, entry: Mapping[str, Any], ids: Iterable[str]) -> None:
        """Add a step.

        Args:
            entry: line of the log.
            ids: of the rows that it has learned from.

        Raises:
            StorageError: a file cannot be written.
        """
        self._add(LOG, [entry])
        if self.learned is not None and (new := dict.fromkeys(name for name in ids if name not in self.learned)):
            self._add(ROWS, new)
            self.learned.update(new)

    def _add(self, name: str, values: Iterable[Any]) -> None:
        with storing(self.run / name), (self.run / name).open("ab") as stream:
            stream.write(_lines(values))


def read_learned(run: Path) -> frozenset[str] | None:
    """Ids of the rows that a run has learned from; None if it kept no record of them."""
    return frozenset(_read(run / ROWS)) if (run / ROWS).is_file() else None


def _lines(values: Iterable[Any]) -> bytes:
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()


def _read(path: Path) -> list[Any]:
    """All lines but the last if a kill cut it off."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
