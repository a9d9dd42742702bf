"""Pools of other kinds, dressed as `concurrent.futures.Executor`."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from nautilus.errors import BackendError
from nautilus.evaluate import worker

Work = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]
GATHER_SECONDS = 0.005
"""How long a pool that only maps waits for more work before it starts."""


class SerialExecutor(Executor):
    """Runs each call at once, in the caller."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the call and return its finished future; an interrupt goes to the caller."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asks the future
            future.set_exception(error)
        return future


class PoolExecutor(Executor):
    """A `multiprocessing.Pool`, or a pool of another package with its interface."""

    @staticmethod
    def recognises(pool: object) -> bool:
        """Tell whether a pool is of this kind."""
        return all(hasattr(pool, name) for name in ("apply_async", "_pool", "_maxtasksperchild"))

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._seen = list(pool._pool)  # noqa: SLF001 - no public way to notice a dead worker
        if pool._maxtasksperchild is not None:  # noqa: SLF001
            raise BackendError(
                "The pool has maxtasksperchild, so that a worker that died cannot be told from one "
                "that retired, and its answer would be waited for for ever. Make the pool without "
                "it, or give a number of processes."
            )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand the call to the pool."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            self._pool.apply_async(fn, args, kwargs, future.set_result, future.set_exception)
        except ValueError as error:
            raise BackendError(
                f"The pool takes no more work ({error}); give an open one."
            ) from error
        return future

    def check(self) -> None:
        """Raise if a worker died: this kind of pool would wait for its answer for ever."""
        self._seen += [p for p in self._pool._pool if p not in self._seen]  # noqa: SLF001
        codes = [process.exitcode for process in self._seen]
        dead = [code for code in codes if code is not None]
        if dead:
            raise BackendError(
                f"A worker of the pool ended with exit code {dead[0]} (a negative number is the "
                "signal). What was computed until then is kept. With pool=<number> such workers "
                "are replaced."
            )


class MapExecutor(Executor):
    """Anything with a `map` that waits for all answers; calls are gathered into batches."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._works: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:  # type: ignore[override]
        """Put the call into the next batch."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True, name="nautilus-map")
            self._thread.start()
        future: Future[Any] = Future()
        self._works.put((future, fn, args))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread that gathers; the pool itself stays open."""
        del cancel_futures
        if self._thread is not None:
            self._works.put(None)
            if wait:
                self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        while (first := self._works.get()) is not None:
            batch, is_last = self._gather(first)
            self._run([work for work in batch if work[0].set_running_or_notify_cancel()])
            if is_last:
                return

    def _gather(self, first: Work) -> tuple[list[Work], bool]:
        batch = [first]
        while True:
            try:
                work = self._works.get(timeout=GATHER_SECONDS)
            except queue.Empty:
                return batch, False
            if work is None:
                return batch, True
            batch.append(work)

    def _run(self, batch: Sequence[Work]) -> None:
        if not batch:
            return
        try:
            answers = list(self._pool.map(worker.call, [(fn, args) for _, fn, args in batch]))
            for (future, _, _), answer in zip(batch, answers, strict=True):
                future.set_result(answer)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks the futures
            for future, _, _ in batch:
                if not future.done():
                    future.set_exception(error)
