"""MJCF models as assets: MuJoCo's rules hold, shapes are exact, and no file outside the folder is touched."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from gsi_datasets.assets import mjcf
from gsi_datasets.assets.appearance import colour_of, symmetry_of
from gsi_datasets.assets.asset import Asset, AssetInfo
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.mjcf import Frame, Model
from gsi_datasets.assets.sites import place_in


QUAD = """
v 0 0 0
v 1 0 0
v 1 0 1
v 0 0 1
v 0.5 0.5 0.5
vt 0 0
vt 1 0
vt 1 1
vt 0 1
f 1/1 2/2 3/3
f 1/1 3/3 4/4
f 1/1 5/1 2/2
f 2/2 5/2 3/3
f 3/3 5/3 4/4
f 4/4 5/4 1/1
"""


def read(folder: Path, world: str, head: str = "") -> Model:
    file = folder / "model.xml"
    file.write_text(f"<mujoco>{head}<worldbody>{world}</worldbody></mujoco>")
    return mjcf.load(file, folder)


def geoms(model: Model, name: str) -> tuple[list[int], list[int]]:
    return model.geoms_of(np.arange(model.model.nbody) == model.bodies[name])


SHAPES = {
    "box": ("0.1 0.2 0.3", (0.1, 0.2, 0.3)),
    "sphere": ("0.2", (0.2, 0.2, 0.2)),
    "ellipsoid": ("0.1 0.2 0.3", (0.1, 0.2, 0.3)),
    "cylinder": ("0.1 0.3", (0.1, 0.1, 0.3)),
    "capsule": ("0.1 0.3", (0.1, 0.1, 0.4)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_primitives_are_drawn_and_collide_at_their_size_where_they_are(tmp_path: Path, shape: str) -> None:
    size, half = SHAPES[shape]
    turned = "0.70710678118654757 0 0 0.70710678118654757"  # a quarter turn about z
    world = f'<body name="b" pos="1 2 3" quat="{turned}"><geom type="{shape}" size="{size}" pos="0 0 1"/></body>'
    model = read(tmp_path, world)
    drawn, solid = geoms(model, "b")
    expected = np.array([half[1], half[0], half[2]])
    hull = model.hulls(solid, Frame())[0]
    for low, high in (mjcf.bounds(model.parts(drawn, Frame())), (hull.min(axis=0), hull.max(axis=0))):
        assert_allclose(low, np.array([1, 2, 4]) - expected, atol=2e-3)
        assert_allclose(high, np.array([1, 2, 4]) + expected, atol=2e-3)
    own = Frame(model.data.xpos[model.bodies["b"]], model.rotation(model.bodies["b"]))
    low, high = mjcf.bounds(model.parts(drawn, own))
    assert_allclose((high - low) / 2, half, atol=2e-3)


def test_boxes_stay_exact_boxes(tmp_path: Path) -> None:
    model = read(
        tmp_path,
        '<body name="b" quat="0.5 0.5 0.5 0.5"><geom type="box" size="0.013 0.027 0.031" pos=".1 .2 .3"/></body>',
    )
    frame = Frame(np.array([0.3, 0.1, 0.7]), mjcf.upright(model.rotation(1)))
    hull = model.hulls([0], frame)[0]
    assert [len(np.unique(hull[:, k])) for k in range(3)] == [2, 2, 2]


def test_textures_lie_the_right_way_up_and_normals_outwards(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[:2], pixels[2:] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "look.png")
    (tmp_path / "quad.obj").write_text(QUAD)
    head = (
        '<asset><texture name="t" type="2d" file="look.png"/><material name="m" texture="t" rgba="1 1 1 0.5"/>'
        '<mesh name="q" file="quad.obj"/></asset>'
    )
    world = '<body name="b" pos="5 6 7"><geom type="mesh" mesh="q" material="m"/></body>'
    model = read(tmp_path, world, head)
    (part,) = model.parts([0], Frame(np.array([5.0, 6, 7])))
    top, bottom = part.vertices[:, 2] > 0.9, part.vertices[:, 2] < 0.1
    assert_allclose(part.uvs[top, 1], 1, atol=1e-6)
    assert_allclose(part.uvs[bottom, 1], 0, atol=1e-6)
    assert part.material.texture is not None
    assert part.material.texture[0, 0].tolist() == [255, 0, 0]  # what is at v = 1
    assert part.material.opacity == 0.5
    assert sorted(map(tuple, np.unique(np.round(part.vertices, 6), axis=0).tolist())) == sorted(
        [(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1), (0.5, 0.5, 0.5)]
    )
    middle = part.vertices.mean(axis=0)
    corner = part.vertices[part.faces].astype(float)
    outward = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert (np.einsum("ij,ij->i", outward, corner.mean(axis=1) - middle) > 0).all()


def test_groups_say_what_is_drawn_and_contacts_what_collides(tmp_path: Path) -> None:
    world = (
        '<body name="b"><geom name="look" type="sphere" size="1" contype="0" conaffinity="0"/>'
        '<geom name="solid" type="box" size="1 1 1" group="4"/>'
        '<geom name="ghost" type="box" size="2 2 2" rgba="1 1 1 0"/></body>'
        '<body name="ghostly"><geom type="box" size="1 1 1" group="4"/></body>'
        '<body name="airy"><geom type="box" size="1 1 1" contype="0" conaffinity="0"/></body>'
    )
    model = read(tmp_path, world)
    assert geoms(model, "b") == ([0], [1])
    assert geoms(model, "ghostly") == ([3], [3])
    assert geoms(model, "airy") == ([4], [4])


def test_nothing_is_thrown_away_or_refused_for_how_it_would_move(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    head = '<compiler discardvisual="true" fusestatic="true"/>'
    world = (
        '<body name="b"><geom type="sphere" size="1" contype="0" conaffinity="0" group="1" mass="0"/></body>'
        '<body name="odd"><freejoint/><inertial pos="0 0 0" mass="1e-9" diaginertia="1 0.1 0.1"/>'
        '<geom type="box" size="1 1 1"/></body>'
    )
    model = read(tmp_path, world, head)
    assert list(model.bodies) == ["world", "b", "odd"]
    assert geoms(model, "b") == ([0], [0])
    assert not recwarn
    assert capfd.readouterr() == ("", "")


def test_a_body_with_y_up_gets_z_up_and_its_front_towards_minus_y() -> None:
    unity = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up in the world
    assert_allclose(mjcf.upright(unity), np.eye(3))
    assert_allclose(mjcf.upright(np.eye(3)), np.eye(3))
    rng = np.random.default_rng(1)
    for _ in range(50):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        axes = mjcf.upright(turn)
        assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(axes) > 0
        assert axes[2, 2] > 1 / np.sqrt(3) - 1e-9
        assert_allclose(np.sort(np.abs(turn.T @ axes), axis=0), [[0] * 3, [0] * 3, [1] * 3], atol=1e-12)


def test_sheets_get_an_inside() -> None:
    corners = np.array([(0, 0, 0), (1, 0, 1), (1, 2, 1), (0, 2, 0)], dtype=float)
    points = mjcf.convex(corners)
    spec = mujoco.MjSpec()
    spec.add_mesh(name="m", uservert=points.ravel()).inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="m")
    assert spec.compile().nmesh == 1
    assert np.linalg.norm(points[:, None] - corners, axis=-1).min(axis=1).max() < 2e-3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<asset><mesh name="m" file="/etc/passwd"/></asset>', "is no relative path"),
        ('<asset><mesh name="m" file="..\\..\\secret.obj"/></asset>', "is no relative path"),
        ('<asset><mesh name="m" file="C:secret.obj"/></asset>', "is no relative path"),
        ('<asset><mesh name="m" file="../../secret.obj"/></asset>', "leads out of"),
        ('<asset><texture name="t" type="cube" fileright="../../s.png"/></asset>', "leads out of"),
        ('<compiler meshdir="../.."/><asset><mesh name="m" file="secret.obj"/></asset>', "leads out of"),
        ('<compiler meshdir="/etc"/><asset><mesh name="m" file="passwd"/></asset>', "is no relative path"),
        ('<include file="../../secret.xml"/>', "leads out of"),
        ('<asset><model name="m" file="/secret.xml"/></asset>', "is no relative path"),
        ('<asset><mesh name="m" file="gone.obj"/></asset>', "is not there"),
        ('<include file="model.xml"/>', "include itself"),
        ('<asset><model name="m" file="model.xml"/></asset>', "include itself"),
        ("<worldbody>", "is no XML"),
        ("<nonsense/>", "refuses it"),
        ('<worldbody><geom type="box" size="-1 1 1"/></worldbody>', "refuses it"),
    ],
)
def test_hostile_and_broken_models_are_refused_with_the_file_and_a_remedy(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "secret.obj").write_text(QUAD)
    (tmp_path / "secret.xml").write_text("<mujoco/>")
    root = tmp_path / "one" / "scenes"
    root.mkdir(parents=True)
    file = root / "model.xml"
    file.write_text(f"<mujoco>{text}</mujoco>")
    with pytest.raises(AssetError, match=said) as caught:
        mjcf.load(file, root)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_entities_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.xml"
    file.write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><mujoco model="&a;"/>')
    with pytest.raises(AssetError, match="document type"):
        mjcf.load(file, tmp_path)


def test_files_above_the_model_but_in_the_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "quad.obj").write_text(QUAD)
    folder = tmp_path / "scenes" / "some"
    folder.mkdir(parents=True)
    (folder / "part.xml").write_text('<mujoco><asset><mesh name="q" file="../../objects/quad.obj"/></asset></mujoco>')
    world = '<worldbody><geom type="mesh" mesh="q"/></worldbody>'
    (folder / "model.xml").write_text(f'<mujoco><include file="part.xml"/>{world}</mujoco>')
    assert mjcf.load(folder / "model.xml", tmp_path).model.nmesh == 1
    with pytest.raises(AssetError, match="holds both scenes/ and objects/"):
        mjcf.load(folder / "model.xml", folder)


def test_a_site_becomes_a_place_where_what_is_seen_is_solid(tmp_path: Path) -> None:
    world = (
        '<body name="b"><geom type="box" size="0.5 0.3 0.02" pos="0 0 0.7"/>'
        '<geom type="box" size="0.1 0.3 0.2" pos="0.4 0 0.92"/>'  # stands on a part of it
        '<geom type="sphere" size="0.05" pos="0 0 2" contype="0" conaffinity="0"/></body>'
    )
    model = read(tmp_path, world)
    drawn, solid = geoms(model, "b")
    parts, hulls = model.parts(drawn, Frame()), model.hulls(solid, Frame())
    place = place_in(np.array([-0.5, -0.3, 0.72]), np.array([0.5, 0.3, 0.9]), parts, hulls, hollow=False)
    assert place is not None
    assert_allclose(place.floor, 0.72, atol=1e-6)
    assert_allclose(place.centre, (-0.1, 0), atol=0.04)
    assert_allclose(place.half_extents, (0.4, 0.3), atol=0.04)
    assert place.relation == "on"
    assert 1.1 < place.headroom < 1.3  # below the ball
    high = place_in(np.array([-0.5, -0.3, 1.5]), np.array([0.2, 0.3, 1.9]), parts, hulls, hollow=False)
    assert high is None  # the nearest surface lies far below
    ghost = place_in(np.array([-0.04, -0.04, 2.0]), np.array([0.04, 0.04, 2.2]), parts, hulls, hollow=False)
    assert ghost is None  # nothing would rest on it


def test_looks_are_named_only_where_they_are_plain(tmp_path: Path) -> None:
    world = (
        '<body name="cube"><geom type="box" size="0.1 0.1 0.1" rgba="1 0 0 1"/></body>'
        '<body name="slab"><geom type="box" size="0.1 0.05 0.1" rgba="0.2 0.3 0.9 1"/></body>'
        '<body name="disc"><geom type="cylinder" size="0.1 0.05" rgba="0.95 0.95 0.95 1"/></body>'
        '<body name="pair"><geom type="box" size="0.1 0.1 0.1" rgba="1 0 0 1"/>'
        '<geom type="box" size="0.1 0.1 0.1" pos="0.2 0 0" rgba="0 0 1 1"/></body>'
    )
    model = read(tmp_path, world)
    found = {}
    for name in ("cube", "slab", "disc", "pair"):
        drawn, _ = geoms(model, name)
        low, high = mjcf.bounds(model.parts(drawn, Frame()))
        middle = np.array([*(low + high)[:2] / 2, low[2]])
        parts = model.parts(drawn, Frame(middle))
        asset = Asset(AssetInfo("x", "block", "block", "方块", (1, 1, 1)), parts)
        found[name] = colour_of(asset), symmetry_of(asset)
    assert found == {"cube": ("red", 4), "slab": ("blue", 2), "disc": ("white", 0), "pair": ("", 1)}
