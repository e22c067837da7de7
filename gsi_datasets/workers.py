"""Processes that make scenes. One that dies takes its scene's attempt with it and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gsi_datasets.ledger import BuildError
from gsi_datasets.record import SceneResult
from gsi_datasets.spec import DatasetSpec
from gsi_datasets.staging import write_scene
from gsi_datasets.storage import StorageError
from gsi_datasets.worlds.specs import WorldError


MakeScene = Callable[[DatasetSpec, str, int, str, frozenset[str]], SceneResult]

SCENE_SECONDS = 1800.0  # no scene needs a tenth of it; a process that hangs longer is taken for dead
START_ATTEMPTS = 3
# Libraries that start one thread per core in every process: llvmpipe, OpenMP, the BLAS of numpy.
THREAD_SETTINGS = ("LP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """What every worker is told once: how to make a scene, of what, and where to stage it."""

    make_scene: MakeScene
    spec: DatasetSpec
    split: str
    renderer: str
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """A scene that a worker is done with: staged if `failure` is empty, else lost for ``crash`` or ``error``."""

    index: int
    failure: str = ""
    detail: str = ""


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: tuple[int, frozenset[str]] | None = None
    ready: bool = False
    deadline: float = float("inf")


class Workers:
    """Up to `count` long-lived processes, started when there is work for them. Use as a context manager."""

    def __init__(self, job: Job, count: int) -> None:
        self.job, self.count = job, count
        self._alive: list[_Worker] = []
        self._crashed: set[int] = set()
        self._failed_starts = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._alive:
            worker.process.terminate()
        for worker in self._alive:
            _bury(worker)
        self._alive.clear()

    @property
    def started(self) -> bool:
        """Whether any process was needed so far."""
        return bool(self._alive)

    @property
    def idle(self) -> int:
        """How many scenes can be taken on now."""
        return self.count - sum(worker.task is not None for worker in self._alive)

    def submit(self, index: int, wanted: frozenset[str]) -> None:
        """Have a scene made; there must be an idle worker."""
        free = next((worker for worker in self._alive if worker.task is None), None)
        if free is None:
            self._alive.append(free := self._start())
        self._give(free, (index, wanted))

    def wait(self, seconds: float) -> list[Outcome]:
        """The scenes that were finished or lost; waits up to so many seconds for the first.

        Raises:
            StorageError: if a worker could not stage its scene.
            BuildError: if there is something that no scene can do without, or processes die before they can start.
        """
        handles: list[Any] = [worker.pipe for worker in self._alive]
        handles += [worker.process.sentinel for worker in self._alive]
        wait(handles, seconds)
        outcomes = []
        for worker in list(self._alive):
            try:
                while worker.pipe.poll():
                    outcomes += self._listen(worker, worker.pipe.recv())
                if time.monotonic() > worker.deadline:
                    worker.process.kill()
                    outcomes += self._replace(worker, f"it took longer than {SCENE_SECONDS:.0f} s")
                elif not worker.process.is_alive() and not worker.pipe.poll():
                    outcomes += self._replace(worker)
            except (EOFError, OSError):
                outcomes += self._replace(worker)
        return outcomes

    def _listen(self, worker: _Worker, message: tuple[str, str]) -> list[Outcome]:
        kind, detail = message
        if kind == "ready":
            worker.ready, self._failed_starts = True, 0
            return []
        if kind == "storage":
            raise StorageError(detail)
        if kind == "world":
            raise BuildError(detail)
        assert worker.task is not None
        index, worker.task, worker.deadline = worker.task[0], None, float("inf")
        return [Outcome(index, "" if kind == "done" else kind, detail)]

    def _replace(self, dead: _Worker, why: str = "") -> list[Outcome]:
        """Bury a worker; its scene gets one more chance in a fresh process."""
        _bury(dead)
        self._alive.remove(dead)
        why = why or f"its process ended with exit code {dead.process.exitcode}"
        if not dead.ready:
            self._failed_starts += 1
            if self._failed_starts >= START_ATTEMPTS:
                raise BuildError(
                    f"worker processes do not start ({why}); the reason stands above. A script that builds must do so "
                    "under `if __name__ == '__main__':`"
                )
        if dead.task is None:
            return []
        index = dead.task[0]
        if dead.ready and index in self._crashed:
            return [Outcome(index, "crash", f"{why}, twice")]
        if dead.ready:
            self._crashed.add(index)
        self._alive.append(fresh := self._start())
        self._give(fresh, dead.task)
        return []

    def _give(self, worker: _Worker, task: tuple[int, frozenset[str]]) -> None:
        worker.task, worker.deadline = task, time.monotonic() + SCENE_SECONDS
        with suppress(OSError):  # if it just died, `wait` notices and gives the scene to another
            worker.pipe.send(task)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(self.job, there), name="gsi-worker", daemon=True)
        threads = str(max(1, (os.cpu_count() or 1) // self.count))
        added = [name for name in THREAD_SETTINGS if name not in os.environ]
        os.environ.update(dict.fromkeys(added, threads))
        try:
            process.start()
        finally:
            for name in added:
                del os.environ[name]
        there.close()  # the last copy is the child's: when it dies, the pipe ends
        return _Worker(process, here)


def _bury(worker: _Worker) -> None:
    worker.process.join(timeout=2)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    worker.pipe.close()


def _work(job: Job, pipe: Connection) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the manager decides
    threading.Thread(target=_die_with_parent, daemon=True).start()
    pipe.send(("ready", ""))
    while True:
        try:
            index, wanted = pipe.recv()
        except EOFError:
            return
        try:
            write_scene(job.folder, job.make_scene(job.spec, job.split, index, job.renderer, wanted), wanted)
        except StorageError as error:
            pipe.send(("storage", str(error)))
        except WorldError as error:
            pipe.send(("world", str(error)))
        except Exception as error:
            pipe.send(("error", _last_words(error)))
        else:
            pipe.send(("done", ""))


def _last_words(error: Exception) -> str:
    """What went wrong and the line where it did."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{traceback.format_exception_only(error)[-1].strip()}{where}"


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
