"""Points in, log-likelihoods out: cut, send, check, assemble."""

import uuid
import weakref
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

import cloudpickle  # type: ignore[import-untyped]
import numpy as np

from nautilus._types import BlobArray, FloatArray, IntArray
from nautilus.errors import BackendError, SettingsError
from nautilus.evaluate import worker
from nautilus.evaluate.answers import error_of
from nautilus.evaluate.backends import as_executor
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.calls import ChunkResult
from nautilus.evaluate.chunks import Chunk, ChunkRule, Cutter
from nautilus.evaluate.flight import Flight, Job
from nautilus.evaluate.likelihood import Likelihood

N_TEST = 4
"""Points of the first set on which a likelihood is tested if nobody did it before."""


@dataclass(frozen=True)
class Evaluated:
    """A finished chunk.

    Parameters
    ----------
    index
        Which of the points, shape (m,).
    log_l
        Natural logarithm of the likelihood, shape (m,), finite or -inf.
    blobs
        One entry per point, shape (m, ...), or None if the likelihood returns none.
    """

    index: IntArray
    log_l: FloatArray
    blobs: BlobArray | None


@dataclass(frozen=True)
class Counts:
    """What the likelihood was asked for so far, tests and repetitions included.

    Parameters
    ----------
    n_calls
        Points for which it was called.
    seconds
        Time spent in it, summed over workers.
    n_errors
        How often it raised.
    n_nan
        How often it returned NaN.
    """

    n_calls: int = 0
    seconds: float = 0.0
    n_errors: int = 0
    n_nan: int = 0

    def plus(self, result: ChunkResult) -> "Counts":
        """Return the counts after a chunk."""
        return Counts(
            self.n_calls + result.n_calls,
            self.seconds + result.seconds,
            self.n_errors + result.n_errors,
            self.n_nan + result.n_nan,
        )


class Evaluator:
    """Evaluates a likelihood on an executor.

    Parameters
    ----------
    likelihood
        What to evaluate.
    pool
        A handle, or anything that `as_executor` accepts.
    threads_per_worker
        Numerical threads that one call may use, or None to leave them as they are.

    Raises
    ------
    BackendError
        If the pool is of no known kind.
    """

    def __init__(
        self, likelihood: Likelihood, pool: object = None, *, threads_per_worker: int | None = 1
    ) -> None:
        self._likelihood = likelihood
        self._handle = as_executor(pool, threads_per_worker)
        self._n_threads = threads_per_worker
        self._payload: bytes | None = None
        self._layout: BlobLayout | None = None
        self._counts = Counts()
        n_fixed = likelihood.n_batch if likelihood.vectorized else None
        self._rule = ChunkRule(n_fixed, self._handle.size)
        self._key = uuid.uuid4().hex
        worker.hold(self._key, likelihood)
        self._finalizer = weakref.finalize(self, worker.release, self._key)

    @property
    def counts(self) -> Counts:
        """What the likelihood was asked for so far."""
        return self._counts

    @property
    def layout(self) -> BlobLayout | None:
        """Layout of the blobs; None before the first call."""
        return self._layout

    @property
    def n_workers(self) -> int:
        """Number of chunks that can be evaluated at the same time."""
        return self._handle.size

    def self_test(self, points: FloatArray) -> Evaluated:
        """Try the likelihood where the run will call it, and fix the layout of its blobs.

        Parameters
        ----------
        points
            A few points of the unit cube, shape (n, d); at least two show whether a vectorised
            likelihood returns one number per point. It gets no more than `n_batch` of them.

        Returns
        -------
        Evaluated
            The answers, which are as good as any other.

        Raises
        ------
        LikelihoodError
            If the likelihood raises, returns something else than a number that is finite or -inf,
            or changes its parameters.
        PriorError
            If the prior raises.
        BackendError
            If the likelihood cannot be sent to the workers, or they fail.
        """
        chosen = _parse_points(points)
        if len(chosen) == 0:
            raise SettingsError("The test of the likelihood got no points; give at least one.")
        if self._likelihood.vectorized:
            chosen = chosen[: self._likelihood.n_batch]
        rule = ChunkRule(len(chosen), 1)
        with closing(self._results(chosen, rule, "The test before the run: ")) as results:
            _, result = next(results)
            for _ in results:  # whatever failed is raised here
                pass
        self._layout = result.layout
        return Evaluated(result.index, result.log_l, result.blobs)

    def evaluate(self, points: FloatArray) -> Generator[Evaluated, None, None]:
        """Evaluate points of the unit cube.

        Parameters
        ----------
        points
            Shape (n, d).

        Yields
        ------
        Evaluated
            Finished chunks in any order, each point once. Closing the iterator cancels chunks that
            have not started.

        Raises
        ------
        LikelihoodError
            If the likelihood raises or returns something else than a log-likelihood and blobs like
            those before. Here as below, what was finished by then is yielded first.
        PriorError
            If the prior raises.
        WorkerLostError
            If workers of our own died three times over the same chunk.
        BackendError
            If a pool that was given broke, or the likelihood cannot be sent to it.
        KeyboardInterrupt
            On Ctrl-C; the evaluator can be used again.
        """
        return self._evaluate(_parse_points(points))

    def close(self) -> None:
        """End the workers if they are ours, and forget the likelihood."""
        self._finalizer()
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _evaluate(self, points: FloatArray) -> Generator[Evaluated, None, None]:
        if self._layout is None and len(points):
            self.self_test(points[:N_TEST])
        with closing(self._results(points, None, "")) as results:
            for chunk, result in results:
                if len(result.index):
                    yield Evaluated(chunk.start + result.index, result.log_l, result.blobs)

    def _results(
        self, points: FloatArray, test: ChunkRule | None, prefix: str
    ) -> Generator[tuple[Chunk, ChunkResult], None, None]:
        """Yield finished chunks; `test` is the rule for chunks of the self-test."""
        cutter = Cutter(len(points))

        def take() -> Job[Chunk] | None:
            chunk = cutter.next(test or self._rule)
            return None if chunk is None else self._job(chunk, points, test is not None)

        def describe(chunk: Chunk) -> str:
            return _describe(points[chunk.start : chunk.stop])

        with Flight[Chunk](self._handle, describe) as flight:
            flight.fill(take, self._rule.n_ahead)
            while not flight.is_empty:
                results = self._landed(flight.collect(), cutter)
                yield from results
                failures = [result.failure for _, result in results if result.failure]
                if failures:
                    yield from self._landed(flight.drain(), cutter)
                    raise error_of(failures[0], prefix)
                flight.fill(take, self._rule.n_ahead)

    def _landed(
        self, finished: list[tuple[Chunk, Future[Any]]], cutter: Cutter
    ) -> list[tuple[Chunk, ChunkResult]]:
        """Count results; chunks whose worker misses the likelihood go back to the cutter."""
        results = []
        for chunk, future in finished:
            answer = _answer(future)
            if isinstance(answer, worker.Missing):
                cutter.put_back(chunk)
                continue
            self._counts = self._counts.plus(answer)
            self._rule = self._rule.measured(answer.seconds, answer.n_calls)
            results.append((chunk, answer))
        return results

    def _job(self, chunk: Chunk, points: FloatArray, is_test: bool) -> Job[Chunk]:
        task = worker.ChunkTask(
            key=self._key,
            points=points[chunk.start : chunk.stop],
            layout=None if is_test else self._layout,
            is_test=is_test,
            n_threads=self._n_threads,
            origin=worker.process_name(),
            payload=self._pickled() if chunk.with_payload else None,
        )
        return Job(chunk, worker.run_chunk, (task,))

    def _pickled(self) -> bytes:
        if self._payload is None:
            try:
                self._payload = cloudpickle.dumps(self._likelihood)
            except Exception as error:
                raise BackendError(
                    f"The likelihood or the prior cannot be sent to other processes: {error}. Keep "
                    "open files, locks and the like out of them, or use pool=None or threads."
                ) from error
        return self._payload


def _parse_points(points: FloatArray) -> FloatArray:
    array = np.array(points, dtype=np.float64)
    if array.ndim != 2:
        raise SettingsError(f"Points have shape {array.shape}; expected (n, d).")
    return array


def _describe(points: FloatArray) -> str:
    shown = np.array2string(points[:3], separator=", ").replace("\n", "")
    more = ", the first of them" if len(points) > 3 else ""
    return f"{len(points)} point(s) of the unit cube{more} {shown}"


def _answer(future: Future[Any]) -> ChunkResult | worker.Missing:
    try:
        answer: ChunkResult | worker.Missing = future.result()
    except Exception as error:
        raise BackendError(
            f"A worker failed outside of the likelihood: {type(error).__name__}: {error}. Is this "
            "package installed, in the same version, where the workers run?"
        ) from error
    return answer
