"""One problem on every kind of pool: the same numbers each time, only faster.

    python examples/parallel.py                                    # serial
    python examples/parallel.py --pool processes --workers 4       # pool=4
    mpiexec -n 5 python -m mpi4py.futures examples/parallel.py --pool mpi4py    # 4 workers
    mpiexec -n 5 python examples/parallel.py --pool mpi            # the same, pool="mpi"
    python examples/parallel.py --pool dask
    python examples/parallel.py --pool threads
    python examples/parallel.py --pool ray
    python examples/parallel.py --pool ipyparallel
    python examples/parallel.py --pool executor
    python examples/parallel.py --pool multiprocessing
    python examples/parallel.py --pool joblib

The problem is a three-dimensional Gaussian; `time.sleep` of ten milliseconds stands for an
expensive computation. Each function below opens what is given as `pool` and closes it at the end.
The packages of the pools have to be installed.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nautilus import Prior, Sampler

# ruff: noqa: PLC0415 - only the package of the chosen pool is needed

N_DIM = 3
WIDTH = 0.1


def build_prior() -> Prior:
    """Return a uniform prior on the unit cube."""
    prior = Prior()
    for _ in range(N_DIM):
        prior.add_parameter()
    return prior


def log_likelihood(x: NDArray[np.float64], sleep: float) -> float:
    """Return log L of a Gaussian about the centre, after ``sleep`` seconds."""
    time.sleep(sleep)
    return float(np.sum(-((x - 0.5) ** 2) / (2.0 * WIDTH**2)))


@contextmanager
def serial(_: int) -> Iterator[None]:
    """Stay in this process."""
    yield None


@contextmanager
def processes(n_workers: int) -> Iterator[int]:
    """Let the sampler start processes of its own."""
    yield n_workers


@contextmanager
def mpi(_: int) -> Iterator[str]:
    """Use the ranks that mpiexec started; those above 0 work for the first and end with it."""
    yield "mpi"


@contextmanager
def mpi4py(_: int) -> Iterator[Executor]:
    """Use the ranks above 0 of ``mpiexec ... python -m mpi4py.futures``."""
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as pool:
        yield pool


@contextmanager
def dask(n_workers: int) -> Iterator[Any]:
    """Open a cluster on this machine; with the address of another the client reaches that one."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def threads(n_workers: int) -> Iterator[Executor]:
    """Open threads, which suit calls that wait or release Python's lock."""
    with ThreadPoolExecutor(n_workers) as pool:
        yield pool


@contextmanager
def ray(n_workers: int) -> Iterator[Any]:
    """Start Ray on this machine; with the address of a cluster `init` joins that one."""
    import ray as package

    package.init(num_cpus=n_workers, include_dashboard=False, logging_level=logging.ERROR)
    try:
        yield package
    finally:
        package.shutdown()


@contextmanager
def ipyparallel(n_workers: int) -> Iterator[Any]:
    """Start engines on this machine."""
    from ipyparallel import Cluster

    with Cluster(n=n_workers, log_level=logging.ERROR) as client:
        yield client


@contextmanager
def executor(n_workers: int) -> Iterator[Executor]:
    """Open processes of the standard library, with their newer interface."""
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
        yield pool


@contextmanager
def multiprocessing_pool(n_workers: int) -> Iterator[Any]:
    """Open processes of the standard library, with their older interface."""
    with get_context("spawn").Pool(n_workers) as pool:
        yield pool
        pool.close()
        pool.join()


@contextmanager
def joblib(n_workers: int) -> Iterator[Executor]:
    """Open the executor behind joblib's processes."""
    from joblib.externals.loky import get_reusable_executor

    pool: Executor = get_reusable_executor(n_workers)
    with pool:
        yield pool


OPENERS: dict[str, Callable[[int], AbstractContextManager[Any]]] = {
    "serial": serial,
    "processes": processes,
    "mpi": mpi,
    "mpi4py": mpi4py,
    "dask": dask,
    "threads": threads,
    "ray": ray,
    "ipyparallel": ipyparallel,
    "executor": executor,
    "multiprocessing": multiprocessing_pool,
    "joblib": joblib,
}


def parse_arguments() -> argparse.Namespace:
    """Return the command line as a namespace."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", choices=OPENERS, default="serial")
    parser.add_argument("--workers", type=int, default=4, help="with MPI, mpiexec decides")
    parser.add_argument("--sleep", type=float, default=0.01, help="seconds per call (default 0.01)")
    parser.add_argument("--n-eff", type=float, default=10000.0, help="effective sample size wanted")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Run, and print what it took and what came out."""
    arguments = parse_arguments()
    likelihood = partial(log_likelihood, sleep=arguments.sleep)
    with OPENERS[arguments.pool](arguments.workers) as pool:
        start = time.perf_counter()
        with Sampler(
            build_prior(), likelihood, pass_dict=False, pool=pool, seed=arguments.seed
        ) as sampler:
            sampler.run(n_eff=arguments.n_eff)
            seconds = time.perf_counter() - start
            result = sampler.result
    print(f"Total time: {seconds:.1f} s ({arguments.pool})")
    print(f"log Z = {result.log_z!r} +- {result.log_z_err:.4f}")
    print(f"{result.n_like:,} calls, effective sample size {result.n_eff:,.0f}")


if __name__ == "__main__":
    main()
