"""What decisions see of log L: the landscape that stands above its floor.

Many likelihoods return one value, such as -inf, log(1e-30) or -1e100, wherever a model makes no
sense. Such a floor says nothing about where the model does.
"""

import numpy as np
from scipy.special import logsumexp

from nautilus._numerics import reference_of
from nautilus._types import BoolArray, FloatArray
from nautilus.run.state import Ledger

NEGLIGIBLE = 0.005
"""A floor is left out of the landscape if its likelihood is below so much of the evidence: the
share of all stages that comes from the cube then gives its points no more than usual weight."""

N_FEW = 5
"""Points of the cube above the floor that a part is seldom missed by, if it is all there is."""

STAND_IN = -50.0
"""A log L that is below this, and constant over all that is known to be likely, is more often what
a model returns when it fails than a likelihood; a top-hat of ordinary height is taken for one."""

FAR_BELOW = 20.0
"""Values of log L further below the largest one matter only where they fill far more volume."""


def above_floor(log_l: FloatArray) -> BoolArray:
    """Return which points stand above the floor, all of them if there is none, shape (n,).

    The floor is the lowest value of log L, minus infinity included, if two points share it.
    """
    is_lowest = log_l == log_l.min(initial=np.inf)
    return np.asarray(~is_lowest if is_lowest.sum() > 1 else np.ones(len(log_l), dtype=bool))


def landscape(log_l: FloatArray, log_g: FloatArray) -> FloatArray:
    """Return log L with minus infinity on a floor that holds too little evidence to matter.

    Parameters
    ----------
    log_l, log_g
        Log-likelihoods of all points, and the log density that they were drawn from as a whole,
        shape (n,) each.
    """
    finite = np.isfinite(log_l)
    lowest = log_l.min(initial=np.inf, where=finite)
    if np.count_nonzero(log_l == lowest) < 2:
        return log_l
    reference = reference_of(log_l)
    log_z = float(logsumexp(log_l - reference - log_g)) - np.log(len(log_l))
    if lowest - reference - log_z > np.log(NEGLIGIBLE):
        return log_l
    return np.where(log_l == lowest, -np.inf, log_l)


def is_second_floor(log_l: FloatArray) -> bool:
    """Tell whether the largest log L looks like one more floor above the lowest one.

    A likelihood may return minus infinity outside of a model's domain and another low value where
    the model fails. Then all points that are not far below the largest log L share its value, and
    nothing that stands above has been seen yet.
    """
    largest = log_l.max(initial=-np.inf)
    if not np.isfinite(largest) or largest > STAND_IN:
        return False
    top = log_l[log_l >= largest - FAR_BELOW]
    return len(top) > 1 and bool((top == largest).all())


def floor_finding(ledger: Ledger) -> str:
    """Return what the floor says against the result, or nothing."""
    n, is_above = ledger.n_points, above_floor(ledger.log_l)
    if n > 0 and not is_above.any():
        return (
            f"log L is {ledger.log_l[0]:.6g} at all {n:,} points: either it depends on no"
            " parameter, or this value stands for failures, and what is above it fills less than"
            f" about {3.0 / n:.1g} of the prior"
        )
    is_second = is_second_floor(ledger.log_l)
    if is_above.all() and not is_second:
        return ""
    from_cube = ledger.proposal_of_point == 0
    if is_second:
        return (
            f"log L is {ledger.log_l.max():.6g} wherever it is not far lower: either it is flat"
            " there, or this value stands for failures, and what is above it fills less than"
            f" about {3.0 / int(from_cube.sum()):.1g} of the prior"
        )
    n_hits = int(is_above[from_cube].sum())
    if n_hits >= N_FEW:
        return ""
    return (
        f"only {n_hits} of {int(from_cube.sum()):,} points drawn from the whole prior have a log L"
        f" above its floor of {ledger.log_l.min():.6g}; other parts of their size may be missed"
    )
