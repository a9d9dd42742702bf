"""Arithmetic that several rooms need."""

import numpy as np

from nautilus._types import FloatArray

REFERENCE_LEAST = 1e8
"""Beside a smaller log L, log densities keep eight digits behind the point."""


def reference_of(log_l: FloatArray) -> float:
    """Return the log L that others are measured from before they meet log densities.

    A log L of 1e18 has steps of 128, and beside it every density would be lost. Zero where log L
    is of ordinary size, otherwise its largest finite value.

    Parameters
    ----------
    log_l
        Shape (n,); minus infinity is legal.
    """
    peak = float(np.max(log_l, initial=-np.inf, where=np.isfinite(log_l)))
    return peak if REFERENCE_LEAST <= abs(peak) < np.inf else 0.0
