"""Repeated runs of the sampler on problems with known answers, each in a process of its own."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

import nautilus
from nautilus.evaluate.threads import THREAD_VARIABLES
from nautilus.testing.marginals import summarise
from nautilus.testing.problems import Problem, unit_prior

Answer = TypeVar("Answer")

Estimator = Callable[[Any], tuple[float, float]]
"""Takes a finished sampler, returns log Z and its quoted error."""

DECIDING_PARTS = (
    "*.py", "run/*.py", "proposal/*.py", "emulator/*.py", "geometry/*.py", "evaluate/*.py",
    "prior/*.py", "testing/problems/*.py", "testing/marginals.py",
)  # fmt: skip
"""The parts of the package whose change makes stored runs worthless."""


@dataclass(frozen=True)
class Task:
    """One run to be made.

    Attributes
    ----------
    problem
        Name of the problem.
    factory
        Builds the problem.
    seed
        Seed of the sampler.
    n_eff
        Effective sample size wanted, once with points kept and once with exploration discarded.
    timeout
        Most seconds for each of the two.
    settings
        Further keywords of the sampler.
    """

    problem: str
    factory: Callable[[], Problem]
    seed: int
    n_eff: float
    timeout: float = 600.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Text that is the same for two runs only if their numbers must be the same."""
        numbers = {"n_eff": self.n_eff, "seed": self.seed, "settings": dict(self.settings)}
        return f"{self.problem} {json.dumps(numbers, sort_keys=True)} {code_digest()}"


@dataclass(frozen=True)
class Row:
    """What one run gave, with points kept or with exploration discarded.

    Attributes
    ----------
    key
        Key of the task.
    problem, seed, is_fresh
        Which run; `is_fresh` tells whether exploration was discarded.
    log_z, log_z_err, n_eff, eta
        Answers of the sampler; NaN if the run broke off.
    n_like
        Likelihood calls until then, exploration included.
    seconds, cpu_seconds
        Time until then; the likelihoods take well below one microsecond per point, so nearly
        all of it is the sampler's own.
    is_success, reason, findings
        Whether the goal was reached, why the run stopped, and what the sampler itself says
        against its result.
    values, errors, distances, sizes
        Averages over the posterior, see `nautilus.testing.marginals.Summary`.
    """

    key: str
    problem: str
    seed: int
    is_fresh: bool
    log_z: float
    log_z_err: float
    n_eff: float
    n_like: int
    eta: float
    seconds: float
    cpu_seconds: float
    is_success: bool
    reason: str
    findings: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    distances: tuple[float, ...]
    sizes: tuple[float, ...]

    def to_json(self) -> str:
        """Return the row as one line of JSON; NaN and infinity as Python's module writes them."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Return the row that `to_json` wrote."""
        stored: dict[str, Any] = json.loads(line)
        for name, value in stored.items():
            stored[name] = tuple(value) if isinstance(value, list) else value
        return cls(**stored)


@cache
def code_digest(*further: str) -> str:
    """Return a digest of the source code that decides about the numbers of a run.

    Parameters
    ----------
    *further
        Further parts of the package that count, as patterns like those of `DECIDING_PARTS`.
    """
    root = Path(nautilus.__file__).parent
    digest = blake2b(digest_size=8)
    for pattern in (*DECIDING_PARTS, *further):
        paths = sorted(root.glob(pattern))
        if not paths:
            raise FileNotFoundError(f"no file of the package matches {pattern}")
        for path in paths:
            digest.update(path.read_bytes())
    return digest.hexdigest()


# Now, while the code in memory is that of the files: an edit during a run must not relabel it.
code_digest()


def quoted(sampler: Any) -> tuple[float, float]:
    """Return the evidence that the sampler quotes, and its error."""
    return float(sampler.log_z), float(sampler.log_z_err)


def run_task(task: Task, estimator: Estimator = quoted) -> list[Row]:
    """Make one run through the public interface.

    Parameters
    ----------
    task
        The run.
    estimator
        What to judge instead of the sampler's own evidence.

    Returns
    -------
    rows
        Two rows: when `n_eff` was reached with points kept, and when the run, continued, reached
        it again with exploration discarded.
    """
    problem = task.factory()
    sampler = nautilus.Sampler(
        unit_prior,
        problem.log_likelihood,
        n_dim=problem.n_dim,
        pass_dict=False,
        vectorized=True,
        periodic=list(problem.periodic),
        seed=task.seed,
        **task.settings,
    )
    start, cpu_start = time.perf_counter(), time.process_time()
    rows = []
    for is_fresh in (False, True):
        outcome = sampler.run(
            n_eff=task.n_eff, discard_exploration=is_fresh, timeout=task.timeout, verbose=False
        )
        spent = time.perf_counter() - start, time.process_time() - cpu_start
        rows.append(_read(task, problem, sampler, estimator, is_fresh, bool(outcome), spent))
    return rows


def _read(
    task: Task,
    problem: Problem,
    sampler: Any,
    estimator: Estimator,
    is_fresh: bool,
    is_success: bool,
    spent: tuple[float, float],
) -> Row:
    """Read the answers of a sampler that has just stopped."""
    points, log_weights, _ = sampler.posterior()  # first: it says why there is no result
    log_z, log_z_err = estimator(sampler)
    summary = summarise(np.asarray(points), np.asarray(log_weights), problem)
    result = sampler.result
    return Row(
        key=task.key,
        problem=task.problem,
        seed=task.seed,
        is_fresh=is_fresh,
        log_z=log_z,
        log_z_err=log_z_err,
        n_eff=float(sampler.n_eff),
        n_like=int(sampler.n_like),
        eta=float(sampler.eta),
        seconds=spent[0],
        cpu_seconds=spent[1],
        is_success=is_success,
        reason=str(result.stop_reason),
        findings=tuple(result.findings),
        values=tuple(summary.values.tolist()),
        errors=tuple(summary.errors.tolist()),
        distances=tuple(summary.distances.tolist()),
        sizes=tuple(summary.sizes.tolist()),
    )


def broken(task: Task, error: BaseException) -> list[Row]:
    """Return the rows of a run that raised: no numbers, and the error as the reason."""
    nan = float("nan")
    reason = f"{type(error).__name__}: {error}"
    return [
        Row(
            task.key, task.problem, task.seed, is_fresh, nan, nan, nan, 0, nan, nan, nan, False,
            reason, (), (), (), (), (),
        )
        for is_fresh in (False, True)
    ]  # fmt: skip


def _run_apart(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """Call in a new process, so that no run can depend on, or bring down, another."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, *arguments).result()


def side_by_side(
    function: Callable[..., Answer], jobs: Sequence[tuple[Any, ...]], n_workers: int
) -> Iterator[tuple[int, Answer | BaseException]]:
    """Call a function for each job, some at a time, each in a new process with one thread.

    Parameters
    ----------
    function
        Of a module, so that another process finds it.
    jobs
        Its arguments.
    n_workers
        How many at a time.

    Yields
    ------
    number, answer
        Which job has ended, in any order, and what the function returned; or the error that it
        raised, or that says how its process died.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"  # read by the numerical libraries of the new processes
    with ThreadPoolExecutor(n_workers) as threads:
        futures = {
            threads.submit(_run_apart, function, *job): number for number, job in enumerate(jobs)
        }
        try:
            for future in as_completed(futures):
                error = future.exception()
                yield futures[future], future.result() if error is None else error
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def run_tasks(
    tasks: Sequence[Task], n_workers: int = 2, estimator: Estimator = quoted
) -> Iterator[list[Row]]:
    """Make runs side by side, each in a new process with one numerical thread.

    Parameters
    ----------
    tasks
        Runs to be made.
    n_workers
        How many at a time.
    estimator
        What to judge instead of the sampler's own evidence; a function that can be pickled.

    Yields
    ------
    rows
        The two rows of each run as it ends, in any order. A run that raised, or whose process
        died, gives rows without numbers.
    """
    for number, answer in side_by_side(run_task, [(task, estimator) for task in tasks], n_workers):
        yield broken(tasks[number], answer) if isinstance(answer, BaseException) else answer
