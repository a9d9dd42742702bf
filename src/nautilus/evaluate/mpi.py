"""Workers that ``mpiexec`` or ``srun`` started: rank 0 goes on, the others serve it."""

import atexit
import importlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from functools import cache
from pathlib import Path
from typing import Any

from nautilus.errors import BackendError
from nautilus.evaluate import leaving, worker
from nautilus.evaluate.launch import read_launch

NAME = "mpi"
"""What a user gives as `pool`."""

LAUNCHERS = ("mpiexec", "mpirun", "srun")

END_SECONDS = 1.0
"""How long calls that nobody waits for may go on after the script has ended."""


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
def lead_or_serve() -> tuple[Executor, int]:
    """Return an executor on all ranks but this one, and their number, if this is rank 0.

    Other ranks never return from here: they serve until rank 0 ends, then leave the script. All
    samplers of a script share the executor.

    Raises
    ------
    BackendError
        If mpi4py is missing, or this process was not started together with others.
    SystemExit
        On other ranks, at the end.
    """
    mpi = _import_mpi()
    n_ranks = int(mpi.COMM_WORLD.Get_size())
    if n_ranks == 1:
        raise BackendError(_alone())
    futures = importlib.import_module("mpi4py.futures")
    if mpi.COMM_WORLD.Get_rank() > 0:
        worker.leave_signals_to_owner("SIGUSR1", "SIGTERM")
    # On rank 0 there is no end of the context but that of the script, where mpi4py shuts down what
    # still runs.
    executor: Executor | None = futures.MPICommExecutor(mpi.COMM_WORLD, root=0).__enter__()
    if executor is None:
        # The workers have served: the context ended when rank 0 shut its executor down.
        raise SystemExit(0)
    return executor, n_ranks - 1


def end_without(calls: Sequence[Future[Any]]) -> None:
    """See to it that the job ends with the script although some calls go on.

    Ranks cannot be interrupted: without this, a script that ends while a call hangs keeps all of
    them, and the machines they run on, until somebody ends the job.
    """
    # Where mpi4py registers that it waits for all calls; what comes later is called before.
    register = getattr(threading, "_register_atexit", atexit.register)
    register(_end_job, calls)


def _end_job(calls: Sequence[Future[Any]]) -> None:
    if wait(calls, END_SECONDS).not_done:
        text = "The script ended while calls of the likelihood were under way; the job is ended.\n"
        os.write(2, text.encode())
        time.sleep(leaving.OUTPUT_SECONDS)
        _import_mpi().COMM_WORLD.Abort(1)


def _import_mpi() -> Any:
    try:
        return importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:
        raise BackendError(
            f"pool is 'mpi', but mpi4py cannot be used here: {error}. Install it together with an "
            "MPI library, for example with pip install mpi4py mpich."
        ) from error


def _alone() -> str:
    text = "pool is 'mpi', but MPI knows of this process alone; expected at least two ranks. "
    launch = read_launch(os.environ)
    if launch is not None and launch.n_ranks > 1:
        return text + (
            f"{launch.launcher} started {launch.n_ranks} copies that do not find each other: it "
            "belongs to another MPI library than mpi4py uses. Start them with that library's "
            "mpiexec, or with srun --mpi=pmi2 or --mpi=pmix."
        )
    return text + (
        "Start the script with, for example, mpiexec -n 4 python script.py: one rank goes on with "
        "the script, the others work for it."
    )
