"""Components for points that a fitted mixture covers badly, such as the ends of thin ridges."""

import numpy as np

from nautilus._types import FloatArray
from nautilus.geometry.fit import least_points, moments, safe_cholesky, systematic, weighted_median
from nautilus.geometry.mixture import Mixture

TOLERANCE = 3.0
"""A point is covered badly if target over mixture exceeds its median by this factor."""

NARROWEST = 1e-8
"""Smallest variance relative to that of the nearest component: no component is a point."""

MISSING_MIN = 1e-4
"""Share of the mass that must be covered badly before components are added."""

ROUNDNESS = 0.02
"""Share of its mean variance that the shape of a component gets on every axis."""

NEIGHBOURS, REACH = 3, 3.0
"""Neighbours that shape a component, per dimension and one more; they must not lie farther away
than so many times the d + 1 closest ones."""

DEPTH = 3.0
"""Neighbours whose log target is lower by more than this say nothing about the shape."""


def cover_gaps(
    mixture: Mixture,
    points: FloatArray,
    log_target: FloatArray,
    weights: FloatArray,
    n_max: int = 24,
) -> Mixture | None:
    """Return normal components around badly covered points, or None if there are none.

    Parameters
    ----------
    mixture
        What was fitted to the points.
    points
        Shape (n, d).
    log_target
        Logarithm of the target density up to a constant, in the same coordinates, shape (n,).
    weights
        Mass of the target that each point stands for, shape (n,).
    n_max
        Most components.

    Returns
    -------
    Mixture or None
        Each component is centred on a point and shaped by its nearest neighbours of
        similar target density.
    """
    log_ratio = log_target - mixture.log_density(points)
    limit = weighted_median(log_ratio, weights) + np.log(TOLERANCE)
    missing = weights * np.maximum(-np.expm1(np.minimum(limit - log_ratio, 0.0)), 0.0)
    if missing.sum() < MISSING_MIN * weights.sum():
        return None
    chosen = np.unique(systematic(missing, n_max))
    shapes = [_local_covariance(mixture, points, log_target, int(i)) for i in chosen]
    factors = np.stack([safe_cholesky(shape) for shape in shapes])
    n = len(chosen)
    return Mixture(np.full(n, -np.log(n)), points[chosen], factors, np.full(n, np.inf))


def _local_covariance(
    mixture: Mixture, points: FloatArray, log_target: FloatArray, i: int
) -> FloatArray:
    """Return the covariance of the nearest similar points about point i."""
    d = points.shape[1]
    nearest = int(np.argmax(mixture.component_log_density(points[i : i + 1])[0]))
    cholesky = mixture.cholesky[nearest]
    similar = np.flatnonzero(log_target > log_target[i] - DEPTH)
    if len(similar) < least_points(d):  # a point far above all others has no peers: take all
        similar = np.arange(len(points))
    white = np.linalg.solve(cholesky, (points[similar] - points[i]).T)
    distance = np.einsum("ij,ij->j", white, white)
    k = min(NEIGHBOURS * (d + 1), len(similar))
    neighbours = np.argpartition(distance, k - 1)[:k]
    # The point itself comes first; what lies far beyond the closest ones is another cluster.
    reach = REACH**2 * np.sort(distance[neighbours])[min(d + 1, k - 1)]
    centred = white[:, neighbours[distance[neighbours] <= reach]].T
    _, covariance = moments(centred, np.ones(len(centred)))
    offset = centred.mean(axis=0)
    local = covariance + np.outer(offset, offset)
    local += max(ROUNDNESS * float(np.trace(local)) / d, NARROWEST) * np.eye(d)
    return np.asarray(cholesky @ local @ cholesky.T)
