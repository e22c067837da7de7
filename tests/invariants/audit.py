"""An independent look at rows: what do the stored columns themselves say happened?

Nothing here asks the simulator, the renderers or the asset library. From depth, instance maps, colours and cameras
of a row alone, the target's or the camera's motion is measured again and held against the stored one; boxes, stillness
and words are checked besides. Run it over a built folder, on all cores:

    python -m tests.invariants.audit DIR CONFIG SPLIT

It prints a table per operation, then each row that fails, and ends with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import glob
import multiprocessing
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.invariants.boxes import BoxFit, box_agreement, others_still, untouched_depth
from tests.invariants.motion import disagreement, measure
from tests.invariants.pose import camera_disagreement, measure_camera
from tests.invariants.saying import named, true_to_words, unambiguous
from tests.invariants.seeing import view


__all__ = ["audit", "box_agreement", "disagreement", "main", "measure", "named", "others_still", "view"]

# An object of which so much is seen is not occluded.
UNOCCLUDED = 0.97
POSITION, DEGREES, SCALE, CAMERA_DEGREES, STILL = 0.01, 2.0, 0.02, 0.5, 0.002
"""What must agree: metres, degrees, relative scale; degrees of a camera; metres that other things may move."""
SMALLEST_IOU, SMALLEST_SHARE = 0.85, 0.99


def audit(row: dict[str, Any]) -> dict[str, Any]:
    """Everything measured of one row."""
    source, target = view(row, "source"), view(row, "target")
    found: dict[str, Any] = {"id": row["id"], "operation": row["operation"]}
    fits = [
        box_agreement(item, seen)
        for seen, key in ((source, "objects_before"), (target, "objects_after"))
        for item in row[key]
        if item["visibility"] >= UNOCCLUDED
    ]
    found["boxes"] = fits
    found["inside_box"] = min((fit.inside for fit in fits), default=1.0)
    found["others_moved"], found["untouched_depth"] = others_still(row), untouched_depth(row)
    found["unambiguous"], found["true"] = unambiguous(row), true_to_words(row)
    return found | _motion(row)


def _motion(row: dict[str, Any]) -> dict[str, Any]:
    """What is measured of the motion, and whether it agrees with what is stored."""
    if row["operation"] == "SR":
        gone = row["target_ids"][0]
        present = any(item["id"] == gone for item in row["objects_after"])
        return {"agrees": not present and not (view(row, "target").ids == gone).any()}
    if row["operation"] == "PC":
        pose = measure_camera(row)
        if pose is None:
            return {"agrees": False, "position": float("inf"), "degrees": 180.0, "scale": 0.0}
        position, degrees = camera_disagreement(pose, np.asarray(row["target_extrinsics"]))
        agrees = position <= POSITION and degrees <= CAMERA_DEGREES
        return {"agrees": agrees, "position": position, "degrees": degrees, "scale": 0.0}
    off = disagreement(row, measure(row))
    agrees = off.position <= POSITION and off.degrees <= DEGREES and abs(off.scale) <= SCALE
    return {"agrees": agrees, "position": off.position, "degrees": off.degrees, "scale": off.scale}


def parts(folder: str, config: str, split: str, every: int) -> list[tuple[str, int, range]]:
    """What workers take one after the other: file, row group and the rows of it to look at, every so many."""
    import pyarrow.parquet as pq

    found, start = [], 0
    for path in sorted(glob.glob(f"{folder}/{config}/{split}-*.parquet")):
        facts = pq.ParquetFile(path).metadata
        for group in range(facts.num_row_groups):
            count = facts.row_group(group).num_rows
            found.append((path, group, range(-start % every, count, every)))
            start += count
    return found


def audit_part(part: tuple[str, int, range]) -> list[dict[str, Any]]:
    """`audit` of the rows of a part."""
    import pyarrow.parquet as pq

    path, group, chosen = part
    read = pq.ParquetFile(path).read_row_group(group)
    return [audit(row) for number in chosen for row in read.slice(number, 1).to_pylist()]


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of text: one per operation, one for all."""
    head = "rows agree%  median: mm    deg   scale | still: box mm depth mm | one meant% true% |"
    lines = [f"      {head} boxes: inside tight cover rect hull mask"]
    for operation in [*sorted({item["operation"] for item in results}), "all"]:
        of = [item for item in results if operation in (item["operation"], "all")]
        moved = [item for item in of if "position" in item]
        size = [float(np.median([abs(it[key]) for it in moved])) if moved else 0.0 for key in _MEASURES]
        fits = np.array([fit for item in of for fit in item["boxes"]]).reshape(-1, len(BoxFit._fields))
        share = {key: 100 * float(np.mean([item[key] for item in of])) for key in ("agrees", "unambiguous", "true")}
        most = {key: 1e3 * max(item[key] for item in of) for key in ("others_moved", "untouched_depth")}
        means = " ".join(f"{value:.3f}" for value in fits.mean(axis=0)) if len(fits) else "-"
        lines.append(
            f"{operation:>4} {len(of):5d} {share['agrees']:6.2f}  {1e3 * size[0]:10.2f} {size[1]:6.2f} {size[2]:7.4f}"
            f" | {most['others_moved']:13.3f} {most['untouched_depth']:8.3f}"
            f" | {share['unambiguous']:10.1f} {share['true']:5.1f} | {len(fits):5d} {means}"
        )
    return lines


def missed(results: Sequence[dict[str, Any]]) -> list[str]:
    """The targets that are not reached, in words."""
    found = []
    for what, of in (
        ("targets measured again", [item for item in results if item["operation"] != "PC"]),
        ("cameras measured again", [item for item in results if item["operation"] == "PC"]),
    ):
        share = np.mean([item["agrees"] for item in of]) if of else 1.0
        if share < SMALLEST_SHARE:
            found.append(f"{what}: {100 * share:.2f} % agree, {100 * SMALLEST_SHARE:.0f} % are asked")
    fits = [fit for item in results for fit in item["boxes"]]
    if fits and (mean := np.mean([fit.tight for fit in fits])) < SMALLEST_IOU:
        found.append(f"boxes: mean IoU {mean:.3f}, {SMALLEST_IOU} is asked")
    if fits and (mean := np.mean([fit.covered for fit in fits])) < SMALLEST_SHARE:
        found.append(f"boxes: their images cover {100 * mean:.1f} % of masks, {100 * SMALLEST_SHARE:.0f} % are asked")
    for key, words in (("unambiguous", "name more or less than what is meant"), ("true", "do not say what happened")):
        if wrong := sum(not item[key] for item in results):
            found.append(f"{wrong} instructions {words}")
    for key, words in (("others_moved", "boxes"), ("untouched_depth", "depth")):
        if wrong := sum(item[key] > STILL for item in results):
            found.append(f"{wrong} rows: something else moved more than {1e3 * STILL:.0f} mm by its {words}")
    return found


def fails(item: dict[str, Any]) -> bool:
    """Whether a row misses anything that each row must reach."""
    still = item["others_moved"] <= STILL and item["untouched_depth"] <= STILL
    return not (item["agrees"] and item["unambiguous"] and item["true"] and still)


_MEASURES = ("position", "degrees", "scale")


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit a built split; 1 if a target is missed, or there are no rows."""
    from tqdm import tqdm

    parser = argparse.ArgumentParser(prog="python -m tests.invariants.audit", description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("config")
    parser.add_argument("split")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--every", type=int, default=1, help="look at every n-th row only")
    given = parser.parse_args(arguments)
    work = parts(given.folder, given.config, given.split, given.every)
    results: list[dict[str, Any]] = []
    with (
        multiprocessing.get_context("spawn").Pool(given.workers) as pool,
        tqdm(total=sum(len(chosen) for _, _, chosen in work), unit=" rows") as bar,
    ):
        for found in pool.imap(audit_part, work):
            results += found
            bar.update(len(found))
    if not results:
        print(f"no rows: is {given.folder}/{given.config}/{given.split}-*.parquet right?", file=sys.stderr)
        return 1
    print("\n".join(table(results)))
    for item in filter(fails, results):
        rest = {key: value for key, value in item.items() if key != "boxes"}
        print("   ", {key: round(it, 4) if isinstance(it, float) else it for key, it in rest.items()})
    for line in (missing := missed(results)):
        print(f"missed: {line}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
