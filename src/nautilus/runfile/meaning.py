"""What errors of SQLite mean, and which file an error is about."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nautilus.errors import (
    CheckpointBusyError,
    CheckpointDamagedError,
    CheckpointError,
    CheckpointStorageError,
)
from nautilus.runfile.file_locks import FAILED, REMEDY

BUSY_SECONDS = 60.0
"""So long a process waits for others to finish a transaction."""

PATH_BYTES = 480
"""SQLite takes 512, of the longest name that is given to a file beside the run file."""

REFUSED = {
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_NOLFS,
}  # fmt: skip
MISUSED = {sqlite3.SQLITE_MISUSE, 0xFF}
"""Of this package or of who uses it: no file makes them; the latter comes from Python."""

OUT_OF_TURN = ("cannot start a transaction", "cannot commit", "cannot rollback")
"""So begin messages about transactions within others, or that are over."""

WAITED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

TOLD = {
    **dict.fromkeys(FAILED, f"cannot be locked. {REMEDY}"),
    sqlite3.SQLITE_READONLY_ROLLBACK: (
        "cannot be read: a save is going on, or was interrupted and has to be undone, which takes"
        " somebody who may write the file and its folder: check permissions, or run the script of"
        " the run."
    ),
}
"""What to say of some extended error codes of SQLite."""

RESTORE = "Restore it from a copy, or begin a new run with another file name."


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into those of this package, and name the file."""
    try:
        with located(path):
            yield
    except sqlite3.Error as error:
        raise _meaning(error, path) from error
    except MemoryError as error:  # SQLite also says so of some tables that are no tables
        raise CheckpointStorageError(
            f"{path} cannot be read or written: there is not enough memory, or what describes its"
            " tables is damaged."
        ) from error
    except UnicodeDecodeError as error:  # of a message that tells what stands in the file
        raise CheckpointDamagedError(f"{path} is damaged: {error}. {RESTORE}") from error


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Name the file in an error that does not."""
    try:
        yield
    except CheckpointDamagedError as error:
        raise CheckpointDamagedError(_name(path, "is damaged", error, RESTORE)) from error
    except CheckpointError as error:
        raise type(error)(_name(path, "cannot be used", error, "")) from error


def _name(path: Path, what: str, error: CheckpointError, remedy: str) -> str:
    if str(error).startswith(str(path)):
        return str(error)
    return f"{path} {what}: {error} {remedy}".rstrip()


def _meaning(error: sqlite3.Error, path: Path) -> CheckpointError:
    # The lowest byte is the kind of an error, the others tell more.
    extended = getattr(error, "sqlite_errorcode", -1)
    code = extended & 0xFF
    if code in WAITED:  # also where the server of a network file system answers "no locks"
        return CheckpointBusyError(
            f"{path} is being used by another process ({error}, waited {BUSY_SECONDS:g} s). Try"
            f" again. {REMEDY}"
        )
    if extended in TOLD:
        return CheckpointStorageError(f"{path} {TOLD[extended]}")
    if code == sqlite3.SQLITE_CANTOPEN and len(os.fsencode(path.absolute())) > PATH_BYTES:
        return CheckpointStorageError(
            f"{path} cannot be opened ({error}): the path is too long for SQLite. Give one of"
            f" {PATH_BYTES} bytes or less."
        )
    if code in REFUSED:
        return CheckpointStorageError(
            f"{path} cannot be read or written ({error}); check permissions, free space and quota"
            " of its folder. What was saved before is kept."
        )
    if code in MISUSED or str(error).startswith(OUT_OF_TURN):
        return CheckpointError(f"{path}: {error}.")
    what = (
        "its pages refer to each other in circles"
        if code == sqlite3.SQLITE_INTERRUPT
        else str(error)
    )
    return CheckpointDamagedError(f"{path} is damaged: {what}. {RESTORE}")
