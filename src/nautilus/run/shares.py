"""Which proposals a stage is drawn from, and how many points from each."""

import numpy as np

from nautilus._numerics import reference_of
from nautilus._types import FloatArray, IntArray
from nautilus.proposal.base import Proposal
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.estimate import estimate
from nautilus.run.state import Phase, RunState

CUBE_SHARE = 0.01
"""Share of a stage of the ladder from the unit cube; half of it in later stages."""

OLD_SHARE, N_OLD = 0.2, 4
"""Share of the last few earlier proposals in a stage of the ladder."""

WIDE_SHARE, LAST_CONTOUR_SHARE = 0.02, 0.05
"""Shares of all contours that were not boosted, and of the last of them, beside the posterior."""

BOOSTED_SHARE, N_BOOSTED = 0.05, 4
"""Share of a few boosted contours spread over the ladder, beside the posterior."""

PREVIOUS_SHARE = 0.05
"""Share of the previous imitation of the posterior, whatever the points say about it."""

N_IMITATIONS = 6
"""So many of the newest imitations of the posterior share what is left."""

N_ROUNDS, SHARE_LEAST = 100, 0.01
"""Rounds of dividing it; imitations that are due a smaller share of the stage get none of it."""


def contour_shares(n_proposals: int) -> FloatArray:
    """Return the shares of all proposals in a stage for the contour of the newest one."""
    last = n_proposals - 1
    shares = np.zeros(n_proposals)
    shares[0] = CUBE_SHARE
    old = range(max(1, last - N_OLD), last)
    for k in old:
        shares[k] += OLD_SHARE / len(old)
    if not old:
        shares[0] += OLD_SHARE
    shares[last] = 1 - shares.sum()
    return shares


def posterior_shares(state: RunState) -> FloatArray:
    """Return the shares of all proposals in a stage that imitates the posterior.

    The newest imitations divide what the guards leave, as the points seen so far suggest.
    """
    guards = guard_shares(state.proposals)
    imitations = [
        k
        for k, proposal in enumerate(state.proposals)
        if isinstance(proposal, LearnedProposal) and proposal.target.is_posterior
    ]
    return guards + _divide(state, guards, imitations[-N_IMITATIONS:])


def guard_shares(proposals: tuple[Proposal, ...]) -> FloatArray:
    """Return the shares that are fixed in a stage that imitates the posterior.

    A few per cent go to the widest proposals, which find far modes; some to the
    last contour that was not boosted, whose tails are wide; some to contours spread
    over the rest of the ladder, each of which learned another part of it well; some to
    the previous imitation of the posterior.
    """
    shares = np.zeros(len(proposals))
    learned = {k: p for k, p in enumerate(proposals) if isinstance(p, LearnedProposal)}
    contours = [k for k, p in learned.items() if not p.target.is_posterior]
    plain = [k for k in contours if learned[k].target.log_boost == 0]
    shares[0] += CUBE_SHARE / 2
    for k in plain:
        shares[k] += WIDE_SHARE / len(plain)
    if contours:
        shares[(plain or contours)[-1]] += LAST_CONTOUR_SHARE
    boosted = [k for k in contours if learned[k].target.log_boost > 0]
    for place in np.linspace(len(boosted) - 1, 0, N_BOOSTED, endpoint=False):
        if boosted:
            shares[boosted[int(place)]] += BOOSTED_SHARE / N_BOOSTED
    previous = len(proposals) - 2
    if previous in learned and previous not in contours:
        shares[previous] += PREVIOUS_SHARE
    return shares


def _divide(state: RunState, guards: FloatArray, imitations: list[int]) -> FloatArray:
    """Return the shares of imitations that make the variance of importance weights smallest.

    With p = L / Z the mean square of p / m over the mixture m is the integral of p^2 / m. It is
    estimated from all points, with their weights. By the inequality of Cauchy and Schwarz it is
    at most the sum of s_k^2 B_k / t_k for new shares t_k, with B_k the integral of p^2 q_k / m^2,
    which is smallest where t_k is in proportion to s_k times the root of B_k: so no round raises
    it. (Douc et al. 2007, ESAIM: P&S 11, 427, minimise the same without the root.)
    """
    divided, rest = np.zeros(len(guards)), 1.0 - guards.sum()
    if len(imitations) == 1:
        divided[imitations] = rest
        return divided
    seen = estimate(state.ledger, state.table, state.proposals, frozenset(Phase))
    rows = np.isfinite(seen.log_weights)
    columns = np.union1d(np.flatnonzero(guards), imitations)
    log_q = state.table.log_q[np.ix_(rows, columns)]
    peak = log_q.max(axis=1)
    density = np.exp(log_q - peak[:, None])
    log_l = state.ledger.log_l
    log_square = seen.log_weights[rows] + (log_l[rows] - reference_of(log_l)) - peak
    guard = density @ guards[columns]
    density = density[:, np.searchsorted(columns, imitations)]
    share = np.full(len(imitations), rest / len(imitations))
    for _ in range(N_ROUNDS):
        mixed = np.maximum(guard + density @ share, np.finfo(float).tiny)
        log_term = log_square - 2.0 * np.log(mixed)
        integrals = np.exp(log_term - log_term.max()) @ density
        if not integrals.any():
            break  # no imitation knows the points that matter
        share *= np.sqrt(integrals)
        share *= rest / share.sum()
    share[share < SHARE_LEAST] = 0.0
    divided[imitations] = share * (rest / share.sum())
    return divided


def whole_counts(shares: FloatArray, n_points: int) -> IntArray:
    """Return whole numbers that sum to n_points, at least one for the cube."""
    exact = shares * n_points
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: n_points - int(counts.sum())]] += 1
    if counts[0] == 0:
        counts[int(np.argmax(counts))] -= 1
        counts[0] = 1
    return counts
