"""Curved problems: funnels, shells, egg box."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, gammaln, ndtr

from nautilus._types import FloatArray

from .axes import LOG_SQRT_2_PI
from .base import Memberships, Problem, quadrature, require, tabulated_cdf
from .normal import equicorrelated_log_pdf


@dataclass(frozen=True)
class FunnelLikelihood:
    """Log-likelihood of a funnel: the first axis sets the width of the others.

    Parameters
    ----------
    neck
        Standard deviation of the first axis about 1/2.
    slope
        The others have standard deviation width exp(slope (u_0 - 1/2)).
    width
        Their standard deviation at u_0 = 1/2.
    correlation
        Correlation of each pair of them.
    """

    neck: float
    slope: float
    width: float
    correlation: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        first = (points[:, 0] - 0.5) / self.neck
        log_width = np.log(self.width) + self.slope * (points[:, 0] - 0.5)
        rest = (points[:, 1:] - 0.5) * np.exp(-log_width)[:, None]
        log_l = equicorrelated_log_pdf(rest, self.correlation) - rest.shape[1] * log_width
        log_norm = LOG_SQRT_2_PI + np.log(self.neck)
        return np.asarray(log_l - 0.5 * first * first - log_norm)


def _one_factor_box(
    scale: FloatArray, correlation: float, n_axes: int
) -> tuple[FloatArray, FloatArray]:
    """Probability and mean square in the box |y| < 1/2 of equicorrelated normals.

    With y_i = scale (sqrt(c) z + sqrt(1 - c) e_i) the axes are independent given z, which
    leaves one integral. Returns P and the integral of y_1^2 over the box, shape of `scale`.
    """
    z, weights = quadrature(-9.0, 9.0, 60)
    weights = weights * np.exp(-0.5 * z * z - LOG_SQRT_2_PI)
    centre = scale[:, None] * np.sqrt(correlation) * z
    spread = scale[:, None] * np.sqrt(1.0 - correlation)
    low, high = (-0.5 - centre) / spread, (0.5 - centre) / spread
    inside = ndtr(high) - ndtr(low)
    phi_low = np.exp(-0.5 * low**2 - LOG_SQRT_2_PI)
    phi_high = np.exp(-0.5 * high**2 - LOG_SQRT_2_PI)
    square = centre**2 * inside + 2.0 * centre * spread * (phi_low - phi_high)
    square += spread**2 * (inside + low * phi_low - high * phi_high)
    return inside**n_axes @ weights, (inside ** (n_axes - 1) * square) @ weights


def _funnel(name: str, n_dim: int, likelihood: FunnelLikelihood, description: str) -> Problem:
    require(n_dim >= 2, "n_dim", n_dim, "at least 2")
    nodes, weights = quadrature(0.0, 1.0, 160)
    scale = likelihood.width * np.exp(likelihood.slope * (nodes - 0.5))
    inside, square = _one_factor_box(scale, likelihood.correlation, n_dim - 1)
    deviation = (nodes - 0.5) / likelihood.neck
    prior = np.exp(-0.5 * deviation**2 - LOG_SQRT_2_PI) / likelihood.neck
    evidence = weights @ (prior * inside)
    posterior = weights * prior / evidence
    mean = np.full(n_dim, 0.5)
    mean[0] = posterior @ (inside * nodes)
    variance = np.full(n_dim, posterior @ square)
    variance[0] = posterior @ (inside * nodes**2) - mean[0] ** 2
    return Problem(
        name=name,
        n_dim=n_dim,
        log_likelihood=likelihood,
        log_z=float(np.log(evidence)),
        description=description + " The part inside the cube by quadrature over the first axis "
        "and the common factor of the others.",
        mean=mean,
        variance=variance,
        marginals={0: tabulated_cdf(nodes, prior * inside)},
    )


def correlated_funnel(n_dim: int) -> Problem:
    """Return the correlated funnel: t = 20 (u - 1/2), t_1 ~ N(0, 1), others of variance e^t_1.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 2; the others have correlation 0.95 among each other.

    Raises
    ------
    SettingsError
        If `n_dim` is below 2.
    """
    likelihood = FunnelLikelihood(neck=0.05, slope=10.0, width=0.05, correlation=0.95)
    text = "Funnel of Neal (2003) with correlated axes, normalised in all space."
    return _funnel(f"correlated-funnel-{n_dim}", n_dim, likelihood, text)


def steep_funnel(n_dim: int) -> Problem:
    """Return the steep funnel: most of the posterior in a neck of tiny volume.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 2: u_0 ~ N(0.5, 0.1), the others independent about 0.5
        with standard deviation exp(20 (u_0 - 0.5)) / 100.

    Raises
    ------
    SettingsError
        If `n_dim` is below 2.
    """
    likelihood = FunnelLikelihood(neck=0.1, slope=20.0, width=0.01, correlation=0.0)
    text = "Funnel whose width grows by a factor e for every 0.05 of the first axis."
    return _funnel(f"steep-funnel-{n_dim}", n_dim, likelihood, text)


SHELL_CENTRE, SHELL_RADIUS, SHELL_WIDTH, SHELL_RANGE = 3.5, 2.0, 0.1, 6.0


def shells_log_terms(points: FloatArray) -> FloatArray:
    """Return log L of either shell but for its norm, shape (n, 2), of points (n, d)."""
    x = 2.0 * SHELL_RANGE * (points - 0.5)
    rest = (x[:, 1:] ** 2).sum(axis=1)
    terms = np.empty((len(points), 2))
    for m, centre in enumerate((-SHELL_CENTRE, SHELL_CENTRE)):
        radius = np.sqrt(rest + (x[:, 0] - centre) ** 2)
        terms[:, m] = -0.5 * ((radius - SHELL_RADIUS) / SHELL_WIDTH) ** 2
    return terms


def shells_log_likelihood(points: FloatArray) -> FloatArray:
    """Return log L of two Gaussian shells, shape (n,), of points (n, d) in the unit cube."""
    log_l = np.logaddexp.reduce(shells_log_terms(points), axis=1)
    return np.asarray(log_l - (LOG_SQRT_2_PI + np.log(SHELL_WIDTH)))


def shells(n_dim: int) -> Problem:
    """Return two Gaussian shells of radius 2 and width 0.1 on [-6, 6]^d.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 2. The centres are at -3.5 and 3.5 on the first axis.

    Raises
    ------
    SettingsError
        If `n_dim` is below 2.
    """
    require(n_dim >= 2, "n_dim", n_dim, "at least 2")
    radius, weights = quadrature(0.5, 3.5, 200)
    deviation = (radius - SHELL_RADIUS) / SHELL_WIDTH
    log_area = np.log(2.0) + 0.5 * n_dim * np.log(np.pi) - gammaln(0.5 * n_dim)
    log_density = log_area + (n_dim - 1) * np.log(radius) - 0.5 * deviation**2
    log_density -= LOG_SQRT_2_PI + np.log(SHELL_WIDTH) + n_dim * np.log(2.0 * SHELL_RANGE)
    # The walls cut a cap of the shells' outer tails: cos(angle) > 2.5 / radius.
    cosine = np.minimum((SHELL_RANGE - SHELL_CENTRE) / radius, 1.0)
    cap = 0.5 * betainc(0.5 * (n_dim - 1), 0.5, 1.0 - cosine**2)
    mass = weights * np.exp(log_density)
    square = (mass @ radius**2) / mass.sum() / n_dim
    variance = np.full(n_dim, square)
    variance[0] += SHELL_CENTRE**2
    return Problem(
        name=f"shells-{n_dim}",
        n_dim=n_dim,
        log_likelihood=shells_log_likelihood,
        log_z=float(np.log(2.0 * mass @ (1.0 - cap))),
        description="Two Gaussian shells (Feroz, Hobson & Bridges 2009); evidence by radial "
        "quadrature without the caps beyond the walls (moments with them: below 1e-6).",
        mean=np.full(n_dim, 0.5),
        variance=variance / (2.0 * SHELL_RANGE) ** 2,
        memberships=Memberships(shells_log_terms),
        mode_weights=np.full(2, 0.5),
    )


def eggbox_log_likelihood(points: FloatArray) -> FloatArray:
    """Return (2 + cos(x/2) cos(y/2))^5, shape (n,), with x and y in [0, 10 pi]."""
    cosine = np.cos(5.0 * np.pi * points)
    return np.asarray((2.0 + cosine[:, 0] * cosine[:, 1]) ** 5)


EGGBOX_PEAKS = np.array([(i, j) for i in range(6) for j in range(6) if (i + j) % 2 == 0])


def eggbox_memberships(points: FloatArray) -> FloatArray:
    """Return 1 for the nearest of the 18 peaks and 0 for the others, shape (n, 18)."""
    distance = ((5.0 * points[:, None, :] - EGGBOX_PEAKS) ** 2).sum(axis=2)
    return np.asarray(np.eye(len(EGGBOX_PEAKS))[distance.argmin(axis=1)])


def eggbox() -> Problem:
    """Return the egg box: 18 equal modes, log L = (2 + cos(x/2) cos(y/2))^5 on [0, 10 pi]^2."""
    nodes, weights = quadrature(0.0, 1.0, 100)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    log_l = eggbox_log_likelihood(grid).reshape(len(nodes), len(nodes))
    peak = float(log_l.max())
    density = np.exp(log_l - peak) @ weights
    evidence = float(weights @ density)
    posterior = weights * density / evidence
    mean = float(posterior @ nodes)
    variance = float(posterior @ nodes**2) - mean**2
    cdf = tabulated_cdf(nodes, density)
    # A peak on a wall has half of its basin in the cube, one in a corner a quarter.
    inside = np.where(EGGBOX_PEAKS % 5 == 0, 0.5, 1.0).prod(axis=1)
    return Problem(
        name="eggbox",
        n_dim=2,
        log_likelihood=eggbox_log_likelihood,
        log_z=peak + float(np.log(evidence)),
        description="Egg box of Feroz, Hobson & Bridges (2009); two-dimensional quadrature.",
        mean=np.full(2, mean),
        variance=np.full(2, variance),
        marginals={0: cdf, 1: cdf},
        memberships=eggbox_memberships,
        mode_weights=inside / inside.sum(),
    )
