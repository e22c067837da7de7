"""Judges many edits: a few at a time, each verdict kept on disk, a failure being no verdict and never a 0."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gsi_datasets.storage import write_atomically
from gsi_metrics.judge.clients import Client, JudgeError
from gsi_metrics.judge.question import PROMPT, SCHEMA, Request, parse


logger = logging.getLogger(__name__)

TRIES = 4
PAUSE = 1.0
"""Seconds before the second try; doubled before each further one."""
V1_DELIMITER = "||V^=^V||"


class Verdict(BaseModel):
    """What the judge says of one edit.

    Attributes:
        id: of the row.
        score: appearance consistency in [0, 1]; None if there is no verdict.
        cause: why there is none.
        reason: in the judge's words, which may be about hostile pictures: show it as text only.
        model: who judged.
        prompt: version of the question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    score: Annotated[float, Field(ge=0, le=1)] | None
    cause: str | None = None
    reason: str = ""
    model: str = ""
    prompt: str = PROMPT


def judge_all(
    requests: Iterable[Request],
    client: Client,
    cache: Path | None = None,
    workers: int = 4,
    progress: bool = True,
    tries: int = TRIES,
    pause: float = PAUSE,
) -> list[Verdict]:
    """Asks about every request.

    Args:
        requests: taken as they are needed, so pictures may be loaded by a generator.
        client: who judges.
        cache: folder for verdicts, one file each, by what they depend on; a run that was cut off asks only the rest.
            Failures are not kept.
        workers: how many requests are under way at a time.
        progress: whether a bar is shown on stderr.
        tries: of a request that fails in a way that may pass.
        pause: seconds before the second try, doubled before each further one.

    Returns:
        A verdict for each request, in their order.
    """
    if workers < 1 or tries < 1:
        raise ValueError(f"workers ({workers}) and tries ({tries}) must be at least 1")
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    store = _Store(cache)
    from tqdm import tqdm

    total = len(requests) if isinstance(requests, Sequence) else None
    verdicts: list[Verdict] = []
    counts: Counter[str] = Counter()
    waiting: deque[Future[tuple[Verdict, str]]] = deque()
    stop = threading.Event()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="judge")
    try:
        with tqdm(total=total, desc="judge", unit="edit", disable=not progress, dynamic_ncols=True) as bar:

            def take() -> None:
                verdict, how = waiting.popleft().result()
                verdicts.append(verdict)
                counts[how] += 1
                bar.set_postfix(counts, refresh=False)
                bar.update()

            for request in requests:
                waiting.append(pool.submit(_judge, request, client, store, tries, pause, stop))
                # Only a few requests hold their pictures in memory at a time.
                if len(waiting) >= 2 * workers:
                    take()
            while waiting:
                take()
    finally:
        # After an interrupt nobody waits for pauses and further tries.
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return verdicts


def to_v1_json(verdicts: Iterable[Verdict], dataset: str, model: str) -> list[dict[str, Any]]:
    """The published file of predictions: scores of 0 to 10 between delimiters, ``_ERROR_`` without one.

    Args:
        verdicts: their ids become the index.
        dataset: of the edits, e.g. ``fine``.
        model: that made the edits.
    """
    records = []
    for number, verdict in enumerate(verdicts):
        text = "_ERROR_"
        if verdict.score is not None:
            reasoning = verdict.reason.replace(V1_DELIMITER, "")
            answer = json.dumps({"score": round(10 * verdict.score, 6), "reasoning": reasoning})
            text = f"{V1_DELIMITER}\n{answer}\n{V1_DELIMITER}"
        meta = {"db_idx": number, "index": verdict.id, "dataset": dataset, "model": model}
        records.append({"prediction": text, "meta": meta})
    return records


def _judge(
    request: Request, client: Client, store: _Store, tries: int, pause: float, stop: threading.Event
) -> tuple[Verdict, str]:
    """A verdict, and whether it is ``cached``, ``judged`` or ``unscored``."""
    key = request.key(client.model)
    if (known := store.get(key)) is not None:
        return known.model_copy(update={"id": request.id}), "cached"
    cause = ""
    for number in range(tries):
        # Nobody who made a picture can have known it.
        nonce = secrets.token_hex(8)
        try:
            reply = parse(client.complete(request.messages(nonce), SCHEMA), nonce)
        except JudgeError as error:
            cause = str(error)
            logger.info("row %s, try %d of %d: %s", request.id, number + 1, tries, cause)
            wait = max(error.wait, pause * 2**number * _spread(key))
            if not error.passing or number + 1 == tries or stop.wait(wait):
                break
            continue
        verdict = Verdict(id=request.id, score=reply.score / 10, reason=reply.reason, model=client.model)
        store.put(key, verdict)
        return verdict, "judged"
    return Verdict(id=request.id, score=None, cause=f"judge: {cause}", model=client.model), "unscored"


def _spread(key: str) -> float:
    """0.5 to 1, another for each request, so that those that failed together do not come back together."""
    return 0.5 + hashlib.sha256(key.encode()).digest()[0] / 510


class _Store:
    """Verdicts in a folder. Files are written whole; one that cannot be read is asked for again."""

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.lock = folder, threading.Lock()

    def get(self, key: str) -> Verdict | None:
        if self.folder is None:
            return None
        path = self.folder / f"{key}.json"
        try:
            verdict = Verdict.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.warning("%s: is asked for again, the kept verdict cannot be read (%s)", path, type(error).__name__)
            return None
        return verdict if verdict.score is not None else None

    def put(self, key: str, verdict: Verdict) -> None:
        if self.folder is not None:
            with self.lock:
                write_atomically(self.folder / f"{key}.json", verdict.model_dump_json().encode())
