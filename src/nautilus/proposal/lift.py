"""Lifting a target where few points know it, so that thin parts of it are not forgotten."""

import numpy as np

from nautilus._types import FloatArray
from nautilus._weights import worth
from nautilus.geometry.fit import least_points
from nautilus.proposal.coverage import Coverage

POINTS_WANTED = 2.0
"""A component is lifted if fewer effective points know it than so many times the least of a fit."""

LIFT_MAX = 4.0
"""No target is lifted by a larger factor."""


def choose_lifts(known: Coverage) -> FloatArray:
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
    known
        The base and how it covers evaluated points; each of them belongs to components by its
        weight times responsibilities.

    Returns
    -------
    numpy.ndarray
        Between 1 and `LIFT_MAX`, shape (K,).
    """
    belonging = known.responsibilities * known.weights[:, None]
    n_known = np.array([worth(own) for own in belonging.T])
    wanted = POINTS_WANTED * least_points(known.base.n_dim)
    return np.asarray(np.clip(wanted / np.maximum(n_known, 1.0), 1.0, LIFT_MAX))
