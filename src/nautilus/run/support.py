"""The support of contours, which may be raised while a run goes on."""

from dataclasses import replace

import numpy as np

from nautilus._types import FloatArray
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.config import Config
from nautilus.run.findings import OF_EXPLORATION
from nautilus.run.mixture import history_log_density
from nautilus.run.state import Phase, RunState, Stage


def current_config(config: Config, state: RunState) -> Config:
    """Return the settings as they are now: those that the run was begun with, or more support."""
    return config if state.n_live is None else replace(config, n_live=state.n_live)


def with_support(state: RunState, config: Config, n_live: int) -> RunState:
    """Return the state of a run whose contours are to hold at least so many effective points.

    With more than they hold now the ladder climbs once more, and is judged anew. A pending stage
    is finished first.
    """
    if n_live <= current_config(config, state).n_live:
        return state
    n_before = len(state.ledger.stages) + int(state.pending is not None)
    return replace(
        state, n_live=n_live, n_before=n_before,
        phase=Phase.EXPLORATION, n_rounds=0, n_detours=0, n_surprises=0,
        findings=tuple(text for text in state.findings if text not in OF_EXPLORATION),
    )  # fmt: skip


def n_missing_from_cube(state: RunState, config: Config) -> int:
    """Return how many points of the cube a run with more support still lacks.

    A run begins with twice the support from the cube: that of the outermost contours.
    """
    if state.n_before == 0:
        return 0
    drawn = sum(int(stage.counts[0]) for stage in state.ledger.stages)
    return max(2 * config.n_live - drawn, 0)


def supporting_points(state: RunState) -> tuple[FloatArray, FloatArray]:
    """Return log L and the log density drawn from of the points that support contours, (n,) each.

    Of stages from before the support was raised these are the points of proposals that had
    learned nothing. The others lie where the run had looked already: beside them, a part that it
    had missed would be passed by before it holds points enough to be followed.
    """
    ledger, log_q = state.ledger, state.table.log_q
    before, after = ledger.stages[: state.n_before], ledger.stages[state.n_before :]
    if not before:
        return ledger.log_l, history_log_density(log_q, after)
    is_plain = np.array([not isinstance(p, LearnedProposal) for p in state.proposals])
    counts = np.zeros(max(len(stage.counts) for stage in before), np.int64)
    for stage in before:
        counts[: len(stage.counts)] += stage.counts * is_plain[: len(stage.counts)]
    is_new = ledger.stage_of_point >= state.n_before
    rows = is_new | is_plain[ledger.proposal_of_point]
    return ledger.log_l[rows], history_log_density(
        log_q[rows], (Stage(Phase.EXPLORATION, counts), *after)
    )
