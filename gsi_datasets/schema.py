"""The row: what one triplet is when it is written down. The published columns are defined here and nowhere else.

Validation is pydantic's, the column types are `datasets.Features` of the conservative kind (Image, Value, List,
structs), which every release of `datasets` from 2.14 on reads. Matrices are nested lists; free-form data is a JSON
string. Units and frames are those of `gsi_datasets.scene`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field


if TYPE_CHECKING:
    import datasets

Operation = Literal["CM", "OP", "OR", "RP", "PC", "SR", "OS"]
OPERATIONS: tuple[Operation, ...] = ("CM", "OP", "OR", "RP", "PC", "SR", "OS")
ID_PATTERN = r"^[a-z0-9_-]+$"

IMAGE_COLUMNS = (
    "source_image",
    "target_image",
    "background_image",
    "source_depth",
    "target_depth",
    "source_instances",
    "target_instances",
)


def _shaped(*shape: int) -> AfterValidator:
    def check(value: list[Any]) -> list[Any]:
        array = np.asarray(value, dtype=np.float64)
        if array.shape != shape:
            raise ValueError(f"shape is {array.shape}, must be {shape}")
        if not np.isfinite(array).all():
            raise ValueError("contains a number that is not finite")
        return value

    return AfterValidator(check)


def _is_rotation(value: list[list[float]]) -> list[list[float]]:
    matrix = np.asarray(value)
    if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-6) or np.linalg.det(matrix) < 0:
        raise ValueError("is not a rotation (orthonormal with determinant 1)")
    return value


Vector3 = Annotated[list[float], _shaped(3)]
Matrix3 = Annotated[list[list[float]], _shaped(3, 3)]
Rotation = Annotated[list[list[float]], _shaped(3, 3), AfterValidator(_is_rotation)]
Matrix4 = Annotated[list[list[float]], _shaped(4, 4)]
Png = Annotated[bytes, Field(min_length=8)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BoxRecord(_Strict):
    """An oriented box in the world: centre and full size in metres, rotation from the box's axes to the world."""

    centre: Vector3
    size: Vector3
    rotation: Rotation


class ObjectRecord(_Strict):
    """One object as it stands in one image.

    Attributes:
        id: its number in the instance map.
        name: unique in the scene.
        category: English common noun.
        caption: English noun phrase without article.
        caption_zh: the same in Chinese.
        asset: asset id.
        centre: (3,) box centre, metres, world.
        size: (3,) full extents along its own axes, metres.
        rotation: (3, 3) own axes to world.
        symmetry: order of rotational symmetry about the vertical; 1 none, 0 any angle.
        visibility: share of its silhouette (occluded parts and parts outside the frame included) that is seen.
        support: name of what it rests on or in; empty if nothing.
        movable: False for furniture.
    """

    id: int = Field(ge=1, le=65535)
    name: str = Field(pattern=ID_PATTERN)
    category: str = Field(min_length=1)
    caption: str = Field(min_length=1)
    caption_zh: str = Field(min_length=1)
    asset: str
    centre: Vector3
    size: Vector3
    rotation: Rotation
    symmetry: int = Field(ge=0)
    visibility: float = Field(ge=0, le=1)
    support: str
    movable: bool


class EditRow(_Strict):
    """A row: an edit that is asked for, with as much truth as there is. What nobody knows is None or empty.

    Images are PNG bytes: RGB 8-bit, depth 16-bit millimetres (0 = nothing hit), instances 16-bit ids. Pictures that
    others have made keep the bytes they came in, which may be JPEG.

    Attributes:
        id: unique in the dataset.
        scene: name of the scene; rows of one scene share a source image and may share a view.
        operation: one of the seven actions.
        instruction: English.
        instruction_zh: Chinese; empty if nobody wrote it.
        instructions: more English phrasings of the same, `instruction` first.
        instructions_zh: more Chinese phrasings, `instruction_zh` first.
        source_image: before.
        target_image: after.
        background_image: the source scene without the target object; for PC the source.
        source_depth: before, millimetres along the optical axis.
        target_depth: after.
        source_instances: before.
        target_instances: after.
        objects_before: every instance before.
        objects_after: every instance after.
        target_ids: instance ids of what is edited; empty for PC.
        reference_ids: instance ids of what the instruction refers to (OP, RP); for PC of the movable objects that are
            seen well in both views; else empty.
        intrinsics: (3, 3) K, pixels.
        source_extrinsics: (4, 4) world-to-camera before.
        target_extrinsics: (4, 4) world-to-camera after (differs for PC only); empty if nobody knows it.
        transform_world: (4, 4) similarity that maps source points of the target object to where they go, world
            frame; empty for SR. The Φ3D of the paper. For PC: the camera's rigid motion. Empty if nobody knows it.
        transform_camera: the same in the source camera's frame.
        ideal: computed destination of the target's box; None for SR and PC.
        actual: the box where physics left it; None for SR and PC.
        parameters: JSON, the numbers in the instruction and the rule of the referring expression.
        checks: JSON, what verification measured.
        provenance: JSON, spec digest, seeds, versions, renderer, asset licences.
    """

    id: str = Field(pattern=ID_PATTERN)
    scene: str = Field(pattern=ID_PATTERN)
    operation: Operation
    instruction: str = Field(min_length=1)
    instruction_zh: str
    instructions: list[str] = Field(min_length=1)
    instructions_zh: list[str]
    source_image: Png
    target_image: Png | None
    background_image: Png | None
    source_depth: Png | None
    target_depth: Png | None
    source_instances: Png | None
    target_instances: Png | None
    objects_before: list[ObjectRecord]
    objects_after: list[ObjectRecord]
    target_ids: list[int]
    reference_ids: list[int]
    intrinsics: Matrix3
    source_extrinsics: Matrix4
    target_extrinsics: Matrix4 | list[None]
    transform_world: Matrix4 | list[None]
    transform_camera: Matrix4 | list[None]
    ideal: BoxRecord | None
    actual: BoxRecord | None
    parameters: str
    checks: str
    provenance: str

    def to_example(self) -> dict[str, Any]:
        """The row as `datasets` takes it: images as ``{"bytes": png, "path": None}``."""
        example = self.model_dump()
        for column in IMAGE_COLUMNS:
            if example[column] is not None:
                example[column] = {"bytes": example[column], "path": None}
        return example


class Triplet(EditRow):
    """A verified row: every picture is there, and both languages."""

    instruction_zh: str = Field(min_length=1)
    instructions_zh: list[str] = Field(min_length=1)
    target_image: Png
    background_image: Png
    source_depth: Png
    target_depth: Png
    source_instances: Png
    target_instances: Png
    target_extrinsics: Matrix4


def features() -> datasets.Features:
    """The column types of every config."""
    from datasets import Features, Image, List, Value

    text, number, integer = Value("string"), Value("float64"), Value("int32")
    vector, matrix = List(number), List(List(number))
    box = {"centre": vector, "size": vector, "rotation": matrix}
    obj = {
        "id": integer,
        "name": text,
        "category": text,
        "caption": text,
        "caption_zh": text,
        "asset": text,
        **box,
        "symmetry": integer,
        "visibility": number,
        "support": text,
        "movable": Value("bool"),
    }
    return Features(
        {
            "id": text,
            "scene": text,
            "operation": text,
            "instruction": text,
            "instruction_zh": text,
            "instructions": List(text),
            "instructions_zh": List(text),
            **{column: Image() for column in IMAGE_COLUMNS},
            "objects_before": List(obj),
            "objects_after": List(obj),
            "target_ids": List(integer),
            "reference_ids": List(integer),
            "intrinsics": matrix,
            "source_extrinsics": matrix,
            "target_extrinsics": matrix,
            "transform_world": matrix,
            "transform_camera": matrix,
            "ideal": box,
            "actual": box,
            "parameters": text,
            "checks": text,
            "provenance": text,
        }
    )
