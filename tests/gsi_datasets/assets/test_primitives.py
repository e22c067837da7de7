import numpy as np
import pytest

from gsi_datasets.assets import parametric
from gsi_datasets.assets.parametric.build import shell
from gsi_datasets.assets.parametric.hulls import (
    box_hull,
    prism_hull,
    ring_hulls,
    sectors_for,
    tray_hulls,
    turned_hulls,
    wedge_hulls,
)
from gsi_datasets.assets.parametric.primitives import (
    CREASE,
    arc,
    box,
    curve,
    ellipsoid,
    extrude,
    lathe,
    merge,
    rounded_rectangle,
    tube,
)


CYLINDER = [(0.0, 0.0), (0.05, 0.0), (0.05, 0.1), (0.0, 0.1)]
ANGLE = np.linspace(0, 2 * np.pi, 24, endpoint=False)
RING = np.column_stack([0.1 * np.cos(ANGLE), 0.1 * np.sin(ANGLE), np.full(24, 0.02)])
STAR = np.column_stack([np.cos(ANGLE), np.sin(ANGLE)]) * np.where(np.arange(24) % 2, 0.04, 0.07)[:, None]
SOLIDS = {
    "cylinder": (lathe(CYLINDER, 64), np.pi * 0.05**2 * 0.1),
    "ball": (ellipsoid((0.05, 0.05, 0.05), 64, 48), 4 / 3 * np.pi * 0.05**3),
    "egg": (ellipsoid((0.03, 0.04, 0.05), 64, 48), 4 / 3 * np.pi * 0.03 * 0.04 * 0.05),
    "box": (box((0.1, 0.2, 0.3), 0.001), 0.1 * 0.2 * 0.3),
    "rod": (tube([(0, 0, 0), (0.1, 0, 0), (0.2, 0, 0)], 0.01, 48), np.pi * 0.01**2 * 0.2),
    "hoop": (tube(RING, 0.01, 32, closed=True), 2 * np.pi * 0.1 * np.pi * 0.01**2),
    "star": (extrude(STAR, 0.05), 0.05 * 12 * 0.04 * 0.07 * np.sin(np.pi / 12)),
    "plank": (extrude(rounded_rectangle(0.2, 0.1, 0.01), 0.02, 0.001), 0.2 * 0.1 * 0.02),
}


def hull_volume(points):
    spatial = pytest.importorskip("scipy.spatial", reason="pip install gsi-bench[sim]")
    return spatial.ConvexHull(points).volume


def holds(points, probe):
    """Whether a convex hull contains a point."""
    spatial = pytest.importorskip("scipy.spatial", reason="pip install gsi-bench[sim]")
    planes = spatial.ConvexHull(points).equations
    return bool((planes[:, :3] @ probe + planes[:, 3] < -1e-9).all())


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_have_the_volume_of_the_book_and_face_outward(name):
    mesh, volume = SOLIDS[name]
    assert mesh.volume() == pytest.approx(volume, rel=0.03)
    assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    assert (np.einsum("fj,fcj->fc", flat, mesh.normals[mesh.faces]) > -1e-12).all()


def test_moves_turns_and_stretches_keep_normals_right():
    mesh = merge(
        ellipsoid((1.0, 1.0, 1.0)).scaled(0.1, 0.2, 0.3), lathe(CYLINDER).turned("x", 0.7).moved(1.0, 2.0, 3.0)
    )
    again = mesh.bent(mesh.vertices)
    assert again.volume() == pytest.approx(mesh.volume())
    cosines = np.abs((again.normals[:, None] * mesh.normals[None]).sum(-1)).max(axis=1)
    assert cosines.min() > np.cos(0.1)


def test_edges_sharper_than_the_crease_stay_sharp():
    sharp, soft = lathe(CYLINDER, 16), lathe(CYLINDER, 16, crease=np.pi)
    assert len(np.unique(sharp.normals[:, 2].round(3))) == 3
    assert len(np.unique(soft.normals[:, 2].round(3))) > 3
    assert np.pi / 8 < CREASE


def test_the_middle_of_a_turned_texture_faces_the_front_and_reads_rightly():
    mesh = lathe(CYLINDER, 16)
    side = np.abs(mesh.normals[:, 2]) < 0.1
    u, x, y = mesh.uvs[side, 0], mesh.vertices[side, 0], mesh.vertices[side, 1]
    assert (y[np.abs(u - 0.5) < 0.1] < 0).all()
    assert (x[(u > 0.55) & (u < 0.95)] > 0).all()


def test_box_faces_are_upright_seen_from_outside():
    rect = (0.2, 0.4, 0.6, 0.8)
    mesh = box((0.1, 0.1, 0.2), 0.001, {"front": rect})
    front = mesh.normals[:, 1] < -0.99
    corner = front & (mesh.vertices[:, 0] > 0) & (mesh.vertices[:, 2] > 0.1)
    assert (mesh.uvs[corner] == (0.6, 0.8)).all(axis=1).any()


def test_curves_pass_their_points_without_loops():
    points = np.array([(0.0389, 0.004), (0.0419, 0.0098), (0.0389, 0.0448), (0.0432, 0.0815)])
    line = curve(points, 6)
    assert np.abs(line[::6] - points).max() < 1e-12
    assert (np.diff(line[:, 1]) > -1e-9).all()


def test_a_shell_is_hollow_for_mesh_and_hulls():
    section = shell(np.array([(0.03, 0.0), (0.034, 0.004), (0.04, 0.05), (0.045, 0.1)]), 0.004, 0.006)
    hulls = wedge_hulls(section.outer, section.inner)
    assert sum(map(hull_volume, hulls)) == pytest.approx(lathe(section.profile, 96).volume(), rel=0.12)
    assert not any(holds(hull, np.array([0.0, 0.0, 0.05])) for hull in hulls)
    assert any(holds(hull, np.array([0.0, 0.0, 0.003])) for hull in hulls)
    assert min(hull[:, 2].min() for hull in hulls) == 0.0


@pytest.mark.parametrize("family", ["bowl", "mug", "plate", "basket", "pan", "bucket"])
def test_hollow_things_weigh_what_they_show(family):
    for seed in range(3):
        asset = parametric.make(family, seed)
        mesh = sum(
            np.einsum("ij,ij->", a, np.cross(b, c)) / 6
            for part in asset.parts
            for a, b, c in [[part.vertices[part.faces[:, i]].astype(float) for i in range(3)]]
        )
        assert 0.75 < sum(map(hull_volume, asset.hulls)) / mesh < 1.25
        place = asset.info.receptacle
        if place:
            probe = np.array([*place.centre, place.floor + 0.002])
            assert not any(holds(hull, probe) for hull in asset.hulls)


def test_turned_hulls_are_few_and_exact():
    apple = arc((0.0, 0.04), 0.04, -1.3, np.pi / 2, 20)
    assert len(turned_hulls(apple)) == 1
    hourglass = curve([(0.04, 0.0), (0.015, 0.05), (0.04, 0.1)], 8)
    pieces = turned_hulls(hourglass, 32)
    exact = lathe(np.concatenate([[(0.0, 0.0)], hourglass, [(0.0, 0.1)]]), 64).volume()
    assert 2 <= len(pieces) <= 8
    assert sum(map(hull_volume, pieces)) == pytest.approx(exact, rel=0.06)


def test_outlines_that_fall_are_refused():
    with pytest.raises(ValueError, match="rise"):
        turned_hulls([(0.1, 0.0), (0.1, 0.1), (0.2, 0.05)])


def test_other_hulls():
    assert hull_volume(box_hull((0, 0, 0), (1, 2, 3))) == pytest.approx(6)
    assert hull_volume(prism_hull([(0, 0), (1, 0), (0, 1)], 0.0, 2.0)) == pytest.approx(1)
    tray = tray_hulls((0.4, 0.3, 0.05), 0.01, 0.005)
    exact = 0.4 * 0.3 * 0.05 - 0.38 * 0.28 * 0.045
    assert sum(map(hull_volume, tray)) == pytest.approx(exact)
    ring = arc((0.1, 0.02), 0.02, 0.0, 2 * np.pi, 24)[:-1]
    assert sum(map(hull_volume, ring_hulls(ring, 24))) == pytest.approx(2 * np.pi * 0.1 * np.pi * 0.02**2, rel=0.03)
    assert sectors_for(0.01) == 12 < sectors_for(0.15)
