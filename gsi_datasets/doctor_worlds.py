"""Where scenes can come from: what of each source is there, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from pathlib import Path

from gsi_datasets.doctor import Finding
from gsi_datasets.worlds.specs import FolderWorld, MesaTaskWorld, MolmoWorld


MESATASK_REMEDY = (
    "hf download InternRobotics/MesaTask-10K --repo-type dataset --local-dir MesaTask-10K  "
    "(large; then unpack Assets_library_archive/), export MESATASK_ROOT=MesaTask-10K"
)
MOLMO_REMEDY = (
    "pip install 'gsi-bench[molmospaces]', fetch houses as docs/molmospaces.md says, "
    "export MOLMOSPACES_ROOT=<folder that holds scenes/ and objects/>"
)
PLAYER = "GSI_BENCH_THOR_PLAYER"
FOLDER_REMEDY = "a folder of GLB or OBJ files and a scene.json (docs/own_scenes.md), export GSI_BENCH_SCENES=<folder>"


def sources() -> list[Finding]:
    """One finding for each source of scenes; all but the embedded ones are optional."""
    return [
        Finding("scenes tabletop, room", True, "generated"),
        _thor(),
        _folder("mesatask", MesaTaskWorld.variable, ("Layout_info", "Assets_library"), MESATASK_REMEDY),
        _folder("molmospaces", MolmoWorld.variable, (), MOLMO_REMEDY),
        _folder("folder", FolderWorld.variable, (), FOLDER_REMEDY),
    ]


def _folder(kind: str, variable: str, parts: tuple[str, ...], remedy: str) -> Finding:
    """A source that lies in a folder; `parts` must be in it."""
    name, given = f"scenes {kind}", os.environ.get(variable, "")
    if not given:
        return Finding(name, False, f"{variable} is not set (or give --scenes)", remedy, needed=False)
    root = Path(given)
    missing = [part for part in parts if not (root / part).is_dir()]
    if not root.is_dir() or missing:
        return Finding(
            name, False, f"{variable}={given} holds no {' and no '.join(missing) or 'folder'}", remedy, needed=False
        )
    return Finding(name, True, given)


def _thor() -> Finding:
    """The client library, and whether it has a player already; nothing is started or downloaded."""
    name = "scenes thor"
    if importlib.util.find_spec("ai2thor") is None:
        return Finding(name, False, "ai2thor is not installed", "pip install 'gsi-bench[thor]'", needed=False)
    version = importlib.metadata.version("ai2thor")
    if version != "5.0.0":
        return Finding(name, False, f"ai2thor {version}", "pip install ai2thor==5.0.0", needed=False)
    if given := os.environ.get(PLAYER):
        found = Path(given).is_file() and os.access(given, os.X_OK)
        remedy = f"set {PLAYER} to an executable Unity player"
        return Finding(
            name,
            found,
            f"ai2thor {version}, player {given}" + ("" if found else ": no executable"),
            "" if found else remedy,
            needed=False,
        )
    players = sorted((Path.home() / ".ai2thor" / "releases").glob("thor-*"))
    if not players:
        remedy = (
            "python -c \"from ai2thor.controller import Controller; Controller(platform='CloudRendering')\" downloads "
            f"the Unity player once (about 1 GB; needs Vulkan or an X display), or name one in {PLAYER}"
        )
        return Finding(name, False, f"ai2thor {version}, but no Unity player", remedy, needed=False)
    return Finding(name, True, f"ai2thor {version}, player {players[-1].name}")
