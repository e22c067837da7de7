"""Unity's frame and ours, and what AI2-THOR's metadata says in its own.

Unity: left-handed, x right, y up, z forward, metres; Euler degrees (x, y, z) make ``R = Ry Rx Rz`` on column vectors,
about its own axes that is first y, then x, then z. Our world is right-handed with z up: y and z change places, which
is its own inverse. A rotation goes over as ``A R A`` and stays one, though A mirrors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gsi_datasets.geometry import intrinsics_from_fov, similarity
from gsi_datasets.scene import Box, Camera


Array = NDArray[np.float64]
Triple = dict[str, float]
EXCHANGE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
"""A: from Unity's frame to the world, and back."""
_UNITY_TO_OPENCV = np.diag([1.0, -1.0, 1.0])
ALIGNED_CORNERS = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)], dtype=float)
"""Signs of ``axisAlignedBoundingBox.cornerPoints`` in Unity's axes, (8, 3)."""
ORIENTED_CORNERS = np.array([[x, y, z] for y in (-1, 1) for x, z in ((1, 1), (-1, 1), (-1, -1), (1, -1))], dtype=float)
"""Signs of ``objectOrientedBoundingBox.cornerPoints`` in the object's own Unity axes, (8, 3)."""
# An edge below this has no direction of its own, metres.
_FLAT = 1e-6


def vector(value: Mapping[str, float]) -> Array:
    """(3,) numbers of a map with x, y, z; the frame stays."""
    return np.array([float(value[axis]) for axis in "xyz"])


def triple(value: ArrayLike) -> Triple:
    """The map with x, y, z that actions take; the frame stays."""
    return {axis: float(number) for axis, number in zip("xyz", np.asarray(value, dtype=float), strict=True)}


def to_world(points: ArrayLike) -> Array:
    """(..., 3) world points of Unity points, or the other way round, metres."""
    return np.asarray(points, dtype=float)[..., [0, 2, 1]]


def matrix_of(euler: ArrayLike) -> Array:
    """(3, 3) rotation in Unity's frame of Euler degrees (x, y, z)."""
    x, y, z = np.radians(np.asarray(euler, dtype=float))
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def euler_of(matrix: Array) -> Array:
    """(3,) Euler degrees (x, y, z) in [0, 360) of a rotation (3, 3) in Unity's frame; z is 0 where x is 90 or 270."""
    sine = float(np.clip(-matrix[1, 2], -1.0, 1.0))
    if abs(sine) < 1 - 1e-9:
        y = np.arctan2(matrix[0, 2], matrix[2, 2])
        z = np.arctan2(matrix[1, 0], matrix[1, 1])
    else:
        y, z = np.arctan2(-matrix[2, 0], matrix[0, 0]), 0.0
    return np.degrees([np.arcsin(sine), y, z]) % 360


def pose_of(record: Mapping[str, Any]) -> Array:
    """(4, 4) rigid, world: the pose of an object or camera with ``position`` and ``rotation`` in Unity's frame."""
    turn = EXCHANGE @ matrix_of(vector(record["rotation"])) @ EXCHANGE
    return similarity(turn, to_world(vector(record["position"])))


def unity_pose(pose: Array) -> tuple[Triple, Triple]:
    """``position`` and ``rotation`` of a rigid pose (4, 4) of the world."""
    return triple(to_world(pose[:3, 3])), triple(euler_of(EXCHANGE @ pose[:3, :3] @ EXCHANGE))


def camera_of(position: Mapping[str, float], euler: ArrayLike, fov: float, width: int, height: int) -> Camera:
    """The camera of Unity's position, Euler degrees and **vertical** field of view in degrees; sizes in pixels."""
    turn = _UNITY_TO_OPENCV @ matrix_of(euler).T @ EXCHANGE
    extrinsics = similarity(turn, -turn @ to_world(vector(position)))
    return Camera(intrinsics_from_fov(np.radians(fov), width, height), extrinsics, width, height)


def agent_camera(metadata: Mapping[str, Any]) -> Camera:
    """The camera of the agent of an event."""
    agent = metadata["agent"]
    euler = (agent["cameraHorizon"], agent["rotation"]["y"], 0.0)
    size = int(metadata["screenWidth"]), int(metadata["screenHeight"])
    return camera_of(metadata["cameraPosition"], euler, float(metadata["fov"]), *size)


def camera_parameters(camera: Camera) -> dict[str, Any]:
    """``position``, ``rotation`` and ``fieldOfView`` of a camera with square pixels and a centred optical axis."""
    turn = EXCHANGE @ camera.extrinsics[:3, :3].T @ _UNITY_TO_OPENCV
    fov = 2 * np.arctan(camera.height / 2 / camera.intrinsics[1, 1])
    return {
        "position": triple(to_world(camera.position)),
        "rotation": triple(euler_of(turn)),
        "fieldOfView": float(np.degrees(fov)),
    }


def aligned_box(record: Mapping[str, Any]) -> Box:
    """The box along the axes of the world; Unity gives it for every object."""
    found = record["axisAlignedBoundingBox"]
    return Box(to_world(vector(found["center"])), to_world(vector(found["size"])), np.eye(3))


def oriented_box(record: Mapping[str, Any]) -> Box | None:
    """The box along the object's own axes, in the world; None where Unity gives none: for what is never moved.

    Its axes are ours of `pose_of`: right, forward, up as Unity has them for the object, exchanged like points.
    """
    found = record["objectOrientedBoundingBox"]
    if found is None:
        return None
    points = to_world(found["cornerPoints"])
    # The object's own right, up and forward; exchanged, so that they are right-handed again.
    edges = np.stack([points[0] - points[1], points[1] - points[2], points[4] - points[0]], axis=1)
    size = np.linalg.norm(edges, axis=0)
    axes = edges / np.maximum(size, _FLAT)
    for k in np.flatnonzero(size < _FLAT):
        axes[:, k] = np.cross(axes[:, (k + 1) % 3], axes[:, (k + 2) % 3])
    return Box(points.mean(axis=0), size, axes)


def upright(box: Box, forward: ArrayLike) -> Box:
    """The same box with its axes named anew: z the one nearest to straight up, -y the one nearest to `forward`.

    Args:
        box: any.
        forward: (3,) world; where the object faces, as far as anyone knows.
    """
    up = int(np.argmax(np.abs(box.rotation[2])))
    others = [k for k in range(3) if k != up]
    along = np.asarray(forward, dtype=float) @ box.rotation
    front = max(others, key=lambda k: abs(along[k]))
    z = box.rotation[:, up] * np.sign(box.rotation[2, up])
    y = -box.rotation[:, front] * (np.sign(along[front]) or 1.0)
    side = next(k for k in others if k != front)
    return Box(box.centre, box.size[[side, front, up]], np.stack([np.cross(y, z), y, z], axis=1))
