"""The FIFO wire format of ai2thor: messages of typed fields, each `!BI` type and length, closed by an end mark."""

from __future__ import annotations

import json
import struct
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO

import msgpack


class Field(IntEnum):
    METADATA = 1
    ACTION = 2
    RGB = 4
    DEPTH = 5
    CLASSES = 8
    IDS = 9
    CAMERA_RGB = 10
    METADATA_PATCH = 11
    CAMERA_DEPTH = 12
    CAMERA_IDS = 14
    CAMERA_CLASSES = 15
    END = 255


_HEADER = struct.Struct("!BI")
Message = list[tuple[Field, bytes]]


class Wire:
    """The player's end of the two pipes; each is opened when first needed, as the controller expects."""

    def __init__(self, to_controller: Path, from_controller: Path) -> None:
        self._out_path, self._in_path = to_controller, from_controller
        self._out: BinaryIO | None = None
        self._in: BinaryIO | None = None

    def send(self, message: Message) -> None:
        self.send_raw(b"".join(_HEADER.pack(field, len(body)) + body for field, body in [*message, (Field.END, b"")]))

    def send_raw(self, data: bytes) -> None:
        if self._out is None:
            self._out = self._out_path.open("wb")
        self._out.write(data)
        self._out.flush()

    def receive(self) -> dict[str, Any] | None:
        """The next action; None when the controller has closed its end."""
        if self._in is None:
            self._in = self._in_path.open("rb")
        action: dict[str, Any] = {}
        while header := self._in.read(_HEADER.size):
            field, length = _HEADER.unpack(header)
            if field == Field.END:
                return action
            action = json.loads(self._in.read(length))
        return None


def pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, use_bin_type=True))
