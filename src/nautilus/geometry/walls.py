"""Components next to a wall of the cube, where whole-space coordinates are stretched."""

from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from nautilus._types import FloatArray
from nautilus.geometry.mixture import LOG_2PI, Mixture

N_NODES = 32
"""Nodes for the moments of a density that ends at a wall."""


def reach_walls(mixture: Mixture, widening: float) -> Mixture:
    """Let components reach the walls next to them.

    The points of a small cluster at a wall may leave out a strip along it by chance: thin in
    the cube, but stretched to infinity in the whole space, so that no widening there covers
    it. A component is therefore also seen in the cube, as a normal density of its width that
    ends at the walls. Along axes where this is wider in the whole space than the component,
    it takes its mean and width.

    Parameters
    ----------
    mixture
        In the whole space.
    widening
        Factor by which its lengths will be scaled.
    """
    width = np.sqrt(np.einsum("kij,kij->ki", mixture.cholesky, mixture.cholesky))
    centre, spread = _seen_in_the_cube(mixture.means, widening * width)
    factor = np.maximum(spread / (widening * width), 1.0)
    means = np.where(factor > 1.0, centre, mixture.means)
    return replace(mixture, means=means, cholesky=mixture.cholesky * factor[:, :, None])


def _seen_in_the_cube(means: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation in the whole space of normal densities in the cube.

    They have the centres and, to first order, the widths given in the whole space, and end at
    the walls.
    """
    side = np.where(means > 0, -1.0, 1.0)
    near = side * means  # the nearest wall is at zero, where numbers are exact
    centre = ndtr(near)
    scale = width * np.exp(-0.5 * (near**2 + LOG_2PI))
    low, high = ndtr(-centre / scale), ndtr((1.0 - centre) / scale)
    share = (np.arange(N_NODES) + 0.5) / N_NODES
    quantile = ndtri(low[..., None] + share * (high - low)[..., None])
    inside = centre[..., None] + scale[..., None] * quantile
    nodes = ndtri(np.clip(inside, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg))
    return side * nodes.mean(axis=-1), nodes.std(axis=-1)
