"""How far up the next contour may go."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray

FULL_SUPPORT = 0.1
"""Contours with more than this share of the evidence inside need the full support."""

LEAST_SUPPORT = 0.3
"""Share of the support that every contour needs."""


@dataclass(frozen=True)
class Level:
    """A contour and what the points say about it.

    Parameters
    ----------
    log_level
        The likelihood on the contour, infinity if there is nothing above.
    log_volume
        Estimated prior volume inside.
    f_inside
        Estimated share of the evidence inside.
    log_boost
        What the likelihood inside must be multiplied with so that half of the
        capped likelihood lies inside; zero if it does already.
    support
        Effective number of points inside.
    """

    log_level: float
    log_volume: float
    f_inside: float
    log_boost: float
    support: float


def choose_level(log_l: FloatArray, log_g: FloatArray, n_live: float) -> Level:
    """Return the highest contour with enough effective points inside.

    The points inside, weighted by 1/g, must be worth `n_live` uniform ones; fewer
    do where less than a tenth of the evidence is at stake.
    """
    order = np.argsort(-log_l, kind="stable")
    values = log_l[order]
    log_inverse = -log_g[order]
    inverse = np.exp(log_inverse - log_inverse.max())
    first, second = np.cumsum(inverse), np.cumsum(inverse**2)
    with np.errstate(invalid="ignore"):
        weights = np.where(np.isfinite(values), np.exp(values - values[0]) * inverse, 0.0)
    at_stake = np.cumsum(weights) / max(weights.sum(), np.finfo(float).tiny)
    needed = n_live * np.clip(at_stake / FULL_SUPPORT, LEAST_SUPPORT, 1.0)
    enough = (first**2 >= needed * second) & (np.arange(1, len(values) + 1) >= needed)
    last = int(np.argmax(enough)) if enough.any() else len(values) - 1
    log_level = values[last]
    inside = values > log_level
    if not np.isfinite(log_level):
        log_level = np.min(values[np.isfinite(values)], initial=np.inf)
        inside = np.isfinite(values)
    n_inside = int(inside.sum())
    scale = float(log_inverse.max()) - np.log(len(values))
    below = np.exp(np.minimum(values - log_level, 0.0)) * inverse
    if n_inside == 0:
        return Level(np.inf, -np.inf, 0.0, 0.0, 0.0)
    volume = first[n_inside - 1]
    core, rim = below[:n_inside].sum(), below[n_inside:].sum()
    return Level(
        float(log_level),
        float(np.log(volume) + scale),
        float(weights[:n_inside].sum() / weights.sum()),
        float(max(0.0, np.log(rim / core))) if rim > 0 else 0.0,
        float(volume**2 / second[n_inside - 1]),
    )
