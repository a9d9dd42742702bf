"""Opening and closing the database of a run file."""

import itertools
import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from nautilus._archive import SQLITE_MAGIC, ZIP_MAGIC
from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointForeignError,
    CheckpointStorageError,
)
from nautilus.runfile.file_locks import address_of, has_file_locks
from nautilus.runfile.meaning import BUSY_SECONDS, RESTORE, located, translated
from nautilus.runfile.names import looked_up, remedy_of
from nautilus.runfile.own_locks import Connection, first_bytes
from nautilus.runfile.schema import APPLICATION_ID, require_known

N_HEADER = 100
"""Bytes in the header of every SQLite database."""

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

STEPS_LEAST, STEPS_PER_BYTE = 10**6, 1
"""Most steps of SQLite's interpreter until a file has been looked at; a sound one takes a tenth of
one for each byte. Pages that refer to each other in circles could keep it busy for ever."""

N_STEPS = 10**5
"""So often they are counted."""

TURN_SECONDS, PAUSE_SECONDS = 1.0, 0.01
"""SQLite waits no longer than the one for others, since no signal is handled while it does; then it
is asked again after the other, in case that it does not wait at all."""


def check_first_bytes(path: Path) -> None:
    """Refuse what is not a run file before SQLite has touched it.

    Raises
    ------
    CheckpointStorageError
        If there is no such file.
    CheckpointForeignError
        If it is a file of another kind.
    CheckpointDamagedError
        If it is empty or broke off.
    CheckpointVersionError
        If it was written by a newer version of this package.
    """
    try:
        first = first_bytes(path, N_HEADER)
    except OSError as error:
        raise CheckpointStorageError(
            f"{path} cannot be opened ({error.strerror});"
            f" {remedy_of(error, 'check the name and its permissions')}."
        ) from error
    if first is None:
        return  # it was looked at when this process opened it
    if not first:
        raise CheckpointDamagedError(f"{path} is empty. {RESTORE}")
    if first.startswith(HDF5_MAGIC):
        raise CheckpointForeignError(
            f"{path} is an HDF5 file, perhaps a checkpoint of the public package, whose runs cannot"
            " be continued here. It is left as it is; give another file name, or resume=False to"
            " keep it under a name with date and time and begin a new run."
        )
    if first.startswith(ZIP_MAGIC):
        raise CheckpointForeignError(
            f"{path} is an archive, not a run file. Posterior.load reads what Posterior.save"
            " wrote; otherwise give another file name."
        )
    if first[: len(SQLITE_MAGIC)] != SQLITE_MAGIC[: len(first)]:
        raise CheckpointForeignError(
            f"{path} is not a run file: it begins with {first[:16]!r}. Give another file name."
        )
    if len(first) < N_HEADER:
        raise CheckpointDamagedError(f"{path} ends after {len(first)} bytes. {RESTORE}")
    version, application = struct.unpack(">I4xI", first[60:72])
    if application != APPLICATION_ID:
        raise CheckpointForeignError(
            f"{path} is an SQLite database, but not a run file: its application id is"
            f" {application}, not {APPLICATION_ID}. Give another file name."
        )
    with located(path):
        require_known(version)
        if first[18:20] != b"\1\1":
            raise CheckpointDamagedError("its journal mode is not that of a run file.")


def is_hdf5(path: Path) -> bool:
    """Tell whether a file is what the public package keeps its runs in.

    Raises
    ------
    CheckpointStorageError
        If it cannot be read.
    """
    with looked_up(path):
        first = first_bytes(path, len(HDF5_MAGIC)) if path.is_file() else None
    return first == HDF5_MAGIC


def connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    """Return a connection to an existing file; transactions are begun and ended by hand.

    Raises
    ------
    CheckpointError
        If there is none.
    SettingsError
        If the environment says about locks what has no meaning.
    """
    has_locks = has_file_locks(os.environ)
    with translated(path):
        connection = sqlite3.connect(
            address_of(path.absolute().as_uri(), writes=writes, has_locks=has_locks),
            timeout=min(BUSY_SECONDS, TURN_SECONDS), isolation_level=None, uri=True,
            cached_statements=0, factory=Connection,
        )  # fmt: skip
        try:
            with looked_up(path):
                status = path.stat()
            connection.note(status)
            limit_steps(connection, status.st_size)
            # Text that is no text makes a digest fail, which says more than an error of decoding.
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
                connection.execute(f"PRAGMA {pragma}")
            if writes:
                _when_free(connection, "PRAGMA journal_mode = DELETE")
                # FULL leaves the folder unsynced: after a power cut the journal of the last save
                # could be there again, and undo it.
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("PRAGMA fullfsync = ON")  # fsync of macOS does less
            else:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def limit_steps(connection: sqlite3.Connection, n_bytes: int) -> None:
    """Let SQLite do no more than a file of some size can ask for, until `trust` is called."""
    counts = itertools.count()
    most = (STEPS_LEAST + STEPS_PER_BYTE * n_bytes) // N_STEPS
    connection.set_progress_handler(lambda: next(counts) > most, N_STEPS)


def trust(connection: sqlite3.Connection) -> None:
    """Let SQLite do whatever it takes: the file was looked at, or made here."""
    connection.set_progress_handler(None, 0)


@contextmanager
def transaction(
    connection: sqlite3.Connection, path: Path, kind: Literal["IMMEDIATE", "DEFERRED"]
) -> Iterator[None]:
    """Do everything inside, or, if anything is raised, nothing."""
    with translated(path):
        try:
            if connection.in_transaction:  # a signal kept the last one from being ended
                connection.execute("ROLLBACK")
            _when_free(connection, f"BEGIN {kind}")
            if kind == "DEFERRED":
                _when_free(connection, "PRAGMA user_version")  # any read takes the lock
            yield
            _when_free(connection, "COMMIT")
        except BaseException:
            # What went wrong may have ended the transaction already.
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise


def _when_free(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement that may have to wait for other processes; signals are handled meanwhile."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", -1) & 0xFF
            if code != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                raise
            time.sleep(min(BUSY_SECONDS, PAUSE_SECONDS))
        else:
            return


def check_integrity(connection: sqlite3.Connection) -> None:
    """Let SQLite look at every page.

    Raises
    ------
    CheckpointDamagedError
        If one is not as it should be.
    """
    rows = connection.execute("PRAGMA integrity_check(3)").fetchall()
    if rows != [("ok",)]:
        told = " ".join(str(row[0]) for row in rows)
        raise CheckpointDamagedError(f"{' '.join(told.split())[:500]}.")
