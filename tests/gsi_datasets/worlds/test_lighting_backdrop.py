"""Light stays in the room and is about as strong in every mood; furniture stays out of the way."""

from __future__ import annotations

import numpy as np
import pytest

from gsi_datasets import assets
from gsi_datasets.assets import pack
from gsi_datasets.assets.asset import AssetInfo
from gsi_datasets.assets.parametric.rooms import room_plan
from gsi_datasets.geometry import corners, overlap_xy
from gsi_datasets.worlds.backdrop import backdrop
from gsi_datasets.worlds.lighting import lighting


FURNITURE = {
    f"pack/{name}": AssetInfo(f"pack/{name}", name, name, name, size, kind="furniture", licence=licence)
    for name, size, licence in [
        ("sofa", (2.0, 0.9, 0.8), "CC0-1.0"),
        ("bookcase", (0.9, 0.3, 1.8), "CC-BY-3.0"),
        ("chair", (0.45, 0.5, 0.9), "CC0-1.0"),
        ("cabinet", (1.1, 0.45, 0.8), "CC-BY-3.0"),
        ("armchair", (0.8, 0.8, 0.9), "CC0-1.0"),
        ("floor plant", (0.5, 0.5, 1.3), "CC0-1.0"),
    ]
}


@pytest.fixture(autouse=True)
def _furniture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "infos", lambda: FURNITURE)


@pytest.mark.parametrize("seed", range(30))
def test_lamps_hang_inside_and_pictures_are_well_exposed(seed: int) -> None:
    size, table = (3.6, 4.4, 2.6), np.array([0.2, -0.1, 0.0])
    lights, ambient = lighting(np.random.default_rng(seed), size, table)
    key, fill = lights
    assert key.shadows
    assert not fill.shadows
    assert key.intensity > fill.intensity
    for light in lights:
        assert (np.abs(light.position[:2]) < np.asarray(size[:2]) / 2).all()
        assert light.target[2] < light.position[2] < size[2]
        assert max(light.color) <= 1
    assert 1.35 < key.intensity + fill.intensity + np.mean(ambient) < 1.75


def test_furniture_stands_along_the_walls_and_overlaps_nothing() -> None:
    seen = 0
    for seed in range(40):
        room = assets.info(f"param/room/{seed}")
        plan, clear = room_plan(room.id), [(np.zeros(2), 0.9), (np.array([0.0, -1.2]), 0.5)]
        items = backdrop(np.random.default_rng(seed), room, clear)
        seen += len(items)
        kinds = [item.category for item in items if item.category != "floor plant"]
        assert len(set(kinds)) == len(kinds)
        for number, item in enumerate(items):
            points = corners(item.box)
            assert (np.abs(points[:, :2]) <= np.asarray(plan.size[:2]) / 2 + 1e-9).all()
            assert item.static
            assert item.instance == 0
            wall = round(np.arctan2(item.rotation[1, 0], item.rotation[0, 0]) / (np.pi / 2)) % 4
            front = item.rotation @ np.array([0.0, -1.0, 0.0])
            assert front @ item.position < 0  # faces into the room
            along = float((item.rotation.T @ item.position)[0])
            for opening in plan.openings:
                wide, low = opening.blocked
                if opening.wall == wall and item.box.size[2] > low:
                    assert abs(opening.along - along) >= (wide + item.box.size[0]) / 2
            for other in items[:number]:
                assert not overlap_xy(item.box, other.box)
            for centre, radius in clear:
                inside = np.linalg.norm(points[:, :2] - centre, axis=1) < radius
                assert not inside.any()
    assert seen > 60


def test_only_allowed_licences_are_used() -> None:
    room = assets.info("param/room/3")
    free = frozenset({"CC0-1.0"})
    items = [item for seed in range(20) for item in backdrop(np.random.default_rng(seed), room, [], free)]
    packed = [item for item in items if item.asset.startswith("pack/")]
    assert packed
    assert all(FURNITURE[item.asset].licence == "CC0-1.0" for item in packed)
    # What is generated here is free of others' terms.
    assert {assets.info(item.asset).licence for item in items} <= {"CC0-1.0", "Apache-2.0"}
