"""Normal densities: correlated, degenerate, extremely narrow."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray

from .axes import LOG_SQRT_2_PI, AxisCDF, NormalAxis
from .base import Problem, require

WIDEST = 1.0 / 16.0


def equicorrelated_log_pdf(deviation: FloatArray, correlation: float) -> FloatArray:
    """Return the log density of normals with unit variance and one common correlation.

    Parameters
    ----------
    deviation
        Standardised deviations from the centre, shape (n, k).
    correlation
        Correlation of each pair, in (-1 / (k - 1), 1).

    Returns
    -------
    log_pdf
        Shape (n,). The inverse and determinant are those of (1 - c) I + c 1 1^T
        (Sherman-Morrison).
    """
    k = deviation.shape[1]
    total = 1.0 + (k - 1) * correlation
    common = deviation.mean(axis=1)
    rest = deviation - common[:, None]
    distance = (rest * rest).sum(axis=1) / (1.0 - correlation) + k * common * common / total
    log_det = (k - 1) * np.log1p(-correlation) + np.log(total)
    log_pdf: FloatArray = -0.5 * (distance + log_det) - k * LOG_SQRT_2_PI
    return log_pdf


@dataclass(frozen=True)
class EquicorrelatedNormal:
    """Log-likelihood of an equicorrelated normal density about the centre of the cube."""

    sigma: float
    correlation: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        log_pdf = equicorrelated_log_pdf((points - 0.5) / self.sigma, self.correlation)
        return np.asarray(log_pdf - points.shape[1] * np.log(self.sigma))


def _equicorrelated(name: str, n_dim: int, sigma: float, correlation: float) -> Problem:
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(0.0 < sigma <= WIDEST, "sigma", sigma, "a width in (0, 1/16], inside the cube")
    lowest = -1.0 / max(n_dim - 1, 1)
    require(lowest < correlation < 1.0, "correlation", correlation, "a value in (-1/(d-1), 1)")
    axis = AxisCDF(NormalAxis(0.5, sigma))
    return Problem(
        name=name,
        n_dim=n_dim,
        log_likelihood=EquicorrelatedNormal(sigma, correlation),
        log_z=0.0,
        description="Equicorrelated normal density, normalised; the walls are at 8 standard "
        "deviations or more, so that log Z = 0 up to 2e-15 per axis.",
        mean=np.full(n_dim, 0.5),
        variance=np.full(n_dim, sigma**2),
        marginals=dict.fromkeys(range(n_dim), axis),
    )


def gaussian(n_dim: int, sigma: float = 0.05, correlation: float = 0.5) -> Problem:
    """Return a normalised normal density with one width and one correlation; log Z = 0.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    sigma
        Standard deviation on each axis, in (0, 1/16].
    correlation
        Correlation of each pair of axes, in (-1/(d-1), 1).

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    return _equicorrelated(f"gaussian-{n_dim}", n_dim, sigma, correlation)


def ridge(n_dim: int = 10, sigma: float = 0.05, thinness: float = 0.01) -> Problem:
    """Return a needle along the cube's diagonal: one degenerate combination of all axes.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 2.
    sigma
        Standard deviation on each axis, in (0, 1/16]; along the diagonal it is nearly
        sqrt(d) sigma.
    thinness
        Standard deviation across the diagonal in units of `sigma`, in (0, 1).

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(0.0 < thinness < 1.0, "thinness", thinness, "a fraction in (0, 1)")
    return _equicorrelated(f"ridge-{n_dim}", n_dim, sigma, 1.0 - thinness**2)


def very_peaked(n_dim: int = 3, width: float = 1e-6) -> Problem:
    """Return a correlated normal density that fills a tiny part of each axis; log Z = 0."""
    return _equicorrelated(f"very-peaked-{n_dim}", n_dim, width, 0.5)
