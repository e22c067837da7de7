"""Runs recorded answers of the published program against this package: proof of parity that anyone can repeat.

A folder of vectors holds ``*.jsonl.gz``, one case a line with `kind`, `input` and `expected`, the pictures they name,
and a ``pipeline/`` tree that goes through the real scoring path, files and all.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gsi_metrics.conform_kinds import KINDS, Case, ConformError, refusals
from gsi_metrics.lpips_weights import LpipsWeightsError
from gsi_metrics.protocols.v1.driver import score_folder
from gsi_metrics.protocols.v1.formats import CACHE_NAME, MODES, FormatError, results_path, statistics_path


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be off, absolute or relative."""

    absolute: float = 1e-9
    relative: float = 1e-9

    def holds(self, expected: float, got: float) -> bool:
        """Whether `got` is near enough; nan only equals nan, and infinity itself."""
        if not (math.isfinite(expected) and math.isfinite(got)):
            return expected == got or (math.isnan(expected) and math.isnan(got))
        return abs(expected - got) <= max(self.absolute, self.relative * abs(expected))


EXACT = Tolerance()
SSIM = Tolerance(1e-5, 0)
PERCEPTUAL = Tolerance(1e-4, 0)
MSE = Tolerance(0, 1e-4)
PIXELS = Tolerance(1e-2, 0)
# By kind and by name; below a name, its tolerance holds on. What is not here must be exact.
TOLERANCES: dict[str, dict[str, Tolerance]] = {
    "locality": {"ssim": SSIM, "lpips": PERCEPTUAL, "mse": MSE, "data_range": PIXELS},
    "masked_metrics": {"ssim": SSIM, "lpips": PERCEPTUAL},
    "img_process": dict.fromkeys(("channel_mean", "min", "max", "samples"), PIXELS),
    "eval_view": {"value": PERCEPTUAL},
    "lpips_standard": {"value": PERCEPTUAL},
    # Scores of changes of view are made of SSIM and LPIPS, so overall means are too.
    "pipeline": {
        **dict.fromkeys(("ssim", "operation_mean_ssim", "overall_mean_ssim"), SSIM),
        **dict.fromkeys(("lpips", "operation_mean_lpips", "overall_mean_lpips"), PERCEPTUAL),
        **dict.fromkeys(("view", "overall_success_rate", "overall_mean_score"), PERCEPTUAL),
        "mse": MSE,
    },
}


# Where, expected, got.
Difference = tuple[str, str, str]


@dataclass(frozen=True)
class Mismatch:
    """One answer that differs."""

    file: str
    case: str
    expected: str
    got: str


@dataclass
class Report:
    """What came of a folder.

    Attributes:
        counts: (file, kind) to number of cases.
        failed: (file, kind) to number of cases that differ.
        mismatches: every difference.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there was something to check and all of it agreed."""
        return bool(self.counts) and not self.mismatches

    def add(self, file: str, kind: str, case: str, differences: list[Difference]) -> None:
        """Count a case and note what differs."""
        self.counts[file, kind] += 1
        self.failed[file, kind] += bool(differences)
        for where, expected, got in differences:
            self.mismatches.append(Mismatch(file, f"{case} {where}".strip(), expected, got))


def conform_metrics(folder: Path, progress: bool = True) -> Report:
    """Check every case of a folder of vectors.

    Args:
        folder: with ``*.jsonl.gz`` and, if there is one, ``pipeline/``.
        progress: show a bar.

    Raises:
        ConformError: there is nothing to check, a file cannot be read, or a case has an unknown kind.
        FormatError: a file of the pipeline tree is not in the published format.
        LpipsWeightsError: the weights of LPIPS are missing.
    """
    cases = list(_cases(folder))
    tree = folder / "pipeline"
    if not cases and not tree.is_dir():
        raise ConformError(f"{folder}: no *.jsonl.gz and no pipeline/ in it; are these vectors of the protocol?")
    report = Report()
    for file, case in tqdm(cases, disable=not progress, unit="case"):
        report.add(file, case["kind"], case["id"], check_case(case, folder))
    if tree.is_dir():
        _check_pipeline(tree, report, progress)
    return report


def run(folder: Path, progress: bool = True) -> int:
    """Check a folder and print what came of it; 0 if all agrees, 1 on any mismatch, 2 if it could not be checked."""
    try:
        report = conform_metrics(folder, progress)
    except (ConformError, FormatError, LpipsWeightsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    width = max(len(kind) for _, kind in report.counts)
    files = max(len(file) for file, _ in report.counts)
    for (file, kind), count in report.counts.items():
        bad = report.failed[file, kind]
        print(f"{file:<{files}}  {kind:<{width}}  {count:5d}  {f'{bad} differ' if bad else 'ok'}")
    for item in report.mismatches:
        print(f"\n{item.file}  {item.case}\n  expected {item.expected}\n  got      {item.got}")
    wrong, total = report.failed.total(), report.counts.total()
    print(f"\n{wrong} of {total} differ" if wrong else f"\nall {total} agree")
    return 0 if report.ok else 1


def _cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        try:
            with gzip.open(path, "rt", encoding="utf-8") as stream:
                lines = stream.readlines()
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise ConformError(f"{path} cannot be read: {error}") from error
        for number, line in enumerate(lines, 1):
            try:
                case = json.loads(line)
                _check_shape(case)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise ConformError(f"{path}:{number}: is no case ({error!r})") from error
            if case["kind"] not in KINDS:
                raise ConformError(f"{path}:{number}: case {case['id']} has the unknown kind {case['kind']!r}")
            yield path.name, case


def _check_shape(case: Mapping[str, Any]) -> None:
    """One answer, or several by name, so that nothing passes because nothing is expected."""
    _ = case["kind"], case["id"], case["input"].keys()
    answers = [case["expected"]] if case["expected"].keys() & {"value", "raises"} else [*case["expected"].values()]
    if not answers or any(len(answer.keys() & {"value", "raises"}) != 1 for answer in answers):
        raise ValueError("expected must be a value, a refusal, or several of these by name")


def check_case(case: Mapping[str, Any], folder: Path) -> list[Difference]:
    """What this package answers otherwise.

    Args:
        case: one line of a file of vectors, decoded.
        folder: where the pictures it names are.

    Raises:
        ConformError: an input or a picture is missing.
    """
    kind, expected = case["kind"], case["expected"]
    try:
        answers = KINDS[kind](Case(_decoded(case["input"]), folder, expected))
    except ConformError as error:
        raise ConformError(f"case {case['id']}: {error}") from error
    except refusals() as error:
        if "raises" in expected:
            return []
        return [("", json.dumps(expected), f"raises {type(error).__name__}: {error}")]
    if expected.keys() & {"value", "raises"}:
        named = {"value": (expected, answers)}
    else:
        named = {name: (wanted, answers.get(name, "nothing")) for name, wanted in expected.items()}
    differences = []
    for name, (wanted, answer) in named.items():
        if "raises" in wanted:
            differences.append((name, f"raises {wanted['raises']}", repr(answer)))
        else:
            differences += _compare(_decoded(wanted["value"]), answer, kind, (name,))
    return differences


def _compare(expected: Any, got: Any, kind: str, where: tuple[str, ...] = ()) -> list[Difference]:
    """Differences of two JSON values; `where` are the names on the way to them."""
    if isinstance(expected, dict) and isinstance(got, dict):
        if set(expected) != set(got):
            return [(".".join(where), f"keys {sorted(expected)}", f"keys {sorted(got)}")]
        parts = [_compare(expected[key], got[key], kind, (*where, key)) for key in expected]
        return [difference for part in parts for difference in part]
    if isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            return [(".".join(where), f"{len(expected)} items", f"{len(got)} items")]
        pairs = enumerate(zip(expected, got, strict=True))
        parts = [_compare(item, other, kind, (*where, str(index))) for index, (item, other) in pairs]
        return [difference for part in parts for difference in part]
    if _is_number(expected) and _is_number(got):
        limits = TOLERANCES.get(kind, {})
        limit = next((limits[name] for name in where if name in limits), EXACT)
        equal = limit.holds(float(expected), float(got))
    else:
        equal = type(expected) is type(got) and expected == got
    return [] if equal else [(".".join(where), repr(expected), repr(got))]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decoded(value: Any) -> Any:
    """JSON has no nan and no infinity; in the vectors they are texts."""
    if isinstance(value, dict):
        return {key: _decoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def _check_pipeline(tree: Path, report: Report, progress: bool) -> None:
    """Score the folder as a user would, and compare the files that come out."""
    produced = {path_of(Path(), mode).name for mode in MODES for path_of in (results_path, statistics_path)}
    for wanted in sorted(path for path in (tree / "expected").iterdir() if path.is_dir()):
        with tempfile.TemporaryDirectory(prefix="gsi-bench-") as out:
            scores = score_folder(
                tree / "dataset",
                tree / "generated",
                Path(out),
                dataset=wanted.name,
                recordings=tree / CACHE_NAME,
                progress=progress,
            )
            for key, reason in scores.failures.items():
                report.add(f"pipeline/{wanted.name}", "score_folder", key, [("", "a score", reason)])
            for expected in sorted(wanted.iterdir()):
                if expected.name not in produced:
                    raise ConformError(f"{expected}: no file of this name comes out of scoring")
                _check_file(expected, Path(out) / expected.name, f"pipeline/{wanted.name}", report)


def _check_file(expected: Path, got: Path, kind: str, report: Report) -> None:
    try:
        wanted = json.loads(expected.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConformError(f"{expected}: is no readable JSON file: {error}") from error
    found = json.loads(got.read_text(encoding="utf-8"))
    for key in sorted(set(wanted) | set(found)):
        entry = wanted.get(key, "nothing")
        view = isinstance(entry, dict) and entry.get("operation") == "view" and "ssim" not in entry
        differences = _compare(entry, found.get(key, "nothing"), "pipeline", ("view",) if view else (key,))
        report.add(kind, expected.stem, key, differences)
