"""Witnesses: evaluated points of parts that a proposal would forget, and their neighbourhoods."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from nautilus._types import BoolArray, FloatArray, IntArray
from nautilus.geometry.fit import least_points, moments, safe_cholesky
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.learned import LearnedProposal, base_log_density
from nautilus.proposal.seen import temper

FAIR_LEAST = 0.2
"""A proposal forgets a point at which its density is below this share of the fair one."""

N_WITNESSES = 12
"""Most witnesses that get a neighbourhood."""

SHARE_EACH, SHARE_MAX = 0.03, 0.15
"""Share of the draws that each neighbourhood gets, and all of them together at most."""

ALONE = 0.7
"""A point stands alone if its d + 1 nearest points are farther than is typical, times this."""

FLATTEST = 1e-12
"""Smallest variance along an axis, relative to the mean over axes."""

N_TYPICAL = 300
"""So many points tell what is typical."""

STEP, STEPS = 0.6, (1.0, 0.5, 0.25)
"""One that stands alone gets normal densities of several widths, in units of `STEP` times the
typical distance over the root of d: nearly all steps of the full width may lead out."""

NEIGHBOURS, REACH, WIDENING = 3, 2.0, 1.3
"""Others get the density of their neighbours, widened: three times d + 1 of them, none farther
than twice the distance of the d + 1 nearest."""

ROUNDNESS = 0.05
"""Share of its mean variance that such a density gets on every axis."""

NARROWEST = 1e-6
"""Smallest width, in standard deviations of the points inside."""

DOF = 5.0
"""Neighbourhoods have tails, in case that a part is not round."""


def witness_neighbourhoods(
    proposal: LearnedProposal,
    points: FloatArray,
    log_l: FloatArray,
    log_g: FloatArray,
    unexpected: IntArray,
) -> tuple[Mixture, float] | None:
    """Return neighbourhoods that a proposal for a contour needs, and their share, or None.

    The density of a uniform draw inside the contour is fair. Two kinds of points inside are
    witnesses of parts that the proposal would forget: those at which its density is far from
    fair, and those that no emulator expected inside and that still stand alone.

    Parameters
    ----------
    proposal
        The proposal.
    points, log_l, log_g
        All evaluated points (n, d), their log L and the log density that they were drawn from as
        a whole, shapes (n,).
    unexpected
        Which of those inside the contour were predicted to lie outside, shape (m,).
    """
    inside = np.flatnonzero(log_l > proposal.target.log_level)
    if len(inside) <= proposal.base.n_dim:
        return None
    log_volume = logsumexp(-log_g[inside]) - np.log(len(log_g))
    points, log_g = points[inside], log_g[inside]
    space = proposal.coordinates.to_space(points)
    log_fair = log_density_elsewhere(proposal, points, space) + log_volume
    surroundings = Surroundings.of(space, temper(-log_g, least_points(space.shape[1])))
    is_unfair = log_fair < np.log(FAIR_LEAST)
    rows = np.searchsorted(inside, unexpected)
    is_unexpected = np.zeros(len(inside), dtype=bool)
    is_unexpected[rows] = is_unfair[rows] | surroundings.are_alone(rows)
    witnesses = np.flatnonzero(is_unexpected | is_unfair)
    if len(witnesses) == 0:
        return None
    # Unexpected points come first: unfair ones are many where the whole emulator is crude. Then
    # those that stand for the largest volume: the highest ones would shrink onto their peaks.
    order = np.lexsort((log_g[witnesses], ~is_unexpected[witnesses]))[:N_WITNESSES]
    share = min(SHARE_EACH * len(order), SHARE_MAX)
    return surroundings.neighbourhoods(witnesses[order]), share


def log_density_elsewhere(
    proposal: LearnedProposal, points: FloatArray, space: FloatArray
) -> FloatArray:
    """Return the log density at points but for components centred on the very point, shape (n,).

    Components that cover gaps are centred on evaluated points. There the density is high, and
    says nothing about the part that the point is a witness of.
    """
    base = proposal.base
    is_own = (space[:, None, :] == base.means).all(axis=2)
    others = np.where(is_own, 0.0, base.responsibilities(space))
    left = np.maximum(others.sum(axis=1), np.finfo(float).tiny)
    log_base = base_log_density(base, space) + np.log(left)
    log_target = proposal.log_target(points, space) + np.log(others @ proposal.lifts / left)
    thinned = np.exp(np.minimum(log_target - proposal.log_ceiling - log_base, 0.0))
    floor = others @ proposal.floors / left
    return np.asarray(log_base + np.log(floor + (1.0 - floor) * thinned) - proposal.log_norm)


@dataclass(frozen=True)
class Surroundings:
    """The points inside a contour, and how far from each other they usually are.

    Parameters
    ----------
    white
        Points whitened by their covariance, shape (n, d).
    cholesky
        Its lower Cholesky factor, shape (d, d).
    typical
        Median distance to the point that is the d + 1 nearest.
    """

    white: FloatArray
    cholesky: FloatArray
    typical: float

    @classmethod
    def of(cls, space: FloatArray, weights: FloatArray) -> "Surroundings":
        """Return the surroundings of points, shape (n, d), that stand for volumes, shape (n,)."""
        covariance = moments(space, weights)[1]
        # Points may hardly differ along an axis.
        least = FLATTEST * np.trace(covariance) / len(covariance) + np.finfo(float).tiny
        cholesky = safe_cholesky(covariance + least * np.eye(len(covariance)))
        white = np.asarray(np.linalg.solve(cholesky, space.T).T)
        some = np.linspace(0, len(white) - 1, min(len(white), N_TYPICAL)).astype(np.int64)
        found = cls(white, cholesky, 0.0)
        return replace(found, typical=float(np.median(found._distance_of_nearest(some))))

    @property
    def n_nearest(self) -> int:
        """The d + 1 nearest points, or as many as there are."""
        return int(min(self.white.shape[1] + 1, len(self.white) - 1))

    def _distance_of_nearest(self, rows: IntArray) -> FloatArray:
        k = self.n_nearest
        return np.asarray(np.partition(cdist(self.white[rows], self.white), k, axis=1)[:, k])

    def are_alone(self, rows: IntArray) -> BoolArray:
        """Return which of some points stand alone, shape (m,)."""
        return self._distance_of_nearest(rows) > ALONE * self.typical

    def neighbourhoods(self, rows: IntArray) -> Mixture:
        """Return a density around each of some points, with equal shares."""
        n_dim = self.white.shape[1]
        means, factors, shares = [], [], []
        for i, distance in zip(rows, cdist(self.white[rows], self.white), strict=True):
            near = np.argsort(distance, kind="stable")
            reach = distance[near[self.n_nearest]]
            if reach > ALONE * self.typical:
                width = max(STEP * self.typical / np.sqrt(n_dim), NARROWEST)
                means += [self.white[i]] * len(STEPS)
                factors += [step * width * np.eye(n_dim) for step in STEPS]
                shares += [1.0 / len(STEPS)] * len(STEPS)
                continue
            own = near[: NEIGHBOURS * (n_dim + 1) + 1]
            own = own[distance[own] <= REACH * reach]
            mean, covariance = moments(self.white[own], np.ones(len(own)))
            round_part = ROUNDNESS * np.trace(covariance) / n_dim + NARROWEST**2
            covariance += round_part * np.eye(n_dim)
            means.append(mean)
            factors.append(WIDENING * safe_cholesky(covariance))
            shares.append(1.0)
        return Mixture(
            np.log(np.array(shares) / len(rows)),
            np.array(means) @ self.cholesky.T,
            self.cholesky @ np.array(factors),
            np.full(len(means), DOF),
        )
