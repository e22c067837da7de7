"""Detectors that live elsewhere: a program of another environment, or a server. Their dependencies stay theirs.

The wire format is the same for both; every message is one JSON object, for a program one on each line.

We send, on standard input or as the body of a POST::

    {"id": 7, "image": "<PNG, base64>", "height": 512, "width": 512,
     "intrinsics": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], "queries": ["mug", "bowl"],
     "up": [x, y, z] against gravity in the camera frame, or null where nobody knows}

and expect, on standard output or as the body of the answer, one of::

    {"id": 7, "objects": [{"category": "mug", "score": 0.9, "bbox_2d": [x1, y1, x2, y2],
                           "centre": [x, y, z], "size": [sx, sy, sz], "rotation": [[..], [..], [..]],
                           "mask": {"size": [height, width], "counts": [..]}}], "yaw_period": 3.14159}
    {"id": 7, "detections": [{"label": "mug", "bbox_3d": [x, y, z, w, h, l, yaw], "bbox_2d": [..],
                              "rotation_matrix": [[..], [..], [..]], "iou_score": 0.9}]}
    {"id": 7, "error": "what went wrong"}

The first form is that of `Detection` (pixels of the picture sent, camera frame, own axes with z up); `mask` and
`yaw_period` may be left out. The second is the published one (2D boxes in pixels of the picture with its
longest side at 896, box axes with y down), as DetAny3D's wrapper gives it. A program answers in the order of the
questions, writes nothing else to standard output (logs go to standard error), flushes after each line and ends when
its input ends. Whatever comes back is untrusted and validated: a reply that is not of this form is an error.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import queue
import shlex
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import numpy as np
from pydantic import ValidationError

from gsi_datasets.images import encode_png
from gsi_datasets.web import WebError, checked_url, post_json
from gsi_metrics.perception.detections import DetectionError, Detections, explained, published
from gsi_metrics.sample import Array, Picture


logger = logging.getLogger(__name__)

LARGEST_REPLY = 64 << 20
"""Bytes; a thousand objects with masks stay far below."""


class _FailedError(DetectionError):
    """The program crashed or fell silent; a new one may do better."""


class ExternalProgram:
    """A detector that is a program. It is started when it is first asked and ended with this object.

    Args:
        command: program and arguments; a string is split as a shell would, but no shell runs it.
        name: of the detector; the program's file name if None.
        version: of it and its weights.
        timeout: seconds for one picture.
        start_timeout: seconds for the first picture after a start, for weights must be loaded.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        name: str | None = None,
        version: str = "",
        timeout: float = 120.0,
        start_timeout: float = 600.0,
    ) -> None:
        self.command = shlex.split(command) if isinstance(command, str) else list(command)
        if not self.command:
            raise ValueError("command is empty; give the program and its arguments")
        self.name, self.version = name or Path(self.command[0]).name, version
        self.timeout, self.start_timeout = timeout, start_timeout
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._count = 0

    def detect(self, image: Picture, K: Array, queries: list[str], up: Array | None = None) -> Detections:
        """See `Detector`. A program that crashes or falls silent is started anew, once."""
        with self._lock:
            self._count += 1
            question = _question(self._count, image, K, queries, up)
            try:
                reply = self._ask(question)
            except _FailedError as error:
                logger.warning("%s; it is started anew", error)
                reply = self._ask(question)
            try:
                return _detections(reply, self._count, image, K, self.name, self.version)
            except DetectionError:
                # What it writes next may belong to this question.
                self._stop()
                raise

    def close(self) -> None:
        """Ends the program."""
        with self._lock:
            self._stop()

    def _ask(self, question: dict[str, Any]) -> Any:
        fresh = self._running is None
        try:
            if self._running is None:
                self._running = _Running(self.command, self.name)
                weakref.finalize(self, self._running.stop)
            return self._running.ask(question, self.start_timeout if fresh else self.timeout)
        except DetectionError:
            self._stop()
            raise

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


class ExternalServer:
    """A detector behind an address.

    Args:
        url: where questions are posted.
        name: of the detector; the host if None.
        version: of it and its weights.
        timeout: seconds for one picture.
        tries: of a question that fails in a way that may pass.
        pause: seconds before the second try, doubled before each further one.
    """

    def __init__(
        self,
        url: str,
        name: str | None = None,
        version: str = "",
        timeout: float = 120.0,
        tries: int = 3,
        pause: float = 1.0,
    ) -> None:
        self.url = checked_url(url)
        self.name, self.version = name or str(urlsplit(url).hostname), version
        self.timeout, self.tries, self.pause = timeout, tries, pause

    def detect(self, image: Picture, K: Array, queries: list[str], up: Array | None = None) -> Detections:
        """See `Detector`."""
        question = _question(1, image, K, queries, up)
        for number in range(self.tries):
            try:
                reply = post_json(self.url, question, self.timeout, LARGEST_REPLY)
                return _detections(reply, 1, image, K, self.name, self.version)
            except WebError as error:
                if not error.passing or number + 1 == self.tries:
                    raise DetectionError(f"{self.name}: {error}") from None
                time.sleep(max(error.wait, self.pause * 2**number))
        raise DetectionError(f"{self.name}: tries is {self.tries}; it must be at least 1")


def open_external(
    command: str | Sequence[str] | None = None, url: str | None = None, **options: Any
) -> ExternalProgram | ExternalServer:
    """The detector that a program or an address stands for.

    Raises:
        ValueError: both or neither are given.
    """
    if command is not None and url is None:
        return ExternalProgram(command, **options)
    if url is not None and command is None:
        return ExternalServer(url, **options)
    raise ValueError("observer external: give either command (a program) or url (a server)")


class _Running:
    """A started program: its pipes are served by threads, so that nothing it does or leaves undone blocks us."""

    def __init__(self, command: list[str], name: str) -> None:
        self.name = name
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except OSError as error:
            raise DetectionError(f"{name}: cannot start {command[0]}: {error.strerror}") from error
        self.lines: queue.Queue[bytes] = queue.Queue()
        self.complaints: deque[str] = deque(maxlen=20)
        self.feeder: threading.Thread | None = None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        threading.Thread(target=_pump, args=(self.process.stdout, self.lines), daemon=True).start()
        self.listener = threading.Thread(target=_listen, args=(self.process.stderr, self.complaints), daemon=True)
        self.listener.start()

    def ask(self, question: dict[str, Any], timeout: float) -> Any:
        """The parsed reply.

        Raises:
            _FailedError: it ended, or wrote nothing in time.
            DetectionError: it wrote something that is no JSON.
        """
        data = json.dumps(question).encode() + b"\n"
        # A program that does not read would block us here for ever.
        self.feeder = threading.Thread(target=_feed, args=(self.process.stdin, data), daemon=True)
        self.feeder.start()
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            raise _FailedError(f"{self.name}: no reply within {timeout:g} s{self._last_words()}") from None
        if not line:
            code = self.process.wait()
            self.listener.join(1.0)
            raise _FailedError(f"{self.name}: ended with exit code {code}{self._last_words()}")
        if not line.endswith(b"\n"):
            raise DetectionError(f"{self.name}: a reply was cut off or is longer than {LARGEST_REPLY} bytes")
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            said = line[:80].decode("utf-8", "replace").strip()
            raise DetectionError(
                f"{self.name}: wrote {said!r}, which is no JSON; only replies belong on standard output"
            ) from None

    def stop(self) -> None:
        """Ends it: kindly, by the end of its input, if it has read all of that."""
        assert self.process.stdin is not None
        if self.feeder is not None and self.feeder.is_alive():
            # Closing would wait for the writer, which waits for the program.
            self.process.kill()
        try:
            self.process.stdin.close()
            self.process.wait(0.2)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
        self.process.wait()

    def _last_words(self) -> str:
        return f" (it last said: {self.complaints[-1]})" if self.complaints else ""


def _pump(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Puts lines into the queue; an empty one when the stream ends."""
    with stream:
        while line := stream.readline(LARGEST_REPLY):
            lines.put(line)
    lines.put(b"")


def _listen(stream: IO[bytes], complaints: deque[str]) -> None:
    with stream:
        while line := stream.readline(4096):
            if text := line.decode("utf-8", "replace").strip():
                complaints.append(text[:300])
                logger.debug("%s", text)


def _feed(stream: IO[bytes], data: bytes) -> None:
    try:
        stream.write(data)
        stream.flush()
    except (OSError, ValueError):
        pass  # It has ended; whoever waits for the reply is told so.


def _question(number: int, image: Picture, K: Array, queries: list[str], up: Array | None) -> dict[str, Any]:
    return {
        "id": number,
        "image": base64.b64encode(encode_png(image)).decode(),
        "height": image.shape[0],
        "width": image.shape[1],
        "intrinsics": np.asarray(K, dtype=np.float64).tolist(),
        "queries": list(queries),
        "up": None if up is None else np.asarray(up, dtype=np.float64).tolist(),
    }


def _detections(reply: Any, number: int, image: Picture, K: Array, name: str, version: str) -> Detections:
    """The reply, validated.

    Raises:
        DetectionError: it is not of the form above, or it reports an error.
    """
    if not isinstance(reply, dict):
        raise DetectionError(f"{name}: the reply is no JSON object")
    if "error" in reply:
        raise DetectionError(f"{name}: {str(reply['error'])[:300]}")
    if reply.get("id") != number:
        raise DetectionError(f"{name}: the reply has id {reply.get('id')!r}, the question had {number}")
    try:
        if isinstance(reply.get("detections"), list):
            seen = published(reply["detections"], (image.shape[0], image.shape[1]), K, name)
            return seen.model_copy(update={"version": version})
        fields = {
            "height": image.shape[0],
            "width": image.shape[1],
            "intrinsics": np.asarray(K, dtype=np.float64).tolist(),
            "objects": reply["objects"],
            "observer": name,
            "version": version,
            "yaw_period": reply.get("yaw_period", 2 * math.pi),
        }
        return Detections.model_validate(fields)
    except KeyError:
        raise DetectionError(f"{name}: the reply has neither objects nor detections") from None
    except ValidationError as error:
        raise DetectionError(f"{name}: {explained(error)}") from None
    except DetectionError as error:
        raise DetectionError(f"{name}: {error}") from None
