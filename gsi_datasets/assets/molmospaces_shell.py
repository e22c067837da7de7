"""The shell of a house in MJCF: floors, walls and ceilings as one asset that knows its rooms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets import mjcf
from gsi_datasets.assets.asset import Asset, AssetInfo, Material, MeshPart, Receptacle, Room
from gsi_datasets.assets.mjcf import GEOM, Frame, Model
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.primitives import Mesh
from gsi_datasets.rooms import holds


Array = NDArray[np.float64]
FLOOR_BODY = re.compile(r"room[_-]?(\d+)(?!\d)")
"""Bodies that are the floor of a room: ``room_4``."""
PAINT, PLASTER = Material((0.94, 0.94, 0.93), roughness=0.9), Material((0.86, 0.85, 0.82), roughness=0.9)
SLAB = 0.1
MARGIN = 1.0
"""Metres that a floor without an end reaches beyond everything on it."""
CEILING = 2.6
"""Metres, where nothing tells the height of the rooms."""
WALLED = 1.2
"""Metres: a house that is nowhere higher has no walls."""
WELD = 1e-3
"""Metres: corners of a floor nearer than this are one."""


def floor_height(model: Model, own: NDArray[np.bool_]) -> float:
    """The height of the floor in the model's world: of its highest plane, else of the lowest floor of a room; metres.

    Args:
        model: the house.
        own: (nbody,) bodies of the shell.
    """
    compiled = model.model
    planes = [
        float(model.data.geom_xpos[geom][2])
        for geom in np.flatnonzero(own[compiled.geom_bodyid])
        if compiled.geom_type[geom] == GEOM.mjGEOM_PLANE
    ]
    if planes:
        return max(planes)
    floors = [float(mjcf.bounds(parts)[1][2]) for _, parts in _floors(model, own, Frame())]
    return min(floors, default=0.0)


def shell_of(
    asset_id: str,
    model: Model,
    own: NDArray[np.bool_],
    frame: Frame,
    around: Sequence[tuple[Array, Array]],
    counts: Mapping[int, int],
) -> Asset:
    """The asset of a house's shell.

    Args:
        asset_id: its id.
        model: the house.
        own: (nbody,) bodies of the shell.
        frame: its frame, floor at 0.
        around: bounds of the objects in that frame, (3,) and (3,) each.
        counts: movable objects by the number of their room: the room with most is the main one.
    """
    drawn, solid = model.geoms_of(own)
    bounded = model.parts(drawn, frame)
    boxes = [*around, *([mjcf.bounds(bounded)] if bounded else [])]
    low = np.min([it[0] for it in boxes], axis=0)
    high = np.max([it[1] for it in boxes], axis=0)
    if not bounded:
        margin = np.array([MARGIN, MARGIN, 0.0])
        low, high = low - margin, high + margin
    height = float(high[2]) if bounded and high[2] > 1.8 else max(CEILING, float(high[2]) + 0.3)
    parts = model.parts(drawn, frame, (low[:2], high[:2])) + _backdrop(low[:2], high[:2], height, high[2] < WALLED)
    floors = [(number, _room(number, floor, height)) for number, floor in _floors(model, own, frame)]
    floors.sort(key=lambda it: (-counts.get(it[0], 0), it[0]))
    rooms = tuple(room for _, room in floors)
    if not rooms:
        middle, size = (low + high) / 2, high - low
        rooms = (
            Room("room_1", "room", (float(middle[0]), float(middle[1])), (float(size[0]), float(size[1]), height)),
        )
    slab = box_hull((float(low[0]), float(low[1]), -SLAB), (float(high[0]), float(high[1]), 0.0))
    places = [_place(room) for room in rooms]
    info = AssetInfo(
        asset_id, "room", "room", "房间", (float(high[0] - low[0]), float(high[1] - low[1]), height),
        kind="structure", mass=1000.0, receptacle=places[0], shelves=tuple(places[1:]), name="house",
        author="Allen Institute for AI", licence="CC-BY-4.0", source="MolmoSpaces (house)",
    )  # fmt: skip
    return Asset(info, parts, (slab, *model.hulls(solid, frame)), rooms)


def _backdrop(low: Array, high: Array, height: float, walls: bool) -> tuple[MeshPart, ...]:
    """A plain ceiling over everything, (2,) to (2,) metres, for houses come without; walls too if there are none."""
    x0, y0, x1, y1 = *low, *high
    ceiling = np.array([(x0, y0, height), (x0, y1, height), (x1, y1, height), (x1, y0, height)])
    quads = [ceiling]
    if walls:
        ground = ceiling * (1, 1, 0)
        quads += [
            np.array([ground[k], ground[k - 3], ceiling[k - 3], ceiling[k]]) for k in range(4)
        ]  # seen from inside
    found = []
    for number, quad in enumerate(quads):
        normal = np.cross(quad[1] - quad[0], quad[2] - quad[0])
        flat = Mesh(
            quad, np.array([[0, 1, 2], [0, 2, 3]]), np.tile(normal / np.linalg.norm(normal), (4, 1)), np.zeros((4, 2))
        )
        found.append(flat.part(PLASTER if number else PAINT))
    return tuple(found)


def _floors(model: Model, own: NDArray[np.bool_], frame: Frame) -> list[tuple[int, tuple[MeshPart, ...]]]:
    """The numbers of the rooms and what their floors look like."""
    found = []
    for name, body in model.bodies.items():
        match = FLOOR_BODY.fullmatch(name)
        if match and own[body]:
            only = np.zeros(len(own), dtype=bool)
            only[body] = True
            if parts := model.parts(model.geoms_of(only)[0], frame):
                found.append((int(match.group(1)), parts))
    return found


def _room(number: int, floor: tuple[MeshPart, ...], height: float) -> Room:
    low, high = mjcf.bounds(floor)
    middle, size = (low + high)[:2] / 2, (high - low)[:2]
    outline = _outline(floor)
    rectangle = len(outline) == 4 and abs(_area(outline) - float(np.prod(size))) < 1e-3
    return Room(
        f"room_{number}",
        "room",
        (float(middle[0]), float(middle[1])),
        (float(size[0]), float(size[1]), height),
        () if rectangle or not len(outline) else tuple((float(x), float(y)) for x, y in outline),
    )


def _outline(parts: Sequence[MeshPart]) -> Array:
    """(N, 2) the outline of what of a floor looks up, its longest loop of edges; empty if the edges make none."""
    triangles = np.concatenate([part.vertices[part.faces] for part in parts]).astype(np.float64)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    steep = 0.9 * np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
    up, down = normals[:, 2] > steep, normals[:, 2] < -steep
    if not (up.any() or down.any()):
        return np.empty((0, 2))
    # A floor may be a single sheet that looks down; its edges then run the other way round.
    triangles = triangles[up] if up.any() else triangles[down][:, ::-1]
    keys, welded = np.unique(np.round(triangles[:, :, :2].reshape(-1, 2) / WELD), axis=0, return_inverse=True)
    faces = welded.reshape(-1, 3)
    edges = [(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)]
    both = set(edges)
    following = {a: b for a, b in edges if (b, a) not in both}
    loops: list[list[int]] = []
    while following:
        loop = [next(iter(following))]
        while (nearest := following.pop(loop[-1], None)) is not None:
            loop.append(nearest)
        if loop[0] == loop[-1] and len(loop) > 3:
            loops.append(loop[:-1])
    if not loops:
        return np.empty((0, 2))
    points = max((keys[loop] * WELD for loop in loops), key=_area)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    return np.asarray(points[bends > 1e-6])


def _area(outline: Array) -> float:
    x, y = outline.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _place(room: Room) -> Receptacle:
    """The largest rectangle of a floor: between its corners, in whatever columns and rows lie over the floor."""
    middle, half = np.array(room.middle), np.array(room.size[:2]) / 2
    best = (middle - half, middle + half)
    if room.outline:
        corners = np.array(room.outline)
        xs, ys = (np.unique(np.round(corners[:, k], 3)) for k in range(2))
        largest = 0.0
        for (x0, x1), (y0, y1) in ((a, b) for a in combinations(xs, 2) for b in combinations(ys, 2)):
            area = float((x1 - x0) * (y1 - y0))
            grid = np.stack(np.meshgrid(np.linspace(x0, x1, 9), np.linspace(y0, y1, 9)), axis=-1).reshape(-1, 2)
            inner = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + 0.98 * (grid - [(x0 + x1) / 2, (y0 + y1) / 2])
            if area > largest and holds(room, inner).all():
                largest, best = area, (np.array([x0, y0]), np.array([x1, y1]))
    half, middle = (best[1] - best[0]) / 2, (best[0] + best[1]) / 2
    return Receptacle("on", 0.0, (float(half[0]), float(half[1])), False, 0.0, (float(middle[0]), float(middle[1])))
