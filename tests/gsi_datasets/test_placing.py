"""Places and the spots on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.assets.asset import Receptacle
from gsi_datasets.geometry import camera_axes, look_at, rotation_z
from gsi_datasets.placing import SPOTS, Place, named_place, place_of, root
from tests.toys import BY_ID, TABLE_HEIGHT, tabletop, thing, toy_assets  # noqa: F401


pytestmark = pytest.mark.usefixtures("toy_assets")


def tray(half: tuple[float, float], yaw: float = 0.0, round_: bool = False) -> Place:
    owner = thing("box", 0.1, 0.2, yaw)
    return Place(owner, Receptacle("on", 0.02, half, round_, 0.03))


@pytest.mark.parametrize("round_", [False, True])
@pytest.mark.parametrize("yaw", [0.0, 0.4, np.pi / 2])
@pytest.mark.parametrize("which", SPOTS)
def test_a_thing_on_a_spot_stands_wholly_on_the_area(which: str, yaw: float, round_: bool) -> None:
    place, view = tray((0.3, 0.2), yaw, round_), look_at([0.5, -2.0, 1.5], [0, 0, 0.7])
    spot = place.spot(which, view, 0.05)
    assert spot is not None
    angles = np.linspace(0, 2 * np.pi, 60)
    ring = spot + 0.05 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    assert place.overhang(ring) <= (0.06 if round_ else 1e-9)  # an ellipse's edge bends away a little
    right, forward, _ = camera_axes(view)
    towards = {"leftmost": -right, "rightmost": right, "nearest": -forward, "farthest": forward}
    offset = spot - place.centre
    if which == "centre":
        assert np.allclose(offset, 0)
    else:
        assert offset @ towards[which] == pytest.approx(np.linalg.norm(offset))
        # As far as it goes: a little farther, the foot would reach beyond the edge.
        assert place.overhang(ring + 0.02 * towards[which]) > 0


def test_no_spot_where_the_thing_does_not_fit_or_the_middle_is_as_good() -> None:
    view = look_at([0.0, -2.0, 1.5], [0, 0, 0.7])
    assert tray((0.3, 0.04)).spot("centre", view, 0.05) is None
    assert tray((0.3, 0.06)).spot("nearest", view, 0.05) is None
    assert tray((0.3, 0.06)).spot("leftmost", view, 0.05) is not None


def test_a_thing_stands_on_the_shelf_at_its_foot(monkeypatch: pytest.MonkeyPatch) -> None:
    boards = tuple(Receptacle("on", height, (0.68, 0.43), False, height, headroom=0.3) for height in (0.05, 0.4))
    info = BY_ID["toy/table"]
    monkeypatch.setitem(BY_ID, "toy/table", replace(info, shelves=boards))
    scene = tabletop(thing("box", 0, 0), replace(thing("apple", 0.2, 0), position=np.array([0.2, 0.0, 0.4])))
    top, board = place_of(scene, scene["box"]), place_of(scene, scene["apple"])
    assert top is not None
    assert board is not None
    assert top.centre[2] == TABLE_HEIGHT
    assert board.receptacle is boards[1]
    # Between two boards it stands on neither, nor beside the table.
    for position in ([0.2, 0.0, 0.2], [2.0, 0.0, 0.4]):
        lost = scene.with_objects([replace(scene["apple"], position=np.array(position))])
        assert place_of(lost, lost["apple"]) is None


def test_a_name_means_a_place_only_where_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    info, table = BY_ID["toy/table"], tabletop(thing("box", 0, 0))["table"]

    def with_shelves(*heights: float) -> Place | None:
        boards = tuple(Receptacle("on", height, (0.6, 0.4), False, height) for height in heights)
        monkeypatch.setitem(BY_ID, "toy/table", replace(info, shelves=boards))
        return named_place(table)

    for place in (with_shelves(), with_shelves(0.3)):  # a table, with a board below
        assert place is not None
        assert place.receptacle is info.receptacle
    assert with_shelves(0.1, 0.4) is None  # a bookcase
    assert with_shelves(TABLE_HEIGHT) is None  # a worktop on both sides of a sink
    assert with_shelves(1.2) is None
    assert named_place(thing("red mug", 0, 0)) is None


def test_the_root_is_what_does_not_move() -> None:
    scene = tabletop(thing("bowl", 0, 0), thing("apple", 0, 0, on="bowl"))
    assert root(scene, scene["apple"]).name == "table"
    adrift = scene.with_objects([replace(scene["bowl"], support=None)])
    with pytest.raises(ValueError, match="bowl rests on nothing"):
        root(adrift, adrift["apple"])


def test_overhang_follows_the_owner() -> None:
    place = tray((0.3, 0.1), yaw=np.pi / 2)
    along = rotation_z(np.pi / 2) @ np.array([0.29, 0, 0])
    assert place.overhang((place.centre + along)[None]) < 0
    assert place.overhang((place.centre + rotation_z(np.pi / 2) @ along)[None]) > 1
