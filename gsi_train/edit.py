"""Edits every row of a data set: `<id>.png` for each, as `gsi-bench score` wants them.

A run that was cut off goes on where it was. Every picture depends on its row, the editor and the seed, and on nothing
else; a folder holds the pictures of one editor, and says in `edits.json` of which.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gsi_datasets import __version__
from gsi_datasets.progress import bar
from gsi_datasets.storage import write_atomically
from gsi_metrics.rows import Row, Rows, open_rows


if TYPE_CHECKING:
    from PIL.Image import Image
    from tqdm import tqdm

RECORD = "edits.json"
FILE_NAME = re.compile(r"[\w][\w.+-]*")


class EditingError(ValueError):
    """Nothing can be edited; the message names what is wrong and the remedy."""


class Editor(Protocol):
    """What edits pictures."""

    def describe(self) -> Mapping[str, Any]:
        """All that decides a picture besides source, instruction and seed: plain data, to compare and to keep."""

    def edit(
        self,
        sources: Sequence[Image],
        instructions: Sequence[str],
        seeds: Sequence[int],
        on_step: Callable[[int, int], None],
    ) -> list[Image]:
        """Edit some pictures, each by its instruction; `on_step` may be told how far it is (done, of how many)."""


@dataclass(frozen=True)
class EditSummary:
    """What came of a run.

    Attributes:
        out: folder of the pictures.
        rows: that were asked for.
        kept: pictures that were there already.
        made: new pictures.
        seconds: that the new ones took.
        problems: one message for each row that could not be edited.
    """

    out: Path
    rows: int
    kept: int
    made: int
    seconds: float
    problems: list[str]


def edit_rows(
    editor: Editor,
    data: str | Path,
    out: Path,
    *,
    config: str | None = None,
    split: str = "test",
    seed: int = 42,
    count: int | None = None,
    together: int = 1,
    progress: bool = True,
) -> EditSummary:
    """Edit the rows of a split.

    Args:
        editor: edits pictures.
        data: a built folder, or a name for `datasets.load_dataset`.
        out: folder for the pictures; one that holds an unfinished run of the same editor is finished.
        config: of the data set; the only one by default.
        split: of the data set.
        seed: of every picture, so that none depends on its neighbours.
        count: only the first rows.
        together: pictures that are drawn in one go.
        progress: show a bar.

    Raises:
        EditingError: the folder holds other pictures, or another run writes to it.
        RowsError: there are no such rows.
        StorageError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    if together < 1 or (count is not None and count < 1):
        raise EditingError(f"together is {together}, count {count}; they must be at least 1")
    rows = open_rows(data, config, split)
    ids = list(islice(rows.entries, count))
    if unfit := [name for name in ids if not FILE_NAME.fullmatch(name)]:
        raise EditingError(f"{rows.name}: the id {unfit[0]!r} is no name for a file; rename the rows")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            _claim(out, {"editor": dict(editor.describe()), "seed": seed, "rows": rows.digest}, rows.name)
            return _edit(editor, rows, ids, out, seed, together, progress)
    except Timeout as error:
        raise EditingError(f"{out}: another run writes to it; choose another folder or wait") from error
    except OSError as error:
        raise EditingError(f"{out}: {error.strerror or error}; choose a folder that can be written") from error


def _claim(out: Path, facts: dict[str, Any], data: str) -> None:
    """Say whose pictures a folder holds; refuse one that holds others.

    Args:
        out: the folder.
        facts: all that decides the pictures.
        data: whose rows they belong to, to tell.
    """
    record = out / RECORD
    facts = json.loads(json.dumps(facts))
    if record.is_file():
        try:
            known = json.loads(record.read_text(encoding="utf-8"))
            known = {name: known[name] for name in facts}
        except (ValueError, KeyError, TypeError) as error:
            raise EditingError(f"{record}: is damaged ({error}); choose another folder") from error
        if known != facts:
            apart = ", ".join(_apart(known, facts))
            raise EditingError(f"{out}: holds the pictures of another run ({apart}); choose another folder")
    elif any(out.glob("*.png")):
        raise EditingError(f"{out}: holds pictures of unknown origin (it has no {RECORD}); choose another folder")
    else:
        text = json.dumps({**facts, "data": data, "package": __version__}, indent=2) + "\n"
        write_atomically(record, text.encode())


def _apart(known: Any, facts: Any, name: str = "") -> Iterator[str]:
    """What differs between two records, e.g. ``seed: 42, now 43``."""
    if isinstance(known, dict) and isinstance(facts, dict):
        for key in sorted(known.keys() | facts.keys()):
            yield from _apart(known.get(key), facts.get(key), f"{name}.{key}".lstrip("."))
    elif known != facts:
        yield f"{name}: {known}, now {facts}"


def _edit(
    editor: Editor, rows: Rows, ids: Sequence[str], out: Path, seed: int, together: int, progress: bool
) -> EditSummary:
    wanted = [name for name in ids if not _is_picture(out / f"{name}.png")]
    problems: list[str] = []
    made, start = 0, time.monotonic()
    with bar("edit", "picture", progress, total=len(ids), initial=len(ids) - len(wanted)) as shown:
        for batch in _batches(rows.read(wanted), together, problems, shown):
            names, sources, texts = zip(*batch, strict=True)
            edited = editor.edit(sources, texts, [seed] * len(batch), _shown(shown))
            for name, source, image in zip(names, sources, edited, strict=True):
                write_atomically(out / f"{name}.png", _png(image, source.size))
            made += len(batch)
            shown.update(len(batch))
            shown.set_postfix({"problems": len(problems)} if problems else {}, refresh=False)
    return EditSummary(out, len(ids), len(ids) - len(wanted), made, time.monotonic() - start, problems)


def _batches(rows: Iterator[Row], size: int, problems: list[str], bar: tqdm) -> Iterator[list[tuple[str, Image, str]]]:
    """Rows as (id, source, instruction), a few at a time; one whose source cannot be read is a problem."""
    batch = []
    for row in rows:
        try:
            batch.append((row["id"], _picture(row["source_image"]["bytes"]), str(row["instruction"])))
        except (OSError, ValueError, SyntaxError, KeyError, TypeError) as error:
            problems.append(f"row {row['id']}: source_image or instruction cannot be read ({error})")
            bar.update()
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _shown(bar: tqdm) -> Callable[[int, int], None]:
    """Shows steps of a drawing at the end of a bar."""
    return lambda done, total: bar.set_postfix_str(f"step {done}/{total}", refresh=sys.stderr.isatty())


def _picture(content: bytes) -> Image:
    from PIL import Image

    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def _is_picture(path: Path) -> bool:
    """Whether a file holds a whole picture."""
    if not path.is_file():
        return False
    try:
        _picture(path.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return False
    return True


def _png(image: Image, size: tuple[int, int]) -> bytes:
    """The picture at the size of its source, which no score may depend on."""
    from PIL import Image as Pictures

    if image.size != size:
        image = image.resize(size, Pictures.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
