"""All that the doctor finds out before it tries the backends, and its text."""

import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import dataclass

from threadpoolctl import threadpool_info

from nautilus._version import __version__
from nautilus.cli import page
from nautilus.cli.jobs import BatchJob, read_job
from nautilus.cli.machine import Machine, read_machine
from nautilus.cli.mpi import Mpi, ask_apart, ask_here
from nautilus.cli.packages import OPTIONAL, REQUIRED, Package, find_package, try_packages
from nautilus.evaluate.launch import Launch, read_launch
from nautilus.evaluate.mpi import find_launcher
from nautilus.evaluate.threads import THREAD_VARIABLES
from nautilus.report.format import format_duration


@dataclass(frozen=True)
class Examination:
    """Everything about machine, job, MPI, threads and packages.

    Parameters
    ----------
    machine
        The machine and the limits on it.
    job
        The job of a batch system, or None.
    launch
        How a launcher started this process, or None.
    launcher
        Path of a launcher that could start others, or None.
    mpi
        What MPI says, or None if mpi4py is not installed.
    start_method
        How `multiprocessing` starts processes.
    thread_variables
        The variables that limit threads, as far as they are set.
    thread_libraries
        Pairs of a numerical library and its number of threads in this process.
    required, optional
        Packages.
    """

    machine: Machine
    job: BatchJob | None
    launch: Launch | None
    launcher: str | None
    mpi: Mpi | None
    start_method: str
    thread_variables: tuple[tuple[str, str], ...]
    thread_libraries: tuple[tuple[str, int], ...]
    required: tuple[Package, ...]
    optional: tuple[Package, ...]


def examine(environ: Mapping[str, str], seconds: float) -> Examination:
    """Find out everything, each program that has to be asked for `seconds` at most."""
    launch = read_launch(environ)
    optional = try_packages(OPTIONAL, seconds)
    has_mpi = any(package.name == "mpi4py" and package.is_usable for package in optional)
    libraries = ((f"{it['internal_api']} {it['version']}", it) for it in threadpool_info())
    return Examination(
        machine=read_machine(),
        job=read_job(environ),
        launch=launch,
        launcher=find_launcher(),
        mpi=(ask_apart(seconds) if launch is None else ask_here()) if has_mpi else None,
        start_method=multiprocessing.get_start_method(),
        thread_variables=tuple((n, environ[n]) for n in THREAD_VARIABLES if n in environ),
        thread_libraries=tuple((name, it["num_threads"]) for name, it in libraries),
        required=(
            Package("nautilus", __version__),
            *(find_package(name) for name in REQUIRED),
        ),
        optional=optional,
    )


def text_of(report: Examination) -> str:
    """Return all sections."""
    sections = [
        page.section("this machine", _machine_rows(report.machine)),
        page.section("job", _job_rows(report.job)),
        page.section("MPI", _mpi_rows(report)),
        page.section("processes and threads", _thread_rows(report)),
        page.section("packages", [_package_row(p) for p in (*report.required, *report.optional)]),
    ]
    return "\n\n".join(sections)


def _machine_rows(machine: Machine) -> page.Rows:
    return [
        ("host", machine.host),
        ("operating system", machine.system),
        ("Python", machine.python),
        ("cores", str(machine.n_cores)),
        ("cores allowed", f"{machine.n_allowed} (affinity of this process)"),
        ("cores by quota", page.count(machine.n_quota, "no limit")),
        ("cores by loky", str(machine.n_loky)),
        ("cores to use", f"{machine.n_usable} (pool={machine.n_usable})"),
        ("memory", page.size(machine.memory, "not known")),
        ("memory available", page.size(machine.memory_free, "not known")),
        ("memory limit", page.size(machine.memory_limit, "no limit")),
        ("address limit", page.size(machine.address_limit, "no limit")),
    ]


def _job_rows(job: BatchJob | None) -> page.Rows:
    if job is None:
        return [("job", "not in a job of Slurm, PBS, LSF or Grid Engine")]
    rows = [
        ("job", f"{job.system} {job.number}"),
        ("nodes", page.count(job.n_nodes)),
        ("tasks", page.count(job.n_tasks)),
        ("CPUs per task", page.count(job.cpus_per_task)),
        ("memory per node", page.size(job.memory_per_node, "not set")),
        ("memory per CPU", page.size(job.memory_per_cpu, "not set")),
    ]
    if job.end is None:
        return [*rows, ("end", "not known")]
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.end))
    return [*rows, ("end", f"{at}, in {format_duration(max(0.0, job.end - time.time()))}")]


def _mpi_rows(report: Examination) -> page.Rows:
    launch, mpi = report.launch, report.mpi
    started = (
        "no launcher"
        if launch is None
        else f"{launch.launcher}, rank {launch.rank} of {launch.n_ranks}"
    )
    package = next(package for package in report.optional if package.name == "mpi4py")
    rows = [_package_row(package), ("started by", started), ("launcher", report.launcher or "none")]
    if mpi is None:
        return rows
    if mpi.problem:
        return [*rows, ("library", f"does not start: {mpi.problem}")]
    return [*rows, ("library", mpi.library), ("ranks", str(mpi.n_ranks))]


def _thread_rows(report: Examination) -> page.Rows:
    values = dict(report.thread_variables)
    return [
        ("start method", f"{report.start_method} (multiprocessing)"),
        *((name, values.get(name, "not set")) for name in THREAD_VARIABLES),
        *((name, f"threads: {n}") for name, n in report.thread_libraries),
    ]


def _package_row(package: Package) -> tuple[str, str]:
    if package.version is None:
        return package.name, "not installed"
    problem = f", import fails: {package.problem}" if package.problem else ""
    return package.name, f"{package.version}{problem}"


def is_sound(report: Examination) -> bool:
    """Whether every package that is installed can be imported, and MPI starts."""
    imports = not any(package.problem for package in (*report.required, *report.optional))
    return imports and not (report.mpi and report.mpi.problem)
