"""Seconds per scored edit, against the same work done the straightforward way, in one run.

    python benchmarks/scoring.py [--edits 441] [--pictures 211] [--size 512] [--data DIR --config CONFIG --rows 36]

The folder that the published protocol scores is drawn here: as many edits and pictures as the published GSI-Real set
has, its operations in about its proportions, every pixel changed a little as by a model's codec. Our own protocol is
timed on rows of a dataset (``gsi-bench build``), half of them edited rightly and half not at all, as JPEG.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from gsi_metrics import lpips
from gsi_metrics.lpips_weights import LAYERS, LpipsWeightsError, fetch_weights, read_weights
from gsi_metrics.protocols.v1.driver import score_folder
from gsi_metrics.protocols.v1.formats import CACHE_NAME, MODES
from gsi_metrics.protocols.v1.pictures import Picture, load, process
from gsi_metrics.protocols.v1.similarity import lpips_input, masked_mean, moments, ssim


GOAL, GOAL_V2 = 30.0, 1.5
# Of twenty edits; the generator of GSI-Real mostly moves.
OPERATIONS = ("move",) * 14 + ("rotate",) * 3 + ("remove",) * 3
PROMPTS = {
    "move": "Move the box 60 centimeters to the right.",
    "rotate": "Rotate the box 45 degrees clockwise.",
    "remove": "Remove the box.",
}


def draw(rng: np.random.Generator, size: int) -> Picture:
    """A room's worth of edges and texture: shaded rectangles and discs over noise."""
    import cv2

    coarse = rng.integers(60, 200, (size // 32, size // 32, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    for _ in range(60):
        (x, y), reach = rng.integers(0, size, 2).tolist(), int(rng.integers(8, size // 6))
        colour = rng.integers(0, 255, 3).tolist()
        if rng.random() < 0.5:
            cv2.rectangle(picture, (x, y), (x + reach, y + reach // 2), colour, -1)
        else:
            cv2.circle(picture, (x, y), reach // 2, colour, -1)
    noise = rng.normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def make_folder(root: Path, edits: int, pictures: int, size: int) -> Counter[str]:
    """Draw originals, edits and recorded detections; returns how many edits of each operation there are."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("originals", "edits"):
        (root / name).mkdir()
    intrinsics = [[761.6, 0.0, 448.0], [0.0, 761.6, 448.0], [0.0, 0.0, 1.0]]
    turned = [[0.707107, 0.0, 0.707107], [0.0, 1.0, 0.0], [-0.707107, 0.0, 0.707107]]
    upright = np.eye(3).tolist()
    before = {"bbox_3d": [-0.6, 0, 3, 0.4, 0.4, 0.4, 0], "bbox_2d": [230, 380, 360, 510], "rotation_matrix": upright}
    after = {"bbox_3d": [0, 0, 3, 0.4, 0.4, 0.4, 0.8], "bbox_2d": [390, 380, 510, 510], "rotation_matrix": turned}
    recordings = {}
    for number in range(edits):
        image_id, operation = f"scene{number % pictures:03d}", OPERATIONS[number % len(OPERATIONS)]
        path = root / "originals" / f"{image_id}.png"
        if not path.exists():
            Image.fromarray(draw(rng, size)).save(path)
        edited = load(path).copy()
        edited[size // 3 : size // 2, size // 3 : size // 2] = rng.integers(0, 255, 3)
        shaken = np.clip(edited + rng.normal(0, 2, edited.shape), 0, 255).astype(np.uint8)
        Image.fromarray(shaken).save(root / "edits" / f"{image_id}_edit_{number}.png")
        edit = {
            "prompt": PROMPTS[operation],
            "target": "box",
            "original_bbox_3d": before["bbox_3d"],
            "new_bbox_3d": after["bbox_3d"],
            "camera_intrinsics": intrinsics,
            "rotation_matrix": upright,
            "new_rotation_matrix": turned,
        }
        (root / "originals" / f"{image_id}_edit_{number}.json").write_text(json.dumps(edit))
        recordings[f"{image_id}_{number}"] = {
            "origin_result": {"detections": [before]},
            "new_result": {"detections": [] if operation == "remove" else [after]},
        }
    (root / CACHE_NAME).write_text(json.dumps(recordings))
    return Counter(OPERATIONS[number % len(OPERATIONS)] for number in range(edits))


def build_and_compare(first: NDArray[np.float32], second: NDArray[np.float32]) -> torch.Tensor:
    """(H, W) LPIPS of two processed pictures, with a network built for this one call from torch's own layers."""
    weights = {name: torch.from_numpy(value) for name, value in read_weights().items()}
    layers = [nn.Conv2d(3, 64, 11, 4, 2), nn.Conv2d(64, 192, 5, padding=2), nn.Conv2d(192, 384, 3, padding=1)]
    layers += [nn.Conv2d(384, 256, 3, padding=1), nn.Conv2d(256, 256, 3, padding=1)]
    for layer, number in zip(layers, LAYERS, strict=True):
        names = ("weight", "bias")
        layer.load_state_dict({name: weights[f"features.{number}.{name}"] for name in names})
    shift, scale = (torch.tensor(row)[:, None, None] for row in (lpips.SHIFT, lpips.SCALE))
    values = [(lpips_input(picture)[None] - shift) / scale for picture in (first, second)]
    total = torch.zeros(1, 1, *first.shape[:2])
    for number, layer in enumerate(layers):
        if number in lpips.POOLED:
            values = [functional.max_pool2d(value, 3, 2) for value in values]
        values = [functional.relu(layer(value)) for value in values]
        a, b = (value / (value.norm(dim=1, keepdim=True) + 1e-10) for value in values)
        distance = functional.conv2d((a - b) ** 2, weights[f"heads.{number}"][None, :, None, None])
        total = total + functional.interpolate(distance, first.shape[:2], mode="bilinear", align_corners=False)
    return total[0, 0]


def straightforward(root: Path, count: int) -> None:
    """Each of the three modes reads both pictures, builds LPIPS and compares, edit by edit."""
    for path in sorted((root / "edits").glob("*.png"))[:count]:
        for _ in MODES:
            original = process(load(root / "originals" / f"{path.stem.split('_edit_')[0]}.png"))
            edited = process(load(path))
            everywhere = np.ones(original.shape[:2], dtype=bool)
            ssim(moments(original), moments(edited), everywhere)
            with torch.no_grad():
                masked_mean(build_and_compare(original, edited).numpy(), everywhere)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that passed, and seconds of all cores together; on a busy machine the first says little."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - busy


def published(edits: int, pictures: int, size: int) -> None:
    """Time `gsi-bench-v1` over a folder, and the straightforward way over a part of it."""
    part = min(edits, 8)
    with tempfile.TemporaryDirectory(prefix="gsi-bench-") as folder:
        root = Path(folder)
        counts = make_folder(root, edits, pictures, size)

        def score() -> None:
            scores = score_folder(
                root / "originals", root / "edits", root / "out", recordings=root / CACHE_NAME, progress=False
            )
            assert not scores.failures, scores.failures

        passed, busy = timed(score)
        plain_passed, plain_busy = timed(lambda: straightforward(root, part))
    kinds = ", ".join(f"{count} {name}" for name, count in counts.items())
    goal = f" (goal {GOAL:.0f} s on two cores)" if (edits, size) == (441, 512) else ""
    cores = torch.get_num_threads()
    print(
        f"gsi-bench-v1, {edits} edits of {pictures} pictures, {size} px ({kinds}), recorded detections, {cores} cores"
    )
    print(f"  all three modes: {passed:.1f} s{goal}, {busy:.1f} s of one core")
    print(f"  an edit:         {1e3 * passed / edits:.0f} ms, {1e3 * busy / edits:.0f} ms of one core")
    plain = f"{1e3 * plain_passed / part:.0f} ms, {1e3 * plain_busy / part:.0f} ms of one core"
    print(f"  an edit where LPIPS is built for every call: {plain}")
    ratios = plain_passed / part / (passed / edits), plain_busy / part / (busy / edits)
    print(f"  ratio: {ratios[0]:.1f}x, of one core {ratios[1]:.1f}x")


def own(data: Path, config: str, split: str, count: int) -> None:
    """Time `gsi-bench-v2` with registration in one process, on the same number of rows of each operation."""
    from PIL import Image

    from gsi_metrics.sample import Sample
    from gsi_metrics.scoring import score_edits
    from gsi_metrics.validity import chosen_rows

    rows = chosen_rows(data, config, split, count)
    with tempfile.TemporaryDirectory(prefix="gsi-bench-") as folder:
        root = Path(folder)
        (root / "edits").mkdir()
        kinds: Counter[str] = Counter()
        for row in rows:
            sample = Sample.from_row(row)
            right = kinds[sample.operation] % 2 == 0 and sample.target is not None
            kinds[sample.operation] += 1
            Image.fromarray(sample.target if right else sample.source).save(
                root / "edits" / f"{sample.id}.jpg", quality=90
            )

        def score() -> None:
            summary = score_edits(
                root / "edits",
                data,
                out=root / "out",
                config=config,
                split=split,
                partial=True,
                workers=1,
                progress=False,
            )
            assert not summary.problems, summary.problems

        passed, busy = timed(score)
    names = ", ".join(f"{number} {name}" for name, number in sorted(kinds.items()))
    print(f"gsi-bench-v2, {len(rows)} edits ({names}), registration, one process")
    print(
        f"  an edit:         {passed / len(rows):.2f} s (goal {GOAL_V2:.1f} s), {busy / len(rows):.2f} s of one core"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=441)
    parser.add_argument("--pictures", type=int, default=211)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--data", type=Path, help="a built folder, to time our own protocol on")
    parser.add_argument("--config", default="gsi_syn_table")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rows", type=int, default=36)
    options = parser.parse_args()
    try:
        fetch_weights()
    except LpipsWeightsError as error:
        parser.error(str(error))
    published(options.edits, options.pictures, options.size)
    if options.data is None:
        print("gsi-bench-v2: name a built folder with --data to time it")
    else:
        own(options.data, options.config, options.split, options.rows)


if __name__ == "__main__":
    main()
