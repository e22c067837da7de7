"""The compiled union of states, the cut meshes, the passes and the exposure."""

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.renderers import sampling
from gsi_datasets.renderers.exposure import EXPOSURE, HEADROOM, developed, display_lights, eased, to_linear, to_srgb
from gsi_datasets.renderers.mjscene import DrawModel, subdivided
from gsi_datasets.scene import Light
from tests.gsi_datasets.renderers import toys


def areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


@pytest.mark.parametrize("name", ["table", "floor", "mug", "ball"])
@pytest.mark.parametrize("edge", [0.3, 0.07])
def test_cutting_keeps_the_surface(name: str, edge: float) -> None:
    for part in toys.lookup(name).parts:
        cut = subdivided(part, edge)
        sides = np.linalg.norm(np.roll(cut.vertices[cut.faces], -1, axis=1) - cut.vertices[cut.faces], axis=2)
        if name != "table":  # whose top and legs have slivers
            assert sides.max() <= edge
        assert sides.max() <= 4 * edge
        assert areas(cut.vertices, cut.faces).sum() == pytest.approx(areas(part.vertices, part.faces).sum(), rel=1e-4)
        np.testing.assert_allclose(np.linalg.norm(cut.normals, axis=1), 1, atol=1e-5)
        # Orientation is kept: faces still turn the way their normals point.
        a, b, c = cut.vertices[cut.faces].transpose(1, 0, 2)
        assert (np.sum(np.cross(b - a, c - a) * cut.normals[cut.faces].mean(axis=1), axis=1) > -1e-12).all()


def test_cutting_leaves_no_gaps() -> None:
    # A triangle is cut finer than its smaller neighbour, except along the edge that they share.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.6, 0.6, 0.0]], dtype=np.float32)
    part = toys.MeshPart(
        vertices,
        np.array([[0, 1, 2], [1, 3, 2]], dtype=np.int32),
        np.tile(np.float32([0, 0, 1]), (4, 1)),
        vertices[:, :2],
        toys.Material(),
    )
    cut = subdivided(part, 0.2)
    edges = np.sort(np.stack([cut.faces, np.roll(cut.faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    outline = unique[counts == 1]
    # The outline of what was cut is the outline of what there was: no cut edge has one side only.
    length = np.linalg.norm(cut.vertices[outline[:, 0]] - cut.vertices[outline[:, 1]], axis=1).sum()
    assert length == pytest.approx(1 + 1 + 2 * np.hypot(0.4, 0.6), rel=1e-5)
    np.testing.assert_allclose(cut.uvs, cut.vertices[:, :2], atol=1e-6)


def test_places_of_geoms_bring_the_vertices_back() -> None:
    scene = toys.tabletop()
    bigger = replace(scene["mug_2"], scale=1.3, position=np.array([0.3, 0.1, 0.75]))
    states = [scene, scene.with_objects([bigger]), scene.without("can_5")]
    union = DrawModel(states, toys.lookup)
    model = union.model
    for state in states:
        positions, rotations = union.place(state)
        shown = [geom for geom in range(model.ngeom) if positions[geom, 2] > -100]
        drawn = []
        for geom in shown:
            mesh = model.geom_dataid[geom]
            first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
            drawn.append(model.mesh_vert[first : first + count] @ rotations[geom].T + positions[geom])
        expected = [
            (part.vertices @ item.pose[:3, :3].T + item.position)
            for item in state.objects
            for part in toys.lookup(item.asset).parts
        ]
        found, wanted = np.concatenate(drawn), np.concatenate(expected)
        for axis in range(3):
            np.testing.assert_allclose(np.sort(found[:, axis]), np.sort(wanted[:, axis]), atol=2e-6)
    assert union.covers(states)
    assert not union.covers([scene.with_objects([replace(bigger, scale=1.4)])])


@pytest.mark.parametrize("count", [1, 2, 4, 6, 8, 16])
def test_passes_are_evenly_spread(count: int) -> None:
    pixels = np.array([sampling.pixel(index, count) for index in range(count)])
    discs = np.array([sampling.disc(index, count) for index in range(count)])
    skies = np.array([sampling.hemisphere(index, count) for index in range(count)])
    assert (np.abs(pixels) <= 0.5).all()
    assert (np.hypot(*discs.T) <= 1).all()
    np.testing.assert_allclose(np.linalg.norm(skies, axis=1), 1)
    assert (skies[:, 2] > 0).all()
    if count >= 4:
        # The picture must not move: the mean of the passes is near the pixel's centre and the lamp's.
        np.testing.assert_allclose(pixels.mean(axis=0), 0, atol=1e-12)
        assert np.abs(discs.mean(axis=0)).max() < 0.2
        assert len(np.unique(skies.round(6), axis=0)) == count


def test_frame_is_right_handed() -> None:
    for forward in ([0, 0, -2.0], [0, 0, 1.0], [1.0, 2.0, -0.5]):
        axes = np.array(sampling.frame(np.array(forward)))
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(axes[2], np.array(forward) / np.linalg.norm(forward))


def test_display_light_meets_linear_light_at_both_ends() -> None:
    key, fill = Light((1, 1, 2), (0, 0, 0), color=(1.0, 0.9, 0.8)), Light((1, 1, 2), (0, 0, 0), intensity=0.3)
    scene = replace(toys.tabletop(), lights=(key, fill), ambient=(0.3, 0.35, 0.4))
    ambient, steps = display_lights(scene)
    np.testing.assert_allclose(ambient, to_srgb(EXPOSURE * np.array(scene.ambient)))
    lit = EXPOSURE * (np.array(scene.ambient) + np.array(key.color) + 0.3)
    np.testing.assert_allclose(ambient + steps.sum(axis=0), to_srgb(lit))


def test_highlights_are_eased_into_white() -> None:
    shown = eased(np.linspace(0, 1 / HEADROOM, 200))
    assert (np.diff(shown) > 0).all()
    assert (shown < 1).all()
    np.testing.assert_allclose(eased([0.0, 0.3, 0.8]), [0.0, 0.3, 0.8])
    # Middle grey, drawn with headroom in three passes that differ a little, is middle grey.
    total = np.uint32([3 * 0.5 * 255 * HEADROOM - 2, 3 * 0.5 * 255 * HEADROOM + 2])
    np.testing.assert_allclose(developed(total, 3), 127.5, atol=1.6)
    np.testing.assert_allclose(to_linear(to_srgb([0.0, 0.001, 0.2, 1.0])), [0.0, 0.001, 0.2, 1.0])
