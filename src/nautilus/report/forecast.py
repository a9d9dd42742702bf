"""How many calls and seconds a run still needs, and whether that can be told.

The climb of the exploration is extrapolated by a law. Be L the likelihood on a contour and V the
prior volume inside. Where log L is a constant less a power of the distance from its peak, as for a
Gaussian, log L = c - A V^b, its slope s = -d log L / d log V = b A V^b falls as a power of V, too:
log s is linear in log V. It is fitted to the last contours. The evidence above the cap of a contour
follows from b and s, and so does the volume at which so little is left above it that the climb
ends, long before f_live begins to fall. How far contours climb with each call is known.

A forecast is worth what its past is: what was predicted lately, while the run grew by half, spans
a range. If the range is wide, nothing is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, inf, isfinite, lgamma, log, log1p
from typing import final

import numpy as np

from nautilus._types import FloatArray
from nautilus.errors import SettingsError
from nautilus.report.record import SAMPLING, ProgressRecord

N_STEPS_MIN = 3
"""Fewest steps from contour to contour that the law is fitted to."""

POWER_MIN, POWER_MAX = 0.02, 2.0
"""Powers b that the law is trusted with; a smaller one is a climb without end."""

RISE_EFFICIENCY = 0.75
"""Effective sample size per call that contours above the bulk of the posterior have."""

EFFICIENCY = 0.9
"""The same of imitations of the posterior, and of sampling before that has begun."""

LOOK_BACK = 2 / 3
"""Predictions count that were made since the run had this share of the calls of the last one."""

N_PREDICTIONS_MIN = 3
"""Fewest predictions of the exploration that a forecast is judged by."""

SPAN_MAX = 4.0
"""Widest range that is still told, as the ratio of its ends: a factor of two either way."""

MARGIN = 1.15
"""Factor by which a range is widened at both ends, so that it is never narrower than this."""


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
    n_imitation
        Likelihood calls with the posterior as target that end the exploration.
    is_kept
        Whether points of the exploration count.
    """

    n_eff: float
    f_unseen: float
    n_like_max: float = inf
    n_least: float = 0.0
    n_imitation: float = 0.0
    is_kept: bool = True

    def __post_init__(self) -> None:
        limits = {
            "n_eff": ("at least 0", self.n_eff >= 0),
            "f_unseen": ("above 0 and at most 1", 0 < self.f_unseen <= 1),
            "n_like_max": ("at least 0", self.n_like_max >= 0),
            "n_least": ("at least 0", self.n_least >= 0),
            "n_imitation": ("at least 0", self.n_imitation >= 0),
        }
        for name, (expected, is_right) in limits.items():
            if not is_right:
                raise SettingsError(
                    f"{name} is {getattr(self, name)}; expected a number {expected}."
                )


@final
@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted when a stage was planned.

    Attributes
    ----------
    phase
        What the run was doing then.
    n_like
        Calls made by then.
    end
        What was predicted of the end of the run: calls and seconds from its beginning; None if
        nothing could be said.
    """

    phase: str
    n_like: int
    end: tuple[float, float] | None


Range = tuple[float, float]


@final
@dataclass(frozen=True, slots=True)
class Forecast:
    """Lowest and highest number of calls and seconds to come; None where nothing can be said."""

    n_like: Range | None
    seconds: Range | None


def predict(plans: Sequence[ProgressRecord], goal: ForecastGoal) -> Prediction:
    """Predict when a run ends.

    Parameters
    ----------
    plans
        Records of the moments at which a stage had just been planned, oldest first, at least one.
    goal
        What ends the run.

    Returns
    -------
    Prediction
        As of the last record.
    """
    now = plans[-1]
    ahead = _sampling_ahead if now.phase == SAMPLING else _exploration_ahead
    left = ahead(plans, goal)
    if left is None:
        return Prediction(now.phase, now.n_like, None)
    seconds = now.elapsed_seconds + _seconds(plans, *left)
    return Prediction(now.phase, now.n_like, (now.n_like + left[0], seconds))


def forecast(
    now: ProgressRecord, predictions: Sequence[Prediction], goal: ForecastGoal
) -> Forecast:
    """Tell what a run still needs as a range, if predictions made lately agree.

    Parameters
    ----------
    now
        How far the run is.
    predictions
        What was predicted so far, oldest first; may be empty.
    goal
        What ends the run.

    Returns
    -------
    Forecast
        Calls and seconds still to come.
    """
    if now.phase == SAMPLING and now.n_eff >= goal.n_eff:
        return Forecast((0.0, 0.0), (0.0, 0.0))
    latest = predictions[-1].n_like if predictions else 0
    recent = [p for p in predictions if p.n_like >= LOOK_BACK * latest]
    if now.phase == SAMPLING:
        # What the exploration expected counts until a sampling stage has told better.
        recent = [p for p in recent if p.phase == SAMPLING][-2:] or recent
    elif len(recent) < N_PREDICTIONS_MIN:
        return Forecast(None, None)
    ends = [p.end for p in recent if p.end is not None]
    if len(ends) < len(recent) or not ends:
        return Forecast(None, None)
    calls, seconds = zip(*ends, strict=True)
    n_like = _range(calls, now.n_like, now.phase)
    if n_like is None:
        return Forecast(None, None)
    most = max(goal.n_like_max - now.n_like, 0.0)
    if n_like[0] > most:
        return Forecast((most, most), None)
    return Forecast(
        (n_like[0], min(n_like[1], most)), _range(seconds, now.elapsed_seconds, now.phase)
    )


def _range(ends: Sequence[float], now: float, phase: str) -> Range | None:
    """Return the range that predictions span, or None if it is too wide to be told."""
    low, high = (max(end - now, 0.0) for end in (min(ends), max(ends)))
    low, high = low / MARGIN, high * MARGIN
    return (low, high) if high <= SPAN_MAX * low or phase == SAMPLING else None


def with_forecast(
    record: ProgressRecord, predictions: Sequence[Prediction], goal: ForecastGoal
) -> ProgressRecord:
    """Return the record with the forecast that follows from it and predictions made so far."""
    ahead = forecast(record, predictions, goal)
    return replace(record, n_like_forecast=ahead.n_like, seconds_forecast=ahead.seconds)


def _seconds(plans: Sequence[ProgressRecord], n_calls: float, n_stages: float) -> float:
    """Return seconds for so many calls, and so many stages that are still to be planned.

    The likelihood takes as long as it did in the last half of the stages. To plan a stage takes
    ever longer, as there are more points and proposals: as much more as it did before. Of a run
    that was only just continued the averages are known.
    """
    now, n_steps = plans[-1], len(plans) - 1
    if n_steps < 4:
        wait = now.likelihood_seconds / max(now.n_like, 1)
        return n_calls * wait + n_stages * now.own_seconds / now.n_proposals
    early, late = plans[-1 - n_steps // 2], plans[-1 - n_steps // 4]
    waited = now.likelihood_seconds - early.likelihood_seconds
    wait = waited / max(now.n_like - early.n_like, 1)
    width = n_steps // 4
    newer = (now.own_seconds - late.own_seconds) / width
    older = (late.own_seconds - early.own_seconds) / (n_steps // 2 - width)
    growth = max(newer - older, 0.0) / width
    return n_calls * wait + n_stages * (newer + min(0.5 * growth * (width + n_stages), newer))


def _sampling_ahead(
    plans: Sequence[ProgressRecord], goal: ForecastGoal
) -> tuple[float, float] | None:
    """Return calls and stages until n_eff is enough, if it grows as in the last stages."""
    now = plans[-1]
    lacking = max(goal.n_eff - now.n_eff, 0.0)
    before = [p for p in plans if p.phase == SAMPLING and p.n_like < now.n_like]
    if not before:
        return _sampling(max(lacking / EFFICIENCY, goal.n_least), goal)
    start = before[len(before) // 2]
    slope = (now.n_eff - start.n_eff) / (now.n_like - start.n_like)
    return _sampling(lacking / slope, goal) if slope > 0 else None


def _sampling(n_calls: float, goal: ForecastGoal) -> tuple[float, float]:
    """Return calls and the stages still to be planned; each is twice as large as all before it."""
    n_stages = log1p(2.0 * n_calls / max(goal.n_imitation, 1.0)) / log(3.0)
    return n_calls, max(n_stages - 1.0, 0.0)


def _exploration_ahead(
    plans: Sequence[ProgressRecord], goal: ForecastGoal
) -> tuple[float, float] | None:
    """Return calls and stages until exploration and then sampling are through."""
    now = plans[-1]
    ahead = (0.0, 0.0, 0.0) if now.f_live <= goal.f_unseen else _climb(plans, goal.f_unseen)
    if ahead is None:
        return None
    climbing, above_bulk, n_contours = ahead
    gained = RISE_EFFICIENCY * above_bulk + EFFICIENCY * goal.n_imitation
    lacking = max(goal.n_eff - (now.n_eff + gained if goal.is_kept else 0.0), 0.0)
    n_sampling, n_stages = _sampling(max(lacking / EFFICIENCY, goal.n_least), goal)
    return climbing + goal.n_imitation + n_sampling, n_contours + 1.0 + n_stages


def _climb(plans: Sequence[ProgressRecord], f_unseen: float) -> tuple[float, float, float] | None:
    """Return the calls until the climb ends, those of them above the bulk, and the contours."""
    contours = [p for p in plans if isfinite(p.log_level) and isfinite(p.log_volume)]
    recent = contours[-max(N_STEPS_MIN + 1, (len(contours) + 1) // 2) - 1 :]
    steps = [(a, b) for a, b in pairwise(recent) if _is_step(a, b)]
    if len(steps) < N_STEPS_MIN:
        return None
    first, last = recent[0], recent[-1]
    per_call = (first.log_volume - last.log_volume) / max(last.n_like - first.n_like, 1)
    law = _fit(steps)
    if law is None or per_call <= 0:
        return None
    power, log_v_bulk = law
    log_v_end = log_v_bulk + log(_slope_at_end(power, f_unseen)) / power
    to_end = max(last.log_volume - log_v_end, 0.0) / per_call
    per_contour = (last.n_like - first.n_like) / (len(recent) - 1)
    return to_end, min(to_end, (log_v_bulk - log_v_end) / per_call), to_end / per_contour


def _is_step(lower: ProgressRecord, upper: ProgressRecord) -> bool:
    return upper.log_level > lower.log_level and upper.log_volume < lower.log_volume


def _fit(steps: Sequence[tuple[ProgressRecord, ProgressRecord]]) -> tuple[float, float] | None:
    """Return b of log s = b (log V - log V_1), and log V_1, where the slope s is one."""
    width: FloatArray = np.array([a.log_volume - b.log_volume for a, b in steps])
    rise: FloatArray = np.array([b.log_level - a.log_level for a, b in steps])
    middle: FloatArray = np.array([0.5 * (a.log_volume + b.log_volume) for a, b in steps])
    power, constant = np.polyfit(middle, np.log(rise / width), 1, w=np.sqrt(width))
    if not power >= POWER_MIN:
        return None
    return float(min(power, POWER_MAX)), float(-constant / power)


def _slope_at_end(power: float, f_unseen: float) -> float:
    """Return the slope s at which a share f of the evidence is above the cap.

    With x = s / b the evidence below the cap is x^(1/b) exp(-x) / Gamma(1 + 1/b) of all, and the
    part above it is taken as s / (1 - s) times that, as the climb does. It rises with s up to one.
    """
    low, high = 1e-9, 1.0 - 1e-9
    for _ in range(60):
        middle = exp(0.5 * (log(low) + log(high)))
        x = middle / power
        log_f = log(x) / power - x - lgamma(1.0 + 1.0 / power) + log(middle) - log1p(-middle)
        low, high = (low, middle) if log_f > log(f_unseen) else (middle, high)
    return low
