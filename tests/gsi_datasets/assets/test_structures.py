"""Tables are flat where they say, rooms enclose, textures repeat without a seam."""

from __future__ import annotations

import numpy as np
import pytest

from gsi_datasets.assets import parametric
from gsi_datasets.assets.parametric import surfaces
from gsi_datasets.assets.parametric.primitives import box
from gsi_datasets.assets.parametric.rooms import room_plan
from gsi_datasets.assets.parametric.structures import EDGE, FAMILIES


TOPS = [name for name in FAMILIES if name != "room"]
SURFACES = [
    surfaces.accent_plaster,
    surfaces.wood, surfaces.planks, surfaces.parquet, surfaces.marble, surfaces.granite, surfaces.terrazzo,
    surfaces.floor_tiles, surfaces.wall_tiles, surfaces.plaster, surfaces.concrete, surfaces.brick,
    surfaces.wallpaper, surfaces.carpet, surfaces.fabric, surfaces.laminate,
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_same_seed_same_bytes(family: str, seed: int) -> None:
    first, second = parametric.make(family, seed), parametric.make(family, seed)
    assert first.info == second.info
    for a, b in zip(first.parts, second.parts, strict=True):
        assert a.vertices.tobytes() == b.vertices.tobytes()
        assert a.uvs.tobytes() == b.uvs.tobytes()
        assert (a.material.texture is None) == (b.material.texture is None)
        if a.material.texture is not None and b.material.texture is not None:
            assert a.material.texture.tobytes() == b.material.texture.tobytes()


@pytest.mark.parametrize("family", TOPS)
@pytest.mark.parametrize("seed", range(5))
def test_the_top_is_where_the_receptacle_says(family: str, seed: int) -> None:
    asset = parametric.make(family, seed)
    low, high = asset.bounds()
    surface = asset.info.receptacle
    assert surface is not None
    assert asset.info.kind == "furniture"
    np.testing.assert_allclose(high - low, asset.info.size, atol=1e-4)
    assert surface.floor == pytest.approx(high[2], abs=1e-4)
    top = max(hull[:, 2].max() for hull in asset.hulls)
    assert surface.floor == pytest.approx(top, abs=1e-4)
    # The hull that carries things reaches to the edge of the usable area.
    carrier = next(hull for hull in asset.hulls if hull[:, 2].max() == pytest.approx(top))
    reach = np.abs(carrier[:, :2] - surface.centre).max(axis=0)
    assert reach - surface.half_extents == pytest.approx([EDGE, EDGE], abs=1e-3)


@pytest.mark.parametrize("family", TOPS)
def test_seen_from_outside(family: str) -> None:
    for part in parametric.make(family, 3).parts:
        corners = part.vertices[part.faces].astype(np.float64)
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        shading = part.normals[part.faces].mean(axis=1)
        assert (np.einsum("ij,ij->i", faces, shading) > -1e-12).all()


@pytest.mark.parametrize("seed", range(6))
def test_rooms_enclose_and_face_inwards(seed: int) -> None:
    asset = parametric.make("room", seed)
    width, depth, height = asset.info.size
    assert room_plan(asset.info.id).size == asset.info.size
    middle = np.array([0, 0, height / 2])
    triangles = np.concatenate([part.vertices[part.faces] for part in asset.parts]).astype(np.float64)
    assert (np.abs(triangles[..., :2]) <= np.array([width, depth]) / 2 + 1e-3).all()
    # From the middle, every direction meets something within the room's diagonal.
    rng = np.random.default_rng(seed)
    for direction in rng.normal(size=(40, 3)):
        a, e1, e2 = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
        p = np.cross(direction, e2)
        det = np.einsum("ij,ij->i", e1, p)
        with np.errstate(divide="ignore", invalid="ignore"):
            t_vector = middle - a
            u = np.einsum("ij,ij->i", t_vector, p) / det
            q = np.cross(t_vector, e1)
            v = q @ direction / det
            t = np.einsum("ij,ij->i", e2, q) / det
        hit = (np.abs(det) > 1e-12) & (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (t > 0)
        assert hit.any()
    assert len(asset.parts) <= 13
    # Five slabs to collide with: the floor's top is the ground.
    assert len(asset.hulls) == 5
    assert asset.hulls[0][:, 2].max() == 0


def test_doors_windows_and_pictures_do_not_leave_their_wall() -> None:
    for seed in range(50):
        plan = room_plan(f"param/room/{seed}")
        assert {o.kind for o in plan.openings} >= {"door", "window"}
        for opening in plan.openings:
            assert abs(opening.along) + opening.blocked[0] / 2 < plan.length(opening.wall) / 2
            assert opening.low + opening.height < plan.size[2]


@pytest.mark.parametrize("make", SURFACES, ids=lambda make: make.__name__)
def test_textures_repeat_without_a_seam(make) -> None:
    for seed in range(3):
        texture = make(np.random.default_rng(seed)).material.texture.astype(float)
        for image in (texture, texture.swapaxes(0, 1)):
            steps = np.abs(np.diff(image, axis=0)).mean(axis=(1, 2))
            seam = np.abs(image[0] - image[-1]).mean()
            assert seam <= 1.5 * steps.max() + 1


@pytest.mark.parametrize("make", SURFACES, ids=lambda make: make.__name__)
def test_textures_are_natural(make) -> None:
    """Small, neither black nor burnt out, with something to see but no glaring pattern."""
    for seed in range(5):
        surface = make(np.random.default_rng(seed))
        texture = surface.material.texture
        assert texture.dtype == np.uint8
        assert max(texture.shape[:2]) <= 512
        mean, deviation = texture.mean(), texture.astype(float).std(axis=(0, 1)).mean()
        assert 30 < mean < 235
        assert 0.8 < deviation < 50
        assert np.ptp(texture.mean(axis=(0, 1))) < 110
        assert 0.15 <= surface.material.roughness <= 1
        assert min(surface.extent) > 0.2


def test_texture_scale_is_metric() -> None:
    """A board laid on a floor twice as large has the same width: uvs count metres, not faces."""
    surface = surfaces.planks(np.random.default_rng(0))
    for size in (1.0, 3.0):
        mesh, _ = surface.on(box((size, size, 0.1)))
        top = np.isclose(mesh.normals[:, 2], 1) & np.isclose(mesh.vertices[:, 2], 0.1)
        span = np.ptp(mesh.uvs[top], axis=0) * surface.extent
        np.testing.assert_allclose(span, size, atol=1e-3)


def test_windows_are_bright_and_upright() -> None:
    """The view shines by itself, its upper half is sky: brighter and bluer than the lower."""
    for seed in range(8):
        parts = [part for part in parametric.make("room", seed).parts if part.material.emission > 0]
        assert len(parts) == 1
        view = parts[0]
        high = view.uvs[view.vertices[:, 2].argmax(), 1]
        assert high == 1  # row 0 of the texture, which is v = 1, is the top
        upper, lower = np.split(view.material.texture.astype(float), 2)
        assert upper.mean() > lower.mean()
        assert upper[..., 2].mean() > lower[..., 2].mean()


def test_rooms_and_tables_vary() -> None:
    for family in FAMILIES:
        sizes = {parametric.make(family, seed).info.size for seed in range(6)}
        assert len(sizes) == 6
    captions = {parametric.make("table", seed).info.caption for seed in range(40)}
    assert len(captions) >= 6
