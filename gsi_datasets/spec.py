"""The spec: what to build, declared in YAML, checked before any work starts."""

from __future__ import annotations

import hashlib
import json
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from gsi_datasets import __version__
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.schema import ID_PATTERN, OPERATIONS, Operation
from gsi_datasets.worlds.specs import (
    UNKNOWN_KIND,
    WORLDS,
    AnyWorld,
    InFolder,
    Range,
    Strict,
    ThorWorld,
    Viewed,
    World,
    ordered,
)


class SpecError(ValueError):
    """A spec that cannot be built; the message names the file, the field and the remedy."""


class Edits(Strict):
    """How far operations go and how they are worded.

    Attributes:
        move_cm: distance of CM.
        place_cm: centre-to-centre distance of OP.
        floor_move_cm: distance of CM for what stands on the floor.
        floor_place_cm: centre-to-centre distance of OP for what stands on the floor.
        camera_move_cm: distance of PC.
        camera_turn_degrees: turn of PC, about the vertical or up and down.
        rotate_degrees: turns of OR, signed, positive counter-clockwise seen from above.
        scale_factors: factors of OS.
        units: units of length in instructions.
        categories: nouns of what may be edited; everything that moves if empty.
        per_operation: most triplets of one operation from one scene (they share the source render).
    """

    move_cm: Range = (5, 30)
    place_cm: Range = (12, 35)
    floor_move_cm: Range = (20, 80)
    floor_place_cm: Range = (50, 150)
    camera_move_cm: Range = (5, 50)
    camera_turn_degrees: Range = (5, 45)
    rotate_degrees: tuple[float, ...] = (30, 45, 60, 90, 120, 135, 150, 180, -30, -45, -60, -90, -120, -135, -150)
    scale_factors: tuple[float, ...] = (0.5, 0.6, 0.7, 0.75, 0.8, 1.25, 1.3, 1.5, 1.75, 2.0)
    units: tuple[Literal["cm", "mm", "in"], ...] = ("cm", "cm", "cm", "mm", "in")
    categories: tuple[str, ...] = ()
    per_operation: int = Field(default=2, ge=1, le=8)

    @model_validator(mode="after")
    def _sensible(self) -> Edits:
        if unknown := sorted(set(self.categories) - set(CATEGORIES)):
            near = sorted({match for word in unknown for match in get_close_matches(word, CATEGORIES)})
            raise ValueError(f"categories: {unknown} are not known; did you mean {near or sorted(CATEGORIES)[:8]}?")
        if not (self.units and self.scale_factors and self.rotate_degrees):
            raise ValueError("units, scale_factors and rotate_degrees must not be empty")
        if any(not 0.2 <= factor <= 5 or factor == 1 for factor in self.scale_factors):
            raise ValueError("scale_factors must lie between 0.2 and 5 and not be 1")
        for name in (
            "move_cm",
            "place_cm",
            "floor_move_cm",
            "floor_place_cm",
            "camera_move_cm",
            "camera_turn_degrees",
        ):
            if getattr(self, name)[0] <= 0:
                raise ValueError(f"{name} must be positive")
        if self.camera_turn_degrees[1] > 60:
            raise ValueError("camera_turn_degrees must not exceed 60: nothing would stay in view")
        return self


CHAINS = "chains"
_IN_WORDS = {"PC": "camera moves", "OS": "changes of size"}
Counts = dict[Literal[Operation, "chains"], Annotated[int, Field(ge=0, le=1_000_000)]]
_PER_OPERATION, _PER_WORLD = "counts-per-operation", "counts-per-world"


_BRANCHES = {_PER_OPERATION, _PER_WORLD, *WORLDS, "[key]"}


def _shape(counts: object) -> str:
    nested = isinstance(counts, dict) and any(isinstance(value, dict) for value in counts.values())
    return _PER_WORLD if nested else _PER_OPERATION


class Split(Strict):
    """Attributes: counts: accepted triplets wanted per operation, or chains; of each world where there are several."""

    counts: Annotated[
        Annotated[Counts, Tag(_PER_OPERATION)] | Annotated[dict[str, Counts], Tag(_PER_WORLD)], Discriminator(_shape)
    ]

    @property
    def slots(self) -> dict[str, int]:
        """What is wanted by slot: an operation (or ``chains``), or ``<world>/<operation>``."""
        found: dict[str, int] = {}
        for name, value in self.counts.items():
            if isinstance(value, dict):
                found |= {f"{name}/{operation}": count for operation, count in value.items()}
            else:
                found[name] = value
        return found

    @property
    def total(self) -> int:
        return sum(self.slots.values())

    def scaled(self, factor: float) -> Split:
        """The same with every count multiplied (rounded up)."""

        def times(counts: Counts) -> Counts:
            return {operation: -int(-count * factor // 1) for operation, count in counts.items()}

        nested = {name: times(value) for name, value in self.counts.items() if isinstance(value, dict)}
        return Split(counts=nested or times(self.counts))  # type: ignore[arg-type]


class Balance(Strict):
    """Largest shares that the rows of one operation may have in common; 1 asks for nothing.

    Attributes:
        category: the category of what is edited.
        room: the kind of room.
        extent: a third of the range of distances, turns or factors; for PC the kind of motion.
    """

    category: float = Field(default=1.0, gt=0, le=1)
    room: float = Field(default=1.0, gt=0, le=1)
    extent: float = Field(default=1.0, gt=0, le=1)


class Chain(Strict):
    """Rows that belong together: each edit begins where the one before ended.

    Attributes:
        operations: what chains are made of; those that a world does not have are left out.
        steps: how many edits, least and most.
        inverse: whether each edit that can be worded backwards is followed by the row that takes it back.
    """

    operations: tuple[Operation, ...] = Field(default=OPERATIONS, min_length=1)
    steps: Annotated[tuple[int, int], AfterValidator(ordered)] = (2, 3)
    inverse: bool = True

    @model_validator(mode="after")
    def _possible(self) -> Chain:
        if not 1 <= self.steps[0] <= self.steps[1] <= 5:
            raise ValueError("steps must lie between 1 and 5")
        return self


class DatasetSpec(Strict):
    """A dataset.

    Attributes:
        name: config name, e.g. ``gsi_syn_table``.
        version: of the data, ``major.minor.patch``.
        seed: everything random follows from it.
        image_size: width and height, pixels.
        world: what scenes are made of.
        worlds: several kinds of scenes by name, instead of `world`; they take turns.
        edits: how far operations go.
        balance: what the rows of an operation may have in common.
        chain: to make chains of edits; the counts are then of ``chains``, not of operations.
        splits: what to build.
    """

    name: str = Field(pattern=ID_PATTERN)
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    seed: int = Field(default=0, ge=0)
    image_size: int = Field(default=512, ge=64, le=2048)
    world: AnyWorld = World()
    worlds: dict[Annotated[str, Field(pattern=ID_PATTERN)], AnyWorld] = Field(default_factory=dict)
    edits: Edits = Edits()
    balance: Balance = Balance()
    chain: Chain | None = None
    splits: dict[str, Split]

    @model_validator(mode="after")
    def _buildable(self) -> DatasetSpec:
        if not self.splits:
            raise ValueError("splits: at least one split is needed")
        if self.worlds and "world" in self.model_fields_set:
            raise ValueError("world: give either world or worlds, not both")
        for name, split in self.splits.items():
            if not name.isidentifier():
                raise ValueError(f"splits: '{name}' is not a valid split name")
            nested = any(isinstance(value, dict) for value in split.counts.values())
            if self.worlds and (not nested or set(split.counts) - set(self.worlds)):
                raise ValueError(f"splits.{name}.counts: must have counts under each of {sorted(self.worlds)}")
            if nested and not self.worlds:
                raise ValueError(f"splits.{name}.counts: counts per world need `worlds`; there is only `world`")
            if split.total == 0:
                raise ValueError(f"splits.{name}.counts: all counts are 0; nothing would be built")
            for slot, count in split.slots.items():
                if (slot.rpartition("/")[2] == CHAINS) != (self.chain is not None):
                    where = slot.replace("/", ".")
                    raise ValueError(
                        f"splits.{name}.counts.{where}: counts of chains belong with `chain`, and only they"
                    )
                world = self.worlds.get(slot.partition("/")[0], self.world)
                operation = slot.rpartition("/")[2]
                if count and operation != CHAINS and operation not in world.operations:
                    where, without = slot.replace("/", "."), _IN_WORDS[operation]
                    raise ValueError(
                        f"splits.{name}.counts.{where}: a {world.kind} world has no {without}; set it to 0"
                    )
        return self

    def world_of(self, index: int) -> tuple[str, AnyWorld, int]:
        """The world of a scene of a split: its name (empty if there is only one), itself, and the scene's number in
        it. Worlds take turns."""
        if not self.worlds:
            return "", self.world, index
        names = sorted(self.worlds)
        name = names[index % len(names)]
        return name, self.worlds[name], index // len(names)

    def slot(self, index: int, operation: str) -> str:
        """The slot that rows of an operation from a scene count for."""
        name = self.world_of(index)[0]
        return "/".join(part for part in (name, CHAINS if self.chain else operation) if part)

    def operations_of(self, index: int, wanted: frozenset[str]) -> list[str]:
        """The operations to try in a scene, given the slots that are still wanted."""
        world = self.world_of(index)[1]
        asked = self.chain.operations if self.chain else OPERATIONS
        return [name for name in world.operations if name in asked and self.slot(index, name) in wanted]

    def content(self) -> dict[str, Any]:
        """All of it but the splits, JSON-able: what manifests keep and seeds are made from."""
        return self.model_dump(mode="json", exclude={"splits", "world" if self.worlds else "worlds"})

    @classmethod
    def of_content(cls, content: dict[str, Any]) -> DatasetSpec:
        """The spec with this `content`; its splits, which decide no row, are made up.

        Raises:
            pydantic.ValidationError: the content is of another version.
        """
        counts: dict[str, Any] = {CHAINS if content.get("chain") else "CM": 1}
        if content.get("worlds"):
            counts = dict.fromkeys(content["worlds"], counts)
        return cls.model_validate(content | {"splits": {"test": {"counts": counts}}})

    def digest(self, split: str, renderer: str) -> str:
        """Hex digest of all that decides the rows of a split; seeds, shards and the cache key on it."""
        content = {"spec": self.content(), "split": split, "renderer": renderer, "package": __version__}
        worlds = self.worlds or {"": self.world}
        outside = {name: world for name, world in worlds.items() if isinstance(world, InFolder | ThorWorld)}
        if files := {name: found for name, world in outside.items() if (found := world.fingerprint())}:
            content["files"] = files
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def seed_for(self, *parts: str | int) -> int:
        """A seed from content: what is built, and which part of it. The renderer does not enter, so that the same
        scenes can be drawn by each of them; nor does what only chooses among rows."""
        content = self.content()
        for name in ("version", "image_size", "balance"):
            del content[name]
        del content["edits"]["categories"]
        text = json.dumps([content, *parts], sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])

    def in_world(self, kind: str, folder: Path | None = None) -> DatasetSpec:
        """The same spec with scenes of another kind, which its name then tells.

        Args:
            kind: one of `worlds.specs.WORLDS`.
            folder: where the scenes lie, for kinds that have a folder.

        Raises:
            SpecError: the spec asks for what such scenes do not have.
        """
        if self.worlds:
            raise SpecError(f"worlds: {self.name} has several; only a single `world` can be exchanged")
        fields = WORLDS[kind].model_fields
        world: dict[str, Any] = {"kind": kind}
        # How views are taken is kept; what stands in the scenes is as they have it.
        for name, value in self.world.model_dump().items():
            if name in Viewed.model_fields and name in fields and name != "objects":
                world[name] = value
        if folder is not None:
            if "folder" not in fields:
                raise SpecError(f"--scenes: scenes of the kind '{kind}' lie in no folder")
            world["folder"] = str(folder)
        content = self.model_dump(exclude={"worlds"}) | {"name": f"{self.name}_{kind}", "world": world}
        try:
            return DatasetSpec.model_validate(content)
        except ValidationError as error:
            raise SpecError(_to_mend(f"{self.name} with --world {kind}", error)) from error

    def scaled(self, factor: float) -> DatasetSpec:
        """The same spec with every count multiplied (rounded up)."""
        return self.model_copy(update={"splits": {name: split.scaled(factor) for name, split in self.splits.items()}})


def load_spec(source: str | Path) -> DatasetSpec:
    """Read a spec from a YAML file, or by the name of one that ships with the package.

    Raises:
        SpecError: naming the file, the field and what to change.
    """
    import yaml

    path = Path(source)
    if path.suffix not in {".yaml", ".yml"} and not path.exists():
        shipped = shipped_specs()
        if str(source) not in shipped:
            raise SpecError(f"no spec named '{source}': give a YAML file or one of {sorted(shipped)}")
        path = shipped[str(source)]
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SpecError(f"{path}: must be a mapping of fields (name, splits, ...), not {type(content).__name__}")
    for world in (content.get("world"), *(content.get("worlds") or {}).values()):
        if isinstance(world, dict) and isinstance(world.get("folder"), str):
            world["folder"] = str(path.parent / world["folder"])
    try:
        return DatasetSpec.model_validate(content)
    except ValidationError as error:
        raise SpecError(_to_mend(str(path), error)) from error


def _to_mend(source: str, error: ValidationError) -> str:
    """What is wrong with which fields, a line each."""
    lines = [f"{source}: {len(error.errors())} field(s) to mend"]
    for item in error.errors():
        # Without pydantic's words for which branch of a choice it took.
        where = ".".join(str(part) for part in item["loc"] if part not in _BRANCHES) or "spec"
        where += ".kind" if item["type"] == UNKNOWN_KIND else ""
        lines.append(f"  {where}: {item['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def shipped_specs() -> dict[str, Path]:
    """Specs in the package, by name."""
    import builders.gsi_syn

    folder = Path(builders.gsi_syn.__file__).parent
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
