"""`gsi-bench convert`: the published benchmark becomes rows of ours, and rows become files of theirs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command.

    Args:
        commands: what `ArgumentParser.add_subparsers` gave.
    """
    convert = commands.add_parser(
        "convert",
        help="exchange data with the published benchmark, in both directions",
        description="Exchange data with the published benchmark: its archives become rows of ours, with its ids; rows "
        "become pictures and JSON files as its evaluation reads them.",
    )
    kinds = convert.add_subparsers(title="which way", metavar="", required=True)
    official = kinds.add_parser(
        "official",
        help="published archives or folders -> a built folder",
        description="Convert published data sets (fine_dataset.zip, ... or unpacked) into a built folder, each as a "
        "config with its name. All is checked before a row is written.",
    )
    official.add_argument("source", type=Path, metavar="IN", help="an archive, a folder of archives, or a folder")
    official.add_argument("out", type=Path, metavar="OUT", help="folder of the rows")
    official.add_argument(
        "--name",
        help="of the data set, where IN holds one (default: by its folder); fine has the gates of GSI-Real, mesatask, "
        "bathroom and robothor those of GSI-Syn",
    )
    official.add_argument("--skip-bad", action="store_true", help="leave edits out that cannot be converted")
    official.set_defaults(run=_official)
    back = kinds.add_parser(
        "to-official",
        help="rows -> the published layout",
        description="Write a split as the published evaluation reads it: pictures, true results (gtedit) and a JSON "
        "file for each edit, with boxes in the camera's frame and K of the detector's working picture.",
    )
    back.add_argument("data", metavar="IN", help="a built folder, or a name for datasets.load_dataset")
    back.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    back.add_argument("--config", help="of the data set (default: the only one)")
    back.add_argument("--split", default="test", help="of the data set (default: %(default)s)")
    back.add_argument(
        "--edits",
        metavar="FOLDER|truth",
        help="also write these edited pictures (<id>.png) under their published names into OUT/generated_images; "
        "truth: the true results, with the detections (infer_cache.json) of a detector without mistakes",
    )
    back.set_defaults(run=_to_official)


def _official(options: argparse.Namespace) -> int:
    from gsi_metrics.official.reading import convert

    done = convert(options.source, options.out, name=options.name, skip_bad=options.skip_bad)
    for item in done:
        manifest = item.manifest
        counts = ", ".join(f"{name} {count:,}" for name, count in manifest.counts.items() if count)
        print(f"{manifest.config}: {manifest.rows:,} rows of {manifest.scenes:,} pictures ({counts})")
        drawn = "all" if item.truths == manifest.rows else f"{item.truths:,}"
        others = "" if item.truths == manifest.rows else "; the others ask for what nobody drew"
        print(f"  {drawn} have a true result{others}")
        for text in item.left_out:
            print(f"  left out: {text}")
    first = done[0].manifest.config
    print(f"rows  {options.out}")
    print(f"\nnext:  gsi-bench show {options.out} --config {first}")
    print(f"       gsi-bench score EDITS --data {options.out} --config {first} --recordings infer_cache.json")
    print(f'       load_dataset("{options.out}", "{first}", split="test")')
    return 0


def _to_official(options: argparse.Namespace) -> int:
    from gsi_metrics.official.writing import GENERATED, TRUTH, write
    from gsi_metrics.rows import open_rows

    written = write(open_rows(options.data, options.config, options.split), options.out, edits=options.edits)
    counts = ", ".join(f"{verb} {count:,}" for verb, count in sorted(written.operations.items()))
    pictures = len({image_id for image_id, _ in written.names.values()})
    print(f"{len(written.names):,} edits of {pictures:,} pictures ({counts})")
    print(f"pictures and edits  {options.out}")
    for text in written.problems:
        print(f"left out: {text}")
    if not written.edited:
        print(
            "\nnext:  let the model write <img_id>_edit_<query_id>.png for each JSON file there, or give its pictures"
        )
        print(f"       of these rows to --edits; then score them: --data {options.out}")
        return 1 if written.problems else 0
    generated = options.out / GENERATED
    print(f"edited pictures     {generated} ({len(written.edited):,})")
    recorded = "" if options.edits == TRUTH else " --recordings infer_cache.json"
    print(f"\nnext:  gsi-bench score {generated} --data {options.out} --config {written.dataset}{recorded}")
    return 1 if written.problems else 0
