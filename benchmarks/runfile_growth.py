"""A run file that grows through the real saves; prints one JSON object for each size on stdout.

Started by ``runfile.py``. Points and results are random numbers, which nothing can compress; the
proposals are those of a real run of as many dimensions, each used several times with means that
are moved a little. Sizes and seconds of reading are those of a process of its own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from runfile_one import bytes_written

import nautilus
from nautilus import Prior, Sampler
from nautilus.checkpoint import Checkpoint
from nautilus.checkpoint_settings import CheckpointSettings
from nautilus.model import make_prior_map
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.config import Config
from nautilus.run.detection import detection_limit
from nautilus.run.state import PendingStage, Phase, RunState, Stage, new_state
from nautilus.runfile import Account, Answer, RunStore
from nautilus.runfile.codec import encode

FloatArray = NDArray[np.float64]

SIZES = (10_000, 100_000, 1_000_000)
N_PROPOSALS = 100
N_CALLS = 6000
"""Calls of the real run that gives the proposals."""
N_DENSITIES_MAX = 10**6
"""So many densities are computed at most, to find out how long it takes."""
PLAN, PART, STAGE = "plan", "part", "stage"
"""Saves of a new proposal with its points, of results within a stage, and of a complete stage."""


def build_prior(n_dim: int) -> Prior:
    """Return a prior whose parameters are not the points."""
    prior = Prior()
    for i in range(n_dim):
        prior.add_parameter(f"x{i}", dist=(-5.0 - i, 5.0))
    return prior


def rosenbrock(points: FloatArray) -> FloatArray:
    """Return a log L with curved valleys, so that networks are trained."""
    y = 4.0 * points - 2.0
    terms = 20.0 * (y[:, 1:] - y[:, :-1] ** 2) ** 2 + (1.0 - y[:, :-1]) ** 2
    log_l: FloatArray = -terms.sum(axis=1)
    return log_l


def real_proposals(n_dim: int) -> list[LearnedProposal]:
    """Return the proposals of a real run."""
    folder = tempfile.TemporaryDirectory()
    with folder, Sampler(
        build_prior(n_dim), lambda x: rosenbrock((x + 5.0) / 10.0), n_dim, vectorized=True,
        pass_dict=False, seed=1, filepath=Path(folder.name) / "real.nautilus",
    ) as sampler:  # fmt: skip
        sampler.run(n_like_max=N_CALLS)
        saved = nautilus.runfile.read_run(Path(folder.name) / "real.nautilus", None)
    return [p for p in saved.state.proposals if isinstance(p, LearnedProposal)]


def endless(
    proposals: list[LearnedProposal], rng: np.random.Generator
) -> Iterator[LearnedProposal]:
    """Yield proposals of the same size as some, none like another."""
    for proposal in cycle(proposals):
        base = proposal.base
        means = base.means + 1e-6 * rng.standard_normal(base.means.shape)
        yield replace(
            proposal, base=replace(base, means=means), emulator=replace(proposal.emulator)
        )


@dataclass
class Growth:
    """A state that grows, and what it took to save it."""

    given: argparse.Namespace
    path: Path
    rng: np.random.Generator
    state: RunState
    checkpoint: Checkpoint
    config: Config
    fresh: Iterator[LearnedProposal]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    n_bytes: int = 0
    n_before: int = 0

    def save(self, kind: str, *, is_step: bool = True) -> None:
        """Save, timed."""
        start, before = time.perf_counter(), bytes_written()
        self.checkpoint.save(self.state, Account(), self.answer, is_step=is_step)
        self.seconds.setdefault(kind, []).append(time.perf_counter() - start)
        self.n_bytes += bytes_written() - before

    def answer(self) -> Answer:
        """Return an answer of the right size."""
        n = self.state.ledger.n_points
        weights = np.log(self.rng.random(n))
        limit = detection_limit(new_state(2))
        return Answer(
            weights, 0.0, 0.1, float(n), 1.0, 0.5, (), discard_exploration=False,
            detection_limit=limit,
        )  # fmt: skip

    def grow(self) -> None:
        """Add a stage as a run does: planned, evaluated in parts, complete."""
        n, state = self.given.n_stage, self.state
        proposals = state.proposals
        n_new = min(self.given.n_new, N_PROPOSALS + 1 - len(proposals))
        proposals += tuple(islice(self.fresh, n_new))
        counts = np.zeros(len(proposals), np.int64)
        counts[-1] = n - 1
        counts[0] += 1
        points, none = self.rng.random((n, self.given.n_dim)), np.zeros(n, dtype=bool)
        stage = Stage(Phase.EXPLORATION, counts)
        pending = PendingStage(stage, points, np.full(n, np.nan), None, none)
        self.state = replace(state, proposals=proposals, pending=pending)
        self.save(PLAN)
        order = self.rng.permutation(n)
        for start in range(0, n, self.given.n_chunk):
            rows = order[start : start + self.given.n_chunk]
            blobs = self.rng.random((len(rows), self.given.n_blobs)) if self.given.n_blobs else None
            pending = pending.fill(rows, self.rng.standard_normal(len(rows)), blobs)
            self.state = replace(self.state, pending=pending)
            self.save(PART, is_step=False)
        ledger = self.state.ledger.append(stage, points, pending.log_l, pending.blobs)
        self.state = replace(self.state, ledger=ledger, pending=None)
        self.save(STAGE)

    def row(self) -> dict[str, Any]:
        """Close the file, measure it, and go on; the clocks begin anew."""
        self.checkpoint.close(self.state, Account(), self.answer)
        timed = {
            f"{kind}_{name}": round(function(self.seconds[kind]), 5)
            for kind in (PLAN, PART, STAGE)
            for name, function in (("median", statistics.median), ("max", max))
        }
        saving, n_points = sum(map(sum, self.seconds.values())), self.state.ledger.n_points
        row = {
            "n_points": n_points,
            "n_new_points": n_points - self.n_before,
            "n_proposals": len(self.state.proposals) - 1,
            "n_saves": sum(map(len, self.seconds.values())),
            "saving_seconds": round(saving, 3),
            **timed,
            "written_bytes": self.n_bytes,
            "file_bytes": self.path.stat().st_size,
            **raw_sizes(self.state),
            **read(self.path),
        }
        self.seconds, self.n_bytes, self.n_before = {}, 0, n_points
        self.checkpoint.open(self.config)
        return row


def new_growth(given: argparse.Namespace, path: Path) -> Growth:
    """Return a run without points, in its file."""
    rng = np.random.default_rng(given.seed)
    prior = make_prior_map(
        build_prior(given.n_dim), None, args=(), kwargs=None, pass_dict=False, vectorized=True
    )
    state, config = new_state(given.n_dim), Config(given.n_dim, given.seed)
    # An interval of nothing: what a run saves now and then is saved each time here.
    checkpoint = Checkpoint(CheckpointSettings(path, interval=0.0), prior)
    checkpoint.create(config, state, Account())
    fresh = endless(real_proposals(given.n_dim), rng)
    return Growth(given, path, rng, state, checkpoint, config, fresh)


def raw_sizes(state: RunState) -> dict[str, int]:
    """Return the bytes of the arrays of a run as they are in memory, and of parameters with it."""
    ledger, learned = state.ledger, state.proposals[1:]
    emulators = {id(p.emulator): p.emulator for p in learned if isinstance(p, LearnedProposal)}
    parts = tuple(emulators.values())
    records = (*parts, *ledger.stages)
    n_proposals = sum(len(encode(p, parts).data) for p in learned)
    n_proposals += sum(len(encode(record).data) for record in records)
    return {
        "points_bytes": ledger.points.nbytes,
        "log_l_bytes": ledger.log_l.nbytes,
        "blobs_bytes": 0 if ledger.blobs is None else ledger.blobs.nbytes,
        "proposals_bytes": n_proposals,
        "parameters_bytes": ledger.points.nbytes,
        "weights_bytes": ledger.log_l.nbytes,
    }


def read(path: Path) -> dict[str, Any]:
    """Return what a process of its own says about reading a file."""
    done = subprocess.run(
        [sys.executable, __file__, "--read", path], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def reading(path: Path) -> dict[str, Any]:
    """Open, load and close a file, then read its result; the system may have it in memory."""
    before, start = peak_bytes(), time.perf_counter()
    with RunStore.open(path) as store:
        opened = time.perf_counter()
        saved = store.load(None)
        loaded = time.perf_counter()
    row = {
        "open_seconds": round(opened - start, 3),
        "load_seconds": round(loaded - opened, 3),
        "load_bytes": peak_bytes() - before,
    }
    if saved.state.ledger.n_points * len(saved.state.proposals) <= N_DENSITIES_MAX:
        start = time.perf_counter()
        saved.with_densities(lambda function, tasks: [function(*task) for task in tasks])
        row["densities_seconds"] = round(time.perf_counter() - start, 3)
    del saved
    start = time.perf_counter()
    nautilus.load(path)
    row["result_seconds"] = round(time.perf_counter() - start, 3)
    return row


def peak_bytes() -> int:
    """Return the largest size of this process so far; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    told = dict(line.split(":", 1) for line in status.read_text("ascii").splitlines())
    return 1024 * int(told["VmHWM"].split()[0])


def main() -> None:
    """Read the arguments, measure, print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where the file goes")
    for name in ("n-dim", "n-stage", "n-chunk", "n-blobs", "n-new", "n-most"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--read", type=Path, help="only read this file")
    given = parser.parse_args()
    if given.read:
        print(json.dumps(reading(given.read)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        growth = new_growth(given, Path(folder) / "run.nautilus")
        sizes = [size for size in SIZES if size <= given.n_most]
        while sizes:
            growth.grow()
            n_points = growth.state.ledger.n_points
            if n_points >= sizes[0]:
                print(json.dumps(growth.row()), flush=True)
                sizes = [size for size in sizes if size > n_points]


if __name__ == "__main__":
    main()
