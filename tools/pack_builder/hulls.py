"""Convex pieces for collisions, with a flat foot so that things stand without rocking.

What is nearly convex gets one hull. Hollow round things are cut into wedges. Other things are cut into level slabs
where that leaves little air, else decomposed by CoACD under a time limit; furniture, which never moves, is always cut
into slabs.
"""

from __future__ import annotations

import multiprocessing
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pack_builder.receptacles import measure


Array = NDArray[np.float64]
# Heights below which corners count as ground, metres; the first that gives a foot is taken.
FEET = (0.0015, 0.003, 0.005, 0.008, 0.012)
MAX_POINTS = 48
# Volume of hulls over volume of the model up to which they will do.
NEARLY_CONVEX = 1.12
FITTING = 1.6
# Raise when the rules below change, so that cached hulls are made anew.
VERSION = 3
SECONDS = 40.0


def collision_hulls(corners: Array, how: str = "auto", slabs: int = 6) -> list[Array]:
    """Convex pieces of a model.

    Args:
        corners: (F, 3, 3) opaque and glass triangles in the asset's frame, metres.
        how: ``auto`` (one, slabs or CoACD, the first that fits), ``one``, ``coacd``, ``slabs``, ``wedges`` (hollow
            and round) or ``walls`` (hollow and boxy).
        slabs: how many levels at most.

    Returns:
        (N, 3) corner points of each piece; together they reach the mesh's bounds, and the lowest stand on z = 0.
    """
    points = corners.reshape(-1, 3)
    volume = _filled_volume(corners) if how == "auto" else 0.0
    pieces = [_hull(points)]
    if how == "wedges":
        pieces = _wedges(corners)
    elif how == "walls":
        pieces = _walls(corners)
    elif how != "one" and (how != "auto" or _volume(pieces[0]) > NEARLY_CONVEX * volume):
        pieces = _slabs(corners, slabs) if how != "coacd" else []
        if how == "coacd" or (how == "auto" and sum(map(_volume, pieces)) > FITTING * volume):
            pieces = _coacd_in_time(corners) or pieces or _slabs(corners, slabs)
    return [_reduce(piece) for piece in _stand(pieces, points)]


def _hull(points: Array) -> Array:
    """(N, 3) corners of the convex hull; flat sets are given a little thickness first."""
    from scipy.spatial import ConvexHull, QhullError

    points = np.unique(np.round(points, 6), axis=0)
    extent = np.ptp(points, axis=0)
    for axis in np.flatnonzero(extent < 0.001):
        shift = np.zeros(3)
        shift[axis] = 0.001 - extent[axis]
        points = np.concatenate([points, points + shift])
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        low, high = points.min(axis=0), points.max(axis=0)
        return np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)


def _volume(points: Array) -> float:
    from scipy.spatial import ConvexHull

    return float(ConvexHull(points).volume)


def _filled_volume(corners: Array, cells: int = 48) -> float:
    """Volume of what cannot be reached from outside along any of the six axis directions, on a grid, cubic metres."""
    low, high = corners.reshape(-1, 3).min(axis=0), corners.reshape(-1, 3).max(axis=0)
    step = (high - low).max() / cells
    solid = voxels(corners, low, step)
    reached = np.zeros_like(solid)
    for axis in range(3):
        reached |= ~np.logical_or.accumulate(solid, axis=axis)
        reached |= ~np.flip(np.logical_or.accumulate(np.flip(solid, axis), axis=axis), axis)
    # Surface cells stick out by half a cell on average.
    surface = solid & ~_inner(~reached)
    return float(((~reached).sum() - 0.5 * surface.sum()) * step**3)


def _inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_erosion

    return binary_erosion(mask)


def voxels(corners: Array, low: Array, step: float) -> NDArray[np.bool_]:
    """Grid cells of edge `step` from `low` that hold a point of the surface (sampled at half the step)."""
    rounds = [corners]
    while True:
        longest = max(np.linalg.norm(np.roll(rounds[-1], 1, axis=1) - rounds[-1], axis=2).max(), 1e-12)
        if longest < step / 2 or sum(map(len, rounds)) > 3_000_000:
            break
        rounds[-1] = _split_long(rounds[-1], step / 2)
    cells = np.floor((rounds[-1].reshape(-1, 3) - low) / step + 1e-6).astype(int)
    shape = cells.max(axis=0) + 1
    solid = np.zeros(shape, dtype=bool)
    solid[tuple(np.maximum(cells, 0).T)] = True
    return solid


def _split_long(corners: Array, limit: float) -> Array:
    edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    long = edges.max(axis=1) >= limit
    split = corners[long]
    turn = edges[long].argmax(axis=1)
    rows = np.arange(len(split))
    a, b, c = (split[rows, (turn + i) % 3] for i in range(3))
    middle = (a + b) / 2
    return np.concatenate([corners[~long], np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])


def _slabs(corners: Array, count: int) -> list[Array]:
    """Level slabs, cut where the outline changes most, each slab split into the pieces that do not touch."""
    points = corners.reshape(-1, 3)
    low, high = points[:, 2].min(), points[:, 2].max()
    levels = _levels(corners, low, high, count)
    pieces = []
    for bottom, top in pairwise(levels):
        inside = clip(corners, bottom, top)
        for group in _islands(inside):
            pieces.append(_hull(group.reshape(-1, 3)))
    return pieces


def _levels(corners: Array, low: float, high: float, count: int) -> Array:
    """Heights to cut at: greedily where the two hulls leave out the most air compared with one."""
    levels = [low, high]
    grid = np.linspace(low, high, 33)[1:-1]
    # Heights where much level surface lies are natural cuts: table tops, shelves, seats.
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat = np.abs(normal[:, 2]) > 0.98 * np.maximum(np.linalg.norm(normal, axis=1), 1e-30)
    heights = corners[flat].mean(axis=1)[:, 2]
    area = np.linalg.norm(normal[flat], axis=1)
    if len(heights):
        rounded, index = np.unique(np.round(heights, 3), return_inverse=True)
        sums = np.bincount(index.reshape(-1), weights=area)
        grid = np.concatenate([grid, rounded[np.argsort(-sums)[:8]]])
    grid = grid[(grid > low + 0.004) & (grid < high - 0.004)]

    def air(bottom: float, top: float) -> float:
        inside = clip(corners, bottom, top)
        return sum(_volume(_hull(group.reshape(-1, 3))) for group in _islands(inside))

    while len(levels) <= count:
        best, gain, cut = None, 0.0, 0.0
        for bottom, top in pairwise(levels):
            whole = air(bottom, top)
            for z in grid[(grid > bottom + 0.003) & (grid < top - 0.003)][:: 1 if count < 5 else 2]:
                saved = whole - air(bottom, z) - air(z, top)
                if saved > gain:
                    best, gain, cut = bottom, saved, float(z)
        total = sum(air(b, t) for b, t in pairwise(levels))
        if best is None or gain < 0.03 * total:
            break
        levels = sorted([*levels, cut])
    return np.array(levels)


def _islands(corners: Array, most: int = 6, cells: int = 24) -> list[Array]:
    """Groups of triangles that are apart in plan, on a coarse grid; the smallest are joined beyond `most`."""
    from scipy import ndimage

    if not len(corners):
        return []
    low, high = corners[..., :2].min(axis=1), corners[..., :2].max(axis=1)
    origin, step = low.min(axis=0), max((high.max(axis=0) - low.min(axis=0)).max() / cells, 1e-6)
    first = np.floor((low - origin) / step).astype(int)
    last = np.floor((high - origin) / step).astype(int) + 1
    # Each triangle covers the cells of its bounding box, added up from the box's corners.
    covered = np.zeros((cells + 3, cells + 3), dtype=int)
    for i, j, sign in ((first, first, 1), (first, last, -1), (last, first, -1), (last, last, 1)):
        np.add.at(covered, (i[:, 0], j[:, 1]), sign)
    number, count = ndimage.label(covered.cumsum(axis=0).cumsum(axis=1) > 0, structure=np.ones((3, 3)))
    island = number[first[:, 0], first[:, 1]]
    groups = [corners[island == k] for k in range(1, count + 1)]
    while len(groups) > most:
        boxes = [(group.reshape(-1, 3).min(axis=0), group.reshape(-1, 3).max(axis=0)) for group in groups]
        small = int(np.argmin([np.prod(high[:2] - low[:2]) for low, high in boxes]))
        near = _nearest(boxes, small)
        groups[near] = np.concatenate([groups[near], groups[small]])
        del groups[small]
    return groups


def _nearest(boxes: list[tuple[Array, Array]], which: int) -> int:
    middle = [(low + high)[:2] / 2 for low, high in boxes]
    gaps = [np.inf if i == which else float(np.linalg.norm(m - middle[which])) for i, m in enumerate(middle)]
    return int(np.argmin(gaps))


def clip(corners: Array, bottom: float, top: float, axis: int = 2) -> Array:
    """The parts of triangles between two levels of an axis, as triangles (two of one where a quad is left)."""
    for level, sign in ((bottom, 1.0), (top, -1.0)):
        height = sign * (corners[..., axis] - level)
        above = height >= -1e-9
        count = above.sum(axis=1)
        pieces = [corners[count == 3]]
        for kept, alone in ((1, True), (2, False)):
            rows = np.flatnonzero(count == kept)
            if not len(rows):
                continue
            odd = (above[rows] == alone).argmax(axis=1)
            a, b, c = (corners[rows, (odd + i) % 3] for i in range(3))
            ha, hb, hc = (height[rows, (odd + i) % 3][:, None] for i in range(3))
            ab, ac = a + (b - a) * (ha / (ha - hb)), a + (c - a) * (ha / (ha - hc))
            pieces += [np.stack([a, ab, ac], 1)] if alone else [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)]
        corners = np.concatenate(pieces)
    return corners


def _walls(corners: Array) -> list[Array]:
    """A hollow boxy thing: its floor and what stands beyond each side of the largest rectangle on the floor."""
    place = measure(corners, "in", False)
    low, high = corners.reshape(-1, 3).min(axis=0), corners.reshape(-1, 3).max(axis=0)
    floor = np.concatenate([clip(corners, low[2], place.floor).reshape(-1, 3), [[0.0, 0.0, place.floor]]])
    pieces = [_hull(floor)]
    sides = clip(corners, place.floor, high[2])
    for axis in (0, 1):
        inner = place.centre[axis] - place.half_extents[axis], place.centre[axis] + place.half_extents[axis]
        for bottom, top in ((low[axis], inner[0]), (inner[1], high[axis])):
            wall = clip(sides, bottom, top, axis)
            if len(wall):
                pieces.append(_hull(wall.reshape(-1, 3)))
    return pieces


def _wedges(corners: Array, sectors: int = 14) -> list[Array]:
    """A hollow round or oval thing: a floor disc and wall wedges about the middle of its foot.

    Outline and cavity come from level rays, inwards for the outside and outwards from the axis for the inside. Where
    a handle or a spout sticks out, the wedge reaches out to it.
    """
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    foot = _foot(corners)
    oval = np.ptp(foot[:, 1]) / np.ptp(foot[:, 0])
    if not 0.95 < oval < 1.05:
        stretch = np.array([1.0, oval, 1.0])
        return [piece * stretch for piece in _wedges(corners / stretch)]
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, corners.astype(np.float32))

    def reach(origins: Array, directions: Array) -> Array:
        return np.asarray(scene.run(origins.astype(np.float32), directions.astype(np.float32), query="DISTANCE"))

    points = corners.reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    axis = (foot.min(axis=0) + foot.max(axis=0)) / 2
    above = np.array([[axis[0], axis[1], high[2] + 1]])
    floor = max(high[2] + 1 - float(reach(above, np.array([[0.0, 0.0, -1.0]]))[0]), 0.001)
    steps = 6
    angles = np.arange(steps * sectors) * (2 * np.pi / (steps * sectors))
    out = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], axis=1)
    far = float(np.abs(high - low).max())
    levels = np.linspace(floor + 0.02 * (high[2] - floor), high[2] - 0.01 * (high[2] - floor), 9)
    inner, outer = np.empty((9, len(angles))), np.empty((9, len(angles)))
    for i, z in enumerate(levels):
        middle = np.tile([axis[0], axis[1], z], (len(angles), 1))
        inside, outside = reach(middle, out), far - reach(middle + far * out, -out)
        # A ray through a gap between slats says nothing.
        inner[i] = np.where(inside < far, inside, np.median(inside[inside < far]))
        outer[i] = np.where(outside > 0, outside, np.median(outside[outside > 0]))
    # The inside is taken from the middle between neighbours, which passes over slats and rays that slip by.
    inner = np.minimum(np.median([np.roll(inner, k, axis=1) for k in range(-2, 3)], axis=0), outer - 0.001)
    levels[0], levels[-1] = floor, high[2]
    bands = _bands(levels, np.median(inner, axis=1), np.median(outer, axis=1))

    ring = np.column_stack([axis[:2] + inner[0][:, None] * out[:, :2], np.full(len(angles), floor)])
    base = points[points[:, 2] <= floor + 1e-4]
    near = np.linalg.norm(base[:, :2] - axis[:2], axis=1) <= 1.06 * np.median(outer[0])
    pieces = [_hull(np.concatenate([base[near], ring]))]
    for first, last in bands:
        for sector in range(sectors):
            turn = np.arange(steps * sector, steps * (sector + 1) + 1) % len(angles)
            corner = []
            for level in (first, last):
                # The chord between the ends touches the cavity rather than cutting into it.
                ends = inner[level][turn[[0, -1]]] / np.cos(np.pi / sectors)
                corner += [
                    [*(axis[:2] + r * out[t, :2]), levels[level]] for r, t in zip(ends, turn[[0, -1]], strict=True)
                ]
                corner += [[*(axis[:2] + outer[level, t] * out[t, :2]), levels[level]] for t in turn]
            pieces.append(_hull(np.array(corner)))
    return pieces


def _foot(corners: Array) -> Array:
    """(N, 3) points of the lowest part, where neither handle nor spout sticks out."""
    points = corners.reshape(-1, 3)
    low, high = points[:, 2].min(), points[:, 2].max()
    return clip(corners, low, low + 0.15 * (high - low)).reshape(-1, 3)


def _bands(levels: Array, inner: Array, outer: Array) -> list[tuple[int, int]]:
    """Runs of levels whose wall is straight within a few millimetres."""
    bands, start = [], 0
    while start < len(levels) - 1:
        stop = start + 1
        while stop + 1 < len(levels):
            span = slice(start, stop + 2)
            ends = [start, stop + 1]
            bend = max(
                np.abs(np.interp(levels[span], levels[ends], line[ends]) - line[span]).max() for line in (inner, outer)
            )
            if bend > 0.004:
                break
            stop += 1
        bands.append((start, stop))
        start = stop
    return bands


def _coacd_in_time(corners: Array) -> list[Array]:
    """CoACD's pieces, or none when it takes too long or fails; it runs in a process of its own, which can be ended."""
    import fast_simplification

    points, index = np.unique(np.round(corners.reshape(-1, 3), 6), axis=0, return_inverse=True)
    faces = index.reshape(-1, 3).astype(np.int32)
    if len(faces) > 1500:
        small, faces = fast_simplification.simplify(
            points.astype(np.float32), faces, target_reduction=1 - 1500 / len(faces)
        )
        points = small.astype(float)
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    worker = context.Process(target=_coacd, args=(points, faces, send))
    worker.start()
    send.close()
    try:
        return receive.recv() if receive.poll(SECONDS) else []
    except EOFError:
        return []
    finally:
        worker.kill()
        worker.join()


def _coacd(points: Array, faces: NDArray[np.int32], send: Any) -> None:
    import coacd

    coacd.set_log_level("error")
    pieces = coacd.run_coacd(
        coacd.Mesh(points, faces),
        threshold=0.09,
        max_convex_hull=10,
        preprocess_mode="on",
        preprocess_resolution=30,
        mcts_nodes=10,
        mcts_iterations=60,
        mcts_max_depth=2,
        seed=0,
    )
    send.send([np.asarray(vertices, dtype=float) for vertices, _ in pieces])


def _stand(pieces: list[Array], points: Array) -> list[Array]:
    """The pieces with what is near the ground put on it, so that they stand as the model does.

    Decomposition rounds bottoms, and many a model touches the ground in a few points only. The band that counts as
    ground grows until the foot is a polygon with the middle of the volume over it; where the pieces themselves have
    no such foot they get a thin plate of it.
    """
    top = float(points[:, 2].max())
    band = FEET[0]
    middle = _middle(pieces)
    for band in FEET:
        if _carries(points[points[:, 2] <= band, :2], middle):
            break
    result = []
    for piece in pieces:
        moved = piece.copy()
        moved[:, 2] = np.clip(moved[:, 2], 0.0, top)
        moved[moved[:, 2] < band, 2] = 0.0
        result.append(_hull(moved))
    corners = np.concatenate(result)
    if not _carries(corners[corners[:, 2] == 0.0, :2], middle):
        foot = points[points[:, 2] <= band].copy()
        foot[:, 2] = 0.0
        raised = foot + np.array([0.0, 0.0, max(band, 0.002)])
        result.append(_hull(np.concatenate([foot, raised])))
    return result


def _middle(pieces: list[Array]) -> Array:
    """(2,) centre of the pieces' volume in plan."""
    from scipy.spatial import ConvexHull

    weights, centres = [], []
    for piece in pieces:
        apex = piece.mean(axis=0)
        base = piece[ConvexHull(piece, qhull_options="QJ").simplices]
        weights.append(np.abs(np.linalg.det(base - apex)))
        centres.append((base.sum(axis=1) + apex) / 4)
    return np.average(np.concatenate(centres), axis=0, weights=np.concatenate(weights))[:2]


def _carries(foot: Array, middle: Array) -> bool:
    """Whether the middle lies well inside the foot's outline."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        outline = ConvexHull(foot).equations
    except (QhullError, ValueError):
        return False
    return bool((outline[:, :2] @ middle + outline[:, 2] < -0.002).all())


def _reduce(piece: Array) -> Array:
    """At most MAX_POINTS corners: the extreme ones of evenly spread directions, the ground and the top kept."""
    if len(piece) <= MAX_POINTS:
        return piece
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    ring = np.arange(12) * np.pi / 6
    around = np.stack([np.cos(ring), np.sin(ring)], axis=1)
    tilted = [
        np.column_stack([around * np.cos(t), np.full(12, np.sin(t))]) for t in (-0.9, -0.4, 0.4, 0.9, -1.45, 1.45)
    ]
    directions = np.concatenate([axes, np.column_stack([around, np.zeros(12)]), *tilted])
    keep = list(dict.fromkeys(np.argmax(piece @ directions.T, axis=0).tolist()))
    ground = np.flatnonzero(piece[:, 2] <= piece[:, 2].min() + 1e-6)
    if len(ground) > 2:
        keep = list(dict.fromkeys([*ground[np.argmax(piece[ground, :2] @ around.T, axis=0)].tolist(), *keep]))
    return piece[np.sort(keep[:MAX_POINTS])]
