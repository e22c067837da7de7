"""Places: the flat areas of a scene where things can stand, and the spots on them that an instruction can name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.asset import Receptacle
from gsi_datasets.geometry import camera_axes, corners
from gsi_datasets.scene import Box, Scene, SceneObject


Array = NDArray[np.float64]
# What a thing stands on lies within this below or above its foot, metres: physics lets it sink or hover a little.
SAME_HEIGHT = 0.02
# Spots nearer to the middle than this share of the area's reach are the middle.
SPOTS = ("centre", "leftmost", "rightmost", "nearest", "farthest")
SMALLEST_OFFSET = 0.06


@dataclass(frozen=True, eq=False)
class Place:
    """One place of one object of a scene.

    Attributes:
        owner: the object.
        receptacle: the area, in the owner's unscaled frame.
    """

    owner: SceneObject
    receptacle: Receptacle

    @property
    def centre(self) -> Array:
        """(3,) the middle of the area, metres, world."""
        local = np.array([*self.receptacle.centre, self.receptacle.floor])
        return np.asarray(self.owner.position + self.owner.rotation @ (self.owner.scale * local))

    @property
    def half(self) -> Array:
        """(2,) half extents along the owner's x and y, metres."""
        return np.asarray(self.owner.scale * np.asarray(self.receptacle.half_extents))

    @property
    def on_floor(self) -> bool:
        """Whether it is the floor of a room."""
        return assets.info(self.owner.asset).kind == "structure"

    def overhang(self, points: Array) -> float:
        """How far points (N, 3) lie beyond the usable area, as a share of its half extents; at most 0 within it."""
        local = (points - self.centre) @ self.owner.rotation
        ratio = np.abs(local[:, :2]) / self.half
        outside = np.linalg.norm(ratio, axis=1) if self.receptacle.round else ratio.max(axis=1)
        return float(outside.max()) - 1.0

    def spot(self, which: str, extrinsics: Array, foot: float) -> Array | None:
        """Where a thing of foot radius `foot` stands on a named spot, (3,) metres, world.

        ``centre`` is the middle. The others lie on the line through the middle along the camera's right or forward
        axis (on the ground), as far out as the whole foot still stands on the area.

        Returns:
            None if the thing does not fit, or the spot could not be told from the middle.
        """
        room = self.half - foot
        if room.min() < 0:
            return None
        if which == "centre":
            return self.centre
        right, forward, _ = camera_axes(extrinsics)
        towards = {"leftmost": -right, "rightmost": right, "nearest": -forward, "farthest": forward}[which]
        local = np.abs((towards @ self.owner.rotation)[:2])
        with np.errstate(divide="ignore"):
            inverse = local / np.maximum(room, 1e-9)
            reach = 1 / (np.linalg.norm(inverse) if self.receptacle.round else inverse.max())
        return self.centre + reach * towards if reach >= max(SMALLEST_OFFSET, foot) else None


def places(item: SceneObject) -> list[Place]:
    """Every place of an object, the main one first."""
    return [Place(item, receptacle) for receptacle in assets.info(item.asset).places]


def named_place(item: SceneObject) -> Place | None:
    """The place that is meant by "onto" or "into" a thing: its only one, or a top with one more place below it.

    None where the name does not say which: of a bookcase, or of a worktop that a sink divides.
    """
    found = places(item)
    if not 1 <= len(found) <= 2:
        return None
    first, *others = found
    lower = [other for other in others if other.receptacle.floor < first.receptacle.floor - SAME_HEIGHT]
    return first if len(lower) == len(others) else None


def place_of(scene: Scene, item: SceneObject) -> Place | None:
    """The place that an object stands on: of its support, at the height of its foot, around its middle."""
    if item.support is None:
        return None
    foot = float(corners(item.box)[:, 2].min())
    middle = item.box.centre[None]
    fits = [
        (abs(float(place.centre[2]) - foot), number, place)
        for number, place in enumerate(places(scene[item.support]))
        if place.overhang(middle) <= 0.05
    ]
    nearest = min(fits, default=None, key=lambda found: found[:2])
    return nearest[2] if nearest and nearest[0] <= SAME_HEIGHT else None


def foot_of(box: Box) -> Array:
    """(4, 3) the lower corners of a box, metres."""
    points = corners(box)
    return np.asarray(points[np.argsort(points[:, 2])[:4]])


def root(scene: Scene, item: SceneObject) -> SceneObject:
    """The static object at the end of the chain of supports.

    Raises:
        ValueError: something in the chain rests on nothing.
    """
    while not item.static:
        if item.support is None:
            raise ValueError(f"scene {scene.name}: {item.name} rests on nothing; settle the scene first")
        item = scene[item.support]
    return item


def surface(place: Place) -> dict[str, str]:
    """What to call the place that things are moved on or removed from, as a parameter."""
    if place.on_floor:
        return {"surface": "floor"}
    # Any thing with a top that stands alone in the picture is "the table" to people, a desk and a counter too.
    return {"surface": "table" if place.owner.name == "table" else place.owner.category}
