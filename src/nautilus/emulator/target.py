"""The scale on which networks learn log L: exact near a reference, coarse far away."""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from nautilus._types import FloatArray

FLOOR = 5.0
"""Log-likelihoods are not told apart below ``-FLOOR`` on the learning scale."""

ERROR_LEAST = 1e-9
"""Predictions are not taken for better than this on the learning scale."""


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

    def log_chance_above(
        self, log_level: float, log_l: FloatArray, error: FloatArray
    ) -> FloatArray:
        """Return log of the probability that log L exceeds a level, shape (n,).

        Parameters
        ----------
        log_level
            The level.
        log_l, error
            Predictions, shape (n,), and their standard errors on the learning scale, where they
            are taken for normal.
        """
        return np.asarray(log_ndtr(self.rise(np.array([log_level]), log_l, error)))

    def rise(self, low: FloatArray, high: FloatArray, error: FloatArray) -> FloatArray:
        """Return the difference of two values of log L in units of an error on this scale."""
        return np.asarray(
            (self.compress(high) - self.compress(low)) / np.maximum(error, ERROR_LEAST)
        )

    def slope(self, log_l: FloatArray) -> FloatArray:
        """Return dt/d(log L) times the width: the importance of an error there."""
        limit = self.width * np.expm1(FLOOR)
        distance = np.minimum(np.abs(log_l - self.reference), limit)
        return np.asarray(1.0 / (1.0 + distance / self.width))
