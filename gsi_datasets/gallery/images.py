"""Pictures inside a page: each distinct one once, as a data URI."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable

from PIL import Image, features

from gsi_datasets.gallery.overlays import colour_depth, depth_limits, instance_layer
from gsi_datasets.images import decode_png, photograph


QUALITY = 88


class ImageStore:
    """Data URIs by key; rows of one scene share their source pictures, and so do their keys.

    Attributes:
        uris: key -> data URI.
    """

    def __init__(self) -> None:
        self.uris: dict[str, str] = {}
        self._limits: dict[bytes, tuple[float, float]] = {}

    def photo(self, png: bytes) -> str:
        """Key of a colour image."""
        return self._add(png, "photo", lambda: _lossy(photograph(png)))

    def depth(self, png: bytes, limits: tuple[float, float]) -> str:
        """Key of a depth map in colours."""
        return self._add(png, f"depth {limits}", lambda: _lossy(colour_depth(decode_png(png), limits)))

    def limits(self, png: bytes) -> tuple[float, float]:
        """Range of colours for a depth map, millimetres."""
        digest = hashlib.blake2b(png).digest()
        if digest not in self._limits:
            self._limits[digest] = depth_limits(decode_png(png))
        return self._limits[digest]

    def instances(self, png: bytes) -> str:
        """Key of an instance map in colours, transparent where it is background."""
        return self._add(png, "instances", lambda: _lossless(instance_layer(decode_png(png))))

    def _add(self, png: bytes, kind: str, encode: Callable[[], str]) -> str:
        key = hashlib.blake2b(png + kind.encode(), digest_size=8).hexdigest()
        if key not in self.uris:
            self.uris[key] = encode()
        return key


def _lossy(image: Image.Image) -> str:
    stream = io.BytesIO()
    if features.check("webp"):
        image.save(stream, "WEBP", quality=QUALITY, method=1)
        return _uri("image/webp", stream)
    image.save(stream, "JPEG", quality=QUALITY)
    return _uri("image/jpeg", stream)


def _lossless(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return _uri("image/png", stream)


def _uri(media_type: str, stream: io.BytesIO) -> str:
    return f"data:{media_type};base64,{base64.b64encode(stream.getvalue()).decode()}"
