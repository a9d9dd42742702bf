"""The loop around the steps: plan, evaluate chunk by chunk, commit."""

from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, replace

import numpy as np

from nautilus._types import IntArray, RunTasks
from nautilus.geometry.fit import least_points
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.config import Config, Goal
from nautilus.run.estimate import Estimate, estimate
from nautilus.run.evaluation import Evaluate
from nautilus.run.findings import (
    LADDER_GIVEN_UP,
    MANY_SURPRISES,
    N_ROUNDS_MAX,
    ROUNDS_DISAGREE,
)
from nautilus.run.landscape import N_FEW, above_floor, floor_finding, is_second_floor
from nautilus.run.level import Level, log_volume_inside
from nautilus.run.plan import (
    N_POSTERIOR_MIN,
    is_worth_refitting,
    look_up,
    plan_contour,
    plan_cube,
    plan_neighbourhoods,
    plan_posterior,
    sampling_size,
    sampling_wanted,
)
from nautilus.run.start_points import (
    fill_start_points,
    n_start_points_left,
    start_points_above,
)
from nautilus.run.state import Phase, RunState
from nautilus.run.stop import StopReason
from nautilus.run.support import current_config, n_missing_from_cube, supporting_points
from nautilus.run.trust import view_last_stage

N_LEARNABLE = 50
"""Points above the floor of log L needed before anything can be learned."""

N_SEARCH = 20
"""Draws from the cube, in units of n_live, after which less than a few of them have to do."""

N_SURPRISES_MAX = 8
"""So many surprises of the sampling phase re-open exploration; a further one is a finding."""

N_DETOURS_MAX = 12
"""A ladder that is unfinished after so many rounds with the posterior as target is given up."""

N_STALLED, RISE_MIN = 6, 0.03
"""A ladder is stalled if its last six contours gained fewer e-folds of volume than this each."""


@dataclass(frozen=True)
class Step:
    """What the loop yields after everything that changed the state.

    Parameters
    ----------
    state
        The new state, complete and valid.
    message
        What happened, in a few words; empty for a chunk of a stage.
    stop
        Why the run ends here, or None.
    level
        The contour that was planned, or None.
    """

    state: RunState
    message: str
    stop: StopReason | None = None
    level: Level | None = None


def answer(state: RunState, discard_exploration: bool) -> Estimate:
    """Return the estimate of the complete stages that count."""
    phases = frozenset({Phase.SAMPLING}) if discard_exploration else frozenset(Phase)
    return estimate(state.ledger, state.table, state.proposals, phases)


def steps(
    state: RunState,
    config: Config,
    goal: Goal,
    evaluate: Evaluate,
    run_tasks: RunTasks,
    is_over: Callable[[], bool] = lambda: False,
) -> Generator[Step, None, None]:
    """Carry a run on until it stops.

    Closing the generator between two steps leaves the last yielded state as the
    state of the run: nothing else has changed.
    """
    n_start, config = state.n_like, current_config(config, state)
    n_left = 0 if is_over() else n_start_points_left(state, config)
    if n_left > 0:
        n_most = n_allowed(n_left, state, config, goal, is_first=True)
        with closing(fill_start_points(state, config, n_most, evaluate, is_over)) as filled:
            for grown in filled:
                state = grown
                yield Step(state, "")
        if not is_over() and n_start_points_left(state, config) > 0:
            yield Step(state, "", StopReason.CALLS)
            return
    while True:
        if is_over():
            yield Step(state, "", StopReason.TIME)
            return
        if state.pending is None:
            planned = next_plan(state, config, goal, run_tasks)
            if planned.stop is not None:
                yield planned
                return
            state = planned.state
            yield planned
        missing = missing_points(state, config, goal, is_first=state.n_like == n_start)
        with closing(fill_pending(state, missing, evaluate, run_tasks, is_over)) as filled:
            for state in filled:
                yield Step(state, "")
        if state.pending is not None and not state.pending.is_done.all():
            yield Step(state, "", StopReason.TIME if is_over() else StopReason.CALLS)
            return
        state = commit(state, run_tasks)
        yield Step(state, "stage complete")


def missing_points(state: RunState, config: Config, goal: Goal, *, is_first: bool) -> IntArray:
    """Return which points of the pending stage are to be evaluated, within the limit of calls.

    A limit cuts between calls of the likelihood, never within one: the numbers of a vectorised
    likelihood may depend on which points it gets together. The first call of a run is made even
    if it takes more than what is left, so that runs with small limits get on.
    """
    if state.pending is None:
        return np.empty(0, np.int64)
    missing = np.flatnonzero(~state.pending.is_done)
    return missing[: n_allowed(len(missing), state, config, goal, is_first=is_first)]


def n_allowed(n: int, state: RunState, config: Config, goal: Goal, *, is_first: bool) -> int:
    """Return how many of n points may be evaluated within the limit of calls."""
    allowed = max(goal.n_like_max - state.n_like, 0.0)
    if allowed >= n:
        return n
    n_whole = int(allowed) // config.n_batch * config.n_batch
    return config.n_batch if is_first and n_whole == 0 < allowed else n_whole


def fill_pending(
    state: RunState,
    missing: IntArray,
    evaluate: Evaluate,
    run_tasks: RunTasks,
    is_over: Callable[[], bool],
) -> Generator[RunState, None, None]:
    """Evaluate the points of the pending stage with the given numbers.

    Densities that are not known yet are computed while the first points are being evaluated.
    """
    pending = state.pending
    if pending is None or len(missing) == 0:
        return
    with closing(evaluate(pending.points[missing])) as chunks:
        interrupt: BaseException | None = None
        try:
            # What is under way is not given up for an error here: `commit` asks again, and raises.
            with suppress(Exception):
                state = state.with_all_densities(run_tasks)
        except (KeyboardInterrupt, SystemExit) as error:
            interrupt = error
            chunks.cancel()
        for chunk in chunks:
            pending = pending.fill(missing[chunk.index], chunk.log_l, chunk.blobs)
            state = replace(state, pending=pending)
            yield state
            if is_over():
                chunks.cancel()
        if interrupt is not None:
            raise interrupt


def commit(state: RunState, run_tasks: RunTasks) -> RunState:
    """Append the evaluated stage to the ledger."""
    pending = state.pending
    if pending is None:
        return state
    ledger = state.ledger.append(pending.stage, pending.points, pending.log_l, pending.blobs)
    table = state.table.extend(ledger, state.proposals, run_tasks)
    return replace(state, ledger=ledger, table=table, pending=None)


def next_plan(state: RunState, config: Config, goal: Goal, run_tasks: RunTasks) -> Step:
    """Decide on the next stage from complete stages alone, or why to stop."""
    ledger = state.ledger
    n_above = int(above_floor(ledger.log_l).sum())
    n_missing = N_SEARCH * config.n_live - ledger.n_points
    if n_above > 0 and n_missing > 0 and is_second_floor(ledger.log_l):
        planned = plan_cube(state, config, n_missing, Phase.EXPLORATION, run_tasks)
        return Step(planned, "drawing from the prior")
    if n_above < max(N_LEARNABLE, least_points(config.n_dim)):
        return _next_search(state, config, goal, n_above, run_tasks)
    if state.phase is Phase.EXPLORATION:
        return _next_exploration(state, config, goal, run_tasks)
    return _next_sampling(state, config, goal, run_tasks)


def _next_search(
    state: RunState, config: Config, goal: Goal, n_above: int, run_tasks: RunTasks
) -> Step:
    """Look for points above the floor; where there are none, the cube imitates the posterior."""
    ledger = state.ledger
    n_search = N_SEARCH * config.n_live
    is_known = ledger.n_points > 0 and start_points_above(state, config, ledger.log_l.max())[1].size
    if (
        n_above >= N_FEW
        or (n_above > 0 and ledger.n_points >= n_search)
        or (n_above == 0 and ledger.n_points < n_search and is_known)
    ):
        return Step(plan_neighbourhoods(state, config, run_tasks), "drawing around a few points")
    if n_above > 0 or ledger.n_points < n_search // 2:
        n_most = 2 * config.n_live if n_above > 0 else n_search // 2 - ledger.n_points
        planned = plan_cube(state, config, n_most, Phase.EXPLORATION, run_tasks)
        return Step(planned, "drawing from the prior")
    n_sampled = sum(s.n_points for s in ledger.stages if s.phase is Phase.SAMPLING)
    n_counted = n_sampled if goal.discard_exploration else ledger.n_points
    n_missing = max(
        goal.n_eff - n_counted, n_search - ledger.n_points, goal.n_shell - n_sampled, 1 - n_sampled
    )
    if n_missing > 0:
        planned = plan_cube(state, config, np.ceil(n_missing), Phase.SAMPLING, run_tasks)
        return Step(planned, "drawing from the prior")
    is_zero = np.isneginf(ledger.log_l[0])
    return Step(state, "", StopReason.NO_LIKELIHOOD if is_zero else StopReason.UNTRUSTED)


def _next_exploration(state: RunState, config: Config, goal: Goal, run_tasks: RunTasks) -> Step:
    n_missing = n_missing_from_cube(state, config)
    if n_missing > 0:
        planned = plan_cube(state, config, n_missing, Phase.EXPLORATION, run_tasks)
        return Step(planned, "drawing from the prior")
    level = look_up(state, config)
    state = replace(state, f_remaining=level.f_remaining)
    is_done = level.f_remaining < goal.f_unseen
    if not is_done and state.n_detours >= N_DETOURS_MAX:
        state = _with_finding(state, LADDER_GIVEN_UP)
        is_done = True
    is_detour = not is_done and is_stalled(state, config, level.log_volume)
    if not is_done and not is_detour:
        state = replace(state, n_rounds=0)
        planned = plan_contour(state, config, level, run_tasks)
        return Step(planned, f"contour at log L = {level.log_level:.6g}", level=level)
    if state.n_rounds > 0:
        view = view_last_stage(state)
        n_last = state.ledger.stages[-1].n_points
        if view.is_calm(n_last) or state.n_rounds >= N_ROUNDS_MAX:
            if not view.is_calm(n_last):
                state = _with_finding(state, ROUNDS_DISAGREE)
            state = replace(state, phase=Phase.SAMPLING, n_rounds=0)
            return _next_sampling(state, config, goal, run_tasks)
    n_points = max(2 * config.n_stage, N_POSTERIOR_MIN)
    planned = plan_posterior(state, config, n_points, True, run_tasks)
    planned = replace(
        planned, n_rounds=state.n_rounds + 1, n_detours=state.n_detours + int(is_detour)
    )
    return Step(planned, "imitating the posterior")


def is_stalled(state: RunState, config: Config, log_volume: float) -> bool:
    """Tell whether the last contours hardly rose: then the posterior is the better target.

    Its draws bring points inside the contour too, so the ladder may go on afterwards.
    """
    recent = state.proposals[-N_STALLED:]
    contours = [p for p in recent if isinstance(p, LearnedProposal)]
    if len(contours) < N_STALLED or any(p.target.is_posterior for p in contours):
        return False
    start = log_volume_inside(*supporting_points(state), contours[0].target.log_level)
    # A stage with fewer points than the support cannot gain as much.
    expected = min(1.0, config.n_stage / config.n_live)
    return bool(start - log_volume < RISE_MIN * N_STALLED * expected)


def _next_sampling(state: RunState, config: Config, goal: Goal, run_tasks: RunTasks) -> Step:
    current = answer(state, goal.discard_exploration)
    sizes = [s.n_points for s in state.ledger.stages if s.phase is Phase.SAMPLING]
    view = view_last_stage(state)
    is_last_sampling = state.ledger.stages[-1].phase is Phase.SAMPLING
    if is_last_sampling and not view.is_calm(sizes[-1]):
        if state.n_surprises < N_SURPRISES_MAX:
            state = replace(
                state, phase=Phase.EXPLORATION, n_rounds=0, n_detours=0,
                n_surprises=state.n_surprises + 1,
            )  # fmt: skip
            step = _next_exploration(state, config, goal, run_tasks)
            return replace(step, message="a surprise re-opened exploration")
        state = _with_finding(state, MANY_SURPRISES)
    if state.f_remaining >= goal.f_unseen and LADDER_GIVEN_UP not in state.findings:
        # The ladder ended at the larger f_live of an earlier run.
        state = replace(state, phase=Phase.EXPLORATION, n_rounds=0, n_detours=0)
        return _next_exploration(state, config, goal, run_tasks)
    if is_last_sampling and current.n_eff >= goal.n_eff and sum(sizes) >= goal.n_shell:
        return Step(state, "", reached_goal(state))
    n_wanted = sampling_wanted(config, goal, current, sum(sizes), view.efficiency)
    n_points = sampling_size(config, n_wanted, sum(sizes), view.efficiency)
    is_refit = is_worth_refitting(n_wanted, sum(sizes), view.efficiency)
    planned = plan_posterior(state, config, n_points, is_refit, run_tasks)
    return Step(planned, "sampling the posterior")


def reached_goal(state: RunState) -> StopReason:
    """Return why a run stops that has reached its goal: with findings, or without."""
    has_finding = state.findings or floor_finding(state.ledger)
    return StopReason.UNTRUSTED if has_finding else StopReason.GOAL


def _with_finding(state: RunState, text: str) -> RunState:
    if text in state.findings:
        return state
    return replace(state, findings=(*state.findings, text))
