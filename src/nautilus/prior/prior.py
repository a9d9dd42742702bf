"""Priors made of named, independent parameters."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from nautilus._arithmetic import in_own_arithmetic
from nautilus._keywords import explains_keywords
from nautilus._numbers import NotRealError, as_reals
from nautilus._rows import html_of, text_of
from nautilus._types import FloatArray
from nautilus.errors import PriorError, PriorTypeError
from nautilus.prior.listing import Listing
from nautilus.prior.marginals import (
    Distribution,
    Fixed,
    Marginal,
    Tied,
    Uniform,
    parse_dist,
    unit_of,
)


@dataclass(frozen=True, slots=True)
class _Parameter:
    key: str
    marginal: Marginal
    is_periodic: bool

    @property
    def is_free(self) -> bool:
        return isinstance(self.marginal, Uniform | Distribution)

    def describe(self) -> tuple[str, str]:
        return (self.key, self.marginal.describe() + (", periodic" if self.is_periodic else ""))


@in_own_arithmetic
@final
class Prior:
    """A prior built from named parameters.

    Add the parameters one by one with `add_parameter`. The free ones span the unit cube, in the
    order in which they were added; fixed and tied ones appear only in dictionaries.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> prior = Prior()
    >>> prior.add_parameter("a", dist=(-5, 5))
    >>> prior.add_parameter("b", dist=norm(loc=0, scale=2))
    >>> prior.add_parameter("c", dist="a")
    >>> {key: float(value) for key, value in prior.unit_to_dictionary([0.5, 0.5]).items()}
    {'a': 0.0, 'b': 0.0, 'c': 0.0}
    """

    def __init__(self) -> None:
        self._parameters: tuple[_Parameter, ...] = ()

    @explains_keywords
    def add_parameter(
        self, key: str | None = None, dist: object = (0, 1), periodic: bool = False
    ) -> None:
        """Add a parameter.

        Parameters
        ----------
        key
            Its name, given once. By default ``x_0``, ``x_1``, ... by position.
        dist
            A pair ``(low, high)`` of finite bounds: uniform between them. A finite number: the
            parameter is fixed. A string: it always equals the parameter of that key, which must
            exist. Anything else must be a frozen ``scipy.stats`` distribution, continuous or
            discrete, or an object with a method ``ppf`` or ``isf`` that maps arrays.
        periodic
            Whether the two ends of the parameter's range are neighbours, as for angles. Only
            free parameters can be periodic.

        Raises
        ------
        PriorError
            If the key is taken or empty, or `dist` has values without meaning.
        PriorTypeError
            If an argument is of a type without meaning.
        """
        name = f"x_{len(self._parameters)}" if key is None else key
        if not isinstance(name, str) or not name:
            kind = PriorError if isinstance(name, str) else PriorTypeError
            raise kind(f"A parameter has key={key!r}; give a string that is not empty.")
        if name in self.keys:
            raise PriorError(f"Parameter {name!r} exists already; give each parameter its own key.")
        if not isinstance(periodic, bool | np.bool_):
            raise PriorTypeError(
                f"Parameter {name!r} has periodic={periodic!r}; give True or False."
            )
        parameter = _Parameter(name, parse_dist(name, dist, self.keys), bool(periodic))
        if parameter.is_periodic and not parameter.is_free:
            raise PriorError(
                f"Parameter {name!r} is {parameter.marginal.describe()} and cannot be periodic; "
                "only free parameters can. Leave periodic=False."
            )
        self._parameters = (*self._parameters, parameter)

    @property
    def keys(self) -> list[str]:
        """Keys of all parameters, in the order in which they were added; cannot be changed."""
        return Listing(parameter.key for parameter in self._parameters)

    @property
    def dists(self) -> list[Any]:
        """Distribution, number or key of each parameter; bounds as a uniform distribution."""
        return Listing(parameter.marginal.public() for parameter in self._parameters)

    @property
    def free_keys(self) -> list[str]:
        """Keys of the free parameters: the dimensions of the unit cube."""
        return Listing(parameter.key for parameter in self._parameters if parameter.is_free)

    @property
    def periodic(self) -> tuple[int, ...]:
        """Dimensions of the unit cube whose two ends are neighbours."""
        free = (parameter for parameter in self._parameters if parameter.is_free)
        return tuple(i for i, parameter in enumerate(free) if parameter.is_periodic)

    @property
    def support(self) -> FloatArray:
        """Ends of the range of each free parameter, shape (n_dim, 2); infinite if there is none."""
        marginals = (parameter.marginal for parameter in self._parameters)
        return np.array([m.support for m in marginals if isinstance(m, Uniform | Distribution)])

    @property
    def n_dim(self) -> int:
        """Number of free parameters."""
        return len(self.free_keys)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that `to_physical` returns."""
        return tuple(self.free_keys)

    def dimensionality(self) -> int:
        """Return the number of free parameters."""
        return self.n_dim

    def describe(self) -> tuple[tuple[str, str], ...]:
        """Return ``(key, text)`` for each parameter, the same in every process.

        Two priors with equal descriptions have, to nine digits, the same quantiles.
        """
        return tuple(parameter.describe() for parameter in self._parameters)

    def unit_to_physical(self, points: ArrayLike) -> FloatArray:
        """Map points in the unit cube to the free parameters.

        The lower half of each axis goes through the quantile function and the upper half through
        the inverse survival function, so that no digits are lost at either edge.

        Parameters
        ----------
        points
            Values in [0, 1], shape (d,) or (n, d).

        Returns
        -------
        numpy.ndarray
            Free parameters, of the same shape. Ends of unbounded axes become finite.

        Raises
        ------
        PriorError
            If there is no free parameter, the shape is wrong or a value is outside [0, 1].
        """
        unit = self._columns(points)
        is_inside = (unit >= 0.0) & (unit <= 1.0)
        if not is_inside.all():
            axis = int(np.argwhere(~is_inside)[0, -1])
            raise PriorError(
                f"A point has the value {unit[~is_inside][0]} for parameter "
                f"{self.free_keys[axis]!r}; values in the unit cube lie between 0 and 1."
            )
        physical = np.empty_like(unit)
        i_free = 0
        for parameter in self._parameters:
            marginal = parameter.marginal
            if isinstance(marginal, Uniform | Distribution):
                physical[..., i_free] = marginal.quantile(np.asarray(unit[..., i_free]))
                i_free += 1
        return physical

    def physical_to_unit(self, points: ArrayLike) -> FloatArray:
        """Map free parameters to points in the unit cube: the inverse of `unit_to_physical`.

        Parameters
        ----------
        points
            Free parameters within the ranges of the prior, shape (d,) or (n, d).

        Returns
        -------
        numpy.ndarray
            Values in [0, 1], of the same shape. Where a quantile function is flat or jumps, the
            upper end of what is possible.

        Raises
        ------
        PriorError
            If there is no free parameter, the shape is wrong or a value is outside the prior.
        """
        physical = self._columns(points)
        unit = np.empty_like(physical)
        free = [p for p in self._parameters if p.is_free]
        for i, (parameter, ends) in enumerate(zip(free, self.support, strict=True)):
            values = np.asarray(physical[..., i])
            is_inside = (values >= ends[0]) & (values <= ends[1])
            if not is_inside.all():
                raise PriorError(
                    f"A point has the value {values[~is_inside].flat[0]} for parameter"
                    f" {parameter.key!r}, whose prior reaches from {ends[0]} to {ends[1]}."
                )
            if isinstance(parameter.marginal, Uniform | Distribution):
                unit[..., i] = unit_of(parameter.marginal, values)
        return unit

    def physical_to_dictionary(self, points: ArrayLike) -> dict[str, FloatArray]:
        """Name the parameters of points, fixed and tied ones included.

        Parameters
        ----------
        points
            Free parameters, shape (d,) or (n, d).

        Returns
        -------
        dict
            Each key with its number (for one point) or array of shape (n,).

        Raises
        ------
        PriorError
            If there is no free parameter or the shape is wrong.
        """
        physical = self._columns(points)
        columns = iter(np.moveaxis(physical, -1, 0))
        values: dict[str, Any] = {}
        for parameter in self._parameters:
            match parameter.marginal:
                case Fixed(value):
                    values[parameter.key] = np.full(physical.shape[:-1], value)[()]
                case Tied(key):
                    values[parameter.key] = values[key].copy()
                case _:
                    values[parameter.key] = next(columns).copy()
        return values

    def unit_to_dictionary(self, points: ArrayLike) -> dict[str, FloatArray]:
        """Map points in the unit cube to named parameters, fixed and tied ones included.

        Parameters
        ----------
        points
            Values in [0, 1], shape (d,) or (n, d).

        Returns
        -------
        dict
            Each key with its number (for one point) or array of shape (n,).

        Raises
        ------
        PriorError
            If there is no free parameter, the shape is wrong or a value is outside [0, 1].
        """
        return self.physical_to_dictionary(self.unit_to_physical(points))

    def to_physical(self, points: ArrayLike) -> FloatArray:
        """Return `unit_to_physical`: the form in which the sampler calls every prior."""
        return self.unit_to_physical(points)

    def __repr__(self) -> str:
        return text_of(self._title, self.describe())

    def _repr_html_(self) -> str:
        return html_of(self._title, self.describe())

    @property
    def _title(self) -> str:
        return f"Prior with {self.n_dim} free parameter{'s' * (self.n_dim != 1)}"

    def _columns(self, points: ArrayLike) -> FloatArray:
        if self.n_dim == 0:
            raise PriorError(
                f"The prior has {len(self._parameters)} parameters and none of them is free. "
                "Add one with a (low, high) pair or a distribution."
            )
        try:
            array = as_reals(points)
        except NotRealError as error:
            raise PriorError(f"Points must be an array of numbers, not {error}.") from error
        if array.ndim == 0 or array.shape[-1] != self.n_dim:
            raise PriorError(
                f"Points have shape {array.shape}; the prior has {self.n_dim} free parameters "
                f"{self.free_keys}, so give ({self.n_dim},) or (n, {self.n_dim})."
            )
        return array
