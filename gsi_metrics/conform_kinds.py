"""How each kind of recorded case is put to this package; see `gsi_metrics.conform`."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsi_metrics.protocols.v1 import aggregation, geometry, naming, operations, sameness
from gsi_metrics.protocols.v1.formats import Detection, Edit
from gsi_metrics.protocols.v1.gates import locality_gate, viewpoint_gate
from gsi_metrics.protocols.v1.locality import compare, localities, view_score
from gsi_metrics.protocols.v1.pictures import Mask, Picture, compared_pixels, load, new_box, process
from gsi_metrics.protocols.v1.prompts import operation_from_prompt
from gsi_metrics.protocols.v1.statistics import statistics


Answer = Any


class ConformError(Exception):
    """What cannot be checked; the message says why. No refusal of an input, and so no kind of `ValueError`."""


@dataclass(frozen=True)
class Case:
    """One recorded case.

    Attributes:
        input: what goes in.
        folder: where the pictures it names are.
        expected: what came out; only read for the places of the pixels that were noted.
    """

    input: Mapping[str, Any]
    folder: Path
    expected: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        if name not in self.input:
            raise ConformError(f"the input of the case lacks {name!r}")
        return self.input[name]

    def picture(self, name: str) -> Picture:
        """The picture whose path is the input `name`."""
        path = self.folder / self[name]
        if not path.is_file():
            raise ConformError(f"{path} does not exist")
        return load(path)


def refusals() -> tuple[type[Exception], ...]:
    """What counts as refusing an input. Errors of the programmer, such as a wrong attribute, do not."""
    import cv2

    return ValueError, LookupError, TypeError, OSError, cv2.error


def _detections(items: list[dict[str, Any]]) -> list[Detection]:
    return [Detection.model_validate(item) for item in items]


def _objects(name: str) -> Callable[[Case], Answer]:
    def ask(case: Case) -> Answer:
        edit = Edit.model_validate(case["edit"])
        origin, new = _detections(case["origin_detections"]), _detections(case["new_detections"])
        score = operations.OBJECT_OPERATIONS[name](edit, origin, new, case["check"])
        box = operations.origin_box(edit, origin)
        return {"ic": score.ic, "sa": score.sa, "origin_bbox_2d": box if box is None else list(box)}

    return ask


def _reference(case: Case) -> Answer:
    boxes = [item["bbox_3d"] for item in case["objects"]]
    extremes = ("leftest", "rightest", "frontest", "backest", "highest", "lowest", "nearest", "furthest")
    return {f"the {word}": geometry.reference_index(boxes, f"the {word}") for word in extremes}


def _aggregate(case: Case) -> Answer:
    return aggregation.aggregate(case["ic"], case["sa"], case["el"], case["ac"])


def _tree(case: Case) -> Answer:
    with tempfile.TemporaryDirectory(prefix="gsi-bench-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = Path(folder)
        for name, content in case["files"].items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        aggregation.write_aggregate(root / "eval", root / "ac", root / "out")
        return {path.name: json.loads(path.read_text()) for path in (root / "out").iterdir()}


def _resolve(case: Case) -> Answer:
    with tempfile.TemporaryDirectory(prefix="gsi-bench-") as folder:
        root = Path(folder)
        names = [*case["generated_files"], *(f"{case['original_dir']}/{name}" for name in case["original_files"])]
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        files = naming.resolve(root / case["edited"], root / case["original_dir"])

        def relative(path: Path | None) -> str | None:
            return path.relative_to(root).as_posix() if path else None

        return {
            "meta": {"img_id": files.image_id, "query_id": files.query_id},
            "original_img": relative(files.original),
            "edited_img": relative(files.edited),
            "gt_edited_img": relative(files.truth),
            "edit_json": relative(files.edit),
        }


def _locality(case: Case) -> Answer:
    edit = Edit.model_validate(case["edit"])
    origin, new = _detections(case["origin_detections"]), _detections(case["new_detections"])
    original, edited = case.picture("original"), case.picture("edited")
    shape = process(original).shape
    mask = compared_pixels(shape[:2], [operations.origin_box(edit, origin), new_box(edit, new)])
    result = localities(original, [edited], [mask], _model())[0]
    second = process(_resized(edited, original))
    return {
        "ssim": result.ssim,
        "lpips": result.lpips,
        "mse": result.mse,
        "processed_shape": list(shape),
        "evaluated_pixels": int(mask.sum()),
        "excluded_extent_xyxy": _extent(~mask),
        "data_range": float(second.max() - second.min()),
    }


def _resized(edited: Picture, original: Picture) -> Picture:
    import cv2

    return np.asarray(cv2.resize(edited, original.shape[1::-1]), dtype=np.uint8)


def _extent(mask: Mask) -> list[int] | None:
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return None
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


def _process(case: Case) -> Answer:
    picture = process(case.picture("image"))
    return {
        "shape": list(picture.shape),
        "dtype": str(picture.dtype),
        "channel_mean": picture.mean(axis=(0, 1), dtype=np.float64).tolist(),
        "min": float(picture.min()),
        "max": float(picture.max()),
        "samples": [[v, u, *map(float, picture[v, u])] for v, u, *_ in case.expected["value"]["samples"]],
    }


def _masked(case: Case) -> Answer:
    first, second = case.picture("a"), case.picture("b")
    x1, y1, x2, y2 = case["mask_rect_xyxy"]
    mask = np.zeros(first.shape[:2], dtype=bool)
    mask[y1:y2, x1:x2] = True
    result = compare(first, [second], [mask], _model())[0]
    return {"ssim": result.ssim, "lpips": result.lpips}


def _plain_lpips(case: Case) -> Answer:
    import torch

    first, second = (
        torch.from_numpy(case.picture(name).copy()).permute(2, 0, 1)[None] / 127.5 - 1 for name in ("a", "b")
    )
    return float(_model()(first, second))


def _model() -> Any:
    from gsi_metrics import lpips

    return lpips.load()


# By kind, what this package answers to a case.
KINDS: dict[str, Callable[[Case], Answer]] = {
    "corners_3d": lambda x: geometry.corners(x["bbox_3d"], x["rotation_matrix"]).tolist(),
    "vertices_3d": lambda x: geometry.vertices(x["bbox_3d"], x["rotation_matrix"]).tolist(),
    "bbox_3d_to_2d": lambda x: geometry.box_2d(x["bbox_3d"], x["rotation_matrix"], x["camera_intrinsics"]).tolist(),
    "project_bbox_yaw": lambda x: geometry.box_2d(x["bbox_3d"], None, x["camera_intrinsics"]).tolist(),
    "volume": lambda x: geometry.volume(x["bbox_3d"]),
    "iou_3d": lambda x: geometry.iou_3d(x["a"], x["b"]),
    "iou_2d": lambda x: geometry.iou_2d(x["a"], x["b"]),
    "move_bbox": lambda x: geometry.move_box(
        x["bbox_3d"], x["direction"], x["distance_cm"], x["rotation_matrix"]
    ).tolist(),
    "rotate_about_y": lambda x: geometry.rotate_about_vertical(
        x["rotation_matrix"], x["angle_deg"], x["direction"]
    ).tolist(),
    "rotation_distance": lambda x: geometry.rotation_distance(x["a"], x["b"]),
    "center_distance": lambda x: geometry.centre_distance(x["a"], x["b"]),
    "check_same": lambda x: sameness.same(x["a"], x["b"], x["threshold"]),
    "find_reference_index": _reference,
    "unique_objects_index": lambda x: sameness.unique_indices(x["objects"], x["label"]),
    **{name: _objects(name) for name in operations.OBJECT_OPERATIONS},
    "get_operation": lambda x: operation_from_prompt(x["prompt"]),
    "parse_ac_scores": lambda x: aggregation.parse_scores(x["predictions"]),
    "resolve_ac_key": lambda x: aggregation.judge_key(x["key"], x["ac_result"]),
    "compute_metrics": _aggregate,
    "statistics": lambda x: statistics(x["results"], x["mode"]),
    "normalize_dataset_name": lambda x: aggregation.dataset_name(x["name"]),
    "normalize_model_name": lambda x: aggregation.model_name(x["name"]),
    "aggregate_tree": _tree,
    "check_locality": lambda x: locality_gate(x["ssim"], x["lpips"], x["dataset"]),
    "resolve_files": _resolve,
    "locality": _locality,
    "img_process": _process,
    "eval_view": lambda x: view_score(x.picture("edited"), x.picture("gt"), _model()),
    "masked_metrics": _masked,
    "lpips_standard": _plain_lpips,
    "viewpoint_similarity": lambda x: viewpoint_gate(x.picture("a"), x.picture("b")),
}
