"""ProcTHOR house dictionaries as worlds: rooms of walls with doorways, and objects as boxes of the assets' sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.thor.boxes import Array, box, triple, turn, vector
from tests.thor.scenes import assets, recorded
from tests.thor.shapes import Record, solids
from tests.thor.world import Thing, Wall, World, room


class HouseError(ValueError):
    """The house cannot be built."""


def build(house: dict[str, Any]) -> World:
    """The world of a house; HouseError if it names an unknown asset."""
    sizes = assets()
    records: list[Record] = []
    for item in house["objects"]:
        _record(item, None, sizes, records)
    things = [Thing.of(record, parts) for record, parts in zip(records, solids(records), strict=True)]
    for thing, item in zip(things, _all(house["objects"]), strict=True):
        thing.kinematic = bool(item.get("kinematic", False))
    floors = [np.array([vector(point) for point in place["floorPolygon"]]) for place in house["rooms"]]
    points = np.concatenate([*floors, *(np.array([vector(p) for p in wall["polygon"]]) for wall in house["walls"])])
    world = World("Procedural", things, [], points.min(axis=0), points.max(axis=0))
    world.low[1] = 0.0
    world.walls = [*_lids(world), *(piece for wall in house["walls"] for piece in _wall(wall, house))]
    return world


def _all(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for item in objects for found in (item, *_all(item.get("children", [])))]


def _record(item: dict[str, Any], parent: str | None, sizes: dict[str, Any], records: list[Record]) -> None:
    """Append the record of an item and those of what lies on it."""
    asset = sizes.get(item["assetId"])
    if asset is None:
        raise HouseError(f"Asset not in database: {item['assetId']}")
    centre, rotation = vector(item["position"]), vector(item["rotation"])
    half = np.array(asset["size"]) / 2
    corners = box(-half, half) @ turn(rotation).T + centre
    low, high = corners.min(axis=0), corners.max(axis=0)
    primary = asset["primary"]
    # The keys that a box does not decide are those of a recorded object.
    record: Record = dict.fromkeys(recorded("FloorPlan1")["objects"][0], False)
    children = item.get("children", [])
    record.update(
        name=item["id"],
        objectId=item["id"],
        objectType=asset["type"],
        assetId=item["assetId"],
        position=triple(centre),
        rotation=triple(rotation),
        pickupable=primary == "CanPickup",
        moveable=primary == "Moveable",
        receptacle="Receptacle" in asset["secondary"],
        openable="CanOpen" in asset["secondary"],
        openness=0.0,
        temperature="RoomTemp",
        fillLiquid=None,
        controlledObjects=None,
        salientMaterials=[],
        mass=1.0,
        parentReceptacles=None if parent is None else [parent],
        receptacleObjectIds=[child["id"] for child in children] or None,
        axisAlignedBoundingBox={"center": triple((low + high) / 2), "size": triple(high - low)},
        objectOrientedBoundingBox=None if primary == "Static" else {"cornerPoints": corners.tolist()},
    )
    records.append(record)
    for child in children:
        _record(child, item["id"], sizes, records)


def _lids(world: World) -> list[Wall]:
    """One floor and one ceiling under and over all rooms."""
    return [wall for wall in room(world.low, world.high) if wall.id.startswith(("Floor|", "Ceiling|"))]


def _wall(wall: dict[str, Any], house: dict[str, Any]) -> list[Wall]:
    """The rectangles of a wall around its doorways."""
    points = np.array([vector(point) for point in wall["polygon"]])
    ends = points[np.argsort(points[:, 1], kind="stable")[:2]]
    along = ends[1] - ends[0]
    length, height = float(np.linalg.norm(along)), float(np.ptp(points[:, 1]))
    if length < 1e-6 or height < 1e-6:
        return []
    along = along / length
    inwards = _inwards(wall, ends, along, house)
    holes = [
        [[min(p[k] for p in door["holePolygon"]), max(p[k] for p in door["holePolygon"])] for k in "xy"]
        for door in house["doors"]
        if wall["id"] in (door["wall0"], door["wall1"])
    ]
    pieces = [(0.0, length, 0.0, height)]
    for (left, right), (_, top) in holes:
        left, right, top = max(0.0, left), min(length, right), min(height, top)
        pieces = [
            part
            for x0, x1, y0, y1 in pieces
            for part in (
                (x0, min(x1, left), y0, y1),
                (max(x0, right), x1, y0, y1),
                (max(x0, left), min(x1, right), top, y1),
            )
            if part[1] - part[0] > 1e-6 and part[3] - part[2] > 1e-6
        ]
    up = np.array([0.0, 1.0, 0.0])
    start = ends[0] * (1, 0, 1) + up * points[:, 1].min()
    return [
        Wall(wall["id"], np.array([start + along * x + up * y for x, y in _rectangle(piece)]), inwards)
        for piece in pieces
    ]


def _rectangle(piece: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    x0, x1, y0, y1 = piece
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _inwards(wall: dict[str, Any], ends: Array, along: Array, house: dict[str, Any]) -> Array:
    """The normal on the side of the wall's own room."""
    normal = np.array([along[2], 0.0, -along[0]])
    floor = next((place["floorPolygon"] for place in house["rooms"] if place["id"] == wall["roomId"]), None)
    if floor is None:
        return normal
    middle = (ends[0] + ends[1]) / 2
    polygon = np.array([[point["x"], point["z"]] for point in floor])
    return normal if _inside(polygon, (middle + 0.01 * normal)[[0, 2]]) else -normal


def _inside(polygon: Array, point: Array) -> bool:
    """Even-odd rule in the floor plan."""
    following = np.roll(polygon, -1, axis=0)
    crosses = (polygon[:, 1] > point[1]) != (following[:, 1] > point[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (point[1] - polygon[:, 1]) / (following[:, 1] - polygon[:, 1])
    return bool((crosses & (point[0] < polygon[:, 0] + share * (following[:, 0] - polygon[:, 0]))).sum() % 2)
