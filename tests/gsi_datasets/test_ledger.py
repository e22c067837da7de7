"""Which rows are kept where there are several worlds, and where rows must not be too much alike."""

from __future__ import annotations

import json

import pytest

from gsi_datasets.balance import FEWEST, strata
from gsi_datasets.ledger import HOPELESS, BuildError, Ledger
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.schema import Triplet
from gsi_datasets.spec import Balance, Edits
from tests.factories import fake_triplet


def row(number: int, operation: str = "CM", room: str = "kitchen", **parameters: object) -> Triplet:
    """A row with an id and words of its own."""
    parameters = {"metres": 0.1, "surface": "table"} | parameters
    return fake_triplet(7, operation).model_copy(
        update={
            "id": f"row-{number}",
            "instruction": f"Do it {number} times.",
            "scene": f"scene-{number // 2}",
            "parameters": json.dumps(parameters),
            "provenance": json.dumps({"room": room}),
        }
    )


def slot_of(index: int, operation: str) -> str:
    return f"{('room', 'table')[index % 2]}/{operation}"


def test_each_world_fills_its_own_slots() -> None:
    ledger = Ledger({"room/CM": 1, "table/CM": 2}, slot_of=slot_of)
    for index in range(4):
        ledger.take(SceneResult(index, [row(2 * index), row(2 * index + 1)], [Rejection("CM", "collision")]))
    assert ledger.counts == {"room/CM": 1, "table/CM": 2}
    assert ledger.kept == [(0, [0]), (1, [0, 1])]
    # Rejections count while their slot is open, and stand under the operation.
    assert ledger.table() == {"CM": {"collision": 2}}
    assert not ledger.open


def test_rows_too_much_alike_are_left_out() -> None:
    ledger = Ledger({"CM": 8}, Balance(room=0.5, extent=0.75))
    kitchens = [row(number, metres=0.06 if number < 3 else 0.28) for number in range(6)]
    rejections = ledger.take(SceneResult(0, kitchens))
    assert [item.reason for item in rejections] == ["balance", "balance"]
    assert "room kitchen" in rejections[0].detail
    studies = [row(10 + number, room="study", metres=0.06) for number in range(4)]
    # Six of eight may be short moves, not seven.
    assert [item.detail.count("extent short") for item in ledger.take(SceneResult(1, studies))] == [1]
    assert not ledger.take(SceneResult(2, [row(20, room="study", metres=0.2)]))
    assert ledger.counts["CM"] == 8


def test_in_a_small_set_shares_ask_for_nothing_impossible() -> None:
    ledger = Ledger({"CM": 4}, Balance(category=0.1))
    ledger.take(SceneResult(0, [row(number) for number in range(4)]))
    assert ledger.counts["CM"] == FEWEST


def test_strata() -> None:
    edits = Edits()
    assert strata(row(0, metres=0.06), edits) == {"category": _category(row(0)), "room": "kitchen", "extent": "short"}
    assert strata(row(0, metres=0.29), edits)["extent"] == "long"
    assert strata(row(0, metres=0.29, surface="floor"), edits)["extent"] == "short"
    assert strata(row(0, "OR", degrees=-180.0), edits)["extent"] == "long"
    assert strata(row(0, "OS", factor=0.5), edits)["extent"] == "smaller"
    # Most containers are too small for another spot than their middle.
    assert "extent" not in strata(row(0, "RP", spot="nearest"), edits)
    camera = strata(row(0, "PC", motion="yaw").model_copy(update={"target_ids": []}), edits)
    assert camera == {"room": "kitchen", "extent": "yaw"}


def _category(item: Triplet) -> str:
    return next(one.category for one in item.objects_before if one.id == item.target_ids[0])


def test_the_same_camera_motion_is_another_row_in_another_scene() -> None:
    ledger = Ledger({"PC": 9})
    rows = [
        row(number, "PC").model_copy(update={"target_ids": [], "instruction": "Move the camera."})
        for number in range(4)
    ]
    rejections = ledger.take(SceneResult(0, rows))
    assert ledger.counts["PC"] == 2  # rows 0 and 1 share a scene, so do 2 and 3
    assert [item.reason for item in rejections] == ["duplicate", "duplicate"]


def test_where_no_scene_can_be_used_the_build_stops_early_and_names_the_field() -> None:
    lost = Rejection("", "no-view", "0 of 3 views; 200 bare")

    def take(good: int) -> Ledger:
        ledger = Ledger({"CM": 5})
        for index in range(HOPELESS + 1):
            result = SceneResult(index, [row(0)] if index == good else [], [] if index == good else [lost])
            ledger.take(result)
            ledger.check(result, "test")
        return ledger

    with pytest.raises(BuildError, match=r"none of the first .* 0 %.* no-view.*0 of 3 views.*world\.eye_height_m"):
        take(good=-1)
    # One scene that could be used is enough to go on.
    assert take(good=3).counts["CM"] == 1
