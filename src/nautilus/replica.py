"""A second run with another seed, and what it says about the first."""

from collections.abc import Callable
from dataclasses import replace
from typing import final

import numpy as np

from nautilus.comparison import compare
from nautilus.errors import CheckpointMismatchError, SettingsError
from nautilus.limits import Limits
from nautilus.posterior import Posterior
from nautilus.run.config import Goal
from nautilus.run.stop import StopReason
from nautilus.session import Session

Judge = Callable[[Posterior, Posterior], str | None]
"""Takes the results of the first and of the second run; says what is wrong, or None."""

CarryOn = Callable[[Session, Goal, Limits], StopReason]
"""Carries a run on, and shows its progress."""

DIFFERS = "a second run with another seed gave another result: "
"""How a finding of a replica begins."""

UNFINISHED = " and is not complete: nothing was compared"
SAME = " and found the same"
"""What is told of it beside its calls."""

NOTHING = "it found no point with a finite log-likelihood"


def make_judge(replicate: object) -> Judge | None:
    """Return what compares two runs, or None if there is to be one only.

    Raises
    ------
    SettingsError
        If it is neither True nor False nor can be called.
    """
    if isinstance(replicate, (bool, np.bool_)):
        return compare if replicate else None
    if not callable(replicate):
        raise SettingsError(
            f"replicate is {replicate!r}; give True, False, or a function that takes two results"
            " and returns a sentence that says what is wrong, or None."
        )
    return replicate


def _sentence(judge: Judge, first: Posterior, second: Posterior) -> str | None:
    text = judge(first, second)
    if text is not None and not (isinstance(text, str) and text):
        raise SettingsError(
            f"the function given as replicate returned {text!r}; expected a sentence that says"
            " what is wrong, or None if nothing is."
        )
    return text


@final
class Replica:
    """The second run beside a first one, as far as there is one.

    Attributes
    ----------
    stop_reason
        Why the last call of `Sampler.run` ended, if that was because of the second run: empty
        while it goes on, None if it was because of the first.
    notes
        What is to be known of it beside the result of the first run.
    """

    def __init__(self) -> None:
        self._session: Session | None = None
        self.stop_reason: str | None = None
        self.notes: tuple[str, ...] = ()

    def prepare(self, first: Session, *, is_wanted: bool) -> None:
        """Begin a call of `Sampler.run`; a file that cannot be used is told before anything runs.

        Raises
        ------
        CheckpointError
            If the file of the second run cannot be used, or holds another run.
        """
        self.stop_reason, self.notes = None, ()
        if not is_wanted:
            return
        try:
            first.replica(self._session)
        except CheckpointMismatchError as error:
            error.add_note(
                "It is the file of the second run that replicate makes. Remove it, or move it away"
                " together with the file of the run that it belongs to."
            )
            raise

    def run(
        self, first: Session, goal: Goal, limits: Limits, judge: Judge, carry_on: CarryOn
    ) -> StopReason:
        """Make the second run, or go on with it, and compare the two.

        Parameters
        ----------
        first
            The run, which has reached its goal.
        goal
            Of both; the limit of calls counts those of both together.
        limits
            Of both together.
        judge
            Compares the two results.
        carry_on
            Makes the run.

        Returns
        -------
        StopReason
            Why the first run stopped, after the comparison; or why the second one did, if it did
            not come to its end.
        """
        self.stop_reason, outcome = "", UNFINISHED
        try:
            self._session = second = first.replica(self._session)
            reason = self._carry_on(second, first, goal, limits, carry_on)
            if reason.is_success:
                results = [run.result(goal.discard_exploration) for run in (first, second)]
                text = _sentence(judge, *results)
            elif reason is StopReason.NO_LIKELIHOOD:
                text = NOTHING
            else:
                self._end(reason.value, outcome)
                return reason
            outcome = "" if text else SAME
            reason = first.hold_finding(DIFFERS, text)
        except BaseException:
            self._end(StopReason.INTERRUPTED.value, outcome)
            raise
        self._end(None, outcome)
        return reason

    def _end(self, stop_reason: str | None, outcome: str) -> None:
        self.stop_reason = stop_reason
        second = self._session
        if second is not None:
            seed, n_like = second.config.seed, second.state.n_like
            self.notes = (f"a second run (seed {seed}) took {n_like:,} further calls{outcome}",)

    @staticmethod
    def _carry_on(
        second: Session, first: Session, goal: Goal, limits: Limits, carry_on: CarryOn
    ) -> StopReason:
        left = max(goal.n_like_max - first.state.n_like, 0.0)
        if second.state.n_like == 0 and left < second.config.n_batch:
            return StopReason.CALLS  # a first call with fewer points would make it another run
        rest = replace(limits, timeout=max(limits.timeout - first.seconds, 0.0))
        with first.going_on():
            return carry_on(second, replace(goal, n_like_max=left), rest)

    def result(self, discard_exploration: bool) -> Posterior | None:
        """Return the result of the second run so far; None if there is none."""
        second = self._session
        if second is None or not np.isfinite(second.estimate(discard_exploration).log_z):
            return None
        return second.result(discard_exploration)
