"""Names for the arrays that travel between the rooms; comments give shapes."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Entry = TypeVar("Entry")
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


def select_rows(value: Entry, rows: BoolArray | IntArray) -> Entry:
    """Return a dataclass that consists of arrays, one row per point, with some of the rows."""
    given: Any = value
    chosen = {entry.name: getattr(given, entry.name)[rows] for entry in fields(given)}
    selected: Entry = replace(given, **chosen)
    return selected
