"""Evidence, its error, effective sample size: computed from ledger and proposals alone."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from nautilus._numerics import reference_of
from nautilus._types import BoolArray, FloatArray
from nautilus.proposal.base import Proposal
from nautilus.run.mixture import own_log_density, shares, stage_log_densities
from nautilus.run.state import DensityTable, Ledger, Phase

VARIANCE_FLOOR = 0.25
"""Added to the relative variance of a stage's weights when stages are combined, so
that a lucky small variance cannot take over and well-sampled stages keep their share."""

MIN_STRATUM = 10
"""Strata with fewer points than this are joined: their own variance says little."""


@dataclass(frozen=True)
class Estimate:
    """What follows from the complete stages of a run.

    Parameters
    ----------
    log_z, log_z_err
        Log evidence and its standard error.
    n_eff
        Effective sample size (sum w)^2 / sum w^2 (Kish 1965).
    log_weights
        Normalised weights of all points, minus infinity for those that are
        left out, shape (N,).
    stage_coefficients
        The coefficient c_t of each stage, shape (T,).
    stage_log_z
        Each stage's own log evidence, shape (T,).
    tail_index
        Shape parameter of a generalised Pareto distribution fitted to the
        largest weights; above 0.7 the answer hangs on few points.
    """

    log_z: float
    log_z_err: float
    n_eff: float
    log_weights: FloatArray
    stage_coefficients: FloatArray
    stage_log_z: FloatArray
    tail_index: float


def estimate(
    ledger: Ledger,
    table: DensityTable,
    proposals: tuple[Proposal, ...],
    phases: frozenset[Phase],
) -> Estimate:
    """Combine the stages of the given phases.

    Stage t gives Z_t = mean of w = L / m_t over its points. Stages combine as
    Z = sum c_t Z_t with c_t proportional to n_t / (V_t + Z^2 / 4), V_t being the
    variance of the weights as the other stages see it. See Owen & Zhou (2000)
    for mixtures, Marin, Pudlo & Sedki (2019) for adaptive stages.
    """
    chosen = np.array([s.phase in phases for s in ledger.stages], dtype=bool)
    if not chosen.any() or not np.isfinite(ledger.log_l).any():
        return _nothing(ledger)
    rows = chosen[ledger.stage_of_point]
    stages = tuple(s for s in ledger.stages if s.phase in phases)
    reference = reference_of(ledger.log_l)
    sub = Ledger(ledger.points[rows], ledger.log_l[rows] - reference, None, stages)
    n_used = max(len(stage.counts) for stage in stages)
    log_q = table.log_q[rows][:, :n_used]
    log_m = stage_log_densities(log_q, stages)
    log_w = sub.log_l - own_log_density(log_m, sub)
    if not np.isfinite(log_w).any():
        return _nothing(ledger)
    stage_of_point = sub.stage_of_point
    n_t = np.array([s.n_points for s in stages])
    stage_log_z = np.array(
        [logsumexp(log_w[stage_of_point == t]) - np.log(n_t[t]) for t in range(len(stages))]
    )
    c_t = combine_stages(sub, log_m, n_t)
    with np.errstate(divide="ignore"):
        log_share = log_w + np.log(c_t / n_t)[stage_of_point]
    log_z = float(logsumexp(log_share))
    log_share -= log_z
    weights = np.exp(log_share)
    variance = _sampling_variance(sub, np.exp(log_w - log_z), c_t, n_t)
    variance += _norm_variance(sub, log_q, log_m, weights, proposals[:n_used])
    log_weights = np.full(ledger.n_points, -np.inf)
    log_weights[rows] = log_share
    all_shares = np.zeros(len(chosen))
    all_shares[chosen] = c_t
    all_log_z = np.full(len(chosen), np.nan)
    all_log_z[chosen] = stage_log_z + reference
    return Estimate(
        log_z + reference, float(np.sqrt(variance)), _effective_size(weights), log_weights,
        all_shares, all_log_z, pareto_tail_index(weights),
    )  # fmt: skip


def _effective_size(weights: FloatArray) -> float:
    """Return the effective sample size, which rounding must not raise above the number."""
    return float(min(1.0 / np.sum(weights**2), np.count_nonzero(weights)))


def _nothing(ledger: Ledger) -> Estimate:
    n_stages = len(ledger.stages)
    return Estimate(
        -np.inf, np.inf, 0.0, np.full(ledger.n_points, -np.inf),
        np.zeros(n_stages), np.full(n_stages, np.nan), np.nan,
    )  # fmt: skip


def combine_stages(ledger: Ledger, log_m: FloatArray, n_t: FloatArray) -> FloatArray:
    """Return c_t from the variance of each stage's weights seen by the other stages.

    V_t + Z^2 = integral of L^2 / m_t, estimated from the points of all stages but
    t, which were drawn from g_t = sum_{s != t} n_s m_s / (N - n_t).
    """
    n_stages, n = len(n_t), int(n_t.sum())
    if n_stages == 1:
        return np.ones(1)
    peak = log_m.max(axis=1, keepdims=True)
    mixed = np.log(np.exp(log_m - peak) @ (n_t / n)) + peak[:, 0]
    relative = np.exp(log_m - mixed[:, None])
    log_w = ledger.log_l - mixed
    weights = np.exp(log_w - log_w.max())
    z = weights.mean()
    used = weights > 0
    relative, squares = relative[used], weights[used] ** 2
    # A sum without its own term for each column: to subtract it would cancel.
    rest = relative @ (n_t[:, None] * (1.0 - np.eye(n_stages)))
    with np.errstate(over="ignore", divide="ignore"):  # infinite where a stage hardly reaches
        parts = squares[:, None] / (np.maximum(relative, np.finfo(float).tiny) * rest)
    parts[np.arange(len(parts)), ledger.stage_of_point[used]] = 0.0
    second = parts.sum(axis=0)
    variance = np.maximum(second / z**2 - 1.0, 0.0)
    raw = n_t / (variance + VARIANCE_FLOOR)
    return np.asarray(raw / raw.sum())


def _sampling_variance(
    ledger: Ledger, ratio: FloatArray, c_t: FloatArray, n_t: FloatArray
) -> float:
    """Return sum_t c_t^2 sum_k n_tk s_tk^2 / n_t^2 for weights relative to Z."""
    total = 0.0
    stage_of_point, proposal_of_point = ledger.stage_of_point, ledger.proposal_of_point
    for t in range(len(n_t)):
        mine = stage_of_point == t
        values, strata = ratio[mine], proposal_of_point[mine].copy()
        counts = np.bincount(strata)
        strata[counts[strata] < MIN_STRATUM] = -1
        for k in np.unique(strata):
            stratum = values[strata == k]
            spread = stratum.var(ddof=1) if len(stratum) > 1 else stratum[0] ** 2
            total += c_t[t] ** 2 * len(stratum) * spread / n_t[t] ** 2
    return float(total)


def _norm_variance(
    ledger: Ledger,
    log_q: FloatArray,
    log_m: FloatArray,
    weights: FloatArray,
    proposals: tuple[Proposal, ...],
) -> float:
    """Return sum_k r_k^2 sigma_k^2 with r_k the share of the answer that hangs on q_k."""
    a_tk = shares(ledger.stages, log_q.shape[1])[ledger.stage_of_point]
    own = own_log_density(log_m, ledger)
    # A density that a stage did not use may be larger than the stage's by any factor.
    part = a_tk * np.exp(np.where(a_tk > 0, log_q - own[:, None], -np.inf))
    r_k = weights @ part
    sigma = np.array([p.log_norm_error for p in proposals])
    return float(np.sum((r_k * sigma) ** 2))


def pareto_tail_index(weights: FloatArray) -> float:
    """Return the shape of a generalised Pareto fit to the largest weights.

    The fit is that of Zhang & Stephens (2009) to the largest min(N/5, 3 sqrt(N))
    weights, as proposed for importance sampling by Vehtari et al. (2024). NaN for
    fewer than 25 positive weights, zero if no weight exceeds five times the mean:
    then the shape of the tail does not matter.
    """
    positive = np.sort(weights[weights > 0])
    n = len(positive)
    if n >= 25 and positive[-1] < 5.0 * positive.mean():
        return 0.0
    m = int(min(0.2 * n, 3 * np.sqrt(n)))
    if m < 5:
        return float("nan")
    excess = positive[-m:] - positive[-m - 1]
    excess = excess[excess > 0]
    m = len(excess)
    if m < 5:
        return float("nan")
    quartile = excess[max(int(m / 4 + 0.5) - 1, 0)]
    grid = 30 + int(np.sqrt(m))
    theta = 1 / excess[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quartile)
    shape = np.mean(np.log1p(-theta[:, None] * excess[None, :]), axis=1)
    log_like = m * (np.log(-theta / shape) - shape - 1)
    best = float(theta @ softmax(log_like))
    raw = float(np.mean(np.log1p(-best * excess)))
    return (m * raw + 5.0) / (m + 10.0)


def phase_rows(ledger: Ledger, phase: Phase) -> BoolArray:
    """Return which points belong to a phase, shape (N,)."""
    chosen = np.array([s.phase is phase for s in ledger.stages], dtype=bool)
    return np.asarray(chosen[ledger.stage_of_point])
