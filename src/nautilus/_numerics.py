"""Arithmetic that several rooms need."""

import numpy as np

from nautilus._types import FloatArray
from nautilus.errors import SettingsError

REFERENCE_LEAST = 1e8
"""Beside a smaller log L, log densities keep eight digits behind the point."""


ROUNDING = 1e-12
"""Relative deviation that arithmetic alone can cause in sums over a run."""


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


def split_rate(rate: float, n_checks: int) -> float:
    """Divide a false-alarm rate among independent checks.

    Parameters
    ----------
    rate
        Probability that at least one of the checks blames a right sampler, in (0, 1).
    n_checks
        Number of checks, at least 1.

    Returns
    -------
    rate
        Rate of each check, 1 - (1 - rate)^(1 / n) (Sidak 1967). For positively dependent checks
        the rate of the family is smaller still.

    Raises
    ------
    SettingsError
        If an argument is out of range.
    """
    if not 0.0 < rate < 1.0:
        raise SettingsError(f"rate={rate!r}: pass a probability between 0 and 1.")
    if n_checks < 1:
        raise SettingsError(f"n_checks={n_checks!r}: pass the number of checks, at least 1.")
    return float(-np.expm1(np.log1p(-rate) / n_checks))
