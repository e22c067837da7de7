"""Asks a multimodal model many questions: a few at a time, each answer kept on disk, a failure being no answer.

Pictures and instructions are data. What they say is fenced by a nonce that is new for each request, and a reply counts
only if it repeats the nonce and has the form that was asked for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import secrets
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, StrictStr, ValidationError

from gsi_datasets.images import encode_png
from gsi_datasets.mllm import Client, MllmError
from gsi_datasets.storage import write_atomically


logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
TRIES = 4
PAUSE = 1.0
"""Seconds before the second try; doubled before each further one."""
MOST_PIXELS = 1_500_000
"""Larger pictures are scaled down (the published judge does the same)."""
MARGIN = 0.25
"""Of the object's larger side, that a crop shows around it."""
SMALLEST_CROP = 256
"""Pixels of a crop's longer side; smaller ones are enlarged, for models see small pictures badly."""
MOST_BRACES = 64
"""Places in a reply where the answer is looked for; more are no honest try."""


class Reply(BaseModel):
    """What every answer has; more fields than the form names are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    nonce: StrictStr


ReplyT = TypeVar("ReplyT", bound=Reply)


class Question(Protocol):
    """One question about one row."""

    @property
    def id(self) -> str: ...

    def key(self, model: str) -> str:
        """SHA-256 of all that the answer depends on, as hexadecimal digits."""
        ...

    def messages(self, nonce: str) -> list[dict[str, Any]]:
        """The chat in OpenAI's form; the reply must repeat the nonce."""
        ...


@dataclass(frozen=True)
class Answer(Generic[ReplyT]):
    """What came of a question: a reply, or the cause of there being none."""

    id: str
    reply: ReplyT | None
    cause: str = ""


def ask_all(
    questions: Iterable[Question],
    client: Client,
    schema: dict[str, Any],
    form: type[ReplyT],
    cache: Path | None = None,
    workers: int = 4,
    progress: bool = True,
    tries: int = TRIES,
    pause: float = PAUSE,
    words: tuple[str, str, str] = ("ask", "row", "asked"),
) -> Iterator[Answer[ReplyT]]:
    """Asks every question; gives the answers in their order.

    Args:
        questions: taken as they are needed, so pictures may be loaded by a generator.
        client: who is asked.
        schema: JSON schema of a reply.
        form: what a reply must be.
        cache: folder for replies, one file each, by what they depend on; a run that was cut off asks only the rest.
            Failures are not kept.
        workers: how many requests are under way at a time.
        progress: whether a bar is shown on stderr.
        tries: of a request that fails in a way that may pass.
        pause: seconds before the second try, doubled before each further one.
        words: title and unit of the bar, and what it calls a new answer.
    """
    if workers < 1 or tries < 1:
        raise ValueError(f"workers ({workers}) and tries ({tries}) must be at least 1")
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    store = _Store(cache, form)
    from tqdm import tqdm

    total = len(questions) if isinstance(questions, Sized) else None
    counts: Counter[str] = Counter()
    waiting: deque[Future[tuple[Answer[ReplyT], str]]] = deque()
    stop = threading.Event()
    pool = ThreadPoolExecutor(workers, thread_name_prefix=words[0])
    title, unit, new = words
    try:
        with tqdm(total=total, desc=title, unit=unit, disable=not progress, dynamic_ncols=True) as bar:

            def take() -> Answer[ReplyT]:
                answer, how = waiting.popleft().result()
                counts[new if how == "asked" else how] += 1
                bar.set_postfix(counts, refresh=False)
                bar.update()
                return answer

            for question in questions:
                waiting.append(pool.submit(_ask, question, client, schema, form, store, tries, pause, stop))
                # Only a few requests hold their pictures in memory at a time.
                if len(waiting) >= 2 * workers:
                    yield take()
            while waiting:
                yield take()
    finally:
        # After an interrupt nobody waits for pauses and further tries.
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def parse(text: str, nonce: str, form: type[ReplyT]) -> ReplyT:
    """The answer, out of what a model wrote.

    Thoughts before the answer, fences around it and words beside it are passed over, but there must be one answer.

    Raises:
        MllmError: none, or several different ones, with the nonce and of the right form.
    """
    answer = text.rsplit("</think>", 1)[-1]
    found: list[ReplyT] = []
    complaint = "it holds no JSON object"
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(MOST_BRACES):
        start = answer.find("{", position)
        if start < 0:
            break
        try:
            value, position = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            position = start + 1
            continue
        try:
            reply = form.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            complaint = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            continue
        if reply.nonce != nonce:
            complaint = "the nonce is not repeated"
        elif reply not in found:
            found.append(reply)
    if len(found) > 1:
        raise MllmError("the judge's reply holds several answers")
    if not found:
        begun = re.sub(r"\s+", " ", text.strip())[:120]
        raise MllmError(f"the judge's reply cannot be used: {complaint} ({begun!r})")
    return found[0]


def said(text: str) -> dict[str, Any]:
    """A part of a message that is text."""
    return {"type": "text", "text": text}


def fenced(text: str, nonce: str) -> dict[str, Any]:
    """Text as data: between two lines that hold the nonce, which it cannot hold."""
    return said(f"{nonce}\n{text.replace(nonce, '')}\n{nonce}")


def shown(picture: Picture) -> dict[str, Any]:
    """A part of a message that is a picture, (H, W, 3) RGB, scaled down if it is large."""
    from PIL import Image

    height, width = picture.shape[:2]
    factor = (MOST_PIXELS / (height * width)) ** 0.5
    if factor < 1:
        size = (max(1, int(width * factor)), max(1, int(height * factor)))
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    url = "data:image/png;base64," + base64.b64encode(encode_png(picture)).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def crop(picture: Picture, box: tuple[float, ...]) -> Picture:
    """The part of a picture around (left, top, right, bottom), with a margin, enlarged if it is small."""
    from PIL import Image

    height, width = picture.shape[:2]
    left, top, right, bottom = box
    margin = MARGIN * max(right - left, bottom - top)
    # At least a pixel, inside the picture, wherever the box lies.
    x1, y1 = int(np.clip(left - margin, 0, width - 1)), int(np.clip(top - margin, 0, height - 1))
    x2, y2 = (
        int(np.clip(np.ceil(right + margin), x1 + 1, width)),
        int(np.clip(np.ceil(bottom + margin), y1 + 1, height)),
    )
    part = picture[y1:y2, x1:x2]
    factor = SMALLEST_CROP / max(part.shape[:2])
    if factor <= 1:
        return np.ascontiguousarray(part)
    size = (max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(size, Image.Resampling.BICUBIC))


def key_of(words: Sequence[str], pictures: Iterable[Picture | None]) -> str:
    """SHA-256 of words and pictures, as hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(list(words)).encode())
    for picture in pictures:
        digest.update(repr(None if picture is None else picture.shape).encode())
        digest.update(b"" if picture is None else np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def _ask(
    question: Question,
    client: Client,
    schema: dict[str, Any],
    form: type[ReplyT],
    store: _Store[ReplyT],
    tries: int,
    pause: float,
    stop: threading.Event,
) -> tuple[Answer[ReplyT], str]:
    """An answer, and whether it is ``cached``, ``asked`` or ``failed``."""
    key = question.key(client.model)
    if (known := store.get(key)) is not None:
        return Answer(question.id, known), "cached"
    cause = ""
    for number in range(tries):
        # Nobody who made a picture can have known it.
        nonce = secrets.token_hex(8)
        try:
            reply = parse(client.complete(question.messages(nonce), schema), nonce, form)
        except MllmError as error:
            cause = str(error)
            logger.info("row %s, try %d of %d: %s", question.id, number + 1, tries, cause)
            wait = max(error.wait, pause * 2**number * _spread(key))
            if not error.passing or number + 1 == tries or stop.wait(wait):
                break
            continue
        store.put(key, reply)
        return Answer(question.id, reply), "asked"
    return Answer(question.id, None, cause), "failed"


def _spread(key: str) -> float:
    """0.5 to 1, another for each request, so that those that failed together do not come back together."""
    return 0.5 + hashlib.sha256(key.encode()).digest()[0] / 510


class _Store(Generic[ReplyT]):
    """Replies in a folder. Files are written whole; one that cannot be read is asked for again."""

    def __init__(self, folder: Path | None, form: type[ReplyT]) -> None:
        self.folder, self.form, self.lock = folder, form, threading.Lock()

    def get(self, key: str) -> ReplyT | None:
        if self.folder is None:
            return None
        path = self.folder / f"{key}.json"
        try:
            return self.form.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.warning("%s: is asked for again, the kept verdict cannot be read (%s)", path, type(error).__name__)
            return None

    def put(self, key: str, reply: ReplyT) -> None:
        if self.folder is not None:
            with self.lock:
                write_atomically(self.folder / f"{key}.json", reply.model_dump_json().encode())
