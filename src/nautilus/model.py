"""From the public keywords to prior and likelihood in the form the package uses; checked."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nautilus.errors import SettingsError
from nautilus.evaluate.factory import BuiltLikelihood
from nautilus.evaluate.likelihood import ErrorPolicy, Likelihood, NanPolicy
from nautilus.prior import Prior, PriorMap, as_prior_map
from nautilus.settings import flag, named, several, whole

N_BATCH = 256
"""Default number of points in one call of a vectorised likelihood."""


def make_prior_map(
    prior: Prior | Callable[..., Any],
    n_dim: int | None,
    *,
    args: Iterable[Any],
    kwargs: Mapping[str, Any] | None,
    pass_dict: bool | None,
    vectorized: bool,
) -> PriorMap:
    """Return the map from the unit cube to parameters that the public keywords describe.

    Raises
    ------
    SettingsError, PriorError
        If a value has no meaning.
    """
    return as_prior_map(
        prior,
        n_dim=n_dim,
        args=several("prior_args", args),
        kwargs=named("prior_kwargs", kwargs),
        pass_dict=_flag_or_none("pass_dict", pass_dict),
        vectorized=flag("vectorized", vectorized),
    )


def choose_likelihood(
    likelihood: Callable[..., Any] | None, factory: Callable[[], Callable[..., Any]] | None
) -> Callable[..., Any]:
    """Return the likelihood, or one that each process builds with the factory.

    Raises
    ------
    SettingsError
        If not exactly one of the two is given, or the factory cannot be called.
    """
    if factory is None and likelihood is not None:
        return likelihood
    if likelihood is not None or factory is None:
        given = "neither is" if factory is None else "both are"
        raise SettingsError(f"likelihood and likelihood_factory: {given} given; give one of them.")
    if not callable(factory):
        raise SettingsError(
            f"likelihood_factory is {factory!r}, which cannot be called; give a function without "
            "arguments that returns the likelihood."
        )
    return BuiltLikelihood(factory)


def make_likelihood(  # noqa: PLR0913 - one argument per public keyword
    function: Callable[..., Any],
    prior: PriorMap,
    *,
    args: Iterable[Any],
    kwargs: Mapping[str, Any] | None,
    pass_dict: bool | None,
    vectorized: bool,
    n_batch: int | None,
    pad_batch: bool,
    blobs_dtype: Any,
    on_error: ErrorPolicy,
    on_nan: NanPolicy,
    call_timeout: float | None,
) -> Likelihood:
    """Return the likelihood with everything that the public keywords say about its calls.

    Raises
    ------
    SettingsError
        If a value has no meaning.
    """
    return Likelihood(
        function,
        prior,
        pass_dict=_flag_or_none("pass_dict", pass_dict),
        vectorized=flag("vectorized", vectorized),
        args=several("likelihood_args", args),
        kwargs=named("likelihood_kwargs", kwargs),
        blobs_dtype=blobs_dtype,
        n_batch=N_BATCH if n_batch is None else whole("n_batch", n_batch, 1),
        pad_batch=flag("pad_batch", pad_batch),
        on_error=on_error,
        on_nan=on_nan,
        call_timeout=call_timeout,
    )


def _flag_or_none(name: str, value: object) -> bool | None:
    return None if value is None else flag(name, value)
