"""What reporters are told after each step."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from math import isfinite, nan

from nautilus.report import (
    ForecastGoal,
    Prediction,
    ProgressRecord,
    Reporter,
    log_findings,
    log_notes,
    predict,
    reached,
    with_forecast,
)
from nautilus.result import UNFINISHED, efficiency, findings_of, known_error
from nautilus.run.config import Config, Goal
from nautilus.run.estimate import Estimate
from nautilus.run.loop import Step
from nautilus.run.plan import N_POSTERIOR_MIN
from nautilus.runfile import Clocks

NUMBER = re.compile(r"[-+]?\d[\d.,]*")
"""What may differ from stage to stage in the same finding."""

HISTORY = 400
"""Plans of stages kept for the forecast."""


class Progress:
    """Tells reporters how far a run is, with a forecast from what it has told before."""

    def __init__(self) -> None:
        self._plans = deque[ProgressRecord](maxlen=HISTORY)
        self._predictions = deque[Prediction](maxlen=HISTORY)
        self._last: ProgressRecord | None = None
        self._is_noted = False
        self._found: set[str] = set()

    def forget(self) -> None:
        """Make no forecast from what was told of another process's run."""
        self._plans.clear()
        self._predictions.clear()
        self._last = None

    def how_far(self, n_like: int) -> str:
        """Say how far the run is, with what was told of it last."""
        last = self._last
        return reached(n_like, *((nan, nan) if last is None else (last.log_z, last.log_z_err)))

    def tell(
        self,
        reporter: Reporter,
        record: ProgressRecord,
        wanted: ForecastGoal,
        notes: tuple[str, ...],
        *,
        is_planned: bool,
    ) -> None:
        """Tell of a step, of new findings, and the log once what was counted away.

        Predictions are made where a stage has just been planned.
        """
        if self._last is not None and not isfinite(record.log_level):
            level, volume = self._last.log_level, self._last.log_volume
            record = replace(record, log_level=level, log_volume=volume)
        self._last = record
        if is_planned:
            self._plans.append(record)
            self._predictions.append(predict(self._plans, wanted))
        reporter.update(with_forecast(record, self._predictions, wanted))
        for finding in record.findings:
            kind = NUMBER.sub("", finding)
            if kind not in self._found:
                self._found.add(kind)
                reporter.note(f"finding: {finding}")
                log_findings((finding,))
        if not self._is_noted and notes:
            log_notes(notes)
            self._is_noted = True


def make_record(
    step: Step,
    estimates: Callable[[bool], Estimate],
    clocks: Clocks,
    *,
    discard_exploration: bool,
) -> ProgressRecord:
    """Return what is told of a step."""
    state, current = step.state, estimates(discard_exploration)
    return ProgressRecord(
        phase=state.phase.value,
        n_proposals=len(state.proposals),
        n_like=state.n_like,
        n_eff=current.n_eff,
        log_z=current.log_z,
        log_z_err=known_error(state, current.log_z_err),
        f_live=state.f_remaining,
        eta=efficiency(state, current, discard_exploration),
        elapsed_seconds=clocks.elapsed,
        likelihood_seconds=clocks.likelihood,
        own_seconds=max(clocks.elapsed - clocks.likelihood, 0.0),
        message=step.message,
        log_level=nan if step.level is None else step.level.log_level,
        log_volume=nan if step.level is None else step.level.log_volume,
        findings=tuple(text for text in findings_of(state, estimates) if text != UNFINISHED),
    )


def forecast_goal(config: Config, goal: Goal) -> ForecastGoal:
    """Return what the forecast has to reach."""
    return ForecastGoal(
        n_eff=goal.n_eff,
        f_unseen=goal.f_unseen,
        n_like_max=goal.n_like_max,
        n_least=max(config.n_stage, goal.n_shell),
        n_imitation=max(2 * config.n_stage, N_POSTERIOR_MIN),
        is_kept=not goal.discard_exploration,
    )
