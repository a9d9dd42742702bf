"""Whether a fresh stage agrees with everything known before it was drawn."""

from dataclasses import dataclass

import numpy as np

from nautilus._numerics import reference_of
from nautilus._weights import worth
from nautilus.run.estimate import estimate
from nautilus.run.mixture import stage_log_densities
from nautilus.run.state import DensityTable, Ledger, Phase, RunState

SHARE_MAX, SHARE_FACTOR = 0.005, 10.0
"""One point may carry this share of a stage's weight, or so many times the average of its
effective points if that is more."""

ERROR_LEAST = 1e-3
"""Differences of log Z are judged as if their error was larger by this."""

N_SIGMA = 4.0
"""Largest difference between a stage and the rest in units of its standard error."""

N_EFF_MIN = 50.0
"""A stage worth fewer effective points cannot confirm anything."""


@dataclass(frozen=True)
class StageView:
    """What the last stage says on its own.

    Parameters
    ----------
    efficiency
        Effective sample size per point.
    largest_share
        Share of the heaviest point in the stage's weight.
    deviation
        Difference of its log evidence from that of the other stages in standard errors.
    """

    efficiency: float
    largest_share: float
    deviation: float

    def is_calm(self, n_points: int) -> bool:
        """Tell whether nothing in the stage contradicts what was known."""
        n_eff = max(self.efficiency * n_points, 1.0)
        return (
            is_tame(self.largest_share, n_eff)
            and abs(self.deviation) <= N_SIGMA
            and n_eff >= N_EFF_MIN
        )


def is_tame(largest_share: float, n_eff: float) -> bool:
    """Tell whether no single point carries much of the weight."""
    return largest_share <= max(SHARE_MAX, SHARE_FACTOR / n_eff)


def view_last_stage(state: RunState) -> StageView:
    """Look at the last complete stage alone and beside the earlier ones."""
    ledger = state.ledger
    last = ledger.stages[-1]
    n_before = ledger.n_points - last.n_points
    log_m = stage_log_densities(state.table.log_q[n_before:], (last,))[:, 0]
    # Differences of log Z would be lost beside a huge one.
    log_l = ledger.log_l - reference_of(ledger.log_l)
    log_w = log_l[n_before:] - log_m
    if not np.isfinite(log_w).any():
        return StageView(0.0, 1.0, np.inf)
    weights = np.exp(log_w - log_w.max())
    mean = weights.mean()
    log_z = float(np.log(mean) + log_w.max())
    relative = float(weights.std() / mean / np.sqrt(len(weights)))
    n_eff = worth(weights)
    before = estimate(
        Ledger(ledger.points[:n_before], log_l[:n_before], None, ledger.stages[:-1]),
        DensityTable(state.table.log_q[:n_before]),
        state.proposals,
        frozenset(Phase),
    )
    spread = float(np.hypot(relative, before.log_z_err)) + ERROR_LEAST
    return StageView(
        n_eff / len(weights),
        float(weights.max() / weights.sum()),
        float((log_z - before.log_z) / spread) if np.isfinite(before.log_z) else np.inf,
    )
