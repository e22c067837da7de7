"""What a renderer is asked to do: colours from a scene. Depth and ids come from `rays`, whatever draws the colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.scene import Scene


class Renderer(Protocol):
    """Draws scenes in colour; a new one is one file.

    Attributes:
        name: ``gl``, ``warp`` or ``photo``.
    """

    name: str

    def render(self, scenes: Sequence[Scene]) -> list[NDArray[np.uint8]]:
        """Draw each scene.

        The scenes are usually states of one scene (before, after, without an object): assets are uploaded once for
        all of them. The same scenes give the same bytes, in any process of the same machine.

        Args:
            scenes: what to draw; image sizes come from their cameras and must agree.

        Returns:
            One (H, W, 3) uint8 sRGB image per scene.
        """
        ...

    def versions(self) -> dict[str, str]:
        """Names and versions of what decides the pixels, for provenance."""
        ...
