"""Samples as values: named columns, checked shapes, arrays that cannot be written to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from nautilus._rows import html_of, text_of
from nautilus._types import BlobArray, BoolArray, FloatArray, freeze
from nautilus.errors import SettingsError


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Draws:
    """Equally weighted samples of a posterior; all arrays are read-only.

    Attributes
    ----------
    names
        Names of the parameters, d of them.
    array
        Physical parameters, shape (m, d).
    log_l
        Natural logarithm of the likelihood, shape (m,).
    blobs
        What the likelihood returned beside log L, m entries, or None.
    """

    names: tuple[str, ...]
    array: FloatArray
    log_l: FloatArray
    blobs: BlobArray | None = None

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def samples(self) -> Mapping[str, FloatArray]:
        """The parameters by name, each of shape (m,)."""
        return by_name(self.names, self.array)

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        return text_of(*self._told())

    def _repr_html_(self) -> str:
        return html_of(*self._told())

    def _told(self) -> tuple[str, list[tuple[str, str]]]:
        return f"Draws: {len(self):,} samples of equal weight", [
            ("parameters", ", ".join(self.names)),
            ("log L", f"{self.log_l.min():.6g} to {self.log_l.max():.6g}" if len(self) else ""),
            ("blobs", "" if self.blobs is None else f"of type {self.blobs.dtype}"),
        ]

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)


def by_name(names: tuple[str, ...], array: FloatArray) -> Mapping[str, FloatArray]:
    """Return the columns of an array of shape (n, d) under their names, read-only."""
    return MappingProxyType({name: array[:, i] for i, name in enumerate(names)})


def as_strings(label: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return strings as a tuple, and refuse a lone string and anything that is not a string."""
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise SettingsError(f"{label} is {values!r}; expected a tuple of strings.")
    return tuple(values)


def check_shapes(
    names: tuple[str, ...],
    array: FloatArray,
    columns: Mapping[str, FloatArray],
    blobs: BlobArray | None,
) -> None:
    """Refuse arrays that do not belong together.

    Parameters
    ----------
    names
        Names of the parameters, d different ones.
    array
        Parameters, expected of shape (n, d).
    columns
        Arrays expected of shape (n,), by the names they go by in a message.
    blobs
        Expected to have n entries, or None.

    Raises
    ------
    SettingsError
        If a shape is not the expected one, or a name is missing or doubled.
    """
    if array.ndim != 2 or 0 in array.shape:
        raise SettingsError(
            f"array has shape {array.shape}; expected one row per point and one column per "
            "parameter, at least one of each. Use array[:, None] for a single parameter."
        )
    n_points, n_dim = array.shape
    if len(names) != n_dim or len(set(names)) != n_dim:
        raise SettingsError(
            f"names is {names}; expected {n_dim} different names, one per column of array."
        )
    for label, values in columns.items():
        if np.shape(values) != (n_points,):
            raise SettingsError(
                f"{label} has shape {np.shape(values)}; expected ({n_points},), one entry per row "
                "of array."
            )
    if blobs is not None and np.shape(blobs)[:1] != (n_points,):
        raise SettingsError(
            f"blobs has shape {np.shape(blobs)}; expected {n_points} entries, one per row of array."
        )


def as_circles(ends: ArrayLike | None, n_dim: int) -> FloatArray | None:
    """Return both ends of the range of each periodic parameter.

    Parameters
    ----------
    ends
        Shape (d, 2), NaN for parameters that are not periodic; or None.
    n_dim
        Number of parameters d.

    Returns
    -------
    FloatArray or None
        A copy, shape (d, 2); None if no parameter is periodic.

    Raises
    ------
    SettingsError
        If the shape is another, or the ends of a range are not in order.
    """
    if ends is None:
        return None
    circles = np.array(ends, dtype=np.float64)
    if circles.shape != (n_dim, 2):
        raise SettingsError(
            f"periodic has shape {circles.shape}; expected ({n_dim}, 2): the lower and the upper"
            " end of each parameter's range, NaN where it is not periodic."
        )
    for low, high in circles:
        is_range = isfinite(low) and isfinite(high - low) and low < high
        if not is_range and not (isnan(low) and isnan(high)):
            raise SettingsError(
                f"periodic holds the range from {low} to {high}; expected finite ends in order,"
                " or NaN for both."
            )
    return None if np.isnan(circles).all() else circles


def check_finite(mask: BoolArray, log_l: FloatArray) -> None:
    """Refuse points that carry weight without a finite log L.

    Parameters
    ----------
    mask
        Which points carry weight, shape (n,).
    log_l
        Natural logarithm of the likelihood, shape (n,).

    Raises
    ------
    SettingsError
        Naming the first such point.
    """
    wrong = np.flatnonzero(mask & ~np.isfinite(log_l))
    if wrong.size:
        first = wrong[0]
        raise SettingsError(
            f"Point {first} has weight, but its log L is {log_l[first]}; expected a finite number. "
            "Give such points the log weight -inf."
        )


def check_result(log_z: float, log_z_err: float, n_eff: float, n_like: int, seed: int) -> None:
    """Refuse numbers of a result that have no meaning.

    Parameters
    ----------
    log_z
        Log evidence, expected finite.
    log_z_err
        Its error, expected to be at least 0, or NaN if it is not known.
    n_eff
        Effective sample size, expected finite and at least 0.
    n_like, seed
        Likelihood calls and seed, expected to be at least 0.

    Raises
    ------
    SettingsError
        Naming the first such number.
    """
    rules = (
        ("log_z", log_z, "a finite number", isfinite(log_z)),
        ("log_z_err", log_z_err, "at least 0, or NaN", not log_z_err < 0),
        ("n_eff", n_eff, "a finite number of at least 0", 0 <= n_eff < inf),
        ("n_like", n_like, "at least 0", n_like >= 0),
        ("seed", seed, "at least 0", seed >= 0),
    )
    for name, value, expected, is_right in rules:
        if not is_right:
            raise SettingsError(f"{name} is {value}; expected {expected}.")


def restore(value: object, state: dict[str, Any]) -> None:
    """Fill an object that is being unpickled; pickled arrays come back writeable."""
    vars(value).update(state)
    freeze(value)
