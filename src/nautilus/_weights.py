"""Weighted points: moments, quantiles and draws, as pure functions of plain arrays.

Weights enter as natural logarithms of any common normalisation. Points without weight never take
part, so that an infinite parameter at the edge of a prior cannot turn a mean into NaN.
"""

from math import isfinite

import numpy as np

from nautilus._numbers import reals_of
from nautilus._types import BoolArray, FloatArray, IntArray
from nautilus.errors import NoResultError, SettingsError

EDGE_WIDTH = 1e-3
"""Width of the two outer slices of the prior that `edge_mass` looks at."""


def normalise(log_weights: FloatArray) -> FloatArray:
    """Shift log weights so that their exponentials sum to one.

    Parameters
    ----------
    log_weights
        Natural logarithms of non-negative weights, shape (n,); -inf stands for no weight.

    Returns
    -------
    FloatArray
        Normalised log weights, shape (n,).

    Raises
    ------
    SettingsError
        If the array is not one-dimensional or holds NaN or +inf.
    NoResultError
        If no point has any weight.
    """
    log_w = reals_of("log_weights", log_weights)
    if log_w.ndim != 1:
        raise SettingsError(
            f"log_weights has shape {log_w.shape}; expected one log weight per point, shape (n,)."
        )
    wrong = np.flatnonzero(np.isnan(log_w) | (log_w == np.inf))
    if wrong.size:
        raise SettingsError(
            f"log_weights[{wrong[0]}] is {log_w[wrong[0]]}; expected finite numbers or -inf. "
            "Remove such points or give them -inf (no weight)."
        )
    if not np.any(log_w > -np.inf):
        raise NoResultError(
            f"None of the {log_w.size} points has any weight, so there is no posterior; expected "
            "at least one point with log L > -inf. Evaluate more points, or widen the likelihood."
        )
    log_w -= log_w.max()
    log_w -= np.log(np.exp(log_w).sum())
    return log_w


def carrying(log_weights: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Say which points carry weight, and how much.

    Parameters
    ----------
    log_weights
        Log weights, shape (n,).

    Returns
    -------
    tuple
        Mask of shape (n,), and the normalised positive weights of the m points that it selects,
        shape (m,).
    """
    weights = np.exp(normalise(log_weights))
    mask = weights > 0.0
    return mask, weights[mask]


def worth(weights: FloatArray) -> float:
    """Return how many points of equal weight the weights (not their logarithms) are worth."""
    relative = weights / max(float(weights.max()), np.finfo(float).tiny)
    squares = float(relative @ relative)
    return float(relative.sum() ** 2 / squares) if squares > 0 else 0.0


def mean(values: FloatArray, log_weights: FloatArray) -> FloatArray:
    """Return the weighted mean of each column, shape (d,), of values of shape (n, d)."""
    mask, weights = carrying(log_weights)
    return weights @ values[mask]


def average(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return weighted means and their standard errors.

    Parameters
    ----------
    values
        Values of k functions at n points, shape (n, k).
    weights
        Weights that sum to one, shape (n,).

    Returns
    -------
    means, errors
        Shape (k,). The error is sqrt(sum w^2 (f - mean)^2), that of self-normalised importance
        sampling (Owen 2013, section 9.2).
    """
    means = weights @ values
    return means, np.sqrt(weights**2 @ (values - means) ** 2)


def covariance(values: FloatArray, log_weights: FloatArray) -> FloatArray:
    """Return the weighted covariance matrix of the columns.

    Parameters
    ----------
    values
        Shape (n, d).
    log_weights
        Log weights, shape (n,).

    Returns
    -------
    FloatArray
        Second central moments, shape (d, d), without a small-sample factor: a single point has
        covariance zero.
    """
    mask, weights = carrying(log_weights)
    centred = values[mask] - weights @ values[mask]
    return (centred * weights[:, None]).T @ centred


def quantile(values: FloatArray, log_weights: FloatArray, levels: FloatArray) -> FloatArray:
    """Return weighted quantiles of each column.

    A sorted value stands at the middle of its own weight on the cumulative scale; between two
    values the quantile is linear, and outside the first and last it is constant. With equal
    weights this is Hazen's rule, NumPy's ``method="hazen"`` (Hyndman & Fan 1996, definition 5).

    Parameters
    ----------
    values
        Shape (n, d).
    log_weights
        Log weights, shape (n,).
    levels
        Levels between 0 and 1, shape (k,).

    Returns
    -------
    FloatArray
        Shape (k, d).
    """
    mask, weights = carrying(log_weights)
    result = np.empty((len(levels), values.shape[1]))
    for column, x in enumerate(values[mask].T):
        order = np.argsort(x, kind="stable")
        middle = np.cumsum(weights[order]) - 0.5 * weights[order]
        result[:, column] = np.interp(levels, middle, x[order])
    return result


def systematic_index(log_weights: FloatArray, n_draws: int, rng: np.random.Generator) -> IntArray:
    """Draw point numbers in proportion to weight, with as little scatter as possible.

    Systematic resampling: one uniform offset and an evenly spaced comb over the cumulative
    weights. A point of weight w appears floor(n w) or ceil(n w) times, n w on average, so the draws
    add less noise than independent ones (Kitagawa 1996). They are shuffled, so any part of them is
    a fair sample too.

    Parameters
    ----------
    log_weights
        Log weights, shape (n,).
    n_draws
        Number of draws, at least 1.
    rng
        Source of the offset and of the order.

    Returns
    -------
    IntArray
        Point numbers, shape (n_draws,).
    """
    mask, weights = carrying(log_weights)
    cumulative = np.cumsum(weights)
    comb = (np.arange(n_draws) + rng.random()) / n_draws * cumulative[-1]
    # The last tooth can be rounded up to the full sum, one past the last point.
    chosen = np.minimum(np.searchsorted(cumulative, comb, side="right"), len(weights) - 1)
    index: IntArray = np.flatnonzero(mask)[rng.permutation(chosen)]
    return index


def equal_weight(log_weights: FloatArray, boost: float, rng: np.random.Generator) -> IntArray:
    """Draw an equally weighted sample whose size follows from the largest weight.

    Each point is taken n times, where n is w / max(w) * boost rounded up or down at random so that
    its mean is exactly that number. With ``boost`` at most 1 no point is taken twice; with more,
    points repeat and the sample comes closer to the weighted one.

    Parameters
    ----------
    log_weights
        Log weights, shape (n,).
    boost
        Positive factor on the number of draws.
    rng
        Source of the rounding.

    Returns
    -------
    IntArray
        Numbers of the points taken, ascending, with repetitions; boost * sum(w) / max(w) of them
        on average. Index points, log L and blobs with it.

    Raises
    ------
    SettingsError
        If ``boost`` is not a positive finite number.
    """
    if not (isfinite(boost) and boost > 0.0):
        raise SettingsError(
            f"equal_weight_boost is {boost}; expected a positive finite number. "
            "Use 1 for draws without repetition."
        )
    log_w = normalise(log_weights)
    wanted = np.exp(log_w - log_w.max()) * boost
    counts = np.floor(wanted + rng.random(len(wanted))).astype(np.int64)
    return np.repeat(np.arange(len(wanted)), counts)


def edge_mass(
    unit_points: FloatArray, log_weights: FloatArray, width: float = EDGE_WIDTH
) -> FloatArray:
    """Measure how much of the posterior is piled up at the edges of the prior.

    A posterior that is flat across the prior has mass ``width`` in each outer slice; far more
    means that the prior cuts the posterior off.

    Parameters
    ----------
    unit_points
        Points in the unit cube, shape (n, d).
    log_weights
        Log weights, shape (n,).
    width
        Width of the outer slices in the unit cube, above 0 and at most 0.5.

    Returns
    -------
    FloatArray
        Posterior mass below ``width`` and above ``1 - width``, shape (d, 2).

    Raises
    ------
    SettingsError
        If the points are not (n, d) numbers in the unit cube, if there is not one weight for each,
        or if ``width`` is out of range.
    """
    points = reals_of("unit_points", unit_points)
    if points.ndim != 2 or len(points) != len(log_weights):
        raise SettingsError(
            f"unit_points has shape {points.shape} beside {len(log_weights)} log weights; expected "
            "shape (n, d) with one log weight per row."
        )
    if not (0.0 < width <= 0.5):
        raise SettingsError(f"width is {width}; expected a number above 0 and at most 0.5.")
    if not np.all((points >= 0.0) & (points <= 1.0)):
        raise SettingsError(
            "unit_points holds values outside [0, 1]; expected points in the unit cube, not "
            "physical parameters."
        )
    mask, weights = carrying(log_weights)
    inside = points[mask]
    return np.stack([weights @ (inside < width), weights @ (inside > 1.0 - width)], axis=1)
