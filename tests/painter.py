"""A renderer for tests: paints instance ids and depth, no graphics library needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Scene
from gsi_datasets.simulators.mujoco import MujocoSimulator
from gsi_datasets.steps import Tools


class Painter:
    """Colour by instance, shade by distance."""

    name = "painter"

    def __init__(self, rays: RayCaster) -> None:
        self.rays = rays

    def render(self, scenes: Sequence[Scene]) -> list[NDArray[np.uint8]]:
        palette = np.random.default_rng(0).integers(40, 255, (256, 3))
        pictures = []
        for scene in scenes:
            seen = self.rays.layers(scene)
            shade = np.clip(1.6 - 0.6 * seen.depth, 0.2, 1)[..., None]
            grain = (np.floor(seen.depth * 200) % 2)[..., None] * 30
            pictures.append(np.clip(palette[seen.instances] * shade - grain, 0, 255).astype(np.uint8))
        return pictures

    def versions(self) -> dict[str, str]:
        return {"painter": "1"}


def painting_tools() -> Tools:
    """Real physics and rays, painted colours."""
    rays = RayCaster()
    return Tools(MujocoSimulator(), rays, Painter(rays))
