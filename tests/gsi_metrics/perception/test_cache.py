from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from gsi_metrics.perception.cache import Cached
from tests.gsi_metrics.perception.seen import Oracle, around, moving


def oracle(version: str = "1") -> Oracle:
    sample = moving(size=64)
    it = Oracle((sample.source, around(sample)[0]))
    it.version = version
    return it


def test_looks_once(tmp_path: Path) -> None:
    sample, detector = moving(size=64), oracle()
    first = Cached(detector, tmp_path).detect(sample.source, sample.intrinsics, ["mug"])
    again = Cached(detector, tmp_path).detect(sample.source.copy(), sample.intrinsics, ["mug"])
    assert first == again
    assert detector.calls == 1


def test_looks_again_where_anything_differs(tmp_path: Path) -> None:
    sample, detector = moving(size=64), oracle()
    cached = Cached(detector, tmp_path)
    other = sample.source.copy()
    other[3, 3, 1] ^= 1
    K = sample.intrinsics
    keys = [
        cached.key(sample.source, K, ["mug"]),
        cached.key(other, K, ["mug"]),
        cached.key(sample.source.reshape(32, 128, 3), K, ["mug"]),
        cached.key(sample.source, np.nextafter(K, np.inf), ["mug"]),
        cached.key(sample.source, K, ["mug"], np.array([0.0, -1.0, 0.0])),
        cached.key(sample.source, K, ["mug", "bowl"]),
        cached.key(sample.source, K, ["mugbowl"]),
        Cached(oracle("2"), tmp_path).key(sample.source, K, ["mug"]),
    ]
    assert len(set(keys)) == len(keys)
    assert cached.key(np.asfortranarray(sample.source), K, ["mug"]) == keys[0]


@pytest.mark.parametrize("spoiled", [b"", b"{", b"\xff\x00", b'{"height": 3}'])
def test_a_spoiled_entry_is_made_again(tmp_path: Path, spoiled: bytes, caplog: pytest.LogCaptureFixture) -> None:
    sample, detector = moving(size=64), oracle()
    cached = Cached(detector, tmp_path)
    first = cached.detect(sample.source, sample.intrinsics, ["mug"])
    (path,) = tmp_path.glob("*/*.json")
    path.write_bytes(spoiled)
    with caplog.at_level(logging.WARNING):
        assert cached.detect(sample.source, sample.intrinsics, ["mug"]) == first
    assert path.name in caplog.text
    assert "made again" in caplog.text
    assert detector.calls == 2
    cached.detect(sample.source, sample.intrinsics, ["mug"])
    assert detector.calls == 2


def _look(folder: Path) -> str:
    sample = moving(size=64)
    return Cached(oracle(), folder).detect(sample.source, sample.intrinsics, ["mug"]).to_json()


def test_processes_share_a_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        seen = list(pool.map(_look, [tmp_path] * 9))
    assert len(set(seen)) == 1
    # Nothing half-written is left.
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
