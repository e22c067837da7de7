"""What is scored against: one row of a dataset, decoded. Units and frames are those of `gsi_datasets.scene`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


Array = NDArray[np.float64]
Picture = NDArray[np.uint8]


class SampleError(ValueError):
    """A row that cannot be scored against; the message names the row, the column and what is wrong."""


@dataclass(frozen=True, eq=False)
class Body:
    """One object of a row: (3,) box centre and full size in metres, (3, 3) own axes to world.

    Attributes:
        id: its number in the instance map.
        name: unique in the scene.
        category: English common noun.
        caption: English noun phrase without article.
        centre: (3,) metres, world.
        size: (3,) metres, along its own axes.
        rotation: (3, 3) own axes to world.
        symmetry: order of rotational symmetry about the vertical; 1 none, 0 any angle.
        visibility: share of its silhouette that is seen, 0 to 1.
        support: name of what it rests on or in; empty if nothing.
        movable: False for furniture.
    """

    id: int
    name: str
    category: str
    caption: str
    centre: Array
    size: Array
    rotation: Array
    symmetry: int = 1
    visibility: float = 1.0
    support: str = ""
    movable: bool = True


@dataclass(frozen=True, eq=False)
class Sample:
    """One row, decoded.

    Attributes:
        id: of the row.
        scene: rows of one scene are not independent; intervals are taken over scenes.
        operation: one of ``CM OP OR RP PC SR OS``.
        instruction: English.
        source: (H, W, 3) RGB before.
        source_depth: (H, W) metres along the optical axis, float32, 0 where nothing is known.
        source_ids: (H, W) instance ids, 0 background.
        background: (H, W, 3) the source scene without the target; None where nobody knows it (real pictures).
        target: (H, W, 3) the true result; None where there is none (real pictures).
        target_depth: as `source_depth`, of the true result.
        target_ids_map: as `source_ids`, of the true result.
        intrinsics: (3, 3) K at the resolution of the source.
        source_extrinsics: (4, 4) world to camera before.
        target_extrinsics: (4, 4) world to camera after; differs from the source's for PC only.
        before: every object before.
        after: every object after, as it should be.
        target_id: instance id of what is edited; None for PC.
        reference_ids: instance ids of what the instruction refers to.
        transform: (4, 4) similarity, world: where source points of the target should go; None for SR. For PC the
            camera's rigid motion.
        parameters: the numbers in the instruction and the rule of the referring expression.
        exact_depth: whether `source_depth` is a simulator's; False for an estimate or a sensor.
    """

    id: str
    scene: str
    operation: str
    instruction: str
    source: Picture
    source_depth: NDArray[np.float32]
    source_ids: NDArray[np.int32]
    background: Picture | None
    target: Picture | None
    target_depth: NDArray[np.float32] | None
    target_ids_map: NDArray[np.int32] | None
    intrinsics: Array
    source_extrinsics: Array
    target_extrinsics: Array
    before: tuple[Body, ...]
    after: tuple[Body, ...]
    target_id: int | None
    reference_ids: tuple[int, ...]
    transform: Array | None
    parameters: Mapping[str, Any]
    exact_depth: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the source picture."""
        return self.source.shape[0], self.source.shape[1]

    def body(self, instance: int, after: bool = False) -> Body | None:
        """The object with this id, before or after; None if there is none."""
        return next((item for item in (self.after if after else self.before) if item.id == instance), None)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Sample:
        """Decodes a row as `datasets` or Parquet gives it (pictures decoded, or as ``{"bytes": ...}``).

        Raises:
            SampleError: a column is missing or does not fit the others.
        """
        name = str(row.get("id", "?"))
        try:
            transform = np.asarray(row["transform_world"], dtype=np.float64)
            targets = list(row["target_ids"])
            return cls(
                id=name,
                scene=row["scene"],
                operation=row["operation"],
                instruction=row["instruction"],
                source=_colour(row["source_image"]),
                source_depth=_metres(row["source_depth"]),
                source_ids=_ids(row["source_instances"]),
                background=_optional(_colour, row.get("background_image")),
                target=_optional(_colour, row.get("target_image")),
                target_depth=_optional(_metres, row.get("target_depth")),
                target_ids_map=_optional(_ids, row.get("target_instances")),
                intrinsics=np.asarray(row["intrinsics"], dtype=np.float64),
                source_extrinsics=np.asarray(row["source_extrinsics"], dtype=np.float64),
                target_extrinsics=np.asarray(row["target_extrinsics"], dtype=np.float64),
                before=tuple(_body(item) for item in row["objects_before"]),
                after=tuple(_body(item) for item in row["objects_after"]),
                target_id=targets[0] if targets else None,
                reference_ids=tuple(row["reference_ids"]),
                transform=transform if transform.shape == (4, 4) else None,
                parameters=json.loads(row["parameters"]),
            )
        except KeyError as error:
            raise SampleError(f"row {name}: column {error} is missing; is this a gsi-bench dataset?") from error
        except (OSError, TypeError, ValueError) as error:
            raise SampleError(f"row {name}: {error}") from error


def _optional(decode: Any, value: Any) -> Any:
    return None if value is None else decode(value)


def _open(value: Any) -> Image.Image:
    return Image.open(io.BytesIO(value["bytes"])) if isinstance(value, Mapping) else value


def _colour(value: Any) -> Picture:
    return np.asarray(_open(value).convert("RGB"))


def _metres(value: Any) -> NDArray[np.float32]:
    return np.asarray(_open(value)).astype(np.float32) / np.float32(1000)


def _ids(value: Any) -> NDArray[np.int32]:
    return np.asarray(_open(value)).astype(np.int32)


def _body(record: Mapping[str, Any]) -> Body:
    return Body(
        id=record["id"],
        name=record["name"],
        category=record["category"],
        caption=record["caption"],
        centre=np.asarray(record["centre"], dtype=np.float64),
        size=np.asarray(record["size"], dtype=np.float64),
        rotation=np.asarray(record["rotation"], dtype=np.float64),
        symmetry=record["symmetry"],
        visibility=record["visibility"],
        support=record["support"],
        movable=record["movable"],
    )
