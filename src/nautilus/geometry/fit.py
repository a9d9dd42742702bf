"""Fit a mixture of normal densities to weighted points, choosing how many it needs."""

from contextlib import suppress

import numpy as np
from scipy.special import logsumexp

from nautilus._types import FloatArray, IntArray
from nautilus.geometry.mixture import Mixture

N_POLISH = 6
N_SPLIT = 2
N_SETTLE = 5
N_POINTS_MAX = 1500
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


def thin(points: FloatArray, weights: FloatArray, n_max: int) -> tuple[FloatArray, FloatArray]:
    """Return at most n_max points, chosen systematically by weight, with their counts."""
    if len(points) <= n_max:
        return points, weights
    cumulative = np.cumsum(weights)
    marks = (np.arange(n_max) + 0.5) / n_max * cumulative[-1]
    chosen, counts = np.unique(np.searchsorted(cumulative, marks), return_counts=True)
    chosen = np.minimum(chosen, len(points) - 1)
    return points[chosen], counts.astype(float)


def fit_mixture(
    points: FloatArray, weights: FloatArray, n_effective: float, n_max: int = 16, n_min: float = 0.0
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
    n_effective
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
    points, share = _thinned(points, weights, n_effective)
    n_min = max(n_min, 2.0 * (points.shape[1] + 1))
    penalty = _penalty(points.shape[1], n_effective)
    mixture = _from_responsibilities(points, np.ones((len(points), 1)), share, n_effective)
    is_open = [True]
    while any(is_open) and mixture.n_components < n_max:
        k = max((k for k, it in enumerate(is_open) if it), key=lambda k: mixture.log_shares[k])
        halves = _split(points, share, mixture, k, n_effective, n_min, penalty)
        if halves is None:
            is_open[k] = False
        else:
            mixture = _replace(mixture, k, halves)
            is_open = [*is_open[:k], *is_open[k + 1 :], True, True]
    if mixture.n_components > 1:
        mixture = _polish(points, share, mixture, n_effective, N_POLISH)
    return _prune(points, share, mixture, n_effective, n_min)


def fit_clusters(
    points: FloatArray,
    weights: FloatArray,
    n_effective: float,
    rival: Mixture,
    n_max: int,
    rng: np.random.Generator,
    n_min: float = 0.0,
) -> Mixture:
    """Fit many components at once; return them if they beat a rival, else the rival.

    Cutting one component after the other finds no lattice of clusters, because no
    single cut pays. Here components start at points that are drawn far from each
    other (Arthur & Vassilvitskii 2007); those that starve are left out.

    Parameters
    ----------
    points, weights, n_effective, n_max, n_min
        As in `fit_mixture`.
    rival
        What the Bayesian information criterion of the new mixture must exceed.
    rng
        Chooses the starting points.
    """
    points, share = _thinned(points, weights, n_effective)
    d = points.shape[1]
    n_min = max(n_min, 2.0 * (d + 1))
    n_start = int(min(n_max, n_effective / (2 * n_min)))
    if n_start <= max(rival.n_components, 2):
        return rival
    mean, covariance = moments(points, share)
    white = np.asarray((points - mean) @ np.linalg.inv(safe_cholesky(covariance)).T, np.float64)
    nearest = _far_apart(white, share, n_start, rng)
    trial = _from_responsibilities(points, np.eye(n_start)[nearest], share, n_effective)
    trial = _polish(points, share, trial, n_effective, N_POLISH)
    trial = _prune(points, share, trial, n_effective, n_min)
    gain = _score(points, share, trial) - _score(points, share, rival)
    more = trial.n_components - rival.n_components
    return trial if gain > more * _penalty(d, n_effective) else rival


def _far_apart(points: FloatArray, share: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Return for each point which of n centres, drawn far from each other, is nearest."""
    nearest = np.zeros(len(points), np.int64)
    distance = np.full(len(points), np.inf)
    odds = share
    for k in range(n):
        centre = points[rng.choice(len(points), p=odds / odds.sum())]
        new = np.einsum("ij,ij->i", points - centre, points - centre)
        nearest[new < distance] = k
        distance = np.minimum(new, distance)
        odds = share * distance
        if odds.sum() <= 0:
            break
    return nearest


def _thinned(
    points: FloatArray, weights: FloatArray, n_effective: float
) -> tuple[FloatArray, FloatArray]:
    points, weights = thin(points, weights, int(min(N_POINTS_MAX, 4 * n_effective + 100)))
    return points, weights / weights.sum()


def _penalty(d: int, n_effective: float) -> float:
    """Return the price of a component in log-likelihood per point."""
    return 0.5 * (1 + d + d * (d + 1) / 2) * float(np.log(max(n_effective, 2.0))) / n_effective


def _prune(
    points: FloatArray, share: FloatArray, mixture: Mixture, n_effective: float, n_min: float
) -> Mixture:
    """Leave out components with too few points, the smallest first."""
    while mixture.n_components > 1 and np.exp(mixture.log_shares.min()) * n_effective < n_min:
        mixture = _without(mixture, int(np.argmin(mixture.log_shares)))
        mixture = _polish(points, share, mixture, n_effective, 2)
    return mixture


def _split(
    points: FloatArray,
    share: FloatArray,
    mixture: Mixture,
    k: int,
    n_effective: float,
    n_min: float,
    penalty: float,
) -> Mixture | None:
    """Cut component k across its longest and its least normal axes.

    The best halves are refined and returned if they pay.
    """
    mass = share * mixture.responsibilities(points)[:, k]
    total = float(mass.sum())
    if total * n_effective < 2 * n_min:
        return None
    mine = mass > mass.max() * 1e-4
    points, mass = points[mine], mass[mine] / mass[mine].sum()
    n_own = n_effective * total
    white = np.linalg.solve(mixture.cholesky[k], (points - mixture.means[k]).T).T
    # Where points coincide lengths can be huge; their fourth powers must stay finite.
    coordinates = _interesting_axes(np.clip(np.nan_to_num(white), -1e30, 1e30), mass)
    coordinates = np.column_stack([coordinates, points @ _longest_axis(mixture.cholesky[k])])
    best, best_score = None, -np.inf
    for along in coordinates.T:
        side = (along > _weighted_median(along, mass)).astype(float)
        trial = _from_responsibilities(points, np.column_stack([1 - side, side]), mass, n_own)
        trial = _polish(points, mass, trial, n_own, N_SPLIT)
        score = _score(points, mass, trial)
        if np.exp(trial.log_shares.min()) * n_own >= n_min and score > best_score:
            best, best_score = trial, score
    if best is None:
        return None
    best = _polish(points, mass, best, n_own, N_SETTLE)
    one = _from_responsibilities(points, np.ones((len(points), 1)), mass, n_own)
    gain = _score(points, mass, best) - _score(points, mass, one)
    is_worth = gain > penalty / total and np.exp(best.log_shares.min()) * n_own >= n_min
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


def _weighted_median(values: FloatArray, mass: FloatArray) -> float:
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


def _polish(
    points: FloatArray, share: FloatArray, mixture: Mixture, n_effective: float, n_rounds: int
) -> Mixture:
    for _ in range(n_rounds):
        mixture = _from_responsibilities(
            points, mixture.responsibilities(points), share, n_effective
        )
    return mixture


def _score(points: FloatArray, share: FloatArray, mixture: Mixture) -> float:
    return float(share @ mixture.log_density(points))


def _from_responsibilities(
    points: FloatArray, responsibilities: FloatArray, share: FloatArray, n_effective: float
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
    borrowed = 0.1 * (d + 1)
    own = (totals / totals.sum()) * n_effective
    blend = own / (own + borrowed)
    covariances = blend[:, None, None] * covariances + (1 - blend)[:, None, None] * pooled
    cholesky = np.stack([safe_cholesky(c) for c in covariances])
    log_shares = np.log(totals)
    log_shares -= logsumexp(log_shares)
    return Mixture(log_shares, means, cholesky, np.full(n_components, np.inf))
