"""What NumPy does about floating-point errors: nothing in ours, what users set in theirs.

A likelihood far from its peak underflows, and so does nearly every sum of weights. Whether that is
an error, a warning or nothing is a switch of the whole thread, which users set for their own code.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class ErrorState:
    """What NumPy does about floating-point errors; `np.geterr` and `np.geterrcall`."""

    modes: Mapping[Any, Any]
    function: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        # A function that is called stays in its process; elsewhere it is a warning.
        needs = {"call", "log"}
        modes = {kind: "warn" if mode in needs else mode for kind, mode in self.modes.items()}
        return ErrorState, (modes,)


_of_user: ContextVar[ErrorState | None] = ContextVar("nautilus error state", default=None)


def error_state_of_user() -> ErrorState:
    """Return what the user has set, where our own arithmetic goes on or not."""
    return _of_user.get() or ErrorState(np.geterr(), np.geterrcall())


@contextmanager
def own_arithmetic(of_user: ErrorState | None = None) -> Iterator[None]:
    """Ignore floating-point errors, except within `arithmetic_of_user`; decorates functions too.

    Parameters
    ----------
    of_user
        What holds there; by default what is set now.
    """
    token = _of_user.set(of_user or error_state_of_user())
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        _of_user.reset(token)


@contextmanager
def arithmetic_of_user() -> Iterator[None]:
    """Do about floating-point errors what the user has set, while the user's code is called."""
    state = error_state_of_user()
    token = _of_user.set(None)
    try:
        with np.errstate(call=state.function, **state.modes):
            yield
    finally:
        _of_user.reset(token)


def in_own_arithmetic(cls: Class) -> Class:
    """Let all methods and properties of a class ignore floating-point errors."""
    for name, value in list(vars(cls).items()):
        if isinstance(value, FunctionType):
            setattr(cls, name, _wrapped(value))
        elif isinstance(value, property):
            setattr(cls, name, value.getter(_wrapped(value.fget)))
        elif isinstance(value, classmethod):
            setattr(cls, name, classmethod(_wrapped(value.__func__)))
    return cls


def _wrapped(function: Callable[..., Any] | None) -> Callable[..., Any]:
    assert function is not None
    return own_arithmetic()(function)
