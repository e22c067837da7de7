"""Rows of furnished rooms, with real physics and rays (only the colours are painted)."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

import numpy as np
import pytest

from gsi_datasets import pipeline, scenes
from gsi_datasets.assets.parametric.homes import home_plan
from gsi_datasets.geometry import invert_rigid
from gsi_datasets.images import decode_png
from gsi_datasets.record import SceneResult
from gsi_datasets.schema import OPERATIONS, Triplet
from gsi_datasets.spec import DatasetSpec, load_spec
from gsi_datasets.worlds import room, tabletop
from gsi_datasets.worlds.specs import RoomWorld
from tests.painter import painting_tools


EVERY = frozenset(OPERATIONS)


@pytest.fixture(scope="module")
def spec() -> DatasetSpec:
    return load_spec("gsi_syn_room").model_copy(update={"image_size": 256})


@pytest.fixture(autouse=True)
def _painted(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = painting_tools()
    monkeypatch.setattr(pipeline, "tools", lambda renderer: tools)


def make(spec: DatasetSpec, index: int, wanted: frozenset[str] = EVERY) -> SceneResult:
    return pipeline.make_scene(spec, "test", index, "painter", wanted)


@pytest.fixture(scope="module")
def results(spec: DatasetSpec) -> list[SceneResult]:
    with pytest.MonkeyPatch.context() as patch:
        tools = painting_tools()
        patch.setattr(pipeline, "tools", lambda renderer: tools)
        return [make(spec, index) for index in range(2)]


@pytest.fixture(scope="module")
def rows(results: list[SceneResult]) -> list[Triplet]:
    return [row for result in results for row in result.rows]


def test_homes_give_rows_of_every_operation_from_several_views(spec: DatasetSpec, rows: list[Triplet]) -> None:
    assert {row.operation for row in rows} == EVERY
    assert len({row.id for row in rows}) == len(rows)
    views = Counter(row.scene for row in rows)
    assert len(views) >= 4
    for scene, count in views.items():
        assert count <= len(EVERY) * spec.edits.per_operation
        made = json.loads(next(row for row in rows if row.scene == scene).provenance)
        assert scene.endswith(f"-v{made['view']}")
        assert made["world"] == "room"
        assert made["room"]
        assert made["home"].startswith("param/home_")
    # Views of one home share things and nothing of the picture.
    assert len({row.source_image for row in rows}) == len(views)


def test_a_home_depends_on_its_arguments_only(spec: DatasetSpec, results: list[SceneResult]) -> None:
    again = make(spec, 1, frozenset({"PC", "CM"}))
    expected = [row for row in results[1].rows if row.operation in ("PC", "CM")]
    assert [row.model_dump() for row in again.rows] == [row.model_dump() for row in expected]


def test_the_camera_moves_and_nothing_else(rows: list[Triplet]) -> None:
    moved = [row for row in rows if row.operation == "PC"]
    assert moved
    for row in moved:
        assert row.target_ids == []
        assert row.ideal is row.actual is None
        assert row.background_image == row.source_image
        before, after = np.asarray(row.source_extrinsics), np.asarray(row.target_extrinsics)
        np.testing.assert_allclose(
            np.asarray(row.transform_world) @ invert_rigid(before), invert_rigid(after), atol=1e-9
        )
        said = json.loads(row.parameters)
        shift = np.linalg.norm(invert_rigid(after)[:3, 3] - invert_rigid(before)[:3, 3])
        assert shift == pytest.approx(said.get("metres", 0.0), abs=1e-9)
        places = [{item.id: item.centre for item in objects} for objects in (row.objects_before, row.objects_after)]
        assert places[0] == places[1]
        # What is named as kept is seen in both.
        assert row.reference_ids
        for column in ("source_instances", "target_instances"):
            seen = set(np.unique(decode_png(row.to_example()[column]["bytes"])))
            assert set(row.reference_ids) <= seen


def test_everything_but_pc_keeps_the_camera_and_the_rest(rows: list[Triplet]) -> None:
    for row in rows:
        if row.operation == "PC":
            continue
        assert row.source_extrinsics == row.target_extrinsics
        [target] = row.target_ids
        after = {item.id: item for item in row.objects_after}
        for item in row.objects_before:
            if item.id != target:
                assert after[item.id].centre == item.centre
        if row.operation == "OS":
            said = json.loads(row.parameters)
            old = next(item for item in row.objects_before if item.id == target)
            np.testing.assert_allclose(np.divide(after[target].size, old.size), said["factor"], rtol=1e-6)


def test_what_stands_on_the_floor_moves_farther_and_is_said_to(spec: DatasetSpec, rows: list[Triplet]) -> None:
    for row in rows:
        said = json.loads(row.parameters)
        if row.operation in ("CM", "OP"):
            bounds = spec.edits.floor_move_cm if row.operation == "CM" else spec.edits.floor_place_cm
            if said["surface"] != "floor":
                bounds = spec.edits.move_cm if row.operation == "CM" else spec.edits.place_cm
            assert bounds[0] - 1e-6 <= 100 * said["metres"] <= bounds[1] + 1e-6
            support = next(item.support for item in row.objects_after if item.id == row.target_ids[0])
            assert (support == "room") == (said["surface"] == "floor")


def test_training_and_test_share_no_scene_and_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    for module in (room, tabletop):
        monkeypatch.setattr(module, "compose", lambda *arguments, held_out: asked.append(held_out))
    seeds: dict[bool, set[int]] = {True: set(), False: set()}
    for name in ("gsi_syn_room", "gsi_syn_bathroom", "gsi_syn_train", "gsi_syn_table"):
        spec = load_spec(name)
        for split in spec.splits:
            for index in range(4):
                scenes.compose(spec, split, index)
                assert asked[-1] == (split != "train")
                seeds[split == "train"].add(spec.seed_for(split, index, "world"))
    assert not seeds[True] & seeds[False]
    # Rooms come from ranges that do not meet.
    for draw, limit in (
        (tabletop.draw_room, tabletop.HELD_OUT),
        (partial(room.draw_home, RoomWorld()), room.HELD_OUT),
    ):
        rng = np.random.default_rng(0)
        numbers = [[int(draw(rng, held).rpartition("/")[2]) for _ in range(300)] for held in (False, True)]
        assert max(numbers[0]) < limit <= min(numbers[1])


def test_homes_have_the_kinds_and_numbers_of_rooms_asked_for() -> None:
    rng, world = np.random.default_rng(1), RoomWorld(rooms=("bathroom", "living room"), connected=(2, 3))
    plans = [home_plan(room.draw_home(world, rng, True)) for _ in range(60)]
    assert {plan.rooms[0].kind for plan in plans} == {"bathroom", "living room"}
    assert {len(plan.rooms) for plan in plans} == {2, 3}
