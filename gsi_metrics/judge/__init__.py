"""Asks a multimodal model whether the edited object still is the same object (appearance consistency, AC)."""

from gsi_metrics.judge.clients import Client, Endpoint, HubProvider, JudgeError
from gsi_metrics.judge.judging import Verdict, judge_all, to_v1_json
from gsi_metrics.judge.question import Request, request_for


__all__ = [
    "Client",
    "Endpoint",
    "HubProvider",
    "JudgeError",
    "Request",
    "Verdict",
    "judge_all",
    "request_for",
    "to_v1_json",
]
