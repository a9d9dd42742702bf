"""Unimodal densities with heavy or bent tails."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtr

from nautilus._types import FloatArray

from .axes import LOG_SQRT_2_PI, NormalAxis
from .base import Problem, quadrature, require, tabulated_cdf


@dataclass(frozen=True)
class StudentLikelihood:
    """Log-likelihood of a round multivariate Student density at the centre of the cube."""

    n_dim: int
    scale: float
    freedom: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        d, nu = self.n_dim, self.freedom
        deviation = (points - 0.5) / self.scale
        distance = (deviation * deviation).sum(axis=1) / nu
        log_norm = gammaln(0.5 * (nu + d)) - gammaln(0.5 * nu) - 0.5 * d * np.log(nu * np.pi)
        log_norm -= d * np.log(self.scale)
        return np.asarray(log_norm - 0.5 * (nu + d) * np.log1p(distance))


def student(n_dim: int = 5, scale: float = 0.02, freedom: float = 3.0) -> Problem:
    """Return a multivariate Student density: round, with tails that reach the walls.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    scale
        Width of the core, positive.
    freedom
        Degrees of freedom nu, positive; the smaller, the heavier the tails.

    Notes
    -----
    The density is a mixture of normals of width s = scale sqrt(nu / c), c ~ chi^2(nu), so that
    the part inside the cube, and its moments, are integrals over c alone.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(scale > 0.0, "scale", scale, "a positive width")
    require(freedom > 0.0, "freedom", freedom, "a positive number")
    log_c, weights = quadrature(-40.0, np.log(freedom + 60.0), 800)
    half = 0.5 * freedom
    weights = weights * np.exp(
        half * log_c - 0.5 * np.exp(log_c) - gammaln(half) - half * np.log(2)
    )
    width = scale * np.sqrt(freedom) * np.exp(-0.5 * log_c)
    edge = 0.5 / width
    inside = 2.0 * ndtr(edge) - 1.0
    square = width**2 * (inside - 2.0 * edge * np.exp(-0.5 * edge**2 - LOG_SQRT_2_PI))
    evidence = weights @ inside**n_dim
    variance = weights @ (inside ** (n_dim - 1) * square) / evidence
    return Problem(
        name=f"student-{n_dim}",
        n_dim=n_dim,
        log_likelihood=StudentLikelihood(n_dim, scale, freedom),
        log_z=float(np.log(evidence)),
        description="Multivariate Student density, normalised in all space; the part inside the "
        "cube by quadrature over the width of the normals that it is a mixture of.",
        mean=np.full(n_dim, 0.5),
        variance=np.full(n_dim, variance),
    )


@dataclass(frozen=True)
class BananaLikelihood:
    """Log-likelihood of independent bent pairs of axes."""

    bend: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d), d even."""
        first, second = points[:, 0::2], points[:, 1::2]
        log_l = NormalAxis(0.5, 0.1).log_pdf(first)
        log_l += NormalAxis(0.0, 0.02).log_pdf(second - (0.3 + self.bend * (first - 0.5) ** 2))
        return np.asarray(log_l.sum(axis=1))


def banana(n_dim: int = 6, bend: float = 8.0) -> Problem:
    """Return twisted Gaussians: in each pair (x, y) of axes, y follows a parabola of x.

    Parameters
    ----------
    n_dim
        Number of dimensions, even: pairs x ~ N(0.5, 0.1), y ~ N(0.3 + bend (x - 0.5)^2, 0.02).
    bend
        Curvature of the parabola.

    Raises
    ------
    SettingsError
        If `n_dim` is odd.
    """
    require(n_dim >= 2 and n_dim % 2 == 0, "n_dim", n_dim, "an even number")
    nodes, weights = quadrature(0.0, 1.0, 200)
    y, y_weights = quadrature(0.0, 1.0, 200)
    density = np.exp(NormalAxis(0.5, 0.1).log_pdf(nodes))[:, None] * np.exp(
        NormalAxis(0.0, 0.02).log_pdf(y[None, :] - (0.3 + bend * (nodes[:, None] - 0.5) ** 2))
    )
    of_x, of_y = density @ y_weights, weights @ density
    evidence = weights @ of_x
    pairs = [(nodes, weights * of_x / evidence), (y, y_weights * of_y / evidence)]
    mean = np.array([w @ x for x, w in pairs])
    variance = np.array([w @ x**2 for x, w in pairs]) - mean**2
    cdfs = (tabulated_cdf(nodes, of_x), tabulated_cdf(y, of_y))
    return Problem(
        name=f"banana-{n_dim}",
        n_dim=n_dim,
        log_likelihood=BananaLikelihood(bend),
        log_z=float(0.5 * n_dim * np.log(evidence)),
        description="Independent pairs of axes, each a Gaussian bent along a parabola; the part "
        "inside the cube by two-dimensional quadrature.",
        mean=np.tile(mean, n_dim // 2),
        variance=np.tile(variance, n_dim // 2),
        marginals={i: cdfs[i % 2] for i in range(n_dim)},
    )
