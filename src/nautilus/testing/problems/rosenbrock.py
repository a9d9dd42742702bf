"""Rosenbrock's valley: one chain through all axes, and pairs of axes under a normal prior."""

from functools import cache

import numpy as np
from scipy.special import ndtr

from nautilus._types import FloatArray

from .axes import LOG_SQRT_2_PI
from .base import (
    Function,
    NormalPriorCDF,
    Problem,
    normal_quantile,
    quadrature,
    require,
    tabulated_cdf,
)

HALF_RANGE = 5.0


def rosenbrock_log_likelihood(points: FloatArray) -> FloatArray:
    """Return minus Rosenbrock's sum, shape (n,), of points of shape (n, d) in the unit cube."""
    x = 2.0 * HALF_RANGE * (points - 0.5)
    head, tail = x[:, :-1], x[:, 1:]
    log_l = -(100.0 * (tail - head**2) ** 2 + (1.0 - head) ** 2).sum(axis=1)
    return np.asarray(log_l)


@cache
def _chain(n_dim: int) -> tuple[float, FloatArray, FloatArray, dict[int, Function]]:
    """Return log Z, mean, variance and marginals of the chain by forward-backward passes.

    The likelihood is a product of factors of neighbours, so Z is a product of matrices on a
    grid of nodes: exact up to the quadrature, whose panels of 0.1 are finer than the factors'
    narrowest feature (0.07 along y, 0.016 along x at the walls).
    """
    nodes, weights = quadrature(-HALF_RANGE, HALF_RANGE, 120)
    weights = weights / (2.0 * HALF_RANGE)
    head, tail = nodes[:, None], nodes[None, :]
    factor = np.exp(-100.0 * (tail - head**2) ** 2 - (1.0 - head) ** 2)
    forward, backward = [np.ones(len(nodes))], [np.ones(len(nodes))]
    log_scale = 0.0
    for _ in range(n_dim - 1):
        message = (weights * forward[-1]) @ factor
        log_scale += float(np.log(message.max()))
        forward.append(message / message.max())
        message = factor @ (weights * backward[-1])
        backward.append(message / message.max())
    log_z = log_scale + float(np.log(weights @ forward[-1]))
    unit = nodes / (2.0 * HALF_RANGE) + 0.5
    densities = np.array([f * b for f, b in zip(forward, backward[::-1], strict=True)])
    densities /= (densities @ weights)[:, None]
    mean = densities @ (weights * unit)
    variance = densities @ (weights * unit**2) - mean**2
    marginals: dict[int, Function] = {
        i: tabulated_cdf(unit, density) for i, density in enumerate(densities)
    }
    return log_z, mean, variance, marginals


def rosenbrock(n_dim: int) -> Problem:
    """Return Rosenbrock's thin curved valley on [-5, 5]^d, uniform prior.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 2. log L = -sum 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2.

    Raises
    ------
    SettingsError
        If `n_dim` is below 2.
    """
    require(n_dim >= 2, "n_dim", n_dim, "at least 2")
    log_z, mean, variance, marginals = _chain(n_dim)
    return Problem(
        name=f"rosenbrock-{n_dim}",
        n_dim=n_dim,
        log_likelihood=rosenbrock_log_likelihood,
        log_z=log_z,
        description="Rosenbrock function on [-5, 5]^d; evidence, moments and marginals by "
        "transfer-matrix integration along the chain.",
        mean=mean,
        variance=variance,
        marginals=marginals,
    )


PRIOR_WIDTH = 3.0
STEEPNESS = 10.0


def rosenbrock_pairs_log_likelihood(points: FloatArray) -> FloatArray:
    """Return minus the sum over pairs (x, y) of axes of 10 (x^2 - y)^2 + (x - 1)^2, shape (n,).

    The points, shape (n, d), are in the unit cube; x and y are their normal quantiles.
    """
    x = PRIOR_WIDTH * normal_quantile(points)
    head, tail = x[:, 0::2], x[:, 1::2]
    log_l = -(STEEPNESS * (head**2 - tail) ** 2 + (head - 1.0) ** 2).sum(axis=1)
    return np.asarray(log_l)


@cache
def _pair() -> tuple[float, FloatArray, FloatArray, tuple[Function, Function]]:
    """Return log Z, means, variances and marginals of one pair.

    Given x, the second coordinate is normal, which leaves one integral.
    """
    x, weights = quadrature(-7.0, 9.0, 160)
    precision = 2.0 * STEEPNESS + PRIOR_WIDTH**-2
    centre, spread = 2.0 * STEEPNESS * x**2 / precision, precision**-0.5
    variance_of_square = PRIOR_WIDTH**2 + 0.5 / STEEPNESS
    log_density = -0.5 * (x / PRIOR_WIDTH) ** 2 - (x - 1.0) ** 2 - 0.5 * x**4 / variance_of_square
    log_density -= 2.0 * LOG_SQRT_2_PI + np.log(PRIOR_WIDTH) + 0.5 * np.log(variance_of_square)
    density = np.exp(log_density) * np.sqrt(np.pi / STEEPNESS)
    evidence = weights @ density
    posterior = weights * density / evidence
    z, z_weights = quadrature(-9.0, 9.0, 18)
    joint = np.outer(posterior, z_weights * np.exp(-0.5 * z**2 - LOG_SQRT_2_PI))
    units = (ndtr(x / PRIOR_WIDTH), ndtr((centre[:, None] + spread * z) / PRIOR_WIDTH))
    each = (posterior, joint)
    mean = np.array([(w * u).sum() for w, u in zip(each, units, strict=True)])
    square = np.array([(w * u**2).sum() for w, u in zip(each, units, strict=True)])
    y = np.linspace(-3.0, 25.0, 2801)
    of_y = np.exp(-0.5 * ((y[:, None] - centre) / spread) ** 2) @ posterior
    marginals = (
        NormalPriorCDF(tabulated_cdf(x, density, -7.0, 9.0), PRIOR_WIDTH),
        NormalPriorCDF(tabulated_cdf(y, of_y, -3.0, 25.0), PRIOR_WIDTH),
    )
    return float(np.log(evidence)), mean, square - mean**2, marginals


def rosenbrock_pairs(n_dim: int = 10) -> Problem:
    """Return independent pairs of Rosenbrock's valley under a normal prior of width 3.

    Parameters
    ----------
    n_dim
        Number of dimensions, even. log L = -sum 10 (x^2 - y)^2 + (x - 1)^2 over the pairs (x, y);
        each coordinate has the prior N(0, 3^2), which the normal quantile makes uniform.

    Raises
    ------
    SettingsError
        If `n_dim` is odd.
    """
    require(n_dim >= 2 and n_dim % 2 == 0, "n_dim", n_dim, "an even number")
    log_z, mean, variance, marginals = _pair()
    n_pairs = n_dim // 2
    return Problem(
        name=f"rosenbrock-pairs-{n_dim}",
        n_dim=n_dim,
        log_likelihood=rosenbrock_pairs_log_likelihood,
        log_z=n_pairs * log_z,
        description="Independent pairs of axes, each a Rosenbrock valley under a normal prior; "
        "the second axis integrated in closed form, the first by quadrature.",
        mean=np.tile(mean, n_pairs),
        variance=np.tile(variance, n_pairs),
        marginals={i: marginals[i % 2] for i in range(n_dim)},
    )
