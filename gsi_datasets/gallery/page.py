"""The page of a built data set: one HTML file that needs nothing else and asks nobody for anything.

Texts are escaped, pictures are data, and the page's content security policy allows no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from gsi_datasets import __version__
from gsi_datasets.gallery.adapter import OPERATION_NAMES, Row, as_row, by_operation
from gsi_datasets.gallery.card import card, chosen_rejections, layer_buttons, pretty, rejected_card
from gsi_datasets.gallery.drawing import COLORS
from gsi_datasets.gallery.images import ImageStore
from gsi_datasets.gallery.overlays import DEPTH_COLORS
from gsi_datasets.gallery.sheet import OPERATION_COLORS
from gsi_datasets.gallery.tally import Tally
from gsi_datasets.record import Rejection
from gsi_datasets.schema import OPERATIONS, EditRow
from gsi_datasets.storage import Manifest


LEADS = {
    False: "A source image, an exact instruction, and the image in which a physics simulator has carried it out. "
    "Every edit kept here ended where geometry says it should, and moved nothing else.",
    True: "A source image and an instruction, as others published them, with the box of the object and where it "
    "should be. Where nobody made the image asked for, the source stands in its place.",
}
"""By whether the rows were published by others."""
REASONS = {
    "balance": "there are enough rows like it",
    "close": "the camera would stand before something",
    "collateral": "something else would move",
    "collision": "the place is taken",
    "duplicate": "an earlier row says the same",
    "no-chain": "no edit was found that follows the others",
    "no-view": "too few viewpoints show enough to do",
    "occluded": "something stands in front of it",
    "off-table": "there is nothing to stand on",
    "out-of-frame": "the picture's edge cuts it",
    "size": "too large or too small to believe",
    "sparse": "too few things find a place and stay",
    "steep": "the camera would look at its feet or the ceiling",
    "tiny": "too few pixels to see it",
    "topple": "it would fall over",
    "unchanged": "hardly a pixel differs",
    "unstable": "physics does not leave it there",
    "untellable": "it looks much the same after another turn",
    "unsupported": "it would rest on nothing",
}


def write_page(
    rows: Iterable[Row],
    rejections: Iterable[Rejection],
    summary: Manifest | None,
    path: str | Path,
    *,
    commands: Sequence[str] = (),
) -> Path:
    """Write the page; see `html_page`."""
    path = Path(path)
    path.write_text(html_page(rows, rejections, summary, commands=commands), encoding="utf-8")
    return path


def html_page(
    rows: Iterable[Row],
    rejections: Iterable[Rejection],
    summary: Manifest | None = None,
    *,
    commands: Sequence[str] = (),
) -> str:
    """The page as text.

    Args:
        rows: triplets to show, in any form `adapter.as_row` takes.
        rejections: candidates that were not kept, to show some of them.
        summary: of the whole data set, of which the rows may be a sample; None to count what is given.
        commands: what to type next.
    """
    triplets = [as_row(row) for row in rows]
    rejected = list(rejections)
    tally = Tally.of(summary, triplets, rejected)
    groups = by_operation(triplets)
    published = summary is not None and summary.kind == "published"
    store = ImageStore()
    cards = [card(row, store) for group in groups.values() for row in group]
    examples = [rejected_card(item, store, REASONS.get(item.reason, "")) for item in chosen_rejections(rejected)]
    script = _asset("page.js")
    name = " · ".join(part for part in (tally.config, tally.split) if part)
    return Template(_asset("page.html")).substitute(
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        script=script,
        style=Template(_asset("page.css")).substitute(palette=_palette()),
        title=escape(name or "triplets"),
        version=escape(__version__),
        headline=_headline(tally.kept, published),
        lead=LEADS[published],
        layers=layer_buttons(triplets),
        tiles=_tiles(tally),
        code=_code("Load it", _load_snippet(tally)) + (_code("Go on", "\n".join(commands)) if commands else ""),
        build=_build(tally),
        filters=_filters(groups),
        cards="\n".join(cards),
        reasons=_reason_table(tally),
        examples="\n".join(examples),
        credits=_credits(tally.credits),
        images=_script_json(store.uris),
    )


@cache
def _asset(name: str) -> str:
    return files("gsi_datasets").joinpath("templates", name).read_text(encoding="utf-8")


def _script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def _palette() -> str:
    roles = [f"--{role}: {color};" for role, color in COLORS.items()]
    operations = [f"--{name}: rgb{color};" for name, color in OPERATION_COLORS.items()]
    stops = ", ".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in DEPTH_COLORS)
    return " ".join([*roles, *operations, f"--depth: linear-gradient(90deg, {stops});"])


def _headline(kept: int, published: bool) -> str:
    edits = f"spatial edit{'' if kept == 1 else 's'}"
    return f"{kept:,} {edits}, as published" if published else f"{kept:,} verified {edits}"


def _tiles(tally: Tally) -> str:
    tiles = [(f"{tally.kept:,}", "triplets"), (f"{tally.scenes:,}", "scenes")]
    if tally.lost:
        tried = tally.kept + tally.lost
        tiles.append((f"{100 * tally.kept / tried:.0f} %", f"kept of {tried:,} candidates"))
    return "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for value, label in tiles)


def _load_snippet(tally: Tally) -> str:
    arguments = ['"gsi-bench"', *([f'"{tally.config}"'] if tally.config else [])]
    arguments += [f'split="{tally.split}"'] if tally.split else []
    return f"from datasets import load_dataset\n\nrows = load_dataset({', '.join(arguments)})"


def _code(heading: str, text: str) -> str:
    return (
        f'<div class="code"><h2>{escape(heading)}</h2><pre><code>{escape(text)}</code></pre>'
        f'<button type="button" data-copy>Copy</button></div>'
    )


def _build(tally: Tally) -> str:
    facts = tally.facts.items()
    items = [f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts if value]
    return f'<dl class="build">{"".join(items)}</dl>' if items else ""


def _credits(credits: Sequence[Mapping[str, str]]) -> str:
    """Whom to thank for the 3D models, by licence."""
    if not credits:
        return ""
    licences = Counter(credit["licence"] for credit in credits)
    counts = ", ".join(f"{escape(name)} {count}" for name, count in sorted(licences.items()))
    return f"<details><summary>3D models <span>{counts}</span></summary>{pretty(list(credits))}</details>"


def _filters(groups: Mapping[str, Sequence[EditRow]]) -> str:
    return "".join(
        f'<button type="button" data-op="{operation}" aria-pressed="false" style="--op:var(--{operation})">'
        f"{escape(OPERATION_NAMES[operation])} <span>{len(group)}</span></button>"
        for operation, group in groups.items()
    )


def _reason_table(tally: Tally) -> str:
    """Reasons by operation: how many candidates each took."""
    if not tally.lost:
        return "<p>No candidate was rejected.</p>"
    names = OPERATION_NAMES | {"": "Whole scene"}
    reasons: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for (operation, reason), count in tally.rejected.items():
        reasons[reason] += count
        lost[operation] += count
    columns = [name for name in (*OPERATIONS, "") if lost[name] or tally.accepted.get(name)]
    most = max(reasons.values())
    body = []
    for reason, total in reasons.most_common():
        cells = []
        for name in columns:
            count = tally.rejected.get((name, reason), 0)
            share = count / max(lost[name], 1)
            cells.append(f'<td style="--share:{share:.3f}">{count:,}</td>' if count else '<td class="none">·</td>')
        body.append(
            f'<tr><th scope="row">{escape(reason)}<small>{escape(REASONS.get(reason, ""))}</small></th>'
            f'<td class="total"><span style="--share:{total / most:.3f}"></span>{total:,}</td>{"".join(cells)}</tr>'
        )
    rates = []
    for name in columns:
        kept = tally.accepted.get(name, 0)
        rates.append(f"<td>{100 * kept / (kept + lost[name]):.0f} %</td>" if name else '<td class="none">·</td>')
    head = "".join(f'<th scope="col">{escape(names[name])}</th>' for name in columns)
    rate = f"{100 * tally.kept / (tally.kept + tally.lost):.0f} %"
    return (
        f'<div class="scroll"><table class="reasons"><thead><tr><th scope="col">Reason</th>'
        f'<th scope="col">Candidates</th>{head}</tr></thead><tbody>{"".join(body)}</tbody>'
        f'<tfoot><tr><th scope="row">Kept</th><td>{rate}</td>{"".join(rates)}</tr></tfoot></table></div>'
    )
