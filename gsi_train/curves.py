"""The curve of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsi_datasets.storage import write_atomically


def draw_curves(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss, as it was and smoothed, over the steps, as a PNG.

    Args:
        entries: of the log, at least one.
        path: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps = np.array([entry["step"] for entry in entries])
    window = max(1, len(steps) // 50)
    for name, colour in (("mse", "tab:blue"), ("ce", "tab:orange")):
        values = np.array([entry.get(name, np.nan) for entry in entries], dtype=np.float64)
        if np.isnan(values).all():
            continue
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        # A step without such tokens has none; the mean is over those that have.
        known = np.where(np.isnan(values), 0, values), ~np.isnan(values)
        total, count = (np.convolve(item, np.ones(window), "valid") for item in known)
        with np.errstate(invalid="ignore", divide="ignore"):
            axes.plot(steps[window - 1 :], total / count, color=colour, label=f"{name}, mean of {window} steps")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    write_atomically(path, stream.getvalue())
