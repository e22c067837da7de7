"""Houses of MolmoSpaces: the package's own example, a small house in MJCF text, and one made of our assets."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gsi_datasets import assets, pipeline
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.molmospaces_notes import Note, noun_for, spdx
from gsi_datasets.placing import places
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.rooms import rooms_of
from gsi_datasets.scene import Scene
from gsi_datasets.scenes import bring_to_rest, stages
from gsi_datasets.schema import Triplet
from gsi_datasets.simulators.mujoco import MujocoSimulator
from gsi_datasets.spec import DatasetSpec
from gsi_datasets.worlds import molmospaces, room
from gsi_datasets.worlds.specs import MolmoWorld, RoomWorld, SceneError, WorldError
from tests.invariants import audit
from tests.molmospaces import SAMPLE, House
from tests.painter import painting_tools


UNITY = 'quat="0.70710678118654757 0.70710678118654757 0 0"'
ELL = [(0, 0), (4, 0), (4, 2), (2, 2), (2, 4), (0, 4)]
TRIANGLES = "0 1 2 0 2 3 0 3 5 3 4 5"
HOUSE = f"""<mujoco>
  <compiler angle="radian"/>
  <default>
    <default class="__VISUAL_MJT__"><geom contype="0" conaffinity="0" group="0"/></default>
    <default class="__DYNAMIC_MJT__"><geom group="4"/></default>
    <default class="__STRUCTURAL_WALL_MJT__"><geom group="3"/></default>
  </default>
  <asset>
    <mesh name="room_4" inertia="shell" vertex="{"  ".join(f"{x} 0 {-y}" for x, y in ELL)}" face="{TRIANGLES}"/>
  </asset>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 0.01" pos="0 0 0.1" group="4"/>
    <body name="room_4" pos="0 0 0.1" {UNITY}><geom class="__VISUAL_MJT__" type="mesh" mesh="room_4"/></body>
    <body name="room_7" pos="6 1 0.1"><geom class="__VISUAL_MJT__" type="box" size="1 1 0.001"/></body>
    <body name="wall_4_0" pos="0 2 1.3">
      <geom class="__VISUAL_MJT__" type="box" size="0.05 2 1.2"/>
      <geom class="__STRUCTURAL_WALL_MJT__" type="box" size="0.05 2 1.2"/>
    </body>
    <body name="table_aa_1_0_4" pos="1 1 0.1" {UNITY}>
      <freejoint/>
      <geom class="__VISUAL_MJT__" type="box" size="0.6 0.35 0.4" pos="0 0.35 0"/>
      <geom class="__DYNAMIC_MJT__" type="box" size="0.6 0.35 0.4" pos="0 0.35 0"/>
      <site name="table_aa_1_0_4_site" type="box" size="0.5 0.1 0.3" pos="0 0.8 0"/>
      <body name="table_aa_1_1_4" pos="0 0.5 0.42">
        <joint type="slide" axis="0 0 1" range="0 0.3"/>
        <geom class="__VISUAL_MJT__" type="box" size="0.2 0.05 0.02"/>
      </body>
    </body>
    <body name="mug_bb_1_0_4" pos="1.2 1.1 0.85" {UNITY}>
      <freejoint/>
      <geom class="__VISUAL_MJT__" type="cylinder" size="0.04 0.05" euler="1.5707963267948966 0 0" rgba="0 0.1 0.8 1"/>
      <geom class="__DYNAMIC_MJT__" type="box" size="0.03 0.05 0.03"/>
    </body>
    <body name="obja_cc_1_0_7" pos="6 1 0.15">
      <freejoint/><geom type="box" size="0.05 0.05 0.05" rgba="1 0 0 1"/>
    </body>
    <body name="obja_dd_1_0_7" pos="6.3 1.2 0.15">
      <freejoint/><geom type="box" size="0.05 0.03 0.05" rgba="1 0 0 1"/>
    </body>
    <body name="window_ee_1_0_4" pos="0.05 2 1.5"><geom type="box" size="0.01 0.5 0.5"/></body>
  </worldbody>
</mujoco>"""
METADATA = {
    "table_aa_1_0_4": {"asset_id": "Dining_Table_1", "category": "DiningTable", "is_static": False, "room_id": 4},
    "mug_bb_1_0_4": {"asset_id": "Mug_1", "category": "Mug", "is_static": False, "object_enum": "thor", "room_id": 4},
    "obja_cc_1_0_7": {"asset_id": "uid-c", "category": "obja_thing", "object_enum": "objaverse", "room_id": 7},
    "obja_dd_1_0_7": {"asset_id": "uid-d", "category": "ToyBlock", "object_enum": "objaverse", "room_id": 7},
    "window_ee_1_0_4": {"asset_id": "Window_1", "category": "Window", "is_static": True, "room_id": 4},
    "gone_ff_1_0_4": {"asset_id": "Gone_1", "category": "Mug", "is_static": False, "room_id": 4},
}
NOTES = {
    "uid-c": {
        "assetId": "uid-c", "category": "gift box", "description_short": {"two_words": "red gift box"},
        "license_info": {"license": "by-nc", "creator_display_name": "Ada", "uri": "test:ada"},
    },
}  # fmt: skip


def write(root: Path, house: str = HOUSE, metadata: Any = None, key: str = "ithor/FloorPlan1_physics") -> Path:
    file = root / "scenes" / f"{key}.xml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(house)
    records = METADATA if metadata is None else metadata
    (file.parent / f"{file.stem}_metadata.json").write_text(json.dumps({"objects": records}))
    notes = root / "objects" / "objathor_metadata" / "objects_metadata.json"
    notes.parent.mkdir(parents=True, exist_ok=True)
    notes.write_text(json.dumps(NOTES))
    return file


def compose(root: Path, number: int = 0, test: bool = True, **fields: Any) -> Scene:
    world = MolmoWorld(folder=str(root), **{"held_out": 1.0, "objects": (1, 60), **fields})
    return molmospaces.compose("house", world, number, 128, np.random.default_rng(0), held_out=test)


def test_the_example_of_the_package_is_one_red_block_on_a_floor() -> None:
    scene = compose(SAMPLE)
    assert [item.name for item in scene.objects] == ["room", "block_1"]
    block, info = scene["block_1"], assets.info(scene["block_1"].asset)
    assert_allclose(block.position, (0.4, 0, 0), atol=1e-7)
    assert_allclose(block.box.size, 0.05, atol=1e-7)
    assert (block.caption, block.caption_zh, info.name) == ("red block", "红色方块", "red wooden block")
    assert (info.symmetry, info.licence) == (4, "NOASSERTION")
    rested, reason = bring_to_rest(scene, MujocoSimulator(), 1)
    assert rested is not None, reason
    assert rested["block_1"].support == "room"


def test_a_scene_with_one_thing_is_seen_from_where_that_thing_is_whole() -> None:
    spec = DatasetSpec.model_validate(
        {
            "name": "sample", "version": "1.0.0", "seed": 3, "image_size": 256,
            "world": {
                "kind": "molmospaces", "folder": str(SAMPLE), "held_out": 1.0, "objects": [1, 60], "views": 2,
                "eye_height_m": [0.4, 0.6], "pitch_degrees": [10, 60], "fov_degrees": [24, 34],
            },
            "splits": {"test": {"counts": {"CM": 1}}},
        }
    )  # fmt: skip
    rays = RayCaster()
    found = [it.scene for it in stages(spec, "test", 0, MujocoSimulator(), rays) if it.scene is not None]
    assert len(found) == 2
    for scene in found:
        assert rays.layers(scene).visibility["block_1"].fraction == 1
        here = scene.camera.position
        assert np.abs(here[:2]).max() <= 2 - 0.25
        assert 0.4 <= here[2] <= 0.6
        assert all(np.abs(light.position[:2]).max() < 2 for light in scene.lights)


def test_objects_stand_where_the_file_has_them_with_the_floor_at_zero(tmp_path: Path) -> None:
    write(tmp_path)
    scene = compose(tmp_path)
    assert [(item.name, item.instance, item.static) for item in scene.objects] == [
        ("room", 0, True), ("table_1", 1, True), ("window_1", 0, True), ("mug_1", 2, False),
        ("gift_box_1", 3, False), ("toy_block_1", 4, False),
    ]  # fmt: skip
    mug, table = scene["mug_1"], scene["table_1"]
    assert_allclose(mug.box.centre, (1.2, 1.1, 0.75), atol=1e-6)
    assert_allclose(mug.box.size, (0.08, 0.08, 0.1), atol=2e-3)
    assert_allclose(mug.rotation, np.eye(3), atol=1e-9)
    # With its drawer, which is no thing of its own, 0.04 m before the front (towards -y).
    assert_allclose(table.box.size, (1.2, 0.84, 0.7), atol=1e-6)
    assert_allclose(table.box.centre, (1, 0.98, 0.35), atol=1e-6)
    (top,) = places(table)
    assert_allclose(top.centre, (1, 1, 0.7), atol=1e-5)
    assert_allclose(top.half, (0.5, 0.3), atol=0.05)
    assert assets.info(mug.asset).color == "blue"
    rested, reason = bring_to_rest(scene, MujocoSimulator(), 1)
    assert rested is not None, reason
    assert [item.support for item in rested.movable] == ["table_1", "room", "room"]


@pytest.mark.parametrize("faces", [TRIANGLES, " ".join(TRIANGLES.split()[::-1])])
def test_rooms_are_those_of_the_file_the_one_with_most_things_first(tmp_path: Path, faces: str) -> None:
    write(tmp_path, HOUSE.replace(TRIANGLES, faces))
    first, second = rooms_of(compose(tmp_path)["room"].asset)
    assert (first.name, second.name) == ("room_7", "room_4")
    assert first.outline == ()
    assert_allclose(first.middle, (6, 1), atol=1e-6)
    assert_allclose(first.size[:2], (2, 2), atol=1e-6)
    start = min(range(6), key=lambda k: np.hypot(*second.outline[k]))
    outline = np.roll(second.outline, -start, axis=0)
    assert_allclose(outline, ELL, atol=2e-3)
    floors = places(compose(tmp_path)["room"])
    assert_allclose(sorted(floors[1].half), (1, 2), atol=2e-3)  # the largest rectangle of the L


def test_who_made_what_under_which_licence(tmp_path: Path) -> None:
    write(tmp_path)
    scene = compose(tmp_path)
    credits = {name: assets.info(scene[name].asset) for name in ("mug_1", "gift_box_1", "toy_block_1", "room")}
    assert {name: (it.licence, it.author) for name, it in credits.items()} == {
        "mug_1": ("CC-BY-4.0", "Allen Institute for AI"),
        "gift_box_1": ("CC-BY-NC-4.0", "Ada"),
        "toy_block_1": ("NOASSERTION", "unknown"),
        "room": ("CC-BY-4.0", "Allen Institute for AI"),
    }
    assert credits["gift_box_1"].source == "test:ada"
    assert all(str(tmp_path) not in str(asdict(it)) for it in credits.values())


def test_only_so_many_things_move_those_of_the_main_room_first(tmp_path: Path) -> None:
    write(tmp_path)
    assert [item.name for item in compose(tmp_path, objects=(1, 2)).movable] == ["gift_box_1", "toy_block_1"]


def test_houses_are_taken_in_turn_and_never_by_two_kinds_of_split(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path, key=f"ithor/FloorPlan{number}_physics")

    def taken(test: bool) -> list[str]:
        return [compose(tmp_path, k, test, held_out=0.4)["room"].asset for k in range(24)]

    test, train = taken(True), taken(False)
    assert len({*test, *train}) == 12
    assert not {*test} & {*train}
    assert test[: len({*test})] == test[len({*test}) : 2 * len({*test})]


def test_a_house_with_a_ceiling_is_taken_with_it(tmp_path: Path) -> None:
    file = write(tmp_path)
    lid = '<body name="ceiling_4" pos="2 2 2.6"><geom class="__VISUAL_MJT__" type="box" size="2 2 0.01"/></body>'
    file.with_name(f"{file.stem}_ceiling.xml").write_text(HOUSE.replace("</worldbody>", f"{lid}</worldbody>"))
    shell = assets.get(compose(tmp_path)["room"].asset)
    assert_allclose(shell.info.size[2], 2.51, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda file: file.unlink(), WorldError, "no scenes in .*holds scenes/"),
        (lambda file: file.write_text("<mujoco>"), AssetError, "is no XML"),
        (lambda file: file.write_text(HOUSE.replace("<mesh ", '<mesh file="gone.obj" ')), AssetError, "is not there"),
        (lambda file: file.write_text(HOUSE.replace("_aa_", "_a_").replace("_bb_", "_b_")), None, ""),
        (
            lambda file: file.with_name(f"{file.stem}_metadata.json").write_text("{"),
            AssetError,
            "_metadata.json: .*download the scene again",
        ),
        (
            lambda file: file.with_name(f"{file.stem}_metadata.json").write_text('{"objects": {"a": {"room_id": 1}}}'),
            AssetError,
            "objects.a.category",
        ),
        (
            lambda file: file.with_name(f"{file.stem}_metadata.json").write_text(
                '{"objects": {"x": {"category": "Mug"}}}'
            ),
            AssetError,
            "names no body",
        ),
        (
            lambda file: file.with_name(f"{file.stem}_metadata.json").write_text(
                json.dumps({"objects": {"window_ee_1_0_4": METADATA["window_ee_1_0_4"]}})
            ),
            SceneError,
            "nothing that can be moved",
        ),
        (
            lambda file: (file.parents[2] / "objects/objathor_metadata/objects_metadata.json").write_text("[1]"),
            AssetError,
            "no table of assets",
        ),
    ],
)
def test_what_is_missing_or_broken_is_said_with_the_file_and_the_remedy(
    tmp_path: Path, change: Callable[[Path], Any], error: type[Exception] | None, said: str
) -> None:
    change(write(tmp_path))
    if error is None:  # bodies that the metadata does not know are part of the house
        assert [item.name for item in compose(tmp_path).movable] == ["gift_box_1", "toy_block_1"]
        return
    with pytest.raises(error, match=said) as caught:
        compose(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_library_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "sample")
    index = tmp_path / "sample" / "asset_library" / "assets_index.json"
    index.write_text('{"red_block": {"metadata_path": "../../secret.json"}}')
    (tmp_path / "secret.json").write_text("{}")
    with pytest.raises(AssetError, match="leads out of"):
        compose(tmp_path / "sample")


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ("by", "CC-BY-4.0"), ("by-nc-sa", "CC-BY-NC-SA-4.0"), ("CC BY-SA 3.0", "CC-BY-SA-3.0"), ("cc0", "CC0-1.0"),
        ("CC BY 4.0", "CC-BY-4.0"), ("https://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"), ("Apache-2.0", "Apache-2.0"),
        ("all rights reserved", "NOASSERTION"), ("", ""),
    ],
)  # fmt: skip
def test_licences_get_their_spdx_identifier(words: str, licence: str) -> None:
    assert spdx(words) == licence


@pytest.mark.parametrize(
    ("object_type", "note", "word"),
    [
        ("TVStand", Note(), "television stand"), ("ToyTruck", Note(), "toy truck"),
        ("WateringCan", Note(), "watering can"),
        ("obja_3", Note(category="Coffee_Table"), "coffee table"), ("obja", Note(category="x12", lemma="mug"), "mug"),
        ("obja", Note(category="Ukulele-2"), "ukulele"), ("Harmonica_01", Note(), "harmonica"),
    ],
)  # fmt: skip
def test_nouns(object_type: str, note: Note, word: str) -> None:
    assert noun_for(object_type, note) == word


@pytest.fixture(scope="module")
def furnished() -> Scene:
    world = RoomWorld(rooms=("living room",), connected=(2, 2), objects=(16, 20))
    rested, reason = bring_to_rest(room.compose("h", world, 256, np.random.default_rng(4)), MujocoSimulator(), 3)
    assert rested is not None, reason
    return rested


@pytest.fixture(scope="module")
def folder(furnished: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("molmospaces")
    House(root, furnished).write()
    return root


@pytest.mark.slow
def test_a_house_written_down_comes_back_as_it_was(furnished: Scene, folder: Path) -> None:
    scene = compose(folder)
    assert len(scene.objects) == len(furnished.objects)
    for item in furnished.objects[1:]:
        found = min(scene.objects[1:], key=lambda it: float(np.linalg.norm(it.box.centre - item.box.centre)))
        assert found.category == item.category
        assert np.linalg.norm(found.box.centre - item.box.centre) < 1e-4
        assert_allclose(found.rotation, item.rotation, atol=1e-4)
        assert_allclose(found.box.size, item.box.size, atol=1e-4)
        mine, theirs = ([place.receptacle for place in places(it)] for it in (item, found))
        assert len(mine) == len(theirs)
        assert_allclose(sorted(it.floor for it in mine), sorted(it.floor for it in theirs), atol=1e-3)
    assert rooms_of(scene["room"].asset)[0].outline == ()


@pytest.mark.slow
def test_a_house_gives_rows_of_every_operation_that_pass_the_independent_check(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = painting_tools()
    monkeypatch.setattr(pipeline, "tools", lambda renderer: tools)
    spec = DatasetSpec.model_validate(
        {
            "name": "houses", "version": "1.0.0", "seed": 5, "image_size": 512,
            "world": {"kind": "molmospaces", "folder": str(folder), "held_out": 1.0, "views": 2},
            "edits": {"per_operation": 1}, "splits": {"test": {"counts": {"CM": 1}}},
        }
    )  # fmt: skip
    wanted = frozenset(("CM", "OP", "OR", "OS", "PC", "SR", "RP"))
    rows: list[Triplet] = []
    for index in range(3):
        rows += pipeline.make_scene(spec, "test", index, "painter", wanted).rows
    assert len(rows) >= 14
    assert len(Counter(row.operation for row in rows)) >= 6
    for row in rows:
        written = row.to_example()
        # The colours are painted by instance, so all but what is measured from them again.
        assert audit.others_still(written) == 0
        assert audit.unambiguous(written)
        assert audit.true_to_words(written)
        for seen, key in (
            (audit.view(written, "source"), "objects_before"),
            (audit.view(written, "target"), "objects_after"),
        ):
            for item in written[key]:
                if item["movable"] and item["visibility"] > 0.97:
                    assert audit.box_agreement(item, seen).inside > 0.99, (row.id, item["name"])
    made = json.loads(rows[0].provenance)
    assert made["world"] == "molmospaces"
    assert {it["licence"] for it in made["assets"]} == {"CC-BY-SA-4.0", "CC-BY-4.0"}
    assert all(str(folder) not in row.provenance + row.parameters for row in rows)
