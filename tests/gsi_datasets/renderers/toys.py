"""Small scenes with shapes whose pictures can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, MeshPart
from gsi_datasets.scene import Camera, Light, Scene, SceneObject


def checker(first: tuple[int, int, int], second: tuple[int, int, int], cells: int = 8) -> NDArray[np.uint8]:
    """(256, 256, 3) checkerboard whose top left quarter is dark, so that a flip shows."""
    grid = np.add.outer(np.arange(256) * cells // 256, np.arange(256) * cells // 256) % 2
    picture = np.where(grid[..., None] == 0, np.array(first), np.array(second)).astype(np.uint8)
    picture[:96, :96] = picture[:96, :96] // 3
    return picture


def quads(corners: NDArray[np.float64], material: Material) -> MeshPart:
    """A part of flat quadrilaterals (Q, 4, 3), counter-clockwise seen from outside."""
    count = len(corners)
    first = 4 * np.arange(count)[:, None]
    faces = np.concatenate([first + np.array(half) for half in ((0, 1, 2), (0, 2, 3))])
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    uvs = np.tile([[0, 0], [1, 0], [1, 1], [0, 1]], (count, 1))
    return MeshPart(
        corners.reshape(-1, 3).astype(np.float32),
        faces.astype(np.int32),
        np.repeat(normals, 4, axis=0).astype(np.float32),
        uvs.astype(np.float32),
        material,
    )


def box_part(
    size: tuple[float, float, float], material: Material, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> MeshPart:
    """A box with its bottom centre at `origin`."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    sides = [
        [[-x, -y, 0], [x, -y, 0], [x, -y, z], [-x, -y, z]],
        [[x, -y, 0], [x, y, 0], [x, y, z], [x, -y, z]],
        [[x, y, 0], [-x, y, 0], [-x, y, z], [x, y, z]],
        [[-x, y, 0], [-x, -y, 0], [-x, -y, z], [-x, y, z]],
        [[-x, -y, z], [x, -y, z], [x, y, z], [-x, y, z]],
        [[-x, y, 0], [x, y, 0], [x, -y, 0], [-x, -y, 0]],
    ]
    return quads(np.array(sides) + origin, material)


def lathe_part(profile: list[tuple[float, float]], material: Material, turns: int = 64) -> MeshPart:
    """A surface of revolution about z; `profile` gives (radius, height) from the bottom up."""
    points = np.array(profile)
    angle = np.linspace(0, 2 * np.pi, turns + 1)
    tangent = np.gradient(points, axis=0)
    slope = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)

    def revolve(pairs: NDArray[np.float64]) -> NDArray[np.float32]:
        x, y = np.outer(pairs[:, 0], np.cos(angle)), np.outer(pairs[:, 0], np.sin(angle))
        z = np.repeat(pairs[:, 1:], len(angle), axis=1)
        return np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)

    row = np.arange(len(points) - 1)[:, None] * (turns + 1) + np.arange(turns)
    a, b = row.ravel(), row.ravel() + turns + 1
    faces = np.concatenate([np.stack([a, a + 1, b], axis=1), np.stack([a + 1, b + 1, b], axis=1)]).astype(np.int32)
    v = np.linspace(0, 1, len(points))
    uvs = np.stack(np.meshgrid(angle / (2 * np.pi) * 2, v), axis=-1).reshape(-1, 2).astype(np.float32)
    return MeshPart(revolve(points), faces, revolve(slope), uvs, material)


def asset(name: str, *parts: MeshPart) -> Asset:
    built = Asset(AssetInfo(name, name, name, name, (1.0, 1.0, 1.0)), parts)
    low, high = built.bounds()
    return replace(built, info=replace(built.info, size=tuple(float(side) for side in high - low)))


def sphere(radius: float, material: Material, rings: int = 96) -> MeshPart:
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings)
    return lathe_part(
        [(float(radius * np.cos(a)), float(radius * (1 + np.sin(a)))) for a in angle], material, turns=2 * rings
    )


def _mug(material: Material) -> MeshPart:
    outer = [(0.0, 0.0), (0.03, 0.0), (0.035, 0.004), (0.038, 0.05), (0.04, 0.095), (0.038, 0.097), (0.036, 0.095)]
    return lathe_part([*outer, (0.034, 0.05), (0.03, 0.008), (0.0, 0.006)], material)


WOOD = checker((176, 128, 84), (160, 112, 70), 16)
LIBRARY: dict[str, Asset] = {
    "cube": asset("cube", box_part((1.0, 1.0, 1.0), Material(color=(0.7, 0.3, 0.2)))),
    "ball": asset("ball", sphere(0.1, Material(color=(0.9, 0.2, 0.2)))),
    "sheet": asset("sheet", box_part((8.0, 8.0, 0.02), Material(color=(0.72, 0.7, 0.66), roughness=0.9))),
    "mug": asset("mug", _mug(Material(color=(0.9, 0.9, 0.88), roughness=0.25))),
    "blue_mug": asset("blue_mug", _mug(Material(color=(0.15, 0.3, 0.65), roughness=0.25))),
    "carton": asset("carton", box_part((0.12, 0.06, 0.18), Material(texture=checker((230, 200, 60), (200, 60, 40))))),
    "can": asset(
        "can",
        lathe_part(
            [(0.0, 0.0), (0.033, 0.0), (0.033, 0.001), (0.033, 0.11), (0.033, 0.111), (0.0, 0.111)],
            Material(texture=checker((240, 240, 240), (30, 120, 60), 4), roughness=0.4),
        ),
    ),
    "steel_bowl": asset(
        "steel_bowl",
        lathe_part(
            [(0.0, 0.0), (0.04, 0.0), (0.07, 0.03), (0.085, 0.06), (0.083, 0.06), (0.068, 0.032), (0.0, 0.004)],
            Material(color=(0.8, 0.8, 0.82), roughness=0.3, metallic=1.0),
        ),
    ),
    "glass": asset(
        "glass",
        lathe_part(
            [(0.0, 0.0), (0.028, 0.0), (0.034, 0.12), (0.032, 0.12), (0.026, 0.01), (0.0, 0.01)],
            Material(color=(0.9, 0.97, 1.0), roughness=0.05, opacity=0.3),
        ),
    ),
    "table": asset(
        "table",
        box_part((1.4, 0.9, 0.04), Material(texture=WOOD), (0.0, 0.0, 0.71)),
        *(
            box_part((0.06, 0.06, 0.71), Material(color=(0.5, 0.36, 0.24)), (0.6 * x, 0.38 * y, 0.0))
            for x in (-1, 1)
            for y in (-1, 1)
        ),
    ),
    "floor": asset(
        "floor",
        quads(
            np.array([[[-3, -3, 0], [3, -3, 0], [3, 3, 0], [-3, 3, 0]]], float),
            Material(texture=checker((190, 185, 178), (180, 174, 166), 12), roughness=0.8),
        ),
    ),
    "wall": asset(
        "wall",
        quads(
            np.array([[[-3, 0, 0], [3, 0, 0], [3, 0, 2.8], [-3, 0, 2.8]]], float),
            Material(color=(0.86, 0.84, 0.8), roughness=0.95),
        ),
    ),
}


def lookup(name: str) -> Asset:
    return LIBRARY[name]


def place(
    kind: str,
    position: tuple[float, float, float],
    instance: int,
    *,
    name: str = "",
    yaw: float = 0.0,
    scale: float = 1.0,
    static: bool = False,
) -> SceneObject:
    low, high = LIBRARY[kind].bounds()
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    name = name or f"{kind}_{instance}"
    where = np.array(position, dtype=float)
    return SceneObject(
        name, instance, kind, kind, kind, kind, where, turn, (low + high) / 2, high - low, scale, static=static
    )


def look(
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    width: int = 512,
    height: int = 512,
    focal: float = 600.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Camera:
    """A camera at `eye` that looks at `target`; `shift` moves the principal point, pixels."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.99 else np.array([0.0, 1.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])
    extrinsics = np.eye(4)
    extrinsics[:3, :3], extrinsics[:3, 3] = turn, -turn @ np.array(eye)
    centre = (width / 2 + shift[0], height / 2 + shift[1])
    intrinsics = np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
    return Camera(intrinsics, extrinsics, width, height)


def tabletop(size: int = 512, focal: float = 1.2) -> Scene:
    """A table with twelve things in a room corner; `focal` in image widths."""
    kinds = [
        "mug",
        "blue_mug",
        "carton",
        "can",
        "steel_bowl",
        "glass",
        "ball",
        "mug",
        "carton",
        "can",
        "carton",
        "can",
    ]
    spots = [(-0.4, -0.1), (-0.2, 0.15), (0.35, 0.2), (0.1, -0.2), (0.0, 0.05), (0.25, -0.05)]
    spots += [(-0.45, 0.2), (0.5, -0.2), (0.15, 0.3), (-0.15, -0.25), (-0.05, 0.32), (0.42, 0.02)]
    room = [
        place("floor", (0, 0, 0), 0, name="floor", static=True),
        place("wall", (0, 1.2, 0), 0, name="wall_back", static=True),
        place("wall", (-1.6, 0, 0), 0, name="wall_left", yaw=np.pi / 2, static=True),
        place("table", (0, 0, 0), 1, name="table", static=True),
    ]
    things = [
        place(kind, (x, y, 0.75), 2 + index, yaw=0.5 * index)
        for index, (kind, (x, y)) in enumerate(zip(kinds, spots, strict=True))
    ]
    camera = look((0.7, -1.3, 1.45), (0.02, 0.02, 0.78), size, size, focal * size)
    key = Light((1.2, -1.0, 2.6), (0.0, 0.0, 0.75))
    fill = Light((-1.4, -1.2, 2.0), (0.0, 0.0, 0.75), intensity=0.25, shadows=False)
    return Scene("tabletop", (*room, *things), camera, (key, fill))
