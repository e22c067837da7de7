"""What cheating editors make of a row, as states of its scene: thoughtless, contrary, lazy, or not looking at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gsi_datasets.geometry import similarity
from gsi_metrics.baselines import pixels
from gsi_metrics.baselines.room import free_place
from gsi_metrics.baselines.states import (
    Motion,
    State,
    base,
    camera_part,
    known,
    nothing_known,
    request,
    target,
    true_error,
    true_state,
    wrapped,
)
from gsi_metrics.measurement import Measurement
from gsi_metrics.sample import Array, Body, Picture, Sample


# An editor that by chance, or by the object's symmetry, comes nearer than this share of the request is no cheat here.
HONEST = 0.5
SAME = np.eye(4)


class NoSuchEditError(ValueError):
    """This editor has nothing to offer for this row; the message says why."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What an editor makes of a row.

    Attributes:
        state: what the picture shows, up to `finish`.
        picture: taken as it is if not None; then nothing is drawn.
        finish: what becomes of the picture at the end.
        other: the row whose picture it is, if it is not one of this row.
    """

    state: State
    picture: Picture | None = None
    finish: Callable[[Picture], Picture] | None = None
    other: Sample | None = None

    def known(self, sample: Sample) -> Measurement:
        """What an observer without error says of it."""
        return known(sample, self.state) if self.other is None else nothing_known(sample)


Editor = Callable[[Sample, np.random.Generator], Plan]


def identity(sample: Sample, rng: np.random.Generator) -> Plan:
    """Does nothing."""
    return Plan(State(), sample.source)


def truth(sample: Sample, rng: np.random.Generator) -> Plan:
    """Gives back the true result."""
    if sample.target is None:
        raise NoSuchEditError("the row has no true result")
    return Plan(true_state(sample), sample.target)


def opposite(sample: Sample, rng: np.random.Generator) -> Plan:
    """Mirrors the motion: the other way, the other sense, smaller for larger; adds one more instead of removing."""
    if sample.operation == "PC":
        return Plan(State(extrinsics=camera_part(sample, -1)))
    if sample.operation == "SR":
        return _another_copy(sample, rng)
    wanted = request(sample)
    # Mirrored on the level where it stands: below that is the table.
    return _plan(sample, Motion(-wanted.shift * [1, 1, 0], -wanted.yaw, -wanted.log_scale))


def half(sample: Sample, rng: np.random.Generator) -> Plan:
    """Half of the motion; a removal leaves a ghost."""
    if sample.operation == "SR":
        if sample.background is None:
            raise NoSuchEditError("the row has no picture of the background")
        return Plan(State(), pixels.mixed(sample.source, sample.background))
    if sample.operation == "PC":
        return Plan(State(extrinsics=camera_part(sample, 0.5)))
    return _plan(sample, request(sample).part(0.5))


def double(sample: Sample, rng: np.random.Generator) -> Plan:
    """Twice the motion; removes two."""
    if sample.operation == "SR":
        return Plan(State(gone=frozenset({target(sample).id, _another(sample, rng).id})))
    if sample.operation == "PC":
        return Plan(State(extrinsics=camera_part(sample, 2)))
    return _plan(sample, request(sample).part(2))


def random(sample: Sample, rng: np.random.Generator) -> Plan:
    """Another motion of the same kind, one that is possible; moves what it should remove."""
    if sample.operation == "PC":
        return Plan(State(extrinsics=camera_part(sample, float(rng.uniform(-1.5, 0.5)))))
    if sample.operation == "SR":
        return Plan(State(moved={target(sample).id: similarity(translation=_free(sample, rng))}))
    body, wanted = target(sample), request(sample)
    for _ in range(100):
        if sample.operation == "OR":
            motion = Motion(np.zeros(3), float(rng.uniform(-np.pi, np.pi)))
        elif sample.operation == "OS":
            motion = Motion(np.zeros(3), 0.0, float(np.log(rng.uniform(0.5, 2))))
        else:
            motion = Motion(_free(sample, rng))
        state = State(moved={body.id: motion.of(body)})
        still = sample.operation == "OR" and abs(wrapped(motion.yaw, body.symmetry)) < 0.25 * abs(wanted.yaw)
        if not still and (true_error(sample, state) or 0.0) >= HONEST:
            return Plan(state)
    raise NoSuchEditError("every motion that is possible is close to the right one")


def copy_paste(sample: Sample, rng: np.random.Generator) -> Plan:
    """Pastes the target where it should go and forgets to take it away.

    Where it should go nowhere else, the edited copy stands beside the untouched original; instead of being removed,
    the target is pasted over with another object.
    """
    if sample.operation == "PC":
        raise NoSuchEditError("a camera cannot be in two places")
    body = target(sample)
    if sample.operation == "SR":
        other = _another(sample, rng)
        place = similarity(translation=base(body) - base(other))
        return Plan(State(gone=frozenset({body.id}), copies=((other.id, place),)))
    wanted = request(sample)
    if sample.operation in ("OR", "OS"):
        wanted = replace(wanted, shift=_free(sample, rng, wanted, beside=True))
    return Plan(State(moved={body.id: wanted.of(body)}, copies=((body.id, SAME),)))


def wrong_instance(sample: Sample, rng: np.random.Generator) -> Plan:
    """Does to another object what was asked, of the same category if there is one."""
    if sample.operation == "PC":
        raise NoSuchEditError("there is one camera only")
    other = _another(sample, rng)
    if sample.operation == "SR":
        return Plan(State(gone=frozenset({other.id})))
    wanted = request(sample)
    if sample.operation in ("OP", "RP"):
        # The place is a place, whoever goes there.
        wanted = Motion(base(target(sample)) + wanted.shift - base(other), wanted.yaw)
    return Plan(State(moved={other.id: wanted.of(other)}))


def delete_everything(sample: Sample, rng: np.random.Generator) -> Plan:
    """An empty table."""
    return Plan(State(gone=frozenset(body.id for body in sample.before if body.movable)))


def blur(sample: Sample, rng: np.random.Generator) -> Plan:
    """The source, strongly blurred."""
    return Plan(State(), sample.source, pixels.blurred)


def recompress(sample: Sample, rng: np.random.Generator) -> Plan:
    """The source, as a poor codec gives it back."""
    return Plan(State(), sample.source, pixels.recompressed)


EDITORS: dict[str, Editor] = {
    "identity": identity,
    "truth": truth,
    "opposite": opposite,
    "random": random,
    "half": half,
    "double": double,
    "copy-paste": copy_paste,
    "wrong-instance": wrong_instance,
    "delete-everything": delete_everything,
    "blur": blur,
    "recompress": recompress,
}
UNRELATED = "unrelated"
NAMES = (*EDITORS, UNRELATED)


def plan(name: str, sample: Sample, rng: np.random.Generator, other: Sample | None = None) -> Plan:
    """What the editor of this name makes of a row.

    Args:
        name: one of `NAMES`.
        sample: the row.
        rng: the only source of chance.
        other: a row of another scene, for ``unrelated``.

    Raises:
        NoSuchEditError: it has nothing to offer for this row.
        ValueError: there is no editor of this name.
    """
    if name == UNRELATED:
        if other is None or other.scene == sample.scene:
            raise NoSuchEditError("an unrelated picture needs a row of another scene")
        return Plan(State(), other.source, other=other)
    if name not in EDITORS:
        raise ValueError(f"no editor named {name!r}; there are {', '.join(NAMES)}")
    return EDITORS[name](sample, rng)


def _plan(sample: Sample, motion: Motion) -> Plan:
    state = State(moved={target(sample).id: motion.of(target(sample))})
    error = true_error(sample, state)
    if error is not None and error < HONEST - 1e-6:
        raise NoSuchEditError("by the object's symmetry this is close to what was asked")
    return Plan(state)


def _another_copy(sample: Sample, rng: np.random.Generator) -> Plan:
    return Plan(State(copies=((target(sample).id, similarity(translation=_free(sample, rng, beside=True))),)))


def _free(sample: Sample, rng: np.random.Generator, motion: Motion | None = None, beside: bool = False) -> Array:
    shift = free_place(sample, rng, motion, beside)
    if shift is None:
        raise NoSuchEditError("there is no room for the object anywhere else")
    return shift


def _another(sample: Sample, rng: np.random.Generator) -> Body:
    """Another object that can be seen, holds nothing and is not spoken of; of the target's category if possible."""
    body = target(sample)
    holding = {item.support for item in sample.before}
    others = [
        item
        for item in sample.before
        if item.movable
        and item.id not in (body.id, *sample.reference_ids)
        and item.name not in holding
        and item.visibility >= 0.5
    ]
    if not others:
        raise NoSuchEditError("no other object can be seen that stands alone")
    alike = [item for item in others if item.category == body.category] or others
    return alike[int(rng.integers(len(alike)))]
