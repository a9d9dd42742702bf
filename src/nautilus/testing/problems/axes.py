"""One-dimensional densities on [0, 1], and likelihoods that are products of them.

A density may extend beyond the interval; the part inside is what counts, so `mass(1)` is the
evidence of the axis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import i0e, ndtr, softmax

from nautilus._types import FloatArray

from .base import Problem, quadrature

LOG_SQRT_2_PI = 0.5 * np.log(2.0 * np.pi)


class Axis(Protocol):
    """A likelihood of one coordinate."""

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return log L, shape as given."""
        ...

    def mass(self, points: FloatArray) -> FloatArray:
        """Return the integral of L from 0 to each point, shape as given."""
        ...

    def moments(self) -> tuple[float, float]:
        """Return posterior mean and mean square on [0, 1]."""
        ...


def _moments_by_quadrature(axis: Axis, panels: int = 400) -> tuple[float, float]:
    nodes, weights = quadrature(0.0, 1.0, panels)
    weights = weights * np.exp(axis.log_pdf(nodes))
    weights /= weights.sum()
    return float(weights @ nodes), float(weights @ nodes**2)


@dataclass(frozen=True)
class FlatAxis:
    """L = 1: the coordinate is not constrained."""

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return zeros."""
        return np.zeros_like(points)

    def mass(self, points: FloatArray) -> FloatArray:
        """Return the points themselves."""
        return points

    def moments(self) -> tuple[float, float]:
        """Return 1/2 and 1/3."""
        return 0.5, 1.0 / 3.0


@dataclass(frozen=True)
class NormalAxis:
    """Normalised normal density, cut to [low, high] within [0, 1]; L = 0 outside.

    Parameters
    ----------
    loc, scale
        Centre (anywhere) and standard deviation before the cut.
    low, high
        Range where L > 0.
    """

    loc: float
    scale: float
    low: float = 0.0
    high: float = 1.0

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return the normal log density, -inf outside [low, high]."""
        deviation = (points - self.loc) / self.scale
        log_pdf = -0.5 * deviation * deviation - (LOG_SQRT_2_PI + np.log(self.scale))
        if self.low > 0.0 or self.high < 1.0:
            inside = (points >= self.low) & (points <= self.high)
            return np.where(inside, log_pdf, -np.inf)
        return np.asarray(log_pdf)

    def mass(self, points: FloatArray) -> FloatArray:
        """Return the difference of two normal distribution functions."""
        upper = (np.clip(points, self.low, self.high) - self.loc) / self.scale
        mass: FloatArray = ndtr(upper) - ndtr((self.low - self.loc) / self.scale)
        return mass

    def moments(self) -> tuple[float, float]:
        """Return the moments of the truncated normal in closed form."""
        ends = (np.array([self.low, self.high]) - self.loc) / self.scale
        probability = ndtr(ends[1]) - ndtr(ends[0])
        phi = np.exp(-0.5 * ends**2 - LOG_SQRT_2_PI) / probability
        first = phi[0] - phi[1]
        second = 1.0 + ends[0] * phi[0] - ends[1] * phi[1]
        mean = self.loc + self.scale * first
        variance = self.scale**2 * (second - first**2)
        return float(mean), float(variance + mean**2)


@dataclass(frozen=True)
class LogGammaAxis:
    """Density of log(Gamma(1)) moved and scaled: skewed, with an exponential left tail."""

    loc: float
    scale: float

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return t - exp(t) - log(scale), t the scaled deviation."""
        deviation = (points - self.loc) / self.scale
        return np.asarray(deviation - np.exp(deviation) - np.log(self.scale))

    def mass(self, points: FloatArray) -> FloatArray:
        """Return exp(-exp(t0)) - exp(-exp(t)), with t0 the scaled deviation of 0."""
        start = np.exp(-np.exp(-self.loc / self.scale))
        mass: FloatArray = start - np.exp(-np.exp((points - self.loc) / self.scale))
        return mass

    def moments(self) -> tuple[float, float]:
        """Return the moments by quadrature."""
        return _moments_by_quadrature(self)


@dataclass(frozen=True)
class ExponentialAxis:
    """Density exp(-u / scale) / scale: all mass is piled up at u = 0."""

    scale: float

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return -u / scale - log(scale)."""
        return np.asarray(-points / self.scale - np.log(self.scale))

    def mass(self, points: FloatArray) -> FloatArray:
        """Return 1 - exp(-u / scale)."""
        return -np.expm1(-points / self.scale)

    def moments(self) -> tuple[float, float]:
        """Return the moments of the truncated exponential in closed form."""
        s = self.scale
        end = np.exp(-1.0 / s)
        mean = s - end / (1.0 - end)
        square = 2.0 * s * s - end * (1.0 + 2.0 * s) / (1.0 - end)
        return float(mean), float(square)


@dataclass(frozen=True)
class VonMisesAxis:
    """Von Mises density of the angle 2 pi u; its ends are the same point."""

    loc: float
    concentration: float

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return k (cos(2 pi (u - loc)) - 1) - log(I0(k) exp(-k))."""
        angle = 2.0 * np.pi * (points - self.loc)
        log_norm = np.log(i0e(self.concentration))
        return np.asarray(self.concentration * (np.cos(angle) - 1.0) - log_norm)

    def mass(self, points: FloatArray) -> FloatArray:
        """Return the integral from 0 by the Fourier series of the density."""
        n_terms = 20 + int(8.0 * np.sqrt(self.concentration) + 4.0)
        nodes = np.arange(4 * n_terms) / (4 * n_terms)
        values = np.exp(self.log_pdf(nodes + self.loc))
        points = np.asarray(points, dtype=np.float64)
        mass = points.copy()
        for k in range(1, n_terms):
            # The trapezoidal rule is exact for a band-limited periodic function.
            coefficient = 2.0 * np.mean(values * np.cos(2.0 * np.pi * k * nodes))
            frequency = 2.0 * np.pi * k
            swing = np.sin(frequency * (points - self.loc)) + np.sin(frequency * self.loc)
            mass += coefficient * swing / frequency
        return mass

    def moments(self) -> tuple[float, float]:
        """Return the moments of u in [0, 1] by quadrature."""
        return _moments_by_quadrature(self)


@dataclass(frozen=True)
class MixtureAxis:
    """Equal mixture of other densities."""

    components: tuple[Axis, ...]

    def log_terms(self, points: FloatArray) -> FloatArray:
        """Return the log densities of the k components, shape (k, ...)."""
        return np.stack([component.log_pdf(points) for component in self.components])

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return the log of the mean density."""
        n_components = len(self.components)
        return np.asarray(np.logaddexp.reduce(self.log_terms(points)) - np.log(n_components))

    def weights(self) -> FloatArray:
        """Return the posterior weight of each component, shape (k,)."""
        masses = np.array([float(c.mass(np.ones(()))) for c in self.components])
        return np.asarray(masses / masses.sum())

    def mass(self, points: FloatArray) -> FloatArray:
        """Return the mean of the components' masses."""
        return np.asarray(np.mean([c.mass(points) for c in self.components], axis=0))

    def moments(self) -> tuple[float, float]:
        """Return the components' moments weighted by their mass in [0, 1]."""
        mean, square = self.weights() @ np.array([c.moments() for c in self.components])
        return float(mean), float(square)


@dataclass(frozen=True)
class ProductLikelihood:
    """L(u) = product over the axes of one-dimensional densities."""

    axes: tuple[Axis, ...]

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L, shape (n,), of points of shape (n, d)."""
        log_l = np.zeros(len(points))
        for i, axis in enumerate(self.axes):
            log_l += axis.log_pdf(points[:, i])
        return log_l


@dataclass(frozen=True)
class ProductMemberships:
    """Probability of each mode of a product given a point: one component on each mixed axis.

    Parameters
    ----------
    mixed
        The axes that are mixtures, by number. The modes are all choices of one component on
        each, in the order of nested loops, the last axis fastest.
    """

    mixed: Mapping[int, MixtureAxis]

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the probabilities, shape (n, k), of points of shape (n, d)."""
        joint = np.ones((len(points), 1))
        for i, axis in self.mixed.items():
            one = softmax(axis.log_terms(points[:, i]), axis=0).T
            n_modes = joint.shape[1] * one.shape[1]
            joint = (joint[:, :, None] * one[:, None, :]).reshape(len(points), n_modes)
        return joint

    def weights(self) -> FloatArray:
        """Return the posterior weight of each mode, shape (k,)."""
        joint = np.ones(1)
        for axis in self.mixed.values():
            joint = np.outer(joint, axis.weights()).ravel()
        return joint


@dataclass(frozen=True)
class AxisCDF:
    """Posterior distribution function of one axis of a product."""

    axis: Axis

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the probability below each point, shape as given."""
        return self.axis.mass(points) / self.axis.mass(np.ones(()))


def product_problem(
    name: str, axes: Sequence[Axis], description: str, periodic: tuple[int, ...] = ()
) -> Problem:
    """Return the problem whose likelihood is a product of one-dimensional densities.

    Parameters
    ----------
    name, description, periodic
        As in `Problem`.
    axes
        One density for each axis.
    """
    moments = np.array([axis.moments() for axis in axes])
    mixed = {i: axis for i, axis in enumerate(axes) if isinstance(axis, MixtureAxis)}
    modes = ProductMemberships(mixed) if mixed else None
    return Problem(
        name=name,
        n_dim=len(axes),
        log_likelihood=ProductLikelihood(tuple(axes)),
        log_z=float(sum(np.log(axis.mass(np.ones(()))) for axis in axes)),
        description=description,
        mean=moments[:, 0].copy(),
        variance=moments[:, 1] - moments[:, 0] ** 2,
        periodic=periodic,
        marginals={i: AxisCDF(axis) for i, axis in enumerate(axes)},
        memberships=modes,
        mode_weights=modes.weights() if modes else None,
    )
