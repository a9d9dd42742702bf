"""Whatever the user has, as a `concurrent.futures.Executor` with a size and an owner."""

import multiprocessing
import operator
import os
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from enum import Enum
from typing import Any

import loky

from nautilus.errors import BackendError
from nautilus.evaluate import foreign, mpi, worker
from nautilus.evaluate.adapters import MapExecutor, PoolExecutor, SerialExecutor
from nautilus.evaluate.threads import THREAD_VARIABLES

ACCEPTED = (
    "Accepted are None or 1 (serial), a number of processes, 'mpi' in a script that mpiexec or "
    "srun started, a concurrent.futures.Executor, a Dask client, the module ray, a client or view "
    "of ipyparallel, a multiprocessing.Pool or another object with a map method, or a pair of "
    "these: first for the likelihood, second for the sampler."
)

POLL_SECONDS = 0.5
"""How often a pool is asked whether its workers live."""

LEAK_VARIABLE = "LOKY_MAX_MEMORY_LEAK_SIZE"
"""Bytes that a worker of loky may gain before it is taken to be leaking, and replaced."""


class Recovery(Enum):
    """What happens to a pool of which a worker died."""

    REPLACED = "it is ours: another takes its place"
    REPAIRED = "it starts workers, or goes on with those that are left, by itself"
    NONE = "it is broken for good"


class ExecutorHandle:
    """An executor, how many workers it has, and what may be done with it.

    Parameters
    ----------
    make
        Returns the executor. For an owned pool, it is called when the pool is first used and again
        after it broke.
    n_workers
        Number of workers, at least 1; a function if it may change.
    recovery
        What happens when a worker dies.
    is_lost
        Tells whether the exception of a call says that its worker died.
    check
        Raises `BackendError` if the pool is known to wait in vain.
    release
        Called by `close` with the executor.
    abandon
        Called with calls that go on although nobody waits for them any more.
    poll_seconds
        How long to wait for a call before `check` is called.

    Attributes
    ----------
    given
        What the user gave as the pool.
    """

    def __init__(
        self,
        make: Callable[[], Executor],
        n_workers: int | Callable[[], int],
        *,
        recovery: Recovery = Recovery.NONE,
        is_lost: Callable[[BaseException], bool] | None = None,
        check: Callable[[], None] | None = None,
        release: Callable[[Executor], None] | None = None,
        abandon: Callable[[Sequence[Future[Any]]], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._make = make
        self._n_workers = n_workers
        self._is_lost = is_lost
        self._check = check
        self._release = release
        self._abandon = abandon
        self._executor: Executor | None = None
        self._is_closed = False
        self.recovery = recovery
        self.poll_seconds = poll_seconds
        self.given: Any = None

    @property
    def is_serial(self) -> bool:
        """Whether calls are made at once, by whoever wants them."""
        return self._make is SerialExecutor

    @property
    def n_workers(self) -> int:
        """Number of workers."""
        return self._n_workers() if callable(self._n_workers) else self._n_workers

    @property
    def is_owned(self) -> bool:
        """Whether the workers were started by this package."""
        return self.recovery is Recovery.REPLACED

    @property
    def executor(self) -> Executor:
        """The executor, started if it does not run yet.

        Raises
        ------
        BackendError
            If the handle was closed.
        """
        if self._is_closed:
            raise BackendError("The pool was closed; make a new sampler to evaluate more points.")
        if self._executor is None:
            self._executor = self._make()
        return self._executor

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether the exception of a call says that its worker died."""
        return isinstance(error, BrokenExecutor) or (
            self._is_lost is not None and self._is_lost(error)
        )

    def check(self) -> None:
        """Raise `BackendError` if the pool is known to wait in vain."""
        if self._check is not None:
            self._check()

    def discard(self, executor: Executor | None = None) -> None:
        """End an owned pool with everything that it is doing; the next use starts a fresh one.

        Parameters
        ----------
        executor
            Only if this is still the executor in use; somebody else may have replaced it already.
        """
        if self.is_owned and self._executor is not None and executor in (None, self._executor):
            old, self._executor = self._executor, None
            if self._release is not None:
                self._release(old)

    def is_current(self, executor: Executor) -> bool:
        """Tell whether an executor is still the one in use."""
        return executor is self._executor

    def abandon(self, futures: Sequence[Future[Any]]) -> None:
        """Let go of calls that do not end, and of the pool that they keep busy if it is ours."""
        if futures:
            self.discard()
            if self._abandon is not None:
                self._abandon(futures)

    def close(self) -> None:
        """End what was started for this handle; a pool that was given stays open."""
        executor, self._executor = self._executor, None
        self._is_closed = True
        if executor is not None and self._release is not None:
            self._release(executor)


def was_signalled(error: BaseException) -> bool:
    """Tell whether a pool of our own says that a worker was ended by a signal."""
    # There is no way to the exit codes but these words, such as SIGSEGV(-11).
    return "SIG" in str(error)


def as_executor(pool: object, threads_per_worker: int | None = 1) -> ExecutorHandle:
    """Make an executor of what the user gives as `pool`.

    Parameters
    ----------
    pool
        A handle, or anything that `ACCEPTED` names but a pair.
    threads_per_worker
        Numerical threads that processes started here may use, or None to leave that open.

    Returns
    -------
    ExecutorHandle
        Owned if and only if processes have to be started.

    Raises
    ------
    BackendError
        If `pool` is nothing of this kind, or cannot be used as things are.
    """
    if isinstance(pool, ExecutorHandle):
        return pool
    handle = _made_of(pool, threads_per_worker)
    handle.given = pool
    return handle


def as_pools(
    pool: object, threads_per_worker: int | None = 1
) -> tuple[ExecutorHandle, ExecutorHandle]:
    """Return the executors for the likelihood and for the sampler's own work.

    Parameters
    ----------
    pool
        One pool for both, or a pair of them; either may be None.
    threads_per_worker
        As for `as_executor`.

    Raises
    ------
    BackendError
        If a pool is of no known kind, or there are more or less than two.
    """
    if not isinstance(pool, tuple | list):
        shared = as_executor(pool, threads_per_worker)
        return shared, shared
    if len(pool) != 2:
        raise BackendError(f"pool has {len(pool)} entries. {ACCEPTED}")
    first, second = (as_executor(one, threads_per_worker) for one in pool)
    return first, second


def _made_of(pool: object, threads_per_worker: int | None) -> ExecutorHandle:
    if pool is None:
        return ExecutorHandle(SerialExecutor, 1)
    if isinstance(pool, str):
        return _of_name(pool)
    for recognise in (_of_cluster, _of_executor, _of_mapper):
        handle = recognise(pool)
        if handle is not None:
            return handle
    return _of_number(pool, threads_per_worker)


def _of_name(pool: str) -> ExecutorHandle:
    if pool != mpi.NAME:
        raise _unknown(pool)
    executor, n_workers = mpi.lead_or_serve()
    return ExecutorHandle(lambda: executor, n_workers, abandon=mpi.end_without)


def _of_cluster(pool: object) -> ExecutorHandle | None:
    """Return a handle for the workers of another package, None if it is no such pool."""
    kind = next((kind for kind in foreign.CLUSTERS if kind.recognises(pool)), None)
    if kind is None:
        return None
    cluster: foreign.Cluster = kind(pool)
    return ExecutorHandle(
        lambda: cluster,
        cluster.n_workers,
        recovery=Recovery.REPAIRED,
        is_lost=cluster.is_lost,
        check=cluster.check,
        abandon=foreign.give_up,
    )


def _of_executor(pool: object) -> ExecutorHandle | None:
    if not isinstance(pool, Executor):
        return None
    return ExecutorHandle(lambda: pool, foreign.count_workers(pool))


def _of_mapper(pool: Any) -> ExecutorHandle | None:
    if PoolExecutor.recognises(pool):
        dressed = PoolExecutor(pool)
        return ExecutorHandle(lambda: dressed, foreign.count_workers(pool), check=dressed.check)
    if not callable(getattr(pool, "map", None)):
        return None
    return ExecutorHandle(
        lambda: MapExecutor(pool),
        foreign.count_workers(pool),
        release=lambda executor: executor.shutdown(),
    )


def _of_number(pool: Any, threads_per_worker: int | None) -> ExecutorHandle:
    try:
        n_workers = 0 if isinstance(pool, bool) else operator.index(pool)
    except TypeError:
        n_workers = 0
    if n_workers < 1:
        raise _unknown(pool)
    if n_workers == 1:
        return ExecutorHandle(SerialExecutor, 1)
    _require_leave_to_start(n_workers)
    n_threads = str(threads_per_worker)
    env = {} if threads_per_worker is None else dict.fromkeys(THREAD_VARIABLES, n_threads)
    # Where psutil is installed, loky would end workers that hold a large likelihood as leaking.
    env[LEAK_VARIABLE] = os.environ.get(LEAK_VARIABLE, "1e18")

    def make() -> Executor:
        _require_leave_to_start(n_workers)  # the sampler may have been made before a fork
        for_start = (os.getpid(), multiprocessing.get_start_method(allow_none=True))
        executor: Executor = loky.ProcessPoolExecutor(
            max_workers=n_workers, initializer=worker.start, initargs=for_start, env=env
        )
        return executor

    return ExecutorHandle(make, n_workers, recovery=Recovery.REPLACED, release=_kill)


def _require_leave_to_start(n_workers: int) -> None:
    process = multiprocessing.current_process()
    if process.daemon:
        raise BackendError(
            f"pool is {n_workers}, but this process, {process.name}, is daemonic, as workers of "
            "multiprocessing.Pool are: such processes may not start others. Use pool=None here, "
            "or start this process with daemon=False."
        )


def _unknown(pool: object) -> BackendError:
    return BackendError(f"pool is {pool!r}, of type {type(pool).__name__}. {ACCEPTED}")


def _kill(executor: Any) -> None:
    executor.shutdown(wait=True, kill_workers=True)
