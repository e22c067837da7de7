"""A house in the layout of MolmoSpaces, made of our own assets: MJCF, OBJ meshes, textures and metadata."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsi_datasets import assets
from gsi_datasets.assets.asset import MeshPart
from gsi_datasets.geometry import quaternion_from_matrix
from gsi_datasets.rooms import rooms_of
from gsi_datasets.scene import Scene, SceneObject


Array = NDArray[np.float64]
SAMPLE = Path(__file__).parent.parent / "data" / "molmospaces"
"""The package's own example: one cube on a floor."""
# From a mesh with y up, front towards +z, as Unity's are, to our frame.
Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
DEFAULTS = """
  <compiler angle="radian"/>
  <default>
    <default class="__VISUAL_MJT__"><geom contype="0" conaffinity="0" group="0" mass="1e-8"/></default>
    <default class="__DYNAMIC_MJT__"><geom group="4" contype="1" conaffinity="15"/></default>
    <default class="__STRUCTURAL_MJT__"><geom group="4" contype="8" conaffinity="15"/></default>
    <default class="__STRUCTURAL_WALL_MJT__"><geom group="3" contype="8" conaffinity="15"/></default>
    <mesh inertia="shell"/>
  </default>
"""


class House:
    """Writes one scene.

    Args:
        root: gets ``scenes/`` and ``objects/``.
        scene: at rest; its home is the object named ``room``.
        key: path of the scene below ``scenes/``.
    """

    def __init__(self, root: Path, scene: Scene, key: str = "procthor-10k-val/val_7") -> None:
        self.file = root / "scenes" / f"{key}.xml"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.root, self.scene = root, scene
        self._assets: dict[str, str] = {}
        self._objects: dict[str, Any] = {}
        self._notes: dict[str, Any] = {}

    def write(self) -> Path:
        """All files; gives that of the scene."""
        home, *items = self.scene.objects
        bodies = [self._shell(home), *(self._object(item) for item in items)]
        self.file.write_text(
            f'<mujoco model="house">{DEFAULTS}<asset>\n{"".join(self._assets.values())}</asset>\n<worldbody>\n'
            '<geom name="floor" class="__STRUCTURAL_MJT__" size="0 0 0.01" type="plane"/>\n'
            '<light pos="1 -1 1.5" dir="-1 1 -1" type="directional" diffuse="0.5 0.5 0.5"/>\n'
            f"{''.join(bodies)}</worldbody></mujoco>\n"
        )
        record = self.file.with_name(f"{self.file.stem}_metadata.json")
        record.write_text(json.dumps({"objects": self._objects}, indent=1))
        notes = self.root / "objects" / "objathor_metadata" / "objects_metadata.json.gz"
        notes.parent.mkdir(parents=True, exist_ok=True)
        notes.write_bytes(gzip.compress(json.dumps(self._notes).encode(), mtime=0))
        return self.file

    def _shell(self, home: SceneObject) -> str:
        """Floors as bodies of their own, and one body of walls, 2 mm lower lest two floors be at one height."""
        text = ""
        for number, room in enumerate(rooms_of(home.asset), start=2):
            (x, y), half = room.middle, np.array(room.size[:2]) / 2
            corner = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + (x, y)
            points = np.column_stack([corner, np.zeros(4)]) @ Y_UP
            mesh = self._mesh(points, np.array([[0, 1, 2], [0, 2, 3]]), np.tile([0.0, 1.0, 0.0], (4, 1)), corner)
            color = 0.35 + 0.05 * number
            look = self._asset("material", rgba=f"{color} {0.8 * color:.3f} {0.6 * color:.3f} 1")
            geom = f'<geom class="__VISUAL_MJT__" type="mesh" mesh="{mesh}" material="{look}"/>'
            text += f'<body name="room_{number}" quat="0.70710678118 0.70710678118 0 0">{geom}</body>\n'
        asset = assets.get(home.asset)
        geoms = self._geoms(asset.parts, asset.hulls, "__STRUCTURAL_WALL_MJT__")
        return f'{text}<body name="wall_2_0" pos="0 0 -0.002" quat="0.70710678118 0.70710678118 0 0">{geoms}</body>\n'

    def _object(self, item: SceneObject) -> str:
        asset, uid = assets.get(item.asset), hashlib.md5(item.asset.encode()).hexdigest()
        lemma = item.category.replace(" ", "")
        name = f"{lemma}_{uid}_{item.instance}_0_2"
        sites = ""
        for k, place in enumerate(asset.info.places):
            low = np.array([*(np.array(place.centre) - place.half_extents), place.floor])
            size = np.array([*place.half_extents, min(place.headroom, 0.3) / 2])
            middle = (low + size) @ Y_UP
            sites += (
                f'<site name="{name}_site_{k}" type="box" pos="{_text(middle)}" size="{_text(np.abs(size @ Y_UP))}"/>'
            )
        turn = _text(quaternion_from_matrix(item.rotation @ Y_UP))
        joint = "" if item.static else "<freejoint/>"
        self._objects[name] = {
            "hash_name": name, "asset_id": uid, "object_id": f"{lemma}|2|{item.instance}",
            "category": "".join(word.capitalize() for word in item.category.split()),
            "object_enum": "objaverse", "is_static": item.static, "parent": "", "children": [], "room_id": 2,
            "name_map": {"bodies": {name: lemma}, "joints": {}, "sites": {}},
        }  # fmt: skip
        self._notes[uid] = {
            "assetId": uid, "category": item.category, "synset": f"{item.category.replace(' ', '_')}.n.01",
            "description_short": {"three_words": item.caption},
            "license_info": {"license": "by-sa", "creator_display_name": f"maker of {lemma}", "uri": f"test:{lemma}"},
        }  # fmt: skip
        geoms = self._geoms(asset.parts, asset.hulls, "__DYNAMIC_MJT__", item.scale)
        return f'<body name="{name}" pos="{_text(item.position)}" quat="{turn}">{joint}{geoms}{sites}</body>\n'

    def _geoms(self, parts: tuple[MeshPart, ...], hulls: tuple[Array, ...], collides: str, scale: float = 1.0) -> str:
        text = ""
        for part in parts:
            mesh = self._mesh(scale * part.vertices @ Y_UP, part.faces, part.normals @ Y_UP, part.uvs)
            look = self._material(part)
            text += f'<geom class="__VISUAL_MJT__" type="mesh" mesh="{mesh}" material="{look}"/>\n'
        for hull in hulls:
            text += f'<geom class="{collides}" type="mesh" mesh="{self._cloud(scale * hull @ Y_UP)}"/>\n'
        return text

    def _material(self, part: MeshPart) -> str:
        surface = part.material
        fields = {
            "rgba": f"{_text(np.array(surface.color))} {surface.opacity}",
            "roughness": str(surface.roughness),
            "metallic": str(surface.metallic),
            "emission": str(surface.emission),
        }
        if surface.texture is not None:
            path = self._file(surface.texture.tobytes(), ".png")
            if not path.exists():
                Image.fromarray(surface.texture).save(path)
            fields["texture"] = self._asset("texture", type="2d", file=self._relative(path))
        return self._asset("material", **fields)

    def _mesh(self, points: Array, faces: Any, normals: Array, uvs: Array) -> str:
        lines = [f"v {_text(it)}" for it in points] + [f"vt {_text(it)}" for it in uvs]
        lines += [f"vn {_text(it)}" for it in normals]
        lines += ["f " + " ".join(f"{k}/{k}/{k}" for k in face) for face in (np.asarray(faces) + 1).tolist()]
        return self._obj(lines)

    def _cloud(self, points: Array) -> str:
        """A convex piece; its triangles are those of its hull."""
        from scipy.spatial import ConvexHull

        lines = [f"v {_text(it)}" for it in points]
        return self._obj(lines + [f"f {' '.join(map(str, face))}" for face in (ConvexHull(points).simplices + 1)])

    def _obj(self, lines: list[str]) -> str:
        text = "\n".join(lines) + "\n"
        path = self._file(text.encode(), ".obj")
        path.write_text(text)
        return self._asset("mesh", file=self._relative(path))

    def _file(self, content: bytes, suffix: str) -> Path:
        folder = self.root / "objects" / "thor"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{hashlib.md5(content).hexdigest()}{suffix}"

    def _relative(self, path: Path) -> str:
        return f"../../{path.relative_to(self.root).as_posix()}"

    def _asset(self, tag: str, **fields: str) -> str:
        text = " ".join(f'{key}="{value}"' for key, value in fields.items())
        name = f"{tag}_{hashlib.md5(text.encode()).hexdigest()[:12]}"
        self._assets[name] = f'<{tag} name="{name}" {text}/>\n'
        return name


def _text(numbers: Array) -> str:
    return " ".join(f"{number:.7g}" for number in np.asarray(numbers, dtype=float))
