"""Reading a run file that is not to be written: the run in it, and what else it tells."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nautilus._types import RunTasks
from nautilus.runfile.file import (
    check_first_bytes,
    check_integrity,
    connect,
    limit_steps,
    transaction,
)
from nautilus.runfile.lock import Owner, read_owner
from nautilus.runfile.meaning import located
from nautilus.runfile.reading import SavedRun, build, read_rows
from nautilus.runfile.schema import check_tables, migrate, newest, pages_of, version_of


@dataclass(frozen=True)
class Inspection:
    """What stands in a run file.

    Parameters
    ----------
    saved
        The run as it was saved last, without its table of densities.
    version
        Of the schema.
    owner
        The process that has it open for writing, or was killed while it had; None if there is
        none.
    n_pages, page_bytes
        Number of pages of the database, and the size of one.
    n_rows, row_bytes
        Number of rows, each of which is as it was written, and the size of all of them.
    """

    saved: SavedRun
    version: int
    owner: Owner | None
    n_pages: int
    page_bytes: int
    n_rows: int
    row_bytes: int


def in_this_process(function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run a function on each tuple of arguments, one after the other."""
    return [function(*task) for task in tasks]


def read_run(
    path: str | os.PathLike[str], run_tasks: RunTasks | None = in_this_process
) -> SavedRun:
    """Return the run of a file that is not to be written, be it finished or under way.

    Parameters
    ----------
    path
        Where it is.
    run_tasks
        Computes densities, which are not stored, elsewhere; None leaves them out.

    Raises
    ------
    CheckpointError
        As `RunStore.open` does, but never for belonging to another process.
    """
    saved = inspect_run(path).saved
    return saved if run_tasks is None else saved.with_densities(run_tasks)


def inspect_run(path: str | os.PathLike[str], *, checks_pages: bool = False) -> Inspection:
    """Return what stands in a file that is not to be written, be it finished or under way.

    A file of an older version is read as it would be once it is brought forward.

    Parameters
    ----------
    path
        Where it is.
    checks_pages
        Whether SQLite looks at every page, also at those that are not in use.

    Raises
    ------
    CheckpointError
        As `RunStore.open` does, but never for belonging to another process.
    """
    where = Path(path)
    check_first_bytes(where)
    with (
        closing(connect(where, writes=False)) as connection,
        transaction(connection, where, "DEFERRED"),
    ):
        version, (n_pages, page_bytes) = version_of(connection), pages_of(connection)
        with _brought_forward(connection, version, n_pages * page_bytes) as current:
            check_tables(current)
            if checks_pages:
                check_integrity(connection)
            raw, owner = read_rows(current), read_owner(current)
    with located(where):
        saved = build(raw)
    return Inspection(saved, version, owner, n_pages, page_bytes, raw.n_rows, raw.n_bytes)


@contextmanager
def _brought_forward(
    connection: sqlite3.Connection, version: int, n_bytes: int
) -> Iterator[sqlite3.Connection]:
    """Give a database of the newest version: this one, or a copy in memory."""
    if version == newest():
        yield connection
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        limit_steps(copy, n_bytes)
        connection.backup(copy)
        copy.text_factory = connection.text_factory
        copy.execute("PRAGMA trusted_schema = OFF")
        migrate(copy)
        yield copy
