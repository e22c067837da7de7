"""Read a dataset the way strangers do: with `datasets` alone. Run as a script, it must not import this project.

    python read_all.py NAME CONFIG SPLIT

Reads map-style and streaming, decodes every column of every row and prints one line of JSON.
"""

from __future__ import annotations

import json
import sys


def main(name: str, config: str, split: str) -> None:
    """Print what was read; fails if map-style and streaming differ."""
    import datasets
    from PIL import Image

    rows = list(datasets.load_dataset(name, config, split=split))
    streamed = list(datasets.load_dataset(name, config, split=split, streaming=True))
    assert [row["id"] for row in rows] == [row["id"] for row in streamed]
    modes: dict[str, set[str]] = {}
    for row, other in zip(rows, streamed):  # noqa: B905 - also runs on Python 3.9
        assert row.keys() == other.keys()
        for column, value in row.items():
            if isinstance(value, Image.Image):
                modes.setdefault(column, set()).add(f"{value.mode} {value.width}x{value.height}")
                assert value.tobytes() == other[column].tobytes(), column
            else:
                assert value == other[column], column
    print(
        json.dumps(
            {
                "datasets": datasets.__version__,
                "ids": [row["id"] for row in rows],
                "columns": sorted(rows[0]),
                "images": {column: sorted(found) for column, found in modes.items()},
                "boxes": [len(row["objects_before"]) for row in rows],
                "intrinsics": rows[0]["intrinsics"],
                "project": any(module.startswith("gsi_") for module in sys.modules),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
