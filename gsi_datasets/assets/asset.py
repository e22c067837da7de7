"""What an asset is: a mesh with metric size, a shape for physics, words for it, and whom to thank."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Material:
    """Surface look, in the terms all renderers share.

    Attributes:
        color: sRGB in [0, 1]; multiplies the texture where there is one.
        texture: (H, W, 3) uint8 sRGB, row 0 at the top (v = 1); None for plain colour.
        roughness: 0 mirror to 1 matt.
        metallic: 0 or 1.
        opacity: 1 opaque; below that glass-like.
        emission: share of its own colour that it shows without any light on it: a window's view, a screen.
    """

    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    texture: NDArray[np.uint8] | None = None
    roughness: float = 0.6
    metallic: float = 0.0
    opacity: float = 1.0
    emission: float = 0.0


@dataclass(frozen=True, eq=False)
class MeshPart:
    """Triangles of one material, in the asset's frame.

    Attributes:
        vertices: (V, 3) float32, metres.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        normals: (V, 3) float32 unit, per vertex (duplicate vertices at creases).
        uvs: (V, 2) float32, (0, 0) at the texture's bottom left.
        material: its surface.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    uvs: NDArray[np.float32]
    material: Material


@dataclass(frozen=True)
class Receptacle:
    """Where things can be put on or into an asset, in its own unscaled frame.

    Attributes:
        relation: ``in`` (bowl, basket) or ``on`` (plate, tray, table).
        floor: height of the surface things rest on, metres.
        half_extents: half the usable flat area along x and y, metres.
        round: the area is the inscribed ellipse of `half_extents`, not the rectangle.
        rim: height of the rim above the asset's origin, metres (equal to `floor` for flat tops).
        centre: x and y of the middle of the area, metres (a pan's is not the middle of its bounding box).
        headroom: free height above the floor, metres; a shelf has another one over it.
    """

    relation: str
    floor: float
    half_extents: tuple[float, float]
    round: bool
    rim: float
    centre: tuple[float, float] = (0.0, 0.0)
    headroom: float = float("inf")


@dataclass(frozen=True)
class Room:
    """One room of a structure that is not ours, in the structure's frame.

    Attributes:
        name: unique in the structure, matches `[a-z0-9_-]+`, e.g. ``room_4``.
        kind: what sort of room, e.g. ``kitchen``; ``room`` if that is not known.
        middle: x and y of the middle of its bounding rectangle, metres.
        size: extents of that rectangle and the height of the room, metres.
        outline: (N, 2) corners of its floor in order, a simple polygon, metres; empty if it is the rectangle.
        windows: x and y of each window, from the middle, metres.
    """

    name: str
    kind: str
    middle: tuple[float, float]
    size: tuple[float, float, float]
    outline: tuple[tuple[float, float], ...] = ()
    windows: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class AssetInfo:
    """What is known of an asset without loading its mesh.

    Attributes:
        id: ``pack/<slug>`` for converted models, ``param/<family>/<seed>`` for generated ones.
        category: common noun, lower case, from `assets.vocabulary`.
        caption: short English noun phrase without article.
        caption_zh: the same in Chinese.
        size: full extents x, y, z of the bounding box, metres (z up, front towards -y).
        kind: ``tabletop``, ``furniture`` or ``structure`` (room shells).
        symmetry: order of rotational symmetry about the vertical, of shape and look: 1 none, n n-fold, 0 any angle.
        mass: kilograms.
        receptacle: where things can be put, if anywhere; of several places the one people would name first.
        shelves: its other places: the boards of a bookcase, the basin beside a counter's top, the floors of other
            rooms of a home.
        color: dominant colour word in English, e.g. ``red``; empty if none.
        name: the source's own name of the model.
        author: whom to credit.
        licence: SPDX identifier, e.g. ``CC0-1.0``, ``CC-BY-3.0``, ``Apache-2.0`` (generated here).
        source: where it comes from, human readable.
    """

    id: str
    category: str
    caption: str
    caption_zh: str
    size: tuple[float, float, float]
    kind: str = "tabletop"
    symmetry: int = 1
    mass: float = 0.3
    receptacle: Receptacle | None = None
    color: str = ""
    name: str = ""
    author: str = "gsi-bench"
    licence: str = "Apache-2.0"
    source: str = "gsi-bench parametric"
    shelves: tuple[Receptacle, ...] = ()

    @property
    def places(self) -> tuple[Receptacle, ...]:
        """Every place where things can be put, the main one first."""
        return ((self.receptacle,) if self.receptacle else ()) + self.shelves


@dataclass(frozen=True, eq=False)
class Asset:
    """An asset with its geometry.

    Attributes:
        info: the facts.
        parts: what is drawn.
        hulls: convex pieces for collisions, each (N, 3) float64 corner points in the asset's frame, metres.
        rooms: of a structure that is not ours, the main one first; see `gsi_datasets.rooms.rooms_of`.
    """

    info: AssetInfo
    parts: tuple[MeshPart, ...]
    hulls: tuple[NDArray[np.float64], ...] = field(default=())
    rooms: tuple[Room, ...] = ()

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(3,) lowest and (3,) highest corner of the mesh in the asset's frame, metres."""
        points = np.concatenate([part.vertices for part in self.parts]).astype(np.float64)
        return points.min(axis=0), points.max(axis=0)
