"""Builds the asset pack that ships with gsi-bench.

    python tools/build_pack.py PATH_TO_DEB_OR_FOLDER --out gsi_datasets/assets/data

The source is Debian's package sweethome3d-furniture 1.8 (the .deb, or a folder with its .sh3f archives); what is
taken from it, and the words for it, stand in `pack_selection.tsv`. Needs ``pip install gsi-bench[sim,pack]``.
Collision hulls take most of the time and are kept in ``--cache`` from run to run.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pack_builder import hulls, mesh
from pack_builder.receptacles import measure
from pack_builder.source import LIBRARIES, Entry, open_libraries, read_catalogue, read_model
from PIL import Image

from gsi_datasets.assets.asset import AssetInfo, Material, MeshPart, Receptacle
from gsi_datasets.assets.pack import ARCHIVE, MANIFEST, STEP, UV_STEP
from gsi_datasets.assets.vocabulary import CATEGORIES


Array = NDArray[np.float64]
# Triangles.
BUDGET = {"tabletop": 3600, "furniture": 2600}
# Leaves fall apart below this.
GREENERY = 4800


@dataclass(frozen=True)
class Choice:
    """One line of `pack_selection.tsv`.

    Attributes:
        source: ``library#model`` of the catalogue.
        slug: the asset's name in the pack.
        category: noun from the vocabulary.
        kind: ``tabletop`` or ``furniture``.
        scale: factor on the catalogue's size; below 1 for toys and small variants.
        symmetry: as in `AssetInfo`.
        color: dominant colour word.
        mass: kilograms.
        place: where things can be put: relation and shape, e.g. ``in round``; empty for nowhere.
        hulls: how its collision hulls are made, see `hulls.collision_hulls`.
        glass: what becomes of transparent parts, see `mesh.convert`.
        caption: English noun phrase.
        caption_zh: the same in Chinese.
    """

    source: str
    slug: str
    category: str
    kind: str
    scale: float
    symmetry: int
    color: str
    mass: float
    place: str
    hulls: str
    glass: str
    caption: str
    caption_zh: str


def read_selection(path: Path) -> list[Choice]:
    """The table of what is taken.

    Raises:
        ValueError: a line has an unknown category, or a slug or caption stands twice.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file, delimiter="\t"))
    choices = [
        Choice(**{**row, "scale": float(row["scale"]), "symmetry": int(row["symmetry"]), "mass": float(row["mass"])})
        for row in rows
    ]
    for name in ("slug", "caption", "caption_zh"):
        values = [getattr(choice, name) for choice in choices]
        if twice := {value for value in values if values.count(value) > 1}:
            raise ValueError(f"{path}: {name} stands twice: {sorted(twice)}")
    if unknown := {choice.category for choice in choices} - CATEGORIES.keys():
        raise ValueError(f"{path}: not in gsi_datasets/assets/vocabulary.py: {sorted(unknown)}")
    return choices


def make_parts(choice: Choice, entry: Entry, archive: zipfile.ZipFile) -> list[MeshPart]:
    """The drawn parts: converted, cleaned, decimated, with normals."""
    soups = mesh.convert(read_model(archive, entry.model), entry, choice.scale, choice.glass)
    budget = GREENERY if CATEGORIES[choice.category].group in ("plant", "vase", "floor plant") else BUDGET[choice.kind]
    if sum(map(len, soups)) > 40 * budget:
        soups = mesh.decimate(soups, 40 * budget)
    seen = mesh.orient(soups)
    soups = mesh.back_sheets(mesh.decimate(seen, budget))
    if (count := sum(map(len, soups))) > 1.2 * budget:
        soups = mesh.back_sheets(mesh.decimate(seen, int(budget * budget / count)))
    soups = mesh.palette(mesh.recentre(soups))
    return [mesh.finish(soup) for soup in sorted(soups, key=len, reverse=True)]


def make_hulls(choice: Choice, corners: Array, cache: Path) -> list[Array]:
    """Collision hulls, from the cache where this mesh was done before."""
    settings = f"{choice.hulls} {hulls.VERSION}".encode()
    key = hashlib.sha256(np.round(corners, 5).tobytes() + settings).hexdigest()[:24]
    path = cache / f"{key}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pieces = hulls.collision_hulls(corners, choice.hulls)
        np.savez(path, *pieces)
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in stored.files]


def encode(parts: list[MeshPart], pieces: list[Array]) -> bytes:
    """One member of the archive; `gsi_datasets.assets.pack` says how it is laid out and reads it back."""
    vertices = np.concatenate([part.vertices for part in parts]).astype(np.float64)
    low = vertices.min(axis=0)
    steps = np.rint((vertices - low) / STEP).astype(np.uint16)
    pictures: list[bytes] = []
    uv_steps, meta = [], []
    for part in parts:
        uv_low = np.floor(part.uvs.min(axis=0).astype(float) / UV_STEP) * UV_STEP
        uv_steps.append(np.rint((part.uvs - uv_low) / UV_STEP).clip(0, 65535).astype(np.uint16))
        material = part.material
        texture = None
        if material.texture is not None:
            picture = _picture(material)
            if picture not in pictures:
                pictures.append(picture)
            texture = pictures.index(picture)
        meta.append(
            {
                "vertices": len(part.vertices),
                "faces": len(part.faces),
                "uv_low": uv_low.tolist(),
                "color": material.color,
                "roughness": material.roughness,
                "metallic": material.metallic,
                "opacity": round(material.opacity, 3),
                "texture": texture,
            }
        )
    header = {
        "low": low.round(7).tolist(),
        "parts": meta,
        "hulls": [len(piece) for piece in pieces],
        "textures": len(pictures),
    }
    arrays: dict[str, Any] = {
        "meta": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
        "vertices": _differences(steps),
        "normals": np.concatenate([mesh.to_octahedron(part.normals.astype(np.float64)) for part in parts]),
        "uvs": _differences(np.concatenate(uv_steps)),
        "faces": np.concatenate([_below_new(part.faces) for part in parts]),
        "hulls": np.concatenate(pieces).astype(np.float32),
        **{f"texture{i}": np.frombuffer(picture, dtype=np.uint8) for i, picture in enumerate(pictures)},
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _differences(rows: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), dtype=np.uint16))


def _below_new(faces: NDArray[np.int32]) -> NDArray[np.uint16]:
    """How far each corner lies below the next vertex that no corner before it used."""
    flat = faces.reshape(-1)
    new = np.concatenate([[0], np.maximum.accumulate(flat)[:-1] + 1])
    return (new - flat).astype(np.uint16).reshape(-1, 3)


def _picture(material: Material) -> bytes:
    """JPEG; PNG for small pictures, whose flat cells JPEG would blur."""
    assert material.texture is not None
    image, stream = Image.fromarray(material.texture), io.BytesIO()
    if image.height <= mesh.PALETTE_CELL or image.width <= mesh.PALETTE_CELL:
        image.save(stream, "PNG", optimize=True)
    else:
        image.save(stream, "JPEG", quality=84, optimize=True)
    return stream.getvalue()


def build(source: Path, selection: Path, out: Path, cache: Path, wanted: Callable[[Choice], bool]) -> None:
    """Converts what is chosen and writes archive, manifest and attribution."""
    libraries = open_libraries(source, cache)
    catalogue = read_catalogue(libraries)
    choices = sorted(filter(wanted, read_selection(selection)), key=lambda choice: choice.slug)
    if missing := {choice.source for choice in choices} - catalogue.keys():
        raise ValueError(f"{selection}: not in the catalogue: {sorted(missing)}")
    out.mkdir(parents=True, exist_ok=True)
    records, credit = [], []
    temporary = out / (ARCHIVE + ".new")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for choice in choices:
            entry = catalogue[choice.source]
            parts = make_parts(choice, entry, libraries[entry.library])
            corners = np.concatenate([part.vertices.astype(float)[part.faces] for part in parts])
            data = encode(parts, make_hulls(choice, corners, cache))
            archive.writestr(zipfile.ZipInfo(f"{choice.slug}.npz"), data)
            info = _info(choice, entry, corners)
            records.append(
                {**asdict(info), "link": LIBRARIES[entry.library][1], "sha256": hashlib.sha256(data).hexdigest()}
            )
            credit.append((info, entry))
            triangles = sum(len(part.faces) for part in parts)
            print(f"{choice.slug}: {triangles} triangles, {len(parts)} parts, {len(data) / 1024:.0f} KiB", flush=True)
    temporary.replace(out / ARCHIVE)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    (out / MANIFEST).write_text("".join(lines), encoding="utf-8")
    (out / "ATTRIBUTION.md").write_text(_attribution(credit), encoding="utf-8")


def _info(choice: Choice, entry: Entry, corners: Array) -> AssetInfo:
    place: Receptacle | None = None
    if choice.place:
        relation, shape = choice.place.split()
        try:
            place = measure(corners, relation, shape == "round")
        except ValueError as error:
            raise ValueError(f"{choice.slug}: nothing can be put '{choice.place}' it: {error}") from error
    size = np.ptp(corners.reshape(-1, 3), axis=0)
    return AssetInfo(
        id=f"pack/{choice.slug}",
        category=choice.category,
        caption=choice.caption,
        caption_zh=choice.caption_zh,
        size=(round(float(size[0]), 5), round(float(size[1]), 5), round(float(size[2]), 5)),
        kind=choice.kind,
        symmetry=choice.symmetry,
        mass=choice.mass,
        receptacle=place,
        color=choice.color,
        name=entry.name,
        author=entry.creator,
        licence=LIBRARIES[entry.library][0],
        source=f"Sweet Home 3D furniture library 1.8, {entry.library}",
    )


def _attribution(credit: list[tuple[AssetInfo, Entry]]) -> str:
    rows = [
        f"| {info.id} | {info.name} | {info.author} | {entry.library} "
        f"| [{info.licence}]({LIBRARIES[entry.library][1]}) | converted, rescaled, decimated |"
        for info, entry in credit
    ]
    return "\n".join(
        [
            "# Whom to thank for the models",
            "",
            "The models in `sweethome3d.zip` come from the furniture libraries of Sweet Home 3D, version 1.8",
            "(<https://www.sweethome3d.com>), prepared by Emmanuel Puybaret / eTeks. Each was converted to metres and",
            "to a common frame, rescaled where the catalogue or `tools/pack_selection.tsv` says so, decimated, and",
            "given new normals and collision hulls. Pictures that show models under a CC-BY licence should carry this",
            "list or name their creators.",
            "",
            "| id | name | creator | library | licence | changes |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "source", type=Path, help="sweethome3d-furniture_1.8-1_all.deb or a folder with its .sh3f files"
    )
    parser.add_argument("--out", type=Path, default=here.parent / "gsi_datasets" / "assets" / "data")
    parser.add_argument("--selection", type=Path, default=here / "pack_selection.tsv")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/gsi-bench/pack").expanduser())
    parser.add_argument("--only", default="", help="convert only models whose slug contains this")
    options = parser.parse_args()
    build(options.source, options.selection, options.out, options.cache, lambda choice: options.only in choice.slug)


if __name__ == "__main__":
    main()
