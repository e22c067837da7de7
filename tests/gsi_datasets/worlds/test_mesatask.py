"""Layouts of MesaTask-10K: frames, sizes, the published edits, and what is broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gsi_datasets import assets
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.geometry import rotation_z
from gsi_datasets.operations import Candidate, Sight, object_rotation, object_scale
from gsi_datasets.scene import Scene, SceneObject
from gsi_datasets.scenes import bring_to_rest
from gsi_datasets.spec import Edits
from gsi_datasets.worlds import mesatask
from gsi_datasets.worlds.specs import MesaTaskWorld, SceneError, WorldError


pytest.importorskip("coacd")
DATA = Path(__file__).parents[2] / "data" / "mesatask"
SAMPLE = DATA / "transformed" / "office_table" / "office_table_9000"
WORLD = MesaTaskWorld(folder=str(DATA), held_out=1)


def composed(world: MesaTaskWorld = WORLD, seed: int = 0) -> Scene:
    return mesatask.compose("mesa", world, 0, 256, np.random.default_rng(seed), held_out=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(DATA, tmp_path / "data")
    return tmp_path / "data"


def layout_file(root: Path) -> Path:
    return root / "Layout_info" / "office_table" / "office_table_9000" / "layout.json"


def test_boxes_stand_where_the_layout_says() -> None:
    scene, layout = composed(), mesatask.read_layout(layout_file(DATA))
    first = scene["laptop_1"].box.centre
    origin = layout.objects[0].position
    for item, described in zip(scene.movable, layout.objects, strict=True):
        away = np.array(described.position) - np.array(origin)
        np.testing.assert_allclose(item.box.centre - first, 0.01 * away, atol=1e-9)
        np.testing.assert_allclose(item.box.size, 0.01 * np.array(described.size), atol=1e-9)
        assert item.box.centre[2] - item.box.size[2] / 2 == pytest.approx(mesatask.TOP)
    # 25 and 60 degrees, stored as quaternions x y z w.
    np.testing.assert_allclose(scene["book_1"].rotation, rotation_z(np.radians(25)), atol=1e-5)
    np.testing.assert_allclose(scene["pen_1"].rotation, rotation_z(np.radians(60)), atol=1e-5)


def test_meshes_fill_their_boxes() -> None:
    for item in composed().movable:
        low, high = assets.get(item.asset).bounds()
        np.testing.assert_allclose(high - low, item.local_size, atol=1e-5)
        np.testing.assert_allclose(low[2], 0, atol=1e-6)


def test_the_sample_stays_where_it_stands_and_rests_on_the_table() -> None:
    from gsi_datasets.simulators.mujoco import MujocoSimulator

    rested, reason = bring_to_rest(composed(), MujocoSimulator(), 5)
    assert reason is None
    assert rested is not None
    # The sample's plant is a plain sphere, which may roll; everything lies on the table.
    assert {item.support for item in rested.movable} == {"table"}


def test_the_zone_grows_and_keeps_its_things_in_the_middle_as_published() -> None:
    layout = mesatask.read_layout(layout_file(DATA))
    published = mesatask.read_layout(SAMPLE / "origin_layout" / "layout_enlarged_1.05x_1.09y.json")
    zone, old = published.item_placement_zone, layout.item_placement_zone
    ours = mesatask.enlarged(layout, (zone[1] / old[1], zone[3] / old[3]))
    np.testing.assert_allclose(ours.item_placement_zone, zone)
    for mine, theirs in zip(ours.objects, published.objects, strict=True):
        np.testing.assert_allclose(mine.position, theirs.position, atol=1e-9)


def published(variant: str) -> tuple[Scene, dict[str, Any], dict[str, SceneObject]]:
    """The scene before a published edit, what its file says, and the objects after it."""
    before = mesatask.read_layout(SAMPLE / "origin_layout" / "layout_enlarged_1.05x_1.09y.json")
    path = SAMPLE / "variants" / variant
    scene = composed()
    items = mesatask._objects(before, DATA)
    after = {item.name: item for item in mesatask._objects(mesatask.read_layout(path), DATA)}
    kept = [item for item in scene.objects if item.static]
    return replace(scene, objects=(*kept, *items)), json.loads(path.read_text())["operation_meta"], after


def ours(scene: Scene, name: str, propose: Callable[..., Candidate | None], edits: Edits) -> SceneObject:
    candidate = propose(Sight.of(scene), scene[name], edits, np.random.default_rng(0))
    assert candidate is not None
    return candidate.after[name]


def test_a_published_turn_is_ours() -> None:
    scene, facts, after = published("001_4_pen_0_rotate.json")
    turned = ours(scene, "pen_1", object_rotation, Edits(rotate_degrees=(facts["degrees"],)))
    np.testing.assert_allclose(turned.rotation, after["pen_1"].rotation, atol=1e-6)
    np.testing.assert_allclose(turned.box.centre, after["pen_1"].box.centre, atol=1e-9)


def test_a_published_scale_is_ours_but_nothing_sinks_into_the_table() -> None:
    scene, facts, after = published("002_5_plant_0_scale.json")
    grown = ours(scene, "plant_1", object_scale, Edits(scale_factors=(facts["factor"],)))
    np.testing.assert_allclose(grown.box.size, after["plant_1"].box.size, atol=1e-9)
    np.testing.assert_allclose(grown.box.centre[:2], after["plant_1"].box.centre[:2], atol=1e-9)
    # Published: the middle keeps its height, so that half of the growth (6 cm) is in the table.
    assert grown.box.centre[2] - after["plant_1"].box.centre[2] == pytest.approx(0.06)


def test_a_published_move_goes_where_our_axes_say() -> None:
    scene, facts, after = published("003_2_mug_0_move.json")
    assert facts["direction"] == "forward"
    away = after["mug_1"].position - scene["mug_1"].position
    # The published words say whole centimetres, the published layout does not keep to them.
    np.testing.assert_allclose(away, [0, 0.01 * facts["delta_cm"], 0], atol=5e-5)
    # Away in the layout is away from the front camera.
    forward = scene.camera.extrinsics[2, :3] * np.array([1, 1, 0])
    np.testing.assert_allclose(forward / np.linalg.norm(forward), [0, 1, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("a plain mug (sample asset)", "plain mug"),
        ("The tall green bottle.", "tall green bottle"),
        ("A mug that somebody has made of very old grey clay and that has a handle", "mug"),
        ("", "mug"),
    ],
)
def test_captions_become_noun_phrases(caption: str, words: str) -> None:
    assert mesatask.short(caption, "mug") == words


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda layout: layout.pop("objects"), "objects"),
        (lambda layout: layout["objects"][1].update(size=[1, 2, -3]), r"objects\.1\.size\.2"),
        (lambda layout: layout["objects"][1].update(position=[1, 2, float("nan")]), r"objects\.1\.position\.2"),
        (lambda layout: layout["objects"][2].update(rotation=[0, 0, 0, 0]), r"objects\.2: rotation"),
        (lambda layout: layout["objects"][0].update(retrieved_uid="../../etc/passwd"), r"objects\.0\.retrieved_uid"),
        (lambda layout: layout.update(item_placement_zone=[5, 1, 0, 9]), "file: item_placement_zone"),
    ],
)
def test_a_broken_layout_names_its_field(copy: Path, change: Callable[[dict[str, Any]], Any], field: str) -> None:
    path = layout_file(copy)
    layout = json.loads(path.read_text())
    change(layout)
    path.write_text(json.dumps(layout))
    with pytest.raises(SceneError, match=rf"layout\.json: {field}"):
        composed(MesaTaskWorld(folder=str(copy), held_out=1))


def test_what_is_missing_is_said_once_with_its_remedy(copy: Path) -> None:
    world = MesaTaskWorld(folder=str(copy), held_out=1)
    (copy / "Assets_library" / "00000000000000000000000000000a02.glb").unlink()
    with pytest.raises(AssetError, match=r"a02\.glb: is missing; join and unpack"):
        composed(world)
    shutil.rmtree(copy / "Layout_info")
    with pytest.raises(WorldError, match=r"holds no Layout_info.*doctor"):
        composed(world)


def test_no_path_is_in_the_assets_ids() -> None:
    assert all(str(DATA) not in item.asset for item in composed().objects)
