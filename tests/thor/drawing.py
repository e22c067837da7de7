"""Pictures of a world by ray casting: flat colours, planar depth in metres, owners."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from tests.thor.boxes import Array, frame, turn
from tests.thor.world import World


NEAR, FAR = 0.1, 20.0

# Outward quads of a box in the order of `boxes.ORIENTED`: -y, +y, +z, -z, +x, -x.
_FACES = np.array([[0, 1, 2, 3], [4, 7, 6, 5], [0, 4, 5, 1], [3, 2, 6, 7], [0, 3, 7, 4], [1, 5, 6, 2]])
_STRUCTURE = {"Floor": (0.72, 0.6, 0.47), "Ceiling": (0.95, 0.95, 0.95), "Wall": (0.86, 0.84, 0.78)}
_LIGHT = np.array([0.35, 0.8, 0.48])
# Types whose models are round about their own vertical: drawn as the cylinder in their box.
_ROUND = frozenset(
    {"Apple", "BasketBall", "Bottle", "Bowl", "CD", "Candle", "Cup", "Egg", "Lettuce", "PaperTowelRoll", "Vase"}
    | {"PepperShaker", "Plate", "Plunger", "SaltShaker", "ToiletPaper", "Tomato", "WineBottle"}
)
_SIDES = 24
# A faint pattern fixed to each thing, so that pictures tell how it moved: cells of so many metres, and how faint.
_CELL, _FAINT = 0.05, 0.16


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera in Unity's frame.

    Attributes:
        position: (3,) metres.
        rotation: (3,) Euler degrees.
        fov: vertical field of view, degrees.
        height, width: pixels.
        orthographic: half the height of the picture in metres; None for perspective.
    """

    position: Array
    rotation: Array
    fov: float
    height: int
    width: int
    orthographic: float | None = None

    def rays(self, columns: Array, rows: Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Origins and directions (N, 3) through pixel positions; the ray's parameter is the planar depth."""
        right, up, forward = turn(self.rotation).T
        if self.orthographic is None:
            focal = self.height / 2 / np.tan(np.deg2rad(self.fov) / 2)
            across = (columns - self.width / 2)[:, None] / focal * right - (rows - self.height / 2)[
                :, None
            ] / focal * up
            origins = np.broadcast_to(self.position, across.shape)
            return origins.astype(np.float32), (across + forward).astype(np.float32)
        scale = 2 * self.orthographic / self.height
        offset = (columns - self.width / 2)[:, None] * scale * right - (rows - self.height / 2)[:, None] * scale * up
        return (self.position + offset).astype(np.float32), np.broadcast_to(forward, offset.shape).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Picture:
    """What a camera sees, top row first.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32 metres along the optical axis, at most FAR.
        owner: (H, W) index into `names`, -1 for nothing.
        names: ids of things and of walls.
        kinds: type of each, the class it is drawn as.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    owner: NDArray[np.int64]
    names: list[str]
    kinds: list[str]

    def colours(self, table: dict[str, tuple[int, int, int]], classes: bool = False) -> NDArray[np.uint8]:
        """(H, W, 4) uint8 picture of instance or class colours; black where there is nothing."""
        rows = [(*table[name], 255) for name in (self.kinds if classes else self.names)]
        return np.array([*rows, (0, 0, 0, 255)], dtype=np.uint8)[self.owner]


def draw(world: World, camera: Camera) -> Picture:
    """Render one view."""
    rows, columns = np.meshgrid(np.arange(camera.height) + 0.5, np.arange(camera.width) + 0.5, indexing="ij")
    depth, face, mesh = _cast(world, camera, columns.ravel(), rows.ravel())
    origins, directions = camera.rays(columns.ravel(), rows.ravel())
    lit = mesh.light[face] * np.where(depth < FAR, 1 - 0.02 * depth, 1)
    lit = lit * _pattern(world, mesh.owner[face], origins + depth[:, None] * directions)
    colour = np.concatenate([mesh.colour, [[0.85, 0.92, 1.0]]])[mesh.owner[face]] * lit[:, None]
    shape = (camera.height, camera.width)
    return Picture(
        (255 * np.clip(colour, 0, 1)).astype(np.uint8).reshape(*shape, 3),
        depth.reshape(shape),
        mesh.owner[face].reshape(shape),
        mesh.names,
        mesh.kinds,
    )


def pick(world: World, camera: Camera, column: float, row: float) -> tuple[str | None, float]:
    """Name of what is seen at a pixel position, None for nothing, and its depth."""
    depth, face, mesh = _cast(world, camera, np.array([column]), np.array([row]))
    owner = int(mesh.owner[face][0])
    return (None if owner < 0 else mesh.names[owner]), float(depth[0])


def colour_table(names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """A colour for each name, never twice the same and never black."""
    table: dict[str, tuple[int, int, int]] = {}
    taken = {(0, 0, 0)}
    for name in dict.fromkeys(names):
        tries = 0
        while (colour := _digest(f"{name}#{tries}")) in taken:
            tries += 1
        taken.add(colour)
        table[name] = colour
    return table


@dataclass(frozen=True, eq=False)
class _Mesh:
    """Quads; row -1 of `owner` and `light` stands for nothing."""

    corners: Array
    owner: NDArray[np.int64]
    light: Array
    names: list[str]
    kinds: list[str]
    colour: Array


def _cast(
    world: World, camera: Camera, columns: Array, rows: Array
) -> tuple[NDArray[np.float32], NDArray[np.int64], _Mesh]:
    mesh = _mesh(world, camera)
    origins, directions = camera.rays(columns, rows)
    origins = np.ascontiguousarray(origins + NEAR * directions)
    tree = EmbreeScene()
    quads = np.arange(4 * len(mesh.corners)).reshape(-1, 4)
    triangles = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    TriangleMesh(tree, mesh.corners.reshape(-1, 3).astype(np.float32), triangles.astype(np.int32))
    hits = tree.run(origins, np.ascontiguousarray(directions), query="INTERSECT", output=True)
    depth = hits["tfar"].astype(np.float32) + np.float32(NEAR)
    face = np.where((hits["primID"] >= 0) & (depth < FAR), hits["primID"] // 2, -1).astype(np.int64)
    return np.where(face < 0, np.float32(FAR), depth), face, mesh


def _mesh(world: World, camera: Camera) -> _Mesh:
    """All quads that face the camera: Unity does not draw a surface from behind."""
    quads: list[Array] = []
    owners: list[int] = []
    names: list[str] = []
    kinds: list[str] = []
    colours: list[Array] = []
    for thing in world.present():
        for part in thing.solids():
            faces = _cylinder(part) if thing.record["objectType"] in _ROUND else list(part[_FACES])
            quads += faces
            owners += [len(names)] * len(faces)
        names.append(thing.id)
        kinds.append(thing.record["objectType"])
        colours.append(_paint(kinds[-1], thing.id))
    for wall in world.walls:
        # The order of the corners must give the inward normal.
        normal = np.cross(wall.corners[1] - wall.corners[0], wall.corners[2] - wall.corners[0])
        quads.append(wall.corners if normal @ wall.inwards > 0 else wall.corners[::-1])
        owners.append(len(names))
        names.append(wall.id)
        kinds.append(wall.id.split("|")[0].capitalize())
        colours.append(_paint(kinds[-1], wall.id))
    corners = np.array(quads)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    forward = turn(camera.rotation)[:, 2]
    towards = (
        corners[:, 0] - camera.position if camera.orthographic is None else np.broadcast_to(forward, normals.shape)
    )
    facing = (normals * towards).sum(axis=1) < 0
    light = 0.62 + 0.38 * (normals @ (_LIGHT / np.linalg.norm(_LIGHT)))
    return _Mesh(
        corners[facing],
        np.append(np.array(owners)[facing], -1),
        np.append(light[facing], 1.0),
        names,
        kinds,
        np.array(colours),
    )


def _cylinder(corners: Array) -> list[Array]:
    """Outward quads of the cylinder about the vertical axis of a box; those of its ends have two equal corners."""
    centre, axes, half = frame(corners)
    angle = 2 * np.pi * np.arange(_SIDES + 1) / _SIDES
    ring = np.cos(angle)[:, None] * axes[0] * half[0] + np.sin(angle)[:, None] * axes[2] * half[2]
    low, high = centre - axes[1] * half[1], centre + axes[1] * half[1]
    a, b, ends = ring[:-1], ring[1:], np.zeros((_SIDES, 3))
    sides = np.stack([low + a, low + b, high + b, high + a], axis=1)
    quads = np.concatenate([sides, *(np.stack([a, b, ends, ends], axis=1) + end for end in (low, high))])
    normals = np.cross(quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 0])
    inward = (normals * (quads.mean(axis=1) - centre)).sum(axis=1) < 0
    quads[inward] = quads[inward][:, [1, 0, 3, 2]]
    return list(quads)


def _pattern(world: World, owner: NDArray[np.int64], points: Array) -> Array:
    """(N,) brightness of cells fixed to each thing, at points of the world; 1 where there is no thing."""
    things = world.present()
    on = np.flatnonzero((owner >= 0) & (owner < len(things)))
    if not len(on):
        return np.ones(len(owner))
    places = np.array([thing.position for thing in things])
    turns = np.array([turn(thing.rotation) for thing in things])
    local = np.einsum("ni,nij->nj", points[on] - places[owner[on]], turns[owner[on]])
    cells = np.floor(local / _CELL + 0.37).astype(np.int64) @ np.array([7919, 104729, 1299709])
    found = np.ones(len(owner))
    found[on] = 1 - _FAINT * ((cells * 2654435761 + 97 * owner[on]) % 1009) / 1009
    return found


def _paint(kind: str, name: str) -> Array:
    """A muted colour; of the same kind for things of one type."""
    if kind in _STRUCTURE:
        return np.array(_STRUCTURE[kind])
    common, own = _digest(kind), _digest(name)
    hue = (common[0] / 256 + (own[0] / 256 - 0.5) * 0.12) % 1.0
    return np.array(colorsys.hsv_to_rgb(hue, 0.25 + 0.5 * common[1] / 256, 0.5 + 0.45 * own[1] / 256))


def _digest(text: str) -> tuple[int, int, int]:
    red, green, blue = hashlib.md5(text.encode()).digest()[:3]
    return red, green, blue
