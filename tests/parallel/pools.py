"""Every kind of pool that a user may have, opened for real, and what tests run on it."""

import multiprocessing
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import distributed
import ipyparallel
import loky
import multiprocess
import numpy as np
import ray
import ray.util.multiprocessing
import schwimmbad
from joblib.externals import loky as loky_of_joblib
from waiting import SECONDS, wait_for


@dataclass(frozen=True)
class Kind:
    """A kind of pool.

    Parameters
    ----------
    open_engine
        Opens what takes long to start and may serve several kinds.
    n_processes
        Worker processes other than this one.
    size
        Number of workers that is to be detected.
    is_threaded
        Whether calls run in further threads of this process.
    dress
        Returns what a user passes as `pool`, given the engine.
    """

    open_engine: Callable[[], AbstractContextManager[Any]]
    n_processes: int = 2
    size: int = 2
    is_threaded: bool = False
    dress: Callable[[Any], object] = lambda engine: engine


class Engines:
    """Opens engines; the last one stays open until another kind is asked for."""

    def __init__(self) -> None:
        self._opener: Any = None
        self._context: AbstractContextManager[Any] = nullcontext()
        self._engine: Any = None

    def get(self, kind: Kind) -> object:
        """Return what a user passes as `pool`."""
        if self._opener is not kind.open_engine:
            self.close()
            self._opener, self._context = kind.open_engine, kind.open_engine()
            self._engine = self._context.__enter__()
        return kind.dress(self._engine)

    def close(self) -> None:
        """Close the engine that is open."""
        self._context.__exit__(None, None, None)
        self._opener, self._context = None, nullcontext()


def _given(pool: object) -> Callable[[], AbstractContextManager[object]]:
    return lambda: nullcontext(pool)


def processes(method: str) -> ProcessPoolExecutor:
    """Return a pool of the standard library."""
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method))


@contextmanager
def reusable(package: Any) -> Iterator[object]:
    """Open the executor that loky, or the copy of it in joblib, shares among callers."""
    pool = package.get_reusable_executor(max_workers=2)
    yield pool
    pool.shutdown(wait=True, kill_workers=True)


N_STARTS = 10
"""How often Ray may try to start."""

# It also gives up servers that do not answer within a minute.
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "1800")


@contextmanager
def ray_cluster() -> Iterator[object]:
    """Start Ray on this machine with two workers; on a busy one it gives up after 30 seconds."""
    for attempts_left in reversed(range(N_STARTS)):
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            break
        except Exception:
            ray.shutdown()
            if attempts_left == 0:
                raise
    yield ray
    ray.shutdown()


@contextmanager
def ipyparallel_client() -> Iterator[ipyparallel.Client]:
    """Start two engines of ipyparallel."""
    with ipyparallel.Cluster(n=2, log_level=40, engine_timeout=SECONDS) as client:
        client.wait_for_engines(2, interactive=False)
        yield client


@contextmanager
def dask_cluster(n_workers: int = 2) -> Iterator[distributed.LocalCluster]:
    """Start a cluster of Dask with one process per worker."""
    with distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster


@contextmanager
def dask_client() -> Iterator[distributed.Client]:
    """Start a cluster of Dask with two workers."""
    with dask_cluster() as cluster, distributed.Client(cluster) as client:
        yield client


class MapOnly:
    """The least that a pool can be."""

    def __init__(self, pool: Any) -> None:
        self.size = 2
        self.map = pool.map


def spawning() -> Any:
    """Return a `multiprocessing.Pool` of fresh processes."""
    return multiprocessing.get_context("spawn").Pool(2)


# What forks comes before what starts threads in this process.
KINDS = {
    "None": Kind(_given(None), 0, 1),
    "1": Kind(_given(1), 0, 1),
    "processes-fork": Kind(lambda: processes("fork")),
    "multiprocess.Pool": Kind(lambda: multiprocess.Pool(2)),
    "schwimmbad.MultiPool": Kind(lambda: schwimmbad.MultiPool(2)),
    "schwimmbad.SerialPool": Kind(schwimmbad.SerialPool, 0, loky.cpu_count(), is_threaded=True),
    "2": Kind(_given(2)),
    "threads": Kind(lambda: ThreadPoolExecutor(2), 0, is_threaded=True),
    "processes-forkserver": Kind(lambda: processes("forkserver")),
    "processes-spawn": Kind(lambda: processes("spawn")),
    "multiprocessing.Pool": Kind(spawning),
    "map-only": Kind(spawning, dress=MapOnly),
    "loky-reusable": Kind(lambda: reusable(loky)),
    "loky-of-joblib": Kind(lambda: reusable(loky_of_joblib)),
    "schwimmbad.JoblibPool": Kind(lambda: schwimmbad.JoblibPool(n_jobs=2), 2, loky.cpu_count()),
    "dask-client": Kind(dask_client),
    "dask-executor": Kind(dask_client, dress=lambda client: client.get_executor()),
    "ipyparallel-client": Kind(ipyparallel_client),
    "ipyparallel-balanced": Kind(ipyparallel_client, dress=lambda c: c.load_balanced_view()),
    "ipyparallel-direct": Kind(ipyparallel_client, dress=lambda c: c[:]),
    "ipyparallel-executor": Kind(
        ipyparallel_client, dress=lambda c: c.load_balanced_view().executor
    ),
    "ray": Kind(ray_cluster),
    "ray.Pool": Kind(ray_cluster, dress=lambda ray: ray.util.multiprocessing.Pool(2)),
}


@contextmanager
def mpi_pool() -> Iterator[object]:
    """Open the pool of a script that was started with ``-m mpi4py.futures``."""
    from mpi4py.futures import MPIPoolExecutor  # noqa: PLC0415 - starts MPI in this process

    with MPIPoolExecutor() as pool:
        yield pool


MPI_KINDS = {"mpi": Kind(_given("mpi")), "MPIPoolExecutor": Kind(mpi_pool)}
"""Kinds that need a process which a launcher started, on three ranks."""

CONTRACT_KIND = "NAUTILUS_TEST_POOL"
"""Environment variable with the name of the only kind to be tested."""


def kinds_here() -> dict[str, Kind]:
    """Return the kinds of pools that can be had in this process."""
    name = os.environ.get(CONTRACT_KIND)
    return KINDS if name is None else {name: (KINDS | MPI_KINDS)[name]}


class NamedPrior:
    """Two parameters, one of them curved."""

    def to_physical(self, points):
        return {"a": 4 * points[:, 0] - 2, "b": np.log(points[:, 1])}


LINE = np.linspace(0.05, 0.95, 19)[:, np.newaxis].repeat(2, axis=1)
"""Points of the unit cube; of their `a`, from -1.8 to 1.8, only the last is above 1.75."""

A_OF_LINE = 4 * LINE[:, 0] - 2


def cube_points(n):
    return np.random.default_rng(5).random((n, 2))


def collect(evaluator, points, log_l=None):
    """Assemble what the evaluator yields, in `log_l` if given: it survives an error."""
    log_l = np.empty(len(points)) if log_l is None else log_l
    log_l[:] = np.nan
    blobs = None
    for done in evaluator.evaluate(points):
        assert np.isnan(log_l[done.index]).all()
        log_l[done.index] = done.log_l
        if done.blobs is not None:
            blobs = np.empty(len(points), done.blobs.dtype) if blobs is None else blobs
            blobs[done.index] = done.blobs
    return log_l, blobs


def wait_for_end(processes):
    pids = list(processes)
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return state.stdout.strip()[:1] not in {"", "Z"}
