"""Every kind of recorded answer of the published program, one test a kind."""

from __future__ import annotations

import pytest

from gsi_metrics.conform import check_case
from gsi_metrics.conform_kinds import KINDS
from tests.gsi_metrics.v1 import NEED_WEIGHTS, VECTORS, cases, needs_weights


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=needs_weights) if kind in NEED_WEIGHTS else kind for kind in KINDS]
)
def test_answers_are_those_of_the_published_program(kind: str) -> None:
    stored = cases(kind)
    assert stored, "no case of this kind is stored"
    assert {case["id"]: check_case(case, VECTORS) for case in stored} == {case["id"]: [] for case in stored}
