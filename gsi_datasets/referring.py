"""Referring expressions: naming exactly one object, and a rule that decides which objects a name fits.

The rule works on anything that has a category, a caption and a box centre (scene objects and stored rows alike), so
that whoever holds a row can check that its instruction is unambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.vocabulary import CATEGORIES
from gsi_datasets.scene import Scene, SceneObject


# By how much the extreme object must lead the next one for people to agree on it.
MARGINS = {"leftmost": 0.05, "rightmost": 0.05, "nearest": 0.05, "farthest": 0.05, "tallest": 0.04}
CRITERIA = tuple(MARGINS)

ENGLISH = {
    "leftmost": "the leftmost {noun}",
    "rightmost": "the rightmost {noun}",
    "nearest": "the {noun} nearest to the camera",
    "farthest": "the {noun} farthest from the camera",
    "tallest": "the tallest {noun}",
}
CHINESE = {
    "leftmost": "最左边的{noun}",
    "rightmost": "最右边的{noun}",
    "nearest": "离相机最近的{noun}",
    "farthest": "离相机最远的{noun}",
    "tallest": "最高的{noun}",
}


@dataclass(frozen=True)
class Expression:
    """What the instruction says of an object.

    Attributes:
        category: the noun; None means any movable object.
        caption: full description it must match; None if the noun is enough.
        criterion: spatial criterion that picks one of those left; None if one is left.
    """

    category: str | None = None
    caption: str | None = None
    criterion: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As stored in a row's parameters."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Described:
    """What the rule needs to know of a movable object: name, words, box centre (3,) and height, metres, world."""

    name: str
    category: str
    caption: str
    centre: NDArray[np.float64]
    height: float


def describe(scene: Scene) -> list[Described]:
    """The movable objects of a scene, as the rule sees them."""
    return [_described(item) for item in scene.movable]


def _described(item: SceneObject) -> Described:
    box = item.box
    height = float(np.abs(box.rotation[2]) @ box.size)
    return Described(item.name, item.category, item.caption, box.centre, height)


def resolve(expression: Expression, objects: Iterable[Described], extrinsics: NDArray[np.float64]) -> list[str]:
    """Names of the objects an expression fits.

    Args:
        expression: what is said.
        objects: the movable objects of the source scene.
        extrinsics: (4, 4) world-to-camera of the source view.

    Returns:
        Exactly one name if the expression is unambiguous. With a criterion: every object that is within the
        criterion's margin of the extreme, so a close second makes it ambiguous.
    """
    fits = [
        item
        for item in objects
        if (expression.category is None or item.category == expression.category)
        and (expression.caption is None or item.caption == expression.caption)
    ]
    if expression.criterion is None or not fits:
        return [item.name for item in fits]
    scores = criterion_scores(expression.criterion, fits, extrinsics)
    close = scores > scores.max() - MARGINS[expression.criterion]
    return [item.name for item, keep in zip(fits, close, strict=True) if keep]


def criterion_scores(
    criterion: str, objects: Sequence[Described], extrinsics: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N,) the higher the better: tangent of the horizontal angle for left and right, metres for the others."""
    centres = np.stack([item.centre for item in objects])
    camera = centres @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    match criterion:
        case "leftmost":
            return -camera[:, 0] / camera[:, 2]
        case "rightmost":
            return camera[:, 0] / camera[:, 2]
        case "nearest":
            return -np.linalg.norm(camera, axis=1)
        case "farthest":
            return np.linalg.norm(camera, axis=1)
        case "tallest":
            return np.array([item.height for item in objects])
    raise ValueError(f"unknown spatial criterion '{criterion}'; one of {CRITERIA}")


def expressions(scene: Scene, name: str) -> list[Expression]:
    """Every expression that names this object and no other, plain ones first."""
    target = scene[name]
    objects = describe(scene)
    options = [Expression(category=target.category)]
    if _stands_out_by_look(scene, target):
        options.append(Expression(category=target.category, caption=target.caption))
    options += [Expression(category=target.category, criterion=criterion) for criterion in CRITERIA]
    if any(item.category == target.category and item.name != name for item in scene.movable):
        options = [item for item in options if item != Expression(category=target.category)]
    else:
        # A criterion on the only one of its kind says nothing.
        options = [item for item in options if item.criterion is None]
    return [item for item in options if resolve(item, objects, scene.camera.extrinsics) == [name]]


def spatial_expressions(scene: Scene, name: str) -> list[Expression]:
    """Every expression by a spatial criterion: among its kind if there are several, else among all objects."""
    target, objects = scene[name], describe(scene)
    several = sum(item.category == target.category for item in scene.movable) > 1
    category = target.category if several else None
    options = [Expression(category=category, criterion=criterion) for criterion in CRITERIA]
    return [item for item in options if resolve(item, objects, scene.camera.extrinsics) == [name]]


def _stands_out_by_look(scene: Scene, target: SceneObject) -> bool:
    """Whether its caption differs visibly (by colour) from every other of its category."""
    color = assets.info(target.asset).color
    others = [item for item in scene.movable if item.category == target.category and item.name != target.name]
    return bool(color) and all(assets.info(item.asset).color not in ("", color) for item in others)


def english(expression: Expression) -> str:
    """The noun phrase, e.g. ``the leftmost mug``."""
    noun = expression.caption or expression.category or "object"
    return ENGLISH[expression.criterion].format(noun=noun) if expression.criterion else f"the {noun}"


def chinese(expression: Expression, caption_zh: str) -> str:
    """The Chinese noun phrase; `caption_zh` is used where the English one uses the caption."""
    category_zh = CATEGORIES[expression.category].zh if expression.category else "物体"
    noun = caption_zh if expression.caption else category_zh
    return CHINESE[expression.criterion].format(noun=noun) if expression.criterion else noun
