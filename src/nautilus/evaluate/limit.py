"""A limit on the seconds of one call of the likelihood, for calls that may hang.

At the limit `Expired` is raised in the thread that makes the call. Code that never comes back to
Python cannot be stopped so: a moment later its process is ended, if it is a worker.
"""

import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum
from types import FrameType
from typing import Any

from nautilus._signals import replace_handler, restore_handler

SIGNAL: Any = getattr(signal, "SIGUSR2", None)
"""Wakes the main thread out of system calls; none on Windows."""

ENDING_SECONDS = 1.0
"""How long a call may go on after it was told to stop, before its process is ended."""

N_LOOKS, ARRIVAL_SECONDS = 100, 0.001
"""How often, and after what time, to look whether a signal on its way has arrived."""

EXIT_STATUS = 75
"""Exit status of a process that was ended so: a temporary failure in sysexits.h."""


class Ending(Enum):
    """How a process may be ended in which a call does not stop."""

    NEVER = "it is the user's own"
    BY_THREAD = "a thread of Python ends it, unless the call keeps the interpreter to itself"
    BY_FAULTHANDLER = "a thread outside of Python ends it and prints where it hung"


class Expired(BaseException):
    """A call took longer than it may; no `Exception`, for which user code may be prepared."""


class TimeLimit:
    """So many seconds for one call.

    Parameters
    ----------
    seconds
        Limit in seconds of wall time, or None for no limit.
    ending
        What happens to the process if the call does not stop.
    """

    def __init__(self, seconds: float | None, ending: Ending) -> None:
        self._seconds = seconds
        self._ending = ending
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._is_asked = self._is_on_its_way = False
        self._thread = threading.get_ident()
        self._old_handler: Any = None

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns; once for each object.

        Raises
        ------
        Expired
            At the limit, wherever the call is. Whatever the function raises is raised as it is.
        """
        if self._seconds is None:
            return function(*args, **kwargs)
        try:
            try:
                self._arm(self._seconds)
                answer = function(*args, **kwargs)
            finally:
                self._disarm()
        except BaseException:
            # `Expired`, or Ctrl-C, may have come while the limit was set or lifted.
            self._disarm()
            raise
        if self._is_asked:
            # The function did not let itself be stopped; its answer comes too late all the same.
            raise Expired
        return answer

    def _arm(self, seconds: float) -> None:
        if _can_signal():
            self._old_handler = replace_handler(SIGNAL, self._on_signal)
        if self._ending is Ending.BY_FAULTHANDLER:
            assert sys.__stderr__ is not None
            last = seconds + ENDING_SECONDS
            faulthandler.dump_traceback_later(last, exit=True, file=sys.__stderr__)
        # Nothing else is started after this thread: an error that is raised here while another
        # thread begins can strike that one instead, and whoever started it waits for ever.
        threading.Thread(
            target=self._watch, args=(seconds,), daemon=True, name="nautilus-limit"
        ).start()

    def _watch(self, seconds: float) -> None:
        if self._over.wait(seconds):
            return
        self._ask()
        # Python drops what is raised in callbacks of its garbage collector, users drop other
        # things: a call that goes on is asked again.
        while not self._over.wait(ENDING_SECONDS):
            if self._ending is Ending.BY_THREAD:
                self._end()
            self._ask()

    def _ask(self) -> None:
        with self._lock:
            if self._over.is_set():
                return
            self._is_asked = True
            if self._old_handler is not None:
                self._is_on_its_way = True
                signal.pthread_kill(self._thread, SIGNAL)
            else:
                _raise_in(self._thread, Expired)

    def _end(self) -> None:
        with self._lock:
            if not self._over.is_set():
                os._exit(EXIT_STATUS)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_asked:
            # It is not ours: that of a limit around this one, or sent by a batch system.
            if callable(self._old_handler):
                self._old_handler(number, frame)
            return
        self._is_on_its_way = False
        if not self._over.is_set():
            raise Expired

    def _disarm(self) -> None:
        with self._lock:
            self._over.set()
        if self._ending is Ending.BY_FAULTHANDLER:
            faulthandler.cancel_dump_traceback_later()
        if self._old_handler is not None:
            self._await_arrival()
            restore_handler(SIGNAL, self._old_handler)
            self._old_handler = None
        elif self._is_asked:
            # The call may have returned before it was raised there.
            _raise_in(self._thread, None)

    def _await_arrival(self) -> None:
        # The old handler, which may end the process, must not get a signal that is on its way.
        for _ in range(N_LOOKS):
            if not self._is_on_its_way or signal.getsignal(SIGNAL) != self._on_signal:
                return
            time.sleep(ARRIVAL_SECONDS)


def _can_signal() -> bool:
    if SIGNAL is None or threading.current_thread() is not threading.main_thread():
        return False
    is_blocked = SIGNAL in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    # A handler that was not installed from Python could not be put back.
    return not is_blocked and signal.getsignal(SIGNAL) is not None


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in a thread at its next step in Python; None takes it back."""
    raised = ctypes.py_object() if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
