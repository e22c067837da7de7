"""From a spec to a built split: in parallel, exactly repeatable, and killable at any instant.

Workers make scenes ahead of time and stage them; the `Ledger` takes their rows strictly in the order of the scenes
and alone decides what is kept. So neither the number of workers nor timing nor a kill can show in the result: they
only decide when a scene is made. `wanted`, which workers are given, is a filter: an operation that is full in the
prefix already taken stays full, so what is skipped would have been left out anyway.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from gsi_datasets import __version__
from gsi_datasets.ledger import BuildError, Ledger
from gsi_datasets.progress import Progress
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.rejects import RejectFolder
from gsi_datasets.report import BuildReport
from gsi_datasets.schema import Triplet
from gsi_datasets.spec import DatasetSpec
from gsi_datasets.staging import DamagedScene, clear, read_scene, scene_path, staging_folder
from gsi_datasets.storage import (
    Manifest,
    StorageError,
    assemble,
    check_folder,
    damaged,
    manifest_path,
    read_manifest,
)
from gsi_datasets.workers import Job, MakeScene, Workers


__all__ = ["BuildError", "BuildInterrupted", "BuildReport", "build"]

logger = logging.getLogger(__name__)

MOST_WORKERS = 8
# A row of 512 px takes about 0.8 MB staged and as much in its shard; other sizes go with their area.
BYTES_PER_PIXEL = 6


class BuildInterrupted(KeyboardInterrupt):
    """A build that was stopped; the message says how to go on."""


def build(
    spec: DatasetSpec,
    split: str,
    out: Path,
    *,
    renderer: str,
    workers: int | None = None,
    make_scene: MakeScene,
    progress: bool = True,
    keep_rejects: bool = False,
) -> BuildReport:
    """Build a split into a folder, or go on where an earlier run was stopped.

    Args:
        spec: what to build.
        split: which of its splits.
        out: the folder; the split's files come into ``<out>/<config>/``.
        renderer: what draws the colours.
        workers: processes; by default one per core, at most eight.
        make_scene: module-level function that makes a scene; its result must depend on its arguments only.
        progress: whether to show it on stderr.
        keep_rejects: whether to write what was rejected into ``<out>/<config>/rejects/<split>/``.

    Raises:
        BuildError: if the goal cannot be reached.
        BuildInterrupted: on Ctrl-C or SIGTERM.
        StorageError: if the folder cannot be written, is full, or another build writes into it.
    """
    if split not in spec.splits:
        raise BuildError(f"splits: {spec.name} has no split '{split}'; choose one of {sorted(spec.splits)}")
    if workers is not None and workers < 1:
        raise BuildError(f"workers: {workers} processes cannot build anything; give 1 or more")
    start = time.perf_counter()
    digest = spec.digest(split, renderer)
    wanted = {name: count for name, count in spec.splits[split].slots.items() if count}
    ledger = Ledger(wanted, spec.balance, spec.edits, spec.slot)
    with staging_folder(out, spec.name, split, digest) as folder:
        manifest = _finished(out, spec.name, split, digest, ledger.wanted)
        made = 0
        if finished_before := manifest is not None:
            ledger.scenes = manifest.scenes
        else:
            staged = sum(path.stat().st_size for path in folder.glob("*.scene"))
            check_folder(out, spec.splits[split].total * spec.image_size**2 * BYTES_PER_PIXEL - staged)
            job = Job(make_scene, spec, split, renderer, folder)
            rejects = RejectFolder(folder / "rejects") if keep_rejects else None
            with _stoppable(folder):
                made = _run(job, ledger, workers or min(os.cpu_count() or 1, MOST_WORKERS), progress, rejects)
                manifest = assemble(
                    out,
                    folder,
                    spec.name,
                    split,
                    _rows(folder, ledger),
                    ledger.sizes,
                    version=spec.version,
                    digest=digest,
                    package=__version__,
                    renderer=renderer,
                    wanted=ledger.wanted,
                    scenes=ledger.scenes,
                    rejected=ledger.table(),
                    spec=spec.content(),
                )
                if rejects:
                    rejects.move_to(out / spec.name / "rejects" / split)
        from gsi_datasets.card import write_card

        write_card(out)
        clear(folder)
    paths = [*(out / file.path for file in manifest.files), manifest_path(out, spec.name, split)]
    return BuildReport(manifest, paths, time.perf_counter() - start, dict(ledger.profile), made, finished_before)


def _run(job: Job, ledger: Ledger, count: int, show: bool, rejects: RejectFolder | None) -> int:
    """Make scenes and take them until the ledger is full; gives how many were made, the staged ones not counted."""
    flying: set[int] = set()
    lost: dict[int, Rejection] = {}
    made, window = 0, 2 * count + 2
    with Workers(job, count) as crew, Progress(ledger, f"{job.spec.name}/{job.split}", show) as progress:
        while ledger.open:
            index, result = ledger.scenes, None
            if index in lost:
                result = SceneResult(index, rejections=[lost.pop(index)])
            elif index not in flying:
                result = _staged(job.folder, index, ledger.open)
            if result is not None:
                rejections = ledger.take(result)
                if rejects:
                    rejects.add(index, rejections)
                ledger.check(result, job.split)
                progress.update(made)
                continue
            for ahead in range(index, index + window):
                if not crew.idle:
                    break
                if ahead not in flying and ahead not in lost and not scene_path(job.folder, ahead).exists():
                    crew.submit(ahead, ledger.open)
                    flying.add(ahead)
            for outcome in crew.wait(1.0):
                flying.remove(outcome.index)
                if outcome.failure:
                    lost[outcome.index] = Rejection("", outcome.failure, outcome.detail)
                else:
                    made += 1
            progress.update(made)
    return made


def _staged(folder: Path, index: int, needed: frozenset[str]) -> SceneResult | None:
    """A staged scene; one that is torn or was made for too few operations is dropped."""
    path = scene_path(folder, index)
    if not path.exists():
        return None
    try:
        result, wanted = read_scene(path)
    except DamagedScene as error:
        logger.warning("%s; making it again", error)
    else:
        if needed <= wanted:
            return result
    path.unlink()
    return None


def _rows(folder: Path, ledger: Ledger) -> Iterator[Triplet]:
    """The kept rows in their final order, one scene in memory at a time."""
    for index, positions in ledger.kept:
        try:
            result, _ = read_scene(scene_path(folder, index))
        except DamagedScene as error:
            raise StorageError(f"{error}; run the same command again to make it anew") from error
        yield from (result.rows[position] for position in positions)


def _finished(out: Path, config: str, split: str, digest: str, wanted: dict[str, int]) -> Manifest | None:
    """The manifest of a split that stands complete and undamaged in the folder."""
    path = manifest_path(out, config, split)
    if not path.exists():
        return None
    try:
        manifest = read_manifest(path)
    except StorageError as error:
        logger.warning("%s", error)
        return None
    if manifest.digest != digest or manifest.wanted != wanted:
        return None
    if fault := damaged(out, manifest):
        logger.warning("%s; building %s/%s again", fault, config, split)
        return None
    return manifest


@contextmanager
def _stoppable(folder: Path) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into one `BuildInterrupted`."""

    def stop(number: int, frame: FrameType | None) -> None:
        staged = sum(1 for _ in folder.glob("*.scene"))
        raise BuildInterrupted(
            f"stopped by {signal.Signals(number).name}; {staged} finished scenes are kept, run the same command again "
            "to go on"
        )

    if threading.current_thread() is not threading.main_thread():  # handlers can only be set there
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
