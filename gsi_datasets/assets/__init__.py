"""Objects to build scenes from: a pack of converted models and families of generated ones, behind one door.

`get` returns an asset by id, `info` what is known of it; ``pack/<slug>`` names a converted model and
``param/<family>/<seed>`` a generated one. Assets of worlds that others have made are mounted by their source's name:
``mesatask/<uid>``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from gsi_datasets.assets.asset import Asset, AssetInfo, Material, MeshPart, Receptacle
from gsi_datasets.assets.errors import AssetError


__all__ = [
    "Asset",
    "AssetError",
    "AssetInfo",
    "Material",
    "MeshPart",
    "Receptacle",
    "families",
    "get",
    "info",
    "mount",
    "tabletop_ids",
]


_MOUNTED: dict[str, Callable[[str], Asset]] = {}


def mount(source: str, loader: Callable[[str], Asset]) -> None:
    """Make assets of a source known to this process.

    Args:
        source: first part of their ids, up to the slash.
        loader: gives the asset of an id, the source included; raises `AssetError` where there is none.
    """
    if _MOUNTED.get(source) is not loader:
        _MOUNTED[source] = loader
        get.cache_clear()


@lru_cache(maxsize=256)
def get(asset_id: str) -> Asset:
    """The asset with its geometry; kept in memory while recently used, so treat it as read-only.

    Args:
        asset_id: ``pack/<slug>``, ``param/<family>/<seed>`` or that of a mounted source.

    Raises:
        AssetError: no asset has this id.
    """
    source, _, rest = asset_id.partition("/")
    if source == "pack":
        from gsi_datasets.assets import pack

        return pack.load(asset_id)
    family, _, seed = rest.rpartition("/")
    if source == "param" and seed.isascii() and seed.isdigit() and seed == str(int(seed)):
        from gsi_datasets.assets import parametric

        return parametric.make(family, int(seed))
    if source in _MOUNTED:
        return _MOUNTED[source](asset_id)
    raise AssetError(
        f"no asset {asset_id!r}: ids look like 'pack/<slug>' or 'param/<family>/<seed>', e.g. param/mug/7"
    )


def info(asset_id: str) -> AssetInfo:
    """What is known of an asset; does not read the mesh of a packed one.

    Args:
        asset_id: ``pack/<slug>``, ``param/<family>/<seed>`` or that of a mounted source.

    Raises:
        AssetError: no asset has this id.
    """
    if asset_id.startswith("pack/"):
        from gsi_datasets.assets import pack

        known = pack.infos()
        if asset_id not in known:
            raise AssetError(
                f"no asset {asset_id!r} in the pack; gsi_datasets.assets.tabletop_ids() lists the small ones"
            )
        return known[asset_id]
    return get(asset_id).info


def tabletop_ids() -> tuple[str, ...]:
    """Ids of all packed models that belong on a table, sorted."""
    from gsi_datasets.assets import pack

    return tuple(sorted(key for key, item in pack.infos().items() if item.kind == "tabletop"))


def families() -> tuple[str, ...]:
    """Names of the families that `param/<family>/<seed>` can be drawn from, sorted."""
    from gsi_datasets.assets import parametric

    return tuple(sorted(parametric.FAMILIES))
