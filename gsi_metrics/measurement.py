"""What an observer says happened between the source and an edited picture, in metres, radians and ratios.

Whoever looks (`gsi_metrics.perception`) makes a `Measurement`; whoever judges (`gsi_metrics.protocols`) reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Floor:
    """What the same observer says of the untouched, re-encoded source: smaller differences mean nothing.

    Attributes:
        shift: metres.
        yaw: radians.
        log_scale: natural logarithm of the ratio.
    """

    shift: float = 0.0
    yaw: float = 0.0
    log_scale: float = 0.0


@dataclass(frozen=True)
class Other:
    """An object that was not to be edited.

    Attributes:
        id: its instance id.
        present: how much of what should be seen of it is there and looks as before, 0 to 1.
        moved: metres by which it is displaced; 0 if it did not move, infinite if it is found nowhere.
    """

    id: int
    present: float
    moved: float


@dataclass(frozen=True, eq=False)
class Measurement:
    """How one edited picture differs from its source.

    Attributes:
        sample: id of the row.
        observer: who looked, and in which version.
        found: whether the target object is seen anywhere in the edited picture; None for PC.
        vacated: share of the place it left (pixels it covered before and should or does not cover now) that no longer
            shows it, 0 to 1. An observer of pixels says 1 where it left hardly any.
        transform: (4, 4) similarity, world, that carries source points of the target to where they are seen; None if
            it was not found. For PC the camera's rigid motion, as in the row.
        shift: (3,) metres, world, of the middle of the target's box; None like `transform`.
        yaw: turn about the vertical, radians in (-pi, pi], counterclockwise seen from above.
        scale: ratio of size.
        likeness: how well the target there looks like the target before, after alignment, 0 to 1.
        duplicates: how many more copies of the target are seen (a copy left at the old place is one).
        others: the objects that were to stay.
        confidence: 0 (a guess) to 1.
        floor: noise floor of this observer on this sample.
        cause: why nothing could be measured; None if it was. Then the other fields mean nothing.
    """

    sample: str
    observer: str
    found: bool | None = None
    vacated: float = 0.0
    transform: Array | None = None
    shift: Array | None = None
    yaw: float = 0.0
    scale: float = 1.0
    likeness: float = 0.0
    duplicates: int = 0
    others: tuple[Other, ...] = ()
    confidence: float = 0.0
    floor: Floor = field(default_factory=Floor)
    cause: str | None = None
