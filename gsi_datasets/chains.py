"""Chains of edits, and the rows that take an edit back: for tests of consistency.

A model that is asked for the steps of a chain one after the other, on its own pictures, can be held against the truth
after each; one that is asked to take its own edit back must arrive where it began.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gsi_datasets import referring
from gsi_datasets.geometry import camera_axes
from gsi_datasets.operations import Candidate, Sight
from gsi_datasets.placing import place_of, surface
from gsi_datasets.steps import Attempt, Link


OPPOSITE = {
    "left": "right", "right": "left", "forward": "back", "back": "forward", "up": "down", "down": "up",
    "backward": "forward",
}  # fmt: skip


def linked(attempt: Attempt, step: int, steps: int) -> Attempt:
    """The attempt as a step of a chain."""
    return replace(attempt, link=Link(step, steps))


def label(attempt: Attempt) -> str:
    """Of a row of a chain among those of its scene, e.g. ``step1-cm`` and ``back1-cm``."""
    assert attempt.link is not None
    kind = "back" if attempt.link.inverse else "step"
    return f"{kind}{attempt.link.step}-{attempt.candidate.operation.lower()}"


def taken_back(attempt: Attempt, sight: Sight) -> Attempt | None:
    """The attempt that begins where another ended and ends where it began.

    Nothing is left to verify: both ends are states that passed. What was placed by a reference or into a receptacle is
    moved back (CM) along both axes of the camera, with distances rounded to the millimetre.

    Args:
        attempt: verified.
        sight: its target scene as the camera sees it; what is said must hold there.

    Returns:
        None if it cannot be worded: what was removed would have to be added, which none of the seven operations does,
        and what went into a container comes out of it upwards; or if nothing names the object there.
    """
    operation, link, there = attempt.candidate.operation, attempt.link, attempt.candidate.target
    assert link is not None
    assert attempt.seen_after is not None
    if operation in ("SR", "RP"):
        return None
    expression = None
    if not attempt.candidate.moves_camera:
        options = referring.expressions(sight.scene, there, sight.meant)
        if not options or there not in sight.targets:
            return None
        expression = options[0]
    parameters = _backwards(attempt)
    if parameters is None:
        return None
    worded = "CM" if operation == "OP" else operation
    candidate = Candidate(worded, there, None, parameters, expression, None, attempt.before)
    return replace(
        attempt,
        candidate=candidate,
        before=attempt.after,
        after=attempt.before,
        background=attempt.after if candidate.moves_camera else attempt.background,
        seen_before=attempt.seen_after,
        seen_after=attempt.seen_before,
        link=replace(link, inverse=True),
    )


def _backwards(attempt: Attempt) -> dict[str, Any] | None:
    """The numbers of the inverse instruction."""
    said = attempt.candidate.parameters
    match attempt.candidate.operation:
        case "CM" | "PC":
            direction = OPPOSITE[said["direction"]]
            if attempt.candidate.moves_camera and direction == "back":
                direction = "backward"
            return said | {"direction": direction}
        case "OR":
            return said | {"degrees": -said["degrees"]}
        case "OS":
            return said | {"factor": round(1 / said["factor"], 4)}
    return _way_back(attempt)


def _way_back(attempt: Attempt) -> dict[str, Any] | None:
    """From where it was placed to where it stood: so much to a side and so much in depth, on the same surface."""
    target = attempt.candidate.target
    old, new = attempt.before[target], attempt.after[target]
    place = place_of(attempt.before, old)
    if place is None or old.support != new.support or abs(old.position[2] - new.position[2]) > 0.002:
        return None
    right, forward, _ = camera_axes(attempt.before.camera.extrinsics)
    shift = old.box.centre - new.box.centre
    aside, away = float(shift @ right), float(shift @ forward)
    if min(abs(aside), abs(away)) < 0.005:
        return None  # along one axis alone, to within what can be said
    return {
        "direction": "right" if aside > 0 else "left",
        "distance": round(100 * abs(aside), 1),
        "direction2": "forward" if away > 0 else "back",
        "distance2": round(100 * abs(away), 1),
        "unit": "cm",
        "metres": float(np.hypot(aside, away)),
        "frame": "source camera",
        **surface(place),
    }
