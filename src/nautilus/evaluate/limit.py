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
from enum import Enum
from types import FrameType, TracebackType
from typing import Any, Self

SIGNAL: Any = getattr(signal, "SIGUSR2", None)
"""Wakes the main thread out of system calls; none on Windows."""

ENDING_SECONDS = 1.0
"""How long a call may go on after it was told to stop, before its process is ended."""

ARRIVAL_SECONDS = 0.001
"""How often to look whether a signal on its way to this thread has arrived."""

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
    """Context in which a call has only so many seconds.

    Parameters
    ----------
    seconds
        Limit in seconds of wall time, or None for no limit.
    ending
        What happens to the process if the call does not stop.

    Raises
    ------
    Expired
        At the limit, wherever the call is.
    """

    def __init__(self, seconds: float | None, ending: Ending) -> None:
        self._seconds = seconds
        self._ending = ending
        self._lock = threading.Lock()
        self._is_over = self._is_sent = self._has_arrived = False
        self._thread = threading.get_ident()
        self._timers: list[threading.Timer] = []
        self._old_handler: Any = None

    def __enter__(self) -> Self:
        if self._seconds is None:
            return self
        if _can_signal():
            self._old_handler = signal.signal(SIGNAL, self._on_signal)
        self._start(self._seconds, self._expire)
        last = self._seconds + ENDING_SECONDS
        if self._ending is Ending.BY_THREAD:
            self._start(last, self._end)
        elif self._ending is Ending.BY_FAULTHANDLER:
            assert sys.__stderr__ is not None
            faulthandler.dump_traceback_later(last, exit=True, file=sys.__stderr__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._seconds is None:
            return
        try:
            self._finish()
        except Expired:
            self._finish()
            raise

    def _start(self, seconds: float, function: Any) -> None:
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _expire(self) -> None:
        with self._lock:
            if self._is_over:
                return
            if self._old_handler is not None:
                self._is_sent = True
                signal.pthread_kill(self._thread, SIGNAL)
            else:
                _raise_in(self._thread, Expired)

    def _end(self) -> None:
        with self._lock:
            if not self._is_over:
                os._exit(EXIT_STATUS)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_sent and callable(self._old_handler):
            self._old_handler(number, frame)
        if self._is_sent and not self._has_arrived:
            self._has_arrived = True
            if not self._is_over:
                raise Expired

    def _finish(self) -> None:
        with self._lock:
            self._is_over = True
        for timer in self._timers:
            timer.cancel()
        if self._ending is Ending.BY_FAULTHANDLER:
            faulthandler.cancel_dump_traceback_later()
        if self._old_handler is None:
            # It may have been asked for after the call had returned.
            _raise_in(self._thread, None)
        else:
            # The old handler, which may end the process, must not get a signal that is on its way.
            while self._is_sent and not self._has_arrived:
                time.sleep(ARRIVAL_SECONDS)
            signal.signal(SIGNAL, self._old_handler)


def _can_signal() -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    # A handler that was not installed from Python could not be put back.
    return SIGNAL is not None and is_main and signal.getsignal(SIGNAL) is not None


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in a thread at its next step in Python; None takes it back."""
    raised = ctypes.py_object() if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
