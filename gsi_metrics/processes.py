"""Worker processes that score. One that dies takes the edit it worked on with it and nothing else."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import get_context, parent_process
from types import ModuleType

from gsi_datasets.workers import THREAD_SETTINGS
from gsi_metrics.rows import Entry
from gsi_metrics.worker import PROBLEM, Record, Scorer, Settings, Task, unscored


Batch = list[Task]

_SCORER: Scorer | None = None
_SETTINGS: Settings | None = None


def score_all(tasks: Iterable[Task], settings: Settings, workers: int, together: int = 1) -> Iterator[list[Record]]:
    """Score tasks; records come in batches, in the order in which they are done.

    Args:
        tasks: taken as they are needed.
        settings: how to score.
        workers: processes; 1 is this one.
        together: how many tasks a batch has.

    Raises:
        ScoringError: the observer or the judge cannot be had.
    """
    iterator = iter(tasks)
    batches = iter(lambda: list(islice(iterator, together)), [])
    if workers == 1:
        scorer = Scorer(settings)
        for batch in batches:
            yield scorer.score(batch)
        return
    with _few_threads(workers):
        yield from _in_processes(batches, settings, workers)


def _in_processes(batches: Iterator[Batch], settings: Settings, workers: int) -> Iterator[list[Record]]:
    pool = _pool(settings, workers)
    under_way: dict[Future[list[Record]], Batch] = {}
    lost: list[Batch] = []
    try:
        while True:
            try:
                # Two batches a process: one in work, one at hand; no more rows are held in memory.
                for batch in islice(batches, 2 * workers - len(under_way)):
                    lost.append(batch)
                    under_way[_submit(pool, batch)] = lost.pop()
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    records = future.result()
                    del under_way[future]
                    yield records
            except BrokenProcessPool:
                lost += under_way.values()
                under_way.clear()
                pool.shutdown(wait=True)
                for batch in lost:
                    for task in batch:
                        yield [_alone(task, settings)]
                lost.clear()
                pool = _pool(settings, workers)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _alone(task: Task, settings: Settings) -> Record:
    """Score a task that was under way when a process died, in a process of its own."""
    with _pool(settings, 1) as pool:
        try:
            return _submit(pool, [task]).result()[0]
        except BrokenProcessPool:
            row = task.row
            cause = f"{task.path}: the process that scored it died, twice; out of memory?"
            record = unscored(Entry(row["id"], row["scene"], row["operation"]), PROBLEM, cause)
            return record | {"digest": task.digest, "file": task.path.name}


def _submit(pool: ProcessPoolExecutor, batch: Batch) -> Future[list[Record]]:
    """Have a batch scored; the first one starts the processes.

    They would import the caller's script under another name, and run it again where it has no `__main__` guard. They
    need nothing of it, so it is hidden while they start.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        return pool.submit(_score, batch)
    finally:
        sys.modules["__main__"] = main


def _pool(settings: Settings, workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), _begin, (settings,))


def _begin(settings: Settings) -> None:
    global _SETTINGS
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _SETTINGS = settings


def _score(batch: Batch) -> list[Record]:
    global _SCORER
    if _SCORER is None:
        # Here and not in `_begin`, for what is raised there is lost.
        assert _SETTINGS is not None
        _SCORER = Scorer(_SETTINGS)
        with suppress(ImportError):
            import cv2

            cv2.setNumThreads(1)
    return _SCORER.score(batch)


def _die_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _few_threads(workers: int) -> Iterator[None]:
    """Processes started within share the cores, instead of each starting a thread for every core."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    added = {name: threads for name in THREAD_SETTINGS if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
