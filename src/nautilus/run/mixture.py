"""Shares of proposals in stages, and the densities that follow from them."""

import numpy as np

from nautilus._types import FloatArray
from nautilus.run.state import Ledger, Stage


def shares(stages: tuple[Stage, ...], n_proposals: int) -> FloatArray:
    """Return a_tk, the share of proposal k in stage t, shape (T, K)."""
    out = np.zeros((len(stages), n_proposals))
    for t, stage in enumerate(stages):
        out[t, : len(stage.counts)] = stage.counts / stage.n_points
    return out


def stage_log_densities(log_q: FloatArray, stages: tuple[Stage, ...]) -> FloatArray:
    """Return log m_t(x_i) = log sum_k a_tk q_k(x_i) for all points and stages, shape (N, T)."""
    out = np.empty((len(log_q), len(stages)))
    for t, row in enumerate(shares(stages, log_q.shape[1])):
        out[:, t] = mixed_log_density(log_q, row)
    return out


def mixed_log_density(log_q: FloatArray, weights: FloatArray) -> FloatArray:
    """Return log of the weighted sum of densities, shape (N,), from their logarithms (N, K)."""
    used = np.flatnonzero(weights)
    # The peak is that of the densities used: another one must not make them underflow.
    peak = log_q[:, used].max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(log_q[:, used] - peak) @ weights[used]) + peak[:, 0])


def history_log_density(log_q: FloatArray, stages: tuple[Stage, ...]) -> FloatArray:
    """Return log g(x_i), the mixture of all proposals as used so far, shape (N,).

    For decisions only: it flatters proposals that were fitted to these points.
    """
    counts = np.zeros(log_q.shape[1])
    for stage in stages:
        counts[: len(stage.counts)] += stage.counts
    return mixed_log_density(log_q, counts / counts.sum())


def own_log_density(stage_log_density: FloatArray, ledger: Ledger) -> FloatArray:
    """Pick for each point the density of its own stage, shape (N,)."""
    return stage_log_density[np.arange(ledger.n_points), ledger.stage_of_point]
