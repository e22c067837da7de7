"""Which files belong to an edited picture."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path


MARK = "_edit_"


@dataclass(frozen=True)
class SampleFiles:
    """The files of one edit.

    Attributes:
        image_id: of the original picture.
        query_id: of the edit.
        original: the original picture.
        edited: the edited picture.
        truth: the true result, for changes of view; None where there is none.
        edit: what was asked for.
    """

    image_id: str
    query_id: str
    original: Path
    edited: Path
    truth: Path | None
    edit: Path

    @property
    def key(self) -> str:
        """Under which the sample stands in the results."""
        return f"{self.image_id}_{self.query_id}"


def resolve(edited: Path, originals: Path) -> SampleFiles:
    """The files that belong to ``<img_id>_edit_<query_id>.<ext>``.

    Every ``_rgb`` in the path is left out, also in the names of folders. Where the published program takes the first
    match in the order of the folder, this takes the first by name.

    Args:
        edited: path of an edited picture.
        originals: folder with the original pictures and the edits.

    Raises:
        ValueError: the name has no ``_edit_``.
        FileNotFoundError: a file is missing; the message says which.
    """
    edited = Path(str(edited).replace("_rgb", ""))
    if MARK not in edited.name:
        raise ValueError(f"{edited}: edited pictures are named <img_id>{MARK}<query_id>.<ext>")
    image_id, rest = edited.name.split(MARK)[:2]
    query_id = rest.split(".")[0]
    edit = originals / re.sub(r"\.(jpe?g|png|bmp|gif)$", ".json", edited.name, flags=re.IGNORECASE)
    files = SampleFiles(
        image_id, query_id, original_of(image_id, originals), edited, truth_of(image_id, query_id, originals), edit
    )
    for path in (files.edited, files.edit):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
    return files


def original_of(image_id: str, folder: Path) -> Path:
    """The original picture of an image id.

    Raises:
        FileNotFoundError: there is none.
    """
    endings = (".jpg", ".jpeg", ".png")
    for ending in endings:
        if (folder / f"{image_id}{ending}").exists():
            return folder / f"{image_id}{ending}"
    start = glob.escape(image_id)
    similar = sorted(path for ending in endings for path in folder.glob(f"{start}*{ending}") if MARK not in path.name)
    if not similar:
        raise FileNotFoundError(f"no original picture {image_id}*.jpg, .jpeg or .png in {folder}")
    return similar[0]


def truth_of(image_id: str, query_id: str, folder: Path) -> Path | None:
    """The true result of an edit: the first file whose name begins as it should."""
    found = sorted(folder.glob(f"{glob.escape(image_id)}_*gtedit_{glob.escape(query_id)}*.*"))
    return found[0] if found else None


def edited_pictures(folder: Path) -> list[Path]:
    """The edited pictures of a folder: ``*.jpg`` by name, then ``*.png``; not ``.jpeg``, no sub-folders."""
    return [path for ending in ("jpg", "png") for path in sorted(folder.glob(f"*.{ending}"))]
