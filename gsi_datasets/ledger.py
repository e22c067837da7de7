"""Which rows are kept: scenes are taken in order, and nothing but their content decides."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gsi_datasets.balance import Shares
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.schema import IMAGE_COLUMNS, Triplet
from gsi_datasets.spec import Balance, Edits


# When to give up on an operation: fewer than one row in so many scenes, or none in a dry spell of so many.
SCENES_PER_ROW = 60
DRY_SPELL = 200
FAILURES_IN_A_ROW = 8
# So many scenes that are all rejected as a whole, before the first row, will not be followed by better ones.
HOPELESS = 12
# What to change in the spec where scenes are rejected as a whole.
FIELDS = {
    "no-view": "world.eye_height_m, world.pitch_degrees, world.fov_degrees or world.views",
    "sparse": "world.objects",
    "unstable": "world.objects",
}


class BuildError(RuntimeError):
    """A build that cannot reach its goal; the message says why and what to change."""


@dataclass
class Ledger:
    """Takes scenes in order and decides which rows are kept.

    Attributes:
        wanted: rows (or chains) wanted per slot, see `Split.slots`.
        balance: what the rows of one slot may have in common.
        edits: the ranges that balance is about.
        slot_of: the slot that rows of an operation from a scene count for.
        counts: rows (or chains) kept so far, per slot.
        scenes: how many were taken; also the index of the next.
        kept: scene index and positions of its rows that are kept.
        sizes: bytes of each kept row's pictures.
        rejected: how often each (slot, operation, reason) occurred while the slot was still wanted.
        profile: seconds per step.
    """

    wanted: dict[str, int]
    balance: Balance = field(default_factory=Balance)
    edits: Edits = field(default_factory=Edits)
    slot_of: Callable[[int, str], str] = lambda index, operation: operation
    counts: Counter[str] = field(default_factory=Counter)
    scenes: int = 0
    kept: list[tuple[int, list[int]]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    rejected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    profile: Counter[str] = field(default_factory=Counter)
    _said: set[tuple[object, ...]] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)
    _last_kept: dict[str, int] = field(default_factory=dict)
    _failures: int = 0
    _whole: int = 0

    def __post_init__(self) -> None:
        self.shares = Shares(self.balance, self.edits)

    @property
    def open(self) -> frozenset[str]:
        """The slots of which more rows are wanted."""
        return frozenset(name for name, count in self.wanted.items() if self.counts[name] < count)

    def take(self, result: SceneResult) -> list[Rejection]:
        """Take the next scene; gives the rejections that count.

        Raises:
            BuildError: if two rows have the same id.
        """
        rejections = [
            item for item in result.rejections if not item.operation or self._slot(result, item) in self.open
        ]
        positions: list[int] = []
        for group in _groups(result.rows):
            rows = [result.rows[position] for position in group]
            slot = self._slot(result, rows[0])
            if slot not in self.open:
                continue
            for row in rows:
                if row.id in self._ids:
                    raise BuildError(
                        f"scene {result.index}: the row id '{row.id}' was used before; ids must be unique"
                    )
            if why := self._refused(slot, rows):
                rejections.append(why)
                continue
            for row in rows:
                self._ids.add(row.id)
                self._said.add(_said(row))
                self.shares.add(slot, row)
                self.sizes.append(sum(len(getattr(row, name)) for name in IMAGE_COLUMNS))
            self.counts[slot] += 1
            self._last_kept[slot] = self.scenes
            positions += group
        if positions:
            self.kept.append((result.index, positions))
        self._whole += not result.rows and any(not item.operation for item in result.rejections)
        self.rejected.update(
            (self._slot(result, item) if item.operation else "", item.operation, item.reason) for item in rejections
        )
        self.profile.update(result.seconds)
        self.scenes += 1
        return rejections

    def _slot(self, result: SceneResult, item: Triplet | Rejection) -> str:
        return self.slot_of(result.index, item.operation)

    def _refused(self, slot: str, rows: list[Triplet]) -> Rejection | None:
        """Why rows that belong together are not kept."""
        for row in rows:
            if _said(row) in self._said:
                return _left_out(row, "duplicate", "says the same of the same asset as an earlier row")
            if len(rows) == 1 and (excess := self.shares.excess(slot, self.wanted[slot], row)):
                return _left_out(row, "balance", f"is one more of {excess} than the spec's balance wants")
        return None

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
        if not self.kept and self.scenes >= HOPELESS and self._whole >= self.scenes:
            reasons = self._reasons("")
            fields = sorted({FIELDS[reason] for reason in reasons if reason in FIELDS}) or ["world"]
            raise BuildError(
                f"none of the first {self.scenes} scenes could be used (measured acceptance 0 %; rejected: "
                f"{_listed(reasons)}); the last: {result.rejections[-1].detail}. Change {' or '.join(fields)}"
            )
        worlds = len({name.rpartition("/")[0] for name in self.wanted})
        for name in sorted(self.open):
            dry = self.scenes - self._last_kept.get(name, 0)
            few = self.counts[name] * SCENES_PER_ROW * worlds < self.scenes - SCENES_PER_ROW * worlds
            if few or dry > DRY_SPELL * worlds:
                where = name.replace("/", ".")
                lost_to = _listed(self._reasons(name)) or "nothing was proposed"
                raise BuildError(
                    f"splits.{split}.counts.{where}: {self.wanted[name]} rows are wanted, but {self.scenes} scenes "
                    f"gave {self.counts[name]} and the last {dry} of them none (rejected: {lost_to}); lower this "
                    "count, or change world.objects, the ranges under edits or the shares under balance"
                )

    def _reasons(self, slot: str) -> Counter[str]:
        """How often each reason lost a candidate of a slot, or a whole scene."""
        reasons: Counter[str] = Counter()
        for (name, _, reason), count in sorted(self.rejected.items()):
            if name in (slot, ""):
                reasons[reason] += count
        return reasons

    def table(self) -> dict[str, dict[str, int]]:
        """Rejections as the manifest has them: operation -> reason -> count, most frequent first."""
        sums: Counter[tuple[str, str]] = Counter()
        for (_, operation, reason), count in self.rejected.items():
            sums[operation, reason] += count
        table: dict[str, dict[str, int]] = defaultdict(dict)
        for (operation, reason), count in sorted(sums.items(), key=lambda item: (-item[1], item[0])):
            table[operation or "scene"][reason] = count
        return dict(sorted(table.items()))


def _groups(rows: Sequence[Triplet]) -> list[list[int]]:
    """Positions of the rows that are kept together or not at all: of a chain, else of one row."""
    groups: dict[object, list[int]] = {}
    for position, row in enumerate(rows):
        chain = json.loads(row.parameters).get("chain")
        groups.setdefault(chain["id"] if chain else position, []).append(position)
    return list(groups.values())


def _said(row: Triplet) -> tuple[object, ...]:
    """What two rows must not have in common: the same words about the same thing; for PC, in the same scene."""
    if row.operation == "PC" or "chain" in json.loads(row.parameters):
        return row.operation, row.scene, row.instruction
    targets = sorted(item.asset for item in row.objects_before if item.id in row.target_ids)
    return row.operation, *targets, row.instruction


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(4))


def _left_out(row: Triplet, reason: str, why: str) -> Rejection:
    return Rejection(row.operation, reason, f"{row.id} {why}", row.instruction, row.source_image, row.target_image)
