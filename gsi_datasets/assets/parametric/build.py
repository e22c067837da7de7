"""What every family has in common: how an object is put together from meshes, hulls and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, Receptacle
from gsi_datasets.assets.parametric.primitives import Mesh, along, arc
from gsi_datasets.assets.parametric.words import Words


Array = NDArray[np.float64]

# A family makes one object from its asset id and a generator of its own.
Family = Callable[[str, np.random.Generator], Asset]

# Kilograms per cubic metre of mesh volume.
CERAMIC, GLASS, WOOD, PAPER, PLASTIC, FRUIT, METAL, CARDBOARD = (
    2200.0,
    2400.0,
    650.0,
    700.0,
    1000.0,
    900.0,
    4000.0,
    180.0,
)


def assemble(
    asset_id: str,
    category: str,
    words: Words,
    parts: Sequence[tuple[Mesh, Material]],
    hulls: Sequence[Array],
    *,
    density: float,
    symmetry: int = 1,
    receptacle: Receptacle | None = None,
    kind: str = "tabletop",
    shelves: Sequence[Receptacle] = (),
) -> Asset:
    """Put an object together, its origin at the bottom centre of its bounding box.

    Args:
        asset_id: its id.
        category: a key of `vocabulary.CATEGORIES`.
        words: caption and colour.
        parts: meshes standing on z = 0, and their surfaces.
        hulls: convex pieces in the same frame.
        density: kilograms per cubic metre of the meshes' volume; liquids and air inside are averaged in.
        symmetry: see `AssetInfo`.
        receptacle: in the same frame.
        kind: see `AssetInfo`.
        shelves: see `AssetInfo`; in the same frame.
    """
    points = np.concatenate([mesh.vertices for mesh, _ in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    shift = -np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])

    def moved(place: Receptacle) -> Receptacle:
        x, y = place.centre
        return replace(place, centre=(float(x + shift[0]), float(y + shift[1])))

    mass = density * sum(mesh.volume() for mesh, _ in parts)
    info = AssetInfo(
        id=asset_id,
        category=category,
        caption=words.en,
        caption_zh=words.zh,
        size=tuple(float(length) for length in high - low),  # type: ignore[arg-type]
        kind=kind,
        symmetry=symmetry,
        mass=float(np.clip(round(mass, 3), 0.02, None)),
        receptacle=moved(receptacle) if receptacle else None,
        color=words.color,
        name=words.en,
        shelves=tuple(moved(place) for place in shelves),
    )
    drawn = tuple(mesh.moved(*shift).part(material) for mesh, material in parts)
    return Asset(info, drawn, tuple(points + shift for points in hulls))


@dataclass(frozen=True, eq=False)
class Shell:
    """The cross-section of a hollow turned thing.

    Attributes:
        profile: (P, 2) closed outline for `primitives.lathe`.
        outer: (K, 2) outside from the ground up, for collisions.
        inner: (L, 2) inside from the floor up, for collisions.
        wall: v range of the outside in the texture.
        inside: v range of the inside, from the rim down to the middle of the floor.
    """

    profile: Array
    outer: Array
    inner: Array
    wall: tuple[float, float]
    inside: tuple[float, float]

    def v_at(self, height: float) -> float:
        """Texture v of the outside at a height, metres."""
        count = len(self.outer)
        return float(np.interp(height, self.outer[:, 1], along(self.profile)[1 : 1 + count]))


def shell(outer: Array, thickness: float, floor: float) -> Shell:
    """Hollow out a turned shape.

    Args:
        outer: (K, 2) outside of (radius, z), z rising from 0 to the rim.
        thickness: of the wall, metres.
        floor: height of the flat inner floor, metres.
    """
    step = np.gradient(outer, axis=0)
    inward = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.linalg.norm(step, axis=1, keepdims=True)
    inside = outer + thickness * inward
    # The rim is a half circle between the two walls.
    middle = outer[-1] + 0.5 * thickness * inward[-1]
    start = np.arctan2(-inward[-1, 1], -inward[-1, 0])
    rim = arc(middle, 0.5 * thickness, start, start + np.pi, 4)[1:]
    radius = float(np.interp(floor, inside[:, 1], inside[:, 0]))
    inside = np.concatenate(
        [[[radius, floor]], inside[(inside[:, 1] > floor + 1e-4) & (inside[:, 1] < rim[-1, 1] - 1e-6)]]
    )
    inside = np.concatenate([inside, rim[-1:]])
    profile = np.concatenate([[[0.0, 0.0]], outer, rim[:-1], inside[::-1], [[0.0, floor]]])
    v = along(profile)
    top = float(rim[:, 1].max())
    outer_hull = np.concatenate([outer, rim[:-1][np.argmax(rim[:-1, 1])][None]])
    inner_hull = np.concatenate([inside[:-1], [[rim[-1, 0], top]]])
    return Shell(profile, outer_hull, inner_hull, (float(v[1]), float(v[len(outer)])), (float(v[len(outer) + 2]), 1.0))


def dish(section: Shell, relation: str) -> Receptacle:
    """The flat floor of a hollow turned thing as a place to put things."""
    radius, floor = section.inner[0]
    return Receptacle(relation, float(floor), (float(radius), float(radius)), True, float(section.inner[-1, 1]))
