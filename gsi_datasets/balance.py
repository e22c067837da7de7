"""What rows of one operation may have too much in common: what is edited, in what kind of room, and how far."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field

from gsi_datasets.schema import Triplet
from gsi_datasets.spec import Balance, Edits


FEWEST = 3
"""Rows of a stratum that are never too many: shares mean nothing in a small set."""


def strata(row: Triplet, edits: Edits) -> dict[str, str]:
    """The stratum of a row in each respect of `Balance`; a respect that does not apply is left out."""
    parameters, made = json.loads(row.parameters), json.loads(row.provenance)
    found = {}
    if row.target_ids:
        found["category"] = next(item.category for item in row.objects_before if item.id == row.target_ids[0])
    if "room" in made:
        found["room"] = str(made["room"])
    if extent := _extent(row.operation, parameters, edits):
        found["extent"] = extent
    return found


def _extent(operation: str, parameters: dict[str, object], edits: Edits) -> str:
    on_floor = parameters.get("surface") == "floor"
    match operation:
        case "CM":
            return _third(100 * _number(parameters["metres"]), edits.floor_move_cm if on_floor else edits.move_cm)
        case "OP":
            return _third(100 * _number(parameters["metres"]), edits.floor_place_cm if on_floor else edits.place_cm)
        case "OR":
            turns = [abs(angle) for angle in edits.rotate_degrees]
            return _third(abs(_number(parameters["degrees"])), (min(turns), max(turns)))
        case "OS":
            return "larger" if _number(parameters["factor"]) > 1 else "smaller"
        case "PC":
            return str(parameters["motion"])
    return ""


def _third(value: float, bounds: tuple[float, float]) -> str:
    low, high = bounds
    share = (value - low) / (high - low) if high > low else 0.0
    return ("short", "middle", "long")[min(max(int(3 * share), 0), 2)]


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)


@dataclass
class Shares:
    """Counts the strata of the rows that are kept.

    Attributes:
        balance: the largest shares.
        edits: the ranges that extents are thirds of.
        counts: rows by (slot, respect, stratum).
    """

    balance: Balance
    edits: Edits
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def excess(self, slot: str, wanted: int, row: Triplet) -> str | None:
        """What there is too much of with this row among the `wanted` rows of its slot, e.g. ``category chair``."""
        for respect, stratum in self._strata(row):
            most = max(math.ceil(getattr(self.balance, respect) * wanted), FEWEST)
            if self.counts[slot, respect, stratum] >= most:
                return f"{respect} {stratum}"
        return None

    def add(self, slot: str, row: Triplet) -> None:
        """Count a row that is kept."""
        self.counts.update((slot, respect, stratum) for respect, stratum in self._strata(row))

    def _strata(self, row: Triplet) -> list[tuple[str, str]]:
        asked = [name for name in Balance.model_fields if getattr(self.balance, name) < 1]
        if not asked:
            return []
        found = strata(row, self.edits)
        return [(name, found[name]) for name in asked if name in found]
