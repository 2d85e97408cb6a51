"""Worker processes for evaluations: warm, with one thread each. A crash costs one architecture."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lapt.errors import LaptError
from lapt.training import WORKER

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

J = TypeVar("J")
R = TypeVar("R")


FOLLOWING = 10.0
"""Seconds in which a process that died is noticed, after others have lost their connection to it."""
_DIED = "its process died (out of memory, or a crash in native code)"


class Crashed(Exception):
    """The worker process died over a job that it had alone."""


class WorkersError(LaptError):
    """Processes that do not even start: no job is at fault."""


class Workers(Generic[J, R]):
    """Runs ``function`` over jobs in ``processes`` spawned processes, which stay warm between calls.

    ``function`` and the jobs are pickled. Results come as they are ready. When a process dies, the job at fault is
    unknown: each job that was under way is tried again alone, and one that kills its process again gives ``Crashed``.
    The other jobs go on side by side.
    """

    def __init__(self, function: Callable[[J], R], processes: int) -> None:
        self.function, self.processes = function, max(1, processes)
        self._pool: ProcessPoolExecutor | None = None
        # Not atexit: a process of multiprocessing does not run that, and would wait for these processes for ever.
        Finalize(None, self.close, exitpriority=1)

    def __call__(self, jobs: Sequence[J]) -> Iterator[tuple[int, R | Crashed]]:
        """(position of the job, its result), in the order they finish. Exceptions of ``function`` pass through.

        Raises WorkersError when no process starts. If the caller wants no more results, or is interrupted, the
        processes are ended: nobody needs their work.
        """
        try:
            yield from self._results(jobs)
        except BaseException:
            # Ended and not cancelled: a pool that breaks over a cancelled job prints a traceback (InvalidStateError)
            # from a thread of its own.
            self.close()
            raise

    def _results(self, jobs: Sequence[J]) -> Iterator[tuple[int, R | Crashed]]:
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
                futures[_submitted(pool, self.function, jobs[position])] = position
        except BrokenProcessPool:  # it died idle; what was submitted says so too
            self.close()
        for future in as_completed(futures):
            try:
                result = future.result()
            except BrokenProcessPool:
                self.close()
                continue
            yield futures[future], result

    def _alone(self, job: J) -> R | Crashed:
        try:
            return _submitted(self._started(), self.function, job).result()
        except BrokenProcessPool:
            self.close()
            return Crashed(_DIED)

    def together(self, jobs: Sequence[J]) -> Sequence[R] | Crashed:
        """The results of jobs that need each other, each in a process of its own, all at once. They may be no more than
        ``processes``.

        When one fails or its process dies, the others are ended, who would wait for it. Nothing is tried again: an
        exception of ``function`` passes through, and a dead process gives ``Crashed``.
        """
        if self._pool is not None and not all(process.is_alive() for process in self._pool._processes.values()):
            self.close()  # one died idle
        try:
            pool = self._started()
            futures = [_submitted(pool, self.function, job) for job in jobs]
            wait(futures, return_when=FIRST_EXCEPTION)
            if (failed := _failed(futures)) is None:
                return [future.result() for future in futures]
            if not isinstance(failed, LaptError | BrokenProcessPool):  # perhaps since another process died
                wait(futures, timeout=FOLLOWING)
                failed = _failed(futures) or failed
        except BrokenProcessPool as error:
            failed = error
        except BaseException:
            self.close()
            raise
        self.close()
        if isinstance(failed, BrokenProcessPool):
            return Crashed(_DIED)
        raise failed

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Spawned, not forked: a forked copy of a process with threads (Prefect, torch) may lock up.
            context = multiprocessing.get_context("spawn")
            try:
                started = context.Value("i", 0)
                self._pool = ProcessPoolExecutor(self.processes, context, initializer=_obedient, initargs=(started,))
            except OSError as error:  # a lock between processes is a file there
                raise WorkersError(
                    "a /dev/shm that can be written, for processes to train in",
                    error.strerror or str(error),
                    "mount one (a tmpfs; of a container: --shm-size or --tmpfs /dev/shm)",
                ) from error
            try:
                _submitted(self._pool, int, 0).result()
            except BrokenProcessPool:
                self.close()
                raise WorkersError(
                    "processes that start, to train in",
                    "one that died at once",
                    "run from a file whose own work stands under if __name__ == '__main__', and see its error above",
                ) from None
        return self._pool

    def close(self) -> None:
        """End the processes, even in the middle of a job."""
        pool, self._pool = self._pool, None
        if pool is not None:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


def _failed(futures: Sequence[Future[R]]) -> BaseException | None:
    """The failure that explains the others: one with a message of its own, then the death of a process."""
    errors = [error for future in futures if future.done() and (error := future.exception()) is not None]
    return min(errors, key=lambda e: (not isinstance(e, LaptError), not isinstance(e, BrokenProcessPool)), default=None)


def _submitted(pool: ProcessPoolExecutor, function: Callable[[J], R], job: J) -> Future[R]:
    """Submit a job. A Ctrl-C, which a terminal sends to all processes, waits until new ones have started.

    SIGINT is blocked in a new process: it never sees a Ctrl-C, not even during its imports, before ``_obedient``. This
    process puts its handler off as well, since another of its threads may take the signal: interrupted in the middle,
    it would leave a process without its instructions, which prints a traceback.
    """
    handler, heard = signal.getsignal(signal.SIGINT), list[Any]()
    put_off = threading.current_thread() is threading.main_thread() and callable(handler)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if put_off:
        signal.signal(signal.SIGINT, lambda *given: heard.append(given))
    try:
        return pool.submit(function, job)
    finally:
        if put_off:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if heard and callable(handler):
            handler(*heard[0])


def _obedient(started: Synchronized[int]) -> None:
    """Initialise a worker: it leaves warnings to the parent, which has given them, and ends when the parent ends.

    ``started``: number of the pool's processes that called this before.
    """
    with started.get_lock():
        os.environ[WORKER] = str(started.value)
        started.value += 1
    warnings.simplefilter("ignore")
    # Those of torch's C++ too: of every process, that DistributedDataParallel looked in vain for weights without a use.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
