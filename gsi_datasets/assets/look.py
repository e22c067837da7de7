"""The own colours of an object's surface, without light: what a label, a dial or a spout looks like."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, MeshPart


SAMPLES = 3000
PATCH = 24  # points that are averaged


@lru_cache(maxsize=512)
def _patches(asset_id: str) -> tuple[Any, NDArray[np.float64]]:
    from scipy.spatial import cKDTree

    from gsi_datasets import assets

    points, colors = surface_samples(assets.get(asset_id))
    tree = cKDTree(points)
    _, patch = tree.query(points, k=PATCH)
    return tree, colors[patch].mean(axis=1)


def patch_colours(asset_id: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Own colour of an asset near points of its surface.

    Colours are averaged over small patches: a fine weave or a grain does not tell one turn from another.

    Args:
        asset_id: which object.
        points: (N, 3) metres in the asset's frame.

    Returns:
        (N, 3) sRGB in [0, 1].
    """
    tree, colors = _patches(asset_id)
    return colors[tree.query(points)[1]]


def surface_samples(asset: Asset, count: int = SAMPLES) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points spread evenly over the surface that does not look down.

    Returns:
        (N, 3) metres in the asset's frame and (N, 3) sRGB in [0, 1].
    """
    rng = np.random.default_rng(0)
    areas = [_areas(part) for part in asset.parts]
    total = sum(float(area.sum()) for area in areas)
    points, colors = [], []
    for part, area in zip(asset.parts, areas, strict=True):
        wanted = round(count * float(area.sum()) / total) if total else 0
        if not wanted:
            continue
        face = part.faces[rng.choice(len(area), wanted, p=area / area.sum())]
        weights = rng.dirichlet((1, 1, 1), wanted)[..., None]
        points.append((part.vertices[face] * weights).sum(axis=1))
        colors.append(_color(part, (part.uvs[face] * weights).sum(axis=1)))
    return np.concatenate(points), np.concatenate(colors)


def _areas(part: MeshPart) -> NDArray[np.float64]:
    """(F,) areas of the faces; 0 for those that look down."""
    corners = part.vertices[part.faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = 0.5 * np.linalg.norm(cross, axis=1)
    return np.where(cross[:, 2] < -0.9 * 2 * area, 0.0, area)


def _color(part: MeshPart, uvs: NDArray[np.float64]) -> NDArray[np.float64]:
    color = np.tile(np.asarray(part.material.color, dtype=np.float64), (len(uvs), 1))
    texture = part.material.texture
    if texture is None:
        return color
    height, width = texture.shape[:2]
    rows = np.floor((1 - uvs[:, 1] % 1.0) * height).astype(int).clip(0, height - 1)
    columns = np.floor(uvs[:, 0] % 1.0 * width).astype(int).clip(0, width - 1)
    return color * texture[rows, columns, :3] / 255.0
