"""The one form in which the rest of the package sees a prior."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

from numpy.typing import ArrayLike

from nautilus._types import FloatArray
from nautilus.errors import PriorError
from nautilus.prior.function import FunctionPrior, Parameters
from nautilus.prior.prior import Prior


class PriorMap(Protocol):
    """A map from the unit cube to the parameters of a likelihood."""

    @property
    def n_dim(self) -> int:
        """Dimension of the unit cube."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the free parameters, or None if they are not known."""

    @property
    def periodic(self) -> tuple[int, ...]:
        """Dimensions of the unit cube whose two ends are neighbours."""

    def to_physical(self, points: ArrayLike) -> Parameters:
        """Map points of shape (d,) or (n, d) to what the likelihood is given."""

    def describe(self) -> tuple[tuple[str, str], ...]:
        """Return pairs of texts that are the same in every process."""


@final
@dataclass(frozen=True, slots=True)
class DictionaryMap:
    """A `Prior` whose parameters are handed over as dictionaries."""

    prior: Prior

    @property
    def n_dim(self) -> int:
        """Dimension of the unit cube."""
        return self.prior.n_dim

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters; dictionaries hold the fixed and tied ones too."""
        return self.prior.names

    @property
    def periodic(self) -> tuple[int, ...]:
        """Dimensions of the unit cube whose two ends are neighbours."""
        return self.prior.periodic

    def to_physical(self, points: ArrayLike) -> dict[str, FloatArray]:
        """Map points of shape (d,) or (n, d) to named parameters."""
        return self.prior.unit_to_dictionary(points)

    def describe(self) -> tuple[tuple[str, str], ...]:
        """Return the description of the prior."""
        return self.prior.describe()


def as_prior_map(
    prior: Prior | Callable[..., Any],
    *,
    n_dim: int | None = None,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    pass_dict: bool | None = None,
    vectorized: bool = False,
) -> PriorMap:
    """Turn what the user gave as the prior into a `PriorMap`.

    Parameters
    ----------
    prior
        A `Prior`, copied as it is now, or a function.
    n_dim
        Dimension of the unit cube; needed for a function, optional for a `Prior`.
    args, kwargs
        Further arguments of a function.
    pass_dict
        Whether the likelihood takes a dictionary. By default so for a `Prior`. A function returns
        a dictionary or not as it likes, so this has no influence there.
    vectorized
        Whether a function takes points of shape (n, d) rather than (d,).

    Returns
    -------
    PriorMap
        A map that later changes of `prior` do not reach.

    Raises
    ------
    PriorError
        If `n_dim` is missing or wrong, arguments are given for a `Prior`, or it is empty.
    """
    if not isinstance(prior, Prior):
        if n_dim is None:
            raise PriorError(
                f"The prior is {prior!r}, not a nautilus.Prior, and n_dim is not given. "
                "Give the number of dimensions of the unit cube as n_dim."
            )
        return FunctionPrior(prior, n_dim, tuple(args), dict(kwargs or {}), vectorized)
    if tuple(args) or kwargs:
        raise PriorError(
            "Arguments for the prior are given, but the prior is a nautilus.Prior. "
            "They are for a prior that is a function; leave them out."
        )
    if prior.n_dim == 0:
        raise PriorError("The prior has no free parameter. Add one with prior.add_parameter().")
    if n_dim is not None and n_dim != prior.n_dim:
        raise PriorError(
            f"n_dim={n_dim}, but the prior has {prior.n_dim} free parameters "
            f"{prior.free_keys}. Leave n_dim out."
        )
    snapshot = copy.copy(prior)
    return snapshot if pass_dict is False else DictionaryMap(snapshot)
