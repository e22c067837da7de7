"""Homes: rooms side by side, doorways that are open, walls that are not, and floors to stand on."""

from __future__ import annotations

import hashlib
import itertools
from functools import lru_cache

import numpy as np
import pytest

from gsi_datasets import assets
from gsi_datasets.assets import parametric
from gsi_datasets.assets.asset import Asset
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.parametric.homes import RIGHT, SIZES, TOWARDS, WALL, HomeRoom, home_bounds, home_plan
from gsi_datasets.geometry import depth_to_points, intrinsics_from_fov, look_at
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Camera, Scene, SceneObject


FAMILIES = [f"home_{kind.replace(' ', '_')}" for kind in SIZES if kind != "hallway"]
IDS = [f"param/{family}/{seed}" for family in FAMILIES for seed in range(4)]
over_homes = pytest.mark.parametrize("asset_id", IDS)


def at(room: HomeRoom, wall: int, along: float, height: float, inwards: float = 0.0) -> np.ndarray:
    """A point on a wall, or before it, in the home's frame."""
    ground = np.asarray(room.middle) + (room.plan.distance(wall) - inwards) * TOWARDS[wall] + along * RIGHT[wall]
    return np.array([*ground, height])


@lru_cache(maxsize=1)
def triangles(asset: Asset) -> tuple[np.ndarray, np.ndarray]:
    """(F, 3, 3) corners of all triangles of the mesh and (F, 3) their normals, not of unit length."""
    corners = np.concatenate([part.vertices[part.faces] for part in asset.parts]).astype(float)
    return corners, np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def hits(asset: Asset, start: np.ndarray, end: np.ndarray) -> int:
    """How many triangles of the mesh a segment crosses."""
    way, (corners, normals) = end - start, triangles(asset)
    across = normals @ way != 0  # the others lie along the segment
    corners, normals = corners[across], normals[across]
    t = np.einsum("ij,ij->i", normals, corners[:, 0] - start) / (normals @ way)
    near = (t > 0) & (t < 1)
    corners, normals, point = corners[near], normals[near], start + t[near, None] * way
    inside = np.ones(len(corners), dtype=bool)
    for k in range(3):
        edge, out = corners[:, (k + 1) % 3] - corners[:, k], point - corners[:, k]
        inside &= np.einsum("ij,ij->i", np.cross(edge, out), normals) >= 0
    return int(inside.sum())


def blocked(asset: Asset, point: np.ndarray) -> bool:
    """Whether a point lies in a hull; they are upright boxes."""
    return any((point > hull.min(axis=0)).all() and (point < hull.max(axis=0)).all() for hull in asset.hulls)


def stretch(room: HomeRoom, wall: int) -> float:
    """The longest part of a wall that has no opening, metres."""
    edge = room.plan.length(wall) / 2
    ends = [(it.along - it.width / 2, it.along + it.width / 2) for it in room.plan.openings if it.wall == wall]
    ends = [(-edge, -edge), *sorted(ends), (edge, edge)]
    return max(after[0] - before[1] for before, after in itertools.pairwise(ends))


@over_homes
def test_rooms_lie_side_by_side_with_a_wall_between(asset_id: str) -> None:
    plan, seed = home_plan(asset_id), int(asset_id.rpartition("/")[2])
    assert len(plan.rooms) == 1 + seed % 4
    main = plan.rooms[0]
    assert main.middle == (0.0, 0.0)
    assert f"home_{main.kind.replace(' ', '_')}" in asset_id
    assert len({room.name for room in plan.rooms}) == len(plan.rooms)
    for room in plan.rooms:
        bounds = np.array(SIZES[room.kind])
        sides = np.array([room.plan.size[:2], room.plan.size[1::-1]])
        assert ((bounds[:, 0] - 1e-9 <= sides) & (sides <= bounds[:, 1] + 1e-9)).all(axis=1).any()
        assert plan.room_at(*room.middle) is room
    for one, other in itertools.combinations(plan.rooms, 2):
        assert np.maximum(one.low - other.high, other.low - one.high).max() >= WALL - 1e-9


@over_homes
def test_one_looks_and_walks_through_doorways_and_through_nothing_else(asset_id: str) -> None:
    plan, asset = home_plan(asset_id), assets.get(asset_id)
    gaps = [(room, gap) for room in plan.rooms for gap in room.plan.on("passage")]
    assert len(gaps) == 2 * (len(plan.rooms) - 1)
    for room, gap in gaps:
        assert 0.85 <= gap.width <= 0.96
        for height in (0.3, 1.0, 1.9):
            for aside in (-0.4 * gap.width, 0.0, 0.4 * gap.width):
                ways = [at(room, gap.wall, gap.along + aside, height, inwards) for inwards in (0.2, -WALL - 0.2)]
                assert hits(asset, *ways) == 0
                assert not blocked(asset, at(room, gap.wall, gap.along + aside, height, -WALL / 2))
        # Over it there is wall, and under it floor.
        over = [at(room, gap.wall, gap.along, gap.height + 0.15, inwards) for inwards in (0.3, -WALL - 0.3)]
        assert hits(asset, *over) > 0
        assert blocked(asset, at(room, gap.wall, gap.along, gap.height + 0.15, -0.03))
        assert blocked(asset, at(room, gap.wall, gap.along, -0.05, -0.03))
        assert hits(asset, *(at(room, gap.wall, gap.along + 0.21, z, -WALL / 2) for z in (0.2, -0.2))) > 0
        # Another room has the same doorway.
        place = at(room, gap.wall, gap.along, 0)
        twins = [at(other, it.wall, it.along, 0, -WALL) for other, it in gaps if other is not room]
        assert min(np.linalg.norm(place - twin) for twin in twins) < 1e-9
    for room in plan.rooms:
        for wall in range(4):
            taken = [(gap.along - gap.width / 2, gap.along + gap.width / 2) for gap in room.plan.on("passage", wall)]
            edge = room.plan.length(wall) / 2 - 0.1
            for along in (-edge, edge):
                if not any(low < along < high for low, high in taken):
                    assert blocked(asset, at(room, wall, along, 1.0, -0.03))
                    assert hits(asset, at(room, wall, along, 1.0, 0.3), at(room, wall, along, 1.0, -0.05)) > 0


@over_homes
def test_no_ray_leaves_a_home(asset_id: str) -> None:
    plan, (low, high) = home_plan(asset_id), home_bounds(asset_id)
    home = SceneObject(
        "room", 0, asset_id, "room", "", "", np.zeros(3), np.eye(3), (low + high) / 2, high - low, static=True
    )
    rays, intrinsics = RayCaster(), intrinsics_from_fov(np.radians(100), 160, 160)
    for room in plan.rooms:
        eye = np.array([*room.middle, 1.2]) + np.array([0.031, 0.017, 0.0])
        for aim in TOWARDS:
            camera = Camera(intrinsics, look_at(eye, eye + np.array([*aim, -0.1])), 160, 160)
            layers = rays.layers(Scene("home", (home,), camera))
            assert (layers.depth > 0).all()
            assert (layers.instances == 0).all()
            points = depth_to_points(layers.depth, camera)
            assert (points > low - 0.01).all()
            assert (points < high + 0.01).all()


@over_homes
def test_openings_keep_clear_of_corners_and_each_other(asset_id: str) -> None:
    rooms = home_plan(asset_id).rooms
    for room in rooms:
        for wall in range(4):
            on = sorted((it for it in room.plan.openings if it.wall == wall), key=lambda it: it.along)
            for one, other in itertools.pairwise(on):
                assert one.along + one.width / 2 < other.along - other.width / 2
            for opening in on:
                assert abs(opening.along) + opening.width / 2 < room.plan.length(wall) / 2 - 0.1
                assert opening.low + opening.height < room.plan.size[2]
        assert not (room.kind == "bathroom" and room.plan.on("picture"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_room_is_reached_lit_and_what_leads_outside_does(family: str) -> None:
    for seed in range(60):
        plan = home_plan(f"param/{family}/{seed}")
        assert any(room.plan.on("door") for room in plan.rooms)
        reached = [plan.rooms[0]]
        for room in reached:
            for gap in room.plan.on("passage"):
                beyond = plan.room_at(*at(room, gap.wall, gap.along, 0, -WALL - 0.1)[:2])
                assert beyond is not None
                reached += [beyond] if beyond not in reached else []
        assert len(reached) == len(plan.rooms)
        for room in plan.rooms:
            assert room.plan.on("window") or room.kind in ("bathroom", "hallway")
            assert room.kind != "bathroom" or len(room.plan.on("passage")) <= 1
            if room.kind != "hallway":
                assert max(stretch(room, wall) for wall in range(4)) >= 1.6
            for opening in (*room.plan.on("window"), *room.plan.on("door")):
                for share in (-0.5, 0.0, 0.5):
                    along = opening.along + share * opening.width
                    assert plan.room_at(*at(room, opening.wall, along, 0, -0.6)[:2]) is None


@over_homes
def test_every_floor_is_a_place(asset_id: str) -> None:
    asset, plan = assets.get(asset_id), home_plan(asset_id)
    places = asset.info.places
    assert len(places) == len(plan.rooms)
    for place, room in zip(places, plan.rooms, strict=True):
        assert place.floor == 0
        assert place.centre == room.middle
        np.testing.assert_allclose(2 * np.asarray(place.half_extents), np.asarray(room.plan.size[:2]) - 0.04)
        # Beside any rug, and off the diagonal that two triangles share.
        x, y = room.middle[0] + 0.13, room.middle[1] + room.plan.size[1] / 2 - 0.2
        spot = np.array([x, y, 0.1])
        assert hits(asset, spot, spot - (0, 0, 0.2)) == 1
        assert blocked(asset, spot - (0, 0, 0.15))
    low, high = asset.bounds()
    np.testing.assert_allclose(home_bounds(asset_id), (low, high), atol=0.01)
    np.testing.assert_allclose(high - low, asset.info.size, atol=0.01)


def test_the_same_seed_gives_the_same_home_and_another_one_another() -> None:
    one, again, other = (parametric.make("home_study", seed) for seed in (1, 1, 5))
    assert one.info == again.info
    for a, b in zip(one.parts, again.parts, strict=True):
        np.testing.assert_array_equal(a.vertices, b.vertices)
        assert (a.material.texture is None) == (b.material.texture is None)
        if a.material.texture is not None:
            np.testing.assert_array_equal(a.material.texture, b.material.texture)
    assert one.info.size != other.info.size


SINGLE_ROOMS = {0: "d7e4f8324a0fa779", 1: "db4c75be11dcf582", 7: "c37b6712a8922a93", 13: "34b9beb9d92b620c"}


@pytest.mark.parametrize(("seed", "digest"), SINGLE_ROOMS.items())
def test_single_rooms_stay_as_they_are(seed: int, digest: str) -> None:
    """Tabletop data sets hold pictures of them."""
    asset, found = assets.get(f"param/room/{seed}"), hashlib.sha256()
    for part in asset.parts:
        look = part.material
        for array in (part.vertices, part.faces, part.normals, part.uvs):
            found.update(array.tobytes())
        found.update(repr((look.color, look.roughness, look.metallic, look.opacity, look.emission)).encode())
        if look.texture is not None:
            found.update(look.texture.tobytes())
    for hull in asset.hulls:
        found.update(hull.tobytes())
    assert found.hexdigest()[:16] == digest


def test_a_home_of_no_known_kind_is_refused() -> None:
    with pytest.raises(AssetError, match=r"home_cellar/1.*kitchen"):
        home_plan("param/home_cellar/1")
