"""The record of a run: rows that it has learned from are never forgotten, cut lines never read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gsi_train.record import LOG, ROWS, Record, read_learned


def test_rows_once_and_the_log_by_step(tmp_path: Path) -> None:
    record = Record(tmp_path, 0)
    record.write({"step": 1}, ["b", "a"])
    record.write({"step": 2}, ["a", "ü\n"])
    assert [json.loads(line) for line in (tmp_path / ROWS).read_text().splitlines()] == ["b", "a", "ü\n"]
    assert record.entries() == [{"step": 1}, {"step": 2}]
    assert read_learned(tmp_path) == {"a", "b", "ü\n"}


def test_a_run_that_goes_on_takes_steps_back_but_no_rows(tmp_path: Path) -> None:
    first = Record(tmp_path, 0)
    for step, name in enumerate("abc", 1):
        first.write({"step": step}, [name])
    second = Record(tmp_path, 2)
    assert second.entries() == [{"step": 1}, {"step": 2}]
    assert read_learned(tmp_path) == set("abc")
    second.write({"step": 3}, ["c", "d"])
    assert read_learned(tmp_path) == set("abcd")


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_line_that_a_kill_cut_off(tmp_path: Path, cut: int) -> None:
    record = Record(tmp_path, 0)
    record.write({"step": 1}, ["first"])
    record.write({"step": 2}, ["second"])
    for name in (LOG, ROWS):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-cut])
    assert read_learned(tmp_path) == {"first"}
    again = Record(tmp_path, 1)
    again.write({"step": 2}, ["second"])
    assert again.entries() == [{"step": 1}, {"step": 2}]
    assert read_learned(tmp_path) == {"first", "second"}


def test_what_was_not_recorded_from_the_start_is_unknown(tmp_path: Path) -> None:
    Record(tmp_path, 0).write({"step": 1}, ["a"])
    (tmp_path / ROWS).unlink()
    Record(tmp_path, 1).write({"step": 2}, ["b"])
    assert read_learned(tmp_path) is None
    Record(tmp_path, 0).write({"step": 1}, ["a"])
    assert read_learned(tmp_path) == {"a"}
