"""Whether the file system is asked for locks; a switch for those whose lock calls fail."""

import os
import sqlite3
from collections.abc import Mapping

from nautilus.errors import SettingsError

VARIABLE = "NAUTILUS_FILE_LOCKS"

REMEDY = (
    f"If the lock calls of its file system do not work, set the environment variable {VARIABLE}"
    " to none, here and wherever else the file is used."
)

FAILED = frozenset({
    sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK, sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip
"""Extended error codes of SQLite by which a lock call failed, rather than being refused."""


def has_file_locks(environ: Mapping[str, str]) -> bool:
    """Tell whether lock calls are to be made.

    Raises
    ------
    SettingsError
        If the variable has a value without meaning.
    """
    value = environ.get(VARIABLE, "system")
    if value not in {"system", "none"}:
        raise SettingsError(
            f'The environment variable {VARIABLE} is {value!r}; give "system", "none" or nothing.'
        )
    return value == "system"


def address_of(uri: str, *, writes: bool, has_locks: bool) -> str:
    """Return the address under which SQLite opens a file, which must exist.

    Parameters
    ----------
    uri
        The file.
    writes
        Whether it is to be written.
    has_locks
        Whether lock calls are to be made.
    """
    if has_locks:
        return f"{uri}?mode=rw"
    # With "nolock" SQLite still asks for the lock of another process before it undoes a save that
    # was interrupted; the file system of this name, which all but Windows have, never does. As
    # nothing tells such a save from one that is going on, a mere reader must not undo it.
    mode = "rw" if writes else "ro"
    return f"{uri}?mode={mode}&nolock=1{'&vfs=unix-none' if os.name == 'posix' else ''}"
