"""Worker processes for evaluations: warm, one thread each, and a crash costs one architecture."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Generic, TypeVar

from lapt.errors import LaptError
from lapt.training import WORKER

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

J = TypeVar("J")
R = TypeVar("R")


class Crashed(Exception):
    """The worker process died over a job that it was alone with."""


class WorkersError(LaptError):
    """Processes that do not even start: no fault of any job."""


class Workers(Generic[J, R]):
    """``function`` over jobs in ``processes`` spawned processes, which stay warm between calls.

    ``function`` and the jobs are pickled. Results come as they are ready. When a process dies, nobody knows over which
    of the jobs under way: each of those is tried again alone, and one that kills its process again gives ``Crashed``;
    the others go on side by side.
    """

    def __init__(self, function: Callable[[J], R], processes: int) -> None:
        self.function, self.processes = function, max(1, processes)
        self._pool: ProcessPoolExecutor | None = None
        atexit.register(self.close)

    def __call__(self, jobs: Sequence[J]) -> Iterator[tuple[int, R | Crashed]]:
        """(position of the job, its result), in the order they finish. What ``function`` raises passes through.

        Raises WorkersError when no process starts.
        """
        waiting = list(range(len(jobs)))
        while waiting:
            finished = set()
            for position, result in self._side_by_side(jobs, waiting):
                finished.add(position)
                yield position, result
            waiting = [position for position in waiting if position not in finished]
            # Jobs start in order, so those under way when a process died are the first that did not finish.
            for position in waiting[: self.processes + 1]:
                yield position, self._alone(jobs[position])
            del waiting[: self.processes + 1]

    def _side_by_side(self, jobs: Sequence[J], positions: Sequence[int]) -> Iterator[tuple[int, R]]:
        """Results until all are there or a process dies."""
        futures: dict[Future[R], int] = {}
        pool = self._started()
        try:
            for position in positions:
                futures[pool.submit(self.function, jobs[position])] = position
        except BrokenProcessPool:  # it died idle; what was submitted says so too
            self.close()
        try:
            for future in as_completed(futures):
                try:
                    result = future.result()
                except BrokenProcessPool:
                    self.close()
                    continue
                yield futures[future], result
        finally:
            for future in futures:
                future.cancel()

    def _alone(self, job: J) -> R | Crashed:
        try:
            return self._started().submit(self.function, job).result()
        except BrokenProcessPool:
            self.close()
            return Crashed("its process died (out of memory, or a crash in native code)")

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Spawned, not forked: a forked copy of a process with threads (Prefect, torch) may lock up.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self.processes, context, initializer=_obedient, initargs=(context.Value("i", 0),)
            )
            try:
                self._pool.submit(int).result()
            except BrokenProcessPool:
                self.close()
                raise WorkersError(
                    "processes that start, to train in",
                    "one that died at once",
                    "run from a file whose own work stands under if __name__ == '__main__', and see its error above",
                ) from None
        return self._pool

    def close(self) -> None:
        """Ends the processes, whatever they are at."""
        pool, self._pool = self._pool, None
        if pool is not None:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


def _obedient(started: Synchronized[int]) -> None:
    """Leave Ctrl-C to the parent, and warnings, which it has given; end when it ends, however it ends.

    ``started``: how many processes of the pool did so before this one.
    """
    with started.get_lock():
        os.environ[WORKER] = str(started.value)
        started.value += 1
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
