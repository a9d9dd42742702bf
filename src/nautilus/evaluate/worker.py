"""The code that runs in workers, with what each process keeps between calls.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from nautilus._arithmetic import ErrorState, own_arithmetic
from nautilus._signals import replace_handler
from nautilus._types import FloatArray
from nautilus.evaluate.answers import Failure
from nautilus.evaluate.blobs import BlobLayout
from nautilus.evaluate.calls import ChunkResult, evaluate_chunk, failed_chunk
from nautilus.evaluate.delivery import ProcessName
from nautilus.evaluate.factory import BuildError
from nautilus.evaluate.leaving import leaving_loudly
from nautilus.evaluate.likelihood import Likelihood
from nautilus.evaluate.limit import Ending
from nautilus.evaluate.threads import limited_threads

N_KEPT = 8
"""Likelihoods that a worker keeps, so that a long-lived pool does not fill up with old ones."""

FOLLOW_SECONDS = 1.0
"""How often a process of our own pools looks whether its owner is still there."""


@dataclass(frozen=True)
class ChunkJob:
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
    sender
        The process that sends the task, as `process_name` gives it.
    error_state
        What the user wants done about floating-point errors in the likelihood.
    payload
        The likelihood in pickled form, for a worker that answered "missing", otherwise None.
    """

    key: str
    points: FloatArray
    layout: BlobLayout | None
    is_test: bool
    n_threads: int | None
    sender: ProcessName
    error_state: ErrorState
    payload: bytes | None = None


@dataclass(frozen=True)
class Missing:
    """Answer of a worker that was never sent the likelihood."""

    key: str
    process: ProcessName


@dataclass
class _State:
    held: dict[str, Likelihood] = field(default_factory=dict)
    received: OrderedDict[str, Likelihood] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_own: bool = False
    is_forked: bool = False
    is_following: bool = False


_state = _State()


def _after_fork() -> None:
    # Another thread may have held the lock when the process forked; threads are not inherited.
    _state.lock = threading.Lock()
    _state.is_forked = True
    _state.is_following = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def process_name() -> ProcessName:
    """Return host and process number."""
    return platform.node(), os.getpid()


def hold(key: str, likelihood: Likelihood) -> None:
    """Keep the likelihood itself for calls in this process."""
    _state.held[key] = likelihood


def release(key: str) -> None:
    """Forget a likelihood that was held."""
    _state.held.pop(key, None)


def run_chunk(job: ChunkJob) -> ChunkResult | Missing:
    """Evaluate one chunk, or say that the likelihood is missing here."""
    with own_arithmetic(job.error_state):
        return _run_chunk(job)


def _run_chunk(job: ChunkJob) -> ChunkResult | Missing:
    here = process_name()
    is_worker = job.sender != here
    if is_worker:
        _follow_parent()
        leave_signals_to_owner("SIGUSR1")
    try:
        likelihood = _find(job.key, job.payload)
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
        return replace(failed_chunk(_payload_failure(error)), process=here)
    if likelihood is None:
        return Missing(job.key, here)
    # Forked processes of a rank are none themselves, and end by the call that is watched.
    with limited_threads(job.n_threads), leaving_loudly(is_worker and not _state.is_forked):
        try:
            likelihood.prepare()
        except BuildError as error:
            return replace(failed_chunk(_build_failure(error)), process=here)
        result = evaluate_chunk(likelihood, job.points, job.layout, job.is_test, ending(is_worker))
    if result.failure is not None and is_worker:
        result = replace(result, failure=replace(result.failure, exception=None))
    return replace(result, process=here)


def ending(is_worker: bool) -> Ending:
    """Say how this process may be ended if a call does not stop."""
    if not is_worker:
        return Ending.NEVER
    is_main = threading.current_thread() is threading.main_thread()
    # The watchdog of faulthandler does not survive a fork: setting it would wait for a thread
    # that is not there. And there is only one, for one thread that makes calls.
    is_safe = is_main and not _is_forked() and sys.__stderr__ is not None
    return Ending.BY_FAULTHANDLER if is_safe else Ending.BY_THREAD


def _is_forked() -> bool:
    """Tell whether this process may be a fork of one that had used the watchdog."""
    if _state.is_forked or _state.is_own:
        return _state.is_forked
    # It may have been forked before this package was imported. Those that were not run a program
    # of multiprocessing, or one of a server that forks before it does anything.
    modules = [sys.modules.get(name) for name in ("multiprocessing", "multiprocess")]
    is_child = any(module is not None and module.parent_process() for module in modules)
    return is_child and not any(text.startswith("from multiprocess") for text in sys.orig_argv)


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
        "backend",
        f"A worker could not unpickle the likelihood or the prior: {last}. Are the modules that "
        "they need installed where the workers run?",
        remote_traceback="".join(traceback.format_exception(error)),
    )


def _build_failure(error: BuildError) -> Failure:
    return Failure("backend", str(error), remote_traceback=error.remote_traceback)


def run_tasks(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    n_threads: int | None,
    sender: ProcessName,
) -> tuple[list[Any], float]:
    """Run tasks of the sampler's own, which the process `sender` sent.

    Returns
    -------
    tuple
        Their answers, and the seconds that they took.
    """
    if sender != process_name():
        _follow_parent()
    with limited_threads(n_threads), own_arithmetic():
        start = time.perf_counter()
        answers = [function(*task) for task in tasks]
        return answers, time.perf_counter() - start


def call(work: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
    """Call a function, for pools that only map."""
    function, arguments = work
    return function(*arguments)


def attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Exception | None]:
    """Call a function and return what it raises, for pools that keep only its text."""
    try:
        return function(*arguments), None
    except Exception as error:  # noqa: BLE001 - it is raised where the call was asked for
        return None, error


def start(owner: int, start_method: str | None) -> None:
    """Prepare a process of a pool of our own.

    Parameters
    ----------
    owner
        Process number of its owner.
    start_method
        How `multiprocessing` starts processes there, None by default.
    """
    # Loky makes its own method the default, which processes that a call starts do not know.
    multiprocessing.set_start_method(start_method, force=True)
    # Ctrl-C reaches all processes of a terminal; the owner of the pool decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_signals_to_owner("SIGUSR1")
    _state.is_own = _state.is_following = True
    _start_following(owner)


def leave_signals_to_owner(*names: str) -> None:
    """Let signals that batch systems send to all processes of a job not end this one.

    Calls under way would be lost with their workers while the owner waits for them; and where one
    rank of MPI ends, all do. What a call starts ignores them too, so that it can finish; but not
    SIGTERM, with which pools end their workers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in names:
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) is not signal.SIG_DFL:
            continue
        if name == "SIGTERM":
            replace_handler(number, _pass_over)
            signal.siginterrupt(number, False)
        else:
            signal.signal(number, signal.SIG_IGN)


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """Do nothing about a signal."""


def _follow(owner: int) -> None:
    """End this process when its owner is gone, even if it was killed and could not say so."""
    parent = multiprocessing.parent_process()
    # Workers of loky know their parent, but have no line to it. Where there is one, processes that
    # were forked later hold it open too, so that it alone does not tell.
    line = None if parent is None or parent.sentinel is None else parent
    while os.getppid() == owner and (line is None or line.is_alive()):
        time.sleep(FOLLOW_SECONDS)
    os._exit(1)


def _follow_parent() -> None:
    """Follow the owner of a pool of the standard library, whose workers would wait for ever."""
    parent = multiprocessing.parent_process()
    with _state.lock:
        is_first, _state.is_following = not _state.is_following, True
    if is_first and parent is not None:
        _start_following(os.getppid())


def _start_following(owner: int) -> None:
    threading.Thread(target=_follow, args=(owner,), daemon=True, name="nautilus-follow").start()
