"""Pictures for the dataset card: one row of each operation, source and target (if there is one) side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from gsi_datasets.images import photograph
from gsi_datasets.schema import OPERATIONS
from gsi_datasets.storage import Manifest


FOLDER = "card"
WIDTH, GAP = 320, 8  # pixels of one image and between two


def card_pictures(out: Path, found: Sequence[Manifest]) -> dict[str, tuple[str, bytes]]:
    """For each operation that the folder has: its instruction, and a JPEG of source and target, if there is one.

    The first row of each is taken, in the order of the manifests given; the same folder gives the same pictures.
    """
    import pyarrow.parquet as pq

    chosen: dict[str, tuple[str, bytes]] = {}
    for item in found:
        missing = {name for name in item.counts if item.counts[name]} - set(chosen)
        for file in item.files:
            if not missing:
                break
            opened = pq.ParquetFile(out / file.path)
            for group in range(opened.num_row_groups):
                names = opened.read_row_group(group, columns=["operation"])["operation"].to_pylist()
                for name in sorted(missing & set(names)):
                    columns = ["instruction", "source_image", "target_image"]
                    row = opened.read_row_group(group, columns=columns).slice(names.index(name), 1).to_pylist()[0]
                    pair = _beside([row[name]["bytes"] for name in columns[1:] if row[name] is not None])
                    chosen[name] = row["instruction"], pair
                    missing.discard(name)
                if not missing:
                    break
    return {name: chosen[name] for name in OPERATIONS if name in chosen}


def path_of(operation: str) -> str:
    """Where the picture of an operation lies in the repository."""
    return f"{FOLDER}/{operation.lower()}.jpg"


def _beside(pictures: Sequence[bytes]) -> bytes:
    from PIL import Image

    images = [photograph(data) for data in pictures]
    height = round(WIDTH * images[0].height / images[0].width)
    sheet = Image.new("RGB", (len(images) * (WIDTH + GAP) - GAP, height), "white")
    for number, image in enumerate(images):
        sheet.paste(image.resize((WIDTH, height), Image.Resampling.LANCZOS), (number * (WIDTH + GAP), 0))
    stream = io.BytesIO()
    sheet.save(stream, "JPEG", quality=88)
    return stream.getvalue()
