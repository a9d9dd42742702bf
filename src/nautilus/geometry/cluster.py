"""Fit many clusters at once."""

import numpy as np

from nautilus._types import FloatArray, IntArray
from nautilus.geometry.fit import (
    N_POLISH,
    component_price,
    from_responsibilities,
    least_points,
    mean_log_density,
    moments,
    polish,
    prune,
    safe_cholesky,
    thinned,
)
from nautilus.geometry.mixture import Mixture


def fit_clusters(
    points: FloatArray,
    weights: FloatArray,
    n_eff: float,
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
    points, weights, n_eff, n_max, n_min
        As in `fit_mixture`.
    rival
        What the Bayesian information criterion of the new mixture must exceed.
    rng
        Chooses the starting points.
    """
    points, share = thinned(points, weights, n_eff)
    d = points.shape[1]
    n_min = max(n_min, least_points(d))
    n_start = int(min(n_max, n_eff / (2 * n_min)))
    if n_start <= max(rival.n_components, 2):
        return rival
    mean, covariance = moments(points, share)
    white = np.asarray((points - mean) @ np.linalg.inv(safe_cholesky(covariance)).T, np.float64)
    nearest = _far_apart(white, share, n_start, rng)
    trial = from_responsibilities(points, np.eye(n_start)[nearest], share, n_eff)
    trial = polish(points, share, trial, n_eff, N_POLISH)
    trial = prune(points, share, trial, n_eff, n_min)
    gain = mean_log_density(points, share, trial) - mean_log_density(points, share, rival)
    more = trial.n_components - rival.n_components
    return trial if gain > more * component_price(d, n_eff) else rival


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
