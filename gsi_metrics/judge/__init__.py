"""Asks a multimodal model whether the edited object still is the same object (appearance consistency, AC)."""

from gsi_datasets.mllm import Client, Endpoint, HubProvider, MllmError
from gsi_metrics.judge.judging import Verdict, judge_all, to_v1_json
from gsi_metrics.judge.question import Request, request_for


__all__ = [
    "Client",
    "Endpoint",
    "HubProvider",
    "MllmError",
    "Request",
    "Verdict",
    "judge_all",
    "request_for",
    "to_v1_json",
]
