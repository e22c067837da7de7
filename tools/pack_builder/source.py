"""Reads the furniture libraries: the catalogue, the licences, and OBJ models with their materials."""

from __future__ import annotations

import io
import posixpath
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


# Library file -> (SPDX identifier, link).
LIBRARIES = {
    "BlendSwap-CC-0": ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "BlendSwap-CC-BY": ("CC-BY-3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "KatorLegaz": ("CC-BY-3.0-US", "https://creativecommons.org/licenses/by/3.0/us/"),
    "Scopia": ("CC-BY-3.0", "https://creativecommons.org/licenses/by/3.0/"),
}
SCOPIA = "Scopia Visual Interfaces Systems"
ETEKS = "Emmanuel Puybaret / eTeks"


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue.

    Attributes:
        key: ``library#model``, unique.
        name: the catalogue's name.
        library: file stem of the library.
        creator: whom to credit.
        model: path of the OBJ file inside the library.
        size: width, depth, height in metres.
        rotation: (3, 3) to apply to the OBJ's y-up vertices first.
        top: height of the place where things are put, metres; None where there is none.
    """

    key: str
    name: str
    library: str
    creator: str
    model: str
    size: tuple[float, float, float]
    rotation: NDArray[np.float64]
    top: float | None


@dataclass(frozen=True, eq=False)
class RawMaterial:
    """A material of an MTL file; colours are sRGB as written there."""

    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    specular: float = 0.0
    shininess: float = 20.0
    opacity: float = 1.0
    texture: Image.Image | None = None


@dataclass(frozen=True, eq=False)
class RawPart:
    """The triangles of one material: (F, 3, 3) corners in the model's y-up frame and (F, 3, 2) uvs or None."""

    corners: NDArray[np.float64]
    uvs: NDArray[np.float64] | None
    material: RawMaterial


def open_libraries(source: Path, scratch: Path) -> dict[str, zipfile.ZipFile]:
    """Opens the .sh3f archives of a Debian package or of a folder that holds them.

    Args:
        source: the .deb file, or a folder (searched recursively).
        scratch: where a .deb is unpacked.

    Raises:
        FileNotFoundError: a library is missing.
    """
    folder = source
    if source.is_file():
        folder = scratch / "deb"
        if not folder.exists():
            if shutil.which("dpkg-deb") is None:
                raise FileNotFoundError("dpkg-deb is not installed; unpack the package by hand and give its folder")
            subprocess.run(["dpkg-deb", "-x", str(source), str(folder)], check=True)
    found = {path.stem: path for path in sorted(folder.rglob("*.sh3f"))}
    if missing := LIBRARIES.keys() - found.keys():
        raise FileNotFoundError(
            f"{folder} lacks {sorted(missing)} (.sh3f); give the package sweethome3d-furniture 1.8"
        )
    return {name: zipfile.ZipFile(found[name]) for name in LIBRARIES}


def read_catalogue(libraries: dict[str, zipfile.ZipFile]) -> dict[str, Entry]:
    """All catalogue entries by key."""
    entries = {}
    for library, archive in libraries.items():
        text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
        records: dict[str, dict[str, str]] = {}
        for name, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, flags=re.MULTILINE):
            plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), value)
            records.setdefault(number, {})[name] = plain.strip()
        licence = archive.read("LICENSE.TXT").decode("latin-1")
        with_eteks = set(re.findall(r"^- (\S+)", licence, flags=re.MULTILINE)) if library == "Scopia" else set()
        for record in records.values():
            model = record["model"].lstrip("/")
            key = f"{library}#{record['id'].split('#')[1]}"
            rotation = np.array(record.get("modelRotation", "1 0 0 0 1 0 0 0 1").split(), dtype=float).reshape(3, 3)
            top = float(record.get("dropOnTopElevation", "-1"))
            entries[key] = Entry(
                key=key,
                name=record["name"],
                library=library,
                creator=_credit(
                    library, record.get("creator", ""), posixpath.basename(posixpath.dirname(model)), with_eteks
                ),
                model=model,
                size=(float(record["width"]) / 100, float(record["depth"]) / 100, float(record["height"]) / 100),
                rotation=rotation,
                top=top / 100 if top > 0 else None,
            )
    return entries


def _credit(library: str, creator: str, model: str, with_eteks: set[str]) -> str:
    if library == "Scopia":
        return f"{ETEKS} and {SCOPIA}" if model in with_eteks else SCOPIA
    if library == "KatorLegaz":
        return "Andrew Kator & Jennifer Legaz"
    return creator.replace("eTeks", ETEKS) or "Blend Swap contributors"


def read_model(archive: zipfile.ZipFile, path: str) -> list[RawPart]:
    """Reads an OBJ file with its materials; polygons come back as triangles, degenerate ones are left out."""
    folder = posixpath.dirname(path)
    materials: dict[str, RawMaterial] = {}
    points: list[list[float]] = []
    coords: list[list[float]] = []
    polygons: dict[str, list[list[tuple[int, int]]]] = {}
    current = ""
    for line in archive.read(path).decode("latin-1").replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "v":
            points.append([float(value) for value in rest.split()[:3]])
        elif word == "vt":
            coords.append([float(value) for value in rest.split()[:2]])
        elif word == "f":
            corners = [(corner + "//").split("/")[:2] for corner in rest.split()]
            polygon = [(_index(point, len(points)), _index(coord, len(coords))) for point, coord in corners]
            polygons.setdefault(current, []).append(polygon)
        elif word == "usemtl":
            current = rest.strip()
        elif word == "mtllib":
            materials.update(_read_materials(archive, posixpath.join(folder, rest.strip())))
    xyz = np.array(points)
    uv = np.array([*coords, [0.0, 0.0]])
    parts = []
    for name, faces in polygons.items():
        triangles = np.array([corner for polygon in faces for corner in _triangulate(polygon, xyz)]).reshape(-1, 3, 2)
        corners = xyz[triangles[..., 0]]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        kept = area > 1e-12 * max(area.max(initial=0.0), 1e-30)
        material = materials.get(name, RawMaterial())
        textured = material.texture is not None and (triangles[..., 1] >= 0).all()
        if kept.any():
            parts.append(RawPart(corners[kept], uv[triangles[..., 1]][kept] if textured else None, material))
    return parts


def _picture(names: dict[str, str], folder: str, path: str) -> str | None:
    """The member a texture path means; a path on its author's disk means the only picture beside the model."""
    if found := names.get(posixpath.normpath(posixpath.join(folder, path)).lower()):
        return found
    beside = [name for low, name in names.items() if posixpath.dirname(low) == folder.lower()]
    pictures = [name for name in beside if name.lower().endswith((".jpg", ".jpeg", ".png"))]
    return pictures[0] if len(pictures) == 1 else None


def _index(text: str, count: int) -> int:
    if not text:
        return -1
    value = int(text)
    return value - 1 if value > 0 else count + value


def _triangulate(polygon: list[tuple[int, int]], xyz: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Corners of the triangles of one polygon, by clipping ears, so that concave outlines come out right."""
    ring = list(polygon)
    if len(ring) < 3:
        return []
    if len(ring) == 3:
        return ring
    points = xyz[[corner[0] for corner in ring]]
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    axes = np.argsort(-np.abs(normal))[1:]
    flat = points[:, np.sort(axes)]
    area = _cross(flat, np.roll(flat, -1, axis=0)).sum()
    turn = 1.0 if area >= 0 else -1.0
    order = list(range(len(ring)))
    corners: list[tuple[int, int]] = []
    while len(order) > 3:
        for position in range(len(order)):
            before, here, after = order[position - 1], order[position], order[(position + 1) % len(order)]
            a, b, c = flat[before], flat[here], flat[after]
            if turn * _cross(b - a, c - b) <= 0:
                continue
            others = flat[[index for index in order if index not in (before, here, after)]]
            sides = [turn * _cross(end - start, others - start) for start, end in ((a, b), (b, c), (c, a))]
            if not np.all([side > 0 for side in sides], axis=0).any():
                break
        else:
            position = 1
            before, here, after = order[0], order[1], order[2]
        corners += [ring[before], ring[here], ring[after]]
        order.pop(position)
    return corners + [ring[index] for index in order]


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _read_materials(archive: zipfile.ZipFile, path: str) -> dict[str, RawMaterial]:
    names = {name.lower(): name for name in archive.namelist()}
    if path.lower() not in names:
        return {}
    materials: dict[str, dict[str, str]] = {}
    for line in archive.read(names[path.lower()]).decode("latin-1").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            materials[rest.strip()] = {}
        elif materials and word:
            materials[list(materials)[-1]][word] = rest.strip()
    folder = posixpath.dirname(path)
    read = {}
    for name, fields in materials.items():
        color = [float(value) for value in fields.get("Kd", "0.8 0.8 0.8").split()[:3]]
        texture = None
        if "map_Kd" in fields:
            member = _picture(names, folder, fields["map_Kd"])
            texture = Image.open(io.BytesIO(archive.read(member))) if member else None
        read[name] = RawMaterial(
            color=(color[0], color[1], color[2]),
            specular=max(float(value) for value in fields.get("Ks", "0").split()),
            shininess=float(fields.get("Ns", "20")),
            opacity=float(fields.get("d", "1").split()[-1]),
            texture=texture,
        )
    return read
