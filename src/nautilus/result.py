"""From the state of a run to what users read."""

from collections.abc import Callable

import numpy as np

from nautilus._arithmetic import own_arithmetic
from nautilus._types import BoolArray, FloatArray
from nautilus._warn import warn_user
from nautilus.errors import EdgeMassWarning, NoResultError, UntrustedResultWarning
from nautilus.evaluate.counts import Counts
from nautilus.parameters import free_parameters
from nautilus.posterior import Posterior, edge_mass
from nautilus.prior import Prior, PriorMap
from nautilus.run.detection import detection_limit
from nautilus.run.estimate import Estimate, phase_rows
from nautilus.run.landscape import above_floor, floor_finding
from nautilus.run.state import Phase, RunState
from nautilus.run.support import current_config
from nautilus.run.trust import is_tame
from nautilus.run_information import RunInformation
from nautilus.runfile import Account, Answer, RunHeader

EDGE_MASS = 0.05
"""Posterior mass within a thousandth of the prior's edge that is worth a warning."""

UNFINISHED = "the run stopped before the sampling phase: the error of log Z is not known yet"

TAIL_INDEX_MAX = 0.7
"""Errors cannot be trusted beyond this tail index (Vehtari et al. 2024)."""

DISAGREEMENT = 4.0
"""Standard errors by which points kept and exploration discarded may differ."""

ROUNDING = 1e-12
"""What sums over a run may lose to rounding."""

Columns = Callable[[BoolArray], tuple[tuple[str, ...], FloatArray]]
"""Gives names and physical parameters, one column each, of some points of the ledger."""

Estimates = Callable[[bool], Estimate]
"""Gives the estimate with points kept (False) or with exploration discarded (True)."""


def counted(state: RunState, discard_exploration: bool) -> BoolArray:
    """Return which points of the ledger count, shape (N,)."""
    if not discard_exploration:
        return np.ones(state.ledger.n_points, dtype=bool)
    return phase_rows(state.ledger, Phase.SAMPLING)


def efficiency(state: RunState, estimate: Estimate, discard_exploration: bool) -> float:
    """Return the effective sample size per likelihood call that counts."""
    n = int(counted(state, discard_exploration).sum()) if discard_exploration else state.n_like
    return estimate.n_eff / max(n, 1)


def is_settled(state: RunState) -> bool:
    """Tell whether a sampling stage stands: complete, and without a surprise that re-opened.

    Before that, what no contour has reached yet may hold most of the evidence. Where log L is the
    same everywhere there are no contours.
    """
    is_sampled = any(stage.phase is Phase.SAMPLING for stage in state.ledger.stages)
    is_explored = state.phase is Phase.SAMPLING or not above_floor(state.ledger.log_l).any()
    return is_sampled and is_explored


def known_error(state: RunState, log_z_err: float) -> float:
    """Return the standard error of log Z, infinite while it is not known.

    The scatter of weights knows nothing of what the exploration has still to find.
    """
    return log_z_err if is_settled(state) else np.inf


def findings_of(state: RunState, estimates: Estimates) -> tuple[str, ...]:
    """Return what says that the answer is not to be trusted."""
    found = [*state.findings]
    if floor := floor_finding(state.ledger):
        found.append(floor)
    if not is_settled(state):
        found.append(UNFINISHED)
        return tuple(found)
    kept, fresh = estimates(False), estimates(True)
    if not np.isfinite(fresh.log_z):
        return tuple(found)
    error = float(np.hypot(kept.log_z_err, fresh.log_z_err))
    difference = abs(kept.log_z - fresh.log_z)
    # Neither is known better than to the rounding of sums, and to the steps of numbers of its size.
    rounding = ROUNDING + 2.0 * np.spacing(abs(kept.log_z))
    if difference > DISAGREEMENT * error + rounding:
        found.append(
            f"log Z is {kept.log_z:.3f} with all points and {fresh.log_z:.3f} with exploration"
            " discarded, further apart than their errors allow"
        )
    largest_share = float(np.exp(fresh.log_weights.max()))
    if fresh.tail_index > TAIL_INDEX_MAX and not is_tame(largest_share, fresh.n_eff):
        found.append(
            f"the weights of the sampling phase have a heavy tail (index {fresh.tail_index:.2f})"
        )
    return tuple(found)


def join_findings(state: RunState, answer: Answer) -> tuple[str, ...]:
    """Return the findings of an answer, and those that are newer."""
    later = () if is_settled(state) else (UNFINISHED,)
    return tuple(dict.fromkeys((*state.findings, *answer.findings, *later)))


def notes_of(counts: Counts) -> tuple[str, ...]:
    """Return what the likelihood did that was counted away rather than raised."""
    told = (
        (counts.n_errors, "the likelihood raised {} times"),
        (counts.n_nan, "the likelihood returned NaN at {} points"),
    )
    return tuple(text.format(f"{n:,}") for n, text in told if n)


def describe_run(header: RunHeader, state: RunState, account: Account) -> RunInformation:
    """Return what is known of a run beside its result."""
    explored = [s.n_points for s in state.ledger.stages if s.phase is Phase.EXPLORATION]
    if state.pending is not None and state.pending.stage.phase is Phase.EXPLORATION:
        explored.append(state.pending.n_done)
    return RunInformation(
        n_dim=header.config.n_dim,
        n_live=current_config(header.config, state).n_live,
        phase=state.phase.value,
        n_stages=len(state.ledger.stages),
        n_proposals=len(state.proposals),
        n_exploration=sum(explored),
        n_calls=account.counts.n_calls,
        elapsed_seconds=account.clocks.elapsed,
        likelihood_seconds=account.clocks.likelihood,
        call_seconds=account.counts.seconds,
        prior=header.prior,
        package=header.package,
        created=header.created,
    )


@own_arithmetic()
def make_posterior(  # noqa: PLR0913 - one argument per part of the result
    state: RunState,
    answer: Answer | None,
    columns: Columns,
    *,
    seed: int,
    discard_exploration: bool,
    stop_reason: str,
    notes: tuple[str, ...],
    run: RunInformation,
    periodic: FloatArray | None,
) -> Posterior:
    """Return the result as one value.

    Raises
    ------
    NoResultError
        If no point has any weight yet.
    """
    if answer is None:
        raise NoResultError(_why_no_result(state, discard_exploration))
    rows = counted(state, discard_exploration)
    names, array = columns(rows)
    blobs = state.ledger.blobs
    return Posterior(
        names=names,
        array=array,
        log_weights=answer.log_weights[rows],
        log_l=state.ledger.log_l[rows],
        blobs=None if blobs is None else blobs[rows],
        log_z=answer.log_z,
        log_z_err=known_error(state, answer.log_z_err),
        n_eff=answer.n_eff,
        n_like=state.n_like,
        eta=answer.eta,
        tail_index=answer.tail_index,
        findings=join_findings(state, answer),
        notes=notes,
        stop_reason=stop_reason,
        seed=seed,
        run=run,
        periodic=periodic,
        detection_limit=answer.detection_limit,
    )


@own_arithmetic()
def make_answer(state: RunState, estimates: Estimates, discard_exploration: bool) -> Answer | None:
    """Return what is kept of the result beside a run, or None if no point has any weight yet."""
    estimate = estimates(discard_exploration)
    if not np.isfinite(estimate.log_z):
        return None
    return Answer(
        log_weights=estimate.log_weights,
        log_z=estimate.log_z,
        log_z_err=known_error(state, estimate.log_z_err),
        n_eff=estimate.n_eff,
        eta=efficiency(state, estimate, discard_exploration),
        tail_index=estimate.tail_index,
        findings=findings_of(state, estimates),
        discard_exploration=discard_exploration,
        detection_limit=detection_limit(state),
    )


def _why_no_result(state: RunState, discard_exploration: bool) -> str:
    if state.n_drawn == 0:
        return "There is no result yet. Call run() first."
    if np.isfinite(state.ledger.log_l).any() and discard_exploration:
        return (
            "There is no result yet: the run has not reached the sampling phase, and points of"
            " the exploration do not count. Call run() again, or set discard_exploration to False."
        )
    return (
        f"There is no result: none of the first {state.n_drawn} points has a finite log-likelihood"
        " in a complete stage. If a limit stopped the run, call run() again; otherwise check the"
        " likelihood, or give a prior that is less wide."
    )


def warn_about(
    state: RunState,
    estimates: Estimates,
    prior: PriorMap,
    periodic: tuple[int, ...],
    discard_exploration: bool,
) -> None:
    """Warn of findings, and of posterior mass piled up at an edge of the prior.

    A run that only paused at a limit is not finished and is judged when it is.
    """
    for text in findings_of(state, estimates) if is_settled(state) else state.findings:
        warn_user(text, UntrustedResultWarning)
    mass = edge_mass(state.ledger.points, estimates(discard_exploration).log_weights)
    mass[list(periodic)] = 0.0  # a circle has no edge
    named = free_parameters(prior)
    names = named.names or tuple(f"x_{i}" for i in range(mass.shape[0]))
    ends = named.support if isinstance(named, Prior) else np.full(mass.shape, np.nan)
    for axis, side in zip(*np.nonzero(mass > EDGE_MASS), strict=True):
        text = _edge_text(ends[axis, side], ("lower", "upper")[side], names[axis])
        warn_user(f"{mass[axis, side]:.0%} of {text}", EdgeMassWarning)


def _edge_text(end: float, side: str, name: str) -> str:
    """Say where posterior mass is piled up, at an end of a prior that may be at infinity."""
    if np.isfinite(end):
        return (
            f"the posterior lies within a thousandth of the {side} edge of the prior of {name}; is"
            " the prior too narrow?"
        )
    where = "tail" if np.isinf(end) else "end"
    return (
        f"the posterior lies in the {side} {where} of the prior of {name}, which holds a thousandth"
        " of the prior: prior and data disagree, or the prior is too narrow."
    )
