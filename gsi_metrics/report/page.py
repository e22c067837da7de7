"""The page: one HTML file that needs nothing else and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from gsi_datasets import __version__
from gsi_datasets.gallery.drawing import COLORS
from gsi_metrics.aggregate import METRICS, OVERALL
from gsi_metrics.report.examples import cards
from gsi_metrics.report.plots import histogram, strips
from gsi_metrics.report.tables import (
    cause_list,
    difference_table,
    error_table,
    fault_table,
    problem_list,
    score_table,
    tiles,
)
from gsi_metrics.report.words import METRIC_NAMES, RUN_COLORS, operation_color, operation_name, ordered
from gsi_metrics.runs import Run


HINTS = {
    "gsi-bench-v1": "By the published rules, flaws included: locality gates the other metrics. EL is SSIM.",
    "gsi-bench-v2": "No metric gates another, and what has no score is counted, not 0.",
}


def html_page(runs: Sequence[Run], names: Sequence[str], numbers: Mapping[str, Any], examples: int) -> str:
    """The page as text.

    Args:
        runs: one, or several to compare.
        names: of the runs.
        numbers: of `numbers_of`.
        examples: best and worst of each operation that are shown.
    """
    script = _asset("gsi_metrics", "report.js")
    style = Template(_asset("gsi_datasets", "page.css")).substitute(palette=_palette())
    about = runs[0].about
    single = len(runs) == 1
    articles, remark = cards(runs, names, examples)
    sections = _single(runs[0], numbers["runs"][0]) if single else _comparison(runs, names, numbers)
    return Template(_asset("gsi_metrics", "report.html")).substitute(
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        script=script,
        style=style + _asset("gsi_metrics", "report.css"),
        title=escape(" vs ".join(names)),
        data=escape(str(about.get("data_set", about["data"]))),
        lead=_lead(runs[0], single),
        tiles=tiles(numbers["runs"][0]["operations"][OVERALL]) if single else "",
        sections=sections,
        filters=_filters(runs[0], single) if articles else "",
        cards="\n".join(articles),
        remark=escape(remark),
        gallery_title="Best and worst" if single else "Where they differ most",
        version=escape(__version__),
    )


def _asset(package: str, name: str) -> str:
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


def _palette() -> str:
    return " ".join(f"--{role}: {color};" for role, color in COLORS.items()) + " --depth: none;"


def _lead(run: Run, single: bool) -> str:
    about, counts = run.about, run.summary["counts"]
    judge = f", looks judged by {escape(about['judge'])}" if about.get("judge") else ""
    told = f"Scored by <b>{escape(about['protocol'])}</b>, measured by <b>{escape(about['observer'])}</b>{judge}."
    if not single:
        return f"{told} Intervals are 95 %, over scenes; differences are paired by row."
    parts = [f"{counts['scored']} of {counts['rows']} rows scored"]
    parts += [f"{counts['missing']} without an edited picture"] if counts["missing"] else []
    parts += [f"{counts['problem']} with a bad input"] if counts["problem"] else []
    return f"{told} {', '.join(parts)}. Intervals are 95 %, over scenes."


def _single(run: Run, numbers: Mapping[str, Any]) -> str:
    table = numbers["operations"]
    dots = _dots(run)
    parts = [
        _section("Scores", HINTS[run.about["protocol"]], score_table(table)),
        _section(
            "How the scores are spread",
            "The root of the share of edits, so that few are seen; the line is the median.",
            _histograms(run),
        ),
    ]
    if dots:
        hint = (
            "Every edit by its error as a share of the request. "
            '<span class="dot met"></span> complied <span class="dot missed"></span> did not.'
        )
        parts.append(_section("How far off", hint, f'<div class="scroll">{strips(dots)}</div>'))
    if run.about["protocol"] == "gsi-bench-v2":
        parts += [
            _section("Measured errors", "Median of the edits in which the object was found.", error_table(run)),
            _section("What went wrong", "Edits with each fault; one edit can have several.", fault_table(run)),
        ]
    parts.append(_section("Without a score", "", cause_list(run) + problem_list(run)))
    return "\n".join(parts)


def _comparison(runs: Sequence[Run], names: Sequence[str], numbers: Mapping[str, Any]) -> str:
    colors = {name: RUN_COLORS[index % len(RUN_COLORS)] for index, name in enumerate(names)}
    overall = {item["name"]: item["operations"][OVERALL] for item in numbers["runs"]}
    parts = [_section("Scores", "All operations together.", score_table(overall, colors))]
    for item in numbers["differences"]:
        lone = [f"{item[key]} rows only in {item[name]}" for key, name in _LONE if item[key]]
        hint = f"Bold: chance does not explain it. {', '.join(lone)}"
        title = f"{item['second']} minus {item['first']}"
        parts.append(_section(title, hint, difference_table(item)))
    for run, name, item in zip(runs, names, numbers["runs"], strict=True):
        counts = run.summary["counts"]
        hint = f"{counts['scored']} of {counts['rows']} rows scored."
        inner = score_table(item["operations"]) + fault_table(run) + cause_list(run) + problem_list(run)
        parts.append(f"<details class='run'><summary>{escape(name)} by operation</summary>{hint}{inner}</details>")
    return "\n".join(parts)


_LONE = (("only_first", "first"), ("only_second", "second"))


def _section(title: str, hint: str, content: str) -> str:
    lead = f'<p class="lead">{hint}</p>' if hint else ""
    return f'<section class="part"><h2>{escape(title)}</h2>{lead}{content}</section>'


def _dots(run: Run) -> dict[str, list[tuple[float, bool, str]]]:
    groups: dict[str, list[tuple[float, bool, str]]] = {}
    for record in run.records:
        details = record.get("details") or {}
        if record["ic"] is not None and details.get("error") is not None and details.get("nothing"):
            share = details["error"] / details["nothing"]
            groups.setdefault(record["operation"], []).append((share, record["ic"] == 1, record["id"]))
    return {name: groups[name] for name in ordered(groups)}


def _histograms(run: Run) -> str:
    heads = "".join(f'<th scope="col">{METRIC_NAMES[metric]}</th>' for metric in METRICS[1:])
    body = []
    for operation in ordered({record["operation"] for record in run.records}):
        cells = []
        for metric in METRICS[1:]:
            values = [
                record[metric]
                for record in run.records
                if record["operation"] == operation and record[metric] is not None
            ]
            label = f"{METRIC_NAMES[metric]} of {operation_name(operation)}: {len(values)} edits"
            cells.append(f"<td>{histogram(values, operation_color(operation), label)}</td>")
        body.append(f'<tr><th scope="row">{escape(operation_name(operation))}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll"><table class="spread"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _filters(run: Run, single: bool) -> str:
    buttons = "".join(
        f'<button type="button" data-op="{escape(name)}" aria-pressed="false" style="--op:{operation_color(name)}">'
        f"{escape(operation_name(name))}</button>"
        for name in ordered({record["operation"] for record in run.records})
    )
    whys = "".join(
        f'<button type="button" data-why="{why}" aria-pressed="{str(not why).lower()}">{text}</button>'
        for why, text in (("", "Both"), ("best", "Best"), ("worst", "Worst"))
    )
    segments = f'<div class="segments" role="group" aria-label="Which">{whys}</div>' if single else ""
    return (
        '<div class="filters" role="group" aria-label="Operation">'
        f'<button type="button" data-op="" aria-pressed="true">All</button>{buttons}</div>{segments}'
        '<button type="button" class="switch" data-boxes aria-pressed="true">Boxes</button>'
    )
