"""Densities with heavy or bent tails."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtr

from nautilus._types import FloatArray

from .axes import LOG_SQRT_2_PI, NormalAxis
from .base import Memberships, Problem, quadrature, require, tabulated_cdf


@dataclass(frozen=True, eq=False)
class StudentMixture:
    """Log-likelihood of a mixture of round multivariate Student densities.

    Parameters
    ----------
    shares
        Factor of each component, shape (k,).
    centres
        Shape (k, d).
    scales
        Widths of the cores, shape (k,).
    freedom
        Degrees of freedom.
    """

    shares: FloatArray
    centres: FloatArray
    scales: FloatArray
    freedom: float

    def log_terms(self, points: FloatArray) -> FloatArray:
        """Return the log of each component, shape (n, k), at points of shape (n, d)."""
        d, nu = points.shape[1], self.freedom
        terms = np.empty((len(points), len(self.shares)))
        rows = zip(self.shares, self.centres, self.scales, strict=True)
        for m, (share, centre, scale) in enumerate(rows):
            deviation = (points - centre) / scale
            distance = (deviation * deviation).sum(axis=1) / nu
            log_norm = gammaln(0.5 * (nu + d)) - gammaln(0.5 * nu) - 0.5 * d * np.log(nu * np.pi)
            log_norm -= d * np.log(scale)
            log_pdf = log_norm - 0.5 * (nu + d) * np.log1p(distance)
            terms[:, m] = np.log(share) + log_pdf
        return terms

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        return np.asarray(np.logaddexp.reduce(self.log_terms(points), axis=1))


def _student_inside(
    centre: FloatArray, scale: float, freedom: float
) -> tuple[float, FloatArray, FloatArray]:
    """Return the integrals of 1, u and u^2 over a Student density inside the cube.

    The density is a mixture of normals of width s = scale sqrt(nu / c), c ~ chi^2(nu), whose
    axes are independent given c: that leaves one integral.
    """
    log_c, weights = quadrature(-40.0, np.log(freedom + 60.0), 200)
    half = 0.5 * freedom
    weights = weights * np.exp(
        half * log_c - 0.5 * np.exp(log_c) - gammaln(half) - half * np.log(2)
    )
    width = (scale * np.sqrt(freedom) * np.exp(-0.5 * log_c))[:, None]
    low, high = -centre / width, (1.0 - centre) / width
    inside = ndtr(high) - ndtr(low)
    phi_low, phi_high = (np.exp(-0.5 * end**2 - LOG_SQRT_2_PI) for end in (low, high))
    # Moments about the centre, then about zero.
    first = width * (phi_low - phi_high)
    second = width**2 * (inside + low * phi_low - high * phi_high)
    second += 2.0 * centre * first + centre**2 * inside
    first += centre * inside
    joint = weights * inside.prod(axis=1)
    return float(joint.sum()), joint @ (first / inside), joint @ (second / inside)


def _student_mixture(name: str, mixture: StudentMixture, description: str) -> Problem:
    rows = zip(mixture.centres, mixture.scales, strict=True)
    parts = [_student_inside(centre, float(scale), mixture.freedom) for centre, scale in rows]
    masses = mixture.shares * np.array([part[0] for part in parts])
    evidence = masses.sum()
    mean, square = (
        mixture.shares @ np.stack([part[i] for part in parts]) / evidence for i in (1, 2)
    )
    several = len(masses) > 1
    return Problem(
        name=name,
        n_dim=mixture.centres.shape[1],
        log_likelihood=mixture,
        log_z=float(np.log(evidence)),
        description=f"{description}, normalised in all space; the part inside the cube by "
        "quadrature over the width of the normals that it is a mixture of.",
        mean=mean,
        variance=square - mean**2,
        memberships=Memberships(mixture.log_terms) if several else None,
        mode_weights=masses / evidence if several else None,
    )


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

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(scale > 0.0, "scale", scale, "a positive width")
    require(freedom > 0.0, "freedom", freedom, "a positive number")
    mixture = StudentMixture(np.ones(1), np.full((1, n_dim), 0.5), np.array([scale]), freedom)
    return _student_mixture(f"student-{n_dim}", mixture, "Multivariate Student density")


def student_modes(n_dim: int = 5, freedom: float = 3.0, seed: int = 0) -> Problem:
    """Return three Student densities at random, joined by their heavy tails.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    freedom
        Degrees of freedom nu, positive.
    seed
        Seed, not negative: centres uniform in [0.25, 0.75]^d, cores of width log-uniform in
        [0.01, 0.03], shares Dirichlet(5, 5, 5).

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(freedom > 0.0, "freedom", freedom, "a positive number")
    rng = np.random.default_rng([3, seed])
    mixture = StudentMixture(
        rng.dirichlet(np.full(3, 5.0)),
        rng.uniform(0.25, 0.75, size=(3, n_dim)),
        np.exp(rng.uniform(np.log(0.01), np.log(0.03), size=3)),
        freedom,
    )
    text = "Three round multivariate Student densities at random"
    return _student_mixture(f"student-modes-{n_dim}", mixture, text)


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
