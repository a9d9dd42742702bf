"""Real numbers out of what users give; what is no number is never turned into one."""

from typing import Any, Final

import numpy as np

from nautilus._types import FloatArray
from nautilus.errors import SettingsError

REAL_KINDS: Final = "iuf"
"""Kinds of NumPy types that hold real numbers."""

PARAMETER_KINDS: Final = REAL_KINDS + "b"
"""The same for parameters, where truth values stand for a choice and count as 0 and 1."""


class NotRealError(TypeError):
    """Something is not a real number; the message is its description."""


def as_reals(value: object, kinds: str = REAL_KINDS) -> FloatArray:
    """Return real numbers as a new array of floats.

    Parameters
    ----------
    value
        A number of any type and size, an array, or lists or tuples of these. Entries that are
        masked are missing and become NaN; what is larger than any float becomes infinite.
    kinds
        Kinds of NumPy types that count as numbers.

    Returns
    -------
    numpy.ndarray
        Of the shape of `value`.

    Raises
    ------
    NotRealError
        If anything in it is no number, such as a truth value, text, a time or None.
    """
    if isinstance(value, (list, tuple)):
        if all(isinstance(entry, float) for entry in value):
            return np.array(value, dtype=np.float64)
        return _joined([as_reals(entry, kinds) for entry in value])
    if isinstance(value, np.ndarray):
        return _of_array(value, kinds)
    try:
        array = np.asarray(value)
    except Exception as error:  # array-likes of other libraries raise what they like
        raise NotRealError(f"{describe(value)} ({error})") from error
    if array.ndim:
        return _of_array(array, kinds)
    if array.dtype.kind not in kinds + "O":
        raise NotRealError(describe(value))
    return np.array(as_real(value))


def reals_of(label: str, value: object) -> FloatArray:
    """Return what `as_reals` does of an argument that goes by the name `label`.

    Raises
    ------
    SettingsError
        If anything in it is no number.
    """
    try:
        return as_reals(value)
    except NotRealError as error:
        raise SettingsError(f"{label} has {error}; expected real numbers.") from error


def as_real(value: Any) -> float:
    """Return a number of any type and size as a float, infinite where it is too large for one.

    Raises
    ------
    NotRealError
        If it has no such value.
    """
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except Exception as error:  # numbers of other libraries raise what they like
        raise NotRealError(describe(value)) from error


def describe(value: object) -> str:
    """Say in words what was given instead of a number."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return str(value)
    if isinstance(value, np.ndarray):
        return f"an array of type {value.dtype}"
    return f"an object of type {type(value).__name__}"


def _joined(entries: list[FloatArray]) -> FloatArray:
    if len({entry.shape for entry in entries}) > 1:
        raise NotRealError("entries of different shapes")
    return np.array(entries, dtype=np.float64)


def _of_array(array: np.ndarray[Any, Any], kinds: str) -> FloatArray:
    kind = array.dtype.kind
    if kind not in kinds + "O":
        raise NotRealError(describe(array))
    is_missing = getattr(array, "mask", False)
    if is_missing is not False and np.any(is_missing):
        is_known = ~np.broadcast_to(is_missing, array.shape)
        reals = np.full(array.shape, np.nan)
        reals[is_known] = _of_array(array[is_known], kinds)
        return reals
    if kind != "O" and type(array) in {np.ndarray, np.ma.MaskedArray}:
        with np.errstate(over="ignore"):  # of types that are longer than floats
            return np.array(array, dtype=np.float64)
    # Objects are of any type; entries of other classes of arrays know their units.
    entries = [_of_entry(x, kinds) if kind == "O" else as_real(x) for x in array.flat]
    return np.array(entries, dtype=np.float64).reshape(array.shape)


def _of_entry(entry: object, kinds: str) -> float:
    number = as_reals(entry, kinds)
    if number.shape:
        raise NotRealError(describe(entry))
    return float(number)
