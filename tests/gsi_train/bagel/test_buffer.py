"""Which samples share a pack: limits, waiting, and going on exactly where another run stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from gsi_train.bagel.buffer import PackingBuffer, Sized


def sample(key: int) -> Sized[str]:
    tokens = int(np.random.default_rng(key).integers(10, 130))
    return Sized(key, tokens, f"sample {key}")


def stream(start: int, stop: int) -> Iterator[Sized[str]]:
    return (sample(key) for key in range(start, stop))


def buffer() -> PackingBuffer[str]:
    return PackingBuffer(expected_tokens=200, max_tokens=240, max_tokens_per_sample=120, size=3)


def packs(packing: PackingBuffer[str], source: Iterator[Sized[str]]) -> list[list[int]]:
    found = []
    while chosen := packing.next_pack(source):
        found.append([item.key for item in chosen])
    return found


def test_every_sample_that_fits_comes_once_and_packs_stay_small() -> None:
    packing = buffer()
    found = packs(packing, stream(0, 300))
    fitting = [key for key in range(300) if sample(key).tokens <= 120]
    assert sorted(key for pack in found for key in pack) == fitting
    assert packing.skipped == 300 - len(fitting) > 0
    totals = [sum(sample(key).tokens for key in pack) for pack in found]
    assert max(totals) <= 240
    assert np.mean([total >= 200 for total in totals]) > 0.7


def test_it_goes_on_exactly_where_it_stopped() -> None:
    expected = packs(buffer(), stream(0, 200))
    first, source = buffer(), stream(0, 200)
    taken = 0

    def counted() -> Iterator[Sized[str]]:
        nonlocal taken
        for item in source:
            taken += 1
            yield item

    found, before = [], counted()
    while not first.waiting or len(found) < 8:
        found.append([item.key for item in first.next_pack(before)])
    state = json.loads(json.dumps(first.state_dict()))
    second = buffer()
    second.load_state_dict(state, sample)
    assert found + packs(second, stream(taken, 200)) == expected
    assert second.skipped == sum(sample(key).tokens > 120 for key in range(200))


def test_those_that_wait_come_first() -> None:
    packing = PackingBuffer[str](expected_tokens=90, max_tokens=100, max_tokens_per_sample=100)
    source = iter([Sized(0, 60, ""), Sized(1, 70, ""), Sized(2, 35, ""), Sized(3, 25, "")])
    assert packs(packing, source) == [[0, 2], [1, 3]]


def test_an_empty_source_gives_nothing() -> None:
    assert buffer().next_pack(iter([])) == []


def test_limits_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be at most max_tokens \(50\)"):
        PackingBuffer[str](expected_tokens=60, max_tokens=50, max_tokens_per_sample=50)
