"""What this process may use of the machine."""

import os
import platform
from dataclasses import dataclass
from math import floor
from pathlib import Path

import loky

from nautilus.cli.cgroup import read_limits

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Machine:
    """A machine and the limits on it; None stands for no limit, or for what is not known.

    Parameters
    ----------
    host, system, python
        Names with versions.
    n_cores
        Cores of the machine.
    n_allowed
        Cores on which this process may run.
    n_quota
        Processor time that this process and those beside it may use, in cores.
    n_loky
        Cores as loky counts them, and joblib with it.
    memory
        Memory of the machine, in bytes.
    memory_free
        What programs could have of it now, in bytes.
    memory_limit
        Memory that this process and those beside it may use, in bytes.
    address_limit
        Addresses that each process may use, in bytes.
    """

    host: str
    system: str
    python: str
    n_cores: int
    n_allowed: int
    n_quota: float | None
    n_loky: int
    memory: int | None
    memory_free: int | None
    memory_limit: int | None
    address_limit: int | None

    @property
    def n_usable(self) -> int:
        """Number of processes that can compute at the same time, at least 1."""
        quota = self.n_allowed if self.n_quota is None else floor(self.n_quota)
        return max(1, min(self.n_allowed, quota))


def read_machine(root: Path = Path("/")) -> Machine:
    """Look at the machine.

    Parameters
    ----------
    root
        Where `proc` and `sys` are found.
    """
    limits = read_limits(root)
    memory, memory_free = (read_memory(root, name) for name in ("MemTotal", "MemAvailable"))
    n_cores = os.cpu_count() or 1
    return Machine(
        host=platform.node(),
        system=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        n_cores=n_cores,
        n_allowed=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else n_cores,
        n_quota=limits.n_cpus,
        n_loky=loky.cpu_count(),
        memory=memory,
        memory_free=memory_free,
        memory_limit=limits.memory,
        address_limit=_address_limit(),
    )


def read_memory(root: Path, name: str) -> int | None:
    """Return an entry of `/proc/meminfo` in bytes, or None where there is none."""
    try:
        lines = (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(found[0]) if found else None


def _address_limit() -> int | None:
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft
