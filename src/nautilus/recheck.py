"""Whether a likelihood is still the one that a saved run was made with."""

from dataclasses import dataclass

import numpy as np

from nautilus._types import FloatArray, IntArray
from nautilus.errors import CheckpointMismatchError, LikelihoodError
from nautilus.evaluate.evaluator import Evaluator
from nautilus.parameters import parameters_of
from nautilus.prior import PriorMap
from nautilus.run.state import RunState
from nautilus.settings import number, whole

ROUNDING = 1e-9
"""Relative difference that another machine or library may make."""


@dataclass(frozen=True)
class Recheck:
    """How a saved run is compared with the likelihood that it is to be continued with.

    Parameters
    ----------
    n_points
        Number of its points that are evaluated again.
    tolerance
        Difference in log L that is let pass.
    """

    n_points: int = 3
    tolerance: float = 1e-3


def make_recheck(n_recheck: object, recheck_tolerance: object) -> Recheck:
    """Return what the public keywords say.

    Raises
    ------
    SettingsError
        If a value has no meaning.
    """
    return Recheck(
        whole("n_recheck", n_recheck, 0), number("recheck_tolerance", recheck_tolerance, 0.0)
    )


def check_likelihood(
    evaluator: Evaluator, state: RunState, prior: PriorMap, recheck: Recheck
) -> None:
    """Evaluate a few points of a run again.

    Parameters
    ----------
    evaluator
        Of the likelihood.
    state
        The run.
    prior
        Gives the parameters for the message.
    recheck
        How many points, and how different they may be.

    Raises
    ------
    CheckpointMismatchError
        If log L differs.
    LikelihoodError
        If the likelihood cannot be evaluated any more.
    """
    points, before = _evaluated(state)
    rows = choose_rows(before, recheck.n_points)
    if len(rows) == 0:
        return
    now = np.full(len(rows), np.nan)
    try:
        for chunk in evaluator.evaluate(points[rows]):
            now[chunk.index] = chunk.log_l
    except LikelihoodError as error:
        error.add_note(
            "It was evaluated at this point before. Nothing is lost or changed: run() again when it"
            " works, or restore the likelihood that the run was made with."
        )
        raise
    before = before[rows]
    allowed = recheck.tolerance + ROUNDING * np.abs(before)
    is_other = ~(np.abs(now - before) <= allowed)
    if is_other.any():
        row = int(np.argmax(is_other))
        names, values = parameters_of(prior, points[rows[row] : rows[row] + 1])
        place = ", ".join(f"{n} = {v:.6g}" for n, v in zip(names, values[0], strict=True))
        raise CheckpointMismatchError(
            f"the likelihood is not the one that the run was made with: log L at {place} is"
            f" {before[row]:.12g} in the file and {now[row]:.12g} now. Restore the likelihood, or"
            ' begin a new run with another file name or resume="overwrite"; nautilus.load reads the'
            " results of the file without a likelihood. If log L varies by itself, give a larger"
            " recheck_tolerance, or n_recheck=0."
        )


def choose_rows(log_l: FloatArray, n_most: int) -> IntArray:
    """Return which points to look at, shape (m,): the best one and others down to the worst."""
    finite = np.flatnonzero(np.isfinite(log_l))
    ranked = finite[np.argsort(-log_l[finite], kind="stable")]
    chosen = np.unique(np.linspace(0, len(ranked) - 1, min(n_most, len(ranked))).astype(int))
    rows: IntArray = ranked[chosen]
    return rows


def _evaluated(state: RunState) -> tuple[FloatArray, FloatArray]:
    """Return all points that were evaluated, and their log L."""
    points, log_l = state.ledger.points, state.ledger.log_l
    if state.pending is None:
        return points, log_l
    done = state.pending.is_done
    return (
        np.concatenate([points, state.pending.points[done]]),
        np.concatenate([log_l, state.pending.log_l[done]]),
    )
