"""What the published program does to pictures before comparing them, and which pixels it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_metrics.protocols.v1.formats import Box2D, Detection, Edit
from gsi_metrics.protocols.v1.geometry import box_2d
from gsi_metrics.protocols.v1.sameness import BOX_2D, BOX_3D, same


Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIDE = 896
PATCH = 14
MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
STD = np.array([58.395, 57.12, 57.375], dtype=np.float32)


def load(path: Path, size: tuple[int, int] | None = None) -> Picture:
    """(H, W, 3) RGB.

    Args:
        path: any picture Pillow reads.
        size: (height, width) to resize to with Pillow's default filter, as the driver does with edited pictures.

    Raises:
        OSError: missing, truncated, too large or no picture; the message names the file.
    """
    from PIL import Image

    try:
        with Image.open(path) as stored:
            image = stored.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OSError(f"{path}: cannot be read as a picture ({error})") from error
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1])
    return np.asarray(image)


def process(picture: Picture) -> Floats:
    """(H', W', 3) BGR, about 0 to 255, of an (H, W, 3) RGB picture.

    The picture is enlarged (or shrunk) until its longest side is 896, cut to whole patches, padded to a square, and
    the top left H x W of that is kept: small pictures lose what is outside that corner, large ones keep padding.
    """
    import torch

    height, width = picture.shape[:2]
    rows, columns = (int(side * (SIDE / max(height, width)) + 0.5) for side in (height, width))
    cut_rows, cut_columns = rows // PATCH * PATCH, columns // PATCH * PATCH
    top, left = rows // 2 - cut_rows // 2, columns // 2 - cut_columns // 2
    kept_rows, kept_columns = min(cut_rows, height), min(cut_columns, width)

    # Only what is kept is resized; the scale stays that of the whole picture, so the pixels are the same. The next
    # number up, because torch rounds the product of size and scale down.
    scales = (float(np.nextafter(rows / height, np.inf)), float(np.nextafter(columns / width, np.inf)))
    ends = (top + kept_rows, left + kept_columns)
    # Two source pixels to each side of the middle one bear on a pixel, or more where the picture shrinks.
    reach = [int(end / scale + max(2, 2 / scale)) + 2 for end, scale in zip(ends, scales, strict=True)]
    needed = np.ascontiguousarray(picture[: reach[0], : reach[1]].transpose(2, 0, 1)[None], dtype=np.float32)
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(needed),
        scale_factor=scales,
        mode="bilinear",
        align_corners=False,
        antialias=True,
        recompute_scale_factor=False,
    )
    kept = resized[0, :, top : ends[0], left : ends[1]].numpy()

    mean, std = MEAN[:, None, None], STD[:, None, None]
    canvas = np.zeros((3, min(height, SIDE), min(width, SIDE)), dtype=np.float32)
    canvas[:, :kept_rows, :kept_columns] = (kept - mean) / std
    canvas *= std
    canvas += mean
    return np.ascontiguousarray(canvas[::-1].transpose(1, 2, 0))


def new_box(edit: Edit, new: Sequence[Detection]) -> Box2D | None:
    """The 2D box of the last detection after the edit that is not the object at its old place."""
    before = box_2d(edit.original_bbox_3d, edit.rotation_matrix, edit.camera_intrinsics)
    for item in reversed(new):
        if not same(item.bbox_3d, edit.original_bbox_3d, BOX_3D) and not same(item.bbox_2d, before, BOX_2D):
            return item.bbox_2d
    return None


def compared_pixels(shape: tuple[int, int], boxes: Sequence[ArrayLike | None]) -> Mask:
    """(H, W) True where pixels are compared: outside the boxes, which are not scaled to the processed picture.

    A box that ends left of the picture, or above it, has a negative end, which counts from the far side.

    Args:
        shape: (height, width).
        boxes: (4,) pixels each; None is skipped.
    """
    height, width = shape
    mask = np.ones(shape, dtype=bool)
    for box in boxes:
        if box is not None:
            x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
            rows = slice(int(max(0, y1)), int(min(height, y2)))
            columns = slice(int(max(0, x1)), int(min(width, x2)))
            mask[rows, columns] = False
    return mask
