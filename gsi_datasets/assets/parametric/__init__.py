"""Generated objects: each family is a rule with a wide range of shapes, colours and patterns, drawn by seed."""

from __future__ import annotations

import zlib

import numpy as np

from gsi_datasets.assets.asset import Asset
from gsi_datasets.assets.errors import AssetError
from gsi_datasets.assets.parametric import (
    bathroom,
    chests,
    containers,
    cookware,
    decor,
    desk,
    food,
    home_shells,
    kitchen,
    market,
    printed,
    seating,
    shelves,
    structures,
    tableware,
    toys,
    upholstery,
)
from gsi_datasets.assets.parametric.build import Family


FAMILIES: dict[str, Family] = {
    **tableware.FAMILIES,
    **cookware.FAMILIES,
    **containers.FAMILIES,
    **printed.FAMILIES,
    **food.FAMILIES,
    **decor.FAMILIES,
    **desk.FAMILIES,
    **toys.FAMILIES,
    **market.FAMILIES,
    **structures.FAMILIES,
    **home_shells.FAMILIES,
    **bathroom.FAMILIES,
    **kitchen.FAMILIES,
    **shelves.FAMILIES,
    **seating.FAMILIES,
    **upholstery.FAMILIES,
    **chests.FAMILIES,
}


def make(family: str, seed: int) -> Asset:
    """Generate one object; the same family and seed give the same bytes.

    Args:
        family: a key of `FAMILIES`.
        seed: which one, 0 or more.

    Raises:
        AssetError: no such family.
    """
    if family not in FAMILIES:
        raise AssetError(f"no asset 'param/{family}/{seed}': known families are {', '.join(sorted(FAMILIES))}")
    rng = np.random.default_rng([zlib.crc32(family.encode()), seed])
    return FAMILIES[family](f"param/{family}/{seed}", rng)
