"""A stand-in for the Unity player of AI2-THOR, for tests without Unity, display, graphics card or network.

    executable = thor.install(tmp_path, faults="crash@17,refuse@30")
    controller = Controller(**thor.arguments(executable), scene="FloorPlan1", renderInstanceSegmentation=True)

The stand-in plays scenes recorded from Unity (`scenes.names()`) and ProcTHOR houses. What Unity reports of a thing is
as recorded; what it looks like is its box. `faults.KINDS` lists what it can be told to do wrong.
"""

from __future__ import annotations

import ctypes.util
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.thor.faults import history, parse


__all__ = ["arguments", "controller_class", "history", "home", "install", "install_build"]


def controller_class() -> Any:
    """The real `ai2thor.controller.Controller`; skips the test where it or the player's ray caster is missing."""
    pytest.importorskip("embreex", reason="needs the extra [sim]: pip install 'gsi-bench[sim]'")
    module = pytest.importorskip("ai2thor.controller", reason="needs the extra [thor]: pip install 'gsi-bench[thor]'")
    return module.Controller


def install(folder: Path, faults: str = "") -> Path:
    """Write an executable that starts the player.

    Args:
        folder: where it goes, with the count of actions (`history(folder)`): all players of a folder, restarted ones
            too, count together. No space may be in its path, since ai2thor splits the command at spaces.
        faults: the plan, as in `tests.thor.faults`.
    """
    return _launcher(folder / "player", folder, faults)


def install_build(patch: pytest.MonkeyPatch, folder: Path, faults: str = "") -> None:
    """Put the player where ai2thor keeps a downloaded build for CloudRendering, as if Vulkan were there too.

    `Controller(platform="CloudRendering")` then starts it without a request. As Unity does there, it ignores the
    screen size of the command line and sends four bytes a pixel.

    Args:
        folder: what `home` was called with.
    """
    from ai2thor.build import COMMIT_ID, build_name

    name = build_name("CloudRendering", COMMIT_ID)
    build = folder / ".ai2thor" / "releases" / name
    build.mkdir(parents=True)
    (build / "metadata.json").write_text(json.dumps({"server_types": ["FIFO", "WSGI"]}))
    _launcher(build / name, folder, faults, "--cloud")
    found = ctypes.util.find_library
    patch.setattr(
        "ctypes.util.find_library", lambda library: "libvulkan.so.1" if library == "vulkan" else found(library)
    )


def _launcher(path: Path, folder: Path, faults: str, *options: str) -> Path:
    parse(faults)
    root = shlex.quote(str(Path(__file__).parents[2]))
    words = [sys.executable, "-m", "tests.thor.player", "--folder", str(folder), "--faults", faults, *options]
    path.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)
    return path


def arguments(executable: Path) -> dict[str, Any]:
    """Arguments of `Controller` that look for no build, no display and no network, and wait seconds, not minutes."""
    # The display is put into the player's environment and never opened.
    return {
        "local_executable_path": str(executable),
        "x_display": ":0",
        "server_timeout": 20.0,
        "server_start_timeout": 60.0,
    }


def home(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Keep `~/.ai2thor` (logs, locks) in a folder, and ai2thor from asking for a graphics card."""
    patch.setenv("HOME", str(folder))
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
