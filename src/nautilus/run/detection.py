"""How large a part of the posterior could have been missed by all points."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import logsumexp

from nautilus._types import FloatArray, freeze
from nautilus.proposal.bisection import highest
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.mixture import mixed_log_density
from nautilus.run.state import RunState

PROBABILITY = 0.95
"""With this probability a part of the size of a limit has been hit."""

N_BISECTIONS = 50
EXPONENT_MAX = 50.0


@final
@dataclass(frozen=True, eq=False)
class DetectionLimit:
    """The size of a part that would have been hit by a point, had it been there.

    A part is a region that nothing points to: log L around it does not rise towards it. The
    first point that hits it makes it known. Smaller parts may be there without a trace.

    Attributes
    ----------
    probability
        With which a part as large as a limit has been hit, 0 to 1.
    anywhere
        Share of the prior that such a part fills, wherever it lies.
    log_l
        Log L of the K contours of the exploration, in the order in which they were climbed.
    log_volume
        Logarithm of the share of the prior that each contour encloses, shape (K,).
    log_part
        Logarithm of the share of the prior that a part fills that lies at a random place inside
        the contour and was hit by the points drawn until then, shape (K,).
    """

    probability: float
    anywhere: float
    log_l: FloatArray
    log_volume: FloatArray
    log_part: FloatArray

    def __post_init__(self) -> None:
        for name in ("log_l", "log_volume", "log_part"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
        freeze(self)

    @property
    def share(self) -> FloatArray:
        """The limit inside each contour as a share of the contour, shape (K,)."""
        return np.exp(self.log_part - self.log_volume)

    def __repr__(self) -> str:
        told = f"anywhere {self.anywhere:.2g} of the prior"
        if len(self.log_l):
            told += f", inside contours {np.median(self.share):.2g} of each"
            told += f" ({self.share.max():.2g} of one)"
        return f"DetectionLimit at {self.probability:.0%}: {told}"


def detection_limit(state: RunState, probability: float = PROBABILITY) -> DetectionLimit:
    """Return how large a part would have been hit by the points of the complete stages.

    Notes
    -----
    Each stage has points from the whole cube, n in all stages; they all miss a part of volume v
    with the probability (1 - v)^n, wherever it lies.

    For parts inside a contour, let S(x) be the number of points drawn per volume at x up to its
    stage t: the sum of n_s m_s(x) over stages s. If no density knows of a small part at x, its
    volume v is missed with the probability exp(-v S(x)). The mean over the contour is estimated
    from the points of stage t inside, weighted with 1 / m_t: no density up to t was fitted to
    them, so that S is not flattered.
    """
    n = sum(int(stage.counts[0]) for stage in state.ledger.stages)
    anywhere = -float(np.expm1(np.log1p(-probability) / n)) if n else 1.0
    found = []
    drawn, end = np.zeros(len(state.proposals)), 0
    for stage in state.ledger.stages:
        start, end = end, end + stage.n_points
        drawn[: len(stage.counts)] += stage.counts
        proposal = state.proposals[len(stage.counts) - 1]
        if not isinstance(proposal, LearnedProposal) or proposal.target.is_posterior:
            continue
        level = proposal.target.log_level
        rows = start + np.flatnonzero(state.ledger.log_l[start:end] > level)
        if len(rows):
            log_q = state.table.log_q[rows][:, : len(stage.counts)]
            log_m = mixed_log_density(log_q, stage.counts / stage.n_points)
            log_drawn = mixed_log_density(log_q, drawn[: len(stage.counts)])
            log_volume = float(logsumexp(-log_m)) - np.log(stage.n_points)
            found.append((level, log_volume, _log_part(-log_m, log_drawn, probability)))
    columns = np.array(found).reshape(-1, 3).T
    return DetectionLimit(probability, anywhere, columns[0], columns[1], columns[2])


def _log_part(log_weights: FloatArray, log_drawn: FloatArray, probability: float) -> float:
    """Return log v at which the weighted mean of exp(-v S) is the chance to miss."""
    share = np.exp(log_weights - logsumexp(log_weights))

    def is_missed(log_part: float) -> bool:
        expected = np.exp(np.minimum(log_part + log_drawn, EXPONENT_MAX))
        return bool(share @ np.exp(-expected) > 1.0 - probability)

    # Where all points had the density of one of them, v S would be the negative log of that chance.
    middle = np.log(-np.log1p(-probability))
    low, high = middle - log_drawn.max() - 1.0, middle - log_drawn.min() + 1.0
    return highest(is_missed, float(low), float(high), N_BISECTIONS)
