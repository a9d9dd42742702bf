"""A base density, thinned by the emulated target: an exactly known density."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from nautilus._types import FloatArray
from nautilus.emulator.emulator import Emulator
from nautilus.geometry.coordinates import Coordinates, log_prior_density
from nautilus.geometry.mixture import Mixture, combine
from nautilus.proposal.base import BLOCK, in_blocks
from nautilus.proposal.target import CappedTarget

CHUNK = 4096
"""Trials per chunk of the normalisation, a multiple of the block of the arithmetic."""

DRAW_CHUNK = 1024
"""Trials per chunk of draws: often a few points of an old proposal are all that is wanted."""


@dataclass(frozen=True)
class LearnedProposal:
    """The density b(x) a(x) / A of a base b thinned by an emulated target T.

    Points of the base are accepted with probability
    ``a = f + (1 - f) min(1, l T / (c b))``, so the density is ``b a / A`` with ``A``
    the mean of ``a`` over the base, whatever the emulator says. The floor ``f``
    keeps the density from vanishing where the emulator underestimates; the lift ``l`` brings
    more points where few are known.

    Parameters
    ----------
    coordinates
        The map from the cube to the space in which the base lives.
    base
        Mixture in that space.
    emulator
        Predicts log L.
    target
        Turns predicted log L into the target.
    log_ceiling
        Logarithm of c.
    floors
        Floor of each component of the base, between 0 and 1, shape (K,); f is their mean,
        weighted with the responsibilities.
    lifts
        Lift of each component of the base, at least 1, shape (K,); l is their mean, as f is.
    log_norm
        Logarithm of A.
    log_norm_error
        Relative standard error of A.
    """

    coordinates: Coordinates
    base: Mixture
    emulator: Emulator
    target: CappedTarget
    log_ceiling: float
    floors: FloatArray
    lifts: FloatArray
    log_norm: float
    log_norm_error: float

    def chunk(self, rng: np.random.Generator) -> FloatArray:
        """Return the accepted points among 1024 trials, shape (m, d)."""
        points, space = draw_base(self.base, self.coordinates, DRAW_CHUNK, rng)
        log_accept = self._log_base_and_accept(points, space)[1]
        return points[np.log(rng.random(len(points))) < log_accept]

    def acceptance(self, rng: np.random.Generator) -> FloatArray:
        """Return the acceptance probabilities of 4096 trials; zero outside the cube."""
        points, space = draw_base(self.base, self.coordinates, CHUNK, rng)
        accept = np.zeros(CHUNK)
        accept[: len(points)] = np.exp(self._log_base_and_accept(points, space)[1])
        return accept

    def log_ratio(self, points: FloatArray, space: FloatArray) -> FloatArray:
        """Return log of lifted target over base for any number of points, shape (n,)."""
        log_base, lift = self.base.log_density_and_blend(space, self.lifts)
        log_target = self.log_target(points, space) + np.log(lift)
        return np.asarray(log_target - log_base + log_prior_density(space))

    def log_target(self, points: FloatArray, space: FloatArray) -> FloatArray:
        """Return log of the emulated target, not lifted, for any number of points, shape (n,)."""
        if self.target.is_posterior:
            return self.target.log_value(self.emulator.log_likelihood(points, space))
        # Where the emulator errs by more than log L falls off, contours would lose their rims
        # and small clusters with few points to learn from.
        log_l, error = self.emulator.log_likelihood_and_error(points, space)
        level = self.target.log_level
        log_chance = self.emulator.scale.log_chance_above(level, log_l, error)
        return self.target.log_expectation(log_l, log_chance)

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the exact log density given A, shape (n,)."""

        def unnormalised(block: FloatArray) -> FloatArray:
            space = self.coordinates.to_space(block)
            log_base, log_accept = self._log_base_and_accept(block, space)
            return log_base + log_accept

        return in_blocks(unnormalised, points) - self.log_norm

    def share_of_neighbourhoods(self, points: FloatArray) -> FloatArray:
        """Return the probability that points drawn there come from neighbourhoods, shape (n,)."""
        is_free = self.floors == 1.0
        if not is_free.any():
            return np.zeros(len(points))
        space = self.coordinates.to_space(points)
        log_accept = self._log_base_and_accept(points, space)[1]
        free = self.base.responsibilities(space)[:, is_free].sum(axis=1)
        return np.asarray(free * np.exp(-log_accept))

    def with_neighbourhoods(self, neighbourhoods: Mixture, share: float) -> Self:
        """Return the proposal, not normalised, with neighbourhoods of points besides.

        They are components of the base that are drawn from without asking the emulator.

        Parameters
        ----------
        neighbourhoods
            What to add.
        share
            About this share of the points comes from there.
        """
        norm = np.exp(self.log_norm)
        of_base = share * norm / (1.0 - share + share * norm)
        ones = np.ones(neighbourhoods.n_components)
        return replace(
            self,
            base=combine([self.base, neighbourhoods], [1.0 - of_base, of_base]),
            floors=np.concatenate([self.floors, ones]),
            lifts=np.concatenate([self.lifts, ones]),
        )

    def _log_base_and_accept(
        self, points: FloatArray, space: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        log_base = np.empty(len(points))
        blend = np.empty((len(points), 2))
        values = np.stack([self.floors, self.lifts], axis=1)
        log_target = np.empty(len(points))
        for start in range(0, len(points), BLOCK):
            rows = slice(start, start + BLOCK)
            log_base[rows], blend[rows] = self.base.log_density_and_blend(space[rows], values)
            log_base[rows] -= log_prior_density(space[rows])
            log_target[rows] = self.log_target(points[rows], space[rows])
        floor, log_lift = blend[:, 0], np.log(blend[:, 1])
        thinned = np.exp(np.minimum(0.0, log_target + log_lift - self.log_ceiling - log_base))
        return log_base, np.log(floor + (1.0 - floor) * thinned)


def base_log_density(base: Mixture, space: FloatArray) -> FloatArray:
    """Return the log density in the cube of a mixture given in the whole space."""
    return np.asarray(base.log_density(space) - log_prior_density(space))


def base_log_density_and_responsibilities(
    base: Mixture, space: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return that and the probability of each component, shapes (n,) and (n, K)."""
    log_density, responsibilities = base.log_density_and_responsibilities(space)
    return log_density - log_prior_density(space), responsibilities


def draw_base(
    base: Mixture, coordinates: Coordinates, n: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw from the base; points that round to a wall of the cube are dropped.

    The space coordinates are computed back from the points, so that a density is
    a function of the point alone.
    """
    points = coordinates.to_cube(base.draw(n, rng))
    points = points[((points > 0) & (points < 1)).all(axis=1)]
    space = coordinates.to_space(points)
    inside = np.isfinite(space).all(axis=1)
    return points[inside], space[inside]
