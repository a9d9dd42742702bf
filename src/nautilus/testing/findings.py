"""What a statistical check finds, and how false-alarm rates are shared out."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray
from nautilus.errors import SettingsError

ROUNDING = 1e-12
"""Relative deviation that arithmetic alone can cause."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    name
        Name of the check.
    statistic
        The number that was judged.
    bound
        Smallest and largest value that passes.
    text
        The number and the bound in words.
    """

    name: str
    statistic: float
    bound: tuple[float, float]
    text: str

    @property
    def passed(self) -> bool:
        """Whether the statistic is within the bound; NaN is not."""
        return self.bound[0] <= self.statistic <= self.bound[1]


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


def same_length(minimum: int, **arrays: FloatArray) -> None:
    """Raise SettingsError unless all arrays have one length, and at least the minimum."""
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1 or min(sizes.values()) < minimum:
        raise SettingsError(
            f"The runs are {sizes}: pass the same number for each, at least {minimum}."
        )


def rounding(truth: float) -> float:
    """Return the deviation from a truth that arithmetic alone can cause."""
    return ROUNDING * (1.0 + abs(truth))
