"""Colours by rays with mujoco-warp: on any CPU without OpenGL, or on a CUDA device."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset
from gsi_datasets.renderers.exposure import display_lights
from gsi_datasets.renderers.mjscene import DrawModel
from gsi_datasets.renderers.sampling import disc, frame, hemisphere, pixel
from gsi_datasets.scene import Camera, Scene


if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]
# Lamps shine into the half space before them; half angle, degrees.
_CONE = 89.5
# Part of the ambient light that comes from the sky light and casts shadows.
_SKY_SHARE = 0.4
# Lamps of a compiled kernel: another number compiles another kernel, for some seconds, so few numbers are used.
_LAMPS = 2


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
        """Draw each scene; see `renderers.base.Renderer`."""
        if not scenes:
            return []
        size = scenes[0].camera.width, scenes[0].camera.height
        lamps = max(_LAMPS, *(len(scene.lights) for scene in scenes))
        drawn = self._drawn
        if drawn is None or (drawn.size, drawn.lamps) != (size, lamps) or not drawn.union.covers(scenes):
            drawn = self._drawn = self._upload(scenes, size, lamps)
        return [self._draw(scene, drawn) for scene in scenes]

    def versions(self) -> dict[str, str]:
        """Versions of the ray tracer and of what compiles it, and the device."""
        from importlib.metadata import version

        packages = ("mujoco", "mujoco-warp", "warp-lang")
        return {name: version(name) for name in packages} | {"device": str(self._warp.get_device().name)}

    def _upload(self, scenes: Sequence[Scene], size: tuple[int, int], lamps: int) -> _Uploaded:
        """Compile the states and build what rays need: trees of the meshes, textures, buffers."""
        import mujoco
        import mujoco_warp

        def prepare(spec: mujoco.MjSpec) -> None:
            spec.visual.headlight.active = 0
            spec.worldbody.add_camera(resolution=size)
            # Lamps, then the sky. All are set anew for each pass; their kind is compiled in.
            for _ in range(lamps + 1):
                spec.worldbody.add_light(attenuation=[0.0, 0.0, 1.0])

        self._drawn = None
        union = DrawModel(scenes, self._lookup, prepare=prepare)
        data = mujoco.MjData(union.model)
        positions, rotations = union.place(scenes[0])
        data.geom_xpos[:], data.geom_xmat[:] = positions, rotations.reshape(-1, 9)
        context = mujoco_warp.create_render_context(
            union.model, cam_res=[size], render_rgb=True, render_depth=False, render_seg=False, use_shadows=True,
            shadow_light_fraction=0.0, enable_backface_culling=False, use_fast_math=False,
        )  # fmt: skip
        model, data = mujoco_warp.put_model(union.model), mujoco_warp.put_data(union.model, data)
        return _Uploaded(union, model, data, context, size, lamps)

    def _draw(self, scene: Scene, drawn: _Uploaded) -> NDArray[np.uint8]:
        import mujoco_warp

        union, model, data, context, (width, height), lamps = drawn
        positions, rotations = union.place(scene)
        _assign(data.geom_xpos, positions)
        _assign(data.geom_xmat, rotations)
        mujoco_warp.refit_bvh(model, data, context)
        _assign(data.cam_xpos, scene.camera.position)
        # MuJoCo's cameras look along -z with y up.
        _assign(data.cam_xmat, scene.camera.extrinsics[:3, :3].T * [1.0, -1.0, -1.0])
        total = np.zeros((height, width, 3), dtype=np.uint32)
        for index in range(self._samples):
            context.ray.assign(_rays(scene.camera, pixel(index, self._samples)))
            _Lights(scene, lamps, index, self._samples).assign(model, data)
            mujoco_warp.render(model, data, context)
            packed = context.rgb_data.numpy()[0].reshape(height, width, 1)
            total += (packed >> np.array([16, 8, 0], dtype=np.uint32)) & 255
        return ((total + self._samples // 2) // self._samples).astype(np.uint8)


class _Uploaded(NamedTuple):
    """A compiled union of states and its copy on the device."""

    union: DrawModel
    model: Any
    data: Any
    context: Any
    size: tuple[int, int]
    lamps: int


class _Lights:
    """The lamps of one pass, then the sky light; ambient light is the first lamp's."""

    def __init__(self, scene: Scene, lamps: int, index: int, count: int) -> None:
        ambient, steps = display_lights(scene)
        self.active = np.zeros(lamps + 1, dtype=bool)
        self.shadow, self.kind, self.exponent = self.active.copy(), np.zeros(lamps + 1, int), np.ones(lamps + 1)
        self.position, self.direction = np.zeros((lamps + 1, 3)), np.tile([0.0, 0.0, -1.0], (lamps + 1, 1))
        self.diffuse, self.specular, self.attenuation = (np.zeros((lamps + 1, 3)) for _ in range(3))


def _quiet_warp() -> Any:
    """Warp, without its banner and compiler notes on the terminal."""
    warp = importlib.import_module("warp")
    warp.config.quiet = True
    warp.init()
    return warp


def _assign(array: Any, values: Any) -> None:
    """Write into a Warp array of one world."""
    array.assign(np.ascontiguousarray(values, dtype=np.float32).reshape(array.numpy().shape))


def _rays(camera: Camera, shift: tuple[float, float]) -> NDArray[np.float32]:
    """(H * W, 3) unit directions through the pixels, moved by a part of a pixel, in MuJoCo's camera axes."""
    (fx, skew, cx), (_, fy, cy), _ = camera.intrinsics
    y = (np.arange(camera.height) + 0.5 + shift[1] - cy)[:, None] / fy
    x = ((np.arange(camera.width) + 0.5 + shift[0] - cx)[None, :] - skew * y) / fx
    directions = np.stack(np.broadcast_arrays(x, -y, -1.0), axis=-1)
    return (directions / np.linalg.norm(directions, axis=-1, keepdims=True)).reshape(-1, 3).astype(np.float32)
