"""The sampler's own work on an executor."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from nautilus.evaluate import worker
from nautilus.evaluate.backends import as_executor
from nautilus.evaluate.flight import Flight, Job


class TaskRunner:
    """Runs functions of the sampler on many tasks.

    Parameters
    ----------
    pool
        A handle, or anything that `as_executor` accepts.
    threads_per_worker
        Numerical threads that a task may use, or None to leave them as they are.
    """

    def __init__(self, pool: object = None, *, threads_per_worker: int | None = 1) -> None:
        self._n_threads = threads_per_worker
        self._handle = as_executor(pool, threads_per_worker)

    @property
    def n_workers(self) -> int:
        """Number of tasks that can run at the same time."""
        return self._handle.size

    def map(self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return ``function(*task)`` for each task, in order.

        Parameters
        ----------
        function
            Importable by workers, as are its arguments.
        tasks
            Arguments of one call each.

        Raises
        ------
        WorkerLostError, BackendError
            If workers die; whatever the function raises is raised as it is.
        """
        answers: list[Any] = [None] * len(tasks)
        left = iter(enumerate(tasks))

        def take() -> Job[int] | None:
            i, task = next(left, (-1, ()))
            return None if i < 0 else Job(i, worker.run_task, (function, task, self._n_threads))

        name = getattr(function, "__qualname__", repr(function))
        with Flight[int](self._handle, lambda i: f"task {i} of {name}") as flight:
            flight.fill(take, 2 * self._handle.size)
            while not flight.is_empty:
                for i, future in flight.collect():
                    answers[i] = future.result()
                flight.fill(take, 2 * self._handle.size)
        return answers

    def close(self) -> None:
        """End the pool if it is ours."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
