"""The shape that blobs have, fixed once and kept for a whole run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nautilus._types import BlobArray, BoolArray
from nautilus.evaluate.blob_values import (
    KEEP_OBJECTS,
    OBJECT,
    BlobError,
    BlobValues,
    as_objects,
    joined_type,
    nameless,
    stacked,
)
from nautilus.evaluate.likelihood import Likelihood


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
        return tuple(nameless(i) for i in range(len(self.fields)))

    @property
    def has_objects(self) -> bool:
        """Whether blobs are objects that no file can keep."""
        return any(field.dtype == OBJECT for field in self.fields)

    def describe(self) -> str:
        """Say in words what one point has."""
        if not self.fields:
            return "no blobs"
        parts = [f"{f.name}: {f.dtype}{list(f.shape) if f.shape else ''}" for f in self.fields]
        return f"{len(self.fields)} blob(s) ({', '.join(parts)})"


NO_BLOBS = BlobLayout((), "structured", False, False)


def infer_layout(values: BlobValues, dtype: np.dtype[Any] | None) -> BlobLayout:
    """Fix the layout from the first blobs and the data type that the user gave, if any.

    Without a data type, one unnamed blob gives a plain array, several give a structured array
    with fields ``blob_0``, ``blob_1`` and so on, and a dictionary gives fields of its names. A
    structured data type names the blobs; any other is the type of all of them.

    Raises
    ------
    BlobError
        If the blobs do not fit the data type.
    """
    columns, named = values.arrays, values.named
    if dtype is None:
        fields = tuple(BlobField(n, c.dtype, c.shape[1:]) for n, c in columns.items())
        plain = len(fields) == 1 and not named
        return BlobLayout(fields, "plain" if plain else "structured", named, False)
    if dtype.names is not None:
        return _structured_layout(values, dtype)
    fields = tuple(BlobField(n, dtype.base, c.shape[1:]) for n, c in columns.items())
    shapes = {f.shape for f in fields}
    if len(shapes) != 1 or (dtype.shape and shapes != {dtype.shape}):
        raise BlobError(
            f"blobs_dtype is {dtype} but the likelihood returned {len(fields)} blob(s) of shapes "
            f"{[f.shape for f in fields]}; give one (name, type, shape) per blob instead"
        )
    return BlobLayout(fields, "structured" if named else "plain", named, True)


def _structured_layout(values: BlobValues, dtype: np.dtype[Any]) -> BlobLayout:
    names, columns = dtype.names or (), values.arrays
    fits = set(names) == set(columns) if values.named else len(names) == len(columns)
    if not fits:
        raise BlobError(
            f"blobs_dtype has the fields {list(names)} but the likelihood returned "
            f"{list(columns) or 'no blobs'}"
        )
    fields = tuple(BlobField(n, dtype[n].base, dtype[n].shape) for n in names)
    return BlobLayout(fields, "structured", values.named, True)


def pack(layout: BlobLayout, values: BlobValues) -> BlobArray | None:
    """Put columns into one array with one entry per point, or None where there are no blobs.

    Raises
    ------
    BlobError
        If number, names, shapes or types of the blobs differ from the layout.
    """
    columns = values.arrays
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
    if field.dtype == OBJECT and column.dtype != OBJECT:
        return as_objects(column)
    if column.shape[1:] != field.shape:
        raise BlobError(
            f"{field.name} has shape {column.shape[1:]}, not {field.shape}; {KEEP_OBJECTS}"
        )
    if not layout.is_given and not np.can_cast(column.dtype, field.dtype, "safe"):
        raise BlobError(
            f"{field.name} is of type {column.dtype}, which does not fit into {field.dtype}; "
            "blobs_dtype can fix a type"
        )
    try:
        return _cast(column, field.dtype)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise BlobError(f"{field.name} cannot become {field.dtype} ({error})") from error


def _cast(column: BlobArray, dtype: np.dtype[Any]) -> BlobArray:
    """Convert to the type that the user gave, but nothing into a number that it is not."""
    given, wanted = column.dtype.kind, dtype.kind
    if given == "c" and wanted in "biuf":
        raise ValueError("complex numbers")
    if given == "f" and wanted in "biu" and np.isnan(column).any():
        raise ValueError("nan or masked")
    if given in "iuf" and wanted in "iu":
        bounds = np.iinfo(dtype)
        if ((column < bounds.min) | (column > bounds.max)).any():
            raise ValueError(f"not between {bounds.min} and {bounds.max}")
    with np.errstate(over="raise"):
        return column.astype(dtype)


def fill(layout: BlobLayout, packed: BlobArray, is_known: BoolArray) -> BlobArray:
    """Spread packed blobs over the rows marked in `is_known`; the others are missing.

    Missing are NaN, None among objects, and zero or empty where there is no such value.
    """
    full = np.zeros((len(is_known), *layout.shape), dtype=layout.dtype)
    full[is_known] = packed
    targets = [full[name] for name in full.dtype.names] if full.dtype.names else [full]
    for target in targets:
        if target.dtype.kind in "fcO":
            target[~is_known] = None if target.dtype == OBJECT else np.nan
    return full


def pack_values(
    layout: BlobLayout | None, values: BlobValues, likelihood: Likelihood
) -> tuple[BlobLayout, BlobArray | None]:
    """Pack the blobs of points into the layout, which is inferred if there is none yet."""
    if layout is None:
        known = infer_layout(values, likelihood.blobs_dtype)
    else:
        known = widened(layout, values)
    if not likelihood.takes_objects:
        _refuse_objects(known, values)
    return known, pack(known, values)


def _refuse_objects(layout: BlobLayout, values: BlobValues) -> None:
    for field, key in zip(layout.fields, layout.keys, strict=True):
        if field.dtype == OBJECT and key in values.arrays:
            column = values.arrays[key]
            is_object = column.dtype == OBJECT
            types = sorted({type(entry).__name__ for entry in column} if is_object else {})
            raise BlobError(
                f"{field.name} is of type {', '.join(types) or column.dtype}, and a run with "
                "filepath keeps only numbers, truth values, text, and arrays of them; return nan "
                "for what is missing, or leave filepath out to keep any object in memory"
            )


def widened(layout: BlobLayout, values: BlobValues) -> BlobLayout:
    """Return the layout with types that hold these blobs too, unless the user gave the types.

    Numbers become numbers that hold both, text becomes longer, and what has nothing in common
    becomes objects. Arrays that cannot be joined stay as they are, for `pack` to refuse.
    """
    if layout.is_given:
        return layout
    pairs = zip(layout.fields, layout.keys, strict=True)
    fields = tuple(_widened_field(field, values.arrays.get(key)) for field, key in pairs)
    return replace(layout, fields=fields)


def _widened_field(field: BlobField, column: BlobArray | None) -> BlobField:
    if column is None:
        return field
    dtype = joined_type(field.dtype, column.dtype)
    return field if dtype == OBJECT and field.shape else replace(field, dtype=dtype)


def pack_rows(
    layout: BlobLayout | None, rows: Sequence[BlobValues], likelihood: Likelihood
) -> tuple[BlobLayout, BlobArray | None]:
    """Pack the blobs of scalar calls; an error's `position` is the first row that differs."""
    try:
        return pack_values(layout, stacked(rows, _objects(layout)), likelihood)
    except BlobError as mismatch:
        raise _locate(layout, rows, likelihood, mismatch) from mismatch


def _objects(layout: BlobLayout | None) -> set[str]:
    """Return what the likelihood calls the blobs that are objects."""
    if layout is None:
        return set()
    pairs = zip(layout.fields, layout.keys, strict=True)
    return {key for field, key in pairs if field.dtype == OBJECT}


def _locate(
    layout: BlobLayout | None,
    rows: Sequence[BlobValues],
    likelihood: Likelihood,
    mismatch: BlobError,
) -> BlobError:
    known = layout
    for i, row in enumerate(rows):
        try:
            known, _ = pack_values(known, stacked([row], _objects(known)), likelihood)
        except BlobError as error:
            return BlobError(str(error), i)
    return mismatch
