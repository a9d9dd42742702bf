"""The neighbourhoods of a few points: a density without anything learned."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray
from nautilus.geometry.coordinates import Coordinates, cut_periodic
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.base import in_blocks
from nautilus.proposal.learned import DRAW_CHUNK, base_log_density, draw_base

WIDTH = 0.4
"""Scale of a neighbourhood in units of the side of a cube of the volume that is looked for."""

FARTHEST = 4.0
"""Centres lie inside of this in the space of standard normal densities: 3e-5 from a wall."""

DOF = 5.0
"""Neighbourhoods have tails, in case that the part is not round."""

FINER, N_FINER = 4.0, 6
SIZES = FINER ** -np.arange(float(N_FINER))
"""Relative sizes of the neighbourhoods of a point of a part of unknown size."""


@dataclass(frozen=True)
class MixtureProposal:
    """The density of a mixture in the whole space, carried to the cube.

    Parameters
    ----------
    coordinates
        The map from the cube to that space.
    mixture
        What to draw from.
    """

    coordinates: Coordinates
    mixture: Mixture

    @property
    def log_norm_error(self) -> float:
        """Zero: mixtures are normalised."""
        return 0.0

    def chunk(self, rng: np.random.Generator) -> FloatArray:
        """Return 1024 points less those on a wall, shape (m, d)."""
        return draw_base(self.mixture, self.coordinates, DRAW_CHUNK, rng)[0]

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density of points of shape (n, d), shape (n,)."""
        return in_blocks(
            lambda block: base_log_density(self.mixture, self.coordinates.to_space(block)), points
        )


def surround(points: FloatArray, sides: FloatArray, periodic: tuple[int, ...]) -> MixtureProposal:
    """Return the neighbourhoods of points of a part of the cube.

    Parameters
    ----------
    points
        Unit cube, shape (n, d).
    sides
        Each point has neighbourhoods about as large as cubes of these sides, between 0 and 1,
        shape (k,).
    periodic
        Periodic axes.
    """
    n, d = points.shape
    n_all = n * len(sides)
    coordinates = cut_periodic(points, np.ones(n), periodic)
    # Around a wall lies nothing but what is dropped.
    space = np.clip(coordinates.to_space(points), -FARTHEST, FARTHEST)
    # Lengths in the cube become longer in the space by the inverse of the normal density.
    stretch = np.sqrt(2.0 * np.pi) * np.exp(0.5 * space**2)
    scales = np.minimum(WIDTH * sides[:, None, None] * stretch, 1.0).reshape(n_all, d)
    factors = scales[:, :, None] * np.eye(d)
    means = np.tile(space, (len(sides), 1))
    mixture = Mixture(np.full(n_all, -np.log(n_all)), means, factors, np.full(n_all, DOF))
    return MixtureProposal(coordinates, mixture)
