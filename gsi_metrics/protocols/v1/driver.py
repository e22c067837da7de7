"""Scores a folder of edited pictures from recorded detections, all three modes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from gsi_metrics.protocols.v1 import formats
from gsi_metrics.protocols.v1.formats import MODES, Edit, Mode, Recording, Results
from gsi_metrics.protocols.v1.gates import locality_gate, viewpoint_gate
from gsi_metrics.protocols.v1.locality import Locality, localities, view_score
from gsi_metrics.protocols.v1.naming import SampleFiles, edited_pictures, resolve
from gsi_metrics.protocols.v1.operations import OBJECT_OPERATIONS, Score, origin_box
from gsi_metrics.protocols.v1.pictures import SIDE, Mask, Picture, compared_pixels, load, new_box
from gsi_metrics.protocols.v1.prompts import operation_from_prompt
from gsi_metrics.protocols.v1.statistics import statistics


if TYPE_CHECKING:
    from gsi_metrics.lpips import Lpips

# Edits of one picture that go through the network together; more cost memory and save no time.
BATCH = 6
SAVE_EVERY = 32


@dataclass
class FolderScores:
    """What came of a folder.

    Attributes:
        results: per mode, key to result, as in the published files.
        failures: key or file name to why it has no score; these samples are in no mean.
    """

    results: dict[Mode, Results] = field(default_factory=lambda: {mode: {} for mode in MODES})
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Sample:
    files: SampleFiles
    edit: Edit
    recording: Recording
    operation: str


def score_folder(
    originals: Path,
    edits: Path,
    out: Path,
    *,
    dataset: str = "GSI-Real",
    recordings: Path | None = None,
    resume: bool = True,
    workers: int | None = None,
    progress: bool = True,
) -> FolderScores:
    """Score every edited picture of a folder and write the published result and statistics files.

    The published program stops at the first sample it cannot score; here the others are scored, and `failures` says
    what is wrong with it.

    Args:
        originals: folder with the original pictures and the edits (``<img_id>_edit_<query_id>.json``).
        edits: folder with the edited pictures, named alike.
        out: folder for the six files; saved on the way.
        dataset: ``GSI-Real`` or ``GSI-Syn``; decides the locality gate.
        recordings: the ``infer_cache.json``; the one in `out` by default.
        resume: keep results that are in `out` already.
        workers: threads, each with pictures of its own; one per core by default.
        progress: show a bar.

    Raises:
        FormatError: the recorded detections or earlier results are not in the published format, or `edits` has no
            picture in it.
        LpipsWeightsError: the weights of LPIPS are missing.
    """
    from gsi_metrics import lpips

    known = formats.read_recordings(recordings or out / formats.CACHE_NAME)
    model = lpips.load()
    if not edited_pictures(edits):
        raise formats.FormatError(f"{edits}: no *.jpg and no *.png in it")
    out.mkdir(parents=True, exist_ok=True)
    scores = FolderScores()
    if resume:
        for mode in MODES:
            if formats.results_path(out, mode).exists():
                scores.results[mode] = formats.read_results(out, mode)
    done = set.intersection(*(set(results) for results in scores.results.values()))
    samples = _samples(originals, edits, known, done, scores.failures)
    batches = _batches(samples)
    unsaved = 0
    with _one_torch_thread() as cores, ThreadPoolExecutor(workers or cores) as pool:
        bar = tqdm(total=len(samples), disable=not progress, unit="edit")
        try:
            scored = pool.map(lambda batch: _score_batch(batch, dataset, model), batches)
            for batch, results in zip(batches, scored, strict=True):
                for sample, result in zip(batch, results, strict=True):
                    _record(scores, sample, result)
                bar.update(len(batch))
                unsaved += len(batch)
                if unsaved >= SAVE_EVERY:
                    _save(out, scores)
                    unsaved = 0
        finally:
            # Interrupted, nothing that waits is begun, and nothing that is done is lost.
            pool.shutdown(wait=False, cancel_futures=True)
            bar.close()
            _save(out, scores)
    return scores


def score_object(
    edit: Edit,
    recording: Recording,
    operation: str,
    locality: Locality,
    original: Picture,
    edited: Picture,
    dataset: str,
) -> Score:
    """IC and SA of an edit of an object, gates included.

    Args:
        edit: what was asked for.
        recording: what was detected before and after.
        operation: of `operation_from_prompt`.
        locality: of the two pictures.
        original: (H, W, 3) RGB.
        edited: of the same size.
        dataset: ``GSI-Real`` or another.

    Raises:
        NotImplementedError: there is no such operation.
        ValueError: the edit lacks a field that the operation needs, or the viewpoint gate cannot tell.
    """
    if operation not in OBJECT_OPERATIONS:
        raise NotImplementedError(f"no operation {operation!r} in this protocol (prompt: {edit.prompt!r})")
    gate: bool | None = locality_gate(locality.ssim, locality.lpips, dataset)
    if gate and operation == "rotate":
        gate = viewpoint_gate(original, edited)
    before, after = recording.origin_result.detections, recording.new_result.detections
    return OBJECT_OPERATIONS[operation](edit, before, after, gate)


def _samples(
    originals: Path, edits: Path, known: Mapping[str, Recording], done: set[str], failures: dict[str, str]
) -> list[_Sample]:
    """The samples to score; those of which something is missing go to `failures`."""
    samples: dict[str, _Sample] = {}
    for path in edited_pictures(edits):
        try:
            files = resolve(path, originals)
            if files.key in done or files.key in samples:
                continue
            if files.key not in known:
                raise ValueError(f"no recorded detections for {files.key}")
            edit = formats.read_edit(files.edit)
            samples[files.key] = _Sample(files, edit, known[files.key], operation_from_prompt(edit.prompt))
        except (OSError, ValueError) as error:
            failures[path.name] = str(error)
    return list(samples.values())


def _batches(samples: Sequence[_Sample]) -> list[list[_Sample]]:
    """Edits of one original together, in the order of the samples."""
    groups: dict[Path, list[_Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.files.original, []).append(sample)
    return [group[start : start + BATCH] for group in groups.values() for start in range(0, len(group), BATCH)]


_Result = tuple[Locality, Score] | tuple[Locality, str] | str


def _score_batch(batch: Sequence[_Sample], dataset: str, model: Lpips) -> list[_Result]:
    """Per sample its scores, or why it has none."""
    try:
        original = load(batch[0].files.original)
    except OSError as error:
        return [str(error)] * len(batch)
    pictures: list[Picture | str] = []
    for sample in batch:
        try:
            pictures.append(load(sample.files.edited, original.shape[:2]))
        except OSError as error:
            pictures.append(str(error))
    readable = [picture for picture in pictures if not isinstance(picture, str)]
    masks = [
        _mask(sample, original)
        for sample, picture in zip(batch, pictures, strict=True)
        if not isinstance(picture, str)
    ]
    try:
        found = iter(localities(original, readable, masks, model) if readable else ())
    except ValueError as error:
        return [f"{batch[0].files.original}: {error}"] * len(batch)
    return [
        picture if isinstance(picture, str) else _score(sample, next(found), original, picture, dataset, model)
        for sample, picture in zip(batch, pictures, strict=True)
    ]


def _mask(sample: _Sample, original: Picture) -> Mask:
    before, after = sample.recording.origin_result.detections, sample.recording.new_result.detections
    height, width = (min(side, SIDE) for side in original.shape[:2])
    return compared_pixels((height, width), [origin_box(sample.edit, before), new_box(sample.edit, after)])


def _score(
    sample: _Sample, locality: Locality, original: Picture, edited: Picture, dataset: str, model: Lpips
) -> _Result:
    import cv2

    if sample.operation == "view":
        value = _view(sample.files.truth, edited, model)
        return locality, Score(value, value)
    try:
        return locality, score_object(
            sample.edit, sample.recording, sample.operation, locality, original, edited, dataset
        )
    except (NotImplementedError, ValueError, cv2.error) as error:
        return locality, f"{sample.files.key}: {error}"


def _view(truth: Path | None, edited: Picture, model: Lpips) -> float:
    """0 without a readable true result of the same size, as in the published program."""
    try:
        return view_score(edited, load(truth), model) if truth else 0.0
    except (OSError, ValueError):
        return 0.0


def _record(scores: FolderScores, sample: _Sample, result: _Result) -> None:
    key = sample.files.key
    if isinstance(result, str):
        scores.failures[key] = result
        return
    locality, score = result
    named: dict[str, Any] = {"operation": sample.operation}
    scores.results["edit-locality"][key] = {
        **named,
        "ssim": locality.ssim,
        "lpips": locality.lpips,
        "mse": locality.mse,
    }
    if isinstance(score, str):
        scores.failures[key] = score
        return
    scores.results["instruction-compliance"][key] = {**named, "compliance": score.ic}
    scores.results["spatial-accuracy"][key] = {**named, "edit_score": score.sa}


def _save(out: Path, scores: FolderScores) -> None:
    for mode, unordered in scores.results.items():
        # The same files, whatever was there before.
        results = dict(sorted(unordered.items()))
        formats.write_json(formats.results_path(out, mode), results)
        formats.write_json(formats.statistics_path(out, mode), statistics(results, mode))


@contextmanager
def _one_torch_thread() -> Iterator[int]:
    """Every worker computes on a core of its own; threads of torch's own would only get in each other's way.

    Gives the number of threads torch would use, which is the number of cores unless the user says otherwise.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
