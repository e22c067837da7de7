"""Referring expressions name exactly one object, and the rule that says so can be asked by anyone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.referring import (
    CRITERIA,
    Expression,
    chinese,
    describe,
    english,
    expressions,
    resolve,
    spatial_expressions,
)
from tests.toys import tabletop, thing, toy_assets  # noqa: F401


pytestmark = pytest.mark.usefixtures("toy_assets")


def test_the_only_one_of_its_kind_needs_no_more_than_the_noun() -> None:
    scene = tabletop(thing("box", 0, 0), thing("red mug", 0.2, 0))
    assert Expression(category="box") in expressions(scene, "box")
    assert all(item.criterion is None for item in expressions(scene, "box"))


def test_two_of_a_kind_are_told_apart_by_colour_or_place() -> None:
    scene = tabletop(thing("red mug", -0.2, 0), thing("blue mug", 0.2, 0.1))
    options = expressions(scene, "red_mug")
    assert Expression(category="mug") not in options
    assert Expression(category="mug", caption="red mug") in options
    assert Expression(category="mug", criterion="leftmost") in options
    assert Expression(category="mug", criterion="nearest") in options
    assert Expression(category="mug", criterion="rightmost") not in options


def test_twins_side_by_side_cannot_be_named() -> None:
    scene = tabletop(thing("red mug", 0, 0, name="a"), thing("red mug", 0.02, 0.12, name="b"))
    # Left and right are too close to call; near and far are not.
    assert {item.criterion for item in expressions(scene, "a")} == {"nearest"}
    same = tabletop(thing("red mug", 0, 0, name="a"), thing("red mug", 0, 0.01, name="b"))
    assert expressions(same, "a") == []


def test_a_close_second_makes_a_criterion_ambiguous() -> None:
    scene = tabletop(thing("red mug", -0.2, 0, name="a"), thing("blue mug", -0.18, 0, name="b"))
    fits = resolve(Expression("mug", None, "leftmost"), describe(scene), scene.camera.extrinsics)
    assert sorted(fits) == ["a", "b"]


@pytest.mark.parametrize("criterion", [name for name in CRITERIA if name not in ("highest", "lowest")])
def test_each_criterion_picks_the_object_people_would(criterion: str) -> None:
    winner = {"leftmost": "box", "rightmost": "bowl", "nearest": "apple", "farthest": "bottle", "tallest": "bottle"}
    scene = tabletop(thing("box", -0.4, 0), thing("bowl", 0.4, 0), thing("apple", 0, -0.3), thing("bottle", 0, 0.3))
    fits = resolve(Expression(criterion=criterion), describe(scene), scene.camera.extrinsics)
    assert fits == [winner[criterion]]
    assert Expression(criterion=criterion) in spatial_expressions(scene, winner[criterion])


def test_highest_and_lowest_go_by_where_things_stand() -> None:
    up = replace(thing("red mug", 0.2, 0), position=np.array([0.2, 0.0, 1.2]), support="table")
    scene = tabletop(thing("blue mug", -0.2, 0), up, thing("bottle", 0, 0.3))
    assert spatial_expressions(scene, "red_mug").count(Expression("mug", None, "highest")) == 1
    assert spatial_expressions(scene, "blue_mug").count(Expression("mug", None, "lowest")) == 1
    level = tabletop(thing("box", 0, 0), thing("bottle", 0.3, 0))
    assert {item.criterion for name in ("box", "bottle") for item in spatial_expressions(level, name)} == {
        "leftmost", "rightmost", "tallest",
    }  # fmt: skip


def test_nouns_that_could_be_taken_for_each_other_count_as_one() -> None:
    cup = replace(thing("blue mug", 0.3, 0, name="cup_1"), category="cup", caption="blue cup")
    scene = tabletop(thing("red mug", -0.3, 0), cup)
    assert Expression("mug") not in expressions(scene, "red_mug")
    assert Expression("mug", "red mug") in expressions(scene, "red_mug")


def test_only_what_is_seen_can_be_meant() -> None:
    scene = tabletop(thing("red mug", -0.3, 0), thing("blue mug", 0.3, 0), thing("box", 0, 0.3))
    seen = describe(scene, {"red_mug": 0.9, "blue_mug": 0.0, "box": 0.02, "table": 0.5})
    assert [item.name for item in seen] == ["table", "red_mug", "box"]
    assert Expression("mug") in expressions(scene, "red_mug", seen)
    assert Expression("mug") not in expressions(scene, "red_mug")
    # Furniture is not among "the objects".
    assert resolve(Expression(criterion="nearest"), seen, scene.camera.extrinsics) == ["red_mug"]


def test_removal_speaks_of_the_kind_where_there_are_several() -> None:
    scene = tabletop(thing("red mug", -0.3, 0), thing("blue mug", 0.3, 0), thing("box", 0, 0.2))
    assert {item.category for item in spatial_expressions(scene, "red_mug")} == {"mug"}
    assert all(item.category is None for item in spatial_expressions(scene, "box"))


def test_words() -> None:
    plain, looks = Expression("mug"), Expression("mug", "red mug")
    placed = Expression("mug", None, "farthest")
    assert [english(e) for e in (plain, looks, placed)] == [
        "the mug", "the red mug", "the mug farthest from the camera",
    ]  # fmt: skip
    assert [chinese(e, "红色马克杯") for e in (plain, looks, placed)] == ["马克杯", "红色马克杯", "离相机最远的马克杯"]
    assert english(Expression(criterion="leftmost")) == "the leftmost object"


def test_the_rule_depends_on_the_view() -> None:
    scene = tabletop(thing("red mug", -0.2, 0), thing("blue mug", 0.2, 0))
    behind = scene.camera.extrinsics @ np.diag([-1.0, -1.0, 1.0, 1.0])
    left = Expression("mug", None, "leftmost")
    assert resolve(left, describe(scene), scene.camera.extrinsics) == ["red_mug"]
    assert resolve(left, describe(scene), behind) == ["blue_mug"]
