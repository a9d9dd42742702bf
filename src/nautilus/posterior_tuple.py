"""The posterior as scripts for the public package expect it."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from nautilus._arithmetic import own_arithmetic
from nautilus._streams import stream
from nautilus._types import FloatArray
from nautilus.errors import SettingsError
from nautilus.parameters import free_parameters, physical_array
from nautilus.posterior import Posterior, equal_weight
from nautilus.prior import Prior, PriorMap
from nautilus.result import counted
from nautilus.run.state import RunState, Stage


@final
@dataclass(frozen=True)
class PosteriorRequest:
    """How `Sampler.posterior` was asked for its tuple.

    Parameters
    ----------
    return_as_dict
        Whether points are to be a dictionary; None for what the prior gives.
    equal_weight
        Whether points are to be drawn by weight.
    boost
        Factor on their number.
    return_blobs
        Whether blobs are wanted.
    n_drawn
        Number of draws by weight that were made before: each has random numbers of its own.
    """

    return_as_dict: bool | None
    equal_weight: bool
    boost: float
    return_blobs: bool
    n_drawn: int


@own_arithmetic()
def as_tuple(
    result: Posterior,
    prior: PriorMap,
    state: RunState,
    discard_exploration: bool,
    request: PosteriorRequest,
) -> tuple[Any, ...]:
    """Return points, log weights, log L and blobs as scripts for the public package expect."""
    # Front ends that run in steps go on for as long as the number of points grows.
    listed = state if request.equal_weight else _with_stage_under_way(state)
    rows = counted(listed, discard_exploration)
    # Copies, because scripts write to what they are given.
    unit, log_l = listed.ledger.points[rows], listed.ledger.log_l[rows]
    log_w = np.full(len(unit), -np.inf)
    log_w[: len(result.log_weights)] = result.log_weights
    kept = listed.ledger.blobs
    blobs = None if kept is None else kept[rows]
    if request.return_blobs and blobs is None:
        raise SettingsError(
            "return_blobs is True, but the likelihood returns no blobs. Leave it out, or let the"
            " likelihood return (log_l, blob, ...)."
        )
    if request.equal_weight:
        rng = stream(result.seed, "equal weight", request.n_drawn)
        index = equal_weight(log_w, request.boost, rng)
        unit, log_l = unit[index], log_l[index]
        log_w = np.full(len(index), -np.log(max(len(index), 1)))
        blobs = None if blobs is None else blobs[index]
    points = _points(prior, unit, request.return_as_dict)
    if request.return_blobs:
        return points, log_w, log_l, blobs
    return points, log_w, log_l


def _with_stage_under_way(state: RunState) -> RunState:
    """Return the state with what is finished of its stage as if that was a stage; to be listed."""
    pending = state.pending
    if pending is None or pending.n_done == 0:
        return state
    done = pending.is_done
    stage = Stage(pending.stage.phase, np.array([pending.n_done]))
    blobs = None if pending.blobs is None else pending.blobs[done]
    ledger = state.ledger.append(stage, pending.points[done], pending.log_l[done], blobs)
    return replace(state, ledger=ledger, pending=None)


def _points(prior: PriorMap, unit: FloatArray, return_as_dict: bool | None) -> Any:
    named = free_parameters(prior)
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
