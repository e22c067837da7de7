"""Renderers: exact depth and ids by rays, colours by one of three that read the same scene."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from gsi_datasets.renderers.errors import RendererError
from gsi_datasets.renderers.probe import REMEDIES, Probe, available, choose, probe


if TYPE_CHECKING:
    from gsi_datasets.assets.asset import Asset
    from gsi_datasets.renderers.base import Renderer

__all__ = ["Probe", "RendererError", "available", "choose", "create", "open_renderer", "probe"]


def create(name: str) -> Renderer:
    """A renderer that works here.

    Args:
        name: ``gl``, ``warp``, ``photo`` or ``auto``.

    Raises:
        RendererError: it does not work here; says what to install.
    """
    # Where the choice is made already (worker processes inherit it), there is no need to try again.
    if name == "auto" or (name == "gl" and not os.environ.get("MUJOCO_GL")):
        name = choose(name)
    try:
        return open_renderer(name, os.environ.get("MUJOCO_GL", "") if name == "gl" else "")
    except RendererError as error:
        raise RendererError(f"{error}; {REMEDIES[name]}") from error


def open_renderer(name: str, backend: str = "", lookup: Callable[[str], Asset] | None = None) -> Renderer:
    """A renderer, without trying first whether it works.

    Args:
        name: ``gl``, ``warp`` or ``photo``.
        backend: who gives the OpenGL context, for ``gl``.
        lookup: gives the asset of an id; `gsi_datasets.assets.get` if None.
    """
    if name == "gl":
        from gsi_datasets.renderers.gl import GlRenderer

        return GlRenderer(lookup, backend=backend or "egl")
    if name == "warp":
        from gsi_datasets.renderers.warp import WarpRenderer

        return WarpRenderer(lookup)
    from gsi_datasets.renderers.photo import PhotoRenderer

    return PhotoRenderer(lookup)
