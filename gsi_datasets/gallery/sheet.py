"""The contact sheet: many triplets on one picture, to judge a data set at a glance."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gsi_datasets.gallery.adapter import OPERATION_NAMES, Row, as_row, by_operation, target_of
from gsi_datasets.gallery.drawing import extrinsics_of
from gsi_datasets.gallery.fonts import chinese, latin, wrap
from gsi_datasets.geometry import box2d
from gsi_datasets.images import photograph
from gsi_datasets.scene import Box, Camera
from gsi_datasets.schema import BoxRecord, EditRow, ObjectRecord


PAPER, INK, GREY, RULE = (250, 250, 248), (24, 26, 32), (112, 116, 126), (222, 223, 226)
MARK, MARK_RIM = (255, 176, 0), (12, 14, 20)
OPERATION_COLORS = {
    # White letters on each of these have a contrast of at least 4.5.
    "CM": (0, 102, 166),
    "OP": (0, 115, 90),
    "OR": (180, 66, 0),
    "RP": (118, 72, 160),
    "PC": (84, 90, 104),
    "SR": (176, 38, 66),
    "OS": (128, 94, 0),
}
MOST_LINES = 3


@dataclass(frozen=True)
class Layout:
    """Measures in pixels, all following from the width of one image."""

    image: int
    columns: int

    @property
    def unit(self) -> float:
        return self.image / 224

    @property
    def gap(self) -> int:
        return round(28 * self.unit)

    @property
    def seam(self) -> int:
        return max(2, round(3 * self.unit))

    @property
    def cell(self) -> int:
        """Width of a triplet."""
        return 2 * self.image + self.seam

    @property
    def width(self) -> int:
        return self.columns * (self.cell + self.gap) + self.gap

    @property
    def header(self) -> int:
        return round(112 * self.unit)

    @property
    def heading(self) -> int:
        return round(52 * self.unit)

    def size(self, points: float) -> float:
        """Type size."""
        return points * self.unit


def contact_sheet(
    rows: Iterable[Row],
    title: str = "Contact sheet",
    *,
    columns: int = 4,
    image_size: int = 224,
    limit: int | None = None,
    seed: int = 0,
) -> Image.Image:
    """Source and target side by side with the instruction, grouped by operation.

    Brackets mark the edited object before and after. Where nobody made a target picture, the source stands in its
    place, with brackets where the object should be. Chinese is left out where the machine has no font for it.

    Args:
        rows: triplets, in any form `adapter.as_row` takes.
        title: heading of the sheet.
        columns: triplets per line.
        image_size: width of one image, pixels.
        limit: show that many, drawn at random; all if None.
        seed: of the draw.
    """
    items = list(rows)
    if limit is not None and limit < len(items):
        chosen = np.random.default_rng(seed).choice(len(items), size=limit, replace=False)
        items = [items[index] for index in sorted(chosen)]
    groups = by_operation(as_row(row) for row in items)
    layout = Layout(image_size, columns)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    height, placed = layout.header, []
    for operation, group in groups.items():
        placed.append((height, operation, group))
        height += layout.heading
        height += sum(_line_height(ruler, layout, line) for line in _lines(group, columns))
    sheet = Image.new("RGB", (layout.width, height + layout.gap), PAPER)
    pen = ImageDraw.Draw(sheet)
    _title(pen, layout, title, groups)
    for top, operation, group in placed:
        _heading(pen, layout, top, operation, len(group))
        top += layout.heading
        for line in _lines(group, columns):
            for column, row in enumerate(line):
                _cell(sheet, pen, layout, layout.gap + column * (layout.cell + layout.gap), top, row)
            top += _line_height(pen, layout, line)
    return sheet


def write_sheet(
    rows: Iterable[Row],
    path: str | Path,
    title: str = "Contact sheet",
    *,
    limit: int | None = None,
    seed: int = 0,
) -> Path:
    """Write the contact sheet as PNG; see `contact_sheet`."""
    path = Path(path)
    stream = io.BytesIO()
    contact_sheet(rows, title, limit=limit, seed=seed).save(stream, "PNG", compress_level=4)
    path.write_bytes(stream.getvalue())
    return path


def _lines(group: Sequence[EditRow], columns: int) -> list[Sequence[EditRow]]:
    return [group[start : start + columns] for start in range(0, len(group), columns)]


def _line_height(pen: ImageDraw.ImageDraw, layout: Layout, line: Sequence[EditRow]) -> int:
    """Height of triplets that stand side by side: the longest text decides."""
    texts = [_text(pen, layout, row) for row in line]
    text = max(layout.size(19) * len(english) + layout.size(20) * len(chinese) for english, chinese in texts)
    return layout.image + round(layout.size(16) + text) + layout.gap


def _text(pen: ImageDraw.ImageDraw, layout: Layout, row: EditRow) -> tuple[list[str], list[str]]:
    """Lines of the instruction in English, and in Chinese where there is a font."""
    room = layout.cell - _badge_width(pen, layout, row.operation) - layout.size(8)
    font = chinese(layout.size(14))
    return (
        wrap(pen, row.instruction, latin(layout.size(15)), room, MOST_LINES),
        wrap(pen, row.instruction_zh, font, room, MOST_LINES) if font else [],
    )


def _badge_width(pen: ImageDraw.ImageDraw, layout: Layout, operation: str) -> float:
    return pen.textlength(operation, latin(layout.size(12))) + layout.size(12)


def _title(pen: ImageDraw.ImageDraw, layout: Layout, title: str, groups: dict[str, list[EditRow]]) -> None:
    total, scenes = sum(map(len, groups.values())), len({row.scene for group in groups.values() for row in group})
    counts = "   ".join(f"{OPERATION_NAMES[operation]} {len(group)}" for operation, group in groups.items())
    text = f"{total} triplets from {scenes} scenes      {counts}"
    pen.text((layout.gap, layout.size(58)), title, INK, latin(layout.size(34)), anchor="ls")
    pen.text((layout.gap, layout.size(90)), text, GREY, latin(layout.size(17)), anchor="ls")


def _heading(pen: ImageDraw.ImageDraw, layout: Layout, top: int, operation: str, count: int) -> None:
    left, middle = layout.gap, top + layout.size(20)
    font = latin(layout.size(17))
    width = pen.textlength(operation, font) + layout.size(18)
    box = (left, middle - layout.size(14), left + width, middle + layout.size(14))
    pen.rounded_rectangle(box, layout.size(6), OPERATION_COLORS[operation])
    pen.text((left + width / 2, middle), operation, (255, 255, 255), font, anchor="mm")
    name = OPERATION_NAMES[operation]
    pen.text((left + width + layout.size(12), middle), name, INK, latin(layout.size(21)), anchor="lm")
    end = left + width + layout.size(12) + pen.textlength(name, latin(layout.size(21)))
    pen.text((end + layout.size(10), middle), str(count), GREY, latin(layout.size(21)), anchor="lm")
    pen.line((end + layout.size(50), middle, layout.width - layout.gap, middle), RULE, max(1, round(layout.unit)))


def _cell(sheet: Image.Image, pen: ImageDraw.ImageDraw, layout: Layout, left: int, top: int, row: EditRow) -> None:
    size = layout.image
    for after, png in ((False, row.source_image), (True, row.target_image or row.source_image)):
        original = photograph(png)
        # Simulated pictures are square; others are fitted into the square.
        scale = size / max(original.size)
        fitted = round(original.width * scale), round(original.height * scale)
        image = original.resize(fitted, Image.Resampling.LANCZOS, reducing_gap=2.0)
        image = _marked(image, row, after, original.size)
        spare = (size - fitted[0]) // 2, (size - fitted[1]) // 2
        sheet.paste(image, (left + after * (size + layout.seam) + spare[0], top + spare[1]))
    middle = left + size + layout.seam / 2, top + size / 2
    radius = layout.size(11)
    pen.ellipse((middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius), PAPER)
    reach = layout.size(4)
    points = [(-0.7 * reach, -1.2 * reach), (1.1 * reach, 0), (-0.7 * reach, 1.2 * reach)]
    pen.polygon([(middle[0] + x, middle[1] + y) for x, y in points], INK)

    y = top + size + layout.size(8)
    width = _badge_width(pen, layout, row.operation)
    box = (left, y + layout.size(1), left + width, y + layout.size(19))
    pen.rounded_rectangle(box, layout.size(4), OPERATION_COLORS[row.operation])
    middle = (left + width / 2, y + layout.size(10))
    pen.text(middle, row.operation, (255, 255, 255), latin(layout.size(12)), anchor="mm")
    indent = left + width + layout.size(8)
    english, translated = _text(pen, layout, row)
    for line in english:
        pen.text((indent, y + layout.size(15)), line, INK, latin(layout.size(15)), anchor="ls")
        y += layout.size(19)
    for line in translated:
        pen.text((indent, y + layout.size(17)), line, GREY, chinese(layout.size(14)), anchor="ls")
        y += layout.size(20)


def _marked(image: Image.Image, row: EditRow, after: bool, full: tuple[int, int]) -> Image.Image:
    """The image with brackets around where the edited object stands; for a removal also where it stood."""
    thing: ObjectRecord | BoxRecord | None = target_of(row, after)
    if thing is None and row.operation == "SR":
        thing = target_of(row)
    if thing is None:
        return image
    camera = Camera(np.asarray(row.intrinsics), extrinsics_of(row, after), *full).resized(*image.size)
    area = box2d(Box(np.asarray(thing.centre), np.asarray(thing.size), np.asarray(thing.rotation)), camera)
    if area is None:
        return image
    scale = 3
    layer = Image.new("RGBA", (image.width * scale, image.height * scale))
    pen = ImageDraw.Draw(layer)
    unit = scale * image.width / 240
    u0, v0, u1, v1 = np.clip(scale * area + unit * np.array((-3, -3, 3, 3)), unit, scale * image.width - 2 * unit)
    arm = min(9 * unit, 0.3 * (u1 - u0), 0.3 * (v1 - v0))
    for color, width in (((*MARK_RIM, 130), 3.4 * unit), ((*MARK, 255), 1.7 * unit)):
        for u, v, du, dv in ((u0, v0, 1, 1), (u1, v0, -1, 1), (u1, v1, -1, -1), (u0, v1, 1, -1)):
            corner = [(u + du * arm, v), (u, v), (u, v + dv * arm)]
            pen.line(corner, color, round(width), joint="curve")
    return Image.alpha_composite(image.convert("RGBA"), layer.reduce(scale)).convert("RGB")
