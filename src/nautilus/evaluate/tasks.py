"""The sampler's own work on an executor."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from nautilus.evaluate import worker
from nautilus.evaluate.backends import ExecutorHandle, as_executor
from nautilus.evaluate.flight import Flight, Job

HERE_SECONDS = 0.02
"""Tasks that take less than this all together are done here: to send them takes as long."""

GROUP_SECONDS = 0.05
"""Work that one message should carry: long beside sending it."""

LEAST_SECONDS = 1e-9
"""Shortest time that a task is taken to need: a clock may say zero."""


class TaskRunner:
    """Runs functions of the sampler on many tasks.

    How long a function takes is learned from the tasks that were run, and decides where the next
    ones run and how many travel together; no answer depends on it.

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
        self._seconds: dict[Callable[..., Any], float] = {}

    @property
    def n_workers(self) -> int:
        """Number of tasks that can run at the same time."""
        return self._handle.n_workers

    @property
    def pool(self) -> ExecutorHandle:
        """Where tasks run; may be set when none does."""
        return self._handle

    @pool.setter
    def pool(self, pool: object) -> None:
        self._handle = as_executor(pool, self._n_threads)

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
        # A function that was never run may be anything: it is not tried in this process.
        if function in self._seconds and len(tasks) * self._seconds[function] < HERE_SECONDS:
            answers, seconds = worker.run_tasks(
                function, tasks, self._n_threads, worker.process_name()
            )
            self._measure(function, len(tasks), seconds)
            return answers
        return self._send(function, tasks)

    def close(self) -> None:
        """End the pool if it is ours."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _without_pool, (self._n_threads,)

    def _send(self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        answers: list[Any] = [None] * len(tasks)
        start = 0

        def take() -> Job[range] | None:
            nonlocal start
            stop = min(start + self._group_size(function, len(tasks)), len(tasks))
            numbers, start = range(start, stop), stop
            group = tasks[numbers.start : numbers.stop]
            work = (function, group, self._n_threads, worker.process_name())
            return Job(numbers, worker.run_tasks, work) if numbers else None

        name = getattr(function, "__qualname__", repr(function))
        with Flight[range](self._handle, lambda numbers: _describe(numbers, name)) as flight:
            flight.fill(take, 2 * self._handle.n_workers)
            while not flight.is_empty:
                for job, future in flight.collect():
                    numbers, (found, seconds) = job.key, future.result()
                    answers[numbers.start : numbers.stop] = found
                    self._measure(function, len(numbers), seconds)
                flight.fill(take, 2 * self._handle.n_workers)
        return answers

    def _group_size(self, function: Callable[..., Any], n_tasks: int) -> int:
        """Return how many tasks travel together: work for every worker comes first."""
        if function not in self._seconds:
            return 1
        n_timely = -int(-GROUP_SECONDS // self._seconds[function])
        return max(1, min(n_timely, n_tasks // (2 * self._handle.n_workers)))

    def _measure(self, function: Callable[..., Any], n_tasks: int, seconds: float) -> None:
        """Learn from some tasks; older measurements count half as much with each newer one."""
        if n_tasks == 0:
            return
        new = max(seconds / n_tasks, LEAST_SECONDS)
        self._seconds[function] = 0.5 * (self._seconds.get(function, new) + new)


def _without_pool(n_threads: int | None) -> TaskRunner:
    """Return a copy of a runner that was pickled; workers cannot be."""
    return TaskRunner(threads_per_worker=n_threads)


def _describe(numbers: range, name: str) -> str:
    first, last = numbers[0], numbers[-1]
    return f"task {first} of {name}" if first == last else f"tasks {first} to {last} of {name}"
