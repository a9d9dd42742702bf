"""Ranks of true values among posterior draws, which are uniform where the posterior is right.

Simulation-based calibration: Cook, Gelman & Rubin 2006 (Journal of Computational and Graphical
Statistics 15, 675), Talts et al. 2018 (arXiv:1804.06788). Bands that hold for all of a distribution
function at once: Sailynoja, Buerkner & Vehtari 2022 (Statistics and Computing 32, 32).
"""

from functools import cache

import numpy as np
from scipy import stats

from nautilus._types import FloatArray, IntArray
from nautilus.testing.findings import Finding

N_SIMULATED, CHUNK = 200_000, 10_000
"""Sets of uniform ranks from which the limits are read, and how many are made at a time."""


def rank_of(truth: FloatArray, draws: FloatArray) -> IntArray:
    """Return how many draws, shape (n, k), are below the true values, shape (k,)."""
    return np.asarray((draws < truth).sum(axis=0))


@cache
def _tail_table(n_sets: int, n_draws: int) -> FloatArray:
    """Return two-sided tail probabilities of how many of n_sets ranks are at most r.

    Shape (n_draws, n_sets + 1), for r = 0 to n_draws - 1.
    """
    counts = np.arange(n_sets + 1)
    levels = (np.arange(n_draws) + 1.0)[:, None] / (n_draws + 1.0)
    below = stats.binom.cdf(counts, n_sets, levels)
    above = stats.binom.sf(counts - 1, n_sets, levels)
    return np.asarray(np.minimum(2.0 * np.minimum(below, above), 1.0))


def _smallest_tails(histograms: IntArray, table: FloatArray) -> FloatArray:
    """Return the smallest tail probability of each set of ranks, (s, n_draws + 1) counts."""
    below = np.cumsum(histograms, axis=1)[:, :-1]
    return np.asarray(table[np.arange(table.shape[0]), below].min(axis=1))


def _scores(n_draws: int) -> FloatArray:
    """Return the square of the normal score of each rank, shape (n_draws + 1,)."""
    quantiles = (np.arange(n_draws + 1) + 0.5) / (n_draws + 1.0)
    return np.asarray(stats.norm.ppf(quantiles) ** 2)


@cache
def _limits(n_sets: int, n_draws: int, rate: float) -> tuple[float, float, float]:
    """Return the smallest tail probability and the range of mean squares allowed at a rate."""
    rng = np.random.default_rng(0)
    table, scores = _tail_table(n_sets, n_draws), _scores(n_draws)
    uniform = np.full(n_draws + 1, 1.0 / (n_draws + 1.0))
    tails, squares = [], []
    for _ in range(N_SIMULATED // CHUNK):
        histograms = rng.multinomial(n_sets, uniform, size=CHUNK)
        tails.append(_smallest_tails(histograms, table))
        squares.append(histograms @ scores / n_sets)
    lowest = float(np.quantile(np.concatenate(tails), rate))
    low, high = np.quantile(np.concatenate(squares), [0.5 * rate, 1.0 - 0.5 * rate])
    return lowest, float(low), float(high)


def band(n_sets: int, n_draws: int, rate: float) -> tuple[IntArray, IntArray]:
    """Return how many of some uniform ranks may be at most r, for all r at once.

    Parameters
    ----------
    n_sets
        Number of ranks.
    n_draws
        Draws among which each was counted.
    rate
        Probability that uniform ranks leave the band anywhere, at least 1e-4: it is read from
        simulated sets.

    Returns
    -------
    lowest, highest
        Shape (n_draws,), for r = 0 to n_draws - 1.
    """
    allowed = _tail_table(n_sets, n_draws) >= _limits(n_sets, n_draws, rate)[0]
    return allowed.argmax(axis=1), n_sets - allowed[:, ::-1].argmax(axis=1)


def uniform_ranks(name: str, ranks: IntArray, n_draws: int, rate: float) -> Finding:
    """Check that ranks are uniform, by the band for their distribution function.

    Parameters
    ----------
    name
        What the ranks are of.
    ranks
        Of N data sets, shape (N,), each from 0 to n_draws.
    n_draws
        Draws among which each was counted.
    rate
        False-alarm rate, see `band`.

    Returns
    -------
    finding
        Statistic: the smallest two-sided tail probability of the number of ranks up to r, over
        all r. Bound: its quantile at the rate, over sets of uniform ranks.
    """
    histogram = np.bincount(ranks, minlength=n_draws + 1)[None]
    statistic = float(_smallest_tails(histogram, _tail_table(len(ranks), n_draws))[0])
    lowest = _limits(len(ranks), n_draws, rate)[0]
    text = f"ranks of {name}: smallest tail probability {statistic:.2g}, allowed {lowest:.2g}"
    return Finding(f"ranks of {name}", statistic, (lowest, 1.0), text)


def right_width(name: str, ranks: IntArray, n_draws: int, rate: float) -> Finding:
    """Check that posteriors are as wide as they should be.

    Parameters
    ----------
    name, ranks, n_draws, rate
        As in `uniform_ranks`.

    Returns
    -------
    finding
        Statistic: the mean square of the normal scores of ranks, nearly 1 for uniform ones; it is
        larger where posteriors are too narrow, by 1 / f^2 for normal ones with widths of f times
        the right one. Bound: its quantiles at rate / 2 over sets of uniform ranks.
    """
    histogram = np.bincount(ranks, minlength=n_draws + 1)
    statistic = float(histogram @ _scores(n_draws) / len(ranks))
    _, low, high = _limits(len(ranks), n_draws, rate)
    text = f"width of {name}: mean square score {statistic:.2f}, allowed {low:.2f} to {high:.2f}"
    return Finding(f"width of {name}", statistic, (low, high), text)
