"""A turn can be told only where both views show what gives it away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gsi_datasets import assets, telling
from gsi_datasets.assets import look
from gsi_datasets.assets.asset import Asset, AssetInfo, Material
from gsi_datasets.geometry import intrinsics_from_fov, look_at, rotation_z
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Camera, Scene, SceneObject
from tests.gsi_datasets.renderers.toys import lathe_part


PROFILE = [(0.0, 0.0), (0.05, 0.0), (0.05, 0.12), (0.0, 0.12)]


def tin(*labels: slice, symmetry: int = 1) -> Asset:
    """A white tin with red labels on parts of its round, in degrees."""
    picture = np.full((8, 360, 3), 235, dtype=np.uint8)
    for label in labels:
        picture[:, label] = (200, 20, 20)
    part = lathe_part(PROFILE, Material(texture=picture))
    part = replace(part, uvs=part.uvs * np.array([0.5, 1], dtype=np.float32))  # the toy's texture goes round twice
    info = AssetInfo("toy/tin", "can", "tin", "罐头", (0.1, 0.1, 0.12), symmetry=symmetry)
    return Asset(info, (part,), ())


def margin(monkeypatch: pytest.MonkeyPatch, asset: Asset, start: float, turn: float) -> float:
    monkeypatch.setattr(assets, "get", lambda name: asset)
    monkeypatch.setattr(assets, "info", lambda name: asset.info)
    look._patches.cache_clear()
    extrinsics = look_at(np.array([0.0, -0.6, 0.35]), np.array([0.0, 0.0, 0.05]))
    camera = Camera(intrinsics_from_fov(np.radians(40), 256, 256), extrinsics, 256, 256)

    def scene(degrees: float) -> Scene:
        low, high = asset.bounds()
        item = SceneObject(
            "tin", 1, asset.info.id, "can", "tin", "罐头", np.zeros(3), rotation_z(np.radians(degrees)),
            (low + high) / 2, high - low,
        )  # fmt: skip
        return Scene("toy", (item,), camera)

    caster = RayCaster(lambda name: asset)
    before, after = scene(start), scene(start + turn)
    try:
        return telling.turn_margin(before, after, "tin", caster.layers(before), caster.layers(after))
    finally:
        look._patches.cache_clear()


def facing(asset: Asset) -> float:
    """The turn, degrees, that brings the label's middle before the camera (towards -y)."""
    points, colours = look.surface_samples(asset)
    red: NDArray[np.float64] = points[colours[:, 1] < 0.3].mean(axis=0)
    return -90 - float(np.degrees(np.arctan2(red[1], red[0])))


def test_a_label_in_both_views_tells_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asset = tin(slice(0, 70))
    assert margin(monkeypatch, asset, facing(asset), 40) > telling.ENOUGH


@pytest.mark.parametrize("turn", [90, 180])
def test_a_label_that_one_view_hides_does_not(monkeypatch: pytest.MonkeyPatch, turn: float) -> None:
    asset = tin(slice(0, 70))
    assert margin(monkeypatch, asset, facing(asset) + 90, turn) < telling.ENOUGH


def test_a_plain_tin_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert margin(monkeypatch, tin(), 0, 60) < 0.02


def test_turns_that_symmetry_makes_equal_are_not_held_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = slice(0, 60), slice(180, 240)
    assert margin(monkeypatch, tin(*labels, symmetry=2), 20, 30) > telling.ENOUGH
    assert margin(monkeypatch, tin(*labels), 20, 30) < telling.ENOUGH


def test_a_frame_that_shows_its_back_says_not_by_how_many_degrees_it_was_turned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = assets.get("param/picture_frame/5943")
    assert margin(monkeypatch, frame, 0, 180) == -1.0
    monkeypatch.setattr(telling, "LITTLE_IN_COMMON", 1.0)
    assert margin(monkeypatch, frame, 0, 180) > telling.ENOUGH, "that it was turned about is plain"
