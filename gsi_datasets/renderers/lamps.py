"""The light of one pass, for the renderers that add light in display space; `gl` and `warp` share it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.renderers.exposure import HEADROOM, display_lights
from gsi_datasets.renderers.sampling import disc, frame, hemisphere
from gsi_datasets.scene import Scene


Array = NDArray[np.float64]
# Lamps shine into the half space before them, fading to its rim; half angle, degrees.
CONE = 89.5
# Parts of the ambient light that reach everywhere, and that come from the sky light, which casts shadows. Together
# they make open surfaces a little brighter, as light does that bounces off what is near, and corners darker.
_EVERYWHERE, _SKY = 0.84, 0.38
# How far off the sky light is, metres.
_SKY_DISTANCE = 1.2
# Falloff with the angle: light that is halved looks more than half as bright.
_FADE = 0.8


class Lamp(NamedTuple):
    """A spot light in the terms of OpenGL.

    Attributes:
        position: (3,) metres, world.
        direction: (3,) unit, world.
        diffuse: (3,) what it adds to the display value of white that faces it at its target.
        specular: (3,) the same for highlights.
        attenuation: constant, linear and quadratic term; the light is divided by their sum, distances in metres.
        exponent: power of the cosine off its axis that the light is multiplied by.
        shadow: whether it casts shadows.
    """

    position: Array
    direction: Array
    diffuse: Array
    specular: Array
    attenuation: tuple[float, float, float]
    exponent: float
    shadow: bool


def lamps(scene: Scene, index: int, count: int) -> tuple[Array, list[Lamp]]:
    """The light of pass `index` of `count`, with `HEADROOM`: ambient (3,), and the lamps of the scene and the sky."""
    ambient, steps = (HEADROOM * values for values in display_lights(scene))
    if not scene.lights:
        return ambient, []
    found = []
    across, along = disc(index, count)
    for light, step in zip(scene.lights, steps, strict=True):
        target, position = np.array(light.target), np.array(light.position)
        right, up, forward = frame(target - position)
        distance = float(np.linalg.norm(target - position))
        # Between 1 / distance and its square: how bright the square looks.
        falloff = (0.0, 0.5 / distance, 0.5 / distance**2)
        place = position + light.radius * (across * right + along * up)
        found.append(Lamp(place, forward, step, step, falloff, _FADE, light.shadows))
    toward = hemisphere(index, count)
    place = np.array(scene.lights[0].target) + _SKY_DISTANCE * toward
    found.append(Lamp(place, -toward, _SKY * ambient, np.zeros(3), (1.0, 0.0, 0.0), _FADE, True))
    return _EVERYWHERE * ambient, found
