"""Checks: each looks at one thing and returns None (accepted) or a reason with what was measured.

They are ordered from cheap to dear by the pipeline: geometry, then physics, then ids and depth by rays, then colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.camera_control import CLEARANCE, STEEPEST, obstructed, steepness
from gsi_datasets.geometry import corners, overlap_xy, rotation_angle
from gsi_datasets.operations import Candidate
from gsi_datasets.placing import SAME_HEIGHT, foot_of, places
from gsi_datasets.scene import Box, Scene, SceneObject
from gsi_datasets.simulators.base import Contact


if TYPE_CHECKING:
    from gsi_datasets.renderers.rays import Visibility


# Scales that furniture is believable at.
SMALLEST_FURNITURE, LARGEST_FURNITURE = 0.65, 1.5


class Reason(NamedTuple):
    """Why something is rejected: one word that is counted, and what was measured."""

    word: str
    detail: str


@dataclass(frozen=True)
class Tolerances:
    """What "the same" means. Ideal against actual: 5 mm, 1 degree, 0.5 % (DESIGN.md); the others hold it tight.

    Attributes:
        position: of the target, metres.
        angle: of the target, radians.
        scale: of the target, relative.
        collateral: any other object may move by this, metres.
        collateral_angle: and turn by this, radians.
        penetration: overlap that counts as a collision, metres.
        clearance: free space demanded around the destination, metres.
    """

    position: float = 0.005
    angle: float = np.radians(1.0)
    scale: float = 0.005
    collateral: float = 0.001
    collateral_angle: float = np.radians(0.5)
    penetration: float = 0.001
    clearance: float = 0.004


TOLERANCES = Tolerances()


def destination_on_support(candidate: Candidate) -> Reason | None:
    """The foot of the target must stand within the usable area of a table, a shelf or a floor."""
    if candidate.removes or candidate.moves_camera:
        return None
    target = candidate.after[candidate.target]
    if target.support is None:
        return Reason("unsupported", f"{target.name} rests on nothing")
    support = candidate.after[target.support]
    if not support.static:
        return None
    if not assets.info(support.asset).places:
        return Reason("unsupported", f"{support.name} has no usable surface")
    feet = foot_of(target.box)
    level = [place for place in places(support) if abs(place.centre[2] - feet[:, 2].min()) <= SAME_HEIGHT]
    outside = min((place.overhang(feet) for place in level), default=np.inf)
    if outside > 0:
        return Reason(
            "off-table", f"{target.name} would stand {100 * min(outside, 9.99):.0f} % beyond the usable edge"
        )
    return None


def destination_free(candidate: Candidate, tolerances: Tolerances = TOLERANCES) -> Reason | None:
    """Nothing else may stand where the target goes (boxes seen from above, with clearance)."""
    if candidate.removes or candidate.moves_camera:
        return None
    target = candidate.after[candidate.target]
    for other in candidate.after.movable:
        if other.name in (target.name, target.support) or _apart_vertically(target.box, other.box):
            continue
        if overlap_xy(target.box, other.box, clearance=tolerances.clearance):
            return Reason("collision", f"{target.name} would stand in {other.name}")
    return None


def _apart_vertically(a: Box, b: Box) -> bool:
    za, zb = corners(a)[:, 2], corners(b)[:, 2]
    return bool(za.min() > zb.max() - 0.001 or zb.min() > za.max() - 0.001)


def believable_size(candidate: Candidate) -> Reason | None:
    """A scaled object must stay something one could see on a table; furniture must stay something to use."""
    if candidate.operation != "OS":
        return None
    target = candidate.after[candidate.target]
    size = target.box.size
    if assets.info(target.asset).kind == "furniture":
        if not SMALLEST_FURNITURE <= target.scale <= LARGEST_FURNITURE:
            return Reason("size", f"{candidate.target} would be {target.scale:.2f} times as large as such things are")
        return None
    if size.max() > 0.55:
        return Reason("size", f"{candidate.target} would be {100 * size.max():.0f} cm large")
    if np.sort(size)[1] < 0.015:
        return Reason("size", f"{candidate.target} would be {1000 * np.sort(size)[1]:.0f} mm small")
    return None


def camera_free(before: Scene, candidate: Candidate) -> Reason | None:
    """The camera moves through nothing, ends clear of everything and does not look at its feet or the ceiling."""
    if not candidate.moves_camera:
        return None
    camera = candidate.after.camera
    steep = steepness(camera)
    if abs(steep) > STEEPEST:
        return Reason("steep", f"the camera would look {abs(steep):.0f} degrees {'up' if steep > 0 else 'down'}")
    if name := obstructed(before, camera):
        return Reason("collision", f"the camera would come within {100 * CLEARANCE:.0f} cm of {name}")
    return None


def no_penetration(contacts: Iterable[Contact], target: str, tolerances: Tolerances = TOLERANCES) -> Reason | None:
    """At the ideal destination the target's collision shape may not overlap anything."""
    for contact in contacts:
        if target in (contact.first, contact.second) and contact.depth > tolerances.penetration:
            return Reason("collision", f"{contact.first} and {contact.second} overlap by {1e3 * contact.depth:.1f} mm")
    return None


@dataclass(frozen=True)
class Deviation:
    """How far physics left an object from where it should be: metres, radians, relative scale."""

    position: float
    angle: float
    scale: float


def deviation(ideal: SceneObject, actual: SceneObject) -> Deviation:
    """Distance of box centres, geodesic angle, relative scale error."""
    return Deviation(
        float(np.linalg.norm(ideal.box.centre - actual.box.centre)),
        float(rotation_angle(ideal.rotation, actual.rotation)),
        abs(actual.scale / ideal.scale - 1),
    )


def reached(ideal: SceneObject, actual: SceneObject, tolerances: Tolerances = TOLERANCES) -> Reason | None:
    """The actual destination must be the ideal one within tolerance."""
    off = deviation(ideal, actual)
    if off.position > tolerances.position or off.angle > tolerances.angle or off.scale > tolerances.scale:
        fell = off.angle > np.radians(20)
        detail = f"{ideal.name} ended {1e3 * off.position:.1f} mm and {np.degrees(off.angle):.1f} degrees off"
        return Reason("topple" if fell else "unstable", detail)
    return None


def others_still(before: Scene, after: Scene, target: str, tolerances: Tolerances = TOLERANCES) -> Reason | None:
    """Nothing but the target may have moved."""
    for item in before.movable:
        if item.name == target:
            continue
        off = deviation(item, after[item.name])
        if off.position > tolerances.collateral or off.angle > tolerances.collateral_angle:
            detail = f"{item.name} moved {1e3 * off.position:.1f} mm, {np.degrees(off.angle):.1f} degrees"
            return Reason("collateral", detail)
    return None


def visible(
    visibility: Mapping[str, Visibility], name: str, when: str, fraction: float, pixels: int, inside: float = 0.99
) -> Reason | None:
    """The named object must be seen well enough, and lie inside the frame, wholly or by a share."""
    seen = visibility[name]
    if seen.inside < inside:
        return Reason("out-of-frame", f"{name} is {100 * seen.inside:.0f} % inside the frame {when}")
    if seen.fraction < fraction:
        return Reason("occluded", f"{100 * seen.fraction:.0f} % of {name} is visible {when}")
    if seen.visible < pixels:
        return Reason("tiny", f"{name} covers {seen.visible} pixels {when}")
    return None


def changed_enough(
    source: NDArray[np.uint8],
    target: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    fraction: float = 0.12,
    level: int = 12,
) -> Reason | None:
    """Within the masks of the edited object, enough pixels must differ visibly."""
    difference = np.abs(source.astype(np.int16) - target.astype(np.int16)).max(axis=2)
    share = float((difference[mask] > level).mean()) if mask.any() else 0.0
    if share < fraction:
        return Reason("unchanged", f"only {100 * share:.1f} % of the object's pixels change")
    return None
