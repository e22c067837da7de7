"""Tabletops of MesaTask-10K: published layouts with their own meshes, in the embedded simulator.

    Layout_info/<table type>/<table type>_NNNN/layout.json
    Assets_library/<uid>.glb
    Asset_annotation.json            {uid: {"category", "detailed_caption", ...}}

A layout is in centimetres, z up, seen from -y: x to the right, y away, the table's top at z = 0. An object stands by
the middle of its box, its size is meant before the turn, its rotation is x y z w; the mesh is stretched by
axis to the size. Here the table is a slab on legs, in the middle of a generated room.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gsi_datasets import assets
from gsi_datasets.assets import imported
from gsi_datasets.assets.asset import Asset, AssetInfo, Receptacle
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.vocabulary import noun
from gsi_datasets.geometry import corners, look_at, matrix_from_quaternion
from gsi_datasets.scene import Camera, Scene, SceneObject
from gsi_datasets.worlds import surroundings
from gsi_datasets.worlds.described import read
from gsi_datasets.worlds.specs import MesaTaskWorld, WorldError


Array = NDArray[np.float64]
CM = 0.01
ENLARGED = (1.0, 2.0)
"""The placement zone grows by such a factor by axis, before anything else (GSI-Bench, MesaTask generation)."""
TOP, SLAB, LEG = 0.75, 0.03, 0.06
"""Height of the table's top, thickness of its slab and of its legs, metres."""
# The front view of the published renderings: direction to the camera, lens over sensor, distance over the extent.
FRONT, FOCAL, AWAY, NEAREST = np.array([0.0, -1.0, 0.6]), 50 / 36, 1.5, 0.2
LONGEST_CAPTION = 8  # words; longer ones describe rather than name
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e5, le=1e5)]
UID = r"^[A-Za-z0-9_-]{1,80}$"


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class LayoutObject(_Read):
    """One object of a layout: centimetres; `rotation` is x y z w."""

    instance: str = Field(min_length=1)
    retrieved_uid: str = Field(pattern=UID)
    position: tuple[Finite, Finite, Finite]
    size: tuple[
        Annotated[float, Field(gt=0, le=1e5)],
        Annotated[float, Field(gt=0, le=1e5)],
        Annotated[float, Field(gt=0, le=1e5)],
    ]
    rotation: tuple[Finite, Finite, Finite, Finite]

    @model_validator(mode="after")
    def _turned(self) -> LayoutObject:
        if not 0.9 < float(np.linalg.norm(self.rotation)) < 1.1:
            raise ValueError(f"rotation {self.rotation} is no unit quaternion x y z w")
        return self


class Layout(_Read):
    """A published layout; `item_placement_zone` is xmin, xmax, ymin, ymax in centimetres."""

    item_placement_zone: tuple[Finite, Finite, Finite, Finite]
    objects: tuple[LayoutObject, ...] = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _flat(self) -> Layout:
        xmin, xmax, ymin, ymax = self.item_placement_zone
        if xmax <= xmin or ymax <= ymin:
            raise ValueError("item_placement_zone must be xmin, xmax, ymin, ymax with each minimum below its maximum")
        return self


def read_layout(path: Path) -> Layout:
    """The layout of a file.

    Raises:
        SceneError: it cannot be read; names the file, the field and what is wrong.
    """
    return read(Layout, path, "download the layout again")


def enlarged(layout: Layout, factors: tuple[float, float]) -> Layout:
    """The layout on a table that is larger by a factor along x and y: it grows from its near left corner, and all
    objects go along by half of the growth, so that they stay in the middle."""
    xmin, xmax, ymin, ymax = layout.item_placement_zone
    growth = ((xmax - xmin) * (factors[0] - 1), (ymax - ymin) * (factors[1] - 1))
    moved = tuple(
        item.model_copy(
            update={"position": (item.position[0] + growth[0] / 2, item.position[1] + growth[1] / 2, item.position[2])}
        )
        for item in layout.objects
    )
    zone = (xmin, xmax + growth[0], ymin, ymax + growth[1])
    return layout.model_copy(update={"item_placement_zone": zone, "objects": moved})


def compose(
    name: str, world: MesaTaskWorld, number: int, image_size: int, rng: np.random.Generator, *, held_out: bool
) -> Scene:
    """A published layout on an enlarged table, not yet at rest.

    Args:
        name: of the scene.
        world: where the data set is.
        number: of the layout, among those of the split; after the last comes the first again, on another table.
        image_size: width and height, pixels.
        rng: the only source of chance.
        held_out: whether a split other than ``train`` is made.

    Raises:
        WorldError: the folder is not one of MesaTask-10K.
        SceneError, AssetError: the layout or one of its meshes cannot be used.
    """
    root = world.path()
    found = {path.parent.name: path for path in sorted(root.glob("Layout_info/*/*/layout.json"))}
    if not found:
        raise WorldError(
            f"{root}: holds no Layout_info/<type>/<scene>/layout.json; gsi-bench doctor says how to get it"
        )
    names = world.scenes_of(list(found), held_out)
    layout = read_layout(found[names[number % len(names)]])
    factors = rng.uniform(*ENLARGED, 2)
    layout = enlarged(layout, (float(factors[0]), float(factors[1])))
    _mount(root)
    table, items = _table(layout), _objects(layout, root)
    around = surroundings.around([table, *items], rng, margin=0.6)
    lights, ambient = surroundings.light([table, *items], around, rng)
    return Scene(name, (*around.objects, table, *items), front_camera(items, image_size), lights, ambient)


def front_camera(items: list[SceneObject], image_size: int) -> Camera:
    """The published front view, on the things: a 50 mm lens on a 36 mm sensor, 1.5 times their extent away."""
    points = np.concatenate([corners(item.box) for item in items])
    low, high = points.min(axis=0), points.max(axis=0)
    centre, away = (low + high) / 2, max(AWAY * float((high - low).max()), NEAREST)
    position = centre + away * FRONT / np.linalg.norm(FRONT)
    focal = FOCAL * image_size
    intrinsics = np.array([[focal, 0, image_size / 2], [0, focal, image_size / 2], [0, 0, 1.0]])
    return Camera(intrinsics, look_at(position, centre), image_size, image_size)


def _objects(layout: Layout, root: Path) -> list[SceneObject]:
    """The things of a layout about the middle of its table, named by their nouns and numbered from 2."""
    xmin, xmax, ymin, ymax = layout.item_placement_zone
    origin = np.array([(xmin + xmax) / 2, (ymin + ymax) / 2, 0.0])
    found: list[SceneObject] = []
    counts: dict[str, int] = {}
    for item in layout.objects:
        x, y, z, w = np.asarray(item.rotation) / np.linalg.norm(item.rotation)
        turn = matrix_from_quaternion(np.array([w, x, y, z]))
        key = asset_id(item)
        info = assets.info(key)
        size = np.array(info.size)
        centre = (np.asarray(item.position) - origin) * CM + np.array([0.0, 0.0, TOP])
        word = re.sub(r"[^a-z0-9]+", "_", info.category)
        counts[word] = counts.get(word, 0) + 1
        found.append(
            SceneObject(
                f"{word}_{counts[word]}", len(found) + 2, key, info.category, info.caption, info.caption_zh,
                centre - turn @ np.array([0.0, 0.0, size[2] / 2]), turn, np.array([0.0, 0.0, size[2] / 2]), size,
            )
        )  # fmt: skip
    return found


def _table(layout: Layout) -> SceneObject:
    xmin, xmax, ymin, ymax = layout.item_placement_zone
    key = f"mesatask/table/{round((xmax - xmin) * 10)}x{round((ymax - ymin) * 10)}"
    info = assets.info(key)
    size = np.array(info.size)
    return SceneObject(
        "table", 1, key, info.category, info.caption, info.caption_zh, np.zeros(3), np.eye(3),
        np.array([0.0, 0.0, size[2] / 2]), size, static=True,
    )  # fmt: skip


def asset_id(item: LayoutObject) -> str:
    """``mesatask/<uid>/<width>x<depth>x<height>`` in tenths of a millimetre: what the mesh is stretched to."""
    return f"mesatask/{item.retrieved_uid}/" + "x".join(str(max(round(100 * length), 1)) for length in item.size)


_ROOT: list[Path] = []


def _mount(root: Path) -> None:
    if [root] != _ROOT:
        _ROOT[:] = [root]
        assets.get.cache_clear()
    assets.mount("mesatask", load)


def load(key: str) -> Asset:
    """The asset of an id; the data set's folder is the one that was composed from last.

    Raises:
        AssetError: an unknown uid, or a mesh that cannot be read.
    """
    _, uid, extent = key.split("/")
    lengths = [int(part) for part in extent.split("x")]
    if uid == "table":
        return _table_asset(key, lengths[0] / 1000, lengths[1] / 1000)
    if not _ROOT:
        raise AssetError(f"no asset {key!r}: no MesaTask folder was opened")
    path = _ROOT[0] / "Assets_library" / f"{uid}.glb"
    if not path.is_file():
        raise AssetError(f"{path}: is missing; join and unpack Assets_library_archive/, or leave the layout out")
    parts = imported.fitted(imported.read_parts(path), np.array(lengths) * 1e-4)
    facts = annotation(_ROOT[0]).get(uid, {})
    category = str(facts.get("category") or "object").lower().replace("_", " ").strip()
    caption = short(str(facts.get("detailed_caption", "")), category)
    info = AssetInfo(
        key,
        category,
        caption,
        noun(category).zh,
        (lengths[0] * 1e-4, lengths[1] * 1e-4, lengths[2] * 1e-4),
        name=uid,
        author="MesaTask-10K",
        licence="see MesaTask-10K",
        source=f"InternRobotics/MesaTask-10K {uid}",
    )
    made = imported.make(info, parts, str(path))
    return replace(made, info=replace(info, mass=imported.mass_of(made.hulls)))


def short(caption: str, category: str) -> str:
    """The caption as a noun phrase without article or remarks in brackets; the noun if it is too long to name."""
    words = re.sub(r"\([^)]*\)", "", caption).strip().rstrip(".").split()
    if words and words[0].lower() in ("a", "an", "the"):
        words = words[1:]
    return " ".join(words) if 0 < len(words) <= LONGEST_CAPTION else category


@cache
def annotation(root: Path) -> dict[str, Any]:
    """What is known of each uid.

    Raises:
        WorldError: the file is missing or damaged.
    """
    path = root / "Asset_annotation.json"
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WorldError(f"{path}: cannot be read ({error}); download it again") from error
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise WorldError(f"{path}: is not a mapping of uids; download it again")
    return found


def _table_asset(key: str, width: float, depth: float) -> Asset:
    """A slab on four legs, of wood that its size decides."""
    from gsi_datasets.assets.parametric import surfaces
    from gsi_datasets.assets.parametric.hulls import box_hull
    from gsi_datasets.assets.parametric.primitives import box, merge

    rng = np.random.default_rng(int(hashlib.sha256(key.encode()).hexdigest()[:8], 16))
    reach = np.array([width, depth]) / 2 - LEG
    legs = [box((LEG, LEG, TOP - SLAB)).moved(sx * reach[0], sy * reach[1]) for sx in (-1, 1) for sy in (-1, 1)]
    mesh = merge(box((width, depth, SLAB), 0.004).moved(0, 0, TOP - SLAB), *legs)
    drawn, material = surfaces.planks(rng).on(mesh)
    place = Receptacle("on", TOP, (width / 2, depth / 2), False, TOP)
    info = AssetInfo(
        key, "table", "wooden table", "木桌", (width, depth, TOP), kind="furniture", mass=30.0, receptacle=place,
        name="table",
    )  # fmt: skip
    slab = box_hull((-width / 2, -depth / 2, TOP - SLAB), (width / 2, depth / 2, TOP))
    posts = [
        box_hull((x - LEG / 2, y - LEG / 2, 0), (x + LEG / 2, y + LEG / 2, TOP - SLAB))
        for x in (-reach[0], reach[0])
        for y in (-reach[1], reach[1])
    ]
    return Asset(info, (drawn.part(material),), (slab, *posts))
