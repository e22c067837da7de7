"""Published archives and folders become a built folder of ours."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gsi_datasets import __version__
from gsi_datasets.card import write_card
from gsi_datasets.progress import bar
from gsi_datasets.schema import EditRow
from gsi_datasets.storage import Manifest, assemble, manifests, storing
from gsi_metrics.official.errors import OfficialError
from gsi_metrics.official.files import Asked, PublishedSet, asked_in, digest_of, opened, read_edit, read_picture
from gsi_metrics.official.frames import Array, upright_extrinsics
from gsi_metrics.official.names import row_id
from gsi_metrics.official.rows import row_of
from gsi_metrics.protocols.v1.formats import Edit


SPLIT, VERSION = "test", "1.0.0"
TOLD = 5
"""Problems that an error lists."""


@dataclass(frozen=True)
class Converted:
    """What came of one data set.

    Attributes:
        manifest: of its split.
        truths: rows that have a true result.
        left_out: what is wrong with the edits that are not among the rows.
    """

    manifest: Manifest
    truths: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Ready:
    """An edit that can be converted: its files, what they say, our operation and how many bytes its pictures have."""

    asked: Asked
    edit: Edit
    raw: dict[str, Any]
    operation: str
    bytes: int


@dataclass(frozen=True)
class _Checked:
    """A set of which every file has been read once.

    Attributes:
        name: of the set.
        ready: the edits that can be converted.
        worlds: picture -> (4, 4) world to camera.
        problems: what is wrong with the other edits.
        digest: of all that decides the rows.
    """

    name: str
    ready: tuple[_Ready, ...]
    worlds: dict[Path, Array]
    problems: tuple[str, ...]
    digest: str


def convert(
    source: str | Path, out: str | Path, *, name: str | None = None, skip_bad: bool = False, progress: bool = True
) -> list[Converted]:
    """Convert every data set that is in `source`; each becomes a config with its name.

    All edits and pictures are checked before any row is written.

    Args:
        source: a published archive, a folder of archives, or a folder of pictures and edits.
        out: a new folder, or one of converted sets, of which those of the same name are replaced.
        name: of the data set, if there is one; by default it follows from folders and archives.
        skip_bad: leave edits that cannot be converted out, instead of converting nothing.
        progress: show bars.

    Raises:
        OfficialError: `source` holds no edit, some cannot be converted, or `out` holds rows of another kind.
        ArchiveError: an archive is damaged or not to be trusted.
        StorageError: `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    for manifest in manifests(out) if out.is_dir() else ():
        if manifest.kind != "published":
            raise OfficialError(f"{out}: holds {manifest.config}, which was not published; choose another folder")
    fresh = not out.exists()
    with storing(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with opened(source, out) as found:
            if name is not None:
                found = [_named(source, name, found)]
            sets = [_check(item, skip_bad, progress) for item in found]
            done = [_write(item, out, progress) for item in sets]
        write_card(out)
    finally:
        if fresh and not any(out.iterdir()):
            out.rmdir()
    return done


def _named(source: Path, name: str, found: Sequence[PublishedSet]) -> PublishedSet:
    if len(found) > 1:
        raise OfficialError(f"{source}: holds {[item.name for item in found]}, which cannot all be named {name!r}")
    if name != row_id(name) or not name:
        raise OfficialError(f"--name {name!r}: use lower-case letters, digits, - and _")
    return PublishedSet(name, found[0].folder)


def _check(item: PublishedSet, skip_bad: bool, progress: bool) -> _Checked:
    listed, problems = asked_in(item.folder)
    ready: list[_Ready] = []
    digests: list[str] = []
    for asked in bar(f"check {item.name}", "edit", progress, listed):
        try:
            edit, raw = read_edit(asked.edit)
            # Made once for nothing: what the columns refuse is told before anything is written.
            row = _row(asked, edit, raw, item.name, upright_extrinsics([edit.rotation_matrix]))
        except OfficialError as error:
            problems.append(str(error))
            continue
        pictures = [row.source_image, row.target_image or b""]
        ready.append(_Ready(asked, edit, raw, row.operation, sum(map(len, pictures))))
        digests.append(digest_of(asked.id.encode(), row.parameters.encode(), *pictures))
    if problems and not (skip_bad and ready):
        raise OfficialError(_told(item.folder, problems, len(ready)))
    by_picture: dict[Path, list[Any]] = {}
    for one in ready:
        by_picture.setdefault(one.asked.picture, []).append(one.edit.rotation_matrix)
    worlds = {path: upright_extrinsics(rotations) for path, rotations in by_picture.items()}
    digest = digest_of(*(text.encode() for text in digests))[:16]
    return _Checked(item.name, tuple(ready), worlds, tuple(problems), digest)


def _row(asked: Asked, edit: Edit, raw: dict[str, Any], dataset: str, world: Array) -> EditRow:
    picture, size = read_picture(asked.picture)
    truth = None if asked.truth is None else read_picture(asked.truth)[0]
    try:
        return row_of(asked, edit, raw, dataset, picture, size, truth, world)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise OfficialError(f"{asked.edit}: gives no row: {place}: {first['msg']}; mend or remove it") from error


def _write(item: _Checked, out: Path, progress: bool) -> Converted:
    """One split of Parquet, whole or not at all."""
    made: Counter[str] = Counter()

    def rows() -> Iterator[EditRow]:
        for one in item.ready:
            row = _row(one.asked, one.edit, one.raw, item.name, item.worlds[one.asked.picture])
            made["truths"] += row.target_image is not None
            yield row

    staging = out / f".staging-{row_id(item.name)}"
    try:
        with storing(out):
            shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
            staging.mkdir()
        manifest = assemble(
            out,
            staging,
            item.name,
            SPLIT,
            rows(),
            [one.bytes for one in item.ready],
            version=VERSION,
            digest=item.digest,
            package=__version__,
            renderer="",
            wanted=Counter(one.operation for one in item.ready),
            scenes=len(item.worlds),
            rejected={},
            spec={"name": item.name},
            kind="published",
        )
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Converted(manifest, made["truths"], item.problems)


def _told(folder: Path, problems: list[str], good: int) -> str:
    listed = "".join(f"\n  {text}" for text in problems[:TOLD])
    more = f"\n  and {len(problems) - TOLD} more" if len(problems) > TOLD else ""
    total = len(problems) + good
    return (
        f"{folder}: {len(problems)} of {total} edits cannot be converted (--skip-bad leaves them out):{listed}{more}"
    )
