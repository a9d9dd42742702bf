"""One call of the likelihood: with fresh parameters, within its time, repeated if asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nautilus._arithmetic import arithmetic_of_user
from nautilus._signals import Termination, raise_missed
from nautilus.evaluate.answers import RefusedError
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.limit import Ending, Expired, TimeLimit


@dataclass(frozen=True)
class Manner:
    """How calls are made.

    Parameters
    ----------
    is_test
        Whether this is the test before the run.
    ending
        How this process may be ended if a call goes on after `call_timeout`.
    """

    is_test: bool
    ending: Ending


def attempt(
    likelihood: Likelihood, parameters: Any, manner: Manner
) -> tuple[Any, int, BaseException | None]:
    """Call the likelihood as often as it may raise.

    Parameters
    ----------
    likelihood
        What to call.
    parameters
        Of one point, or of all points of a vectorised call.
    manner
        How to call it.

    Returns
    -------
    tuple
        What it returned, how often it raised before, and what it raised the last time; the latter
        is None if it returned.

    Raises
    ------
    RefusedError
        If it changed its parameters in the test before the run.
    """
    n_allowed = 1 + (likelihood.n_retries if likelihood.on_error == "retry" else 0)
    last: BaseException | None = None
    for n_raised in range(n_allowed):
        # The function may change what it is given; errors must still name the true parameters.
        given = _fresh(parameters)
        try:
            limit = TimeLimit(likelihood.call_timeout, manner.ending)
            with arithmetic_of_user():
                returned = limit.call(likelihood.bound(), given)
        except Termination:
            raise
        except Expired:
            last = too_slow(likelihood.call_timeout)
            continue
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the user's code
            raise_missed()
            last = error
            continue
        # What a function returns that caught the signal which ends the run is no answer.
        raise_missed()
        if manner.is_test and not _is_same(given, parameters):
            raise RefusedError(
                "changed the parameters that it was given; copy them before writing to them"
            )
        return returned, n_raised, None
    return None, n_allowed, last


def too_slow(seconds: float | None) -> TimeoutError:
    """Return the error of a call that took longer than it may."""
    return TimeoutError(f"the call took longer than call_timeout = {seconds} s")


def _fresh(parameters: Any) -> Any:
    if isinstance(parameters, Mapping):
        return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in parameters.items()}
    return parameters.copy()


def _is_same(given: Any, parameters: Any) -> bool:
    if isinstance(parameters, Mapping):
        return given.keys() == parameters.keys() and all(
            _is_same_array(given[name], parameters[name]) for name in parameters
        )
    return _is_same_array(given, parameters)


def _is_same_array(given: Any, parameters: Any) -> bool:
    # The prior may give NaN, or objects of which nobody can say whether they are NaN.
    has_nan = np.asarray(parameters).dtype.kind in "fc"
    return np.array_equal(given, parameters, equal_nan=has_nan)
