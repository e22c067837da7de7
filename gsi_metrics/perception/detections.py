"""What an observer saw in one picture: objects with a box in pixels and a box in space, validated on the way in.

The 3D box is in the frame of the camera (OpenCV axes: x right, y down, z forward; metres). Its own axes are those of
`gsi_datasets.scene`: z up, front towards -y. Pixels are those of the picture itself, whatever a detector resized it
to.
The published seven-number form is converted here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError
from pydantic import model_validator as validator

from gsi_datasets.geometry import is_rotation
from gsi_datasets.scene import Box
from gsi_datasets.storage import write_atomically
from gsi_metrics.sample import Array, Picture


WORKING_SIDE = 896
"""Longest side of the picture in whose pixels the published detector reports its 2D boxes."""

# Columns are the published own axes (x right, y down, z away from the front) in ours (z up, front towards -y).
_PUBLISHED_AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


class DetectionError(ValueError):
    """Detections that cannot be used; the message names the source, the field and what is wrong."""


def _square(value: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if not is_rotation(np.array(value), tolerance=1e-4):
        raise ValueError("is not a rotation (orthonormal with determinant 1)")
    return value


def _lists(value: Any) -> Any:
    """Arrays become lists, so that code and JSON meet the same validation."""
    return value.tolist() if isinstance(value, np.ndarray) else value


Vector3 = Annotated[tuple[FiniteFloat, FiniteFloat, FiniteFloat], BeforeValidator(_lists)]
Matrix3 = Annotated[tuple[Vector3, Vector3, Vector3], BeforeValidator(_lists)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Pixels = Annotated[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat], BeforeValidator(_lists)]
Side = Annotated[int, Field(gt=0, le=32768)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mask(_Strict):
    """A silhouette as run lengths, in COCO's uncompressed form: down the columns, pixels outside come first.

    Attributes:
        size: height and width, pixels.
        counts: lengths of the runs, in turn outside and inside.
    """

    size: tuple[Side, Side]
    counts: tuple[Annotated[int, Field(ge=0)], ...]

    @validator(mode="after")
    def _fills_the_picture(self) -> Self:
        height, width = self.size
        if sum(self.counts) != height * width:
            raise ValueError(f"the run lengths add up to {sum(self.counts)}, the picture has {height * width} pixels")
        return self

    @classmethod
    def encode(cls, mask: NDArray[np.bool_]) -> Self:
        """From (H, W) booleans."""
        flat = np.ravel(mask, order="F")
        edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
        return cls(size=(mask.shape[0], mask.shape[1]), counts=tuple([0, *counts] if flat[0] else counts))

    def decode(self) -> NDArray[np.bool_]:
        """(H, W) booleans."""
        inside = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(inside, self.counts).reshape(self.size, order="F")


class Detection(_Strict):
    """One object that was seen.

    Attributes:
        category: English noun, as the observer names it.
        score: the observer's confidence, 0 to 1.
        bbox_2d: left, top, right, bottom, pixels of the picture; it may reach beyond its edges.
        centre: (3,) of the box, metres, camera.
        size: (3,) full extents along its own axes, metres.
        rotation: (3, 3) own axes to camera.
        mask: its visible pixels, if the observer knows them.
    """

    category: Annotated[str, Field(min_length=1, max_length=200)]
    score: Annotated[float, Field(ge=0, le=1)] = 1.0
    bbox_2d: Pixels
    centre: Vector3
    size: Annotated[tuple[Positive, Positive, Positive], BeforeValidator(_lists)]
    rotation: Annotated[Matrix3, AfterValidator(_square)]
    mask: Mask | None = None

    @validator(mode="after")
    def _has_an_area(self) -> Self:
        left, top, right, bottom = self.bbox_2d
        if right <= left or bottom <= top:
            raise ValueError(f"bbox_2d {self.bbox_2d} has no area; it must be left, top, right, bottom")
        return self

    @property
    def box(self) -> Box:
        """The 3D box, camera frame."""
        return Box(np.array(self.centre), np.array(self.size), np.array(self.rotation))

    @classmethod
    def from_published(cls, record: dict[str, Any], height: int, width: int) -> Self:
        """Reads a detection as the published evaluation stores it.

        Args:
            record: with `bbox_3d`, `bbox_2d`, optionally `rotation_matrix`, `label` and `iou_score`. The matrix is the
                orientation; the yaw counts only where there is none, for it comes from a coarser head.
            height: of the original picture, pixels.
            width: of the original picture, pixels.

        Raises:
            DetectionError: a field is missing, not finite or impossible.
        """
        try:
            numbers = np.asarray(record["bbox_3d"], dtype=np.float64)
            pixels = np.asarray(record["bbox_2d"], dtype=np.float64)
            if numbers.shape != (7,) or pixels.shape != (4,):
                raise ValueError(f"bbox_3d has shape {numbers.shape}, bbox_2d {pixels.shape}; must be (7,) and (4,)")
            matrix = record.get("rotation_matrix")
            rotation = _yaw_matrix(numbers[6]) if matrix is None else np.asarray(matrix, dtype=np.float64)
            if not is_rotation(rotation, tolerance=1e-3):
                raise ValueError("rotation_matrix is not a rotation (orthonormal with determinant 1)")
            w, h, l = numbers[3:6]  # noqa: E741
            score = record.get("iou_score")
            return cls.model_validate(
                {
                    "category": str(record.get("label") or "object"),
                    "score": 1.0 if score is None else min(max(float(score), 0.0), 1.0),
                    "bbox_2d": _working(pixels, height, width, to=False),
                    "centre": numbers[:3],
                    "size": (w, l, h),
                    # Stored matrices are rounded; the nearest exact rotation is meant.
                    "rotation": _nearest_rotation(rotation) @ _PUBLISHED_AXES.T,
                }
            )
        except KeyError as error:
            raise DetectionError(f"field {error} is missing") from error
        except ValidationError as error:
            raise DetectionError(explained(error)) from error
        except (AttributeError, TypeError, ValueError) as error:
            raise DetectionError(str(error)) from error

    def to_published(self, height: int, width: int) -> dict[str, Any]:
        """The detection as the published evaluation reads it; arguments as for `from_published`."""
        rotation = np.array(self.rotation) @ _PUBLISHED_AXES
        x, y, z = self.size
        yaw = math.atan2(rotation[0, 2] - rotation[2, 0], rotation[0, 0] + rotation[2, 2])
        return {
            "label": self.category,
            "bbox_3d": [*self.centre, x, z, y, yaw],
            "bbox_2d": list(_working(np.array(self.bbox_2d), height, width, to=True)),
            "iou_score": self.score,
            "rotation_matrix": rotation.tolist(),
        }


class Detections(_Strict):
    """Everything that was seen in one picture.

    Attributes:
        height: of the picture, pixels.
        width: of the picture, pixels.
        intrinsics: (3, 3) K of the picture at this size.
        objects: in no particular order.
        observer: who looked, e.g. ``detany3d``.
        version: of the observer and its weights; detections of different versions are not mixed.
        yaw_period: radians modulo which the turn of a box means anything: a full turn for an observer that knows
            the front of things, half or a quarter for one that fits rectangles.
    """

    height: Side
    width: Side
    intrinsics: Matrix3
    objects: Annotated[tuple[Detection, ...], Field(max_length=1000)]
    observer: Annotated[str, Field(min_length=1)]
    version: str = ""
    yaw_period: Annotated[float, Field(gt=0, le=2 * math.pi + 1e-9)] = 2 * math.pi

    @validator(mode="after")
    def _belongs_to_the_picture(self) -> Self:
        focal_x, focal_y = self.intrinsics[0][0], self.intrinsics[1][1]
        if focal_x <= 0 or focal_y <= 0:
            raise ValueError(f"intrinsics: the focal lengths ({focal_x}, {focal_y}) must be positive")
        for number, item in enumerate(self.objects):
            if item.mask is not None and item.mask.size != (self.height, self.width):
                raise ValueError(
                    f"objects[{number}].mask is {item.mask.size}, the picture {(self.height, self.width)}"
                )
        return self

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "detections") -> Self:
        """Reads JSON.

        Args:
            text: as `to_json` writes it.
            source: names where it comes from in messages.

        Raises:
            DetectionError: it is no JSON, or a field is missing, unknown, not finite or impossible.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DetectionError(f"{source}: {explained(error)}") from error

    def to_json(self) -> str:
        """One line of JSON."""
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file.

        Raises:
            DetectionError: it cannot be read or used.
        """
        try:
            text = path.read_bytes()
        except OSError as error:
            raise DetectionError(f"{path}: {error.strerror}") from error
        return cls.from_json(text, str(path))

    def write(self, path: Path) -> None:
        """Writes a file, whole or not at all."""
        write_atomically(path, self.to_json().encode())

    def resized(self, height: int, width: int) -> Self:
        """The same sight in the pixels of another resolution; masks are resampled to the nearest pixel."""
        if (height, width) == (self.height, self.width):
            return self
        x, y = width / self.width, height / self.height
        objects = []
        for item in self.objects:
            left, top, right, bottom = item.bbox_2d
            change: dict[str, Any] = {"bbox_2d": (x * left, y * top, x * right, y * bottom)}
            if item.mask is not None:
                rows = ((np.arange(height) + 0.5) / y).astype(int).clip(0, self.height - 1)
                columns = ((np.arange(width) + 0.5) / x).astype(int).clip(0, self.width - 1)
                change["mask"] = Mask.encode(item.mask.decode()[np.ix_(rows, columns)])
            objects.append(item.model_copy(update=change))
        K = np.diag([x, y, 1.0]) @ np.array(self.intrinsics)
        change = {"height": height, "width": width, "intrinsics": K.tolist(), "objects": objects}
        return type(self).model_validate(self.model_dump(exclude={"objects"}) | change)


class Detector(Protocol):
    """Anything that finds objects in a picture.

    Attributes:
        name: of the detector.
        version: of it and its weights: what it says of one picture may change only with it.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def detect(self, image: Picture, K: Array, queries: list[str], up: Array | None = None) -> Detections:
        """Finds objects.

        Args:
            image: (H, W, 3) RGB.
            K: (3, 3) intrinsics at this resolution.
            queries: English nouns to look for.
            up: (3,) unit vector against gravity, camera frame; None if nobody knows it.

        Raises:
            DetectionError: it did not work; the message says why.
        """
        ...


def explained(error: ValidationError) -> str:
    """The first complaint in one line, with the place it is about."""
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    more = error.error_count() - 1
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" * bool(place) + said * (not place) + (f" (and {more} more)" if more else "")


def published(records: Sequence[dict[str, Any]], size: tuple[int, int], K: ArrayLike, observer: str) -> Detections:
    """A list of published detections as `Detections`.

    Args:
        records: as under ``detections`` in ``infer_cache.json``.
        size: height and width of the original picture.
        K: (3, 3) at that size.
        observer: who made them.

    Raises:
        DetectionError: one of them cannot be used; the message gives its number.
    """
    objects = []
    for number, record in enumerate(records):
        try:
            objects.append(Detection.from_published(record, *size))
        except DetectionError as error:
            raise DetectionError(f"detections[{number}]: {error}") from error
    seen = {"height": size[0], "width": size[1], "intrinsics": K, "objects": objects, "observer": observer}
    try:
        return Detections.model_validate(seen)
    except ValidationError as error:
        raise DetectionError(explained(error)) from error


def _working(pixels: Array, height: int, width: int, to: bool) -> tuple[float, ...]:
    """A 2D box to or from the detector's working pixels: longest side 896, sizes rounded, nothing cut."""
    scale = WORKING_SIDE / max(height, width)
    factors = np.array([int(width * scale + 0.5) / width, int(height * scale + 0.5) / height] * 2)
    return tuple((pixels * factors if to else pixels / factors).tolist())


def _yaw_matrix(yaw: float) -> Array:
    """Turn about the camera's y axis."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _nearest_rotation(matrix: Array) -> Array:
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)
