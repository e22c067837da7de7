"""`eval.yaml`: says to the Hub which leaderboards a data set has, and so where models' `.eval_results` belong."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from gsi_datasets.storage import Manifest


METRICS = ("instruction_compliance", "spatial_accuracy", "edit_locality", "appearance_consistency")
"""Each is a task of its own: they are reported side by side and never averaged."""
DESCRIPTION = (
    "Exact spatial edits of pictures: was the edit done (instruction compliance), how exactly (spatial accuracy), is "
    "everything else as it was (edit locality), and is it still the same object (appearance consistency)? Scored by "
    "`gsi-bench score`, protocol gsi-bench-v2; means in [0, 1], more is better."
)


def task_id(config: str, metric: str) -> str:
    """How models' results name a leaderboard."""
    return f"{config}_{metric}"


def eval_yaml(found: Iterable[Manifest]) -> bytes:
    """The file, for the test splits of a built folder; empty if it has none."""
    # Pictures that others published have boards of their own, and lack what protocol v2 measures by.
    configs = sorted({item.config for item in found if item.split == "test" and item.kind == "simulated"})
    if not configs:
        return b""
    tasks = [
        {"id": task_id(config, metric), "config": config, "split": "test"} for config in configs for metric in METRICS
    ]
    facts = {"name": "GSI-Bench", "description": DESCRIPTION, "evaluation_framework": "gsi-bench", "tasks": tasks}
    return yaml.safe_dump(facts, sort_keys=False, width=100).encode()
