"""What a run does when the system asks its process to end, or somebody presses Ctrl-C."""

import builtins
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType


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

_held: list[int] | None = None


@contextmanager
def signals_raise() -> Iterator[None]:
    """Let signals that ask for an end raise, so that a run can save itself on its way out.

    SIGTERM and SIGUSR1 raise `Termination` where they would end the process without a word, SIGINT
    raises `KeyboardInterrupt`, in scripts the one that makes them end with status 130. Handlers
    that somebody else installed stay. Only the main thread can have any.
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
            signal.signal(number, _raise)
        yield
    except KeyboardInterrupt as error:
        # That of a worker, which Ctrl-C reaches too, may be here before our own.
        if isinstance(error, Termination) or signal.SIGINT not in replaced or is_interactive():
            raise
        raise Interruption(128 + signal.SIGINT) from error
    finally:
        for number, old in replaced.items():
            signal.signal(number, old)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let signals that ask for an end wait until something is done that must not be cut short."""
    global _held  # noqa: PLW0603 - a process has one set of handlers
    if _held is not None:
        yield
        return
    held = _held = []
    try:
        yield
    finally:
        _held = None
    if held:
        _raise(held[0], None)


def _raise(number: int, _frame: FrameType | None) -> None:
    if _held is not None and len(_held) < N_PATIENT:
        _held.append(number)
        return
    if number != signal.SIGINT:
        raise Termination(128 + number)
    if is_interactive():
        raise KeyboardInterrupt
    raise Interruption(128 + number)


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


def _after_fork() -> None:
    global _held  # noqa: PLW0603 - as above
    _held = None
    # Pools end the workers that they forked from a run with SIGTERM and wait for them; what is
    # raised in such a worker would only be the answer to its call.
    for number in HANDLED:
        if signal.getsignal(number) is _raise:
            is_int = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_int else signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
