"""When a run has to end by the clock on the wall."""

import math
import re
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from numbers import Real

from nautilus._numbers import as_real
from nautilus.errors import SettingsError

SLURM_MARGIN = 30.0
"""Seconds before the end of a job that are left for saving and leaving."""

QUEUE_SECONDS = 30.0
"""So long the command of the batch system may take to answer."""

TIME_LEFT = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
UNLIMITED = frozenset({"UNLIMITED", "NOT_SET"})


def seconds_left(deadline: object, grace: float, environment: Mapping[str, str]) -> float:
    """Return how long a run may go on, at least 0.

    Parameters
    ----------
    deadline
        None; a `datetime`, without a time zone in local time; seconds since 1970 in universal time;
        or "slurm" for the end of the batch job that this process belongs to.
    grace
        Seconds that calls under way may still take after that.
    environment
        Variables of this process.

    Raises
    ------
    SettingsError
        If it is anything else, or there is no such job.
    """
    if deadline is None:
        return math.inf
    if isinstance(deadline, str) and deadline == "slurm":
        return max(_left_of_job(environment) - grace - SLURM_MARGIN, 0.0)
    if isinstance(deadline, datetime):
        return max(deadline.timestamp() - time.time() - grace, 0.0)
    is_number = isinstance(deadline, Real) and not isinstance(deadline, bool)
    if not is_number or math.isnan(as_real(deadline)):
        raise SettingsError(
            f'deadline is {deadline!r}; give a datetime, seconds since 1970, "slurm", or None.'
        )
    return max(as_real(deadline) - time.time() - grace, 0.0)


def _left_of_job(environment: Mapping[str, str]) -> float:
    job, end = environment.get("SLURM_JOB_ID"), environment.get("SLURM_JOB_END_TIME", "")
    if job is None:
        raise SettingsError(
            'deadline is "slurm", but this process belongs to no job of Slurm (SLURM_JOB_ID is not'
            " set). Give the time at which the run has to end, or None."
        )
    if end.isdigit():
        return float(end) - time.time()
    task = environment.get("SLURM_ARRAY_TASK_ID")
    if task is not None:  # one job has the number of its array, which has many
        job = f"{environment.get('SLURM_ARRAY_JOB_ID', job)}_{task}"
    return parse_time_left(_ask_queue(job))


def _ask_queue(job: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the number of a job
            ["squeue", "--noheader", "--jobs", job, "--format", "%L"],  # noqa: S607 - on the path
            capture_output=True, text=True, timeout=QUEUE_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise SettingsError(
            f'deadline is "slurm", but neither SLURM_JOB_END_TIME is set nor does squeue tell the'
            f" time left of job {job} ({error}). Give the time at which the run has to end."
        ) from error
    return done.stdout


def parse_time_left(text: str) -> float:
    """Return the seconds of a time such as ``1-02:03:04`` or ``12:34``, as Slurm prints them.

    Raises
    ------
    SettingsError
        If it is no such time.
    """
    if text.strip() in UNLIMITED:
        return math.inf
    found = TIME_LEFT.fullmatch(text.strip())
    if found is None:
        raise SettingsError(
            f"squeue says that {text.strip()!r} is left of the job, which is not a time. Give the"
            " time at which the run has to end."
        )
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
