"""What the player does wrong, and when.

A plan is `kind@n` joined by commas: the fault befalls the n-th action of all players that share a folder, counted from
one over restarts, and only once. `refuse` waits for the first action from the n-th on that is not part of the opening
conversation; `drop` and `fall` for the first that has moved an object.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


KINDS = {
    "crash": "the process aborts instead of answering",
    "hang": "no answer ever comes",
    "drop": "the object that was moved is no longer in the scene",
    "fall": "the object that was moved lies on the floor, on its side",
    "refuse": "the action is not done and reported as failed",
    "garbage": "the answer is not a message",
    "cut": "the answer ends in the middle of a picture and the process with it",
}
_OPENING = ("GetScenesInBuild", "Reset", "Initialize", "ChangeResolution", "ChangeQuality", "CreateHouse")
_FILE = "faults.json"


def parse(plan: str) -> list[tuple[str, int]]:
    """The faults of a plan, in order; ValueError if it is not one."""
    faults = []
    for item in filter(None, (part.strip() for part in plan.split(","))):
        kind, _, number = item.partition("@")
        if kind not in KINDS or not number.isdecimal() or int(number) < 1:
            raise ValueError(f"{item!r} is not a fault: write kind@n with n from 1 and kind one of {', '.join(KINDS)}")
        faults.append((kind, int(number)))
    return sorted(faults, key=lambda fault: fault[1])


@dataclass(frozen=True)
class Faults:
    """The plan of a folder, with the count of actions and what has happened already kept in a file there."""

    folder: Path
    plan: str

    def count(self) -> int:
        """Count one action; gives its number."""
        with self._state() as state:
            state["actions"] += 1
            return int(state["actions"])

    def take(self, kinds: tuple[str, ...], number: int, action: str) -> str | None:
        """The first fault of these kinds that is due at this action, from now on spent; None if there is none."""
        with self._state() as state:
            for kind, when in parse(self.plan):
                late = kind in ("refuse", "drop", "fall") and number > when
                waits = kind == "refuse" and action in _OPENING
                name = f"{kind}@{when}"
                if kind in kinds and name not in state["fired"] and (number == when or late) and not waits:
                    state["fired"].append(name)
                    return kind
        return None

    @contextmanager
    def _state(self) -> Iterator[dict[str, Any]]:
        # Several players may share the folder, so the file is read and written under a lock.
        with (self.folder / _FILE).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            state = json.loads(file.read() or '{"actions": 0, "fired": []}')
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)


def history(folder: Path) -> dict[str, Any]:
    """`{"actions": number of actions, "fired": faults that have happened, in order}`."""
    path = folder / _FILE
    value: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"actions": 0, "fired": []}
    return value
