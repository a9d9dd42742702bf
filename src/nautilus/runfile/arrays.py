"""Arrays as bytes: their type, shape and order are checked before memory is taken for them."""

import math
import re
import reprlib
from typing import Any

import numpy as np

from nautilus.errors import CheckpointDamagedError, CheckpointError

KINDS = "biufcSU"
"""Truth values, whole numbers, floating-point and complex numbers, bytes and text."""

PLAIN = re.compile(rf"[<>|][{KINDS}][0-9]{{1,9}}")
N_AXES_MAX, LENGTH_MAX = 32, 2**40
CODE_POINT_MAX = 0x10FFFF

Node = Any
"""A value as JSON knows it."""


def describe(array: np.ndarray[Any, Any]) -> Node:
    """Return type, shape and order of an array, as `restore` wants them.

    The order in memory is kept, as pickle keeps it: a matrix product may differ in its last
    bits between the two orders.
    """
    if not array.dtype.itemsize and array.dtype.names is None:
        raise CheckpointError(f"an array of type {array.dtype}, without length, cannot be saved.")
    return {
        "dtype": describe_dtype(array.dtype),
        "shape": list(array.shape),
        "order": "F" if _is_fortran(array) else "C",
    }


def to_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Return the entries of an array, little endian and in its order."""
    straight = array.T if _is_fortran(array) else array
    return straight.astype(_stored(array.dtype), order="C", copy=False).tobytes()


def n_bytes(node: Node, place: str) -> int:
    """Return the number of bytes of a described array.

    Raises
    ------
    CheckpointDamagedError
        If the description has no meaning.
    """
    if not isinstance(node, dict) or node.keys() != {"dtype", "shape", "order"}:
        raise bad(place, node, "dtype, shape and order of an array")
    shape, order = node["shape"], node["order"]
    if order not in ("C", "F"):  # a list could not be looked for in a set
        raise bad(place, order, "the order C or F")
    if not isinstance(shape, list) or len(shape) > N_AXES_MAX or not all(map(_is_length, shape)):
        raise bad(place, shape, "the shape of an array")
    dtype = parse_dtype(node["dtype"], place)
    if not dtype.itemsize and dtype.names is None:
        raise bad(place, node["dtype"], "a type of some length")  # NumPy would make it longer
    return math.prod(shape) * _stored(dtype).itemsize


def restore(node: Node, data: memoryview, place: str) -> np.ndarray[Any, Any]:
    """Return the array, read-only, of a description that `n_bytes` accepted.

    Raises
    ------
    CheckpointDamagedError
        If the bytes are no array of that type.
    """
    dtype = parse_dtype(node["dtype"], place)
    is_fortran = node["order"] == "F"
    shape = node["shape"][::-1] if is_fortran else node["shape"]
    try:
        if len(data):
            # A copy of its own is aligned, whatever stands before it in the file.
            array = np.frombuffer(data, _stored(dtype)).reshape(shape).astype(dtype)
        else:
            array = np.zeros(shape, dtype)
        _check_content(array, place)
    except (ValueError, TypeError, OverflowError) as error:
        raise bad(place, node, f"an array ({error})") from error
    array.setflags(write=False)
    restored = array.T if is_fortran else array
    restored.setflags(write=False)
    return restored


def parse_dtype(node: Node, place: str) -> np.dtype[Any]:
    """Return the type that a description names, if it is one that a file may hold."""
    if isinstance(node, str):
        if not PLAIN.fullmatch(node):
            raise bad(place, node, "a type of numbers or text")
        return _make_dtype(node, place)
    fields = []
    for entry in node if isinstance(node, list) and node else [None]:
        if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], str):
            raise bad(place, node, "fields of name, type and shape")
        name, plain, shape = entry
        if not isinstance(plain, str) or not isinstance(shape, list):
            raise bad(place, entry, "name, type and shape")
        if len(shape) > N_AXES_MAX or not all(map(_is_length, shape)):
            raise bad(place, entry, "name, type and shape")
        fields.append((name, parse_dtype(plain, place), tuple(shape)))
    return _make_dtype(fields, place)


def _make_dtype(given: object, place: str) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(given)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError) as error:
        raise bad(place, given, f"a type that NumPy knows ({error})") from error
    return dtype


def describe_dtype(dtype: np.dtype[Any]) -> Node:
    """Return what `parse_dtype` wants.

    Raises
    ------
    CheckpointError
        If a file cannot hold such a type.
    """
    if dtype.names is None:
        if dtype.kind not in KINDS or dtype.shape:
            raise CheckpointError(
                f"an array of type {dtype} cannot be saved; a run file holds numbers, truth"
                " values, text, and records of these."
            )
        return dtype.str
    parts = ((name, dtype[name]) for name in dtype.names)
    return [[name, describe_dtype(part.base), list(part.shape)] for name, part in parts]


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type as it stands in the file: little endian and without gaps."""
    if dtype.names is None:
        return dtype.newbyteorder("<")
    parts = ((name, dtype[name]) for name in dtype.names)
    return np.dtype([(name, _stored(part.base), part.shape) for name, part in parts])


def _check_content(array: np.ndarray[Any, Any], place: str) -> None:
    """Refuse bytes that NumPy would take without a look, and trip over later."""
    if array.dtype.names is not None:
        for name in array.dtype.names:
            _check_content(array[name], f"{place}.{name}")
    elif array.size and array.dtype.kind == "b":
        if np.ascontiguousarray(array).view(np.uint8).max() > 1:
            raise bad(place, "another byte", "truth values")
    elif array.size and array.dtype.kind == "U" and array.dtype.itemsize:
        codes = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("=")).view(np.uint32)
        if codes.max() > CODE_POINT_MAX:
            raise bad(place, f"the code point {codes.max()}", "text")


def _is_fortran(array: np.ndarray[Any, Any]) -> bool:
    return array.flags.f_contiguous and not array.flags.c_contiguous


def _is_length(entry: object) -> bool:
    return isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry <= LENGTH_MAX


def bad(place: str, given: object, expected: str) -> CheckpointDamagedError:
    """Return the error of something that is not what its place asks for."""
    # What is given may be of any size and depth.
    text = given if isinstance(given, str) else reprlib.repr(given)
    return CheckpointDamagedError(f"{place} is {text[:200]!r}; expected {expected}.")
