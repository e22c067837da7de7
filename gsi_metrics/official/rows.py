"""From a published edit to a row of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.geometry import similarity, similarity_about, world_to_camera_transform
from gsi_datasets.scene import Box
from gsi_datasets.schema import BoxRecord, EditRow, ObjectRecord
from gsi_metrics.official.errors import OfficialError
from gsi_metrics.official.files import Asked, digest_of
from gsi_metrics.official.frames import Array, canvas_scale, of_canvas, scaled_intrinsics, world_box
from gsi_metrics.official.names import operation_of, row_id
from gsi_metrics.protocols.v1.formats import Box3D, Edit, Matrix3
from gsi_metrics.protocols.v1.geometry import yaw_matrix
from gsi_metrics.protocols.v1.operations import OBJECT_OPERATIONS
from gsi_metrics.protocols.v1.prompts import operation_from_prompt


ROTATION_ERROR = 1e-2
"""Largest entry of R Rᵀ - 1 that few digits explain."""
FARTHEST = 1000.0  # metres
UNEVEN = 0.01
LONGEST = 2000  # characters
SOURCE = "GSI-Bench, as published with arXiv:2604.20570"


class _Reference(BaseModel):
    """What an edit refers to: a detection, of which the box is enough."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    bbox_3d: Box3D
    rotation_matrix: Matrix3 | None = None
    label: str = ""


def checked(item: Asked, edit: Edit) -> str:
    """What the published protocol calls the operation, if the edit makes sense.

    Raises:
        OfficialError: a field is missing or impossible.
    """
    for name, text, least in (("prompt", edit.prompt, 1), ("target", edit.target, 1)):
        if not least <= len(text.strip()) <= LONGEST or not text.isprintable():
            raise _wrong(item, name, f"must be a line of 1 to {LONGEST} printable characters")
    try:
        verb = operation_from_prompt(edit.prompt)
    except ValueError as error:
        raise _wrong(item, "prompt", str(error)) from error
    if verb not in (*OBJECT_OPERATIONS, "view"):
        raise _wrong(item, "prompt", f"begins with {verb!r}, which the published protocol knows no operation for")
    needed = {"move": "new_bbox_3d", "scale": "new_bbox_3d", "rotate": "new_rotation_matrix"}.get(verb)
    if needed and getattr(edit, needed) is None:
        raise _wrong(item, needed, f"is missing, and an edit that begins like this one ({verb}) needs it")
    _check_box(item, "original_bbox_3d", edit.original_bbox_3d)
    if edit.original_bbox_3d[2] <= 0:
        raise _wrong(item, "original_bbox_3d", "lies behind the camera")
    if edit.new_bbox_3d is not None:
        _check_box(item, "new_bbox_3d", edit.new_bbox_3d)
    _check_rotation(item, "rotation_matrix", edit.rotation_matrix)
    if edit.new_rotation_matrix is not None:
        _check_rotation(item, "new_rotation_matrix", edit.new_rotation_matrix)
    camera = np.asarray(edit.camera_intrinsics)
    if camera[0, 0] <= 0 or camera[1, 1] <= 0 or camera[1, 0] != 0 or camera[2].tolist() != [0.0, 0.0, 1.0]:
        raise _wrong(item, "camera_intrinsics", "is no K of a pinhole camera")
    return verb


def _check_box(item: Asked, name: str, box: Box3D) -> None:
    if min(box[3:6]) <= 0:
        raise _wrong(item, name, f"has the size {box[3:6]}, which must be positive")
    if max(map(abs, box[:6])) > FARTHEST:
        raise _wrong(item, name, f"goes beyond {FARTHEST:g} m; is it in metres?")


def _check_rotation(item: Asked, name: str, matrix: Matrix3) -> None:
    rotation = np.asarray(matrix)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if not error < ROTATION_ERROR or np.linalg.det(rotation) <= 0:
        raise _wrong(item, name, "is no rotation (orthonormal, determinant 1)")


def _wrong(item: Asked, field: str, what: str) -> OfficialError:
    return OfficialError(f"{item.edit}: {field}: {what}; mend the field or remove the edit")


def row_of(
    item: Asked,
    edit: Edit,
    raw: Mapping[str, Any],
    dataset: str,
    picture: bytes,
    size: tuple[int, int],
    truth: bytes | None,
    extrinsics: Array,
) -> EditRow:
    """The row.

    What the columns cannot hold (a yaw beside the matrix, fields of its own) is in ``parameters["published"]``.

    Args:
        item: its files.
        edit: its JSON file, checked.
        raw: the same as it is.
        dataset: name of the set, e.g. ``fine``.
        picture: the source as it is.
        size: (width, height) of it.
        truth: the true result as it is; None if there is none.
        extrinsics: (4, 4) world to camera of the picture.

    Raises:
        OfficialError: see `checked`; or `reference` is no detection.
    """
    verb = checked(item, edit)
    reference = _reference(item, raw)
    operation = operation_of(verb, edit.prompt, reference is not None, edit.reference_point is not None)
    on_canvas = of_canvas(edit.camera_intrinsics, *size)
    scale = canvas_scale(*size) if on_canvas else 1.0
    before = world_box(edit.original_bbox_3d, edit.rotation_matrix, extrinsics)
    after = _after(verb, edit, before, extrinsics)
    objects = [_object(1, edit.target, before)]
    if reference is not None:
        turned = reference.rotation_matrix or yaw_matrix(reference.bbox_3d[6])
        objects.append(
            _object(2, reference.label or "reference", world_box(reference.bbox_3d, turned, extrinsics), objects)
        )
    transform = None if after is None or verb == "view" else _transform(verb, before, after)
    wanted = None if after is None or verb == "view" else _record(after)
    published = {
        "dataset": dataset,
        "image_id": item.image_id,
        "query_id": item.query_id,
        "intrinsics": "canvas" if on_canvas else "picture",
        "edit": raw,
    }
    provenance = {
        "source": SOURCE,
        "dataset": dataset,
        "files": [path.name for path in (item.picture, item.edit, item.truth) if path],
        "sha256": digest_of(picture),
    }
    return EditRow(
        id=item.id,
        scene=row_id(item.image_id),
        operation=operation,
        instruction=edit.prompt,
        instruction_zh="",
        instructions=[edit.prompt],
        instructions_zh=[],
        source_image=picture,
        target_image=truth,
        background_image=None,
        source_depth=None,
        target_depth=None,
        source_instances=None,
        target_instances=None,
        objects_before=objects,
        objects_after=[*([] if after is None else [_object(1, edit.target, after)]), *objects[1:]],
        target_ids=[] if verb == "view" else [1],
        reference_ids=[thing.id for thing in objects[1:]],
        intrinsics=scaled_intrinsics(edit.camera_intrinsics, 1 / scale).tolist(),
        source_extrinsics=extrinsics.tolist(),
        target_extrinsics=[] if verb == "view" else extrinsics.tolist(),
        transform_world=[] if transform is None else transform.tolist(),
        transform_camera=[] if transform is None else world_to_camera_transform(transform, extrinsics).tolist(),
        ideal=wanted,
        actual=None,
        parameters=json.dumps({"published": published}, sort_keys=True, ensure_ascii=False),
        checks="{}",
        provenance=json.dumps(provenance, sort_keys=True, ensure_ascii=False),
    )


def _reference(item: Asked, raw: Mapping[str, Any]) -> _Reference | None:
    if raw.get("reference") is None:
        return None
    try:
        reference = _Reference.model_validate_json(json.dumps(raw["reference"]), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("reference", *first["loc"])))
        raise _wrong(item, place, first["msg"]) from error
    _check_box(item, "reference.bbox_3d", reference.bbox_3d)
    if reference.rotation_matrix is not None:
        _check_rotation(item, "reference.rotation_matrix", reference.rotation_matrix)
    return reference


def _after(verb: str, edit: Edit, before: Box, extrinsics: Array) -> Box | None:
    """Where the object should be; None if it should be gone."""
    match verb:
        case "remove":
            return None
        case "rotate":
            assert edit.new_rotation_matrix is not None
            turned = world_box(edit.original_bbox_3d, edit.new_rotation_matrix, extrinsics)
            return Box(before.centre, before.size, turned.rotation)
        case "view":
            return before
    assert edit.new_bbox_3d is not None
    return world_box(edit.new_bbox_3d, edit.rotation_matrix, extrinsics)


def _transform(verb: str, before: Box, after: Box) -> Array | None:
    """(4, 4) from before to after, world; None if it is no similarity."""
    if verb == "rotate":
        return similarity_about(before.centre, after.rotation @ before.rotation.T)
    ratios = after.size / before.size
    if ratios.max() > (1 + UNEVEN) * ratios.min():
        return None
    factor = float(np.cbrt(ratios.prod())) if verb == "scale" else 1.0
    return similarity(None, after.centre - factor * before.centre, factor)


def _object(number: int, label: str, box: Box, others: list[ObjectRecord] | None = None) -> ObjectRecord:
    category = label.strip(" .") or label
    known = CATEGORIES.get(category.lower())
    stem = row_id(category)
    taken = {item.name for item in others or ()}
    return ObjectRecord(
        id=number,
        name=next(name for n in (1, 2) if (name := f"{stem}_{n}") not in taken),
        category=category,
        caption=category,
        caption_zh=known.zh if known else category,
        asset="",
        **_record(box).model_dump(),
        symmetry=1,
        visibility=1.0,
        support="",
        movable=True,
    )


def _record(box: Box) -> BoxRecord:
    return BoxRecord(centre=box.centre.tolist(), size=box.size.tolist(), rotation=box.rotation.tolist())
