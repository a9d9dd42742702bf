"""What a problem with a known answer is, and the arithmetic that its kinds share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtri, softmax

from nautilus._types import FloatArray
from nautilus.errors import SettingsError

Function = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Problem:
    """A likelihood in the unit cube with a uniform prior, and its exact answers.

    Attributes
    ----------
    name
        Short name with the dimension, such as ``"gaussian-5"``.
    n_dim
        Number of dimensions d.
    log_likelihood
        Takes points of shape (n, d) in the unit cube, returns log L of shape (n,). It can be
        pickled.
    log_z
        Exact natural logarithm of the evidence.
    description
        What the problem is, and where the exact value comes from.
    mean, variance
        Exact posterior moments of each axis in the unit cube, shape (d,), or None if unknown.
    periodic
        Axes whose two ends are the same point.
    marginals
        Exact marginal cumulative distribution functions of the posterior by axis, where known.
    memberships
        Where there are k modes: takes points of shape (n, d), returns the probability of each
        mode given the point, shape (n, k); its rows sum to one.
    mode_weights
        Exact posterior averages of `memberships`, shape (k,); they sum to one.
    """

    name: str
    n_dim: int
    log_likelihood: Function
    log_z: float
    description: str
    mean: FloatArray | None = None
    variance: FloatArray | None = None
    periodic: tuple[int, ...] = ()
    marginals: Mapping[int, Function] = field(default_factory=dict)
    memberships: Function | None = None
    mode_weights: FloatArray | None = None

    def __post_init__(self) -> None:
        for answer in (self.mean, self.variance, self.mode_weights):
            if answer is not None:
                answer.setflags(write=False)


@dataclass(frozen=True)
class Memberships:
    """Probability of each mode given a point, where a likelihood is the sum of terms.

    Parameters
    ----------
    log_terms
        Takes points of shape (n, d), returns the logarithm of each of k terms, shape (n, k).
    """

    log_terms: Function

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the share of each term in the sum, shape (n, k)."""
        return np.asarray(softmax(self.log_terms(points), axis=1))


def unit_prior(points: FloatArray) -> FloatArray:
    """Return the points themselves: the prior transform of every problem here."""
    return points


def require(condition: bool, name: str, given: object, expected: str) -> None:
    """Raise SettingsError unless the condition holds.

    Raises
    ------
    SettingsError
        Names the keyword, what was given and what is possible.
    """
    if not condition:
        message = f"{name}={given!r} cannot be used here: pass {expected}."
        raise SettingsError(message)


def quadrature(
    low: float, high: float, panels: int, order: int = 12
) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of the Gauss-Legendre rule repeated on equal panels.

    Parameters
    ----------
    low, high
        Ends of the interval.
    panels
        Number of equal panels; each should be no wider than the finest feature.
    order
        Nodes in each panel.

    Returns
    -------
    nodes, weights
        Both of shape (panels * order,), nodes ascending.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(low, high, panels + 1)
    half = 0.5 * np.diff(edges)[:, None]
    centre = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (centre + half * nodes).ravel(), (half * weights).ravel()


@dataclass(frozen=True, eq=False)
class TabulatedCDF:
    """Cumulative distribution function of a density known at nodes.

    Parameters
    ----------
    integral
        Antiderivative of a spline through the density.
    low, high
        Range outside which the density vanishes.
    """

    integral: CubicSpline
    low: float
    high: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the probability below each point, shape as given."""
        start = self.integral(self.low)
        total = self.integral(self.high) - start
        inside = np.clip(points, self.low, self.high)
        return np.asarray((self.integral(inside) - start) / total, dtype=np.float64)


def tabulated_cdf(
    nodes: FloatArray, density: FloatArray, low: float = 0.0, high: float = 1.0
) -> TabulatedCDF:
    """Return the cumulative distribution function of a density on a range.

    Parameters
    ----------
    nodes
        Ascending points in the range, shape (n,), fine enough for a cubic spline.
    density
        Density at the nodes, shape (n,); its scale does not matter.
    low, high
        Ends of the range.
    """
    return TabulatedCDF(CubicSpline(nodes, density).antiderivative(), low, high)


def normal_quantile(points: FloatArray) -> FloatArray:
    """Return the standard normal quantiles of numbers in [0, 1], finite at the ends too."""
    smallest = np.nextafter(0.0, 1.0)
    return np.asarray(ndtri(np.clip(points, smallest, np.nextafter(1.0, 0.0))))


@dataclass(frozen=True)
class NormalPriorCDF:
    """Distribution function in the unit cube of a coordinate with a normal prior about 0.

    Parameters
    ----------
    cdf
        Distribution function of the coordinate itself.
    width
        Standard deviation of the prior.
    """

    cdf: Function
    width: float

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the probability below each point of the unit interval, shape as given."""
        return self.cdf(self.width * ndtri(points))
