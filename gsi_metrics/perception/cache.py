"""Keeps what a detector said, by what it was asked: a picture that was looked at once is not looked at again."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from pathlib import Path

import numpy as np

from gsi_metrics.perception.detections import DetectionError, Detections, Detector
from gsi_metrics.sample import Array, Picture


logger = logging.getLogger(__name__)

_WRITING = threading.Lock()


class Cached:
    """A detector with a memory on disk. Any number of threads and processes may share the folder.

    Entries are written whole or not at all. One that cannot be read is made again, with a warning.

    Args:
        detector: asked for what is not known yet.
        folder: made if it is missing.
    """

    def __init__(self, detector: Detector, folder: Path) -> None:
        self.detector, self.folder = detector, folder
        self.name, self.version = detector.name, detector.version

    def detect(self, image: Picture, K: Array, queries: list[str], up: Array | None = None) -> Detections:
        """See `Detector`."""
        key = self.key(image, K, queries, up)
        path = self.folder / key[:2] / f"{key}.json"
        if path.exists():
            try:
                seen = Detections.read(path)
                if (seen.height, seen.width) != image.shape[:2]:
                    raise DetectionError(f"{path}: is of a picture of another size")
                return seen
            except DetectionError as error:
                logger.warning("%s; it is made again", error)
        seen = self.detector.detect(image, K, queries, up)
        with _WRITING:
            # Two threads of one process would share the name of the temporary file.
            path.parent.mkdir(parents=True, exist_ok=True)
            seen.write(path)
        return seen

    def key(self, image: Picture, K: Array, queries: list[str], up: Array | None = None) -> str:
        """SHA-256 of pixels, intrinsics, queries, up and the detector's name and version, as hexadecimal digits."""
        words = [self.name, self.version, list(queries), list(image.shape), str(image.dtype)]
        digest = hashlib.sha256(json.dumps(words).encode())
        for numbers in (K, np.zeros(0) if up is None else up):
            digest.update(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
        digest.update(np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()
