"""Blobs as calls return them: copied at once, because their memory may be used again."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from nautilus._types import BlobArray
from nautilus.evaluate.likelihood import BLOB_KINDS

NUMBER_KINDS = "biufc"
OBJECT = np.dtype(object)
KEEP_OBJECTS = "blobs_dtype=object keeps each as it is"


class BlobError(ValueError):
    """Blobs are not what they were before; `position` is the row that differs."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True)
class BlobValues:
    """Blobs that were returned for one point, or for n points.

    Parameters
    ----------
    arrays
        One array per blob, in the order in which the likelihood returns them: of shape (...) for
        one point, (n, ...) for n points. What is neither numbers nor text is one object per point.
    named
        Whether the likelihood names its blobs by returning a dictionary.
    """

    arrays: dict[str, BlobArray]
    named: bool


NOTHING = BlobValues({}, False)


def split_return(returned: object) -> tuple[object, tuple[object, ...]]:
    """Split what a likelihood returned into log L and its blobs."""
    if isinstance(returned, tuple):
        return (returned[0], returned[1:]) if returned else (None, ())
    return returned, ()


def nameless(i: int) -> str:
    """Return what a blob goes by that the likelihood does not name."""
    return f"blob_{i}"


def values_of_point(blobs: Sequence[object], dtype: np.dtype[Any] | None) -> BlobValues:
    """Copy the blobs of one point.

    Parameters
    ----------
    blobs
        What was returned after log L: nothing, one dictionary with strings as keys, or one value
        per blob.
    dtype
        The data type that the user gave, or None.

    Raises
    ------
    BlobError
        If a value cannot be copied, or has no such type.
    """
    if not blobs:
        return NOTHING
    entries, named = _entries(blobs)
    return BlobValues(
        {name: _own(name, value, _given(dtype, i, name, named)) for i, (name, value) in entries},
        named,
    )


def values_of_call(
    blobs: Sequence[object], n_points: int, dtype: np.dtype[Any] | None
) -> BlobValues:
    """Copy the blobs of a vectorised call, each of which has one row per point."""
    entries, named = _entries(blobs)
    columns = {
        name: _own_column(name, value, n_points, _given(dtype, i, name, named))
        for i, (name, value) in entries
    }
    return BlobValues(columns, named)


def stacked(rows: Sequence[BlobValues], objects: Collection[str]) -> BlobValues:
    """Return the blobs of several points, one row for each.

    Parameters
    ----------
    rows
        Blobs of one point each.
    objects
        Names of blobs of which other points have objects that are no numbers.

    Raises
    ------
    BlobError
        If points have other blobs, or blobs of other shapes, than the first.
    """
    first = rows[0].arrays
    for i, row in enumerate(rows):
        if row.arrays.keys() != first.keys():
            raise BlobError(
                f"got the blobs {list(row.arrays) or 'none'} after {list(first) or 'none'}", i
            )
    columns = {
        name: _stack(name, [row.arrays[name] for row in rows], name in objects) for name in first
    }
    return BlobValues(columns, rows[0].named)


def joined_type(known: np.dtype[Any], new: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that holds both: numbers, longer text, or else objects."""
    are_numbers = known.kind in NUMBER_KINDS and new.kind in NUMBER_KINDS
    return np.promote_types(known, new) if are_numbers or known.kind == new.kind else OBJECT


def as_objects(column: BlobArray) -> BlobArray:
    """Return one object per row: a plain number or text, or an array."""
    if column.ndim == 1:
        return column.astype(object)
    objects = np.empty(len(column), dtype=object)
    for i, row in enumerate(column):
        objects[i] = row
    return objects


def _entries(blobs: Sequence[object]) -> tuple[list[tuple[int, tuple[str, object]]], bool]:
    """Return numbers, names and values of blobs, and whether the names are the likelihood's."""
    only = blobs[0] if len(blobs) == 1 else None
    if isinstance(only, Mapping) and only and all(isinstance(key, str) for key in only):
        return list(enumerate(only.items())), True
    return [(i, (nameless(i), value)) for i, value in enumerate(blobs)], False


def _given(dtype: np.dtype[Any] | None, i: int, name: str, named: bool) -> np.dtype[Any] | None:
    """Return the type that the user gave for one blob, if any."""
    if dtype is None or dtype.names is None:
        return None if dtype is None else dtype.base
    fields = dtype.names if named else dict(enumerate(dtype.names))
    key = name if named else i
    if key not in fields:
        return None
    return dtype[key].base


def _own(name: str, value: object, dtype: np.dtype[Any] | None) -> BlobArray:
    array = None if dtype == OBJECT else _plain(value)
    if array is None or (dtype is None and array.dtype.kind not in BLOB_KINDS):
        return _object_array(name, [value]).reshape(())
    return array


def _own_column(name: str, value: Any, n_points: int, dtype: np.dtype[Any] | None) -> BlobArray:
    array = None if dtype == OBJECT else _plain(value)
    if array is None or (dtype is None and array.dtype.kind not in BLOB_KINDS):
        is_column = isinstance(value, (list, tuple)) or hasattr(value, "__array__")
        array = _object_array(name, list(value) if is_column else [])
    if array.ndim == 0 or len(array) != n_points:
        raise BlobError(
            f"{name} has shape {array.shape}; a vectorised likelihood returns one row per "
            f"point, here {n_points}"
        )
    return array


def _plain(value: Any) -> BlobArray | None:
    """Return a new array, NaN where numbers are masked, or None if that is not possible."""
    if isinstance(value, (list, tuple)) and any(map(np.ma.is_masked, value)):
        value = np.ma.array(value)
    try:
        if not isinstance(value, np.ma.MaskedArray):
            return np.array(value)
        if not np.ma.is_masked(value):
            return np.array(value.data)
        if value.dtype.kind not in NUMBER_KINDS:
            return None
        dtype = value.dtype if value.dtype.kind in "fc" else np.float64
        filled: BlobArray = np.ma.filled(value.astype(dtype), np.nan)
    except Exception:  # noqa: BLE001 - array-likes of other libraries raise what they like
        return None
    return filled


def _object_array(name: str, values: Sequence[object]) -> BlobArray:
    objects = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        try:
            objects[i] = None if value is np.ma.masked else copy.deepcopy(value)
        except Exception as error:  # objects raise what they like
            raise BlobError(
                f"{name} is an object of type {type(value).__name__} that cannot be copied "
                f"({error})"
            ) from error
    return objects


def _stack(name: str, entries: Sequence[BlobArray], is_object: bool) -> BlobArray:
    shape = entries[0].shape
    for i, entry in enumerate(entries):
        if entry.shape != shape and not is_object:
            raise BlobError(f"{name} has shape {entry.shape}, not {shape}; {KEEP_OBJECTS}", i)
    dtype = reduce(joined_type, dict.fromkeys(entry.dtype for entry in entries))
    if not is_object and dtype != OBJECT:
        return np.array(entries, dtype=dtype)
    if shape and not is_object:
        raise BlobError(f"{name} has entries of different types; {KEEP_OBJECTS}")
    column = np.empty(len(entries), dtype=object)
    for i, entry in enumerate(entries):
        column[i] = entry if entry.shape else entry.item()
    return column
