"""The four metrics of a model from its result files and the judge's replies."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gsi_metrics.protocols.v1.formats import MODES, read_predictions, read_results, results_path, write_json


DELIMITER = "||V^=^V||"
METRICS = ("edit_locality", "ac", "instruction_compliance", "spatial_accuracy", "average")


def parse_score(prediction: Any) -> Any:
    """What stands under ``score`` in the JSON between the first two delimiters of a reply; None if nothing does."""
    try:
        return json.loads(prediction.split(DELIMITER)[1])["score"]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def parse_scores(predictions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Score per item id; the last reply for an id counts. Nothing is checked, as in the published program.

    Raises:
        KeyError: a reply does not say which item it is about.
    """
    return {item["meta"]["index"]: parse_score(item.get("prediction")) for item in predictions}


def judge_key(key: str, judged: Mapping[str, Any]) -> str | None:
    """The judge's id of a result ``<img_id>_<query_id>``; None if it has none.

    Raises:
        ValueError: the key ends in an underscore.
    """
    query = key.rpartition("_")[2]
    if not query:
        raise ValueError(f"the result {key!r} does not end in a query id")
    name = f"{key.removesuffix(query)}edit_{query}"
    return next((name + ending for ending in ("", ".jpg", ".png") if name + ending in judged), None)


def aggregate(
    compliance: Mapping[str, Mapping[str, Any]],
    accuracy: Mapping[str, Mapping[str, Any]],
    locality: Mapping[str, Mapping[str, Any]],
    judged: Mapping[str, Any],
) -> dict[str, float]:
    """Percentages ``ic``, ``sa``, ``el_ssim``, ``el_lpips``, ``ac`` and their ``average``.

    A judge's score of 0, also a missing or unreadable one, erases the other scores of a sample; SA alone is kept where
    IC is 0. Nothing is clipped.

    Args:
        compliance: IC results; its keys are the samples.
        accuracy: SA results.
        locality: EL results.
        judged: item id to score, of `parse_scores`.

    Raises:
        KeyError: a sample has no SA.
        TypeError: a judge's score is a text or a list.
    """
    rows = [_sample(key, entry, accuracy, locality, judged) for key, entry in compliance.items()]
    count = len(rows)
    ic, sa, ssim, lpips, ac = (sum(column) / count for column in zip(*rows, strict=True)) if rows else [0.0] * 5
    scores = {"el_ssim": ssim, "el_lpips": lpips, "ac": ac, "ic": 100 * ic, "sa": 100 * sa}
    scores["average"] = (scores["ic"] + scores["sa"] + lpips + ac) / 4
    return scores


def _sample(
    key: str,
    entry: Mapping[str, Any],
    accuracy: Mapping[str, Mapping[str, Any]],
    locality: Mapping[str, Mapping[str, Any]],
    judged: Mapping[str, Any],
) -> tuple[float, float, float, float, Any]:
    """IC and SA of 0 to 1, EL by SSIM and by LPIPS and AC of 0 to 100."""
    ic, sa = entry["compliance"], accuracy[key]["edit_score"]
    if not ic > 0:
        return ic, sa, 0.0, 0.0, 0.0
    found = judge_key(key, judged)
    try:
        ac = 10 * judged[found] if found is not None else 0.0
    except TypeError:
        ac = 0.0
    if ac == 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    here = locality.get(key)
    return ic, sa, 100 * here["ssim"] if here else 0.0, 100 - 100 * here["lpips"] if here else 0.0, ac


def dataset_name(folder: str) -> str:
    """``fine`` of ``fine_eval``."""
    return folder.removesuffix("_eval")


def model_name(folder: str) -> str:
    """A model's folder without underscores, as in the judge's file names."""
    return folder.replace("_", "")


def aggregate_folders(evaluations: Path, judgements: Path) -> dict[str, dict[str, Any]]:
    """The published ``EVAL_output_*.json`` files, by name.

    Args:
        evaluations: ``<model>/<dataset>_eval/`` with result files.
        judgements: ``*<dataset>_<model>.json`` files of the judge.

    Raises:
        FormatError: a file is not in the published format.
    """
    outputs: dict[str, dict[str, Any]] = {metric: {} for metric in (*METRICS, "summary")}
    folders = sorted(path for path in evaluations.glob("*/*_eval") if path.is_dir())
    for folder in folders:
        dataset, model = dataset_name(folder.name), model_name(folder.parent.name)
        if not all(results_path(folder, mode).is_file() for mode in MODES):
            continue
        replies = sorted(judgements.glob(f"*{dataset}_{model}.json"))
        if not replies:
            warnings.warn(f"{folder} is left out: no *{dataset}_{model}.json in {judgements}", stacklevel=2)
            continue
        if len(replies) > 1:
            warnings.warn(f"{folder}: several judgements, {replies[0].name} is used", stacklevel=2)
        compliance, accuracy, locality = (read_results(folder, mode) for mode in MODES)
        scores = aggregate(compliance, accuracy, locality, parse_scores(read_predictions(replies[0])))
        values = {
            "instruction_compliance": scores["ic"],
            "spatial_accuracy": scores["sa"],
            "edit_locality": {"ssim": scores["el_ssim"], "lpips": scores["el_lpips"]},
            "ac": scores["ac"],
            "average": scores["average"],
        }
        for metric in METRICS:
            outputs[metric].setdefault(dataset, {})[model] = values[metric]
        outputs["summary"].setdefault(dataset, {})[model] = values
    return {f"EVAL_output_{name}.json": content for name, content in outputs.items()}


def write_aggregate(evaluations: Path, judgements: Path, out: Path) -> dict[str, dict[str, Any]]:
    """`aggregate_folders`, written to `out`; returns what was written, by file name."""
    outputs = aggregate_folders(evaluations, judgements)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in outputs.items():
        write_json(out / name, content)
    return outputs
