"""Seconds per picture of each renderer that works here, and of the rays, on one composed scene and edits of it.

    python benchmarks/renderers.py [--scene 0] [--edits 6] [--renderers gl warp photo]

Processor seconds count the work of all cores. The references in the same run do without what makes it fast: one tree
of triangles for the whole scene, built anew for every state; a renderer opened anew for every picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gsi_datasets import assets, renderers
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Scene
from gsi_datasets.spec import load_spec
from gsi_datasets.worlds import tabletop


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def show(title: str, measured: tuple[float, float], pictures: int = 1, note: str = "") -> None:
    clock, processor = (1e3 * seconds / pictures for seconds in measured)
    print(f"  {title:44s} {clock:8.1f} ms   processor {processor:8.1f} ms  {note}")


def edited(scene: Scene, count: int) -> list[Scene]:
    """States as a data set has them: objects taken away and objects moved, by turns."""
    states = []
    for index in range(count):
        item = scene.movable[index // 2 % len(scene.movable)]
        moved = replace(item, position=item.position + np.array([0.06, 0.02, 0.0]))
        states.append(scene.with_objects([moved]) if index % 2 else scene.without(item.name))
    return states


def one_tree(scene: Scene) -> None:
    """The plain way to depth and ids: all triangles in one tree, one ray per pixel."""
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    tree = EmbreeScene()
    for item in scene.objects:
        for part in assets.get(item.asset).parts:
            vertices = (part.vertices @ item.pose[:3, :3].T + item.position).astype(np.float32)
            TriangleMesh(tree, vertices, part.faces)
    camera = scene.camera
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    matrix = camera.extrinsics[:3, :3].T @ np.linalg.inv(camera.intrinsics)
    directions = (np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3) @ matrix.T).astype(np.float32)
    tree.run(np.tile(camera.position.astype(np.float32), (len(directions), 1)), directions, output=True)


def measure_rays(scene: Scene, states: list[Scene]) -> None:
    print("\nrays: depth, ids, visibility")
    caster = RayCaster()
    show("first frame", timed(lambda: caster.layers(scene)))
    again = RayCaster()
    again.layers(replace(scene, camera=scene.camera.resized(64, 64)))
    show("frame of known assets", timed(lambda: again.layers(scene)))
    ours = timed(lambda: [caster.layers(state) for state in states])
    show("edited state", ours, len(states))
    plain = timed(lambda: list(map(one_tree, states)))
    show("reference: one tree, built anew", plain, len(states), f"{plain[1] / ours[1]:.1f}x")


def measure(name: str, scene: Scene, states: list[Scene]) -> None:
    found = renderers.probe(name)
    print(f"\n{name}: {found.detail if found.ok else 'does not work here: ' + found.detail}")
    if not found.ok:
        return
    warm_up = replace(scene, objects=scene.objects[:1])

    def anew() -> None:
        for state in states[:2]:
            renderers.open_renderer(name, found.backend).render([state])

    renderer = renderers.open_renderer(name, found.backend)
    show("first picture of the process", timed(lambda: renderer.render([warm_up])))
    show("first picture of a scene", timed(lambda: renderer.render([scene])))
    show("the same again", timed(lambda: renderer.render([scene])))
    batch = timed(lambda: renderer.render([scene, *states]))
    show(f"scene with {len(states)} edits, per picture", batch, len(states) + 1)
    ratio = timed(anew)
    show("reference: opened anew, per picture", ratio, 2, f"{ratio[1] / 2 / (batch[1] / (len(states) + 1)):.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", type=int, default=0)
    parser.add_argument("--edits", type=int, default=6)
    parser.add_argument("--renderers", nargs="+", default=["gl", "warp", "photo"])
    options = parser.parse_args()

    spec = load_spec("gsi_syn_table")
    rng = np.random.default_rng(options.scene)
    scene = tabletop.compose("benchmark", spec.world, spec.image_size, rng)
    triangles = sum(len(part.faces) for item in scene.objects for part in assets.get(item.asset).parts)
    print(
        f"{len(scene.objects)} objects, {triangles:,} triangles, {scene.camera.width} x {scene.camera.height} pixels"
    )
    states = edited(scene, options.edits)
    measure_rays(scene, states)
    for name in options.renderers:
        measure(name, scene, states)


if __name__ == "__main__":
    main()
