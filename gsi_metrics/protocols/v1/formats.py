"""The published JSON files: edits, recorded detections, results, predictions of the judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from gsi_datasets.storage import write_atomically


Mode = Literal["instruction-compliance", "spatial-accuracy", "edit-locality"]
MODES: tuple[Mode, ...] = ("instruction-compliance", "spatial-accuracy", "edit-locality")
# Of the published data sets; the locality gate asks which one it is.
DATASET_TYPES = {"fine": "GSI-Real", "mesatask": "GSI-Syn", "bathroom": "GSI-Syn", "robothor": "GSI-Syn"}
CACHE_NAME = "infer_cache.json"

Number = FiniteFloat
Vector3 = tuple[Number, Number, Number]
Box2D = tuple[Number, Number, Number, Number]
Box3D = tuple[Number, Number, Number, Number, Number, Number, Number]
Matrix3 = tuple[Vector3, Vector3, Vector3]


class FormatError(ValueError):
    """A file that is not in the published format; the message names the file, the field and what is wrong."""


class _Record(BaseModel):
    """Files carry more fields than scoring reads (corners, quaternions, notes); they pass unread."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Detection(_Record):
    """One object that a detector saw.

    Attributes:
        bbox_3d: (x, y, z, w, h, l, yaw), camera frame, metres and radians.
        bbox_2d: (x1, y1, x2, y2), pixels of the detector's working picture.
        rotation_matrix: (3, 3) box to camera; need not agree with the yaw.
        label: what was looked for.
    """

    bbox_3d: Box3D
    bbox_2d: Box2D
    rotation_matrix: Matrix3
    label: str = ""


class Detections(_Record):
    """All that was seen in one picture."""

    detections: tuple[Detection, ...]


class Recording(_Record):
    """What was seen before and after one edit."""

    origin_result: Detections
    new_result: Detections


class Edit(_Record):
    """What was asked for.

    Attributes:
        prompt: the instruction.
        target: what the detector looks for.
        original_bbox_3d: where the object is.
        camera_intrinsics: (3, 3) K.
        rotation_matrix: (3, 3) box to camera before.
        new_bbox_3d: where and how large it should be; move and scale.
        new_rotation_matrix: (3, 3) box to camera after; rotate.
        reference_point: (3,) metres; where it should go, if a corner of another object was meant.
    """

    prompt: str
    target: str = ""
    original_bbox_3d: Box3D
    camera_intrinsics: Matrix3
    rotation_matrix: Matrix3
    new_bbox_3d: Box3D | None = None
    new_rotation_matrix: Matrix3 | None = None
    reference_point: Vector3 | None = None


def _number(value: Any) -> Any:
    """The published program writes true and false where it means 1 and 0."""
    return float(value) if isinstance(value, bool) else value


Score = Annotated[float, BeforeValidator(_number)]


class Compliance(_Record):
    """One IC result."""

    operation: str
    compliance: Score


class Accuracy(_Record):
    """One SA result."""

    operation: str
    edit_score: Score


class LocalityResult(_Record):
    """One EL result; nan where no pixel could be compared. Old files lack the operation."""

    operation: str = "all"
    ssim: Score
    lpips: Score
    mse: Score


Results = dict[str, dict[str, Any]]
_RECORDINGS = TypeAdapter(dict[str, Recording])
_RESULTS: dict[Mode, TypeAdapter[Any]] = {
    "instruction-compliance": TypeAdapter(dict[str, Compliance]),
    "spatial-accuracy": TypeAdapter(dict[str, Accuracy]),
    "edit-locality": TypeAdapter(dict[str, LocalityResult]),
}
_PREDICTIONS = TypeAdapter(list[dict[str, Any]])


def read_edit(path: Path) -> Edit:
    """One edit JSON.

    Raises:
        FormatError: it cannot be read, or a field is missing, has the wrong shape or is not finite.
    """
    return _checked(path, Edit.model_validate)


def write_edit(path: Path, edit: Edit) -> None:
    """Write one edit JSON."""
    write_json(path, edit.model_dump(exclude_none=True))


def read_recordings(path: Path) -> dict[str, Recording]:
    """An ``infer_cache.json``: ``<img_id>_<query_id>`` to detections before and after.

    Raises:
        FormatError: as for `read_edit`.
    """
    return _checked(path, _RECORDINGS.validate_python)


def write_recordings(path: Path, recordings: Mapping[str, Recording]) -> None:
    """Write an ``infer_cache.json``."""
    write_json(path, {key: value.model_dump() for key, value in recordings.items()})


def results_path(folder: Path, mode: Mode) -> Path:
    """Where the results of a mode are."""
    return folder / f"{mode}_eval_results.json"


def statistics_path(folder: Path, mode: Mode) -> Path:
    """Where the statistics of a mode are."""
    return folder / f"{mode}_eval_stats.json"


def read_results(folder: Path, mode: Mode) -> Results:
    """Results of one mode, checked: key to ``{"operation", ...}``.

    Raises:
        FormatError: as for `read_edit`.
    """
    path = results_path(folder, mode)
    checked = _checked(path, _RESULTS[mode].validate_python)
    return {key: value.model_dump() for key, value in checked.items()}


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """The replies of the judge: ``[{"prediction": text, "meta": {"index": ...}}]``.

    Raises:
        FormatError: it cannot be read or is no list of objects.
    """
    return _checked(path, _PREDICTIONS.validate_python)


def write_json(path: Path, content: Any) -> None:
    """Write JSON as the published program does, indent 4; killed at any instant, the old or the new file is there."""
    write_atomically(path, json.dumps(content, indent=4).encode())


def _checked(path: Path, check: Any) -> Any:
    try:
        return check(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise FormatError(f"{path} does not exist") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise FormatError(f"{path}: {place}: {first['msg']}{more}") from error
    except (OSError, ValueError) as error:
        raise FormatError(f"{path}: is no readable JSON file: {error}") from error
