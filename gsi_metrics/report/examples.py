"""The pictures of a report: best and worst edits, with what was asked and what was measured drawn in."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from gsi_datasets.gallery.drawing import Drawing, Stroke, View, box_edges
from gsi_datasets.gallery.svg import svg
from gsi_datasets.geometry import transform_box
from gsi_datasets.scene import Box
from gsi_datasets.schema import BoxRecord
from gsi_metrics.aggregate import METRICS
from gsi_metrics.edits import EditError, read_edit
from gsi_metrics.report.words import error_words, number, operation_color, operation_name, ordered
from gsi_metrics.rows import Row, RowsError, open_rows
from gsi_metrics.runs import Run
from gsi_metrics.sample import Body, Picture, Sample, SampleError
from gsi_metrics.worker import SCORED, Record


Records = Mapping[str, Record]
LARGEST = 640
"""Pixels of a picture's longer side in the page."""


def choose(runs: Sequence[Run], count: int) -> dict[str, str]:
    """Rows to show, by id, each with why it was chosen.

    Of one run the best and the worst of each operation; of several those on which they differ most, either way.
    """
    by_id = [{record["id"]: record for record in run.records if record["status"] == SCORED} for run in runs]
    shared = set.intersection(*(set(records) for records in by_id))
    chosen: dict[str, str] = {}
    for operation in ordered({by_id[0][name]["operation"] for name in shared}):
        names = sorted(name for name in shared if by_id[0][name]["operation"] == operation)
        if len(runs) == 1:
            names.sort(key=lambda name: (_rank(by_id[0][name]), name), reverse=True)
            best, worst = names[:count], names[count:][-count:]
            chosen |= dict.fromkeys(best, "best") | dict.fromkeys(reversed(worst), "worst")
        else:
            names.sort(key=lambda name: (-_spread([records[name] for records in by_id]), name))
            chosen |= dict.fromkeys(names[: 2 * count], "differs")
    return chosen


def _rank(record: Record) -> tuple[float, ...]:
    """Better is larger: done or not, how exactly, the rest."""
    ic, sa, el, ac = (-0.5 if record[metric] is None else record[metric] for metric in METRICS)
    return ic, sa, el + ac


def _spread(records: Sequence[Record]) -> float:
    values = [(record["sa"] or 0.0) + (record["ic"] or 0.0) for record in records]
    return max(values) - min(values)


def cards(runs: Sequence[Run], names: Sequence[str], count: int) -> tuple[list[str], str]:
    """Articles of the chosen rows, and why there are none or fewer, empty if there is nothing to say."""
    about = runs[0].about
    if about["protocol"] != "gsi-bench-v2":
        return [], "Pictures are shown for runs of gsi-bench-v2."
    chosen = choose(runs, count)
    try:
        rows = open_rows(about["data"], about["config"], about["split"])
        known = [name for name in chosen if name in rows.entries]
        by_name = {row["id"]: row for row in map(_light, rows.read(known))}
    except (RowsError, OSError) as error:
        return [], f"The rows are not where they were: {error}"
    records = [{record["id"]: record for record in run.records} for run in runs]
    made, lost = [], 0
    for name, why in chosen.items():
        try:
            sample = Sample.from_row(by_name[name])
            edited = [
                read_edit(Path(run.about["edits"]) / kept[name]["file"], sample.size)[0]
                for run, kept in zip(runs, records, strict=True)
            ]
        except (EditError, KeyError, SampleError):
            lost += 1
            continue
        made.append(card(sample, edited, [kept[name] for kept in records], names, why))
    return made, f"{lost} pictures are not where they were." if lost else ""


def _light(row: Row) -> Row:
    """The row without what is not shown, so that all chosen ones can be held at once."""
    return row | {"instructions": [], "instructions_zh": [], "provenance": "{}"}


def card(sample: Sample, edited: Sequence[Picture], records: Sequence[Record], names: Sequence[str], why: str) -> str:
    """The article of a row: before and after under a slider, the instruction, scores, errors, faults."""
    height, width = sample.size
    several = len(records) > 1
    labels = [*(names if several else ["Edited"]), *([] if sample.target is None else ["True result"])]
    pictures = [*edited, *([] if sample.target is None else [sample.target])]
    drawings = [*(after_drawing(sample, record) for record in records), after_drawing(sample, None)]
    after = "".join(
        f'<div class="layer" data-layer="{index}"{"" if index == 0 else " hidden"}>'
        f'<img src="{_uri(picture)}" alt="{escape(label)}" decoding="async" loading="lazy">'
        f"{svg(drawing, width, height)}</div>"
        for index, (picture, label, drawing) in enumerate(zip(pictures, labels, drawings, strict=False))
    )
    buttons = "".join(
        f'<button type="button" data-layer="{index}" aria-pressed="{str(index == 0).lower()}">{escape(label)}</button>'
        for index, label in enumerate(labels)
    )
    told = "".join(_told(record, name if several else "") for record, name in zip(records, names, strict=True))
    name = operation_name(sample.operation)
    return f"""
<article class="card" data-op="{escape(sample.operation)}" data-why="{why}" data-boxes>
<div class="stage" style="--at:50%;aspect-ratio:{width}/{height}">
<div class="side after">{after}</div>
<div class="side before"><img src="{_uri(sample.source)}" alt="Source" decoding="async" loading="lazy">
{svg(before_drawing(sample), width, height)}</div>
<span class="tag before" data-photo="Source"></span><span class="tag after">{escape(labels[0])}</span>
<span class="handle" aria-hidden="true"></span>
<input type="range" min="0" max="100" step="1" value="50" aria-label="Before and after: {escape(sample.instruction)}">
</div>
<div class="layers" role="group" aria-label="Which picture">{buttons}
<button type="button" data-boxes aria-pressed="true">Boxes</button></div>
<div class="words">
<p class="brief"><span class="badge" style="--op:{operation_color(sample.operation)}">{escape(name)}</span>
<span class="why {why}">{why}</span></p>
<h3 lang="en">{escape(sample.instruction)}</h3>
{told}
<p class="id">{escape(sample.id)}</p>
</div>
</article>"""


def _told(record: Record, name: str) -> str:
    values = "".join(f"<span><b>{metric.upper()}</b> {number(record[metric])}</span>" for metric in METRICS)
    title = f"<h4>{escape(name)}</h4>" if name else ""
    errors = error_words(record.get("errors") or {})
    faults = [*(record.get("faults") or ()), *(f"unscored: {cause}" for cause in sorted(_causes(record)))]
    detail = f'<p class="detail">{escape(" · ".join(errors))}</p>' if errors else ""
    listed = f'<ul class="faults">{"".join(f"<li>{escape(text)}</li>" for text in faults)}</ul>' if faults else ""
    return f'{title}<p class="values">{values}</p>{detail}{listed}'


def _causes(record: Record) -> set[str]:
    return {cause for metric, cause in record["unscored"].items() if record["operation"] != "SR" or metric != "ac"}


def before_drawing(sample: Sample) -> Drawing:
    """The target and what the instruction refers to in the source, and where the target should go."""
    drawing = Drawing()
    view = View(sample.intrinsics, sample.source_extrinsics)
    for body in sample.before:
        if body.id in sample.reference_ids:
            _add(drawing, _box(body), view, "reference")
    wanted = _wanted(sample)
    if wanted is not None:
        _add(drawing, wanted, view, "ghost", dashed=True)
    target = None if sample.target_id is None else sample.body(sample.target_id)
    if target is not None and sample.operation != "PC":
        _add(drawing, _box(target), view, "target")
    return drawing


def after_drawing(sample: Sample, record: Record | None) -> Drawing:
    """Where the target should be (dashed) and where it was seen; nothing for a moved camera.

    Args:
        sample: the row.
        record: of an edit; None for the true result.
    """
    drawing = Drawing()
    if sample.operation == "PC":
        return drawing
    view = View(sample.intrinsics, sample.source_extrinsics)
    target = None if sample.target_id is None else sample.body(sample.target_id)
    wanted = _wanted(sample) or (None if target is None else _box(target))
    if wanted is not None:
        _add(drawing, wanted, view, "ghost", dashed=True)
    matrix = None if record is None else (record.get("measured") or {}).get("transform")
    if matrix is not None and target is not None and sample.operation != "SR":
        _add(drawing, transform_box(_box(target), np.asarray(matrix, dtype=np.float64)), view, "target")
    return drawing


def _wanted(sample: Sample) -> Box | None:
    """The target's box after the edit; None for a removal and a moved camera."""
    if sample.operation == "PC" or sample.target_id is None:
        return None
    body = sample.body(sample.target_id, after=True)
    return None if body is None else _box(body)


def _box(body: Body) -> Box:
    return Box(body.centre, body.size, body.rotation)


def _add(drawing: Drawing, box: Box, view: View, role: str, dashed: bool = False) -> None:
    record = BoxRecord(centre=box.centre.tolist(), size=box.size.tolist(), rotation=box.rotation.tolist())
    edges = sorted(box_edges(record, view), key=lambda edge: not edge[1])
    drawing.strokes += [Stroke(role, pixels, hidden, dashed) for pixels, hidden in edges]


def _uri(picture: Picture) -> str:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((LARGEST, LARGEST))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=86)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
