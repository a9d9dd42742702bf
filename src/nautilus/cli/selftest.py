"""A trial of each backend, each apart from this process and for a limited time."""

import json
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nautilus.cli.apart import Ended, run_apart

TRIAL = ("-m", "nautilus.cli.trial")
N_RANKS = 3
"""Ranks of a trial with MPI: the one that asks and two that answer."""

OVERSUBSCRIBE = {
    "OMPI_MCA_rmaps_base_oversubscribe": "true",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
"""With these, Open MPI (4, 5) starts more ranks than there are cores, as others do unasked."""
MAX_NOTE = 400
"""Characters of a reason that are shown."""


@dataclass(frozen=True)
class SelfTest:
    """A backend to be tried.

    Parameters
    ----------
    trial
        Name of the trial.
    pool
        What a user would give as `pool`.
    package
        What has to be installed for it, empty if nothing beyond this package.
    is_launched
        Whether a launcher has to start it.
    module
        A module that runs the trial, as further arguments of the interpreter.
    """

    trial: str
    pool: str
    package: str = ""
    is_launched: bool = False
    module: tuple[str, ...] = ()


SELF_TESTS = (
    SelfTest("serial", "None"),
    SelfTest("threads", "ThreadPoolExecutor"),
    SelfTest("processes", "2"),
    SelfTest("executor", "ProcessPoolExecutor"),
    SelfTest("mpi", '"mpi"', "mpi4py", is_launched=True),
    SelfTest("mpi-futures", "MPIPoolExecutor", "mpi4py", True, ("-m", "mpi4py.futures")),
    SelfTest("dask", "dask Client", "distributed"),
    SelfTest("ray", "ray", "ray"),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a self-test.

    Parameters
    ----------
    pool
        What a user would give as `pool`.
    state
        How it ended.
    note
        One line: times, what went wrong, or why it was not tried.
    """

    pool: str
    state: Literal["ok", "failed", "not tried"]
    note: str


def launch_obstacle(launcher: str | None, is_rank: bool, is_in_job: bool) -> str:
    """Say why nothing can be launched, empty if it can.

    Parameters
    ----------
    launcher
        Path of the launcher, or None.
    is_rank
        Whether a launcher started this process: launchers do not start each other.
    is_in_job
        Whether this process belongs to a job: elsewhere srun would wait for one.
    """
    if is_rank:
        return "a launcher started this process"
    if launcher is None:
        return "neither mpiexec nor srun was found"
    if Path(launcher).stem == "srun" and not is_in_job:
        return "no mpiexec was found, and srun would wait for a job"
    return ""


def obstacle(test: SelfTest, unusable: Mapping[str, str], not_launched: str) -> str:
    """Say why a test cannot be tried, empty if it can.

    Parameters
    ----------
    test
        The test.
    unusable
        Packages that cannot be used, each with the reason.
    not_launched
        Why nothing can be launched, empty if it can.
    """
    return unusable.get(test.package) or (not_launched if test.is_launched else "")


def command_of(test: SelfTest, launcher: str | None) -> list[str]:
    """Return the command line of a test."""
    start = _launch(launcher) if test.is_launched and launcher is not None else []
    return [*start, sys.executable, *test.module, *TRIAL, test.trial]


def _launch(launcher: str) -> list[str]:
    # A job may have fewer tasks than the test wants; here they need no core of their own.
    extra = ["--overlap", "--overcommit"] if Path(launcher).stem == "srun" else []
    return [launcher, *extra, "-n", str(N_RANKS)]


def try_backend(test: SelfTest, command: Sequence[str], seconds: float) -> Outcome:
    """Run the command of a test, for `seconds` at most, and read its answer."""
    ended = run_apart(command, seconds, {**OVERSUBSCRIBE, **os.environ})
    answer = answer_of(ended)
    if ended.status == 0 and "call_seconds" in answer:
        start, call = answer["start_seconds"], 1e6 * answer["call_seconds"]
        return Outcome(test.pool, "ok", f"{start:.2f} s to start, {call:.0f} us per call")
    if ended.status is None:
        return Outcome(test.pool, "failed", f"no answer within {seconds:g} s")
    reason = str(answer.get("error", ended.reason))
    return Outcome(test.pool, "failed", textwrap.shorten(reason, MAX_NOTE, placeholder=" ..."))


def answer_of(ended: Ended) -> dict[str, Any]:
    """Return what a trial has printed, empty if it came to no answer."""
    lines = [line for line in ended.output.splitlines() if line.startswith("{")]
    try:
        answer: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    except ValueError:
        answer = {}
    return answer
