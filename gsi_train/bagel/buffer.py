"""Which samples go into a pack together, in a way that can stop anywhere and go on exactly there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar


T = TypeVar("T")


@dataclass(frozen=True)
class Sized(Generic[T]):
    """A sample and what it costs.

    Attributes:
        key: names it; plain data from which it can be made again (for example row, epoch and seed).
        tokens: what it takes in a pack, see [`packing.token_estimate`]; the markers of its items on top.
        sample: itself.
    """

    key: Any
    tokens: int
    sample: T


@dataclass
class PackingBuffer(Generic[T]):
    """Fills packs with samples; what does not fit now waits for a later pack.

    All state between two packs is the list of those that wait: save it with [`state_dict`], together with
    the place of the source.

    Args:
        expected_tokens: a pack is done when it holds as many.
        max_tokens: it never holds more.
        max_tokens_per_sample: larger samples are skipped and counted.
        size: how many samples may wait.
        prefer_before: while the pack holds fewer tokens, those that wait come first (default: half of `max_tokens`).

    Attributes:
        waiting: samples that did not fit, in order.
        skipped: how many samples were too large.
    """

    expected_tokens: int
    max_tokens: int
    max_tokens_per_sample: int
    size: int = 50
    prefer_before: int | None = None
    waiting: deque[Sized[T]] = field(default_factory=deque)
    skipped: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.expected_tokens <= self.max_tokens or self.max_tokens_per_sample > self.max_tokens:
            raise ValueError(
                f"expected_tokens {self.expected_tokens} and max_tokens_per_sample {self.max_tokens_per_sample} must "
                f"be at most max_tokens ({self.max_tokens})"
            )
        if self.prefer_before is None:
            self.prefer_before = self.max_tokens // 2

    def next_pack(self, source: Iterator[Sized[T]]) -> list[Sized[T]]:
        """Take samples for one pack.

        Args:
            source: gives samples; only as many are taken as are needed.

        Returns:
            The samples; none when the source is at its end and nothing waits.
        """
        chosen: list[Sized[T]] = []
        total = 0
        while total < self.expected_tokens:
            waited = bool(self.waiting) and total < (self.prefer_before or 0)
            sample = self.waiting.popleft() if waited else next(source, None)
            if sample is None:
                if not self.waiting:
                    break
                sample, waited = self.waiting.popleft(), True
            if sample.tokens > self.max_tokens_per_sample:
                self.skipped += 1
            elif total + sample.tokens <= self.max_tokens:
                chosen.append(sample)
                total += sample.tokens
            elif waited:
                self.waiting.appendleft(sample)
                break
            else:
                full = len(self.waiting) >= self.size
                self.waiting.append(sample)
                if full:
                    break
        return chosen

    def state_dict(self) -> dict[str, Any]:
        """What waits, by key, and the count of what was skipped: plain data."""
        return {"waiting": [sample.key for sample in self.waiting], "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any], rebuild: Callable[[Any], Sized[T]]) -> None:
        """Go on where another buffer was.

        Args:
            state: what [`state_dict`] gave.
            rebuild: makes the sample of a key again.
        """
        self.waiting = deque(rebuild(key) for key in state["waiting"])
        self.skipped = state["skipped"]
