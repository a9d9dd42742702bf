"""One backend at work: `python -m nautilus.cli.trial NAME` runs it and prints one line of JSON.

It runs in a process of its own, because a broken backend may hang or end the process.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from nautilus._types import FloatArray
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood
from nautilus.prior import FunctionPrior

N_POINTS = 40
N_WORKERS = 2


def log_likelihood(x: FloatArray) -> FloatArray:
    """Return a Gaussian whose value differs from point to point, shape (n,) for (n, 2)."""
    return np.asarray(-((x[:, 0] - 0.5) ** 2) / 0.02 - x[:, 1])


def measure(pool: object) -> dict[str, float]:
    """Evaluate points twice and check the numbers.

    Parameters
    ----------
    pool
        What `as_executor` accepts.

    Returns
    -------
    dict
        `start_seconds` until the first points were answered, and `call_seconds` for each point
        after that. Points travel one by one, so this is what a call costs beside the likelihood.

    Raises
    ------
    RuntimeError
        If an answer is missing or wrong.
    """
    points = np.random.default_rng(1).random((N_POINTS, 2))
    # Of all calls only vectorised ones have a size that is set: one point each.
    likelihood = Likelihood(log_likelihood, FunctionPrior(_same, 2), vectorized=True, n_batch=1)
    times = [perf_counter()]
    with Evaluator(likelihood, pool) as evaluator:
        for _ in range(2):
            log_l = np.full(N_POINTS, np.nan)
            for done in evaluator.evaluate(points):
                log_l[done.index] = done.log_l
            times.append(perf_counter())
            n_wrong = np.count_nonzero(log_l != log_likelihood(points))
            if n_wrong:
                raise RuntimeError(f"{n_wrong} of {N_POINTS} answers are missing or wrong")
    started, called = np.diff(times)
    return {"start_seconds": started, "call_seconds": called / N_POINTS}


def _same(points: FloatArray) -> FloatArray:
    return points


@contextmanager
def _mpi_futures() -> Iterator[Any]:
    if import_module("mpi4py.MPI").COMM_WORLD.Get_size() == 1:
        raise RuntimeError(
            "the launcher started several processes, but mpi4py sees one: the launcher belongs to "
            "another MPI library"
        )
    with import_module("mpi4py.futures").MPIPoolExecutor() as pool:
        yield pool


@contextmanager
def _dask() -> Iterator[Any]:
    distributed = import_module("distributed")
    cluster = distributed.LocalCluster(
        n_workers=N_WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@contextmanager
def _ray() -> Iterator[Any]:
    ray = import_module("ray")
    # Never the cluster that RAY_ADDRESS may name: others work there.
    ray.init(
        "local", num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR,
    )  # fmt: skip
    try:
        yield ray
    finally:
        ray.shutdown()


TRIALS: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
    "serial": nullcontext,
    "threads": lambda: ThreadPoolExecutor(N_WORKERS),
    "processes": lambda: nullcontext(N_WORKERS),
    "executor": lambda: ProcessPoolExecutor(N_WORKERS),
    "mpi": lambda: nullcontext("mpi"),
    "mpi-futures": _mpi_futures,
    "dask": _dask,
    "ray": _ray,
}


def main(name: str) -> int:
    """Run the trial of a name and print its times or its error; return the exit status."""
    try:
        with TRIALS[name]() as pool:
            answer: dict[str, float | str] = {**measure(pool)}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
        last = str(error).strip().splitlines()
        answer = {"error": f"{type(error).__name__}: {last[0] if last else ''}"}
    # Other ranks write into the same stream.
    print(f"\n{json.dumps(answer)}", flush=True)
    return int("error" in answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
