"""What travels out of a scene: rows that passed every check, and why the others did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gsi_datasets.schema import Triplet


if TYPE_CHECKING:
    from gsi_datasets.renderers.rays import Visibility


def share(visibility: Visibility) -> float:
    """How much of an object is seen, as it is written down; what shows less than that is not seen."""
    return round(float(visibility.fraction), 4)


@dataclass(frozen=True)
class Rejection:
    """A candidate that was not kept.

    Attributes:
        operation: one of the seven actions; empty if the whole scene was rejected.
        reason: one word, counted and shown, e.g. ``collision``.
        detail: what was measured, for people, e.g. ``mug_1 overlaps bowl_1 by 13.4 mm``.
        instruction: what would have been asked, if it came that far.
        before: PNG of the source, if it was rendered.
        after: PNG of the target, if it was rendered.
    """

    operation: str
    reason: str
    detail: str = ""
    instruction: str = ""
    before: bytes | None = None
    after: bytes | None = None


@dataclass
class SceneResult:
    """All that one scene gave.

    Attributes:
        index: number of the scene in its split.
        rows: accepted triplets, in a fixed order.
        rejections: the others.
        seconds: time spent per step, for the profile; not part of the data.
    """

    index: int
    rows: list[Triplet] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def reasons(self) -> Counter[tuple[str, str]]:
        """How often each (operation, reason) occurred."""
        return Counter((item.operation, item.reason) for item in self.rejections)
