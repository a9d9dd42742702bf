"""Names for the arrays that travel between the rooms; comments give shapes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
BlobArray = NDArray[Any]
"""One entry per point: a structured array, or an array of shape ``(n, ...)``."""

RunTasks = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]
"""Runs a function on each tuple of arguments, anywhere, and returns the ordered results."""


def freeze(value: object) -> None:
    """Make the arrays among an object's attributes read-only."""
    for entry in vars(value).values():
        if isinstance(entry, np.ndarray):
            entry.setflags(write=False)
