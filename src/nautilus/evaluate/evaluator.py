"""Points in, log-likelihoods out: cut, send, check, assemble."""

import uuid
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any, Self

import cloudpickle  # type: ignore[import-untyped]
import numpy as np

from nautilus._types import BlobArray, FloatArray, IntArray
from nautilus.errors import BackendError, SettingsError
from nautilus.evaluate import worker
from nautilus.evaluate.answers import error_of, place_of
from nautilus.evaluate.backends import as_executor
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.calls import ChunkResult, timed_out_chunk
from nautilus.evaluate.chunks import Chunk, ChunkRule, Cutter
from nautilus.evaluate.delivery import Delivery
from nautilus.evaluate.flight import N_RETRIES, Flight, Job, Loss
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.parameters import physical_of, row_of

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


@dataclass(frozen=True)
class _Batch:
    """Points to be evaluated; `test` is the rule for chunks of the self-test, `prefix` its name."""

    points: FloatArray
    test: ChunkRule | None = None
    prefix: str = ""


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
        self._delivery = Delivery()
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
        batch = _Batch(chosen, ChunkRule(len(chosen), 1), "The test before the run: ")
        with closing(self._results(batch)) as results:
            (_, result), *_ = [pair for some in results for pair in some]
        self._layout = result.layout
        return Evaluated(result.index, result.log_l, result.blobs)

    def evaluate(self, points: FloatArray) -> Generator[Evaluated, None, None]:
        """Evaluate points of the unit cube; the first calls are under way when this returns.

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
        KeyboardInterrupt, SystemExit
            On Ctrl-C and the like; the evaluator can be used again.
        """
        evaluated = self._evaluate(_parse_points(points))
        next(evaluated)
        return evaluated

    def close(self) -> None:
        """End the workers if they are ours, and forget the likelihood."""
        self._finalizer()
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _evaluate(self, points: FloatArray) -> Generator[Evaluated, None, None]:
        """Yield an empty chunk once calls are under way, then finished ones."""
        if self._layout is None and len(points):
            self.self_test(points[:N_TEST])
        with closing(self._results(_Batch(points))) as results:
            next(results)
            yield Evaluated(np.empty(0, np.int64), np.empty(0), None)
            for chunk, result in (pair for some in results for pair in some):
                if len(result.index):
                    yield Evaluated(chunk.start + result.index, result.log_l, result.blobs)

    def _results(self, batch: "_Batch") -> Generator[list[tuple[Chunk, ChunkResult]], None, None]:
        """Yield an empty list once calls are under way, then lists of finished chunks."""
        cutter = Cutter(len(batch.points))
        self._delivery.reset()

        def take() -> Job[Chunk] | None:
            chunk = cutter.next(batch.test or self._rule)
            return None if chunk is None else self._job(chunk, batch)

        rescued: list[tuple[Chunk, ChunkResult]] = []

        def rescue(loss: Loss[Chunk]) -> bool:
            return self._rescue(loss, batch, cutter, rescued)

        with Flight[Chunk](self._handle, self._described(batch), rescue) as flight:
            flight.fill(take, self._n_ahead)
            yield []
            while not flight.is_empty or not cutter.is_empty:
                results = self._landed(flight.collect(), cutter) + rescued
                rescued.clear()
                yield results
                failures = [result.failure for _, result in results if result.failure]
                if failures:
                    yield self._landed(flight.drain(), cutter)
                    raise error_of(failures[0], batch.prefix)
                flight.fill(take, self._n_ahead)

    @property
    def _n_ahead(self) -> int:
        self._rule = replace(self._rule, n_workers=self._handle.size)
        return self._rule.n_ahead

    def _rescue(
        self,
        loss: Loss[Chunk],
        batch: "_Batch",
        cutter: Cutter,
        rescued: list[tuple[Chunk, ChunkResult]],
    ) -> bool:
        """Look for the one point over which workers die; see to it if its call hung."""
        chunk, limit = loss.job.key, self._likelihood.call_timeout
        if chunk.n_points > 1 and not self._likelihood.vectorized:
            cutter.split(chunk)
            return True
        if chunk.n_points > 1 or limit is None or loss.seconds < limit:
            return False
        points = batch.points[chunk.start : chunk.stop]
        result = timed_out_chunk(self._likelihood, points, self._layout, loss.seconds)
        self._counts = self._counts.plus(result)
        rescued.append((chunk, result))
        return True

    def _described(self, batch: "_Batch") -> Callable[[Chunk], str]:
        def describe(chunk: Chunk) -> str:
            points = batch.points[chunk.start : chunk.stop]
            with suppress(Exception):  # the prior's, while another error is described
                first = row_of(physical_of(self._likelihood, points[:1]), 0)
                return f"{len(points)} point(s), the first {place_of(first, points[0])}"
            return f"{len(points)} point(s), the first {points[0]} in the unit cube"

        return describe

    def _landed(
        self, finished: list[tuple[Chunk, Future[Any]]], cutter: Cutter
    ) -> list[tuple[Chunk, ChunkResult]]:
        """Count results; chunks whose worker misses the likelihood go back to the cutter."""
        results = []
        for chunk, future in finished:
            answer = _answer(future)
            if isinstance(answer, worker.Missing):
                self._delivery.ask(answer.worker)
                cutter.put_back(chunk)
                continue
            if chunk.with_payload and answer.worker is not None:
                self._delivery.arrive(answer.worker)
            self._counts = self._counts.plus(answer)
            self._rule = self._rule.measured(answer.seconds, answer.n_calls)
            results.append((chunk, answer))
        return results

    def _job(self, chunk: Chunk, batch: "_Batch") -> Job[Chunk]:
        if self._delivery.send():
            chunk = replace(chunk, with_payload=True)
        is_test = batch.test is not None
        task = worker.ChunkTask(
            key=self._key,
            points=batch.points[chunk.start : chunk.stop],
            layout=None if is_test else self._layout,
            is_test=is_test,
            n_threads=self._n_threads,
            origin=worker.process_name(),
            payload=self._pickled() if chunk.with_payload else None,
        )
        return Job(chunk, worker.run_chunk, (task,), N_RETRIES if chunk.is_suspect else 0)

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


def _answer(future: Future[Any]) -> ChunkResult | worker.Missing:
    try:
        answer: ChunkResult | worker.Missing = future.result()
    except Exception as error:
        raise BackendError(
            f"A worker failed outside of the likelihood: {type(error).__name__}: {error}. Is this "
            "package installed, in the same version, where the workers run?"
        ) from error
    return answer
