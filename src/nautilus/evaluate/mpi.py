"""Workers that ``mpiexec`` or ``srun`` started: rank 0 goes on, the others serve it."""

import importlib
import os
import shutil
import sys
from concurrent.futures import Executor
from functools import cache
from pathlib import Path
from typing import Any

from nautilus.errors import BackendError

NAME = "mpi"
"""What a user gives as `pool`."""

LAUNCHERS = ("mpiexec", "mpirun", "srun")

TASK_VARIABLES = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Number of copies that a launcher says it started."""


def find_launcher() -> str | None:
    """Return the path of a program that starts MPI ranks, the one beside this Python first."""
    beside = str(Path(sys.executable).parent)
    for folder in (beside, None):
        for name in LAUNCHERS:
            found = shutil.which(name, path=folder)
            if found is not None:
                return found
    return None


@cache
def world() -> tuple[Executor, int]:
    """Return an executor on all ranks but this one, and their number.

    Ranks other than 0 never return from here: they serve until rank 0 ends, then leave the script.

    Raises
    ------
    BackendError
        If mpi4py is missing, or this process was not started together with others.
    """
    mpi = _import_mpi()
    n_ranks = int(mpi.COMM_WORLD.Get_size())
    if n_ranks == 1:
        raise BackendError(_alone())
    futures = importlib.import_module("mpi4py.futures")
    executor: Executor | None = futures.MPICommExecutor(mpi.COMM_WORLD, root=0).__enter__()
    if executor is None:
        # The workers have served: the context ended when rank 0 shut its executor down.
        raise SystemExit(0)
    return executor, n_ranks - 1


def _import_mpi() -> Any:
    try:
        return importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:
        raise BackendError(
            f"pool is 'mpi', but mpi4py cannot be used here: {error}. Install it together with an "
            "MPI library, for example with pip install mpi4py mpich."
        ) from error


def _alone() -> str:
    copies = {name: os.environ[name] for name in TASK_VARIABLES if name in os.environ}
    several = [f"{name}={n}" for name, n in copies.items() if n.isdecimal() and int(n) > 1]
    text = "pool is 'mpi', but MPI knows of this process alone; expected at least two ranks. "
    if several:
        return text + (
            f"The launcher started several copies ({', '.join(several)}) that do not find each "
            "other: it belongs to another MPI library than mpi4py uses. Start them with that "
            "library's mpiexec, or with srun --mpi=pmi2 or --mpi=pmix."
        )
    return text + (
        "Start the script with, for example, mpiexec -n 4 python script.py: one rank goes on with "
        "the script, the others work for it."
    )
