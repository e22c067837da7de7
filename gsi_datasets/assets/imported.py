"""Assets from files of others: a GLB, OBJ, PLY or STL file becomes parts to draw, convex pieces to collide and facts.

Needs the extra ``[scenes]`` (trimesh to read, CoACD to cut into convex pieces). Pieces are kept in the user's cache by
the content of the mesh, since cutting takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, MeshPart, Receptacle
from gsi_datasets.assets.errors import AssetError


Array = NDArray[np.float64]
SUFFIXES = (".glb", ".obj", ".ply", ".stl")
REMEDY = "pip install 'gsi-bench[scenes]'"
LARGEST, SMALLEST = 20.0, 0.002
"""Longest and shortest believable length of a thing, metres."""
MOST_BYTES, MOST_FACES = 200_000_000, 2_000_000
# A mesh whose hull has no more than this many times its volume is one convex piece.
NEARLY_CONVEX = 1.12
# Steepest slope, cosine, and unevenness, metres, of what counts as a flat top.
LEVEL, EVEN = 0.985, 0.006
# A top must have this share of the footprint, and fill this share of its own rectangle (or of the ellipse in it).
TOP_SHARE, FILLED = 0.3, 0.88


def read_parts(path: Path, up: str = "") -> list[MeshPart]:
    """The triangles of a file by material, z up, in the file's units and about its own origin.

    Args:
        path: of one of `SUFFIXES`.
        up: ``y`` or ``z``; by default what the format says: glTF is y up, the others are taken for z up.

    Raises:
        AssetError: the file cannot be read or holds no triangles; says which and what to do.
    """
    trimesh = _library("trimesh")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise AssetError(f"{path}: is no {', '.join(SUFFIXES)} file; convert it, e.g. with Blender")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise AssetError(f"{path}: has more than {MOST_BYTES // 1_000_000} MB; simplify it first")
        _check_references(path)
        loaded: Any = trimesh.load_scene(path, process=False)
        meshes = [it for it in loaded.dump() if isinstance(it, trimesh.Trimesh) and len(it.faces)]
    except AssetError:
        raise
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        raise AssetError(f"{path}: cannot be read ({type(error).__name__}: {error}); export it again") from error
    if not meshes:
        raise AssetError(f"{path}: holds no triangles; export it again as a mesh")
    if sum(len(mesh.faces) for mesh in meshes) > MOST_FACES:
        raise AssetError(f"{path}: has more than {MOST_FACES} triangles; simplify it first")
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) if (up or _up(suffix)) == "y" else np.eye(3)
    parts = [_part(mesh, turn) for mesh in meshes]
    if not all(np.isfinite(part.vertices).all() for part in parts):
        raise AssetError(f"{path}: has vertices that are not finite numbers; export it again")
    return parts


def fitted(parts: Sequence[MeshPart], size: Array | None = None, scale: float = 1.0) -> list[MeshPart]:
    """Parts about the bottom centre of their bounding box, scaled by one factor, or by axis to a size (3,), metres."""
    low, high = bounds(parts)
    factors = np.full(3, scale) if size is None else np.asarray(size) / np.maximum(high - low, 1e-9)
    origin = np.array([*(low + high)[:2] / 2, low[2]])
    found = []
    for part in parts:
        normals = part.normals / factors  # of surfaces that are stretched
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        vertices = (part.vertices - origin) * factors
        found.append(
            MeshPart(vertices.astype(np.float32), part.faces, normals.astype(np.float32), part.uvs, part.material)
        )
    return found


def bounds(parts: Iterable[MeshPart]) -> tuple[Array, Array]:
    """(3,) lowest and (3,) highest corner."""
    points = np.concatenate([part.vertices for part in parts]).astype(np.float64)
    return points.min(axis=0), points.max(axis=0)


def make(info: AssetInfo, parts: Sequence[MeshPart], where: str) -> Asset:
    """The asset of fitted parts, with its pieces for collisions; `info.size` must be that of the parts.

    Args:
        info: what is known of it.
        parts: about the bottom centre of their bounding box, metres.
        where: the file, for error messages.

    Raises:
        AssetError: the size is not believable: most likely the units are wrong.
    """
    longest, shortest = max(info.size), sorted(info.size)[1]
    if longest > LARGEST or shortest < SMALLEST:
        raise AssetError(
            f"{where}: would be {' x '.join(f'{length:.3g}' for length in info.size)} m; "
            f"mend its `scale` (1 for metres, 0.01 for centimetres, 0.001 for millimetres)"
        )
    return Asset(info, tuple(parts), hulls_of(parts))


def hulls_of(parts: Sequence[MeshPart], most: int = 10) -> tuple[Array, ...]:
    """Convex pieces of the parts together, each (N, 3) metres; from the cache if they were cut before."""
    coacd = _library("coacd")
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    points = np.concatenate([part.vertices for part in parts]).astype(np.float64)
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    key = hashlib.sha256(b"hulls-4" + points.tobytes() + faces.tobytes() + bytes([most])).hexdigest()[:32]
    kept = cache_folder() / f"{key}.npz"
    try:
        with np.load(kept, allow_pickle=False) as opened:
            return tuple(opened[name] for name in opened.files)
    except (OSError, ValueError, EOFError):
        pass  # not cut before, or damaged: cut it again
    whole, bodies = _convex(points), _bodies(points, faces)
    if _volume(whole) <= NEARLY_CONVEX * abs(_enclosed(points, faces)):
        pieces = [whole]
    elif len(bodies) <= most and all(_is_convex(points, body) for body in bodies):
        pieces = [_convex(points[np.unique(body)]) for body in bodies]
    else:
        coacd.set_log_level("off")
        found = coacd.run_coacd(
            coacd.Mesh(points, faces), threshold=0.09, max_convex_hull=most, preprocess_mode="on",
            preprocess_resolution=30, mcts_nodes=10, mcts_iterations=60, mcts_max_depth=2, seed=0,
        )  # fmt: skip
        pieces = [_convex(np.asarray(vertices)) for vertices, _ in found] or [whole]
        # What is cut is remeshed first; it must not stand lower or higher for that.
        pieces = [np.clip(piece, points.min(axis=0), points.max(axis=0)) for piece in pieces]
    _keep(kept, pieces)
    return tuple(pieces)


def top_of(parts: Sequence[MeshPart]) -> Receptacle | None:
    """The flat top that things can be put on: the highest level surface that is large enough, if it is a rectangle or
    an ellipse along the asset's axes; None if there is none.

    It is a rule about shapes and knows nothing of what the thing is: whoever knows better says so in the scene file.
    """
    corner_lists, levels = [], []
    for part in parts:
        corners = part.vertices[part.faces].astype(np.float64)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        double = np.linalg.norm(normals, axis=1)
        flat = normals[:, 2] > LEVEL * np.maximum(double, 1e-12)
        corner_lists.append(corners[flat])
        levels.append(corners[flat][:, :, 2].mean(axis=1))
    corners, heights = np.concatenate(corner_lists), np.concatenate(levels)
    low, high = bounds(parts)
    footprint = float(np.prod((high - low)[:2]))
    for level in np.unique(np.round(heights, 3))[::-1]:
        near = corners[np.abs(heights - level) <= EVEN][:, :, :2]
        edges = near[:, 1:] - near[:, :1]
        area = float(np.abs(np.cross(edges[:, 0], edges[:, 1])).sum() / 2) if len(near) else 0.0
        if area < TOP_SHARE * footprint:
            continue
        first, last = near.reshape(-1, 2).min(axis=0), near.reshape(-1, 2).max(axis=0)
        share = area / float(np.prod(last - first))
        middle, half = (first + last) / 2, (last - first) / 2
        if share >= FILLED:
            return Receptacle("on", float(level), (half[0], half[1]), False, float(level), (middle[0], middle[1]))
        if share >= FILLED * np.pi / 4:
            return Receptacle("on", float(level), (half[0], half[1]), True, float(level), (middle[0], middle[1]))
        return None
    return None


def cache_folder() -> Path:
    """Where convex pieces are kept: ``$GSI_BENCH_CACHE`` or the user's cache folder."""
    base = os.environ.get("GSI_BENCH_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "gsi-bench"
    return Path(base).expanduser() / "hulls"


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        from gsi_datasets.worlds.specs import WorldError

        raise WorldError(f"{name} is needed to read other people's meshes and is not installed: {REMEDY}") from error


def _up(suffix: str) -> str:
    return "y" if suffix == ".glb" else "z"


def _check_references(path: Path) -> None:
    """OBJ files name material files, and these name pictures: all must lie beside or below them."""
    if path.suffix.lower() != ".obj":
        return
    pending, seen = [path], set[Path]()
    while pending:
        file = pending.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            word, _, rest = line.strip().partition(" ")
            if word.lower() not in (
                "mtllib",
                "map_kd",
                "map_ka",
                "map_ks",
                "map_d",
                "map_bump",
                "bump",
                "disp",
                "decal",
            ):
                continue
            name = rest.split()[-1] if rest.split() else ""
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in name:
                raise AssetError(f"{path}: names a file outside of its folder ({name}); put it beside the mesh")
            if word.lower() == "mtllib":
                pending.append(file.parent / name)


def _part(mesh: Any, turn: Array) -> MeshPart:
    uv = getattr(mesh.visual, "uv", None)
    count = len(mesh.vertices)
    uvs = np.zeros((count, 2)) if uv is None or len(uv) != count else np.asarray(uv)
    return MeshPart(
        (np.asarray(mesh.vertices, dtype=np.float64) @ turn.T).astype(np.float32),
        np.asarray(mesh.faces, dtype=np.int32),
        (np.asarray(mesh.vertex_normals, dtype=np.float64) @ turn.T).astype(np.float32),
        uvs.astype(np.float32),
        _material(mesh.visual),
    )


def _material(visual: Any) -> Material:
    """The look of a mesh in the terms of our renderers: base colour, its texture, roughness and metal."""
    material = getattr(visual, "material", None)
    if material is None:
        # Colours by face or vertex are averaged.
        main = np.asarray(getattr(visual, "main_color", (204, 204, 204, 255)), dtype=float) / 255
        return Material((main[0], main[1], main[2]), opacity=float(main[3]))
    if hasattr(material, "baseColorTexture"):
        factor, image = material.baseColorFactor, material.baseColorTexture
        roughness, metallic = material.roughnessFactor, material.metallicFactor
    else:
        factor, image = getattr(material, "diffuse", None), getattr(material, "image", None)
        roughness, metallic = 0.6, 0.0
    color = np.asarray(factor if factor is not None else (255, 255, 255, 255), dtype=float)
    color = color / 255 if color.max() > 1 else color
    texture = None if image is None else np.asarray(image.convert("RGB"))
    return Material(
        (float(color[0]), float(color[1]), float(color[2])),
        texture,
        float(np.clip(0.6 if roughness is None else roughness, 0.05, 1)),
        # Half metal is seldom meant; without surroundings to reflect metal looks black.
        float(metallic is not None and metallic > 0.5 and image is None),
        float(color[3]) if len(color) > 3 else 1.0,
    )


def _convex(points: Array) -> Array:
    from scipy.spatial import ConvexHull, QhullError

    extent = np.ptp(points, axis=0)
    for axis in np.flatnonzero(extent < 1e-3):  # a sheet has no inside
        shift = np.zeros(3)
        shift[axis] = 1e-3 - extent[axis]
        points = np.concatenate([points, points + shift])
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        low, high = points.min(axis=0), points.max(axis=0)
        return np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)


def _bodies(points: Array, faces: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Faces (F, 3) of each piece that hangs together by edges of two faces; vertices at the same place are one.

    Boards that only touch have edges of four faces in common and stay apart.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, same = np.unique(np.round(points, 6), axis=0, return_inverse=True)
    ends = same[faces]
    sides = np.sort(np.concatenate([ends[:, [0, 1]], ends[:, [1, 2]], ends[:, [2, 0]]]), axis=1)
    owners = np.tile(np.arange(len(faces)), 3)
    _, edge, count = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(edge, kind="stable")
    starts = np.cumsum(count) - count
    first, second = (owners[order[starts[count == 2] + k]] for k in (0, 1))
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(faces), len(faces)))
    labels = connected_components(graph, directed=False)[1]
    bodies = [faces[labels == label] for label in np.unique(labels)]
    # The side of a board that lies wholly on others hangs together with nothing; the board is closed without it.
    solid = [body for body in bodies if not _is_flat(points[np.unique(body)])]
    return solid or bodies


def _is_flat(points: Array) -> bool:
    return bool(np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[-1] < 1e-5)


def _is_convex(points: Array, body: NDArray[np.int32]) -> bool:
    return _volume(_convex(points[np.unique(body)])) <= NEARLY_CONVEX * abs(_enclosed(points, body))


def _volume(points: Array) -> float:
    from scipy.spatial import ConvexHull

    return float(ConvexHull(points).volume)


def _enclosed(points: Array, faces: NDArray[np.int32]) -> float:
    """The volume that triangles enclose, by the divergence theorem; meaningless (small) for open meshes."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def _keep(path: Path, pieces: Sequence[Array]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as stream:
            np.savez(stream, *pieces)
        Path(stream.name).replace(path)
    except OSError:
        return  # a cache that cannot be written costs time only


def mass_of(hulls: Sequence[Array], density: float = 250.0) -> float:
    """A guess from the volume: households are full of things that are hollow (kilograms, kg/m^3)."""
    return float(np.clip(density * sum(_volume(np.asarray(hull)) for hull in hulls), 0.05, 50.0))
