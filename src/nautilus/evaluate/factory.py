"""Likelihoods that are built where they are called, because they cannot travel."""

import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

from nautilus._arithmetic import arithmetic_of_user


class BuildError(Exception):
    """The user's factory raised, or returned nothing that can be called.

    Attributes
    ----------
    remote_traceback
        Traceback in the user's code as text; empty if there was none.
    """

    def __init__(self, message: str, remote_traceback: str = "") -> None:
        super().__init__(message)
        self.remote_traceback = remote_traceback


class BuiltLikelihood:
    """A likelihood that each process builds for itself, at its first call.

    Parameters
    ----------
    factory
        Called without arguments; returns the likelihood. Only the factory travels.
    """

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory
        self._lock, self._owner = threading.Lock(), os.getpid()
        self._function: Callable[..., Any] | None = None
        self._process = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the likelihood."""
        return self.build()(*args, **kwargs)

    def build(self) -> Callable[..., Any]:
        """Return the likelihood of this process.

        Raises
        ------
        BuildError
            If the factory raises, or returns nothing that can be called.
        """
        if self._owner != os.getpid():
            # Another thread may have held the lock when the process forked.
            self._lock, self._owner = threading.Lock(), os.getpid()
        with self._lock:
            # What a parent built before it forked, an open file or a GPU, is the parent's.
            if self._function is None or self._process != os.getpid():
                self._function, self._process = self._made(), os.getpid()
            return self._function

    def _made(self) -> Callable[..., Any]:
        try:
            with arithmetic_of_user():
                made = self._factory()
        except Exception as error:
            last = traceback.format_exception_only(error)[-1].strip()
            raise BuildError(
                f"likelihood_factory raised {last}. It is called without arguments, once in each "
                "process that evaluates the likelihood.",
                "".join(traceback.format_exception(error)),
            ) from error
        if not callable(made):
            raise BuildError(
                f"likelihood_factory returned {made!r}, which cannot be called; expected a "
                "function that returns log L."
            )
        function: Callable[..., Any] = made
        return function

    def __reduce__(self) -> tuple[Any, ...]:
        return BuiltLikelihood, (self._factory,)
