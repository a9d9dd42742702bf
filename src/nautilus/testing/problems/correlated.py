"""Mixtures of normal densities with covariances of their own, clear of the walls."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from nautilus._types import FloatArray
from nautilus.errors import SettingsError

from .axes import LOG_SQRT_2_PI, AxisCDF, NormalAxis
from .base import Memberships, Problem
from .mixtures import MixtureCDF

MOST_BEYOND_WALLS = 1e-7


@dataclass(frozen=True, eq=False)
class CorrelatedMixture:
    """Log-likelihood of a mixture of normal densities.

    Parameters
    ----------
    log_norms
        Log of each component's factor times its density at its centre, shape (k,).
    centres
        Shape (k, d).
    whitenings
        Matrices W with inverse covariance W^T W, shape (k, d, d).
    """

    log_norms: FloatArray
    centres: FloatArray
    whitenings: FloatArray

    def log_terms(self, points: FloatArray) -> FloatArray:
        """Return the log of each component, shape (n, k), at points of shape (n, d)."""
        terms = np.empty((len(points), len(self.log_norms)))
        rows = zip(self.log_norms, self.centres, self.whitenings, strict=True)
        for m, (log_norm, centre, whitening) in enumerate(rows):
            deviation = points - centre
            # A matrix product may round differently for another number of points.
            white = np.zeros_like(deviation)
            for i, column in enumerate(whitening.T):
                white += deviation[:, i, None] * column
            terms[:, m] = log_norm - 0.5 * (white * white).sum(axis=1)
        return terms

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        return np.asarray(np.logaddexp.reduce(self.log_terms(points), axis=1))


def beyond_walls(centres: FloatArray, deviations: FloatArray) -> float:
    """Return a bound on the share of any component of a mixture that is outside the cube.

    Parameters
    ----------
    centres, deviations
        Centres and standard deviations on each axis, shape (k, d).
    """
    outside = ndtr(-centres / deviations) + ndtr((centres - 1.0) / deviations)
    return float(outside.sum(axis=1).max())


def correlated_mixture(
    name: str, shares: FloatArray, centres: FloatArray, covariances: FloatArray, description: str
) -> Problem:
    """Return a mixture of normals that stay clear of the walls.

    Parameters
    ----------
    name, description
        As in `Problem`; the description gets a note on the walls.
    shares
        Factors, shape (k,); log Z is the log of their sum.
    centres
        Shape (k, d).
    covariances
        Shape (k, d, d).

    Raises
    ------
    SettingsError
        If more than 1e-7 of a component may lie beyond the walls, which the answers leave out.
    """
    deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    outside = beyond_walls(centres, deviations)
    if outside > MOST_BEYOND_WALLS:
        raise SettingsError(
            f"Up to {outside:.1g} of a component lies beyond the walls; at most "
            f"{MOST_BEYOND_WALLS:g} is expected: move the centres inwards or make them narrower."
        )
    n_dim = centres.shape[1]
    whitenings = np.linalg.inv(np.linalg.cholesky(covariances))
    log_dets = np.log(np.diagonal(whitenings, axis1=1, axis2=2)).sum(axis=1)
    likelihood = CorrelatedMixture(
        np.log(shares) + log_dets - n_dim * LOG_SQRT_2_PI, centres, whitenings
    )
    weights = shares / shares.sum()
    mean = weights @ centres
    several = len(shares) > 1
    return Problem(
        name=name,
        n_dim=n_dim,
        log_likelihood=likelihood,
        log_z=float(np.log(shares.sum())),
        description=f"{description} At most {outside:.0e} of a component is beyond the walls.",
        mean=mean,
        variance=weights @ (deviations**2 + centres**2) - mean**2,
        marginals={
            i: MixtureCDF(
                weights,
                tuple(
                    AxisCDF(NormalAxis(float(c), float(s)))
                    for c, s in zip(centres[:, i], deviations[:, i], strict=True)
                ),
            )
            for i in range(n_dim)
        },
        memberships=Memberships(likelihood.log_terms) if several else None,
        mode_weights=weights if several else None,
    )


def random_rotation(rng: np.random.Generator, n_dim: int) -> FloatArray:
    """Return an orthogonal matrix, shape (d, d), all directions alike.

    Notes
    -----
    The signs of the diagonal of R make the factor Q unique and uniform (Mezzadri 2007).
    """
    q, r = np.linalg.qr(rng.standard_normal((n_dim, n_dim)))
    return np.asarray(q * np.sign(np.diagonal(r)))


def random_covariances(rng: np.random.Generator, lengths: FloatArray) -> FloatArray:
    """Return covariances with principal axes in random directions, shape (k, d, d).

    Parameters
    ----------
    rng
        Turns them, one after the other.
    lengths
        Standard deviations along the principal axes, shape (k, d).
    """
    k, d = lengths.shape
    axes = np.stack([random_rotation(rng, d) for _ in range(k)]) * lengths[:, None, :]
    return np.asarray(axes @ axes.transpose(0, 2, 1))
