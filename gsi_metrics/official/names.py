"""How edits are named and told apart: published names and ours, published operations and ours."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from gsi_datasets.schema import Operation


VERBS: dict[Operation, str] = {
    "CM": "move",
    "OP": "move",
    "RP": "move",
    "OR": "rotate",
    "SR": "remove",
    "OS": "scale",
    "PC": "view",
}
"""What the published protocol calls our operations."""

_ONTO = re.compile(r"\b(?:on|onto|on top of|in|into|inside)\s+(?:the|a|an)\b", re.IGNORECASE)
_SIDES = "left of|right of|in front of|behind|next to|beside|relative to"
_BESIDE = re.compile(rf"\b(?:{_SIDES})\s+the\s+(?!camera\b)", re.IGNORECASE)


def operation_of(verb: str, prompt: str, reference: bool, point: bool) -> Operation:
    """Our operation of a published edit.

    Moves are told apart by what the edit refers to: a point of another object, another object, or nothing but the
    camera; where the file does not say, by the words of the prompt.

    Args:
        verb: of the published protocol.
        prompt: the instruction.
        reference: whether the edit has a `reference`.
        point: whether it has a `reference_point`.
    """
    if verb != "move":
        return {"rotate": "OR", "remove": "SR", "scale": "OS", "view": "PC"}[verb]  # type: ignore[return-value]
    if point:
        return "RP"
    if reference or _BESIDE.search(prompt):
        return "OP"
    return "RP" if re.match(r"(?:please\s+)?(?:put|place)\b", prompt, re.I) and _ONTO.search(prompt) else "CM"


def row_id(name: str) -> str:
    """A published name as an id of ours, which may become a file name anywhere."""
    return re.sub(r"[^a-z0-9_-]", "-", name.lower())


def edit_id(stem: str) -> str:
    """The row that an edited picture belongs to, by its name without the ending: published or ours."""
    return row_id(stem.replace("_rgb", ""))


class Namer:
    """Gives rows their published names, in the order in which they come.

    Rows that were published keep their names. Of the others, those of one source picture share an image id; the edit
    is a letter pair and a number of fixed width, for the published program takes a true result whose name only starts
    with the one it looks for.
    """

    def __init__(self) -> None:
        self._pictures: dict[tuple[str, bytes], str] = {}
        self._in_scene: Counter[str] = Counter()
        self._edits: Counter[str] = Counter()

    def name(self, row: dict[str, Any], published: dict[str, Any] | None, picture: bytes) -> tuple[str, str]:
        """Image id and query id of a row.

        Args:
            row: as stored.
            published: what is kept of a published edit; None for rows of ours.
            picture: digest of the source picture.
        """
        if published is not None:
            return published["image_id"], published["query_id"]
        scene = row["scene"].replace("_edit_", "-edit-").replace("_rgb", "-rgb")
        key = (scene, picture)
        if key not in self._pictures:
            number = self._in_scene[scene]
            self._in_scene[scene] += 1
            self._pictures[key] = f"{scene}-{number}" if number else scene
        image_id = self._pictures[key]
        number = self._edits[image_id]
        self._edits[image_id] += 1
        return image_id, f"{row['operation'].lower()}{number:03d}"
