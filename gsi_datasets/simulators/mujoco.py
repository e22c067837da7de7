"""The embedded simulator: MuJoCo on the convex hulls of the assets, nothing drawn.

A model holds every movable object as a free body whose frame is the asset's own, and the static hulls near them as
part of the world. Poses live in the data, not in the model, so the states of one scene share a compiled model and an
edit costs only the steps until everything rests again. A result depends on the scene alone, bit for bit, never on
what an instance simulated before.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import mujoco
import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.asset import Asset
from gsi_datasets.geometry import (
    convex_outline,
    corners,
    matrix_from_quaternion,
    quaternion_from_matrix,
    transform_points,
)
from gsi_datasets.scene import Array, Scene, SceneObject
from gsi_datasets.simulators.base import Contact, Settled, supports


__all__ = ["MujocoSimulator", "supports"]

TIMESTEP = 0.002
FRICTION = 0.8
STIFFNESS = (0.01, 1.0)  # time constant of contacts, seconds, and damping ratio: what rests sinks in by 0.03 mm
DRAG = 20.0  # 1 / s, on turning only: calms rocking and rolling, changes neither where things rest nor what topples
STEPS_PER_LOOK = 25
REST_LOOKS = 5  # poses compared for rest: now and the four looks before it, 0.2 s
REST_DISTANCE = 1e-4
REST_ANGLE = np.radians(0.1)
TOUCH = 1e-3  # contacts are reported up to this gap, metres
REACH = 0.3  # static hulls farther than this from all movable objects are left out, metres
FALLEN = 0.05  # what is this far below everything static will not come back, metres
CACHED_MODELS = 32
CACHED_ASSETS = 512


@dataclass(frozen=True, eq=False)
class _Compiled:
    """A model with its data.

    Attributes:
        model: what MuJoCo compiled; body i + 1 is the i-th movable object.
        data: its only state, reset before every use.
        owner: (ngeom,) index of the object each geom belongs to: movable ones first, then the static ones.
        bottom: height below everything static, metres; what gets there has fallen out of the scene.
    """

    model: mujoco.MjModel
    data: mujoco.MjData
    owner: NDArray[np.int64]
    bottom: float


@dataclass(frozen=True, eq=False)
class _Hull:
    """A convex piece of an asset: its points, and whether they are the corners of an upright box."""

    points: Array
    is_box: bool


class MujocoSimulator:
    """Rigid-body physics by MuJoCo.

    Args:
        lookup: gives the asset of an id.
        patience: simulated seconds after which what still moves counts as not at rest.
    """

    def __init__(self, lookup: Callable[[str], Asset] = assets.get, patience: float = 2.0) -> None:
        self._lookup = lookup
        self._patience = patience
        self._pieces = lru_cache(maxsize=CACHED_ASSETS)(self._read_hulls)
        self._models: OrderedDict[tuple[object, ...], _Compiled] = OrderedDict()

    def contacts(self, scene: Scene) -> tuple[Contact, ...]:
        """Contacts and overlaps of the scene as it stands, one per pair of objects, gaps up to 1 mm included."""
        if not scene.movable:
            return ()
        with quiet():
            compiled = self._at(scene)
            _collide(compiled)
            return _contacts(scene, compiled)

    def settle(self, scene: Scene) -> Settled:
        """Let the movable objects come to rest from the given poses.

        What falls out of the scene, or makes the solver give up, ends the attempt with ``rested=False``.
        """
        if not scene.movable:
            return Settled(scene, rested=True, seconds=0.0, contacts=())
        with quiet():
            compiled = self._at(scene)
            restless = _run(compiled, self._patience)
            seconds = float(compiled.data.time)
            if not np.isfinite(compiled.data.qpos).all():
                return Settled(scene, rested=False, seconds=seconds, contacts=())
            names = tuple(scene.movable[i].name for i in restless)
            settled = scene.with_objects(_read(scene, compiled))
            _collide(compiled)
            return Settled(settled, not names, seconds, _contacts(scene, compiled), names)

    def versions(self) -> dict[str, str]:
        """MuJoCo's version."""
        return {"mujoco": mujoco.__version__}

    def tipping_angles(self, scene: Scene) -> dict[str, float]:
        """How far each movable object of a scene at rest can be tilted before it falls over, radians.

        The smallest angle over all directions, from the centre of mass and the outline of the contacts below it; 0
        for what balances on a line or a point or is not carried at all. A lower bound: MuJoCo keeps four contacts of
        a pair of hulls, the corners of a square within a round foot.
        """
        if not scene.movable:
            return {}
        with quiet():
            compiled = self._at(scene)
            _collide(compiled)
        feet = _feet(compiled)
        return {item.name: _tipping_angle(compiled.data.xipos[i + 1], feet[i]) for i, item in enumerate(scene.movable)}

    def _at(self, scene: Scene) -> _Compiled:
        """The compiled model of the scene with the poses of the scene and no memory of earlier ones."""
        compiled = self._model(scene)
        data = compiled.data
        mujoco.mj_resetData(compiled.model, data)
        poses = data.qpos.reshape(-1, 7)
        poses[:, :3] = [item.position for item in scene.movable]
        poses[:, 3:] = quaternion_from_matrix(np.stack([item.rotation for item in scene.movable]))
        return compiled

    def _model(self, scene: Scene) -> _Compiled:
        taken = np.concatenate([corners(item.box) for item in scene.movable])
        low, high = taken.min(axis=0) - REACH, taken.max(axis=0) + REACH
        static = [(item, self._within(item, low, high)) for item in scene.objects if item.static]
        key = (
            tuple((item.asset, item.scale) for item in scene.movable),
            tuple((item.asset, item.scale, item.pose.tobytes(), hulls) for item, hulls in static),
        )
        if key in self._models:
            self._models.move_to_end(key)
            return self._models[key]
        self._models[key] = compiled = self._compile(scene, static)
        if len(self._models) > CACHED_MODELS:
            self._models.popitem(last=False)
        return compiled

    def _within(self, item: SceneObject, low: Array, high: Array) -> tuple[int, ...]:
        """Which hulls of a static object come near the space from `low` to `high` (3,), by their bounds."""

        def near(points: Array) -> bool:
            return bool(np.all(points.min(axis=0) <= high) and np.all(points.max(axis=0) >= low))

        if not near(corners(item.box)):
            return ()
        hulls = enumerate(self._pieces(item.asset))
        return tuple(i for i, hull in hulls if near(transform_points(hull.points, item.pose)))

    def _read_hulls(self, asset_id: str) -> tuple[_Hull, ...]:
        hulls = self._lookup(asset_id).hulls
        if not hulls:
            raise ValueError(f"asset {asset_id} has no collision hulls; rebuild it with hulls")
        return tuple(_Hull(np.asarray(hull, dtype=np.float64), _is_box(hull)) for hull in hulls)

    def _compile(self, scene: Scene, static: list[tuple[SceneObject, tuple[int, ...]]]) -> _Compiled:
        spec = mujoco.MjSpec()
        spec.option.timestep = TIMESTEP
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        spec.option.impratio = 10
        # A state that explodes must be reported, not silently replaced by the initial one.
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        meshes: set[str] = set()
        for i, item in enumerate(scene.movable):
            body = spec.worldbody.add_body()
            body.add_freejoint()
            for number in range(len(self._pieces(item.asset))):
                self._add_geom(spec, body, meshes, item, number).name = f"{i} {number}"
        bottom = np.inf
        for i, (item, numbers) in enumerate(static, start=len(scene.movable)):
            frame = spec.worldbody.add_frame(pos=item.position, quat=quaternion_from_matrix(item.rotation))
            for number in numbers:
                geom = self._add_geom(spec, spec.worldbody, meshes, item, number)
                geom.set_frame(frame)
                geom.name = f"{i} {number}"
            bottom = min(bottom, float(corners(item.box)[:, 2].min()) - FALLEN)
        try:
            model = spec.compile()
        except ValueError as error:
            names = ", ".join(sorted({item.asset for item in scene.objects}))
            raise ValueError(
                f"scene {scene.name}: MuJoCo refuses a collision hull of one of {names}: {error}"
            ) from error
        _set_masses_and_drag(model, [self._lookup(item.asset).info.mass * item.scale**3 for item in scene.movable])
        owner = np.array([int(model.geom(i).name.split()[0]) for i in range(model.ngeom)], dtype=np.int64)
        return _Compiled(model, mujoco.MjData(model), owner, bottom)

    def _add_geom(
        self, spec: mujoco.MjSpec, body: mujoco.MjsBody, meshes: set[str], item: SceneObject, number: int
    ) -> mujoco.MjsGeom:
        hull = self._pieces(item.asset)[number]
        surface = {"friction": (FRICTION, 0.0, 0.0), "solref": STIFFNESS}
        if hull.is_box:
            low, high = hull.points.min(axis=0), hull.points.max(axis=0)
            return body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=item.scale * (low + high) / 2,
                size=item.scale * (high - low) / 2,
                **surface,
            )
        name = f"{item.asset} {item.scale!r} {number}"
        if name not in meshes:
            meshes.add(name)
            mesh = spec.add_mesh(name=name, uservert=(item.scale * hull.points).ravel())
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
        return body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, **surface)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep MuJoCo from printing and from writing a log file into the working directory; failures show in the data."""
    before, silent = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    silent.logto_console = silent.logto_file = False
    silent.set()
    try:
        yield
    finally:
        before.set()


def _set_masses_and_drag(model: mujoco.MjModel, masses: list[float]) -> None:
    """Give bodies their masses, which the compiler has split over the hulls by volume, and what calms them."""
    factors = np.concatenate([[1.0], np.array(masses) / model.body_mass[1:]])
    model.body_mass[:] *= factors
    model.body_inertia[:] *= factors[:, None]
    model.dof_damping.reshape(-1, 2, 3)[:, 1] = DRAG * model.body_inertia[1:].mean(axis=1, keepdims=True)
    mujoco.mj_setConst(model, mujoco.MjData(model))


def _is_box(hull: Array) -> bool:
    """Whether the points are the eight corners of a box along the asset's axes."""
    points = np.unique(np.asarray(hull), axis=0)
    low, high = points.min(axis=0), points.max(axis=0)
    return len(points) == 8 and bool(np.all((points == low) | (points == high)))


def _run(compiled: _Compiled, patience: float) -> list[int]:
    """Step until everything rests; gives the bodies that do not."""
    model, data = compiled.model, compiled.data
    poses = data.qpos.reshape(-1, 7)
    looks = deque([poses.copy()], maxlen=REST_LOOKS)
    moving = np.ones(len(poses), dtype=bool)
    while data.time < patience - TIMESTEP / 2:
        mujoco.mj_step(model, data, nstep=STEPS_PER_LOOK)
        if any(data.warning.number):
            break
        if (fallen := poses[:, 2] < compiled.bottom).any():
            moving = fallen
            break
        looks.append(poses.copy())
        if len(looks) == REST_LOOKS and not (moving := ~_still(np.array(looks))).any():
            break
    return [int(i) for i in np.flatnonzero(moving)]


def _still(looks: Array) -> NDArray[np.bool_]:
    """(N,) whether poses (L, N, 7) stay within the rest tolerances of the last."""
    distance = np.linalg.norm(looks[:-1, :, :3] - looks[-1, :, :3], axis=-1)
    # The chord between unit quaternions is half the angle between the rotations, for small angles.
    turns = looks[..., 3:] / np.linalg.norm(looks[..., 3:], axis=-1, keepdims=True)
    same = np.sign(np.sum(turns[:-1] * turns[-1], axis=-1, keepdims=True))
    angle = 2 * np.linalg.norm(same * turns[:-1] - turns[-1], axis=-1)
    return np.asarray(((distance < REST_DISTANCE) & (angle < REST_ANGLE)).all(axis=0))


def _read(scene: Scene, compiled: _Compiled) -> list[SceneObject]:
    poses = compiled.data.qpos.reshape(-1, 7)
    rotations = matrix_from_quaternion(poses[:, 3:])
    return [replace(item, position=poses[i, :3].copy(), rotation=rotations[i]) for i, item in enumerate(scene.movable)]


def _collide(compiled: _Compiled) -> None:
    """Find the contacts of the current poses, those of gaps up to `TOUCH` included."""
    model, data = compiled.model, compiled.data
    # The override applies to this query only: a margin while stepping would leave visible gaps.
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_OVERRIDE
    model.opt.o_margin = TOUCH
    try:
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_collision(model, data)
    finally:
        model.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_OVERRIDE)


def _pairs(compiled: _Compiled) -> tuple[NDArray[np.int64], Array, Array]:
    """(C, 2) object indices, (C,) depths and (C, 3) normals, from the first to the second, of the current contacts."""
    contact = compiled.data.contact
    return compiled.owner[contact.geom], -contact.dist, contact.frame[:, :3]


def _contacts(scene: Scene, compiled: _Compiled) -> tuple[Contact, ...]:
    order = [*scene.movable, *(item for item in scene.objects if item.static)]
    pairs, depths, normals = _pairs(compiled)
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for (i, j), depth, lift in zip(pairs.tolist(), depths.tolist(), normals[:, 2].tolist(), strict=True):
        if i > j:
            i, j, lift = j, i, -lift
        deepest, squarest = found.get((i, j), (-np.inf, 0.0))
        found[i, j] = max(depth, deepest), max(lift, squarest, key=abs)
    return tuple(Contact(order[i].name, order[j].name, *found[i, j]) for i, j in sorted(found))


def _feet(compiled: _Compiled) -> list[Array]:
    """For each movable object the (K, 3) points where something carries it."""
    pairs, _, normals = _pairs(compiled)
    points, lift = compiled.data.contact.pos, normals[:, 2]
    count = compiled.model.nbody - 1
    return [points[((pairs[:, 1] == i) & (lift > 0.3)) | ((pairs[:, 0] == i) & (lift < -0.3))] for i in range(count)]


def _tipping_angle(centre: Array, feet: Array) -> float:
    outline = convex_outline(feet[:, :2])
    if len(outline) < 3:
        return 0.0
    sides = np.roll(outline, -1, axis=0) - outline
    inward = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1, keepdims=True)
    margin = float(np.min(np.sum((centre[:2] - outline) * inward, axis=1)))
    height = float(centre[2] - feet[:, 2].mean())
    return float(np.arctan2(max(margin, 0.0), max(height, 1e-9)))
