"""PC: the camera moves along one of its axes or turns about one, and what it showed stays in view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.geometry import axis_angle, camera_axes, depth_to_points, invert_rigid, points_in_box
from gsi_datasets.instructions import UNITS
from gsi_datasets.rooms import holds, rooms_of
from gsi_datasets.scene import Camera, Scene


Array = NDArray[np.float64]
MOVES = ("forward", "backward", "left", "right", "up", "down")
TURNS = {"yaw": ("left", "right"), "pitch": ("up", "down")}
# Turns and distances that instructions use: multiples of these.
STEP_DEGREES, STEP_CM = 5, 5
STEEPEST = 60.0
"""Degrees that a camera may look up or down."""
CLEARANCE = 0.15
"""Metres to anything, on the way and at its end."""
SMALLEST_OVERLAP = 0.35
"""Share of the source's points that the target must show too."""


@dataclass(frozen=True)
class Motion:
    """One motion of the camera: ``move``, ``yaw`` or ``pitch``, which way, and how far (metres or degrees)."""

    kind: str
    direction: str
    amount: float

    def parameters(self) -> dict[str, Any]:
        """As stored in a row; the distance in centimetres besides, directions in the source camera's frame."""
        words: dict[str, Any] = {"motion": self.kind, "direction": self.direction, "frame": "source camera"}
        if self.kind == "move":
            return words | {"distance": round(self.amount / UNITS["cm"][0], 6), "unit": "cm", "metres": self.amount}
        return words | {"degrees": self.amount}


def draw(
    camera_move_cm: tuple[float, float], camera_turn_degrees: tuple[float, float], rng: np.random.Generator
) -> Motion:
    """A motion within the given ranges, moves and turns about equally often."""
    kind = str(rng.choice(["move", "yaw", "pitch"], p=[0.5, 0.3, 0.2]))
    if kind == "move":
        return Motion(kind, str(rng.choice(MOVES)), 0.01 * _round(camera_move_cm, STEP_CM, rng))
    return Motion(kind, str(rng.choice(TURNS[kind])), _round(camera_turn_degrees, STEP_DEGREES, rng))


def moved(camera: Camera, motion: Motion) -> Camera:
    """The camera after a motion.

    Left, right, forward and backward run level along the ground, up and down along the vertical, all from where the
    source camera looks; yaw turns about the vertical, pitch about the camera's right axis.
    """
    right, forward, up = camera_axes(camera.extrinsics)
    pose = invert_rigid(camera.extrinsics)
    if motion.kind == "move":
        axes = {"forward": forward, "backward": -forward, "left": -right, "right": right, "up": up, "down": -up}
        pose[:3, 3] += motion.amount * axes[motion.direction]
    else:
        sign = 1 if motion.direction in ("left", "up") else -1
        axis = np.array([0.0, 0.0, 1.0]) if motion.kind == "yaw" else right
        pose[:3, :3] = axis_angle(axis, sign * np.radians(motion.amount)) @ pose[:3, :3]
    return replace(camera, extrinsics=invert_rigid(pose))


def steepness(camera: Camera) -> float:
    """Degrees that the camera looks up (positive) or down."""
    return float(np.degrees(np.arcsin(np.clip(camera.extrinsics[2, 2], -1, 1))))


def obstructed(scene: Scene, camera: Camera) -> str | None:
    """What is in the way of the camera from where the scene has it to where `camera` is: a name, or None.

    Objects count by their boxes, the rooms of a home by their inner walls.
    """
    start, end = scene.camera.position, camera.position
    steps = max(int(np.ceil(np.linalg.norm(end - start) / (CLEARANCE / 2))), 1)
    for point in (start + (end - start) * k / steps for k in range(1, steps + 1)):
        for item in scene.objects:
            if assets.info(item.asset).kind == "structure":
                if not _indoors(item.asset, point - item.position):
                    return "wall"
            elif points_in_box(point, item.box, CLEARANCE):
                return item.name
    return None


def _indoors(asset: str, point: Array) -> bool:
    """Whether a point of a structure's frame keeps clear of its walls, floor and ceiling."""
    return any(
        holds(room, point[None, :2], CLEARANCE)[0] and CLEARANCE <= point[2] <= room.size[2] - CLEARANCE
        for room in rooms_of(asset)
    )


def overlap(
    depth_before: NDArray[np.float32], before: Camera, depth_after: NDArray[np.float32], after: Camera
) -> float:
    """Share of the points seen before that are seen after too, on every eighth pixel."""
    points = depth_to_points(depth_before, before)[4::8, 4::8].reshape(-1, 3)
    points = points[(depth_before[4::8, 4::8] > 0).ravel()]
    if not len(points):
        return 0.0
    there = points @ after.extrinsics[:3, :3].T + after.extrinsics[:3, 3]
    pixels = there @ after.intrinsics.T
    with np.errstate(divide="ignore", invalid="ignore"):
        columns, rows = np.floor(pixels[:, :2] / pixels[:, 2:]).T
    inside = (there[:, 2] > 0.05) & (columns >= 0) & (rows >= 0) & (columns < after.width) & (rows < after.height)
    seen = depth_after[rows[inside].astype(int), columns[inside].astype(int)]
    return float((np.abs(seen - there[inside, 2]) < 0.03 + 0.02 * there[inside, 2]).sum() / len(points))


def _round(bounds: tuple[float, float], step: int, rng: np.random.Generator) -> float:
    low, high = int(np.ceil(bounds[0] / step)), int(np.floor(bounds[1] / step))
    return float(step * rng.integers(low, max(high, low) + 1))
