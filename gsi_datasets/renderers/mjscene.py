"""One MuJoCo model that holds everything a list of scene states shows; `gl` and `warp` draw from it.

Each part of an asset is one mesh geom of the world body; a state says where the geoms are. What a state lacks is put
out of sight. Nothing here simulates: no joints, no contacts, no hulls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, Material, MeshPart
from gsi_datasets.geometry import matrix_from_quaternion
from gsi_datasets.renderers.exposure import HEADROOM
from gsi_datasets.scene import Scene, SceneObject


if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]
# Clipping planes, metres; fixed, so that a picture does not depend on what else is in the model.
NEAR, FAR = 0.02, 60.0
# Where what a state lacks is kept: behind the far plane and below any floor.
AWAY = np.array([0.0, 0.0, -1000.0])


class _Key(NamedTuple):
    """One drawable thing; the same object with another asset or scale is another one."""

    name: str
    asset: str
    scale: float

    @classmethod
    def of(cls, item: SceneObject) -> _Key:
        return cls(item.name, item.asset, float(item.scale))


class DrawModel:
    """The compiled union of some scene states.

    Args:
        scenes: the states to be drawn; they may share objects.
        lookup: gives the asset of an id.
        prepare_part: what becomes of each part of an asset, at its scale, before it is drawn; see `subdivided` and
            `split`.
        prepare: sets what a renderer needs besides (lights, camera, quality) before the model is compiled.

    Attributes:
        model: the compiled `mujoco.MjModel`.
        casts: for each geom, whether it need cast shadows; the shell of a room, which holds the lamps, need not.
    """

    model: mujoco.MjModel

    def __init__(
        self,
        scenes: Sequence[Scene],
        lookup: Callable[[str], Asset],
        prepare_part: Callable[[MeshPart], Sequence[MeshPart]] = lambda part: [part],
        prepare: Callable[[mujoco.MjSpec], None] = lambda spec: None,
    ) -> None:
        import mujoco

        spec = mujoco.MjSpec()
        spec.stat.extent, spec.stat.center = 1.0, np.zeros(3)
        spec.visual.map.znear, spec.visual.map.zfar = NEAR, FAR
        writer = _Writer(spec, lookup, prepare_part)
        self._spans: dict[_Key, slice] = {}
        self.casts: list[bool] = []
        count = 0
        for key in sorted({_Key.of(item) for scene in scenes for item in scene.objects}):
            parts = writer.parts(key.asset, key.scale)
            for part in parts:
                spec.worldbody.add_geom(
                    type=mujoco.mjtGeom.mjGEOM_MESH, meshname=part, material=part, contype=0, conaffinity=0, group=2
                )
            self._spans[key] = slice(count, count + len(parts))
            self.casts += [lookup(key.asset).info.kind != "structure"] * len(parts)
            count += len(parts)
        prepare(spec)
        self.model = spec.compile()
        # The compiler moves each mesh to its own centre and axes; a geom's compiled place is the way back.
        self._offset = self.model.geom_pos.copy()
        self._turn = np.array([matrix_from_quaternion(turn) for turn in self.model.geom_quat]).reshape(-1, 3, 3)

    def covers(self, scenes: Sequence[Scene]) -> bool:
        """Whether these states can be drawn from this model."""
        return all(_Key.of(item) in self._spans for scene in scenes for item in scene.objects)

    def place(self, scene: Scene) -> tuple[Array, Array]:
        """Where each geom is in a state: positions (G, 3), metres, and rotations (G, 3, 3), in the world."""
        positions = np.tile(AWAY, (len(self._offset), 1))
        rotations = self._turn.copy()
        for item in scene.objects:
            span = self._spans[_Key.of(item)]
            positions[span] = item.position + self._offset[span] @ np.asarray(item.rotation).T
            rotations[span] = item.rotation @ self._turn[span]
        return positions, rotations


class _Writer:
    """Writes meshes, materials and textures into a spec, each once."""

    def __init__(
        self, spec: Any, lookup: Callable[[str], Asset], prepare_part: Callable[[MeshPart], Sequence[MeshPart]]
    ) -> None:
        self._spec, self._lookup, self._prepare_part = spec, lookup, prepare_part
        self._written: dict[tuple[str, float], list[str]] = {}
        # With the pixels, for an identity holds only while what it names is alive.
        self._textures: dict[int, tuple[str, NDArray[np.uint8]]] = {}

    def parts(self, asset: str, scale: float) -> list[str]:
        """Names of the meshes of an asset at a scale; each has a material of the same name."""
        if (asset, scale) not in self._written:
            parts = [piece for part in self._lookup(asset).parts for piece in self._prepare_part(scaled(part, scale))]
            names = [f"{asset}*{scale!r}#{index}" for index in range(len(parts))]
            for name, part in zip(names, parts, strict=True):
                self._mesh(name, part)
                self._material(name, part.material)
            self._written[asset, scale] = names
        return self._written[asset, scale]

    def _mesh(self, name: str, part: MeshPart) -> None:
        import mujoco

        faces = part.faces.ravel()
        self._spec.add_mesh(
            name=name,
            # The mass of a thin shell is never undefined, whatever the mesh; nothing here uses it.
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
            uservert=part.vertices.ravel(),
            usernormal=part.normals.ravel(),
            usertexcoord=part.uvs.ravel(),
            userface=faces,
            userfacenormal=faces,
            userfacetexcoord=faces,
        )

    def _material(self, name: str, material: Material) -> None:
        import mujoco

        specular, shininess = highlight(material)
        shade = 0.8 if material.metallic else 1.0
        written = self._spec.add_material(
            name=name,
            rgba=[*(shade * channel for channel in material.color), material.opacity],
            specular=specular,
            shininess=shininess,
            emission=HEADROOM * material.emission,
            texuniform=False,
        )
        if material.texture is not None:
            written.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = self._texture(name, material.texture)

    def _texture(self, name: str, pixels: NDArray[np.uint8]) -> str:
        """The name a texture has in the spec; assets share arrays, so they are told apart by identity."""
        import mujoco

        if id(pixels) not in self._textures:
            height, width, _ = pixels.shape
            texture = self._spec.add_texture(
                name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3
            )
            # MuJoCo counts rows from the bottom.
            texture.data = np.ascontiguousarray(pixels[::-1]).tobytes()
            self._textures[id(pixels)] = name, pixels
        return self._textures[id(pixels)][0]


def highlight(material: Material) -> tuple[float, float]:
    """Strength and sharpness of Phong highlights, in MuJoCo's units: both in [0, 1], sharpness times 128."""
    roughness = max(material.roughness, 0.12)
    # The exponent at which a Phong lobe is as wide as a GGX lobe of this roughness.
    exponent = min(2.0 / roughness**4 - 2.0, 96.0)
    strength = 0.05 + 0.4 * (1.0 - roughness) ** 2 + 0.35 * material.metallic
    return float(min(strength, 1.0)), float(max(exponent, 1.0) / 128.0)


def scaled(part: MeshPart, scale: float) -> MeshPart:
    """The part with its vertices scaled about the asset's origin."""
    if scale == 1.0:
        return part
    return MeshPart((part.vertices * np.float32(scale)), part.faces, part.normals, part.uvs, part.material)


def subdivided(part: MeshPart, edge: float) -> MeshPart:
    """The same surface with triangle edges of at most `edge` metres.

    OpenGL as MuJoCo uses it computes light at the vertices, so a floor of two triangles would be lit from its four
    corners. Edges are halved by their own length, hence neighbours agree on where a shared edge is cut. Slivers, such
    as of skirting boards, stay up to four times longer: nobody sees how light changes along them, and they would
    become most of a room's triangles.
    """
    columns = np.concatenate([part.vertices, part.normals, part.uvs], axis=1)
    faces = part.faces
    lengths = _sides(columns, faces)
    corners = columns[faces][..., :3]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    limits = np.where(areas < lengths.max(axis=1) * edge / 4, 4 * edge, edge)
    while (long := lengths > limits[:, None]).any():
        columns, faces, parents = _halve(columns, faces, long)
        limits, lengths = limits[parents], _sides(columns, faces)
    normals = columns[:, 3:6] / np.maximum(np.linalg.norm(columns[:, 3:6], axis=1, keepdims=True), 1e-9)
    return MeshPart(columns[:, :3], faces, normals.astype(np.float32), columns[:, 6:], part.material)


def _sides(columns: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    """(F, 3) lengths of the edges from corner i to corner i + 1, metres."""
    corners = columns[faces][..., :3]
    return np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)


def _halve(
    columns: NDArray[np.float32], faces: NDArray[np.int32], long: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """Cut the marked edges (F, 3) of the faces at their middles; edge i runs from corner i to corner i + 1.

    Returns:
        The vertices with the new ones, the new faces, and for each the index of the face that it is part of.
    """
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)[long], axis=1)
    unique, inverse = np.unique(ends, axis=0, return_inverse=True)
    middle = np.full(faces.shape, -1, dtype=np.int64)
    middle[long] = len(columns) + inverse.ravel()
    columns = np.concatenate([columns, columns[unique].mean(axis=1, dtype=np.float32)])
    # Turn every face so that its pattern of cut edges is one of: none, first, first two, all.
    cuts = long.sum(axis=1)
    starts = np.where(cuts == 1, long.argmax(axis=1), np.where(cuts == 2, (long.argmin(axis=1) + 1) % 3, 0))
    order = (starts[:, None] + np.arange(3)) % 3
    corner = np.take_along_axis(faces.astype(np.int64), order, axis=1)
    middle = np.take_along_axis(middle, order, axis=1)
    (a, b, c), (ab, bc, ca) = corner.T, middle.T
    patterns = {
        0: [(a, b, c)],
        1: [(a, ab, c), (ab, b, c)],
        2: [(ab, b, bc), (a, ab, bc), (a, bc, c)],
        3: [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)],
    }
    pieces = [
        (np.stack(triangle, axis=1)[cuts == count], np.flatnonzero(cuts == count))
        for count, triangles in patterns.items()
        for triangle in triangles
    ]
    triangles, parents = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return columns, triangles.astype(np.int32), parents


def split(part: MeshPart, smallest: float = 0.6, depth: int = 5) -> list[MeshPart]:
    """The same surface in pieces whose boxes overlap little, for ray tracers that test the box of each mesh first.

    The walls of a room, as one mesh, have a box that every ray hits.

    Args:
        part: what to split.
        smallest: pieces with a shorter box than this are left whole, metres.
        depth: how often a piece may be halved.
    """
    triangles = part.vertices[part.faces]
    low, high = triangles.min(axis=1), triangles.max(axis=1)
    groups, _ = _grouped(np.arange(len(triangles)), low, high, smallest, depth)
    return [part] if len(groups) == 1 else [_subset(part, np.sort(group)) for group in groups]


def _grouped(
    chosen: NDArray[np.intp], low: NDArray[np.float32], high: NDArray[np.float32], smallest: float, depth: int
) -> tuple[list[NDArray[np.intp]], float]:
    """Groups of the chosen triangles that are cheapest to test, and what they cost.

    What a mesh costs a ray is taken as the area of its box, which is how often it is hit, times the depth of its tree.
    A cut that does not pay may be followed by some that do: all four walls must be apart before one gains.
    """
    count = len(chosen)
    box = high[chosen].max(axis=0) - low[chosen].min(axis=0)
    depths = 3.0 + np.log2(np.arange(1, count + 1))
    whole = float(_box_areas(box) * depths[-1])
    if count < 2 or depth == 0 or box.max() < smallest:
        return [chosen], whole
    best, halves = np.inf, (chosen, chosen)
    for axis in range(3):
        order = chosen[np.argsort(low[chosen, axis] + high[chosen, axis], kind="stable")]
        left, right = (
            _box_areas(np.maximum.accumulate(high[it]) - np.minimum.accumulate(low[it]))[:-1] * depths[:-1]
            for it in (order, order[::-1])
        )
        costs = left + right[::-1]
        cut = int(costs.argmin())
        if costs[cut] < best:
            best, halves = costs[cut], (order[: cut + 1], order[cut + 1 :])
    (first, cost), (second, more) = (_grouped(half, low, high, smallest, depth - 1) for half in halves)
    return (first + second, cost + more) if cost + more < 0.8 * whole else ([chosen], whole)


def _box_areas(sizes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sum(np.abs(sizes * np.roll(sizes, 1, axis=-1)), axis=-1)


def _subset(part: MeshPart, chosen: NDArray[np.intp]) -> MeshPart:
    """Some of the triangles with the vertices that they use."""
    used, faces = np.unique(part.faces[chosen], return_inverse=True)
    triangles = faces.reshape(-1, 3).astype(part.faces.dtype)
    return MeshPart(part.vertices[used], triangles, part.normals[used], part.uvs[used], part.material)
