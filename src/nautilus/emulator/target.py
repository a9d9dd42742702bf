"""The scale on which networks learn log L: exact near a reference, coarse far away."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray

FLOOR = 5.0
"""Log-likelihoods are not told apart below ``-FLOOR`` on the learning scale."""


@dataclass(frozen=True)
class LearningScale:
    """The map t = sign(v) log(1 + |v|) with v = (log L - reference) / width.

    Parameters
    ----------
    reference
        The log-likelihood that matters most.
    width
        Differences of log L much below this are kept in proportion, differences
        much above it are compressed. Positive.
    """

    reference: float
    width: float

    def compress(self, log_l: FloatArray) -> FloatArray:
        """Return t for log L of any size, minus infinity included."""
        limit = self.width * np.expm1(FLOOR)
        scaled = np.clip(log_l - self.reference, -limit, limit) / self.width
        return np.asarray(np.sign(scaled) * np.log1p(np.abs(scaled)))

    def expand(self, learned: FloatArray) -> FloatArray:
        """Return log L for t, the inverse of `compress` between its limits."""
        inside = np.clip(learned, -FLOOR, FLOOR)
        return np.asarray(self.reference + self.width * np.sign(inside) * np.expm1(np.abs(inside)))

    def slope(self, log_l: FloatArray) -> FloatArray:
        """Return dt/d(log L) times the width: the importance of an error there."""
        limit = self.width * np.expm1(FLOOR)
        distance = np.minimum(np.abs(log_l - self.reference), limit)
        return np.asarray(1.0 / (1.0 + distance / self.width))
