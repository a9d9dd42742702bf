"""Points inside a contour that bear witness to parts which no emulator knows."""

import numpy as np

from nautilus._types import IntArray
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.state import RunState

N_SIGMA = 2.5
"""Log L is unexpected if it is higher than predicted by so many standard errors."""


def find_witnesses(state: RunState, log_level: float) -> IntArray:
    """Return the points inside a contour that no emulator expected there, shape (m,).

    What the newest emulator of a stage says about the points of that stage was said before they
    were evaluated. Of those inside its contour, the unexpected ones are predicted to lie outside,
    and `N_SIGMA` errors too low on the learning scale. Where the emulator is good there are none,
    where it is crude all over its error is large and there are few; a part that it does not know
    is full of them. Points that were drawn in neighbourhoods of others count too: nobody else
    looked there.
    """
    ledger = state.ledger
    found = [np.empty(0, np.int64)]
    end = 0
    for stage in ledger.stages:
        start, end = end, end + stage.n_points
        proposal = state.proposals[len(stage.counts) - 1]
        if not isinstance(proposal, LearnedProposal) or proposal.target.is_posterior:
            continue
        own_level = proposal.target.log_level
        rows = start + np.flatnonzero(ledger.log_l[start:end] > max(log_level, own_level))
        if len(rows) == 0:
            continue
        points = ledger.points[rows]
        space = proposal.coordinates.to_space(points)
        log_l, error = proposal.emulator.log_likelihood_and_error(points, space)
        rise = proposal.emulator.scale.rise(log_l, ledger.log_l[rows], error)
        is_unexpected = (log_l < own_level) & (rise > N_SIGMA)
        found.append(rows[is_unexpected | (proposal.share_of_neighbourhoods(points) > 0.5)])
    return np.concatenate(found)
