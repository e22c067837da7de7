"""What the layout of the shards is worth on the Hub: the first streamed row, and what an added row costs to send.

    python benchmarks/hub.py --data data --config gsi_syn_room --split test

Prints, in one run: seconds until `load_dataset(..., streaming=True)` gives its first row from the loopback Hub, cold
and warm; and the share of a split that hf-xet, the client of the Hub's store of content-defined chunks, sends again
when one row is put in front of the others, against the same rows written by plain pyarrow.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


sys.path.insert(0, str(Path(__file__).parents[1]))
from gsi_datasets.gallery.adapter import as_row
from gsi_datasets.storage import manifest_path, read_manifest, write_shard
from tests.hub import stub
from tests.hub.clients import client


PUBLISH = """
import sys
from pathlib import Path
from gsi_datasets import hub
hub.publish(Path(sys.argv[1]), sys.argv[2], dry_run=False)
"""
FIRST_ROW = """
import json, os, sys, time
import datasets
from PIL import Image
found = []
for _ in range(3):
    start = time.perf_counter()
    row = next(iter(datasets.load_dataset(sys.argv[1], sys.argv[2], split=sys.argv[3], streaming=True)))
    row["source_image"].load()
    found.append(time.perf_counter() - start)
print(json.dumps(found), flush=True)
os._exit(0)  # iterators that are left half-read can disturb the end of the interpreter
"""


def sent_share(before: Path, after: Path, store: Path) -> float:
    """Share of a file that is sent if another is in the store already.

    By the Hub's own client with its chunks, its deduplication and its guard against fragments; the store is a folder.
    """
    import hf_xet

    session = hf_xet.XetSession()
    for path in (before, after):
        commit = session.new_upload_commit(endpoint=f"local://{store}")
        commit.start_upload_file(str(path))
        found = commit.wait_to_finish().dedup_metrics
    return found.new_bytes / found.total_bytes


def plainly(path: Path, rows: list[Any]) -> None:
    """The same rows as pyarrow writes them by itself."""
    from gsi_datasets.schema import features

    pq.write_table(pa.Table.from_pylist([row.to_example() for row in rows], schema=features().arrow_schema), path)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a built folder")
    parser.add_argument("--config", default="gsi_syn_table")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rows", type=int, default=250, help="of the split for the added row (default: %(default)s)")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="gsi-bench-hub-"))
    try:
        with stub.running() as server:
            sent = client(server, place / "ours", "-c", PUBLISH, str(options.data), "someone/gsi-bench")
            if sent.returncode:
                sys.exit(sent.stderr)
            read = client(
                server, place / "theirs", "-c", FIRST_ROW, "someone/gsi-bench", options.config, options.split
            )
            if read.returncode:
                sys.exit(read.stderr)
        cold, *warm = json.loads(read.stdout.splitlines()[-1])
        print(f"first streamed row: {cold:.2f} s cold, {min(warm):.2f} s warm")

        manifest = read_manifest(manifest_path(options.data, options.config, options.split))
        table = pa.concat_tables(pq.read_table(options.data / file.path) for file in manifest.files)
        rows = [as_row(row) for row in table.slice(0, options.rows + 1).to_pylist()]
        shares = {}
        for name in ("ours", "plain"):
            before, after = place / f"{name}-before.parquet", place / f"{name}-after.parquet"
            if name == "ours":
                write_shard(before, iter(rows[1:]), len(rows) - 1)
                write_shard(after, iter(rows), len(rows))
            else:
                plainly(before, rows[1:])
                plainly(after, rows)
            shares[name] = sent_share(before, after, place / f"{name}-store")
            size = after.stat().st_size / 1e6
            print(f"{name:>5}: {size:.0f} MB, one row added in front: {100 * shares[name]:.1f} % sent again")
        print(f"ratio: {shares['plain'] / shares['ours']:.1f}")
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
