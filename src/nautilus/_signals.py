"""What a run does when the system asks its process to end, or somebody presses Ctrl-C."""

import builtins
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any


class Termination(SystemExit):
    """The process was asked to end by a signal; a script ends with status 128 + its number."""


class Interruption(Termination, KeyboardInterrupt):
    """Ctrl-C in a script, which ends with status 130 and without a traceback."""


HANDLED = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)
"""SIGUSR1 is what batch systems send some time before they end a job, if they are asked to."""

NOT_OURS = (signal.SIG_DFL, signal.default_int_handler)

N_PATIENT = 2
"""So many signals wait until a run is saved; who sends more does not want to wait."""


@dataclass
class _State:
    """What this process knows of signals.

    `handlers` are ours by number, each with the one that stood before and is that of children;
    `came` are the signals of the run that goes on; `n_before` is how many of them had come when it
    was said that more have to wait.
    """

    handlers: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    came: list[int] = field(default_factory=list)
    n_before: int | None = None


class _Thread(threading.local):
    """What a thread keeps while it forks: the signals that it blocked before."""

    mask: Iterable[int] | None = None


_state, _thread = _State(), _Thread()


@contextmanager
def signals_raise() -> Iterator[None]:
    """Let signals that ask for an end raise, so that a run can save itself on its way out.

    SIGTERM and SIGUSR1 raise `Termination` where they would end the process without a word, SIGINT
    raises `KeyboardInterrupt`, in scripts the one that makes them end with status 130. Handlers
    that somebody else installed stay. Only the main thread can have any.

    What is raised where Python drops it (in a finaliser, or a callback of compiled code), or where
    the likelihood catches it, is raised again by `raise_missed` or at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in HANDLED}
    replaced = {
        number: old
        for number, old in before.items()
        if old in NOT_OURS and not (old is signal.SIG_DFL and _is_caught_in_c(number))
    }
    try:
        for number in replaced:
            replace_handler(number, _raise)
        yield
        raise_missed()
    except KeyboardInterrupt as error:
        # That of a worker, which Ctrl-C reaches too, may be here before our own.
        if isinstance(error, Termination) or signal.SIGINT not in replaced or is_interactive():
            raise
        raise Interruption(128 + signal.SIGINT) from error
    finally:
        for number, old in replaced.items():
            restore_handler(number, old)
        if replaced:
            _state.came.clear()


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let signals that ask for an end wait until something is done that must not be cut short."""
    if _state.n_before is not None:
        yield
        return
    _state.n_before = n_before = len(_state.came)
    try:
        yield
    finally:
        _state.n_before = None
    if len(_state.came) > n_before:
        raise _error_of(_state.came[n_before])


def raise_missed() -> None:
    """Raise for a signal that came and of which what it raised did not get through."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and _state.came and _state.n_before is None:
        raise _error_of(_state.came[0])


def replace_handler(number: int, handler: Any) -> Any:
    """Install a handler for this process alone and return the old one.

    Children that fork have the handler that stood before all of ours.
    """
    old = signal.signal(number, handler)
    before, _ = _state.handlers.get(number, (old, None))
    _state.handlers[number] = (before, handler)
    return old


def restore_handler(number: int, old: Any) -> None:
    """Put back the handler that `replace_handler` returned."""
    signal.signal(number, old)
    before, _ = _state.handlers.pop(number, (old, None))
    if old != before:
        _state.handlers[number] = (before, old)


def _raise(number: int, _frame: FrameType | None) -> None:
    _state.came.append(number)
    if _state.n_before is None or len(_state.came) > _state.n_before + N_PATIENT:
        raise _error_of(number)


def _error_of(number: int) -> BaseException:
    if number != signal.SIGINT:
        return Termination(128 + number)
    return KeyboardInterrupt() if is_interactive() else Interruption(128 + number)


def _is_caught_in_c(number: int) -> bool:
    """Tell whether compiled code handles a signal of which Python knows nothing.

    `faulthandler.register` does that, and is left alone. MPICH does it with SIGUSR1, to hear of
    ranks that failed; there the signal is that of the batch system nevertheless.
    """
    if "mpi4py.MPI" in sys.modules:
        return False
    with suppress(OSError, StopIteration, ValueError):
        status = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
        caught = next(line for line in status if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
    return False


def is_interactive() -> bool:
    """Tell whether somebody types here, in a notebook or a shell, who goes on after an error."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or hasattr(builtins, "__IPYTHON__")


def _block() -> None:
    # A signal that reaches a child before the handlers of its parent are gone would be lost: a pool
    # that is closed at once sends SIGTERM to workers that just began, and waits for their end.
    if _state.handlers:
        _thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _state.handlers)


def _unblock() -> None:
    mask, _thread.mask = _thread.mask, None
    if mask is not None:
        # Python would print and drop what is raised here; `raise_missed` does not.
        with suppress(BaseException):
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork() -> None:
    for number, (before, ours) in _state.handlers.items():
        if signal.getsignal(number) == ours:
            signal.signal(number, before)
    _state.handlers, _state.came, _state.n_before = {}, [], None
    _unblock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_after_fork)
