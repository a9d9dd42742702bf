"""Lifting a target where few points know it, so that thin parts of it are not forgotten."""

from dataclasses import replace

import numpy as np

from nautilus._types import FloatArray
from nautilus._weights import worth
from nautilus.geometry.fit import least_points
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.seen import Seen

POINTS_WANTED = 2.0
"""A component is lifted if fewer effective points know it than so many times the least of a fit."""

LIFT_MAX = 4.0
"""No target is lifted by a larger factor."""


def choose_lifts(base: Mixture, seen: Seen) -> FloatArray:
    """Return the factor by which the target is lifted where each component is responsible.

    Where a part of the target is described by a few points, the base follows it badly, fewer
    points are drawn from there, and from one contour to the next it may be forgotten: the
    numbers of points dwindle as in a branching process without growth. The points of a
    component have the mass of their weights times responsibilities, which is worth n points
    of equal mass (Kish 1965). The component is lifted by the number wanted over n. Weights
    take the lift back; what it costs is the share of the draws that it moves. One that
    overlaps with a large neighbour shares that one's points, and is hardly lifted.

    Parameters
    ----------
    base
        K components.
    seen
        Evaluated points; each belongs to components by its weight times responsibilities.

    Returns
    -------
    numpy.ndarray
        Between 1 and `LIFT_MAX`, shape (K,).
    """
    heavy = seen.heavy
    belonging = base.responsibilities(seen.space[heavy]) * seen.weights[heavy, None]
    known = np.array([worth(own) for own in belonging.T])
    wanted = POINTS_WANTED * least_points(base.n_dim)
    return np.asarray(np.clip(wanted / np.maximum(known, 1.0), 1.0, LIFT_MAX))


def lifted(seen: Seen, base: Mixture, lifts: FloatArray) -> Seen:
    """Return the points as they stand for the lifted target; the weights keep their unit."""
    factor = base.log_density_and_blend(seen.space, lifts)[1]
    return replace(seen, log_target=seen.log_target + np.log(factor), weights=seen.weights * factor)
