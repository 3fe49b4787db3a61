"""Work given to an executor, few pieces at a time, so that no lost worker costs what others have done."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker, util
from multiprocessing.connection import Connection
from typing import Any

from ieco_opt.errors import SolverError
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.sweeping.answering import Asked, InterruptedHereError, PointStatus, Row, answered, without_answer

ATTEMPTS = 3
"""Times that a point is given to workers before it counts as lost."""

FOREIGN_IN_FLIGHT = 256
"""Points that an executor is given at a time whose number of workers is not known."""

_MOST_STARTS = 3
"""Pools of which no process ever got to work, one after the other, before the reason is how they are started."""

_LOOK_S = 0.5
"""Seconds after which it is looked whether the sweep shall end, even if no point is done."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(slots=True)
class Task:
    """A point that is to be answered.

    Attributes
    ----------
    fingerprint
        Of its scenario.
    attempts
        Times that it was given to a worker in vain.
    """

    number: int
    scenario: Scenario | Fleet
    fingerprint: str
    attempts: int = 0


def answered_pickled(pickled: bytes) -> Row:
    """The answer of a point that comes in bytes, in a worker."""
    return answered(*pickle.loads(pickled))  # noqa: S301 - by the process that gives it to the worker


class SameProcess(Executor):
    """Does everything at once and here: nothing has to be started for it."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Call a function, and return what is done already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


class OwnProcesses:
    """Processes that were spawned: they share nothing with this one, and end when it does.

    Each holds an end of a pipe. Nobody writes to it, but it is closed when the pool is no longer wanted, or when this
    process is gone however it ended: then they leave at once.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._begin()

    def _begin(self) -> None:
        context = get_context("spawn")
        # Not in both directions, which would be a socket.
        self._theirs, self._mine = context.Pipe(duplex=False)
        self.executor = ProcessPoolExecutor(self.processes, context, _prepare, (self._theirs,))
        # It unblocks the signals that are blocked in `submit`, but only when it begins.
        resource_tracker.ensure_running()
        self.began = self.submit(os.getpid)

    def submit(self, fn: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Call a function in a process; one that is started for it never sees the Ctrl-C of the terminal."""
        blocks = hasattr(signal, "pthread_sigmask")
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if blocks else set()
        try:
            return self.executor.submit(fn, *arguments)
        finally:
            if blocks:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def renew(self) -> None:
        """Replace processes of which one was lost, which ends the others as well."""
        self.end()
        self._begin()

    def end(self) -> None:
        """End all processes, whatever they do."""
        self._mine.close()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self._theirs.close()


def _prepare(alive: Connection) -> None:
    """Import what every point needs, once a process."""
    # Where another process was lost, the executor ends this one so; it leaves in its own way then.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(alive,), daemon=True).start()
    # As many processes as cores: more threads in each would only wait for each other.
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    import ieco_opt.fleet.run
    import ieco_opt.pareto.run  # noqa: F401


def _leave_with(alive: Connection) -> None:
    with contextlib.suppress(OSError, EOFError):
        alive.recv_bytes()
    # Pyomo holds a semaphore, which nobody would give back.
    util._run_finalizers(0)  # type: ignore[attr-defined]
    os._exit(1)


class Workers:
    """An executor of whatever sort, or processes of its own, with the tasks that are in flight.

    Parameters
    ----------
    in_flight
        Most tasks that wait for an answer at a time.
    ended
        Asked again and again whether the sweep shall end.

    Attributes
    ----------
    interrupted
        Whether an interrupt ended the search of a point in this process.
    """

    def __init__(self, pool: OwnProcesses | Executor, asked: Asked, in_flight: int, ended: Callable[[], bool]) -> None:
        self.interrupted = False
        self._pool = pool
        self._asked = asked
        self._in_flight = in_flight
        self._ended = ended
        self._flying: dict[Future[Row], Task] = {}
        self._again: deque[Task] = deque()
        # In flight when a process was lost: one of them may be why, so they go one at a time.
        self._suspects: deque[Task] = deque()
        self._alone = False
        self._starts = 0
        self._closed: str | None = None

    def answers(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Row]]:
        """Answers in the order in which they come, until all are there or the sweep shall end.

        Raises
        ------
        SolverError
            Processes end before they answer anything.
        """
        while not self._over():
            yield from self._fill(tasks)
            if not self._flying:
                break
            done, _ = wait(self._flying, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            if any(_broke(future) for future in done) and isinstance(self._pool, OwnProcesses):
                # Then all others are broken too, or done.
                wait(self._flying, timeout=_LOOK_S)
                yield from self._collected(list(self._flying))
                self._renew(self._pool)
            else:
                yield from self._collected(done)

    def leave(self) -> None:
        """Take back what is in flight."""
        for future in self._flying:
            future.cancel()

    def _over(self) -> bool:
        return self.interrupted or self._ended()

    def _fill(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Row]]:
        """Put tasks in flight; those that nobody takes any more are lost."""
        while len(self._flying) < (1 if self._suspects or self._alone else self._in_flight) and not self._over():
            self._alone = self._alone or bool(self._suspects)
            source = self._suspects or self._again
            task = source.popleft() if source else next(tasks, None)
            if task is None:
                return
            try:
                self._submit(task)
            except BrokenExecutor as error:
                if not isinstance(self._pool, OwnProcesses):
                    self._closed = _said(error)
                elif self._flying:
                    # They are broken too, and will be collected.
                    self._again.append(task)
                    return
                else:
                    self._again.append(task)
                    self._renew(self._pool)
                    continue
            except RuntimeError as error:
                self._closed = _said(error)
            if self._closed is not None:
                yield task, without_answer(PointStatus.LOST, f"the executor takes no more points ({self._closed})")

    def _submit(self, task: Task) -> None:
        if self._closed is not None:
            return
        # As bytes: Dask looks through all that arguments hold.
        future = self._pool.submit(answered_pickled, pickle.dumps((task.scenario, self._asked), 5))
        self._flying[future] = task

    def _collected(self, done: Iterable[Future[Row]]) -> Iterator[tuple[Task, Row]]:
        """Rows of futures that are done; other tasks are asked again, unless that was done often enough."""
        alone, self._alone = self._alone, False
        for future in done:
            task = self._flying.pop(future)
            error = _error_of(future)
            if error is None:
                yield task, future.result()
            elif isinstance(error, InterruptedHereError) and isinstance(self._pool, SameProcess):
                self.interrupted = True
            elif isinstance(error, BrokenExecutor) and isinstance(self._pool, OwnProcesses):
                task.attempts += alone
                yield from self._once_more(task, error, self._suspects)
            else:
                task.attempts += 1
                yield from self._once_more(task, error, self._again)

    def _once_more(self, task: Task, error: BaseException, where: deque[Task]) -> Iterator[tuple[Task, Row]]:
        if task.attempts < ATTEMPTS:
            where.append(task)
        else:
            yield task, without_answer(PointStatus.LOST, f"lost {ATTEMPTS} times, lastly: {_said(error)}")

    def _renew(self, pool: OwnProcesses) -> None:
        self._starts = 0 if _error_of(pool.began) is None else self._starts + 1
        if self._starts >= _MOST_STARTS:
            message = "the processes of the sweep end before they answer anything; a script that calls sweep needs"
            raise SolverError(f"{message} `if __name__ == '__main__':` around what it does")
        pool.renew()


def _error_of(future: Future[Row]) -> BaseException | None:
    """What became of a future instead of a row; not raised, so that a Ctrl-C of here is not taken for it."""
    if not future.done():
        return BrokenExecutor("its process was lost")
    return CancelledError() if future.cancelled() else future.exception()


def _broke(future: Future[Row]) -> bool:
    return isinstance(_error_of(future), BrokenExecutor)


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
