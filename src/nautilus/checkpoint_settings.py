"""From the public keywords to where and how a run is kept; checked at the door."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nautilus._warn import warn_user
from nautilus.errors import CheckpointNameWarning, PriorError, SettingsError
from nautilus.runfile.file_locks import has_file_locks
from nautilus.settings import flag, number

HDF5_SUFFIXES = frozenset({".h5", ".hdf5"})

_told: set[str] = set()
"""What was said in this process and is not said again."""

Resume = bool | Literal["overwrite"]


@dataclass(frozen=True)
class CheckpointSettings:
    """Where a run is kept, and how.

    Parameters
    ----------
    path
        The file.
    resume
        Whether the run in it is continued (True), lost (False) or kept under a dated name
        ("overwrite").
    interval
        Most seconds of wall time between two saves within a stage.
    take_over
        Whether the file is taken from a process that may still be running.
    """

    path: Path
    resume: Resume = True
    interval: float = 60.0
    take_over: bool = False


def parse_path(filepath: object) -> Path:
    """Return where a run is to be kept.

    Raises
    ------
    SettingsError
        If it is no path.

    Warns
    -----
    CheckpointNameWarning
        If the name promises another format, once in a process.
    """
    if not isinstance(filepath, (str, os.PathLike)) or not isinstance(os.fspath(filepath), str):
        raise SettingsError(f"filepath is {filepath!r}; give the name of a file, or None.")
    path = Path(filepath)
    if not path.name:
        raise SettingsError(f"filepath is {filepath!r}; give the name of a file, not of a folder.")
    if path.suffix.lower() in HDF5_SUFFIXES and not _told:
        _told.add("name")
        warn_user(
            f"{path.name} will be an SQLite database, whatever its name says; a name such as"
            f" {path.with_suffix('.nautilus').name} misleads nobody.",
            CheckpointNameWarning,
        )
    with suppress(OSError, RuntimeError):  # what is wrong is told when the file is looked up
        if path.is_symlink():
            return path.resolve(strict=True)  # what it leads to is replaced, not the link
    return path.absolute()


def parse_resume(resume: object) -> Resume:
    """Return what becomes of a file that is there.

    Raises
    ------
    SettingsError
        If it is none of True, False and "overwrite".
    """
    if isinstance(resume, (bool, np.bool_)):
        return bool(resume)
    if resume == "overwrite":
        return "overwrite"
    raise SettingsError(f'resume is {resume!r}; give True, False or "overwrite".')


def make_checkpoint_settings(
    filepath: object, resume: object, save_interval: object, take_over: object
) -> CheckpointSettings | None:
    """Return where and how a run is kept, or None if it is not.

    Raises
    ------
    SettingsError
        If a value has no meaning, be there a file or not, or what the environment says about
        locks.

    Warns
    -----
    CheckpointNameWarning
        If the name promises another format.
    """
    what, interval = parse_resume(resume), number("save_interval", save_interval, 0.0)
    is_taken = flag("take_over", take_over)
    if filepath is None:
        return None
    has_file_locks(os.environ)  # a mistake there is told now, not when the run has begun
    return CheckpointSettings(parse_path(filepath), what, interval, is_taken)


@contextmanager
def hint_at_reading(kept: CheckpointSettings | None) -> Iterator[None]:
    """Note on a `PriorError` how the run of a file is read without a prior.

    Scripts that only want to read a file give a dummy, which need not be a prior at all.
    """
    try:
        yield
    except PriorError as error:
        if kept is not None and kept.path.exists():
            path = str(kept.path)
            error.add_note(
                f"nautilus.load({path!r}) reads the result in that file without a prior."
            )
        raise
