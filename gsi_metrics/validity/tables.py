"""From records of the study to tables, targets and words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gsi_metrics.baselines import NAMES
from gsi_metrics.validity.study import HARMLESS, KNOWN, PROTOCOLS, V1, V2, Record


METRICS = ("ic", "sa", "el", "ac")
OPERATIONS = ("CM", "OP", "RP", "OR", "OS", "SR", "PC")
TITLES = {V1: "v1, perfect detector", KNOWN: "v2, observer that knows", V2: "v2, registration"}
TRUTH, CHEAT, RANK, CHANGE = 0.95, 0.05, 0.95, 0.02
# What is measured of the edit that the operation asks for, its unit and the target.
MEASURED = {
    "CM": ("endpoint_cm", "cm", 1.0),
    "OP": ("endpoint_cm", "cm", 1.0),
    "RP": ("endpoint_cm", "cm", 1.0),
    "OR": ("yaw_degrees", "degrees", 5.0),
    "OS": ("log_scale", "%", 3.0),
}
WORST = 60


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Everything the study says, JSON-able.

    Returns:
        ``rows`` and ``scenes`` counted; ``editors``: protocol, editor, operation, metric to mean, count and validity
        rate; ``rank``: protocol and operation to the rank correlation of SA with the true error; ``measured``:
        operation to the median and the 90th percentile of the measured error of true edits; ``change``: harmless
        change and operation to the median change of SA; ``seconds`` of a measurement; ``skipped`` edits by cause;
        ``targets`` and ``worst`` cases.
    """
    scored = [record for record in records if "skipped" not in record]
    protocols = [name for name in PROTOCOLS if any(record["protocol"] == name for record in scored)]
    operations = [name for name in OPERATIONS if any(record["operation"] == name for record in scored)]
    table: dict[str, Any] = {
        "rows": len({record["id"] for record in scored}),
        "scenes": len({record["scene"] for record in scored}),
        "operations": operations,
        "drawn": _counted(record["drawn"] for record in _once(scored) if record["edit"] == "truth"),
        "editors": {
            protocol: {
                editor: {name: _means(_of(scored, protocol, editor, name)) for name in operations}
                for editor in (*NAMES, *HARMLESS)
                if any(record["edit"] == editor and record["protocol"] == protocol for record in scored)
            }
            for protocol in protocols
        },
        "rank": {
            protocol: {name: _rank(scored, protocol, name) for name in operations if name not in ("SR", "PC")}
            for protocol in protocols
        },
    }
    if V2 in protocols:
        table["measured"] = {name: _measured(scored, name) for name in operations if name in MEASURED}
        table["change"] = {
            harmless: {name: _change(scored, harmless, name) for name in operations} for harmless in HARMLESS
        }
        seconds = [record["seconds"] for record in scored if record["protocol"] == V2]
        table["seconds"] = {"median": float(np.median(seconds)), "most": max(seconds)}
    table["skipped"] = _counted(
        f"{record['edit']}: {record['skipped']}" for record in _once(r for r in records if "skipped" in r)
    )
    table["targets"] = _targets(table)
    table["worst"] = _worst(scored, V2 if V2 in protocols else KNOWN)
    return table


def markdown(table: dict[str, Any]) -> str:
    """The tables as Markdown."""
    operations, protocols = table["operations"], list(table["editors"])
    lines = [f"{table['rows']} triplets of {table['scenes']} scenes; pictures {_listed(table['drawn'])}.", ""]
    lines += ["## Targets", "", "What is not reached stands in bold.", "", *_head("what", ["target", *operations])]
    found = {(item["what"], item["target"], item["operation"]): item for item in table["targets"]}
    for what, target in dict.fromkeys((item["what"], item["target"]) for item in table["targets"]):
        cells = [_checked(found.get((what, target, name))) for name in operations]
        lines.append(f"| {what} | {target} | {' | '.join(cells)} |")
    for metric in METRICS:
        for protocol in protocols:
            if (metric == "ac" and protocol != V2) or (metric == "el" and protocol == KNOWN):
                continue  # no judge; taken for granted; the same pictures as above
            lines += ["", f"## {metric.upper()}: {TITLES[protocol]}", "", *_head("editor", operations)]
            for editor, row in table["editors"][protocol].items():
                cells = [_cell(row[name][metric]) for name in operations]
                lines.append(f"| {editor} | {' | '.join(cells)} |")
    ranked = [name for name in operations if name not in ("SR", "PC")]
    lines += ["", "## Rank correlation of SA with the true error (controlled errors)", "", *_head("protocol", ranked)]
    for protocol in protocols:
        row = table["rank"][protocol]
        cells = [f"{_number(row[name]['value'])} ({row[name]['count']})" for name in ranked]
        lines.append(f"| {TITLES[protocol]} | {' | '.join(cells)} |")
    if "measured" in table:
        lines += ["", "## Error of registration on true edits", ""]
        lines += ["| operation | median | 90 % are below | count |", "| --- | --- | --- | --- |"]
        for name, it in table["measured"].items():
            median, most = (f"{_number(it[key])} {it['unit']}" for key in ("median", "most"))
            lines.append(f"| {name} | {median} | {most} | {it['count']} |")
        lines += ["", "## Median change of SA of true edits under harmless changes", "", *_head("change", operations)]
        for harmless, row in table["change"].items():
            lines.append(f"| {harmless} | {' | '.join(_number(row[name]) for name in operations)} |")
        lines += ["", f"A measurement takes {_number(table['seconds']['median'])} s (median)."]
    lines += [
        "",
        "## Worst cases",
        "",
        "| row | edit | IC | SA | true error | why |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for item in table["worst"]:
        lines.append(
            f"| {item['id']} | {item['edit']} | {_number(item['ic'])} | {_number(item['sa'])} | "
            f"{_number(item['true_error'])} | {item['why']} |"
        )
    if table["skipped"]:
        lines += ["", "## Edits that are not possible for a row", "", *_head("edit and cause", ["rows"])]
        lines += [f"| {cause} | {count} |" for cause, count in table["skipped"].items()]
    return "\n".join(lines) + "\n"


def _targets(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets of v2, each with what was found; for the best observer that took part."""
    protocol = V2 if V2 in table["editors"] else KNOWN
    targets: list[dict[str, Any]] = []

    def add(what: str, operation: str, value: float | None, target: str, met: bool) -> None:
        targets.append({"what": what, "operation": operation, "value": value, "target": target, "met": bool(met)})

    for editor, row in table["editors"].get(protocol, {}).items():
        for name, it in row.items():
            if not it["count"]:
                continue
            ic, sa = it["ic"]["mean"], it["sa"]["mean"]
            if editor == "truth" or editor in HARMLESS:
                add(f"{editor}: IC", name, ic, f">= {TRUTH}", ic is not None and ic >= TRUTH)
                add(f"{editor}: SA", name, sa, f">= {TRUTH}", sa is not None and sa >= TRUTH)
            else:
                add(f"{editor}: IC", name, ic, f"<= {CHEAT}", ic is not None and ic <= CHEAT)
    for name, it in table["rank"].get(protocol, {}).items():
        add("rank correlation", name, it["value"], f">= {RANK}", it["value"] is not None and it["value"] >= RANK)
    for name, it in table.get("measured", {}).items():
        limit = MEASURED[name][2]
        met = it["median"] is not None and it["median"] <= limit
        add("median error", name, it["median"], f"<= {limit:g} {it['unit']}", met)
    for harmless, row in table.get("change", {}).items():
        for name, value in row.items():
            if value is not None:
                add(f"change of SA, {harmless}", name, value, f"<= {CHANGE}", value <= CHANGE)
    return targets


def _worst(scored: Sequence[Record], protocol: str) -> list[dict[str, Any]]:
    """Cases that are wrong, the worst first: truth that fails, cheats that pass, errors that SA does not see."""
    cases = []
    for record in scored:
        if record["protocol"] != protocol or record["edit"] in HARMLESS:
            continue
        if record["sa"] is None:
            badness = 0.5 if record["edit"] == "truth" else 0.0
        elif record["edit"] == "truth":
            badness = 1 - min(record["ic"], record["sa"])
        elif record["edit"].startswith("error-"):
            badness = abs(record["sa"] - max(0.0, 1 - record["true_error"]))
        else:
            badness = float(record["ic"])
        cases.append((-badness, record["id"], record["edit"], record))
    cases.sort(key=lambda case: case[:3])
    facts = ("id", "operation", "edit", "ic", "sa", "true_error", "errors")
    return [
        {key: record[key] for key in facts} | {"why": "; ".join(_why(record))}
        for badness, _, _, record in cases[:WORST]
        if badness < -0.3
    ]


def _why(record: Record) -> list[str]:
    return [*record["faults"], *sorted({record["unscored"][key] for key in ("ic", "sa") if key in record["unscored"]})]


def _rank(scored: Sequence[Record], protocol: str, operation: str) -> dict[str, Any]:
    """Spearman's correlation of SA with minus the true error: 1 if SA falls wherever the error grows."""
    from scipy.stats import spearmanr

    pairs = [
        (record["sa"], -record["true_error"])
        for record in scored
        if record["protocol"] == protocol
        and record["operation"] == operation
        and record["edit"].startswith("error-")
        and record["sa"] is not None
    ]
    if len(pairs) < 3 or len({pair[0] for pair in pairs}) < 2:
        return {"value": None, "count": len(pairs)}
    return {"value": float(spearmanr(*zip(*pairs, strict=True)).statistic), "count": len(pairs)}


def _measured(scored: Sequence[Record], operation: str) -> dict[str, Any]:
    field, unit, _ = MEASURED[operation]
    values = [
        abs(record["errors"][field])
        for record in _of(scored, V2, "truth", operation)
        if record["errors"].get(field) is not None
    ]
    if unit == "%":
        values = [100 * float(np.expm1(value)) for value in values]
    if not values:
        return {"median": None, "most": None, "unit": unit, "count": 0}
    return {
        "median": float(np.median(values)),
        "most": float(np.percentile(values, 90)),
        "unit": unit,
        "count": len(values),
    }


def _change(scored: Sequence[Record], harmless: str, operation: str) -> float | None:
    plain = {record["id"]: record["sa"] for record in _of(scored, V2, "truth", operation)}
    changes = [
        abs(record["sa"] - plain[record["id"]])
        for record in _of(scored, V2, harmless, operation)
        if record["sa"] is not None and plain.get(record["id"]) is not None
    ]
    return float(np.median(changes)) if changes else None


def _of(scored: Sequence[Record], protocol: str, edit: str, operation: str) -> list[Record]:
    return [
        record
        for record in scored
        if (record["protocol"], record["edit"], record["operation"]) == (protocol, edit, operation)
    ]


def _means(records: Sequence[Record]) -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(records)}
    for metric in METRICS:
        values = [float(record[metric]) for record in records if record[metric] is not None]
        mean = float(np.mean(values)) if values else None
        found[metric] = {"mean": mean, "validity": len(values) / len(records) if records else 0.0}
    return found


def _once(records: Iterable[Record]) -> list[Record]:
    """One record for each row and edit, whatever the protocols."""
    return list({(record["id"], record["edit"]): record for record in records}.values())


def _counted(values: Iterable[str]) -> dict[str, int]:
    some = list(values)
    return {value: some.count(value) for value in sorted(set(some), key=lambda value: (-some.count(value), value))}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _head(first: str, columns: Sequence[str]) -> list[str]:
    return [f"| {first} | {' | '.join(columns)} |", f"| {' | '.join(['---'] * (len(columns) + 1))} |"]


def _checked(item: dict[str, Any] | None) -> str:
    if item is None:
        return ""
    return _number(item["value"]) if item["met"] else f"**{_number(item['value'])}**"


def _cell(value: dict[str, Any]) -> str:
    if value["mean"] is None:
        return "–"
    share = "" if value["validity"] > 0.995 else f" ({value['validity']:.0%} scored)"
    return f"{value['mean']:.2f}{share}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
