"""What a spec says of its scenes: one class for each kind of world, each checked before any work starts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_serializer,
    model_validator,
)

from gsi_datasets.schema import OPERATIONS


class WorldError(ValueError):
    """Something that no scene of a world can do without is missing: a folder, a package, a player.

    The message names it and the remedy; a build ends with it. (One broken scene of many is a `SceneError`: that scene
    is left out.)
    """


class SceneError(ValueError):
    """One scene that cannot be read; the message names the file, the field and the remedy."""


def ordered(value: tuple[float, float]) -> tuple[float, float]:
    """A range, if its lower bound comes first."""
    if value[0] > value[1]:
        raise ValueError(f"lower bound {value[0]} is above upper bound {value[1]}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(ordered)]
Count = Annotated[tuple[int, int], AfterValidator(ordered)]
# A tabletop is drawn from one place.
TABLETOP_OPERATIONS = tuple(name for name in OPERATIONS if name != "PC")
RoomKind = Literal["kitchen", "living room", "bedroom", "study", "bathroom"]
ROOM_KINDS: tuple[RoomKind, ...] = ("kitchen", "living room", "bedroom", "study", "bathroom")


class Strict(BaseModel):
    """A part of a spec: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Counted(Strict):
    """What all worlds have in common.

    Attributes:
        operations: those that its scenes allow.
        most_objects: the limit of `objects`.
        objects: how many movable objects, least and most.
    """

    operations: ClassVar[tuple[str, ...]] = OPERATIONS
    most_objects: ClassVar[int] = 60

    objects: Count = (14, 28)

    @model_validator(mode="after")
    def _countable(self) -> Counted:
        if not 1 <= self.objects[0] <= self.objects[1] <= self.most_objects:
            raise ValueError(f"objects must lie between 1 and {self.most_objects}")
        return self


class World(Counted):
    """Tabletops: things on a table in a room.

    Attributes:
        kind: the world function that composes them.
        assets: ``all``, or ``cc0`` to use nothing that asks for attribution.
    """

    operations: ClassVar[tuple[str, ...]] = TABLETOP_OPERATIONS
    most_objects: ClassVar[int] = 16

    kind: Literal["tabletop"] = "tabletop"
    objects: Count = (5, 12)
    assets: Literal["all", "cc0"] = "all"


class Viewed(Counted):
    """What worlds have in common that are seen from several viewpoints.

    Attributes:
        views: viewpoints of one home; each is a scene of its own.
        viewpoints: ``dispersed`` as far from each other as can be, or ``random``.
        eye_height_m: of the camera over the floor.
        pitch_degrees: how far the camera looks down.
        fov_degrees: vertical field of view.
    """

    views: int = Field(default=4, ge=1, le=16)
    viewpoints: Literal["dispersed", "random"] = "dispersed"
    eye_height_m: Range = (1.15, 1.7)
    pitch_degrees: Range = (5, 40)
    fov_degrees: Range = (48, 68)

    @model_validator(mode="after")
    def _visible(self) -> Viewed:
        if not 0.4 <= self.eye_height_m[0] <= self.eye_height_m[1] <= 2.2:
            raise ValueError("eye_height_m must lie between 0.4 and 2.2")
        if not -10 <= self.pitch_degrees[0] <= self.pitch_degrees[1] <= 75:
            raise ValueError("pitch_degrees must lie between -10 and 75")
        if not 20 <= self.fov_degrees[0] <= self.fov_degrees[1] <= 100:
            raise ValueError("fov_degrees must lie between 20 and 100")
        return self


class RoomWorld(Viewed):
    """Homes: furnished rooms, seen from several viewpoints each.

    Attributes:
        kind: the world function that composes them.
        rooms: kinds of the main room, each as often as it is named.
        connected: how many rooms a home has, least and most; the main one included.
        objects: of the main room; chairs and lamps count.
        assets: ``all``, or ``cc0`` to use nothing that asks for attribution.
    """

    kind: Literal["room"] = "room"
    rooms: tuple[RoomKind, ...] = Field(default=ROOM_KINDS, min_length=1)
    connected: Count = (1, 3)
    assets: Literal["all", "cc0"] = "all"

    @model_validator(mode="after")
    def _connected(self) -> RoomWorld:
        if not 1 <= self.connected[0] <= self.connected[1] <= 4:
            raise ValueError("connected must lie between 1 and 4 rooms")
        return self


class Outside(Strict):
    """What worlds have in common whose scenes others have made.

    Attributes:
        held_out: share of the scenes, chosen by their names, that serves every split but ``train``, which has the
            others.
    """

    held_out: float = Field(default=0.2, ge=0, le=1)

    def scenes_of(self, names: Sequence[str], held_out: bool) -> list[str]:
        """Those of the named scenes that serve ``train``, or those that serve the other splits; ordered by chance.

        Raises:
            WorldError: there is none.
        """

        def place(name: str) -> str:
            return hashlib.sha256(name.encode()).hexdigest()

        limit = round(self.held_out * 2**64)
        chosen = sorted((it for it in names if (int(place(it)[:16], 16) < limit) == held_out), key=place)
        if not chosen:
            splits = "splits other than train" if held_out else "the split train"
            raise WorldError(
                f"world.held_out: with {self.held_out} none of the {len(names)} scenes serves {splits}; "
                f"give {'a larger' if held_out else 'a smaller'} share, or more scenes"
            )
        return chosen


class InFolder(Outside):
    """Scenes in a folder of this machine.

    Attributes:
        folder: where; in a YAML file relative to that file. It is no part of what describes the data, so no path
            comes into them. If empty, the environment variable `variable` says it.
    """

    variable: ClassVar[str] = ""

    folder: str = Field(default="", exclude=True)

    def path(self) -> Path:
        """The folder.

        Raises:
            WorldError: there is none.
        """
        given = self.folder or os.environ.get(self.variable, "")
        kind = getattr(self, "kind", "")
        if not given:
            raise WorldError(
                f"world.folder: the world '{kind}' needs a folder: give it in the spec, by --scenes, "
                f"or in the environment variable {self.variable}; gsi-bench doctor says how to get one"
            )
        if not Path(given).is_dir():
            raise WorldError(f"world.folder: {given} is not a folder; gsi-bench doctor says what '{kind}' needs")
        return Path(given)

    def fingerprint(self) -> str:
        """Hex digest of the names and sizes of all files in the folder, linked ones included: other files give other
        rows."""
        root, seen = self.path(), hashlib.sha256()
        visited: set[str] = set()
        for place, folders, files in os.walk(root, followlinks=True):
            real = os.path.realpath(place)
            if real in visited:
                folders.clear()  # a link to a folder above: round and round
                continue
            visited.add(real)
            folders.sort()
            for name in sorted(files):
                path = Path(place, name)
                size = path.stat().st_size if path.exists() else -1
                seen.update(f"{path.relative_to(root).as_posix()} {size}\n".encode())
        return seen.hexdigest()[:16]


class FolderWorld(InFolder, Counted):
    """Scenes of the user's own: GLB or OBJ files and JSON files that say where they stand (docs/own_scenes.md).

    Attributes:
        views: of each scene before the next one's turn comes.
    """

    variable: ClassVar[str] = "GSI_BENCH_SCENES"

    kind: Literal["folder"] = "folder"
    objects: Count = (1, 60)
    views: int = Field(default=4, ge=1, le=100)


class MesaTaskWorld(InFolder, Counted):
    """Tabletops of MesaTask-10K: ``Layout_info/`` and ``Assets_library/``."""

    variable: ClassVar[str] = "MESATASK_ROOT"
    operations: ClassVar[tuple[str, ...]] = TABLETOP_OPERATIONS

    kind: Literal["mesatask"] = "mesatask"
    objects: Count = (2, 60)


class MolmoWorld(InFolder, Viewed):
    """Houses of MolmoSpaces: MJCF scenes with their metadata."""

    variable: ClassVar[str] = "MOLMOSPACES_ROOT"

    kind: Literal["molmospaces"] = "molmospaces"
    objects: Count = (3, 60)


class ThorWorld(Outside, Viewed):
    """Scenes of AI2-THOR, played by Unity.

    Attributes:
        kind: the world function that composes them.
        scenes: names or patterns such as ``FloorPlan2*``, or the path of a JSON or JSONL file of ProcTHOR houses.
        platform: ``auto``, ``cloud`` (Vulkan, no display) or ``x`` (an X display).
        executable: a player on this machine, instead of the one that ai2thor downloads. If empty, the environment
            variable `variable` says it.
    """

    variable: ClassVar[str] = "GSI_BENCH_THOR_PLAYER"
    operations: ClassVar[tuple[str, ...]] = tuple(name for name in OPERATIONS if name != "OS")

    kind: Literal["thor"] = "thor"
    scenes: tuple[str, ...] = Field(default=("FloorPlan*",), min_length=1)
    objects: Count = (3, 60)
    platform: Literal["auto", "cloud", "x"] = Field(default="auto", exclude=True)
    executable: str = Field(default="", exclude=True)

    @field_serializer("scenes")
    def _without_folders(self, scenes: tuple[str, ...]) -> list[str]:
        """What describes the data: of a file of houses, its name without its place on this machine."""
        return [Path(it).name if is_file_of_houses(it) else it for it in scenes]

    def fingerprint(self) -> str:
        """Hex digest of the files of houses; empty if there are none."""
        files = [Path(it).expanduser() for it in self.scenes if is_file_of_houses(it)]
        try:
            read = [path.read_bytes() for path in files]
        except OSError as error:
            raise WorldError(f"world.scenes: {error.filename} cannot be read: {error.strerror}") from error
        return hashlib.sha256(b"".join(hashlib.sha256(it).digest() for it in read)).hexdigest()[:16] if read else ""


def is_file_of_houses(scenes: str) -> bool:
    """Whether an entry of `ThorWorld.scenes` is the path of a file, not the name of scenes."""
    return scenes.endswith((".json", ".jsonl", ".json.gz", ".jsonl.gz"))


UNKNOWN_KIND = "unknown-kind"
WORLDS: dict[str, type[Counted]] = {
    "tabletop": World,
    "room": RoomWorld,
    "mesatask": MesaTaskWorld,
    "molmospaces": MolmoWorld,
    "thor": ThorWorld,
    "folder": FolderWorld,
}


def _kind(world: object) -> str | None:
    kind = world.get("kind", "tabletop") if isinstance(world, dict) else getattr(world, "kind", None)
    return kind if kind in WORLDS else None


AnyWorld = Annotated[
    Annotated[World, Tag("tabletop")]
    | Annotated[RoomWorld, Tag("room")]
    | Annotated[MesaTaskWorld, Tag("mesatask")]
    | Annotated[MolmoWorld, Tag("molmospaces")]
    | Annotated[ThorWorld, Tag("thor")]
    | Annotated[FolderWorld, Tag("folder")],
    Discriminator(
        _kind, custom_error_type=UNKNOWN_KIND, custom_error_message=f"Input should be one of {', '.join(WORLDS)}"
    ),
]
