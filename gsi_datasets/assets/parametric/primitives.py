"""Meshes from a few numbers: turned, swept, extruded and bevelled shapes, closed, with normals and UVs.

All lengths are metres, all angles radians. A turned shape starts its texture at the back (+y) and runs
counter-clockwise seen from above, so that the middle of the texture faces the front (-y) and text reads rightly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.assets.asset import Material, MeshPart


Array = NDArray[np.float64]
Rect = tuple[float, float, float, float]
WHOLE: Rect = (0.0, 0.0, 1.0, 1.0)
CREASE = np.radians(38.0)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles without a material.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3) vertex numbers, counter-clockwise seen from outside.
        normals: (V, 3) unit.
        uvs: (V, 2), (0, 0) at the texture's bottom left.
    """

    vertices: Array
    faces: NDArray[np.int64]
    normals: Array
    uvs: Array

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        """The mesh shifted."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """The mesh stretched about the origin by positive factors."""
        normals = self.normals / (x, y, z)
        return replace(self, vertices=self.vertices * (x, y, z), normals=_unit(normals))

    def turned(self, axis: str, angle: float) -> Mesh:
        """The mesh rotated about a coordinate axis through the origin."""
        matrix = rotation(axis, angle)
        return replace(self, vertices=self.vertices @ matrix.T, normals=self.normals @ matrix.T)

    def bent(self, vertices: Array, crease: float = CREASE) -> Mesh:
        """The same triangles with other vertex positions, (V, 3); normals are computed anew."""
        return shade(vertices, self.faces, self.uvs, crease)

    def painted(self, rect: Rect) -> Mesh:
        """The mesh with its UVs squeezed into a rectangle (u0, v0, u1, v1) of the texture."""
        low, high = np.array(rect[:2]), np.array(rect[2:])
        return replace(self, uvs=low + self.uvs * (high - low))

    def volume(self) -> float:
        """Signed volume, cubic metres; positive where the normals point outward."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    def part(self, material: Material) -> MeshPart:
        """The mesh with a surface, in the types assets are kept in."""
        return MeshPart(
            self.vertices.astype(np.float32),
            self.faces.astype(np.int32),
            self.normals.astype(np.float32),
            self.uvs.astype(np.float32),
            material,
        )


def rotation(axis: str, angle: float) -> Array:
    """(3, 3) rotation about the ``x``, ``y`` or ``z`` axis."""
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix = np.eye(3)
    matrix[j, j] = matrix[k, k] = np.cos(angle)
    matrix[k, j] = np.sin(angle)
    matrix[j, k] = -matrix[k, j]
    return matrix


def merge(*meshes: Mesh) -> Mesh:
    """Several meshes as one; they share a material."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
    )


def shade(vertices: Array, faces: NDArray[np.int64], uvs: Array, crease: float = CREASE) -> Mesh:
    """Give triangles normals: smooth where they meet at less than `crease`, sharp elsewhere.

    Vertices at equal positions count as one; vertices are split where normals differ. Triangles without area, as at
    the poles of a turned shape, are dropped.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        uvs: (V, 2).
        crease: radians between the normals of neighbouring triangles.
    """
    low = vertices.min(axis=0)
    key = np.rint((vertices - low) * (((1 << 21) - 1) / np.ptp(vertices, axis=0).max())).astype(np.int64)
    welded = np.unique(key[:, 0] << 42 | key[:, 1] << 21 | key[:, 2], return_inverse=True)[1]
    corners = welded[faces]
    real = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 2] != corners[:, 0])
    faces, corners = faces[real], corners[real].ravel()
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.cross(b - a, c - a)
    flat = _unit(area)

    # All pairs of corners that meet at one point; each corner sums the areas of the triangles it is smooth with.
    order = np.argsort(corners, kind="stable")
    counts = np.bincount(corners)
    starts = np.cumsum(counts) - counts
    repeats = counts[corners[order]]
    first = np.repeat(order, repeats)
    within = np.arange(len(first)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    second = order[np.repeat(starts[corners[order]], repeats) + within]
    smooth = np.einsum("ij,ij->i", flat[first // 3], flat[second // 3]) > np.cos(crease)
    first, second = first[smooth], second[smooth] // 3
    normals = _unit(np.stack([np.bincount(first, area[second, i], len(corners)) for i in range(3)], axis=1))

    tag = np.rint(normals * 500).astype(np.int64) + 512
    owner = faces.ravel()
    split = owner << 30 | tag[:, 0] << 20 | tag[:, 1] << 10 | tag[:, 2]
    _, chosen, numbers = np.unique(split, return_index=True, return_inverse=True)
    return Mesh(vertices[owner[chosen]], numbers.reshape(-1, 3), normals[chosen], uvs[owner[chosen]])


def lathe(profile: ArrayLike, sectors: int = 40, crease: float = CREASE, rect: Rect = WHOLE) -> Mesh:
    """Turn a profile about the z axis.

    Args:
        profile: (P, 2) of (radius, z), from the bottom centre outward, up, and over the top (or down the inside) to
            the axis; a ring instead repeats its first point at the end.
        sectors: how many steps around; a multiple of 4 keeps the bounding box centred.
        crease: see `shade`.
        rect: texture rectangle; u runs around, v along the profile by length.
    """
    line = np.asarray(profile, dtype=float)
    # Both ends of the seam must be the same points to the last bit.
    angle = np.pi / 2 + np.arange(sectors + 1) % sectors * (2 * np.pi / sectors)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    around[np.abs(around) < 1e-12] = 0.0
    rings = np.concatenate(
        [line[:, None, :1] * around[None], np.broadcast_to(line[:, None, 1:], (len(line), sectors + 1, 1))], axis=2
    )
    u, v = np.meshgrid(np.linspace(0, 1, sectors + 1), along(line))
    return _grid(rings, np.stack([u, v], axis=2), crease).painted(rect)


def along(line: ArrayLike) -> Array:
    """(P,) length along a polyline up to each of its points, as a fraction of the whole."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(np.asarray(line, dtype=float), axis=0), axis=1))])
    return length / length[-1]


def tube(
    path: ArrayLike,
    radius: ArrayLike,
    sectors: int = 10,
    flat: float = 1.0,
    closed: bool = False,
    up: ArrayLike = (0.0, 0.0, 1.0),
) -> Mesh:
    """Sweep an ellipse along a curve, with flat ends.

    Args:
        path: (P, 3) metres.
        radius: one number, or (P,), metres; 0 ends in a point.
        sectors: how many steps around.
        flat: ratio of the section's half axes, across to along `up`.
        closed: the path returns to its start (do not repeat the point).
        up: direction the section's first axis leans to; must not be parallel to the path anywhere.
    """
    line = np.asarray(path, dtype=float)
    size = np.broadcast_to(np.asarray(radius, dtype=float), len(line))
    if closed:
        line, size = np.concatenate([line, line[:1]]), np.concatenate([size, size[:1]])
        forward = _unit(np.roll(line[:-1], -1, axis=0) - np.roll(line[:-1], 1, axis=0))
        forward = np.concatenate([forward, forward[:1]])
    else:
        forward = _unit(np.gradient(line, axis=0))
    side = _unit(np.cross(forward, np.asarray(up, dtype=float)))
    over = np.cross(side, forward)
    angle = np.arange(sectors + 1) % sectors * (2 * np.pi / sectors)
    ring = np.cos(angle)[None, :, None] * over[:, None] + flat * np.sin(angle)[None, :, None] * side[:, None]
    points = line[:, None] + size[:, None, None] * ring
    v = along(line)
    if not closed:
        ends = np.broadcast_to(line[[0, -1], None], (2, sectors + 1, 3))
        points = np.concatenate([ends[:1], points, ends[1:]])
        v = np.concatenate([[0.0], v, [1.0]])
    grid = np.stack(np.meshgrid(np.linspace(0, 1, sectors + 1), v), axis=2)
    return _grid(points, grid, CREASE)


def extrude(outline: ArrayLike, height: float, bevel: float = 0.0, crease: float = CREASE) -> Mesh:
    """Raise a flat outline from z = 0 to `height`.

    Args:
        outline: (N, 2) simple polygon, counter-clockwise, metres.
        height: metres.
        bevel: how far the upper and lower edges are cut back, metres; small against the outline's details.
        crease: see `shade`.

    Returns:
        The mesh; caps take u, v from x, y stretched over the outline's bounds, sides u along the outline and v from z.
    """
    flat = np.asarray(outline, dtype=float)
    low, span = flat.min(axis=0), np.ptp(flat, axis=0)
    ahead = _unit(np.roll(flat, -1, axis=0) - flat)
    out = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
    mitre = out + np.roll(out, 1, axis=0)
    inner = flat - bevel * 2 * mitre / np.maximum(np.einsum("ij,ij->i", mitre, mitre), 1.0)[:, None]
    levels = (
        [(inner, 0.0), (flat, bevel), (flat, height - bevel), (inner, height)]
        if bevel
        else [(flat, 0.0), (flat, height)]
    )
    rings = np.stack([np.column_stack([line, np.full(len(line), z)]) for line, z in levels])
    rings = np.concatenate([rings, rings[:, :1]], axis=1)
    u = along(rings[len(levels) // 2])
    v = np.clip([z / height for _, z in levels], 0, 1)
    sides = _grid(rings, np.stack(np.meshgrid(u, v), axis=2), crease)

    triangles = _triangles(inner if bevel else flat)
    cap = inner if bevel else flat
    uvs = (cap - low) / span
    n = len(cap)
    vertices = np.concatenate([np.column_stack([cap, np.zeros(n)]), np.column_stack([cap, np.full(n, height)])])
    normals = np.repeat([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]], n, axis=0)
    caps = Mesh(vertices, np.concatenate([triangles[:, ::-1], triangles + n]), normals, np.concatenate([uvs, uvs]))
    return merge(sides, caps)


def loft(rings: ArrayLike, crease: float = CREASE) -> Mesh:
    """Span a skin over cross-sections, with flat ends.

    Args:
        rings: (R, N, 3) sections with equally many points, counter-clockwise seen from where the last one lies.
        crease: see `shade`.
    """
    points = np.asarray(rings, dtype=float)
    ends = np.broadcast_to(points[[0, -1]].mean(axis=1, keepdims=True), (2, *points.shape[1:]))
    points = np.concatenate([ends[:1], points, ends[1:]])
    points = np.concatenate([points, points[:, :1]], axis=1)
    grid = np.meshgrid(along(points[1, :]), along(points[:, 0]))
    return _grid(points, np.stack(grid, axis=2), crease)


FACES = ("front", "right", "back", "left", "top", "bottom")


def box(size: Sequence[float], bevel: float = 0.0, atlas: dict[str, Rect] | None = None) -> Mesh:
    """A box with softened edges, standing on z = 0, centred in x and y.

    Args:
        size: (3,) full extents, metres.
        bevel: how far edges are cut back, metres; shading makes the cut look round.
        atlas: texture rectangle of each face in `FACES` as seen from outside, upright (top and bottom: as seen by
            someone standing in front, looking down on the top or up at the bottom); whole texture where left out.
    """
    half = np.asarray(size, dtype=float) / 2
    bevel = max(min(bevel, 0.49 * float(half.min())), 1e-5)
    frames = {  # outward, rightward, upward
        "front": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
        "right": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "back": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
        "left": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
        "top": ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
        "bottom": ((0, 0, -1), (1, 0, 0), (0, -1, 0)),
    }
    vertices: list[Array] = []
    normals: list[Array] = []
    uvs: list[tuple[float, float]] = []
    faces: list[tuple[int, int, int]] = []
    corner: dict[tuple[int, tuple[int, ...]], int] = {}
    for number, name in enumerate(FACES):
        out, right, up = (np.array(axis, dtype=float) for axis in frames[name])
        u0, v0, u1, v1 = (atlas or {}).get(name, WHOLE)
        for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            sign = out + sx * right + sy * up
            corner[number, tuple(sign.astype(int))] = len(vertices)
            vertices.append(sign * (half - bevel) + out * bevel)
            normals.append(out)
            uvs.append((u0 if sx < 0 else u1, v0 if sy < 0 else v1))
        start = 4 * number
        faces += [(start, start + 1, start + 2), (start, start + 2, start + 3)]

    def joined(corners: Sequence[int], paint: Sequence[int]) -> None:
        # A cut takes the colour of one of its faces, the shading of both.
        start = len(vertices)
        points = np.array([vertices[i] for i in corners])
        outward = np.sum([normals[i] for i in corners], axis=0)
        turn = np.dot(np.cross(points[1] - points[0], points[2] - points[0]), outward) > 0
        vertices.extend(points)
        normals.extend([normals[i] for i in corners])
        uvs.extend([uvs[i] for i in paint])
        ring = [start + i for i in range(len(corners))]
        ring = ring if turn else ring[::-1]
        faces.extend((ring[0], ring[i], ring[i + 1]) for i in range(1, len(ring) - 1))

    outs = [np.array(frames[name][0]) for name in FACES]
    for i in range(6):
        for j in range(i + 1, 6):
            if np.dot(outs[i], outs[j]) == 0:
                run = np.abs(np.cross(outs[i], outs[j]))
                ends = [tuple((outs[i] + outs[j] + s * run).astype(int)) for s in (-1, 1)]
                a0, a1, b0, b1 = corner[i, ends[0]], corner[i, ends[1]], corner[j, ends[0]], corner[j, ends[1]]
                joined((a0, a1, b1, b0), (a0, a1, a1, a0))
    for sign in sorted({key[1] for key in corner}):
        three = [index for (_, s), index in corner.items() if s == sign]
        joined(three, [three[0]] * 3)
    mesh = Mesh(np.array(vertices), np.array(faces, dtype=np.int64), np.array(normals, dtype=float), np.array(uvs))
    return mesh.moved(z=float(half[2]))


def ellipsoid(radii: Sequence[float], sectors: int = 32, rings: int = 16, base: float = 0.0) -> Mesh:
    """An ellipsoid with its lowest point cut flat, standing on z = 0.

    Args:
        radii: (3,) half axes, metres.
        sectors: steps around.
        rings: steps from bottom to top.
        base: radius of the flat foot as a fraction of the ellipsoid's.
    """
    start = -np.pi / 2 + float(np.arcsin(base))
    angle = np.linspace(start, np.pi / 2, rings + 1)
    profile = np.stack([np.cos(angle), np.sin(angle) - np.sin(start)], axis=1)
    profile[-1, 0] = 0.0
    if base > 0:
        profile = np.concatenate([[[0.0, 0.0]], profile])
    else:
        profile[0, 0] = 0.0
    return lathe(profile, sectors).scaled(*radii)


def curve(points: ArrayLike, steps: int = 4) -> Array:
    """A smooth line through the points.

    Args:
        points: (P, D), no two neighbours equal.
        steps: pieces between two points.

    Returns:
        ((P - 1) * steps + 1, D).
    """
    p = np.asarray(points, dtype=float)
    # Time between points by the root of their distance keeps unevenly spaced points from making loops.
    time = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(p, axis=0), axis=1)))])
    slope = np.gradient(p, time, axis=0)
    span = np.diff(time)[:, None, None]
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, da, db = p[:-1, None], p[1:, None], slope[:-1, None] * span, slope[1:, None] * span
    line = a + t * da + t**2 * (3 * (b - a) - 2 * da - db) + t**3 * (2 * (a - b) + da + db)
    return np.concatenate([line.reshape(-1, p.shape[1]), p[-1:]])


def arc(centre: Sequence[float], radius: float, start: float, stop: float, steps: int = 4) -> Array:
    """(steps + 1, 2) points on a circle from angle `start` to `stop`."""
    angle = np.linspace(start, stop, steps + 1)
    return np.asarray(centre) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def rounded_rectangle(width: float, depth: float, radius: float, steps: int = 4) -> Array:
    """(4 * (steps + 1), 2) outline, counter-clockwise, centred."""
    x, y = width / 2 - radius, depth / 2 - radius
    corners = [(x, y, 0.0), (-x, y, 0.5), (-x, -y, 1.0), (x, -y, 1.5)]
    return np.concatenate([arc(c[:2], radius, c[2] * np.pi, (c[2] + 0.5) * np.pi, steps) for c in corners])


def _grid(points: Array, uvs: Array, crease: float) -> Mesh:
    """Quads between the rows of (R, C, 3) points; rows run counter-clockwise around the surface's direction."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], axis=-1).reshape(-1, 3), np.stack([a, c, d], axis=-1).reshape(-1, 3)])
    return shade(points.reshape(-1, 3), faces, uvs.reshape(-1, 2), crease)


def _triangles(outline: Array) -> NDArray[np.int64]:
    """(N - 2, 3) triangles of a simple counter-clockwise polygon, by cutting off ears."""

    def turn(a: Array, b: Array, c: Array) -> Array:
        return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])

    left = list(range(len(outline)))
    triangles = []
    while len(left) > 3:
        best, found = -1.0, 0
        for i in range(len(left)):
            a, b, c = outline[left[i - 1]], outline[left[i]], outline[left[(i + 1) % len(left)]]
            size = float(turn(a, b, c))
            if size <= best:
                continue
            rest = outline[[k for k in left if k not in (left[i - 1], left[i], left[(i + 1) % len(left)])]]
            inside = (turn(a, b, rest) > 0) & (turn(b, c, rest) > 0) & (turn(c, a, rest) > 0)
            if not inside.any():
                best, found = size, i
        triangles.append((left[found - 1], left[found], left[(found + 1) % len(left)]))
        left.pop(found)
    return np.array([*triangles, tuple(left)], dtype=np.int64)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
