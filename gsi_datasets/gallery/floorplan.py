"""The floor plan of a home seen from above, with where views were looked for and which were chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gsi_datasets import assets
from gsi_datasets.assets.parametric.homes import HomeRoom
from gsi_datasets.assets.parametric.rooms import Opening
from gsi_datasets.floor import FLAT, footprint_rectangle
from gsi_datasets.gallery.fonts import latin, wrap
from gsi_datasets.geometry import corners, rotation_z
from gsi_datasets.rooms import AnyRoom, rooms_of
from gsi_datasets.scene import Scene, SceneObject
from gsi_datasets.views import Curation, Viewpoint


Array = NDArray[np.float64]
Color = tuple[int, int, int]
PAPER, INK, GREY = (250, 250, 248), (24, 26, 32), (112, 116, 126)
WALL, FLOOR, GLASS, LEAF = (58, 60, 68), (255, 255, 255), (120, 190, 235), (150, 120, 88)
FURNITURE, MOVABLE, RIM = (226, 221, 210), (250, 226, 178), (128, 122, 112)
CHOSEN = (214, 64, 0)
# Told apart with any colour vision, and from the orange of the views.
ROOMS: tuple[Color, ...] = ((0, 114, 178), (0, 158, 115), (204, 121, 167), (120, 94, 240))
POCKET = (190, 190, 190)
VERDICTS: dict[str, tuple[Color, str]] = {
    "": (CHOSEN, "chosen"),
    "spare": ((0, 130, 60), "good, not needed"),
    "same": ((0, 130, 60), "too like a chosen one"),
    "few": ((150, 150, 155), "too little to do"),
    "close": ((190, 20, 60), "something right in front"),
    "bare": ((190, 20, 60), "mostly bare wall"),
    "unseen": ((205, 205, 210), "not looked at by rays"),
}
THICK = 0.1  # of walls, metres
# Drawn so many times larger and scaled down: smooth lines.
OVERSAMPLING = 2
PLAN, PICTURE, MARGIN = 860, 320, 28  # pixels: longer side of the plan, side of a picture, around everything


@dataclass(eq=False)
class _Sheet:
    """A canvas with a map from metres to pixels."""

    low: Array
    high: Array
    scale: float = field(init=False)
    image: Image.Image = field(init=False)
    pen: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.scale = OVERSAMPLING * PLAN / float((self.high - self.low).max())
        width, height = np.ceil((self.high - self.low) * self.scale).astype(int)
        self.image = Image.new("RGB", (int(width), int(height)), PAPER)
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def at(self, points: Array) -> list[tuple[float, float]]:
        """Pixels of points (N, 2); y is up."""
        flat = np.atleast_2d(points)
        return [((x - self.low[0]) * self.scale, (self.high[1] - y) * self.scale) for x, y in flat.tolist()]

    def polygon(self, points: Array, fill: tuple[int, ...] | None, rim: Color | None = None, width: int = 2) -> None:
        self.pen.polygon(self.at(points), fill=fill, outline=rim, width=width)

    def line(self, points: Array, color: Color, metres: float) -> None:
        self.pen.line(self.at(points), fill=color, width=max(1, round(metres * self.scale)))

    def dot(self, point: Array, metres: float, color: tuple[int, ...]) -> None:
        (x, y), r = self.at(point)[0], metres * self.scale
        self.pen.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def text(self, point: Array, text: str, size: float, color: Color, halo: int = 0) -> None:
        font = latin(size * OVERSAMPLING)
        self.pen.text(
            self.at(point)[0], text, fill=color, font=font, anchor="mm", stroke_width=halo, stroke_fill=FLOOR
        )


def draw_plan(
    scene: Scene,
    curation: Curation,
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    file: str | Path = "floorplan.png",
) -> None:
    """Draw the plan, the candidates and the chosen views into a PNG file.

    Args:
        scene: at rest.
        curation: of its views.
        pictures: of the chosen views, (H, W, 3) each, in their order; none if None.
        file: where to.
    """
    plan_view(scene, curation, pictures).save(file)


def plan_view(scene: Scene, curation: Curation, pictures: Sequence[NDArray[np.uint8]] | None = None) -> Image.Image:
    """The picture that `draw_plan` saves; arguments as there."""
    rooms = rooms_of(scene["room"].asset)
    origin = scene["room"].position[:2]
    reach = [(np.asarray(room.middle) + origin, np.asarray(room.size[:2]) / 2 + 2 * THICK) for room in rooms]
    sheet = _Sheet(
        np.min([middle - half for middle, half in reach], axis=0),
        np.max([middle + half for middle, half in reach], axis=0),
    )
    _draw_rooms(sheet, rooms, origin)
    for number, color in [(-1, POCKET), *((k, ROOMS[k % len(ROOMS)]) for k in range(len(curation.floor.rooms)))]:
        for point in curation.floor.of(number):
            sheet.dot(point, 0.018, (*color, 150))
    for item in sorted(scene.objects, key=lambda it: corners(it.box)[:, 2].max()):
        _draw_object(sheet, item)
    for view in curation.candidates:
        if view.verdict:
            _draw_arrow(sheet, view)
    for index, view in enumerate(curation.chosen, start=1):
        _draw_cone(sheet, view, index)
    for room in rooms:
        here = np.asarray(room.middle) + origin
        top = here + np.array([0.0, room.size[1] / 2 - 0.18])
        sheet.text(top, f"{room.name}  {room.size[0]:.1f} x {room.size[1]:.1f} m", 13, INK, halo=5)
    drawn = sheet.image.resize(
        (sheet.image.width // OVERSAMPLING, sheet.image.height // OVERSAMPLING), Image.Resampling.LANCZOS
    )
    return _page(scene.name, drawn, curation, pictures)


def _draw_rooms(sheet: _Sheet, rooms: Sequence[AnyRoom], origin: Array) -> None:
    corner = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=float)
    for thick, color in ((THICK, WALL), (0.0, FLOOR)):
        for room in rooms:
            half = np.asarray(room.size[:2]) / 2 + thick
            if not room.outline:
                sheet.polygon(np.asarray(room.middle) + origin + corner * half, color)
            elif not thick:
                sheet.polygon(np.asarray(room.outline) + origin, color)
    for room in rooms:
        if isinstance(room, HomeRoom):
            for opening in room.plan.openings:
                _draw_opening(sheet, room, opening, np.asarray(room.middle) + origin)


def _draw_opening(sheet: _Sheet, room: HomeRoom, opening: Opening, middle: Array) -> None:
    """A gap in the wall for a passage, a leaf for a door, a pane for a window, a stroke for a picture."""
    turn = rotation_z(opening.wall * np.pi / 2)[:2, :2]
    away = room.plan.distance(opening.wall)

    def strip(start: float, thick: float) -> Array:
        left, right = opening.along - opening.width / 2, opening.along + opening.width / 2
        low, high = away + start, away + start + thick
        return middle + np.array([(left, low), (right, low), (right, high), (left, high)]) @ turn.T

    match opening.kind:
        case "passage":
            sheet.polygon(strip(-0.01, THICK + 0.02), FLOOR)
        case "door":
            sheet.polygon(strip(0.0, THICK), LEAF)
        case "window":
            sheet.polygon(strip(0.0, THICK), GLASS)
        case "picture":
            sheet.polygon(strip(-0.03, 0.03), GREY)


def _draw_object(sheet: _Sheet, item: SceneObject) -> None:
    """The footprint of furniture with its name, of what hangs above the floor by its rim; small things as such."""
    heights = corners(item.box)[:, 2]
    if assets.info(item.asset).kind == "structure" or heights.max() <= FLAT:
        return
    centre, half, turn = footprint_rectangle(item.box)
    outline = centre + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half @ turn.T
    if item.support not in ("room", None):
        sheet.polygon(outline, (*MOVABLE, 255) if not item.static else (*FURNITURE, 255), RIM, 1)
        return
    high = heights.min() > 1.0
    sheet.polygon(outline, None if high else (*(FURNITURE if item.static else MOVABLE), 235), RIM, 3)
    if not high and np.prod(half) > 0.02:
        words = item.category.split()
        for row, word in enumerate(words):
            above = (len(words) / 2 - row - 0.5) * 12 * OVERSAMPLING / sheet.scale
            sheet.text(centre + np.array([0.0, above]), word, 10, INK)


def _draw_arrow(sheet: _Sheet, view: Viewpoint) -> None:
    at, ahead = view.camera.position[:2], np.array([np.cos(view.heading), np.sin(view.heading)])
    color = VERDICTS[view.verdict][0]
    sheet.dot(at, 0.02, color)
    sheet.line(np.stack([at, at + 0.13 * ahead]), color, 0.012)


def _draw_cone(sheet: _Sheet, view: Viewpoint, number: int) -> None:
    """What the camera takes in, 1.1 m ahead, and the number of the view."""
    at = view.camera.position[:2]
    spread = np.arctan(0.5 * view.camera.width / view.camera.intrinsics[0, 0])
    angles = view.heading + np.linspace(-spread, spread, 17)
    rim = at + 1.1 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    sheet.polygon(np.concatenate([at[None], rim]), (*CHOSEN, 56), CHOSEN, 3)
    sheet.dot(at, 11 * OVERSAMPLING / sheet.scale, (*CHOSEN, 255))
    sheet.text(at, str(number), 14, (255, 255, 255))


def _page(
    title: str, plan: Image.Image, curation: Curation, pictures: Sequence[NDArray[np.uint8]] | None
) -> Image.Image:
    """Plan and legend on the left, the chosen views with what can be done in them on the right."""
    counts = Counter(view.verdict for view in curation.candidates)
    shown = [verdict for verdict in VERDICTS if counts[verdict]]
    texts, legend = 78, 22 * max(len(shown), len(curation.floor.rooms)) + 8
    column = PICTURE + MARGIN
    across = 2 if len(curation.chosen) > 1 else 1
    lines = -(-len(curation.chosen) // across)
    height = PICTURE if pictures else 0
    left = max(plan.width, 460)
    page = Image.new(
        "RGB",
        (
            MARGIN * 2 + left + across * column,
            70 + max(plan.height + legend + MARGIN, lines * (height + texts + 12)) + MARGIN,
        ),
        PAPER,
    )
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, 16), title, fill=INK, font=latin(22))
    asked = f"{len(curation.chosen)} views of {len(curation.candidates)} candidates"
    pen.text((MARGIN, 44), f"{asked}, {len(curation.floor.points)} free floor points", fill=GREY, font=latin(14))
    page.paste(plan, (MARGIN, 70))
    for row, verdict in enumerate(shown):
        color, words = VERDICTS[verdict]
        y = 70 + plan.height + 18 + 22 * row
        pen.ellipse((MARGIN, y - 5, MARGIN + 10, y + 5), fill=color)
        pen.text((MARGIN + 20, y), f"{counts[verdict]} {words}", fill=INK, font=latin(14), anchor="lm")
    for row, room in enumerate(curation.floor.rooms):
        y = 70 + plan.height + 18 + 22 * row
        pen.ellipse((MARGIN + 230, y - 5, MARGIN + 240, y + 5), fill=ROOMS[row % len(ROOMS)])
        words = f"{room.name}: {len(curation.floor.of(row))} points"
        pen.text((MARGIN + 250, y), words, fill=INK, font=latin(14), anchor="lm")
    for index, view in enumerate(curation.chosen):
        x = MARGIN * 2 + left + (index % across) * column
        y = 70 + (index // across) * (height + texts + 12)
        if pictures:
            page.paste(Image.fromarray(pictures[index]).resize((PICTURE, PICTURE), Image.Resampling.LANCZOS), (x, y))
        pen.text((x, y + height + 4), _caption(index + 1, view), fill=CHOSEN, font=latin(13))
        names = ", ".join(name.replace("_", " ") for name in view.actionable)
        for row, line in enumerate(wrap(pen, names, latin(12), PICTURE, 3)):
            pen.text((x, y + height + 22 + 16 * row), line, fill=GREY, font=latin(12))
    return page


def _caption(number: int, view: Viewpoint) -> str:
    camera = view.camera
    fov = 2 * np.degrees(np.arctan(0.5 * camera.height / camera.intrinsics[1, 1]))
    down = np.degrees(np.arcsin(np.clip(-camera.extrinsics[2, 2], -1, 1)))
    lens = f"{camera.position[2]:.2f} m, {down:.0f}° down, {fov:.0f}° wide"
    return f"{number}  {view.room}  score {view.score:.1f}  {lens}"
