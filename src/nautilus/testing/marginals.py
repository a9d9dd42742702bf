"""Posterior averages and marginal distributions of one run, and checks of them over many runs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import kolmogi

from nautilus._numerics import ROUNDING, split_rate
from nautilus._types import FloatArray
from nautilus._weights import average
from nautilus.testing.findings import Finding, same_length
from nautilus.testing.problems import Problem
from nautilus.testing.problems.base import Function

LEVELS = np.linspace(0.1, 0.9, 9)
"""Probabilities at which marginal distribution functions are compared."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Averages over the weighted points of one run.

    Attributes
    ----------
    values, errors
        Estimates of the averages of `exact_averages` and their standard errors, shape (k,).
    distances, sizes
        Largest distance of each known marginal distribution function from the exact one, and
        the effective number of points behind it, shape (m,).
    """

    values: FloatArray
    errors: FloatArray
    distances: FloatArray
    sizes: FloatArray


def distance(uniforms: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return the distance of weighted points from the uniform distribution, and their number.

    Parameters
    ----------
    uniforms
        Exact distribution function at the points, shape (n,): uniform if all is right.
    weights
        Weights that sum to one, shape (n,).

    Returns
    -------
    distance, size
        Largest distance between the distribution functions, and the effective number of
        points: the smallest of p (1 - p) / variance of the share below p, p in `LEVELS`, since
        weights that vary with the coordinate make some parts of the function less certain than
        the effective sample size says.
    """
    order = np.argsort(uniforms)
    above = np.cumsum(weights[order])
    below = above - weights[order]
    sorted_uniforms = uniforms[order]
    largest = max(np.max(above - sorted_uniforms), np.max(sorted_uniforms - below))
    _, errors = average((uniforms[:, None] < LEVELS).astype(np.float64), weights)
    sizes = LEVELS * (1.0 - LEVELS) / np.maximum(errors, 0.5 / len(weights)) ** 2
    return float(largest), float(min(sizes.min(), len(weights)))


def summarise(points: FloatArray, log_weights: FloatArray, problem: Problem) -> Summary:
    """Return what is compared with a problem's exact moments and marginals.

    Parameters
    ----------
    points
        Posterior points in the unit cube, shape (n, d).
    log_weights
        Log weights of any normalisation, shape (n,).
    problem
        Problem with the exact answers.

    Returns
    -------
    summary
        The averages are the means, the variances about the exact means, and for each known
        marginal the shares below its quantiles at `LEVELS`.
    """
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    functions = [np.empty((len(points), 0))]
    if problem.mean is not None and problem.variance is not None:
        functions += [points, (points - problem.mean) ** 2]
    pairs = np.empty((0, 2))
    if problem.marginals:
        uniforms = _uniforms(points, problem.marginals)
        functions += [(u[:, None] < LEVELS).astype(np.float64) for u in uniforms]
        pairs = np.array([distance(u, weights) for u in uniforms])
    values, errors = average(np.concatenate(functions, axis=1), weights)
    return Summary(values, errors, pairs[:, 0], pairs[:, 1])


def exact_averages(problem: Problem) -> FloatArray:
    """Return the exact values, shape (k,), of the averages of `summarise`."""
    truths = [np.empty(0)]
    if problem.mean is not None and problem.variance is not None:
        truths += [problem.mean, problem.variance]
    return np.concatenate(truths + [LEVELS] * len(problem.marginals))


def _uniforms(points: FloatArray, marginals: Mapping[int, Function]) -> list[FloatArray]:
    return [cdf(points[:, axis]) for axis, cdf in sorted(marginals.items())]


def averages(
    name: str, estimates: FloatArray, errors: FloatArray, truths: FloatArray, rate: float
) -> tuple[Finding, Finding]:
    """Check weighted averages (moments, shares of the posterior) of each run and of all runs.

    Parameters
    ----------
    name
        What is averaged; it heads the findings' names.
    estimates, errors
        Averages of k functions over the posterior of each run, and their standard errors from
        the weights (see `average`), shape (n, k).
    truths
        Exact averages, shape (k,).
    rate
        False-alarm rate of each of the two findings.

    Returns
    -------
    each, together
        *each*: the largest |estimate - truth| / error over runs and functions, against the
        normal quantile at `rate` split among n k. The error is the run's own or the root mean
        square over the runs, whichever is larger: a run that missed a tail underestimates its
        own. *together*: the largest |sum of deviations| / sqrt(sum of squared errors) over the
        functions, against the normal quantile at `rate` split among k.
    """
    same_length(1, estimates=estimates, errors=errors)
    deviations = estimates - truths
    total = np.sqrt((errors**2).sum(axis=0))
    typical = np.maximum(errors, total / np.sqrt(len(errors)))
    negligible = ROUNDING * (1.0 + np.abs(truths))
    each = float(np.max(np.abs(deviations) / (typical + negligible)))
    together = float(np.max(np.abs(deviations.sum(axis=0)) / (total + negligible)))
    n_runs, n_functions = deviations.shape
    each_bound = float(stats.norm.isf(0.5 * split_rate(rate, n_runs * n_functions)))
    bound = float(stats.norm.isf(0.5 * split_rate(rate, n_functions)))
    return (
        Finding(
            f"{name}, each run",
            each,
            (0.0, each_bound),
            f"{name}: worst run and axis {each:.1f} errors away, allowed {each_bound:.1f}",
        ),
        Finding(
            f"{name}, all runs",
            together,
            (0.0, bound),
            f"{name}: worst axis over all runs {together:.1f} errors away, allowed {bound:.1f}",
        ),
    )


def uniformity(distances: FloatArray, sizes: FloatArray, rate: float) -> Finding:
    """Check marginal distributions by the largest distance of distribution functions.

    Parameters
    ----------
    distances
        Largest distance between the weighted and the exact distribution function of each run
        and axis, shape (n, k).
    sizes
        Effective numbers of points behind them, shape (n, k)
        (see `distance`).
    rate
        False-alarm rate.

    Returns
    -------
    finding
        Statistic: the largest distance sqrt(size), against the quantile of Kolmogorov's
        distribution at `rate` split among n k.
    """
    same_length(1, distances=distances, sizes=sizes)
    largest = float(np.max(distances * np.sqrt(sizes)))
    bound = float(kolmogi(split_rate(rate, distances.size)))
    text = f"marginals: largest scaled distance {largest:.2f}, allowed {bound:.2f}"
    return Finding("marginals", largest, (0.0, bound), text)
