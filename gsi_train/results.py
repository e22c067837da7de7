"""What `gsi-bench score` found, as the Hub wants it of a model: `.eval_results/*.yaml`, model-index, and a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gsi_datasets.publishing.benchmark import task_id
from gsi_metrics.aggregate import OVERALL
from gsi_metrics.module import NAMES
from gsi_metrics.protocols.v2 import VERSION
from gsi_metrics.runs import RunError, read_run
from gsi_train.bagel.convert import REPOSITORY


if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "image-to-image"
"""As the Hub calls what the model does."""
PREFIX = ".eval_results/gsi-bench-"
"""Of our files among those; others are of other benchmarks."""


class PublishingError(ValueError):
    """Something that cannot be published as it is; the message names what is at fault and the remedy."""


@dataclass(frozen=True, eq=False)
class Results:
    """A scored run.

    Attributes:
        dataset: repository of the data set on the Hub.
        config: of the data set.
        split: of the data set.
        protocol: by which it was scored.
        observer: who looked.
        judge: multimodal model that was asked about appearance; None for nobody.
        weights: fingerprint of those that drew, if it is known.
        counts: of rows: `rows`, `scored`, `missing` and `problem`.
        table: of `gsi_metrics.aggregate.aggregate`.
        ids: of the rows that have a record.
        learned: how many of them the model learned from, which is told wherever the values are; None if unknown.
    """

    dataset: str
    config: str
    split: str
    protocol: str
    observer: str
    judge: str | None
    weights: str | None
    counts: dict[str, int]
    table: dict[str, Any]
    ids: frozenset[str]
    learned: int | None = None

    @property
    def overall(self) -> dict[str, dict[str, Any]]:
        """The metrics that have a mean, by the name of their module."""
        found = self.table.get(OVERALL, {})
        return {name: found[short] for short, name in NAMES.items() if found and found[short]["mean"] is not None}


def read_results(folders: Iterable[Path], dataset: str | None) -> list[Results]:
    """Read scored runs of a model.

    Args:
        folders: that `gsi-bench score` wrote.
        dataset: repository of the data set, where it was scored from a folder.

    Raises:
        RunError: one of them holds no finished run.
        PublishingError: a run's data set is not known on the Hub, or two runs are of the same rows.
    """
    found = [_read(folder, dataset) for folder in folders]
    places = [(item.dataset, item.config, item.split, item.protocol) for item in found]
    if twice := [place for place in places if places.count(place) > 1]:
        raise PublishingError(f"scores: two runs are of {'/'.join(twice[0])}; give one of them")
    return found


def _read(folder: Path, dataset: str | None) -> Results:
    run = read_run(folder)
    about, data = run.about, str(run.about["data"])
    if not run.records:
        raise RunError(f"{folder}: holds no scored row; score again")
    if dataset is None and (Path(data).exists() or not REPOSITORY.fullmatch(data)):
        raise PublishingError(
            f"{folder}: was scored against {Path(data).name}, which is no repository of the Hub; publish the data set "
            "and name it, e.g. --dataset your-org/gsi-bench"
        )
    return Results(
        dataset=dataset or data,
        config=_config(about),
        split=about["split"],
        protocol=about["protocol"],
        observer=about["observer"],
        judge=about["judge"],
        weights=_weights(Path(about["edits"])),
        counts=run.summary["counts"],
        table=run.summary["operations"],
        ids=frozenset(record["id"] for record in run.records),
    )


def _config(about: dict[str, Any]) -> str:
    """The config; where none was given, the only one, as the name of the rows says: <folder>/<config>/<split>."""
    if about["config"]:
        return str(about["config"])
    if about["protocol"] != VERSION:
        return "GSI-Real"  # the published protocol's own default
    name = str(about["data_set"])
    return "default" if name.startswith(f"{about['data']}/") else name.split("/")[1]


def _weights(edits: Path) -> str | None:
    """The fingerprint that `gsi-bench edit` left beside its pictures."""
    try:
        return str(json.loads((edits / "edits.json").read_text(encoding="utf-8"))["editor"]["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def result_files(results: Sequence[Results]) -> dict[str, bytes]:
    """`.eval_results/*.yaml`: what leaderboards of data sets read, one file a config.

    A task is ``<config>_<metric>``, as the `eval.yaml` of the data set calls it. Only what was scored on a test split
    and by the protocol of the data set stands there.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    files = {}
    for item in results:
        if item.split != "test" or item.protocol != VERSION:
            continue
        entries = [
            EvalResultEntry(item.dataset, task_id(item.config, name), metric["mean"], notes=_notes(item, metric))
            for name, metric in item.overall.items()
        ]
        text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, width=10**6)
        files[f"{PREFIX}{item.config}.yaml"] = text.encode()
    return files


def model_index(results: Sequence[Results]) -> list[EvalResult]:
    """The same for the YAML of a model's card, where older tools look."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=TASK,
            dataset_type=item.dataset,
            dataset_name=f"GSI-Bench ({item.config})",
            dataset_config=item.config,
            dataset_split=item.split,
            metric_type=name,
            metric_name=name.replace("_", " ").title(),
            metric_value=metric["mean"],
            metric_args={
                "protocol": item.protocol,
                "observer": item.observer,
                "judge": item.judge,
                "interval": metric["interval"],
                "validity": metric["validity"],
                "count": metric["count"],
                **({} if item.learned is None else {"rows_learned_from": item.learned}),
            },
        )
        for item in results
        for name, metric in item.overall.items()
    ]


def _notes(item: Results, metric: dict[str, Any]) -> str:
    """How a value was found, in a line."""
    notes = [item.protocol, f"perception {item.observer}"]
    if item.judge:
        notes.append(f"judge {item.judge}")
    notes.append(f"{metric['count']} of {item.counts['rows']} rows scored")
    if item.learned is not None:
        notes.append(f"the model learned from {item.learned or 'none'} of them")
    if metric["interval"]:
        low, high = metric["interval"]
        notes.append(f"95 % interval over scenes {low:.3f} to {high:.3f}")
    return ", ".join(notes)


def told(results: Sequence[Results]) -> str:
    """Tables for the card: mean, interval and scored share, by operation."""
    parts = []
    for item in results:
        head = ["operation", "rows", *(short.upper() for short in NAMES)]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for operation in sorted(item.table, key=lambda name: (name == OVERALL, name)):
            group = item.table[operation]
            bold = "**" if operation == OVERALL else ""
            cells = [f"{bold}{operation}{bold}", f"{group['count']:,}", *(_cell(group[short]) for short in NAMES)]
            lines.append(cells)
        asked = f", judge `{item.judge}`" if item.judge else ""
        lost = item.counts["missing"] + item.counts["problem"]
        remarks = f" {lost:,} of them without a picture that can be scored." if lost else ""
        remarks += _warning(item.learned)
        parts.append(
            f"[`{item.dataset}`](https://huggingface.co/datasets/{item.dataset}), `{item.config}`, `{item.split}`, by "
            f"`{item.protocol}` (perception `{item.observer}`{asked}), {item.counts['rows']:,} rows.{remarks}\n\n"
            + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        )
    return "\n\n".join(parts)


def _warning(learned: int | None) -> str:
    if learned is None:
        return " Whether the model learned from some of them is not recorded."
    return f" **The model learned from {learned:,} of them.**" if learned else " The model learned from none of them."


def _cell(metric: dict[str, Any]) -> str:
    if metric["mean"] is None:
        return "-"
    interval = " [{:.2f}, {:.2f}]".format(*metric["interval"]) if metric["interval"] else ""
    share = f" ({metric['validity']:.0%})" if metric["validity"] < 1 else ""
    return f"{metric['mean']:.3f}{interval}{share}"
