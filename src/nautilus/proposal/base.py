"""What every proposal offers."""

from collections.abc import Callable
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


def in_blocks(log_density: Callable[[FloatArray], FloatArray], points: FloatArray) -> FloatArray:
    """Return a log density of points of shape (n, d), shape (n,), computed in blocks of one size.

    Parameters
    ----------
    log_density
        Takes `BLOCK` points of the open unit cube, returns as many values.
    points
        Shape (n, d).
    """
    out = np.empty(len(points))
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        padded = np.concatenate([block, np.full((BLOCK - len(block), block.shape[1]), 0.5)])
        out[start : start + BLOCK] = log_density(padded)[: len(block)]
    return out
