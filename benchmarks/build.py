"""Accepted triplets per hour with each renderer, where the time goes, and what sharing a scene's renders saves.

    python benchmarks/build.py [--count 10] [--workers 2] [--renderers gl warp photo]

Every renderer builds the same rows of GSI-Syn-Table (512 px, depth and ids) from nothing. The reference in the same
run draws each triplet on its own, as if every row were a scene.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from gsi_datasets import renderers
from gsi_datasets.build import build
from gsi_datasets.pipeline import make_scene, tools
from gsi_datasets.scenes import stages
from gsi_datasets.spec import DatasetSpec, load_spec


GOALS = {"gl": 4000, "warp": 1800}


def measure(spec: DatasetSpec, renderer: str, workers: int) -> None:
    """Build into a temporary folder and print rate and profile."""
    with tempfile.TemporaryDirectory() as folder:
        report = build(spec, "test", Path(folder), renderer=renderer, workers=workers, make_scene=make_scene)
    rate = report.rows / report.seconds * 3600
    goal = f", goal {GOALS[renderer]:,}: {rate / GOALS[renderer]:.2f}x" if renderer in GOALS else ""
    tried = report.rows + sum(sum(reasons.values()) for reasons in report.manifest.rejected.values())
    print(f"\n{renderer}: {report.rows} triplets of {tried} candidates, {report.seconds:.1f} s, {workers} workers")
    print(f"  {rate:,.0f} accepted triplets/h{goal}")
    total = sum(report.profile.values())
    for step, seconds in sorted(report.profile.items(), key=lambda item: -item[1]):
        each = 1e3 * seconds / report.rows
        print(f"  {step:14s} {seconds:7.2f} s  {100 * seconds / total:5.1f} %  {each:7.1f} ms/triplet")


def sharing(spec: DatasetSpec, renderer: str) -> None:
    """One scene drawn at once against each of its states drawn alone."""
    use = tools(renderer)
    scene = next(stages(spec, "test", 0, use.simulator, use.rays)).scene
    assert scene is not None
    states = [scene, *(scene.without(item.name) for item in scene.movable[:5])]
    use.renderer.render(states[:1])
    start = time.perf_counter()
    use.renderer.render(states)
    together = time.perf_counter() - start
    start = time.perf_counter()
    for state in states[1:]:
        use.renderer.render([scene, state])
    alone = time.perf_counter() - start
    print(f"  shared renders: {together:.2f} s against {alone:.2f} s drawn pair by pair: {alone / together:.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10, help="triplets per operation (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--renderers", nargs="+", default=["gl", "warp", "photo"], help="which (default: all)")
    options = parser.parse_args()
    spec = load_spec("gsi_syn_table")
    spec = spec.scaled(options.count / spec.splits["test"].counts["CM"])
    for name, probe in renderers.available().items():
        if name not in options.renderers:
            continue
        if not probe.ok:
            print(f"\n{name}: not available ({probe.detail})")
            continue
        measure(spec, name, options.workers)
        sharing(spec, name)


if __name__ == "__main__":
    main()
