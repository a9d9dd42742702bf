"""What one parameter of a prior can be: free, fixed or tied to another."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nautilus._numbers import PARAMETER_KINDS, NotRealError, as_reals
from nautilus._types import FloatArray
from nautilus.errors import PriorError, PriorTypeError

LOWER_METHODS: Final = ("ppf", "icdf")
UPPER_METHODS: Final = ("isf", "iccdf")

# The closed ends of the cube stand for the values next to them: the quantile function of an
# unbounded distribution is infinite there, and that of a discrete one leaves its support at 0.
LEAST_U: Final = 2.0**-200
LEAST_TAIL: Final = 2.0**-53

PROBES: Final = np.array([0.01, 0.25, 0.5, 0.75, 0.99])
FINGERPRINT_DIGITS: Final = 9


N_HALVINGS: Final = 100
"""So many halvings of [0, 1] leave nothing between the two ends."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform between two finite bounds."""

    low: float
    high: float

    @property
    def support(self) -> tuple[float, float]:
        """Both bounds."""
        return (self.low, self.high)

    def quantile(self, u: FloatArray) -> FloatArray:
        """Map unit values of any shape to ``[low, high]``."""
        width = self.high - self.low
        # Each half is measured from its own bound, so that a bound of zero is approached
        # without cancellation and both bounds are reached exactly.
        value = np.where(u < 0.5, self.low + u * width, self.high - (1.0 - u) * width)
        return np.clip(value, self.low, self.high)

    def describe(self) -> str:
        """Return a text that is the same in every process."""
        return f"uniform from {self.low!r} to {self.high!r}"

    def public(self) -> Any:
        """Return the frozen ``scipy.stats`` distribution of the same meaning."""
        from scipy import stats  # noqa: PLC0415 - it takes longer to import than all the rest

        return stats.uniform(loc=self.low, scale=self.high - self.low)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution with a quantile function, clipped to its support.

    Unit values below `split` go through its method `lower`, the others, as tail probabilities,
    through its method `upper`.
    """

    dist: Any
    lower: str
    upper: str
    split: float
    support: tuple[float, float]

    def quantile(self, u: FloatArray) -> FloatArray:
        """Map unit values of any shape to quantiles, from the accurate side each."""
        value = np.empty_like(u)
        is_low = u < self.split
        if is_low.any():
            low = np.clip(u[is_low], LEAST_U, 1.0 - LEAST_TAIL)
            value[is_low] = as_reals(getattr(self.dist, self.lower)(low), PARAMETER_KINDS)
        if not is_low.all():
            tail = np.clip(1.0 - u[~is_low], LEAST_TAIL, 1.0 - LEAST_TAIL)
            value[~is_low] = as_reals(getattr(self.dist, self.upper)(tail), PARAMETER_KINDS)
        return np.clip(value, *self.support)

    def describe(self) -> str:
        """Return a text that is the same in every process: name and quantiles."""
        family = getattr(self.dist, "dist", self.dist)
        name = getattr(family, "name", None) or type(family).__name__
        quantiles = self.quantile(PROBES)
        largest = float(np.max(np.abs(quantiles)))
        # Rounded on the scale of the distribution: the last bits differ between libraries.
        digits = FINGERPRINT_DIGITS - int(np.ceil(np.log10(largest))) if largest > 0 else 0
        rounded = (round(float(q), digits) + 0.0 for q in quantiles)
        pairs = (f"{p:.0%}: {q!r}" for p, q in zip(PROBES, rounded, strict=True))
        return f"{name} with quantiles {', '.join(pairs)}"

    def public(self) -> Any:
        """Return the distribution as it was given."""
        return self.dist


@dataclass(frozen=True, slots=True)
class Fixed:
    """A parameter that never changes."""

    value: float

    def describe(self) -> str:
        """Return a text that is the same in every process."""
        return f"fixed to {self.value!r}"

    def public(self) -> float:
        """Return the number."""
        return self.value


@dataclass(frozen=True, slots=True)
class Tied:
    """A parameter that always equals another one."""

    key: str

    def describe(self) -> str:
        """Return a text that is the same in every process."""
        return f"equal to {self.key}"

    def public(self) -> str:
        """Return the key of the other parameter."""
        return self.key


Marginal = Uniform | Distribution | Fixed | Tied


def unit_of(marginal: Uniform | Distribution, values: FloatArray) -> FloatArray:
    """Return unit values of given quantiles, of any shape; at a step the upper end.

    Found by bisection, since a distribution may have no other method than its quantiles, and has
    them in two halves here.
    """
    low, high = np.zeros_like(values), np.ones_like(values)
    for _ in range(N_HALVINGS):
        middle = 0.5 * (low + high)
        is_below = marginal.quantile(middle) <= values
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return low


def parse_dist(key: str, dist: object, known_keys: Collection[str]) -> Marginal:
    """Read what the user gave as the distribution of one parameter.

    Parameters
    ----------
    key
        Key of the parameter.
    dist
        A number, a key, a pair of bounds or a distribution.
    known_keys
        Keys of the parameters that exist already.

    Returns
    -------
    Uniform, Distribution, Fixed or Tied
        The parameter, ready to use.

    Raises
    ------
    PriorError
        If it has values without meaning.
    PriorTypeError
        If it is none of these.
    """
    if isinstance(dist, str):
        return _parse_tie(key, dist, known_keys)
    if any(hasattr(dist, name) for name in LOWER_METHODS + UPPER_METHODS):
        return _parse_distribution(key, dist)
    try:
        numbers = as_reals(dist)
    except NotRealError as error:
        if isinstance(dist, tuple | list | np.ndarray):
            raise PriorError(
                f"Parameter {key!r} has bounds {dist!r}, with {error}; give two numbers (low, "
                "high)."
            ) from error
        raise PriorTypeError(
            f"Parameter {key!r} has dist={dist!r}, which is not a distribution: it has no method "
            "'ppf' or 'isf'. Give a (low, high) pair, a number, the key of another parameter or "
            "a frozen scipy.stats distribution."
        ) from error
    return _parse_number(key, float(numbers)) if numbers.ndim == 0 else _parse_bounds(key, numbers)


def _parse_tie(key: str, other: str, known_keys: Collection[str]) -> Tied:
    if other == key:
        raise PriorError(
            f"Parameter {key!r} is tied to itself. "
            "Give the key of another parameter, a (low, high) pair or a distribution."
        )
    if other not in known_keys:
        raise PriorError(
            f"Parameter {key!r} is tied to {other!r}, which does not exist. "
            f"Existing keys: {list(known_keys)}. Add the other parameter first."
        )
    return Tied(other)


def _parse_number(key: str, value: float) -> Fixed:
    if not np.isfinite(value):
        raise PriorError(f"Parameter {key!r} is fixed to {value}; give a finite number.")
    return Fixed(value)


def _parse_bounds(key: str, bounds: FloatArray) -> Uniform:
    if bounds.shape != (2,):
        raise PriorError(
            f"Parameter {key!r} has bounds {bounds.tolist()}; give two numbers (low, high)."
        )
    low, high = bounds.tolist()
    if not np.isfinite([low, high]).all() or not np.isfinite(high - low):
        raise PriorError(
            f"Parameter {key!r} has bounds ({low}, {high}); bounds and width must be finite. "
            "For an unbounded parameter give a distribution such as scipy.stats.norm()."
        )
    if low >= high:
        raise PriorError(
            f"Parameter {key!r} has bounds ({low}, {high}); the first must be below the second. "
            "Swap them, or give one number for a fixed parameter."
        )
    return Uniform(low, high)


def _parse_distribution(key: str, dist: Any) -> Distribution:
    lower = next((name for name in LOWER_METHODS if hasattr(dist, name)), "")
    upper = next((name for name in UPPER_METHODS if hasattr(dist, name)), "")
    n_shapes: int = getattr(dist, "numargs", 0)  # of a family that is not frozen
    if isinstance(dist, type) or n_shapes > 0:
        name = getattr(dist, "name", None) or getattr(dist, "__name__", type(dist).__name__)
        raise PriorError(
            f"Parameter {key!r} has the family {name!r} as dist, not one distribution of it. "
            f"Call it with its parameters, such as {name}(...)."
        )
    for method in filter(None, (lower, upper)):
        _check_quantiles(key, dist, method)
    split = 0.5 if lower and upper else (np.inf if lower else -np.inf)
    return Distribution(dist, lower, upper, split, _support(dist))


def _check_quantiles(key: str, dist: Any, method: str) -> None:
    """Try one method of a distribution, so that mistakes show here and not in a worker."""
    about = f"Parameter {key!r}: {method!r} of its distribution"
    function = getattr(dist, method)
    _evaluate(about, function, np.array(0.5))
    quantiles = _evaluate(about, function, PROBES)
    given = f"{about} gives {quantiles.tolist()} at {PROBES.tolist()}"
    if not np.isfinite(quantiles).all():
        raise PriorError(f"{given}; finite numbers expected. Check the distribution's parameters.")
    steps = np.diff(quantiles) * (1 if method in LOWER_METHODS else -1)
    if (steps < 0).any():
        raise PriorError(
            f"{given}; {'rising' if method in LOWER_METHODS else 'falling'} numbers "
            "expected. Check that it is the function its name says."
        )


def _evaluate(about: str, function: Callable[..., Any], probabilities: FloatArray) -> FloatArray:
    try:
        values = as_reals(function(probabilities), PARAMETER_KINDS)
    except Exception as error:
        raise PriorError(
            f"{about} failed for probabilities {probabilities.tolist()}: {error}. "
            "It must map an array to an array of the same shape."
        ) from error
    if values.shape != probabilities.shape:
        raise PriorError(
            f"{about} gives shape {values.shape} for probabilities of shape {probabilities.shape}; "
            "the same shape expected. One parameter is one number: add one for each component."
        )
    return values


def _support(dist: Any) -> tuple[float, float]:
    support = getattr(dist, "support", None)
    if not callable(support):
        return (-np.inf, np.inf)
    low, high = as_reals(support()).ravel()
    return (float(low), float(high))
