import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gsi_datasets import geometry as g
from gsi_datasets.scene import Box, Camera


seeds = st.integers(0, 2**32 - 1)


def random_rotation(rng):
    return g.matrix_from_quaternion(rng.normal(size=4))


def random_box(rng, spread=0.4, yaw_only=False):
    rotation = g.rotation_z(rng.uniform(-np.pi, np.pi)) if yaw_only else random_rotation(rng)
    return Box(rng.uniform(-spread, spread, 3), rng.uniform(0.05, 1.0, 3), rotation)


def random_camera(rng):
    position = rng.uniform(-3, 3, 3)
    target = position + g.matrix_from_quaternion(rng.normal(size=4))[:, 0] * rng.uniform(0.5, 5)
    return Camera(g.intrinsics_from_fov(rng.uniform(0.4, 1.6), 640, 480), g.look_at(position, target), 640, 480)


def cube(*centre, size=1.0, rotation=None):
    return Box(np.array(centre, float), np.full(3, size), np.eye(3) if rotation is None else rotation)


# ------------------------------------------------------------------------------------------------------ rotations


@given(st.floats(-3.14, 3.14), st.floats(-3.14, 3.14))
def test_turns_about_the_vertical_add_up(a, b):
    np.testing.assert_allclose(g.rotation_z(a) @ g.rotation_z(b), g.rotation_z(a + b), atol=1e-12)
    assert g.yaw_of(g.rotation_z(a)) == pytest.approx(a, abs=1e-12)
    assert g.tilt_between(g.rotation_z(a), g.rotation_z(b)) == pytest.approx(0, abs=1e-12)


def test_positive_yaw_is_counter_clockwise_from_above():
    np.testing.assert_allclose(g.rotation_z(np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(g.axis_angle([0, 0, 2.5], 0.7), g.rotation_z(0.7), atol=1e-15)


@given(seeds, st.floats(0, np.pi))
def test_rotation_angle_is_the_angle_turned_by(seed, angle):
    rng = np.random.default_rng(seed)
    base, axis = random_rotation(rng), rng.normal(size=3)
    assert g.rotation_angle(base, base @ g.axis_angle(axis, angle)) == pytest.approx(angle, abs=1e-9)
    assert g.rotation_angle(base, g.axis_angle(axis, angle) @ base) == pytest.approx(angle, abs=1e-9)


def test_rotation_angle_keeps_its_digits_for_tiny_turns():
    assert g.rotation_angle(np.eye(3), g.axis_angle([1, 2, 3], 1e-9)) == pytest.approx(1e-9, rel=1e-6)


@given(st.floats(-3.1, 3.1), st.floats(0, 1.2), st.floats(-3.1, 3.1))
def test_yaw_and_tilt_separate(yaw, tilt, heading):
    level = [np.cos(heading), np.sin(heading), 0]
    rotation = g.axis_angle(level, tilt) @ g.rotation_z(yaw)
    assert g.yaw_of(rotation) == pytest.approx(yaw, abs=1e-9)
    assert g.tilt_between(np.eye(3), rotation) == pytest.approx(tilt, abs=1e-9)


@given(seeds)
def test_quaternions_round_trip(seed):
    rotations = np.stack([random_rotation(np.random.default_rng([seed, i])) for i in range(5)])
    quaternions = g.quaternion_from_matrix(rotations)
    assert quaternions.shape == (5, 4)
    assert (quaternions[:, 0] >= 0).all()
    np.testing.assert_allclose(g.matrix_from_quaternion(quaternions), rotations, atol=1e-13)
    assert all(g.is_rotation(item) for item in rotations)


@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [-1, 0.2, 3]])
@pytest.mark.parametrize("angle", [0, np.pi / 2, np.pi - 1e-7, np.pi])
def test_quaternions_of_half_turns(axis, angle):
    rotation = g.axis_angle(axis, angle)
    np.testing.assert_allclose(g.matrix_from_quaternion(g.quaternion_from_matrix(rotation)), rotation, atol=1e-14)


def test_quaternion_order_is_w_first():
    np.testing.assert_allclose(g.quaternion_from_matrix(np.eye(3)), [1, 0, 0, 0])
    np.testing.assert_allclose(
        g.quaternion_from_matrix(g.rotation_z(np.pi / 2)), np.sqrt([0.5, 0, 0, 0.5]), atol=1e-15
    )


def test_is_rotation_refuses_what_is_none():
    mirror, stretched = np.diag([1.0, 1.0, -1.0]), 1.01 * np.eye(3)
    for matrix in (mirror, stretched, np.full((3, 3), np.nan), np.eye(4)):
        assert not g.is_rotation(matrix)


# ------------------------------------------------------------------------------------------- similarity transforms


@given(seeds)
def test_similarity_about_keeps_its_anchor_and_splits_again(seed):
    rng = np.random.default_rng(seed)
    anchor, rotation, scale = rng.normal(size=3), random_rotation(rng), rng.uniform(0.2, 5)
    transform = g.similarity_about(anchor, rotation, scale)
    np.testing.assert_allclose(g.transform_points(anchor, transform), anchor, atol=1e-12)
    got_scale, got_rotation, _ = g.split_similarity(transform)
    assert got_scale == pytest.approx(scale)
    np.testing.assert_allclose(got_rotation, rotation, atol=1e-12)


def test_split_similarity_refuses_shear_and_mirrors():
    for linear in (np.diag([1, 1, 2.0]), np.diag([1, 1, -1.0]), np.zeros((3, 3))):
        transform = np.eye(4)
        transform[:3, :3] = linear
        with pytest.raises(ValueError, match="not a similarity"):
            g.split_similarity(transform)


@given(seeds)
def test_transform_box_moves_its_corners(seed):
    rng = np.random.default_rng(seed)
    box = random_box(rng)
    transform = g.similarity(random_rotation(rng), rng.normal(size=3), rng.uniform(0.2, 5))
    moved = g.transform_box(box, transform)
    np.testing.assert_allclose(g.corners(moved), g.transform_points(g.corners(box), transform), atol=1e-12)
    assert g.is_rotation(moved.rotation)


@given(seeds)
def test_camera_frame_transform_does_the_same_to_camera_points(seed):
    rng = np.random.default_rng(seed)
    camera = random_camera(rng)
    transform = g.similarity(random_rotation(rng), rng.normal(size=3), rng.uniform(0.2, 5))
    points = rng.normal(size=(7, 3))
    expected = g.transform_points(g.transform_points(points, transform), camera.extrinsics)
    in_camera = g.world_to_camera_transform(transform, camera.extrinsics)
    np.testing.assert_allclose(
        g.transform_points(g.transform_points(points, camera.extrinsics), in_camera), expected, atol=1e-11
    )


# ------------------------------------------------------------------------------------------------------- cameras


@given(seeds)
def test_look_at_is_level_and_centres_its_target(seed):
    rng = np.random.default_rng(seed)
    position, target = rng.normal(size=3), rng.normal(size=3)
    assume(np.linalg.norm(target - position) > 1e-3)
    extrinsics = g.look_at(position, target)
    camera = Camera(g.intrinsics_from_fov(0.9, 512, 384), extrinsics, 512, 384)
    assert g.is_rotation(extrinsics[:3, :3], 1e-12)
    np.testing.assert_allclose(camera.position, position, atol=1e-12)
    assert extrinsics[0, 2] == pytest.approx(0, abs=1e-12)  # the image's right is horizontal in the world
    assert extrinsics[1, 2] <= 1e-12  # and its down never points up
    uv, depth = g.project(target, camera)
    np.testing.assert_allclose(uv, [256, 192], atol=1e-6)
    assert depth == pytest.approx(np.linalg.norm(target - position))


def test_look_at_straight_down_and_up():
    down = g.look_at([1, 2, 3], [1, 2, 0])
    np.testing.assert_allclose(down[:3, :3], [[1, 0, 0], [0, -1, 0], [0, 0, -1]], atol=1e-15)
    np.testing.assert_allclose(g.camera_axes(down)[1], [0, 1, 0], atol=1e-15)
    up = g.look_at([1, 2, 3], [1, 2, 9])
    assert g.is_rotation(up[:3, :3])
    np.testing.assert_allclose(g.camera_axes(up)[1], [0, 1, 0], atol=1e-15)
    with pytest.raises(ValueError, match="same point"):
        g.look_at([1, 2, 3], [1, 2, 3])


def test_axes_of_a_camera_that_looks_along_y_from_above():
    right, forward, up = g.camera_axes(g.look_at([0, -1, 1], [0, 0, 0]))
    np.testing.assert_allclose([right, forward, up], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], atol=1e-15)


@given(seeds)
def test_camera_axes_agree_with_the_image(seed):
    rng = np.random.default_rng(seed)
    camera = random_camera(rng)
    right, forward, up = g.camera_axes(camera.extrinsics)
    axes = np.stack([right, forward, up], axis=1)
    assert g.is_rotation(axes, 1e-9)
    centre = g.unproject([320, 240], 2.0, camera)
    u_right = g.project(centre + 0.01 * right, camera)[0][0]
    assert u_right > 320
    ahead = camera.extrinsics[2, :3] @ forward
    assert ahead >= -1e-9


@given(seeds)
def test_unproject_undoes_project(seed):
    rng = np.random.default_rng(seed)
    camera = random_camera(rng)
    points = rng.normal(size=(4, 5, 3)) * 3
    uv, depth = g.project(points, camera)
    front = depth > 1e-3
    assert uv.shape == (4, 5, 2)
    assert np.isnan(uv[depth <= 0]).all()
    np.testing.assert_allclose(g.unproject(uv[front], depth[front], camera), points[front], atol=1e-8)


def test_depth_to_points_uses_pixel_centres():
    camera = Camera(g.intrinsics_from_fov(1.0, 8, 6), g.look_at([0, 0, 5], [0, 0, 0]), 8, 6)
    depth = np.full((6, 8), 5.0)
    depth[2, 3] = 0
    points = g.depth_to_points(depth, camera)
    assert points.shape == (6, 8, 3)
    assert np.isnan(points[2, 3]).all()
    seen = np.ones((6, 8), bool)
    seen[2, 3] = False
    np.testing.assert_allclose(points[seen][:, 2], 0, atol=1e-12)
    uv, _ = g.project(points[5, 7], camera)
    np.testing.assert_allclose(uv, [7.5, 5.5])
    assert points[0, 0, 1] > points[5, 0, 1]  # v goes down


def test_resized_camera_sees_the_same_directions():
    camera = Camera(g.intrinsics_from_fov(0.8, 512, 512), g.look_at([1, 1, 1], [0, 0, 0]), 512, 512)
    small = camera.resized(128, 256)
    uv, depth = g.project([0.1, 0.05, 0.0], camera)
    uv_small, depth_small = g.project([0.1, 0.05, 0.0], small)
    np.testing.assert_allclose(uv_small, uv * [0.25, 0.5])
    assert depth == depth_small


# --------------------------------------------------------------------------------------------------------- boxes


def test_corner_order():
    box = Box(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]), np.eye(3))
    found = g.corners(box)
    np.testing.assert_allclose(found[0], [0, 0, 0])
    np.testing.assert_allclose(found[1], [0, 0, 6])
    np.testing.assert_allclose(found[2], [0, 4, 0])
    np.testing.assert_allclose(found[4], [2, 0, 0])


@given(seeds)
def test_corners_are_on_the_box(seed):
    box = random_box(np.random.default_rng(seed))
    assert g.points_in_box(g.corners(box), box, 1e-9).all()
    assert not g.points_in_box(g.corners(box), box, -1e-6).any()
    assert g.points_in_box(box.centre, box)


@pytest.mark.parametrize(
    ("shift", "size", "expected"),
    [
        ((0, 0, 0), 1.0, 1.0),
        ((0.5, 0, 0), 1.0, 1 / 3),
        ((0.5, 0.5, 0.5), 1.0, 0.125 / 1.875),
        ((1, 0, 0), 1.0, 0.0),
        ((0, 0, 0), 0.5, 0.125),
        ((0.25, 0.25, 0.25), 0.5, 0.125),
        ((0, 0, 1.2), 1.0, 0.0),
    ],
)
def test_iou_of_aligned_cubes(shift, size, expected):
    assert g.box_iou(cube(0, 0, 0), cube(*shift, size=size)) == pytest.approx(expected, abs=1e-12)
    assert g.box_iou(cube(*shift, size=size), cube(0, 0, 0)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
def test_iou_of_cubes_turned_by_45_degrees_is_an_octagon(axis):
    shared = 2 * (np.sqrt(2) - 1)  # a regular octagon of width one
    turned = cube(0, 0, 0, rotation=g.axis_angle(axis, np.pi / 4))
    assert g.intersection_volume(cube(0, 0, 0), turned) == pytest.approx(shared, abs=1e-12)
    assert g.box_iou(cube(0, 0, 0), turned) == pytest.approx(shared / (2 - shared), abs=1e-12)


def test_iou_of_a_cube_on_its_corner():
    # Turned by a third of a half turn about the diagonal two cubes share twelve equal pyramids: volume 3/4.
    turned = cube(0, 0, 0, rotation=g.axis_angle([1, 1, 1], np.pi / 3))
    assert g.intersection_volume(cube(0, 0, 0), turned) == pytest.approx(0.75, abs=1e-12)


@given(seeds)
def test_iou_invariants(seed):
    rng = np.random.default_rng(seed)
    a, b = random_box(rng), random_box(rng)
    iou = g.box_iou(a, b)
    assert 0 <= iou <= 1
    assert g.box_iou(b, a) == pytest.approx(iou, abs=1e-10)
    assert g.box_iou(a, a) == pytest.approx(1, abs=1e-10)
    move = g.similarity(random_rotation(rng), rng.normal(size=3), rng.uniform(0.1, 10))
    assert g.box_iou(g.transform_box(a, move), g.transform_box(b, move)) == pytest.approx(iou, abs=1e-9)
    assert (iou > 0) == (g.clearance(a, b) < 0)


@given(seeds)
def test_iou_of_a_box_relabelled_by_its_own_symmetry_is_one(seed):
    rng = np.random.default_rng(seed)
    box = random_box(rng)
    quarter = np.round(g.rotation_z(np.pi / 2))
    same = Box(box.centre, np.abs(quarter.T @ box.size), box.rotation @ quarter)
    assert g.box_iou(box, same) == pytest.approx(1, abs=1e-10)


@given(seeds, st.floats(1e-16, 1e-9))
def test_iou_is_steady_where_faces_nearly_coincide(seed, noise):
    rng = np.random.default_rng(seed)
    box = random_box(rng)
    rotation = box.rotation @ g.axis_angle(rng.normal(size=3), noise)
    other = Box(box.centre + noise * rng.normal(size=3), box.size * (1 + noise * rng.normal(size=3)), rotation)
    assert g.box_iou(box, other) == pytest.approx(1, abs=1e-6)
    half = Box(box.centre + 0.5 * box.size[0] * rotation[:, 0], box.size, rotation)
    assert g.box_iou(box, half) == pytest.approx(1 / 3, abs=1e-6)


@given(seeds)
def test_iou_of_upright_boxes_equals_footprint_times_height(seed):
    shapely = pytest.importorskip("shapely")
    rng = np.random.default_rng(seed)
    a, b = random_box(rng, yaw_only=True), random_box(rng, yaw_only=True)
    area = shapely.Polygon(g.footprint(a)).intersection(shapely.Polygon(g.footprint(b))).area
    low = max(a.centre[2] - a.size[2] / 2, b.centre[2] - b.size[2] / 2)
    high = min(a.centre[2] + a.size[2] / 2, b.centre[2] + b.size[2] / 2)
    expected = area * max(high - low, 0)
    assert g.intersection_volume(a, b) == pytest.approx(expected, abs=1e-10)


def test_iou_agrees_with_counting_points():
    rng = np.random.default_rng(7)
    for _ in range(10):
        a, b = random_box(rng, 0.2), random_box(rng, 0.2)
        inside = g.transform_points(rng.uniform(-0.5, 0.5, (200_000, 3)) * a.size, g.similarity(a.rotation, a.centre))
        share = g.points_in_box(inside, b).mean()
        assert g.intersection_volume(a, b) / np.prod(a.size) == pytest.approx(share, abs=0.006)


def test_iou_of_a_flat_box_is_zero():
    assert g.box_iou(cube(0, 0, 0), Box(np.zeros(3), np.array([1.0, 1, 0]), np.eye(3))) == 0


def test_clearance_of_known_places():
    a = cube(0, 0, 0)
    assert g.clearance(a, cube(1.5, 0, 0)) == pytest.approx(0.5)
    assert g.clearance(a, cube(2, 2, 0)) == pytest.approx(np.sqrt(2))
    assert g.clearance(a, cube(2, 2, 2)) == pytest.approx(np.sqrt(3))
    assert g.clearance(a, cube(0.9, 0.2, 0)) == pytest.approx(-0.1)
    assert g.clearance(a, cube(1, 0, 0)) == pytest.approx(0, abs=1e-12)
    # Edge against edge, crossed at right angles: half a diagonal from each.
    roll, pitch = g.axis_angle([1, 0, 0], np.pi / 4), g.axis_angle([0, 1, 0], np.pi / 4)
    crossed = g.clearance(cube(0, 0, 0, rotation=roll), cube(0, 0, 2, rotation=pitch))
    assert crossed == pytest.approx(2 - np.sqrt(2))


@given(seeds)
def test_clearance_is_what_moving_closer_takes(seed):
    rng = np.random.default_rng(seed)
    a, b = random_box(rng, 1.0), random_box(rng, 1.0)
    gap = g.clearance(a, b)
    assert g.clearance(b, a) == pytest.approx(gap, abs=1e-9)
    # Distance is 1-Lipschitz in a shift, and no sampled pair of points is nearer than it says.
    shift = rng.normal(size=3) * 0.1
    moved = g.clearance(a, Box(b.centre + shift, b.size, b.rotation))
    assert abs(moved - gap) <= np.linalg.norm(shift) + 1e-9
    if gap > 0:
        ours, theirs = (
            g.transform_points(rng.uniform(-0.5, 0.5, (60, 3)) * box.size, g.similarity(box.rotation, box.centre))
            for box in (a, b)
        )
        assert np.linalg.norm(ours[:, None] - theirs[None], axis=-1).min() >= gap - 1e-9
        grown = [Box(box.centre, box.size + 2 * gap, box.rotation) for box in (a, b)]
        assert g.clearance(grown[0], b) <= 1e-9
        assert g.clearance(a, grown[1]) <= 1e-9


@given(seeds)
def test_clearance_parts_overlapping_boxes(seed):
    rng = np.random.default_rng(seed)
    a, b = random_box(rng, 0.2), random_box(rng, 0.2)
    depth = -g.clearance(a, b)
    assume(depth > 1e-6)
    directions = rng.normal(size=(20, 3))
    for direction in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        nearly = Box(b.centre + 0.999 * depth * direction, b.size, b.rotation)
        assert g.clearance(a, nearly) < 0  # nothing shorter than the depth can part them


@given(seeds)
def test_footprints_against_shapely(seed):
    shapely = pytest.importorskip("shapely")
    rng = np.random.default_rng(seed)
    a, b = random_box(rng, 1.0), random_box(rng, 1.0)
    outline_a, outline_b = (shapely.MultiPoint(g.corners(box)[:, :2]).convex_hull for box in (a, b))
    assert shapely.Polygon(g.footprint(a)).symmetric_difference(outline_a).area < 1e-9
    assert shapely.Polygon(g.footprint(a)).exterior.is_ccw
    apart = outline_a.distance(outline_b)
    assert max(g.footprint_clearance(a, b), 0) == pytest.approx(apart, abs=1e-9)
    assert g.overlap_xy(a, b) == (outline_a.intersection(outline_b).area > 1e-12)
    assert g.overlap_xy(a, b, clearance=0.2) == (apart < 0.2)


def test_convex_outline_of_few_or_aligned_points():
    square = [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5], [0.5, 0], [1, 1]]
    np.testing.assert_array_equal(g.convex_outline(square), [[0, 0], [1, 0], [1, 1], [0, 1]])
    assert len(g.convex_outline([[0, 0], [1, 1], [2, 2], [3, 3]])) == 2
    assert len(g.convex_outline([[0.5, 0.5], [0.5, 0.5]])) == 1


def test_footprint_of_an_upright_box_has_four_corners():
    assert g.footprint(Box(np.zeros(3), np.array([1.0, 2, 3]), g.rotation_z(0.3))).shape == (4, 2)
    assert not g.overlap_xy(cube(0, 0, 0), cube(1, 0, 5))  # they touch
    assert g.overlap_xy(cube(0, 0, 0), cube(0.99, 0, 5))  # whatever the height


@given(seeds)
def test_box2d_bounds_what_of_the_box_is_in_view(seed):
    rng = np.random.default_rng(seed)
    camera, box = random_camera(rng), random_box(rng, 1.5)
    frame = g.box2d(box, camera)
    points = g.transform_points(rng.uniform(-0.5, 0.5, (3000, 3)) * box.size, g.similarity(box.rotation, box.centre))
    uv, depth = g.project(points, camera)
    seen = uv[(depth > g.NEAR) & np.all((uv >= 0) & (uv < [640, 480]), axis=1)]
    if len(seen):
        assert frame is not None
        assert (seen >= frame[:2] - 1e-9).all()
        assert (seen <= frame[2:] + 1e-9).all()
    if frame is not None:
        assert (frame >= 0).all()
        assert (frame <= [640, 480, 640, 480]).all()


def test_box2d_of_what_is_behind_or_beside_the_camera_is_none():
    camera = Camera(g.intrinsics_from_fov(0.9, 64, 64), g.look_at([0, 0, 0], [0, 1, 0]), 64, 64)
    assert g.box2d(cube(0, -3, 0), camera) is None
    assert g.box2d(cube(30, 3, 0), camera) is None
    around = g.box2d(cube(0, 0, 0), camera)
    assert around is not None
    np.testing.assert_allclose(around, [0, 0, 64, 64])
