"""Tables: means, intervals over scenes, what is unscored, and differences of two runs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gsi_metrics.aggregate import aggregate, compare


def record(number: int, scene: int = 0, operation: str = "CM", **values: float | None) -> dict[str, Any]:
    metrics = {"ic": 1.0, "sa": 0.5, "el": 0.9, "ac": 0.8} | values
    unscored = {name: "why" for name, value in metrics.items() if value is None}
    return {"id": f"r{number}", "scene": f"s{scene}", "operation": operation, "unscored": unscored, **metrics}


def test_means_by_operation_and_over_all() -> None:
    table = aggregate(
        [record(0, 0, sa=0.2), record(1, 1, sa=0.4), record(2, 2, "OS", sa=0.9, ic=0.0), record(3, 3, "OS", sa=0.5)]
    )
    assert list(table) == ["CM", "OS", "all"]
    assert table["CM"]["sa"]["mean"] == pytest.approx(0.3)
    assert table["all"]["sa"]["mean"] == pytest.approx(0.5)
    assert table["OS"]["ic"]["mean"] == 0.5
    assert table["OS"]["sa"]["given_success"]["mean"] == pytest.approx(0.5)
    assert (table["all"]["count"], table["all"]["scenes"]) == (4, 4)
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_unscored_is_counted_and_never_zero() -> None:
    rows = [record(0, 0, sa=0.8), record(1, 1, sa=0.6), record(2, 2, sa=None), record(3, 3, sa=None)]
    rows[3]["unscored"] = {"sa": "too dark"}
    sa = aggregate(rows)["CM"]["sa"]
    assert sa["mean"] == pytest.approx(0.7)
    assert (sa["count"], sa["validity"]) == (2, 0.5)
    assert sa["causes"] == {"too dark": 1, "why": 1}
    assert sa["bounds"] == pytest.approx([0.35, 0.85])


def test_nothing_scored_has_no_mean() -> None:
    ac = aggregate([record(0, 0, "SR", ac=None), record(1, 1, "SR", ac=None)])["SR"]["ac"]
    assert (ac["mean"], ac["interval"], ac["validity"]) == (None, None, 0)
    assert ac["given_success"] == {"count": 0, "mean": None, "interval": None}
    assert aggregate([]) == {}


def test_one_scene_has_no_interval() -> None:
    assert aggregate([record(0), record(1, sa=0.1)])["CM"]["sa"]["interval"] is None


def test_a_row_scored_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="r1 is scored twice"):
        aggregate([record(0), record(1), record(1)])


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_records_does_not_matter(random: Any) -> None:
    rng = np.random.default_rng(3)
    rows = [record(i, i // 3, ("CM", "OS")[i % 2], sa=float(rng.random())) for i in range(30)]
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert aggregate(rows, 200) == aggregate(shuffled, 200)


def test_rows_of_one_scene_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    levels = rng.random(20)
    together = [record(i, i // 10, sa=float(levels[i // 10])) for i in range(200)]
    apart = [{**row, "scene": f"s{index}"} for index, row in enumerate(together)]
    wide, narrow = (aggregate(rows)["CM"]["sa"]["interval"] for rows in (together, apart))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


@pytest.mark.parametrize("operation", ["CM", "all"])
def test_intervals_hold_the_true_mean_about_as_often_as_they_say(operation: str) -> None:
    held = 0
    for trial in range(200):
        rng = np.random.default_rng([trial, 5])
        levels = rng.normal(0.5, 0.2, 40)
        rows = [
            record(i, i % 40, ("CM", "OS")[i // 40 % 2], sa=float(levels[i % 40] + rng.normal(0, 0.1)))
            for i in range(160)
        ]
        low, high = aggregate(rows, 300, seed=trial)[operation]["sa"]["interval"]
        held += low <= 0.5 <= high
    assert 0.89 <= held / 200 <= 0.99


def test_same_seed_same_interval() -> None:
    rng = np.random.default_rng(1)
    rows = [record(i, i, sa=float(rng.random())) for i in range(25)]
    assert aggregate(rows, seed=4) == aggregate(rows, seed=4)
    assert aggregate(rows, seed=4) != aggregate(rows, seed=5)


def test_paired_differences_see_what_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(2)
    levels = rng.random(60)
    first = [record(i, i, sa=float(level)) for i, level in enumerate(levels)]
    second = [record(i, i, sa=float(level + 0.03 + rng.normal(0, 0.02))) for i, level in enumerate(levels)]
    result = compare(first, second)["operations"]["CM"]["sa"]
    assert result["difference"] == pytest.approx(0.03, abs=0.01)
    assert result["interval"][0] > 0
    apart = [aggregate(rows)["CM"]["sa"]["interval"] for rows in (first, second)]
    assert apart[0][1] > apart[1][0]


def test_only_rows_scored_in_both_are_compared() -> None:
    first = [record(0, 0), record(1, 1, sa=None), record(2, 2)]
    second = [record(0, 0, sa=0.7), record(1, 1), record(3, 3)]
    result = compare(first, second)
    assert (result["only_first"], result["only_second"]) == (1, 1)
    assert result["operations"]["CM"]["sa"] == {"pairs": 1, "difference": pytest.approx(0.2), "interval": None}
    assert result["operations"]["CM"]["ic"]["pairs"] == 2
    with pytest.raises(ValueError, match="no row in common"):
        compare([record(0)], [record(1)])
