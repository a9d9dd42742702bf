"""Whatever the user has, as a `concurrent.futures.Executor` with a size and an owner."""

import operator
import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import loky

from nautilus.errors import BackendError
from nautilus.evaluate import worker
from nautilus.evaluate.adapters import MapExecutor, PoolExecutor, SerialExecutor

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
ACCEPTED = (
    "Accepted are None or 1 (serial), a number of processes, a concurrent.futures.Executor, a "
    "multiprocessing.Pool or another object with a map method, or a pair of these: first for the "
    "likelihood, second for the sampler."
)


class ExecutorHandle:
    """An executor, how many workers it has, and what may be done with it.

    Parameters
    ----------
    make
        Returns the executor. For an owned pool, it is called when the pool is first used and again
        after it broke.
    size
        Number of workers, at least 1.
    owned
        Whether the workers are ours: then a broken pool is replaced, and `close` ends it.
    check
        Raises `BackendError` if the pool is known to wait in vain.
    release
        Called by `close` with the executor.
    """

    def __init__(
        self,
        make: Callable[[], Executor],
        size: int,
        *,
        owned: bool = False,
        check: Callable[[], None] | None = None,
        release: Callable[[Executor], None] | None = None,
    ) -> None:
        self._make = make
        self._size = size
        self._owned = owned
        self._check = check
        self._release = release
        self._executor: Executor | None = None
        self._is_closed = False

    @property
    def size(self) -> int:
        """Number of workers."""
        return self._size

    @property
    def owned(self) -> bool:
        """Whether the workers were started by this package."""
        return self._owned

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
        if self._owned and self._executor is not None and executor in (None, self._executor):
            old, self._executor = self._executor, None
            if self._release is not None:
                self._release(old)

    def close(self) -> None:
        """End what was started for this handle; a pool that was given stays open."""
        executor, self._executor = self._executor, None
        self._is_closed = True
        if executor is not None and self._release is not None:
            self._release(executor)


def as_executor(pool: object, threads_per_worker: int | None = 1) -> ExecutorHandle:
    """Make an executor of what the user gives as `pool`.

    Parameters
    ----------
    pool
        None or 1, a number of processes, an executor, a pool with `map`, or a handle.
    threads_per_worker
        Numerical threads that processes started here may use, or None to leave that open.

    Returns
    -------
    ExecutorHandle
        Owned if and only if processes have to be started.

    Raises
    ------
    BackendError
        If `pool` is nothing of this kind.
    """
    if isinstance(pool, ExecutorHandle):
        return pool
    if isinstance(pool, Executor):
        return ExecutorHandle(lambda: pool, _size_of(pool))
    if pool is None:
        return ExecutorHandle(SerialExecutor, 1)
    if all(hasattr(pool, name) for name in ("apply_async", "_pool", "_maxtasksperchild")):
        dressed = PoolExecutor(pool)
        return ExecutorHandle(lambda: dressed, _size_of(pool), check=dressed.check)
    if callable(getattr(pool, "map", None)):
        return ExecutorHandle(
            lambda: MapExecutor(pool), _size_of(pool), release=lambda executor: executor.shutdown()
        )
    return _of_number(pool, threads_per_worker)


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


def _of_number(pool: Any, threads_per_worker: int | None) -> ExecutorHandle:
    try:
        n_workers = 0 if isinstance(pool, bool) else operator.index(pool)
    except TypeError:
        n_workers = 0
    if n_workers < 1:
        raise BackendError(f"pool is {pool!r}, of type {type(pool).__name__}. {ACCEPTED}")
    if n_workers == 1:
        return ExecutorHandle(SerialExecutor, 1)
    n_threads = str(threads_per_worker)
    env = {} if threads_per_worker is None else dict.fromkeys(THREAD_VARIABLES, n_threads)

    def make() -> Executor:
        executor: Executor = loky.ProcessPoolExecutor(
            max_workers=n_workers, initializer=worker.start, initargs=(os.getpid(),), env=env
        )
        return executor

    return ExecutorHandle(make, n_workers, owned=True, release=_kill)


def _kill(executor: Any) -> None:
    executor.shutdown(wait=True, kill_workers=True)


def _size_of(pool: Any) -> int:
    for name in ("_max_workers", "num_workers", "_processes", "size"):
        size = getattr(pool, name, None)
        if isinstance(size, int) and size > 0:
            return size
    return os.cpu_count() or 1
