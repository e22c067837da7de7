"""Makes tests/data/thor from the scene metadata that the PyPI package `procthor` ships (Apache-2.0).

    pip download --no-deps procthor==0.0.1.dev2 && unzip procthor-*.whl -d procthor
    python -m tests.thor.gather procthor/procthor/databases

Kept per scene: the object list as Unity reported it, rounded to micrometres, and the pose of the agent. The lists do
not name that pose, but each object's `distance` is measured from the agent, which fixes its position to the
micrometre; of the four headings the one that explains `visible` best is taken.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.thor.boxes import turn, up, vector
from tests.thor.scenes import FOLDER


# Four kinds of rooms and RoboTHOR, from both ends of each family.
SCENES = (
    *("FloorPlan1", "FloorPlan10", "FloorPlan201", "FloorPlan215", "FloorPlan301", "FloorPlan314"),
    *(
        "FloorPlan401",
        "FloorPlan418",
        "FloorPlan_Train1_3",
        "FloorPlan_Train8_2",
        "FloorPlan_Val1_1",
        "FloorPlan_Val3_4",
    ),
)


def gather(databases: Path) -> None:
    """Write one file per scene, and the sizes of all assets."""
    scenes = json.loads((databases / "ai2thor-object-metadata.json").read_text())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        objects = _scene(scenes, name)
        position = _agent(objects)
        heading = max((0.0, 90.0, 180.0, 270.0), key=lambda yaw: _explained(objects, position, yaw))
        agent = {"position": dict(zip("xyz", position.tolist(), strict=True)), "rotation": heading}
        _write(FOLDER / f"{name}.json.gz", {"scene": name, "agent": agent, "objects": objects})
    assets = json.loads((databases / "asset-database.json").read_text())
    _write(FOLDER / "assets.json.gz", {item["assetId"]: _asset(item) for kind in assets.values() for item in kind})


def _scene(scenes: dict[str, list[Any]], name: str) -> list[dict[str, Any]]:
    if name.startswith("FloorPlan_"):
        # Five layouts for each of twelve training and three validation walls.
        wall, layout = (int(part) for part in re.findall(r"\d+", name))
        return list(scenes["robothor"][(wall - 1 + (12 if "Val" in name else 0)) * 5 + layout - 1])
    number = int(name.removeprefix("FloorPlan"))
    family = {0: "kitchens", 2: "living_rooms", 3: "bedrooms", 4: "bathrooms"}[number // 100]
    return list(scenes[family][number % 100 - 1])


def _agent(objects: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Where the agent stood: |p - a| = d for all objects is linear in (a, |a|^2)."""
    places = np.array([vector(item["position"]) for item in objects])
    distances = np.array([item["distance"] for item in objects])
    system = np.column_stack([2 * places, -np.ones(len(places))])
    found = np.linalg.lstsq(system, (places**2).sum(axis=1) - distances**2, rcond=None)[0][:3]
    if np.abs(np.linalg.norm(places - found, axis=1) - distances).max() > 1e-5:
        raise ValueError("the distances of this scene do not meet in one point")
    return np.asarray(found)


def _explained(objects: list[dict[str, Any]], position: NDArray[np.float64], yaw: float) -> float:
    eye = position + up(0.675)
    seen = [turn((0, yaw, 0)).T @ (vector(item["axisAlignedBoundingBox"]["center"]) - eye) for item in objects]
    ahead = np.array([view[2] > 0 and abs(view[0]) < view[2] for view in seen])
    return float((ahead == np.array([item["visible"] for item in objects])).mean())


def _asset(item: dict[str, Any]) -> dict[str, Any]:
    size = [round(item["boundingBox"][axis], 6) for axis in "xyz"]
    secondary = [name for name in item.get("secondaryProperties", []) if name in ("Receptacle", "CanOpen")]
    return {
        "type": item["objectType"],
        "size": size,
        "primary": item.get("primaryProperty", "Static"),
        "secondary": secondary,
    }


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _round(inner) for key, inner in value.items()}
    return [_round(inner) for inner in value] if isinstance(value, list) else value


def _write(path: Path, value: Any) -> None:
    # No name and no time in the header: the same input gives the same bytes.
    data = json.dumps(_round(value), separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(data, compresslevel=9, mtime=0))


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
