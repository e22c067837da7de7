"""Which rows are kept: scenes are taken in order, and nothing but their content decides."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.schema import IMAGE_COLUMNS, Triplet


# When to give up on an operation: fewer than one row in so many scenes, or none in a dry spell of so many.
SCENES_PER_ROW = 60
DRY_SPELL = 200
FAILURES_IN_A_ROW = 8


class BuildError(RuntimeError):
    """A build that cannot reach its goal; the message says why and what to change."""


@dataclass
class Ledger:
    """Takes scenes in order and decides which rows are kept.

    Attributes:
        wanted: rows wanted per operation.
        counts: rows kept so far.
        scenes: how many were taken; also the index of the next.
        kept: scene index and positions of its rows that are kept.
        sizes: bytes of each kept row's pictures.
        rejected: how often each (operation, reason) occurred while the operation was still wanted.
        profile: seconds per step.
    """

    wanted: dict[str, int]
    counts: Counter[str] = field(default_factory=Counter)
    scenes: int = 0
    kept: list[tuple[int, list[int]]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    profile: Counter[str] = field(default_factory=Counter)
    _said: set[tuple[object, ...]] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)
    _last_kept: dict[str, int] = field(default_factory=dict)
    _failures: int = 0

    @property
    def open(self) -> frozenset[str]:
        """The operations of which more rows are wanted."""
        return frozenset(name for name, count in self.wanted.items() if self.counts[name] < count)

    def take(self, result: SceneResult) -> list[Rejection]:
        """Take the next scene; gives the rejections that count.

        Raises:
            BuildError: if two rows have the same id.
        """
        wanted, positions = self.open, []
        rejections = [item for item in result.rejections if not item.operation or item.operation in wanted]
        for position, row in enumerate(result.rows):
            if row.operation not in self.open:
                continue
            if row.id in self._ids:
                raise BuildError(f"scene {result.index}: the row id '{row.id}' was used before; ids must be unique")
            targets = sorted(item.asset for item in row.objects_before if item.id in row.target_ids)
            if (said := (row.operation, *targets, row.instruction)) in self._said:
                rejections.append(_duplicate(row))
                continue
            self._ids.add(row.id)
            self._said.add(said)
            self.counts[row.operation] += 1
            self._last_kept[row.operation] = self.scenes
            self.sizes.append(sum(len(getattr(row, name)) for name in IMAGE_COLUMNS))
            positions.append(position)
        if positions:
            self.kept.append((result.index, positions))
        self.rejected.update((item.operation, item.reason) for item in rejections)
        self.profile.update(result.seconds)
        self.scenes += 1
        return rejections

    def check(self, result: SceneResult, split: str) -> None:
        """Stop what cannot succeed.

        Raises:
            BuildError: if every scene fails, or an operation is accepted far too rarely.
        """
        lost = next((item for item in result.rejections if item.reason in ("error", "crash")), None)
        self._failures = self._failures + 1 if lost else 0
        if lost and self._failures >= FAILURES_IN_A_ROW:
            raise BuildError(
                f"the last {self._failures} scenes all failed; scene {result.index} ({lost.reason}): {lost.detail}"
            )
        for name in sorted(self.open):
            dry = self.scenes - self._last_kept.get(name, 0)
            if self.counts[name] * SCENES_PER_ROW < self.scenes - SCENES_PER_ROW or dry > DRY_SPELL:
                reasons: Counter[str] = Counter()
                for (operation, reason), count in sorted(self.rejected.items()):
                    if operation in (name, ""):
                        reasons[reason] += count
                top = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(4))
                raise BuildError(
                    f"splits.{split}.counts.{name}: {self.wanted[name]} rows are wanted, but {self.scenes} scenes "
                    f"gave {self.counts[name]} and the last {dry} of them none "
                    f"(rejected: {top or 'nothing was proposed'}); lower this count, or change world.objects or the "
                    "ranges under edits"
                )

    def table(self) -> dict[str, dict[str, int]]:
        """Rejections as the manifest has them: operation -> reason -> count, most frequent first."""
        table: dict[str, dict[str, int]] = defaultdict(dict)
        for (operation, reason), count in sorted(self.rejected.items(), key=lambda item: (-item[1], item[0])):
            table[operation or "scene"][reason] = count
        return dict(sorted(table.items()))


def _duplicate(row: Triplet) -> Rejection:
    detail = f"{row.id} says the same of the same asset as an earlier row"
    return Rejection(row.operation, "duplicate", detail, row.instruction, row.source_image, row.target_image)
