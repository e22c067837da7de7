"""Where the camera went, from two pictures and the depth of the first; nothing else of the row is asked."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.invariants.seeing import View, view


Array = NDArray[np.float64]
# A match is kept if the next best one is so much worse, and if it lands within so many pixels of where it should.
RATIO, WITHIN = 0.8, 2.0
# So many points are needed; below `ENOUGH`, they are looked for as seen from other sides too.
FEWEST, ENOUGH = 12, 40


def features(seen: View, tilted: bool) -> tuple[Array, NDArray[np.float32]]:
    """(N, 2) pixels and (N, 128) descriptors of points that can be found again, if `tilted` from other sides too."""
    grey = cv2.cvtColor(seen.colour.astype(np.uint8), cv2.COLOR_RGB2GRAY)
    # Walls have little contrast; what is found there too is sorted out by the matching.
    finder = cv2.SIFT_create(nfeatures=6000, contrastThreshold=0.008)
    if tilted:
        finder = cv2.AffineFeature_create(finder, 3, 0)
    points, described = finder.detectAndCompute(grey, None)
    if not points:
        return np.empty((0, 2)), np.empty((0, 128), dtype=np.float32)
    # OpenCV counts from the middle of the first pixel.
    return np.array([point.pt for point in points]) + 0.5, described


def flat_points(seen: View, pixels: Array) -> tuple[Array, NDArray[np.bool_]]:
    """(N, 3) world points at pixels (N, 2), and whether the surface there is smooth enough to tell its depth."""
    height, width = seen.depth.shape
    left = np.clip(np.floor(pixels[:, 0] - 0.5).astype(int), 0, width - 2)
    top = np.clip(np.floor(pixels[:, 1] - 0.5).astype(int), 0, height - 2)
    fx, fy = pixels[:, 0] - 0.5 - left, pixels[:, 1] - 0.5 - top
    corner = np.stack([seen.depth[top + dy, left + dx] for dy in (0, 1) for dx in (0, 1)])
    # Planes are linear in the inverse of depth.
    with np.errstate(divide="ignore"):
        inverse = 1 / corner
    weight = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx])
    with np.errstate(invalid="ignore"):
        depth = 1 / (weight * inverse).sum(axis=0)
    smooth = (corner.min(axis=0) > 0) & (np.ptp(corner, axis=0) < 0.02 * corner.min(axis=0))
    rays = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ np.linalg.inv(seen.intrinsics).T
    depth = np.where(smooth, depth, 1.0)
    return (rays * depth[:, None] - seen.extrinsics[:3, 3]) @ seen.extrinsics[:3, :3], smooth


def measure_camera(row: dict[str, Any]) -> Array | None:
    """(4, 4) world-to-camera of the target view: perspective from points of known depth that both pictures show.

    None if too few points are found in both.
    """
    source, target = view(row, "source"), view(row, "target")
    found = _solve(source, target, tilted=False)
    if found is None or found[1] < ENOUGH:
        found = max(found, _solve(source, target, tilted=True), key=lambda it: it[1] if it else 0)
    return found[0] if found else None


def _solve(source: View, target: View, tilted: bool) -> tuple[Array, int] | None:
    """The pose and how many points agree on it."""
    (at_source, first), (at_target, second) = features(source, tilted), features(target, tilted)
    if min(len(first), len(second)) < FEWEST:
        return None
    matcher = cv2.BFMatcher()
    forth, back = matcher.knnMatch(first, second, k=2), matcher.match(second, first)
    pairs = [
        (best.queryIdx, best.trainIdx)
        for best, other in forth
        if best.distance < RATIO * other.distance and back[best.trainIdx].trainIdx == best.queryIdx
    ]
    if len(pairs) < FEWEST:
        return None
    points, smooth = flat_points(source, at_source[[i for i, _ in pairs]])
    points, pixels = points[smooth], at_target[[j for _, j in pairs]][smooth]
    if len(points) < FEWEST:
        return None
    # The generator of RANSAC starts anew: the same row gives the same answer.
    cv2.setRNGSeed(0)
    found, turn, shift, inliers = cv2.solvePnPRansac(
        points, pixels, target.intrinsics, None, reprojectionError=WITHIN, iterationsCount=5000, confidence=0.9999
    )
    if not found or inliers is None or len(inliers) < FEWEST:
        return None
    keep = inliers.ravel()
    turn, shift = cv2.solvePnPRefineLM(points[keep], pixels[keep], target.intrinsics, None, turn, shift)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], shift.ravel()
    return pose, len(keep)


def camera_disagreement(measured: Array, stored: Array) -> tuple[float, float]:
    """Metres between the optical centres and degrees between the orientations of two (4, 4) world-to-camera."""
    centres = [-pose[:3, :3].T @ pose[:3, 3] for pose in (measured, stored)]
    turn = measured[:3, :3] @ stored[:3, :3].T
    sine = np.linalg.norm([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    return float(np.linalg.norm(centres[0] - centres[1])), float(
        np.degrees(np.arctan2(sine, (np.trace(turn) - 1) / 2))
    )
