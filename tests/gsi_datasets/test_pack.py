"""The shipped pack: complete, metric, well formed, credited, and honest about damage."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gsi_datasets.assets import AssetError, pack
from gsi_datasets.assets.vocabulary import CATEGORIES


INFOS = pack.infos()
TABLETOP = sorted(key for key, info in INFOS.items() if info.kind == "tabletop")
FURNITURE = sorted(key for key, info in INFOS.items() if info.kind == "furniture")


def test_there_is_enough_to_build_scenes_from() -> None:
    assert len(TABLETOP) >= 110
    assert len(FURNITURE) >= 50
    assert len(TABLETOP) + len(FURNITURE) == len(INFOS)
    assert len({INFOS[key].category for key in TABLETOP}) >= 60


def test_the_pack_stays_small() -> None:
    assert sum(path.stat().st_size for path in pack.FOLDER.iterdir()) < 12_000_000


def test_words_and_credits_are_complete() -> None:
    captions = [info.caption for info in INFOS.values()]
    assert len(set(captions)) == len(captions)
    for key, info in INFOS.items():
        assert info.category in CATEGORIES, key
        assert info.caption == info.caption.strip() != "", key
        assert not info.caption.lower().startswith(("a ", "an ", "the ")), key
        assert any("\u4e00" <= letter <= "\u9fff" for letter in info.caption_zh), key
        assert info.licence in ("CC0-1.0", "CC-BY-3.0", "CC-BY-3.0-US"), key
        assert min(len(info.author), len(info.name), len(info.source)) > 0, key
        assert info.symmetry in (0, 1, 2, 4), key
        assert 0.005 <= info.mass <= 500, key


def test_every_model_is_named_in_the_attribution() -> None:
    text = (pack.FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    rows = {row.split("|")[1].strip(): row for row in text.splitlines() if row.startswith("| pack/")}
    assert rows.keys() == INFOS.keys()
    for key, info in INFOS.items():
        assert info.author in rows[key], key
        assert info.licence in rows[key], key


def test_tabletop_models_fit_on_a_table() -> None:
    for key in TABLETOP:
        assert max(INFOS[key].size) <= 0.4505, key
        assert min(INFOS[key].size) > 0.001, key


@pytest.mark.parametrize("key", TABLETOP + FURNITURE)
def test_model_is_well_formed(key: str) -> None:
    asset = pack.load(key)
    low, high = asset.bounds()
    np.testing.assert_allclose(high - low, asset.info.size, atol=1e-3)
    np.testing.assert_allclose([*(low + high)[:2] / 2, low[2]], 0.0, atol=1e-3)
    assert 1 <= len(asset.parts) <= 10
    for part in asset.parts:
        assert part.vertices.shape == part.normals.shape
        assert part.uvs.shape == (len(part.vertices), 2)
        assert np.isfinite(part.vertices).all()
        assert np.isfinite(part.uvs).all()
        np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-4)
        assert part.faces.min() == 0
        assert part.faces.max() == len(part.vertices) - 1
        corners = part.vertices[part.faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(normal, axis=1)
        agree = np.einsum("fx,fcx->fc", normal, part.normals[part.faces]).min(axis=1) > -0.2 * area
        assert area[agree].sum() > 0.99 * area.sum()
        material = part.material
        assert material.texture is None or (material.texture.ndim == 3 and max(material.texture.shape) <= 512)
        assert 0 < material.opacity <= 1


@pytest.mark.parametrize("key", TABLETOP + FURNITURE)
def test_hulls_cover_the_model_and_stand_flat(key: str) -> None:
    asset = pack.load(key)
    points = np.concatenate(asset.hulls)
    low, high = asset.bounds()
    slack = max(0.004, 0.02 * float((high - low).max()))
    assert (points.min(axis=0) <= low + slack).all()
    assert (points.max(axis=0) >= high - slack).all()
    assert (points.min(axis=0) >= low - slack).all()
    assert (points.max(axis=0) <= high + slack).all()
    assert points[:, 2].min() == 0.0
    foot = points[points[:, 2] == 0.0]
    # Three ground points that are not on a line: a polygon to stand on.
    assert np.linalg.matrix_rank(foot[:, :2] - foot[0, :2], tol=1e-4) == 2
    for hull in asset.hulls:
        assert 4 <= len(hull) <= 64
        assert np.linalg.matrix_rank(hull - hull[0], tol=1e-6) == 3


def test_receptacles_lie_within_their_models() -> None:
    places = {key: info for key, info in INFOS.items() if info.receptacle}
    assert sum(info.kind == "tabletop" for info in places.values()) >= 10
    assert sum(info.kind == "furniture" for info in places.values()) >= 20
    for key, info in places.items():
        place = info.receptacle
        assert place is not None
        assert 0 < place.floor <= place.rim <= info.size[2] + 1e-3, key
        for axis in (0, 1):
            assert place.half_extents[axis] >= 0.01, key
            assert abs(place.centre[axis]) + place.half_extents[axis] <= info.size[axis] / 2 + 1e-3, key


@pytest.mark.parametrize("key", [key for key in TABLETOP if INFOS[key].receptacle])
def test_hulls_leave_containers_open_and_give_them_a_floor(key: str) -> None:
    spatial = pytest.importorskip("scipy.spatial")
    asset, rng = pack.load(key), np.random.default_rng(0)
    place = asset.info.receptacle
    assert place is not None
    spots = rng.uniform(-0.8, 0.8, (300, 2))
    if place.round:
        spots = spots[np.hypot(*spots.T) < 0.8]
    flat = np.array(place.centre) + spots * place.half_extents
    # A curved bowl rises towards the edge of the area.
    slack = 0.004 + 0.1 * (place.rim - place.floor)
    above = np.column_stack([flat, np.full(len(flat), place.floor + slack)])
    below = np.column_stack([flat * 0.3, np.full(len(flat), place.floor - 0.001)])
    shapes = [spatial.Delaunay(hull, qhull_options="QJ") for hull in asset.hulls]
    assert not any((shape.find_simplex(above) >= 0).any() for shape in shapes)
    if place.floor > 0.002:
        assert np.any([shape.find_simplex(below) >= 0 for shape in shapes], axis=0).mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("key", TABLETOP)
def test_it_stands(key: str) -> None:
    """Put down on a plane it neither falls over nor walks away."""
    mujoco = pytest.importorskip("mujoco")
    asset = pack.load(key)
    spec = mujoco.MjSpec()
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1])
    body = spec.worldbody.add_body(pos=[0, 0, 0.0005])
    body.add_freejoint()
    for i, hull in enumerate(asset.hulls):
        spec.add_mesh(name=f"hull{i}", uservert=hull.astype(np.float32).reshape(-1))
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"hull{i}", density=500)
    model = spec.compile()
    data = mujoco.MjData(model)
    for _ in range(600):
        mujoco.mj_step(model, data)
    assert data.xmat[1][8] > np.cos(np.radians(1.0))
    assert np.hypot(*data.qpos[:2]) < 0.003
    assert abs(data.qpos[2]) < 0.002


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the manifest and one model of the pack."""
    key = TABLETOP[0]
    line = next(
        line for line in (pack.FOLDER / pack.MANIFEST).read_text(encoding="utf-8").splitlines() if f'"{key}"' in line
    )
    (tmp_path / pack.MANIFEST).write_text(line + "\n", encoding="utf-8")
    member = key.removeprefix("pack/") + ".npz"
    with zipfile.ZipFile(pack.FOLDER / pack.ARCHIVE) as full, zipfile.ZipFile(tmp_path / pack.ARCHIVE, "w") as small:
        small.writestr(member, full.read(member))
    return tmp_path


def test_a_copy_loads(copy: Path) -> None:
    assert pack.load(TABLETOP[0], copy).info == INFOS[TABLETOP[0]]


def test_changed_bytes_are_refused(copy: Path) -> None:
    archive = copy / pack.ARCHIVE
    with zipfile.ZipFile(archive) as opened:
        (member,) = opened.namelist()
        data = bytearray(opened.read(member))
    data[len(data) // 2] ^= 1
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(member, bytes(data))
    with pytest.raises(AssetError, match=r"sweethome3d\.zip.*sha256.*reinstall"):
        pack.load(TABLETOP[0], copy)


def test_data_that_matches_its_sum_but_means_nothing_is_refused(copy: Path) -> None:
    with zipfile.ZipFile(copy / pack.ARCHIVE) as opened:
        (member,) = opened.namelist()
    with zipfile.ZipFile(copy / pack.ARCHIVE, "w") as opened:
        opened.writestr(member, b"nothing")
    record = json.loads((copy / pack.MANIFEST).read_text(encoding="utf-8"))
    record["sha256"] = hashlib.sha256(b"nothing").hexdigest()
    (copy / pack.MANIFEST).write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(AssetError, match="decoded"):
        pack.load(TABLETOP[0], copy)


def test_a_missing_member_is_named(copy: Path) -> None:
    with zipfile.ZipFile(copy / pack.ARCHIVE, "w") as opened:
        opened.writestr("other.npz", b"")
    with pytest.raises(AssetError, match=TABLETOP[0].removeprefix("pack/")):
        pack.load(TABLETOP[0], copy)


def test_a_truncated_archive_is_named(copy: Path) -> None:
    archive = copy / pack.ARCHIVE
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(AssetError, match=r"sweethome3d\.zip"):
        pack.load(TABLETOP[0], copy)


def test_a_missing_pack_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"manifest\.jsonl.*reinstall"):
        pack.infos(tmp_path)
    shutil.copy(pack.FOLDER / pack.MANIFEST, tmp_path)
    with pytest.raises(AssetError, match=r"sweethome3d\.zip"):
        pack.load(TABLETOP[0], tmp_path / ".")


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(AssetError, match="pack/nothing-like-it"):
        pack.load("pack/nothing-like-it")
