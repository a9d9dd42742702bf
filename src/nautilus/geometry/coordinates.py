"""From the unit cube to the whole space and back, one axis at a time.

Each axis u in (0, 1) becomes z = ndtri(u), so that the uniform density on the
cube becomes the standard normal density: there are no walls in z, and the
prior itself is one normal component. A periodic axis is first rotated so that
its wrap lies where there is least to cut.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from nautilus._types import FloatArray
from nautilus.geometry.mixture import LOG_2PI

N_CELLS, SMOOTHING = 64, 3.0
"""Cells of a circle, and the standard deviation in cells with which mass is smoothed over it."""


@dataclass(frozen=True)
class Coordinates:
    """The map between the unit cube and the whole space.

    Parameters
    ----------
    cuts
        For each axis the value of u where a periodic axis is cut open, in
        [0, 1), and NaN for an axis that is not periodic. Shape (d,).
    """

    cuts: FloatArray

    def rotate(self, points: FloatArray) -> FloatArray:
        """Return points with periodic axes cut open, still in [0, 1].

        A point exactly on the cut goes just beside it: there is no wall on a circle.
        """
        periodic = ~np.isnan(self.cuts)
        if not periodic.any():
            return points
        out = points.copy()
        opened = (points[:, periodic] - self.cuts[periodic]) % 1.0
        out[:, periodic] = np.clip(opened, 2.0**-53, 1.0 - 2.0**-53)
        return out

    def to_space(self, points: FloatArray) -> FloatArray:
        """Return z for points of the cube, shape (n, d); infinite on the walls."""
        return np.asarray(ndtri(self.rotate(points)))

    def to_cube(self, space: FloatArray) -> FloatArray:
        """Return the points of the cube for z, shape (n, d)."""
        points = np.asarray(ndtr(space))
        periodic = ~np.isnan(self.cuts)
        if periodic.any():
            points[:, periodic] = (points[:, periodic] + self.cuts[periodic]) % 1.0
        return points


def log_prior_density(space: FloatArray) -> FloatArray:
    """Return the standard normal log density of z: the uniform density of the cube."""
    return np.asarray(-0.5 * (np.einsum("ij,ij->i", space, space) + space.shape[1] * LOG_2PI))


def cut_periodic(points: FloatArray, weights: FloatArray, periodic: tuple[int, ...]) -> Coordinates:
    """Choose where to cut each periodic axis: in the middle of its widest gap in mass.

    The gap is that of the weighted points smoothed over a circle of cells.
    """
    cuts = np.full(points.shape[1], np.nan)
    steps = np.minimum(np.arange(N_CELLS), N_CELLS - np.arange(N_CELLS))
    kernel = np.fft.rfft(np.exp(-0.5 * (steps / SMOOTHING) ** 2))
    for axis in periodic:
        cell = np.minimum((points[:, axis] * N_CELLS).astype(np.int64), N_CELLS - 1)
        counts = np.bincount(cell, weights=weights, minlength=N_CELLS)
        smooth = np.fft.irfft(np.fft.rfft(counts) * kernel, N_CELLS)
        cuts[axis] = (int(np.argmin(smooth)) + 0.5) / N_CELLS
    return Coordinates(cuts)
