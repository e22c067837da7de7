"""Plots as SVG: intervals, histograms, and every edit as a dot on the way from perfect to worse than nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from gsi_metrics.report.words import operation_color, operation_name


BINS = 20
FARTHEST = 2.0
"""Errors beyond twice the request are drawn there."""


def interval_bar(metric: Mapping[str, Any], color: str) -> str:
    """Mean and interval of a metric on the way from 0 to 1."""
    if metric["mean"] is None:
        return ""
    low, high = metric["interval"] or (metric["mean"], metric["mean"])
    x, x1, x2 = (4 + 92 * min(max(value, 0.0), 1.0) for value in (metric["mean"], low, high))
    return (
        f'<svg class="bar" viewBox="0 0 100 10" aria-hidden="true" style="--of:{color}">'
        f'<path class="ground" d="M4 5H96"/><path class="value" d="M4 5H{x:.1f}"/>'
        f'<path class="whisker" d="M{x1:.1f} 2V8M{x1:.1f} 5H{x2:.1f}M{x2:.1f} 2V8"/>'
        f'<circle cx="{x:.1f}" cy="5" r="2.6"/></svg>'
    )


def difference_bar(entry: Mapping[str, Any], reach: float) -> str:
    """Difference and interval around 0, on an axis from -reach to reach."""
    if entry["difference"] is None:
        return ""
    low, high = entry["interval"] or (entry["difference"],) * 2
    x, x1, x2 = (50 + 46 * min(max(value / reach, -1.0), 1.0) for value in (entry["difference"], low, high))
    return (
        '<svg class="bar" viewBox="0 0 100 10" aria-hidden="true" style="--of:var(--ink)">'
        f'<path class="ground" d="M4 5H96M50 1V9"/>'
        f'<path class="whisker" d="M{x1:.1f} 2V8M{x1:.1f} 5H{x2:.1f}M{x2:.1f} 2V8"/>'
        f'<circle cx="{x:.1f}" cy="5" r="2.6"/></svg>'
    )


def histogram(values: Sequence[float], color: str, label: str) -> str:
    """How many edits have which score; the height of a bar is its share, 100 % being the whole height.

    The root of the share is drawn, or the few failures of a good editor would not be seen.
    """
    if not values:
        return '<p class="none">none</p>'
    counts, _ = np.histogram(np.clip(values, 0, 1), BINS, (0, 1))
    shares = np.sqrt(counts / counts.sum())
    width = 200 / BINS
    bars = "".join(
        f'<rect x="{index * width + 0.5:.1f}" y="{60 - 56 * share:.1f}" width="{width - 1:.1f}" '
        f'height="{56 * share:.1f}"><title>{count} from {index / BINS:.2f} to {(index + 1) / BINS:.2f}</title></rect>'
        for index, (count, share) in enumerate(zip(counts.tolist(), shares.tolist(), strict=True))
        if count
    )
    median = 200 * float(np.median(values))
    return (
        f'<svg class="histogram" viewBox="0 0 200 74" role="img" aria-label="{escape(label)}" style="--of:{color}">'
        f'{bars}<path class="axis" d="M0 60.5H200"/><path class="median" d="M{median:.1f} 2V60"/>'
        '<text x="0" y="72">0</text><text class="end" x="200" y="72">1</text></svg>'
    )


def strips(groups: Mapping[str, Sequence[tuple[float, bool, str]]]) -> str:
    """Every edit as a dot by its error as a share of what was asked, a row for each operation.

    Args:
        groups: operation to (error / request, whether IC is 1, id of the row).
    """
    left, right, height = 108, 884, 46
    across = (right - left) / FARTHEST
    parts = []
    for row, (operation, dots) in enumerate(groups.items()):
        middle = 30 + row * height
        parts.append(f'<path class="axis" d="M{left} {middle + 18}H{right}"/>')
        parts.append(f'<text class="name" x="0" y="{middle + 5}">{escape(operation_name(operation))}</text>')
        for index, (share, met, name) in enumerate(dots):
            # Spread by the golden ratio: even, and the same each time.
            offset = ((index * 0.618034) % 1 - 0.5) * 28
            x = left + across * min(share, FARTHEST)
            parts.append(
                f'<circle class="{"met" if met else "missed"}" cx="{x:.1f}" cy="{middle + offset:.1f}" r="3.4">'
                f"<title>{escape(name)}: {share:.2f} of the request</title></circle>"
            )
    bottom = 30 + len(groups) * height
    for value, text in ((0, "perfect"), (0.5, "half off"), (1, "like doing nothing"), (2, "twice off or more")):
        x = left + across * value
        anchor = "" if value == 0 else ' class="end"' if value == FARTHEST else ' class="middle"'
        parts.append(f'<path class="mark" d="M{x:.1f} 8V{bottom - 20}"/>')
        parts.append(f'<text{anchor} x="{x:.1f}" y="{bottom}">{text}</text>')
    palette = ";".join(f"--{name}:{operation_color(name)}" for name in groups)
    return (
        f'<svg class="strips" viewBox="0 0 900 {bottom + 8}" role="img" style="{palette}" '
        f'aria-label="Error of every edit as a share of the request">{"".join(parts)}</svg>'
    )
