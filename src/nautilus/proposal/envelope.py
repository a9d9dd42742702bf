"""The envelope of a proposal: a base that covers the target, and how draws from it are thinned."""

import numpy as np
from scipy.special import logsumexp

from nautilus._types import FloatArray, select_rows
from nautilus._weights import worth
from nautilus.geometry.coordinates import log_prior_density
from nautilus.geometry.fit import fit_mixture, least_points
from nautilus.geometry.gaps import cover_gaps
from nautilus.geometry.mixture import Mixture, combine, standard_normal
from nautilus.geometry.walls import reach_walls
from nautilus.proposal.bisection import highest
from nautilus.proposal.coverage import Coverage, cover
from nautilus.proposal.learned import LearnedProposal, base_log_density
from nautilus.proposal.seen import Seen
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget

FIRST_WIDENING = 1.25
"""The first base is wider, because it is fitted to few effective points."""

TAIL_SHARE, TAIL_WIDENING, TAIL_DOF = 0.13, 1.5, 3.0
"""A share of the base is wider, with heavy tails."""

PRIOR_SHARE = 0.02
"""Share of the prior in a base."""

GAP_SHARE, GAP_WIDENING, GAP_DOF = 0.2, 1.25, 5.0
"""Share and width of what surrounds points that the fitted mixture covers badly."""

GAP_LEAST = 1e-3
"""Points of less weight than this relative to the heaviest leave no gap."""

CUT_DEEP = 3.0
"""A part of the target is cut off deeply if the base is too low there by this factor."""

REFITTED_SHARE = 0.7
"""Share of a refitted base; the rest is the first one."""

ACCEPT_LEAST = 1e-6
"""Draws that are hardly ever accepted do not enter a refit."""

SPLIT_BELOW = 0.15
"""If a smaller share of its draws would be accepted, a base in two parts is tried."""

SPLIT_GAIN = 0.1
"""The base in two parts is taken if it lowers the logarithm of the ceiling by this."""

LEAST_PART = 1e-3
"""Smallest share of one of the two parts."""

N_KNOWN = 4096
"""Known points, repeated by weight, that floors are chosen with."""

N_FLOORS, N_FLOOR_ROUNDS = 8, 3
"""Floors that are tried, evenly spaced in the logarithm up to one, and rounds of choosing."""

N_BISECTIONS = 60
EXPONENT_MAX = 700.0


def choose_base(
    seen: Seen, target: CappedTarget, settings: BuildSettings, rng: np.random.Generator
) -> tuple[Mixture, Coverage]:
    """Return the mixture fitted to the target, and the base made of it with what it covers.

    If many draws from the base would be rejected, the inside of the contour and what lies
    outside are also fitted each on its own: inside there are few points and they weigh most,
    so that a common fit follows neither. The base that needs the lower ceiling is taken.
    """
    first = _fit(seen, settings, rng)
    known = cover(_base(first, seen, settings), seen)
    log_ceiling = choose_ceiling(known, settings)
    log_mass = float(logsumexp(seen.log_target - seen.log_g)) - np.log(len(seen.log_g))
    inside = seen.log_l > target.log_level
    if log_mass - log_ceiling > np.log(SPLIT_BELOW) or not 0 < inside.sum() < len(inside):
        return first, known
    parts = [select_rows(seen, inside), select_rows(seen, ~inside)]
    if min(part.n_eff for part in parts) < least_points(seen.points.shape[1]):
        return first, known
    share = float(seen.weights[inside].sum() / seen.weights.sum())
    share = min(max(share, LEAST_PART), 1.0 - LEAST_PART)
    fits = [_fit(part, settings, rng) for part in parts]
    split = combine(fits, [share, 1.0 - share])
    other = cover(_base(split, seen, settings), seen)
    if choose_ceiling(other, settings) < log_ceiling - SPLIT_GAIN:
        return split, other
    return first, known


def _fit(seen: Seen, settings: BuildSettings, rng: np.random.Generator) -> Mixture:
    return reach_walls(seen.fit(settings, rng), FIRST_WIDENING * settings.enlarge)


def _base(fitted: Mixture, seen: Seen, settings: BuildSettings) -> Mixture:
    return _with_gaps(fitted, seen, _widen(fitted, FIRST_WIDENING * settings.enlarge))


def _with_gaps(first: Mixture, seen: Seen, base: Mixture) -> Mixture:
    """Add components where the fitted mixture covers evaluated points badly."""
    heavy = seen.weights > seen.weights.max() * GAP_LEAST
    space = seen.space[heavy]
    log_target = seen.log_target[heavy] + log_prior_density(space)
    gaps = cover_gaps(first, space, log_target, seen.weights[heavy])
    if gaps is None:
        return base
    return combine([base, gaps.scaled(GAP_WIDENING, dof=GAP_DOF)], [1.0 - GAP_SHARE, GAP_SHARE])


def _widen(core: Mixture, enlarge: float) -> Mixture:
    """Add heavy tails and the prior to a fitted mixture."""
    tails = core.scaled(TAIL_WIDENING * enlarge, dof=TAIL_DOF)
    return combine(
        [core.scaled(enlarge), tails, standard_normal(core.n_dim)],
        [1.0 - TAIL_SHARE - PRIOR_SHARE, TAIL_SHARE, PRIOR_SHARE],
    )


def refit(base: Mixture, space: FloatArray, accept: FloatArray, settings: BuildSettings) -> Mixture:
    """Return a base fitted to what the emulator accepts; the first one stays as a safeguard."""
    kept = accept > ACCEPT_LEAST
    refined = fit_mixture(
        space[kept], accept[kept], worth(accept[kept]), settings.n_components_max,
        settings.n_points_min,
    )  # fmt: skip
    refined = _widen(refined, settings.enlarge)
    return combine([refined, base], [REFITTED_SHARE, 1.0 - REFITTED_SHARE])


def choose_ceiling(known: Coverage, settings: BuildSettings) -> float:
    """Return the smallest log c that cuts off no more than a share of the target.

    Evaluated points decide, not the emulator: where it is wrong far from them,
    the base limits the harm. At log c the share cut off is the sum of
    ``share (1 - c / ratio)`` over the points whose ratio exceeds c. Where the base is too
    low by more than `CUT_DEEP`, only a much smaller share may be cut off: so few draws would
    come from there that it would be forgotten.
    """
    log_ratio = known.log_target - known.log_base
    order = np.argsort(-log_ratio, kind="stable")
    log_ratio, share = log_ratio[order], known.weights[order] / known.weights.sum()
    inverse = np.exp(np.minimum(log_ratio[0] - log_ratio, EXPONENT_MAX))
    tiny = np.finfo(float).tiny
    above, flattened = np.cumsum(share), np.cumsum(share * inverse)
    cut_off = above - flattened / inverse

    def cuts_off(wanted: float) -> float:
        # Between two ratios the share cut off is linear in c, in units of the largest ratio here.
        k = int(np.searchsorted(cut_off, wanted, side="right")) - 1
        return float(log_ratio[0] + np.log(max(above[k] - wanted, tiny) / flattened[k]))

    deep = cuts_off(settings.cut_deep_max) - float(np.log(CUT_DEEP))
    return max(cuts_off(settings.cut_off_max), deep)


def thin_out(log_ratio: FloatArray, log_ceiling: float) -> FloatArray:
    """Return min(1, ratio / c), the acceptance of draws before there is a floor."""
    return np.asarray(np.exp(np.minimum(log_ratio - log_ceiling, 0.0)))


def ceiling_for(log_ratio: FloatArray, acceptance: float) -> float:
    """Return the log c at which the mean of min(1, ratio / c) is the wanted acceptance."""

    def accepts_more(log_ceiling: float) -> bool:
        return bool(thin_out(log_ratio, log_ceiling).mean() > acceptance)

    return highest(accepts_more, float(log_ratio.min()), float(log_ratio.max()), N_BISECTIONS)


def choose_floors(
    draft: LearnedProposal,
    seen: Seen,
    space: FloatArray,
    accept: FloatArray,
    settings: BuildSettings,
) -> FloatArray:
    """Return the smallest acceptance that each component of the base should have, shape (K,).

    The mean of target over proposal over the points of the target is one plus the relative
    variance of importance weights. Evaluated points estimate it, as the product of the mean
    acceptance A, a sum over the components, and of a mean E that is at most such a sum, and
    equal to it where components do not overlap. From the best common floor on, one component
    after the other takes the floor with the smallest product. Where the emulator is good the
    smallest floor wins; where it rejects what is known to belong to the target, draws come
    from the base.

    Parameters
    ----------
    draft
        The proposal without floors.
    seen
        Evaluated points.
    space, accept
        Draws from the base and their acceptance without a floor, shapes (n, d) and (n,).
    settings
        Hold the smallest share of draws from the base.
    """
    chosen = seen.typical(N_KNOWN)
    known = seen.space[chosen]
    log_base = base_log_density(draft.base, known)
    thinned = thin_out(draft.log_ratio(seen.points[chosen], known), draft.log_ceiling)
    log_excess = seen.log_target[chosen] - log_base
    excess = np.exp(log_excess - log_excess.max())
    mean = float(accept.mean())
    least = settings.base_share * mean / (1.0 - settings.base_share + settings.base_share * mean)
    floors = np.geomspace(least, 1.0, N_FLOORS)
    drawn, known_by = draft.base.responsibilities(space), draft.base.responsibilities(known)
    share, accepted = drawn.mean(axis=0), accept @ drawn / len(accept)
    norms = np.outer(share, floors) + np.outer(accepted, 1.0 - floors)
    kept = floors + np.outer(thinned, 1.0 - floors)
    means = known_by.T @ (excess[:, None] / kept)
    best = np.full(len(share), np.argmin(norms.sum(axis=0) * means.sum(axis=0)))
    every = np.arange(len(share))
    for _ in range(N_FLOOR_ROUNDS):
        for k in every:
            norm, whole = norms[every, best].sum(), means[every, best].sum()
            norm, whole = norm - norms[k, best[k]] + norms[k], whole - means[k, best[k]] + means[k]
            best[k] = np.argmin(norm * whole)
    return np.asarray(floors[best])
