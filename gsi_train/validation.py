"""Edits a few rows as a model will be asked to later: a grid of pictures to look at, and how close they came.

The distance to the target says little of itself, for source and target are the same picture in most places. So it
stands beside that of a picture that nobody edited, and once more for the pixels that the edit should change.
"""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch.distributed.fsdp import register_fsdp_forward_method
from tqdm import tqdm

from gsi_datasets.storage import check_folder, write_atomically
from gsi_train.bagel.pipeline import BagelPipeline


COLUMNS = ("id", "instruction", "source_image", "target_image")
ROUNDING = 1 / 12
"""Mean squared error of rounding to whole levels: less cannot be told from nothing, and is 58.9 dB."""
CHANGED = 12
"""Levels of any channel by which source and target differ where an edit shows, as for the builder."""
FIELDS = ("psnr_source", "psnr_target", "psnr_unedited", "psnr_changed", "psnr_changed_unedited")

CELL, MARGIN, FONT = 320, 12, 15
"""Of the grid, pixels: width of a picture, space around it, height of letters."""
INK, QUIET, PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)


class ValidationError(ValueError):
    """Rows that cannot be edited; the message names the column and the remedy."""


@dataclass(frozen=True)
class ValidatedRow:
    """How close an edit came: PSNR in dB, at the size at which the model draws.

    Attributes:
        id: of the row.
        psnr_source: of the edit to the source.
        psnr_target: of the edit to the target.
        psnr_unedited: of the source to the target: what doing nothing would have given.
        psnr_changed: as `psnr_target`, over the pixels in which source and target differ; None where there are none.
        psnr_changed_unedited: as `psnr_unedited`, over those pixels.
    """

    id: str
    psnr_source: float
    psnr_target: float
    psnr_unedited: float
    psnr_changed: float | None
    psnr_changed_unedited: float | None


@dataclass(frozen=True)
class Validation:
    """What came of all rows.

    Attributes:
        rows: each by itself, in their order.
        scores: mean of each metric of the protocol over the rows that have it; empty if none was asked for, None for
            a metric that no row has.
        unscored: metric to cause to count of rows without it.
    """

    rows: list[ValidatedRow]
    scores: dict[str, float | None]
    unscored: dict[str, dict[str, int]]

    def means(self) -> dict[str, float]:
        """Means over the rows by name, PSNR in dB and scores; what no row has is left out."""
        values = {name: [value for row in self.rows if (value := getattr(row, name)) is not None] for name in FIELDS}
        means = {name: float(np.mean(found)) for name, found in values.items() if found}
        return means | {name: score for name, score in self.scores.items() if score is not None}


@dataclass(frozen=True)
class Line:
    """A row of the grid: three pictures of one size, and what was asked for."""

    instruction: str
    source: Image.Image
    edited: Image.Image
    target: Image.Image


def validate(
    bagel: BagelPipeline,
    rows: datasets.Dataset,
    file: Path,
    *,
    seeds: Sequence[int] | None = None,
    scores: bool = False,
    progress: bool = True,
) -> Validation:
    """Edit rows one by one, with the weights as they are.

    In a run of several processes all of them call this, for a sharded model needs all to compute; the first writes and
    scores, the others get the same rows without scores. Random numbers of a run do not depend on it.

    Args:
        bagel: edits, by its own settings. Where its model is sharded (FSDP2), it must be the one that was given to
            `fully_shard`, wrapper of adapters included.
        rows: with `COLUMNS`; with `scores`, all columns of a built data set.
        file: of the grid, a PNG.
        seeds: one for each row (default: 0 for all).
        scores: score by gsi-bench's own protocol. Tiny pictures are mostly unscored; the causes are counted.
        progress: show a bar.

    Raises:
        ValidationError: the rows lack a column, cannot be read, or there are none.
        StorageError: the grid cannot be written.
    """
    if missing := [name for name in COLUMNS if name not in rows.column_names]:
        raise ValidationError(f"validation rows: no column {', '.join(missing)}; give rows of a gsi-bench data set")
    if not len(rows):
        raise ValidationError("validation rows: there are none; give at least one")
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(name, datasets.Image(decode=False))
    main = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
    lines, found = [], []
    with (
        _drawing(bagel.model),
        tqdm(total=len(rows), desc="validate", unit="edit", disable=not (main and progress), leave=False) as bar,
    ):
        for number, row in enumerate(rows):
            lines.append(_line(bagel, row, 0 if seeds is None else seeds[number]))
            found.append(compare(str(row["id"]), lines[-1]))
            bar.update()
    if not main:
        return Validation(found, {}, {})
    check_folder(file.parent, 0)
    stream = io.BytesIO()
    grid(lines, found).save(stream, "PNG")
    write_atomically(file, stream.getvalue())
    return Validation(found, *(_scored(rows, lines) if scores else ({}, {})))


@contextmanager
def _drawing(model: Any) -> Iterator[None]:
    """A model ready to draw; as it was before, afterwards."""
    training = model.training
    model.eval()
    names = ("append", "denoise")
    for name in names:
        # A sharded model gathers its weights for `forward` alone, unless it is told; others are left as they are.
        register_fsdp_forward_method(model, name)
    try:
        # Compiled layers are made for packs; a drawing, which asks a few times, would compile them anew.
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        for name in names:
            vars(model).pop(name, None)
        model.train(training)


def _line(bagel: BagelPipeline, row: dict[str, Any], seed: int) -> Line:
    pictures = []
    for name in ("source_image", "target_image"):
        try:
            picture = Image.open(io.BytesIO(row[name]["bytes"]))
            picture.load()
        except (OSError, TypeError, SyntaxError) as error:
            raise ValidationError(f"row {row['id']}: {name} cannot be read ({error}); build it again") from error
        pictures.append(picture)
    instruction = str(row["instruction"])
    [edited] = bagel.edit([[pictures[0], instruction]], [seed])
    source, target = (bagel.processor.image_processor.vae.resize(picture).resize(edited.size) for picture in pictures)
    return Line(instruction, source, edited, target)


def compare(name: str, line: Line) -> ValidatedRow:
    """Measure an edit; `name` is the row's id."""
    source, edited, target = (np.asarray(it, np.float64) for it in (line.source, line.edited, line.target))
    changed = np.abs(source - target).max(axis=-1) > CHANGED
    return ValidatedRow(
        name,
        psnr_source=psnr(edited, source),
        psnr_target=psnr(edited, target),
        psnr_unedited=psnr(source, target),
        psnr_changed=psnr(edited[changed], target[changed]) if changed.any() else None,
        psnr_changed_unedited=psnr(source[changed], target[changed]) if changed.any() else None,
    )


def psnr(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio of levels 0 to 255 of one shape, dB; at most 58.9."""
    return float(10 * np.log10(255**2 / max(np.square(one - other).mean(), ROUNDING)))


def _scored(
    rows: datasets.Dataset, lines: Sequence[Line]
) -> tuple[dict[str, float | None], dict[str, dict[str, int]]]:
    """Means of the protocol's metrics, and why rows have none."""
    from gsi_metrics.protocols.v2 import METRICS
    from gsi_metrics.worker import Scorer, Settings, Task

    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for number, (row, line) in enumerate(zip(rows, lines, strict=True)):
            path = Path(folder) / f"{number}.png"
            line.edited.save(path)
            tasks.append(Task(row, path, ""))
        records = Scorer(Settings()).score(tasks)
    values = {name: [record[name] for record in records if record[name] is not None] for name in METRICS}
    means = {name: float(np.mean(known)) if known else None for name, known in values.items()}
    causes = {name: Counter(r["unscored"][name] for r in records if name in r["unscored"]) for name in METRICS}
    return means, {name: dict(count) for name, count in causes.items() if count}


def grid(lines: Sequence[Line], found: Sequence[ValidatedRow]) -> Image.Image:
    """A picture of all edits: instruction, source, edit and target of each, and below them how far they are apart."""
    font = ImageFont.load_default(FONT)
    width = 3 * CELL + 4 * MARGIN
    blocks = [_block(line, row, font, width) for line, row in zip(lines, found, strict=True)]
    page = Image.new("RGB", (width, sum(block.height for block in blocks)), PAPER)
    top = 0
    for block in blocks:
        page.paste(block, (0, top))
        top += block.height
    return page


def _block(line: Line, row: ValidatedRow, font: Any, width: int) -> Image.Image:
    text = _wrapped(line.instruction, font, width - 2 * MARGIN)
    height = round(CELL * line.edited.height / line.edited.width)
    leading = FONT + 5
    # Above: what was asked for, and names; below: two lines of numbers.
    top = MARGIN + leading * (len(text) + 1)
    page = Image.new("RGB", (width, top + height + 2 * leading + 2 * MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    for number, words in enumerate(text):
        draw.text((MARGIN, MARGIN + leading * number), words, INK, font)
    away, kept = "", "they differ nowhere"
    if row.psnr_changed is not None and row.psnr_changed_unedited is not None:
        away = f", {row.psnr_changed:.1f} where it changes"
        kept = f"{row.psnr_changed_unedited:.1f} dB where they differ"
    below = (
        (f"to the target {row.psnr_unedited:.1f} dB", kept),
        (f"to the target {row.psnr_target:.1f} dB{away}", f"to the source {row.psnr_source:.1f} dB"),
        (row.id,),
    )
    names = ("source", "edited", "target")
    for column, (name, picture, notes) in enumerate(
        zip(names, (line.source, line.edited, line.target), below, strict=True)
    ):
        left = MARGIN + column * (CELL + MARGIN)
        draw.text((left, top - leading), name, QUIET, font)
        # Tiny pictures are shown as they are, pixel by pixel.
        kind = Image.Resampling.NEAREST if picture.width < CELL else Image.Resampling.LANCZOS
        page.paste(picture.resize((CELL, height), kind), (left, top))
        for number, note in enumerate(notes):
            draw.text((left, top + height + 4 + leading * number), note, QUIET, font)
    return page


def _wrapped(text: str, font: Any, width: int) -> list[str]:
    """A text in lines no wider than `width` pixels, as far as words allow."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
