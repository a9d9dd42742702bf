"""Components next to a wall of the cube, where whole-space coordinates are stretched."""

from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from nautilus._types import BoolArray, FloatArray
from nautilus.geometry.fit import safe_cholesky
from nautilus.geometry.mixture import LOG_2PI, Mixture

N_NODES = 128
"""Nodes for the moments of a density that ends at a wall."""

NEAR = 2.5
"""A wall is near if it is within so many of a component's widths in the cube."""


def reach_walls(mixture: Mixture, widening: float) -> Mixture:
    """Let components reach the walls next to them.

    The points of a small cluster at a wall may leave out a strip along it by chance: thin in
    the cube, but stretched to infinity in the whole space, so that no widening there covers
    it. Along an axis with a wall nearby a component is therefore also seen in the cube, as a
    normal density of its width that ends at the walls. If this is wider in the whole space
    than the component, the component takes its mean and width along the axis. Given the
    coordinate along the axis, the others are distributed as before.

    Parameters
    ----------
    mixture
        In the whole space.
    widening
        Factor by which its lengths will be scaled.
    """
    variance = np.einsum("kij,kij->ki", mixture.cholesky, mixture.cholesky)
    width = widening * np.sqrt(variance)
    is_near, centre, spread = _seen_in_the_cube(mixture.means, width)
    wanted = np.where(is_near & (spread > width), (spread / widening) ** 2, 0.0)
    means, cholesky = mixture.means.copy(), mixture.cholesky.copy()
    for k in np.flatnonzero(wanted.any(axis=1)):
        covariance = cholesky[k] @ cholesky[k].T
        axes = np.flatnonzero(wanted[k])
        shift = np.linalg.solve(covariance[np.ix_(axes, axes)], (centre - means)[k, axes])
        means[k] += covariance[:, axes] @ shift
        for i in axes:
            slope = covariance[i] / covariance[i, i]
            added = max(wanted[k, i] - covariance[i, i], 0.0)
            covariance = covariance + added * np.outer(slope, slope)
        cholesky[k] = safe_cholesky(covariance)
    return replace(mixture, means=means, cholesky=cholesky)


def _seen_in_the_cube(
    means: FloatArray, width: FloatArray
) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return whether a wall is near, and means and widths in the whole space.

    They are those of normal densities in the cube that have the centres and, to first order,
    the widths given in the whole space, and end at the walls.
    """
    side = np.where(means > 0, -1.0, 1.0)
    near = side * means  # the nearest wall is at zero, where numbers are exact
    centre = ndtr(near)
    scale = width * np.exp(-0.5 * (near**2 + LOG_2PI))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = ndtr(-centre / scale), ndtr((1.0 - centre) / scale)
    share = (np.arange(N_NODES) + 0.5) / N_NODES
    quantile = ndtri(low[..., None] + share * (high - low)[..., None])
    inside = centre[..., None] + scale[..., None] * quantile
    nodes = ndtri(np.clip(inside, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg))
    return centre < NEAR * scale, side * nodes.mean(axis=-1), nodes.std(axis=-1)
