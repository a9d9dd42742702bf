"""How far up the next contour may go."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from nautilus._numerics import reference_of
from nautilus._types import FloatArray

FULL_SUPPORT = 0.2
"""A contour needs the full support if this share of the evidence lies inside where log L is
flat, or a smaller one where it rises: this times 1 - s, with s the slope of log L."""

STEEP_SHARE_MAX = 0.2
"""Where a larger share of the evidence lies inside, no climb counts as steep."""

LEAST_SUPPORT = 0.3
"""Share of the support that every contour needs."""

STEEP = 1.0
"""A climb is steep where more evidence is expected above the cap than below: s > 1/2. There
every contour needs the full support."""

STEEP_ODDS = 3.0
"""Where log L rises steeply although little evidence seems to lie inside, the target is this
much larger inside than outside: what lies outside is known, and the climb may be long."""

SLOPE_WINDOW = 1.0
"""How fast log L rises is measured over so many e-folds of volume outside a contour."""

SLOPE_MAX = 0.98
"""Beyond this slope of log L against -log V the evidence inside is hardly bounded."""


@dataclass(frozen=True)
class Level:
    """A contour and what the points say about it.

    Parameters
    ----------
    log_level
        Natural logarithm of the likelihood on the contour, infinity if there is nothing above.
    log_volume
        Natural logarithm of the estimated prior volume inside.
    f_inside
        Estimated share of the evidence inside.
    f_remaining
        Share of the evidence above the cap, the integral of L less its value on the contour:
        what the points inside say, or an extrapolation of how log L rose up to the contour,
        which sees what no point has reached yet. Small where the likelihood inside is flat,
        even if much of the evidence lies there.
    log_boost
        Logarithm of what the likelihood inside must be multiplied with so that half of
        the capped likelihood lies inside, three quarters on a steep climb; zero if it
        does already.
    support
        Effective number of points inside.
    """

    log_level: float
    log_volume: float
    f_inside: float
    f_remaining: float
    log_boost: float
    support: float


def choose_level(log_l: FloatArray, log_g: FloatArray, n_live: float) -> Level:
    """Return the highest contour with enough effective points inside.

    The points inside, weighted by 1/g, must be worth `n_live` uniform ones; fewer
    do where little of the evidence is at stake.

    With s the slope of log L against -log V just outside a contour of likelihood L and
    volume V, the evidence inside is L V / (1 - s) if the slope stays: integrate
    L(X) = L (V / X)^s over X from 0 to V, as nested sampling (Skilling 2006) has it.
    Of this, L V lies below the cap.
    """
    order = np.argsort(-log_l, kind="stable")
    values = log_l[order] - reference_of(log_l)
    log_inverse = -log_g[order]
    log_first = np.logaddexp.accumulate(log_inverse)
    log_support = 2 * log_first - np.logaddexp.accumulate(2 * log_inverse)
    log_mass = np.logaddexp.accumulate(values + log_inverse)
    with np.errstate(invalid="ignore"):
        at_stake = np.nan_to_num(np.exp(log_mass - log_mass[-1]), nan=1.0)
    log_volume = log_first - np.log(len(values))
    log_z = log_mass[-1] - np.log(len(values))
    capped = np.nan_to_num(np.exp(values + log_volume - log_z), nan=1.0, posinf=1.0)
    odds = _odds(values, log_volume)
    f_expected = np.maximum(at_stake, capped * (1.0 + odds))
    f_remaining = np.minimum(np.maximum(at_stake - capped, capped * odds), 1.0)
    at_risk = np.where(odds > STEEP, 1.0, f_expected * (1.0 + odds) / FULL_SUPPORT)
    needed = n_live * np.clip(at_risk, LEAST_SUPPORT, 1.0)
    enough = (log_support >= np.log(needed)) & (np.arange(1, len(values) + 1) >= needed)
    last = int(np.argmax(enough)) if enough.any() else len(values) - 1
    inside = values > values[last]
    if not np.isfinite(values[last]):
        inside = np.isfinite(values)
        last = max(int(inside.sum()) - 1, 0)
    n_inside = int(inside.sum())
    if n_inside == 0:
        return Level(np.inf, -np.inf, 0.0, 0.0, 0.0, 0.0)
    log_below = np.minimum(values - values[last], 0.0) + log_inverse
    log_core = float(logsumexp(log_below[:n_inside]))
    log_rim = float(logsumexp(log_below[n_inside:])) if n_inside < len(values) else -np.inf
    is_steep = odds[n_inside - 1] > STEEP and at_stake[n_inside - 1] < STEEP_SHARE_MAX
    wanted = STEEP_ODDS if is_steep else 1.0
    return Level(
        float(log_l[order[last]]),
        float(log_volume[n_inside - 1]),
        float(at_stake[n_inside - 1]),
        float(f_remaining[n_inside - 1]),
        max(0.0, log_rim - log_core + np.log(wanted)),
        float(np.exp(log_support[n_inside - 1])),
    )


def log_volume_inside(log_l: FloatArray, log_g: FloatArray, log_level: float) -> float:
    """Return the estimated log prior volume where log L exceeds a level."""
    inside = log_l > log_level
    if not inside.any():
        return -np.inf
    return float(logsumexp(-log_g[inside]) - np.log(len(log_l)))


def _odds(values: FloatArray, log_volume: FloatArray) -> FloatArray:
    """Return s / (1 - s), the evidence above the cap over that below if the slope s stays.

    Likelihoods come in falling order with the volumes of their contours, shape (n,) each.
    """
    outer = np.searchsorted(log_volume, log_volume + SLOPE_WINDOW)
    outer = np.minimum(outer, len(values) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (values - values[outer]) / (log_volume[outer] - log_volume)
    slope = np.clip(np.nan_to_num(slope, nan=SLOPE_MAX), 0.0, SLOPE_MAX)
    return np.asarray(slope / (1.0 - slope))
