"""What a run file costs a run; prints one JSON object on the last line of stdout.

Started by ``runfile.py``. The problem is that of ``examples/parallel.py``, run without a file and
then with one. The time spent on the file is measured where it is spent, because the difference of
two wall times is mostly noise.
"""

import argparse
import json
import os
import runpy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest import mock

from nautilus import Sampler, session
from nautilus.checkpoint import Checkpoint
from nautilus.run.state import RunState
from nautilus.runfile import RunStore

EXAMPLE = runpy.run_path(str(Path(__file__).resolve().parents[1] / "examples" / "parallel.py"))
IO = Path("/proc/self/io")
METHODS = ("find", "open", "create", "save", "close")
"""What a checkpoint does in the course of a run."""


def bytes_written() -> int:
    """Return how much this process has handed to the system to write; 0 where it does not tell."""
    if not IO.exists():
        return 0
    told = dict(line.split(": ") for line in IO.read_text("ascii").splitlines())
    return int(told["wchar"])


@dataclass
class Watch:
    """Seconds and bytes of everything that is done for a file, and how old unsaved results get.

    The estimate of the result is computed while a run is saved and then also shown: its time is
    that of the run without a file too, and is not counted.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    n_bytes: int = 0
    saves: list[float] = field(default_factory=list)
    at_risk: float = 0.0
    is_saving: bool = False
    n_seen: int = 0
    oldest: float | None = None

    def all_of(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of a checkpoint, timed."""

        @wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            before, self.is_saving = bytes_written(), True
            start = self._clocks()
            try:
                return method(*args, **kwargs)
            finally:
                self._count(start, 1)
                self.n_bytes += bytes_written() - before
                self.is_saving = False

        return timed

    def one_save(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method that saves, timed."""

        @wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.saves.append(time.perf_counter() - start)

        return timed

    def look(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method that saves if it is worth it, with an eye on what has come in."""

        @wraps(method)
        def watched(checkpoint: Checkpoint, state: RunState, *args: Any, **kwargs: Any) -> Any:
            now, n_saves = time.perf_counter(), len(self.saves)
            if state.n_like > self.n_seen:
                self.n_seen = state.n_like
                self.oldest = now if self.oldest is None else self.oldest
            method(checkpoint, state, *args, **kwargs)
            if self.oldest is not None:
                self.at_risk = max(self.at_risk, time.perf_counter() - self.oldest)
            if len(self.saves) > n_saves:
                self.oldest = None

        return watched

    def shown(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function that computes the estimate; that of all points is shown too."""

        @wraps(function)
        def timed(state: RunState, discard_exploration: bool) -> Any:
            start = self._clocks()
            found = function(state, discard_exploration)
            if self.is_saving and not discard_exploration:
                self._count(start, -1)
            return found

        return timed

    @staticmethod
    def _clocks() -> tuple[float, float]:
        return time.perf_counter(), time.thread_time()

    def _count(self, start: tuple[float, float], sign: int) -> None:
        now = self._clocks()
        self.seconds += sign * (now[0] - start[0])
        self.cpu_seconds += sign * (now[1] - start[1])


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch whatever is saved."""
    watch = Watch()
    with ExitStack() as stack:
        for owner, name, watch_it in (
            *((Checkpoint, name, watch.all_of) for name in METHODS),
            (Checkpoint, "save", watch.look),
            (RunStore, "save", watch.one_save),
            (session, "answer", watch.shown),
        ):
            new = watch_it(getattr(owner, name))
            stack.enter_context(mock.patch.object(owner, name, new))
        yield watch


def run(given: argparse.Namespace, path: Path | None) -> tuple[float, str, int]:
    """Run once; return wall seconds, log Z to the last bit, and calls."""
    pool = None if given.workers == 1 else given.workers
    likelihood = partial(EXAMPLE["log_likelihood"], sleep=given.sleep)
    start = time.perf_counter()
    with Sampler(
        EXAMPLE["build_prior"](), likelihood, pass_dict=False, pool=pool, seed=given.seed,
        filepath=path,
    ) as sampler:  # fmt: skip
        sampler.run(n_eff=given.n_eff)
        seconds = time.perf_counter() - start
        return seconds, float(sampler.log_z).hex(), sampler.n_like


def measure(given: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Run without and with a file."""
    without, log_z, n_like = run(given, None)
    with watched() as watch:
        seconds, log_z_with, n_like_with = run(given, path)
    if (log_z_with, n_like_with) != (log_z, n_like):
        raise RuntimeError(f"log Z is {log_z_with} with a file and {log_z} without")
    return {
        "n_like": n_like,
        "seconds_without": round(without, 3),
        "seconds": round(seconds, 3),
        "saving_seconds": round(watch.seconds, 4),
        "saving_cpu_seconds": round(watch.cpu_seconds, 4),
        "n_saves": len(watch.saves),
        "save_median": round(statistics.median(watch.saves), 5),
        "save_max": round(max(watch.saves), 5),
        "written_bytes": watch.n_bytes,
        "file_bytes": path.stat().st_size,
        "at_risk_seconds": round(watch.at_risk, 3),
        "sync_seconds": round(sync_seconds(path.with_name("page")), 5),
    }


def sync_seconds(path: Path) -> float:
    """Return the median time of a write of one page that reaches the disk."""
    seconds = []
    with path.open("wb") as stream:
        for _ in range(50):
            start = time.perf_counter()
            stream.write(bytes(4096))
            stream.flush()
            os.fsync(stream.fileno())
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    """Read the arguments, measure, print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the file goes")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--sleep", type=float, required=True)
    parser.add_argument("--n-eff", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        print(json.dumps(measure(given, Path(folder) / "run.nautilus")))


if __name__ == "__main__":
    main()
