"""The functions of log L that proposals imitate."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray


@dataclass(frozen=True)
class CappedTarget:
    """The likelihood capped at a level, with more weight inside the contour.

    Parameters
    ----------
    log_level
        Natural logarithm of the cap; infinity for the posterior.
    log_boost
        Logarithm of the factor on points whose likelihood exceeds the cap.
    reference
        The log L that targets are measured from: they matter up to a factor only, and have to
        keep their digits beside log densities.
    """

    log_level: float
    log_boost: float = 0.0
    reference: float = 0.0

    @property
    def is_posterior(self) -> bool:
        """Whether there is no cap."""
        return self.log_level == np.inf

    def log_value(self, log_l: FloatArray) -> FloatArray:
        """Return log of the target for log L, up to a constant, shape (n,)."""
        capped = np.minimum(log_l, self.log_level) - self.reference
        return np.asarray(np.where(log_l > self.log_level, capped + self.log_boost, capped))

    def log_expectation(self, log_l: FloatArray, log_chance: FloatArray) -> FloatArray:
        """Return log of the expected target where log L is not known for sure, shape (n,).

        Parameters
        ----------
        log_l
            Predictions, shape (n,).
        log_chance
            Logarithm of the probability that the likelihood exceeds the cap, shape (n,). If it
            does not, the target is taken to be that of the prediction, or the cap.
        """
        with np.errstate(divide="ignore"):
            log_not = np.log1p(-np.exp(log_chance))
        below = np.minimum(log_l - self.log_level, 0.0) + log_not
        top = self.log_level - self.reference
        return np.asarray(top + np.logaddexp(log_chance + self.log_boost, below))
