"""Parameters that live on circles, laid out on a line for statistics and plots."""

import numpy as np

from nautilus import _weights
from nautilus._types import BoolArray, FloatArray

N_CELLS = 360
"""Parts of a circle that weights are counted in."""

ARC = 18
"""Cells of the arcs among which the emptiest is looked for, a twentieth of the circle."""

EMPTY_SHARE = 1e-4
"""Arcs with at most this share of the weight are as good as empty: all of them count alike."""


def unwrap(array: FloatArray, log_weights: FloatArray, ends: FloatArray) -> FloatArray:
    """Lay circles out on lines, each cut where the posterior is emptiest.

    The circle of a parameter is cut in the middle of its emptiest arc: of all arcs of a twentieth
    of the circle, that with the least weight. Those with a share of at most 1e-4 of the weight
    count as equally empty; of arcs that are equally empty, the longest stretch side by side is
    cut in its middle. Values are then moved by whole periods so that they are in order from one
    side of the cut to the other, and so that their weighted mean lies in the range given.

    Parameters
    ----------
    array
        Parameters, shape (n, d).
    log_weights
        Log weights, shape (n,).
    ends
        Both ends of each circle, shape (d, 2); NaN for a parameter that lives on a line.

    Returns
    -------
    FloatArray
        Shape (n, d); the array itself if there is no circle. Values that are not moved keep every
        bit.
    """
    circles = np.flatnonzero(np.isfinite(ends).all(axis=1))
    if circles.size == 0:
        return array
    mask, weights = _weights.carrying(log_weights)
    lines = array.copy()
    for column in circles:
        lines[:, column] = _unwrap_one(array[:, column], mask, weights, *ends[column])
    return lines


def _unwrap_one(
    values: FloatArray, mask: BoolArray, weights: FloatArray, low: float, high: float
) -> FloatArray:
    period = high - low
    turns = np.floor((values - low) / period)
    phase = (values - low) / period - turns
    cut = _emptiest(phase[mask], weights)
    moves = np.where(phase < cut, 1.0, 0.0)
    mean = weights @ (phase + moves)[mask]
    moves -= turns + np.floor(mean)
    return np.where(moves == 0.0, values, values + period * moves)


def _emptiest(phase: FloatArray, weights: FloatArray) -> float:
    """Return where on a circle of length one, 0 to 1, it is to be cut."""
    cells = np.minimum((phase * N_CELLS).astype(np.int64), N_CELLS - 1)
    share = np.bincount(cells, weights, minlength=N_CELLS)
    arcs = np.convolve(np.concatenate([share, share[: ARC - 1]]), np.ones(ARC), mode="valid")
    is_empty = arcs <= max(float(arcs.min()), EMPTY_SHARE)
    full = np.flatnonzero(~is_empty)
    if full.size == 0:
        return 0.0
    # Each stretch of empty arcs lies between two full ones, the last goes on past the end.
    lengths = np.diff(full, append=full[0] + N_CELLS) - 1
    longest = int(lengths.argmax())
    middle = full[longest] + 0.5 * (lengths[longest] + 1) + 0.5 * ARC
    return float(middle / N_CELLS % 1.0)
