"""How `photo` follows light: from the lamps directly, between near surfaces, and else the ambient light of the scene.

A room lit from within is bright all over, which `Scene.ambient` stands for. A path that leaves a matt surface and
meets nothing near therefore ends with the ambient light. Nearer surfaces darken corners and lend each other colour,
glossy ones mirror whatever there is. So brightness follows the same formula as in the other renderers, see
`exposure`, and paths are short.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import drjit as dr
import numpy as np

from gsi_datasets.renderers.exposure import EXPOSURE
from gsi_datasets.renderers.sampling import frame
from gsi_datasets.scene import Light, Scene


# What a matt surface gets from farther away is ambient light, metres.
REACH = 1.2
# Surfaces that a path touches.
LENGTH = 4


@cache
def ambient_path(mi: Any) -> type:
    """The integrator's class, for the variant of Mitsuba that is set.

    It gives nine channels: linear RGB, then albedo and normal of the first surface for the denoiser.
    """

    class Lamp:
        """A disc of light; held in variables of the device, so that another lamp needs no other kernel."""

        def __init__(self, light: Light) -> None:
            position, target = np.array(light.position), np.array(light.target)
            right, up, forward = frame(target - position)
            self.position = mi.Point3f(position.tolist())
            self.forward = mi.Vector3f(forward.tolist())
            self.across = mi.Vector3f((light.radius * right).tolist())
            self.along = mi.Vector3f((light.radius * up).tolist())
            # The light that falls on a surface at the target and faces the lamp.
            power = np.pi * EXPOSURE * light.intensity * float(np.sum((target - position) ** 2))
            self.power = mi.Color3f((power * np.array(light.color)).tolist())
            self.shadows = light.shadows
            dr.make_opaque(self.position, self.forward, self.across, self.along, self.power)

    class AmbientPath(mi.SamplingIntegrator):
        def __init__(self, casting: Any, scene: Scene) -> None:
            super().__init__(mi.Properties())
            self.casting = casting
            self.lamps = [Lamp(light) for light in scene.lights]
            self.ambient = mi.Color3f((EXPOSURE * np.array(scene.ambient)).tolist())
            dr.make_opaque(self.ambient)

        def aov_names(self) -> list[str]:
            return [f"{layer}.{axis}" for layer in ("albedo", "normal") for axis in "XYZ"]

        def lit(self, lamp: Lamp, context: Any, bsdf: Any, si: Any, sampler: Any, active: Any) -> Any:
            """Light from a lamp that the surface sends back along the path."""
            shift = mi.warp.square_to_uniform_disk_concentric(sampler.next_2d(active))
            to_lamp = lamp.position + shift.x * lamp.across + shift.y * lamp.along - si.p
            squared = dr.squared_norm(to_lamp)
            direction = to_lamp * dr.rsqrt(squared)
            facing = dr.maximum(-dr.dot(direction, lamp.forward), 0.0)
            active = active & (facing > 0.0)
            if lamp.shadows:
                target = lamp.position + shift.x * lamp.across + shift.y * lamp.along
                active &= ~self.casting.ray_test(si.spawn_ray_to(target), active=active)
            value = bsdf.eval(context, si, si.to_local(direction), active)
            return dr.select(active, value * lamp.power * facing / squared, 0.0)

        @dr.syntax
        def sample(self, scene: Any, sampler: Any, ray: Any, medium: Any = None, active: Any = True) -> Any:
            # Dr.Jit compiles this function anew, without the variables around it.
            import mitsuba as mi

            context = mi.BSDFContext()
            ray, active = mi.Ray3f(ray), mi.Bool(active)
            result, throughput = mi.Color3f(0.0), mi.Color3f(1.0)
            albedo, normal = mi.Color3f(0.0), mi.Normal3f(0.0)
            depth, matt = mi.UInt32(0), mi.Bool(False)
            while dr.hint(active, max_iterations=LENGTH, label="path"):
                si = scene.ray_intersect(ray, active)
                # The background is black to the camera and ambient light to everything else.
                escaped = active & (depth > 0) & (~si.is_valid() | (matt & (si.t > REACH)))
                result[escaped] += throughput * self.ambient
                active &= si.is_valid() & ~escaped
                result[active] += throughput * si.emitter(scene, active).eval(si, active)
                bsdf = si.bsdf(ray)
                reflectance = bsdf.eval_diffuse_reflectance(si, active)
                first = active & (depth == 0)
                albedo[first] = reflectance
                normal[first] = si.sh_frame.n
                for lamp in self.lamps:
                    result += throughput * self.lit(lamp, context, bsdf, si, sampler, active)
                last = active & (depth == LENGTH - 1)
                result[last] += throughput * reflectance * self.ambient
                active &= ~last
                taken, weight = bsdf.sample(context, si, sampler.next_1d(active), sampler.next_2d(active), active)
                throughput *= weight
                ray = si.spawn_ray(si.to_world(taken.wo))
                passed = mi.has_flag(taken.sampled_type, mi.BSDFFlags.Null)
                matt = mi.has_flag(taken.sampled_type, mi.BSDFFlags.DiffuseReflection) | (matt & passed)
                active &= dr.any(throughput > 0.0)
                depth += 1
            return result, True, [albedo.x, albedo.y, albedo.z, normal.x, normal.y, normal.z]

    return AmbientPath
