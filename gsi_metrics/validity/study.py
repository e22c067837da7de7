"""One row of the study: every edit of it, drawn once, scored by every protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gsi_metrics import baselines
from gsi_metrics.baselines import pixels
from gsi_metrics.baselines.drawing import Studio, open_studio
from gsi_metrics.baselines.editors import NoSuchEditError, Plan, plan
from gsi_metrics.baselines.states import rng_for, true_error
from gsi_metrics.protocols import v2
from gsi_metrics.sample import Picture, Sample
from gsi_metrics.validity.controlled import controlled


if TYPE_CHECKING:
    from gsi_datasets.spec import DatasetSpec

Record = dict[str, Any]
Key = tuple[str, str]
"""Name of the edit and of the protocol."""

V1, KNOWN, V2 = "v1", "v2-known", "v2"
PROTOCOLS = (V1, KNOWN, V2)
# What a true result must survive without a change of its scores. The observer that knows sees no difference.
HARMLESS: dict[str, Callable[[Picture], Picture]] = {
    "truth+jpeg90": pixels.jpeg,
    "truth+448": pixels.resampled,
    "truth+tint": pixels.tinted,
}


def version(protocol: str) -> str:
    """What decides the scores; those of another version are not taken over."""
    if protocol == V1:
        return "gsi-bench-v1"
    if protocol == KNOWN:
        return v2.VERSION
    from gsi_metrics.perception.registration.objects import OBSERVER

    return f"{v2.VERSION} {OBSERVER}"


@dataclass(frozen=True, eq=False)
class Task:
    """What a worker is asked.

    Attributes:
        row: as stored.
        other: a row of another scene.
        done: what is known already.
        protocols: by which to score.
        spec: what the dataset was built from.
    """

    row: Mapping[str, Any]
    other: Mapping[str, Any] | None
    done: Collection[Key] = ()
    protocols: tuple[str, ...] = PROTOCOLS
    spec: DatasetSpec | None = None


def study_row(task: Task) -> list[Record]:
    """Scores of all edits of a row that are not known yet; one record for each edit and protocol.

    An edit that is not possible for this row gives a record without scores, with ``skipped`` saying why.
    """
    sample = Sample.from_row(task.row)
    plans, skipped = edits_of(sample, None if task.other is None else Sample.from_row(task.other))
    wanted = {
        protocol: [name for name in plans if (name, protocol) not in task.done and _asked(name, protocol)]
        for protocol in task.protocols
    }
    names = [name for name in plans if any(name in some for some in wanted.values())]
    pictures: dict[str, Picture] = {}
    if names:
        studio, substitute = open_studio(task.row, sample, task.spec)
        pictures = _draw(studio, {name: plans[name][0] for name in names}, skipped)
    row: Record = {"id": sample.id, "scene": sample.scene, "operation": sample.operation}
    records = []
    for protocol, some in wanted.items():
        head = row | {"protocol": protocol, "version": version(protocol)}
        some = [name for name in some if name in pictures]
        for name, scores in zip(some, _scored(sample, protocol, some, plans, pictures), strict=True):
            facts = {"edit": name, "true_error": plans[name][1], "drawn": studio.name}
            records.append(head | facts | scores | ({"substitute": substitute} if substitute else {}))
        missing = {name: cause for name, cause in skipped.items() if (name, protocol) not in task.done}
        records += [head | {"edit": name, "skipped": cause} for name, cause in missing.items()]
    return records


def edits_of(sample: Sample, other: Sample | None) -> tuple[dict[str, tuple[Plan, float | None]], dict[str, str]]:
    """Every edit of a row with its true error, and why others are not possible; both by name."""
    plans: dict[str, tuple[Plan, float | None]] = {}
    skipped: dict[str, str] = {}
    for name in baselines.NAMES:
        try:
            made = plan(name, sample, rng_for(name, sample.id), other)
        except NoSuchEditError as error:
            skipped[name] = str(error)
            continue
        plans[name] = made, None if made.other is not None else true_error(sample, made.state)
    if "truth" in plans:
        for name, finish in HARMLESS.items():
            plans[name] = replace(plans["truth"][0], finish=finish), 0.0
    plans |= {item.name: (item.plan, item.error) for item in controlled(sample)}
    return plans, skipped


def _asked(name: str, protocol: str) -> bool:
    """What is harmless is for whoever looks at pictures."""
    return name not in HARMLESS or protocol != KNOWN


def _draw(studio: Studio, plans: Mapping[str, Plan], skipped: dict[str, str]) -> dict[str, Picture]:
    if studio.name == "rendered":
        return dict(zip(plans, baselines.draw(studio, list(plans.values())), strict=True))
    pictures = {}
    for name, made in plans.items():
        try:
            pictures[name] = baselines.draw(studio, [made])[0]
        except NoSuchEditError as error:
            skipped[name] = str(error)
    return pictures


def _scored(
    sample: Sample,
    protocol: str,
    names: list[str],
    plans: Mapping[str, tuple[Plan, float | None]],
    pictures: Mapping[str, Picture],
) -> list[Record]:
    if protocol == V1:
        return _published(sample, [plans[name][0] for name in names], [pictures[name] for name in names])
    records = []
    for name in names:
        start = time.perf_counter()
        if protocol == KNOWN:
            measurement = plans[name][0].known(sample)
        else:
            from gsi_metrics.perception import open_observer

            measurement = open_observer("registration")(sample, pictures[name])
        seconds = time.perf_counter() - start
        scores = v2.score(sample, pictures[name], measurement).to_dict()
        kept = ("ic", "sa", "el", "ac", "unscored", "faults", "errors", "floor", "confidence", "details")
        records.append({key: scores[key] for key in kept} | {"seconds": round(seconds, 3)})
    return records


def _published(sample: Sample, plans: list[Plan], pictures: list[Picture]) -> list[Record]:
    from gsi_metrics.lpips_weights import LpipsWeightsError
    from gsi_metrics.validity import published

    model = None
    try:
        from gsi_metrics import lpips

        model = lpips.load()
    except (ImportError, LpipsWeightsError):
        pass  # the records say so: they have no EL
    return list(published.scores(sample, pictures, plans, model))
