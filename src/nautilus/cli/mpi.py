"""What MPI says of itself."""

import json
import sys
from dataclasses import dataclass
from importlib import import_module

from nautilus.cli.apart import run_apart

QUESTION = """
import json
from mpi4py import MPI
print()
print(json.dumps([MPI.Get_library_version(), MPI.COMM_WORLD.Get_size()]))
"""


@dataclass(frozen=True)
class Mpi:
    """The MPI library that mpi4py has loaded.

    Parameters
    ----------
    library
        Its name and version, empty if it did not start.
    n_ranks
        Number of processes that it sees; 0 if it did not start.
    problem
        One line about what went wrong, otherwise empty.
    """

    library: str
    n_ranks: int
    problem: str = ""


def ask_here() -> Mpi:
    """Start MPI in this process: only for one that a launcher started, since others wait for it."""
    try:
        mpi = import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:
        return Mpi("", 0, f"{type(error).__name__}: {error}")
    return Mpi(_first_line(mpi.Get_library_version()), mpi.COMM_WORLD.Get_size())


def ask_apart(seconds: float) -> Mpi:
    """Start MPI in another process: a library that is broken ends the process that loads it."""
    ended = run_apart([sys.executable, "-c", QUESTION], seconds)
    if ended.status != 0:
        return Mpi("", 0, ended.reason)
    library, n_ranks = json.loads(ended.output.splitlines()[-1])
    return Mpi(_first_line(library), n_ranks)


def _first_line(text: str) -> str:
    return " ".join(text.splitlines()[0].split())
