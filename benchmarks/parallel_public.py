"""One measured run of the public package, in its own environment; prints one JSON object.

Started by ``parallel.py``, through ``mpiexec`` where the pool is one of MPI. The problem is that of
``examples/parallel.py``; the settings are the package's own.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nautilus import Prior, Sampler


def log_likelihood(x: NDArray[np.float64], sleep: float) -> float:
    """Return log L of a Gaussian about the centre, after ``sleep`` seconds."""
    time.sleep(sleep)
    return float(np.sum(-((x - 0.5) ** 2) / (2.0 * 0.1**2)))


@contextmanager
def pool_of(backend: str, n_workers: int) -> Iterator[Any]:
    """Open what is given as `pool`."""
    if backend == "mpi4py":
        from mpi4py.futures import MPIPoolExecutor  # noqa: PLC0415 - under mpiexec only

        with MPIPoolExecutor() as pool:
            yield pool
    else:
        yield None if backend == "serial" else n_workers


def main() -> None:
    """Read the arguments, measure, print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend", choices=("serial", "processes", "mpi4py"))
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--sleep", type=float, required=True)
    parser.add_argument("--n-eff", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    prior = Prior()
    for _ in range(3):
        prior.add_parameter()
    with pool_of(given.backend, given.workers) as pool:
        start = time.perf_counter()
        sampler = Sampler(
            prior, partial(log_likelihood, sleep=given.sleep), pass_dict=False, pool=pool,
            seed=given.seed,
        )  # fmt: skip
        sampler.run(n_eff=given.n_eff)
        seconds = time.perf_counter() - start
    row = {"seconds": round(seconds, 3), "n_like": int(sampler.n_like)}
    print(json.dumps(row | {"n_eff": round(float(sampler.n_eff))}))


if __name__ == "__main__":
    main()
