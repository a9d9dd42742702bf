"""A base at the evaluated points that matter: computed once, read by all who judge the base."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from nautilus._types import FloatArray, freeze
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.learned import base_log_density_and_responsibilities
from nautilus.proposal.seen import Seen


@dataclass(frozen=True)
class Coverage:
    """How a base covers the n evaluated points of some weight.

    Parameters
    ----------
    base
        K components.
    log_base
        Its log density in the cube, shape (n,).
    responsibilities
        Probability of each component given each point, shape (n, K).
    log_target
        Logarithm of the target, shape (n,).
    weights
        Mass of the target that each point stands for, shape (n,).
    """

    base: Mixture
    log_base: FloatArray
    responsibilities: FloatArray
    log_target: FloatArray
    weights: FloatArray

    def __post_init__(self) -> None:
        freeze(self)

    def reweighted(self, factors: FloatArray) -> Self:
        """Return the coverage by the base with its shares multiplied by factors, shape (K,)."""
        shares = np.exp(self.base.log_shares)
        terms = self.responsibilities * (factors * shares.sum() / (shares @ factors))
        total = terms.sum(axis=1)
        return replace(
            self,
            base=self.base.reweighted(factors),
            log_base=self.log_base + np.log(total),
            responsibilities=terms / total[:, None],
        )

    def lifted(self, lifts: FloatArray) -> Self:
        """Return the points as they stand for the lifted target; the weights keep their unit."""
        factor = self.responsibilities @ lifts
        return replace(
            self, log_target=self.log_target + np.log(factor), weights=self.weights * factor
        )


def cover(base: Mixture, seen: Seen) -> Coverage:
    """Return how a base covers the points that have weight enough to matter."""
    heavy = seen.heavy
    log_base, responsibilities = base_log_density_and_responsibilities(base, seen.space[heavy])
    return Coverage(base, log_base, responsibilities, seen.log_target[heavy], seen.weights[heavy])
