"""Pictures of what a row holds besides colours: boxes, depth, instances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from gsi_datasets.gallery.drawing import COLORS, Drawing, View, draw
from gsi_datasets.schema import BoxRecord, ObjectRecord


OVERSAMPLING = 3
RIM = (12, 14, 20)

# Near to far: from bright to dark throughout, so that it also reads in grey.
DEPTH_COLORS = np.array(
    [
        (255, 246, 205),
        (253, 205, 116),
        (244, 144, 83),
        (214, 84, 96),
        (154, 50, 118),
        (90, 34, 116),
        (40, 22, 82),
        (12, 10, 34),
    ],
    dtype=np.float64,
)
NO_DEPTH = (128, 132, 140)


def draw_boxes(
    image: Image.Image,
    objects: Sequence[ObjectRecord],
    intrinsics: ArrayLike,
    extrinsics: ArrayLike,
    target_ids: Sequence[int],
    reference_ids: Sequence[int],
    *,
    ghost: BoxRecord | ObjectRecord | None = None,
    path: NDArray[np.float64] | None = None,
) -> Image.Image:
    """The image with 3D boxes of targets and references, the world's axes at each target's foot, and the edit's path.

    Args:
        image: RGB, of the size the intrinsics belong to.
        objects: what stands in the image.
        intrinsics: (3, 3) K, pixels.
        extrinsics: (4, 4) world-to-camera.
        target_ids: ids of edited objects.
        reference_ids: ids of objects that the instruction refers to.
        ghost: where the target was, or will be; dashed.
        path: (N, 3) world points of an arrow.
    """
    view = View(np.asarray(intrinsics, dtype=np.float64), np.asarray(extrinsics, dtype=np.float64))
    return rasterise(image, draw(view, objects, target_ids, reference_ids, ghost, path))


def rasterise(image: Image.Image, drawing: Drawing) -> Image.Image:
    """The image with the drawing on top, anti-aliased."""
    scale = OVERSAMPLING
    layer = Image.new("RGBA", (image.width * scale, image.height * scale))
    pen = ImageDraw.Draw(layer)
    unit = scale * max(0.5, max(image.size) / 512)
    for rim in (True, False):
        for stroke in drawing.strokes:
            color = RIM if rim else ImageColor.getrgb(COLORS[stroke.role])
            fill = (*color[:3], (60 if rim else 120) if stroke.hidden else (150 if rim else 255))
            points = stroke.points * scale
            width = round((4.2 if rim else 2.2) * unit * (0.7 if stroke.hidden or stroke.dashed else 1.0))
            if stroke.filled:
                pen.polygon([tuple(point) for point in points], fill=fill, outline=fill, width=width if rim else 1)
                continue
            for piece in _dashes(points, 6 * unit, 4 * unit) if stroke.dashed else [points]:
                pen.line([tuple(point) for point in piece], fill=fill, width=width, joint="curve")
    font = ImageFont.load_default(13 * unit)
    for text, role, u, v in drawing.letters:
        ink = (*ImageColor.getrgb(COLORS[role])[:3], 255)
        place = (u * scale, v * scale)
        pen.text(place, text, ink, font, anchor="mm", stroke_width=round(1.2 * unit), stroke_fill=(*RIM, 220))
    return Image.alpha_composite(image.convert("RGBA"), layer.reduce(scale)).convert("RGB")


def _dashes(points: NDArray[np.float64], on: float, off: float) -> list[NDArray[np.float64]]:
    """Pieces of a straight line (2, 2)."""
    start, end = points[0], points[-1]
    length = float(np.linalg.norm(end - start))
    direction = (end - start) / max(length, 1e-9)
    begins = np.arange(0.0, length, on + off)
    return [start + np.outer((begin, min(begin + on, length)), direction) for begin in begins]


def depth_limits(depth_mm: NDArray[np.integer]) -> tuple[float, float]:
    """Nearest and farthest depth worth a colour of its own, millimetres; 0 and 1 if nothing was hit."""
    valid = depth_mm[depth_mm > 0]
    if not valid.size:
        return 0.0, 1.0
    near, far = np.percentile(valid, (1, 99))
    return float(near), float(max(far, near + 1.0))


def colour_depth(depth_mm: NDArray[np.integer], limits: tuple[float, float]) -> Image.Image:
    """Depth (H, W) in millimetres as colours, near bright and far dark; grey where nothing was hit.

    Colours are even in 1 / depth: what stands near keeps its relief in front of a far wall.
    """
    steps = np.linspace(0, len(DEPTH_COLORS) - 1, 256)
    table = np.stack([np.interp(steps, np.arange(len(DEPTH_COLORS)), channel) for channel in DEPTH_COLORS.T], axis=1)
    near, far = (1.0 / max(limit, 1.0) for limit in limits)
    inverse = 1.0 / np.maximum(depth_mm, 1).astype(np.float32)
    index = np.clip((near - inverse) * (255 / max(near - far, 1e-9)), 0, 255).astype(np.uint8)
    colors = table.round().astype(np.uint8)[index]
    colors[depth_mm <= 0] = NO_DEPTH
    return Image.fromarray(colors)


def depth_image(depth_mm: NDArray[np.integer], limits: tuple[float, float] | None = None) -> Image.Image:
    """Depth (H, W) in millimetres as colours, with a bar that names the range (millimetres; from the data if None)."""
    limits = limits or depth_limits(depth_mm)
    image = colour_depth(depth_mm, limits)
    pen = ImageDraw.Draw(image)
    unit = max(0.25, max(image.size) / 512)
    left, bottom, length, height = 12 * unit, image.height - 12 * unit, 120 * unit, 8 * unit
    ramp = np.linspace(limits[0], limits[1], round(length)).round().astype(np.int32)
    bar = colour_depth(np.maximum(ramp, 1)[None].repeat(round(height), axis=0), limits)
    font = ImageFont.load_default(13 * unit)
    text = f"{limits[0] / 1000:.2f} to {limits[1] / 1000:.2f} m"
    pen.rectangle((left - 6 * unit, bottom - 32 * unit, left + length + 6 * unit, bottom + 5 * unit), fill=RIM)
    pen.text((left, bottom - 12 * unit), text, (255, 255, 255), font, anchor="ls")
    image.paste(bar, (round(left), round(bottom - height)))
    return image


def instance_color(instance: int) -> tuple[int, int, int]:
    """A colour for an id, the same in every image; neighbouring ids are far apart in hue."""
    hue = int(360 * (instance * 0.61803398875 % 1.0))
    return ImageColor.getrgb(f"hsl({hue}, {(85, 70, 60)[instance % 3]}%, {(58, 68, 48)[instance % 3]}%)")[:3]


def instance_layer(ids: NDArray[np.integer]) -> Image.Image:
    """Instance map (H, W) as a palette image with white outlines, transparent where it is background.

    A palette holds 256 colours: beyond 254 instances, colours repeat.
    """
    edge = np.zeros(ids.shape, dtype=bool)
    for axis in (0, 1):
        differs = np.diff(ids.astype(np.int32), axis=axis) != 0
        low, high = [slice(None)] * 2, [slice(None)] * 2
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        edge[tuple(low)] |= differs
        edge[tuple(high)] |= differs
    values = np.where(ids > 0, (ids.astype(np.int32) - 1) % 254 + 1, 0).astype(np.uint8)
    values[edge] = 255
    image = Image.frombytes("P", ids.shape[::-1], values.tobytes())
    present = np.unique(values)
    palette = np.full((256, 3), 255, dtype=np.uint8)
    palette[0] = RIM
    for value in present[(present > 0) & (present < 255)]:
        palette[value] = instance_color(int(value))
    image.putpalette(palette.tobytes())
    image.info["transparency"] = 0
    return image


def instance_image(ids: NDArray[np.integer]) -> Image.Image:
    """Instance map (H, W) as an RGB picture: one colour per id, white outlines, dark background."""
    layer = instance_layer(ids)
    del layer.info["transparency"]
    return layer.convert("RGB")
