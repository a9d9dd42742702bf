"""A blind search for two planets in radial velocities, with exact answers.

Given the two frequencies the model is linear with normal priors, so that amplitudes and offset
are integrated in closed form, and two integrals are left.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ndtr, owens_t

from nautilus._types import FloatArray

from .axes import LOG_SQRT_2_PI
from .base import Problem, normal_quantile, quadrature

# Made once: v = 5 cos(2 pi t / 7.4 - 1) + 3 cos(2 pi t / 4.6 - 4) + 1 and normal errors of 2.
TIMES = np.array([
    *(1.04, 1.97, 2.95, 4.05, 5.06, 8.03, 9.1, 11.93, 14.04, 14.9, 16.9, 18.05, 20.0, 20.95),
    *(22.89, 23.97, 25.04, 25.98, 29.08, 30.08, 34.08, 34.92, 36.09, 38.93, 40.05, 41.06),
    *(42.09, 42.95),
])  # fmt: skip
VELOCITIES = np.array([
    *(1.9, 6.1, -0.7, -1.3, -5.9, 4.5, 4.0, -2.8, -0.4, -2.4, 5.6, 0.8, -2.2, -3.1, 3.0, 3.4),
    *(1.6, 4.2, -1.9, 8.3, -5.4, 2.0, 0.7, 5.7, 0.2, -0.2, -5.4, -1.5),
])  # fmt: skip
ERROR = 2.0
PRIOR_WIDTH = 5.0
LOWEST, HIGHEST = 1.0 / 30.0, 1.0 / 3.0
PANELS = 48
EDGES = np.array([7, 10, 13, 16, 22]) / 24.0  # between panels, so that the weights are exact
STRONG = 1


def two_planets_log_likelihood(points: FloatArray) -> FloatArray:
    """Return log L, shape (n,), of points of shape (n, 7) in the unit cube."""
    higher = np.sqrt(points[:, 0])
    amplitudes = PRIOR_WIDTH * normal_quantile(points[:, 2:])
    model = np.tile(amplitudes[:, 4, None], len(TIMES))
    for planet, fraction in enumerate((higher * points[:, 1], higher)):
        frequency = LOWEST + (HIGHEST - LOWEST) * fraction
        phase = 2.0 * np.pi * frequency[:, None] * TIMES
        model += amplitudes[:, 2 * planet, None] * np.cos(phase)
        model += amplitudes[:, 2 * planet + 1, None] * np.sin(phase)
    deviation = (VELOCITIES - model) / ERROR
    log_norm = len(TIMES) * (LOG_SQRT_2_PI + np.log(ERROR))
    return np.asarray(-0.5 * (deviation * deviation).sum(axis=1) - log_norm)


def _modes(lower: FloatArray, higher: FloatArray) -> FloatArray:
    """Return the indicator of each mode, shape (n, 6), of ordered fractions of the band."""
    slow, fast = (np.searchsorted(EDGES, fraction, "right") for fraction in (lower, higher))
    return np.asarray(np.eye(len(EDGES) + 1)[np.where(fast == STRONG, slow, fast)])


def two_planets_memberships(points: FloatArray) -> FloatArray:
    """Return which band of frequencies holds the weak planet, shape (n, 6), as indicators."""
    higher = np.sqrt(points[:, 0])
    return _modes(higher * points[:, 1], higher)


@dataclass(frozen=True, eq=False)
class _LinearModel:
    """The velocities' cosines, sines and offset, as far as the evidence needs them.

    Parameters
    ----------
    products
        Inner products of all columns, in units of errors and prior widths, shape (2 n + 1,
        2 n + 1): n cosines, n sines, the offset.
    projections
        Their products with the velocities, shape (2 n + 1,).
    """

    products: FloatArray
    projections: FloatArray

    def fit(self, lower: int, higher: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Integrate the amplitudes for the pairs (0 .. lower, higher) of frequencies.

        Returns
        -------
        log_evidence, mean, variance
            Evidence but for a constant, shape (m,), and posterior of the five amplitudes in
            prior widths, shape (m, 5), m = lower + 1.
        """
        n, j = len(self.projections) // 2, np.arange(lower + 1)
        fixed = [np.full_like(j, k) for k in (higher, higher + n, 2 * n)]
        columns = np.stack([j, j + n, *fixed], axis=1)
        precision = self.products[columns[:, :, None], columns[:, None, :]] + np.eye(5)
        covariance = np.linalg.inv(precision)
        projection = self.projections[columns]
        mean = (covariance @ projection[:, :, None])[:, :, 0]
        log_det = np.linalg.slogdet(precision)[1]
        log_evidence = 0.5 * ((mean * projection).sum(axis=1) - log_det)
        return log_evidence, mean, np.diagonal(covariance, axis1=1, axis2=2)


def _unit_moments(mean: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the averages of Phi(z) and Phi(z)^2 over z ~ N(mean, variance) (Owen 1980)."""
    height = mean / np.sqrt(1.0 + variance)
    first = ndtr(height)
    return first, first - 2.0 * owens_t(height, 1.0 / np.sqrt(1.0 + 2.0 * variance))


@cache
def _answers(panels: int = PANELS) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """Return log Z, means, variances and weights of modes by two-dimensional quadrature.

    Two ordered uniform fractions have the density 2 on half of the square: half of the rule's
    nodes, with twice the weight but on the diagonal. With twice the panels log Z changes by less
    than 1e-8; the averages, which have a kink on the diagonal, by less than 2e-5.
    """
    nodes, weights = quadrature(0.0, 1.0, panels)
    phase = 2.0 * np.pi * np.outer(LOWEST + (HIGHEST - LOWEST) * nodes, TIMES)
    columns = np.concatenate([np.cos(phase), np.sin(phase), np.ones((1, len(TIMES)))])
    columns *= PRIOR_WIDTH / ERROR
    model = _LinearModel(columns @ columns.T, columns @ VELOCITIES / ERROR)
    peak = max(float(model.fit(i, i)[0].max()) for i in range(len(nodes)))
    total, first, second, modes = 0.0, np.zeros(7), np.zeros(7), np.zeros(len(EDGES) + 1)
    for i, higher in enumerate(nodes):
        lower = nodes[: i + 1]
        log_evidence, mean, variance = model.fit(i, i)
        share = 2.0 * weights[i] * weights[: i + 1] * np.exp(log_evidence - peak)
        share[i] /= 2.0
        periods = np.stack([np.full(i + 1, higher**2), lower / higher], axis=1)
        averages, squares = _unit_moments(mean, variance)
        total += float(share.sum())
        first += share @ np.concatenate([periods, averages], axis=1)
        second += share @ np.concatenate([periods**2, squares], axis=1)
        modes += share @ _modes(lower, np.full(i + 1, higher))
    deviation = VELOCITIES / ERROR
    log_norm = len(TIMES) * (LOG_SQRT_2_PI + np.log(ERROR)) + 0.5 * float(deviation @ deviation)
    mean = first / total
    return peak + float(np.log(total)) - log_norm, mean, second / total - mean**2, modes / total


def two_planets() -> Problem:
    """Return a blind search for two planets on circular orbits: seven dimensions, many periods.

    Notes
    -----
    Frequencies are uniform in [1/30, 1/3] per day and ordered by construction: the higher one
    is the square root of the first coordinate on that range, the lower one its product with the
    second. Cosine and sine amplitude of the slower planet, those of the faster one, and an
    offset have priors N(0, 5^2) in m/s. 28 velocities with errors of 2 m/s show one planet
    clearly; the other one may be anywhere.
    """
    log_z, mean, variance, mode_weights = _answers()
    return Problem(
        name="two-planets-7",
        n_dim=7,
        log_likelihood=two_planets_log_likelihood,
        log_z=log_z,
        description="Two sinusoids of unknown frequency; amplitudes in closed form, frequencies "
        "by two-dimensional quadrature.",
        mean=mean,
        variance=variance,
        memberships=two_planets_memberships,
        mode_weights=mode_weights,
    )
