"""Normal modes at random, and which of them a sampler has a chance to see."""

import numpy as np

from nautilus._types import FloatArray

from .base import Problem, require
from .correlated import correlated_mixture, random_covariances
from .mixtures import normal_mixture

VISIBLE = 0.02
NARROWEST, WIDEST = 0.01, 0.05
CLEARANCE = 6.0
E_FOLDS = 6
BLOCK = 8192

# `python benchmarks/visibility.py` lists these anew.
RANDOM_MODES = (
    *(2, 7, 11, 16, 17, 18, 19, 26, 29, 30, 31, 32, 33, 35, 44, 45, 53, 62, 66, 67),
    *(72, 78, 83, 86, 90, 91, 92, 93, 94, 101, 104, 106, 107, 112, 115, 118, 119, 123, 124, 128),
)
"""Numbers of `random_modes` of which hidden modes have less than 2 % of the evidence."""
HIDDEN_RANDOM_MODES = tuple(sorted(set(range(RANDOM_MODES[-1] + 1)) - set(RANDOM_MODES)))
"""The numbers between them: much of the evidence is hidden."""
CORRELATED_MODES = (
    *(3, 4, 8, 9, 10, 11, 15, 18, 19, 20, 22, 23, 24, 29, 30, 32, 34, 35, 36, 37),
    *(38, 41, 46, 47, 49, 51, 54, 57, 58, 59, 60, 61, 62, 65, 66, 67, 68, 69, 71, 74),
)
"""Numbers of `correlated_modes` of which hidden modes have less than 2 % of the evidence."""
HIDDEN_CORRELATED_MODES = tuple(
    sorted(set(range(CORRELATED_MODES[-1] + 1)) - set(CORRELATED_MODES))
)
"""The numbers between them: much of the evidence is hidden."""


def _log_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.exp(rng.uniform(np.log(NARROWEST), np.log(WIDEST), size=shape))


def random_modes(number: int) -> Problem:
    """Return round normal modes of random number, position, width and weight.

    Parameters
    ----------
    number
        Which problem of this family, not negative: the seed. There are k = 2 to 8 modes in
        d = 4 to 12 dimensions, centres uniform in [0.2, 0.8]^d, weights Dirichlet(1, ..., 1),
        widths log-uniform in [0.01, 0.05]. `RANDOM_MODES` names those that can be seen.

    Raises
    ------
    SettingsError
        If `number` is negative.
    """
    require(number >= 0, "number", number, "an integer that is not negative")
    rng = np.random.default_rng([0, number])
    k, d = int(rng.integers(2, 9)), int(rng.integers(4, 13))
    widths = np.tile(_log_uniform(rng, (k, 1)), d)
    return normal_mixture(
        f"random-modes-{number}",
        rng.dirichlet(np.ones(k)),
        rng.uniform(0.2, 0.8, size=(k, d)),
        widths,
        f"{k} normalised round Gaussians at random, cut at the walls exactly.",
    )


def correlated_modes(number: int) -> Problem:
    """Return turned normal modes of random number, position, shape and weight.

    Parameters
    ----------
    number
        Which problem of this family, not negative: the seed. As `random_modes`, but each mode
        has principal axes of its own, in random directions, with standard deviations
        log-uniform between two bounds of its own, which are log-uniform in [0.01, 0.05]; centres
        are uniform in [0.2, 0.8]^d and 6 standard deviations or more from each wall.
        `CORRELATED_MODES` names those that can be seen.

    Raises
    ------
    SettingsError
        If `number` is negative.
    """
    require(number >= 0, "number", number, "an integer that is not negative")
    rng = np.random.default_rng([1, number])
    k, d = int(rng.integers(2, 9)), int(rng.integers(4, 13))
    narrow, wide = np.log(np.sort(_log_uniform(rng, (2, k, 1)), axis=0))
    lengths = np.exp(rng.uniform(narrow, wide, size=(k, d)))
    covariances = random_covariances(rng, lengths)
    nearest = CLEARANCE * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    nearest = np.maximum(nearest, 0.2)
    return correlated_mixture(
        f"correlated-modes-{number}",
        rng.dirichlet(np.ones(k)),
        rng.uniform(nearest, 1.0 - nearest),
        covariances,
        f"{k} normalised Gaussians with covariances at random.",
    )


def visibility(problem: Problem, n: int = 1_000_000, seed: int = 0) -> FloatArray:
    """Return how much of the wide contours belongs to each mode.

    Parameters
    ----------
    problem
        Has modes.
    n
        Number of uniform points, some thousands at least.
    seed
        Seed of these points, not negative.

    Returns
    -------
    visibility
        Shape (k,). A mode's basin is where its membership is the largest. Its visibility is the
        sum, for j = 0 to 5, of its share in the e^-j n points of the highest L. With m uniform
        points for each e-fold of volume a mode of visibility S gets m S hits while the contours
        are wide.

    Raises
    ------
    SettingsError
        If the problem has no modes, or `n` is below 1000.
    """
    memberships, weights = problem.memberships, problem.mode_weights
    require(n >= 1000, "n", n, "at least 1000")
    require(memberships is not None, "problem", problem.name, "a problem with modes")
    assert memberships is not None
    assert weights is not None
    rng = np.random.default_rng(seed)
    log_l, basins = [], []
    for start in range(0, n, BLOCK):
        points = rng.random((min(BLOCK, n - start), problem.n_dim))
        log_l.append(problem.log_likelihood(points))
        basins.append(memberships(points).argmax(axis=1))
    descending = np.concatenate(basins)[np.argsort(-np.concatenate(log_l), kind="stable")]
    total = np.zeros(len(weights))
    for j in range(E_FOLDS):
        top = descending[: round(n * np.exp(-j))]
        total += np.bincount(top, minlength=len(weights)) / len(top)
    return total


def hidden_weight(problem: Problem, n: int = 1_000_000, seed: int = 0) -> float:
    """Return the posterior weight of the modes whose visibility is below 0.02.

    Parameters
    ----------
    problem, n, seed
        As for `visibility`.
    """
    seen = visibility(problem, n, seed)
    assert problem.mode_weights is not None
    return float(problem.mode_weights[seen < VISIBLE].sum())
