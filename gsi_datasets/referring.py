"""Referring expressions: naming exactly one object, and a rule that decides which objects a name fits.

What can be meant is what the source view shows, be it a few pixels: who gets the instruction knows nothing else.

The rule works on anything that has a category, a caption and a box centre (scene objects and stored rows alike), so
that whoever holds a row can check that its instruction is unambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets.vocabulary import noun
from gsi_datasets.scene import Scene, SceneObject


# By how much the extreme object must lead the next one for people to agree on it.
MARGINS = {
    "leftmost": 0.05,
    "rightmost": 0.05,
    "nearest": 0.05,
    "farthest": 0.05,
    "tallest": 0.04,
    "highest": 0.08,
    "lowest": 0.08,
}
CRITERIA = tuple(MARGINS)

ENGLISH = {
    "leftmost": "the leftmost {noun}",
    "rightmost": "the rightmost {noun}",
    "nearest": "the {noun} nearest to the camera",
    "farthest": "the {noun} farthest from the camera",
    "tallest": "the tallest {noun}",
    "highest": "the highest {noun}",
    "lowest": "the lowest {noun}",
}
CHINESE = {
    "leftmost": "最左边的{noun}",
    "rightmost": "最右边的{noun}",
    "nearest": "离相机最近的{noun}",
    "farthest": "离相机最远的{noun}",
    "tallest": "最高大的{noun}",
    "highest": "位置最高的{noun}",
    "lowest": "位置最低的{noun}",
}


@dataclass(frozen=True)
class Expression:
    """What the instruction says of an object.

    Attributes:
        category: the noun; None means any movable object. Nouns that could be taken for each other (`Category.group`)
            count as one: with an armchair beside it, a chair is not "the chair".
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
    """What the rule needs to know of an object: name, words, box centre (3,) and height, metres, world."""

    name: str
    category: str
    caption: str
    centre: NDArray[np.float64]
    height: float
    movable: bool = True


def describe(scene: Scene, shares: Mapping[str, float] | None = None) -> list[Described]:
    """The objects of a scene that can be meant, as the rule sees them.

    Args:
        scene: the source.
        shares: by name, how much of each object is visible, as rows store it; all are taken to be seen if None.
    """
    return [
        _described(item)
        for item in scene.objects
        if item.instance > 0 and (shares is None or shares.get(item.name, 0.0) > 0)
    ]


def _described(item: SceneObject) -> Described:
    box = item.box
    height = float(np.abs(box.rotation[2]) @ box.size)
    return Described(item.name, item.category, item.caption, box.centre, height, not item.static)


def resolve(expression: Expression, objects: Iterable[Described], extrinsics: NDArray[np.float64]) -> list[str]:
    """Names of the objects an expression fits.

    Args:
        expression: what is said.
        objects: what can be meant: every object the source view shows, see `describe`.
        extrinsics: (4, 4) world-to-camera of the source view.

    Returns:
        Exactly one name if the expression is unambiguous. With a criterion: every object that is within the
        criterion's margin of the extreme, so a close second makes it ambiguous.
    """
    fits = [
        item
        for item in objects
        if (
            item.movable
            if expression.category is None
            else noun(item.category).group == noun(expression.category).group
        )
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
    """(N,) the higher the better: tangent of the horizontal angle for left and right, metres for the others.

    Highest and lowest go by where things stand: on one table, nothing is.
    """
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
        case "highest":
            return np.array([item.centre[2] - item.height / 2 for item in objects])
        case "lowest":
            return np.array([item.height / 2 - item.centre[2] for item in objects])
    raise ValueError(f"unknown spatial criterion '{criterion}'; one of {CRITERIA}")


def expressions(scene: Scene, name: str, objects: Sequence[Described] | None = None) -> list[Expression]:
    """Every expression that names this object and no other, plain ones first.

    Args:
        scene: the source.
        name: of the object.
        objects: what can be meant; everything in the scene if None.
    """
    target = scene[name]
    objects = describe(scene) if objects is None else objects
    options = [Expression(category=target.category)]
    if _stands_out_by_look(scene, target, objects):
        options.append(Expression(category=target.category, caption=target.caption))
    options += [Expression(category=target.category, criterion=criterion) for criterion in CRITERIA]
    if any(item.category == target.category and item.name != name for item in objects):
        options = [item for item in options if item != Expression(category=target.category)]
    else:
        # A criterion on the only one of its kind says nothing.
        options = [item for item in options if item.criterion is None]
    return [item for item in options if resolve(item, objects, scene.camera.extrinsics) == [name]]


def spatial_expressions(scene: Scene, name: str, objects: Sequence[Described] | None = None) -> list[Expression]:
    """Every expression by a spatial criterion: among its kind if there are several, else among all objects.

    Arguments as for `expressions`.
    """
    target = scene[name]
    objects = describe(scene) if objects is None else objects
    several = sum(item.category == target.category for item in objects) > 1
    category = target.category if several else None
    options = [Expression(category=category, criterion=criterion) for criterion in CRITERIA]
    return [item for item in options if resolve(item, objects, scene.camera.extrinsics) == [name]]


def _stands_out_by_look(scene: Scene, target: SceneObject, objects: Iterable[Described]) -> bool:
    """Whether its caption differs visibly (by colour) from every other thing it could be taken for."""
    color = assets.info(target.asset).color
    others = [
        scene[item.name]
        for item in objects
        if noun(item.category).group == noun(target.category).group and item.name != target.name
    ]
    return bool(color) and all(assets.info(item.asset).color not in ("", color) for item in others)


def english(expression: Expression) -> str:
    """The noun phrase, e.g. ``the leftmost mug``."""
    words = expression.caption or expression.category or "object"
    return ENGLISH[expression.criterion].format(noun=words) if expression.criterion else f"the {words}"


def chinese(expression: Expression, caption_zh: str) -> str:
    """The Chinese noun phrase; `caption_zh` is used where the English one uses the caption."""
    category_zh = noun(expression.category).zh if expression.category else "物体"
    words = caption_zh if expression.caption else category_zh
    return CHINESE[expression.criterion].format(noun=words) if expression.criterion else words
