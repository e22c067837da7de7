"""Judges many edits; a failure is no verdict and never a 0."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gsi_datasets.asking import PAUSE, TRIES, Answer, ask_all
from gsi_datasets.mllm import Client
from gsi_metrics.judge.question import PROMPT, SCHEMA, Reply, Request


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
    words = ("judge", "edit", "judged")
    answers = ask_all(requests, client, SCHEMA, Reply, cache, workers, progress, tries, pause, words)
    return [_verdict(answer, client.model) for answer in answers]


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


def _verdict(answer: Answer[Reply], model: str) -> Verdict:
    if answer.reply is None:
        return Verdict(id=answer.id, score=None, cause=f"judge: {answer.cause}", model=model)
    return Verdict(id=answer.id, score=answer.reply.score / 10, reason=answer.reply.reason, model=model)
