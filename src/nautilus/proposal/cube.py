"""The uniform density on the unit cube."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray

CHUNK = 1024


@dataclass(frozen=True)
class CubeProposal:
    """Draws uniformly from the open unit cube.

    Parameters
    ----------
    n_dim
        Number of dimensions.
    """

    n_dim: int

    @property
    def log_norm_error(self) -> float:
        """Zero: the density is exactly one."""
        return 0.0

    def chunk(self, rng: np.random.Generator) -> FloatArray:
        """Return 1024 points, none of them on a wall."""
        whole = rng.integers(0, 2**52, size=(CHUNK, self.n_dim))
        return np.asarray((whole + 0.5) * 2.0**-52)

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return zeros, shape (n,)."""
        return np.zeros(len(points))
