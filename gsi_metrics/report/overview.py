"""The overview as one picture, for a paper, a card or a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsi_metrics.aggregate import METRICS, OVERALL
from gsi_metrics.report.words import METRIC_NAMES, RUN_COLORS, operation_color, operation_name, ordered
from gsi_metrics.worker import ScoringError


def draw_overview(names: Sequence[str], numbers: Mapping[str, Any], path: Path) -> None:
    """Draw means with intervals by operation, a panel for each metric, as PNG.

    Args:
        names: of the runs.
        numbers: of `numbers_of`.
        path: where the picture goes.

    Raises:
        ScoringError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ScoringError(f"{error}; the overview needs it: pip install 'gsi-bench[metrics]'") from error
    runs = numbers["runs"]
    operations = ordered(set().union(*(run["operations"] for run in runs)))
    step = 0.8 / len(runs)
    figure = Figure(figsize=(12, 1.5 + len(operations) * max(0.42, 0.2 * len(runs))), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(METRICS), sharey=True)
    for panel, metric in zip(panels, METRICS, strict=True):
        for number, run in enumerate(runs):
            for row, operation in enumerate(operations):
                entry = run["operations"].get(operation, {}).get(metric)
                place = row + (number - (len(runs) - 1) / 2) * step
                color = operation_color(operation) if len(runs) == 1 else RUN_COLORS[number % len(RUN_COLORS)]
                _mark(panel, entry, place, 0.72 * step, color)
        panel.set_title(f"{METRIC_NAMES[metric]} ({metric.upper()})", fontsize=10, loc="left", fontweight="bold")
        panel.set_xlim(0, 1.16)
        panel.set_xticks(np.linspace(0, 1, 5), ["0", "", "0.5", "", "1"], fontsize=8)
        panel.set_ylim(len(operations) - 0.4, -0.6)
        panel.axhline(operations.index(OVERALL) - 0.5, color="#b9bcc2", linewidth=0.8)
        panel.grid(axis="x", color="#e4e5e7", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(left=False)
    panels[0].set_yticks(range(len(operations)), [operation_name(name) for name in operations], fontsize=9)
    if len(runs) > 1:
        from matplotlib.patches import Patch

        handles = [Patch(color=RUN_COLORS[index % len(RUN_COLORS)], label=name) for index, name in enumerate(names)]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(runs), 5), frameon=False, fontsize=9)
    rows = ", ".join(dict.fromkeys(f"{run['counts']['rows']} rows" for run in runs))
    title = f"{' vs '.join(names)}   {numbers['protocol']}, {rows}, 95 % intervals over scenes"
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", color="#5d626d")
    figure.savefig(path, dpi=160, metadata={"Software": None})


def _mark(panel: Any, entry: Mapping[str, Any] | None, place: float, height: float, color: str) -> None:
    if entry is None:
        return
    if entry["mean"] is None:
        panel.text(0.02, place, "unscored", va="center", fontsize=7, color="#8a8f99")
        return
    panel.barh(place, entry["mean"], height, color=color, alpha=0.85, linewidth=0)
    if entry["interval"]:
        low, high = entry["interval"]
        panel.plot([low, high], [place, place], color="#16181d", linewidth=1.1, solid_capstyle="butt")
    right = max(entry["mean"], (entry["interval"] or [0, 0])[1])
    share = "" if entry["validity"] == 1 else f" ({entry['validity']:.0%})"
    panel.text(right + 0.02, place, f"{entry['mean']:.2f}{share}", va="center", fontsize=7)
