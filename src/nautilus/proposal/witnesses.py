"""Witnesses: evaluated points of parts that a proposal would forget, and their neighbourhoods."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from nautilus._types import BoolArray, FloatArray, IntArray
from nautilus._weights import worth
from nautilus.geometry.fit import least_points, moments, safe_cholesky
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.learned import LearnedProposal, base_log_density
from nautilus.proposal.neighbourhoods import DOF, SIZES
from nautilus.proposal.seen import temper

FAIR_LEAST = 0.2
"""A proposal forgets a point at which its density is below this share of the fair one."""

SHARE_MAX = 0.25
"""Share of the draws that all neighbourhoods together get at most."""

N_LONE = 2
"""So many parts of a single witness get a neighbourhood: an emulator that is crude all over leaves
many, which mean little."""

N_TYPICAL = 300
"""So many points tell what is typical."""

WORTH_LEAST = 2.0
"""Witnesses of a part are weighted by the volumes that they stand for, but are worth so many."""

RADIUS = 0.35
"""Radius of the neighbourhood of a single witness, in units of the typical distance."""

FLATTEST, NARROWEST = 1e-12, 1e-6
"""Smallest variance along an axis, relative to the mean over axes, and smallest width of a
neighbourhood, in standard deviations of the points inside."""


@dataclass(frozen=True)
class Inside:
    """The points inside a contour.

    Parameters
    ----------
    space
        In the space of a proposal, shape (n, d).
    log_g
        Log density that they were drawn from as a whole, shape (n,); infinite for points that a
        user knows, which stand for no volume.
    log_fair
        Log density of the proposal there, relative to that of a uniform draw inside the contour,
        shape (n,).
    is_witness
        Which are witnesses, shape (n,).
    """

    space: FloatArray
    log_g: FloatArray
    log_fair: FloatArray
    is_witness: BoolArray


def witness_neighbourhoods(
    proposal: LearnedProposal,
    points: FloatArray,
    log_l: FloatArray,
    log_g: FloatArray,
    witnesses: IntArray,
    known: FloatArray,
    n_points: int,
) -> tuple[Mixture, float] | None:
    """Return neighbourhoods that a proposal for a contour needs, and their share, or None.

    Points at which the density of the proposal is far below the fair one, that of a uniform draw
    inside the contour, are witnesses too. Witnesses that are nearer to each other than points
    inside usually are belong to one part. A part that hardly any other point is near gets a
    neighbourhood if the proposal would forget it, or if it has several witnesses: then it is
    known, but so small that fair draws would be too few to keep it.

    Parameters
    ----------
    proposal
        The proposal.
    points, log_l, log_g
        All evaluated points (n, d), their log L and the log density that they were drawn from as
        a whole, shapes (n,).
    witnesses
        Which points inside the contour are known to be witnesses, shape (m,).
    known
        Points inside the contour that a user knows, shape (k, d).
    n_points
        Number of points that are to be drawn.
    """
    n_dim = proposal.base.n_dim
    rows = np.flatnonzero(log_l > proposal.target.log_level)
    log_volume = logsumexp(-log_g[rows]) - np.log(len(log_g)) if len(rows) else 0.0
    of_inside = np.concatenate([points[rows], known])
    space = proposal.coordinates.to_space(of_inside)
    log_fair = log_density_elsewhere(proposal, of_inside, space) + log_volume
    is_witness = log_fair < np.log(FAIR_LEAST)
    is_witness[np.searchsorted(rows, witnesses)] = True
    is_witness[len(rows) :] = True
    if not is_witness.any() or np.sum(~is_witness) <= n_dim + 1:
        return None
    log_g_inside = np.append(log_g[rows], np.full(len(known), np.inf))
    around = Surroundings.of(Inside(space, log_g_inside, log_fair, is_witness))
    parts = _most_wanted(list(filter(None, map(around.judge, around.parts()))))
    if not parts:
        return None
    shares = np.array([part.wanted for part in parts]) * least_points(n_dim) / n_points
    n = max(int(np.sum(np.cumsum(shares) <= SHARE_MAX)), 1)
    return around.neighbourhoods(parts[:n], shares[:n]), min(float(shares[:n].sum()), SHARE_MAX)


@dataclass(frozen=True)
class Part:
    """Witnesses that belong together and need a neighbourhood.

    Parameters
    ----------
    rows
        Which of the points inside the contour they are, shape (m,).
    wanted
        How much is drawn there, relative to what the model of a part needs at least: all of it if
        the part has several witnesses, else what is missing from a fair density.
    is_lone
        Whether there is one witness only, and no user knows it.
    """

    rows: IntArray
    wanted: float
    is_lone: bool


def _most_wanted(parts: list[Part]) -> list[Part]:
    """Return parts in the order in which they are served, lone ones last, and few of these."""
    ranked = sorted(parts, key=lambda part: -part.wanted)
    lone = [part for part in ranked if part.is_lone]
    return [part for part in ranked if not part.is_lone] + lone[:N_LONE]


@dataclass(frozen=True)
class Surroundings:
    """How far from each other the points inside a contour are.

    Parameters
    ----------
    inside
        The points.
    white
        Whitened by their covariance, shape (n, d).
    cholesky
        Its lower Cholesky factor, shape (d, d).
    typical
        Median distance of points that are no witnesses to the d + 1 nearest of them.
    """

    inside: Inside
    white: FloatArray
    cholesky: FloatArray
    typical: float

    @classmethod
    def of(cls, inside: Inside) -> "Surroundings":
        """Return the surroundings of points of which some are no witnesses."""
        n_dim = inside.space.shape[1]
        covariance = moments(inside.space, temper(-inside.log_g, least_points(n_dim)))[1]
        # Points may hardly differ along an axis.
        least = FLATTEST * np.trace(covariance) / n_dim + np.finfo(float).tiny
        cholesky = safe_cholesky(covariance + least * np.eye(n_dim))
        white = np.asarray(np.linalg.solve(cholesky, inside.space.T).T)
        others = white[~inside.is_witness]
        some = np.linspace(0, len(others) - 1, min(len(others), N_TYPICAL)).astype(np.int64)
        k = min(n_dim + 1, len(others) - 1)
        distance = np.partition(cdist(others[some], others), k, axis=1)[:, k]
        return cls(inside, white, cholesky, float(np.median(distance)))

    def parts(self) -> list[IntArray]:
        """Return the witnesses of each part."""
        rows = np.flatnonzero(self.inside.is_witness)
        links = cdist(self.white[rows], self.white[rows]) < self.typical
        n_parts, number = connected_components(links, directed=False)
        return [rows[number == k] for k in range(n_parts)]

    def judge(self, rows: IntArray) -> Part | None:
        """Return the part of some witnesses, or None if it needs no neighbourhood."""
        n_dim, inside = self.white.shape[1], self.inside
        fairness = float(np.exp(min(np.median(inside.log_fair[rows]), 0.0)))
        is_forgotten, is_known = fairness < FAIR_LEAST, len(rows) > (n_dim + 1) / 2
        n_others_most = n_dim + 1 if is_forgotten else (n_dim + 1) / 2
        if not (is_forgotten or is_known) or self._n_others(rows) > n_others_most:
            return None
        wanted = 1.0 if is_known else 1.0 - fairness / FAIR_LEAST
        return Part(rows, wanted, len(rows) == 1 and bool(np.isfinite(inside.log_g[rows[0]])))

    def _n_others(self, rows: IntArray) -> int:
        """Return how many points are near some witnesses and are none.

        Near is what is within a typical distance of the witness that stands for most volume: it
        lies farthest out.
        """
        outermost = rows[np.argmin(self.inside.log_g[rows])]
        distance = np.linalg.norm(self.white - self.white[outermost], axis=1)
        return int(np.sum((distance < self.typical) & ~self.inside.is_witness))

    def neighbourhoods(self, parts: list[Part], shares: FloatArray) -> Mixture:
        """Return densities around parts, with shares in this proportion."""
        log_shares, means, factors = [], [], []
        for part, share in zip(parts, shares / shares.sum(), strict=True):
            mean, covariance, sizes = self._shape(part.rows)
            factor = safe_cholesky(covariance)
            for size in sizes:
                log_shares.append(np.log(share / len(sizes)))
                means.append(mean)
                factors.append(size * factor)
        return Mixture(
            np.array(log_shares),
            np.array(means) @ self.cholesky.T,
            self.cholesky @ np.array(factors),
            np.full(len(means), DOF),
        )

    def _shape(self, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return mean and covariance of a part, and the sizes of its neighbourhoods.

        Points drawn in narrow neighbourhoods stand for little volume. Without weights they would
        make the next neighbourhood narrower still.
        """
        n_dim = self.white.shape[1]
        drawn = rows[np.isfinite(self.inside.log_g[rows])]
        if len(drawn) == 0:
            mean, covariance = moments(self.white[rows], np.ones(len(rows)))
            return mean, covariance + self._round(RADIUS * self.typical), SIZES
        weights = temper(-self.inside.log_g[drawn], min(WORTH_LEAST, len(drawn)))
        n_eff = worth(weights)
        mean, covariance = moments(self.white[drawn], weights)
        if len(drawn) == 1:
            return mean, self._round(RADIUS * self.typical), np.ones(1)
        covariance *= n_eff / (n_eff - 1.0)
        # Few points tell the size, more the shape.
        known = n_eff / (n_eff + least_points(n_dim))
        radius = np.sqrt(np.trace(covariance))
        return mean, known * covariance + (1.0 - known) * self._round(radius), np.ones(1)

    def _round(self, radius: float) -> FloatArray:
        """Return the covariance of a round neighbourhood, shape (d, d)."""
        n_dim = self.white.shape[1]
        width = max(radius / np.sqrt(n_dim), NARROWEST)
        return np.asarray(width**2 * np.eye(n_dim))


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
