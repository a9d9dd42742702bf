"""How many calls and seconds a run still needs, judged from what it did lately."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log
from typing import final

from nautilus.errors import SettingsError
from nautilus.report.record import SAMPLING, ProgressRecord


@final
@dataclass(frozen=True, slots=True)
class ForecastGoal:
    """What ends a run, as far as a forecast can know it.

    Attributes
    ----------
    n_eff
        Effective sample size wanted, at least 0.
    f_unseen
        Exploration may end when a smaller share of the evidence is above the cap, in (0, 1].
    n_like_max
        Most likelihood calls allowed.
    n_least
        Likelihood calls that the sampling phase takes at least.
    efficiency
        Effective sample size per call that the sampling phase is expected to reach, in (0, 1]. It
        serves until that phase has begun; afterwards the measured figure does.
    """

    n_eff: float
    f_unseen: float
    n_like_max: float = inf
    n_least: float = 0.0
    efficiency: float = 0.5

    def __post_init__(self) -> None:
        limits = {
            "n_eff": ("at least 0", self.n_eff >= 0),
            "f_unseen": ("above 0 and at most 1", 0 < self.f_unseen <= 1),
            "n_like_max": ("at least 0", self.n_like_max >= 0),
            "n_least": ("at least 0", self.n_least >= 0),
            "efficiency": ("above 0 and at most 1", 0 < self.efficiency <= 1),
        }
        for name, (expected, is_right) in limits.items():
            if not is_right:
                raise SettingsError(
                    f"{name} is {getattr(self, name)}; expected a number {expected}."
                )


@final
@dataclass(frozen=True, slots=True)
class Forecast:
    """Likelihood calls and seconds still to come; None where nothing can be said."""

    n_like: float | None
    seconds: float | None


def forecast(history: Sequence[ProgressRecord], goal: ForecastGoal) -> Forecast:
    """Predict what a run still needs.

    In the sampling phase the effective sample size is taken to grow with the calls as it did in the
    later half of this phase. In the exploration phase the logarithm of the share above the cap is
    taken to fall as it did in the later half of this phase; then the sampling phase follows with
    the expected efficiency. Both ignore that a run may find something new and go back to
    exploring, so a forecast is rather a lower limit.

    Parameters
    ----------
    history
        Records of the run so far, oldest first; may be empty.
    goal
        What ends the run.

    Returns
    -------
    Forecast
        Calls and seconds still to come.
    """
    if not history:
        return Forecast(None, None)
    recent = _later_half_of_phase(history)
    now = history[-1]
    lacking = max(goal.n_eff - now.n_eff, 0.0)
    if now.phase == SAMPLING:
        calls = _sampling_calls(recent, lacking)
    else:
        exploring = _exploration_calls(recent, goal.f_unseen)
        sampling = max(lacking / goal.efficiency, goal.n_least)
        calls = None if exploring is None else exploring + sampling
    if calls is None:
        return Forecast(None, None)
    calls = min(calls, max(goal.n_like_max - now.n_like, 0.0))
    return Forecast(calls, _seconds(recent, history, calls))


def with_forecast(
    record: ProgressRecord, history: Sequence[ProgressRecord], goal: ForecastGoal
) -> ProgressRecord:
    """Return the record with the forecast that follows from it and the records before it."""
    ahead = forecast((*history, record), goal)
    return replace(record, n_like_forecast=ahead.n_like, seconds_forecast=ahead.seconds)


def _later_half_of_phase(history: Sequence[ProgressRecord]) -> Sequence[ProgressRecord]:
    phase = history[-1].phase
    start = len(history)
    while start > 0 and history[start - 1].phase == phase:
        start -= 1
    stretch = history[start:]
    return stretch[(len(stretch) - 1) // 2 :]


def _sampling_calls(recent: Sequence[ProgressRecord], lacking: float) -> float | None:
    if lacking == 0.0:
        return 0.0
    first, now = recent[0], recent[-1]
    calls = now.n_like - first.n_like
    slope = (now.n_eff - first.n_eff) / calls if calls > 0 else now.eta
    return lacking / slope if slope > 0.0 else None


def _exploration_calls(recent: Sequence[ProgressRecord], f_unseen: float) -> float | None:
    first, now = recent[0], recent[-1]
    if now.f_live <= f_unseen:
        return 0.0
    calls = now.n_like - first.n_like
    if not (calls > 0 and now.f_live < first.f_live):
        return None
    return calls * log(now.f_live / f_unseen) / log(first.f_live / now.f_live)


def _seconds(
    recent: Sequence[ProgressRecord], history: Sequence[ProgressRecord], calls: float
) -> float | None:
    # A phase that has just begun has no pace of its own yet: take that of the whole run.
    for first in (recent[0], history[0]):
        done = history[-1].n_like - first.n_like
        if done > 0:
            return calls * (history[-1].elapsed_seconds - first.elapsed_seconds) / done
    return 0.0 if calls == 0.0 else None
