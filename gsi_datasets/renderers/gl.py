"""Colours by MuJoCo's OpenGL renderer, on a GPU or in software."""

from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset
from gsi_datasets.renderers.errors import RendererError
from gsi_datasets.renderers.exposure import developed
from gsi_datasets.renderers.lamps import CONE, Lamp, lamps
from gsi_datasets.renderers.mjscene import FAR, NEAR, DrawModel, subdivided
from gsi_datasets.renderers.sampling import pixel
from gsi_datasets.scene import Camera, Scene


if TYPE_CHECKING:
    import mujoco

# Triangles longer than this are cut before upload, metres: light is computed at the vertices.
_EDGE = 0.35
# Half the angle that shadow maps cover, degrees.
_SHADOW_CONE = 30.0


class GlRenderer:
    """Draws with MuJoCo's classic renderer; soft shadows and smooth edges by averaging jittered passes.

    Each pass moves the lamps within their discs, a sky light over the hemisphere and the picture within the pixel:
    one loop gives soft shadows, darker corners and smooth edges. One OpenGL context lives as long as the renderer. It
    keeps the compiled shaders, which take most of a second, so that a new scene costs about 0.1 s more than a state.

    Args:
        lookup: gives the asset of an id; `gsi_datasets.assets.get` if None.
        samples: passes per picture.
        shadow_size: width of the shadow maps, texels.
        backend: ``egl``, ``osmesa``, ``cgl`` or ``glfw``: who gives the OpenGL context.

    Raises:
        RendererError: the backend gives no context.
    """

    name = "gl"

    def __init__(
        self,
        lookup: Callable[[str], Asset] | None = None,
        samples: int = 6,
        shadow_size: int = 768,
        backend: str = "egl",
    ) -> None:
        if lookup is None:
            from gsi_datasets import assets

            lookup = assets.get
        self._lookup, self._samples, self._shadow_size, self._backend = lookup, samples, shadow_size, backend
        self._context = _open_context(backend)
        self._drawn: _Uploaded | None = None
        atexit.register(self.close)

    def close(self) -> None:
        """Give the OpenGL context back; the renderer cannot draw any more."""
        if self._drawn is not None:
            self._context.make_current()
            self._drawn.context.free()
            self._drawn = None
        if self._context is not None:
            self._context.free()
            self._context = None
        atexit.unregister(self.close)

    def render(self, scenes: Sequence[Scene]) -> list[NDArray[np.uint8]]:
        """Draw each scene; see `renderers.base.Renderer`."""
        if not scenes:
            return []
        self._context.make_current()
        size = scenes[0].camera.width, scenes[0].camera.height
        drawn = self._drawn
        if drawn is None or drawn.size != size or not drawn.union.covers(scenes):
            drawn = self._drawn = self._upload(scenes, *size)
        return [self._draw(scene, drawn) for scene in scenes]

    def versions(self) -> dict[str, str]:
        """MuJoCo's version and who draws."""
        import mujoco

        self._context.make_current()
        return {"mujoco": mujoco.__version__, "gl": f"{self._backend}: {_driver()}"}

    def _upload(self, scenes: Sequence[Scene], width: int, height: int) -> _Uploaded:
        """Compile the states and hand their meshes and textures to OpenGL, in place of the last ones."""
        import mujoco

        def prepare(spec: mujoco.MjSpec) -> None:
            spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
            spec.visual.quality.offsamples = 0
            spec.visual.quality.shadowsize = self._shadow_size
            spec.visual.map.shadowscale = _SHADOW_CONE / CONE

        if self._drawn is not None:
            self._drawn.context.free()
            self._drawn = None
        union = DrawModel(scenes, self._lookup, lambda part: [subdivided(part, _EDGE)], prepare)
        context = mujoco.MjrContext(union.model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        view = mujoco.MjvScene(union.model, maxgeom=union.model.ngeom + 1)
        return _Uploaded(union, context, mujoco.MjData(union.model), view, (width, height))

    def _draw(self, scene: Scene, drawn: _Uploaded) -> NDArray[np.uint8]:
        import mujoco

        union, context, data, view, (width, height) = drawn
        positions, rotations = union.place(scene)
        data.geom_xpos[:], data.geom_xmat[:] = positions, rotations.reshape(-1, 9)
        nothing = mujoco.MjvPerturb(), mujoco.MjvCamera()
        mujoco.mjv_updateScene(union.model, data, mujoco.MjvOption(), *nothing, mujoco.mjtCatBit.mjCAT_ALL.value, view)
        for geom in view.geoms[: view.ngeom]:
            geom.castshadow = union.casts[geom.objid]
        window = mujoco.MjrRect(0, 0, width, height)
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        total = np.zeros(pixels.shape, dtype=np.uint32)
        for index in range(self._samples):
            _aim(view, scene.camera, pixel(index, self._samples))
            _shine(view, *lamps(scene, index, self._samples))
            mujoco.mjr_render(window, view, context)
            mujoco.mjr_readPixels(pixels, None, window, context)
            total += pixels
        return np.ascontiguousarray(developed(total, self._samples)[::-1])


class _Uploaded(NamedTuple):
    """A compiled union of states and its copy in OpenGL."""

    union: DrawModel
    context: mujoco.MjrContext
    data: mujoco.MjData
    view: mujoco.MjvScene
    size: tuple[int, int]


def _open_context(backend: str) -> Any:
    """An OpenGL context that is current.

    The module is named outright, so that it does not matter whether MuJoCo was imported before and with what
    MUJOCO_GL. The variable still matters to the library underneath, which finds OpenGL's functions by it.
    """
    os.environ["MUJOCO_GL"] = backend
    try:
        context = importlib.import_module(f"mujoco.{backend}").GLContext(64, 64)
        context.make_current()
    except Exception as error:  # A missing library shows as AttributeError, ImportError, RuntimeError, ...
        raise RendererError(f"renderer gl: no OpenGL context by {backend}: {error}") from error
    return context


def _driver() -> str:
    from OpenGL import GL

    return f"{GL.glGetString(GL.GL_RENDERER).decode()} {GL.glGetString(GL.GL_VERSION).decode()}"


def _aim(view: mujoco.MjvScene, camera: Camera, shift: tuple[float, float]) -> None:
    """Set the projection from K, moved by a part of a pixel."""
    (fx, _, cx), (_, fy, cy), _ = camera.intrinsics
    if abs(fx / fy - 1.0) > 1e-6:
        raise RendererError(f"renderer gl: draws square pixels only, but the camera has fx {fx:g} and fy {fy:g}")
    _, down, forward = camera.extrinsics[:3, :3]
    for eye in view.camera:
        eye.pos[:], eye.forward[:], eye.up[:] = camera.position, forward, -down
        eye.frustum_center = NEAR * (camera.width / 2 - cx - shift[0]) / fx
        eye.frustum_top = NEAR * (cy + shift[1]) / fy
        eye.frustum_bottom = NEAR * (cy + shift[1] - camera.height) / fy
        eye.frustum_near, eye.frustum_far = NEAR, FAR


def _shine(view: mujoco.MjvScene, ambient: NDArray[np.float64], lit: list[Lamp]) -> None:
    """Set the lights; the first carries the ambient light and nothing else."""
    import mujoco

    view.nlight = 1 + len(lit)
    for light in view.lights[: view.nlight]:
        light.headlight, light.texid, light.cutoff = False, -1, CONE
        light.type, light.ambient[:] = mujoco.mjtLightType.mjLIGHT_SPOT, 0.0
    first, *others = view.lights[: view.nlight]
    # A spot's cone would cut off its ambient part too.
    first.type, first.dir[:], first.attenuation[:] = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, (0, 0, -1), (1, 0, 0)
    first.ambient[:], first.diffuse[:], first.specular[:], first.castshadow = ambient, 0.0, 0.0, False
    for light, lamp in zip(others, lit, strict=True):
        light.pos[:], light.dir[:] = lamp.position, lamp.direction
        light.diffuse[:], light.specular[:], light.castshadow = lamp.diffuse, lamp.specular, lamp.shadow
        light.attenuation[:], light.exponent = lamp.attenuation, lamp.exponent
