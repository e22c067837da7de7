"""What goes wrong with assets."""

from __future__ import annotations


class AssetError(ValueError):
    """An asset that is unknown, missing or damaged; the message names it and says what to do."""
