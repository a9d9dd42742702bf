"""What is wrong or surprising, and what to do about it."""

from collections.abc import Iterator
from math import ceil

from nautilus.cli.examination import Examination
from nautilus.cli.jobs import BatchJob
from nautilus.cli.machine import Machine
from nautilus.cli.mpi import Mpi
from nautilus.evaluate.launch import Launch

WORKER_BYTES = 300 << 20
"""What a worker takes with NumPy and SciPy loaded and a small likelihood, with room to spare."""


def advise(report: Examination) -> tuple[str, ...]:
    """Return sentences, none where nothing is wrong."""
    return (
        *_about_cores(report.machine),
        *_about_memory(report.machine),
        *_about_threads(report),
        *(_about_job(report.job, report.launch, report.machine) if report.job else ()),
        *(_about_ranks(report.launch, report.mpi, report.machine) if report.launch else ()),
        *_about_mpi(report),
        *(
            f"{package.name} is installed but cannot be imported ({package.problem}). Reinstall "
            "it, or remove it."
            for package in (*report.required, *report.optional)
            if package.problem
        ),
    )


def _about_cores(machine: Machine) -> Iterator[str]:
    usable = machine.n_usable
    if machine.n_quota is not None and machine.n_quota < machine.n_allowed:
        yield (
            f"A quota of this container or job allows the processor time of {machine.n_quota:.4g} "
            f"cores, though this process may run on {machine.n_allowed}. More processes than that "
            f"are slower, not faster: give pool={usable}, or ask for a larger quota."
        )
    if machine.n_allowed == 1 < machine.n_cores:
        yield (
            f"This process may run on one of {machine.n_cores} cores only, and so may every "
            "process that it starts. If that is not meant, start it without binding: "
            "mpiexec --bind-to none, srun --cpus-per-task=N, or no taskset."
        )
    quota = machine.n_allowed if machine.n_quota is None else ceil(machine.n_quota)
    if machine.n_loky > max(usable, quota):
        yield (
            f"Programs that count cores find {machine.n_loky}, but {usable} can be used. Set "
            f"LOKY_MAX_CPU_COUNT={usable}, and give pool a number."
        )


def _about_memory(machine: Machine) -> Iterator[str]:
    known = [n for n in (machine.memory_free, machine.memory_limit) if n is not None]
    if known and min(known) < machine.n_usable * WORKER_BYTES:
        n_workers = max(1, min(known) // WORKER_BYTES)
        yield (
            f"There are {min(known) / (1 << 30):.1f} GiB of memory for {machine.n_usable} cores: "
            "workers may be killed. Ask for more memory, or take no more than "
            f"pool={n_workers}."
        )
    if machine.address_limit is not None:
        yield (
            f"Each process may use {machine.address_limit / (1 << 30):.1f} GiB of addresses "
            "(ulimit -v). Numerical libraries reserve far more than they use and may fail to "
            "start. Lift the limit with ulimit -v unlimited."
        )


def _about_threads(report: Examination) -> Iterator[str]:
    several = [
        f"{name}={value}"
        for name, value in report.thread_variables
        if value.isdigit() and int(value) > 1
    ]
    if several:
        yield (
            f"{', '.join(several)}: with a pool, each worker may start that many threads in "
            "whatever the likelihood calls besides NumPy and SciPy, whose threads are limited. "
            "Set it to 1 unless one call is to use several cores (threads_per_worker)."
        )


def _about_job(job: BatchJob, launch: Launch | None, machine: Machine) -> Iterator[str]:
    if job.cpus_per_task is not None and machine.n_allowed < job.cpus_per_task:
        yield (
            f"The job asked for {job.cpus_per_task} CPUs per task, but this process may run on "
            f"{machine.n_allowed}. Steps of Slurm do not inherit the number: start the script "
            "with srun --cpus-per-task=$SLURM_CPUS_PER_TASK."
        )
    if launch is None and job.n_nodes is not None and job.n_nodes > 1:
        yield (
            f"The job has {job.n_nodes} nodes, but a number as pool uses this one only. Start the "
            'script with mpiexec or srun and give pool="mpi", or use Dask or Ray; otherwise ask '
            "for one node."
        )


def _about_ranks(launch: Launch, mpi: Mpi | None, machine: Machine) -> Iterator[str]:
    if launch.n_ranks > 1 and (mpi is None or mpi.n_ranks <= 1):
        why = (
            "mpi4py is not installed or cannot be imported"
            if mpi is None
            else mpi.problem or "each of them sees only itself"
        )
        yield (
            f"{launch.launcher} started {launch.n_ranks} copies of this program that do not know "
            f"of each other through MPI ({why}). Each would run the whole script. Start one with "
            "all cores instead (srun --ntasks=1 --cpus-per-task=N, pool=N), or use the launcher of "
            "the MPI library that mpi4py was built with (with srun, try --mpi=pmix or --mpi=pmi2)."
        )
    n_local = launch.n_ranks if launch.n_local is None else launch.n_local
    n_most = machine.n_cores if machine.n_quota is None else int(machine.n_quota) or 1
    if (launch.n_local is not None or launch.launcher != "srun") and n_local > n_most:
        yield (
            f"{n_local} ranks share {n_most} cores of this machine. Start no more ranks than "
            "there are cores: those that wait for a core hold up the others."
        )


def _about_mpi(report: Examination) -> Iterator[str]:
    if report.mpi is None:
        return
    if report.mpi.problem:
        yield (
            f"mpi4py is installed, but MPI does not start ({report.mpi.problem}). Load the module "
            "of the MPI library that mpi4py was built with, or install mpi4py anew where that "
            "library is loaded."
        )
    elif report.launcher is None and report.launch is None:
        yield (
            "mpi4py is installed, but no mpiexec is on PATH or beside this Python. Load the module "
            "of the cluster's MPI library, or install one (pip install mpich)."
        )
