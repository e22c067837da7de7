"""Scenes of the user's own: a folder made here of primitives and packaged models becomes triplets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gsi_datasets import assets
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.pipeline import make_scene
from gsi_datasets.renderers import available
from gsi_datasets.scene import Scene
from gsi_datasets.spec import DatasetSpec
from gsi_datasets.worlds import folder
from gsi_datasets.worlds.specs import FolderWorld, SceneError, WorldError


trimesh = pytest.importorskip("trimesh")
pytest.importorskip("coacd")
Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
TOP = 0.74


def block(size: tuple[float, float, float], at: tuple[float, float, float] = (0, 0, 0)) -> Any:
    return trimesh.creation.box(size, trimesh.transformations.translation_matrix(at))


def save(path: Path, *colored: tuple[Any, tuple[int, int, int]]) -> None:
    """Write meshes (z up) as glTF (y up), each in one colour."""
    scene = trimesh.Scene()
    for mesh, color in colored:
        mesh = mesh.copy()
        material = trimesh.visual.material.PBRMaterial(baseColorFactor=(*color, 255), metallicFactor=0.0)
        mesh.visual = trimesh.visual.TextureVisuals(material=material)
        mesh.apply_transform(Y_UP)
        scene.add_geometry(mesh)
    scene.export(path)


def save_packaged(path: Path, asset_id: str) -> None:
    """Write a packaged model as OBJ (z up)."""
    parts = assets.get(asset_id).parts
    trimesh.util.concatenate([trimesh.Trimesh(part.vertices, part.faces, process=False) for part in parts]).export(
        path
    )


def thing(file: str, category: str, at: tuple[float, float, float], **more: Any) -> dict[str, Any]:
    return {"file": file, "category": category, "position": at} | more


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with things on it."""
    root = tmp_path_factory.mktemp("own")
    legs = [block((0.06, 0.06, 0.7), (x, y, 0.35)) for x in (-0.62, 0.62) for y in (-0.32, 0.32)]
    save(
        root / "table.glb", (trimesh.util.concatenate([block((1.4, 0.8, 0.04), (0, 0, 0.72)), *legs]), (150, 100, 60))
    )
    save(root / "box.glb", (block((0.12, 0.08, 0.06)), (60, 90, 180)), (block((0.121, 0.02, 0.061)), (230, 220, 80)))
    save(root / "ball.glb", (trimesh.creation.icosphere(2, 0.05), (240, 140, 20)))
    rims = [block((0.4, 0.01, 0.03), (0, s * 0.135, 0.015)) for s in (-1, 1)]
    rims += [block((0.01, 0.26, 0.03), (s * 0.195, 0, 0.015)) for s in (-1, 1)]
    save(root / "tray.glb", (trimesh.util.concatenate([block((0.4, 0.28, 0.01), (0, 0, 0.005)), *rims]), (90, 60, 40)))
    save_packaged(root / "can.obj", "param/can/7")
    save_packaged(root / "book.obj", "param/book/3")
    tray = {"floor": 0.01, "half_extents": [0.18, 0.12], "rim": 0.03}
    scene = {
        "objects": [
            thing("table.glb", "table", (0, 0, 0), static=True),
            thing("can.obj", "can", (-0.4, 0.1, TOP), licence="CC0-1.0", author="its maker"),
            thing("can.obj", "can", (-0.15, -0.2, TOP), yaw_degrees=120),
            thing("box.glb", "box", (0.1, 0.2, TOP), yaw_degrees=30, color="blue", caption="blue box with a band"),
            thing("ball.glb", "ball", (0.5, 0.22, TOP), symmetry=0),
            thing("book.obj", "book", (0.12, -0.15, TOP)),
            thing("tray.glb", "tray", (0.45, -0.12, TOP), receptacle=tray),
        ]
    }
    (root / "table.scene.json").write_text(json.dumps(scene))
    return root


def composed(root: Path, number: int = 0) -> Scene:
    world = FolderWorld(folder=str(root), held_out=1)
    return folder.compose("own", world, number, 128, np.random.default_rng(number), held_out=True)


def test_things_stand_where_the_file_says(own: Path) -> None:
    scene = composed(own)
    box, table = scene["box_1"], scene["table_1"]
    np.testing.assert_allclose(box.position, [0.1, 0.2, TOP])
    np.testing.assert_allclose(box.box.size, [0.121, 0.08, 0.061], atol=1e-6)
    assert box.rotation[1, 0] == pytest.approx(0.5)
    place = assets.info(table.asset).receptacle
    assert place is not None
    assert place.floor == pytest.approx(TOP, abs=1e-4)
    np.testing.assert_allclose(place.half_extents, [0.7, 0.4], atol=1e-4)
    can = assets.info(scene["can_1"].asset)
    assert (can.licence, can.author) == ("CC0-1.0", "its maker")
    assert not can.receptacle, "only what is static is looked at for a flat top"


def test_what_is_hollow_stays_hollow(own: Path) -> None:
    tray = assets.get(composed(own)["tray_1"].asset)
    middle = np.array([0.0, 0.0, 0.02])
    inside = [np.all(middle >= hull.min(axis=0)) and np.all(middle <= hull.max(axis=0)) for hull in tray.hulls]
    assert len(tray.hulls) == 5
    assert not any(inside)


def test_views_differ_and_show_the_things(own: Path) -> None:
    cameras = [composed(own, number).camera for number in range(4)]
    places = np.array([camera.position for camera in cameras])
    assert np.linalg.norm(places[:, None] - places[None], axis=-1)[np.triu_indices(4, 1)].min() > 0.1


def test_given_cameras_are_taken_in_turn(own: Path, tmp_path: Path) -> None:
    described = json.loads((own / "table.scene.json").read_text())
    described["cameras"] = [{"position": [0, y, 1.5], "look_at": [0, 0, 0.7]} for y in (-1.4, 1.4)]
    for path in own.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "table.scene.json").write_text(json.dumps(described))
    ends = [composed(tmp_path, number).camera.position[1] for number in range(3)]
    np.testing.assert_allclose(ends, [-1.4, 1.4, -1.4])


@pytest.mark.slow
def test_a_folder_becomes_triplets(own: Path) -> None:
    if not (probe := available()["gl"]).ok:
        pytest.skip(f"gl does not work here: {probe.detail}")
    world = FolderWorld(folder=str(own), held_out=1)
    counts: Any = dict.fromkeys(("CM", "OP", "RP", "OS", "SR", "PC"), 2)
    spec = DatasetSpec(name="own_scenes", image_size=192, world=world, splits={"test": {"counts": counts}})  # type: ignore[dict-item]
    found: Counter[str] = Counter()
    for number in range(4):
        for row in make_scene(spec, "test", number, "gl", frozenset(counts)).rows:
            found[row.operation] += 1
            assert str(own) not in repr({name: value for name, value in row if not isinstance(value, bytes)})
    assert sum(found.values()) >= 10, found
    assert set(found) >= {"CM", "OP", "RP", "OS", "SR"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scene: scene["objects"][1].update(file="../can.obj"), r"objects\.1\.file: must be a path below"),
        (lambda scene: scene["objects"][1].update(file="/etc/passwd"), r"objects\.1\.file: must be a path below"),
        (lambda scene: scene["objects"][1].update(categry="mug"), r"objects\.1\.categry"),
        (lambda scene: scene["objects"][1].update(position=[0, 0]), r"objects\.1\.position"),
        (lambda scene: scene["objects"][1].update(category="Mug!"), r"objects\.1\.category"),
        (lambda scene: scene["objects"][1].update(size=[1, 1, 1], scale=2), r"objects\.1: size must be positive, and"),
        (lambda scene: [item.update(static=True) for item in scene["objects"]], r"none of them can be moved"),
        (lambda scene: [item.update(name="one") for item in scene["objects"][:2]], r"names repeat"),
    ],
)
def test_a_broken_scene_names_its_field(
    own: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    for path in own.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    scene = json.loads((own / "table.scene.json").read_text())
    change(scene)
    (tmp_path / "table.scene.json").write_text(json.dumps(scene))
    with pytest.raises(SceneError, match=rf"table\.scene\.json: (objects: )?.*{message}"):
        composed(tmp_path)


def one_thing(root: Path, file: str, content: bytes, **more: Any) -> Path:
    (root / file).write_bytes(content)
    (root / "x.scene.json").write_text(json.dumps({"objects": [thing(file, "mug", (0, 0, 0), **more)]}))
    return root


def test_files_that_cannot_be_used_are_named(own: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"mug\.glb: cannot be read .*export it again"):
        composed(one_thing(tmp_path, "mug.glb", b"glTF but not really"))
    with pytest.raises(AssetError, match=r"mug\.txt: is no \.glb"):
        composed(one_thing(tmp_path, "mug.txt", b"hello"))
    with pytest.raises(AssetError, match=r"empty\.obj: (cannot be read|holds no triangles)"):
        composed(one_thing(tmp_path, "empty.obj", b"v 0 0 0\n"))
    with pytest.raises(AssetError, match=r"mug\.obj: would be .* m; mend its `scale`"):
        composed(one_thing(tmp_path, "mug.obj", (own / "can.obj").read_bytes(), scale=1000))
    with pytest.raises(AssetError, match=r"leak\.obj: names a file outside"):
        composed(one_thing(tmp_path, "leak.obj", b"mtllib ../secret.mtl\n" + (own / "can.obj").read_bytes()))
    (tmp_path / "x.scene.json").unlink()
    with pytest.raises(WorldError, match=r"holds no \*\.scene\.json file; docs/own_scenes\.md"):
        composed(tmp_path)


def test_the_schema_can_be_printed() -> None:
    schema = folder.OwnScene.model_json_schema()
    assert set(schema["$defs"]["OwnObject"]["required"]) == {"file", "category", "position"}
