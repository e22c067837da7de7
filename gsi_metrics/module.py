"""What the four `evaluate` modules share: edits are measured once, whichever of the four is asked, and how often.

Scores are kept by the digest of picture, row and settings in ``<cache>/<data>/scores.jsonl``, so that asking for SA
after IC, or again tomorrow, measures nothing anew. Rows are read one row group at a time and pictures never enter
`evaluate`'s own storage.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsi_metrics.aggregate import OVERALL, aggregate
from gsi_metrics.edits import match
from gsi_metrics.rows import RowsError, open_rows
from gsi_metrics.runs import Ledger, read_run
from gsi_metrics.scoring import PROTOCOLS, score_edits, score_pairs
from gsi_metrics.worker import JudgeSettings, Record, ScoringError, Settings


if TYPE_CHECKING:
    import evaluate

NAMES = {
    "ic": "instruction_compliance",
    "sa": "spatial_accuracy",
    "el": "edit_locality",
    "ac": "appearance_consistency",
}
"""Under which the mean stands in the result; also the name of the module."""

CITATION = """\
@article{zhu2026exploring,
  title   = {Exploring Spatial Intelligence from a Generative Perspective},
  author  = {Zhu, Muzhi and Jiang, Shunyao and Zheng, Huanyi and Luo, Zekai and Zhong, Hao and Li, Anzhou and
             Wang, Kaijun and Rong, Jintao and Liu, Yang and Chen, Hao and Lin, Tao and Shen, Chunhua},
  journal = {arXiv preprint arXiv:2604.20570},
  year    = {2026}
}
"""

INPUTS = """
Args:
    predictions (list of str): paths of edited pictures.
    references (list of str): id of the row that each picture answers.
    data (str): a built folder, or a name or path for `datasets.load_dataset`; here or in `load`, like all below.
    config (str): of the data set; the only one by default.
    split (str): of the data set, "test" by default.
    protocol (str): "gsi-bench-v2" by default. For "gsi-bench-v1" `data` is a folder in the published layout,
        references are <img_id>_<query_id>, and options={"path": ...} names the recorded detections.
    perception (str): who looks, "registration" by default; see gsi_metrics.perception.open_observer.
    options (dict): of the observer.
    judge (dict): {"model": ..., "url": ..., "key_variable": ...} of a multimodal model that is asked about
        appearance; nobody by default.
    workers (int): processes of about 350 MB each; by default 1, which scores in this process. Python starts more of
        them only from a script that guards its start with `if __name__ == "__main__"`.
    cache (str): folder for scores, so that edits are measured once for all four metrics.
Returns:
    dict: the mean under the metric's name (None if nothing could be scored); `interval`, 95 % over scenes; `validity`,
    the scored share; `count`; `causes`, why others have no score; `operations`, the same for each; `protocol`.
"""


@dataclass(frozen=True)
class Request:
    """How to score, as `load` or `compute` got it; see `INPUTS`."""

    data: str | Path | None = None
    config: str | None = None
    split: str = "test"
    protocol: str = "gsi-bench-v2"
    perception: str = "registration"
    options: Mapping[str, Any] = field(default_factory=dict)
    judge: Mapping[str, Any] | None = None
    workers: int = 1
    cache: str | Path | None = None
    progress: bool = True

    @property
    def folder(self) -> Path:
        """Where scores are kept."""
        own = self.cache or os.environ.get("GSI_BENCH_CACHE")
        return (Path(own) if own else Path.home() / ".cache" / "gsi-bench") / "scores"


class OnRows:
    """Mixed into a metric: takes the fields of `Request` in `load` as well as in `compute`.

    Attributes:
        metric: one of ``ic sa el ac``.
        description: of the metric, for its users.
    """

    metric: str
    description: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        own = {item.name: kwargs.pop(item.name) for item in fields(Request) if item.name in kwargs}
        self.request = Request(**own)
        super().__init__(*args, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        import datasets
        import evaluate

        return evaluate.MetricInfo(
            description=self.description,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[str], **changes: Any) -> dict[str, Any]:
        known = {item.name for item in fields(Request)}
        if unknown := changes.keys() - known:
            raise TypeError(f"no option {sorted(unknown)[0]!r}; there are {', '.join(sorted(known))}")
        request = replace(self.request, **changes)
        return told(self.metric, records_of(predictions, references, request), request.protocol)


def records_of(predictions: Sequence[str], references: Sequence[str], request: Request) -> list[Record]:
    """A record for each pair; what was scored before is not scored again.

    Args:
        predictions: paths of edited pictures.
        references: ids of rows, in the same order.
        request: how to score.

    Raises:
        ScoringError: the request is incomplete, or an id occurs twice.
        RowsError: a row does not exist.
    """
    if request.data is None:
        raise ScoringError('say which rows the pictures answer: compute(..., data="path or name", split="test")')
    if request.protocol not in PROTOCOLS:
        raise ScoringError(f"no protocol named {request.protocol!r}; there are {', '.join(PROTOCOLS)}")
    found = match((name, Path(path)) for name, path in zip(references, predictions, strict=True))
    if found.problems:
        raise ScoringError(next(iter(found.problems.values())))
    if request.protocol == "gsi-bench-v1":
        return _published(found.paths, request)
    rows = open_rows(request.data, request.config, request.split)
    if unknown := [name for name in references if name not in rows.entries]:
        raise RowsError(f"{rows.name}: no row has the id {unknown[0]!r} ({len(unknown)} such references)")
    place = request.folder / rows.digest[:16]
    place.mkdir(parents=True, exist_ok=True)
    judge = None if request.judge is None else JudgeSettings(**{"cache": place / "verdicts", **request.judge})
    settings = Settings(request.perception, request.options, judge)
    ledger = Ledger(place / "scores.jsonl")
    done, _ = score_pairs(found.paths, rows, settings, ledger, request.workers, request.progress)
    return [done[name] for name in references]


def _published(paths: Mapping[str, Path], request: Request) -> list[Record]:
    """By the published protocol, which scores whole folders."""
    folders = {path.parent.resolve() for path in paths.values()}
    if len(folders) != 1:
        raise ScoringError(f"gsi-bench-v1 scores one folder of edited pictures, these are in {len(folders)}")
    edits, data = folders.pop(), str(request.data)
    place = hashlib.sha256(f"{edits}\0{Path(data).resolve()}".encode()).hexdigest()[:16]
    out = request.folder / "published" / place
    score_edits(
        edits,
        data,
        out=out,
        config=request.config,
        protocol=request.protocol,
        options=request.options,
        workers=request.workers,
        progress=request.progress,
    )
    known = {record["id"]: record for record in read_run(out).records}
    if missing := sorted(set(paths) - set(known)):
        raise RowsError(f"{edits}: {missing[0]} has no scores; {out / 'problems.txt'} says why")
    return [known[name] for name in paths]


def told(metric: str, records: Sequence[Record], protocol: str) -> dict[str, Any]:
    """The result of a metric.

    Args:
        metric: one of ``ic sa el ac``.
        records: one for each pair.
        protocol: by which they were scored.
    """
    name, table = NAMES[metric], aggregate(records)
    groups = {
        operation: {
            name: group[metric]["mean"],
            **{key: group[metric][key] for key in ("interval", "validity", "count", "causes")},
        }
        for operation, group in table.items()
    }
    overall = groups.pop(OVERALL, {name: None, "interval": None, "validity": 0.0, "count": 0, "causes": {}})
    return {**overall, "operations": groups, "protocol": protocol}
