"""Pools under the names that front ends of the public package import.

`Sampler` itself needs none of them: `pool=<number>` starts better workers than `Pool` does. Only
where somebody put another class into the place of `Pool` it is that one which is used.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from multiprocessing import Pool
from typing import Any

from nautilus.errors import BackendError
from nautilus.evaluate.backends import ExecutorHandle, as_executor

__all__ = ["NautilusPool", "Pool", "initialize_worker", "likelihood_worker"]

_held: dict[str, Callable[..., Any]] = {}


def initialize_worker(likelihood: Callable[..., Any]) -> None:
    """Keep a likelihood in this process, for `likelihood_worker`."""
    _held["likelihood"] = likelihood


def likelihood_worker(*args: Any) -> Any:
    """Call the likelihood that `initialize_worker` kept in this process.

    Raises
    ------
    BackendError
        If it kept none.
    """
    if "likelihood" not in _held:
        raise BackendError(
            "likelihood_worker was called in a process without a likelihood. Start the pool with"
            " initializer=initialize_worker and initargs=(likelihood,)."
        )
    return _held["likelihood"](*args)


class NautilusPool:
    """A pool of any kind with a `map` that returns a list.

    Parameters
    ----------
    pool
        Whatever `Sampler` takes for one pool. A number starts a `Pool`, each process of which
        keeps the likelihood for `likelihood_worker`.
    likelihood
        The likelihood; without meaning for a pool that is there already.

    Attributes
    ----------
    pool
        The pool as it was given, or the one that was started.
    handle
        The same as the rest of the package sees it.

    Raises
    ------
    BackendError
        If the pool is of no known kind.
    """

    def __init__(self, pool: Any, likelihood: Callable[..., Any] | None = None) -> None:
        if _is_number(pool):
            started = Pool(pool, initializer=initialize_worker, initargs=(likelihood,))
            self.handle = _owned(started)
        else:
            self.handle = as_executor(pool)
        self.pool = self.handle.given

    @property
    def size(self) -> int:
        """Number of workers."""
        return self.handle.n_workers

    def map(self, func: Callable[[Any], Any], iterable: Iterable[Any]) -> list[Any]:
        """Return the function's values, computed by the workers."""
        executor = self.handle.executor
        futures = [executor.submit(func, value) for value in iterable]
        return [future.result() for future in futures]


def as_handles(pool: Any, likelihood: Callable[..., Any]) -> Any:
    """Return what was given as `pool`, with pools of this module as the package sees them.

    Parameters
    ----------
    pool
        What `Sampler` was given: one pool, or a pair.
    likelihood
        Goes to the processes of a pool that is started here.
    """
    if isinstance(pool, tuple | list):
        return tuple(as_handles(one, likelihood) for one in pool)
    if _is_number(pool) and Pool is not multiprocessing.Pool:
        return NautilusPool(pool, likelihood).handle
    return pool.handle if isinstance(pool, NautilusPool) else pool


def _is_number(pool: Any) -> bool:
    return isinstance(pool, int) and not isinstance(pool, bool) and pool > 1


def _owned(pool: Any) -> ExecutorHandle:
    """Return the handle of a pool that is ended with it."""
    dressed = as_executor(pool)

    def release(_: object) -> None:
        dressed.close()
        pool.terminate()

    handle = ExecutorHandle(
        lambda: dressed.executor, lambda: dressed.n_workers, check=dressed.check, release=release
    )
    handle.given = pool
    return handle
