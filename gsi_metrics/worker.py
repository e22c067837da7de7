"""Scores edits, a few at a time, in any process: decode, measure, judge, score. Nothing raises for a row."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gsi_metrics.edits import EditError, read_edit
from gsi_metrics.measurement import Measurement
from gsi_metrics.perception import open_observer
from gsi_metrics.perception.detections import DetectionError
from gsi_metrics.protocols import v2
from gsi_metrics.rows import Entry, Row
from gsi_metrics.sample import Picture, Sample, SampleError


Record = dict[str, Any]

SCORED, MISSING, PROBLEM = "scored", "missing", "problem"
"""What became of a row: a score (or a cause for each metric that has none), no edited picture, or a bad input."""
JUDGED_TOGETHER = 8
"""Edits whose pictures are held in memory while the judge is asked about all of them at once."""


class ScoringError(RuntimeError):
    """Nothing can be scored; the message says why and what to do."""


@dataclass(frozen=True)
class JudgeSettings:
    """Whom to ask about appearance.

    Attributes:
        model: as the server calls it.
        url: of a server that speaks OpenAI's chat completions; None for the Hub's inference providers.
        key_variable: name of the environment variable with the key.
        cache: folder for verdicts.
    """

    model: str
    url: str | None = None
    key_variable: str | None = None
    cache: Path | None = None


@dataclass(frozen=True)
class Settings:
    """How edits are scored.

    Attributes:
        observer: a name for `open_observer`.
        options: of the observer.
        judge: None if nobody is asked.
    """

    observer: str = "registration"
    options: Mapping[str, Any] = field(default_factory=dict)
    judge: JudgeSettings | None = None

    def digest(self) -> str:
        """SHA-256 of all that decides a score besides row and picture; of a file among the options, its content.

        Raises:
            ScoringError: that file cannot be read.
        """
        options = {name: str(value) for name, value in sorted(self.options.items()) if name != "cache"}
        if "path" in options:
            try:
                options["path"] = hashlib.sha256(Path(options["path"]).read_bytes()).hexdigest()
            except OSError as error:
                raise ScoringError(f"{options['path']}: cannot be read ({error.strerror})") from error
        version = self.observer
        if self.observer == "truth":
            from gsi_metrics.perception import truth

            version = truth.OBSERVER
        elif self.observer == "registration":
            from gsi_metrics.perception.registration import objects

            version = objects.OBSERVER
        judge = []
        if self.judge is not None:
            from gsi_metrics.judge.question import PROMPT

            judge = [self.judge.model, PROMPT]
        return hashlib.sha256(json.dumps([v2.VERSION, version, options, judge]).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Task:
    """One edit: its row as stored, the edited picture's file, and the digest its score is kept under."""

    row: Row
    path: Path
    digest: str


@dataclass(eq=False)
class _Seen:
    sample: Sample
    edited: Picture
    measurement: Measurement
    note: str
    judged: float | None = None
    unjudged: str | None = None


class Scorer:
    """Scores tasks one by one; asks the judge about all of a call at once.

    Raises:
        ScoringError: the observer or the judge cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        self.judge = settings.judge
        try:
            self.observer = open_observer(settings.observer, **settings.options)
            self.client = None if self.judge is None else _client(self.judge)
        except ImportError as error:
            raise _install(error) from error
        except ValueError as error:
            raise ScoringError(str(error)) from error

    def score(self, tasks: Sequence[Task]) -> list[Record]:
        """A record for each task, in their order; a bad input makes a record that says so."""
        seen: list[_Seen | str] = [_tried(partial(self._look, task)) for task in tasks]
        if self.client is not None:
            self._ask([item for item in seen if isinstance(item, _Seen)])
        done = []
        for task, item in zip(tasks, seen, strict=True):
            record = item if isinstance(item, str) else _tried(partial(_record, item))
            if isinstance(record, str):
                record = unscored(_entry(task.row), PROBLEM, record)
            done.append(record | {"digest": task.digest, "file": task.path.name})
        return done

    def _look(self, task: Task) -> _Seen:
        sample = Sample.from_row(task.row)
        _check(sample)
        edited, note = read_edit(task.path, sample.size)
        recording = getattr(self.observer, "recording", None)
        if recording is not None:
            # What is wrong with a file that the user gave is the user's to know; it is no cause like others.
            recording(sample)
        return _Seen(sample, edited, self.observer(sample, edited), note)

    def _ask(self, seen: list[_Seen]) -> None:
        from gsi_metrics.judge import judge_all, request_for

        assert self.judge is not None
        assert self.client is not None
        asked = [item for item in seen if item.sample.operation != "SR"]
        requests = [request_for(item.sample, item.edited, item.measurement) for item in asked]
        verdicts = judge_all(requests, self.client, self.judge.cache, JUDGED_TOGETHER, progress=False)
        for item, verdict in zip(asked, verdicts, strict=True):
            item.judged, item.unjudged = verdict.score, verdict.cause


def unscored(entry: Entry, status: str, cause: str) -> Record:
    """The record of a row that has no scores, for one and the same reason."""
    return {
        **vars(entry),
        "status": status,
        **dict.fromkeys(v2.METRICS),
        "unscored": dict.fromkeys(v2.METRICS, cause),
    }


def _entry(row: Row) -> Entry:
    return Entry(row["id"], row["scene"], row["operation"])


def _tried(step: Callable[[], Any]) -> Any:
    """What the step returns; if the input is bad or the step fails, why."""
    try:
        return step()
    except (EditError, SampleError, DetectionError) as error:
        return str(error)
    except ImportError as error:
        raise _install(error) from error
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"failed: {type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"


def _record(seen: _Seen) -> Record:
    it = seen.measurement
    scores = v2.score(seen.sample, seen.edited, it, seen.judged, seen.unjudged).to_dict()
    measured = {
        "found": it.found,
        "vacated": round(it.vacated, 4),
        "duplicates": it.duplicates,
        "transform": None if it.transform is None else np.round(it.transform, 6).tolist(),
    }
    return {"status": SCORED, **scores, "measured": measured, "note": seen.note}


def _check(sample: Sample) -> None:
    """Numbers that are not finite would spread; they are stopped here, where their name is known.

    Raises:
        SampleError: a box or a camera of the row is not finite.
    """
    for when, bodies in (("objects_before", sample.before), ("objects_after", sample.after)):
        for body in bodies:
            for name in ("centre", "size", "rotation"):
                if not np.isfinite(getattr(body, name)).all():
                    raise SampleError(f"row {sample.id}: {when}: {body.name}.{name} is not finite; mend the data set")
    for name in ("intrinsics", "source_extrinsics", "target_extrinsics", "transform"):
        value = getattr(sample, name)
        if value is not None and not np.isfinite(value).all():
            raise SampleError(f"row {sample.id}: {name} is not finite; mend the data set")


def _client(judge: JudgeSettings) -> Any:
    from gsi_metrics.judge import Endpoint, HubProvider

    if judge.url is not None:
        return Endpoint(judge.url, judge.model, judge.key_variable)
    return HubProvider(judge.model, key_variable=judge.key_variable or "HF_TOKEN")


def _install(error: ImportError) -> ScoringError:
    return ScoringError(f"{error}; scoring needs more packages: pip install 'gsi-bench[metrics]'")
