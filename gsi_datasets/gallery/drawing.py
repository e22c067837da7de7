"""Geometry of a triplet as lines in its image: boxes, axes and the path of the edit, in pixels.

The same drawing is rasterised for pictures (`overlays.draw_boxes`) and written as SVG into the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.geometry import NEAR, rotation_z, transform_points, yaw_of
from gsi_datasets.schema import BoxRecord, EditRow, ObjectRecord


Array = NDArray[np.float64]

# Told apart with any colour vision, on light and dark ground (every line also has a dark rim).
COLORS = {
    "target": "#ffb000",
    "ghost": "#ff7ab8",
    "reference": "#5cc2ff",
    "path": "#ffffff",
    "x": "#ff4b4b",
    "y": "#3ddc68",
    "z": "#4f7dff",
}
"""Role of a line -> colour. The axes are named by letters as well."""


@dataclass(frozen=True)
class Stroke:
    """A line in the image.

    Attributes:
        role: key of `COLORS`.
        points: (N, 2) pixels.
        hidden: it lies on the far side of its box; drawn faint.
        dashed: it shows where something is not (any more, or yet).
        filled: a closed area rather than a line.
    """

    role: str
    points: Array
    hidden: bool = False
    dashed: bool = False
    filled: bool = False


@dataclass
class Drawing:
    """Strokes from back to front, and letters: (text, role, u, v)."""

    strokes: list[Stroke] = field(default_factory=list)
    letters: list[tuple[str, str, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """A camera to draw for: intrinsics (3, 3) in pixels, world-to-camera extrinsics (4, 4)."""

    intrinsics: Array
    extrinsics: Array

    @property
    def position(self) -> Array:
        """(3,) the optical centre in the world."""
        return -self.extrinsics[:3, :3].T @ self.extrinsics[:3, 3]

    def line(self, points: ArrayLike) -> Array:
        """(M, 2) pixels of a world polyline (N, 3), cut where it passes behind the camera."""
        local = transform_points(points, self.extrinsics)
        kept = [*_cut_behind(local)]
        if not kept:
            return np.empty((0, 2))
        seen = np.array(kept)
        return (seen @ self.intrinsics[:2].T) / seen[:, 2:]


def _cut_behind(points: Array) -> Iterator[Array]:
    """The points in front of the camera, and where the line between two of them crosses the near plane."""
    for index, point in enumerate(points):
        if index and (point[2] > NEAR) != (points[index - 1][2] > NEAR):
            share = (NEAR - points[index - 1][2]) / (point[2] - points[index - 1][2])
            yield points[index - 1] + share * (point - points[index - 1])
        if point[2] > NEAR:
            yield point


def box_edges(box: BoxRecord | ObjectRecord, view: View) -> list[tuple[Array, bool]]:
    """The twelve edges as (2, 2) pixels (fewer where they lie behind the camera), each with whether it is hidden.

    An edge is hidden by its own box if both faces that meet in it look away from the camera.
    """
    rotation, half = np.asarray(box.rotation), 0.5 * np.asarray(box.size)
    eye = (view.position - np.asarray(box.centre)) @ rotation
    edges = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for signs in product((-1.0, 1.0), repeat=2):
            ends = np.zeros((2, 3))
            ends[:, axis] = -half[axis], half[axis]
            ends[:, others] = signs * half[others]
            hidden = all(sign * eye[other] <= half[other] for sign, other in zip(signs, others, strict=True))
            pixels = view.line(np.asarray(box.centre) + ends @ rotation.T)
            if len(pixels) == 2:
                edges.append((pixels, hidden))
    return edges


def draw(
    view: View,
    objects: Sequence[ObjectRecord],
    target_ids: Sequence[int],
    reference_ids: Sequence[int],
    ghost: BoxRecord | ObjectRecord | None = None,
    path: Array | None = None,
) -> Drawing:
    """Lines for one image.

    Args:
        view: the camera of the image.
        objects: what stands in the image.
        target_ids: ids of objects that are edited.
        reference_ids: ids of objects that the instruction refers to.
        ghost: where the target was or will be.
        path: (N, 3) world points from source to destination.
    """
    drawing = Drawing()
    targets = [item for item in objects if item.id in target_ids]
    for item in objects:
        if item.id in reference_ids and item.id not in target_ids:
            _add_box(drawing, item, view, "reference")
    if ghost is not None:
        _add_box(drawing, ghost, view, "ghost", dashed=True)
    for item in targets:
        _add_box(drawing, item, view, "target")
    for item in targets:
        _add_axes(drawing, item, view)
    if path is not None:
        _add_arrow(drawing, view.line(path), "path", head=0.022 * _unit_length(view))
    return drawing


def extrinsics_of(row: EditRow, after: bool) -> Array:
    """(4, 4) world to camera of the picture that is shown before or after: where there is none after, the source's."""
    return np.asarray(row.target_extrinsics if after and row.target_extrinsics else row.source_extrinsics)


def draw_triplet(row: EditRow, after: bool = False) -> Drawing:
    """The drawing of a triplet's source image, or of its target image."""
    view = View(np.asarray(row.intrinsics), extrinsics_of(row, after))
    start = next((item for item in row.objects_before if item.id in row.target_ids), None)
    moves = row.operation != "PC"
    objects = row.objects_after if after else row.objects_before
    ghost = (start if after else row.ideal) if moves else None
    return draw(view, objects, row.target_ids, row.reference_ids, ghost, edit_path(row))


def edit_path(row: EditRow) -> Array | None:
    """(N, 3) world points the edit leads along: a hop for moves, an arc for turns; None where nothing travels."""
    start = next((item for item in row.objects_before if item.id in row.target_ids), None)
    if start is None or row.ideal is None or row.operation == "OS":
        return None
    foot, end = _foot(start), _foot(row.ideal)
    if row.operation == "OR":
        angle = turn_angle(np.asarray(row.transform_world, dtype=np.float64)[:3, :3])
        reach = 0.58 * float(np.hypot(start.size[0], start.size[1]))
        front = np.asarray(start.rotation) @ (0.0, -reach, 0.0) * (1.0, 1.0, 0.0)
        steps = np.linspace(0.0, angle, 2 + int(abs(angle) / 0.08))
        return foot + np.stack([rotation_z(step) @ front for step in steps])
    share = np.linspace(0.0, 1.0, 25)[:, None]
    lift = 0.18 * float(np.linalg.norm(end - foot)) * 4.0 * share * (1.0 - share)
    return (1.0 - share) * foot + share * end + lift * (0.0, 0.0, 1.0)


def turn_angle(rotation: Array) -> float:
    """Turn about the vertical in (-pi, pi]; a half turn is positive whatever its last digits are."""
    angle = float(yaw_of(rotation))
    return angle + 2.0 * np.pi if angle < -np.pi + 1e-3 else angle


def _foot(box: BoxRecord | ObjectRecord) -> Array:
    """(3,) the point of the world under the box's centre at the height of its lowest corner."""
    down = 0.5 * float(np.abs(np.asarray(box.rotation)[2]) @ np.asarray(box.size))
    return np.asarray(box.centre) - (0.0, 0.0, down)


def _unit_length(view: View) -> float:
    """Pixels that stand for the image's size; the principal point is about its middle."""
    return 2.0 * float(view.intrinsics[:2, 2].mean())


def _add_box(drawing: Drawing, box: BoxRecord | ObjectRecord, view: View, role: str, dashed: bool = False) -> None:
    edges = sorted(box_edges(box, view), key=lambda edge: not edge[1])
    drawing.strokes += [Stroke(role, pixels, hidden, dashed) for pixels, hidden in edges]


def _add_axes(drawing: Drawing, item: ObjectRecord, view: View) -> None:
    origin = _foot(item)
    length = float(np.clip(0.75 * max(item.size), 0.05, 0.2))
    for role, axis in zip("xyz", np.eye(3), strict=True):
        line = view.line([origin, origin + length * axis])
        if len(line) == 2:
            _add_arrow(drawing, line, role, head=0.016 * _unit_length(view))
            away = line[1] - line[0]
            tip = line[1] + away / max(float(np.linalg.norm(away)), 1e-9) * 0.024 * _unit_length(view)
            drawing.letters.append((role, role, float(tip[0]), float(tip[1])))


def _add_arrow(drawing: Drawing, line: Array, role: str, head: float) -> None:
    """A line that ends in a head of `head` pixels; nothing if it is too short to have a direction."""
    if len(line) < 2:
        return
    tip = line[-1]
    tail = next((point for point in line[-2::-1] if np.linalg.norm(tip - point) >= head), None)
    if tail is None:
        return
    along = (tip - tail) / np.linalg.norm(tip - tail) * head
    across = 0.5 * np.array([-along[1], along[0]])
    shaft = np.concatenate([line[np.linalg.norm(line - tip, axis=1) > head], [tip - 0.8 * along]])
    drawing.strokes.append(Stroke(role, shaft))
    drawing.strokes.append(Stroke(role, np.stack([tip, tip - along + across, tip - along - across]), filled=True))
