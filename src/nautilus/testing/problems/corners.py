"""Densities that pile up in all corners of the cube."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betainc, betaln

from nautilus._types import FloatArray

from .axes import Axis, product_problem
from .base import Problem, require

MOST_AXES = 4


@dataclass(frozen=True)
class BetaAxis:
    """Normalised beta density on [cut, 1 - cut], stretched to [0, 1]: high at both ends, finite.

    Parameters
    ----------
    a, b
        Shape, positive; below 1 the density rises towards u = 0 and u = 1.
    cut
        How much of the ends is left out, in (0, 1/2).
    """

    a: float
    b: float
    cut: float

    def _below(self, points: FloatArray, raise_a: int = 0) -> FloatArray:
        """Return the integral of t^raise_a times the beta density from the cut, t stretched."""
        ends = self.cut + (1.0 - 2.0 * self.cut) * np.asarray(points)
        a = self.a + raise_a
        scale = np.exp(betaln(a, self.b) - betaln(self.a, self.b))
        return np.asarray(scale * (betainc(a, self.b, ends) - betainc(a, self.b, self.cut)))

    def log_pdf(self, points: FloatArray) -> FloatArray:
        """Return (a - 1) log t + (b - 1) log(1 - t) - norm, t = cut + (1 - 2 cut) u."""
        t = self.cut + (1.0 - 2.0 * self.cut) * points
        log_norm = betaln(self.a, self.b) - np.log1p(-2.0 * self.cut)
        log_pdf = (self.a - 1.0) * np.log(t) + (self.b - 1.0) * np.log1p(-t)
        return np.asarray(log_pdf - log_norm)

    def mass(self, points: FloatArray) -> FloatArray:
        """Return a difference of two incomplete beta functions."""
        return self._below(points)

    def moments(self) -> tuple[float, float]:
        """Return the moments in closed form: those of t are beta integrals too."""
        total, first, second = (float(self._below(np.ones(()), k)) for k in range(3))
        stretch = 1.0 - 2.0 * self.cut
        mean, square = first / total, second / total
        centred = square - 2.0 * self.cut * mean + self.cut**2
        return (mean - self.cut) / stretch, centred / stretch**2


@dataclass(frozen=True)
class CornerMemberships:
    """1 for the corner that is nearest on the first axes, and 0 for the others.

    Parameters
    ----------
    n_axes
        Number of axes m that count; there are 2^m modes, the last axis fastest.
    """

    n_axes: int

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return the indicators, shape (n, 2^m), of points of shape (n, d)."""
        upper = points[:, : self.n_axes] >= 0.5
        corner = upper @ 2 ** np.arange(self.n_axes)[::-1]
        return np.asarray(np.eye(2**self.n_axes)[corner])


def corners(n_dim: int = 5, cut: float = 1e-4) -> Problem:
    """Return a product of cut beta densities, Beta(0.1, 0.15) and Beta(0.15, 0.1) in turn.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1. The mass is in 2^d corners of unequal weights, and in
        the edges and faces between them.
    cut
        As in `BetaAxis`; the smaller, the higher the corners.

    Notes
    -----
    The modes are the corners told apart on the first four axes.

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(0.0 < cut < 0.5, "cut", cut, "a fraction in (0, 1/2)")
    shapes = ((0.1, 0.15), (0.15, 0.1))
    axes: list[Axis] = [BetaAxis(*shapes[i % 2], cut) for i in range(n_dim)]
    text = "Beta densities with their ends cut off; product of incomplete beta functions."
    weights = np.ones(1)
    for axis in axes[:MOST_AXES]:
        lower = float(axis.mass(np.full((), 0.5)) / axis.mass(np.ones(())))
        weights = np.outer(weights, [lower, 1.0 - lower]).ravel()
    return replace(
        product_problem(f"corners-{n_dim}", axes, text),
        memberships=CornerMemberships(min(n_dim, MOST_AXES)),
        mode_weights=weights,
    )
