"""From the libraries' triangles to few, light, well-lit parts: orientation, decimation, normals, palettes.

A `Soup` is the working form: independent triangles of one material, corners not shared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsi_datasets.assets.asset import Material, MeshPart
from pack_builder.source import Entry, RawMaterial, RawPart


Array = NDArray[np.float64]
CREASE = np.cos(np.radians(40.0))
TEXTURE = 256
# Kinds of reflection the palette keeps apart.
MAX_PLAIN = 3
PALETTE_CELL = 8


@dataclass(frozen=True, eq=False)
class Soup:
    """Triangles of one material.

    Attributes:
        corners: (F, 3, 3) metres, in the asset's frame.
        uvs: (F, 3, 2), zeros where there is no texture.
        material: surface.
    """

    corners: Array
    uvs: Array
    material: Material

    def __len__(self) -> int:
        return len(self.corners)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Soup:
        return replace(self, corners=self.corners[which], uvs=self.uvs[which])

    def reversed(self) -> Soup:
        return replace(self, corners=self.corners[:, ::-1], uvs=self.uvs[:, ::-1])


def convert(raw: list[RawPart], entry: Entry, scale: float, glass: str) -> list[Soup]:
    """Into the asset's frame (z up, front towards -y, origin at the bottom centre), metres; same materials joined.

    Args:
        raw: as read.
        entry: says how it stands and how large it is.
        scale: factor on the catalogue's size.
        glass: ``keep``, ``solid`` (made opaque) or ``drop``.
    """
    if glass == "drop":
        raw = [part for part in raw if part.material.opacity > 0.95]
    points = np.concatenate([part.corners.reshape(-1, 3) for part in raw]) @ entry.rotation.T
    points = np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    factor = scale * np.array(entry.size) / np.maximum(extent, 1e-9)
    points = (points - low - [extent[0] / 2, extent[1] / 2, 0.0]) * factor
    joined: dict[object, list[Soup]] = {}
    start = 0
    for part in raw:
        corners = points[start : start + 3 * len(part.corners)].reshape(-1, 3, 3)
        start += 3 * len(part.corners)
        material = _material(part.material, part.uvs is not None)
        if glass == "solid":
            material = replace(material, opacity=1.0)
        uvs = part.uvs if part.uvs is not None else np.zeros((len(corners), 3, 2))
        look = (
            material.color,
            material.roughness,
            material.opacity,
            id(part.material.texture) if part.uvs is not None else 0,
        )
        joined.setdefault(look, []).append(Soup(corners, uvs, material))
    return [join(pieces) for pieces in joined.values()]


def join(pieces: list[Soup]) -> Soup:
    """All triangles under the first one's material."""
    return replace(
        pieces[0],
        corners=np.concatenate([piece.corners for piece in pieces]),
        uvs=np.concatenate([piece.uvs for piece in pieces]),
    )


def _material(raw: RawMaterial, textured: bool) -> Material:
    shine = raw.specular if raw.shininess > 1 else 0.0
    roughness = 0.75 if shine < 0.05 else float(np.clip((2 / (raw.shininess + 2)) ** 0.25, 0.3, 0.75))
    opacity = 1.0 if raw.opacity > 0.95 else max(raw.opacity, 0.2)
    if not textured or raw.texture is None:
        # Pure white and black do not exist on real surfaces and burn out or swallow shading.
        color = tuple(round(float(np.clip(channel, 0.03, 0.92)), 4) for channel in raw.color)
        return Material(color=(color[0], color[1], color[2]), roughness=round(roughness, 2), opacity=opacity)
    picture = raw.texture.convert("RGB")
    if max(picture.size) > TEXTURE:
        ratio = TEXTURE / max(picture.size)
        picture = picture.resize([max(8, round(side * ratio)) for side in picture.size], Image.Resampling.LANCZOS)
    return Material((1.0, 1.0, 1.0), np.asarray(picture), round(roughness, 2), opacity=opacity)


def weld(points: Array, tolerance: float) -> tuple[Array, NDArray[np.int64]]:
    """Distinct points (rounded to `tolerance`) and the number of each given one."""
    keys = np.round(points / tolerance).astype(np.int64)
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return points[first], index.reshape(-1)


def seen_from_outside(soups: list[Soup], directions: int = 24) -> list[tuple[Array, Array, Array]]:
    """How much of the outside each triangle's front and back see.

    Glass hides nothing. Rays start at the triangles' middles.

    Returns:
        Per soup three (F,) shares in [0, 1]: of directions over the front that meet nothing, over the back that meet
        nothing, and over the back that meet nothing and rise, so that an underside left open does not count.
    """
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    solid = [soup.corners for soup in soups if soup.material.opacity == 1.0]
    scene = rtcore_scene.EmbreeScene()
    if solid:
        TriangleMesh(scene, np.concatenate(solid).astype(np.float32))
    # A spiral over the half sphere, denser towards the pole as light is.
    k = (np.arange(directions) + 0.5) / directions
    angle = np.arange(directions) * np.pi * (3 - np.sqrt(5))
    radius = 0.97 * np.sqrt(k)
    local = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1 - radius**2)], axis=1)
    size = max(np.ptp(np.concatenate([soup.corners.reshape(-1, 3) for soup in soups]), axis=0).max(), 1e-6)
    result = []
    for soup in soups:
        normal = face_normals(soup.corners)
        helper = np.where(np.abs(normal[:, :1]) < 0.7, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
        side = np.cross(normal, helper)
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-30)
        frame = np.stack([side, np.cross(normal, side), normal], axis=1)
        free, rising = [], []
        for sign in (1.0, -1.0):
            rays = np.einsum("di,fij->fdj", local * [1.0, 1.0, sign], frame).reshape(-1, 3)
            start = soup.corners.mean(axis=1) + sign * normal * (2e-5 * size)
            hit = np.full(len(rays), -1)
            if solid:
                origins = np.repeat(start, directions, axis=0)
                hit = scene.run(origins.astype(np.float32), rays.astype(np.float32))
            free.append((hit < 0).reshape(-1, directions).mean(axis=1))
            rising.append(((hit < 0) & (rays[:, 2] > -0.05)).reshape(-1, directions).mean(axis=1))
        result.append((free[0], free[1], rising[1]))
    return result


def face_normals(corners: Array) -> Array:
    """(F, 3) unit normals."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)


def face_areas(corners: Array) -> Array:
    """(F,) areas."""
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2


def components(soup: Soup) -> NDArray[np.int64]:
    """(F,) number of the connected piece each triangle belongs to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = max(np.ptp(soup.corners.reshape(-1, 3), axis=0).max(), 1e-9)
    points, index = weld(soup.corners.reshape(-1, 3), 1e-5 * size)
    faces = index.reshape(-1, 3)
    pairs = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    return connected_components(graph, directed=False)[1][faces[:, 0]]


def orient(soups: list[Soup]) -> list[Soup]:
    """Drop what cannot be seen and turn pieces that are inside out."""
    result = []
    for soup, (front, back, _) in zip(soups, seen_from_outside(soups), strict=True):
        piece, area = components(soup), face_areas(soup.corners)
        sums = [np.bincount(piece, weights=area * share) for share in (front, back)]
        flip = (sums[1] > 1.5 * sums[0])[piece]
        # A triangle goes only when its whole neighbourhood is out of sight, so that gaps show no holes.
        points, index = weld(soup.corners.reshape(-1, 3), 1e-5)
        faces = index.reshape(-1, 3)
        visible = np.zeros(len(points), dtype=bool)
        visible[faces[(front + back) > 0].reshape(-1)] = True
        seen = visible[faces].any(axis=1)
        if seen.any():
            result.append(join([soup.take(seen & ~flip), soup.take(seen & flip).reversed()]))
    return result


def back_sheets(soups: list[Soup]) -> list[Soup]:
    """Give open sheets (leaves, shades, single walls) a back of their own, since renderers cull or mis-shade backs."""
    size = np.ptp(np.concatenate([soup.corners.reshape(-1, 3) for soup in soups]), axis=0).max()
    result = []
    for soup, (_, _, behind) in zip(soups, seen_from_outside(soups), strict=True):
        piece, area = components(soup), face_areas(soup.corners)
        open_area = np.bincount(piece, weights=area * (behind > 0.1))
        sheet = (open_area > 0.03 * np.bincount(piece, weights=area))[piece]
        backs = soup.take(sheet & (behind > 0) & (soup.material.opacity == 1.0)).reversed()
        # A hair behind the front, so that rays meet the right one first.
        backs = replace(backs, corners=backs.corners + (4e-4 * size) * face_normals(backs.corners)[:, None])
        result.append(join([soup, backs]))
    return result


def decimate(soups: list[Soup], budget: int) -> list[Soup]:
    """At most about `budget` triangles in all, shared among connected pieces by the root of their count times area.

    Textured pieces are decimated as well: their new corners take the uv of the same chart of the old surface.
    """
    if sum(map(len, soups)) <= budget:
        return soups
    pieces = [
        soup.take(number == k) for soup in soups for number in [components(soup)] for k in range(number.max() + 1)
    ]
    counts = np.array([len(piece) for piece in pieces], dtype=float)
    area = np.array([face_areas(piece.corners).sum() for piece in pieces])
    weight = np.sqrt(counts * np.maximum(area / area.sum(), 1e-4))
    share = np.minimum(counts, 8.0 if 8 * len(pieces) < budget / 2 else 2.0)
    # Pour the budget out by weight; what a light piece does not need goes to the others.
    while (left := budget - share.sum()) > 1 and (hungry := share < counts - 0.5).any():
        share = np.minimum(counts, share + left * np.where(hungry, weight, 0) / weight[hungry].sum())
    thin = [
        piece if target >= 0.97 * len(piece) - 0.5 else _decimate(piece, int(target))
        for piece, target in zip(pieces, share, strict=True)
    ]
    return [join(group) for soup in soups if (group := [piece for piece in thin if piece.material is soup.material])]


def _decimate(soup: Soup, target: int) -> Soup:
    import fast_simplification

    size = np.ptp(soup.corners.reshape(-1, 3), axis=0).max()
    points, index = weld(soup.corners.reshape(-1, 3), 1e-5 * size)
    faces = index.reshape(-1, 3)
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])]
    low, high = points.min(axis=0), points.max(axis=0)
    new_points, new_faces = points.astype(np.float32), faces.astype(np.int32)
    # The library stops early where edges resist; what is left gives way when it is run again.
    for aggression in (3, 5, 7, 7, 7):
        before = len(new_faces)
        if before <= 1.15 * target + 4:
            break
        for goal in (max(target, 4), before // 2, 4 * before // 5):
            fewer_points, fewer_faces = fast_simplification.simplify(
                new_points, new_faces, target_reduction=1 - goal / before, agg=aggression
            )
            # Now and then all faces go, or a nearly flat piece sends a vertex far away: a smaller step helps.
            stray = np.abs(fewer_points - np.clip(fewer_points, low, high)).max(initial=0.0)
            if len(fewer_faces) and stray < 0.05 * size:
                new_points, new_faces = np.clip(fewer_points, low, high), fewer_faces
                break
    corners = new_points.astype(float)[new_faces]
    corners = corners[face_areas(corners) > 1e-12 * size**2]
    if not len(corners):
        return soup
    uvs = np.zeros((len(corners), 3, 2)) if soup.material.texture is None else _carry_uvs(soup, corners)
    return replace(soup, corners=corners, uvs=uvs)


def _carry_uvs(old: Soup, corners: Array) -> Array:
    """(F, 3, 2) uvs of new triangles from the old surface; each triangle stays within one chart of the old map."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    size = np.ptp(old.corners.reshape(-1, 3), axis=0).max()
    both = np.concatenate([old.corners.reshape(-1, 3) / size, old.uvs.reshape(-1, 2)], axis=1)
    nodes, index = weld(both, 1e-5)
    faces = index.reshape(-1, 3)
    pairs = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(nodes), len(nodes)))
    chart = connected_components(graph, directed=False)[1][faces[:, 0]]

    rng = np.random.default_rng(0)
    samples = min(60_000, 1000 + 20 * len(old))
    area = face_areas(old.corners)
    owner = np.concatenate([np.arange(len(old)), rng.choice(len(old), samples, p=area / area.sum())])
    weights = rng.dirichlet(np.ones(3), len(owner))
    weights[: len(old)] = 1 / 3
    spots = np.einsum("sc,scx->sx", weights, old.corners[owner])
    normals = face_normals(old.corners)[owner]
    # Position and direction together, so that the two faces of a thin sheet are told apart.
    lean = 0.05 * size
    middle = np.concatenate([corners.mean(axis=1), lean * face_normals(corners)], axis=1)
    home = chart[owner[cKDTree(np.concatenate([spots, lean * normals], axis=1)).query(middle)[1]]]

    uvs = np.zeros((len(corners), 3, 2))
    for number in np.unique(home):
        mine = np.flatnonzero(home == number)
        inside = np.flatnonzero(chart[owner] == number)
        nearest = owner[inside[cKDTree(spots[inside]).query(corners[mine].reshape(-1, 3))[1]]]
        uvs[mine] = _barycentric_uv(old, nearest, corners[mine].reshape(-1, 3)).reshape(-1, 3, 2)
    return uvs


def _barycentric_uv(old: Soup, triangle: NDArray[np.int64], points: Array) -> Array:
    a, b, c = (old.corners[triangle, i] for i in range(3))
    e1, e2, p = b - a, c - a, points - a
    d11, d12, d22 = (e1 * e1).sum(1), (e1 * e2).sum(1), (e2 * e2).sum(1)
    p1, p2 = (p * e1).sum(1), (p * e2).sum(1)
    det = np.maximum(d11 * d22 - d12**2, 1e-30)
    v = np.clip((d22 * p1 - d12 * p2) / det, -0.25, 1.25)
    w = np.clip((d11 * p2 - d12 * p1) / det, -0.25, 1.25)
    uv = old.uvs[triangle]
    return uv[:, 0] + v[:, None] * (uv[:, 1] - uv[:, 0]) + w[:, None] * (uv[:, 2] - uv[:, 0])


def recentre(soups: list[Soup]) -> list[Soup]:
    """Origin at the bottom centre again, after pieces went."""
    points = np.concatenate([soup.corners.reshape(-1, 3) for soup in soups])
    low, high = points.min(axis=0), points.max(axis=0)
    shift = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return [replace(soup, corners=soup.corners - shift) for soup in soups]


def palette(soups: list[Soup]) -> list[Soup]:
    """Join plain opaque parts into one with a texture of their colours, where there are more than a few of them."""
    plain = [soup for soup in soups if soup.material.texture is None and soup.material.opacity == 1.0]
    if len(plain) <= MAX_PLAIN:
        return soups
    others = [soup for soup in soups if soup.material.texture is not None or soup.material.opacity < 1.0]
    colors = sorted({soup.material.color for soup in plain})
    picture = np.zeros((PALETTE_CELL, PALETTE_CELL * len(colors), 3), dtype=np.uint8)
    painted = []
    for soup in plain:
        cell = colors.index(soup.material.color)
        picture[:, cell * PALETTE_CELL : (cell + 1) * PALETTE_CELL] = np.rint(np.array(soup.material.color) * 255)
        painted.append(replace(soup, uvs=np.broadcast_to([(cell + 0.5) / len(colors), 0.5], (len(soup), 3, 2))))
    areas = np.array([face_areas(soup.corners).sum() for soup in plain])
    roughness = float((areas * [soup.material.roughness for soup in plain]).sum() / areas.sum())
    one = join(painted)
    return [replace(one, material=Material((1.0, 1.0, 1.0), picture, round(roughness, 2))), *others]


def finish(soup: Soup) -> MeshPart:
    """Smooth normals with creases, then shared vertices in the order of first use."""
    size = max(np.ptp(soup.corners.reshape(-1, 3), axis=0).max(), 1e-9)
    soup = soup.take(_along_curve(soup.corners))
    _, index = weld(soup.corners.reshape(-1, 3), 1e-5 * size)
    normal = np.cross(soup.corners[:, 1] - soup.corners[:, 0], soup.corners[:, 2] - soup.corners[:, 0])
    unit = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    corner_normals = _crease_normals(index, np.repeat(normal, 3, axis=0), np.repeat(unit, 3, axis=0))
    # Rounded as the pack stores them, so that vertices that will be equal are shared.
    packed = to_octahedron(corner_normals)
    rows = np.column_stack([index, packed, np.round(soup.uvs.reshape(-1, 2) * 4096)]).astype(np.int64)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    chosen = first[order]
    return MeshPart(
        vertices=soup.corners.reshape(-1, 3)[chosen].astype(np.float32),
        faces=rank[inverse.reshape(-1)].reshape(-1, 3).astype(np.int32),
        normals=corner_normals[chosen].astype(np.float32),
        uvs=soup.uvs.reshape(-1, 2)[chosen].astype(np.float32),
        material=soup.material,
    )


def _along_curve(corners: Array, bits: int = 7) -> NDArray[np.int64]:
    """An order in which neighbours in space follow each other, which compresses better (Morton's curve)."""
    middle = corners.mean(axis=1)
    low, extent = middle.min(axis=0), np.maximum(np.ptp(middle, axis=0).max(), 1e-9)
    cell = ((middle - low) / extent * (2**bits - 1)).astype(np.int64)
    code = np.zeros(len(cell), dtype=np.int64)
    for bit in range(bits):
        for axis in range(3):
            code |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


def _crease_normals(index: NDArray[np.int64], weighted: Array, unit: Array) -> Array:
    """(C, 3) per corner: mean of the faces around the point that lean less than the crease angle from its own."""
    order = np.argsort(index, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(index))])
    degree = np.diff(starts)[index[order]]
    left = np.repeat(order, degree)
    offset = np.arange(degree.sum()) - np.repeat(np.cumsum(degree) - degree, degree)
    right = order[np.repeat(starts[index[order]], degree) + offset]
    near = (unit[left] * unit[right]).sum(axis=1) > CREASE
    total = np.zeros_like(unit)
    np.add.at(total, left[near], weighted[right[near]])
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(
        length > 1e-30,
        total / np.maximum(length, 1e-30),
        np.where(np.abs(unit).sum(1, keepdims=True) > 0, unit, [0.0, 0.0, 1.0]),
    )


def to_octahedron(normals: Array) -> NDArray[np.uint8]:
    """(V, 2) nearest stored directions of unit vectors; `gsi_datasets.assets.pack` reads them back."""
    flat = normals / np.abs(normals).sum(axis=1, keepdims=True)
    xy = flat[:, :2]
    folded = np.where(flat[:, 2:] < 0, (1 - np.abs(xy[:, ::-1])) * np.where(xy >= 0, 1, -1), xy)
    return np.rint((folded + 1) * 127).astype(np.uint8)
