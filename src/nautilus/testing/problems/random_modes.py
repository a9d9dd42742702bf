"""Normal modes at random, and which of them a sampler has a chance to see."""

import numpy as np

from nautilus._types import FloatArray

from .base import Problem, require
from .correlated import correlated_mixture, random_rotation
from .mixtures import normal_mixture

VISIBLE = 0.02
MOST_HIDDEN = 0.02
NARROWEST, WIDEST = 0.01, 0.05
CLEARANCE = 6.0
E_FOLDS = 6
BLOCK = 100_000


def _log_uniform(rng: np.random.Generator, shape: int | tuple[int, ...]) -> FloatArray:
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
    widths = np.tile(_log_uniform(rng, k)[:, None], d)
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
        log-uniform in [0.01, 0.05]; centres are uniform where they are 6 standard deviations or
        more from each wall, and in [0.2, 0.8]^d. `CORRELATED_MODES` names those that can be
        seen.

    Raises
    ------
    SettingsError
        If `number` is negative.
    """
    require(number >= 0, "number", number, "an integer that is not negative")
    rng = np.random.default_rng([1, number])
    k, d = int(rng.integers(2, 9)), int(rng.integers(4, 13))
    axes = np.stack([random_rotation(rng, d) for _ in range(k)]) * _log_uniform(rng, (k, 1, d))
    covariances = axes @ axes.transpose(0, 2, 1)
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
    if memberships is None or weights is None:
        require(False, "problem", problem.name, "a problem with modes")
        raise AssertionError
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
    weights = problem.mode_weights
    return (
        float(weights[visibility(problem, n, seed) < VISIBLE].sum()) if weights is not None else 0.0
    )
