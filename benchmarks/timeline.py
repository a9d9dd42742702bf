"""What four workers do when: two real runs with ten milliseconds per call, drawn as SVG.

    OMP_NUM_THREADS=1 python benchmarks/timeline.py
    python benchmarks/timeline.py --sleep 0.001 --n-eff 300 --out somewhere.svg

Prints the share of the workers' time that went into the likelihood. A bar of the row *this process*
means that the process that runs the sampler used its core for more than half of a moment.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch
from numpy.typing import NDArray

from nautilus import Sampler
from nautilus.testing.problems import Problem, rosenbrock, round_gaussian, unit_prior

plt.switch_backend("Agg")  # files only: no display is needed

OUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "timeline.svg"
N_WORKERS = 4
SEED = 1
MOMENT = 0.05
"""Seconds between looks at the time this process used."""
N_PIXELS = 1000
"""Bars closer to each other than this part of the whole are drawn as one."""

LIKELIHOOD = "likelihood"
KINDS = {
    "run_chunk": LIKELIHOOD,
    "train_member": "training networks",
    "_chunk": "drawing points",
    "_norm_chunk": "drawing points",
    "_log_density": "densities",
}
OTHER = "other"
HERE = "this process"
COLOURS = {
    LIKELIHOOD: "C0",
    "training networks": "C1",
    "drawing points": "C2",
    "densities": "C4",
    OTHER: "C7",
    HERE: "C3",
}


class Bar(NamedTuple):
    """Who did what, from when to when in seconds."""

    who: str
    kind: str
    start: float
    end: float


def timed(function: Callable[..., Any], *args: Any) -> tuple[int, float, float, Any]:
    """Return the process, when it started and ended, and the answer."""
    start = time.time()
    answer = function(*args)
    return os.getpid(), start, time.time(), answer


def kind_of(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """Return the kind of some work; the sampler's own is named by the function it runs."""
    inner = args[0] if args and callable(args[0]) else function
    return KINDS.get(inner.__name__, OTHER)


class Recorder(Executor):
    """Processes whose work is written down."""

    def __init__(self, n_workers: int) -> None:
        self._inner = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"))
        self._max_workers = n_workers  # where executors keep it
        self.bars: list[Bar] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:  # type: ignore[override]
        """Hand the work on."""
        outer: Future[Any] = Future()
        outer.set_running_or_notify_cancel()
        inner = self._inner.submit(timed, fn, *args)
        inner.add_done_callback(partial(self._returned, kind_of(fn, args), outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        self._inner.shutdown(wait, cancel_futures=cancel_futures)

    def _returned(self, kind: str, outer: Future[Any], inner: Future[Any]) -> None:
        error = inner.exception()
        if error is not None:
            outer.set_exception(error)
            return
        process, start, end, answer = inner.result()
        self.bars.append(Bar(str(process), kind, start, end))
        outer.set_result(answer)


@contextmanager
def watched(bars: list[Bar]) -> Iterator[None]:
    """Add a bar for each moment in which this process used more than half of a core."""
    is_over = threading.Event()

    def watch() -> None:
        before = time.time(), time.process_time()
        while not is_over.wait(MOMENT):
            now = time.time(), time.process_time()
            if now[1] - before[1] > 0.5 * (now[0] - before[0]):
                bars.append(Bar(HERE, HERE, before[0], now[0]))
            before = now

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def merged(bars: Iterable[Bar], gap: float) -> list[Bar]:
    """Return bars in order, those of one worker and kind joined that are at most `gap` apart."""
    found: list[Bar] = []
    for bar in sorted(bars):
        last = found[-1] if found else None
        if last and last[:2] == bar[:2] and bar.start - last.end <= gap:
            found[-1] = last._replace(end=max(last.end, bar.end))
        else:
            found.append(bar)
    return found


@dataclass(frozen=True)
class Slow:
    """A likelihood that takes its time."""

    problem: Problem
    sleep: float

    def __call__(self, x: NDArray[np.float64]) -> float:
        """Return log L at one point."""
        time.sleep(self.sleep)
        return float(self.problem.log_likelihood(x[np.newaxis])[0])


@dataclass
class Timeline:
    """The bars of one run of `seconds`."""

    title: str
    start: float
    seconds: float = 0.0
    bars: list[Bar] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Share of the workers' time that went into the likelihood."""
        busy = sum(bar.end - bar.start for bar in self.bars if bar.kind == LIKELIHOOD)
        return busy / (N_WORKERS * self.seconds)


def record(title: str, problem: Problem, sleep: float, n_eff: float) -> Timeline:
    """Run once with everybody watched."""
    timeline = Timeline(title, time.time())
    with (
        Recorder(N_WORKERS) as pool,
        watched(timeline.bars),
        Sampler(
            unit_prior, Slow(problem, sleep), n_dim=problem.n_dim, pass_dict=False, pool=pool,
            seed=SEED,
        ) as sampler,
    ):  # fmt: skip
        sampler.run(n_eff=n_eff)
        timeline.seconds = time.time() - timeline.start
    timeline.bars += pool.bars
    return timeline


def draw(timelines: list[Timeline], path: Path) -> None:
    """Write one panel for each run."""
    figure, axes = plt.subplots(len(timelines), figsize=(9, 5), layout="constrained")
    for axis, timeline in zip(axes, timelines, strict=True):
        rows = sorted({bar.who for bar in timeline.bars}, key=lambda who: (who != HERE, who))
        bars = merged(timeline.bars, timeline.seconds / N_PIXELS)
        for (who, kind), group in groupby(bars, lambda bar: bar[:2]):
            # One line with gaps takes far less of a file than a rectangle for each bar.
            ends = [(bar.start, bar.end, np.nan) for bar in group]
            x = np.ravel(ends) - timeline.start
            y = np.full(len(x), rows.index(who))
            axis.plot(x, y, color=COLOURS[kind], linewidth=14, solid_capstyle="butt")
        names = [who if who == HERE else f"worker {i}" for i, who in enumerate(rows)]
        axis.set_yticks(range(len(rows)), names)
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xlim(0.0, timeline.seconds)
        axis.set_title(f"{timeline.title}: {timeline.share:.0%} in the likelihood", fontsize=10)
    axes[-1].set_xlabel("seconds")
    figure.legend(
        handles=[Patch(color=colour, label=kind) for kind, colour in COLOURS.items()],
        loc="outside lower center", ncols=len(COLOURS), fontsize=8,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without these two, equal runs would give different files.
    with plt.rc_context({"svg.hashsalt": "timeline", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Run, draw, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sleep", type=float, default=0.01, help="seconds per call (default 0.01)")
    parser.add_argument("--n-eff", type=float, default=10000.0, help="effective sample size wanted")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    timelines = [
        record("Gaussian in three dimensions", round_gaussian(), given.sleep, given.n_eff),
        record("Rosenbrock in five dimensions", rosenbrock(5), given.sleep, given.n_eff),
    ]
    draw(timelines, given.out)
    for timeline in timelines:
        print(f"{timeline.title}: {timeline.seconds:.1f} s, {timeline.share:.1%} in the likelihood")
    print(f"Wrote {given.out}, {given.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
