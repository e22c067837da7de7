"""Conditions without which the published protocol gives an edit nothing."""

from __future__ import annotations

import numpy as np

from gsi_metrics.protocols.v1.pictures import Picture


SSIM_FLOOR = 0.6
LPIPS_CEILING = 0.3
RATIO = 0.75
FEWEST_MATCHES = 10
FOCAL = 1000.0
LARGEST_TURN = 10.0


def locality_gate(ssim: float, lpips: float, dataset: str) -> bool:
    """Whether enough of the picture stayed: either measure for ``GSI-Real``, both for anything else; nan fails."""
    if dataset == "GSI-Real":
        return ssim > SSIM_FLOOR or lpips < LPIPS_CEILING
    return ssim > SSIM_FLOOR and lpips < LPIPS_CEILING


def viewpoint_gate(original: Picture, edited: Picture) -> bool | None:
    """Whether the camera seems to have turned by less than ten degrees; None with too few matches.

    The focal length is fixed, the pose is recovered without it, and the same picture twice may give half a turn.

    Args:
        original: (H, W, 3) RGB, which OpenCV here takes for BGR.
        edited: of the same size.

    Raises:
        ValueError: a picture has too few features to compare.
        cv2.error: a picture has none, or no pose fits.
    """
    import cv2

    sift = cv2.SIFT.create()
    points_a, features_a = sift.detectAndCompute(original, None)
    points_b, features_b = sift.detectAndCompute(edited, None)
    pairs = cv2.BFMatcher().knnMatch(features_a, features_b, k=2)
    good = [best for best, second in pairs if best.distance < RATIO * second.distance]
    if len(good) < FEWEST_MATCHES:
        return None
    pixels_a = np.array([points_a[match.queryIdx].pt for match in good], dtype=np.float32)
    pixels_b = np.array([points_b[match.trainIdx].pt for match in good], dtype=np.float32)
    height, width = original.shape[:2]
    essential, _ = cv2.findEssentialMat(
        pixels_a,
        pixels_b,
        focal=FOCAL,
        pp=(width / 2, height / 2),
        method=cv2.RANSAC,
        prob=0.999,
        threshold=1.0,
    )
    _, turn, _, _ = cv2.recoverPose(essential, pixels_a, pixels_b)
    # Not clipped: rounding above 1 gives nan, which fails.
    with np.errstate(invalid="ignore"):
        angle = np.degrees(np.arccos((np.trace(turn) - 1) / 2))
    return bool(angle < LARGEST_TURN)
