"""Furniture of bathrooms, kitchens and living rooms: places are where they say, hulls fit, what moves stands."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from gsi_datasets import assets
from gsi_datasets.assets import parametric
from gsi_datasets.assets.parametric import bathroom, chests, kitchen, seating, shelves, upholstery
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.geometry import intrinsics_from_fov, look_at, rotation_angle, tilt_between
from gsi_datasets.scene import Camera, Scene
from gsi_datasets.worlds.catalogue import placed


FAMILIES = [name for module in (bathroom, kitchen, shelves, seating, upholstery, chests) for name in module.FAMILIES]
MOVABLE = ["laundry_basket", "waste_bin", "armchair", *seating.FAMILIES]
SEEDS = range(5)
IDS = [f"param/{family}/{seed}" for family in FAMILIES for seed in SEEDS]
MILLIMETRE = 1e-3

over_all = pytest.mark.parametrize("asset_id", IDS)


def spots(place):
    """(25, 2) points spread over a place, its very edge left out."""
    across = np.linspace(-0.97, 0.97, 5)
    points = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
    if place.round:
        points *= np.sqrt(0.5)
    return points * place.half_extents + place.centre


def crossings(triangles, spot):
    """Heights where the upright line through `spot` meets (T, 3, 3) triangles."""
    a, ab, ac = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    level = np.abs(area) > 1e-10
    a, ab, ac, area = a[level], ab[level], ac[level], area[level]
    x, y = (spot - a[:, :2]).T
    v, w = (x * ac[:, 1] - y * ac[:, 0]) / area, (ab[:, 0] * y - ab[:, 1] * x) / area
    hit = (v >= -1e-6) & (w >= -1e-6) & (v + w <= 1 + 1e-6)
    return (a[:, 2] + v * ab[:, 2] + w * ac[:, 2])[hit]


def span(equations, spot):
    """Lowest and highest point of a convex piece on the upright line through `spot`; None beside it."""
    normal, level = equations[:, 2], equations[:, :2] @ spot + equations[:, 3]
    if (level[np.abs(normal) < 1e-9] > 1e-9).any():
        return None
    up, down = normal > 1e-9, normal < -1e-9
    low, high = (-level[down] / normal[down]).max(), (-level[up] / normal[up]).min()
    return (low, high) if high > low + 1e-9 else None


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_thing(family):
    one, again, other = (parametric.make(family, seed) for seed in (3, 3, 4))
    assert one.info == again.info
    for a, b in zip(one.parts, again.parts, strict=True):
        assert a.vertices.tobytes() == b.vertices.tobytes()
        assert a.uvs.tobytes() == b.uvs.tobytes()
        if a.material.texture is not None:
            assert a.material.texture.tobytes() == b.material.texture.tobytes()
    assert all(np.array_equal(a, b) for a, b in zip(one.hulls, again.hulls, strict=True))
    assert one.info.size != other.info.size


@over_all
def test_the_box_is_centred_and_stands_on_the_ground(asset_id):
    asset = assets.get(asset_id)
    low, high = asset.bounds()
    assert high - low == pytest.approx(asset.info.size, abs=5e-4)
    assert (low + high)[:2] == pytest.approx([0, 0], abs=1e-4)
    assert low[2] == pytest.approx(0, abs=1e-5)
    assert asset.info.kind == ("tabletop" if asset.info.category == "cushion" else "furniture")
    assert sum(len(part.faces) for part in asset.parts) <= 20_000


@over_all
def test_meshes_face_outward(asset_id):
    for part in assets.get(asset_id).parts:
        corners = part.vertices[part.faces].astype(np.float64)
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (np.einsum("ij,ij->i", faces, part.normals[part.faces].mean(axis=1)) > -1e-9).all()
        assert np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0
        assert np.isfinite(part.uvs).all()


@over_all
def test_hulls_stand_on_the_ground_within_the_mesh(asset_id):
    asset = assets.get(asset_id)
    low, high = asset.bounds()
    points = np.concatenate(asset.hulls)
    assert points[:, 2].min() == pytest.approx(0, abs=MILLIMETRE)
    assert (points >= low - 2 * MILLIMETRE).all()
    assert (points <= high + 2 * MILLIMETRE).all()
    # All of its length and width is there to be bumped into.
    assert np.ptp(points, axis=0)[:2] == pytest.approx(np.ptp([low, high], axis=0)[:2], abs=0.03)


@over_all
def test_places_are_flat_and_free(asset_id):
    """Mesh and hulls have a surface at the floor of each place, and nothing between there and its headroom."""
    asset = assets.get(asset_id)
    triangles = np.concatenate([part.vertices[part.faces] for part in asset.parts]).astype(np.float64)
    pieces = [ConvexHull(hull).equations for hull in asset.hulls]
    for place in asset.info.places:
        assert place.relation in ("in", "on")
        assert min(place.half_extents) >= 0.04
        assert place.rim >= place.floor
        free = place.floor + min(place.headroom, 3.0) - MILLIMETRE
        for spot in spots(place):
            drawn = crossings(triangles, spot)
            assert np.abs(drawn - place.floor).min() < MILLIMETRE
            assert not ((drawn > place.floor + MILLIMETRE) & (drawn < free)).any()
            solid = [found for piece in pieces if (found := span(piece, spot)) is not None]
            assert min(abs(high - place.floor) for _, high in solid) < MILLIMETRE
            assert not any(low < free and high > place.floor + MILLIMETRE for low, high in solid)


@over_all
def test_words_are_known_and_name_the_colour(asset_id):
    info = assets.get(asset_id).info
    assert info.category in CATEGORIES
    assert info.caption
    assert not any(character.isascii() for character in info.caption_zh)
    if info.color:
        assert info.color in info.caption.split()


@pytest.mark.parametrize("asset_id", [f"param/{family}/{seed}" for family in MOVABLE for seed in SEEDS])
def test_what_can_be_moved_stands(asset_id):
    pytest.importorskip("mujoco", reason="pip install gsi-bench[sim]")
    from gsi_datasets.simulators.mujoco import MujocoSimulator

    room, info = assets.info("param/room/0"), assets.info(asset_id)
    assert info.mass < 20
    camera = Camera(intrinsics_from_fov(0.9, 64, 64), look_at([0, -1, 1.5], [0, 0, 0.5]), 64, 64)
    ground, thing = placed(room, np.zeros(3), 0.0, None, True), placed(info, np.zeros(3), 0.4, "room", False)
    ground, thing = (
        dataclasses.replace(item, name=name, instance=number)
        for item, name, number in ((ground, "room", 0), (thing, "thing", 1))
    )
    settled = MujocoSimulator().settle(Scene("stand", (ground, thing), camera))
    after = settled.scene["thing"]
    assert settled.rested
    assert np.linalg.norm(after.position - thing.position) < 5 * MILLIMETRE
    assert np.degrees(tilt_between(after.rotation, thing.rotation)) < 1.0
    assert np.degrees(rotation_angle(after.rotation, thing.rotation)) < 1.0
