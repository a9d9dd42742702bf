"""What every proposal offers."""

from typing import Protocol

import numpy as np

from nautilus._types import FloatArray

BLOCK = 512
"""Rows of one call of the arithmetic: results must not depend on how points are grouped."""


class Proposal(Protocol):
    """A normalised density on the unit cube that can be drawn from."""

    @property
    def log_norm_error(self) -> float:
        """Relative standard error of the density's normalisation."""
        ...

    def chunk(self, rng: np.random.Generator) -> FloatArray:
        """Return the points of one chunk, shape (m, d); m may be zero."""
        ...

    def log_density(self, points: FloatArray) -> FloatArray:
        """Return the log density of points of shape (n, d), shape (n,)."""
        ...
