"""Fit a mixture of normal densities to weighted points, choosing how many it needs."""

from contextlib import suppress

import numpy as np
from scipy.special import logsumexp

from nautilus._types import FloatArray, IntArray
from nautilus.geometry.mixture import Mixture

N_POLISH, N_SPLIT, N_SETTLE = 6, 2, 5
"""Rounds of refinement: of all components, of a trial cut, and of the cut that is best."""

N_POINTS_MAX, POINTS_PER_EFFECTIVE, N_POINTS_MORE = 1500, 4, 100
"""A fit uses at most so many points; at most a multiple of what they are worth, and some more."""

MASS_LEAST = 1e-4
"""Points that belong to a component by less than this, relative to the most, are not cut."""

BORROWED = 0.1
"""A covariance borrows from the pooled one as if by this share of the points that determine it."""

LENGTH_MAX = 1e30
"""Whitened lengths beyond this would overflow in fourth powers."""

RELATIVE_FLOOR = 1e-12
"""Smallest eigenvalue of a covariance relative to its largest, against rounding."""

WELL_CONDITIONED = 1e-4
"""A Cholesky factor of a correlation matrix without smaller diagonal entries needs no lifting."""


def moments(points: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return weighted mean (d,) and covariance (d, d)."""
    share = weights / weights.sum()
    mean = share @ points
    centred = points - mean
    return mean, (centred * share[:, None]).T @ centred


def safe_cholesky(covariance: FloatArray) -> FloatArray:
    """Return the lower Cholesky factor after lifting vanishing eigenvalues."""
    scale = np.sqrt(np.maximum(np.diagonal(covariance), np.finfo(float).tiny))
    correlation = covariance / np.outer(scale, scale)
    with suppress(np.linalg.LinAlgError):
        factor = np.linalg.cholesky(correlation)
        if np.diagonal(factor).min() > WELL_CONDITIONED:
            return np.asarray(scale[:, None] * factor)
    values, vectors = np.linalg.eigh(correlation)
    lifted = np.maximum(values, max(values.max(), 1.0) * RELATIVE_FLOOR)
    factor = np.linalg.cholesky((vectors * lifted) @ vectors.T)
    return np.asarray(scale[:, None] * factor)


def systematic(weights: FloatArray, n: int) -> IntArray:
    """Return the indices of n points, chosen systematically by weight, in rising order."""
    cumulative = np.cumsum(weights)
    marks = (np.arange(n) + 0.5) / n * cumulative[-1]
    return np.asarray(np.minimum(np.searchsorted(cumulative, marks), len(weights) - 1))


def least_points(n_dim: int) -> int:
    """Return how many effective points a component needs at least."""
    return 2 * (n_dim + 1)


def thin(points: FloatArray, weights: FloatArray, n_max: int) -> tuple[FloatArray, FloatArray]:
    """Return at most n_max points, chosen systematically by weight, with their counts."""
    if len(points) <= n_max:
        return points, weights
    chosen, counts = np.unique(systematic(weights, n_max), return_counts=True)
    return points[chosen], counts.astype(float)


def fit_mixture(
    points: FloatArray, weights: FloatArray, n_eff: float, n_max: int = 16, n_min: float = 0.0
) -> Mixture:
    """Fit by expectation maximisation; components are split while that pays.

    A component is cut across its longest and its least normal axes and the two
    halves are refined; the cut stays if the Bayesian information criterion
    (Schwarz 1978) improves. There is no randomness.

    Parameters
    ----------
    points
        Shape (n, d).
    weights
        Non-negative, shape (n,).
    n_eff
        The number of independent points that the weights are worth; it enters
        the criterion.
    n_max
        Most components.
    n_min
        Fewest effective points per component.

    Returns
    -------
    Mixture
        Of normal densities.
    """
    points, share = thinned(points, weights, n_eff)
    n_min = max(n_min, least_points(points.shape[1]))
    price = component_price(points.shape[1], n_eff)
    mixture = from_responsibilities(points, np.ones((len(points), 1)), share, n_eff)
    is_open = [True]
    while any(is_open) and mixture.n_components < n_max:
        k = max((k for k, it in enumerate(is_open) if it), key=lambda k: mixture.log_shares[k])
        halves = _split(points, share, mixture, k, n_eff, n_min, price)
        if halves is None:
            is_open[k] = False
        else:
            mixture = _replace(mixture, k, halves)
            is_open = [*is_open[:k], *is_open[k + 1 :], True, True]
    if mixture.n_components > 1:
        mixture = polish(points, share, mixture, n_eff, N_POLISH)
    return prune(points, share, mixture, n_eff, n_min)


def thinned(points: FloatArray, weights: FloatArray, n_eff: float) -> tuple[FloatArray, FloatArray]:
    """Return no more points than a fit needs, with shares that sum to one."""
    n_max = min(N_POINTS_MAX, POINTS_PER_EFFECTIVE * n_eff + N_POINTS_MORE)
    points, weights = thin(points, weights, int(n_max))
    return points, weights / weights.sum()


def component_price(d: int, n_eff: float) -> float:
    """Return the price of a component in log-likelihood per point."""
    return 0.5 * (1 + d + d * (d + 1) / 2) * float(np.log(max(n_eff, 2.0))) / n_eff


def prune(
    points: FloatArray, share: FloatArray, mixture: Mixture, n_eff: float, n_min: float
) -> Mixture:
    """Leave out components with too few points, the smallest first."""
    while mixture.n_components > 1 and np.exp(mixture.log_shares.min()) * n_eff < n_min:
        mixture = _without(mixture, int(np.argmin(mixture.log_shares)))
        mixture = polish(points, share, mixture, n_eff, 2)
    return mixture


def _split(
    points: FloatArray,
    share: FloatArray,
    mixture: Mixture,
    k: int,
    n_eff: float,
    n_min: float,
    price: float,
) -> Mixture | None:
    """Cut component k across its longest and its least normal axes.

    The best halves are refined and returned if they pay.
    """
    mass = share * mixture.responsibilities(points)[:, k]
    total = float(mass.sum())
    if total * n_eff < 2 * n_min:
        return None
    mine = mass > mass.max() * MASS_LEAST
    points, mass = points[mine], mass[mine] / mass[mine].sum()
    n_own = n_eff * total
    white = np.linalg.solve(mixture.cholesky[k], (points - mixture.means[k]).T).T
    # Where points coincide lengths can be huge; their fourth powers must stay finite.
    coordinates = _interesting_axes(np.clip(np.nan_to_num(white), -LENGTH_MAX, LENGTH_MAX), mass)
    coordinates = np.column_stack([coordinates, points @ _longest_axis(mixture.cholesky[k])])
    best, best_score = None, -np.inf
    for along in coordinates.T:
        side = (along > weighted_median(along, mass)).astype(float)
        trial = from_responsibilities(points, np.column_stack([1 - side, side]), mass, n_own)
        trial = polish(points, mass, trial, n_own, N_SPLIT)
        score = mean_log_density(points, mass, trial)
        if np.exp(trial.log_shares.min()) * n_own >= n_min and score > best_score:
            best, best_score = trial, score
    if best is None:
        return None
    best = polish(points, mass, best, n_own, N_SETTLE)
    one = from_responsibilities(points, np.ones((len(points), 1)), mass, n_own)
    gain = mean_log_density(points, mass, best) - mean_log_density(points, mass, one)
    is_worth = gain > price / total and np.exp(best.log_shares.min()) * n_own >= n_min
    return best if is_worth else None


def _longest_axis(cholesky: FloatArray) -> FloatArray:
    """Return the direction of largest variance: where clusters lie far apart, if there are any."""
    return np.asarray(np.linalg.eigh(cholesky @ cholesky.T)[1][:, -1])


def _interesting_axes(white: FloatArray, mass: FloatArray, n_axes: int = 2) -> FloatArray:
    """Project whitened points on the directions that look least normal.

    The matrix E[|x|^2 x x^T] is (d + 2) times the identity for a normal density
    (fourth-order blind identification, Cardoso 1989): its extreme eigenvectors
    point along clusters (small kurtosis) and along tails (large).
    """
    d = white.shape[1]
    norm = np.einsum("ij,ij->i", white, white)
    fourth = (white * (mass * norm)[:, None]).T @ white
    values, vectors = np.linalg.eigh(fourth)
    order = np.argsort(-np.abs(values - (d + 2)), kind="stable")
    return np.asarray(white @ vectors[:, order[:n_axes]])


def weighted_median(values: FloatArray, mass: FloatArray) -> float:
    """Return the value below which half of the mass lies."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(mass[order])
    return float(values[order[np.searchsorted(cumulative, 0.5 * cumulative[-1])]])


def _without(mixture: Mixture, k: int) -> Mixture:
    keep = np.arange(mixture.n_components) != k
    log_shares = mixture.log_shares[keep]
    return Mixture(
        log_shares - logsumexp(log_shares),
        mixture.means[keep],
        mixture.cholesky[keep],
        mixture.dof[keep],
    )


def _replace(mixture: Mixture, k: int, halves: Mixture) -> Mixture:
    keep = np.arange(mixture.n_components) != k
    return Mixture(
        np.concatenate([mixture.log_shares[keep], mixture.log_shares[k] + halves.log_shares]),
        np.concatenate([mixture.means[keep], halves.means]),
        np.concatenate([mixture.cholesky[keep], halves.cholesky]),
        np.concatenate([mixture.dof[keep], halves.dof]),
    )


def polish(
    points: FloatArray, share: FloatArray, mixture: Mixture, n_eff: float, n_rounds: int
) -> Mixture:
    """Refine a mixture by rounds of expectation maximisation."""
    for _ in range(n_rounds):
        mixture = from_responsibilities(points, mixture.responsibilities(points), share, n_eff)
    return mixture


def mean_log_density(points: FloatArray, share: FloatArray, mixture: Mixture) -> float:
    """Return the mean log density of weighted points."""
    return float(share @ mixture.log_density(points))


def from_responsibilities(
    points: FloatArray, responsibilities: FloatArray, share: FloatArray, n_eff: float
) -> Mixture:
    """One maximisation step; few points borrow from the pooled covariance."""
    d = points.shape[1]
    mass = share[:, None] * responsibilities
    totals = np.maximum(mass.sum(axis=0), np.finfo(float).tiny)
    n_components = len(totals)
    parts = mass / totals
    means = parts.T @ points
    covariances = np.empty((n_components, d, d))
    for k in range(n_components):
        centred = points - means[k]
        covariances[k] = (centred * parts[:, k, None]).T @ centred
    pooled = np.einsum("k,kij->ij", totals / totals.sum(), covariances)
    borrowed = BORROWED * (d + 1)
    own = (totals / totals.sum()) * n_eff
    blend = own / (own + borrowed)
    covariances = blend[:, None, None] * covariances + (1 - blend)[:, None, None] * pooled
    cholesky = np.stack([safe_cholesky(c) for c in covariances])
    log_shares = np.log(totals)
    log_shares -= logsumexp(log_shares)
    return Mixture(log_shares, means, cholesky, np.full(n_components, np.inf))
