"""How a launcher such as `mpiexec` started this process, by what it writes into the environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """How a launcher started this process, with others beside it.

    Parameters
    ----------
    launcher
        Its name.
    n_ranks
        Number of processes that it started.
    rank
        Number of this one among them, from 0.
    n_local
        How many of them are on this machine, or None if that is not known.
    """

    launcher: str
    n_ranks: int
    rank: int
    n_local: int | None = None


SIGNS = (
    ("Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("MVAPICH", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    ("mpiexec", "PMI_SIZE", "PMI_RANK"),
    ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
)
"""Launchers with the variables that hold the number of processes and the own number."""


def read_launch(environ: Mapping[str, str]) -> Launch | None:
    """Return how a launcher started this process, or None if none did.

    A single task of srun counts only if it speaks to an MPI library: it may be a mere shell.
    """
    for launcher, *names in SIGNS:
        n_ranks, rank = (first_number(environ, [name]) for name in names)
        if n_ranks is None or rank is None or (launcher == "srun" and n_ranks == 1):
            continue
        local = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
        n_local = first_number(environ, local)
        return Launch(launcher, n_ranks, rank, n_local)
    return None


def first_number(environ: Mapping[str, str], names: Iterable[str]) -> int | None:
    """Return the whole number in the first of some variables that holds one, or None."""
    return next((int(environ[name]) for name in names if environ.get(name, "").isdigit()), None)
