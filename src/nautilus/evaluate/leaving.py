"""Ranks of MPI that end in the middle of a job without a word.

Some launchers take a process that calls `exit` for one that has finished: they end all others, say
nothing and report success. Compiled code does that where it gives up, as ``STOP`` in Fortran does.
"""

import atexit
import ctypes
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

OUTPUT_SECONDS = 1.0
"""How long a launcher may take to pass on a message; it drops what comes with the end of a job."""


class _Rank:
    """The process as one of several of a job, and whether it is at work for another."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._process = os.getpid()
        self.is_at_work = False

    def end_job(self, how: str, status: int) -> None:
        """End the job if this process may not leave; `status` is that of all."""
        if not self.is_at_work or os.getpid() != self._process:
            return
        text = (
            f"Rank {self._world.Get_rank()} (process {self._process} on {platform.node()}) ended "
            f"in the middle of a call of the likelihood: {how}. The job is ended with it.\n"
        )
        os.write(2, text.encode())
        time.sleep(OUTPUT_SECONDS)
        self._world.Abort(status or 1)


@contextmanager
def leaving_loudly(is_wanted: bool) -> Iterator[None]:
    """Let this process, if it is one of several ranks, end the job with a message if it exits."""
    rank = _this_rank() if is_wanted else None
    if rank is None:
        yield
        return
    rank.is_at_work = True
    try:
        yield
    finally:
        rank.is_at_work = False


@cache
def _this_rank() -> _Rank | None:
    mpi: Any = sys.modules.get("mpi4py.MPI")
    if mpi is None or not mpi.Is_initialized() or mpi.COMM_WORLD.Get_size() == 1:
        return None
    rank, leave = _Rank(mpi.COMM_WORLD), os._exit

    def leave_loudly(status: int) -> None:
        rank.end_job(f"os._exit({status})", status)
        leave(status)

    os._exit = leave_loudly  # type: ignore[assignment]
    _at_exit_of_c(lambda: rank.end_job("compiled code called exit", 1))
    return rank


def _at_exit_of_c(function: Callable[[], None]) -> None:
    """Call a function when C's `exit` is called while Python runs."""
    if sys.platform == "win32":
        return
    library = ctypes.CDLL(None)
    names = ("__cxa_atexit", "__cxa_finalize")
    register, finalize = (getattr(library, name, None) for name in names)
    if register is None or finalize is None:
        return
    mark = ctypes.c_char_p(b"nautilus")
    handler = HANDLER(lambda _: function())
    register(handler, None, mark)

    def take_back(_: object) -> None:
        # Called after Python has ended, the handler would crash; this calls and forgets it.
        finalize(mark)

    # What is registered is kept, and with it the handler, of which C knows no more than the place.
    atexit.register(take_back, handler)
