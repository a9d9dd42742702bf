"""The names of run files: looked up, given all at once, given up."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from secrets import token_hex

from nautilus.errors import CheckpointStorageError
from nautilus.runfile.file_locks import has_file_locks

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

N_BESIDE = 30
"""So much longer are names of files beside a run file, at most."""

SAVE_SECONDS, PAUSE_SECONDS = 5.0, 0.01
"""What is there of a save after the first of these times was left by a process that was killed; it
is looked at as often as the second says."""


def is_there(path: Path) -> bool:
    """Tell whether there is a file, or anything else, of a name.

    Raises
    ------
    CheckpointStorageError
        If that cannot be found out, or the name is a link to nothing.
    """
    with looked_up(path):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            if path.is_symlink():
                raise CheckpointStorageError(
                    f"{path} is a link to {path.readlink()}, where there is nothing. Remove it, or"
                    " bring back what it leads to."
                ) from None
            return False
    return True


@contextmanager
def looked_up(path: Path) -> Iterator[None]:
    """Turn what the system says into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise CheckpointStorageError(
            f"{path} cannot be looked up ({error.strerror});"
            f" {remedy_of(error, 'check the name and the permissions of its folders')}."
        ) from error


def make_file(path: Path, *, replaces: bool) -> Path:
    """Return the name of a new, empty file beside the one that is to be made.

    Folders that are missing are made.

    Parameters
    ----------
    path
        The one that is to be made.
    replaces
        Whether it may be there already.

    Raises
    ------
    CheckpointStorageError
        If that name is taken, or cannot be given.
    """
    if is_there(path) and not replaces:
        raise _taken(path)
    journal = journal_of(path)
    if is_there(journal) and not replaces:  # SQLite would bring its old pages into the new file
        raise CheckpointStorageError(
            f"{journal} is left of a run file that was removed or moved. Remove it, or move it back"
            " beside its file."
        )
    beside = path.with_name(f".{path.name}.{token_hex(8)}.new")
    with _permitted(path, "made"):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch(exist_ok=False)
    return beside


def publish(beside: Path, path: Path) -> None:
    """Give a complete file its name, all at once, unless the name is taken.

    Raises
    ------
    CheckpointStorageError
        If it is taken, or cannot be given.
    """
    try:
        path.hardlink_to(beside)
    except FileExistsError as error:
        # A network file system that asks its server twice is told so of the link it has just made.
        with looked_up(path):
            is_made = path.exists() and path.samefile(beside)
        if not is_made:
            raise _taken(path) from error
    except OSError:  # some file systems have no links
        if is_there(path):
            raise _taken(path) from None
        with _permitted(path, "made"):
            beside.rename(path)
    remove(beside)
    _make_durable(path)


def replace(beside: Path, path: Path) -> None:
    """Give a complete file its name, all at once; a file of that name is lost.

    Raises
    ------
    CheckpointStorageError
        If it cannot be given.
    """
    with _permitted(path, "replaced"):
        # SQLite would bring the old pages of the lost file into the new one.
        journal_of(path).unlink(missing_ok=True)
        beside.replace(path)
    _make_durable(path)


def journal_of(path: Path) -> Path:
    """Return where SQLite notes what a transaction changes in a file."""
    return path.with_name(f"{path.name}-journal")


def needs_writer(path: Path) -> bool:
    """Tell whether a file cannot be read before somebody has undone a save that was interrupted.

    With locks, whoever comes next undoes it. Without them only time tells it from one that is
    going on, which this waits for.
    """
    if has_file_locks(os.environ):
        return False
    end = time.monotonic() + SAVE_SECONDS
    while is_there(journal_of(path)):
        if time.monotonic() >= end:
            return True
        time.sleep(PAUSE_SECONDS)
    return False


def _make_durable(path: Path) -> None:
    with suppress(OSError), _folder(path.absolute().parent) as descriptor:
        _sync(descriptor)


def _sync(descriptor: int) -> None:
    # On macOS, fsync leaves what it is given to the disk, which may keep it in memory.
    command = getattr(fcntl, "F_FULLFSYNC", None)
    if command is not None:
        with suppress(OSError):  # not every file system can do so
            fcntl.fcntl(descriptor, command)
            return
    os.fsync(descriptor)


def _taken(path: Path) -> CheckpointStorageError:
    return CheckpointStorageError(
        f"{path} exists and is not written over; open it to continue, or give another name."
    )


@contextmanager
def _permitted(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointStorageError(
            f"{path} cannot be {done} ({error.strerror});"
            f" {remedy_of(error, 'check that its folder may be written to')}."
        ) from error


def remedy_of(error: OSError, usual: str) -> str:
    """Return what to do about an error that the system gives for a name."""
    if error.errno != errno.ENAMETOOLONG:
        return usual
    return f"give a shorter one: files beside it have names that are {N_BESIDE} bytes longer"


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def try_folder(path: Path) -> None:
    """Find out whether a file can be made.

    Raises
    ------
    CheckpointStorageError
        If its folder cannot be made or written to.
    """
    remove(make_file(path, replaces=False))


def set_aside(path: Path, moment: datetime) -> Path:
    """Rename a file, with what SQLite keeps beside it, after the moment and return its new name.

    Raises
    ------
    CheckpointStorageError
        If it cannot be renamed.
    """
    stem = f"{path.stem}-{moment:%Y%m%d-%H%M%S}"
    numbers = ("", *(f"-{n}" for n in range(1, 1000)))
    names = (path.with_name(f"{stem}{number}{path.suffix}") for number in numbers)
    kept = next(name for name in names if not is_there(name))
    with _permitted(path, "renamed"):
        with suppress(FileNotFoundError):
            journal_of(path).rename(journal_of(kept))
        path.rename(kept)
    _make_durable(path)
    return kept


def remove(beside: Path) -> None:
    """Remove a file that got no name, with its journal."""
    for name in (beside, journal_of(beside)):
        with suppress(OSError):
            name.unlink(missing_ok=True)
