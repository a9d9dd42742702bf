"""All evaluated points as a proposal that is being built sees them."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import BoolArray, FloatArray, IntArray
from nautilus._weights import worth
from nautilus.geometry.cluster import fit_clusters
from nautilus.geometry.fit import fit_mixture, systematic
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.bisection import highest
from nautilus.proposal.settings import BuildSettings

NEGLIGIBLE = 1e-9
"""Points with less weight than this relative to the heaviest are not looked at."""

N_BISECTIONS = 40


@dataclass(frozen=True)
class Seen:
    """All evaluated points as a proposal sees them.

    Parameters
    ----------
    points, space
        Unit cube and whole-space coordinates, shape (n, d) each.
    log_l, log_g
        Log-likelihood and log density of the whole history, shape (n,) each.
    log_target
        Logarithm of the target, shape (n,).
    weights
        Mass of the target that each point stands for, the largest being one, shape (n,).
    """

    points: FloatArray
    space: FloatArray
    log_l: FloatArray
    log_g: FloatArray
    log_target: FloatArray
    weights: FloatArray

    @property
    def n_eff(self) -> float:
        """Number of independent points from the target that the points are worth."""
        return worth(self.weights)

    @property
    def heavy(self) -> BoolArray:
        """Which points have weight enough to matter, shape (n,)."""
        return np.asarray(self.weights > self.weights.max() * NEGLIGIBLE)

    def typical(self, n: int) -> IntArray:
        """Return the indices of n points, chosen systematically by weight, in rising order."""
        return systematic(self.weights, n)

    def fit(self, settings: BuildSettings, rng: np.random.Generator) -> Mixture:
        """Return a mixture fitted to the target."""
        heavy, n_max = self.heavy, settings.n_components_max
        return fit_clusters(
            self.space[heavy], self.weights[heavy], self.n_eff,
            self.grow(settings, n_max), n_max, rng, settings.n_points_min,
        )  # fmt: skip

    def grow(self, settings: BuildSettings, n_max: int) -> Mixture:
        """Return a mixture fitted to the target by cutting alone."""
        heavy = self.heavy
        return fit_mixture(
            self.space[heavy], self.weights[heavy], self.n_eff, n_max, settings.n_points_min
        )


def temper(log_weights: FloatArray, n_eff: float) -> FloatArray:
    """Return weights, the largest being one, raised to a power that leaves enough effective points.

    A mixture fitted to one heavy point would be that point. The power is one wherever
    the weights are worth `n_eff` points or more.
    """
    relative = log_weights - log_weights.max()
    counts = np.isfinite(relative)

    def raised(power: float) -> FloatArray:
        # A power of zero would otherwise make NaN of points without weight.
        return np.where(counts, np.exp(power * np.where(counts, relative, 0.0)), 0.0)

    def is_enough(power: float) -> bool:
        return worth(raised(power)) >= n_eff

    power = 1.0 if is_enough(1.0) else highest(is_enough, 0.0, 1.0, N_BISECTIONS)
    return raised(power)
