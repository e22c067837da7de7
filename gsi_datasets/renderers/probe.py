"""Which renderers work on this machine: each is tried in a process of its own, for a failed try can kill it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache

from gsi_datasets.renderers.errors import RendererError


# Kernels of `warp` are compiled at its first use ever, which takes most of a minute on a slow machine.
PATIENCE = 240
GL_BACKENDS = ("egl", "osmesa")
REMEDIES = {
    "gl": "install Mesa: apt install libosmesa6, or libegl1 libgl1 libgl1-mesa-dri",
    "warp": "pip install 'gsi-bench[sim]'",
    "photo": "pip install 'gsi-bench[photo]' and apt install libatomic1 libllvm19 (an LLVM older than 17 will not do)",
}


@dataclass(frozen=True)
class Probe:
    """What became of a try.

    Attributes:
        ok: whether a picture came out.
        detail: how long it took, or why it failed.
        remedy: what to install; empty if it works.
        versions: what decides the pixels.
        backend: who gave the OpenGL context; empty but for ``gl``.
    """

    ok: bool
    detail: str
    remedy: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    backend: str = ""


@cache
def probe(name: str) -> Probe:
    """Try a renderer; the answer is kept for the life of this process."""
    if name != "gl":
        return _try(name, "")
    # A choice made from outside is respected.
    asked = os.environ.get("MUJOCO_GL", "").lower()
    failures = []
    for backend in (asked,) if asked else GL_BACKENDS:
        found = _try(name, backend)
        if found.ok:
            return found
        failures.append(f"{backend}: {found.detail}")
    return Probe(False, "; ".join(failures), REMEDIES[name])


def available() -> dict[str, Probe]:
    """Every renderer, tried."""
    return {name: probe(name) for name in REMEDIES}


def choose(name: str) -> str:
    """The renderer to use.

    For ``gl`` the working OpenGL backend is written to ``MUJOCO_GL``, so that worker processes find it.

    Args:
        name: ``gl``, ``warp``, ``photo``, or ``auto``: the first of gl and warp that works.

    Raises:
        RendererError: none works; says what was tried and what to install.
    """
    if name != "auto" and name not in REMEDIES:
        raise RendererError(f"no renderer '{name}': choose auto, {', '.join(REMEDIES)}")
    tried = {}
    for option in ("gl", "warp") if name == "auto" else (name,):
        found = tried[option] = probe(option)
        if found.ok:
            if found.backend:
                os.environ["MUJOCO_GL"] = found.backend
            return option
    lines = [f"{option} does not work here ({found.detail}); {found.remedy}" for option, found in tried.items()]
    raise RendererError("no renderer: " + "\n  ".join(lines) if len(lines) > 1 else lines[0])


def _try(name: str, backend: str) -> Probe:
    command = [sys.executable, "-m", "gsi_datasets.renderers.probe", name, backend]
    environment = {**os.environ, "MUJOCO_GL": backend} if backend else dict(os.environ)
    environment.pop("PYOPENGL_PLATFORM", None)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return Probe(False, f"no picture within {PATIENCE} s", REMEDIES[name])
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return Probe(**json.loads(line))
    words = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return Probe(False, f"ended with code {done.returncode}: {words[:200]}", REMEDIES[name])


def _draw_something(name: str, backend: str) -> Probe:
    """Draw a cube on a plane, in this process."""
    import time

    import numpy as np

    from gsi_datasets.assets.asset import Asset, AssetInfo, Material
    from gsi_datasets.assets.parametric.primitives import box
    from gsi_datasets.geometry import intrinsics_from_fov, look_at
    from gsi_datasets.renderers import open_renderer
    from gsi_datasets.scene import Camera, Light, Scene, SceneObject

    sizes = {"ground": (2.0, 2.0, 0.1), "cube": (0.3, 0.3, 0.3)}
    assets = {
        key: Asset(AssetInfo(key, "box", key, key, size), (box(size).part(Material((0.7, 0.5, 0.3))),))
        for key, size in sizes.items()
    }
    objects = tuple(
        SceneObject(
            key, number, key, "box", key, key, np.array([0.0, 0.0, 0.1 * number - 0.1]), np.eye(3),
            np.array([0.0, 0.0, size[2] / 2]), np.array(size), static=True,
        )
        for number, (key, size) in enumerate(sizes.items(), start=0)
    )  # fmt: skip
    camera = Camera(intrinsics_from_fov(0.9, 64, 64), look_at(np.array([0, -1.2, 1.0]), np.zeros(3)), 64, 64)
    scene = Scene("probe", objects, camera, (Light((0.5, -0.5, 2.0), (0.0, 0.0, 0.0)),))
    start = time.perf_counter()
    renderer = open_renderer(name, backend, assets.__getitem__)
    picture = renderer.render([scene])[0]
    if picture.std() < 1:
        return Probe(False, "draws an empty picture", REMEDIES[name])
    versions = renderer.versions()
    detail = ", ".join(f"{key} {value}" for key, value in versions.items())
    return Probe(True, f"{detail} ({time.perf_counter() - start:.1f} s to the first picture)", "", versions, backend)


if __name__ == "__main__":
    try:
        result = _draw_something(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
    except Exception as error:
        result = Probe(False, f"{type(error).__name__}: {error}"[:300], REMEDIES[sys.argv[1]])
    print(json.dumps(vars(result)), flush=True)
    # Skip what OpenGL or LLVM might do on the way out.
    os._exit(0)
