"""What a run does when the system asks its process to end."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Termination(SystemExit):
    """The process was asked to end by SIGTERM; a script ends with status 143."""


@contextmanager
def termination_raises() -> Iterator[None]:
    """Let SIGTERM raise `Termination` where it would end the process without a word.

    A handler that somebody else installed stays. Only the main thread can have one.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise Termination(128 + number)


def _after_fork() -> None:
    # Pools end the workers that they forked from a run with SIGTERM and wait for them; what is
    # raised in such a worker would only be the answer to its call.
    if signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
