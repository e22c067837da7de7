"""Rooms of structures: rectangles and other outlines."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Room
from gsi_datasets.assets.parametric.homes import home_plan
from gsi_datasets.rooms import beyond, holds, rooms_of


# An L: 4 x 4 m without its upper right quarter.
ELL = Room("room_1", "room", (2.0, 2.0), (4.0, 4.0, 2.5), ((0, 0), (4, 0), (4, 2), (2, 2), (2, 4), (0, 4)))
SQUARE = Room("room_2", "room", (2.0, 2.0), (4.0, 4.0, 2.5))


def test_points_over_a_floor_with_corners() -> None:
    points = np.array([(1, 1), (3, 1), (1, 3), (3, 3), (-0.1, 1), (1.9, 1.9), (2.2, 1.9), (3.9, 1.0)], dtype=float)
    assert holds(ELL, points).tolist() == [True, True, True, False, False, True, True, True]
    assert holds(ELL, points, 0.25).tolist() == [True, True, True, False, False, False, False, False]
    assert holds(SQUARE, points).tolist() == [True] * 4 + [False] + [True] * 3
    rng = np.random.default_rng(1)
    many = rng.uniform(-1, 5, (4000, 2))
    inside = ((many >= 0) & (many <= 4)).all(axis=1) & ~(many > 2).all(axis=1)
    assert (holds(ELL, many) == inside).all()


def test_how_far_a_point_lies_outside() -> None:
    assert beyond(ELL, np.array([1.0, 1.0])) == beyond(SQUARE, np.array([3.0, 3.0])) == 0
    assert np.isclose(beyond(ELL, np.array([3.0, 2.5])), 0.5)
    assert np.isclose(beyond(SQUARE, np.array([4.5, -1.0])), 1.5)


def test_rooms_of_homes_are_those_of_their_plans_and_a_backdrop_is_one() -> None:
    home = "param/home_kitchen/3"
    assert rooms_of(home) == home_plan(home).rooms
    (room,) = rooms_of("param/room/5")
    points = np.array([(0.0, 0.0), (room.size[0] / 2 - 0.1, 0.0), (room.size[0] / 2 + 0.1, 0.0)])
    assert holds(room, points).tolist() == [True, True, False]
