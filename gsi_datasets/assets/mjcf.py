"""MuJoCo models (MJCF) as assets: what their bodies look like and what they collide as.

MuJoCo compiles the model, so that its own rules (defaults, frames, attached models, mesh formats) hold; its geoms at
the model's initial pose are then taken over, joints and all other dynamics are not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets import mjcf_files
from gsi_datasets.assets.asset import Material, MeshPart
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.parametric.hulls import box_hull, sectors_for
from gsi_datasets.assets.parametric.primitives import Mesh, box, ellipsoid, lathe, merge, shade
from gsi_datasets.simulators.mujoco import quiet


Array = NDArray[np.float64]
GEOM, TEXTURE = mujoco.mjtGeom, mujoco.mjtTextureRole
# Geoms of these groups are drawn, those of higher ones only collide (MuJoCo's own viewers do so too).
DRAWN_GROUPS = 3
# What a geom without any colour has.
UNCOLOURED = (0.5, 0.5, 0.5, 1.0)
# Rotations this close to a turn of the axes onto each other are that turn, so that boxes stay exact boxes.
ALIGNED = 1e-6
SHEET = 0.002
"""Metres: a collision mesh thinner than this is made so thick; without an inside nothing can rest on it."""
SECTORS = 24


@dataclass(frozen=True, eq=False)
class Frame:
    """Where an asset's own frame is in the model's world.

    Attributes:
        position: (3,) metres.
        rotation: (3, 3).
    """

    position: Array = field(default_factory=lambda: np.zeros(3))
    rotation: Array = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True, eq=False)
class Model:
    """A compiled model at its initial pose.

    Attributes:
        file: where it comes from, for messages.
        model: what MuJoCo made of it.
        data: its initial pose.
    """

    file: Path
    model: mujoco.MjModel
    data: mujoco.MjData

    @cached_property
    def bodies(self) -> dict[str, int]:
        """Number of each body by its name."""
        return {self.model.body(i).name: i for i in range(self.model.nbody)}

    @cached_property
    def _textures(self) -> dict[int, NDArray[np.uint8]]:
        return {}

    def owners(self, roots: Iterable[int]) -> NDArray[np.int64]:
        """(nbody,) which of the bodies `roots` each body belongs to, itself or the nearest above it; 0 for none."""
        owner = np.zeros(self.model.nbody, dtype=np.int64)
        chosen = frozenset(roots)
        for body in range(1, self.model.nbody):  # parents come first
            owner[body] = body if body in chosen else owner[self.model.body_parentid[body]]
        return owner

    def is_free(self, body: int) -> bool:
        """Whether a body is loose."""
        joints = self.model.body_jntadr[body] + np.arange(self.model.body_jntnum[body])
        return bool((self.model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_FREE).any())

    def rotation(self, body: int) -> Array:
        """(3, 3) of a body in the world."""
        return np.asarray(self.data.xmat[body]).reshape(3, 3).copy()

    def geoms_of(self, bodies: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
        """The geoms of some bodies, (nbody,) bool: those that are drawn, and those that collide.

        Where nothing is meant to be drawn all is; where nothing collides, what is drawn does.
        """
        model = self.model
        own = [int(it) for it in np.flatnonzero(bodies[model.geom_bodyid]) if self._rgba(int(it))[3] > 0.02]
        drawn = [it for it in own if model.geom_group[it] < DRAWN_GROUPS and model.geom_type[it] != GEOM.mjGEOM_HFIELD]
        solid = [it for it in own if model.geom_contype[it] or model.geom_conaffinity[it]]
        return drawn or own, solid or drawn or own

    def parts(
        self, geoms: Sequence[int], frame: Frame, reach: tuple[Array, Array] | None = None
    ) -> tuple[MeshPart, ...]:
        """What geoms look like in a frame, those of one material together.

        Args:
            geoms: their numbers.
            frame: of the asset.
            reach: (2,) and (2,), x and y up to which planes without an end are drawn; they are left out if None.
        """
        groups: dict[tuple[object, ...], tuple[Material, list[Mesh]]] = {}
        for geom in geoms:
            mesh = self._plane(geom, reach) if self.model.geom_type[geom] == GEOM.mjGEOM_PLANE else self._mesh(geom)
            if mesh is None:
                continue
            turn, shift = self._pose(geom, frame)
            moved = Mesh(mesh.vertices @ turn.T + shift, mesh.faces, mesh.normals @ turn.T, mesh.uvs)
            key, material = self._surface(geom)
            groups.setdefault(key, (material, []))[1].append(moved)
        return tuple(merge(*meshes).part(material) for material, meshes in groups.values())

    def hulls(self, geoms: Sequence[int], frame: Frame) -> tuple[Array, ...]:
        """What geoms collide as in a frame, (N, 3) corner points each, metres; planes without an end are left out."""
        found = []
        for geom in geoms:
            points = self._solid(geom)
            if points is not None:
                turn, shift = self._pose(geom, frame)
                found.append(points @ turn.T + shift)
        return tuple(found)

    def sites(self, bodies: NDArray[np.bool_], frame: Frame) -> list[tuple[Array, Array]]:
        """Lowest and highest corner, (3,) each in a frame, of the box sites of some bodies that lie along its axes."""
        found = []
        for site in np.flatnonzero(bodies[self.model.site_bodyid]):
            if self.model.site_type[site] != GEOM.mjGEOM_BOX:
                continue
            turn = frame.rotation.T @ np.asarray(self.data.site_xmat[site]).reshape(3, 3)
            if np.abs(turn).max(axis=0).min() < np.cos(np.radians(3)):
                continue
            middle = frame.rotation.T @ (self.data.site_xpos[site] - frame.position)
            half = np.abs(turn) @ self.model.site_size[site]
            found.append((middle - half, middle + half))
        return found

    def _pose(self, geom: int, frame: Frame) -> tuple[Array, Array]:
        """Rotation (3, 3) and place (3,) of a geom in a frame."""
        turn = frame.rotation.T @ np.asarray(self.data.geom_xmat[geom]).reshape(3, 3)
        if np.abs(turn - np.round(turn)).max() < ALIGNED:
            turn = np.round(turn)
        return turn, frame.rotation.T @ (self.data.geom_xpos[geom] - frame.position)

    def _rgba(self, geom: int) -> tuple[float, float, float, float]:
        material, own = int(self.model.geom_matid[geom]), self.model.geom_rgba[geom]
        plain = material >= 0 and np.allclose(own, UNCOLOURED)
        red, green, blue, opacity = map(float, self.model.mat_rgba[material] if plain else own)
        return red, green, blue, opacity

    def _surface(self, geom: int) -> tuple[tuple[object, ...], Material]:
        """The material of a geom, and a key that geoms of the same surface share."""
        model, number, rgba = self.model, int(self.model.geom_matid[geom]), self._rgba(geom)
        key = (number, rgba)
        if number < 0:
            return key, Material(rgba[:3], opacity=rgba[3])
        roughness, metallic = float(model.mat_roughness[number]), float(model.mat_metallic[number])
        if roughness < 0:  # not said: MuJoCo's classic materials have a shininess
            roughness = 0.85 - 0.5 * float(model.mat_shininess[number])
        texture, color = self._texture(number), rgba[:3]
        if texture is not None and texture.size == 3:
            color, texture = tuple(np.asarray(color) * texture.reshape(3) / 255), None
        emission = float(np.clip(model.mat_emission[number], 0, 1))
        return key, Material(
            (float(color[0]), float(color[1]), float(color[2])),
            texture, float(np.clip(roughness, 0.05, 1)), float(metallic > 0.5), rgba[3], emission,
        )  # fmt: skip

    def _texture(self, material: int) -> NDArray[np.uint8] | None:
        """(H, W, 3) sRGB; of what is wrapped around, a cube's six sides, the mean colour (1, 1, 3)."""
        model = self.model
        roles = (TEXTURE.mjTEXROLE_RGB, TEXTURE.mjTEXROLE_RGBA)
        number = next((int(model.mat_texid[material, it]) for it in roles if model.mat_texid[material, it] >= 0), -1)
        if number < 0:
            return None
        if number not in self._textures:
            height, width, channels = (
                int(it[number]) for it in (model.tex_height, model.tex_width, model.tex_nchannel)
            )
            start = int(model.tex_adr[number])
            image = np.asarray(model.tex_data[start : start + height * width * channels])
            image = image.reshape(height, width, channels)
            image = np.repeat(image, 3, axis=2) if channels < 3 else image[:, :, :3].copy()
            if model.tex_type[number] != mujoco.mjtTexture.mjTEXTURE_2D:
                image = np.rint(image.reshape(-1, 3).mean(axis=0)).astype(np.uint8).reshape(1, 1, 3)
            self._textures[number] = image
        return self._textures[number]

    def _repeats(self, geom: int, xy: Array, size: Array) -> Array:
        """(N, 2) texture coordinates of points without any: seen from above, as MuJoCo lays textures on shapes."""
        number = int(self.model.geom_matid[geom])
        if number < 0:
            return np.zeros_like(xy)
        repeat = np.asarray(self.model.mat_texrepeat[number], dtype=np.float64)
        return repeat * (xy if self.model.mat_texuniform[number] else xy / np.maximum(size, 1e-9) + 0.5)

    def _plane(self, geom: int, reach: tuple[Array, Array] | None) -> Mesh | None:
        half = np.asarray(self.model.geom_size[geom][:2])
        low, high = -half, half
        if not half.all():
            if reach is None:
                return None
            low, high = (np.where(half > 0, own, it) for own, it in zip((-half, half), reach, strict=True))
        xy = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
        normals = np.tile([0.0, 0.0, 1.0], (4, 1))
        vertices = np.column_stack([xy, np.zeros(4)])
        return Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]]), normals, self._repeats(geom, xy, high - low))

    def _mesh(self, geom: int) -> Mesh | None:
        """The triangles of a geom in its own frame."""
        size = np.asarray(self.model.geom_size[geom], dtype=np.float64)
        match self.model.geom_type[geom]:
            case GEOM.mjGEOM_MESH:
                return self._stored(int(self.model.geom_dataid[geom]))
            case GEOM.mjGEOM_BOX:
                mesh = box(tuple(2 * size)).moved(z=-size[2])
            case GEOM.mjGEOM_ELLIPSOID:
                mesh = ellipsoid(tuple(size)).moved(z=-size[2])
            case GEOM.mjGEOM_SPHERE:
                mesh = ellipsoid((size[0],) * 3).moved(z=-size[0])
            case GEOM.mjGEOM_CYLINDER | GEOM.mjGEOM_CAPSULE:
                mesh = lathe(_profile(int(self.model.geom_type[geom]), size), max(SECTORS, sectors_for(size[0])))
            case _:
                return None
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        uvs = self._repeats(geom, mesh.vertices[:, :2], (high - low)[:2])
        return Mesh(mesh.vertices, mesh.faces, mesh.normals, uvs)

    def _stored(self, number: int) -> Mesh:
        """A mesh of the model; MuJoCo numbers places, normals and texture coordinates apart and turns v over."""
        model = self.model
        faces = slice(model.mesh_faceadr[number], model.mesh_faceadr[number] + model.mesh_facenum[number])
        places = model.mesh_vert[model.mesh_vertadr[number] :][: model.mesh_vertnum[number]].astype(np.float64)
        if not model.mesh_normalnum[number]:
            return shade(places, model.mesh_face[faces].astype(np.int64), np.zeros((len(places), 2)))
        normals = model.mesh_normal[model.mesh_normaladr[number] :][: model.mesh_normalnum[number]]
        numbers = [model.mesh_face[faces], model.mesh_facenormal[faces]]
        wrapped = model.mesh_texcoordadr[number] >= 0
        if wrapped:
            numbers.append(model.mesh_facetexcoord[faces])
        corners = np.stack([it.reshape(-1) for it in numbers], axis=1)
        different, which = np.unique(corners, axis=0, return_inverse=True)
        uvs = np.zeros((len(different), 2))
        if wrapped:
            stored = model.mesh_texcoord[model.mesh_texcoordadr[number] :][: model.mesh_texcoordnum[number]]
            uvs = stored[different[:, 2]] * (1, -1) + (0, 1)
        return Mesh(places[different[:, 0]], which.reshape(-1, 3), normals[different[:, 1]].astype(np.float64), uvs)

    def _solid(self, geom: int) -> Array | None:
        """(N, 3) corner points of the convex hull of a geom in its own frame; None for planes and heightfields."""
        size = np.asarray(self.model.geom_size[geom], dtype=np.float64)
        match self.model.geom_type[geom]:
            case GEOM.mjGEOM_BOX:
                return box_hull(tuple(-size), tuple(size))
            case GEOM.mjGEOM_PLANE if size[:2].all():
                return box_hull((-size[0], -size[1], -0.1), (size[0], size[1], 0.0))
            case GEOM.mjGEOM_PLANE | GEOM.mjGEOM_HFIELD:
                return None
        mesh = self._mesh(geom)
        return None if mesh is None else convex(mesh.vertices)


def load(file: Path, root: Path) -> Model:
    """A model at its initial pose.

    Args:
        file: of MJCF.
        root: the folder that everything it names must lie in.

    Raises:
        AssetError: it cannot be read or compiled, or names what is missing or lies elsewhere; says which.
    """
    mjcf_files.check(file, root)
    try:
        # Warnings are about writing models and simulating them, which is not done here.
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec = mujoco.MjSpec.from_file(str(file))
            _keep_all(spec)
            model = spec.compile()
            data = mujoco.MjData(model)
            mujoco.mj_kinematics(model, data)
    except (ValueError, mujoco.FatalError) as error:
        reason = " ".join(str(error).split())
        raise AssetError(f"{file}: MuJoCo {mujoco.__version__} refuses it: {reason}; download it again") from error
    return Model(file, model, data)


def _keep_all(spec: mujoco.MjSpec) -> None:
    """Set a model to keep everything that can be seen, under its own name, and not to fail on how it would move."""
    spec.compiler.discardvisual = spec.compiler.fusestatic = False
    spec.compiler.balanceinertia = True
    spec.compiler.boundmass, spec.compiler.boundinertia = 1e-6, 1e-9


def upright(rotation: Array) -> Array:
    """The axes, (3, 3) columns, of the frame with z up that a body turned by `rotation` (3, 3) is described in.

    Its axes are the body's own in another order, z the one that now points up most. A body with y up, front towards
    +z, as in Unity, gets a front towards -y.
    """
    across = rotation[2]
    axis = int(np.argmax(np.abs(across)))
    up = np.zeros(3)
    up[axis] = np.sign(across[axis])
    right = np.eye(3)[0 if axis != 0 else 1]
    return rotation @ np.stack([right, np.cross(up, right), up], axis=1)


def convex(points: Array) -> Array:
    """(N, 3) those of some points that are corners of their convex hull; of a flat sheet, made thick."""
    from scipy.spatial import ConvexHull, QhullError

    centred = points - points.mean(axis=0)
    axes = np.linalg.svd(centred.T @ centred)[0]
    extent = np.ptp(centred @ axes, axis=0)
    for axis in np.flatnonzero(extent < SHEET):
        shift = 0.5 * (SHEET - extent[axis]) * axes[:, axis]
        points = np.concatenate([points - shift, points + shift])
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        return box_hull(tuple(points.min(axis=0)), tuple(points.max(axis=0)))


def bounds(parts: Iterable[MeshPart]) -> tuple[Array, Array]:
    """(3,) lowest and (3,) highest corner."""
    points = np.concatenate([part.vertices for part in parts]).astype(np.float64)
    return points.min(axis=0), points.max(axis=0)


def _profile(kind: int, size: Array) -> Array:
    """(P, 2) radius and height of a cylinder or capsule, from the bottom up."""
    radius, half = size[:2]
    if kind == GEOM.mjGEOM_CYLINDER:
        return np.array([(0.0, -half), (radius, -half), (radius, half), (0.0, half)])
    turn = np.linspace(0, np.pi / 2, 9)
    cap = np.column_stack([radius * np.cos(turn), half + radius * np.sin(turn)])
    cap[-1, 0] = 0.0
    return np.concatenate([(cap * (1, -1))[::-1], cap])
