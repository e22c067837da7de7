"""What was measured about a triplet, as words and numbers for people."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from gsi_datasets.gallery.adapter import target_of
from gsi_datasets.gallery.drawing import turn_angle
from gsi_datasets.geometry import camera_axes, rotation_angle
from gsi_datasets.schema import BoxRecord, EditRow, ObjectRecord


class Fact(NamedTuple):
    """A label, its value, and the short form that stands under the picture (empty: only in the details)."""

    label: str
    value: str
    short: str = ""


def facts(row: EditRow) -> list[Fact]:
    """What happened to the target, how exactly, and how well it is seen."""
    before, after = target_of(row), target_of(row, after=True)
    found = []
    if before is not None and (end := row.actual or row.ideal) is not None:
        found.append(_change(row, before, end))
    if row.ideal is not None and row.actual is not None:
        found.append(_agreement(row.ideal, row.actual))
    if before is not None:
        seen = [f"{100 * item.visibility:.0f} %" for item in (before, after) if item is not None]
        found.append(Fact("Visible before → after" if after else "Visible before", " → ".join(seen)))
        size = " × ".join(f"{100 * length:.1f}" for length in before.size)
        found.append(Fact("Size before", f"{size} cm"))
        held = [item.support or "nothing" for item in (before, after) if item is not None]
        found.append(Fact("Rests on", " → ".join(dict.fromkeys(held))))
    return found


def read_json(text: str) -> Any:
    """The content of a JSON column; the text itself if it is not JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _change(row: EditRow, before: ObjectRecord, end: BoxRecord) -> Fact:
    if row.operation == "OS":
        factor = float(np.cbrt(np.prod(end.size) / np.prod(before.size)))
        return Fact("Scale", f"× {factor:.4f}", f"× {factor:.2f}")
    if row.operation == "OR":
        turn = np.asarray(end.rotation) @ np.asarray(before.rotation).T
        degrees = float(np.degrees(turn_angle(turn)))
        return Fact("Turn about the vertical", f"{degrees:+.2f}°", f"{degrees:+.0f}°")
    offset = np.asarray(end.centre) - np.asarray(before.centre)
    axes = camera_axes(np.asarray(row.source_extrinsics))
    # Adding zero turns the -0.0 of a rounded trifle into 0.0.
    right, away, up = (round(1000 * float(axis @ offset), 1) + 0.0 for axis in axes)
    length = float(np.linalg.norm(offset))
    parts = f"right {right:+.1f}, away {away:+.1f}, up {up:+.1f}"
    return Fact("Displacement of the centre", f"{1000 * length:.1f} mm ({parts})", f"{100 * length:.1f} cm")


def _agreement(ideal: BoxRecord, actual: BoxRecord) -> Fact:
    distance = 1000 * float(np.linalg.norm(np.asarray(ideal.centre) - np.asarray(actual.centre)))
    angle = float(np.degrees(rotation_angle(np.asarray(ideal.rotation), np.asarray(actual.rotation))))
    scale = 100 * float(np.cbrt(np.prod(actual.size) / np.prod(ideal.size)) - 1)
    value = f"{distance:.2f} mm, {angle:.2f}°, {abs(scale):.2f} %"
    return Fact("Ideal vs actual", value, f"exact to {distance:.2f} mm · {angle:.2f}°")
