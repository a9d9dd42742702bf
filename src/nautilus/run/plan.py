"""The two steps: what the next stage of exploration, or of sampling, consists of."""

from dataclasses import replace

import numpy as np

from nautilus._types import FloatArray, IntArray, RunTasks
from nautilus.emulator.emulator import Emulator
from nautilus.proposal.build import build_proposal
from nautilus.proposal.learned import LearnedProposal
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget
from nautilus.run.config import Config, Goal
from nautilus.run.draw import draw_stage
from nautilus.run.estimate import Estimate
from nautilus.run.level import Level, choose_level
from nautilus.run.mixture import history_log_density
from nautilus.run.state import PendingStage, RunState, Stage

CUBE_SHARE = 0.01
"""Share of a stage of the ladder from the unit cube; half of it in later stages."""

OLD_SHARE, N_OLD = 0.2, 4
"""Share of the last few earlier proposals in a stage of the ladder."""

WIDE_SHARE, LAST_CONTOUR_SHARE = 0.02, 0.05
"""Shares of all contours that were not boosted, and of the last of them, beside the posterior."""

BOOSTED_SHARE, N_BOOSTED = 0.05, 4
"""Share of a few boosted contours spread over the ladder, beside the posterior."""

PREVIOUS_SHARE = 0.05
"""Share of the previous imitation of the posterior beside the new one."""

N_ALWAYS_TRAINED = 4
"""The first proposals have few points to learn from: each trains its own emulator."""

N_REUSED = 1
"""How many further contours use an emulator that was trained for one."""

LADDER_UPDATES = 1500
"""Most updates of a network for a contour of the ladder."""

NORM_ERROR_MAX, NORM_ERROR_SHARE = 0.003, 0.3
"""Error of the norm of a proposal for the posterior: the smaller of the first and of this
share of one over the root of the number of points drawn."""

GOOD_EFFICIENCY = 0.9
"""A proposal is not refitted if the last stage drawn from it was this efficient."""

N_POSTERIOR_MIN = 200
"""Smallest stage with the posterior as target: a smaller one could hardly confirm anything."""

EFFICIENCY_MIN, SIZE_MARGIN = 0.02, 1.03
"""A stage is sized as if its efficiency were at least this, and by this factor larger."""


def plan_cube(state: RunState, config: Config, run_tasks: RunTasks) -> RunState:
    """Plan a stage from the unit cube alone, as large as all before it together, within limits."""
    counts = np.zeros(len(state.proposals), np.int64)
    counts[0] = min(max(2 * config.n_live, state.ledger.n_points), config.n_stage_max)
    return _with_stage(state, config, counts, run_tasks)


def look_up(state: RunState, config: Config) -> Level:
    """Return the highest contour that the points seen so far support."""
    log_g = history_log_density(state.table.log_q, state.ledger.stages)
    return choose_level(state.ledger.log_l, log_g, config.n_live)


def plan_contour(state: RunState, config: Config, level: Level, run_tasks: RunTasks) -> RunState:
    """Plan a step of the ladder: the likelihood capped at a contour is the target."""
    target = CappedTarget(level.log_level, level.log_boost)
    emulator = recent_emulator(state, level.log_level)
    state = _with_proposal(
        state, config, target, ladder_settings(config.build), run_tasks, emulator
    )
    last = len(state.proposals) - 1
    shares = np.zeros(last + 1)
    shares[0] = CUBE_SHARE
    old = range(max(1, last - N_OLD), last)
    for k in old:
        shares[k] += OLD_SHARE / len(old)
    if not old:
        shares[0] += OLD_SHARE
    shares[last] = 1 - shares.sum()
    return _with_stage(state, config, whole_counts(shares, config.n_stage), run_tasks)


def recent_emulator(state: RunState, log_level: float) -> Emulator | None:
    """Return the last emulator if it is worth using again for a contour at this level.

    From one contour to the next the landscape hardly changes; training every
    second time halves the sampler's own work. An emulator knows nothing above the highest
    point that it learned from, and so cannot serve a contour up there.
    """
    last = state.proposals[-1]
    if not isinstance(last, LearnedProposal) or len(state.proposals) <= N_ALWAYS_TRAINED:
        return None
    age = len(state.proposals) - last.emulator.number
    is_recent = age <= N_REUSED and np.isfinite(last.target.log_level)
    return last.emulator if is_recent and log_level < last.emulator.log_l_max else None


def ladder_settings(build: BuildSettings) -> BuildSettings:
    """Return cheaper settings for the many contours of the ladder, each used only once."""
    emulator = build.emulator
    n_updates = min(LADDER_UPDATES, emulator.schedule.n_updates_max)
    schedule = replace(emulator.schedule, n_updates_max=n_updates)
    n_networks = (emulator.n_networks + 1) // 2
    return replace(build, emulator=replace(emulator, n_networks=n_networks, schedule=schedule))


def plan_posterior(
    state: RunState, config: Config, n_points: int, is_refit: bool, run_tasks: RunTasks
) -> RunState:
    """Plan a stage with the posterior as target, safe-guarded by wider proposals."""
    if is_refit:
        error = min(NORM_ERROR_MAX, NORM_ERROR_SHARE / np.sqrt(max(n_points, 1)))
        build = replace(config.build, norm_error=error)
        state = _with_proposal(state, config, CappedTarget(np.inf), build, run_tasks)
    last = len(state.proposals) - 1
    shares = posterior_shares(state, last)
    return _with_stage(state, config, whole_counts(shares, n_points), run_tasks)


def posterior_shares(state: RunState, last: int) -> FloatArray:
    """Return the shares of all proposals in a stage that imitates the posterior.

    A few per cent go to the widest proposals, which find far modes; some to the
    last contour that was not boosted, whose tails are wide; some to contours spread
    over the rest of the ladder, each of which learned another part of it well; some to
    the previous imitation of the posterior.
    """
    shares = np.zeros(last + 1)
    learned = {k: p for k, p in enumerate(state.proposals) if isinstance(p, LearnedProposal)}
    contours = [k for k, p in learned.items() if np.isfinite(p.target.log_level)]
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
    if last - 1 in learned and not np.isfinite(learned[last - 1].target.log_level):
        shares[last - 1] += PREVIOUS_SHARE
    shares[last] += 1 - shares.sum()
    return shares


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


def sampling_size(
    config: Config, goal: Goal, current: Estimate, n_sampled: int, efficiency: float
) -> int:
    """Return the size of the next sampling stage.

    None but the first is larger than twice all sampling before it, so that what was learned is
    used soon, and the last one aims at the effective sample size that is still missing.
    """
    missing = max(goal.n_eff - current.n_eff, 0.0) / max(efficiency, EFFICIENCY_MIN)
    least = max(config.n_stage, N_POSTERIOR_MIN)
    wanted = max(SIZE_MARGIN * missing, goal.n_shell - n_sampled, least)
    return int(min(wanted, max(2 * least, 2 * n_sampled), max(4 * config.n_stage_max, least)))


def _with_proposal(
    state: RunState,
    config: Config,
    target: CappedTarget,
    build: BuildSettings,
    run_tasks: RunTasks,
    emulator: Emulator | None = None,
) -> RunState:
    proposal = build_proposal(
        state.ledger.points,
        state.ledger.log_l,
        history_log_density(state.table.log_q, state.ledger.stages),
        target,
        build,
        (config.seed, len(state.proposals)),
        run_tasks,
        emulator,
    )
    proposals = (*state.proposals, proposal)
    table = state.table.extend(state.ledger, proposals, run_tasks)
    return replace(state, proposals=proposals, table=table)


def _with_stage(state: RunState, config: Config, counts: IntArray, run_tasks: RunTasks) -> RunState:
    address = (config.seed, len(state.ledger.stages))
    points = draw_stage(state.proposals, counts, address, run_tasks)
    n = len(points)
    pending = PendingStage(
        Stage(state.phase, counts), points, np.full(n, np.nan), None, np.zeros(n, dtype=bool)
    )
    return replace(state, pending=pending)
