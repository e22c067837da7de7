"""Where the camera went, from two pictures and the depth of the first; nothing else of the row is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from tests.invariants.seeing import View, view


Array = NDArray[np.float64]
# A match is kept if the next best one is so much worse, and if it lands within so many pixels of where it should.
RATIO, WITHIN = 0.8, 2.0
# A pose needs so many matches; so large a share of all points must then lie where they should, to end the search and
# to be believed at all; so many poses are tried.
FEWEST, CONSISTENT, DOUBTFUL, HYPOTHESES = 12, 0.85, 0.5, 4


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
    depth, smooth = flat_depth(seen, pixels)
    rays = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ np.linalg.inv(seen.intrinsics).T
    return (rays * depth[:, None] - seen.extrinsics[:3, 3]) @ seen.extrinsics[:3, :3], smooth


def flat_depth(seen: View, pixels: Array) -> tuple[Array, NDArray[np.bool_]]:
    """(N,) metres along the optical axis between pixel centres, 1 where the surface is not smooth; and where it is."""
    height, width = seen.depth.shape
    left = np.clip(np.floor(pixels[:, 0] - 0.5).astype(int), 0, width - 2)
    top = np.clip(np.floor(pixels[:, 1] - 0.5).astype(int), 0, height - 2)
    fx, fy = pixels[:, 0] - 0.5 - left, pixels[:, 1] - 0.5 - top
    corner = np.stack([seen.depth[top + dy, left + dx] for dy in (0, 1) for dx in (0, 1)])
    smooth = (corner.min(axis=0) > 0) & (np.ptp(corner, axis=0) < 0.02 * corner.min(axis=0))
    weight = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx])
    # Planes are linear in the inverse of depth.
    inverse = (weight / np.where(smooth, corner, 1.0)).sum(axis=0)
    return np.where(smooth, 1 / np.where(smooth, inverse, 1.0), 1.0), smooth


def measure_camera(row: dict[str, Any]) -> Array | None:
    """(4, 4) world-to-camera of the target view: perspective from points of known depth that both pictures show.

    None if too few points are found in both.
    """
    source, target = view(row, "source"), view(row, "target")
    best, share = None, DOUBTFUL
    for tilted in (False, True):
        # Where a pattern repeats, a wrong pose can have the most matches; depth everywhere tells it.
        for pose in _poses(source, target, tilted):
            if (agree := consistent(pose, source, target)) > share:
                best, share = pose, agree
        if share >= CONSISTENT:
            break
    return None if best is None else _refined(best, source, target)


def _poses(source: View, target: View, tilted: bool) -> Iterator[Array]:
    """Poses that many matches agree on, each from the matches that those before it leave."""
    points, pixels = _matches(source, target, tilted)
    # The generator of RANSAC starts anew: the same row gives the same answer.
    cv2.setRNGSeed(0)
    for _ in range(HYPOTHESES):
        if len(points) < FEWEST:
            return
        found, turn, shift, inliers = cv2.solvePnPRansac(
            points, pixels, target.intrinsics, None, reprojectionError=WITHIN, iterationsCount=5000, confidence=0.9999
        )
        if not found or inliers is None or len(inliers) < FEWEST:
            return
        keep = inliers.ravel()
        turn, shift = cv2.solvePnPRefineLM(points[keep], pixels[keep], target.intrinsics, None, turn, shift)
        yield _matrix(turn, shift)
        points, pixels = np.delete(points, keep, axis=0), np.delete(pixels, keep, axis=0)


def _matches(source: View, target: View, tilted: bool) -> tuple[Array, Array]:
    """(N, 3) world points seen in the source and (N, 2) pixels of the target where they are found again."""
    (at_source, first), (at_target, second) = features(source, tilted), features(target, tilted)
    if min(len(first), len(second)) < FEWEST:
        return np.empty((0, 3)), np.empty((0, 2))
    matcher = cv2.BFMatcher()
    forth, back = matcher.knnMatch(first, second, k=2), matcher.match(second, first)
    pairs = np.array(
        [
            (best.queryIdx, best.trainIdx)
            for best, other in forth
            if best.distance < RATIO * other.distance and back[best.trainIdx].trainIdx == best.queryIdx
        ],
        dtype=int,
    ).reshape(-1, 2)
    at_source, at_target = at_source[pairs[:, 0]], at_target[pairs[:, 1]]
    points, smooth = flat_points(source, at_source)
    smooth &= _ids(source, at_source) == _ids(target, at_target)
    return points[smooth], at_target[smooth]


def _ids(seen: View, pixels: Array) -> NDArray[np.int64]:
    cols, rows = np.clip(np.floor(pixels).astype(int), 0, np.array(seen.ids.shape)[::-1] - 1).T
    return seen.ids[rows, cols]


def _depth_gaps(pose: Array, source: View, target: View) -> tuple[Array, NDArray[np.bool_]]:
    """(N,) how far the source's points, every fourth each way, lie behind what the target shows there at this pose,
    and which of them fall inside its frame; metres."""
    rows, cols = (part.ravel() for part in np.mgrid[1 : source.ids.shape[0] : 4, 1 : source.ids.shape[1] : 4])
    rows, cols = rows[source.depth[rows, cols] > 0], cols[source.depth[rows, cols] > 0]
    pixels, depth = replace(target, extrinsics=pose).project(source.points(rows, cols))
    seen, smooth = flat_depth(target, np.clip(pixels, -1e6, 1e6))
    height, width = target.ids.shape
    inside = (depth > 0.05) & (pixels > 0).all(axis=1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    return np.where(smooth, depth - seen, np.inf), inside


def consistent(pose: Array, source: View, target: View) -> float:
    """Share of the source's points in the target's frame that lie on what it shows, or behind it."""
    gaps, inside = _depth_gaps(pose, source, target)
    told = inside & np.isfinite(gaps) & (gaps < 0.05)
    return float((np.abs(gaps[told]) < 0.02).mean()) if told.sum() >= 100 else 0.0


def _refined(pose: Array, source: View, target: View) -> Array:
    """The pose at which the points seen before lie best on the surfaces seen after."""
    start = np.concatenate([cv2.Rodrigues(pose[:3, :3])[0].ravel(), pose[:3, 3]])
    gaps, inside = _depth_gaps(pose, source, target)
    use = inside & (np.abs(gaps) < 0.03)

    def residuals(x: Array) -> Array:
        off, _ = _depth_gaps(_matrix(x[:3], x[3:]), source, target)
        return np.where(np.isfinite(off[use]), off[use], 0.03) / 0.002

    found = least_squares(residuals, start, loss="soft_l1", x_scale=0.001, diff_step=1e-5, max_nfev=20)
    return _matrix(found.x[:3], found.x[3:])


def _matrix(turn: Array, shift: Array) -> Array:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(np.asarray(turn))[0], np.ravel(shift)
    return pose


def camera_disagreement(measured: Array, stored: Array) -> tuple[float, float]:
    """Metres between the optical centres and degrees between the orientations of two (4, 4) world-to-camera."""
    centres = [-pose[:3, :3].T @ pose[:3, 3] for pose in (measured, stored)]
    turn = measured[:3, :3] @ stored[:3, :3].T
    sine = np.linalg.norm([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    return float(np.linalg.norm(centres[0] - centres[1])), float(
        np.degrees(np.arctan2(sine, (np.trace(turn) - 1) / 2))
    )
