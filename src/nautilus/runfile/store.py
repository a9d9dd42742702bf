"""A run file that one process writes and others may read at the same time."""

import os
import sqlite3
import warnings
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

from nautilus._types import RunTasks
from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointError,
    CheckpointForeignError,
    CheckpointVersionError,
    StaleLockWarning,
)
from nautilus.run.state import RunState
from nautilus.runfile import lock
from nautilus.runfile.file import (
    check_first_bytes,
    check_integrity,
    connect,
    transaction,
    trust,
)
from nautilus.runfile.header import RunHeader
from nautilus.runfile.inspection import in_this_process
from nautilus.runfile.meaning import located
from nautilus.runfile.names import make_file, publish, remove, replace
from nautilus.runfile.reading import SavedRun, build, read_rows
from nautilus.runfile.record import Account, Answer
from nautilus.runfile.schema import (
    check_tables,
    create_tables,
    migrate,
    newest,
    version_of,
)
from nautilus.runfile.writing import ToParameters, mark_of, write_row, write_state
from nautilus.runfile.written import Written


def require_free(
    path: Path, *, take_over: bool, is_kept: bool, owner: lock.Owner | None = None
) -> None:
    """Make sure that no process writes a file that is to give way to another one.

    Parameters
    ----------
    path
        Where it is.
    take_over
        Whether it is taken from a process that may still be running.
    is_kept
        Whether it will be kept under another name; then it may be of any kind.
    owner
        See `RunStore.open`.

    Raises
    ------
    CheckpointLockedError
        If it belongs to another process.
    CheckpointForeignError
        If it is not a run file and would be lost.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StaleLockWarning)
            RunStore.open(path, take_over=take_over, owner=owner).close()
    except CheckpointForeignError:
        if not is_kept:
            raise
    except (CheckpointDamagedError, CheckpointVersionError):
        pass  # nobody can be writing it


class RunStore:
    """A run file that this process writes.

    Every save is one transaction: after a power cut or `kill -9` the file holds the run as it was
    saved last. `create` and `open` make one; it is a context manager that closes the file.

    Parameters
    ----------
    path
        Where it is.
    connection
        To it.
    owner
        This process, as it stands in the file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, owner: lock.Owner) -> None:
        self.path = path
        self._connection = connection
        self._owner = owner
        self._written: Written | None = None
        self._attempt: Written | None = None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        header: RunHeader,
        state: RunState,
        account: Account | None = None,
        *,
        replaces: bool = False,
        owner: lock.Owner | None = None,
    ) -> Self:
        """Make a run file, which appears complete or not at all.

        Parameters
        ----------
        path
            Where; folders that are missing are made.
        header
            Which run it is.
        state
            Where it stands, usually at its beginning.
        account
            What is told of it beside.
        replaces
            Whether a file that is there already is lost; otherwise nothing may be there.
        owner
            See `open`.

        Raises
        ------
        CheckpointStorageError
            If something is there already, or the folder cannot be made or written to.
        """
        where = Path(path)
        beside = make_file(where, replaces=replaces)
        try:
            with (
                closing(connect(beside, writes=True)) as connection,
                transaction(connection, where, "IMMEDIATE"),
            ):
                trust(connection)
                create_tables(connection)
                write_row(connection, "run", 0, 0, header)
                written = write_state(connection, Written(), state, account or Account())
            (replace if replaces else publish)(beside, where)
        finally:
            remove(beside)
        store = cls.open(where, owner=owner)
        store._written = written  # noqa: SLF001 - one of its makers
        return store

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        take_over: bool = False,
        owner: lock.Owner | None = None,
    ) -> Self:
        """Open a run file for writing; every page of it is looked at.

        Parameters
        ----------
        path
            Where it is.
        take_over
            Whether to take it from a process that may still be running; needed if that process
            ended on another machine without closing it.
        owner
            This process as it opened the file before, if it did: on a disk that failed it may not
            have been able to give it back.

        Raises
        ------
        CheckpointStorageError
            If there is no such file, or it cannot be read and written.
        CheckpointForeignError
            If it is not a run file.
        CheckpointDamagedError
            If it is not as it was written.
        CheckpointVersionError
            If it was written by a newer version of this package.
        CheckpointLockedError
            If it belongs to another process, or to this one already.

        Warns
        -----
        StaleLockWarning
            If it is taken over.
        """
        where = Path(path)
        check_first_bytes(where)
        owner = lock.this_process(owner)
        connection = connect(where, writes=True)
        try:
            with transaction(connection, where, "IMMEDIATE"):
                if version_of(connection) == newest():
                    check_tables(connection)  # before anything in them is evaluated
                check_integrity(connection)
                migrate(connection)
                check_tables(connection)
                trust(connection)
                lock.take(connection, owner, take_over=take_over)
        except BaseException:
            connection.close()
            raise
        return cls(where, connection, owner)

    @property
    def written(self) -> tuple[Written, ...]:
        """What the file may hold, as far as this process knows.

        A save that failed may have been done nevertheless.
        """
        return tuple(one for one in (self._written, self._attempt) if one is not None)

    def follow(self, written: Written) -> bool:
        """Go on from what this process wrote or read before; false if that is not in the file."""
        with transaction(self._connection, self.path, "DEFERRED"):
            is_same = mark_of(self._connection) == written.mark
        if is_same:
            self._written = written
        return is_same

    def load(self, run_tasks: RunTasks | None = in_this_process) -> SavedRun:
        """Return the run as it was saved last; `save` then expects what grew from it.

        Parameters
        ----------
        run_tasks
            Computes densities, which are not stored, elsewhere; None leaves them out.

        Raises
        ------
        CheckpointDamagedError
            If the file is not as it was written.
        """
        with transaction(self._connection, self.path, "DEFERRED"):
            raw = read_rows(self._connection)
        with located(self.path):
            saved = build(raw)
        self._written = saved.written
        return saved if run_tasks is None else saved.with_densities(run_tasks)

    def save(
        self,
        state: RunState,
        account: Account,
        to_parameters: ToParameters | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Write what is new since the last save or load, all of it or nothing.

        Parameters
        ----------
        state
            Where the run stands; it must have grown from the state that was saved or loaded last.
        account
            What is told of it beside.
        to_parameters
            Gives the parameters of complete stages; None leaves them for a later save.
        answer
            What the complete stages say; None keeps the one that is there.

        Raises
        ------
        CheckpointMismatchError
            If it did not grow from that.
        CheckpointLockedError
            If another process took the file over, or reads it for too long.
        CheckpointStorageError
            If the file cannot be written; what was saved before is kept.
        """
        if self._written is None:
            raise CheckpointError(
                f"{self.path} was opened but not read; call load() before save()."
            )
        with transaction(self._connection, self.path, "IMMEDIATE"):
            lock.verify(self._connection, self._owner)
            written = write_state(
                self._connection, self._written, state, account, to_parameters, answer
            )
            self._attempt = written
        # If an interrupt comes just before this line, the next save writes the same rows again.
        self._written, self._attempt = written, None

    def close(self) -> None:
        """Give the file back; nothing is lost if this cannot be done."""
        # A fork must not give back what belongs to its parent. A row that stays is taken over
        # when this process has ended.
        if os.getpid() == self._owner.pid:
            with suppress(CheckpointError), transaction(self._connection, self.path, "IMMEDIATE"):
                lock.release(self._connection, self._owner)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
