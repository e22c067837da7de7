"""What furniture and things there are to choose from: the pack's models and generated ones, by category."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import assets
from gsi_datasets.assets import pack
from gsi_datasets.assets.asset import AssetInfo
from gsi_datasets.geometry import rotation_z
from gsi_datasets.scene import SceneObject


SEEDS = 10_000  # generated things of a family to draw from
FURNITURE_SEEDS = 400  # the same of furniture, whose textures are larger
CC0 = frozenset({"CC0-1.0"})
# Models whose collision shape is not flat where their top is, so that things slide off or hover; and seats for dolls
# and children, absurd at a table.
UNSUITED = (
    "pack/orange-wooden-dresser", "pack/cream-folding-table", "pack/low-wooden-children-table",
    "pack/stone-tiled-coffee-table", "pack/small-wooden-chair", "pack/blue-children-chair",
)  # fmt: skip
# Of these only models that things can be put on: an empty shelf looks forsaken.
FOR_THINGS = ("shelf", "bookcase", "nightstand")


@cache
def families_of(kind: str) -> dict[str, tuple[str, ...]]:
    """By category, the families that generate things of a kind (``tabletop`` or ``furniture``)."""
    found: dict[str, list[str]] = {}
    for family in assets.families():
        if family != "room" and not family.startswith("home_"):
            sample = assets.info(f"param/{family}/0")
            if sample.kind == kind:
                found.setdefault(sample.category, []).append(family)
    return {category: tuple(names) for category, names in found.items()}


@dataclass(frozen=True)
class Catalogue:
    """Where things come from.

    Attributes:
        assets: ``all``, or ``cc0`` to leave out what asks for attribution.
    """

    assets: str = "all"

    def info(self, asset_id: str) -> AssetInfo:
        """What is known of an asset."""
        return assets.info(asset_id)

    def draw(
        self,
        category: str,
        rng: np.random.Generator,
        kind: str = "furniture",
        largest: tuple[float, float, float] = (np.inf, np.inf, np.inf),
        family: str | None = None,
    ) -> AssetInfo | None:
        """Something of a category that is not larger than this (width, depth, height, metres); None if there is none.

        Generated things are drawn the more often the fewer models there are.

        Args:
            category: a noun of the vocabulary.
            rng: the only source of chance.
            kind: ``furniture`` or ``tabletop``.
            largest: bounds.
            family: draw from this family alone, where there is such a family.
        """
        models = [info for info in self._models(category, kind) if _within(info, largest)]
        names = families_of(kind).get(category, ())
        if family is not None:
            names, models = tuple(name for name in names if name == family), []
        if names and (not models or rng.random() >= 0.5 * len(models) / (len(models) + 2)):
            for _ in range(4):
                count = SEEDS if kind == "tabletop" else FURNITURE_SEEDS
                info = assets.info(f"param/{names[rng.integers(len(names))]}/{rng.integers(count)}")
                if _within(info, largest):
                    return info
        return models[rng.integers(len(models))] if models else None

    def has(self, category: str, kind: str = "furniture") -> bool:
        """Whether there is anything of a category."""
        return bool(families_of(kind).get(category)) or bool(self._models(category, kind))

    def _models(self, category: str, kind: str) -> list[AssetInfo]:
        return [
            info
            for info in pack.infos().values()
            if info.category == category and info.kind == kind and (self.assets == "all" or info.licence in CC0)
            if info.id not in UNSUITED and (info.places or category not in FOR_THINGS)
        ]


def placed(
    info: AssetInfo, position: NDArray[np.float64], yaw: float, support: str | None, static: bool
) -> SceneObject:
    """A thing at a place, standing upright, its name and number still to come."""
    size = np.asarray(info.size, dtype=np.float64)
    return SceneObject(
        "new", 0, info.id, info.category, info.caption, info.caption_zh, np.asarray(position, dtype=np.float64),
        rotation_z(yaw), np.array([0.0, 0.0, size[2] / 2]), size, support=support, static=static,
    )  # fmt: skip


def _within(info: AssetInfo, largest: tuple[float, float, float]) -> bool:
    return all(length <= most for length, most in zip(info.size, largest, strict=True))
