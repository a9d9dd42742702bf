"""From the state of a run to what users read."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nautilus._streams import stream
from nautilus._types import BoolArray, FloatArray
from nautilus.errors import (
    EdgeMassWarning,
    NoResultError,
    PriorError,
    SettingsError,
    UntrustedResultWarning,
)
from nautilus.evaluate.answers import error_of, prior_failure
from nautilus.evaluate.counts import Counts
from nautilus.posterior import Posterior, edge_mass, equal_weight
from nautilus.prior import REAL_KINDS, DictionaryMap, Prior, PriorMap
from nautilus.run.estimate import Estimate, phase_rows
from nautilus.run.state import Phase, RunState
from nautilus.run.trust import is_tame
from nautilus.run_information import RunInformation
from nautilus.runfile import Account, Answer, RunHeader

EDGE_MASS = 0.05
"""Posterior mass within a thousandth of the prior's edge that is worth a warning."""

UNFINISHED = "the run stopped before the sampling phase"

TAIL_INDEX_MAX = 0.7
"""Errors cannot be trusted beyond this tail index (Vehtari et al. 2024)."""

DISAGREEMENT = 4.0
"""Standard errors by which points kept and exploration discarded may differ."""

Columns = Callable[[BoolArray], tuple[tuple[str, ...], FloatArray]]
"""Gives names and physical parameters, one column each, of some points of the ledger."""

Estimates = Callable[[bool], Estimate]
"""Gives the estimate with points kept (False) or with exploration discarded (True)."""


@dataclass(frozen=True)
class PosteriorRequest:
    """How `Sampler.posterior` was asked for its tuple."""

    return_as_dict: bool | None
    equal_weight: bool
    boost: float
    return_blobs: bool


def counted(state: RunState, discard_exploration: bool) -> BoolArray:
    """Return which points of the ledger count, shape (N,)."""
    if not discard_exploration:
        return np.ones(state.ledger.n_points, dtype=bool)
    return phase_rows(state.ledger, Phase.SAMPLING)


def efficiency(state: RunState, estimate: Estimate, discard_exploration: bool) -> float:
    """Return the effective sample size per likelihood call that counts."""
    n = int(counted(state, discard_exploration).sum()) if discard_exploration else state.n_like
    return estimate.n_eff / max(n, 1)


def findings_of(state: RunState, estimates: Estimates) -> tuple[str, ...]:
    """Return what says that the answer is not to be trusted."""
    found = list(state.findings)
    kept, fresh = estimates(False), estimates(True)
    if not np.isfinite(fresh.log_z):
        found.append(UNFINISHED)
        return tuple(found)
    error = float(np.hypot(kept.log_z_err, fresh.log_z_err))
    if abs(kept.log_z - fresh.log_z) > DISAGREEMENT * error:
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


def notes_of(counts: Counts) -> tuple[str, ...]:
    """Return what the likelihood did that was counted away rather than raised."""
    told = (
        (counts.n_errors, "the likelihood raised {} times"),
        (counts.n_nan, "the likelihood returned NaN at {} points"),
    )
    return tuple(text.format(f"{n:,}") for n, text in told if n)


def describe_run(header: RunHeader, state: RunState, account: Account) -> RunInformation:
    """Return what is known of a run beside its result."""
    return RunInformation(
        n_dim=header.config.n_dim,
        n_live=header.config.n_live,
        phase=state.phase.value,
        n_stages=len(state.ledger.stages),
        n_proposals=len(state.proposals),
        n_calls=account.counts.n_calls,
        elapsed_seconds=account.clocks.elapsed,
        likelihood_seconds=account.clocks.likelihood,
        call_seconds=account.counts.seconds,
        prior=header.prior,
        package=header.package,
        created=header.created,
    )


def make_posterior(
    state: RunState,
    answer: Answer | None,
    columns: Columns,
    *,
    seed: int,
    discard_exploration: bool,
    stop_reason: str,
    notes: tuple[str, ...],
    run: RunInformation,
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
        log_z_err=answer.log_z_err,
        n_eff=answer.n_eff,
        n_like=state.n_like,
        eta=answer.eta,
        tail_index=answer.tail_index,
        findings=answer.findings,
        notes=notes,
        stop_reason=stop_reason,
        seed=seed,
        run=run,
    )


def make_answer(state: RunState, estimates: Estimates, discard_exploration: bool) -> Answer | None:
    """Return what is kept of the result beside a run, or None if no point has any weight yet."""
    estimate = estimates(discard_exploration)
    if not np.isfinite(estimate.log_z):
        return None
    return Answer(
        log_weights=estimate.log_weights,
        log_z=estimate.log_z,
        log_z_err=estimate.log_z_err,
        n_eff=estimate.n_eff,
        eta=efficiency(state, estimate, discard_exploration),
        tail_index=estimate.tail_index,
        findings=findings_of(state, estimates),
        discard_exploration=discard_exploration,
    )


def _why_no_result(state: RunState, discard_exploration: bool) -> str:
    if state.n_like == 0:
        return "There is no result yet. Call run() first."
    if np.isfinite(state.ledger.log_l).any() and discard_exploration:
        return (
            "There is no result yet: the run has not reached the sampling phase, and points of"
            " the exploration do not count. Call run() again, or set discard_exploration to False."
        )
    return (
        f"There is no result: none of the first {state.n_like} points has a finite log-likelihood"
        " in a complete stage. If a limit stopped the run, call run() again; otherwise check the"
        " likelihood, or give a prior that is less wide."
    )


def physical_array(prior: PriorMap, points: FloatArray) -> tuple[tuple[str, ...], FloatArray]:
    """Return names and physical parameters, one column per free scalar parameter.

    Of a prior function that returns a dictionary, whatever is not a real number is left out.

    Raises
    ------
    PriorError
        If two columns would have the same name, or there is none.
    """
    physical = _free(prior).to_physical(points)
    if isinstance(physical, dict):
        return _columns(physical, len(points))
    array = np.asarray(physical, dtype=np.float64)
    names_given = _free(prior).names
    if names_given is None or len(names_given) != array.shape[1]:
        return tuple(f"x_{i}" for i in range(array.shape[1])), array
    return tuple(names_given), array


def _columns(physical: dict[str, Any], n_points: int) -> tuple[tuple[str, ...], FloatArray]:
    names, columns = [], []
    for name, value in physical.items():
        array = np.asarray(value)
        if array.dtype.kind not in REAL_KINDS:
            continue
        flat = array.astype(np.float64).reshape(n_points, -1)
        for i in range(flat.shape[1]):
            names.append(str(name) if flat.shape[1] == 1 else f"{name}_{i}")
            columns.append(flat[:, i])
    if not columns or len(set(names)) < len(names):
        raise PriorError(
            f"The prior gives the parameters {', '.join(map(str, physical))}, which would be the"
            f" columns {', '.join(names) or 'of nothing'}; at least one real number is needed, and"
            " different names."
        )
    return tuple(names), np.column_stack(columns)


def check_prior(prior: PriorMap, points: FloatArray) -> None:
    """Find out before a run whether there will be names and numbers to report.

    Parameters
    ----------
    prior
        The prior.
    points
        Points of the unit cube, shape (n, d), n at least 2.

    Raises
    ------
    PriorError
        If the prior raises, or gives something else than named or unnamed parameters of n points.
    """
    # With two different numbers of points no mistaken axis can have the right length in both.
    for some in (points[:-1], points):
        parameters_of(prior, some)


def parameters_of(prior: PriorMap, points: FloatArray) -> tuple[tuple[str, ...], FloatArray]:
    """Return what `physical_array` does; whatever the prior raises becomes a PriorError."""
    try:
        return physical_array(prior, points)
    except PriorError:
        raise
    except Exception as error:
        raise error_of(prior_failure(points, error), "") from error


def as_tuple(
    result: Posterior,
    prior: PriorMap,
    state: RunState,
    discard_exploration: bool,
    request: PosteriorRequest,
) -> tuple[Any, ...]:
    """Return points, log weights, log L and blobs as scripts for the public package expect."""
    rows = counted(state, discard_exploration)
    unit = state.ledger.points[rows]
    # Copies, because scripts write to what they are given.
    log_w, log_l = result.log_weights.copy(), result.log_l.copy()
    blobs = None if result.blobs is None else result.blobs.copy()
    if request.return_blobs and blobs is None:
        raise SettingsError(
            "return_blobs is True, but the likelihood returns no blobs. Leave it out, or let the"
            " likelihood return (log_l, blob, ...)."
        )
    if request.equal_weight:
        index = equal_weight(log_w, request.boost, stream(result.seed, "equal weight"))
        unit, log_l = unit[index], log_l[index]
        log_w = np.full(len(index), -np.log(max(len(index), 1)))
        blobs = None if blobs is None else blobs[index]
    points = _points(prior, unit, request.return_as_dict)
    if request.return_blobs:
        return points, log_w, log_l, blobs
    return points, log_w, log_l


def _free(prior: PriorMap) -> PriorMap:
    """Return the map to free parameters alone, where fixed and tied ones can be told apart."""
    return prior.prior if isinstance(prior, DictionaryMap) else prior


def _points(prior: PriorMap, unit: FloatArray, return_as_dict: bool | None) -> Any:
    named = _free(prior)
    if return_as_dict and isinstance(named, Prior):
        return named.unit_to_dictionary(unit)
    physical = named.to_physical(unit)
    is_dict = isinstance(physical, dict)
    if return_as_dict and not is_dict:
        raise SettingsError(
            "return_as_dict is True, but the prior is a function that gives arrays without names."
            " Use return_as_dict=False, or a nautilus.Prior."
        )
    if is_dict and return_as_dict is False:
        return physical_array(named, unit)[1]
    return physical


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
    for text in findings_of(state, estimates):
        if text != UNFINISHED:
            warnings.warn(text, UntrustedResultWarning, stacklevel=3)
    mass = edge_mass(state.ledger.points, estimates(discard_exploration).log_weights)
    mass[list(periodic)] = 0.0  # a circle has no edge
    names = _free(prior).names or tuple(f"x_{i}" for i in range(mass.shape[0]))
    for axis, side in zip(*np.nonzero(mass > EDGE_MASS), strict=True):
        edge = ("lower", "upper")[side]
        warnings.warn(
            f"{mass[axis, side]:.0%} of the posterior lies within a thousandth of the {edge} edge"
            f" of the prior of {names[axis]}; is the prior too narrow?",
            EdgeMassWarning,
            stacklevel=3,
        )
