"""Scenes of AI2-THOR: iTHOR and RoboTHOR by name, ProcTHOR from files of house dictionaries.

Unity says what is there, how large it is and what holds what; from that a `Scene` is made, and the player is told
which of its objects is which (`simulators.thor`).
"""

from __future__ import annotations

import fnmatch
import gzip
import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets import thor as things
from gsi_datasets.assets.asset import Receptacle, Room
from gsi_datasets.geometry import intrinsics_from_fov, invert_rigid, look_at
from gsi_datasets.scene import Box, Camera, Scene, SceneObject
from gsi_datasets.simulators.thor import Recording, connect
from gsi_datasets.simulators.thor_frames import aligned_box, oriented_box, pose_of, to_world, upright, vector
from gsi_datasets.simulators.thor_player import ThorScene
from gsi_datasets.simulators.thor_stage import Actor, Play, support_of
from gsi_datasets.worlds.specs import SceneError, ThorWorld, WorldError, is_file_of_houses


Array = NDArray[np.float64]
# The rooms of iTHOR by hundreds of their numbers.
ROOMS = {0: "kitchen", 2: "living room", 3: "bedroom", 4: "bathroom"}
FLAT = frozenset(
    {"ArmChair", "Bed", "Chair", "CoffeeTable", "CounterTop", "Desk", "DiningTable", "Dresser", "Footstool"}
    | {"Ottoman", "Plate", "Safe", "Shelf", "ShelvingUnit", "SideTable", "Sofa", "Stool", "TVStand"}
)
"""Types on which things stand; into bowls, sinks and drawers nothing is put."""
# Points of a surface whose heights differ by less are one place, metres, and how many make one.
LEVEL, FEWEST_SPOTS = 0.02, 4
# From where the agent can stand to what stops it, and the distance of such points, metres.
AGENT_RADIUS, GRID = 0.2, 0.25
# Of what Unity calls its position over the floor, metres.
AGENT_HEIGHT = 0.9
MOST_AREAS = 6


def compose(
    name: str, world: ThorWorld, number: int, image_size: int, rng: np.random.Generator, *, held_out: bool
) -> Scene:
    """The scene that a number stands for, as Unity begins it.

    Args:
        name: of the scene made.
        world: which scenes, and which player.
        number: of the scene in its split; the scenes take turns.
        image_size: width and height, pixels.
        rng: unused; Unity's scenes are as they are.
        held_out: whether it is for another split than ``train``.

    Raises:
        WorldError: there is no player, or no such scenes.
        SceneError: a scene tells too little.
    """
    scenes = available(world)
    chosen = world.scenes_of(list(scenes), held_out)
    key = chosen[number % len(chosen)]
    played = scenes[key]
    unity = connect(world, image_size)
    recording = unity.record(played if played is not None else key, lambda record: record["objectType"] in FLAT)
    objects, play = arranged(key, played if played is not None else key, recording)
    unity.bind(objects[0].asset, play)
    middle = objects[0].box.centre
    extrinsics = look_at(middle, middle + np.array([0.0, 1.0, -0.2]))
    camera = Camera(intrinsics_from_fov(np.radians(60), image_size, image_size), extrinsics, image_size, image_size)
    return Scene(name, objects, camera)


def available(world: ThorWorld) -> dict[str, dict[str, Any] | None]:
    """The scenes of a world by name; the dictionary of those that have one.

    Raises:
        WorldError: a pattern fits no scene, or a file holds no houses.
    """
    known = [f"FloorPlan{100 * hundred + number}" for hundred in ROOMS for number in range(1, 31)]
    known += [f"FloorPlan_Train{i}_{j}" for i in range(1, 13) for j in range(1, 6)]
    known += [f"FloorPlan_Val{i}_{j}" for i in range(1, 4) for j in range(1, 6)]
    found: dict[str, dict[str, Any] | None] = {}
    for wanted in world.scenes:
        if is_file_of_houses(wanted):
            found |= houses(Path(wanted).expanduser())
            continue
        fits = fnmatch.filter(known, wanted.removesuffix("_physics"))
        if not fits:
            raise WorldError(
                f"world.scenes: no scene of AI2-THOR is called {wanted!r}; there are FloorPlan1 to 30, 201 to 230, "
                "301 to 330, 401 to 430, FloorPlan_Train1_1 to 12_5 and FloorPlan_Val1_1 to 3_5, patterns such as "
                "FloorPlan2*, and JSON or JSONL files of ProcTHOR houses"
            )
        found |= dict.fromkeys(fits)
    return found


@lru_cache(maxsize=4)
def houses(path: Path) -> dict[str, dict[str, Any] | None]:
    """The houses of a file, by the file's name and their number: one dictionary, a list, or one on each line.

    Raises:
        WorldError: it cannot be read, or something in it is no house.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        lines = [json.loads(line) for line in text.splitlines() if line.strip()] if ".jsonl" in path.name else None
        read = json.loads(text) if lines is None else lines
    except (OSError, EOFError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WorldError(f"world.scenes: {path} holds no houses that can be read: {error}") from error
    found = read if isinstance(read, list) else [read]
    for number, house in enumerate(found):
        missing = [part for part in ("rooms", "walls", "objects") if not isinstance(house, dict) or part not in house]
        if missing:
            raise WorldError(
                f"world.scenes: {path}, house {number}: no {' and no '.join(missing)}; ProcTHOR houses have rooms, "
                "walls, doors, windows, objects, proceduralParameters and metadata"
            )
    stem = "".join(letter if letter.isalnum() else "-" for letter in path.name.split(".")[0].lower())
    return {f"{stem}-{number:05d}": house for number, house in enumerate(found)}


def arranged(key: str, played: ThorScene, recording: Recording) -> tuple[tuple[SceneObject, ...], Play]:
    """The objects of a recorded scene, the room first, and what Unity must know to play them.

    Args:
        key: name of the scene.
        played: what the player is given to begin it.
        recording: what Unity said.

    Raises:
        SceneError: the scene has no floor to stand on.
    """
    records = {record["objectId"]: record for record in recording.metadata["objects"]}
    names = _names(records)
    made = [_room(key, recording)]
    actors: dict[str, Actor] = {}
    instances: dict[str, int] = {}
    for object_id, record in records.items():
        kind = record["objectType"]
        if kind == "Floor":
            continue  # of the room
        known = kind in things.KINDS
        if known:
            instances[object_id] = len(instances) + 1
        support = _support(record, records, names)
        box = _box(record)
        movable = known and support is not None and record["objectOrientedBoundingBox"] is not None
        info = things.register(
            kind,
            str(record.get("assetId") or ""),
            box.size,
            float(record["mass"] or 0.0),
            _places(box, recording.spots.get(object_id)),
            furniture=not record["pickupable"],
            stands=bool(pose_of(record)[2, 2] > np.cos(np.radians(3))),
        )
        size = np.asarray(info.size)
        item = SceneObject(
            name=names[object_id],
            instance=instances.get(object_id, 0),
            asset=info.id,
            category=info.category,
            caption=info.caption,
            caption_zh=info.caption_zh,
            position=box.centre - 0.5 * size[2] * box.rotation[:, 2],
            rotation=box.rotation,
            local_centre=np.array([0.0, 0.0, 0.5 * size[2]]),
            local_size=size,
            support=support,
            static=not movable,
        )
        made.append(item)
        offset = invert_rigid(pose_of(record)) @ item.pose
        actors[item.name] = Actor(object_id, offset, item.pose, (record["position"], record["rotation"]), movable)
    return tuple(made), Play(played, actors, instances)


def _names(records: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A name for each object: its noun and a number."""
    counts: Counter[str] = Counter()
    found = {}
    for object_id, record in records.items():
        kind = record["objectType"]
        noun = things.KINDS[kind].category.replace(" ", "_") if kind in things.KINDS else kind.lower()
        counts[noun] += 1
        found[object_id] = f"{noun}_{counts[noun]}"
    return found


def _support(record: dict[str, Any], records: dict[str, dict[str, Any]], names: Mapping[str, str]) -> str | None:
    """Name of what an object that can be moved is on or in; None for what stays where it is.

    What is shut away in a drawer or a fridge stays there.
    """
    carrier = support_of(record, records) if record["pickupable"] or record["moveable"] else None
    if carrier is None or (carrier["openable"] and not carrier["isOpen"]):
        return None
    return "room" if carrier["objectType"] == "Floor" else names[carrier["objectId"]]


def _box(record: Mapping[str, Any]) -> Box:
    """The box of an object with z up and -y where it faces; axis-aligned where Unity gives no other."""
    axes = pose_of(record)[:3, :3]
    found = oriented_box(record)
    # The axes of the pose are exact, those of the corners as good as their last digits.
    box = aligned_box(record) if found is None else Box(found.centre, found.size, axes)
    return upright(Box(box.centre, np.maximum(box.size, things.THIN), box.rotation), axes[:, 1])


def _places(box: Box, spots: Array | None) -> tuple[Receptacle, ...]:
    """The flat areas of an object on which Unity would put things, highest first, in its own frame.

    Args:
        box: of the object; things are put on it only if it stands upright.
        spots: (N, 3) points in the world.
    """
    if spots is None or not len(spots) or box.rotation[2, 2] < np.cos(np.radians(1)):
        return ()
    local = (spots - box.centre) @ box.rotation + (0.0, 0.0, 0.5 * box.size[2])
    local = local[np.argsort(-local[:, 2], kind="stable")]
    steps = np.flatnonzero(-np.diff(local[:, 2]) > LEVEL) + 1
    found: list[Receptacle] = []
    for level in np.split(local, steps):
        half = 0.5 * np.ptp(level[:, :2], axis=0)
        if len(level) < FEWEST_SPOTS or half.min() <= 0.02:
            continue
        x, y = 0.5 * (level[:, :2].min(axis=0) + level[:, :2].max(axis=0))
        height = round(float(np.median(level[:, 2])), 6)
        headroom = found[-1].floor - height if found else float("inf")
        extents = (round(float(half[0]), 6), round(float(half[1]), 6))
        centre = (round(float(x), 6), round(float(y), 6))
        found.append(Receptacle("on", height, extents, False, height, centre, headroom))
    return tuple(found)


def _room(key: str, recording: Recording) -> SceneObject:
    """The structure: its size from the bounds of the scene, its free floor from where the agent can stand."""
    bounds = recording.metadata["sceneBounds"]
    centre, size = to_world(vector(bounds["center"])), to_world(vector(bounds["size"]))
    if not len(recording.reachable):
        raise SceneError(f"AI2-THOR scene {key}: there is no place where the agent can stand")
    # To the decimetre, since what Unity says of the agent's height varies by a centimetre.
    level = round(float(np.median(recording.reachable[:, 2])) - AGENT_HEIGHT, 1)
    origin = np.array([centre[0], centre[1], level])
    height = float(centre[2] + size[2] / 2 - level)
    kind = _kind(key)
    rooms = tuple(
        Room(f"area_{number + 1}", kind, _pair((low + high) / 2 - origin[:2]), (*_pair(high - low), height))
        for number, (low, high) in enumerate(free_areas(recording.reachable[:, :2]))
    )
    floor = Receptacle("on", 0.0, _pair(size[:2] / 2), False, 0.0)
    info = things.register_room(key, np.array([size[0], size[1], height]), floor, rooms)
    middle = np.array([0.0, 0.0, height / 2])
    return SceneObject(
        "room", 0, info.id, "room", "room", "房间", origin, np.eye(3), middle, np.asarray(info.size), static=True
    )


def free_areas(points: Array) -> list[tuple[Array, Array]]:
    """Rectangles of floor where the agent can walk, largest first: lower and higher corner (2,), metres.

    Args:
        points: (N, 2) of a square grid where it can stand.
    """
    cells = np.round((points - points.min(axis=0)) / GRID).astype(int)
    free = np.zeros(cells.max(axis=0) + 1, dtype=bool)
    free[tuple(cells.T)] = True
    found: list[tuple[Array, Array]] = []
    while len(found) < MOST_AREAS and free.any():
        low, high = _largest(free)
        free[low[0] : high[0] + 1, low[1] : high[1] + 1] = False
        corner = points.min(axis=0)
        found.append((corner + GRID * low - AGENT_RADIUS, corner + GRID * high + AGENT_RADIUS))
    return found


def _largest(free: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last cell (2,) of the largest rectangle of free cells."""
    best, area = (np.zeros(2, dtype=int), np.zeros(2, dtype=int)), 0
    for first in range(len(free)):
        whole = np.ones(free.shape[1], dtype=bool)
        for last in range(first, len(free)):
            whole &= free[last]
            # Runs of free columns.
            edges = np.flatnonzero(np.diff(np.concatenate([[0], whole.astype(int), [0]])))
            for start, stop in edges.reshape(-1, 2):
                if (last - first + 1) * (stop - start) > area:
                    area = (last - first + 1) * int(stop - start)
                    best = np.array([first, start]), np.array([last, stop - 1])
    return best


def _kind(key: str) -> str:
    """What sort of room a scene is."""
    digits = key.removeprefix("FloorPlan")
    return ROOMS.get(int(digits) // 100, "room") if digits.isdecimal() else "room"


def _pair(values: Array) -> tuple[float, float]:
    return round(float(values[0]), 6), round(float(values[1]), 6)
