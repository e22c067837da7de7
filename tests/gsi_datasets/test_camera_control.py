"""PC: the camera does what the words say, through nothing, and what it saw stays in view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets import checks
from gsi_datasets.camera_control import (
    MOVES,
    TURNS,
    Motion,
    draw,
    moved,
    obstructed,
    overlap,
    steepness,
)
from gsi_datasets.geometry import camera_axes, invert_rigid, look_at
from gsi_datasets.operations import Sight, propose
from gsi_datasets.scene import Camera
from gsi_datasets.spec import Edits
from tests.toys import TABLE_HEIGHT, tabletop, thing, toy_assets  # noqa: F401


pytestmark = pytest.mark.usefixtures("toy_assets")


@pytest.fixture
def camera() -> Camera:
    """At (0, -1.2, 1.5), looking along +y and down: right is +x, forward +y."""
    return tabletop(thing("box", 0, 0)).camera


@pytest.mark.parametrize("direction", MOVES)
def test_moves_run_level_or_upright_and_do_not_turn(camera: Camera, direction: str) -> None:
    ways = {"left": (-1, 0, 0), "right": (1, 0, 0), "forward": (0, 1, 0), "backward": (0, -1, 0), "up": (0, 0, 1)}
    way = ways.get(direction, (0, 0, -1))
    after = moved(camera, Motion("move", direction, 0.3))
    np.testing.assert_allclose(after.position - camera.position, 0.3 * np.array(way), atol=1e-12)
    np.testing.assert_allclose(after.extrinsics[:3, :3], camera.extrinsics[:3, :3], atol=1e-12)


@pytest.mark.parametrize(("kind", "direction"), [(kind, way) for kind, ways in TURNS.items() for way in ways])
def test_turns_stay_in_place_and_keep_the_horizon(camera: Camera, kind: str, direction: str) -> None:
    after = moved(camera, Motion(kind, direction, 15.0))
    np.testing.assert_allclose(after.position, camera.position, atol=1e-12)
    assert after.extrinsics[0, 2] == pytest.approx(0, abs=1e-12)  # the right axis is level
    view = after.extrinsics[2, :3]
    if kind == "yaw":
        assert steepness(after) == pytest.approx(steepness(camera))
        assert (view[0] < 0) == (direction == "left")
        assert np.degrees(np.arctan2(abs(view[0]), view[1])) == pytest.approx(15)
    else:
        assert steepness(after) - steepness(camera) == pytest.approx(15 if direction == "up" else -15)
        assert view[0] == pytest.approx(0, abs=1e-12)


def test_what_is_drawn_lies_within_the_ranges_in_round_steps() -> None:
    rng = np.random.default_rng(0)
    found = [draw((5, 50), (5, 45), rng) for _ in range(400)]
    assert {item.kind for item in found} == {"move", "yaw", "pitch"}
    for item in found:
        amount = 100 * item.amount if item.kind == "move" else item.amount
        assert amount + 1e-9 >= 5
        assert amount <= (50 if item.kind == "move" else 45) + 1e-9
        assert round(amount / 5) * 5 == pytest.approx(amount)


def test_candidates_move_nothing_but_the_camera_and_state_its_motion() -> None:
    scene = tabletop(thing("red mug", -0.2, 0), thing("box", 0.2, 0))
    for item in propose(Sight.of(scene), "PC", Edits(), np.random.default_rng(1), 50):
        assert item.moves_camera
        assert not item.removes
        assert all(item.after[other.name] is other for other in scene.objects)
        transform = item.transform(scene)
        assert transform is not None
        after = transform @ invert_rigid(scene.camera.extrinsics)
        np.testing.assert_allclose(after, invert_rigid(item.after.camera.extrinsics), atol=1e-12)


def test_the_camera_stays_clear_of_things() -> None:
    right = camera_axes(tabletop(thing("box", 0, 0)).camera.extrinsics)[0]
    tall = replace(thing("bottle", 0.3, -1.2), position=np.array([0.3, -1.2, 1.4]))
    scene = tabletop(thing("box", 0, 0), tall)
    assert obstructed(scene, moved(scene.camera, Motion("move", "right", 0.05))) is None
    assert obstructed(scene, moved(scene.camera, Motion("move", "right", 0.3))) == "bottle"
    # Through it and beyond is no better.
    assert obstructed(scene, moved(scene.camera, Motion("move", "right", 0.8))) == "bottle"
    assert right[0] == pytest.approx(1)
    [candidate] = propose(Sight.of(scene), "PC", Edits(), np.random.default_rng(0), 1)
    ahead = replace(candidate, after=replace(scene, camera=moved(scene.camera, Motion("move", "right", 0.3))))
    reason = checks.camera_free(scene, ahead)
    assert reason is not None
    assert reason.word == "collision"
    down = replace(candidate, after=replace(scene, camera=moved(scene.camera, Motion("pitch", "down", 45.0))))
    reason = checks.camera_free(scene, down)
    assert reason is not None
    assert reason.word == "steep"


def test_overlap_is_the_share_that_is_seen_again() -> None:
    # A wall 2 m ahead fills the view; after a turn by half the field of view, half of it is seen again.
    scene = tabletop(thing("box", 0, 0))
    camera = Camera(scene.camera.intrinsics, look_at([0, 0, TABLE_HEIGHT], [0, 1, TABLE_HEIGHT]), 512, 512)

    def wall(view: Camera) -> np.ndarray:
        v, u = np.mgrid[:512, :512] + 0.5
        rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(view.intrinsics).T @ view.extrinsics[:3, :3]
        return (2.0 / rays[..., 1]).astype(np.float32)  # z of the point where y = 2

    assert overlap(wall(camera), camera, wall(camera), camera) == 1
    aside = moved(camera, Motion("move", "right", 0.4))
    width = 2 * 2.0 * 256 / camera.intrinsics[0, 0]
    assert overlap(wall(camera), camera, wall(aside), aside) == pytest.approx(1 - 0.4 / width, abs=0.02)
    behind = np.full((512, 512), 0.5, dtype=np.float32)  # something stands in front of everything
    assert overlap(wall(camera), camera, behind, camera) == 0
