"""How long physics takes: scenes settle, one object is moved, everything settles again.

    python benchmarks/physics.py [--scenes 20] [--moves 5]

The last line compares with what a simulator without a model cache pays: the same work with a new instance for every
call, in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gsi_datasets.scene import Scene
from gsi_datasets.simulators.base import Settled
from gsi_datasets.simulators.mujoco import MujocoSimulator
from gsi_datasets.spec import load_spec
from gsi_datasets.worlds import tabletop


def moved(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with one object lifted by 2 mm and shifted by up to 5 cm."""
    item = scene.movable[rng.integers(len(scene.movable))]
    shift = np.array([*rng.uniform(-0.05, 0.05, 2), 0.002])
    return scene.with_objects([replace(item, position=item.position + shift)])


def timed(settle: Callable[[Scene], Settled], scene: Scene) -> tuple[float, Settled]:
    start = time.perf_counter()
    settled = settle(scene)
    return time.perf_counter() - start, settled


def show(title: str, seconds: list[float]) -> None:
    low, middle, high = 1e3 * np.percentile(seconds, [10, 50, 90])
    print(f"{title:44s} median {middle:7.2f} ms   10 % {low:7.2f}   90 % {high:7.2f}   n {len(seconds)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--moves", type=int, default=5)
    args = parser.parse_args()

    spec = load_spec("gsi_syn_table")
    simulator = MujocoSimulator()
    first, again, anew, contacts, rested, objects = [], [], [], [], [], []
    for index in range(args.scenes):
        rng = np.random.default_rng(index)
        scene = tabletop.compose(f"scene-{index}", spec.world, spec.image_size, rng)
        objects.append(len(scene.movable))
        MujocoSimulator().contacts(scene)  # makes or reads the assets, which is not what is measured here
        seconds, settled = timed(simulator.settle, scene)
        first.append(seconds)
        rested.append(settled.rested)
        for _ in range(args.moves):
            edited = moved(settled.scene, rng)
            seconds, warm = timed(simulator.settle, edited)
            again.append(seconds)
            seconds, cold = timed(MujocoSimulator().settle, edited)
            anew.append(seconds)
            assert all(
                np.array_equal(a.pose, b.pose) for a, b in zip(warm.scene.objects, cold.scene.objects, strict=True)
            )
            start = time.perf_counter()
            simulator.contacts(edited)
            contacts.append(time.perf_counter() - start)

    print(f"{args.scenes} scenes of {min(objects)}-{max(objects)} movable objects; {sum(rested)} come to rest")
    show("settle a new scene (compiles its model)", first)
    show("settle after moving one object", again)
    show("the same, model rebuilt every time", anew)
    show("contacts without stepping", contacts)
    print(f"reuse of the model saves a factor of {np.sum(anew) / np.sum(again):.2f}; results are equal bit for bit")


if __name__ == "__main__":
    main()
