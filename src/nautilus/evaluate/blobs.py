"""The shape that blobs have, fixed once and kept for a whole run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nautilus._types import BlobArray, BoolArray
from nautilus.evaluate.likelihood import BLOB_KINDS

NUMBER_KINDS = "biufc"

Columns = dict[str, BlobArray]
"""One array of shape (n, ...) per blob, in the order in which the likelihood returns them."""


class BlobError(ValueError):
    """Blobs are not what they were before; `position` is the row that differs."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True)
class BlobField:
    """Name, data type and shape (of one point) of one blob."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class BlobLayout:
    """How the blobs of one point are stored.

    Parameters
    ----------
    fields
        The blobs in order; none for a likelihood that returns only log L.
    form
        "structured": one named field per blob; "plain": one array of one type, with an axis over
        the blobs where there are several.
    named
        Whether the likelihood names its blobs by returning a dictionary.
    is_given
        Whether the user gave the data type; values are then converted to it whatever they are.
    """

    fields: tuple[BlobField, ...]
    form: Literal["structured", "plain"]
    named: bool
    is_given: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of one entry of the packed array."""
        if self.form == "plain":
            return self.fields[0].dtype
        return np.dtype([(f.name, f.dtype, f.shape) for f in self.fields])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the packed array without its first axis."""
        if self.form == "structured":
            return ()
        several = (len(self.fields),) if len(self.fields) > 1 else ()
        return (*several, *self.fields[0].shape)

    @property
    def keys(self) -> tuple[str, ...]:
        """What the likelihood calls its blobs: names, or numbers where it does not name them."""
        if self.named:
            return tuple(field.name for field in self.fields)
        return tuple(_nameless(i) for i in range(len(self.fields)))

    def describe(self) -> str:
        """Say in words what one point has."""
        if not self.fields:
            return "no blobs"
        parts = [f"{f.name}: {f.dtype}{list(f.shape) if f.shape else ''}" for f in self.fields]
        return f"{len(self.fields)} blob(s) ({', '.join(parts)})"


NO_BLOBS = BlobLayout((), "structured", False, False)


def split_return(returned: object) -> tuple[object, tuple[object, ...]]:
    """Split what a likelihood returned into log L and its blobs."""
    if isinstance(returned, tuple):
        return (returned[0], returned[1:]) if returned else (None, ())
    return returned, ()


def _entries(blobs: Sequence[object]) -> dict[str, object]:
    if len(blobs) == 1 and isinstance(blobs[0], Mapping):
        if not blobs[0] or not all(isinstance(key, str) for key in blobs[0]):
            raise BlobError(
                f"the dictionary of blobs has the keys {list(blobs[0])}; expected one or more "
                "strings"
            )
        return dict(blobs[0])
    return {_nameless(i): value for i, value in enumerate(blobs)}


def _nameless(i: int) -> str:
    return f"blob_{i}"


def is_named(blobs: Sequence[object]) -> bool:
    """Whether the blobs are one dictionary of named values."""
    return len(blobs) == 1 and isinstance(blobs[0], Mapping)


def columns_of_call(blobs: Sequence[object], n_points: int) -> Columns:
    """Blobs of one vectorised call, each of which has one row per point."""
    columns = {name: _as_array(name, value) for name, value in _entries(blobs).items()}
    for name, column in columns.items():
        if column.ndim == 0 or len(column) != n_points:
            raise BlobError(
                f"{name} has shape {column.shape}; a vectorised likelihood returns one row per "
                f"point, here {n_points}"
            )
    return columns


def columns_of_rows(rows: Sequence[Sequence[object]]) -> Columns:
    """Blobs of scalar calls, one row per call."""
    first = _entries(rows[0])
    columns: dict[str, list[object]] = {name: [] for name in first}
    for i, row in enumerate(rows):
        entries = _entries(row)
        if entries.keys() != first.keys():
            raise BlobError(
                f"got the blobs {list(entries) or 'none'} after {list(first) or 'none'}",
                i,
            )
        for name, value in entries.items():
            columns[name].append(value)
    return {name: _as_array(name, values) for name, values in columns.items()}


def _as_array(name: str, values: object) -> BlobArray:
    try:
        return np.asarray(values)
    except Exception as error:  # array-likes of other libraries raise what they like
        raise BlobError(f"{name} cannot be turned into an array ({error})") from error


def infer_layout(columns: Columns, named: bool, dtype: np.dtype[Any] | None) -> BlobLayout:
    """Fix the layout from the first blobs and the data type that the user gave, if any.

    Without a data type, one unnamed blob gives a plain array, several give a structured array
    with fields ``blob_0``, ``blob_1`` and so on, and a dictionary gives fields of its names. A
    structured data type names the blobs; any other is the type of all of them.

    Raises
    ------
    BlobError
        If the blobs do not fit the data type, or are neither numbers nor text.
    """
    if dtype is None:
        fields = tuple(_infer_field(name, column) for name, column in columns.items())
        plain = len(fields) == 1 and not named
        return BlobLayout(fields, "plain" if plain else "structured", named, False)
    if dtype.names is not None:
        return _structured_layout(columns, named, dtype)
    fields = tuple(BlobField(n, dtype.base, c.shape[1:]) for n, c in columns.items())
    shapes = {f.shape for f in fields}
    if len(shapes) != 1 or (dtype.shape and shapes != {dtype.shape}):
        raise BlobError(
            f"blobs_dtype is {dtype} but the likelihood returned {len(fields)} blob(s) of shapes "
            f"{[f.shape for f in fields]}; give one (name, type, shape) per blob instead"
        )
    return BlobLayout(fields, "structured" if named else "plain", named, True)


def _infer_field(name: str, column: BlobArray) -> BlobField:
    if column.dtype.kind not in BLOB_KINDS:
        raise BlobError(
            f"{name} is of type {column.dtype}; blobs are numbers, truth values, text, or arrays "
            "of them with the same shape for every point; blobs_dtype can convert other types"
        )
    return BlobField(name, column.dtype, column.shape[1:])


def _structured_layout(columns: Columns, named: bool, dtype: np.dtype[Any]) -> BlobLayout:
    names = dtype.names or ()
    fits = set(names) == set(columns) if named else len(names) == len(columns)
    if not fits:
        raise BlobError(
            f"blobs_dtype has the fields {list(names)} but the likelihood returned "
            f"{list(columns) or 'no blobs'}"
        )
    fields = tuple(BlobField(n, dtype[n].base, dtype[n].shape) for n in names)
    return BlobLayout(fields, "structured", named, True)


def pack(layout: BlobLayout, columns: Columns) -> BlobArray | None:
    """Put columns into one array with one entry per point, or None where there are no blobs.

    Raises
    ------
    BlobError
        If number, names, shapes or types of the blobs differ from the layout.
    """
    if set(layout.keys) != set(columns):
        raise BlobError(f"got the blobs {list(columns) or 'none'}")
    if not columns:
        return None
    pairs = zip(layout.fields, layout.keys, strict=True)
    converted = [_convert(field, columns[key], layout) for field, key in pairs]
    if layout.form == "plain":
        return converted[0] if len(converted) == 1 else np.stack(converted, axis=1)
    packed = np.empty(len(converted[0]), dtype=layout.dtype)
    for field, column in zip(layout.fields, converted, strict=True):
        packed[field.name] = column
    return packed


def _convert(field: BlobField, column: BlobArray, layout: BlobLayout) -> BlobArray:
    if column.shape[1:] != field.shape:
        raise BlobError(f"{field.name} has shape {column.shape[1:]}, not {field.shape}")
    if not layout.is_given and not np.can_cast(column.dtype, field.dtype, "safe"):
        raise BlobError(
            f"{field.name} is of type {column.dtype}, which does not fit into {field.dtype}; "
            "blobs_dtype can fix a type"
        )
    try:
        return column.astype(field.dtype)
    except (TypeError, ValueError) as error:
        raise BlobError(f"{field.name} cannot become {field.dtype} ({error})") from error


def fill(layout: BlobLayout, packed: BlobArray, is_known: BoolArray) -> BlobArray:
    """Spread packed blobs over the rows marked in `is_known`; the others become NaN or zero."""
    full = np.zeros((len(is_known), *layout.shape), dtype=layout.dtype)
    full[is_known] = packed
    targets = [full[name] for name in full.dtype.names] if full.dtype.names else [full]
    for target in targets:
        if target.dtype.kind in "fc":
            target[~is_known] = np.nan
    return full


def pack_columns(
    layout: BlobLayout | None, columns: Columns, named: bool, dtype: np.dtype[Any] | None
) -> tuple[BlobLayout, BlobArray | None]:
    """Pack columns into the layout, which is inferred from them if there is none yet."""
    known = infer_layout(columns, named, dtype) if layout is None else widened(layout, columns)
    return known, pack(known, columns)


def widened(layout: BlobLayout, columns: Columns) -> BlobLayout:
    """Return the layout with types that hold these blobs too, unless the user gave the types.

    Numbers become numbers that hold both, and text becomes longer. What cannot be joined stays as
    it is, for `pack` to refuse.
    """
    if layout.is_given:
        return layout
    fields = tuple(
        replace(f, dtype=_joined(f.dtype, columns[k].dtype)) if k in columns else f
        for f, k in zip(layout.fields, layout.keys, strict=True)
    )
    return replace(layout, fields=fields)


def _joined(known: np.dtype[Any], new: np.dtype[Any]) -> np.dtype[Any]:
    are_numbers = known.kind in NUMBER_KINDS and new.kind in NUMBER_KINDS
    return np.promote_types(known, new) if are_numbers or known.kind == new.kind else known


def pack_rows(
    layout: BlobLayout | None, rows: Sequence[Sequence[object]], dtype: np.dtype[Any] | None
) -> tuple[BlobLayout, BlobArray | None]:
    """Pack the blobs of scalar calls; an error's `position` is the first row that differs."""
    try:
        return pack_columns(layout, columns_of_rows(rows), is_named(rows[0]), dtype)
    except BlobError as mismatch:
        raise _locate(layout, rows, dtype, mismatch) from mismatch


def _locate(
    layout: BlobLayout | None,
    rows: Sequence[Sequence[object]],
    dtype: np.dtype[Any] | None,
    mismatch: BlobError,
) -> BlobError:
    known = layout
    for i, row in enumerate(rows):
        try:
            known, _ = pack_columns(known, columns_of_rows([row]), is_named(row), dtype)
        except BlobError as error:
            return BlobError(str(error), i)
    return mismatch
