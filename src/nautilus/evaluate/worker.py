"""The code that runs in workers, with the only module-level state of the package.

A worker keeps the likelihoods that it was sent under their keys. The process that made a likelihood
holds the object itself under the same key: serial calls, threads and forked processes find it there
and nothing is pickled for them.
"""

import multiprocessing
import os
import pickle
import platform
import signal
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from threadpoolctl import ThreadpoolController

from nautilus._types import FloatArray
from nautilus.evaluate.answers import Failure
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.calls import ChunkResult, evaluate_chunk, failed_chunk
from nautilus.evaluate.likelihood import Likelihood

N_KEPT = 8
"""Likelihoods that a worker keeps, so that a long-lived pool does not fill up with old ones."""


FOLLOW_SECONDS = 1.0
"""How often a process of our own pools looks whether its owner is still there."""


@dataclass(frozen=True)
class ChunkTask:
    """One chunk on its way to a worker.

    Parameters
    ----------
    key
        Names the likelihood.
    points
        Points in the unit cube, shape (n, d).
    layout
        Layout of the blobs, or None if it is not known yet.
    is_test
        Whether this is the test before the run.
    n_threads
        Numerical threads that the likelihood may use, or None to leave them as they are.
    origin
        The process that sends the task, as `process_name` gives it.
    payload
        The likelihood in pickled form, for a worker that answered "missing", otherwise None.
    """

    key: str
    points: FloatArray
    layout: BlobLayout | None
    is_test: bool
    n_threads: int | None
    origin: tuple[str, int]
    payload: bytes | None = None


@dataclass(frozen=True)
class Missing:
    """Answer of a worker that was never sent the likelihood."""

    key: str


@dataclass
class _State:
    held: dict[str, Likelihood] = field(default_factory=dict)
    received: OrderedDict[str, Likelihood] = field(default_factory=OrderedDict)
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


def process_name() -> tuple[str, int]:
    """Return host and process number."""
    return platform.node(), os.getpid()


def hold(key: str, likelihood: Likelihood) -> None:
    """Keep the likelihood itself for calls in this process."""
    _state.held[key] = likelihood


def release(key: str) -> None:
    """Forget a likelihood that was held."""
    _state.held.pop(key, None)


def run_chunk(task: ChunkTask) -> ChunkResult | Missing:
    """Evaluate one chunk, or say that the likelihood is missing here."""
    try:
        likelihood = _find(task.key, task.payload)
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
        return failed_chunk(_payload_failure(error))
    if likelihood is None:
        return Missing(task.key)
    with limited_threads(task.n_threads):
        result = evaluate_chunk(likelihood, task.points, task.layout, task.is_test)
    if result.failure is None or task.origin == process_name():
        return result
    return replace(result, failure=replace(result.failure, exception=None))


def _find(key: str, payload: bytes | None) -> Likelihood | None:
    with _state.lock:
        if key in _state.held:
            return _state.held[key]
        if key not in _state.received and payload is not None:
            _state.received[key] = pickle.loads(payload)  # noqa: S301 - the user's own function
            while len(_state.received) > N_KEPT:
                _state.received.popitem(last=False)
        return _state.received.get(key)


def _payload_failure(error: Exception) -> Failure:
    last = traceback.format_exception_only(error)[-1].strip()
    return Failure(
        "payload",
        f"A worker could not unpickle the likelihood or the prior: {last}. Are the modules that "
        "they need installed where the workers run?",
        remote_traceback="".join(traceback.format_exception(error)),
    )


def run_task(function: Callable[..., Any], task: tuple[Any, ...], n_threads: int | None) -> Any:
    """Run a task of the sampler's own."""
    with limited_threads(n_threads):
        return function(*task)


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


def call(work: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
    """Call a function, for pools that only map."""
    function, arguments = work
    return function(*arguments)


def start(owner: int) -> None:
    """Prepare a process of a pool of our own, whose owner has the process number `owner`."""
    # Ctrl-C reaches all processes of a terminal; the owner of the pool decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(owner,), daemon=True, name="nautilus-follow").start()


def _follow(owner: int) -> None:
    """End this process when its owner is gone, even if it was killed and could not say so."""
    parent = multiprocessing.parent_process()
    if sys.platform == "win32" and parent is not None:
        parent.join()
    else:
        while os.getppid() == owner:
            time.sleep(FOLLOW_SECONDS)
    os._exit(1)
