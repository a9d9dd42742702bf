"""Clusters of other packages, dressed as `concurrent.futures.Executor`.

Nothing of theirs is imported here: a pool can be theirs only if the user has imported them.
"""

import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from types import ModuleType
from typing import Any

import loky

from nautilus.errors import BackendError
from nautilus.evaluate import worker

LOGGER = logging.getLogger("nautilus")

LARGE_GRAPH = "distributed.admin.large-graph-warning-threshold"
"""Setting of Dask: larger calls make it warn, in words that do not fit a likelihood sent once."""

ASK_SECONDS = 1.0
"""How often a Dask scheduler is asked for its workers."""

LOSS_SECONDS = 60.0
"""So long a Dask cluster may have fewer workers than it is meant to start before that is told."""

SIZE_NAMES = ("num_workers", "_max_workers", "_processes", "size")
"""Where pools keep their number of workers: mpi4py; concurrent.futures and loky; multiprocessing;
schwimmbad. Only the first and the last are public, and where none is there cores are counted."""


def count_workers(pool: Any) -> int:
    """Return the number of workers of a pool, or of cores to be used where it does not say."""
    for name in SIZE_NAMES:
        size = getattr(pool, name, None)
        if isinstance(size, int) and not isinstance(size, bool) and size > 0:
            return size
    return int(loky.cpu_count())


class Relay(Future[Any]):
    """A call of a cluster, which does not say when it begins: it counts as running at once.

    Parameters
    ----------
    give_up
        Tells the cluster that nobody waits for the call.
    """

    def __init__(self, give_up: Callable[[], object]) -> None:
        super().__init__()
        self._give_up = give_up
        self.set_running_or_notify_cancel()

    def give_up(self) -> None:
        """Tell the cluster that nobody waits for the call."""
        with suppress(Exception):  # the call may be over, or the cluster gone
            self._give_up()


def give_up(futures: Sequence[Future[Any]]) -> None:
    """Tell a cluster that nobody waits for calls."""
    for future in futures:
        assert isinstance(future, Relay)
        future.give_up()


def relay(
    call: Future[Any],
    give_up: Callable[[], object],
    unpack: Callable[[Any], Any] = lambda answer: answer,
) -> Relay:
    """Return a future for a call of a cluster, whose result `unpack` makes an answer."""
    future = Relay(give_up)

    def pass_on(done: Future[Any]) -> None:
        try:
            future.set_result(unpack(done.result()))
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks the future
            future.set_exception(error)

    call.add_done_callback(pass_on)
    return future


class Cluster(Executor):
    """Workers of another package, which takes care of them: who dies is replaced, or left out."""

    @staticmethod
    def recognises(pool: object) -> bool:
        """Tell whether a pool is of this kind."""
        raise NotImplementedError

    def n_workers(self) -> int:
        """Return the number of calls that can be made at the same time now, at least 1."""
        raise NotImplementedError

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether the exception of a call says that its worker died."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise `BackendError` if the cluster is gone."""


class DaskCluster(Cluster):
    """The workers of a `distributed.Client`, or of its executor; they come and go."""

    def __init__(self, pool: Any) -> None:
        # An executor has no public way to its client.
        self._client = getattr(pool, "_client", pool)
        # Equal calls are different calls: Dask must not answer one with the result of another.
        self._executor = self._client.get_executor(pure=False)
        self._was_empty = False
        self._n_slots, self._asked = 1, -math.inf
        self._seen = set(getattr(getattr(self._client, "cluster", None), "workers", {}))
        self._given_up: set[Any] = set()
        self._since, self._is_told = math.inf, False

    @staticmethod
    def recognises(pool: object) -> bool:
        """Tell whether a pool is a client of Dask, or the executor of one."""
        return _is_instance(pool, "distributed", "Client") or _is_instance(
            pool, "distributed.cfexecutor", "ClientExecutor"
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand the call to the scheduler."""
        dask = sys.modules["dask"]
        with dask.config.set({LARGE_GRAPH: "1 TiB"}):
            call = self._executor.submit(fn, *args, **kwargs)
        return relay(call, call.cancel)

    def n_workers(self) -> int:
        """Return the number of threads of all workers."""
        return max(self._ask(), 1)

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether workers died over the call until the scheduler gave it up."""
        return _is_instance(error, "distributed", "KilledWorker")

    def check(self) -> None:
        """Raise if the cluster is gone; say so if it has no workers."""
        if self._client.status not in {"running", "connecting"}:
            raise BackendError(
                f"The Dask client is {self._client.status}, so that no answer will come. What was "
                "computed until then is kept; give the client of a running cluster to a new "
                "sampler."
            )
        self._look_for_losses()
        is_empty = self._ask() == 0
        if is_empty and not self._was_empty:
            LOGGER.warning("The Dask cluster has no workers; waiting for some.")
        self._was_empty = is_empty

    def _look_for_losses(self) -> None:
        """Tell of workers that the cluster has given up, and raise if no other is left.

        A cluster of Dask replaces a worker that dies, but not one that happens to be dead once more
        some seconds later, as workers are that die again and again over one call.
        """
        cluster = getattr(self._client, "cluster", None)  # that this process started
        wanted, there = getattr(cluster, "worker_spec", {}), getattr(cluster, "workers", {})
        # A cluster knows of new workers when all of them have started, which may take minutes.
        self._seen |= set(there)
        given_up = (self._seen & set(wanted)) - set(there)
        if given_up != self._given_up:
            self._given_up, self._since, self._is_told = given_up, time.monotonic(), False
        if not given_up or time.monotonic() < self._since + LOSS_SECONDS or self._is_told:
            return
        lost = f"The Dask cluster has given up {len(given_up)} of {len(wanted)} workers"
        remedy = (
            "their processes died several times within seconds, for which memory is the usual"
            " reason. The setting distributed.deploy.lost-worker-timeout of Dask says how soon a"
            " worker is given up."
        )
        if not there and self._ask() == 0:
            raise BackendError(
                f"{lost}, so that no answer will come: {remedy} What was computed until then is"
                " kept; give the client of a new cluster to a new sampler."
            )
        self._is_told = True
        LOGGER.warning("%s and goes on with the others: %s", lost, remedy)

    def _ask(self) -> int:
        # The scheduler is asked, which takes milliseconds; while it cannot be reached the last
        # answer holds, and the status of the client says what becomes of it.
        if time.monotonic() > self._asked + ASK_SECONDS:
            # A client that was closed has no scheduler any more, and one that is being closed no
            # connections.
            with suppress(OSError, TimeoutError, AttributeError, RuntimeError):
                self._n_slots = sum(self._client.nthreads().values())
            self._asked = time.monotonic()
        return self._n_slots


class RayCluster(Cluster):
    """Tasks on the cluster that `ray` is connected to, or on this machine."""

    def __init__(self, pool: Any) -> None:
        self._ray = pool
        if not pool.is_initialized():
            pool.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        # Lost calls are repeated by whoever asked for them, who counts how often.
        self._remote = pool.remote(max_retries=0, num_cpus=1)(worker.call)

    @staticmethod
    def recognises(pool: object) -> bool:
        """Tell whether a pool is the module `ray` itself."""
        return isinstance(pool, ModuleType) and pool.__name__ == "ray"

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:  # type: ignore[override]
        """Start the call as a task."""
        reference = self._remote.remote((fn, args))
        return relay(reference.future(), lambda: self._ray.cancel(reference))

    def n_workers(self) -> int:
        """Return the number of CPUs of the cluster."""
        return max(int(self._ray.cluster_resources().get("CPU", 1)), 1)

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether the process of a task died."""
        names = ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError")
        return _is_instance(error, "ray.exceptions", *names)

    def check(self) -> None:
        """Raise if Ray was shut down."""
        if not self._ray.is_initialized():
            raise BackendError(
                "Ray was shut down, so that no answer will come. What was computed until then is "
                "kept; call ray.init and make a new sampler."
            )


class IpyparallelCluster(Cluster):
    """Engines of ipyparallel: each call goes to one that is free."""

    def __init__(self, pool: Any) -> None:
        if _is_instance(pool, "ipyparallel.client.view", "ViewExecutor"):
            pool = pool.view
        if _is_instance(pool, "ipyparallel", "DirectView"):
            pool = pool.client.load_balanced_view(pool.targets)
        elif _is_instance(pool, "ipyparallel", "Client"):
            pool = pool.load_balanced_view()
        self._view = pool

    @staticmethod
    def recognises(pool: object) -> bool:
        """Tell whether a pool is a client, a view or the executor of a view."""
        names = ("Client", "LoadBalancedView", "DirectView")
        return _is_instance(pool, "ipyparallel", *names) or _is_instance(
            pool, "ipyparallel.client.view", "ViewExecutor"
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:  # type: ignore[override]
        """Send the call to an engine."""
        result = self._view.apply_async(worker.attempt, fn, *args)
        return relay(result, result.abort, lambda answer: _unpacked(*answer))

    def n_workers(self) -> int:
        """Return the number of engines."""
        return max(len(self._view), 1)

    def is_lost(self, error: BaseException) -> bool:
        """Tell whether the engine died that had the call."""
        return _is_instance(error, "ipyparallel.error", "EngineError")


CLUSTERS: tuple[type[Any], ...] = (DaskCluster, RayCluster, IpyparallelCluster)
"""Every kind, each made of a pool that it recognises."""


def _unpacked(answer: Any, error: Exception | None) -> Any:
    if error is not None:
        raise error
    return answer


def _is_instance(pool: object, module: str, *names: str) -> bool:
    """Tell whether an object is of a class of a package that may not be there."""
    loaded = sys.modules.get(module)
    classes = (getattr(loaded, name, None) for name in names)
    return isinstance(pool, tuple(one for one in classes if isinstance(one, type)))
