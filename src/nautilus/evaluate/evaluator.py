"""Points in, log-likelihoods out: cut, send, check, assemble."""

import uuid
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from typing import Any, Self

import cloudpickle  # type: ignore[import-untyped]
import numpy as np

from nautilus._arithmetic import error_state_of_user
from nautilus._types import FloatArray
from nautilus.errors import BackendError, SettingsError
from nautilus.evaluate import worker
from nautilus.evaluate.answers import Failure, error_of
from nautilus.evaluate.backends import ExecutorHandle, as_executor
from nautilus.evaluate.batch import Batch, Results
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.calls import ChunkResult, failed_chunk
from nautilus.evaluate.chunks import Chunk, ChunkRule
from nautilus.evaluate.counts import Counts
from nautilus.evaluate.delivery import Delivery
from nautilus.evaluate.evaluation import Evaluated, Evaluation
from nautilus.evaluate.flight import GRACE_SECONDS, Flight, Job, Loss
from nautilus.evaluate.likelihood import Likelihood

TEST_PREFIX = "The test before the run: "

N_TEST = 4
"""Points of the first set on which a likelihood is tested if nobody did it before."""


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
        self._handle = as_executor(pool, threads_per_worker)
        self._n_threads = threads_per_worker
        self._layout: BlobLayout | None = None
        self._counts = Counts()
        self._delivery = Delivery()
        self._hold(likelihood)

    def _hold(self, likelihood: Likelihood) -> None:
        self._likelihood = likelihood
        self._payload: bytes | None = None
        n_fixed = likelihood.n_batch if likelihood.vectorized else None
        self._rule = ChunkRule(n_fixed, self._handle.n_workers)
        # Workers that know a key are not sent its likelihood again: another one has another key.
        self._key = uuid.uuid4().hex
        worker.hold(self._key, likelihood)
        self._finalizer = weakref.finalize(self, worker.release, self._key)

    def twin(self, known: "Evaluator | None" = None) -> "Evaluator":
        """Return an evaluator of this likelihood on this pool that counts for itself.

        Workers that have the likelihood need not be sent it again.

        Parameters
        ----------
        known
            One that has counted before; the twin goes on from there.
        """
        twin = object.__new__(Evaluator)
        vars(twin).update(vars(self), _delivery=Delivery(), _counts=Counts(), _layout=None)
        if known is not None:
            twin.restore(known.counts, known.layout)
        return twin

    def set_batch(self, n_batch: int) -> None:
        """Let a vectorised call take another number of points from now on."""
        if self._likelihood.vectorized and self._likelihood.n_batch != n_batch:
            self._change(n_batch=n_batch)

    def set_takes_objects(self, takes_objects: bool) -> None:
        """Let blobs be objects from now on, or refuse them where they are returned.

        Raises
        ------
        SettingsError
            If the data type that the user gave has objects, which are to be refused.
        """
        if self._likelihood.takes_objects != takes_objects:
            self._change(takes_objects=takes_objects)

    def _change(self, **changes: Any) -> None:
        changed = replace(self._likelihood, **changes)
        self._finalizer()
        self._hold(changed)

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
        return self._handle.n_workers

    @property
    def pool(self) -> ExecutorHandle:
        """Where points are evaluated; may be set between evaluations."""
        return self._handle

    @pool.setter
    def pool(self, pool: object) -> None:
        self._handle = as_executor(pool, self._n_threads)

    def restore(self, counts: Counts, layout: BlobLayout | None) -> None:
        """Go on from what an evaluator of the same likelihood knew."""
        self._counts, self._layout = counts, layout

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
        batch = Batch(self._likelihood, chosen, None, ChunkRule(len(chosen), 1))
        with closing(self._results(batch)) as results:
            (_, result), *_ = [pair for some in results for pair in some]
        self._layout = result.layout
        return Evaluated(result.index, result.log_l, result.blobs)

    def evaluate(
        self,
        points: FloatArray,
        *,
        grace: float = GRACE_SECONDS,
        is_over: Callable[[], bool] = lambda: False,
    ) -> Evaluation:
        """Evaluate points of the unit cube; the first calls are under way when this returns.

        Parameters
        ----------
        points
            Shape (n, d).
        grace
            Seconds for which calls under way are waited for after an interrupt, an error or when
            it is over.
        is_over
            Asked now and then whether no more calls are wanted.

        Returns
        -------
        Evaluation
            Iterates over finished parts in any order, each point once.

        Raises
        ------
        LikelihoodError
            If the likelihood raises or returns something else than a log-likelihood and blobs like
            those before. Here as below, what was finished by then is returned first.
        PriorError
            If the prior raises.
        WorkerLostError
            If workers of our own died three times over the same chunk.
        BackendError
            If a pool that was given broke, or the likelihood cannot be sent to it.
        KeyboardInterrupt, SystemExit
            On Ctrl-C and the like; the evaluator can be used again.
        """
        array = _parse_points(points)
        if self._layout is None and len(array):
            self.self_test(array[:N_TEST])
        batch = Batch(self._likelihood, array, self._layout)
        results = self._results(batch, grace, is_over)
        next(results)
        return Evaluation(batch, results)

    def close(self) -> None:
        """End the workers if they are ours, and forget the likelihood."""
        self._finalizer()
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _without_pool, (self._likelihood, self._n_threads, self._counts, self._layout)

    def _results(
        self,
        batch: Batch,
        grace: float = GRACE_SECONDS,
        is_over: Callable[[], bool] = lambda: False,
    ) -> Generator[Results, None, None]:
        """Yield an empty list once calls are under way, then lists of finished chunks."""

        def take() -> Job[Chunk] | None:
            chunk = batch.take(self._rule)
            return None if chunk is None else self._job(chunk, batch)

        # What the flight leaves behind is on its way no more, and workers that wait ask again.
        self._delivery = Delivery()
        with Flight[Chunk](
            self._handle, batch.describe, self._rescue(batch), grace, is_over
        ) as flight:
            flight.fill(take, self._n_ahead())
            yield []
            while not (flight.is_empty and batch.is_taken):
                if batch.is_cancelled or is_over():
                    yield from self._drained(flight, batch)
                    flight.raise_interrupt()
                    return
                results = self._landed(flight.collect(), batch) + self._rescued(batch)
                yield results
                failures = [result.failure for _, result in results if result.failure]
                if failures:
                    yield from self._drained(flight, batch)
                    raise error_of(failures[0], TEST_PREFIX if batch.is_test else "")
                flight.fill(take, self._n_ahead())

    def _drained(self, flight: Flight[Chunk], batch: Batch) -> Iterator[Results]:
        """Yield what is finished soon, as it comes."""
        yield self._landed(flight.drain(), batch)
        while not flight.is_settled:
            yield self._landed(flight.drain(), batch)

    def _n_ahead(self) -> int:
        # Workers of some pools come and go.
        self._rule = replace(self._rule, n_workers=self._handle.n_workers)
        return self._rule.n_ahead

    def _job(self, chunk: Chunk, batch: Batch) -> Job[Chunk]:
        if self._delivery.is_wanted:
            self._delivery.send()
            chunk = replace(chunk, has_payload=True)
        chunk_job = worker.ChunkJob(
            key=self._key,
            points=batch.points_of(chunk),
            layout=batch.layout,
            is_test=batch.is_test,
            n_threads=self._n_threads,
            sender=worker.process_name(),
            error_state=error_state_of_user(),
            payload=self._pickled() if chunk.has_payload else None,
        )
        return Job(chunk, worker.run_chunk, (chunk_job,), chunk.n_lost)

    def _landed(self, finished: list[tuple[Job[Chunk], Future[Any]]], batch: Batch) -> Results:
        """Count results; chunks whose worker misses the likelihood go back to the batch."""
        results = []
        for job, future in finished:
            chunk, answer = job.key, _answer(future)
            if isinstance(answer, worker.Missing):
                self._delivery.ask(answer.process)
                # What it did to workers before, it may do again.
                batch.put_back(replace(chunk, n_lost=job.n_lost))
                continue
            if chunk.has_payload and answer.process is not None:
                self._delivery.arrive(answer.process)
            self._counts = self._counts.plus(answer)
            self._rule = self._rule.measured(answer.seconds, answer.n_calls)
            results.append((chunk, answer))
        return results

    def _rescue(self, batch: Batch) -> Callable[[Loss[Chunk]], bool]:
        def rescue(loss: Loss[Chunk]) -> bool:
            if loss.job.key.has_payload:
                self._delivery.lose()
            return batch.rescue(loss)

        return rescue

    def _rescued(self, batch: Batch) -> Results:
        results = batch.rescued()
        for _, result in results:
            self._counts = self._counts.plus(result)
        return results

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


def _without_pool(
    likelihood: Likelihood, n_threads: int | None, counts: Counts, layout: BlobLayout | None
) -> Evaluator:
    """Return a copy of an evaluator that was pickled; workers cannot be."""
    evaluator = Evaluator(likelihood, threads_per_worker=n_threads)
    evaluator.restore(counts, layout)
    return evaluator


def _parse_points(points: FloatArray) -> FloatArray:
    array = np.array(points, dtype=np.float64)
    if array.ndim != 2:
        raise SettingsError(f"Points have shape {array.shape}; expected (n, d).")
    return array


def _answer(future: Future[Any]) -> ChunkResult | worker.Missing:
    try:
        answer: ChunkResult | worker.Missing = future.result()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the pool makes of it
        message = (
            f"A worker failed outside of the likelihood: {type(error).__name__}: {error}. Is this "
            "package installed, in the same version, where the workers run?"
        )
        return failed_chunk(Failure("backend", message, exception=error))
    return answer
