"""Stored boxes against what is seen: do they hold the object, and do they fit it?"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.invariants.seeing import View, view


Array = NDArray[np.float64]


class BoxFit(NamedTuple):
    """How a box fits the mask of its object, shares in [0, 1].

    Attributes:
        inside: of the object's seen points that lie inside the box, 4 mm allowed.
        tight: IoU, in space, of the box and of the one that ends where the seen points do on each side that faces the
            camera. Of a convex thing that nothing hides, the point farthest to such a side is seen.
        covered: of the mask that lies inside the image of the box, a pixel allowed.
        rectangle: IoU of the rectangles around the mask and around the image of the box.
        outline: IoU of the convex hulls of both.
        silhouette: IoU of the mask itself and the image of the box. What is thin, bulges or has legs does not fill
            its box, so that these three stay below 1 for the best box.
    """

    inside: float
    tight: float
    covered: float
    rectangle: float
    outline: float
    silhouette: float


def box_corners(record: dict[str, Any]) -> Array:
    """(8, 3) corners of a stored box."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    half = np.asarray(record["size"]) / 2
    return np.asarray(record["centre"]) + (signs * half) @ np.asarray(record["rotation"]).T


def outline_points(record: dict[str, Any]) -> Array:
    """(N, 3) points whose hull is the box; of what is round about the vertical, the upright cylinder in it."""
    if record["symmetry"] != 0:
        return box_corners(record)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), np.ones(48)], axis=1)
    local = np.concatenate([ring, ring * (1, 1, -1)]) * np.asarray(record["size"]) / 2
    return np.asarray(record["centre"]) + local @ np.asarray(record["rotation"]).T


def box_agreement(record: dict[str, Any], seen: View, margin: float = 0.004) -> BoxFit:
    """How the box of an object fits what a view shows of it; all of the object must be in view and in front."""
    rows, cols = np.nonzero((seen.ids == record["id"]) & (seen.depth > 0))
    local = (seen.points(rows, cols) - np.asarray(record["centre"])) @ np.asarray(record["rotation"])
    half = np.asarray(record["size"]) / 2
    inside = (np.abs(local) <= half + margin).all(axis=1).mean()
    eye = (-seen.extrinsics[:3, :3].T @ seen.extrinsics[:3, 3] - record["centre"]) @ np.asarray(record["rotation"])
    # Along each axis, how far short of the side towards the camera the seen points end, or beyond it.
    ends = np.where(eye > 0, local.max(axis=0), -local.min(axis=0))
    facing = np.abs(eye) > half
    short = np.where(facing, half - ends, 0.0)
    tight = np.prod(np.where(short > 0, 1 - short / (2 * half), 1 / (1 - short / (2 * half))))
    pixels, _ = seen.project(outline_points(record))
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    mask_low, mask_high = np.array([cols.min(), rows.min()]), np.array([cols.max(), rows.max()]) + 1.0
    shared = np.prod(np.clip(np.minimum(high, mask_high) - np.maximum(low, mask_low), 0, None))
    rectangle = shared / (np.prod(high - low) + np.prod(mask_high - mask_low) - shared)
    image = cv2.convexHull(pixels.astype(np.float32))[:, 0]
    centres = np.stack([cols + 0.5, rows + 0.5], axis=1)
    covered = _within(centres, image)
    # A pixel is a square: the hull of a mask is that of its pixels' corners.
    squares = np.concatenate([centres + (x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)])  # noqa: RUF005
    hull = cv2.convexHull(squares.astype(np.float32))[:, 0]
    area, own, both = cv2.contourArea(image), cv2.contourArea(hull), cv2.intersectConvexConvex(image, hull)[0]
    on = float((covered >= 0).sum())
    return BoxFit(
        float(inside),
        float(tight),
        float((covered >= -1).mean()),
        float(rectangle),
        float(both / (area + own - both)),
        on / (area + len(rows) - on),
    )


def _within(points: Array, hull: NDArray[np.float32]) -> Array:
    """(N,) pixels from points to the rim of a convex hull; negative outside."""
    nxt = np.roll(hull, -1, axis=0)
    side = nxt - hull
    normal = np.stack([side[:, 1], -side[:, 0]], axis=1) / np.linalg.norm(side, axis=1, keepdims=True)
    # Towards the middle, whichever way the hull runs.
    normal *= np.sign(((hull.mean(axis=0) - hull) * normal).sum(axis=1, keepdims=True))
    return np.asarray(((points[:, None] - hull) * normal).sum(axis=2).min(axis=1))


def others_still(row: dict[str, Any]) -> float:
    """Largest motion of any box corner of the objects that were not to be edited, metres."""
    after = {item["id"]: item for item in row["objects_after"]}
    moved = [
        float(np.abs(box_corners(item) - box_corners(after[item["id"]])).max())
        for item in row["objects_before"]
        if item["id"] not in row["target_ids"]
    ]
    return max(moved, default=0.0)


def untouched_depth(row: dict[str, Any]) -> float:
    """By how much depth changes where nothing was to change, metres.

    Where the camera stays: the largest change at a pixel that shows the same other object, or the same background, in
    both images. Where it moves: the largest, over all that both show, of the median distance between the depth seen
    in one view and the depth that the points of the other should have.
    """
    source, target = view(row, "source"), view(row, "target")
    if row["operation"] == "PC":
        return max(_carried_depth(source, target), _carried_depth(target, source))
    if not np.array_equal(source.extrinsics, target.extrinsics):
        return float("inf")
    same = (source.ids == target.ids) & ~np.isin(source.ids, row["target_ids"])
    return float(np.abs(source.depth - target.depth)[same].max())


def _carried_depth(source: View, target: View, fewest: int = 200) -> float:
    rows, cols = np.nonzero(source.depth > 0)
    pixels, depth = target.project(source.points(rows, cols))
    height, width = target.depth.shape
    left, top = (np.floor(pixels[:, k] - 0.5) for k in (0, 1))
    keep = (depth > 0.05) & (left >= 0) & (top >= 0) & (left < width - 1) & (top < height - 1)
    ids, left, top = source.ids[rows, cols][keep], left[keep].astype(int), top[keep].astype(int)
    pixels, depth = pixels[keep], depth[keep]
    corner = [(top + dy, left + dx) for dy in (0, 1) for dx in (0, 1)]
    around = np.stack([target.depth[at] for at in corner])
    # Of the same object and the same surface: neither an edge nor something in between.
    whole = np.all([target.ids[at] == ids for at in corner], axis=0) & (np.ptp(around, axis=0) < 0.02 * depth)
    fx, fy = pixels[:, 0] - 0.5 - left, pixels[:, 1] - 0.5 - top
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = ((1 - fy) * ((1 - fx) / around[0] + fx / around[1])) + fy * ((1 - fx) / around[2] + fx / around[3])
        off = 1 / inverse - depth
    # What should lie behind the seen surface is hidden by it; had that surface come there, the other way round tells.
    whole &= (off > -0.002) & (off < 0.05)
    counts = {k: whole & (ids == k) for k in np.unique(ids)}
    return max((float(np.median(np.abs(off[at]))) for at in counts.values() if at.sum() >= fewest), default=0.0)
