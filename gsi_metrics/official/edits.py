"""From a row to the JSON of a published edit, and to what a detector without mistakes would see."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gsi_datasets.scene import Box
from gsi_metrics.official.errors import OfficialError
from gsi_metrics.official.frames import Array, canvas_scale, detection, published_box, scaled_intrinsics
from gsi_metrics.official.names import VERBS
from gsi_metrics.protocols.v1.prompts import operation_from_prompt


SAME = 1e-5
"""Relative and absolute: published numbers that agree so well with the row keep their digits."""
NEEDED = {"move": ("new_bbox_3d",), "scale": ("new_bbox_3d",), "rotate": ("new_rotation_matrix",)}

Row = Mapping[str, Any]


def published_part(row: Row) -> dict[str, Any] | None:
    """What a converted row keeps of its published edit; None for other rows."""
    return json.loads(row["parameters"]).get("published")


def edit_json(row: Row, size: tuple[int, int]) -> dict[str, Any]:
    """The JSON object of an edit.

    Everything follows from the columns. Where a row was published before, its numbers keep their digits, and fields
    that no column holds are as they were.

    Args:
        row: as stored.
        size: (width, height) of its source picture.

    Raises:
        OfficialError: no phrasing of its instruction is read as its operation.
    """
    published = published_part(row)
    verb = VERBS[row["operation"]]
    extrinsics = np.asarray(row["source_extrinsics"])
    body = _target(row)
    numbers, rotation = published_box(_box(body), extrinsics)
    found: dict[str, Any] = {
        "prompt": prompt(row),
        "target": body["category"],
        "original_bbox_3d": numbers,
        "camera_intrinsics": _working_intrinsics(row, size, published).tolist(),
        "rotation_matrix": rotation,
    }
    after = next((item for item in row["objects_after"] if item["id"] == body["id"]), None)
    if after is not None and verb in NEEDED:
        wanted, turned = published_box(_box(after), extrinsics)
        found["new_bbox_3d"] = wanted
        if verb == "rotate":
            found["new_rotation_matrix"] = turned
    if published is not None:
        return _kept(found, published["edit"], verb)
    if row["operation"] in ("OP", "RP") and row["reference_ids"]:
        other = next(item for item in row["objects_before"] if item["id"] == row["reference_ids"][0])
        camera = np.asarray(found["camera_intrinsics"])
        found["reference"] = detection(_box(other), extrinsics, camera, other["category"])
        if row["operation"] == "RP":
            found["reference_point"] = found["new_bbox_3d"][:3]
    return found


def prompt(row: Row) -> str:
    """The first phrasing that the published protocol reads as the row's operation.

    Raises:
        OfficialError: there is none.
    """
    verb = VERBS[row["operation"]]
    for text in (row["instruction"], *row["instructions"]):
        if operation_from_prompt(text) == verb:
            return text
    raise OfficialError(
        f"row {row['id']}: instruction: the published protocol reads none of its phrasings as {verb!r} (it goes by "
        "the first word); add one"
    )


def recording(row: Row, size: tuple[int, int]) -> dict[str, Any]:
    """What a detector without mistakes would see of the target's category in the source and in the true result.

    Args:
        row: as stored.
        size: (width, height) of its source picture.
    """
    category = _target(row)["category"]
    camera = _working_intrinsics(row, size, published_part(row))

    def seen(objects: Sequence[Row], extrinsics: ArrayLike) -> dict[str, Any]:
        bodies = [body for body in objects if body["category"] == category and body["visibility"] > 0]
        return {"detections": [detection(_box(body), np.asarray(extrinsics), camera, category) for body in bodies]}

    return {
        "origin_result": seen(row["objects_before"], row["source_extrinsics"]),
        "new_result": seen(row["objects_after"], row["target_extrinsics"] or row["source_extrinsics"]),
    }


def _target(row: Row) -> Row:
    """What is edited; for a change of view the first thing seen in both pictures, for a detector to look for."""
    for wanted in (row["target_ids"], row["reference_ids"], [item["id"] for item in row["objects_before"]]):
        for item in row["objects_before"]:
            if item["id"] in wanted[:1]:
                return item
    raise OfficialError(f"row {row['id']}: objects_before: holds no object, which a published edit must name")


def _box(body: Row) -> Box:
    return Box(np.asarray(body["centre"]), np.asarray(body["size"]), np.asarray(body["rotation"]))


def _working_intrinsics(row: Row, size: tuple[int, int], published: Mapping[str, Any] | None) -> Array:
    on_picture = published is not None and published["intrinsics"] == "picture"
    return scaled_intrinsics(row["intrinsics"], 1.0 if on_picture else canvas_scale(*size))


def _kept(found: Mapping[str, Any], given: Mapping[str, Any], verb: str) -> dict[str, Any]:
    """The published object, with what the row says differently, and what its operation needs."""
    kept = dict(given)
    for name, value in found.items():
        if name not in given and name not in NEEDED.get(verb, ()):
            continue
        old = given.get(name)
        if name == "target" and old is not None:
            same = old.strip(" .") == value
        elif name.endswith("bbox_3d") and old is not None:
            # The published yaw need not agree with the matrix; the row holds the matrix.
            unused = verb == "rotate" and name == "new_bbox_3d"
            turned = not _close(given["rotation_matrix"], found["rotation_matrix"])
            same = unused or (_close(old[:6], value[:6]) and not turned)
        else:
            same = old == value if isinstance(value, str) else old is not None and _close(old, value)
        if not same:
            kept[name] = value
    return kept


def _close(given: ArrayLike, found: ArrayLike) -> bool:
    return np.shape(given) == np.shape(found) and bool(np.allclose(given, found, rtol=SAME, atol=SAME))
