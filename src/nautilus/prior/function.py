"""Priors that are a plain function of the unit cube."""

import copy
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, final

import numpy as np
from numpy.typing import ArrayLike

from nautilus._arithmetic import arithmetic_of_user
from nautilus._numbers import PARAMETER_KINDS, NotRealError, as_reals
from nautilus._types import FloatArray
from nautilus.errors import PriorError, PriorTypeError

WHAT_A_FUNCTION_IS: Final = (
    "A prior function is a map, not a density: it is given a point of the unit cube and returns the"
    " parameters there, of one dimension for instance low + (high - low) * u, or the quantile"
    " function (ppf) of a distribution at u. Its density follows from that."
)

Parameters = FloatArray | dict[str, Any]
"""Columns of parameters, shape (n, k) or (k,), or named ones with n values or one value each."""


@final
@dataclass(frozen=True)
class FunctionPrior:
    """A prior given as a function from the unit cube to the parameters.

    Parameters
    ----------
    function
        Called as ``function(*args, u, **kwargs)`` with a copy of one point, shape (d,); if
        `is_vectorized`, with points of shape (n, d). It returns the parameters: an array of
        shape (k,) or (n, k), k at least d, or a dictionary whose values belong to one point or
        have length n. They are copied at once; what is masked becomes NaN.
    n_dim
        Dimension d of the unit cube, at least 1.
    args, kwargs
        Further arguments of the function.
    is_vectorized
        Whether the function takes many points at once.

    Raises
    ------
    PriorError
        If the function cannot be called or `n_dim` is not a positive integer.
    """

    function: Callable[..., Any]
    n_dim: int
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    is_vectorized: bool = False

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise PriorTypeError(
                f"The prior is {self.function!r}; give a nautilus.Prior or a function that maps "
                "the unit cube to parameters."
            )
        if isinstance(self.n_dim, bool) or not isinstance(self.n_dim, int | np.integer):
            raise PriorTypeError(
                f"The prior is a function and n_dim={self.n_dim!r}; give the number of dimensions "
                "of the unit cube as an integer."
            )
        if self.n_dim < 1:
            raise PriorError(f"n_dim={self.n_dim}; give at least 1.")
        object.__setattr__(self, "n_dim", int(self.n_dim))
        object.__setattr__(self, "args", tuple(self.args))
        object.__setattr__(self, "kwargs", dict(self.kwargs))

    @property
    def names(self) -> None:
        """Names of the parameters: not known of a function."""
        return

    @property
    def periodic(self) -> tuple[int, ...]:
        """Periodic dimensions: none are known of a function."""
        return ()

    def describe(self) -> tuple[tuple[str, str], ...]:
        """Return ``(name, text)`` pairs that are the same in every process.

        The text holds the function's name and what it makes of the centre of the cube.
        """
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        centre = self.to_physical(np.full(self.n_dim, 0.5))
        named = centre if isinstance(centre, dict) else {"centre": centre}
        values = ((key, _text(value)) for key, value in named.items())
        return (("function", name), ("n_dim", str(self.n_dim)), *values)

    def to_physical(self, points: ArrayLike) -> Parameters:
        """Apply the function to points in the unit cube.

        Parameters
        ----------
        points
            Values in [0, 1], shape (d,) or (n, d).

        Returns
        -------
        numpy.ndarray or dict
            Shape (k,) for one point and (n, k) for many, or a dictionary of the function's keys:
            its own values for one point, arrays of length n for many.

        Raises
        ------
        PriorError
            If the points have the wrong shape or the function returns something else.
        """
        try:
            unit = as_reals(points)
        except NotRealError as error:
            raise PriorError(f"Points must be an array of numbers, not {error}.") from error
        if unit.ndim not in {1, 2} or unit.shape[-1] != self.n_dim or unit.size == 0:
            raise PriorError(
                f"Points have shape {unit.shape}; the prior has n_dim={self.n_dim}, so give "
                f"({self.n_dim},) or (n, {self.n_dim}) with n at least 1."
            )
        if not self.is_vectorized:
            return self._one(unit) if unit.ndim == 1 else _stack([self._one(u) for u in unit])
        many = self._many(np.atleast_2d(unit))
        if unit.ndim == 2:
            return many
        if isinstance(many, dict):
            return {key: value[0] for key, value in many.items()}
        return np.asarray(many[0])

    @property
    def given_form(self) -> str:
        """Say in words what the function is called with."""
        if self.is_vectorized:
            return (
                f"points of shape (n, {self.n_dim}), because vectorized=True is for the prior"
                " function too; leave it out if the functions take one point"
            )
        return (
            f"one point of shape ({self.n_dim},); vectorized=True gives it and the likelihood many"
            " at once"
        )

    def bound(self) -> Callable[..., Any]:
        """Return the function of points alone."""
        if not self.args and not self.kwargs:
            return self.function
        return partial(self.function, *self.args, **self.kwargs)

    def _call(self, unit: FloatArray) -> Any:
        with arithmetic_of_user():
            return self.bound()(unit)

    def _one(self, unit: FloatArray) -> Parameters:
        result = self._call(unit)
        if isinstance(result, Mapping):
            return {key: _own(value) for key, value in result.items()}
        array = np.atleast_1d(_numbers(result))
        if array.ndim != 1 or array.size == 0:
            raise PriorError(
                f"The prior function returned shape {array.shape} for one point of shape "
                f"{unit.shape}; one number for each parameter expected."
            )
        self._require_parameters(array.size)
        return array

    def _require_parameters(self, n_parameters: int) -> None:
        if n_parameters < self.n_dim:
            raise PriorError(
                f"The prior function returned {n_parameters} number(s) for a point with"
                f" n_dim={self.n_dim}; at least as many parameters as dimensions expected."
                f" {WHAT_A_FUNCTION_IS}"
            )

    def _many(self, unit: FloatArray) -> Parameters:
        result = self._call(unit)
        if isinstance(result, Mapping):
            named = {key: np.asarray(_own(value)) for key, value in result.items()}
            wrong = {k: v.shape for k, v in named.items() if v.shape[:1] != unit.shape[:1]}
            if wrong:
                raise PriorError(
                    f"The vectorised prior function returned shapes {wrong} for points of shape "
                    f"{unit.shape}; the first axis of each must have length {len(unit)}."
                )
            return named
        array = _numbers(result)
        columns = array[:, np.newaxis] if array.ndim == 1 else array
        if columns.ndim != 2 or len(columns) != len(unit) or columns.shape[1] == 0:
            raise PriorError(
                f"The vectorised prior function returned shape {array.shape} for points of shape "
                f"{unit.shape}; one row for each point expected. Is it written for one point? "
                "Then write it with u[..., 0] and np.stack([...], axis=-1), or leave "
                "vectorized=False."
            )
        self._require_parameters(columns.shape[1])
        return columns


def _numbers(result: Any) -> FloatArray:
    try:
        return as_reals(result, PARAMETER_KINDS)
    except NotRealError as error:
        raise PriorError(
            f"The prior function returned {result!r}; an array of numbers or a dictionary expected."
        ) from error


def _own(value: Any) -> Any:
    """Return a copy of one value of a dictionary: the function may use its memory again."""
    if np.ma.is_masked(value):
        return _numbers(value)[()]
    return np.asarray(copy.deepcopy(value))[()]


def _stack(results: list[Parameters]) -> Parameters:
    if len({_signature(result) for result in results}) > 1:
        raise PriorError(
            "The prior function returned different keys or shapes for different points; "
            "it must return the same ones for every point."
        )
    dictionaries = [result for result in results if isinstance(result, dict)]
    if dictionaries:
        return {key: np.stack([d[key] for d in dictionaries]) for key in dictionaries[0]}
    return np.stack([result for result in results if not isinstance(result, dict)])


def _signature(result: Parameters) -> Hashable:
    if isinstance(result, dict):
        return frozenset((key, np.shape(value)) for key, value in result.items())
    return result.shape


def _text(value: Any) -> str:
    array = np.asarray(value)
    if array.dtype.kind not in PARAMETER_KINDS:
        return str(value)
    return ", ".join(f"{number:.9g}" for number in np.ravel(array))
