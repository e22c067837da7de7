"""The scene: what exists, where it stands and who looks at it.

The one convention for space, held everywhere inside the package; adapters convert at their own border:

- World: right-handed, z up, metres.
- Camera: OpenCV axes (x right, y down, z forward); extrinsics are world-to-camera 4x4.
- Rotations are 3x3 matrices; angles are radians inside, degrees only in instructions and on the command line.
- Pixels: u right, v down, pixel centres at +0.5; K belongs to the stored resolution.
- Boxes: centre, full size along their own axes, rotation.
- An asset's own frame: z up, front towards -y, origin at the bottom centre of its bounding box.

A `Scene` is a light, immutable record: meshes are named by asset id and looked up where they are needed, so a
scene can be copied, compared, sent to another process or written down as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Box:
    """An oriented box.

    Attributes:
        centre: (3,) metres.
        size: (3,) full extents along the box's own axes, metres.
        rotation: (3, 3), columns are the box axes in the frame of `centre`.
    """

    centre: Array
    size: Array
    rotation: Array


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without distortion.

    Attributes:
        intrinsics: (3, 3) K of the stored resolution, pixels.
        extrinsics: (4, 4) world-to-camera, OpenCV axes, metres.
        width: image width, pixels.
        height: image height, pixels.
    """

    intrinsics: Array
    extrinsics: Array
    width: int
    height: int

    @property
    def position(self) -> Array:
        """(3,) the optical centre in the world, metres."""
        return -self.extrinsics[:3, :3].T @ self.extrinsics[:3, 3]

    def resized(self, width: int, height: int) -> Camera:
        """The same view stored at another resolution; K is rescaled with it."""
        scale = np.diag([width / self.width, height / self.height, 1.0])
        return Camera(scale @ self.intrinsics, self.extrinsics, width, height)


@dataclass(frozen=True)
class Light:
    """A light with a soft edge.

    Attributes:
        position: metres, world.
        target: the point it is aimed at, metres, world.
        color: linear RGB in [0, 1].
        intensity: 1.0 lights a white diffuse surface under the key light to about mid-bright; renderers map it to
            their own units so that the three agree.
        radius: radius of the emitting disc, metres; sets how soft shadows are.
        shadows: whether it casts shadows.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    intensity: float = 1.0
    radius: float = 0.25
    shadows: bool = True


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One object instance.

    Attributes:
        name: unique within the scene, matches `[a-z0-9_-]+`, e.g. ``mug_1``.
        instance: positive number in the instance id maps; 0 for what counts as background (floor, walls).
        asset: asset id, resolved by `gsi_datasets.assets.get`.
        category: common noun, lower case, e.g. ``mug``.
        caption: short English noun phrase without article, e.g. ``white mug with blue stripes``.
        caption_zh: the same in Chinese.
        position: (3,) of the asset's origin (bottom centre), metres, world.
        rotation: (3, 3) from the asset's frame to the world.
        scale: uniform factor on the asset's metric size.
        local_centre: (3,) of the unscaled asset's bounding box in its own frame, metres.
        local_size: (3,) of the unscaled asset's bounding box, metres.
        support: name of the object it rests on or in; None for what rests on nothing.
        static: True for what never moves (room, furniture, the table).
    """

    name: str
    instance: int
    asset: str
    category: str
    caption: str
    caption_zh: str
    position: Array
    rotation: Array
    local_centre: Array
    local_size: Array
    scale: float = 1.0
    support: str | None = None
    static: bool = False

    @property
    def box(self) -> Box:
        """The oriented bounding box in the world."""
        centre = self.position + self.rotation @ (self.scale * self.local_centre)
        return Box(centre, self.scale * self.local_size, self.rotation)

    @property
    def pose(self) -> Array:
        """(4, 4) similarity from the unscaled asset frame to the world."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.scale * self.rotation
        matrix[:3, 3] = self.position
        return matrix


@dataclass(frozen=True, eq=False)
class Scene:
    """S = {O_i} and C: objects, camera and light (paper section 3).

    Attributes:
        name: unique within a dataset, matches `[a-z0-9_-]+`.
        objects: every object, static ones included.
        camera: the view.
        lights: the lamps; the first is the key light.
        ambient: linear RGB of the light that comes from everywhere.
    """

    name: str
    objects: tuple[SceneObject, ...]
    camera: Camera
    lights: tuple[Light, ...] = ()
    ambient: tuple[float, float, float] = (0.35, 0.35, 0.35)
    _by_name: dict[str, SceneObject] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = {item.name: item for item in self.objects}
        if len(by_name) != len(self.objects):
            raise ValueError(f"scene {self.name}: object names repeat; give each object a name of its own")
        object.__setattr__(self, "_by_name", by_name)

    def __getitem__(self, name: str) -> SceneObject:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def movable(self) -> tuple[SceneObject, ...]:
        """The objects that physics may move."""
        return tuple(item for item in self.objects if not item.static)

    def with_objects(self, changed: Iterable[SceneObject]) -> Scene:
        """The scene with the objects of these names put in place of the old ones; order is kept."""
        new = {item.name: item for item in changed}
        if unknown := new.keys() - self._by_name.keys():
            raise KeyError(f"scene {self.name} has no object named {sorted(unknown)}")
        return replace(self, objects=tuple(new.get(item.name, item) for item in self.objects))

    def without(self, *names: str) -> Scene:
        """The scene with these objects taken out."""
        return replace(self, objects=tuple(item for item in self.objects if item.name not in names))

    def resting_on(self, name: str) -> tuple[SceneObject, ...]:
        """What rests directly on or in the named object."""
        return tuple(item for item in self.objects if item.support == name)
