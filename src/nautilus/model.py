"""From the public keywords to a run: prior, likelihood, pools; checked."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nautilus.checkpoint import Checkpoint
from nautilus.errors import SettingsError
from nautilus.evaluate.backends import as_pools
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.factory import BuiltLikelihood
from nautilus.evaluate.likelihood import ErrorPolicy, Likelihood, NanPolicy
from nautilus.evaluate.tasks import TaskRunner
from nautilus.pool import as_handles
from nautilus.prior import Prior, PriorMap, as_prior_map
from nautilus.recheck import Recheck
from nautilus.run.config import Config
from nautilus.session import Session
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
    takes_objects: bool,
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
        takes_objects=takes_objects,
        n_batch=N_BATCH if n_batch is None else whole("n_batch", n_batch, 1),
        pad_batch=flag("pad_batch", pad_batch),
        on_error=on_error,
        on_nan=on_nan,
        call_timeout=call_timeout,
    )


def _flag_or_none(name: str, value: object) -> bool | None:
    return None if value is None else flag(name, value)


def new_session(
    config: Config,
    prior: PriorMap,
    likelihood: Likelihood,
    pool: object,
    threads_per_worker: int | None,
    checkpoint: Checkpoint | None = None,
    recheck: Recheck | None = None,
) -> Session:
    """Return a run that has not begun.

    Parameters
    ----------
    config
        What decides the numbers.
    prior
        Gives the parameters of points of the unit cube.
    likelihood
        What is to be evaluated.
    pool
        One pool for calls and the sampler's own work, or a pair of them.
    threads_per_worker
        Numerical threads of one call, at least 1; None leaves the libraries' own settings.
    checkpoint
        Keeps the run in a file; None keeps it in memory only.
    recheck
        How a run from a file is compared with the likelihood.

    Raises
    ------
    SettingsError
        If the number of threads is less than 1.
    BackendError
        If a pool is of no known kind, or there are more or less than two.
    """
    n_threads = (
        None if threads_per_worker is None else whole("threads_per_worker", threads_per_worker, 1)
    )
    for_calls, for_own_work = as_pools(as_handles(pool, likelihood.bound()), n_threads)
    return Session(
        config,
        prior,
        Evaluator(likelihood, for_calls, threads_per_worker=n_threads),
        TaskRunner(for_own_work, threads_per_worker=1),
        checkpoint,
        recheck,
    )
