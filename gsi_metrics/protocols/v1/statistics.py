"""Means per operation, as the published statistics files have them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any


def statistics(results: Mapping[str, Mapping[str, Any]], mode: str) -> dict[str, Any]:
    """Statistics of the results of one mode; empty for a mode that does not exist."""
    if mode == "instruction-compliance":
        groups = _by_operation(results, "compliance")
        return {
            "operation_success_rate": {
                operation: {"rate": _mean(values), "count": len(values)} for operation, values in groups.items()
            },
            "overall_success_rate": _overall(groups),
            "overall_total_count": len(results),
        }
    if mode == "spatial-accuracy":
        groups = _by_operation(results, "edit_score")
        return {"operation_mean_score": _means(groups), "overall_mean_score": _overall(groups)}
    if mode == "edit-locality":
        ssim, lpips = _by_operation(results, "ssim"), _by_operation(results, "lpips")
        return {
            "operation_mean_ssim": _means(ssim),
            "operation_mean_lpips": _means(lpips),
            "overall_mean_ssim": _overall(ssim),
            "overall_mean_lpips": _overall(lpips),
        }
    return {}


def _by_operation(results: Mapping[str, Mapping[str, Any]], field: str) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for entry in results.values():
        groups[entry.get("operation", "all")].append(float(entry[field]))
    return groups


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _means(groups: Mapping[str, list[float]]) -> dict[str, float]:
    return {operation: _mean(values) for operation, values in groups.items()}


def _overall(groups: Mapping[str, list[float]]) -> float:
    return _mean([value for values in groups.values() for value in values])
