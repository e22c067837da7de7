"""AI2-THOR's real controller, with a stand-in for Unity: from a spec to rows, and through whatever the player does."""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gsi_datasets import pipeline, scenes
from gsi_datasets.record import SceneResult
from gsi_datasets.scene import Box, Camera
from gsi_datasets.simulators import thor as unity
from gsi_datasets.simulators import thor_player
from gsi_datasets.simulators.thor_player import PlayerError, ThorPlayer
from gsi_datasets.simulators.thor_sight import passage
from gsi_datasets.spec import DatasetSpec
from gsi_datasets.worlds import thor as world
from gsi_datasets.worlds.specs import ThorWorld, WorldError
from tests import thor
from tests.invariants.audit import audit, fails
from tests.thor import scenes as recorded


OPERATIONS = ThorWorld.operations


def spec_of(executable: Path, *names: str, size: int = 128, views: int = 1) -> DatasetSpec:
    played = {"kind": "thor", "scenes": names, "executable": str(executable), "held_out": 1.0, "views": views}
    counts = dict.fromkeys(OPERATIONS, 10)
    return DatasetSpec.model_validate(
        {"name": "thor", "image_size": size, "world": played, "splits": {"test": {"counts": counts}}}
    )


def made(spec: DatasetSpec, wanted: tuple[str, ...] = OPERATIONS) -> SceneResult:
    return pipeline.make_scene(spec, "test", 0, "unity", frozenset(wanted))


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes executables of players, with or without faults; ends what it started."""
    thor.controller_class()
    thor.home(monkeypatch, tmp_path)
    monkeypatch.setattr(thor_player, "START_SECONDS", 8.0)
    monkeypatch.setattr(thor_player, "ANSWER_SECONDS", 3.0)
    folders = iter(range(9))

    def install(faults: str = "") -> Path:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        return thor.install(folder, faults)

    yield install
    unity.disconnect()


def comparable(result: SceneResult) -> list[str]:
    return [repr(row) for row in result.rows]


@pytest.mark.slow
def test_rows_of_a_recorded_scene(player: Any) -> None:
    """Rows of every operation that THOR offers, each passing the independent look at rows."""
    result = made(spec_of(player(), "FloorPlan1", size=256, views=2))
    counts = Counter(row.operation for row in result.rows)
    assert set(counts) == set(OPERATIONS), counts
    for row in result.rows:
        stored = {key: {"bytes": it} if isinstance(it, bytes) else it for key, it in row.model_dump().items()}
        found = audit(stored)
        assert not fails(found), {key: value for key, value in found.items() if key != "boxes"}
        provenance = json.loads(row.provenance)
        assert provenance["renderer"] == "unity"
        assert provenance["versions"]["ai2thor"] == "5.0.0"
        assert {it["source"] for it in provenance["assets"]} == {"AI2-THOR"}
        assert "/tmp" not in row.provenance
        if row.operation not in ("SR", "PC"):
            after = {item.id: item for item in row.objects_after}[row.target_ids[0]]
            assert row.ideal is not None
            assert np.linalg.norm(np.subtract(after.centre, row.ideal.centre)) < unity.REACHED


FEW = "crash@14,garbage@24"
KINDS = ("crash", "refuse", "drop", "cut", "fall", "garbage", "hang", "drop")
# One in nine actions goes wrong.
MANY = ",".join(f"{KINDS[number % len(KINDS)]}@{5 + 9 * number}" for number in range(26))


@pytest.mark.parametrize(
    ("faults", "wanted", "fewest"),
    [(FEW, ("SR",), 2), pytest.param(MANY, OPERATIONS, 20, marks=pytest.mark.slow)],
)
def test_rows_are_the_same_whatever_the_player_does(
    player: Any, tmp_path: Path, faults: str, wanted: tuple[str, ...], fewest: int
) -> None:
    calm = made(spec_of(player(), "FloorPlan301", size=128), wanted)
    faulty = made(spec_of(player(faults), "FloorPlan301", size=128), wanted)
    assert calm.rows
    assert comparable(faulty) == comparable(calm)
    fired = thor.history(tmp_path / "1")["fired"]
    assert len(fired) >= fewest, fired


def test_a_scene_is_restored_to_the_last_bit(player: Any) -> None:
    """Whatever was tried in between: the same scene shows the same pixels."""
    spec = spec_of(player(), "FloorPlan1")
    use = pipeline.tools_for(spec, 0, "unity")
    (stage,) = scenes.stages(spec, "test", 0, use.simulator, use.rays)
    assert stage.scene is not None
    before = use.rays.layers(stage.scene)
    (first,) = use.renderer.render([stage.scene])
    name = max(before.visibility, key=lambda it: before.visibility[it].fraction * (not stage.scene[it].static))
    gone = stage.scene.without(name)
    assert use.simulator.settle(gone).rested
    without = use.rays.layers(gone)
    assert not (without.instances == stage.scene[name].instance).any()
    again = use.rays.layers(replace(stage.scene, name="again"))
    np.testing.assert_array_equal(use.renderer.render([replace(stage.scene, name="more")])[0], first)
    np.testing.assert_array_equal(again.depth, before.depth)
    np.testing.assert_array_equal(again.instances, before.instances)


def test_what_stands_in_the_way_is_named(player: Any) -> None:
    spec = spec_of(player(), "FloorPlan1")
    use = pipeline.tools_for(spec, 0, "unity")
    scene = scenes.compose(spec, "test", 0)
    first, second = (it for it in scene.movable if it.category in ("bread", "tomato"))
    into = scene.with_objects([replace(first, position=second.position)])
    assert any(
        {contact.first, contact.second} == {first.name, second.name} and contact.depth > 0.001
        for contact in use.simulator.contacts(into)
    )
    assert not use.simulator.settle(into).rested
    assert not any(contact.depth > 0.001 for contact in use.simulator.contacts(scene))


def test_a_scene_says_what_unity_says(player: Any) -> None:
    spec = spec_of(player(), "FloorPlan201")
    scene = scenes.compose(spec, "test", 0)
    records = recorded.recorded("FloorPlan201")["objects"]
    by_centre = {tuple(np.round(item.box.centre, 3)): item for item in scene.objects}
    for record in records:
        if record["objectType"] == "Floor":
            continue
        found = record["axisAlignedBoundingBox"]["center"]
        near = min(np.linalg.norm(np.subtract(centre, [found["x"], found["z"], found["y"]])) for centre in by_centre)
        assert near < 0.12, record["objectId"]
    assert len({item.instance for item in scene.objects if item.instance}) > 20
    assert scene.movable
    for item in scene.movable:
        assert item.support in scene
    # What is shut away cannot be moved.
    closed = {it["objectId"] for it in records if it["openable"] and not it["isOpen"]}
    inside = [it for it in records if closed & set(it["parentReceptacles"] or [])]
    movable = [item.box.centre for item in scene.movable]
    for record in inside:
        centre = record["axisAlignedBoundingBox"]["center"]
        assert all(np.linalg.norm(it - [centre["x"], centre["z"], centre["y"]]) > 1e-3 for it in movable)


def test_houses_of_procthor(player: Any, tmp_path: Path) -> None:
    house = Path(__file__).parents[2] / "data" / "thor" / "house.json"
    file = tmp_path / "houses.jsonl.gz"
    file.write_bytes(gzip.compress((json.dumps(json.loads(house.read_text())) + "\n").encode() * 2))
    spec = spec_of(player(), str(file))
    scene = scenes.compose(spec, "test", 0)
    assert len(scene.movable) >= 2
    assert list(world.available(spec.world)) == ["houses-00000", "houses-00001"]  # type: ignore[arg-type]


def test_a_player_that_always_fails_ends_in_one_error(player: Any) -> None:
    faults = ",".join(f"{kind}@{number}" for number, kind in enumerate(20 * ("crash", "cut"), start=1))
    with pytest.raises(PlayerError, match=r"failed 5 times.*gsi-bench doctor"):
        made(spec_of(player(faults), "FloorPlan1"))


def test_a_player_that_dies_at_once_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thor.controller_class()
    thor.home(monkeypatch, tmp_path)
    path = tmp_path / "dead"
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    with pytest.raises(PlayerError, match="failed 5 times"):
        made(spec_of(path, "FloorPlan1"))
    unity.disconnect()


def test_scenes_have_names(player: Any) -> None:
    given = {"kind": "thor", "held_out": 1.0}
    assert len(world.available(ThorWorld.model_validate(given))) == 195
    assert list(world.available(ThorWorld.model_validate(given | {"scenes": ["FloorPlan30*"]}))) == [
        f"FloorPlan{number}" for number in (30, *range(301, 310))
    ]
    with pytest.raises(WorldError, match="no scene of AI2-THOR is called 'Kitchen1'"):
        world.available(ThorWorld.model_validate(given | {"scenes": ["Kitchen1"]}))
    with pytest.raises(WorldError, match="has no scene FloorPlan2; names are case sensitive"):
        made(spec_of(player(), "FloorPlan2"))


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "holds no houses that can be read"), ("{", "holds no houses"), ("[{}]", "house 0: no rooms")],
)
def test_broken_houses(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "mine.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(WorldError, match=message):
        world.available(ThorWorld(scenes=(str(file),)))


def test_paths_stay_out_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.json"
    file.write_text("[]")
    spec = spec_of(tmp_path / "player", "FloorPlan1", str(file))
    assert str(tmp_path) not in json.dumps(spec.content())
    assert spec.content()["world"]["scenes"] == ["FloorPlan1", "mine.json"]
    before = spec.digest("test", "unity")
    file.write_text("[1]")
    assert spec.digest("test", "unity") != before
    monkeypatch.setenv(ThorWorld.variable, str(tmp_path / "none"))
    thor.controller_class()
    with pytest.raises(WorldError, match="is no program that can be run"):
        unity.connect(ThorWorld(), 128)


def test_what_is_missing_is_said_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    thor.controller_class()
    with pytest.raises(WorldError, match="is no program that can be run"):
        ThorPlayer(str(tmp_path / "none"), "auto", 192)
    with pytest.raises(WorldError, match="'x' needs an X display"):
        ThorPlayer("", "x", 192)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(WorldError, match="apt-get install libvulkan1"):
        ThorPlayer("", "auto", 192)
    monkeypatch.setitem(sys.modules, "ai2thor", None)
    with pytest.raises(WorldError, match=r"pip install 'gsi-bench\[thor\]'"):
        ThorPlayer("", "auto", 192)


def test_sizes_are_not_changed_in_unity() -> None:
    with pytest.raises(ValueError, match="a thor world has no changes of size"):
        DatasetSpec.model_validate(
            {"name": "played", "world": {"kind": "thor"}, "splits": {"test": {"counts": {"OS": 1}}}}
        )


def test_free_areas_hold_only_where_one_can_stand() -> None:
    free = np.array([(x, y) for x in range(8) for y in range(6) if not (x > 4 and y > 2)]) * world.GRID
    areas = world.free_areas(free)
    (low, high), *others = areas
    np.testing.assert_allclose(high - low, [4 * world.GRID + 0.4, 5 * world.GRID + 0.4])
    assert len(others) == 1
    np.testing.assert_allclose(others[0][1] - others[0][0], [2 * world.GRID + 0.4, 2 * world.GRID + 0.4])


def test_rays_pass_through_boxes() -> None:
    box = Box(np.array([0.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0]), np.eye(3))
    camera = Camera(
        np.array([[100.0, 0, 50], [0, 100.0, 50], [0, 0, 1]]),
        np.array([[1.0, 0, 0, 0], [0, 0, -1, 1], [0, 1, 0, 0], [0, 0, 0, 1]]),
        100,
        100,
    )
    entry, leave = passage(box, camera, np.array([50.0, 99.0]), np.array([50.0]))
    np.testing.assert_allclose([entry[0, 0], leave[0, 0]], [1.5, 2.5])
    assert entry[0, 1] >= leave[0, 1]
