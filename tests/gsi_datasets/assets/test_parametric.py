import numpy as np
import pytest

from gsi_datasets import assets
from gsi_datasets.assets import parametric
from gsi_datasets.assets.look import surface_samples
from gsi_datasets.assets.parametric import (
    bathroom,
    chests,
    home_shells,
    kitchen,
    seating,
    shelves,
    structures,
    upholstery,
)
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.geometry import convex_outline, intrinsics_from_fov, look_at, rotation_angle, tilt_between
from gsi_datasets.scene import Camera, Scene, SceneObject


FIXTURES = (structures, home_shells, bathroom, kitchen, seating, shelves, upholstery, chests)
FAMILIES = sorted(set(parametric.FAMILIES).difference(*(module.FAMILIES for module in FIXTURES)))
IDS = [f"param/{family}/{seed}" for family in FAMILIES for seed in range(3)]
MICRO = 1e-6

over_all = pytest.mark.parametrize("asset_id", IDS)


def area(outline):
    x, y = outline.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def volume(part):
    a, b, c = (part.vertices[part.faces[:, i]].astype(float) for i in range(3))
    return np.einsum("ij,ij->", a, np.cross(b, c)) / 6


def unclosed(part):
    """Edges, by position, that are not shared by as many faces one way as the other."""
    spots = np.unique((part.vertices / MICRO).round().astype(np.int64), axis=0, return_inverse=True)[1].reshape(-1)
    faces = spots[part.faces]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    sign = np.where(edges[:, 0] < edges[:, 1], 1, -1)
    _, which = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    return np.count_nonzero(np.bincount(which.reshape(-1), sign))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_object():
    for family in FAMILIES:
        one, again, other = (parametric.make(family, seed) for seed in (5, 5, 6))
        assert one.info == again.info, family
        assert len(one.parts) == len(again.parts)
        for a, b in zip(one.parts, again.parts, strict=True):
            for field in ("vertices", "faces", "normals", "uvs"):
                assert np.array_equal(getattr(a, field), getattr(b, field)), (family, field)
            assert a.material.color == b.material.color
            if a.material.texture is not None:
                assert np.array_equal(a.material.texture, b.material.texture), family
        assert all(np.array_equal(a, b) for a, b in zip(one.hulls, again.hulls, strict=True))
        assert one.info.size != other.info.size, family


@over_all
def test_size_and_origin(asset_id):
    asset = assets.get(asset_id)
    low, high = asset.bounds()
    assert high - low == pytest.approx(asset.info.size, abs=5e-4)
    assert low[2] == pytest.approx(0, abs=1e-5)
    assert (low + high)[:2] == pytest.approx([0, 0], abs=1e-5)
    assert max(asset.info.size) < 0.6
    assert 0.02 <= asset.info.mass < 8
    assert 20 <= sum(len(part.faces) for part in asset.parts) <= 6000


@over_all
def test_meshes_are_closed_and_face_outward(asset_id):
    for number, part in enumerate(assets.get(asset_id).parts):
        assert volume(part) > 0, number
        assert unclosed(part) == 0, number
        assert np.linalg.norm(part.normals, axis=1) == pytest.approx(1, abs=1e-3)
        assert part.uvs.shape == (len(part.vertices), 2)
        assert np.isfinite(part.uvs).all()
        assert part.faces.max() < len(part.vertices)
        if part.material.texture is not None:
            assert part.material.texture.dtype == np.uint8
            assert max(part.material.texture.shape) <= 512


@over_all
def test_hulls_stand_flat_and_fit_the_mesh(asset_id):
    asset = assets.get(asset_id)
    points = np.concatenate(asset.hulls)
    assert points[:, 2].min() == pytest.approx(0, abs=1e-4)
    foot = convex_outline(points[points[:, 2] < 1e-4, :2])
    assert len(foot) >= 3
    assert area(foot) > 0.02 * asset.info.size[0] * asset.info.size[1]
    low, high = asset.bounds()
    assert points.min(axis=0) == pytest.approx(low, abs=5e-3)
    assert points.max(axis=0) == pytest.approx(high, abs=5e-3)


@over_all
def test_words_are_known_and_name_the_colour(asset_id):
    info = assets.get(asset_id).info
    assert info.category in CATEGORIES
    assert info.caption
    assert info.caption_zh
    assert not info.caption_zh.isascii()
    if info.color:
        assert info.color in info.caption.split()


@over_all
def test_what_claims_symmetry_looks_the_same_when_turned(asset_id):
    """Mean colours of the sectors that a turn takes into one another, at four heights; single threads may differ."""
    asset = assets.get(asset_id)
    if asset.info.symmetry == 1:
        return
    points, colors = surface_samples(asset, 40_000)
    count = asset.info.symmetry or 5
    sector = np.floor(np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi / count) + 0.3).astype(int) % count
    level = np.clip(points[:, 2] / asset.info.size[2] * 4, 0, 3).astype(int)
    for height in range(4):
        here = [colors[(sector == i) & (level == height)] for i in range(count)]
        if min(len(found) for found in here) > 200:
            means = np.array([found.mean(axis=0) for found in here])
            chance = max(found.std(axis=0).max() / len(found) ** 0.5 for found in here)
            assert np.ptp(means, axis=0).max() < 0.06 + 4 * chance, height


@over_all
def test_what_claims_full_symmetry_is_turned_about_the_axis(asset_id):
    asset = assets.get(asset_id)
    if asset.info.symmetry != 0:
        return
    for part in asset.parts:
        x, y, z = part.vertices.astype(float).T
        radius = np.hypot(x, y)
        wide = radius > 2e-3  # the rest is thinner than a match
        rings = np.stack([radius, z], axis=1).round(4)[wide]
        angles = np.degrees(np.arctan2(y, x))[wide]
        for ring in np.unique(rings, axis=0):
            around = np.unique(angles[(np.abs(rings - ring) < 1.5e-4).all(axis=1)].round(1) % 360)
            gaps = np.diff(np.append(around, around[0] + 360))
            assert gaps.max() <= 61, (ring, gaps.max())


@over_all
def test_floors_are_open_from_above(asset_id):
    """The mesh has a surface at the height of a receptacle's floor, and no hull reaches into the space over it."""
    asset = assets.get(asset_id)
    place = asset.info.receptacle
    if place is None:
        return
    assert place.relation in ("in", "on")
    assert 0 < place.floor <= place.rim <= asset.info.size[2] + 1e-4
    heights = np.concatenate([part.vertices[:, 2] for part in asset.parts])
    assert np.abs(heights - place.floor).min() < 1e-4
    centre = np.array([*place.centre, place.floor])
    inner = 0.9 * np.array(place.half_extents) * (np.sqrt(0.5) if place.round else 1.0)
    for hull in asset.hulls:
        # A floor hull ends at the floor; all others keep out of a box over the usable area.
        above = hull[hull[:, 2] > place.floor + 2e-4]
        assert not (np.abs(above[:, :2] - centre[:2]) < inner).all(axis=1).any()


@over_all
def test_it_stands_where_it_is_put(asset_id):
    pytest.importorskip("mujoco", reason="pip install gsi-bench[sim]")
    from gsi_datasets.simulators.mujoco import MujocoSimulator

    table = parametric.make("table", 0)
    height = table.info.receptacle.floor

    def placed(name, info, position, static=False):
        size = np.array(info.size)
        return SceneObject(
            name=name,
            instance=1 + static,
            asset=info.id,
            category=info.category,
            caption=info.caption,
            caption_zh=info.caption_zh,
            position=np.array(position, dtype=float),
            rotation=np.eye(3),
            local_centre=np.array([0, 0, size[2] / 2]),
            local_size=size,
            static=static,
        )

    thing = placed("thing", assets.info(asset_id), [*table.info.receptacle.centre, height])
    camera = Camera(intrinsics_from_fov(0.9, 64, 64), look_at([0, -1, 1.5], [0, 0, height]), 64, 64)
    scene = Scene("stand", (placed("table", table.info, [0, 0, 0], static=True), thing), camera)
    settled = MujocoSimulator().settle(scene)
    after = settled.scene["thing"]
    assert settled.rested
    assert np.linalg.norm(after.position - thing.position) < 1e-3
    assert np.degrees(tilt_between(after.rotation, thing.rotation)) < 0.5
    assert np.degrees(rotation_angle(after.rotation, thing.rotation)) < 1.0
