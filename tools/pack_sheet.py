"""Draws a contact sheet of the asset pack, to choose models and check captions by eye.

python tools/pack_sheet.py OUT.png --kind tabletop
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gsi_datasets.assets import pack
from gsi_datasets.assets.asset import Asset


Array = NDArray[np.float64]
SIDE, LABEL = 150, 36
SUN = np.array([-0.35, -0.55, 0.76])


def thumbnail(
    asset: Asset, side: int = SIDE, azimuth: float = 0.55, elevation: float = 0.45, hulls: bool = False
) -> Image.Image:
    """The asset from its front right above, on white; back faces come out magenta.

    Args:
        asset: what to draw.
        side: edge of the square picture, pixels.
        azimuth: of the eye, radians from the front (-y) towards +x.
        elevation: of the eye, radians.
        hulls: draw the collision hulls instead, each in its own colour.
    """
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    low, high = asset.bounds()
    forward = -np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), -1).reshape(-1, 3)
    across, along = corners @ right, corners @ up
    half = max(np.ptp(across), np.ptp(along)) / 2 * 1.03
    centre = right * (across.max() + across.min()) / 2 + up * (along.max() + along.min()) / 2
    steps = (np.arange(2 * side) + 0.5) / side - 1
    u, v = np.meshgrid(steps * half, -steps * half)
    distance = 10 * float(np.linalg.norm(high - low))
    middle = (low + high) / 2
    base = centre + forward * (middle @ forward - distance)
    origins = (base + u[..., None] * right + v[..., None] * up).reshape(-1, 3)

    if hulls:
        triangles, colors = _hull_triangles(asset)
        normals = np.repeat(_normals(triangles)[:, None], 3, axis=1)
    else:
        triangles = np.concatenate([part.vertices.astype(float)[part.faces] for part in asset.parts])
        normals = np.concatenate([part.normals.astype(float)[part.faces] for part in asset.parts])
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, triangles.astype(np.float32))
    hit = scene.run(origins.astype(np.float32), np.tile(forward, (len(origins), 1)).astype(np.float32), output=1)
    found = np.flatnonzero(hit["primID"] >= 0)
    face = hit["primID"][found]
    weight = np.stack([1 - hit["u"][found] - hit["v"][found], hit["u"][found], hit["v"][found]], axis=1)
    normal = np.einsum("pc,pcx->px", weight, normals[face])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    color = colors[face] if hulls else _colors(asset, face, weight)
    shade = 0.45 + 0.6 * np.maximum(normal @ (SUN / np.linalg.norm(SUN)), 0)
    picture = np.ones((4 * side * side, 3))
    picture[found] = color * shade[:, None]
    if not hulls:
        picture[found[_normals(triangles[face]) @ forward > 0]] = (1.0, 0.0, 1.0)
    pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8).reshape(2 * side, 2 * side, 3)
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)


def _normals(triangles: Array) -> Array:
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)


def _hull_triangles(asset: Asset) -> tuple[Array, Array]:
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(0)
    triangles, colors = [], []
    for points in asset.hulls:
        hull = ConvexHull(points)
        corner = points[hull.simplices]
        inward = (_normals(corner) * hull.equations[:, :3]).sum(axis=1) < 0
        corner[inward] = corner[inward][:, ::-1]
        triangles.append(corner)
        colors.append(np.tile(rng.uniform(0.3, 1.0, 3), (len(corner), 1)))
    return np.concatenate(triangles), np.concatenate(colors)


def _colors(asset: Asset, face: NDArray[np.int64], weight: Array) -> Array:
    color = np.zeros((len(face), 3))
    start = 0
    for part in asset.parts:
        mine = (face >= start) & (face < start + len(part.faces))
        uv = np.einsum("pc,pcx->px", weight[mine], part.uvs[part.faces[face[mine] - start]])
        start += len(part.faces)
        color[mine] = part.material.color
        if (texture := part.material.texture) is not None:
            rows, columns = texture.shape[:2]
            x = np.floor(uv[:, 0] % 1 * columns).astype(int) % columns
            y = np.floor((1 - uv[:, 1] % 1) * rows).astype(int) % rows
            color[mine] *= texture[y, x] / 255
        if part.material.opacity < 1:
            color[mine] = part.material.opacity * color[mine] + (1 - part.material.opacity)
    return color


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--folder", type=Path, default=pack.FOLDER)
    parser.add_argument("--kind", default="tabletop")
    parser.add_argument("--columns", type=int, default=12)
    parser.add_argument("--rows", type=int, default=0, help="rows on a page; 0 for one page")
    parser.add_argument("--hulls", action="store_true")
    options = parser.parse_args()
    chosen = [info for info in pack.infos(options.folder).values() if info.kind == options.kind]
    chosen.sort(key=lambda info: (info.category, info.id))
    per_page = options.columns * options.rows or len(chosen)
    for page, first in enumerate(range(0, len(chosen), per_page)):
        shown = chosen[first : first + per_page]
        rows = -(-len(shown) // options.columns)
        sheet = Image.new("RGB", (options.columns * SIDE, rows * (SIDE + LABEL)), "white")
        draw = ImageDraw.Draw(sheet)
        for i, info in enumerate(shown):
            x, y = i % options.columns * SIDE, i // options.columns * (SIDE + LABEL)
            asset = pack.load(info.id, options.folder)
            sheet.paste(thumbnail(asset, hulls=options.hulls), (x, y + LABEL))
            size = "x".join(f"{100 * value:.0f}" for value in info.size)
            draw.text((x + 1, y), info.caption[:25], fill="black")
            draw.text((x + 1, y + 11), info.caption[25:50], fill="black")
            triangles = sum(len(part.faces) for part in asset.parts)
            draw.text((x + 1, y + 22), f"{size} {triangles}t {len(asset.parts)}p {len(asset.hulls)}h", fill="blue")
        path = options.out if per_page == len(chosen) else options.out.with_stem(f"{options.out.stem}{page}")
        sheet.save(path)


if __name__ == "__main__":
    main()
