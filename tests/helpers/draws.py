"""Independent draws from densities of scipy.stats, and what they say about a problem's answers.

The answers are importance sampling averages. Each comparison allows five standard errors: a
false alarm rate of 6e-7.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nautilus.testing.problems import Problem
from nautilus.testing.problems.correlated import CorrelatedMixture
from nautilus.testing.problems.mixtures import NormalMixture

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Array, Array]]

N_DRAWS = 60_000
ALLOWED = 5.0
ROUNDING = 1e-9
UNSEEN = 14.0  # an event of probability 14 / n stays unseen in n draws at a rate of 1e-6
KS_ALLOWED = 2.7  # 2 exp(-2 2.7^2) = 9e-7


def independent(axes: list[stats.rv_continuous]) -> Draw:
    """Draw each axis from its own distribution."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        points = np.stack([axis.rvs(size=n, random_state=rng) for axis in axes], axis=1)
        return points, np.sum([a.logpdf(points[:, i]) for i, a in enumerate(axes)], axis=0)

    return draw


def mixture(shares: list[float], draws: list[Draw], log_pdfs: list[Callable]) -> Draw:
    """Draw from several densities; each is also given as a function."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        counts = rng.multinomial(n, shares)
        points = np.concatenate([d(rng, m)[0] for d, m in zip(draws, counts, strict=True)])
        terms = [np.log(s) + f(points) for s, f in zip(shares, log_pdfs, strict=True)]
        return points, np.logaddexp.reduce(terms)

    return draw


def multivariate(distribution: stats.rv_continuous) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        points = distribution.rvs(size=n, random_state=rng)
        points = points.reshape(n, distribution.dim)  # one draw comes without its axis
        return points, distribution.logpdf(points)

    return draw


def equicorrelated(n_dim: int, sigma: float, correlation: float) -> Draw:
    covariance = sigma**2 * (
        (1 - correlation) * np.eye(n_dim) + correlation * np.ones((n_dim, n_dim))
    )
    return multivariate(stats.multivariate_normal(np.full(n_dim, 0.5), covariance))


def normals(shares: list[float], centres: Array, widths: Array) -> Draw:
    parts = [
        stats.multivariate_normal(c, np.diag(np.square(w)))
        for c, w in zip(centres, widths, strict=True)
    ]
    return mixture(shares, [multivariate(p) for p in parts], [p.logpdf for p in parts])


def components(problem: Problem) -> Draw:
    """Draw from the components of a mixture as scipy.stats has them."""
    likelihood = problem.log_likelihood
    if isinstance(likelihood, NormalMixture):
        return normals(list(likelihood.shares), likelihood.centres, likelihood.widths)
    assert isinstance(likelihood, CorrelatedMixture)
    shares = [1.0] if problem.mode_weights is None else list(problem.mode_weights)
    precisions = likelihood.whitenings.transpose(0, 2, 1) @ likelihood.whitenings
    parts = [
        stats.multivariate_normal(c, np.linalg.inv(p))
        for c, p in zip(likelihood.centres, precisions, strict=True)
    ]
    return mixture(shares, [multivariate(p) for p in parts], [p.logpdf for p in parts])


def weighted_points(problem: Problem, draw: Draw, n: int = N_DRAWS) -> tuple[Array, Array]:
    """Return points in the cube and their weights L / density / Z, and zeros for the others."""
    points, log_pdf = draw(np.random.default_rng(20240607), n)
    inside = np.all((points >= 0) & (points <= 1), axis=1)
    log_l = problem.log_likelihood(points[inside])
    weights = np.zeros(n)
    weights[inside] = np.exp(log_l - problem.log_z - log_pdf[inside])
    return points, weights


def deviations(problem: Problem, draw: Draw) -> Array:
    """Return (estimate - exact) / allowed error: evidence, moments, weights of modes."""
    points, weights = weighted_points(problem, draw)
    n = len(weights)
    evidence = abs(weights.mean() - 1.0) / (ALLOWED * weights.std() / np.sqrt(n) + UNSEEN / n)
    assert problem.mean is not None
    assert problem.variance is not None
    found = [np.array([evidence])]
    share = (weights / weights.sum())[:, None]
    square = (points - problem.mean) ** 2
    averages = [(points, problem.mean), (square, problem.variance)]
    if problem.memberships is not None:
        assert problem.mode_weights is not None
        inside = np.clip(points, 0.0, 1.0)  # the others have no weight
        averages.append((problem.memberships(inside), problem.mode_weights))
    for values, exact in averages:
        rest = values - exact
        error = np.sqrt((share**2 * rest**2).sum(axis=0))
        found.append(np.abs((share * rest).sum(axis=0)) / (ALLOWED * error + ROUNDING * exact))
    return np.concatenate(found)


def marginal_distances(problem: Problem, draw: Draw) -> Array:
    """Return the largest distance to each marginal, in units of what is allowed."""
    points, weights = weighted_points(problem, draw)
    n_eff = weights.sum() ** 2 / (weights**2).sum()
    found = []
    for axis, cdf in problem.marginals.items():
        order = np.argsort(points[:, axis])
        steps = np.cumsum(weights[order]) / weights.sum()
        distance = np.abs(steps - cdf(np.clip(points[order, axis], 0.0, 1.0))).max()
        found.append(distance * np.sqrt(n_eff) / KS_ALLOWED)
        np.testing.assert_allclose(cdf(np.array([0.0, 1.0])), [0.0, 1.0], atol=1e-12)
    return np.array(found)
