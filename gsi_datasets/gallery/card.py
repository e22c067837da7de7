"""One triplet, or one rejected candidate, as a piece of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from gsi_datasets.gallery.adapter import OPERATION_NAMES
from gsi_datasets.gallery.drawing import draw_triplet
from gsi_datasets.gallery.facts import facts, read_json
from gsi_datasets.gallery.images import ImageStore
from gsi_datasets.gallery.overlays import instance_color
from gsi_datasets.gallery.svg import number_tags, svg
from gsi_datasets.images import decode_png, photograph
from gsi_datasets.record import Rejection
from gsi_datasets.schema import EditRow


MOST_REJECTIONS = 48
LAYERS = {
    "depth": ("Depth", "source_depth"),
    "instances": ("Objects", "source_instances"),
    "background": ("Empty", "background_image"),
}
"""Layer of the page -> its label, and the column that a row must have for it."""


def card(row: EditRow, store: ImageStore) -> str:
    """The article of a triplet: pictures with their layers, the instruction, what was measured, where it is from."""
    limits = store.limits(row.source_depth) if row.source_depth else (0.0, 0.0)
    searched = " ".join([row.id, *row.instructions, *row.instructions_zh])
    found = facts(row)
    brief = "".join(f"<li>{escape(fact.short)}</li>" for fact in found if fact.short)
    return f"""
<article class="card" id="row-{escape(row.id)}" data-op="{row.operation}" data-text="{escape(searched.lower())}">
<div class="stage" style="--at:50%;aspect-ratio:{_aspect(row)}">
<div class="side after">{_side(row, store, True, limits)}</div>
<div class="side before">{_side(row, store, False, limits)}</div>
<span class="tag before" data-photo="Before" data-background="Without target"></span>
<span class="tag after">{"After" if row.target_image else "Asked for (nobody drew it)"}</span>
<span class="legend">{limits[0] / 1000:.2f} m<i></i>{limits[1] / 1000:.2f} m</span>
<span class="handle" aria-hidden="true"></span>
<input type="range" min="0" max="100" step="1" value="50" aria-label="Before and after: {escape(row.instruction)}">
</div>
<div class="layers" role="group" aria-label="Layers of {escape(row.id)}">
<button type="button" data-layer="photo" aria-pressed="true">Photo</button>
{layer_buttons([row])}
<button type="button" data-boxes aria-pressed="false">3D boxes</button>
<button type="button" data-wide aria-pressed="false" aria-label="Large" title="Large">⤢</button>
</div>
<div class="words">
<p class="brief"><span class="badge" style="--op:var(--{row.operation})">{OPERATION_NAMES[row.operation]}</span></p>
<ul class="brief">{brief}</ul>
<h3 lang="en">{escape(row.instruction)}</h3>
<p lang="zh">{escape(row.instruction_zh)}</p>
</div>
<details><summary>Phrasings, measurements, provenance</summary>
<h4>Other phrasings</h4><ul class="phrasings">{_phrasings(row)}</ul>
<h4>Measured</h4>{pretty({fact.label: fact.value for fact in found})}
<h4>Checks</h4>{pretty(read_json(row.checks))}
<h4>Parameters</h4>{pretty(read_json(row.parameters))}
<h4>Objects before</h4>{_objects(row)}
<h4>Provenance</h4><p class="id">{escape(row.id)}</p>{pretty(read_json(row.provenance))}
</details>
</article>"""


def layer_buttons(rows: Iterable[EditRow]) -> str:
    """Buttons for the layers, besides the photo, that one of the rows has."""
    given = list(rows)
    return "\n".join(
        f'<button type="button" data-layer="{layer}" aria-pressed="false">{label}</button>'
        for layer, (label, column) in LAYERS.items()
        if any(getattr(row, column) is not None for row in given)
    )


def rejected_card(item: Rejection, store: ImageStore, words: str) -> str:
    """The article of a candidate that was not kept."""
    pictures = [(name, png) for name, png in (("Before", item.before), ("After", item.after)) if png is not None]
    stage = "".join(
        f'<figure><img class="photo" data-image="{store.photo(png)}" alt="{name}">'
        f"<figcaption>{name}</figcaption></figure>"
        for name, png in pictures
    )
    name = OPERATION_NAMES.get(item.operation, "Whole scene")
    instruction = f'<h3 lang="en">{escape(item.instruction)}</h3>' if item.instruction else ""
    return f"""
<article class="card rejected" data-op="{escape(item.operation)}" data-text="{escape(item.instruction.lower())}">
{f'<div class="pair">{stage}</div>' if stage else ""}
<div class="words">
<p class="brief"><span class="badge" style="--op:var(--{escape(item.operation) or "PC"})">{escape(name)}</span>
<strong class="reason" title="{escape(words)}">{escape(item.reason)}</strong></p>
{instruction}
<p class="detail">{escape(item.detail or words)}</p>
</div>
</article>"""


def chosen_rejections(rejections: Iterable[Rejection], most: int = MOST_REJECTIONS) -> list[Rejection]:
    """A few examples of every kind: kinds take turns, those with pictures first."""
    kinds: dict[tuple[str, str], list[Rejection]] = {}
    for item in rejections:
        kinds.setdefault((item.operation, item.reason), []).append(item)
    queues = [
        sorted(kinds[kind], key=lambda item: item.after is None and item.before is None) for kind in sorted(kinds)
    ]
    turns = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    return sorted(turns[:most], key=lambda item: (_without_picture(item), item.operation))


def _without_picture(item: Rejection) -> bool:
    return item.before is None and item.after is None


def pretty(value: Any) -> str:
    """JSON as HTML: mappings as definition lists, lists of mappings as tables, numbers with a sensible length."""
    if isinstance(value, Mapping):
        items = [f"<div><dt>{escape(_label(key))}</dt><dd>{pretty(part)}</dd></div>" for key, part in value.items()]
        return f"<dl>{''.join(items)}</dl>" if items else "none"
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        columns = list(dict.fromkeys(key for part in value for key in part))
        head = "".join(f'<th scope="col">{escape(_label(column))}</th>' for column in columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{pretty(part.get(column))}</td>' for column in columns)}</tr>" for part in value
        )
        return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    if isinstance(value, list):
        return ", ".join(pretty(part) for part in value) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    return escape(str(value))


def _label(key: object) -> str:
    return str(key).replace("_", " ")


def _aspect(row: EditRow) -> str:
    width, height = photograph(row.source_image).size
    return f"{width}/{height}"


def _side(row: EditRow, store: ImageStore, after: bool, limits: tuple[float, float]) -> str:
    photo = row.target_image if after and row.target_image else row.source_image
    depth = row.target_depth if after else row.source_depth
    instances = row.target_instances if after else row.source_instances
    words = ("After: " if after else "Before: ") + row.instruction
    pictures = [_img("photo", store.photo(photo), words)]
    if not after and row.background_image:
        pictures.append(_img("background", store.photo(row.background_image), "The scene without the target"))
    if depth:
        pictures.append(_img("depth", store.depth(depth, limits), "Depth"))
    if instances:
        pictures.append(_img("instances", store.instances(instances), "Instances"))
        pictures.append(number_tags(decode_png(instances)))
    pictures.append(svg(draw_triplet(row, after), *photograph(photo).size))
    return "".join(pictures)


def _img(layer: str, key: str, words: str) -> str:
    return f'<img class="{layer}" data-image="{key}" alt="{escape(words)}" draggable="false">'


def _phrasings(row: EditRow) -> str:
    english = [f'<li lang="en">{escape(text)}</li>' for text in row.instructions if text != row.instruction]
    chinese = [f'<li lang="zh">{escape(text)}</li>' for text in row.instructions_zh if text != row.instruction_zh]
    return "".join([*english, *chinese])


def _objects(row: EditRow) -> str:
    """Every object before, with the colour and number it has in the layer of objects."""
    roles = dict.fromkeys(row.target_ids, "target") | {
        instance: "reference" for instance in row.reference_ids if instance not in row.target_ids
    }
    lines = []
    for item in row.objects_before:
        color = f"rgb{instance_color((item.id - 1) % 254 + 1)}"
        size = " × ".join(f"{100 * length:.1f}" for length in item.size)
        role = f' <em class="{roles[item.id]}">{roles[item.id]}</em>' if item.id in roles else ""
        lines.append(
            f'<tr><td><i class="swatch" style="background:{color}"></i>{item.id}</td>'
            f'<td>{escape(item.caption)}{role}<small lang="zh">{escape(item.caption_zh)}</small></td>'
            f"<td>{size}</td><td>{100 * item.visibility:.0f} %</td></tr>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("No.", "Object", "Size, cm", "Seen"))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
