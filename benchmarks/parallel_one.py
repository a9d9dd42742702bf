"""One measured run in a process of its own; prints one JSON object on the last line of stdout.

Started by ``parallel.py``, through ``mpiexec`` where the pool is one of MPI.
"""

import argparse
import json
import os
import pickle
import runpy
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nautilus import Sampler
from nautilus.evaluate import worker
from nautilus.report import ProgressRecord

EXAMPLE = runpy.run_path(str(Path(__file__).resolve().parents[1] / "examples" / "parallel.py"))
LOG_LIKELIHOOD = EXAMPLE["log_likelihood"]
CALLS = worker.run_chunk.__name__


class Counted(Executor):
    """Processes, with everything that goes there and comes back measured in pickled bytes."""

    def __init__(self, n_workers: int) -> None:
        self._inner = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"))
        self._max_workers = n_workers  # where executors keep it
        self.bytes: Counter[str] = Counter()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand the work on."""
        kind = "calls" if fn.__name__ == CALLS else "own"
        self.bytes[f"{kind}_out"] += len(pickle.dumps((fn, args, kwargs)))
        future = self._inner.submit(fn, *args, **kwargs)
        future.add_done_callback(partial(self._returned, kind))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        self._inner.shutdown(wait, cancel_futures=cancel_futures)

    def _returned(self, kind: str, future: Future[Any]) -> None:
        if not future.cancelled():
            self.bytes[f"{kind}_back"] += len(pickle.dumps(future.result()))


@contextmanager
def counted(n_workers: int) -> Iterator[Counted]:
    """Open processes that count bytes."""
    with Counted(n_workers) as executor:
        yield executor


class Luggage:
    """The likelihood with an array of so many megabytes; writes down where it is unpickled."""

    def __init__(self, sleep: float, megabytes: float, notes: Path) -> None:
        self.sleep = sleep
        self.data = np.ones(round(megabytes * 1e6 / 8))
        self.notes = notes

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state and leave a note."""
        self.__dict__.update(state)
        with self.notes.open("a", encoding="utf-8") as stream:
            stream.write(f"{os.getpid()}\n")

    def __call__(self, x: NDArray[np.float64]) -> float:
        """Return log L at one point."""
        value: float = LOG_LIKELIHOOD(x, self.sleep)
        return value


def measure(given: argparse.Namespace, notes: Path) -> dict[str, Any]:
    """Run once and return what was measured; the clock starts when the given pool is open."""
    likelihood = Luggage(given.sleep, given.megabytes, notes)
    openers = EXAMPLE["OPENERS"] | {"counted": counted}
    records: list[ProgressRecord] = []
    with openers[given.backend](given.workers) as pool:
        start = time.perf_counter()
        with Sampler(
            EXAMPLE["build_prior"](), likelihood, pass_dict=False, pool=pool, seed=given.seed
        ) as sampler:
            sampler.run(n_eff=given.n_eff, n_like_max=given.n_like_max, callback=records.append)
            seconds = time.perf_counter() - start
            result = sampler.result
        sizes = {f"bytes_{key}": n for key, n in getattr(pool, "bytes", {}).items()}
    return {
        "seconds": round(seconds, 3),
        "likelihood_seconds": round(records[-1].likelihood_seconds, 3),
        "own_seconds": round(records[-1].own_seconds, 3),
        "n_like": result.n_like,
        "n_eff": round(result.n_eff),
        "log_z": round(result.log_z, 5),
        "log_z_hex": float(result.log_z).hex(),
        **sizes,
    }


def main() -> None:
    """Read the arguments, measure, print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--sleep", type=float, required=True)
    parser.add_argument("--n-eff", type=float, required=True)
    parser.add_argument("--n-like-max", type=float, default=np.inf)
    parser.add_argument("--megabytes", type=float, default=0.0)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.touch()
        row = measure(given, notes)
        processes = Counter(notes.read_text(encoding="utf-8").split())
    row["n_unpickled"] = processes.total()
    row["n_unpickled_most"] = max(processes.values(), default=0)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
