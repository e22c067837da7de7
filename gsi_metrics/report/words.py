"""Names and colours of operations and metrics, and numbers in words, the same in every part of a report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from gsi_datasets.gallery.adapter import OPERATION_NAMES
from gsi_datasets.gallery.sheet import OPERATION_COLORS
from gsi_datasets.schema import OPERATIONS
from gsi_metrics.aggregate import OVERALL


METRIC_NAMES = {
    "ic": "Instruction compliance",
    "sa": "Spatial accuracy",
    "el": "Edit locality",
    "ac": "Appearance consistency",
}
RUN_COLORS = ("#0b5fff", "#d1495b", "#2a9d5c", "#8f5bd6", "#c77700", "#4a6670")
"""Of compared runs, in their order."""

ERROR_UNITS = {
    "endpoint_cm": ("off", "cm"),
    "across_cm": ("across", "cm"),
    "along_cm": ("along", "cm"),
    "height_cm": ("height", "cm"),
    "base_cm": ("base off", "cm"),
    "reference_cm": ("reference off", "cm"),
    "translation_cm": ("camera off", "cm"),
    "direction_degrees": ("direction", "°"),
    "yaw_degrees": ("turn off", "°"),
    "rotation_degrees": ("camera turn off", "°"),
}


def ordered(operations: Iterable[str]) -> list[str]:
    """Operations as they are listed everywhere; all of them together last."""
    place: dict[str, int] = {name: number for number, name in enumerate(OPERATIONS)}
    return sorted(operations, key=lambda name: (name == OVERALL, place.get(name, len(place)), name))


def operation_name(operation: str) -> str:
    """Of our seven, or of the published protocol, or of all together."""
    return "All" if operation == OVERALL else OPERATION_NAMES.get(operation, operation.capitalize())


def operation_color(operation: str) -> str:
    """As CSS has it."""
    r, g, b = OPERATION_COLORS.get(operation, (84, 90, 104))
    return f"#{r:02x}{g:02x}{b:02x}"


def error_words(errors: dict[str, float | None]) -> list[str]:
    """Each measured error with its unit, e.g. ``off 3.2 cm``."""
    words = []
    for name, value in errors.items():
        if value is None:
            continue
        if name == "log_scale":
            words.append(f"size ×{2.718281828459045**value:.2f} of what was asked")
        else:
            label, unit = ERROR_UNITS.get(name, (name.replace("_", " "), ""))
            # Adding zero turns the -0.0 of a rounded trifle into 0.0.
            words.append(f"{label} {round(value, 1) + 0.0:.1f}{'' if unit == '°' else ' '}{unit}")
    return words


def kind_of_fault(fault: str) -> str:
    """A fault without what differs from row to row: numbers, and names of objects."""
    fault = re.sub(r"\b[a-z][a-z0-9]*(_[a-z0-9]+)*_\d+\b", "another object", fault)
    fault = re.sub(r"only \d+% of", "too little of", fault)
    fault = re.sub(r"(a factor )?-?\d+(\.\d+)?( ?(cm|degrees|%))?", "…", fault)
    if fault.endswith("allowed"):
        return "not within the tolerance"
    return fault.replace(" …", "").replace("… ", "")


def number(value: Any, digits: int = 2) -> str:
    """A score, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
