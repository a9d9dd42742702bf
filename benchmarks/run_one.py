"""One measured run in a process of its own; prints one JSON object on the last line of stdout.

Started by ``compare.py`` with the Python of the package that is measured.
"""

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from catalogue import FloatArray, Task, get_task


class Stopwatch:
    """A vectorised likelihood that counts its calls, wall seconds and CPU seconds."""

    def __init__(self, function: Callable[[FloatArray], FloatArray]) -> None:
        self.function = function
        self.n_calls = 0
        self.wall = 0.0
        self.cpu = 0.0

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return log L at ``points``, shape (n, d)."""
        wall, cpu = time.perf_counter(), time.process_time()
        values = self.function(points)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        self.n_calls += len(points)
        return values


def unit_cube(points: FloatArray) -> FloatArray:
    """Return the points: the problems are defined on the unit cube."""
    return points


def peak_memory_mib() -> float | None:
    """Return the largest resident size of this process so far in MiB; None where unknown."""
    status = Path("/proc/self/status")
    if status.exists():  # `ru_maxrss` begins with the size of the process that started this one
        sizes = dict(line.split(":") for line in status.read_text().splitlines() if "kB" in line)
        return round(float(sizes["VmHWM"].split()[0]) / 2**10, 1)
    if importlib.util.find_spec("resource") is None:  # Windows
        return None
    resource: Any = importlib.import_module("resource")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(float(peak) / (2**20 if sys.platform == "darwin" else 2**10), 1)


def make_sampler(task: Any, likelihood: Stopwatch, seed: int, settings: dict[str, Any]) -> Any:
    """Return a sampler of whatever package this Python imports as ``nautilus``.

    The task is any object with ``n_dim`` and ``periodic``.
    """
    # Not at the top: the catalogue needs the name ``nautilus`` for itself while it loads.
    package: Any = importlib.import_module("nautilus")
    if task.periodic:
        settings = {"periodic": np.array(task.periodic), **settings}
    return package.Sampler(
        unit_cube,
        likelihood,
        n_dim=task.n_dim,
        vectorized=True,
        pass_dict=False,
        seed=seed,
        **settings,
    )


def measure(task: Task, seed: int, n_eff: float, n_live: int | None) -> dict[str, Any]:
    """Run until ``n_eff`` with all points kept, then top up with exploration discarded."""
    likelihood = Stopwatch(task.log_likelihood)
    wall, cpu = time.perf_counter(), time.process_time()
    settings = {} if n_live is None else {"n_live": n_live}
    sampler = make_sampler(task, likelihood, seed, settings)
    row: dict[str, Any] = {}
    for suffix, discard in (("_keep", False), ("", True)):
        if discard:  # the public package ignores the keyword once exploration has ended
            sampler.discard_exploration = True
        success = sampler.run(n_eff=n_eff, discard_exploration=discard, verbose=False)
        error = getattr(sampler, "log_z_err", None)
        row |= {
            f"success{suffix}": bool(success),
            f"n_like{suffix}": int(sampler.n_like),
            f"n_calls{suffix}": likelihood.n_calls,
            f"n_eff{suffix}": round(float(sampler.n_eff)),
            f"log_z{suffix}": round(float(sampler.log_z), 5),
            f"log_z_err{suffix}": None if error is None else round(float(error), 5),
            f"own_seconds{suffix}": round(time.perf_counter() - wall - likelihood.wall, 2),
            f"own_cpu_seconds{suffix}": round(time.process_time() - cpu - likelihood.cpu, 2),
            f"likelihood_seconds{suffix}": round(likelihood.wall, 2),
            f"peak_mib{suffix}": peak_memory_mib(),
        }
    return row


def main() -> None:
    """Read the arguments, measure, print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--n-eff", type=float, required=True)
    parser.add_argument("--n-live", type=int, default=None)
    arguments = parser.parse_args()
    task = get_task(arguments.problem)
    row = measure(task, arguments.seed, arguments.n_eff, arguments.n_live)
    print(json.dumps({"log_z_true": task.log_z, **row}))


if __name__ == "__main__":
    main()
