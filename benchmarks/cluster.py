"""How busy a cluster of any size is kept, on a virtual clock.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --n-update 2000 --workers 100 1000

The real scheduling code evaluates the stages of a real run, but on an executor whose calls take no
time: each is given seconds drawn from a log-normal distribution, the first worker that is free does
it, and the clock jumps to the next call that ends. Efficiency is the sum of the calls' seconds over
workers times the time on the clock. What the sampler itself needs between stages is left out, as is
what a network costs: this is what the sizes of the stages and the order of the calls allow.
"""

import argparse
import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nautilus import Sampler
from nautilus.evaluate.backends import ExecutorHandle
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood
from nautilus.report import ProgressRecord
from nautilus.testing.problems import round_gaussian, unit_prior

FloatArray = NDArray[np.float64]

WORKERS = (10, 30, 100, 300, 1000, 3000, 10_000)
N_UPDATES = (500, 2000, 10_000, 50_000)
N_EFF = 10_000.0
MEDIAN_SECONDS = 1.0
SIGMA = 0.5
SEED = 1
WANTED = 0.9
"""Efficiency down to which workers are called well used."""
TICK = 0.05
"""Seconds between ticks of the clock; calls that end at the same tick are collected together."""


class VirtualCluster(Executor):
    """An executor with workers that exist on a virtual clock only.

    Parameters
    ----------
    n_workers
        How many there are.
    draw
        Returns the seconds of each of so many calls; the clock rounds them to its ticks.
    """

    def __init__(self, n_workers: int, draw: Callable[[int], FloatArray]) -> None:
        self.now = 0
        self.busy = 0
        self._draw = draw
        self._free_at = [0] * n_workers
        self._under_way: dict[int, list[tuple[Future[Any], Any]]] = {}
        self._ends: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Give the work to the worker that is free first."""
        result = fn(*args, **kwargs)
        ticks = round(float(np.sum(self._draw(result.n_calls))) / TICK)
        self.busy += ticks
        end = max(self.now, self._free_at[0]) + ticks
        heapq.heapreplace(self._free_at, end)
        if end not in self._under_way:
            heapq.heappush(self._ends, end)
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        answer = replace(result, seconds=ticks * TICK)
        self._under_way.setdefault(end, []).append((future, answer))
        return future

    def advance(self) -> None:
        """Set the clock to the next tick at which calls end."""
        self.now = heapq.heappop(self._ends)
        for future, answer in self._under_way.pop(self.now):
            future.set_result(answer)


def log_normal_seconds(seed: int) -> Callable[[int], FloatArray]:
    """Return a source of call times."""
    rng = np.random.default_rng(seed)
    return lambda n: rng.lognormal(np.log(MEDIAN_SECONDS), SIGMA, n)


def nothing(_: FloatArray) -> float:
    """Return zero: the clock does the rest."""
    return 0.0


@dataclass(frozen=True)
class Identity:
    """The prior of a likelihood that looks at nothing."""

    def to_physical(self, points: FloatArray) -> FloatArray:
        """Return the points."""
        return points


def efficiency(
    stages: Iterable[int], n_workers: int, draw: Callable[[int], FloatArray]
) -> tuple[float, float]:
    """Return the share of time for which workers are busy, and the virtual seconds of the run.

    Parameters
    ----------
    stages
        Number of points of each stage; one begins when the one before is complete.
    n_workers
        Workers of the cluster.
    draw
        Returns the seconds of each of so many calls.
    """
    cluster = VirtualCluster(n_workers, draw)
    handle = ExecutorHandle(lambda: cluster, n_workers, check=cluster.advance, poll_seconds=0.0)
    with Evaluator(Likelihood(nothing, Identity()), handle, threads_per_worker=None) as evaluator:
        for n_points in stages:
            for _ in evaluator.evaluate(np.zeros((n_points, 1))):
                pass
    return cluster.busy / (n_workers * cluster.now), cluster.now * TICK


@cache
def stage_sizes(n_update: int, n_eff: float) -> tuple[int, ...]:
    """Return the number of calls of each stage of a real run on a round Gaussian."""
    problem = round_gaussian()
    totals = [0]

    def note(record: ProgressRecord) -> None:
        if record.message == "stage complete":
            totals.append(record.n_like)

    sampler = Sampler(
        unit_prior, problem.log_likelihood, n_dim=problem.n_dim, n_update=n_update, seed=SEED,
        pass_dict=False, vectorized=True,
    )  # fmt: skip
    sampler.run(n_eff=n_eff, callback=note)
    return tuple(np.diff(totals).tolist())


def measure(n_update: int, n_workers: int, n_eff: float = N_EFF) -> dict[str, Any]:
    """Return one cell of the table."""
    stages = stage_sizes(n_update, n_eff)
    share, seconds = efficiency(stages, n_workers, log_normal_seconds(SEED))
    return {
        "efficiency": round(share, 4),
        "virtual_seconds": round(seconds, 1),
        "n_like": sum(stages),
        "n_stages": len(stages),
    }


def workers_at(wanted: float, found: Mapping[int, float]) -> float | None:
    """Return the number of workers at which efficiency falls below `wanted`.

    Parameters
    ----------
    wanted
        Efficiency in (0, 1).
    found
        Efficiency by number of workers.

    Returns
    -------
    float or None
        Interpolated in the logarithm of the number; None if efficiency does not cross `wanted`.
    """
    for low, high in itertools.pairwise(sorted(found)):
        if found[low] >= wanted > found[high]:
            part = (found[low] - wanted) / (found[low] - found[high])
            return float(low * (high / low) ** part)
    return None


def main() -> None:
    """Print the efficiency of each size of stages and cluster."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--n-update", type=int, nargs="+", default=N_UPDATES)
    parser.add_argument("--n-eff", type=float, default=N_EFF)
    given = parser.parse_args()
    for n_update in given.n_update:
        found = {}
        for n_workers in given.workers:
            cell = measure(n_update, n_workers, given.n_eff)
            found[n_workers] = cell["efficiency"]
            print(f"n_update {n_update:>6,}, {n_workers:>6,} workers: {cell}", flush=True)
        print(f"n_update {n_update:>6,}: {WANTED:.0%} at {workers_at(WANTED, found)} workers")


if __name__ == "__main__":
    main()
