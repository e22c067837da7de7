"""Geometry of rotations, cameras and oriented boxes: plain numpy functions in the convention of `gsi_datasets.scene`.

Angles are radians and lengths metres. Where a docstring writes ``(..., 3)`` leading dimensions broadcast.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.scene import Array, Box, Camera


NEAR = 1e-3
"""Metres in front of the optical centre where boxes are cut for `box2d`; what lies nearer has no usable image."""

# Corner i of a box has the signs of row i: x changes slowest, z fastest.
_SIGNS = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
# The four corners of each face, counter-clockwise seen from outside: -x, +x, -y, +y, -z, +z.
_FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
# The twelve edges, as pairs of corners that differ in one sign.
_EDGES = np.array([(i, i | bit) for bit in (4, 2, 1) for i in range(8) if not i & bit])


# ---------------------------------------------------------------------------------------------------- rotations


def rotation_z(angle: float) -> Array:
    """(3, 3) turn about the vertical by `angle`; positive is counter-clockwise seen from above."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def axis_angle(axis: ArrayLike, angle: float) -> Array:
    """(3, 3) right-handed turn by `angle` about `axis` ((3,), any length but zero)."""
    direction = _unit(np.asarray(axis, dtype=np.float64))
    x, y, z = direction
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def rotation_angle(first: Array, second: Array) -> NDArray[np.float64]:
    """(...) angle in [0, pi] of the turn between rotations (..., 3, 3)."""
    turn = np.swapaxes(first, -1, -2) @ second
    # atan2 of sine and cosine: arccos of the trace alone loses half of the digits near 0 and pi.
    skew = turn - np.swapaxes(turn, -1, -2)
    sine = 0.5 * np.sqrt(skew[..., 2, 1] ** 2 + skew[..., 0, 2] ** 2 + skew[..., 1, 0] ** 2)
    return np.arctan2(sine, 0.5 * (np.trace(turn, axis1=-2, axis2=-1) - 1.0))


def yaw_of(rotation: Array) -> NDArray[np.float64]:
    """(...) turn about the vertical contained in (..., 3, 3), in (-pi, pi]; any tilt is ignored (swing-twist)."""
    return np.arctan2(rotation[..., 1, 0] - rotation[..., 0, 1], rotation[..., 0, 0] + rotation[..., 1, 1])


def tilt_between(first: Array, second: Array) -> NDArray[np.float64]:
    """(...) angle in [0, pi] between the vertical (third) axes of rotations (..., 3, 3)."""
    a, b = first[..., :, 2], second[..., :, 2]
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))


def is_rotation(matrix: Array, tolerance: float = 1e-6) -> bool:
    """Whether (3, 3) is orthonormal with determinant +1, entries within `tolerance`."""
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        return False
    return bool(np.abs(matrix @ matrix.T - np.eye(3)).max() <= tolerance and np.linalg.det(matrix) > 0)


def matrix_from_quaternion(quaternion: ArrayLike) -> Array:
    """(..., 3, 3) rotation from (..., 4) quaternions w, x, y, z of any length but zero."""
    q = np.asarray(quaternion, dtype=np.float64)
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_matrix(rotation: Array) -> Array:
    """(..., 4) unit quaternions w, x, y, z with w >= 0 from rotations (..., 3, 3)."""
    r = np.asarray(rotation, dtype=np.float64)
    m00, m11, m22 = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    a, b, c = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    d, e, f = r[..., 1, 0] + r[..., 0, 1], r[..., 0, 2] + r[..., 2, 0], r[..., 2, 1] + r[..., 1, 2]
    # Row k is 4 q_k q; the row with the largest diagonal divides by the largest number and loses no digits.
    table = np.stack(
        [
            np.stack([1 + m00 + m11 + m22, a, b, c], axis=-1),
            np.stack([a, 1 + m00 - m11 - m22, d, e], axis=-1),
            np.stack([b, d, 1 - m00 + m11 - m22, f], axis=-1),
            np.stack([c, e, f, 1 - m00 - m11 + m22], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(table, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(table, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., :1] < 0, -q, q)


# ------------------------------------------------------------------------------------------- similarity transforms


def similarity(rotation: Array | None = None, translation: ArrayLike = (0.0, 0.0, 0.0), scale: float = 1.0) -> Array:
    """(4, 4) matrix of ``x -> scale * rotation @ x + translation``."""
    matrix = np.eye(4)
    matrix[:3, :3] = scale * (np.eye(3) if rotation is None else rotation)
    matrix[:3, 3] = translation
    return matrix


def similarity_about(anchor: ArrayLike, rotation: Array | None = None, scale: float = 1.0) -> Array:
    """(4, 4) matrix that turns and scales about `anchor` (3,), which stays where it is."""
    anchor = np.asarray(anchor, dtype=np.float64)
    turned = similarity(rotation, scale=scale)
    turned[:3, 3] = anchor - turned[:3, :3] @ anchor
    return turned


def split_similarity(transform: Array) -> tuple[float, Array, Array]:
    """Scale, rotation (3, 3) and translation (3,) of a similarity (4, 4).

    Raises:
        ValueError: if it shears, mirrors or scales unevenly.
    """
    linear = np.asarray(transform, dtype=np.float64)[:3, :3]
    determinant = np.linalg.det(linear)
    scale = float(np.cbrt(determinant))
    if scale <= 0 or not is_rotation(linear / scale):
        raise ValueError(f"not a similarity (rotation times one positive scale): determinant {determinant:.6g}")
    return scale, linear / scale, np.array(transform[:3, 3], dtype=np.float64)


def transform_points(points: ArrayLike, transform: Array) -> Array:
    """(..., 3) points mapped by a (4, 4) affine matrix."""
    return np.asarray(points, dtype=np.float64) @ transform[:3, :3].T + transform[:3, 3]


def transform_box(box: Box, transform: Array) -> Box:
    """The box mapped by a (4, 4) similarity."""
    scale, rotation, _ = split_similarity(transform)
    return Box(transform_points(box.centre, transform), scale * box.size, rotation @ box.rotation)


def invert_rigid(transform: Array) -> Array:
    """(4, 4) inverse of a rotation with translation, e.g. camera-to-world from extrinsics."""
    back = transform[:3, :3].T
    return similarity(back, -back @ transform[:3, 3])


def world_to_camera_transform(transform: Array, extrinsics: Array) -> Array:
    """(4, 4) the world-frame transform as one acts on camera-frame points: E T E^-1."""
    return extrinsics @ transform @ invert_rigid(extrinsics)


# ------------------------------------------------------------------------------------------------------- cameras


def look_at(position: ArrayLike, target: ArrayLike) -> Array:
    """(4, 4) extrinsics of a camera at `position` with `target` on its optical axis and a level horizon.

    A camera that looks straight down or up has world +y at the top or bottom of its image.

    Raises:
        ValueError: if position and target coincide.
    """
    eye = np.asarray(position, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - eye
    if np.linalg.norm(forward) < 1e-12:
        raise ValueError("look_at: position and target are the same point")
    forward = _unit(forward)
    right = np.array([forward[1], -forward[0], 0.0])
    right = _unit(right) if np.linalg.norm(right) > 1e-9 else np.array([1.0, 0.0, 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward])
    return similarity(rotation, -rotation @ eye)


def intrinsics_from_fov(fov_vertical: float, width: int, height: int) -> Array:
    """(3, 3) K of square pixels with the principal point in the middle; `fov_vertical` spans the full height."""
    focal = 0.5 * height / np.tan(0.5 * fov_vertical)
    return np.array([[focal, 0.0, 0.5 * width], [0.0, focal, 0.5 * height], [0.0, 0.0, 1.0]])


def camera_axes(extrinsics: Array) -> tuple[Array, Array, Array]:
    """Right, forward and up of the viewer as (3,) unit vectors of the world, right and forward level with the ground.

    These are the directions meant by "to the left" or "away from the camera". For a camera that looks straight down
    forward is the top of the image.
    """
    view = extrinsics[2, :3]
    level = view * (1.0, 1.0, 0.0)
    if np.linalg.norm(level) < 1e-6:
        level = extrinsics[1, :3] * (1.0, 1.0, 0.0) * np.sign(view[2])
    forward = _unit(level)
    up = np.array([0.0, 0.0, 1.0])
    return np.cross(forward, up), forward, up


def project(points: ArrayLike, camera: Camera) -> tuple[Array, NDArray[np.float64]]:
    """Pixels (..., 2) and depths (...) along the optical axis of world points (..., 3).

    Points at or behind the optical centre have depth <= 0 and pixels nan.
    """
    local = transform_points(points, camera.extrinsics)
    depth = local[..., 2]
    safe = np.where(depth > 0, depth, np.nan)[..., None]
    uv = (local @ camera.intrinsics[:2].T) / safe
    return uv, depth


def unproject(uv: ArrayLike, depth: ArrayLike, camera: Camera) -> Array:
    """(..., 3) world points at pixels (..., 2) and depths (...) along the optical axis."""
    uv = np.asarray(uv, dtype=np.float64)
    rays = np.concatenate([uv, np.ones_like(uv[..., :1])], axis=-1) @ np.linalg.inv(camera.intrinsics).T
    local = rays * np.asarray(depth, dtype=np.float64)[..., None]
    return transform_points(local, invert_rigid(camera.extrinsics))


def depth_to_points(depth: ArrayLike, camera: Camera) -> Array:
    """(H, W, 3) world points seen at pixel centres; nan where depth (H, W, metres) is not positive."""
    depth = np.asarray(depth, dtype=np.float64)
    v, u = np.mgrid[: depth.shape[0], : depth.shape[1]] + 0.5
    return unproject(np.stack([u, v], axis=-1), np.where(depth > 0, depth, np.nan), camera)


# --------------------------------------------------------------------------------------------------------- boxes


def corners(box: Box) -> Array:
    """(8, 3) corners; corner ``4 * i + 2 * j + k`` lies at the low (0) or high (1) end i, j, k of axis x, y, z."""
    return box.centre + (_SIGNS * 0.5 * box.size) @ box.rotation.T


def points_in_box(points: ArrayLike, box: Box, margin: float = 0.0) -> NDArray[np.bool_]:
    """(...) whether points (..., 3) lie inside the box grown by `margin` on all sides."""
    local = (np.asarray(points, dtype=np.float64) - box.centre) @ box.rotation
    return np.all(np.abs(local) <= 0.5 * box.size + margin, axis=-1)


def image_bounds(box: Box, camera: Camera) -> Array | None:
    """(4,) u_min, v_min, u_max, v_max of the box's image, beyond the frame too; None where it is all behind."""
    points = transform_points(corners(box), camera.extrinsics)
    start, end = points[_EDGES[:, 0]], points[_EDGES[:, 1]]
    crossing = (start[:, 2] > NEAR) != (end[:, 2] > NEAR)
    start, end = start[crossing], end[crossing]
    share = (NEAR - start[:, 2]) / (end[:, 2] - start[:, 2])
    seen = np.concatenate([points[points[:, 2] > NEAR], start + share[:, None] * (end - start)])
    if not len(seen):
        return None
    uv = (seen @ camera.intrinsics[:2].T) / seen[:, 2:]
    return np.concatenate([uv.min(axis=0), uv.max(axis=0)])


def box2d(box: Box, camera: Camera) -> Array | None:
    """(4,) u_min, v_min, u_max, v_max of the box's image within the frame; None where nothing of it is in view."""
    bounds = image_bounds(box, camera)
    if bounds is None:
        return None
    low, high = np.maximum(bounds[:2], 0.0), np.minimum(bounds[2:], (camera.width, camera.height))
    return np.concatenate([low, high]) if np.all(low < high) else None


def intersection_volume(first: Box, second: Box) -> float:
    """Exact volume shared by two boxes of any rotation, cubic metres.

    The first box is cut by the six face planes of the second, one after the other; the volume of what is left
    follows from its faces.
    """
    offset = second.centre - first.centre
    if np.linalg.norm(offset) > 0.5 * (np.linalg.norm(first.size) + np.linalg.norm(second.size)):
        return 0.0
    # In the second box's frame its planes are axis-aligned and coordinates stay small: no digits are lost.
    points = (corners(first) - second.centre) @ second.rotation
    vertices: list[Array] = list(points)
    faces: list[list[int]] = [list(face) for face in _FACES]
    tolerance = 1e-12 * float(np.abs(points).max() + second.size.max())
    for axis in range(3):
        for sign in (1.0, -1.0):
            faces = _cut(vertices, faces, axis, sign, 0.5 * float(second.size[axis]), tolerance)
            if not faces:
                return 0.0
    apex = vertices[faces[0][0]]
    volume = 0.0
    for face in faces:
        fan = np.array([vertices[i] for i in face]) - apex
        volume += float(np.sum(np.cross(fan[1:-1], fan[2:]) @ fan[0])) / 6.0
    return max(volume, 0.0)


def _cut(
    vertices: list[Array], faces: list[list[int]], axis: int, sign: float, limit: float, tolerance: float
) -> list[list[int]]:
    """The convex solid's part with ``sign * coordinate <= limit``, as faces of vertex indices; appends vertices.

    Vertices within `tolerance` of the plane count as on it, once for all faces, so that the solid stays closed
    even where faces of the two boxes coincide.
    """
    used = sorted({i for face in faces for i in face})
    side = {}
    for i in used:
        distance = sign * vertices[i][axis] - limit
        side[i] = 0.0 if abs(distance) <= tolerance else distance
    if max(side.values()) <= 0:
        return faces
    if min(side.values()) >= 0:
        return []
    crossings: dict[tuple[int, int], int] = {}
    rim: set[int] = set()
    kept: list[list[int]] = []
    for face in faces:
        part: list[int] = []
        for i, j in zip(face, face[1:] + face[:1], strict=True):
            if side[i] <= 0:
                part.append(i)
                if side[i] == 0:
                    rim.add(i)
            if side[i] * side[j] < 0:
                edge = (min(i, j), max(i, j))
                if edge not in crossings:
                    a, b = edge
                    share = side[a] / (side[a] - side[b])
                    crossings[edge] = len(vertices)
                    vertices.append(vertices[a] + share * (vertices[b] - vertices[a]))
                part.append(crossings[edge])
        if len(part) >= 3:
            kept.append(part)
    rim.update(crossings.values())
    if len(rim) >= 3:
        kept.append(_ordered_cap(vertices, sorted(rim), axis, sign))
    return kept


def _ordered_cap(vertices: list[Array], rim: list[int], axis: int, sign: float) -> list[int]:
    """The rim of a cut as a face, counter-clockwise seen from the side that was cut away."""
    across, along = [(1, 2), (2, 0), (0, 1)][axis]
    flat = np.array([[vertices[i][across], vertices[i][along]] for i in rim])
    flat -= flat.mean(axis=0)
    order = np.argsort(sign * np.arctan2(flat[:, 1], flat[:, 0]), kind="stable")
    return [rim[i] for i in order]


def box_iou(first: Box, second: Box) -> float:
    """Exact intersection over union of two boxes of any rotation, in [0, 1]; 0 if either has no volume."""
    volumes = float(np.prod(first.size)), float(np.prod(second.size))
    if min(volumes) <= 0:
        return 0.0
    shared = min(intersection_volume(first, second), *volumes)
    return float(np.clip(shared / (sum(volumes) - shared), 0.0, 1.0))


def clearance(first: Box, second: Box) -> float:
    """Exact distance between two boxes; negative when they overlap, by how far one must move to part them."""
    offset = second.centre - first.centre
    crossed = np.cross(first.rotation.T[:, None], second.rotation.T[None]).reshape(9, 3)
    lengths = np.linalg.norm(crossed, axis=1)
    # Parallel edges give no direction of their own; the face normals cover that case.
    crossed = crossed[lengths > 1e-9] / lengths[lengths > 1e-9, None]
    axes = np.concatenate([first.rotation.T, second.rotation.T, crossed])
    reach = 0.5 * (np.abs(axes @ first.rotation) @ first.size + np.abs(axes @ second.rotation) @ second.size)
    gap = float(np.max(np.abs(axes @ offset) - reach))
    if gap <= 0:
        return gap
    # Apart: the nearest points are a corner against a face, or two points of edges.
    ours, theirs = corners(first), corners(second)
    nearest = min(_outside(theirs, first), _outside(ours, second))
    pairs = np.stack(np.meshgrid(np.arange(12), np.arange(12), indexing="ij"), axis=-1).reshape(-1, 2)
    edges = _segment_distance(
        ours[_EDGES[pairs[:, 0], 0]],
        ours[_EDGES[pairs[:, 0], 1]],
        theirs[_EDGES[pairs[:, 1], 0]],
        theirs[_EDGES[pairs[:, 1], 1]],
    )
    return min(nearest, float(edges.min()))


def _outside(points: Array, box: Box) -> float:
    """Smallest distance of points (N, 3) to the box; 0 if one is inside."""
    local = np.abs((points - box.centre) @ box.rotation) - 0.5 * box.size
    return float(np.linalg.norm(np.maximum(local, 0.0), axis=1).min())


def _segment_distance(a: Array, b: Array, c: Array, d: Array) -> NDArray[np.float64]:
    """(N,) smallest distances between the interiors of segments a-b and c-d, all (N, D); inf where ends are nearer.

    Segments whose nearest points are ends of one of them, and parallel ones, are covered by the corner tests.
    """
    u, v, w = b - a, d - c, a - c
    uu, uv, vv = np.sum(u * u, axis=1), np.sum(u * v, axis=1), np.sum(v * v, axis=1)
    uw, vw = np.sum(u * w, axis=1), np.sum(v * w, axis=1)
    denominator = uu * vv - uv * uv
    parallel = denominator <= 1e-12 * uu * vv
    safe = np.where(parallel, 1.0, denominator)
    s, t = (uv * vw - vv * uw) / safe, (uu * vw - uv * uw) / safe
    inside = ~parallel & (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
    distance = np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1)
    return np.where(inside, distance, np.inf)


# ---------------------------------------------------------------------------------------------------- footprints


def convex_outline(points: ArrayLike) -> Array:
    """(M, 2) corners of the convex hull of points (N, 2), counter-clockwise; fewer than 3 if they lie on a line."""
    points = np.unique(np.asarray(points, dtype=np.float64), axis=0)
    if len(points) < 3:
        return points
    least = 1e-12 * float(np.ptp(points, axis=0).max()) ** 2
    outline: list[Array] = []
    for half in (points, points[::-1]):
        chain: list[Array] = []
        for point in half:
            while len(chain) >= 2 and _turn(chain[-2], chain[-1], point) <= least:
                chain.pop()
            chain.append(point)
        outline += chain[:-1]
    return np.array(outline)


def footprint(box: Box) -> Array:
    """(N, 2) outline of the box seen from above, counter-clockwise, 4 to 6 points."""
    return convex_outline(corners(box)[:, :2])


def footprint_clearance(first: Box, second: Box) -> float:
    """Exact horizontal distance between two boxes seen from above; negative when they overlap there."""
    a, b = footprint(first), footprint(second)
    sides = np.concatenate([np.roll(a, -1, axis=0) - a, np.roll(b, -1, axis=0) - b])
    normals = np.stack([sides[:, 1], -sides[:, 0]], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    pa, pb = a @ normals.T, b @ normals.T
    gap = float(np.max(np.maximum(pb.min(axis=0) - pa.max(axis=0), pa.min(axis=0) - pb.max(axis=0))))
    return gap if gap <= 0 else min(_points_to_outline(a, b), _points_to_outline(b, a))


def overlap_xy(first: Box, second: Box, clearance: float = 0.0) -> bool:
    """Whether two boxes seen from above overlap or stand nearer than `clearance` metres; touching is not overlap."""
    # Most pairs are so far apart that the spheres around them tell.
    (ax, ay, _), (bx, by, _) = first.centre.tolist(), second.centre.tolist()
    reach = 0.5 * (math.hypot(*first.size.tolist()) + math.hypot(*second.size.tolist()))
    if math.hypot(bx - ax, by - ay) - reach >= clearance:
        return False
    return footprint_clearance(first, second) < clearance - 1e-12


def _points_to_outline(points: Array, outline: Array) -> float:
    start, side = outline, np.roll(outline, -1, axis=0) - outline
    share = np.sum((points[:, None] - start) * side, axis=-1) / np.sum(side * side, axis=-1)
    nearest = start + np.clip(share, 0.0, 1.0)[..., None] * side
    return float(np.linalg.norm(points[:, None] - nearest, axis=-1).min())


def _turn(a: Array, b: Array, c: Array) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)
