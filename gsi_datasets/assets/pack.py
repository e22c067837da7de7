"""The pack: models converted from the Sweet Home 3D libraries by ``tools/build_pack.py`` and shipped with the package.

``data/sweethome3d.zip`` holds one .npz member per model and ``data/manifest.jsonl`` one line of facts about each.
A member has these arrays, all parts of a model one after another:

- ``meta``: JSON: lower bounds, vertex and face counts and material of each part, point counts of the hulls;
- ``vertices``: (V, 3) uint16 steps of `STEP` above the lower bound, each row the difference to the row before;
- ``uvs``: (V, 2) uint16 steps of `UV_STEP` above the part's lower bound, as differences too;
- ``normals``: (V, 2) uint8 octahedral;
- ``faces``: (F, 3) uint16: vertices stand in the order in which faces first use them, and each corner says how far
  below the next new vertex its own is, 0 for that new vertex itself;
- ``hulls``: (N, 3) float32 metres;
- ``texture0``, ``texture1``...: bytes of a JPEG or PNG file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, MeshPart, Receptacle
from gsi_datasets.assets.errors import AssetError


FOLDER = Path(__file__).parent / "data"
ARCHIVE, MANIFEST = "sweethome3d.zip", "manifest.jsonl"
# Metres, and shares of a texture's edge.
STEP, UV_STEP = 5e-5, 1 / 4096
_REMEDY = "reinstall gsi-bench, or rebuild the pack with tools/build_pack.py"


@lru_cache(maxsize=4)
def infos(folder: Path = FOLDER) -> dict[str, AssetInfo]:
    """What is known of every model in the pack, by asset id (``pack/<slug>``), in the manifest's order.

    Args:
        folder: where the pack lies.

    Raises:
        AssetError: the manifest is missing or damaged.
    """
    return {key: _info(record) for key, record in _manifest(folder).items()}


@lru_cache(maxsize=256)
def load(asset_id: str, folder: Path = FOLDER) -> Asset:
    """A model with its geometry; kept in memory while recently used, so treat it as read-only.

    Args:
        asset_id: ``pack/<slug>``.
        folder: where the pack lies.

    Raises:
        AssetError: the pack has no such model, or what it holds of it is missing or damaged.
    """
    known = infos(folder)
    if asset_id not in known:
        raise AssetError(f"no asset {asset_id!r} in the pack; gsi_datasets.assets.pack.infos() lists all {len(known)}")
    archive = folder / ARCHIVE
    member = asset_id.removeprefix("pack/") + ".npz"
    try:
        with zipfile.ZipFile(archive) as opened:
            data = opened.read(member)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise AssetError(f"{archive}: cannot read {member} of {asset_id} ({error}); {_REMEDY}") from error
    if hashlib.sha256(data).hexdigest() != _manifest(folder)[asset_id]["sha256"]:
        raise AssetError(f"{archive}: {member} of {asset_id} does not have the manifest's sha256; {_REMEDY}")
    try:
        parts, hulls = _decode(data)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise AssetError(f"{archive}: {member} of {asset_id} cannot be decoded ({error}); {_REMEDY}") from error
    return Asset(known[asset_id], parts, hulls)


@lru_cache(maxsize=4)
def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / MANIFEST
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {record["id"]: record for record in records}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{path}: cannot read the list of models ({error}); {_REMEDY}") from error


def _info(record: dict[str, Any]) -> AssetInfo:
    fields = {name: value for name, value in record.items() if name not in ("sha256", "link")}
    fields["size"] = tuple(fields["size"])
    if place := fields["receptacle"]:
        pairs = {name: tuple(place[name]) for name in ("half_extents", "centre")}
        fields["receptacle"] = Receptacle(**{**place, **pairs})
    return AssetInfo(**fields)


def _decode(data: bytes) -> tuple[tuple[MeshPart, ...], tuple[NDArray[np.float64], ...]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as opened:
        arrays = dict(opened)
    meta = json.loads(arrays["meta"].tobytes())
    vertices = (np.array(meta["low"]) + STEP * _undo(arrays["vertices"])).astype(np.float32)
    uv_steps, normals = _undo(arrays["uvs"]), _from_octahedron(arrays["normals"])
    images = [_image(arrays[f"texture{i}"]) for i in range(meta["textures"])]
    parts = []
    v = f = 0
    for part in meta["parts"]:
        here, flat = slice(v, v + part["vertices"]), slice(f, f + part["faces"])
        v, f = here.stop, flat.stop
        material = Material(
            color=tuple(part["color"]),
            texture=None if part["texture"] is None else images[part["texture"]],
            roughness=part["roughness"],
            metallic=part["metallic"],
            opacity=part["opacity"],
        )
        uvs = (np.array(part["uv_low"]) + UV_STEP * uv_steps[here]).astype(np.float32)
        parts.append(MeshPart(vertices[here], _faces(arrays["faces"][flat]), normals[here], uvs, material))
    ends = np.cumsum(meta["hulls"])[:-1]
    return tuple(parts), tuple(np.split(arrays["hulls"].astype(np.float64), ends))


def _undo(differences: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Rows from the differences of neighbouring rows, modulo 65536."""
    return np.cumsum(differences, axis=0, dtype=np.uint16)


def _faces(below: NDArray[np.uint16]) -> NDArray[np.int32]:
    """Vertex numbers from how far each corner lies below the next new vertex."""
    flat = below.reshape(-1).astype(np.int32)
    new = flat == 0
    following = np.cumsum(new, dtype=np.int32) - new
    return (following - flat).reshape(-1, 3)


def _from_octahedron(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(V, 3) unit vectors from points of the unfolded octahedron; 127 is the middle."""
    xy = packed.astype(np.float32) / 127 - 1
    z = 1 - np.abs(xy).sum(axis=1)
    fold = np.maximum(-z, 0)[:, None]
    xyz = np.column_stack([xy + np.where(xy >= 0, -fold, fold), z])
    return (xyz / np.linalg.norm(xyz, axis=1, keepdims=True)).astype(np.float32)


def _image(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))
