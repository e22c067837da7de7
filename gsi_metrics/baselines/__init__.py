"""Cheating editors: permanent baselines that show what a protocol is worth. Made from dataset rows, without any model.

    from gsi_metrics import baselines
    picture = baselines.edit("opposite", row, np.random.default_rng(0))
    baselines.write("copy-paste", Path("data"), "gsi_syn_table", "test", Path("edits/copy-paste"))

`truth` must score 1 and every other one 0. Where the simulator and the renderer are there, pictures are drawn anew;
otherwise the target is cut out and pasted, and editors that would need more have nothing to offer.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gsi_metrics.baselines.drawing import Studio, open_studio, spec_of
from gsi_metrics.baselines.editors import EDITORS, NAMES, UNRELATED, NoSuchEditError, Plan, plan
from gsi_metrics.baselines.states import rng_for
from gsi_metrics.sample import Picture, Sample


if TYPE_CHECKING:
    from gsi_datasets.spec import DatasetSpec

__all__ = [
    "EDITORS",
    "NAMES",
    "UNRELATED",
    "NoSuchEditError",
    "Plan",
    "draw",
    "edit",
    "plan",
    "rng_for",
    "spec_of",
    "stranger",
    "write",
]


def edit(
    name: str,
    row: Mapping[str, Any],
    rng: np.random.Generator,
    other: Mapping[str, Any] | None = None,
    spec: DatasetSpec | None = None,
) -> Picture:
    """What the editor of this name makes of a row.

    Args:
        name: one of `NAMES`.
        row: as stored, or as `datasets` gives it.
        rng: the only source of chance.
        other: a row of another scene; only ``unrelated`` asks for it.
        spec: what the dataset was built from (`spec_of`); by default the one of that name that ships with the package.

    Returns:
        (H, W, 3) RGB.

    Raises:
        NoSuchEditError: the editor has nothing to offer for this row.
        SampleError: the row cannot be decoded.
        ValueError: there is no editor of this name.
    """
    sample = Sample.from_row(row)
    made = plan(name, sample, rng, None if other is None else Sample.from_row(other))
    if made.picture is not None:
        return finished(made, made.picture)
    studio, _ = open_studio(row, sample, spec)
    return draw(studio, [made])[0]


def draw(studio: Studio, plans: Sequence[Plan]) -> list[Picture]:
    """The pictures of several plans for one row, drawn together.

    Raises:
        NoSuchEditError: the studio cannot draw one of them.
    """
    missing = [item for item in plans if item.picture is None]
    drawn = dict(zip(missing, studio.draw([item.state for item in missing]), strict=True))
    return [finished(item, drawn[item] if item.picture is None else item.picture) for item in plans]


def finished(made: Plan, picture: Picture) -> Picture:
    """The picture after the editor's last touch."""
    return picture if made.finish is None else made.finish(picture)


def write(name: str, data: Path, config: str, split: str, out: Path, count: int | None = None) -> Path:
    """Writes the pictures of one editor as ``<id>.png``, as `gsi-bench score` reads them.

    Rows for which the editor has nothing to offer are left out and named on stderr. What is there stays.

    Args:
        name: one of `NAMES`.
        data: a built folder.
        config: which config.
        split: which split.
        out: folder for the pictures.
        count: of so many rows, chosen at random but always the same; all if None.

    Returns:
        `out`.

    Raises:
        ValueError: there is no editor of this name.
        StorageError: the folder holds no such dataset.
    """
    from PIL import Image
    from tqdm import tqdm

    from gsi_datasets.reading import read_rows

    if name not in NAMES:
        raise ValueError(f"no editor named {name!r}; there are {', '.join(NAMES)}")
    rows, spec = read_rows(data, config, split, count), spec_of(data, config, split)
    out.mkdir(parents=True, exist_ok=True)
    skipped = []
    for number, row in enumerate(tqdm(rows, desc=name, unit="picture", disable=not sys.stderr.isatty())):
        path = out / f"{row['id']}.png"
        if path.exists():
            continue
        other = stranger(rows, number)
        try:
            picture = edit(name, row, rng_for(name, row["id"]), other, spec)
        except NoSuchEditError as error:
            skipped.append(f"{row['id']}: {error}")
            continue
        # Written whole or not at all: a file that is there counts as done.
        part = path.with_suffix(".part")
        Image.fromarray(picture).save(part, "PNG", compress_level=1)
        part.replace(path)
    for line in skipped:
        print(f"{name} leaves out {line}", file=sys.stderr)
    return out


def stranger(rows: Sequence[Mapping[str, Any]], number: int) -> Mapping[str, Any] | None:
    """The next row of another scene, from the beginning again at the end; None if there is one scene only."""
    later = [*rows[number + 1 :], *rows[:number]]
    return next((row for row in later if row["scene"] != rows[number]["scene"]), None)
