"""A toy tabletop with boxes for objects, for tests of what needs no meshes."""

from __future__ import annotations

import numpy as np
import pytest

from gsi_datasets import assets
from gsi_datasets.assets.asset import AssetInfo, Receptacle
from gsi_datasets.geometry import intrinsics_from_fov, look_at, rotation_z
from gsi_datasets.scene import Camera, Scene, SceneObject


TABLE_HEIGHT = 0.75
INFOS = {
    "table": AssetInfo(
        "toy/table", "table", "wooden table", "木桌", (1.4, 0.9, TABLE_HEIGHT), kind="furniture",
        receptacle=Receptacle("on", TABLE_HEIGHT, (0.68, 0.43), False, TABLE_HEIGHT),
    ),
    "red mug": AssetInfo("toy/red-mug", "mug", "red mug", "红色马克杯", (0.1, 0.08, 0.09), color="red"),
    "blue mug": AssetInfo("toy/blue-mug", "mug", "blue mug", "蓝色马克杯", (0.1, 0.08, 0.09), color="blue"),
    "box": AssetInfo("toy/box", "box", "brown box", "棕色盒子", (0.12, 0.12, 0.12), symmetry=4, color="brown"),
    "bottle": AssetInfo(
        "toy/bottle", "bottle", "green bottle", "绿色瓶子", (0.07, 0.07, 0.25), symmetry=0, color="green"
    ),
    "apple": AssetInfo("toy/apple", "apple", "red apple", "红苹果", (0.07, 0.07, 0.07), symmetry=0, color="red"),
    "bowl": AssetInfo(
        "toy/bowl", "bowl", "white bowl", "白碗", (0.2, 0.2, 0.08), symmetry=0, color="white",
        receptacle=Receptacle("in", 0.01, (0.06, 0.06), True, 0.08),
    ),
}  # fmt: skip
BY_ID = {info.id: info for info in INFOS.values()}


@pytest.fixture
def toy_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `assets.info` know the toys."""
    monkeypatch.setattr(assets, "info", BY_ID.__getitem__)


def thing(kind: str, x: float, y: float, yaw: float = 0.0, name: str | None = None, on: str = "table") -> SceneObject:
    """A toy standing on the table (or at the height of what it is on)."""
    info = INFOS[kind]
    size = np.array(info.size)
    name = name or kind.replace(" ", "_")
    return SceneObject(
        name, 0, info.id, info.category, info.caption, info.caption_zh, np.array([x, y, TABLE_HEIGHT]),
        rotation_z(yaw), np.array([0, 0, size[2] / 2]), size, support=on,
    )  # fmt: skip


def tabletop(*things: SceneObject) -> Scene:
    """A table with these on it, seen from -y, so that world x is the camera's right and y is away."""
    from dataclasses import replace

    info = INFOS["table"]
    size = np.array(info.size)
    table = SceneObject(
        "table", 1, info.id, "table", info.caption, info.caption_zh, np.zeros(3), np.eye(3),
        np.array([0, 0, size[2] / 2]), size, static=True,
    )  # fmt: skip
    camera = Camera(
        intrinsics_from_fov(0.8, 512, 512), look_at(np.array([0, -1.2, 1.5]), np.array([0, 0, TABLE_HEIGHT])), 512, 512
    )
    numbered = [replace(item, instance=k + 2) for k, item in enumerate(things)]
    return Scene("toy-scene", (table, *numbered), camera)
