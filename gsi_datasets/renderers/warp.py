"""Colours by rays with mujoco-warp: on any CPU without OpenGL, or on a CUDA device."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset
from gsi_datasets.renderers.changes import changed_boxes, may_touch, turned
from gsi_datasets.renderers.exposure import developed
from gsi_datasets.renderers.lamps import CONE, Lamp, lamps
from gsi_datasets.renderers.mjscene import AWAY, DrawModel, split
from gsi_datasets.renderers.sampling import pixel
from gsi_datasets.scene import Camera, Scene


if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]
# Lights of a compiled kernel, the sky's included: another number takes another compilation, of some seconds.
_SLOTS = 3


class WarpRenderer:
    """Draws with mujoco-warp's ray tracer; soft shadows and smooth edges by averaging jittered passes.

    The light is the one of `gl`, pass by pass. On a CPU the passes run one after the other on one core. The first
    picture ever compiles kernels for some seconds; Warp keeps them on disk.

    Args:
        lookup: gives the asset of an id; `gsi_datasets.assets.get` if None.
        samples: passes per picture.
    """

    name = "warp"

    def __init__(self, lookup: Callable[[str], Asset] | None = None, samples: int = 4) -> None:
        if lookup is None:
            from gsi_datasets import assets

            lookup = assets.get
        self._lookup, self._samples = lookup, samples
        self._warp = _quiet_warp()
        self._drawn: _Uploaded | None = None

    def render(self, scenes: Sequence[Scene]) -> list[NDArray[np.uint8]]:
        """Draw each scene; see `renderers.base.Renderer`.

        The first is drawn in full. Of the others, where they are states of the first, only the rays are cast that
        what has changed can touch, on their way to the eye or to a lamp; the rest is the first picture's.
        """
        if not scenes:
            return []
        first = scenes[0]
        size = first.camera.width, first.camera.height
        slots = max(_SLOTS, *(1 + len(scene.lights) for scene in scenes))
        drawn = self._drawn
        if drawn is None or (drawn.size, drawn.slots) != (size, slots) or not drawn.union.covers(scenes):
            drawn = self._drawn = self._upload(scenes, size, slots)
        whole = self._passes(first, drawn, None)
        passes = [whole] + [self._passes(scene, drawn, (first, whole)) for scene in scenes[1:]]
        return [self._developed(each, size) for each in passes]

    def versions(self) -> dict[str, str]:
        """Versions of the ray tracer and of what compiles it, and the device."""
        from importlib.metadata import version

        packages = ("mujoco", "mujoco-warp", "warp-lang")
        return {name: version(name) for name in packages} | {"device": str(self._warp.get_device().name)}

    def _upload(self, scenes: Sequence[Scene], size: tuple[int, int], slots: int) -> _Uploaded:
        """Compile the states and build what rays need: trees of the meshes, textures, buffers."""
        import mujoco
        import mujoco_warp

        def prepare(spec: mujoco.MjSpec) -> None:
            spec.visual.headlight.active = 0
            spec.worldbody.add_camera(resolution=size)
            # Set anew for each pass; their number, and that they are spots with a falloff, is compiled in.
            for _ in range(slots):
                spec.worldbody.add_light(
                    type=mujoco.mjtLightType.mjLIGHT_SPOT, attenuation=[0.0, 0.0, 1.0], cutoff=CONE
                )

        self._drawn = None
        union = DrawModel(scenes, self._lookup, split, prepare)
        # The tree of the scene is built once and then only fitted, so the model's own poses should be typical ones.
        union.model.geom_pos[:], rotations = union.place(scenes[0])
        for quaternion, rotation in zip(union.model.geom_quat, rotations, strict=True):
            mujoco.mju_mat2Quat(quaternion, rotation.ravel())
        context = mujoco_warp.create_render_context(
            union.model, cam_res=[size], render_rgb=True, render_depth=True, render_seg=False, use_shadows=True,
            shadow_light_fraction=0.0, enable_backface_culling=False, use_fast_math=False,
        )  # fmt: skip
        model, data = mujoco_warp.put_model(union.model), mujoco_warp.make_data(union.model)
        return _Uploaded(union, model, data, context, size, slots)

    def _passes(self, scene: Scene, drawn: _Uploaded, known: tuple[Scene, list[_Pass]] | None) -> list[_Pass]:
        """Draw all passes of a scene, or what in it may differ from the passes that are known of another one."""
        import mujoco_warp

        union, model, data, context, (width, height), slots = drawn
        positions, rotations = union.place(scene)
        _assign(data.geom_xmat, rotations)
        # MuJoCo's cameras look along -z with y up.
        turn = scene.camera.extrinsics[:3, :3].T * [1.0, -1.0, -1.0]
        _assign(data.cam_xpos, scene.camera.position)
        _assign(data.cam_xmat, turn)
        boxes = None if known is None else changed_boxes(known[0], scene)
        done = []
        for index in range(self._samples):
            rays = _rays(scene.camera, pixel(index, self._samples))
            ambient, lit = lamps(scene, index, self._samples)
            if known is None or boxes is None:
                chosen = np.arange(len(rays))
                each = _Pass(np.zeros(width * height, np.uint32), np.zeros(width * height, np.float32))
            else:
                whole = known[1][index]
                each = _Pass(whole.colors.copy(), whole.depth.copy())
                shadowing = [lamp.position for lamp in lit if lamp.shadow]
                directions = turned(turn, np.ascontiguousarray(rays.T))
                reach = each.depth / -rays[:, 2]
                chosen = np.flatnonzero(may_touch(boxes, scene.camera.position, directions, reach, shadowing))
            if len(chosen):
                seen = _seen(union.model, index, self._samples)
                _assign(data.geom_xpos, np.where(seen[:, None], positions, AWAY))
                mujoco_warp.refit_bvh(model, data, context)
                _shine(ambient, lit, slots, model, data)
                context.total_rays = len(chosen)
                _assign(context.ray[: len(chosen)], rays[chosen])
                mujoco_warp.render(model, data, context)
                each.colors[chosen] = context.rgb_data.numpy()[0, : len(chosen)]
                each.depth[chosen] = context.depth_data.numpy()[0, : len(chosen)]
            done.append(each)
        return done

    def _developed(self, passes: list[_Pass], size: tuple[int, int]) -> NDArray[np.uint8]:
        packed = np.array([each.colors for each in passes])[..., None]
        total = ((packed >> np.array([16, 8, 0], dtype=np.uint32)) & 255).sum(axis=0, dtype=np.uint32)
        return developed(total, self._samples).reshape(size[1], size[0], 3)


class _Pass(NamedTuple):
    """One pass, by ray: colours packed as 0xRRGGBB, and depth along the optical axis, metres, 0 for a miss."""

    colors: NDArray[np.uint32]
    depth: NDArray[np.float32]


class _Uploaded(NamedTuple):
    """A compiled union of states and its copy on the device."""

    union: DrawModel
    model: Any
    data: Any
    context: Any
    size: tuple[int, int]
    slots: int


def _seen(model: mujoco.MjModel, index: int, count: int) -> NDArray[np.bool_]:
    """(G,) which geoms pass `index` of `count` shows: glass in some passes only, by its opacity.

    The ray tracer knows no glass; the mean of the passes blends it with what is behind it, and thins its shadow.
    """
    passes = np.maximum(np.rint(model.mat_rgba[model.geom_matid, 3] * count).astype(int), 1)
    return (index + 1) * passes // count > index * passes // count


def _shine(ambient: Array, lit: list[Lamp], slots: int, model: Any, data: Any) -> None:
    """Write the lights to the device; those of the compiled slots that are not needed are switched off."""
    spare = slots - len(lit)
    dark = Lamp(np.zeros(3), np.array([0.0, 0.0, -1.0]), np.zeros(3), np.zeros(3), (1.0, 0.0, 0.0), 0.0, False)
    columns = [np.array(column) for column in zip(*lit, *[dark] * spare, strict=True)]
    position, direction, diffuse, specular, attenuation, exponent, shadow = columns
    _assign(data.light_xpos, position)
    _assign(data.light_xdir, direction)
    _assign(model.light_diffuse, diffuse)
    _assign(model.light_specular, specular)
    _assign(model.light_attenuation, attenuation)
    _assign(model.light_exponent, exponent)
    _assign(model.light_castshadow, shadow)
    # Ambient light reaches everywhere, whichever slot carries it.
    _assign(model.light_ambient, np.stack([ambient] + [np.zeros(3)] * (slots - 1)))
    _assign(model.light_active, np.arange(slots) < max(len(lit), 1))


def _quiet_warp() -> Any:
    """Warp, without its banner, compiler notes and regrets about a missing GPU on the terminal."""
    warp = importlib.import_module("warp")
    warp.config.log_level = warp.LOG_ERROR
    # The library writes past Python, so the file descriptor itself is turned away meanwhile.
    sys.stderr.flush()
    with open(os.devnull, "wb") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            warp.init()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    return warp


def _assign(array: Any, values: Any) -> None:
    """Write into a Warp array of one world; types and shapes follow the array."""
    held = array.numpy()
    array.assign(np.ascontiguousarray(values, dtype=held.dtype).reshape(held.shape))


def _rays(camera: Camera, shift: tuple[float, float]) -> NDArray[np.float32]:
    """(H * W, 3) unit directions through the pixels, moved by a part of a pixel, in MuJoCo's camera axes."""
    (fx, skew, cx), (_, fy, cy), _ = camera.intrinsics
    y = (np.arange(camera.height) + 0.5 + shift[1] - cy)[:, None] / fy
    x = ((np.arange(camera.width) + 0.5 + shift[0] - cx)[None, :] - skew * y) / fx
    directions = np.stack(np.broadcast_arrays(x, -y, -1.0), axis=-1)
    return (directions / np.linalg.norm(directions, axis=-1, keepdims=True)).reshape(-1, 3).astype(np.float32)
