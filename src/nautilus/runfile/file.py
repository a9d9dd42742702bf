"""Opening and closing the database of a run file, and giving names to files."""

import errno
import itertools
import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Literal

from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointForeignError,
    CheckpointStorageError,
)
from nautilus.runfile.file_locks import address_of, has_file_locks
from nautilus.runfile.meaning import BUSY_SECONDS, RESTORE, located, translated
from nautilus.runfile.own_locks import Connection, first_bytes
from nautilus.runfile.schema import APPLICATION_ID, require_known

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

MAGIC, N_HEADER = b"SQLite format 3\0", 100
"""Every SQLite database begins with the one and has a header of the other number of bytes."""

N_BESIDE = 30
"""So much longer are names of files beside a run file, at most."""

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

STEPS_LEAST, STEPS_PER_BYTE = 10**6, 1
"""Most steps of SQLite's interpreter until a file has been looked at; a sound one takes a tenth of
one for each byte. Pages that refer to each other in circles could keep it busy for ever."""

SAVE_SECONDS = 5.0
"""What is there of a save after such a time was left by a process that was killed."""

N_STEPS = 10**5
"""So often they are counted."""

TURN_SECONDS, PAUSE_SECONDS = 1.0, 0.01
"""SQLite waits no longer than the one for others, since no signal is handled while it does; then it
is asked again after the other, in case that it does not wait at all."""


def is_there(path: Path) -> bool:
    """Tell whether there is a file, or anything else, of a name.

    Raises
    ------
    CheckpointStorageError
        If that cannot be found out, or the name is a link to nothing.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise CheckpointStorageError(
                f"{path} is a link to {path.readlink()}, where there is nothing. Remove it, or"
                " bring back what it leads to."
            ) from None
        return False
    except OSError as error:
        raise CheckpointStorageError(
            f"{path} cannot be looked up ({error.strerror});"
            f" {_remedy(error, 'check the name and the permissions of its folders')}."
        ) from error
    return True


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
            f" {_remedy(error, 'check the name and its permissions')}."
        ) from error
    if first is None:
        return  # it was looked at when this process opened it
    if not first:
        raise CheckpointDamagedError(f"{path} is empty. {RESTORE}")
    if first.startswith(HDF5_MAGIC):
        raise CheckpointForeignError(
            f"{path} is an HDF5 file, perhaps a checkpoint of the public package, whose runs cannot"
            " be continued here. It is left as it is; give another file name."
        )
    if first[: len(MAGIC)] != MAGIC[: len(first)]:
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
                connection.execute("PRAGMA fullfsync = ON")  # for macOS, see _sync
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


def make_file(path: Path, *, replaces: bool) -> Path:
    """Return the name of a new, empty file beside the one that is to be made.

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
        if not (path.exists() and path.samefile(beside)):
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
    while journal_of(path).exists():
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
            f" {_remedy(error, 'check that its folder is there and may be written to')}."
        ) from error


def _remedy(error: OSError, usual: str) -> str:
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
        If its folder is missing or cannot be written to.
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
    kept = next(name for name in names if not name.exists())
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
