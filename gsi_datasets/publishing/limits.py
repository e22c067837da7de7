"""What of a built folder the Hub's viewer will not show, or the Hub advises against; read from Parquet footers alone.

The figures are those of the Hub's documentation (Repository limitations and recommendations; Data Studio) and of the
viewer's messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from gsi_datasets.storage import Manifest


GROUP_BYTES = 300_000_000
"""Of the largest row group that the viewer opens, before compression; its own message says 286.10 MiB."""
ROW_BYTES = 2_000_000
"""Of a row on average; the viewer cuts cells of longer ones."""
SEARCH_BYTES = 5_000_000_000
"""Of a split: the part that can be searched, filtered and sorted."""
FOLDER_FILES = 10_000
REPOSITORY_FILES = 100_000


def exceeded(folder: Path, found: Sequence[Manifest], files: Iterable[str]) -> list[str]:
    """A warning with its remedy for each limit that a built folder exceeds, and each split that does.

    Args:
        folder: a built folder that is whole (`gsi_datasets.hub.verify`).
        found: its manifests.
        files: path of everything that goes into the repository.
    """
    told = [line for item in found for line in _of_split(folder, item)]
    paths = list(files)
    for place, count in Counter(str(PurePosixPath(path).parent) for path in paths).items():
        if count > FOLDER_FILES:
            told.append(
                f"warning: {place}: {count:,} files, the Hub takes {FOLDER_FILES:,} a folder; use fewer splits"
            )
    if len(paths) > REPOSITORY_FILES:
        told.append(
            f"warning: {len(paths):,} files, the Hub advises {REPOSITORY_FILES:,} a repository; publish some configs "
            "as another repository"
        )
    return told


def _of_split(folder: Path, item: Manifest) -> list[str]:
    import pyarrow.parquet as pq

    name = f"warning: {item.config}/{item.split}"
    largest, total, rows = 0, 0, 0
    for file in item.files:
        footer = pq.read_metadata(folder / file.path)
        sizes = [footer.row_group(number).total_byte_size for number in range(footer.num_row_groups)]
        largest, total, rows = max([largest, *sizes]), total + sum(sizes), rows + footer.num_rows
    told = []
    if largest > GROUP_BYTES:
        told.append(
            f"{name}: a row group of {_mb(largest)}, the viewer opens none above {_mb(GROUP_BYTES)}; build it again "
            "with this package, or write it with smaller row groups"
        )
    if rows and total / rows > ROW_BYTES:
        told.append(
            f"{name}: {_mb(total / rows)} a row, {_mb(ROW_BYTES)} or less are advised for the viewer; use a smaller "
            "image_size"
        )
    if total > SEARCH_BYTES:
        told.append(
            f"{name}: {_mb(total)}, the viewer searches and filters only the first {_mb(SEARCH_BYTES)}; make several "
            "splits of it if that matters"
        )
    return told


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"
