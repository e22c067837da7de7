"""Pictures as bytes: PNG with fixed settings, so that the same array is the same bytes wherever it is encoded."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray


if TYPE_CHECKING:
    from PIL import Image

# Level 4 is the first at which zlib matches lazily: ids shrink to a third for no more time, and renders still fit
# into the few milliseconds that a picture may cost.
COMPRESSION = 4
DEPTH_UNITS_PER_METRE = 1000.0


def encode_png(array: NDArray[Any]) -> bytes:
    """Losslessly encode a picture.

    Args:
        array: (H, W, 3) uint8 sRGB, or (H, W) uint16 (depth in millimetres, instance ids).

    Raises:
        ValueError: for any other shape or type.
    """
    from PIL import Image

    colour = array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3
    if not colour and not (array.dtype == np.uint16 and array.ndim == 2):
        raise ValueError(
            f"encode_png takes (H, W, 3) uint8 or (H, W) uint16, not {array.shape} {array.dtype}; convert it first"
        )
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(stream, "PNG", compress_level=COMPRESSION)
    return stream.getvalue()


def decode_png(png: bytes) -> NDArray[Any]:
    """(H, W, 3) uint8 or (H, W) uint16: the array that `encode_png` was given."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        array = np.asarray(image)
    return array if array.dtype == np.uint8 else array.astype(np.uint16)


def photograph(data: bytes) -> Image.Image:
    """A colour picture as RGB, in whatever format and mode it came."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def encode_depth(depth: NDArray[np.floating[Any]]) -> bytes:
    """Encode metric depth as 16-bit millimetres.

    Args:
        depth: (H, W) metres along the optical axis; 0, negative or not finite where nothing was hit.

    Returns:
        PNG of whole millimetres, 0 where nothing was hit, 65535 for 65.535 m and beyond.
    """
    hit = np.isfinite(depth) & (depth > 0)
    millimetres = np.rint(np.where(hit, depth, 0.0).astype(np.float64) * DEPTH_UNITS_PER_METRE)
    # What was hit nearer than half a millimetre must not turn into "nothing".
    return encode_png(np.where(hit, millimetres.clip(1, 65535), 0).astype(np.uint16))


def decode_depth(png: bytes) -> NDArray[np.float32]:
    """(H, W) float32 metres along the optical axis, 0 where nothing was hit."""
    return (decode_png(png) / DEPTH_UNITS_PER_METRE).astype(np.float32)


class Encoder:
    """Encodes each picture once, however many rows share it; lives as long as a scene is worked on."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[NDArray[Any], bytes]] = {}

    def png(self, array: NDArray[Any]) -> bytes:
        """As `encode_png`."""
        return self._once(array, encode_png)

    def depth(self, array: NDArray[Any]) -> bytes:
        """As `encode_depth`."""
        return self._once(array, encode_depth)

    def _once(self, array: NDArray[Any], encode: Callable[[NDArray[Any]], bytes]) -> bytes:
        # The array is kept with its bytes, so that its id cannot pass to another one.
        if id(array) not in self._done:
            self._done[id(array)] = (array, encode(array))
        return self._done[id(array)][1]
