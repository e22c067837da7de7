"""Leaves: thin curved blades on stems, many at once."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import Array
from gsi_datasets.assets.parametric.finishes import WHITE
from gsi_datasets.assets.parametric.primitives import Mesh, merge, shade, tube
from gsi_datasets.assets.parametric.words import named


def blades(
    root: Array,
    heading: Array,
    pitch: Array,
    length: Array,
    width: Array,
    droop: Array,
    fold: float,
    shape: tuple[float, float],
    steps: int = 7,
) -> Mesh:
    """Leaves as folded strips, a hair thick; texture u across, v from stalk to tip.

    Args:
        root: (L, 3) where they start, metres.
        heading: (L,) direction seen from above, radians.
        pitch: (L,) how steeply they start, radians above level.
        length: (L,) metres.
        width: (L,) metres.
        droop: (L,) how far the tip has bent down from the start's pitch, radians.
        fold: how far the edges stand above the midrib, as a share of half the width.
        shape: where the widest point lies (0 stalk to 1 tip) and how blunt the tip is (1 pointed, 0.3 round).
        steps: pieces along.
    """
    count = len(root)
    t = np.linspace(0.0, 1.0, steps + 1)
    angle = pitch[:, None] - droop[:, None] * (t[None, :-1] + 0.5 / steps)
    step = length[:, None] / steps
    out = np.concatenate([np.zeros((count, 1)), np.cumsum(step * np.cos(angle), axis=1)], axis=1)
    up = np.concatenate([np.zeros((count, 1)), np.cumsum(step * np.sin(angle), axis=1)], axis=1)
    widest, blunt = shape
    growing = np.sin(0.5 * np.pi * np.minimum(t / widest, 1.0)) ** 0.8
    half = growing * (1 - np.maximum((t - widest) / (1 - widest), 0.0) ** (1 / blunt + 0.6))
    half = 0.5 * width[:, None] * half
    lean = np.concatenate([angle[:, :1], 0.5 * (angle[:, 1:] + angle[:, :-1]), angle[:, -1:]], axis=1)
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    middle = np.stack([out * cos, out * sin, up], axis=2) + root[:, None]
    across = np.stack([-sin, cos, np.zeros_like(sin)], axis=2)
    above = np.stack([-np.sin(lean) * cos, -np.sin(lean) * sin, np.cos(lean)], axis=2)
    raised = middle + fold * half[..., None] * above
    # The sides meet at the edges and stand apart at the midrib: rays would see the wrong side of a bare sheet.
    left, right = raised - half[..., None] * across, raised + half[..., None] * across
    thick = 0.0008 * np.minimum(half / half.max(axis=1, keepdims=True) * 2, 1.0)[..., None] * above
    points = np.stack([left, middle + thick, right, middle - thick], axis=2)
    u = np.array([0.0, 0.5, 1.0, 0.5])[None, None]
    uvs = np.stack(np.broadcast_arrays(u, t[None, :, None] * np.ones((count, 1, 1))), axis=3)
    index = np.arange(count * (steps + 1) * 4).reshape(count, steps + 1, 4)
    near, far = index[:, :-1], index[:, 1:]
    a, b, c, d = near, np.roll(near, -1, axis=2), np.roll(far, -1, axis=2), far
    faces = np.concatenate([np.stack([a, c, b], axis=-1).reshape(-1, 3), np.stack([a, d, c], axis=-1).reshape(-1, 3)])
    return shade(points.reshape(-1, 3), faces, uvs.reshape(-1, 2), np.radians(30.0))


def leaf_texture(rng: np.random.Generator, kind: str) -> textures.Texture:
    """Green with a lighter midrib, banded for upright blades; now and then with pale edges."""
    green = np.array(named(rng, "green").rgb) * (0.95, 1.0, 0.75)
    if kind == "rosette":
        green = 0.3 * green + 0.7 * np.array([0.70, 0.84, 0.64])
    image: Array = np.broadcast_to(green, (128, 32, 3))
    across = np.abs((np.arange(32) + 0.5) / 16 - 1)[None, :, None]
    v = (1 - (np.arange(128) + 0.5) / 128)[:, None, None]
    pale = np.array([0.72, 0.80, 0.48])
    if kind == "upright":
        bands = 0.5 + 0.5 * np.sin(2 * np.pi * (v * 9 + 0.25 * textures.noise(rng, 128, 32, 8, 4)[..., None]))
        image = image * (1 - 0.35 * bands)
        if rng.random() < 0.5:
            image = np.where(across > 0.72, pale, image)
    else:
        veins = np.clip(np.cos(2 * np.pi * (v * 8 - 0.9 * across)), 0.75, 1.0) - 0.75
        image = image * (1 + 0.35 * veins)
        rib = np.clip(1.0 - across / 0.10, 0, 1)
        image = image * (1 - 0.45 * rib) + 0.45 * rib * pale
    if kind == "rosette":
        image = image * (1 - 0.5 * v**4) + 0.5 * v**4 * np.array([0.75, 0.35, 0.38])
    return textures.to_texture(image * (0.85 + 0.2 * v))


def foliage(rng: np.random.Generator, kind: str, radius: float, soil: float) -> tuple[Mesh, Material, Array]:
    """All leaves of a plant.

    Args:
        rng: source of chance.
        kind: ``upright``, ``arching``, ``rosette`` or ``bushy``.
        radius: of the ground they may grow from, metres.
        soil: its height, metres.

    Returns:
        The leaves, their surface, and the corners of a convex piece around them, (P, 3), for collisions.
    """

    def turns(count: int) -> Array:
        # The golden angle spreads leaves evenly, however many.
        return np.arange(count) * 2.39996 + rng.uniform(-0.25, 0.25, count)

    size = rng.uniform(0.85, 1.2)
    if kind == "upright":
        count = int(rng.integers(9, 15))
        heading, away = turns(count), np.sqrt(np.linspace(0.02, 0.7, count))
        root = np.column_stack(
            [0.75 * radius * away * np.cos(heading), 0.75 * radius * away * np.sin(heading), np.full(count, soil)]
        )
        length = size * rng.uniform(0.12, 0.24, count) * (1 - 0.3 * away)
        mesh = blades(
            root,
            heading,
            1.5 - 0.25 * away,
            length,
            rng.uniform(0.022, 0.03, count),
            rng.uniform(-0.1, 0.2, count),
            0.45,
            (0.35, 0.9),
            8,
        )
    elif kind == "arching":
        count = int(rng.integers(26, 38))
        heading, away = turns(count), np.linspace(0.0, 1.0, count)
        root = np.column_stack(
            [0.35 * radius * away * np.cos(heading), 0.35 * radius * away * np.sin(heading), np.full(count, soil)]
        )
        length = size * rng.uniform(0.12, 0.18, count)
        mesh = blades(
            root,
            heading,
            1.5 - 0.6 * away,
            length,
            rng.uniform(0.010, 0.016, count),
            0.5 + 1.25 * away,
            0.3,
            (0.3, 1.0),
            9,
        )
    elif kind == "rosette":
        count = int(rng.integers(26, 40))
        heading, away = turns(count), np.linspace(0.05, 1.0, count)
        root = np.column_stack(
            [0.2 * radius * away * np.cos(heading), 0.2 * radius * away * np.sin(heading), soil + 0.022 * (1 - away)]
        )
        length = size * radius * (0.55 + 0.85 * away)
        mesh = blades(
            root,
            heading,
            1.45 - 1.15 * away,
            length,
            0.42 * length + 0.004,
            np.full(count, -0.35),
            0.5,
            (0.66, 0.4),
            6,
        )
    else:
        stems, per = int(rng.integers(6, 9)), 6
        heading = turns(stems)
        tilt = np.concatenate([[0.08], rng.uniform(0.2, 0.62, stems - 1)])
        tall = size * rng.uniform(0.10, 0.17, stems)
        rods, roots, ways, pitches = [], [], [], []
        for k in range(stems):
            direction = np.array(
                [np.sin(tilt[k]) * np.cos(heading[k]), np.sin(tilt[k]) * np.sin(heading[k]), np.cos(tilt[k])]
            )
            start = np.array([0.3 * radius * np.cos(heading[k]), 0.3 * radius * np.sin(heading[k]), soil - 0.002])
            rods.append(tube([start, start + tall[k] * direction], [0.0022, 0.0012], 6, up=(1.0, 0.3, 0.0)))
            share = np.linspace(0.42, 1.0, per)
            roots.append(start + (tall[k] * share)[:, None] * direction)
            ways.append(heading[k] + np.arange(per) * 2.39996)
            pitches.append(np.linspace(0.35, 1.0, per))
        count = stems * per
        length = size * rng.uniform(0.042, 0.065, count)
        mesh = blades(
            np.concatenate(roots),
            np.concatenate(ways),
            np.concatenate(pitches),
            length,
            0.62 * length,
            rng.uniform(0.6, 1.1, count),
            0.25,
            (0.45, 0.6),
            6,
        )
        mesh = merge(mesh, *(rod.painted((0.02, 0.3, 0.1, 0.6)) for rod in rods))
    low = float(mesh.vertices[:, 2].min())
    if low < 0.3 * soil:
        # Leaves that hang down stop above the ground.
        z = mesh.vertices[:, 2]
        mesh = mesh.bent(np.column_stack([mesh.vertices[:, :2], np.maximum(z, 0.3 * soil)]), np.radians(30.0))
    return mesh, Material(WHITE, leaf_texture(rng, kind), roughness=0.6), _outermost(mesh.vertices)


def _outermost(points: Array) -> Array:
    """Of many points, (N, 3), those that lie farthest out in some direction; the axes are among the directions."""
    count = 90
    z = 1 - (2 * np.arange(count) + 1) / count
    angle = np.arange(count) * 2.39996
    spread = np.column_stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])
    directions = np.concatenate([np.eye(3), -np.eye(3), spread])
    return points[np.unique(np.argmax(points @ directions.T, axis=0))]
