"""Calls under way on an executor: kept few, cancelled when no longer wanted, retried when lost."""

import math
import queue
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from nautilus._signals import raise_missed
from nautilus.errors import BackendError, WorkerLostError
from nautilus.evaluate.backends import ExecutorHandle, Recovery

Key = TypeVar("Key")

N_RETRIES = 2
"""How often a call is repeated after the worker that had it died, the last time alone."""

KEPT = "What was computed until then is kept; give an open pool to a new sampler."

GRACE_SECONDS = 5.0
"""How long calls under way may go on when no more are wanted."""

SLICE_SECONDS = 0.5
"""So often what has ended meanwhile is delivered."""


@dataclass(frozen=True)
class Job(Generic[Key]):
    """A call, with whatever tells its caller which one it is.

    Parameters
    ----------
    key
        Tells which one it is.
    function, args
        What is called.
    n_lost
        How often workers died that had it.
    """

    key: Key
    function: Callable[..., Any]
    args: tuple[Any, ...]
    n_lost: int = 0

    @property
    def is_suspect(self) -> bool:
        """Whether it runs alone, so that workers that die do so over nothing else."""
        return self.n_lost >= N_RETRIES


@dataclass(frozen=True)
class _UnderWay(Generic[Key]):
    """A job that was started: where, and when on the monotonic clock."""

    job: Job[Key]
    executor: Executor
    start: float


@dataclass(frozen=True)
class Loss(Generic[Key]):
    """A job that was lost as often as it may.

    Parameters
    ----------
    job
        What was to be done.
    seconds
        How long it was under way the last time, alone.
    error
        What the pool says.
    """

    job: Job[Key]
    seconds: float
    error: BaseException


class Flight(Generic[Key]):
    """Calls under way.

    Leaving the context cancels what has not started. What has may finish within a moment; if it
    does not, it is ended if the pool is ours.

    Parameters
    ----------
    handle
        Where to run them.
    describe
        Says what a call is about, for the error message when its workers die.
    rescue
        Asked what to do about a job that was lost as often as it may: returns True if it has seen
        to it. By default that is an error.
    grace
        Seconds that calls under way may go on when no more are wanted.
    is_over
        Asked now and then whether to wait for calls no longer.
    """

    def __init__(
        self,
        handle: ExecutorHandle,
        describe: Callable[[Key], str],
        rescue: Callable[[Loss[Key]], bool] = lambda _: False,
        grace: float = GRACE_SECONDS,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._handle = handle
        self._describe = describe
        self._rescue = rescue
        self._grace = grace
        self._is_over = is_over
        self._running: dict[Future[Any], _UnderWay[Key]] = {}
        # Asking each future whether it is done would take long where thousands are under way.
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._lost: deque[Job[Key]] = deque()
        self._deadly: WorkerLostError | None = None
        self._error: BaseException | None = None
        self._deadline = math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._settle()
        finally:
            # Nobody will ask for these calls; they would only keep workers and the user waiting.
            self._handle.abandon([future for future in self._running if not future.done()])
            self._running.clear()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way, waits to be repeated or is to be raised."""
        errors = (self._deadly, self._error)
        return not self._running and not self._lost and errors == (None, None)

    def fill(self, take: Callable[[], Job[Key] | None], n_most: int) -> None:
        """Start calls until `n_most` are under way or `take` returns None.

        A call that was lost twice is suspect and runs alone. If the pool takes no more, or a call
        cannot be made up, `collect` raises that after what is finished.
        """
        try:
            self._fill(take, n_most)
        except BackendError as error:
            self._error = error

    def _fill(self, take: Callable[[], Job[Key] | None], n_most: int) -> None:
        while self._error is None and len(self._running) < n_most:
            job = self._lost.popleft() if self._lost else take()
            if job is None:
                return
            if job.is_suspect and self._running:
                self._lost.appendleft(job)
                return
            self._launch(job)
            if job.is_suspect:
                return

    def collect(self) -> list[tuple[Job[Key], Future[Any]]]:
        """Wait until something is finished and return it.

        Returns
        -------
        list
            Pairs of job and future, finished and not lost. Empty if all were lost and are to be
            repeated, if it is over, or if an error waits for calls under way.

        Raises
        ------
        WorkerLostError
            If workers of a pool that replaces them died again and again over the same call. It
            comes after all other calls, unless there are two such calls.
        BackendError
            If another pool broke.
        KeyboardInterrupt, SystemExit
            After an interrupt. These and the errors above come after what was finished before.
        """
        futures = self._wait() if self._error is None and self._running else []
        if self._error is not None:
            # Calls that end soon are not lost with those that are given up.
            self._settle(SLICE_SECONDS)
            futures = [future for future in self._running if future.done()]
        finished = [done for future in futures if (done := self._land(future)) is not None]
        if finished:
            return finished
        if self._error is None and not futures and not self._running:
            self._error = self._deadly
        if self._error is not None and self.is_settled:
            raise self._error
        return []

    def raise_interrupt(self) -> None:
        """Raise what interrupted the waiting of `drain`, if anything did."""
        if isinstance(self._error, (KeyboardInterrupt, SystemExit)):
            raise self._error

    @property
    def is_settled(self) -> bool:
        """Whether nothing is waited for any more."""
        return not self._running or time.monotonic() >= self._deadline

    def drain(self) -> list[tuple[Job[Key], Future[Any]]]:
        """Cancel what has not started and return what is finished; again until it is settled."""
        self._settle(SLICE_SECONDS)
        futures = [future for future in self._running if future.done()]
        return [done for future in futures if (done := self._land(future)) is not None]

    def _settle(self, most: float = math.inf) -> None:
        waiting = [future for future in self._running if not future.cancel()]
        self._running = {future: self._running[future] for future in waiting}
        # However often it is asked: those who wait for the end wait once.
        self._deadline = min(self._deadline, time.monotonic() + self._grace)
        try:
            wait(waiting, max(min(self._deadline - time.monotonic(), most), 0.0))
        except (KeyboardInterrupt, SystemExit) as error:
            # Nobody wants to wait, but what has ended meanwhile is not lost.
            self._deadline = time.monotonic()
            self._error = self._error or error

    def _launch(self, job: Job[Key]) -> None:
        executor = self._handle.executor
        try:
            future = _submit(executor, job)
        except BrokenExecutor as error:
            if not self._handle.is_owned:
                raise _broken(error) from error
            self._handle.discard(executor)
            executor = self._handle.executor
            future = _submit(executor, job)
        self._running[future] = _UnderWay(job, executor, time.monotonic())
        future.add_done_callback(self._done.put)

    def _wait(self) -> list[Future[Any]]:
        """Return what is finished, at least one, or nothing after an error or if it is over."""
        finished: list[Future[Any]] = []
        try:
            while not finished and not self._is_over():
                raise_missed()
                with suppress(queue.Empty):
                    finished.append(self._done.get(timeout=self._handle.poll_seconds))
                    while True:
                        finished.append(self._done.get_nowait())
                if not finished:
                    self._handle.check()
        except (KeyboardInterrupt, SystemExit, BackendError) as error:
            self._error = error
        return finished

    def _land(self, future: Future[Any]) -> tuple[Job[Key], Future[Any]] | None:
        flown = self._running.pop(future)
        error = _error_of(future)
        # What another flight did to the pool is nothing that this call did.
        was_replaced = not self._handle.is_current(flown.executor)
        if isinstance(self._error, (KeyboardInterrupt, SystemExit)) and error is not None:
            pass  # the signal may have reached workers too: it is what happened
        elif isinstance(error, CancelledError) and not was_replaced:
            self._error = BackendError(f"The pool was shut down while it was in use. {KEPT}")
            self._error.__cause__ = error
        elif isinstance(error, KeyboardInterrupt):
            self._error = error
        elif error is None or not (was_replaced or self._handle.is_lost(error)):
            return flown.job, future
        elif self._handle.recovery is Recovery.NONE:
            self._error = _broken(error)
            self._error.__cause__ = error
        else:
            self._handle.discard(flown.executor)
            self._repeat(flown, error)
        return None

    def _repeat(self, flown: _UnderWay[Key], error: BaseException) -> None:
        job = replace(flown.job, n_lost=flown.job.n_lost + 1)
        if not flown.job.is_suspect:
            self._lost.append(job)
            return
        if self._rescue(Loss(job, time.monotonic() - flown.start, error)):
            return
        if self._deadly is not None:
            self._error = self._deadly
            return
        self._deadly = WorkerLostError(
            f"Workers died {job.n_lost} times while they worked on {self._describe(job.key)}, "
            f"the last time with nothing else under way. The pool says: {error} Is there "
            "enough memory, and does the likelihood survive these points when it is called "
            "directly?"
        )
        self._deadly.__cause__ = error


def _submit(executor: Executor, job: Job[Any]) -> Future[Any]:
    try:
        return executor.submit(job.function, *job.args)
    except (BrokenExecutor, BackendError):
        raise
    except Exception as error:
        raise BackendError(f"The pool takes no more work ({error}). {KEPT}") from error


def _error_of(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as cancelled:
        return cancelled


def _broken(error: BaseException) -> BackendError:
    return BackendError(
        f"The pool broke: {error} What was computed until then is kept. With pool=<number> broken "
        "pools are replaced."
    )
