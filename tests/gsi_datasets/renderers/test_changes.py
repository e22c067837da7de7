"""Rays that a change can touch, and the pieces that meshes are cut into for ray tracers."""

from dataclasses import replace

import numpy as np
import pytest

from gsi_datasets.renderers.changes import changed_boxes, may_touch
from gsi_datasets.renderers.mjscene import split
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Box, Scene
from tests.gsi_datasets.renderers import toys


def seen(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit directions of the rays, distances to what they hit, and ids."""
    camera = scene.camera
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.intrinsics).T @ camera.extrinsics[:3, :3]
    lengths = np.linalg.norm(rays, axis=-1)
    layers = RayCaster(toys.lookup).layers(scene)
    directions = (rays / lengths[..., None]).reshape(-1, 3).T.astype(np.float32)
    return directions, (layers.depth * lengths).ravel().astype(np.float32), layers.instances.ravel()


def test_what_changed_is_found_by_value() -> None:
    scene = toys.tabletop(64)
    same = replace(scene, objects=tuple(replace(item, position=item.position.copy()) for item in scene.objects))
    assert changed_boxes(scene, same) == []
    assert len(changed_boxes(scene, scene.without("can_5")) or []) == 1
    assert len(changed_boxes(scene.without("can_5"), scene) or []) == 1
    moved = replace(scene["mug_2"], position=scene["mug_2"].position + np.array([0.1, 0.0, 0.0]))
    assert len(changed_boxes(scene, scene.with_objects([moved])) or []) == 2
    assert changed_boxes(scene, replace(scene, ambient=(0.1, 0.1, 0.1))) is None
    assert changed_boxes(scene, replace(scene, camera=scene.camera.resized(32, 32))) is None


def test_every_ray_that_sees_the_change_is_touched() -> None:
    scene = toys.tabletop(128)
    for name in ("carton_4", "glass_7", "ball_8"):
        boxes = changed_boxes(scene, scene.without(name))
        assert boxes is not None
        directions, reach, ids = seen(scene)
        _, reach_without, ids_without = seen(scene.without(name))
        differs = (ids != ids_without) | (reach != reach_without)
        eye = scene.camera.position
        # With the object gone or there: which of the two is known must not matter.
        for known in (reach, reach_without):
            touched = may_touch(boxes, eye, directions, known, [])
            assert differs.any()
            assert touched[differs].all()
            assert touched.mean() < 0.2


def test_shadows_of_the_change_are_touched() -> None:
    eye = np.array([0.0, 0.0, 2.0])
    ground = np.array([[x, 0.0, 0.0] for x in np.linspace(-2, 2, 81)])
    offsets = ground - eye
    lengths = np.linalg.norm(offsets, axis=1)
    box = Box(np.array([0.0, 0.0, 1.0]), np.array([0.2, 0.2, 0.2]), np.eye(3))
    arguments = [box], eye, (offsets / lengths[:, None]).T.astype(np.float32), lengths.astype(np.float32)
    bare = may_touch(*arguments, [])
    # Seen from 2 m up, a box of 0.2 m at 1 m hides what is within 0.2 m or a little more: its upper side is nearer.
    assert bare[np.abs(ground[:, 0]) < 0.2].all()
    assert not bare[np.abs(ground[:, 0]) > 0.27].any()
    lamp = np.array([-2.0, 0.0, 2.0])
    shaded = may_touch(*arguments, [lamp]) & ~bare
    # The lamp's shadow falls around x = 2.
    assert shaded[ground[:, 0] > 1.7].all()
    assert not shaded[ground[:, 0] < 1.4].any()


def test_rays_that_hit_nothing_are_touched_by_what_comes_before_them() -> None:
    box = Box(np.array([0.0, 0.0, 5.0]), np.array([1.0, 1.0, 1.0]), np.eye(3))
    directions = np.array([[0, 0, 1], [0, 0, -1], [1, 0, 0]], dtype=np.float32).T
    touched = may_touch([box], np.zeros(3), directions, np.zeros(3, dtype=np.float32), [np.array([0.0, 0.0, 9.0])])
    assert touched.tolist() == [True, False, False]


@pytest.mark.parametrize("name", ["table", "mug", "cube"])
def test_pieces_make_up_the_whole(name: str) -> None:
    for part in toys.lookup(name).parts:
        pieces = split(part)
        found = np.concatenate([piece.vertices[piece.faces] for piece in pieces])
        wanted = part.vertices[part.faces]
        assert sorted(map(bytes, found)) == sorted(map(bytes, wanted))
        assert sum(len(piece.vertices) for piece in pieces) >= len(part.vertices)


def test_what_runs_around_a_room_is_cut_into_its_sides() -> None:
    boards = [
        toys.box_part((4.0, 0.02, 0.1), toys.Material(), (0.0, y, 0.0)).vertices.reshape(-1, 4, 3) for y in (-2.0, 2.0)
    ] + [
        toys.box_part((0.02, 4.0, 0.1), toys.Material(), (x, 0.0, 0.0)).vertices.reshape(-1, 4, 3) for x in (-2.0, 2.0)
    ]
    pieces = split(toys.quads(np.concatenate(boards).astype(float), toys.Material()))
    assert len(pieces) >= 4
    for piece in pieces:
        assert np.ptp(piece.vertices, axis=0)[:2].min() <= 0.021
    assert len(split(toys.lookup("mug").parts[0])) == 1
