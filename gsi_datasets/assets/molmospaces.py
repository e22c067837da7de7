"""Houses of MolmoSpaces as assets: each of their objects, and the shell around them.

An asset's id is ``molmospaces/<scene>#<body>``: the scene's path below ``scenes/`` without ``.xml``, and the name of
the object's root body; the shell is ``molmospaces/<scene>#room``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gsi_datasets import assets
from gsi_datasets.assets import appearance, mjcf
from gsi_datasets.assets.asset import Asset, AssetInfo, MeshPart, Receptacle
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.mjcf import Frame, Model
from gsi_datasets.assets.molmospaces_notes import Note, noun_for, read_notes
from gsi_datasets.assets.molmospaces_shell import floor_height, shell_of
from gsi_datasets.assets.parametric.words import ZH
from gsi_datasets.assets.sites import place_in
from gsi_datasets.assets.thor import KINDS
from gsi_datasets.assets.vocabulary import noun


Array = NDArray[np.float64]
SOURCE = "molmospaces"
METADATA = "_metadata.json"
ROOM = "room"
STRUCTURE = frozenset({"Ceiling", "Floor", "Room", "Wall", "WallPanel"})
"""Object types that belong to the shell."""
# What is put into things of these kinds is in them, not on them.
HOLLOW = frozenset(
    {"basin", "basket", "bathtub", "bowl", "box", "bucket", "crate", "cup", "drawer", "fruit bowl", "glass", "jar"}
    | {"laundry basket", "mug", "pan", "pitcher", "pot", "salad bowl", "sink", "storage bin", "vase", "waste bin"}
)
LOOSE_SIZE = 1.2
"""Longest side, metres, of what people would move about."""
FURNITURE = frozenset(
    {"table", "cabinet", "sofa", "bed", "bookcase", "fridge", "oven", "sink", "bathtub", "toilet", "piano"}
)
"""Groups of `assets.vocabulary` that stay where they are; chairs do not."""
TABLETOP_SIZE = 0.55
"""Longest side, metres, of what is put on tables."""
DENSITY = 250.0
"""Kilograms per cubic metre of bounding box, halved: households are full of things that are hollow."""


class ObjectRecord(BaseModel):
    """What the metadata of a scene says of one object; fields that are not needed are not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    category: str = Field(min_length=1)
    asset_id: str = ""
    object_enum: str | int | None = None
    is_static: bool = False
    room_id: int | None = None
    name_map: dict[str, dict[str, str]] = {}


class SceneRecord(BaseModel):
    """The metadata of a scene, by the names of the objects' root bodies."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    objects: dict[str, ObjectRecord]


class House:
    """One scene with its metadata.

    Args:
        root: the folder that holds everything.
        key: of the scene, as in asset ids.

    Raises:
        AssetError: a file of it is missing or broken; says which, and what to do.
    """

    def __init__(self, root: Path, key: str) -> None:
        self.root, self.key = root, key
        scenes = scene_folder(root)
        metadata = scenes / f"{key}{METADATA}"
        ceiling = scenes / f"{key}_ceiling.xml"
        self.records = _records(metadata)
        self.model: Model = mjcf.load(ceiling if ceiling.is_file() else scenes / f"{key}.xml", root)
        known = {name: number for name, number in self.model.bodies.items() if name in self.records}
        if not known:
            raise AssetError(f"{metadata}: names no body of {self.model.file}; download the two again together")
        self.objects: dict[str, int] = {
            name: number for name, number in known.items() if self.records[name].category not in STRUCTURE
        }
        self.owners = self.model.owners(self.objects.values())
        self._made: dict[str, Asset] = {}
        self.floor = floor_height(self.model, self.owners == 0)
        self.notes: Mapping[str, Note] = read_notes(root, scenes / Path(key).parent)

    @cached_property
    def frames(self) -> dict[str, Frame]:
        """Where the asset frames of the objects are in the model's world; objects without a shape have none."""
        found = {}
        for name, body in self.objects.items():
            upright = Frame(rotation=mjcf.upright(self.model.rotation(body)))
            if parts := self._parts(name, upright):
                low, high = mjcf.bounds(parts)
                bottom = np.array([*(low + high)[:2] / 2, low[2]])
                found[name] = Frame(upright.rotation @ bottom, upright.rotation)
        return found

    def movable(self, name: str, info: AssetInfo) -> bool:
        """Whether an object is loose and no furniture."""
        record = self.records[name]
        loose = self.model.is_free(self.objects[name]) or not record.is_static
        return loose and not _stays(info)

    @cached_property
    def shell(self) -> Asset:
        """The asset of floors, walls, ceilings and whatever is no object; its frame is the scene's, floor at 0."""
        counts: dict[int, int] = {}
        for name in self.objects:
            room = self.records[name].room_id
            if room is not None and name in self.frames and self.movable(name, self.asset(name).info):
                counts[room] = counts.get(room, 0) + 1
        base = Frame(np.array([0.0, 0.0, self.floor]))
        around = [mjcf.bounds(self._parts(name, base)) for name in self.frames]
        return shell_of(f"{SOURCE}/{self.key}#{ROOM}", self.model, self.owners == 0, base, around, counts)

    def asset(self, name: str) -> Asset:
        """The asset of an object.

        Raises:
            AssetError: there is no such object.
        """
        if name == ROOM:
            return self.shell
        if name not in self.frames:
            raise AssetError(f"no object {name!r} in {self.model.file}; its metadata file lists them")
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Asset:
        frame = self.frames[name]
        parts = self._parts(name, frame)
        _, solid = self.model.geoms_of(self._own(name))
        hulls = self.model.hulls(solid, frame)
        record = self.records[name]
        note = self.notes.get(record.asset_id, Note())
        category = noun_for(record.category, note)
        places = self._places(name, frame, parts, hulls, category)
        author, licence, source = note.credit(record.object_enum, record.category in KINDS)
        low, high = mjcf.bounds(parts)
        size = (float(high[0] - low[0]), float(high[1] - low[1]), float(high[2] - low[2]))
        small = max(size) <= TABLETOP_SIZE and noun(category).group not in ("chair", *FURNITURE)
        bare = Asset(
            AssetInfo(
                f"{SOURCE}/{self.key}#{name}", category, category, noun(category).zh, size,
                kind="tabletop" if small else "furniture",
                mass=float(np.clip(DENSITY / 2 * np.prod(size), 0.05, 200.0)),
                receptacle=places[0] if places else None, shelves=places[1:],
                name=note.name or record.asset_id or name,
                author=author, licence=licence, source=source,
            ),
            parts, hulls,
        )  # fmt: skip
        return Asset(_described(bare, record.category), parts, hulls)

    def _own(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(self.owners == self.objects[name])

    def _parts(self, name: str, frame: Frame) -> tuple[MeshPart, ...]:
        drawn, _ = self.model.geoms_of(self._own(name))
        return self.model.parts(drawn, frame)

    def _places(
        self, name: str, frame: Frame, parts: tuple[MeshPart, ...], hulls: tuple[Array, ...], category: str
    ) -> tuple[Receptacle, ...]:
        """Where things can be put: at its sites, largest first; without any, on top of furniture."""
        boxes = self.model.sites(self._own(name), frame)
        low, high = mjcf.bounds(parts)
        if not boxes and noun(category).group in ("table", "cabinet", "bookcase"):
            boxes = [(np.array([low[0], low[1], high[2]]), high + np.array([0, 0, 0.01]))]
        found = [place_in(*box, parts, hulls, category in HOLLOW) for box in boxes]
        return tuple(sorted((it for it in found if it is not None), key=lambda it: -float(np.prod(it.half_extents))))


class Library:
    """The scenes of a folder; gives their assets by id, for `assets.mount`.

    Args:
        root: holds ``scenes/`` and what they use, or one scene by itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._houses = lru_cache(maxsize=2)(lambda key: House(root, key))

    def __call__(self, asset_id: str) -> Asset:
        key, _, name = asset_id.removeprefix(f"{SOURCE}/").partition("#")
        return self.house(key).asset(name)

    def house(self, key: str) -> House:
        """The scene of a key; the last ones are kept in memory.

        Raises:
            AssetError: a file of it is missing or broken.
        """
        return self._houses(key)

    def keys(self) -> list[str]:
        """The keys of all scenes, sorted: each has a metadata file and a model."""
        folder = scene_folder(self.root)
        found = (
            path.relative_to(folder).as_posix().removesuffix(METADATA)
            for path in folder.rglob(f"*{METADATA}")
            if path.is_file()
        )
        return sorted(key for key in found if (folder / f"{key}.xml").is_file())


@lru_cache(maxsize=4)
def library(root: str) -> Library:
    """The library of a folder, mounted; one for each folder in a process."""
    return Library(Path(root))


def mounted(root: Path) -> Library:
    """The library of a folder, whose assets `assets.get` now gives."""
    found = library(str(root))
    assets.mount(SOURCE, found)
    return found


def scene_folder(root: Path) -> Path:
    """Where the scenes of a folder are."""
    return root / "scenes" if (root / "scenes").is_dir() else root


def _records(path: Path) -> dict[str, ObjectRecord]:
    try:
        described: Any = json.loads(path.read_text(encoding="utf-8"))
        return SceneRecord.model_validate(described).objects
    except OSError as error:
        raise AssetError(f"{path}: cannot be read ({error.strerror}); it comes with the scene's archive") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(it) for it in first["loc"])
        raise AssetError(f"{path}: {where}: {first['msg']}; download the scene again") from error
    except ValueError as error:
        raise AssetError(f"{path}: is no JSON ({error}); download the scene again") from error


def _stays(info: AssetInfo) -> bool:
    """Whether people leave a thing where it is."""
    return noun(info.category).group in FURNITURE or max(info.size) > LOOSE_SIZE


def _described(asset: Asset, object_type: str) -> AssetInfo:
    """Its facts with what its looks say."""
    info = asset.info
    if _stays(info):
        return info
    colour = appearance.colour_of(asset)
    symmetry = appearance.symmetry_of(asset)
    if (known := KINDS.get(object_type)) is not None and known.symmetry == 0:
        symmetry = 0
    if not colour:
        return replace(info, symmetry=symmetry)
    caption, caption_zh = f"{colour} {info.category}", f"{ZH[colour]}{info.caption_zh}"
    return replace(info, symmetry=symmetry, color=colour, caption=caption, caption_zh=caption_zh)
