"""The stand-in player of AI2-THOR does wrong what it is told to do wrong, and once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import thor
from tests.thor import scenes
from tests.thor.faults import parse
from tests.thor.reading import (
    APPLE,
    BOWL,
    bottom,
    move,
    thing,
)


@pytest.mark.parametrize(("kind", "error"), [("crash", TimeoutError), ("hang", TimeoutError), ("cut", TimeoutError)])
def test_players_that_stop_answering(faulty: Any, tmp_path: Path, kind: str, error: type[Exception]) -> None:
    plan = f"{kind}@5"
    controller = faulty(plan)
    assert controller.step("Pass")
    with pytest.raises(error):
        controller.step("Pass")
    # Once only: the next player, of the same folder, goes on.
    again = faulty(plan)
    assert all(again.step("Pass") for _ in range(6))
    assert thor.history(tmp_path) == {"actions": 14, "fired": [plan]}


def test_a_crash_shows_in_the_exit_code(faulty: Any) -> None:
    controller = faulty("crash@4")
    with pytest.raises(TimeoutError):
        controller.step("Pass")
    assert controller.server.unity_proc.wait(5) == -6


def test_damaged_answers(faulty: Any) -> None:
    controller = faulty("garbage@4")
    with pytest.raises((RuntimeError, TimeoutError)):
        controller.step("Pass")


def test_a_refusal_waits_for_the_opening_to_be_over(faulty: Any, tmp_path: Path) -> None:
    controller = faulty("refuse@1")
    assert not controller.step("RotateRight")
    assert (
        controller.last_event.metadata["agent"]["rotation"]["y"] == scenes.recorded("FloorPlan1")["agent"]["rotation"]
    )
    assert controller.step("RotateRight")
    assert thor.history(tmp_path)["fired"] == ["refuse@1"]


def test_objects_get_lost_and_fall(faulty: Any) -> None:
    controller = faulty("drop@4,fall@6")
    assert controller.step("Pass")
    assert move(controller, APPLE, (0.1, 0, 0))
    assert thing(controller, APPLE) is None
    before = thing(controller, BOWL)
    assert move(controller, BOWL, (0.1, 0, 0))
    assert bottom(thing(controller, BOWL)) == pytest.approx(0, abs=0.01)
    assert thing(controller, BOWL)["rotation"] != before["rotation"]


def test_plans_are_checked() -> None:
    assert parse("hang@9, crash@2") == [("crash", 2), ("hang", 9)]
    for wrong in ("explode@3", "crash", "crash@0", "crash@x"):
        with pytest.raises(ValueError, match="is not a fault"):
            parse(wrong)
