"""Numerical threads of this process: limited while a call runs, restored afterwards."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import ThreadpoolController

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass
class _State:
    lock: threading.Lock = field(default_factory=threading.Lock)
    controller: Any = None
    n_modules: int = -1
    n_limiting: int = 0
    limiter: Any = None


_state = _State()


def _after_fork() -> None:
    # Another thread may have held the lock, or limited its threads, when the process forked.
    _state.lock = threading.Lock()
    _state.n_limiting = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def limited_threads(n_threads: int | None) -> Iterator[None]:
    """Limit the threads of numerical libraries in this process, or leave them alone for None.

    The limit belongs to the process. Of several threads of a pool, the first to come sets it and
    the last to go restores it.
    """
    if n_threads is None:
        yield
        return
    with _state.lock:
        if _state.n_limiting == 0:
            _state.limiter = _controller().limit(limits=n_threads)
        _state.n_limiting += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.n_limiting -= 1
            if _state.n_limiting == 0:
                _state.limiter.restore_original_limits()


def _controller() -> Any:
    # Looking for libraries takes milliseconds, so it is done again only after new imports.
    if _state.n_modules != len(sys.modules):
        _state.controller = ThreadpoolController()
        _state.n_modules = len(sys.modules)
    return _state.controller
