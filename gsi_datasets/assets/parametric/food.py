"""To come."""

from gsi_datasets.assets.parametric.build import Family


FAMILIES: dict[str, Family] = {}
