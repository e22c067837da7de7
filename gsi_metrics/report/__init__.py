"""A page about scored runs: one self-contained HTML file, its numbers as JSON and an overview as PNG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gsi_datasets.storage import write_atomically
from gsi_metrics.aggregate import aggregate, compare
from gsi_metrics.runs import Run, RunError, read_run


@dataclass(frozen=True)
class Files:
    """What was written."""

    page: Path
    numbers: Path
    overview: Path


def write_report(folders: Sequence[Path], out: Path | None = None, examples: int = 3) -> Files:
    """Write `report.html`, `report.json` and `report.png`.

    Args:
        folders: of finished runs of one protocol; with several the differences to the first are paired by row.
        out: folder for the files; the first run's by default.
        examples: best and worst of each operation that are shown; with several runs the rows they differ most on.

    Raises:
        RunError: a folder holds no finished run, or the runs cannot be compared.
    """
    from gsi_metrics.report.overview import draw_overview
    from gsi_metrics.report.page import html_page

    runs = [read_run(folder) for folder in folders]
    if len({run.about["protocol"] for run in runs}) > 1:
        told = ", ".join(f"{run.folder}: {run.about['protocol']}" for run in runs)
        raise RunError(f"runs of different protocols cannot be compared ({told})")
    names = run_names(runs)
    numbers = numbers_of(runs, names)
    out = out or runs[0].folder
    out.mkdir(parents=True, exist_ok=True)
    files = Files(out / "report.html", out / "report.json", out / "report.png")
    write_atomically(files.page, html_page(runs, names, numbers, examples).encode())
    write_atomically(files.numbers, (json.dumps(numbers, indent=1, ensure_ascii=False) + "\n").encode())
    draw_overview(names, numbers, files.overview)
    return files


def run_names(runs: Sequence[Run]) -> list[str]:
    """A name of its own for each run: that of its edits, or of its folder where that is not enough."""
    names = [str(run.about["name"]) for run in runs]
    if len(set(names)) < len(names):
        names = [run.folder.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return names


def numbers_of(runs: Sequence[Run], names: Sequence[str]) -> dict[str, Any]:
    """Everything the page says in numbers, JSON-able.

    Raises:
        RunError: two runs have no row in common.
    """
    numbers: dict[str, Any] = {
        "protocol": runs[0].about["protocol"],
        "runs": [
            {"name": name, **run.about, "counts": run.summary["counts"], "operations": aggregate(run.records)}
            for name, run in zip(names, runs, strict=True)
        ],
    }
    try:
        numbers["differences"] = [
            {"first": names[0], "second": name, **compare(runs[0].records, run.records)}
            for name, run in zip(names[1:], runs[1:], strict=True)
        ]
    except ValueError as error:
        raise RunError(str(error)) from error
    return numbers
