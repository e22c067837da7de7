"""What the instruction of a row says, by its stored rule and numbers: whom it means, and whether that happened."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.referring import Described, Expression, resolve


Array = NDArray[np.float64]


def described(row: dict[str, Any]) -> list[Described]:
    """All that can be meant: whatever the source view shows, movable or not."""
    return [
        Described(
            str(item["id"]),
            item["category"],
            item["caption"],
            np.asarray(item["centre"]),
            float(np.abs(np.asarray(item["rotation"])[2]) @ np.asarray(item["size"])),
            item["movable"],
        )
        for item in row["objects_before"]
        if item["visibility"] > 0
    ]


def named(row: dict[str, Any], which: str = "target") -> list[int]:
    """Instance ids that the stored expression fits."""
    expression = Expression(**json.loads(row["parameters"])[f"{which}_expression"])
    return [int(name) for name in resolve(expression, described(row), np.asarray(row["source_extrinsics"]))]


def unambiguous(row: dict[str, Any]) -> bool:
    """Whether the expressions fit the target, and the reference, and nothing else; camera motions name nothing."""
    if row["operation"] == "PC":
        return True
    meant = named(row) == row["target_ids"]
    return meant and (not row["reference_ids"] or named(row, "reference") == row["reference_ids"])


def true_to_words(row: dict[str, Any], metres: float = 0.01, degrees: float = 2.0, scale: float = 0.02) -> bool:
    """Whether the stored result is what the numbers of the instruction say, within tolerances."""
    said = json.loads(row["parameters"])
    if row["operation"] == "SR":
        return True
    move = np.asarray(row["transform_world"])
    right, forward = level_axes(np.asarray(row["source_extrinsics"]))
    up = np.array([0.0, 0.0, 1.0])
    after = {item["id"]: item for item in row["objects_after"]}
    before = {item["id"]: item for item in row["objects_before"]}
    axes = {"left": -right, "right": right, "forward": forward, "back": -forward, "backward": -forward}
    axes |= {"up": up, "down": -up}
    match row["operation"]:
        case "CM":
            target = row["target_ids"][0]
            went = np.asarray(after[target]["centre"]) - np.asarray(before[target]["centre"])
            asked = said["metres"] * axes[said["direction"]]
            if "direction2" in said:
                asked = sum(0.01 * said[f"distance{k}"] * axes[said[f"direction{k}"]] for k in ("", "2"))
            return bool(np.linalg.norm(went - asked) <= metres)
        case "OP":
            went = np.asarray(after[row["target_ids"][0]]["centre"]) - before[row["reference_ids"][0]]["centre"]
            side = axes[{"front": "back", "behind": "forward"}.get(said["place"], said["place"])]
            return bool(np.linalg.norm((went - said["metres"] * side)[:2]) <= metres)
        case "OR":
            turned = np.degrees(np.arctan2(move[1, 0], move[0, 0])) - said["degrees"]
            return bool(abs((turned + 180) % 360 - 180) <= degrees)
        case "OS":
            return bool(abs(np.cbrt(np.linalg.det(move[:3, :3])) / said["factor"] - 1) <= scale)
        case "RP":
            return bool(after[row["target_ids"][0]]["support"] == before[row["reference_ids"][0]]["name"])
    return _camera_true(said, move, np.asarray(row["source_extrinsics"]), axes, metres, degrees)


def _camera_true(
    said: dict[str, Any], move: Array, extrinsics: Array, axes: dict[str, Array], metres: float, degrees: float
) -> bool:
    eye = -extrinsics[:3, :3].T @ extrinsics[:3, 3]
    went = move[:3, :3] @ eye + move[:3, 3] - eye
    sine = 0.5 * np.array([move[2, 1] - move[1, 2], move[0, 2] - move[2, 0], move[1, 0] - move[0, 1]])
    angle = np.degrees(np.arctan2(np.linalg.norm(sine), (np.trace(move[:3, :3]) - 1) / 2))
    if said["motion"] == "move":
        return bool(np.linalg.norm(went - said["metres"] * axes[said["direction"]]) <= metres and angle <= degrees)
    about = {"left": axes["up"], "right": axes["down"], "up": axes["right"], "down": axes["left"]}[said["direction"]]
    along = sine / max(np.linalg.norm(sine), 1e-12)
    return bool(abs(angle - said["degrees"]) <= degrees and along @ about > 0.999 and np.linalg.norm(went) <= metres)


def level_axes(extrinsics: Array) -> tuple[Array, Array]:
    """The camera's right and forward along the ground, (3,) each."""
    forward = extrinsics[2, :3] * (1.0, 1.0, 0.0)
    forward = forward / np.linalg.norm(forward)
    return np.array([forward[1], -forward[0], 0.0]), forward
