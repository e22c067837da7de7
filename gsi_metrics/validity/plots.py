"""The study as one picture: does SA follow the error, and who passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gsi_metrics.baselines import NAMES
from gsi_metrics.validity.study import KNOWN, V1, V2, Record
from gsi_metrics.validity.tables import OPERATIONS, TITLES


if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that people who see few colours can tell apart (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BINS = 8


def draw(records: Sequence[Record], path: Path) -> None:
    """Writes the plot as PNG: SA against the true error by v1 and v2, and IC of every editor."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scored = [record for record in records if "skipped" not in record]
    ours = V2 if any(record["protocol"] == V2 for record in scored) else KNOWN
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    first, second, third = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    for axes, protocol in ((first, V1), (second, ours)):
        _against_error(axes, [record for record in scored if record["protocol"] == protocol])
        axes.set_title(f"SA and the true error\n{TITLES[protocol]}")
    second.legend(frameon=False, fontsize=9)
    _passed(third, scored, ours)
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=130)
    part.replace(path)


def _against_error(axes: Axes, records: Sequence[Record]) -> None:
    edges = np.linspace(0, 1, BINS + 1)
    for operation, colour in zip(OPERATIONS, COLOURS, strict=True):
        some = [
            (record["true_error"], record["sa"])
            for record in records
            if record["operation"] == operation and record["edit"].startswith("error-")
        ]
        points = np.array([pair for pair in some if pair[1] is not None])
        if not len(points):
            continue
        axes.scatter(100 * points[:, 0], points[:, 1], s=7, alpha=0.3, color=colour, linewidths=0)
        place = np.clip(np.digitize(points[:, 0], edges) - 1, 0, BINS - 1)
        bins = [number for number in range(BINS) if (place == number).any()]
        middles = [100 * float(np.median(points[place == number, 0])) for number in bins]
        axes.plot(
            middles, [float(np.median(points[place == number, 1])) for number in bins], color=colour, label=operation
        )
    axes.plot([0, 100], [1, 0], color="0.6", linestyle=":", linewidth=1)
    axes.set(xlabel="true error, % of the request", ylabel="SA", xlim=(0, 100), ylim=(-0.03, 1.03))
    axes.spines[["top", "right"]].set_visible(False)


def _passed(axes: Axes, scored: Sequence[Record], ours: str) -> None:
    """Share of edits that pass, over all operations."""
    names = [name for name in NAMES if any(record["edit"] == name for record in scored)][::-1]
    for shift, protocol, colour in ((0.2, V1, COLOURS[1]), (-0.2, ours, COLOURS[0])):
        values = [
            [r["ic"] for r in scored if (r["edit"], r["protocol"]) == (name, protocol) and r["ic"] is not None]
            for name in names
        ]
        means = [float(np.mean(some)) if some else 0.0 for some in values]
        places = np.arange(len(names)) + shift
        axes.barh(places, means, height=0.38, color=colour, label=TITLES[protocol])
        for place, mean in zip(places, means, strict=True):
            axes.text(mean + 0.01, place, f"{mean:.2f}", va="center", fontsize=7.5)
    axes.set(yticks=np.arange(len(names)), yticklabels=names, xlim=(0, 1.12), xlabel="IC, mean over all operations")
    axes.set_title("Who passes: only the truth should")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
