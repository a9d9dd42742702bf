"""What a likelihood is, and how it is to be called: one frozen description."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any, Literal, Protocol, get_args

import numpy as np

from nautilus._types import FloatArray
from nautilus.errors import SettingsError
from nautilus.evaluate.factory import BuiltLikelihood

ErrorPolicy = Literal["raise", "-inf", "retry"]
NanPolicy = Literal["raise", "-inf"]
Physical = FloatArray | Mapping[str, FloatArray]
"""Parameters of n points: an array of shape (n, p), or one array of shape (n,) per name."""

CALL_TIMEOUT_MIN, CALL_TIMEOUT_MAX = 1e-3, 1e8
"""Bounds of `call_timeout` in seconds: what clocks resolve, and what timers take."""

BLOB_KINDS = "biufcSU"
"""Kinds of NumPy types of blobs that a file can keep: numbers, truth values and text."""


class PriorTransform(Protocol):
    """What the evaluator needs to know of a prior."""

    def to_physical(self, points: FloatArray, /) -> Physical:
        """Turn points of the unit cube, shape (n, d), into parameters.

        The parameters of one point must not depend on the others: chunks differ from backend to
        backend.
        """
        ...


@dataclass(frozen=True)
class Likelihood:
    """A likelihood with everything that decides how it is called.

    Parameters
    ----------
    function
        Called as ``function(*args, parameters, **kwargs)``; returns the natural logarithm of the
        likelihood, or a tuple of it and blobs.
    prior
        Turns points of the unit cube into parameters.
    pass_dict
        Whether parameters are a dictionary (of scalars for one point, of arrays of shape (n,) for
        many) or an array (of shape (p,) for one point, (n, p) for many). None takes whichever the
        prior gives.
    vectorized
        Whether one call takes many points.
    args, kwargs
        Further arguments of the function.
    blobs_dtype
        Data type of the blobs as NumPy understands it, or None to take it from the first calls.
    takes_objects
        Whether a blob may be any object; not where a file keeps the run.
    n_batch
        Points in one vectorised call; the last call of a set may be shorter.
    pad_batch
        Whether a shorter call is filled up with copies of its last point, so that every call of a
        compiled likelihood has the same shape. The answers for copies are dropped.
    on_error
        When the function raises: "raise" an error, count the point as "-inf", or "retry".
        A vectorised call that raises is repeated point by point under "-inf".
    n_retries
        How many more times a call is made under "retry" before the error is raised.
    on_nan
        When the function returns NaN: "raise" an error or count the point as "-inf".
    call_timeout
        Seconds of wall time that one call may take, from 0.001 to 1e8; then it counts as a call
        that raised `TimeoutError`. None for no limit.

    Raises
    ------
    SettingsError
        If a value has no meaning.
    """

    function: Callable[..., Any]
    prior: PriorTransform
    pass_dict: bool | None = None
    vectorized: bool = False
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    blobs_dtype: Any = None
    takes_objects: bool = True
    n_batch: int = 256
    pad_batch: bool = False
    on_error: ErrorPolicy = "raise"
    n_retries: int = 2
    on_nan: NanPolicy = "raise"
    call_timeout: float | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise SettingsError(
                f"likelihood is {self.function!r}, which cannot be called; give a function."
            )
        _check_choice("on_error", self.on_error, get_args(ErrorPolicy))
        _check_choice("on_nan", self.on_nan, get_args(NanPolicy))
        _check_count("n_batch", self.n_batch, 1)
        _check_count("n_retries", self.n_retries, 0)
        _check_timeout(self.call_timeout)
        object.__setattr__(self, "args", tuple(self.args))
        object.__setattr__(self, "kwargs", dict(self.kwargs))
        object.__setattr__(self, "blobs_dtype", _parse_dtype(self.blobs_dtype, self.takes_objects))

    def bound(self) -> Callable[..., Any]:
        """Return the function of parameters alone."""
        if not self.args and not self.kwargs:
            return self.function
        return partial(self.function, *self.args, **self.kwargs)

    def prepare(self) -> None:
        """Build the likelihood in this process if it is one that is built where it is called.

        Raises
        ------
        BuildError
            If that fails.
        """
        if isinstance(self.function, BuiltLikelihood):
            self.function.build()


def _check_timeout(value: object) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if value is not None and not (is_number and CALL_TIMEOUT_MIN <= value <= CALL_TIMEOUT_MAX):  # type: ignore[operator]
        raise SettingsError(
            f"call_timeout is {value!r}; give a number of seconds between {CALL_TIMEOUT_MIN:g} and "
            f"{CALL_TIMEOUT_MAX:g}, or None for no limit."
        )


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}; expected one of {', '.join(choices)}.")


def _check_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise SettingsError(f"{name} is {value!r}; expected a whole number of at least {least}.")


def _parse_dtype(given: object, takes_objects: bool) -> np.dtype[Any] | None:
    if given is None:
        return None
    try:
        dtype: np.dtype[Any] = np.dtype(given)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"blobs_dtype is {given!r}, which NumPy cannot read as a data type ({error}); give a "
            "type such as float, or a list of pairs such as [('chi2', float), ('name', 'S10')]."
        ) from error
    names = dtype.names or ()
    for part in [dtype[name] for name in names] or [dtype]:
        if part.base.kind == "O" and not takes_objects:
            raise SettingsError(
                f"blobs_dtype is {given!r}, but a run with filepath keeps only numbers, truth "
                "values and text. Give another type, or leave filepath out."
            )
        if part.base.kind not in BLOB_KINDS + "O":
            raise SettingsError(
                f"blobs_dtype is {given!r} and holds the type {part.base}; give numbers, truth "
                "values, text of fixed length, or object."
            )
    return dtype
