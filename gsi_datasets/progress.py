"""How far a build is: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gsi_datasets.ledger import Ledger


if TYPE_CHECKING:
    from tqdm import tqdm

SECONDS_PER_LINE = 10.0


def bar(
    name: str, unit: str, show: bool, items: Iterable[Any] | None = None, *, total: int | None = None, initial: int = 0
) -> tqdm:
    """A bar of tqdm that is redrawn in a terminal and rarely adds to a log."""
    from tqdm import tqdm

    interval = 0.5 if sys.stderr.isatty() else SECONDS_PER_LINE
    return tqdm(
        items,
        name,
        total,
        unit=unit,
        initial=initial,
        disable=not show,
        mininterval=interval,
        dynamic_ncols=True,
    )


class Progress:
    """Shows a ledger filling up on stderr. Use as a context manager."""

    def __init__(self, ledger: Ledger, name: str, show: bool) -> None:
        self.ledger, self.name, self.show = ledger, name, show
        self.start = self.last_line = time.monotonic()
        self.kept_at_start = 0
        self.bar: tqdm | None = None

    def __enter__(self) -> Progress:
        if self.show and sys.stderr.isatty():
            from tqdm import tqdm

            total = sum(self.ledger.wanted.values())
            self.bar = tqdm(total=total, desc=self.name, unit="triplet", dynamic_ncols=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.show:
            self._line()

    def update(self, made: int) -> None:
        """Show the present state, if it is time to.

        Args:
            made: scenes made in this run; until there is one, rows come from an earlier run and count for no speed.
        """
        kept = sum(self.ledger.counts.values())
        if not made:
            self.start, self.kept_at_start = time.monotonic(), kept
        if self.bar is not None:
            self.bar.set_postfix_str(self._facts(), refresh=False)
            self.bar.update(kept - self.bar.n)
        elif self.show and time.monotonic() - self.last_line > SECONDS_PER_LINE:
            self._line()

    def _line(self) -> None:
        wanted, kept = sum(self.ledger.wanted.values()), sum(self.ledger.counts.values())
        print(f"{self.name}: {kept}/{wanted} triplets, {self._facts()}", file=sys.stderr, flush=True)
        self.last_line = time.monotonic()

    def _facts(self) -> str:
        """Scenes, speed and the commonest reasons of rejection."""
        reasons: Counter[str] = Counter()
        for (_, _, reason), count in sorted(self.ledger.rejected.items()):
            reasons[reason] += count
        new = sum(self.ledger.counts.values()) - self.kept_at_start
        speed = 3600 * new / max(time.monotonic() - self.start, 1.0)
        facts = [f"{self.ledger.scenes} scenes", f"{speed:.0f}/h"]
        return ", ".join(facts + [f"{count} {reason}" for reason, count in reasons.most_common(3)])
