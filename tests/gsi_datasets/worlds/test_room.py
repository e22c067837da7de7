"""Homes are furnished so that one can live there: nothing overlaps, ways are free, things stay where they are put."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gsi_datasets import assets
from gsi_datasets.assets.parametric.homes import HomeRoom, home_plan
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.geometry import corners, look_at, overlap_xy, rotation_z
from gsi_datasets.placing import Place, place_of, places
from gsi_datasets.scene import Box, Scene, SceneObject
from gsi_datasets.scenes import bring_to_rest
from gsi_datasets.simulators.mujoco import MujocoSimulator
from gsi_datasets.worlds import customs
from gsi_datasets.worlds.room import HELD_OUT, compose, draw_home, lit_where_seen
from gsi_datasets.worlds.specs import ROOM_KINDS, RoomWorld


# A home takes a second to furnish: one of each kind, and more where there is time.
HOMES = [(kind, 0) for kind in ROOM_KINDS]
MORE = [pytest.param(kind, seed, marks=pytest.mark.slow) for kind in ROOM_KINDS for seed in range(1, 5)]
each_home = pytest.mark.parametrize(("kind", "seed"), [*HOMES, *MORE])
SEATS = ("chair", "stool", "armchair", "bean bag")
TABLES = ("table", "desk", "coffee table", "side table", "dressing table")
FLAT = 0.06  # rugs and mats are no obstacles, metres


@cache
def home(kind: str, seed: int) -> Scene:
    return compose("home", RoomWorld(rooms=(kind,), connected=(1, 2)), 256, np.random.default_rng([seed, 5]))


def rooms(scene: Scene) -> tuple[HomeRoom, ...]:
    return home_plan(scene["room"].asset).rooms


def standing(scene: Scene) -> list[SceneObject]:
    """What stands on a floor."""
    return [item for item in scene.objects if item.support == "room" and item.position[2] < 0.01]


def room_of(scene: Scene, item: SceneObject) -> HomeRoom:
    found = home_plan(scene["room"].asset).room_at(*item.box.centre[:2])
    assert found is not None, f"{item.name} stands in no room"
    return found


def test_the_same_seed_gives_the_same_home() -> None:
    world = RoomWorld(connected=(1, 1))
    first, second = (compose("home", world, 256, np.random.default_rng(3)) for _ in range(2))
    assert [(item.name, item.asset, item.position.tolist(), item.rotation.tolist()) for item in first.objects] == [
        (item.name, item.asset, item.position.tolist(), item.rotation.tolist()) for item in second.objects
    ]
    assert first.lights == second.lights


def test_homes_have_the_kinds_and_numbers_of_rooms_that_are_asked_for() -> None:
    rng = np.random.default_rng(0)
    world = RoomWorld(rooms=("study", "bathroom"), connected=(2, 3))
    plans = [home_plan(draw_home(world, rng, held_out=False)).rooms for _ in range(20)]
    assert {len(plan) for plan in plans} == {2, 3}
    assert {plan[0].kind for plan in plans} == {"study", "bathroom"}
    for held_out in (False, True):
        seeds = [int(draw_home(world, rng, held_out).rsplit("/")[-1]) for _ in range(50)]
        assert all((seed >= HELD_OUT) == held_out for seed in seeds)


@each_home
def test_things_have_names_numbers_words_and_supports(kind: str, seed: int) -> None:
    scene = home(kind, seed)
    items = scene.objects[1:]
    assert [item.instance for item in items] == list(range(1, len(items) + 1))
    assert len({item.name for item in items}) == len(items)
    statics = [item.static for item in items]
    assert statics == sorted(statics, reverse=True)
    for item in items:
        assert item.category in CATEGORIES
        assert item.name.rsplit("_", 1)[0] == item.category.replace(" ", "_")
        assert item.caption
        assert item.caption_zh
        assert item.support in scene


@each_home
def test_what_stands_on_the_floor_overlaps_nothing_and_keeps_the_ways_free(kind: str, seed: int) -> None:
    scene = home(kind, seed)
    items = [item for item in standing(scene) if item.box.size[2] > FLAT]
    for number, item in enumerate(items):
        room = room_of(scene, item)
        points = corners(item.box)[:, :2]
        assert (points >= room.low - 1e-6).all(), item.name
        assert (points <= room.high + 1e-6).all(), item.name
        for other in items[:number]:
            pair = {item.category, other.category}
            if not (pair & set(SEATS) and pair & set(TABLES)):
                assert not overlap_xy(item.box, other.box), f"{item.name} and {other.name}"
        for opening in room.plan.openings:
            if opening.kind in ("door", "passage"):
                turn = rotation_z(opening.wall * np.pi / 2)
                before = np.array([opening.along, room.plan.distance(opening.wall) - 0.3, 0.0])
                way = Box(np.array([*room.middle, 0.0]) + turn @ before, np.array([0.6, 0.6, 0.1]), turn)
                assert not overlap_xy(item.box, way), f"{item.name} stands in the way of a {opening.kind}"


@each_home
def test_collision_shapes_do_not_overlap(kind: str, seed: int) -> None:
    scene = home(kind, seed)
    deep = [contact for contact in MujocoSimulator().contacts(scene) if contact.depth > 0.004]
    assert not deep


@each_home
def test_things_stand_on_their_places(kind: str, seed: int) -> None:
    scene = home(kind, seed)
    for item in scene.movable:
        below = scene[item.support or ""]
        if below.name == "room" and assets.info(item.asset).kind == "furniture":
            continue  # see above: it stands nearer to the walls than things may be put
        if below.category in customs.PILES and not assets.info(below.asset).places:
            assert item.position[2] == pytest.approx(below.position[2] + below.box.size[2], abs=1e-6)
            continue
        place = place_of(scene, item)
        assert place is not None, f"{item.name} on {below.name}"
        assert place.overhang(corners(item.box)) <= 1e-6, f"{item.name} reaches over the edge of {below.name}"
        assert item.box.size[2] <= place.receptacle.headroom


@each_home
def test_of_two_nouns_for_one_look_a_home_has_one_small_thing(kind: str, seed: int) -> None:
    scene = home(kind, seed)
    small = {item.category for item in scene.movable if assets.info(item.asset).kind == "tabletop"}
    groups = Counter(CATEGORIES[category].group for category in small)
    assert max(groups.values()) == 1, groups


@each_home
def test_places_are_not_crowded(kind: str, seed: int) -> None:
    scene = home(kind, seed)
    owners = [item for item in scene.objects if item.static and item.name != "room"]
    for place in (place for owner in owners for place in places(owner)):
        on = [item for item in scene.movable if item.support == place.owner.name and _stands_on(place, item)]
        covered = sum(float(np.prod(item.box.size[:2])) for item in on[:-1])
        assert covered <= 0.5 * 4 * np.prod(place.half), place.owner.name


def _stands_on(place: Place, item: SceneObject) -> bool:
    return abs(float(item.position[2] - place.centre[2])) < 0.01 and place.overhang(item.box.centre[None]) <= 0


def test_main_rooms_have_enough_to_do() -> None:
    world = RoomWorld()
    several = containers = enough = 0
    for kind, seed in HOMES:
        scene = home(kind, seed)
        main = rooms(scene)[0]
        assert main.kind == kind
        inside = [item for item in scene.movable if room_of(scene, item) is main]
        # Small rooms with little furniture have fewer places.
        assert len(inside) >= 8, f"{kind} {seed}"
        enough += len(inside) >= world.objects[0]
        several += max(Counter(item.category for item in inside).values()) >= 2
        containers += any(assets.info(item.asset).receptacle is not None for item in inside)
    assert enough >= 3
    assert several == len(HOMES)
    assert containers >= 4


def test_things_stay_where_they_are_put() -> None:
    simulator, put, stayed = MujocoSimulator(), 0, 0
    for kind, seed in HOMES:
        rested, reason = bring_to_rest(home(kind, seed), simulator, 4)
        assert rested is not None, f"{kind} {seed}: {reason}"
        put += len(home(kind, seed).movable)
        stayed += len(rested.movable)
    assert stayed >= 0.95 * put


def test_each_room_is_lit_where_one_stands() -> None:
    world = RoomWorld(rooms=("bedroom",), connected=(2, 2))
    scene = compose("home", world, 256, np.random.default_rng(1))
    main, other = rooms(scene)
    assert lit_where_seen(scene).lights == scene.lights
    view = look_at([*other.middle, 1.5], [other.middle[0] + 0.5, other.middle[1], 1.0])
    there = replace(scene, camera=replace(scene.camera, extrinsics=view))
    for lights, room in ((scene.lights, main), (lit_where_seen(there).lights, other)):
        for light in lights:
            assert (room.low < light.position[:2]).all()
            assert (light.position[:2] < room.high).all()
            assert light.target[2] < light.position[2] < room.plan.size[2]
        assert lights[0].shadows
    assert 1.6 < sum(light.intensity for light in scene.lights) + np.mean(scene.ambient) < 2.2
