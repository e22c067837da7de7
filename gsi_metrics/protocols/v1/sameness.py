"""When the published protocol takes two boxes, matrices or objects for the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


# Summed squares of mixed units: metres and radians for 3D boxes, pixels for 2D boxes.
BOX_3D = 0.1
BOX_3D_STRICT = 0.001
BOX_2D = 100
ROTATION = 0.0001


def same(a: ArrayLike, b: ArrayLike, threshold: float = BOX_3D) -> bool:
    """Whether the squared differences of two arrays of one shape add up to less than `threshold`."""
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return bool(np.sum(difference**2) < threshold)


def same_object(a: Mapping[str, Any], b: Mapping[str, Any], threshold: float = BOX_3D) -> bool:
    """`same` over all list- or array-valued entries of two objects, one after the other."""
    return same(_flat(a), _flat(b), threshold)


def _flat(record: Mapping[str, Any]) -> np.ndarray:
    arrays = [np.ravel(value) for value in record.values() if isinstance(value, list | tuple | np.ndarray)]
    return np.concatenate(arrays)


def unique_indices(objects: Sequence[Mapping[str, Any]], label: str) -> list[int]:
    """Indices of the objects with this label, without those that repeat an earlier one."""
    kept: list[int] = []
    for index, item in enumerate(objects):
        if item["label"] == label and not any(same_object(item, objects[other]) for other in kept):
            kept.append(index)
    return kept
