"""The tables of a report as HTML. All text that comes from files is escaped."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from gsi_metrics.aggregate import METRICS, OVERALL
from gsi_metrics.report.plots import difference_bar, interval_bar
from gsi_metrics.report.words import (
    METRIC_NAMES,
    kind_of_fault,
    number,
    operation_color,
    operation_name,
    ordered,
)
from gsi_metrics.runs import Run
from gsi_metrics.worker import Record


Table = Mapping[str, Any]


def score_table(table: Table, colors: Mapping[str, str] | None = None) -> str:
    """A row for each group, a column for each metric: mean, interval, and how many have a score."""
    names = ordered(table) if colors is None else list(table)
    body = []
    for name in names:
        group = table[name]
        color = operation_color(name) if colors is None else colors[name]
        label = operation_name(name) if colors is None else name
        cells = "".join(f"<td>{_score(group[metric], metric, color)}</td>" for metric in METRICS)
        kind = ' class="overall"' if name == OVERALL else ""
        scenes = f"{group['count']} rows, {group['scenes']} scenes"
        body.append(
            f'<tr{kind}><th scope="row"><i class="swatch" style="background:{color}"></i>{escape(label)}'
            f"<small>{scenes}</small></th>{cells}</tr>"
        )
    return _table("scores", ["", *_metric_heads()], body)


def _score(metric: Mapping[str, Any], name: str, color: str) -> str:
    if metric["mean"] is None:
        cause = next(iter(metric["causes"]), "")
        return f'<span class="none" title="{escape(cause)}">unscored</span>'
    interval = metric["interval"]
    told = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "one scene only"
    notes = []
    if metric["validity"] < 1:
        causes = "; ".join(f"{count} {cause}" for cause, count in metric["causes"].items())
        notes.append(f'<span class="warn" title="{escape(causes)}">{metric["validity"]:.0%} scored</span>')
    given = metric["given_success"]
    if name != "ic" and given["mean"] is not None and given["count"] < metric["count"]:
        notes.append(f"{given['mean']:.2f} where it was done")
    more = f"<small>{' · '.join(notes)}</small>" if notes else ""
    return f"<strong>{metric['mean']:.3f}</strong> <small>{told}</small>{interval_bar(metric, color)}{more}"


def difference_table(difference: Table) -> str:
    """Second minus first by operation; bold where chance does not explain it."""
    operations = difference["operations"]
    entries = [group[metric] for group in operations.values() for metric in METRICS]
    ends = [abs(end) for entry in entries for end in (entry["interval"] or [entry["difference"] or 0.0])]
    reach = max([0.05, *ends])
    body = []
    for name in ordered(operations):
        cells = "".join(f"<td>{_difference(operations[name][metric], reach)}</td>" for metric in METRICS)
        kind = ' class="overall"' if name == OVERALL else ""
        swatch = f'<i class="swatch" style="background:{operation_color(name)}"></i>'
        body.append(f'<tr{kind}><th scope="row">{swatch}{escape(operation_name(name))}</th>{cells}</tr>')
    return _table("scores", ["", *_metric_heads()], body)


def _difference(entry: Mapping[str, Any], reach: float) -> str:
    if entry["difference"] is None:
        return '<span class="none">no pair</span>'
    told = f"{entry['difference']:+.3f}"
    interval = entry["interval"]
    if interval and (interval[0] > 0 or interval[1] < 0):
        told = f'<strong class="{"better" if interval[0] > 0 else "worse"}">{told}</strong>'
    between = f"{interval[0]:+.2f} to {interval[1]:+.2f}" if interval else "one scene only"
    return f"{told} <small>{between} · {entry['pairs']} pairs</small>{difference_bar(entry, reach)}"


ERRORS = (
    # title, what was measured, the observer's noise, unit
    ("Place", "endpoint_cm", "shift_cm", " cm"),
    ("Turn", "yaw_degrees", "yaw_degrees", "°"),
    ("Size", "log_scale", "log_scale", " %"),
    ("Camera turn", "rotation_degrees", "", "°"),
    ("Camera place", "translation_cm", "", " cm"),
)


def error_table(run: Run) -> str:
    """Median and 90th percentile of what was measured, in the units of instructions, beside the observer's noise."""
    measured: dict[str, list[Record]] = {}
    for record in run.records:
        if record.get("errors"):
            measured.setdefault(record["operation"], []).append(record)
    columns = [
        column for column in ERRORS if any(column[1] in row["errors"] for rows in measured.values() for row in rows)
    ]
    if not columns:
        return '<p class="none">Nothing was measured in metres or degrees.</p>'
    body = []
    for operation in ordered(measured):
        cells = "".join(f"<td>{_error(measured[operation], *column[1:])}</td>" for column in columns)
        swatch = f'<i class="swatch" style="background:{operation_color(operation)}"></i>'
        body.append(f'<tr><th scope="row">{swatch}{escape(operation_name(operation))}</th>{cells}</tr>')
    return _table("errors", ["", *(f'<th scope="col">{column[0]}</th>' for column in columns)], body)


def _error(rows: Sequence[Record], name: str, floor: str, unit: str) -> str:
    values = [abs(row["errors"][name]) for row in rows if row["errors"].get(name) is not None]
    if not values:
        return '<span class="none">–</span>'
    noise = [row["floor"][floor] for row in rows if row["floor"].get(floor) is not None]
    half, most, least = (
        100 * math.expm1(value) if unit == " %" else value
        for value in (*np.quantile(values, [0.5, 0.9]).tolist(), float(np.median(noise)) if noise else 0.0)
    )
    told = f" · noise {least:.1f}{unit}" if noise else ""
    return f"<strong>{half:.1f}{unit}</strong> <small>90 %: {most:.1f}{unit}{told}</small>"


def fault_table(run: Run) -> str:
    """What went wrong, by operation: why IC is 0."""
    found: dict[str, Counter[str]] = {}
    for record in run.records:
        for kind in {kind_of_fault(fault) for fault in record.get("faults") or ()}:
            found.setdefault(record["operation"], Counter())[kind] += 1
    if not found:
        return '<p class="none">No edit that could be measured has a fault.</p>'
    operations = ordered({record["operation"] for record in run.records})
    totals = sum(found.values(), Counter())
    sizes = Counter(record["operation"] for record in run.records)
    body = []
    for kind, total in totals.most_common():
        cells = []
        for name in operations:
            count = found.get(name, Counter())[kind]
            share = count / sizes[name]
            cells.append(f'<td style="--share:{share:.3f}">{count}</td>' if count else '<td class="none">·</td>')
        body.append(
            f'<tr><th scope="row">{escape(kind)}</th><td class="total"><span style="--share:'
            f'{total / max(totals.values()):.3f}"></span>{total}</td>{"".join(cells)}</tr>'
        )
    heads = ["Fault", "Edits", *map(operation_name, operations)]
    return _table("reasons", [f'<th scope="col">{escape(text)}</th>' for text in heads], body)


def cause_list(run: Run) -> str:
    """Why edits lack a score, and what was wrong with the input."""
    counted = Counter(
        (metric, cause) for record in run.records for metric, cause in (record.get("unscored") or {}).items()
    )
    by_cause: dict[str, dict[str, int]] = {}
    for (metric, cause), count in counted.most_common():
        by_cause.setdefault(cause, {})[metric] = count
    items = []
    for cause, metrics in by_cause.items():
        where = ", ".join(f"{metric.upper()} {count}" for metric, count in sorted(metrics.items()))
        items.append(f"<li>{escape(cause)} <small>{where}</small></li>")
    return (
        f'<ul class="causes">{"".join(items)}</ul>' if items else '<p class="none">Every row has all four scores.</p>'
    )


def problem_list(run: Run) -> str:
    """Bad inputs, a line each; empty if there are none."""
    path = run.folder / "problems.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:200])
    more = f"<li>and {len(lines) - 200} more in problems.txt</li>" if len(lines) > 200 else ""
    summary = f"{len(lines)} problems with the input"
    return f'<details><summary>{summary}</summary><ul class="causes">{items}{more}</ul></details>'


def tiles(group: Mapping[str, Any]) -> str:
    """The four numbers of a run."""
    parts = []
    for metric in METRICS:
        interval = group[metric]["interval"]
        told = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
        value = number(group[metric]["mean"])
        parts.append(f"<div><dt>{METRIC_NAMES[metric]}<small>{told}</small></dt><dd>{value}</dd></div>")
    return "".join(parts)


def _metric_heads() -> Sequence[str]:
    return [f'<th scope="col">{METRIC_NAMES[metric]} <small>{metric.upper()}</small></th>' for metric in METRICS]


def _table(kind: str, heads: Sequence[str], body: Sequence[str]) -> str:
    cells = "".join(head or "<td></td>" for head in heads)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
