"""Near-photographic colours by path tracing with Mitsuba 3, cleaned by Open Image Denoise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, Material, MeshPart
from gsi_datasets.renderers.errors import RendererError
from gsi_datasets.renderers.exposure import eased, to_linear, to_srgb
from gsi_datasets.renderers.light_paths import ambient_path
from gsi_datasets.scene import Camera, Scene, SceneObject


Array = NDArray[np.float64]

# Below this, highlights of the lamps are too small for few samples per pixel.
_SMOOTHEST = 0.12
# Display value of white in ambient light alone.
_USUAL = 0.5


class PhotoRenderer:
    """Draws with Mitsuba: area lights, light from near surfaces, glossy reflections, denoised.

    Needs a compiling variant of Mitsuba, that is an LLVM library or a CUDA device.

    Args:
        lookup: gives the asset of an id; `gsi_datasets.assets.get` if None.
        samples: paths per pixel.
        variant: of Mitsuba, ``llvm_ad_rgb`` or ``cuda_ad_rgb``.

    Raises:
        RendererError: the variant does not load.
    """

    name = "photo"

    def __init__(
        self, lookup: Callable[[str], Asset] | None = None, samples: int = 4, variant: str = "llvm_ad_rgb"
    ) -> None:
        if lookup is None:
            from gsi_datasets import assets

            lookup = assets.get
        self._lookup, self._samples, self._variant = lookup, samples, variant
        self._mitsuba = _load(variant)
        self._surfaces: dict[str, list[_Surface]] = {}
        self._shapes: dict[_Placed, list[Any]] = {}

    def render(self, scenes: Sequence[Scene]) -> list[NDArray[np.uint8]]:
        """Draw each scene; see `renderers.base.Renderer`."""
        self._forget({_Placed.of(item) for scene in scenes for item in scene.objects})
        return [self._draw(scene) for scene in scenes]

    def versions(self) -> dict[str, str]:
        """Versions of the renderer, the compiler of its kernels and the denoiser."""
        from importlib.metadata import version

        packages = ("mitsuba", "drjit", "mitsuba-oidn")
        return {name: version(name) for name in packages} | {"variant": self._variant}

    def _forget(self, needed: set[_Placed]) -> None:
        """Drop what the next pictures do not need."""
        self._shapes = {placed: shapes for placed, shapes in self._shapes.items() if placed in needed}
        kept = {placed.asset for placed in needed}
        self._surfaces = {asset: surfaces for asset, surfaces in self._surfaces.items() if asset in kept}

    def _draw(self, scene: Scene) -> NDArray[np.uint8]:
        import mitsuba_oidn

        mi = self._mitsuba
        camera = scene.camera
        shapes = {f"{item.name}-{i}": it for item in scene.objects for i, it in enumerate(self._placed(item))}
        # Glass would throw the shadow of a brick.
        opaque = {name: shape for name, shape in shapes.items() if not _lets_through(mi, shape)}
        shown = mi.load_dict({"type": "scene", "sensor": _sensor(camera, self._samples)} | shapes)
        casting = shown if len(opaque) == len(shapes) else mi.load_dict({"type": "scene"} | opaque)
        integrator = ambient_path(mi)(casting, scene)
        layers = np.array(mi.render(shown, integrator=integrator, spp=self._samples, seed=0), dtype=np.float32)
        color, albedo, normal = (np.ascontiguousarray(layers[..., first : first + 3]) for first in (0, 3, 6))
        clean = np.asarray(mitsuba_oidn.denoise(color, np.clip(albedo, 0, 1), normal, hdr=True))
        return np.rint(255.0 * eased(to_srgb(clean))).astype(np.uint8)

    def _placed(self, item: SceneObject) -> list[Any]:
        """The Mitsuba meshes of an object where it stands."""
        placed = _Placed.of(item)
        if placed not in self._shapes:
            if item.asset not in self._surfaces:
                parts = self._lookup(item.asset).parts
                self._surfaces[item.asset] = [_Surface(part, _bsdf(self._mitsuba, part.material)) for part in parts]
            surfaces = self._surfaces[item.asset]
            self._shapes[placed] = [_mesh(self._mitsuba, surface, item) for surface in surfaces]
        return self._shapes[placed]


class _Surface(NamedTuple):
    part: MeshPart
    bsdf: Any


class _Placed(NamedTuple):
    """An asset at a pose, by value."""

    asset: str
    pose: bytes

    @classmethod
    def of(cls, item: SceneObject) -> _Placed:
        return cls(item.asset, item.pose.tobytes())


def _load(variant: str) -> Any:
    try:
        import mitsuba

        mitsuba.set_variant(variant)
    except Exception as error:  # A missing library shows as ImportError, NameError or RuntimeError.
        raise RendererError(f"renderer photo: Mitsuba's variant {variant} does not load: {error}") from error
    return mitsuba


def _sensor(camera: Camera, samples: int) -> dict[str, Any]:
    import mitsuba as mi

    (fx, _, cx), (_, fy, cy), _ = camera.intrinsics
    if abs(fx / fy - 1.0) > 1e-6:
        raise RendererError(f"renderer photo: draws square pixels only, but the camera has fx {fx:g} and fy {fy:g}")
    # Mitsuba's cameras look along z with x to the left and y up.
    to_world = np.linalg.inv(camera.extrinsics) @ np.diag([-1.0, -1.0, 1.0, 1.0])
    return {
        "type": "perspective",
        "fov": float(np.degrees(2 * np.arctan(camera.width / (2 * fx)))),
        "fov_axis": "x",
        "principal_point_offset_x": float(0.5 - cx / camera.width),
        "principal_point_offset_y": float(0.5 - cy / camera.height),
        "near_clip": 0.01,
        "far_clip": 1000.0,
        "to_world": mi.ScalarTransform4f(to_world),
        "film": {
            "type": "hdrfilm", "width": camera.width, "height": camera.height, "pixel_format": "rgb",
            "component_format": "float32",
            # Any wider filter correlates the noise of neighbours, which the denoiser then keeps.
            "filter": {"type": "box"},
        },
        "sampler": {"type": "multijitter", "sample_count": samples},
    }  # fmt: skip


def _colors(material: Material) -> Array:
    """The (H, W, 3) or (3,) colours of a material as they are shown, in [0, 1]; rows count from the bottom.

    Color and texture are multiplied as they are shown, which is what OpenGL does.
    """
    color = np.asarray(material.color, dtype=np.float64)
    return color if material.texture is None else np.minimum(material.texture[::-1] / 255.0 * color, 1.0)


def _image(mi: Any, linear: Array) -> dict[str, Any]:
    """A colour or a picture for Mitsuba, which counts rows of texture coordinates as `_colors` does."""
    if linear.ndim == 1:
        return {"type": "rgb", "value": linear.tolist()}
    pixels = mi.Bitmap(np.ascontiguousarray(linear, dtype=np.float32))
    return {"type": "bitmap", "bitmap": pixels, "raw": True, "filter_type": "bilinear"}


def _bsdf(mi: Any, material: Material) -> Any:
    surface: dict[str, Any] = {
        "type": "twosided",
        "nested": {
            "type": "principled", "base_color": _image(mi, to_linear(_colors(material))),
            "roughness": max(material.roughness, _SMOOTHEST), "metallic": material.metallic, "specular": 0.4,
        },
    }  # fmt: skip
    if material.opacity < 1.0:
        surface = {"type": "mask", "opacity": material.opacity, "nested": surface}
    return mi.load_dict(surface)


def _emitter(mi: Any, material: Material) -> Any:
    """The glow of a material: what `emission` adds to the display value that ambient light alone gives."""
    glow = to_linear(_USUAL + material.emission) - to_linear(_USUAL)
    return mi.load_dict({"type": "area", "radiance": _image(mi, glow * to_linear(_colors(material)))})


def _mesh(mi: Any, surface: _Surface, item: SceneObject) -> Any:
    part, properties = surface.part, mi.Properties()
    properties["bsdf"] = surface.bsdf
    if part.material.emission > 0.0:
        properties["emitter"] = _emitter(mi, part.material)
    mesh = mi.Mesh("part", len(part.vertices), len(part.faces), properties, True, True)
    parameters = mi.traverse(mesh)
    pose = item.pose
    parameters["vertex_positions"] = (part.vertices @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32).ravel()
    parameters["vertex_normals"] = (part.normals @ np.asarray(item.rotation).T).astype(np.float32).ravel()
    parameters["vertex_texcoords"] = part.uvs.astype(np.float32).ravel()
    parameters["faces"] = part.faces.astype(np.uint32).ravel()
    parameters.update()
    return mesh


def _lets_through(mi: Any, shape: Any) -> bool:
    return bool(mi.has_flag(shape.bsdf().flags(), mi.BSDFFlags.Null))
