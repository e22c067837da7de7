"""The audit sees what happened, and sees it when a row lies; on a toy world of boxes on a floor, cast by hand."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from gsi_datasets.geometry import axis_angle, camera_axes, intrinsics_from_fov, invert_rigid, look_at, rotation_z
from tests.invariants.audit import audit, missed, table
from tests.invariants.saying import true_to_words, unambiguous


Array = NDArray[np.float64]
SIZE = 320
K = intrinsics_from_fov(np.radians(55), SIZE, SIZE)
EYE = look_at((0.9, -0.8, 1.0), (0.0, 0.0, 0.1))
NOISE = np.random.default_rng(3).uniform(30, 225, (3, 16, 16, 16))


@dataclass(frozen=True)
class Block:
    """A box on the floor: its number, where its bottom middle stands, turn and scale."""

    number: int
    x: float
    y: float
    yaw: float = 0.3
    scale: float = 1.0
    size: tuple[float, float, float] = (0.16, 0.11, 0.13)

    def record(self) -> dict[str, Any]:
        size = self.scale * np.array(self.size)
        return {
            "id": self.number, "name": f"block_{self.number}", "category": "toy block" if self.number < 3 else "box",
            "caption": f"block {self.number}", "centre": [self.x, self.y, size[2] / 2], "size": size.tolist(),
            "rotation": rotation_z(self.yaw).tolist(), "symmetry": 1, "visibility": 1.0, "support": "floor",
            "movable": True,
        }  # fmt: skip

    def pose(self) -> Array:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.scale * rotation_z(self.yaw), (self.x, self.y, 0)
        return matrix


BLOCKS = (Block(1, 0.0, -0.1), Block(2, -0.3, 0.25, 1.0), Block(3, 0.3, 0.2, -0.5, 1.2))


def texture(local: Array) -> Array:
    """(N, 3) colours of points (N, 3): smooth noise, finer the nearer."""
    cells = (local.T * 45) % 16
    return np.stack([map_coordinates(channel, cells, order=1, mode="grid-wrap") for channel in NOISE], axis=1)


def shoot(blocks: tuple[Block, ...], extrinsics: Array) -> dict[str, NDArray[Any]]:
    """Colour, depth in millimetres and ids of the floor and the blocks."""
    v, u = np.mgrid[:SIZE, :SIZE] + 0.5
    rays = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], axis=1) @ np.linalg.inv(K).T @ extrinsics[:3, :3]
    eye = -extrinsics[:3, :3].T @ extrinsics[:3, 3]
    depth = np.where(rays[:, 2] < -1e-3, -eye[2] / np.minimum(rays[:, 2], -1e-3), 30.0)
    ids, colour = np.zeros(len(rays), dtype=np.int64), texture(0.25 * (eye + depth[:, None] * rays))
    for block in blocks:
        back = np.linalg.inv(block.pose())
        start, ahead = back[:3, :3] @ eye + back[:3, 3], rays @ back[:3, :3].T
        low, high = np.array([-0.5, -0.5, 0]) * block.size, np.array([0.5, 0.5, 1]) * block.size
        with np.errstate(divide="ignore"):
            near, far = np.sort([(low - start) / ahead, (high - start) / ahead], axis=0)
        hit = near.max(axis=1)
        on = (hit < far.min(axis=1)) & (hit > 0) & (hit < depth)
        depth, ids = np.where(on, hit, depth), np.where(on, block.number, ids)
        colour[on] = texture((start + hit[on, None] * ahead[on]) + block.number)
    shape = (SIZE, SIZE)
    return {
        "image": np.rint(colour).reshape(*shape, 3).astype(np.uint8),
        "depth": np.rint(1000 * depth).reshape(shape).astype(np.uint16),
        "instances": ids.reshape(shape).astype(np.uint16),
    }


def row(
    operation: str, parameters: dict[str, Any], after: tuple[Block, ...] = BLOCKS, eye: Array = EYE
) -> dict[str, Any]:
    """A row as it would be stored; the first block is the target but for PC."""
    target, gone, still = BLOCKS[0], len(after) < len(BLOCKS), operation == "PC"
    move = invert_rigid(eye) @ EYE if still else [] if gone else after[0].pose() @ np.linalg.inv(target.pose())
    said = {"target_expression": {"category": "toy block", "caption": "block 1"}} | parameters
    return {
        "id": f"toy-{operation.lower()}", "operation": operation, "parameters": json.dumps(said),
        **{f"source_{key}": value for key, value in shoot(BLOCKS, EYE).items()},
        **{f"target_{key}": value for key, value in shoot(after, eye).items()},
        "objects_before": [block.record() for block in BLOCKS], "objects_after": [block.record() for block in after],
        "target_ids": [] if still else [1], "reference_ids": [1] if still else [], "intrinsics": K.tolist(),
        "source_extrinsics": EYE.tolist(), "target_extrinsics": eye.tolist(),
        "transform_world": np.asarray(move).tolist(),
    }  # fmt: skip


def moved_row(metres: float = 0.12) -> dict[str, Any]:
    right, _, _ = camera_axes(EYE)
    after = replace(BLOCKS[0], x=BLOCKS[0].x - metres * right[0], y=BLOCKS[0].y - metres * right[1])
    return row("CM", {"direction": "left", "metres": metres}, (after, *BLOCKS[1:]))


def turned_row() -> dict[str, Any]:
    after = replace(BLOCKS[0], yaw=BLOCKS[0].yaw + np.radians(45))
    return row("OR", {"degrees": 45.0}, (after, *BLOCKS[1:]))


def scaled_row() -> dict[str, Any]:
    return row("OS", {"factor": 1.5}, (replace(BLOCKS[0], scale=1.5), *BLOCKS[1:]))


def camera_row(kind: str) -> dict[str, Any]:
    pose = invert_rigid(EYE)
    if kind == "yaw":
        pose[:3, :3] = axis_angle((0, 0, 1), np.radians(10)) @ pose[:3, :3]
        return row("PC", {"motion": "yaw", "direction": "left", "degrees": 10.0}, eye=invert_rigid(pose))
    _, forward, _ = camera_axes(EYE)
    pose[:3, 3] += 0.2 * forward
    return row("PC", {"motion": "move", "direction": "forward", "metres": 0.2}, eye=invert_rigid(pose))


@pytest.mark.parametrize(
    "honest",
    [moved_row, turned_row, scaled_row, lambda: camera_row("yaw"), lambda: camera_row("move")],
    ids=["CM", "OR", "OS", "yaw", "move"],
)
def test_an_honest_row_passes(honest: Any) -> None:
    found = audit(honest())
    assert found["agrees"], found
    assert found["position"] < 0.004
    assert found["unambiguous"]
    assert found["true"]
    assert found["inside_box"] == 1
    assert np.mean([fit.tight for fit in found["boxes"]]) > 0.95
    assert min(fit.covered for fit in found["boxes"]) == 1
    assert found["others_moved"] == 0
    assert found["untouched_depth"] <= 0.002
    assert missed([found]) == []
    assert len(table([found])) == 3


def test_a_wrong_transform_is_seen() -> None:
    lie = moved_row()
    lie["transform_world"][0][3] += 0.02
    assert not audit(lie)["agrees"]
    lie = turned_row()
    lie["transform_world"] = (np.array(turned_row()["transform_world"]) @ BLOCKS[0].pose()).tolist()
    assert not audit(lie)["agrees"]
    lie = scaled_row()
    shrunk = np.array(lie["transform_world"])
    shrunk[:3, :3] *= 0.96
    assert not audit(lie | {"transform_world": shrunk.tolist()})["agrees"]


@pytest.mark.parametrize("kind", ["yaw", "move"])
def test_a_wrong_camera_is_seen(kind: str) -> None:
    lie = camera_row(kind)
    lie["target_extrinsics"][0][3] += 0.02
    found = audit(lie)
    assert not found["agrees"]
    assert 0.015 < found["position"] < 0.025
    # Nor do the points then lie where they should.
    assert found["untouched_depth"] > 0.002


def test_what_moves_besides_is_seen() -> None:
    shifted = (BLOCKS[0], replace(BLOCKS[1], x=BLOCKS[1].x + 0.01), BLOCKS[2])
    found = audit(row("PC", {"motion": "yaw", "direction": "left", "degrees": 10.0}, shifted, camera_eye()))
    assert found["others_moved"] == pytest.approx(0.01)
    assert found["untouched_depth"] > 0.002
    hidden = deepcopy(moved_row())
    hidden["target_depth"] = np.where(
        hidden["target_instances"] == 2, hidden["target_depth"] + 5, hidden["target_depth"]
    )
    assert audit(hidden)["untouched_depth"] == pytest.approx(0.005)
    assert missed([audit(hidden)])


def camera_eye() -> Array:
    return np.asarray(camera_row("yaw")["target_extrinsics"])


def test_a_box_that_does_not_fit_is_seen() -> None:
    large = moved_row()
    large["objects_before"][1]["size"] = [0.32, 0.22, 0.13]
    fits = audit(large)["boxes"]
    assert fits[1].tight < 0.6 < 0.95 < fits[0].tight
    away = moved_row()
    away["objects_before"][1]["centre"][0] += 0.05
    assert audit(away)["boxes"][1].inside < 0.8


def test_who_is_meant_is_decided_by_what_is_seen() -> None:
    twin = moved_row() | {
        "parameters": json.dumps({"target_expression": {"category": "toy block"}, "direction": "left", "metres": 0.12})
    }
    assert not unambiguous(twin)
    twin["objects_before"][1] |= {"visibility": 0.0, "movable": False}
    assert unambiguous(twin)
    twin["objects_before"][1] |= {"visibility": 0.01}
    assert not unambiguous(twin)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (moved_row, {"metres": 0.15}),
        (moved_row, {"direction": "right"}),
        (turned_row, {"degrees": -45.0}),
        (scaled_row, {"factor": 1.6}),
        (lambda: camera_row("yaw"), {"direction": "right"}),
        (lambda: camera_row("move"), {"metres": 0.25}),
    ],
)
def test_words_that_do_not_say_what_happened_are_seen(made: Any, said: dict[str, Any]) -> None:
    lie = made()
    lie["parameters"] = json.dumps(json.loads(lie["parameters"]) | said)
    assert not true_to_words(lie)


def test_what_should_be_gone_is_seen() -> None:
    removed = row("SR", {}, BLOCKS[1:])
    assert audit(removed)["agrees"]
    removed["target_instances"] = removed["source_instances"]
    assert not audit(removed)["agrees"]
