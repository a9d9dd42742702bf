"""What reporters are told after each step."""

from collections import deque

from nautilus.report import (
    ForecastGoal,
    ProgressRecord,
    Reporter,
    log_notes,
    with_forecast,
)
from nautilus.result import efficiency
from nautilus.run.config import Config, Goal
from nautilus.run.estimate import Estimate
from nautilus.run.loop import Step
from nautilus.runfile import Clocks

HISTORY = 400
"""Progress records kept for the forecast."""


class Progress:
    """Tells reporters how far a run is, with a forecast from what it has told before."""

    def __init__(self) -> None:
        self._history = deque[ProgressRecord](maxlen=HISTORY)
        self._is_noted = False

    def forget(self) -> None:
        """Make no forecast from what was told of another process's run."""
        self._history.clear()

    def tell(
        self,
        reporter: Reporter,
        record: ProgressRecord,
        wanted: ForecastGoal,
        notes: tuple[str, ...],
    ) -> None:
        """Tell the reporter of a step, and the log once what was counted away."""
        reporter.update(with_forecast(record, self._history, wanted))
        self._history.append(record)
        if not self._is_noted and notes:
            log_notes(notes)
            self._is_noted = True


def make_record(
    step: Step, current: Estimate, clocks: Clocks, *, discard_exploration: bool
) -> ProgressRecord:
    """Return what is told of a step."""
    state = step.state
    return ProgressRecord(
        phase=state.phase.value,
        n_proposals=len(state.proposals),
        n_like=state.n_like,
        n_eff=current.n_eff,
        log_z=current.log_z,
        log_z_err=current.log_z_err,
        f_live=state.f_remaining,
        eta=efficiency(state, current, discard_exploration),
        elapsed_seconds=clocks.elapsed,
        likelihood_seconds=clocks.likelihood,
        own_seconds=max(clocks.elapsed - clocks.likelihood, 0.0),
        message=step.message,
    )


def forecast_goal(config: Config, goal: Goal) -> ForecastGoal:
    """Return what the forecast has to reach."""
    n_least = max(config.n_stage, goal.n_shell)
    return ForecastGoal(goal.n_eff, goal.f_unseen, goal.n_like_max, n_least)
