"""Whether probabilities of models come true as often as they say.

Where a model is drawn from its prior and data from the model, the average of its posterior
probability is the prior one, and of all data sets with a posterior probability near p a share of
about p comes from the model (Schad et al. 2022, Psychological Methods; arXiv:2103.08744).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from nautilus._types import BoolArray, FloatArray, IntArray
from nautilus.testing.findings import Finding

EDGES = np.linspace(0.0, 1.0, 6)
"""Ends of the bins of posterior probabilities."""

N_SIMULATED = 100_000
"""Sets of models drawn with the stated probabilities, with which those drawn are compared."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Posterior probabilities of the second model in groups.

    Attributes
    ----------
    number
        Which group each data set belongs to, shape (N,).
    sizes, expected, found
        Data sets of each group, the sum of their probabilities, and how many came from the second
        model, shape (k,).
    """

    number: IntArray
    sizes: IntArray
    expected: FloatArray
    found: IntArray


def probability_of_second(log_z: FloatArray) -> FloatArray:
    """Return posterior probabilities, shape (N,), for log evidences of shape (N, 2).

    Both models have a prior probability of one half.
    """
    return np.asarray(special.expit(log_z[:, 1] - log_z[:, 0]))


def binned(probabilities: FloatArray, is_second: BoolArray) -> Bins:
    """Group data sets by probability, shape (N,), beside which model they came from, (N,)."""
    n_bins = len(EDGES) - 1
    number = np.clip(np.searchsorted(EDGES, probabilities, side="right") - 1, 0, n_bins - 1)
    sizes = np.bincount(number, minlength=n_bins)
    expected = np.bincount(number, probabilities, minlength=n_bins)
    found = np.bincount(number[is_second], minlength=n_bins)
    return Bins(number, sizes, expected.astype(np.float64), found)


def average_is_prior(probabilities: FloatArray, rate: float) -> Finding:
    """Check that the average posterior probability of a model is its prior probability.

    Parameters
    ----------
    probabilities
        Of the second of two models, for each data set, shape (N,), N >= 2.
    rate
        False-alarm rate.

    Returns
    -------
    finding
        Statistic: their mean less one half. Bound: t s / sqrt(N), with the standard deviation s
        and the two-sided quantile t of Student's distribution at the rate.
    """
    n_sets = len(probabilities)
    error = float(probabilities.std(ddof=1)) / np.sqrt(n_sets)
    bound = float(stats.t.isf(0.5 * rate, n_sets - 1)) * error
    mean = float(probabilities.mean())
    text = f"average probability {mean:.3f} +- {error:.3f}, allowed 0.500 +- {bound:.3f}"
    return Finding("average probability", mean - 0.5, (-bound, bound), text)


def come_true(probabilities: FloatArray, is_second: BoolArray, rate: float) -> Finding:
    """Check that models come true as often as their probabilities say, over all and in bins.

    Parameters
    ----------
    probabilities
        Of the second of two models, for each data set, shape (N,).
    is_second
        Which data sets came from it, shape (N,).
    rate
        False-alarm rate, at least 1e-4.

    Returns
    -------
    finding
        Statistic: the probability, over models drawn with the stated probabilities, that the
        largest deviation of all data sets or of one bin is as large as the one found; deviations
        are in units of sqrt(sum p (1 - p)). Bound: the rate.
    """
    bins = binned(probabilities, is_second)
    members = np.concatenate([np.ones((1, len(probabilities))), _members(bins)])
    variance = np.maximum(members @ (probabilities * (1.0 - probabilities)), 1e-12)

    def largest(drawn: FloatArray) -> FloatArray:
        return np.asarray((np.abs((drawn - probabilities) @ members.T) / variance**0.5).max(axis=1))

    found = float(largest(is_second[None].astype(np.float64))[0])
    rng, n_larger = np.random.default_rng(0), 0
    for _ in range(N_SIMULATED // 1000):
        drawn = (rng.random((1000, len(probabilities))) < probabilities).astype(np.float64)
        n_larger += int((largest(drawn) >= found * (1.0 - 1e-12)).sum())
    chance = (n_larger + 1.0) / (N_SIMULATED + 1.0)
    text = (
        f"largest deviation of a bin {found:.1f} standard errors, which has a chance of"
        f" {chance:.2g}, allowed {rate:.2g}"
    )
    return Finding("come true", chance, (rate, 1.0), text)


def _members(bins: Bins) -> FloatArray:
    return np.asarray((bins.number == np.arange(len(EDGES) - 1)[:, None]).astype(np.float64))
