"""What batch systems write into the environment of a process."""

from collections.abc import Mapping
from dataclasses import dataclass

from nautilus.evaluate.launch import first_number

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class BatchJob:
    """The job that this process belongs to; None stands for what the system does not tell.

    Parameters
    ----------
    system
        Name of the batch system.
    number
        Number of the job.
    n_nodes, n_tasks, cpus_per_task
        What was asked for.
    memory_per_node, memory_per_cpu
        What was asked for, in bytes.
    end
        When the job will be ended, in seconds since 1970.
    """

    system: str
    number: str
    n_nodes: int | None = None
    n_tasks: int | None = None
    cpus_per_task: int | None = None
    memory_per_node: int | None = None
    memory_per_cpu: int | None = None
    end: int | None = None


def read_job(environ: Mapping[str, str]) -> BatchJob | None:
    """Return the job that the environment tells of, or None outside of one."""

    def number(*names: str) -> int | None:
        return first_number(environ, names)

    if "SLURM_JOB_ID" in environ:
        return BatchJob(
            "Slurm",
            environ["SLURM_JOB_ID"],
            number("SLURM_JOB_NUM_NODES", "SLURM_NNODES"),
            number("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"),
            number("SLURM_CPUS_PER_TASK"),
            _mebibytes(number("SLURM_MEM_PER_NODE")),
            _mebibytes(number("SLURM_MEM_PER_CPU")),
            number("SLURM_JOB_END_TIME"),
        )
    if "PBS_JOBID" in environ:
        return BatchJob("PBS", environ["PBS_JOBID"], number("PBS_NUM_NODES"), number("PBS_NP"))
    if "LSB_JOBID" in environ:
        # Pairs of a host and its number of slots.
        n_nodes = len(environ.get("LSB_MCPU_HOSTS", "").split()) // 2
        return BatchJob("LSF", environ["LSB_JOBID"], n_nodes or None, number("LSB_DJOB_NUMPROC"))
    if "SGE_TASK_ID" in environ:
        return BatchJob(
            "Grid Engine", environ.get("JOB_ID", "?"), number("NHOSTS"), number("NSLOTS")
        )
    return None


def _mebibytes(n: int | None) -> int | None:
    return None if n is None else n * MEBIBYTE
