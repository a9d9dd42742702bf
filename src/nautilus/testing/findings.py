"""What a statistical check finds."""

from dataclasses import dataclass

from nautilus._numerics import ROUNDING
from nautilus._types import FloatArray
from nautilus.errors import SettingsError


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
