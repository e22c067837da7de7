"""From scores of samples to tables: means with intervals over scenes, validity rates, and differences of two runs.

The metrics stay separate: there is no average of averages. Rows of one scene share pictures and objects, so the
bootstrap draws whole scenes, not rows. Works on the JSON that `Scores.to_dict` gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[np.float64]
Record = Mapping[str, Any]

METRICS = ("ic", "sa", "el", "ac")
OVERALL = "all"
RESAMPLES = 2000


def aggregate(records: Iterable[Record], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Sums up one run.

    Args:
        records: one mapping a sample, with `id`, `scene`, `operation`, the four metrics (None if unscored) and
            `unscored` (cause by metric).
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        JSON-able: ``{operation or "all": {"count", "scenes", metric: {...}}}``, operations that do not occur left out.
        Each metric has: `count` (scored), `validity` (scored share), `mean` over the scored, its 95 % `interval` over
        scenes (None with fewer than two scenes), `given_success` (the mean where IC is 1, with `interval`), `bounds`
        (the mean if every unscored sample were 0, and if it were 1) and `causes` (why, how often).

    Raises:
        ValueError: an id occurs twice.
    """
    rows = _unique(records)
    if not rows:
        return {}
    operations = np.array([row["operation"] for row in rows])
    groups = {name: operations == name for name in sorted(set(operations.tolist()))} | {
        OVERALL: np.full(len(rows), True)
    }
    values = np.array([[_number(row.get(metric)) for metric in METRICS] for row in rows])
    success = values[:, METRICS.index("ic")] == 1
    scenes, scene_of = np.unique([row["scene"] for row in rows], return_inverse=True)

    # One column a statistic, all resampled together: 2 (any, given success) x metrics x groups.
    columns = [
        np.where(members & condition, values[:, index], np.nan)
        for members in groups.values()
        for index in range(len(METRICS))
        for condition in (True, success)
    ]
    means, intervals = _bootstrap(np.stack(columns, axis=1), scene_of, len(scenes), resamples, seed)

    table: dict[str, Any] = {}
    column = 0
    for name, members in groups.items():
        table[name] = {"count": int(members.sum()), "scenes": len(np.unique(scene_of[members]))}
        for index, metric in enumerate(METRICS):
            scored = members & ~np.isnan(values[:, index])
            total, count, size = float(values[scored, index].sum()), int(scored.sum()), int(members.sum())
            table[name][metric] = {
                "count": count,
                "validity": count / size,
                "mean": means[column],
                "interval": intervals[column],
                "given_success": {
                    "count": int((scored & success).sum()),
                    "mean": means[column + 1],
                    "interval": intervals[column + 1],
                },
                "bounds": [total / size, (total + size - count) / size],
                "causes": _causes(rows, members & ~scored, metric),
            }
            column += 2
    return table


def compare(
    first: Iterable[Record], second: Iterable[Record], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Differences of two runs on the same rows, second minus first.

    Only rows scored in both count, so the same scenes are drawn for both.

    Args:
        first: as in `aggregate`.
        second: as in `aggregate`.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        JSON-able: ``{"only_first", "only_second", "operations": {operation or "all": {metric: {"pairs", "difference",
        "interval"}}}}``; an interval without 0 is a difference that chance does not explain.

    Raises:
        ValueError: an id occurs twice in one run, or the two runs have no row in common.
    """
    one, two = ({row["id"]: row for row in _unique(records)} for records in (first, second))
    ids = sorted(one.keys() & two.keys())
    if not ids:
        raise ValueError("the two runs have no row in common; were they made on the same dataset?")
    difference = np.array(
        [[_number(two[key].get(metric)) - _number(one[key].get(metric)) for metric in METRICS] for key in ids]
    )
    operations = np.array([one[key]["operation"] for key in ids])
    groups = {name: operations == name for name in sorted(set(operations.tolist()))} | {
        OVERALL: np.full(len(ids), True)
    }
    scenes, scene_of = np.unique([one[key]["scene"] for key in ids], return_inverse=True)
    columns = [np.where(members, difference[:, index], np.nan) for members in groups.values() for index in range(4)]
    means, intervals = _bootstrap(np.stack(columns, axis=1), scene_of, len(scenes), resamples, seed)
    table: dict[str, Any] = {}
    for position, name in enumerate(groups):
        table[name] = {}
        for index, metric in enumerate(METRICS):
            column = position * len(METRICS) + index
            pairs = int(np.isfinite(columns[column]).sum())
            table[name][metric] = {"pairs": pairs, "difference": means[column], "interval": intervals[column]}
    return {"only_first": len(one) - len(ids), "only_second": len(two) - len(ids), "operations": table}


def _bootstrap(
    values: Array, scene_of: NDArray[np.intp], scenes: int, resamples: int, seed: int
) -> tuple[list[float | None], list[list[float] | None]]:
    """Means of columns, and 95 % percentile intervals from resampling scenes with replacement.

    Args:
        values: (rows, columns), NaN where a row does not count.
        scene_of: (rows,) index of the scene.
        scenes: how many there are.
        resamples: how many to draw.
        seed: of the draws.

    A mean is a ratio of sums over scenes, so a resample is a weight for each scene, and all resamples of all columns
    are two matrix products. A column's interval uses those resamples that hold at least one of its rows.
    """
    known = np.isfinite(values)
    sums, counts = np.zeros((scenes, values.shape[1])), np.zeros((scenes, values.shape[1]))
    np.add.at(sums, scene_of, np.where(known, values, 0.0))
    np.add.at(counts, scene_of, known)
    totals = counts.sum(axis=0)
    means = [float(s / n) if n else None for s, n in zip(sums.sum(axis=0), totals, strict=True)]

    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, values.shape[1]))
    block = max(1, min(resamples, 4_000_000 // scenes))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        weights = rng.multinomial(scenes, np.full(scenes, 1 / scenes), size=size).astype(np.float64)
        below = weights @ counts
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn[start : start + size] = np.where(below > 0, weights @ sums / below, np.nan)
    present = (counts > 0).sum(axis=0)
    intervals: list[list[float] | None] = []
    for column, seen in enumerate(present):
        some = drawn[:, column][np.isfinite(drawn[:, column])]
        intervals.append([float(x) for x in np.percentile(some, [2.5, 97.5])] if seen > 1 and some.size else None)
    return means, intervals


def _unique(records: Iterable[Record]) -> list[Record]:
    """The records in the order of their ids, so that nothing depends on the order in which they were scored."""
    rows = sorted(records, key=lambda row: row["id"])
    twice = [key for key, count in Counter(row["id"] for row in rows).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is scored twice ({len(twice)} such ids); keep one record for each row")
    return rows


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _causes(rows: Sequence[Record], members: NDArray[np.bool_], metric: str) -> dict[str, int]:
    found = Counter(
        (rows[index].get("unscored") or {}).get(metric, "not given") for index in np.flatnonzero(members).tolist()
    )
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
