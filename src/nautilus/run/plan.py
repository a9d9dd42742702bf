"""The two steps: what the next stage of exploration, or of sampling, consists of."""

from dataclasses import replace

import numpy as np

from nautilus._numerics import reference_of
from nautilus._types import IntArray, RunTasks
from nautilus.emulator.emulator import Emulator
from nautilus.proposal.build import build_proposal
from nautilus.proposal.learned import LearnedProposal
from nautilus.proposal.neighbourhoods import SIZES, surround
from nautilus.proposal.norm import normalise
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget
from nautilus.proposal.witnesses import witness_neighbourhoods
from nautilus.run.config import Config, Goal
from nautilus.run.draw import draw_stage
from nautilus.run.estimate import Estimate
from nautilus.run.landscape import above_floor, landscape
from nautilus.run.level import Level, choose_level
from nautilus.run.mixture import history_log_density
from nautilus.run.shares import contour_shares, posterior_shares, whole_counts
from nautilus.run.start_points import start_points_above
from nautilus.run.state import PendingStage, Phase, RunState, Stage
from nautilus.run.support import supporting_points
from nautilus.run.trust import N_EFF_MIN
from nautilus.run.witnesses import find_witnesses

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

TOP_UP_SHARE = 0.1
"""Nor is it if less than this share of all sampling so far is still to come."""

N_POSTERIOR_MIN = 200
"""Smallest stage with the posterior as target."""

N_EFF_CONFIRMING = 2.0 * N_EFF_MIN
"""What a sampling stage should be worth, so that chance alone does not make it a surprise."""

EFFICIENCY_MIN, SIZE_MARGIN = 0.02, 1.05
"""A stage is sized as if its efficiency were at least this, and by this factor larger."""


def plan_cube(
    state: RunState, config: Config, n_most: float, phase: Phase, run_tasks: RunTasks
) -> RunState:
    """Plan a stage from the unit cube alone, as large as all before it together, within limits."""
    counts = np.zeros(len(state.proposals), np.int64)
    counts[0] = min(max(2 * config.n_live, state.ledger.n_points), config.n_stage_max, n_most)
    return _with_stage(state, config, counts, run_tasks, phase)


def plan_neighbourhoods(state: RunState, config: Config, run_tasks: RunTasks) -> RunState:
    """Plan a stage half from the cube and half from around the points above the floor."""
    ledger = state.ledger
    is_above = above_floor(ledger.log_l)
    if is_above.any():
        log_g = history_log_density(state.table.log_q, ledger.stages)
        sides = np.array([np.exp(-log_g[is_above]).sum() / ledger.n_points]) ** (1.0 / config.n_dim)
        points = ledger.points[is_above]
    else:
        # Nothing is known of the size of the part but that no draw has fallen into it.
        sides = SIZES * ledger.n_points ** (-1.0 / config.n_dim)
        points = start_points_above(state, config, ledger.log_l.max())[0]
    proposal = surround(points, sides, config.build.periodic)
    state = replace(state, proposals=(*state.proposals, proposal))
    shares = np.zeros(len(state.proposals))
    shares[[0, -1]] = 0.5
    return _with_stage(state, config, whole_counts(shares, config.n_stage), run_tasks)


def look_up(state: RunState, config: Config) -> Level:
    """Return the highest contour that the points of this climb support."""
    log_l, log_g = supporting_points(state)
    return choose_level(landscape(log_l, log_g), log_g, config.n_live)


def plan_contour(state: RunState, config: Config, level: Level, run_tasks: RunTasks) -> RunState:
    """Plan a step of the ladder: the likelihood capped at a contour is the target."""
    target = CappedTarget(level.log_level, level.log_boost, reference_of(state.ledger.log_l))
    emulator = recent_emulator(state, level.log_level)
    state = _with_proposal(
        state, config, target, ladder_settings(config.build), run_tasks, emulator
    )
    counts = whole_counts(contour_shares(len(state.proposals)), config.n_stage)
    return _with_stage(state, config, counts, run_tasks)


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
    is_recent = age <= N_REUSED and not last.target.is_posterior
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
        target = CappedTarget(np.inf, reference=reference_of(state.ledger.log_l))
        state = _with_proposal(state, config, target, build, run_tasks)
    # Shares are chosen by densities; a contour's are not, and their densities can wait.
    state = state.with_all_densities(run_tasks)
    counts = whole_counts(posterior_shares(state), n_points)
    return _with_stage(state, config, counts, run_tasks)


def sampling_wanted(
    config: Config, goal: Goal, current: Estimate, n_sampled: int, efficiency: float
) -> float:
    """Return how many points are still to be sampled: enough for the goal, and to confirm it.

    The first stage, which sees fresh points for the first time, has as many as one for a contour.
    """
    missing = max(goal.n_eff - current.n_eff, 0.0) / max(efficiency, EFFICIENCY_MIN)
    first = 0 if n_sampled else config.n_stage
    least = max(first, confirming_size(efficiency))
    return float(np.ceil(max(SIZE_MARGIN * missing, goal.n_shell - n_sampled, least)))


def sampling_size(config: Config, n_wanted: float, n_sampled: int, efficiency: float) -> int:
    """Return the size of the next sampling stage if so many points are wanted.

    None but the first is larger than twice all sampling before it, so that what was learned is
    used soon.
    """
    least = max(config.n_stage, confirming_size(efficiency))
    return int(min(n_wanted, max(2 * least, 2 * n_sampled), max(4 * config.n_stage_max, least)))


def confirming_size(efficiency: float) -> int:
    """Return the size of a stage that is worth enough points to confirm what was known."""
    worth_enough = N_EFF_CONFIRMING / max(efficiency, EFFICIENCY_MIN)
    return int(np.ceil(max(N_POSTERIOR_MIN, worth_enough)))


def is_worth_refitting(n_wanted: float, n_sampled: int, efficiency: float) -> bool:
    """Tell whether what is still to be sampled should have a new proposal, which costs training."""
    return efficiency < GOOD_EFFICIENCY and n_wanted >= TOP_UP_SHARE * n_sampled


def _with_proposal(
    state: RunState,
    config: Config,
    target: CappedTarget,
    build: BuildSettings,
    run_tasks: RunTasks,
    emulator: Emulator | None = None,
) -> RunState:
    points = state.ledger.points
    log_g = history_log_density(state.table.log_q, state.ledger.stages)
    log_l = landscape(state.ledger.log_l, log_g)
    address = (config.seed, len(state.proposals))
    proposal = build_proposal(points, log_l, log_g, target, build, address, run_tasks, emulator)
    if not target.is_posterior:
        witnesses = find_witnesses(state, target.log_level)
        known, _ = start_points_above(state, config, target.log_level)
        found = witness_neighbourhoods(
            proposal, points, log_l, log_g, witnesses, known, config.n_stage
        )
        if found is not None:
            proposal = normalise(proposal.with_neighbourhoods(*found), build, address, run_tasks)
    return replace(state, proposals=(*state.proposals, proposal))


def _with_stage(
    state: RunState,
    config: Config,
    counts: IntArray,
    run_tasks: RunTasks,
    phase: Phase | None = None,
) -> RunState:
    address = (config.seed, len(state.ledger.stages))
    points = draw_stage(state.proposals, counts, address, run_tasks)
    n = len(points)
    stage = Stage(phase or state.phase, counts)
    pending = PendingStage(stage, points, np.full(n, np.nan), None, np.zeros(n, dtype=bool))
    return replace(state, pending=pending)
