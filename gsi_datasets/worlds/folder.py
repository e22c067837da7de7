"""Scenes of the user's own: a folder of GLB or OBJ files, and JSON files that say what stands where.

    my-scenes/
        kitchen.scene.json
        meshes/table.glb, meshes/mug.glb ...

The form of the JSON file is `OwnScene`; ``python -m gsi_datasets.worlds.folder`` prints its JSON Schema.
docs/own_scenes.md shows a whole example.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from gsi_datasets import assets
from gsi_datasets.assets import imported
from gsi_datasets.assets.asset import Asset, AssetInfo, Receptacle
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.vocabulary import noun
from gsi_datasets.geometry import corners, intrinsics_from_fov, look_at, rotation_z
from gsi_datasets.scene import Camera, Scene, SceneObject
from gsi_datasets.worlds import surroundings
from gsi_datasets.worlds.described import read
from gsi_datasets.worlds.specs import FolderWorld, SceneError, Strict, WorldError
from gsi_datasets.worlds.view import frame_objects


SUFFIX = ".scene.json"
Metres = Annotated[float, Field(allow_inf_nan=False, ge=-100, le=100)]
Point = tuple[Metres, Metres, Metres]


class OwnReceptacle(Strict):
    """Where things can be put on or into an object, in its own frame: origin at the bottom centre, not turned.

    Attributes:
        relation: ``on`` or ``in``.
        floor: height of what things rest on, metres.
        half_extents: half the usable flat area along x and y, metres.
        round: the area is the ellipse in that rectangle.
        centre: x and y of its middle, metres.
        rim: height of the rim; `floor` if not given.
    """

    relation: Literal["on", "in"] = "on"
    floor: Metres
    half_extents: tuple[Annotated[float, Field(gt=0, le=50)], Annotated[float, Field(gt=0, le=50)]]
    round: bool = False
    centre: tuple[Metres, Metres] = (0.0, 0.0)
    rim: Metres | None = None


class OwnObject(Strict):
    """One thing of a scene.

    Attributes:
        file: GLB, OBJ, PLY or STL file, relative to the JSON file.
        category: common noun in English, singular: ``mug``.
        name: unique in the scene; made of the category if not given.
        caption: short English noun phrase without article, e.g. ``white mug with blue stripes``; else the noun.
        caption_zh: the same in Chinese.
        position: of the bottom centre of its bounding box, metres, z up.
        yaw_degrees: turn about the vertical, counter-clockwise seen from above.
        scale: factor on the file's lengths: 0.01 if they are centimetres.
        size: full extents x, y, z that the file is stretched to instead, metres.
        up: axis that points up in the file; by default y for glTF, z for the others.
        static: it never moves: furniture, walls.
        structure: it is the room itself (its floor or walls), which is neither named nor edited.
        receptacle: where things can be put; ``auto`` looks for a flat top on what is static, ``none`` for nowhere.
        symmetry: it looks the same after a turn by a full turn divided by this; 0 after any turn, 1 if never.
        color: the dominant colour in one English word, if it has one.
        mass: kilograms; estimated if not given.
        licence: SPDX identifier or words.
        author: whom to credit.
        source: where it comes from.
    """

    file: str = Field(min_length=1)
    category: str = Field(pattern=r"^[a-z][a-z0-9 -]{0,39}$")
    name: str | None = Field(default=None, pattern=r"^[a-z0-9_-]{1,60}$")
    caption: str = Field(default="", max_length=120)
    caption_zh: str = Field(default="", max_length=120)
    position: Point
    yaw_degrees: float = Field(default=0.0, ge=-360, le=360)
    scale: float = Field(default=1.0, gt=0, le=1000)
    size: tuple[float, float, float] | None = None
    up: Literal["y", "z"] | None = None
    static: bool = False
    structure: bool = False
    receptacle: OwnReceptacle | Literal["auto", "none"] = "auto"
    symmetry: int = Field(default=1, ge=0, le=360)
    color: str = Field(default="", pattern=r"^[a-z]*$")
    mass: float | None = Field(default=None, gt=0, le=1000)
    licence: str = "unknown"
    author: str = "unknown"
    source: str = ""

    @field_validator("file")
    @classmethod
    def _within(cls, value: str) -> str:
        path = PurePosixPath(value.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in value:
            raise ValueError("must be a path below the folder of the JSON file, without '..'")
        return value

    @model_validator(mode="after")
    def _sized(self) -> OwnObject:
        if self.size is not None and (min(self.size) <= 0 or self.scale != 1):
            raise ValueError("size must be positive, and is given instead of scale")
        return self


class OwnCamera(Strict):
    """A view: from where, to where, metres; vertical field of view, degrees."""

    position: Point
    look_at: Point
    fov_degrees: float = Field(default=50, ge=15, le=110)


class OwnScene(Strict):
    """A scene: metres, z up, right-handed, the floor at z = 0.

    Attributes:
        objects: what stands in it.
        cameras: views of it; if none are given, views of its things are drawn by chance.
        surroundings: ``room`` puts it in the middle of a generated room, ``none`` if its files hold the room.
    """

    objects: tuple[OwnObject, ...] = Field(min_length=1, max_length=400)
    cameras: tuple[OwnCamera, ...] = Field(default=(), max_length=1000)
    surroundings: Literal["room", "none"] = "room"


def compose(
    name: str, world: FolderWorld, number: int, image_size: int, rng: np.random.Generator, *, held_out: bool
) -> Scene:
    """One of the user's scenes in one of its views, not yet at rest.

    Args:
        name: of the scene.
        world: where the scenes are.
        number: counts views: those of the first scene, then those of the next, and again from the first.
        image_size: width and height, pixels.
        rng: the only source of chance.
        held_out: whether a split other than ``train`` is made.

    Raises:
        WorldError: the folder holds no scene.
        SceneError, AssetError: the scene or one of its files cannot be used.
    """
    root = world.path()
    files = {path.name.removesuffix(SUFFIX): path for path in sorted(root.glob(f"*{SUFFIX}"))}
    if not files:
        raise WorldError(f"{root}: holds no *{SUFFIX} file; docs/own_scenes.md shows one")
    names = world.scenes_of(list(files), held_out)
    path = files[names[number // world.views % len(names)]]
    described = read(OwnScene, path)
    items = _objects(described, path)
    movable = [item for item in items if not item.static]
    if not movable:
        raise SceneError(f"{path}: objects: none of them can be moved; leave out `static` of some")
    around = surroundings.around(items, rng) if described.surroundings == "room" else surroundings.NOTHING
    if described.cameras:
        camera = _camera(described.cameras[number % len(described.cameras)], image_size)
    else:
        camera = _view(items, movable, around.reach, image_size, rng)
    lights, ambient = surroundings.light(items, around, rng)
    return Scene(name, (*around.objects, *items), camera, lights, ambient)


def _objects(described: OwnScene, path: Path) -> list[SceneObject]:
    """The things, named and numbered; their assets become known to this process."""
    assets.mount("folder", load)
    found: list[SceneObject] = []
    counts: dict[str, int] = {}
    taken = {item.name for item in described.objects if item.name}
    for item in described.objects:
        key = known(item, path.parent)
        info = assets.info(key)
        word = re.sub(r"[^a-z0-9]+", "_", item.category)
        name = item.name
        while name is None or (item.name is None and name in taken):
            counts[word] = counts.get(word, 0) + 1
            name = f"{word}_{counts[word]}"
        static = item.static or item.structure
        number = 0 if item.structure else 1 + sum(other.instance > 0 for other in found)
        found.append(
            SceneObject(
                name, number, key, info.category, info.caption, info.caption_zh, np.array(item.position),
                rotation_z(np.radians(item.yaw_degrees)), np.array([0.0, 0.0, info.size[2] / 2]), np.array(info.size),
                static=static,
            )
        )  # fmt: skip
    if len({item.name for item in found}) != len(found):
        raise SceneError(f"{path}: objects.name: names repeat; give each object a name of its own")
    return found


_KNOWN: dict[str, tuple[Path, OwnObject]] = {}


def known(item: OwnObject, folder: Path) -> str:
    """The id of an object's asset: made of the file's name, its content and what the scene says of it."""
    path = folder / item.file
    facts = item.model_dump_json(exclude={"position", "yaw_degrees", "name"})
    stem = re.sub(r"[^a-z0-9]+", "-", Path(item.file).stem.lower()).strip("-") or "mesh"
    key = f"folder/{stem}-{hashlib.sha256(facts.encode() + _content(path)).hexdigest()[:10]}"
    _KNOWN[key] = path, item
    return key


@cache
def _content(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read ({error.strerror}); check `file` in the scene") from error


def load(asset_id: str) -> Asset:
    """The asset of an id that `known` gave in this process."""
    if asset_id not in _KNOWN:
        raise AssetError(f"no asset {asset_id!r}: it belongs to a folder of scenes that was not opened")
    path, item = _KNOWN[asset_id]
    parts = imported.read_parts(path, item.up or "")
    parts = imported.fitted(parts, None if item.size is None else np.array(item.size), item.scale)
    low, high = imported.bounds(parts)
    size = tuple(float(length) for length in high - low)
    caption = item.caption or item.category
    info = AssetInfo(
        asset_id,
        item.category,
        caption,
        item.caption_zh or noun(item.category).zh,
        (size[0], size[1], size[2]),
        kind="structure" if item.structure else "furniture" if item.static else "tabletop",
        symmetry=item.symmetry,
        receptacle=_receptacle(item, parts),
        color=item.color,
        name=Path(item.file).name,
        author=item.author,
        licence=item.licence,
        source=item.source or Path(item.file).name,
    )
    made = imported.make(info, parts, str(path))
    return replace(made, info=replace(info, mass=item.mass or imported.mass_of(made.hulls)))


def _receptacle(item: OwnObject, parts: list[Any]) -> Receptacle | None:
    given = item.receptacle
    if given == "none":
        return None
    if given == "auto":
        return imported.top_of(parts) if item.static or item.structure else None
    rim = given.floor if given.rim is None else given.rim
    return Receptacle(given.relation, given.floor, given.half_extents, given.round, rim, given.centre)


def _camera(view: OwnCamera, image_size: int) -> Camera:
    intrinsics = intrinsics_from_fov(np.radians(view.fov_degrees), image_size, image_size)
    return Camera(intrinsics, look_at(np.array(view.position), np.array(view.look_at)), image_size, image_size)


def _view(
    items: list[SceneObject],
    movable: list[SceneObject],
    reach: np.ndarray,
    image_size: int,
    rng: np.random.Generator,
) -> Camera:
    """A view of a few things that stand near each other, from a side where nothing large stands before them."""
    first = movable[int(rng.integers(len(movable)))]
    near = sorted(movable, key=lambda it: float(np.linalg.norm(it.position - first.position)))[:8]
    near = [item for item in near if np.linalg.norm(item.position - first.position) < 1.2]
    high = [item for item in items if item.static and item.box.size[2] > 1.0 and item.instance > 0]
    best: tuple[int, Camera] | None = None
    for azimuth in rng.uniform(0, 2 * np.pi, 12):
        camera = frame_objects(near, float(azimuth), reach, image_size, rng)
        between = np.linspace(camera.position, first.box.centre, 12)[:-2]
        hidden = sum(_meets(point, item) for point in between for item in high)
        if best is None or hidden < best[0]:
            best = hidden, camera
    assert best is not None
    return best[1]


def _meets(point: np.ndarray, item: SceneObject) -> bool:
    low, high = corners(item.box).min(axis=0), corners(item.box).max(axis=0)
    return bool(np.all(point > low - 0.1) and np.all(point < high + 0.1))


if __name__ == "__main__":
    print(json.dumps(OwnScene.model_json_schema(), indent=1, ensure_ascii=False))
