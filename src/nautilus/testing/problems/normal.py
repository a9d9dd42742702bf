"""Normal densities, their mixtures, and relatives with heavy or bent tails."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtr

from ..._types import FloatArray
from .axes import LOG_SQRT_2_PI, AxisCDF, NormalAxis
from .base import Problem, quadrature, require, tabulated_cdf

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
        return log_pdf - points.shape[1] * np.log(self.sigma)


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


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """Log-likelihood of a mixture of axis-parallel normal densities.

    Parameters
    ----------
    shares
        Factor of each component, shape (k,).
    centres, widths
        Shape (k, d).
    """

    shares: FloatArray
    centres: FloatArray
    widths: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        log_l = np.full(len(points), -np.inf)
        for share, centre, width in zip(self.shares, self.centres, self.widths, strict=True):
            deviation = (points - centre) / width
            log_norm = np.log(share) - np.log(width).sum() - len(width) * LOG_SQRT_2_PI
            log_l = np.logaddexp(log_l, log_norm - 0.5 * (deviation * deviation).sum(axis=1))
        return log_l


@dataclass(frozen=True, eq=False)
class MixtureCDF:
    """Marginal distribution function of a mixture; shares are those inside the cube."""

    shares: FloatArray
    cdfs: tuple[AxisCDF, ...]

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the probability below each point, shape as given."""
        terms = [s * cdf(points) for s, cdf in zip(self.shares, self.cdfs, strict=True)]
        return np.asarray(np.sum(terms, axis=0))


def normal_mixture(
    name: str, shares: FloatArray, centres: FloatArray, widths: FloatArray, description: str
) -> Problem:
    """Return a mixture of axis-parallel normals, cut at the walls of the cube exactly.

    Parameters
    ----------
    name, description
        As in `Problem`.
    shares
        Factors, shape (k,); log Z is the log of their sum but for the cut.
    centres, widths
        Centres and standard deviations, shape (k, d).
    """
    n_dim = centres.shape[1]
    axes = [
        [NormalAxis(float(c), float(w)) for c, w in zip(*row, strict=True)]
        for row in zip(centres, widths, strict=True)
    ]
    inside = np.array([np.prod([a.mass(np.ones(())) for a in row]) for row in axes])
    moments = np.array([[a.moments() for a in row] for row in axes])
    evidence = float(shares @ inside)
    posterior = shares * inside / evidence
    mean, square = np.einsum("k,kdm->md", posterior, moments)
    marginals = {
        i: MixtureCDF(posterior, tuple(AxisCDF(row[i]) for row in axes)) for i in range(n_dim)
    }
    likelihood = NormalMixture(shares, centres, widths)
    log_z = float(np.log(evidence))
    return Problem(
        name, n_dim, likelihood, log_z, description, mean, square - mean**2, marginals=marginals
    )


def seed3() -> Problem:
    """Return the 3-D Gaussian whose peak is 1: log L = -sum (u - 1/2)^2 / (2 0.1^2)."""
    shares = np.array([(2.0 * np.pi * 0.1**2) ** 1.5])
    return normal_mixture(
        "seed3",
        shares,
        np.full((1, 3), 0.5),
        np.full((1, 3), 0.1),
        "Round Gaussian of width 0.1 with peak 1, cut at 5 standard deviations; product of "
        "three normal distribution functions.",
    )


def spike_and_slab(n_dim: int = 5, offset: float = 0.1, spike_share: float = 0.5) -> Problem:
    """Return a spike of width 0.01 on or beside a slab of width 0.1.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    offset
        Distance of the spike from the slab's centre on each axis. 0 puts it on the slab's peak,
        where any sampler climbs into it; the default, one slab width, puts it on the slab's
        flank among about 0.2 % of the slab's typical set in 5 dimensions, so that a sampler
        has to look to find it; at 0.3 it is outside the slab's bulk.
    spike_share
        Share of the evidence in the spike, in (0, 1).

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(abs(offset) <= 0.4, "offset", offset, "a value in [-0.4, 0.4], inside the cube")
    require(0.0 < spike_share < 1.0, "spike_share", spike_share, "a fraction in (0, 1)")
    centres = np.array([np.full(n_dim, 0.5), np.full(n_dim, 0.5 + offset)])
    widths = np.array([np.full(n_dim, 0.1), np.full(n_dim, 0.01)])
    return normal_mixture(
        f"spike-and-slab-{n_dim}" if offset else f"spike-on-slab-{n_dim}",
        np.array([1.0 - spike_share, spike_share]),
        centres,
        widths,
        "Two normalised round Gaussians, widths 0.1 and 0.01, cut at the walls exactly.",
    )


def bimodal(n_dim: int = 4) -> Problem:
    """Return two far Gaussians: 30 % with width 0.02 at 0.25, 70 % with width 0.06 at 0.7."""
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    centres = np.array([np.full(n_dim, 0.25), np.full(n_dim, 0.7)])
    widths = np.array([np.full(n_dim, 0.02), np.full(n_dim, 0.06)])
    return normal_mixture(
        f"bimodal-{n_dim}",
        np.array([0.3, 0.7]),
        centres,
        widths,
        "Two normalised round Gaussians of unequal width and share, cut at the walls exactly.",
    )


def four_modes(n_dim: int = 6, seed: int = 0) -> Problem:
    """Return four Gaussians with random centres, widths (0.015 to 0.05) and shares."""
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.2, 0.8, size=(4, n_dim))
    widths = np.exp(rng.uniform(np.log(0.015), np.log(0.05), size=(4, n_dim)))
    return normal_mixture(
        f"four-modes-{n_dim}",
        rng.dirichlet(np.full(4, 5.0)),
        centres,
        widths,
        "Four axis-parallel normalised Gaussians with random centres, widths and shares, cut at "
        "the walls exactly.",
    )


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
    weights = weights * np.exp(half * log_c - 0.5 * np.exp(log_c) - gammaln(half) - half * np.log(2))
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
