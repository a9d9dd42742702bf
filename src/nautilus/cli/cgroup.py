"""Limits that Linux sets to groups of processes: those of containers and of batch systems.

Both versions of control groups are read, as described in cgroups(7) and in the kernel's
documentation of `cpu.max`, `memory.max`, `cpu.cfs_quota_us` and `memory.limit_in_bytes`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

UNLIMITED = 1 << 60
"""Version 1 writes no limit of memory as a number near 2^63."""


@dataclass(frozen=True)
class GroupLimits:
    """The strictest limits of all groups that hold this process.

    Parameters
    ----------
    n_cpus
        Seconds of processor time per second, or None without limit.
    memory
        Bytes, or None without limit.
    """

    n_cpus: float | None
    memory: int | None


def read_limits(root: Path) -> GroupLimits:
    """Read the limits of this process.

    Parameters
    ----------
    root
        Where `proc` and `sys` are found.

    Returns
    -------
    GroupLimits
        Without any limit where the system has no control groups.
    """
    folders = list(group_folders(root))
    cpus = [n for folder in folders for n in _cpus_of(folder)]
    sizes = [n for folder in folders for n in _memory_of(folder)]
    return GroupLimits(min(cpus, default=None), min(sizes, default=None))


def group_folders(root: Path) -> Iterator[Path]:
    """Yield the folder of each group of this process, and of all groups around it."""
    own = dict(_own_groups(root))
    for controllers, origin, place in _mounts(root):
        for name in controllers & set(own):
            top = root / place.lstrip("/")
            folder = top / _inside(PurePosixPath(own[name]), origin)
            yield from (
                folder,
                *(around for around in folder.parents if around.is_relative_to(top)),
            )


def _own_groups(root: Path) -> Iterator[tuple[str, str]]:
    """Yield controllers with the path of the group; version 2 has the empty name."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            yield name, path


def _mounts(root: Path) -> Iterator[tuple[set[str], PurePosixPath, str]]:
    """Yield controllers, the group that is mounted, and where."""
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, system = line.partition(" - ")
        origin, place = mount.split()[3:5]
        kind, _, options = system.split(maxsplit=2)
        if kind == "cgroup2":
            yield {""}, PurePosixPath(origin), place
        elif kind == "cgroup":
            yield set(options.split(",")), PurePosixPath(origin), place


def _inside(group: PurePosixPath, origin: PurePosixPath) -> PurePosixPath:
    """Return the path of a group below what is mounted.

    A container may see a group by the path that it has outside, of which nothing is mounted; then
    the group mounted is its own.
    """
    if ".." in group.parts or not group.is_relative_to(origin):
        return PurePosixPath()
    return group.relative_to(origin)


def _cpus_of(folder: Path) -> Iterator[float]:
    quota_and_period = _words(folder / "cpu.max") or [
        *_words(folder / "cpu.cfs_quota_us"),
        *_words(folder / "cpu.cfs_period_us"),
    ]
    numbers = _numbers(quota_and_period)
    if len(numbers) == 2 and numbers[0] > 0 and numbers[1] > 0:
        yield numbers[0] / numbers[1]


def _memory_of(folder: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        yield from (n for n in _numbers(_words(folder / name)) if 0 <= n < UNLIMITED)


def _numbers(words: Iterable[str]) -> list[int]:
    return [int(word) for word in words if word.lstrip("-").isdigit()]


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
