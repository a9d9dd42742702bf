"""A run in this process: carries the state from step to step, keeps time, tells reporters."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Self

from threadpoolctl import threadpool_limits

from nautilus._signals import termination_raises
from nautilus._streams import stream
from nautilus._types import FloatArray
from nautilus.evaluate.backends import as_pools
from nautilus.evaluate.evaluation import Evaluated, Evaluation
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.tasks import TaskRunner
from nautilus.prior import PriorMap
from nautilus.report import (
    ForecastGoal,
    ProgressRecord,
    Reporter,
    log_notes,
    log_stop,
    with_forecast,
)
from nautilus.result import check_prior, efficiency
from nautilus.run.config import Config, Goal
from nautilus.run.estimate import Estimate
from nautilus.run.loop import Step, answer, steps
from nautilus.run.state import Ledger, new_state
from nautilus.run.stop import StopReason
from nautilus.settings import whole

N_TEST = 8
"""Points of the prior on which the likelihood is tried before the run."""

HISTORY = 400
"""Progress records kept for the forecast."""


@dataclass(frozen=True)
class Clock:
    """Seconds spent so far, over all calls of `run`."""

    elapsed: float = 0.0
    likelihood: float = 0.0


class _TimedChunks:
    """Finished chunks of an evaluation, with the seconds spent waiting for each.

    Parameters
    ----------
    chunks
        The evaluation, under way.
    waited
        Is told the seconds.
    """

    def __init__(self, chunks: Evaluation, waited: Callable[[float], None]) -> None:
        self._chunks = chunks
        self._waited = waited

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Evaluated:
        start = time.monotonic()
        try:
            return next(self._chunks)
        finally:
            self._waited(time.monotonic() - start)

    def cancel(self) -> None:
        """Begin nothing more."""
        self._chunks.cancel()

    def close(self) -> None:
        """Give up what is not finished."""
        self._chunks.close()


class Session:
    """Owns the state of a run between calls of `Sampler.run`.

    Parameters
    ----------
    config
        What decides the numbers.
    prior
        Gives the parameters of points of the unit cube.
    evaluator
        Evaluates the likelihood.
    runner
        Does the sampler's own work.
    """

    def __init__(
        self, config: Config, prior: PriorMap, evaluator: Evaluator, runner: TaskRunner
    ) -> None:
        self.config = config
        self._prior = prior
        self.state = new_state(config.n_dim)
        self.clock = Clock()
        self.stop_reason = ""
        self._evaluator = evaluator
        self._runner = runner
        self._is_tested = self._is_noted = False
        self._history = deque[ProgressRecord](maxlen=HISTORY)
        self._known: tuple[Ledger, dict[bool, Estimate]] = (self.state.ledger, {})

    def run(self, goal: Goal, timeout: float, reporter: Reporter) -> StopReason:
        """Go on until the goal, a limit, an error or an interrupt."""
        start, before = time.monotonic(), self.clock

        def elapsed() -> float:
            return time.monotonic() - start

        reason = StopReason.INTERRUPTED
        self.stop_reason = reason.value
        try:
            with threadpool_limits(1), termination_raises():
                self._test_likelihood()
                run = steps(
                    self.state, self.config, goal, self._timed, self._runner.map,
                    lambda: elapsed() >= timeout,
                )  # fmt: skip
                with closing(run):
                    for step in run:
                        self.state = step.state
                        self.clock = replace(self.clock, elapsed=before.elapsed + elapsed())
                        self._report(step, goal, reporter)
                        reason = step.stop or reason
        finally:
            self.clock = replace(self.clock, elapsed=before.elapsed + elapsed())
            self.stop_reason = reason.value
            log_stop(reason.value, self.state.findings, self.notes)
        return reason

    @property
    def notes(self) -> tuple[str, ...]:
        """What the likelihood did that was counted away rather than raised."""
        counts = self._evaluator.counts
        told = (
            (counts.n_errors, "the likelihood raised {} times"),
            (counts.n_nan, "the likelihood returned NaN at {} points"),
        )
        return tuple(text.format(f"{n:,}") for n, text in told if n)

    def close(self) -> None:
        """End worker processes that belong to the run; pools that were given stay."""
        self._evaluator.close()
        self._runner.close()

    def _test_likelihood(self) -> None:
        if not self._is_tested:
            points = stream(self.config.seed, "test").random((N_TEST, self.config.n_dim))
            check_prior(self._prior, points)
            self._evaluator.self_test(points)
            self._is_tested = True

    def _timed(self, points: FloatArray) -> "_TimedChunks":
        start = time.monotonic()
        chunks = self._evaluator.evaluate(points)
        self._waited(time.monotonic() - start)
        return _TimedChunks(chunks, self._waited)

    def _waited(self, seconds: float) -> None:
        self.clock = replace(self.clock, likelihood=self.clock.likelihood + seconds)

    def _report(self, step: Step, goal: Goal, reporter: Reporter) -> None:
        state = step.state
        current = self.estimate(goal.discard_exploration)
        record = ProgressRecord(
            phase=state.phase.value,
            n_proposals=len(state.proposals),
            n_like=state.n_like,
            n_eff=current.n_eff,
            log_z=current.log_z,
            log_z_err=current.log_z_err,
            f_live=state.f_remaining,
            eta=efficiency(state, current, goal.discard_exploration),
            elapsed_seconds=self.clock.elapsed,
            likelihood_seconds=self.clock.likelihood,
            own_seconds=max(self.clock.elapsed - self.clock.likelihood, 0.0),
            message=step.message,
        )
        n_least = max(self.config.n_stage, goal.n_shell)
        wanted = ForecastGoal(goal.n_eff, goal.f_unseen, goal.n_like_max, n_least)
        reporter.update(with_forecast(record, self._history, wanted))
        self._history.append(record)
        if not self._is_noted and self.notes:
            log_notes(self.notes)
            self._is_noted = True

    def estimate(self, discard_exploration: bool) -> Estimate:
        """Return the estimate as of now, computed anew only when a stage was completed."""
        if self._known[0] is not self.state.ledger:
            self._known = (self.state.ledger, {})
        known = self._known[1]
        if discard_exploration not in known:
            # The last digits depend on how many threads share the sums.
            with threadpool_limits(1):
                known[discard_exploration] = answer(self.state, discard_exploration)
        return known[discard_exploration]


def new_session(
    config: Config,
    prior: PriorMap,
    likelihood: Likelihood,
    pool: object,
    threads_per_worker: int | None,
) -> Session:
    """Return a run that has not begun.

    Parameters
    ----------
    config
        What decides the numbers.
    prior
        Gives the parameters of points of the unit cube.
    likelihood
        What is to be evaluated.
    pool
        One pool for calls and the sampler's own work, or a pair of them.
    threads_per_worker
        Numerical threads of one call, at least 1; None leaves the libraries' own settings.

    Raises
    ------
    SettingsError
        If the number of threads is none.
    BackendError
        If a pool is of no known kind, or there are more or less than two.
    """
    n_threads = (
        None if threads_per_worker is None else whole("threads_per_worker", threads_per_worker, 1)
    )
    for_calls, for_own_work = as_pools(pool, n_threads)
    return Session(
        config,
        prior,
        Evaluator(likelihood, for_calls, threads_per_worker=n_threads),
        TaskRunner(for_own_work, threads_per_worker=1),
    )
