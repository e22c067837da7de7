"""Houses of MolmoSpaces from their store into a folder: the archives of the scenes, and of what they are made of.

Needs the extra ``[molmospaces]``. Nothing else in the package downloads scenes::

    python -m gsi_datasets.worlds.molmospaces_download FOLDER procthor-10k-val/val_7 --versions versions.json
"""

from __future__ import annotations

import argparse
import json
import posixpath
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gsi_datasets.worlds.specs import WorldError


REPOSITORY, PREFIX = "allenai/molmospaces", "mujoco"
NOTES = "objathor_metadata"
Versions = Mapping[str, Mapping[str, str]]


def download(
    folder: Path, scenes: Sequence[str], versions: Versions, storage: Any = None, cache: Path | None = None
) -> list[Path]:
    """Fetch scenes, and the archives of the objects that they name; what is there already is not fetched again.

    Args:
        folder: gets ``scenes/`` and ``objects/``, of links into the cache.
        scenes: ``<source>/<scene>``, e.g. ``procthor-10k-val/val_7``.
        versions: by kind (``scenes``, ``objects``) and source, those of MolmoSpaces's own list; sources of objects
            that a scene needs must be in it.
        storage: where from, a `RemoteStorage` of `molmospaces_resources`; by default the Hugging Face dataset.
        cache: for unpacked archives; by default a folder beside `folder`.

    Returns:
        The model files of the scenes.

    Raises:
        WorldError: the extra is not installed, a version is not given, or a scene or file is not in the store.
    """
    try:
        from molmospaces_resources import HFRemoteStorage, ResourceManager
    except ImportError as error:
        raise WorldError("MolmoSpaces's downloader is not installed: pip install 'gsi-bench[molmospaces]'") from error
    sources = dict.fromkeys(_parted(scene)[0] for scene in scenes)
    for source in sources:
        if source not in versions.get("scenes", {}):
            raise WorldError(f"versions: scenes.{source} is missing; add the version that MolmoSpaces lists for it")
    folder.mkdir(parents=True, exist_ok=True)
    manager = ResourceManager(
        remote_storage=storage or HFRemoteStorage(REPOSITORY, repo_prefix=PREFIX),
        data_type_to_source_to_version={
            "scenes": {source: versions["scenes"][source] for source in sources},
            "objects": dict(versions.get("objects", {})),
        },
        symlink_dir=folder,
        cache_dir=cache or folder.with_name(f"{folder.name}-cache"),
    )
    manager.setup()
    found = []
    for scene in scenes:
        source, name = _parted(scene)
        _install(manager, "scenes", source, [f"{name}.xml"])
        file = folder / "scenes" / source / f"{name}.xml"
        ceiling = file.with_name(f"{name}_ceiling.xml")
        found.append(file)
        needed: dict[str, list[str]] = {}
        for model in (file, ceiling):
            for path in _objects(model, source) if model.is_file() else ():
                kind, _, inside = path.partition("/")
                needed.setdefault(kind, []).append(inside)
        for kind, paths in needed.items():
            if kind not in versions.get("objects", {}):
                raise WorldError(f"versions: objects.{kind} is missing, which {file} needs; add its version")
            _install(manager, "objects", kind, list(dict.fromkeys(paths)))
    return found


def _parted(scene: str) -> tuple[str, str]:
    source, _, name = scene.partition("/")
    if not source or not name or "/" in name or ".." in scene:
        raise WorldError(f"{scene!r} is no <source>/<scene>, e.g. procthor-10k-val/val_7")
    return source, name


def _install(manager: Any, kind: str, source: str, paths: list[str]) -> None:
    try:
        archives = manager.find_archives(kind, source, paths)
        manager.install_packages(kind, {source: archives})
    except (ValueError, RuntimeError, OSError) as error:
        raise WorldError(f"{kind}/{source}: {error}; look whether the version and the name are right") from error


def _objects(model: Path, source: str) -> list[str]:
    """Paths below ``objects/`` of the files that a scene names."""
    found = []
    for element in ElementTree.parse(model).iter():
        for name, value in element.attrib.items():
            path = posixpath.normpath(posixpath.join("scenes", source, value))
            if name.startswith("file") and path.startswith("objects/"):
                found.append(path.removeprefix("objects/"))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """`download` from the command line."""
    parser = argparse.ArgumentParser(description="Houses of MolmoSpaces into a folder.")
    parser.add_argument("folder", type=Path, help="gets scenes/ and objects/")
    parser.add_argument("scenes", nargs="+", help="<source>/<scene>, e.g. procthor-10k-val/val_7")
    parser.add_argument(
        "--versions",
        type=Path,
        required=True,
        help='JSON: {"scenes": {source: version}, "objects": {source: version}}',
    )
    given = parser.parse_args(arguments)
    try:
        for file in download(given.folder, given.scenes, json.loads(given.versions.read_text())):
            print(file)
    except (WorldError, OSError, ValueError) as error:
        print(f"molmospaces_download: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
