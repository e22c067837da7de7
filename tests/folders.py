"""Small built folders, made from fake rows by the code that makes the real ones."""

from __future__ import annotations

from pathlib import Path

from gsi_datasets import __version__
from gsi_datasets.schema import IMAGE_COLUMNS, Triplet
from gsi_datasets.storage import SHARD_BYTES, Manifest, assemble
from tests.factories import fake_triplet


OPERATIONS = ("CM", "OP", "OR", "OS", "SR", "RP")


def fake_rows(count: int, seed: int = 0, size: int = 64) -> list[Triplet]:
    """`count` rows of all operations in turn, three to a scene."""
    return [fake_triplet(seed + k // 3, OPERATIONS[k % 6], size, number=k % 3) for k in range(count)]


def built_split(
    out: Path,
    config: str = "gsi_syn_table",
    split: str = "test",
    rows: int = 6,
    *,
    seed: int = 0,
    version: str = "1.0.0",
    shards: int = 1,
    size: int = 64,
) -> Manifest:
    """Add a finished split to the built folder `out`, in `shards` shards, with pictures of `size` pixels."""
    made = fake_rows(rows, seed, size)
    staging = out / ".staging"
    staging.mkdir(parents=True, exist_ok=True)
    sizes = [sum(len(getattr(row, column)) for column in IMAGE_COLUMNS) for row in made]
    if shards > 1:  # they are cut by size: pretend that the rows are as heavy as so many shards need
        sizes = [SHARD_BYTES * shards // rows] * rows
    return assemble(
        out,
        staging,
        config,
        split,
        iter(made),
        sizes,
        version=version,
        digest=f"{seed:016x}",
        package=__version__,
        renderer="gl",
        wanted=dict.fromkeys(OPERATIONS, 1),
        scenes=rows,
        rejected={"CM": {"collision": 7, "occluded": 12}, "scene": {"toppled": 2}},
        spec={"name": config, "version": version, "seed": seed, "image_size": size},
    )
