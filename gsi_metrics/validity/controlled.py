"""Edits with a known error: the true edit, and so much beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gsi_metrics.baselines.editors import Plan
from gsi_metrics.baselines.room import fits, table_height
from gsi_metrics.baselines.states import Motion, State, base, request, rng_for, target, true_error, wrapped
from gsi_metrics.sample import Body, Sample


LEVELS = 4
LARGEST_TURN = np.radians(90)
TRIES = 60


@dataclass(frozen=True, eq=False)
class Controlled:
    """An edit with a known error.

    Attributes:
        name: ``error-0`` to ``error-3``, from small to large.
        plan: what the picture shows.
        error: the true error as a share of the request.
    """

    name: str
    plan: Plan
    error: float


def controlled(sample: Sample, levels: int = LEVELS) -> list[Controlled]:
    """Edits of a row with errors from 0 to 100 % of the request, one in each of `levels` equal parts of that range.

    CM, OP and RP miss the place, in any direction along the support; OR is turned too far or not far enough, by at
    most 90 degrees; OS is too large or too small. A level at which the object would stand in another one, be hidden or
    leave the picture in every direction is left out. SR and PC have none.
    """
    made: list[Controlled] = []
    if sample.operation in ("SR", "PC"):
        return made
    rng = rng_for("controlled", sample.id)
    for level in range(levels):
        share = (level + float(rng.random())) / levels
        state = _missed(sample, share, rng)
        error = None if state is None else true_error(sample, state)
        if state is not None and error is not None:
            made.append(Controlled(f"error-{level}", Plan(state), error))
    return made


def _missed(sample: Sample, share: float, rng: np.random.Generator) -> State | None:
    """The true edit with an error of `share` of the request; None if none is possible."""
    body, wanted = target(sample), request(sample)
    for _ in range(TRIES):
        sign, angle = float(rng.choice([-1.0, 1.0])), float(rng.uniform(-np.pi, np.pi))
        receptacle = None
        if sample.operation == "OR":
            size = min(abs(wrapped(wanted.yaw, body.symmetry)), LARGEST_TURN)
            motion = replace(wanted, yaw=wanted.yaw + sign * share * size)
        elif sample.operation == "OS":
            motion = replace(wanted, log_scale=wanted.log_scale * (1 + sign * share))
        else:
            way = share * float(np.linalg.norm(wanted.shift))
            missed = wanted.shift + way * np.array([np.cos(angle), np.sin(angle), 0.0])
            motion = replace(wanted, shift=missed)
            if sample.operation == "RP":
                receptacle = sample.body(sample.reference_ids[0])
                lowered = _on_the_table(sample, body, motion, receptacle)
                if lowered is None:
                    continue
                motion, receptacle = lowered
        if fits(sample, body, motion.of(body), receptacle):
            return State(moved={body.id: motion.of(body)})
    return None


def _on_the_table(
    sample: Sample, body: Body, motion: Motion, receptacle: Body | None
) -> tuple[Motion, Body | None] | None:
    """What misses the middle of its receptacle still lies within, or beside it on the table; None between the two."""
    if receptacle is None:
        return None
    off = float(np.linalg.norm((base(body) + motion.shift - receptacle.centre)[:2]))
    inner, outer = (0.5 * float(extreme) for extreme in (receptacle.size[:2].min(), np.hypot(*receptacle.size[:2])))
    foot = 0.5 * float(np.hypot(*body.size[:2]))
    if off + 0.7 * foot < 0.9 * inner:
        return motion, receptacle
    height = table_height(sample, body)
    if off - foot < outer or height is None:
        return None
    return replace(motion, shift=np.array([*motion.shift[:2], height - float(base(body)[2])])), None
