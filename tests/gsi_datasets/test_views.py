"""Views of homes: where people stand, what they see, and that the views differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gsi_datasets import assets
from gsi_datasets.assets.parametric.homes import home_plan
from gsi_datasets.floor import CLEARANCE, FLAT, HEADROOM, distance_to, free_floor
from gsi_datasets.gallery.floorplan import draw_plan
from gsi_datasets.geometry import camera_axes, intrinsics_from_fov, look_at, points_in_box, rotation_z
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Camera, Scene, SceneObject
from gsi_datasets.views import DIFFERENT, FEWEST, Curation, apart, curate
from gsi_datasets.worlds.specs import RoomWorld


HOME = "param/home_kitchen/3"
SIZE = 256


def put(asset: str, name: str, number: int, at: tuple[float, ...], turn: float, support: str | None) -> SceneObject:
    info = assets.info(asset)
    size = np.asarray(info.size)
    return SceneObject(
        name, number, asset, info.category, info.caption, info.caption_zh, np.asarray(at, dtype=float),
        rotation_z(turn), np.array([0, 0, size[2] / 2]), size, 1.0, support, support in (None, "room"),
    )  # fmt: skip


def furnished(small: int = 6) -> Scene:
    """A table in the middle of the main room and a desk and a sideboard on two walls, with small things on each."""
    plan = home_plan(HOME).rooms[0].plan
    objects = [put(HOME, "room", 0, (0, 0, 0), 0, None)]
    half = np.asarray(plan.size[:2]) / 2
    for family, turn in (("table", 0.0), ("desk", np.pi / 2), ("sideboard", np.pi)):
        asset = f"param/{family}/5"
        deep = assets.info(asset).size[1] / 2 + 0.03
        at = {"table": (0, 0, 0), "desk": (deep - half[0], 0, 0), "sideboard": (0, deep - half[1], 0)}[family]
        objects.append(put(asset, family, len(objects), at, turn, "room"))
    families = ("mug", "bowl", "book", "vase", "jar", "plate")
    for carrier in objects[1:]:
        place = assets.info(carrier.asset).places[0]
        for k in range(small):
            across = (2 * ((k % 3) + 0.5) / 3 - 1, k // 3 - 0.5)
            local = np.array([*(across * np.asarray(place.half_extents) * 0.8), place.floor])
            family = families[(k + len(objects)) % 6]
            at = carrier.position + carrier.rotation @ local
            item = put(f"param/{family}/{k}", f"{family}_{len(objects)}", len(objects), tuple(at), 0.3, carrier.name)
            objects.append(item)
    camera = Camera(intrinsics_from_fov(1.0, SIZE, SIZE), look_at((1, 1, 1.5), (0, 0, 0.7)), SIZE, SIZE)
    return Scene("home", tuple(objects), camera)


@pytest.fixture(scope="module")
def rays() -> RayCaster:
    return RayCaster()


@pytest.fixture(scope="module", params=["dispersed", "random"])
def found(request: pytest.FixtureRequest, rays: RayCaster) -> tuple[Scene, RoomWorld, Curation]:
    scene, world = furnished(), RoomWorld(viewpoints=request.param)
    return scene, world, curate(scene, world, 4, SIZE, np.random.default_rng(2), rays)


def test_people_stand_clear_of_walls_and_furniture() -> None:
    scene, rooms = furnished(), home_plan(HOME).rooms
    floor = free_floor(scene, rooms, 1.7)
    assert len(floor.points) > 100
    solid = [it.box for it in scene.objects[1:]]
    assert distance_to(solid, floor.points).min() >= CLEARANCE
    for label, room in enumerate(floor.rooms):
        away = np.abs(floor.of(label) - room.middle)
        assert (away <= np.asarray(room.plan.size[:2]) / 2 - CLEARANCE + 1e-9).all()
    assert [room.name for room in floor.rooms] == [room.name for room in rooms]


def test_what_hangs_low_is_in_the_way_and_rugs_and_ceiling_lamps_are_not() -> None:
    scene, rooms = furnished(0), home_plan(HOME).rooms
    eye, everywhere = 1.7, len(free_floor(scene, rooms, 1.7).points)

    def with_thing(low: float, height: float) -> int:
        size = np.array([0.5, 0.5, height])
        thing = replace(
            put("param/box/1", "thing", 99, (0.9, 0.9, low), 0, None), local_size=size, local_centre=size * (0, 0, 0.5)
        )
        return len(free_floor(replace(scene, objects=(*scene.objects, thing)), rooms, eye).points)

    assert with_thing(1.5, 0.4) < everywhere
    assert with_thing(eye + HEADROOM, 0.2) == everywhere
    assert with_thing(0.0, FLAT) == everywhere


def test_pockets_are_no_rooms() -> None:
    scene, rooms = furnished(0), home_plan(HOME).rooms
    half = np.asarray(rooms[0].plan.size[:2]) / 2
    # A cupboard leaves a corner of 0.7 m: after clearances, a few points from which one cannot get anywhere.
    size = np.array([0.3, 0.3, 2.0])
    corner = half - 0.7
    fence = [
        replace(
            put("param/box/1", f"fence_{k}", 90 + k, (*at, 0.0), 0, None),
            local_size=size * wide,
            local_centre=np.array([0, 0, 1.0]),
        )
        for k, (at, wide) in enumerate(
            [
                ((corner[0], half[1] - 0.35), np.array([0.1, 3, 1])),
                ((half[0] - 0.35, corner[1]), np.array([3, 0.1, 1])),
            ]
        )
    ]
    floor = free_floor(replace(scene, objects=(*scene.objects, *fence)), rooms, 1.7)
    cut_off = ((floor.points > corner) & (floor.points < half)).all(axis=1)
    assert 0 < cut_off.sum() < 15
    assert (floor.labels[cut_off] == -1).all()
    assert (floor.labels[~cut_off] >= 0).mean() > 0.9


def test_views_are_what_the_world_asks_for(found: tuple[Scene, RoomWorld, Curation]) -> None:
    scene, world, curation = found
    assert len(curation.chosen) == 4
    for view in curation.chosen:
        camera, at = view.camera, view.camera.position
        assert camera.width == camera.height == SIZE
        assert world.eye_height_m[0] <= at[2] <= world.eye_height_m[1]
        down = np.degrees(np.arcsin(-camera.extrinsics[2, 2]))
        assert world.pitch_degrees[0] - 1e-6 <= down <= world.pitch_degrees[1] + 1e-6
        fov = 2 * np.degrees(np.arctan(0.5 * SIZE / camera.intrinsics[1, 1]))
        assert world.fov_degrees[0] <= fov <= world.fov_degrees[1]
        right, _, _ = camera_axes(camera.extrinsics)
        assert np.allclose(camera.extrinsics[0, :3], right, atol=1e-9)  # no roll
        assert not any(points_in_box(at, item.box, 0.2) for item in scene.objects[1:])
        room = next(it for it in home_plan(HOME).rooms if it.name == view.room)
        assert (np.abs(at[:2] - room.middle) <= np.asarray(room.plan.size[:2]) / 2 - 0.2).all()
        assert view.kind == room.kind


def test_each_view_shows_enough_to_do(found: tuple[Scene, RoomWorld, Curation], rays: RayCaster) -> None:
    scene, _, curation = found
    for view in curation.chosen:
        assert len(view.actionable) >= FEWEST
        seen = rays.layers(replace(scene, camera=view.camera))
        for name in view.actionable:
            assert seen.visibility[name].fraction >= 0.55
            assert seen.visibility[name].inside >= 0.98
            assert not scene.resting_on(name)


def test_views_of_one_home_differ(found: tuple[Scene, RoomWorld, Curation]) -> None:
    chosen = found[2].chosen
    assert min(apart(a, b) for k, a in enumerate(chosen) for b in chosen[:k]) >= DIFFERENT


def test_dispersed_views_are_farther_apart_than_random_ones(rays: RayCaster) -> None:
    def spread(viewpoints: str) -> float:
        world = RoomWorld(viewpoints=viewpoints)  # type: ignore[arg-type]
        gaps = []
        for seed in range(3):
            chosen = curate(furnished(), world, 4, SIZE, np.random.default_rng(seed), rays).chosen
            gaps.append(min(apart(a, b) for k, a in enumerate(chosen) for b in chosen[:k]))
        return float(np.mean(gaps))

    assert spread("dispersed") > 1.2 * spread("random")


def test_the_same_seed_gives_the_same_views(rays: RayCaster) -> None:
    first, second = (
        curate(furnished(), RoomWorld(), 3, SIZE, np.random.default_rng(5), caster) for caster in (rays, RayCaster())
    )
    for a, b in zip(first.chosen, second.chosen, strict=True):
        assert a.camera.extrinsics.tobytes() == b.camera.extrinsics.tobytes()
        assert (a.score, a.actionable) == (b.score, b.actionable)
    assert first.rejected == second.rejected


@pytest.mark.parametrize("viewpoints", ["dispersed", "random"])
def test_an_empty_home_gives_no_view_and_says_why(viewpoints: str, rays: RayCaster) -> None:
    world = RoomWorld(viewpoints=viewpoints)  # type: ignore[arg-type]
    curation = curate(furnished(0), world, 4, SIZE, np.random.default_rng(1), rays)
    assert curation.chosen == ()
    assert curation.rejected == {"few": len(curation.candidates)}


def test_a_home_without_free_floor_gives_no_view(rays: RayCaster) -> None:
    scene = furnished()
    full = replace(scene["table"], name="block", instance=90, local_size=np.array([40.0, 40.0, 1.0]))
    curation = curate(
        replace(scene, objects=(*scene.objects, full)), RoomWorld(), 2, SIZE, np.random.default_rng(1), rays
    )
    assert curation.chosen == curation.candidates == ()


def test_the_plan_shows_the_chosen_views(found: tuple[Scene, RoomWorld, Curation], tmp_path: Path) -> None:
    scene, _, curation = found
    pictures = [np.full((SIZE, SIZE, 3), 40 * k, dtype=np.uint8) for k in range(4)]
    draw_plan(scene, curation, pictures, tmp_path / "with.png")
    draw_plan(scene, replace(curation, chosen=()), None, tmp_path / "without.png")
    with_views, without = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("with", "without"))
    orange = np.array([214, 64, 0])
    assert ((with_views == orange).all(axis=-1)).sum() > 4 * 150
    assert with_views.shape[1] > without.shape[1] + 300
