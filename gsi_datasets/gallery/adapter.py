"""One adapter for everything a row can come as, and what the sheet and the page both say about a row."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

from gsi_datasets.schema import IMAGE_COLUMNS, OPERATIONS, EditRow, ObjectRecord, Triplet


Row = EditRow | Mapping[str, Any]

OPERATION_NAMES = {
    "CM": "Move",
    "OP": "Place beside",
    "OR": "Rotate",
    "RP": "Put in or on",
    "PC": "Move camera",
    "SR": "Remove",
    "OS": "Scale",
}


def as_row(row: Row) -> EditRow:
    """The row as an `EditRow`, from one, its example, or a row of a loaded dataset (decoded or not).

    Raises:
        pydantic.ValidationError: if columns are missing or wrong.
    """
    return row if isinstance(row, EditRow) else EditRow.model_validate(_values(row))


def as_triplet(row: Row) -> Triplet:
    """As `as_row`, for a row of which everything is known.

    Raises:
        pydantic.ValidationError: if columns are missing or wrong, or a picture is not there.
    """
    return row if isinstance(row, Triplet) else Triplet.model_validate(_values(row))


def _values(row: Row) -> dict[str, Any]:
    if isinstance(row, EditRow):
        return row.model_dump()
    values = {name: value for name, value in row.items() if name in EditRow.model_fields}
    for column in IMAGE_COLUMNS:
        if column in values:
            values[column] = _png(values[column])
    for column in ("ideal", "actual"):
        # Parquet readers differ in whether an absent struct is null or a struct of nulls.
        box = values.get(column)
        if isinstance(box, Mapping) and all(part is None for part in box.values()):
            values[column] = None
    return values


def by_operation(rows: Iterable[EditRow]) -> dict[str, list[EditRow]]:
    """Rows per operation, in the order operations are listed everywhere; operations without rows are left out."""
    groups: dict[str, list[EditRow]] = {operation: [] for operation in OPERATIONS}
    for row in rows:
        groups[row.operation].append(row)
    return {operation: group for operation, group in groups.items() if group}


def target_of(row: EditRow, after: bool = False) -> ObjectRecord | None:
    """The edited object as it stands before or after; None where there is none (removed, or the camera moved)."""
    objects = row.objects_after if after else row.objects_before
    return next((item for item in objects if item.id in row.target_ids), None)


def _png(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get("bytes")
    if isinstance(value, Image.Image):
        buffer = io.BytesIO()
        value.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()
    return value
