"""Operations: the ideal destination is exactly what the instruction asks for."""

from __future__ import annotations

import numpy as np
import pytest

from gsi_datasets import checks
from gsi_datasets.geometry import rotation_angle, yaw_of
from gsi_datasets.instructions import UNITS
from gsi_datasets.operations import PROPOSERS, Candidate, Sight, propose
from gsi_datasets.scene import Scene
from gsi_datasets.spec import Edits
from tests.toys import TABLE_HEIGHT, tabletop, thing, toy_assets  # noqa: F401


pytestmark = pytest.mark.usefixtures("toy_assets")
EDITS = Edits()


@pytest.fixture
def scene() -> Scene:
    return tabletop(
        thing("red mug", -0.3, 0.1, 0.3),
        thing("blue mug", 0.3, 0.15, 1.0),
        thing("box", 0.05, -0.1, 0.2),
        thing("bottle", -0.15, 0.28),
        thing("bowl", 0.2, -0.2),
        thing("apple", -0.35, -0.2),
    )


def candidates(scene: Scene, operation: str, count: int = 200) -> list[Candidate]:
    found = propose(Sight.of(scene), operation, EDITS, np.random.default_rng(1), count)
    assert len(found) > 10
    return found


@pytest.mark.parametrize("operation", PROPOSERS)
def test_only_the_target_changes_and_the_draw_is_repeatable(scene: Scene, operation: str) -> None:
    first, second = candidates(scene, operation), candidates(scene, operation)
    assert [(a.target, a.parameters) for a in first] == [(b.target, b.parameters) for b in second]
    assert len({item.target for item in first}) > 1
    for item in first:
        names = {other.name for other in scene.objects} - {item.target}
        assert all(item.after[name] is scene[name] for name in names)


def test_moves_go_along_the_camera_axes_by_the_stated_distance(scene: Scene) -> None:
    axis = {"left": (-1, 0), "right": (1, 0), "forward": (0, 1), "back": (0, -1)}
    for item in candidates(scene, "CM"):
        shift = item.after[item.target].position - scene[item.target].position
        metres = item.parameters["distance"] * UNITS[item.parameters["unit"]][0]
        np.testing.assert_allclose(shift, [*(metres * np.array(axis[item.parameters["direction"]])), 0], atol=1e-12)
        assert EDITS.move_cm[0] - 1e-9 <= 100 * metres <= EDITS.move_cm[1] + 1e-9


def test_places_are_measured_between_centres_from_the_reference(scene: Scene) -> None:
    axis = {"left": (-1, 0), "right": (1, 0), "behind": (0, 1), "front": (0, -1)}
    for item in candidates(scene, "OP"):
        assert item.reference is not None
        between = item.after[item.target].box.centre - scene[item.reference].box.centre
        wanted = item.parameters["metres"] * np.array(axis[item.parameters["place"]])
        np.testing.assert_allclose(between[:2], wanted, atol=1e-12)
        assert item.after[item.target].position[2] == TABLE_HEIGHT


def test_turns_are_about_the_vertical_through_the_middle_and_can_be_seen(scene: Scene) -> None:
    found = candidates(scene, "OR")
    for item in found:
        before, after = scene[item.target], item.after[item.target]
        turned = yaw_of(after.rotation @ before.rotation.T)
        assert np.isclose(np.cos(turned - np.radians(item.parameters["degrees"])), 1)
        np.testing.assert_allclose(after.box.centre, before.box.centre, atol=1e-12)
    assert {item.target for item in found} == {"red_mug", "blue_mug", "box"}  # the others look the same all round
    assert all(abs(item.parameters["degrees"]) not in (90, 180) for item in found if item.target == "box")


def test_scaling_keeps_the_foot_on_its_spot(scene: Scene) -> None:
    for item in candidates(scene, "OS"):
        before, after = scene[item.target], item.after[item.target]
        np.testing.assert_allclose(after.box.size, item.parameters["factor"] * before.box.size)
        np.testing.assert_array_equal(after.position, before.position)
        assert np.isclose(after.box.centre[2] - after.box.size[2] / 2, TABLE_HEIGHT)


def test_removal_takes_the_target_away_and_says_which_by_place(scene: Scene) -> None:
    for item in candidates(scene, "SR"):
        assert item.target not in item.after
        assert item.target_expression.criterion is not None
        assert item.transform(scene) is None


def test_things_go_into_the_middle_of_containers_that_they_fit(scene: Scene) -> None:
    found = candidates(scene, "RP")
    for item in found:
        after, bowl = item.after[item.target], scene["bowl"]
        assert item.reference == after.support == "bowl"
        np.testing.assert_allclose(after.box.centre[:2], bowl.box.centre[:2], atol=1e-12)
        assert np.isclose(after.position[2], TABLE_HEIGHT + 0.01)
    assert {item.target for item in found} == {"apple", "bottle"}  # the foot of the others is wider than the floor


def test_nothing_is_done_to_what_carries_something() -> None:
    scene = tabletop(thing("bowl", 0, 0), thing("apple", 0, 0, on="bowl"), thing("box", 0.3, 0))
    for operation in ("CM", "OP", "OS", "SR"):
        found = propose(Sight.of(scene), operation, EDITS, np.random.default_rng(0), 60)
        assert all(item.target != "bowl" for item in found)
    # The apple in the bowl cannot slide on the table, but it can be placed there.
    assert all(item.target == "box" for item in propose(Sight.of(scene), "CM", EDITS, np.random.default_rng(0), 60))
    placed = [it for it in propose(Sight.of(scene), "OP", EDITS, np.random.default_rng(0), 90) if it.target == "apple"]
    assert placed
    assert all(item.after["apple"].support == "table" for item in placed)


@pytest.mark.parametrize("operation", ["CM", "OP", "OR", "OS", "RP"])
def test_the_transform_carries_source_points_to_the_destination(scene: Scene, operation: str) -> None:
    for item in candidates(scene, operation)[:20]:
        transform = item.transform(scene)
        assert transform is not None
        before, after = scene[item.target].box, item.after[item.target].box
        np.testing.assert_allclose((transform @ np.append(before.centre, 1))[:3], after.centre, atol=1e-9)
        scale = np.cbrt(np.linalg.det(transform[:3, :3]))
        assert np.isclose(scale, item.parameters.get("factor", 1.0))
        assert rotation_angle(transform[:3, :3] / scale @ before.rotation, after.rotation) < 1e-6


def test_checks_name_what_is_wrong(scene: Scene) -> None:
    reasons = {}
    for operation in ("CM", "OP", "OS"):
        for item in candidates(scene, operation, 400):
            reason = (
                checks.destination_on_support(item) or checks.destination_free(item) or checks.believable_size(item)
            )
            reasons.setdefault(reason.word if reason else "accepted", []).append((item, reason))
    assert {"accepted", "collision", "off-table"} <= set(reasons)
    for item, reason in reasons["off-table"]:
        position = np.abs(item.after[item.target].position[:2])
        assert (position > np.array([0.68, 0.43]) - 0.15).any()
        assert item.target in reason.detail
    for item, _ in reasons["accepted"]:
        box = item.after[item.target].box
        for other in scene.movable:
            if other.name != item.target:
                apart = np.linalg.norm(other.box.centre[:2] - box.centre[:2])
                assert apart > 0.5 * (min(box.size[:2]) + min(other.box.size[:2]))
