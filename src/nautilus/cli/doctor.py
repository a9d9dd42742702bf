"""The command `doctor`: why a parallel run is slow, or does not start."""

import argparse
import os
from collections.abc import Iterator
from typing import Any

from nautilus.cli import page
from nautilus.cli.advice import advise
from nautilus.cli.examination import Examination, examine, is_sound, text_of
from nautilus.cli.mpi import ask_here
from nautilus.cli.selftest import (
    SELF_TESTS,
    Outcome,
    command_of,
    launch_obstacle,
    obstacle,
    try_backend,
)
from nautilus.evaluate.launch import read_launch

TIMEOUT = 60.0
DESCRIPTION = """
Tell why a parallel run is slow, or why it does not start: what this process may use of the
machine, the job, MPI, threads, packages, and whether each backend works. Run it where the run
itself is slow: inside the job script.
"""
EPILOG = """
Exit status: 0 if everything that is installed works, 1 if a package cannot be imported, MPI does
not start, or a self-test fails, 2 for a wrong command line. Advice does not change it.
"""


def add_to(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="why a parallel run is slow, or does not start",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("--no-tests", action="store_true", help="leave the self-tests out")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help="longest time for one self-test or import (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Print the report and return the exit status."""
    launch = read_launch(os.environ)
    if launch is not None and launch.rank > 0:
        # Rank 0 speaks for all; MPI starts once every rank has come.
        ask_here()
        return 0
    report = examine(os.environ, options.timeout)
    print(text_of(report), end="\n\n")
    advice = advise(report) or ("Nothing is wrong, as far as it can be seen from here.",)
    print(page.paragraphs("advice", advice), flush=True)
    outcomes = []
    if not options.no_tests:
        print("\nself-tests")
        for outcome in try_all(report, options.timeout):
            print(page.line(f"pool={outcome.pool}", f"{outcome.state}: {outcome.note}"), flush=True)
            outcomes.append(outcome)
    has_failed = any(outcome.state == "failed" for outcome in outcomes)
    return 0 if is_sound(report) and not has_failed else 1


def try_all(report: Examination, seconds: float) -> Iterator[Outcome]:
    """Yield what became of each self-test, in order and as soon as it ends."""
    unusable = {
        package.name: f"{package.name} "
        + ("cannot be imported" if package.problem else "is not installed")
        for package in report.optional
        if not package.is_usable
    }
    not_launched = launch_obstacle(
        report.launcher, report.launch is not None, report.job is not None
    )
    for test in SELF_TESTS:
        why = obstacle(test, unusable, not_launched)
        if why:
            yield Outcome(test.pool, "not tried", why)
        else:
            yield try_backend(test, command_of(test, report.launcher), seconds)
