"""Exact depth, instance ids and visibility by rays through the pixel centres.

Nothing here depends on what draws the colours. Every object is cast alone, in its own unscaled frame, inside the
window its box projects to; the frame is then composed by nearest depth. A cast depends on one object and the camera
only, so an edited state costs the changed object, and caching cannot change a result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset
from gsi_datasets.geometry import NEAR, image_bounds
from gsi_datasets.scene import Box, Camera, Scene, SceneObject


# How far the amodal estimate looks beyond the frame, in frames to each side, and how many pixels one of its rays
# stands for along each axis.
_MARGIN = 1.0
_STRIDE = 4
# Room to each side of the window that an object is cast in, pixels: rounding must not cut a pixel off.
_ROOM = np.array([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Visibility:
    """How much of one object is seen.

    Attributes:
        visible: pixels where it is the nearest thing.
        amodal: pixels of the frame it would cover alone.
        inside: part of its whole silhouette that lies within the frame, in [0, 1]. The silhouette is followed one
            frame beyond each border.
        fraction: part of its whole silhouette that is visible, in [0, 1]; neither hidden nor outside the frame.
    """

    visible: int
    amodal: int
    inside: float
    fraction: float


@dataclass(frozen=True, eq=False)
class Layers:
    """What rays say about a frame.

    Attributes:
        depth: (H, W) float32, metres along the optical axis; 0 where nothing is hit.
        instances: (H, W) uint16, `SceneObject.instance` of the nearest object; 0 for background and for nothing.
        visibility: by name, for every object with an instance above 0.
    """

    depth: NDArray[np.float32]
    instances: NDArray[np.uint16]
    visibility: dict[str, Visibility]


class Caster(Protocol):
    """What tells the layers of frames: rays, or a simulator that sees by itself."""

    def layers(self, scene: Scene) -> Layers:
        """Depth, instance ids and visibility of a scene."""
        ...

    def versions(self) -> dict[str, str]:
        """Names and versions of what decides the layers, for provenance."""
        ...


class _Cast(NamedTuple):
    """One object alone: depth in the window with top left pixel (row, column), inf where missed."""

    row: int
    column: int
    depth: NDArray[np.float32]
    amodal: int
    inside: float


class RayCaster:
    """Casts scenes; make one per process and keep it.

    Args:
        lookup: gives the asset of an id; `gsi_datasets.assets.get` if None.
        meshes: how many assets keep their acceleration structure.
        casts: how many casts of single objects are kept (0.01 to 1 MB each at 512 pixels).
    """

    def __init__(self, lookup: Callable[[str], Asset] | None = None, meshes: int = 200, casts: int = 160) -> None:
        if lookup is None:
            from gsi_datasets import assets

            lookup = assets.get
        self._lookup = lookup
        self._mesh = lru_cache(maxsize=meshes)(self._build)
        self._cast = lru_cache(maxsize=casts)(self._cast_alone)

    def versions(self) -> dict[str, str]:
        """The version of the ray caster's package."""
        return {"embreex": version("embreex")}

    def layers(self, scene: Scene) -> Layers:
        """Depth, instance ids and visibility of a scene.

        Where two objects are at the same depth, the lower instance wins, then the name that sorts first.
        """
        camera = scene.camera
        depth = np.full((camera.height, camera.width), np.inf, dtype=np.float32)
        owner = np.zeros(depth.shape, dtype=np.uint16)
        view = _Bytes.of(camera)
        ordered = sorted(scene.objects, key=lambda item: (item.instance, item.name))
        casts = [self._cast(item.asset, float(item.scale), *_pose_bytes(item), view) for item in ordered]
        for index, cast in enumerate(casts, start=1):
            height, width = cast.depth.shape
            window = (slice(cast.row, cast.row + height), slice(cast.column, cast.column + width))
            nearer = cast.depth < depth[window]
            np.copyto(depth[window], cast.depth, where=nearer)
            np.copyto(owner[window], np.uint16(index), where=nearer)
        depth[np.isinf(depth)] = 0.0
        instances = np.array([0] + [item.instance for item in ordered], dtype=np.uint16)
        seen = np.bincount(owner.ravel(), minlength=len(ordered) + 1)[1:]
        visibility = {
            item.name: Visibility(int(pixels), cast.amodal, cast.inside, _share(int(pixels), cast))
            for item, cast, pixels in zip(ordered, casts, seen, strict=True)
            if item.instance > 0
        }
        return Layers(depth, instances[owner], visibility)

    def _build(self, asset: str) -> tuple[Any, NDArray[np.float64], NDArray[np.float64]]:
        """The Embree scene of an asset in its own frame and its lowest and highest corner, metres."""
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        found = self._lookup(asset)
        starts = np.cumsum([0] + [len(part.vertices) for part in found.parts[:-1]])
        vertices = np.concatenate([part.vertices for part in found.parts]).astype(np.float32)
        faces = np.concatenate([part.faces + start for part, start in zip(found.parts, starts, strict=True)])
        tree = EmbreeScene()
        TriangleMesh(tree, vertices, faces.astype(np.int32))
        return tree, *found.bounds()

    def _cast_alone(self, asset: str, scale: float, position: bytes, rotation: bytes, view: _Bytes) -> _Cast:
        """Cast one object alone; all arguments hash, so that `lru_cache` can keep the result."""
        tree, low, high = self._mesh(asset)
        turn = np.frombuffer(rotation).reshape(3, 3)
        place = np.frombuffer(position)
        camera = view.camera()
        box = Box(place + turn @ (scale * (low + high) / 2), scale * (high - low), turn)
        bounds = image_bounds(box, camera)
        empty = _Cast(0, 0, np.empty((0, 0), np.float32), 0, 0.0)
        if bounds is None:
            return empty
        # A ray in the asset's frame is origin + depth * (matrix @ (u, v, 1)): with the optical axis scaled to one,
        # the ray's parameter is the depth in metres, whatever the pose and scale.
        matrix = turn.T @ camera.extrinsics[:3, :3].T @ np.linalg.inv(camera.intrinsics) / scale
        origin = turn.T @ (camera.position - place) / scale

        def depths(u: NDArray[np.floating], v: NDArray[np.floating]) -> NDArray[np.float32]:
            directions = u[None, :, None] * matrix[:, 0] + (v[:, None, None] * matrix[:, 1] + matrix[:, 2])
            directions = directions.reshape(-1, 3).astype(np.float32)
            origins = np.broadcast_to(origin.astype(np.float32), directions.shape)
            found = tree.run(np.ascontiguousarray(origins), directions, query="DISTANCE")
            return np.where((found > NEAR) & (found < 1e30), found, np.float32(np.inf)).reshape(len(v), len(u))

        left, top, right, bottom = bounds + _ROOM
        columns = np.arange(max(0, int(np.floor(left))), min(camera.width, int(np.ceil(right))))
        rows = np.arange(max(0, int(np.floor(top))), min(camera.height, int(np.ceil(bottom))))
        within = empty
        if len(columns) and len(rows):
            found = depths(columns + 0.5, rows + 0.5)
            amodal = int(np.isfinite(found).sum())
            within = _Cast(int(rows[0]), int(columns[0]), found, amodal, float(amodal > 0))
        if left >= 0 and top >= 0 and right <= camera.width and bottom <= camera.height:
            return within
        u = _coarse(left, right, camera.width)
        v = _coarse(top, bottom, camera.height)
        if not len(u) or not len(v):
            return within
        outside = ((u < 0) | (u > camera.width))[None, :] | ((v < 0) | (v > camera.height))[:, None]
        beyond = int((np.isfinite(depths(u, v)) & outside).sum()) * _STRIDE**2
        whole = within.amodal + beyond
        return within._replace(inside=within.amodal / whole if whole else 0.0)


class _Bytes(NamedTuple):
    """A camera that hashes by value."""

    intrinsics: bytes
    extrinsics: bytes
    width: int
    height: int

    @classmethod
    def of(cls, camera: Camera) -> _Bytes:
        intrinsics = np.asarray(camera.intrinsics, dtype=np.float64).tobytes()
        return cls(intrinsics, np.asarray(camera.extrinsics, dtype=np.float64).tobytes(), camera.width, camera.height)

    def camera(self) -> Camera:
        intrinsics, extrinsics = np.frombuffer(self.intrinsics), np.frombuffer(self.extrinsics)
        return Camera(intrinsics.reshape(3, 3), extrinsics.reshape(4, 4), self.width, self.height)


def _pose_bytes(item: SceneObject) -> tuple[bytes, bytes]:
    position = np.asarray(item.position, dtype=np.float64)
    return position.tobytes(), np.asarray(item.rotation, dtype=np.float64).tobytes()


def _share(visible: int, cast: _Cast) -> float:
    return visible / cast.amodal * cast.inside if cast.amodal else 0.0


def _coarse(low: float, high: float, length: int) -> NDArray[np.floating]:
    """Centres of the coarse cells that cover [low, high], at most `_MARGIN` frames beyond [0, length]."""
    start = int(np.floor(max(low, -_MARGIN * length) / _STRIDE))
    stop = int(np.ceil(min(high, (1.0 + _MARGIN) * length) / _STRIDE))
    return (np.arange(start, stop) + 0.5) * _STRIDE
