"""A run in this process: carries the state from step to step, keeps time, tells reporters."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from nautilus._arithmetic import own_arithmetic
from nautilus._signals import signals_raise, signals_wait
from nautilus._streams import replica_seed, stream
from nautilus._types import FloatArray
from nautilus._warn import warn_user
from nautilus.checkpoint import Checkpoint
from nautilus.checkpoint_settings import CheckpointSettings
from nautilus.errors import (
    CheckpointMismatchError,
    NautilusError,
    SettingsError,
    UnusualSettingWarning,
)
from nautilus.estimates import Estimates
from nautilus.evaluate.backends import ExecutorHandle
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.tasks import TaskRunner
from nautilus.limits import Limits
from nautilus.parameters import check_prior, circles_of, physical_array
from nautilus.posterior import Posterior
from nautilus.prior import PriorMap
from nautilus.progress import Progress, forecast_goal, make_record
from nautilus.recheck import Recheck, check_likelihood
from nautilus.report import Reporter, log_stop
from nautilus.result import describe_run, make_answer, make_posterior, notes_of
from nautilus.run.config import Config, Goal
from nautilus.run.estimate import Estimate
from nautilus.run.loop import Step, reached_goal, steps
from nautilus.run.state import RunState, new_state
from nautilus.run.stop import StopReason
from nautilus.run.support import current_config, with_support
from nautilus.run_information import RunInformation
from nautilus.runfile import Account, Answer, SavedRun, new_header
from nautilus.stopwatch import Stopwatch, TimedChunks

N_TEST = 8
"""Points of the prior on which the likelihood is tried before the run."""

_logger = logging.getLogger("nautilus")


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
    checkpoint
        Keeps the run in a file; None keeps it in memory only.
    recheck
        How a run from a file is compared with the likelihood.
    """

    def __init__(
        self,
        config: Config,
        prior: PriorMap,
        evaluator: Evaluator,
        runner: TaskRunner,
        checkpoint: Checkpoint | None = None,
        recheck: Recheck | None = None,
    ) -> None:
        self.config = config
        self._prior = prior
        self.state = new_state(config.n_dim)
        self.goal: Goal | None = None
        self.stop_reason = ""
        self._evaluator = evaluator
        self._runner = runner
        self._checkpoint = checkpoint
        self._recheck = recheck or Recheck()
        self._is_tested = False
        self._is_adopted = False
        self._limits = Limits()
        self._is_running = False
        self._failure: BaseException | None = None
        self._end_failure: NautilusError | None = None
        self._watch = Stopwatch()
        self._progress = Progress()
        self._estimates = Estimates()

    @own_arithmetic()
    def find_saved(self, *, is_seed_given: bool) -> None:
        """Go on from the run in the file, if there is one; nothing is written or evaluated.

        Raises
        ------
        CheckpointError
            If the file cannot be used, or holds another run.
        """
        if self._checkpoint is not None:
            saved = self._checkpoint.find(self.config, is_seed_given=is_seed_given)
            if saved is not None:
                self._adopt(saved)

    def _adopt(self, saved: SavedRun) -> None:
        self.config = saved.header.config
        self.state = saved.state
        self._watch.restore(saved.account.clocks)
        self.goal = saved.account.goal
        self.stop_reason = saved.account.stop_reason
        self._evaluator.restore(saved.account.counts, saved.account.layout)
        self._evaluator.set_batch(self.config.n_batch)
        self._is_tested = False
        self._is_adopted = True
        self._progress.forget()

    @property
    def current_config(self) -> Config:
        """What decides the numbers from now on: the support of contours may have been raised."""
        return current_config(self.config, self.state)

    def run(
        self, goal: Goal, limits: Limits, reporter: Reporter, n_live: int | None = None
    ) -> StopReason:
        """Go on until the goal, a limit, an error or an interrupt; with more support if given.

        Raises
        ------
        NautilusError
            If the likelihood, the prior, the workers or the file fail, or if it goes on already.
        """
        with self.going_on(), threadpool_limits(1), signals_raise(), own_arithmetic():
            return self._run(goal, limits, reporter, n_live)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Hold everything that may not change while this run goes on, or another one on its pools.

        Raises
        ------
        SettingsError
            If it goes on already.
        """
        if self._is_running:
            raise SettingsError(
                "run() was called while it goes on, from a callback or another thread. Call it"
                " when it has returned."
            )
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False

    def _run(
        self, goal: Goal, limits: Limits, reporter: Reporter, n_live: int | None
    ) -> StopReason:
        self._limits = limits
        self._failure = self._end_failure = None
        self._watch.start()
        try:
            self._prepare(goal, n_live)
        except BaseException:
            # Nothing was evaluated that is not in the file: it stays as it was.
            self._release()
            raise
        self.goal, self.stop_reason = goal, ""
        try:
            reason = self._go_on(goal, reporter)
        except BaseException as error:
            try:
                self._end(StopReason.INTERRUPTED)
            except NautilusError as another:
                self._end_failure = another
                error.add_note(f"Nor could the run be saved at its end: {another}")
                _logger.exception("The run could not be saved at its end")
            except (KeyboardInterrupt, SystemExit):
                if not isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
            raise
        self._end(reason)
        return reason

    def _go_on(self, goal: Goal, reporter: Reporter) -> StopReason:
        reason = StopReason.INTERRUPTED
        if self._checkpoint is not None:
            if self._is_adopted:
                self._is_adopted = False
                text = f"continuing {self._checkpoint.path} with {self.state.n_like:,} calls"
                reporter.note(text)
                _logger.info("%s", text)
            self._checkpoint.create(self.config, self.state, self._account())
        run = steps(self.state, self.config, goal, self._evaluate, self._runner.map, self._is_over)
        with closing(run):
            for step in run:
                self.state = step.state
                self._watch.look()
                self._save(is_step=bool(step.message))
                self._try_to_report(step, goal, reporter)
                reason = step.stop or reason
        if self._failure is not None:
            raise self._failure
        return reason

    def how_to_continue(self) -> str:
        """Say after an interrupt what was kept and how the run is continued."""
        start = f"nautilus: interrupted after {self.state.n_like:,} evaluations"
        kept = self._checkpoint
        if kept is None:
            return (
                f"{start}, which are in memory only. In this process run() continues; filepath="
                " keeps a run beyond it."
            )
        if kept.n_saved is None:
            return f"{start}, before {kept.path} was made."
        if kept.n_saved == self.state.n_like:
            how = "" if kept.resumes else ", with resume=True,"
            return f"{start}, saved in {kept.path}. Run the same script again{how} to continue."
        why = self._end_failure or "it was interrupted."
        return (
            f"{start}, of which {kept.n_saved:,} are saved in {kept.path}. The last save failed:"
            f" {why} In this process run() continues with all of them."
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the likelihood did that was counted away rather than raised."""
        return notes_of(self._evaluator.counts)

    @property
    def information(self) -> RunInformation:
        """What is known of the run beside its result."""
        if self._checkpoint is not None and self._checkpoint.header is not None:
            header = self._checkpoint.header
        else:
            told = tuple(f"{key}: {text}" for key, text in self._prior.describe())
            header = replace(new_header(self.config, prior=told), created="")
        return describe_run(header, self.state, self._account())

    @property
    def how_far(self) -> str:
        """How far the run is, in words; nothing is computed for it."""
        return self._progress.how_far(self.state.n_like)

    @property
    def pools(self) -> tuple[ExecutorHandle, ExecutorHandle]:
        """Where the likelihood is evaluated, and where the sampler's own work is done."""
        return self._evaluator.pool, self._runner.pool

    def move(self, for_calls: object, for_own_work: object) -> None:
        """Go on with other pools; processes of our own that nobody needs any more end.

        Raises
        ------
        BackendError
            If a pool is of no known kind.
        SettingsError
            If the run goes on.
        """
        self._require_pause("pool_l and pool_s")
        before = self.pools
        self._evaluator.pool, self._runner.pool = for_calls, for_own_work
        for old in set(before) - set(self.pools):
            old.discard()

    @property
    def path(self) -> Path | None:
        """Where the run is kept, or None."""
        return None if self._checkpoint is None else self._checkpoint.path

    def keep_in(self, settings: CheckpointSettings | None) -> None:
        """Keep the run in this file from now on; None keeps it in memory only.

        A file that is there must hold this run, and be as far.

        Raises
        ------
        CheckpointError
            If the file cannot be used, or holds another run or less of this one.
        SettingsError
            If the run goes on, or the data type of its blobs has objects.
        """
        self._require_pause("filepath")
        checkpoint = None if settings is None else Checkpoint(settings, self._prior)
        saved = None
        if checkpoint is not None:
            saved = checkpoint.find(self.config, is_seed_given=True)
            if saved is not None and saved.state.n_like < self.state.n_like:
                raise CheckpointMismatchError(
                    f"{checkpoint.path} holds {saved.state.n_like:,} of the {self.state.n_like:,}"
                    " evaluations of this run. Give another name, or remove that file."
                )
        self._evaluator.set_takes_objects(checkpoint is None)
        if saved is not None:
            self._adopt(saved)
        self._checkpoint = checkpoint

    def save_as(self, settings: CheckpointSettings) -> None:
        """Write the run as it is now to a file of its own.

        Raises
        ------
        CheckpointError
            If that is not possible.
        """
        file = Checkpoint(settings, self._prior)
        file.create(self.config, self.state, self._account())
        file.close(self.state, self._account(), self._answer_to_save)

    def replica(self, known: "Session | None") -> "Session":
        """Return the run with the same settings and another seed, on the pools of this one.

        Its file stands beside the one of this run.

        Parameters
        ----------
        known
            What may have been begun of it in this process; goes on if it belongs to this run.

        Raises
        ------
        CheckpointError
            If its file cannot be used, or holds another run.
        """
        config = replace(self.config, seed=replica_seed(self.config.seed))
        kept = self._checkpoint
        settings = None if kept is None else kept.settings_beside("replica")
        if known is None or known.config != config:
            own = None if settings is None else Checkpoint(settings, self._prior)
            pools = self._evaluator.twin(), self._runner
            known = Session(config, self._prior, *pools, own, self._recheck)
            known.find_saved(is_seed_given=True)
            return known
        known._evaluator, known._runner = self._evaluator.twin(known._evaluator), self._runner
        if known.path != (None if settings is None else settings.path):
            known.keep_in(None if settings is None else replace(settings, resume=True))
        return known

    def hold_finding(self, kind: str, text: str | None) -> StopReason:
        """Hold what was found about a run that has reached its goal, by means outside of it.

        Parameters
        ----------
        kind
            How such a finding begins; one of the same kind from before is dropped.
        text
            How it goes on; None if there is nothing to be said.

        Returns
        -------
        StopReason
            Why the run stopped, as it is seen now.

        Raises
        ------
        CheckpointError
            If it cannot be saved; the finding is held nevertheless.
        """

        def judged(state: RunState) -> RunState:
            others = tuple(known for known in state.findings if not known.startswith(kind))
            return replace(state, findings=others if text is None else (*others, kind + text))

        before, self.state = self.state.findings, judged(self.state)
        if self.state.findings == before:
            return StopReason(self.stop_reason)
        with self.going_on(), threadpool_limits(1), signals_raise(), own_arithmetic():
            self._watch.start()
            reason = reached_goal(self.state)
            self.stop_reason = reason.value
            if self._checkpoint is not None:
                saved = self._checkpoint.open(self.config)
                if saved is not None:
                    self._adopt(saved)
                    self.state = judged(self.state)
                self._checkpoint.create(self.config, self.state, self._account())
            self._end(reason)
        return reason

    def result(self, discard_exploration: bool, notes: tuple[str, ...] = ()) -> Posterior:
        """Return the result so far as one plain value, with further notes.

        Raises
        ------
        NoResultError
            If no point has any weight yet.
        """
        self._require_densities()
        state = self.state_to_read
        answer = make_answer(state, self.estimate, discard_exploration)
        return make_posterior(
            state, answer,
            lambda rows: physical_array(self._prior, state.ledger.points[rows]),
            seed=self.config.seed,
            discard_exploration=discard_exploration,
            stop_reason=self.stop_reason,
            notes=(*self.notes, *notes),
            run=self.information,
            periodic=circles_of(self._prior, self.config.build.periodic),
        )  # fmt: skip

    @property
    def seconds(self) -> float:
        """How long the last call of `run` has taken so far, in seconds."""
        return self._watch.seconds

    def densities(self) -> FloatArray:
        """Return the log density of each proposal at each point of complete stages."""
        # Their last digits depend on the number of threads.
        with threadpool_limits(1):
            self.state = self.state.with_all_densities(self._runner.map)
        return self.state.table.log_q

    def _require_pause(self, name: str) -> None:
        if self._is_running:
            raise SettingsError(f"{name} cannot be set while run() goes on; wait for its end.")

    def __getstate__(self) -> dict[str, Any]:
        # The likelihood of another process is tried there before its run goes on.
        fresh = {"_is_running": False, "_is_tested": False, "_failure": None, "_end_failure": None}
        return {**vars(self), **fresh}

    def close(self) -> None:
        """End worker processes that belong to the run; pools that were given stay."""
        self._evaluator.close()
        self._runner.close()

    def _prepare(self, goal: Goal, n_live: int | None) -> None:
        """Take the file, and try the likelihood, before anything else is done."""
        if self._checkpoint is not None:
            saved = self._checkpoint.open(self.config)
            if saved is not None:
                self._adopt(saved)
        if self.state.pending is None and self.state.n_like == 0:
            self._fit_batch(goal)
        if not self._is_tested:
            self._try_likelihood()
            self._is_tested = True
        self._require_storable_blobs()
        self._require_densities()
        if n_live is not None:
            self.state = with_support(self.state, self.config, n_live)

    def _fit_batch(self, goal: Goal) -> None:
        """Lower `n_batch` if the first limit of calls is below it: no call could be made.

        To no less than two: a run file with calls of one point is that of a scalar likelihood.
        """
        n_batch = self.config.n_batch
        lowered = max(int(min(goal.n_like_max, n_batch)), 2)
        if goal.n_like_max > 0 and lowered < n_batch:
            self.config = replace(self.config, n_batch=lowered)
            self._evaluator.set_batch(self.config.n_batch)
            warn_user(
                f"n_batch is lowered from {n_batch} to {self.config.n_batch} for this run, because"
                f" n_like_max is {goal.n_like_max:g}. Give n_batch to choose it yourself.",
                UnusualSettingWarning,
            )

    def _try_likelihood(self) -> None:
        if self.state.n_drawn > 0:
            check_likelihood(self._evaluator, self.state, self._prior, self._recheck)
            return
        points = stream(self.config.seed, "test").random((N_TEST, self.config.n_dim))
        check_prior(self._prior, points)
        self._evaluator.self_test(points)

    def _require_storable_blobs(self) -> None:
        """Refuse a file for a run that was begun without one, and has what no file can keep."""
        layout = self._evaluator.layout
        if self._checkpoint is not None and layout is not None and layout.has_objects:
            raise SettingsError(
                f"The likelihood returns {layout.describe()}, but a run with filepath keeps only"
                " numbers, truth values, text, and arrays of them as blobs. Return nan for what is"
                " missing, or leave filepath out."
            )

    def _require_densities(self) -> None:
        """Compute the densities that a file does not hold."""
        if len(self.state.table.log_q) < self.state.ledger.n_points:
            # Their last digits depend on the number of threads.
            with threadpool_limits(1):
                self.state = self.state.with_all_densities(self._runner.map)

    def _release(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.release()

    def _end(self, reason: StopReason) -> None:
        with signals_wait():
            self._watch.look()
            self.stop_reason = reason.value
            log_stop(reason.value, self.how_far, self.state.findings, self.notes)
            if self._checkpoint is not None:
                self._checkpoint.close(self.state, self._account(), self._answer_to_save)

    def _save(self, *, is_step: bool) -> None:
        """Save what is due; if that fails the run is over once calls under way have ended."""
        if self._checkpoint is None or self._failure is not None:
            return
        try:
            self._checkpoint.save(
                self.state, self._account(), self._answer_to_save, is_step=is_step
            )
        except BaseException as error:  # noqa: BLE001 - raised when calls under way have ended
            self._failure = error

    def _account(self) -> Account:
        evaluator = self._evaluator
        return Account(
            self._watch.clocks, evaluator.counts, evaluator.layout, self.goal, self.stop_reason
        )  # fmt: skip

    def _answer_to_save(self) -> Answer | None:
        self._require_densities()
        discard = self.goal is not None and self.goal.discard_exploration
        return make_answer(self.state, self._complete_estimate, discard)

    def _is_over(self) -> bool:
        return self._failure is not None or self._watch.seconds >= self._limits.timeout

    def _look_around(self) -> bool:
        """Save what came in and could wait so far, and tell whether it is over.

        Asked while calls are waited for: the next result may come in hours.
        """
        self._save(is_step=False)
        return self._is_over()

    def _evaluate(self, points: FloatArray) -> TimedChunks:
        grace, asked = self._limits.grace, self._look_around
        return self._watch.time(
            lambda: self._evaluator.evaluate(points, grace=grace, is_over=asked)
        )

    def _try_to_report(self, step: Step, goal: Goal, reporter: Reporter) -> None:
        """Tell of a step; if that fails the run is over once calls under way have ended."""
        if self._failure is not None:
            return
        try:
            self._report(step, goal, reporter)
        except BaseException as error:  # noqa: BLE001 - raised when calls under way have ended
            self._failure = error

    def _report(self, step: Step, goal: Goal, reporter: Reporter) -> None:
        record = make_record(
            step, self._complete_estimate, self._watch.clocks,
            discard_exploration=goal.discard_exploration,
        )  # fmt: skip
        self._progress.tell(
            reporter, record, forecast_goal(self.config, goal), self.notes,
            is_planned=bool(step.message) and step.state.pending is not None,
        )  # fmt: skip

    def _complete_estimate(self, discard_exploration: bool) -> Estimate:
        self._require_densities()
        return self._estimates.of(self.state, discard_exploration)

    @property
    def state_to_read(self) -> RunState:
        """The state with the first points of the first stage, if that is all there is."""
        return self.state.with_first_points()

    @own_arithmetic()
    def estimate(self, discard_exploration: bool) -> Estimate:
        """Return the estimate of `state_to_read`, computed anew only when there is more of it."""
        self._require_densities()
        return self._estimates.of(self.state_to_read, discard_exploration)
