"""Measures how the camera moved, from points of known depth that are found again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import depth_to_points
from gsi_metrics.measurement import Floor, Measurement, Other
from gsi_metrics.perception.observing import reencoded
from gsi_metrics.perception.registration.surroundings import camera_of
from gsi_metrics.sample import Array, Picture, Sample


OBSERVER = "registration-3"
# How much nearer the best match of a point must be than the second best.
RATIO = 0.8
# Pixels by which a point may be off the place that the camera's motion predicts.
REACH = 2.5
# Matches that agree on a motion, below which it is none.
FEWEST = 12


def measure_camera(sample: Sample, edited: Picture) -> Measurement:
    """The rigid motion that carries the source camera to the camera of the edited picture, world frame."""
    found = _motion(sample, edited)
    if found is None:
        cause = "too few points of the source are found again to tell how the camera moved"
        return Measurement(sample.id, OBSERVER, cause=cause)
    extrinsics, inliers, share, error = found
    motion = np.linalg.inv(extrinsics) @ sample.source_extrinsics
    still = _motion(sample, reencoded(sample.source))
    floor = Floor()
    if still is not None:
        drift = np.linalg.inv(still[0]) @ sample.source_extrinsics
        moved = drift @ np.linalg.inv(sample.source_extrinsics) - np.linalg.inv(sample.source_extrinsics)
        floor = Floor(float(np.linalg.norm(moved[:3, 3])), _angle(drift))
    alike, others = _warped(sample, edited, extrinsics)
    known = 1.0 if sample.exact_depth else 0.7
    confidence = known * min(inliers / 60, 1.0) * min(share / 0.5, 1.0) * float(np.exp(-error / REACH))
    return Measurement(
        sample.id,
        OBSERVER,
        transform=motion,
        likeness=alike,
        others=others,
        confidence=float(confidence),
        floor=floor,
    )


def _motion(sample: Sample, edited: Picture) -> tuple[Array, int, float, float] | None:
    """(4, 4) world to the camera of the picture, agreeing matches, their share, and their median error in pixels."""
    import cv2

    sift = cv2.SIFT.create(nfeatures=2500, contrastThreshold=0.02)
    gray = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (sample.source, edited)]
    (first, one), (second, two) = (sift.detectAndCompute(picture, None) for picture in gray)
    if one is None or two is None or len(first) < FEWEST or len(second) < FEWEST:
        return None
    # Square roots of shares compare better than the shares themselves.
    one, two = (np.sqrt(item / np.maximum(item.sum(axis=1, keepdims=True), 1e-9)) for item in (one, two))
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(one.astype(np.float32), two.astype(np.float32), k=2)
    kept = [a for a, b in (pair for pair in pairs if len(pair) == 2) if a.distance < RATIO * b.distance]
    # A SIFT point (x, y) lies at x + 0.5 in pixels whose centres are at +0.5.
    source = np.array([first[item.queryIdx].pt for item in kept]).reshape(-1, 2)
    target = np.array([second[item.trainIdx].pt for item in kept]).reshape(-1, 2)
    columns, rows = (np.rint(source[:, axis]).astype(int) for axis in (0, 1))
    depth = _smooth_depth(sample)
    height, width = sample.size
    good = (columns < width) & (rows < height)
    good[good] &= depth[rows[good], columns[good]] > 0
    if good.sum() < FEWEST:
        return None
    inverse = np.linalg.inv(sample.source_extrinsics)
    rays = np.concatenate([source[good] + 0.5, np.ones((good.sum(), 1))], axis=1) @ np.linalg.inv(sample.intrinsics).T
    local = rays * depth[rows[good], columns[good], None]
    points, pixels = local @ inverse[:3, :3].T + inverse[:3, 3], target[good] + 0.5
    return _pose(points, pixels, sample.intrinsics)


def _pose(points: Array, pixels: Array, intrinsics: Array) -> tuple[Array, int, float, float] | None:
    import cv2

    try:
        ok, turn, shift, inliers = cv2.solvePnPRansac(
            points, pixels, intrinsics, None, iterationsCount=2000, reprojectionError=REACH, confidence=0.9999,
            flags=cv2.SOLVEPNP_SQPNP,
        )  # fmt: skip
    except cv2.error:
        # A sample of matches lies in one point: all matches of an unrelated picture may.
        return None
    if not ok or inliers is None or len(inliers) < FEWEST:
        return None
    chosen = inliers[:, 0]
    error = np.zeros(0)
    for _ in range(3):
        turn, shift = cv2.solvePnPRefineLM(points[chosen], pixels[chosen], intrinsics, None, turn, shift)
        seen, _ = cv2.projectPoints(points, turn, shift, intrinsics, None)
        error = np.linalg.norm(seen[:, 0] - pixels, axis=1)
        chosen = np.flatnonzero(error < REACH)
        if len(chosen) < FEWEST:
            return None
    extrinsics = np.eye(4)
    extrinsics[:3, :3], extrinsics[:3, 3] = cv2.Rodrigues(turn)[0], shift[:, 0]
    return extrinsics, len(chosen), len(chosen) / len(points), float(np.median(error[chosen]))


def _smooth_depth(sample: Sample) -> NDArray[np.float32]:
    """The depth, 0 next to its jumps: there the point may belong to either side."""
    import cv2

    depth, kernel = sample.source_depth, np.ones((3, 3), np.uint8)
    low, high = cv2.erode(depth, kernel), cv2.dilate(depth, kernel)
    return np.where((low > 0) & (high < 1.03 * low), depth, np.float32(0))


def _warped(sample: Sample, edited: Picture, extrinsics: Array) -> tuple[float, tuple[Other, ...]]:
    """How alike the source's points look where the new camera sees them: all of them, and those of each object."""
    import cv2

    from gsi_metrics.perception.registration.evidence import cost, features, match_colour, smoothed

    points = depth_to_points(sample.source_depth, camera_of(sample))
    local = points @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    depth = local[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        uv = local @ sample.intrinsics.T / depth[..., None]
    height, width = sample.size
    known = np.isfinite(uv).all(axis=-1) & (depth > 0.05)
    column, row = (np.where(known, uv[..., axis] - 0.5, -9).astype(np.float32) for axis in (0, 1))
    inside = known & (column >= 0) & (row >= 0) & (column <= width - 1) & (row <= height - 1)
    # Of points that fall on one place only the nearest is seen.
    i, j = np.rint(row[inside]).astype(int), np.rint(column[inside]).astype(int)
    nearest = np.full((height, width), np.inf, dtype=np.float32)
    np.minimum.at(nearest, (i, j), depth[inside].astype(np.float32))
    nearest = np.asarray(cv2.erode(nearest, np.ones((3, 3), np.uint8)), dtype=np.float32)
    inside[inside] = depth[inside] < 1.02 * nearest[i, j] + 0.01
    if not inside.any():
        return 0.0, ()
    before = features(smoothed(sample.source))
    source = smoothed(sample.source)
    moved = cv2.remap(smoothed(edited), column, row, cv2.INTER_LINEAR)
    blank = np.where(inside[..., None], moved, source)
    difference = features(match_colour(blank, source)) - before
    loss = cost(difference)
    others = []
    for body in sample.before:
        place = inside & (sample.source_ids == body.id)
        if body.movable and place.sum() >= 24:
            others.append(Other(body.id, float(1 - loss[place].mean()), 0.0))
    return float(1 - loss[inside].mean()), tuple(others)


def _angle(matrix: Array) -> float:
    """Angle of the turn in a (4, 4) rigid motion, radians."""
    from gsi_datasets.geometry import rotation_angle

    return float(rotation_angle(np.eye(3), matrix[:3, :3]))
