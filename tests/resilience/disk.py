"""A disk under a run file whose every call can be watched, and made to fail or to end the process.

A second SQLite (apsw) takes the place of the standard library's, because its calls to the file
system go through objects in Python, and through `Disk.rule`. So do the calls that the package
itself makes to name and to remove files.
"""

import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw

from nautilus.runfile import file

SHARED, EXCLUSIVE = apsw.SQLITE_LOCK_SHARED, apsw.SQLITE_LOCK_EXCLUSIVE


@dataclass(frozen=True)
class Call:
    """One call to the file system.

    Parameters
    ----------
    kind
        Of SQLite: open, read, write, truncate, sync, size, lock, delete; of the package: create,
        look, link, rename, unlink, fsync, stat.
    path
        The file; the folder for fsync.
    data, offset
        What is written, and where.
    size
        To what a file is cut.
    target
        The new name.
    is_new
        Whether an open makes the file.
    is_durable
        Whether a delete is to be in the folder for good when it returns.
    """

    kind: str
    path: str
    data: bytes = b""
    offset: int = 0
    size: int = 0
    target: str = ""
    is_new: bool = False
    is_durable: bool = False


Perform = Callable[[], Any]
Rule = Callable[[Call, Perform], Any]
"""Is given each call, and what performs it; returns what that returns, or raises."""


def healthy(_: Call, perform: Perform) -> Any:
    """Let every call do what it does."""
    return perform()


class Disk:
    """The file system below a folder; everything elsewhere is left alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.rule: Rule = healthy
        self._vfs = _Vfs(self)

    def do(self, call: Call, perform: Perform) -> Any:
        """Let the rule decide what becomes of a call."""
        return self.rule(call, perform) if call.path.startswith(self.folder) else perform()

    def connect(self, name: str, *, timeout: float, **_: object) -> "Connection":
        """Stand in for `sqlite3.connect`."""
        return Connection(name, timeout, self._vfs.name)

    @contextmanager
    def mounted(self) -> Iterator["Disk"]:
        """Put everything that the package does with run files on this disk."""
        names = {
            "link": "link", "rename": "rename", "replace": "rename", "unlink": "unlink",
            "stat": "stat",
        }  # fmt: skip
        real = {name: getattr(os, name) for name in (*names, "open", "fsync")}
        io_open = io.open
        try:
            for name, kind in names.items():
                setattr(os, name, partial(self._named, kind, real[name]))
            os.open = partial(self._os_open, real["open"])
            os.fsync = partial(self._fsync, real["fsync"])
            io.open = partial(self._look, io_open)
            file.sqlite3 = SimpleNamespace(**{**vars(sqlite3), "connect": self.connect})
            yield self
        finally:
            file.sqlite3, io.open = sqlite3, io_open
            for name, function in real.items():
                setattr(os, name, function)

    def _named(self, kind: str, real: Perform, path: Any, *rest: Any, **more: Any) -> Any:
        target = str(rest[0]) if rest and kind in {"link", "rename"} else ""
        return self.do(Call(kind, str(path), target=target), lambda: real(path, *rest, **more))

    def _os_open(self, real: Perform, path: Any, flags: int, *rest: Any, **more: Any) -> Any:
        is_new = bool(flags & os.O_CREAT)
        call = Call("create" if is_new else "look", str(path), is_new=is_new)
        return self.do(call, lambda: real(path, flags, *rest, **more))

    def _look(self, real: Perform, path: Any, *rest: Any, **more: Any) -> Any:
        return self.do(Call("look", str(path)), lambda: real(path, *rest, **more))

    def _fsync(self, real: Perform, descriptor: int) -> Any:
        return self.do(Call("fsync", self.folder), lambda: real(descriptor))


class _Vfs(apsw.VFS):
    """The default file system of SQLite, with every call through a disk."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"disk-{id(disk)}"
        self._disk = disk
        super().__init__(self.name, "")

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's own name, as below
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        # Not by a call that could be one of those that fail.
        is_new = bool(flags[0] & apsw.SQLITE_OPEN_CREATE) and not os.access(path, os.F_OK)
        perform = partial(_File, self._disk, path, name, flags)
        return self._disk.do(Call("open", path, is_new=is_new), perform)

    def xDelete(self, name, syncdir):  # noqa: N802
        perform = partial(super().xDelete, name, syncdir)
        self._disk.do(Call("delete", name, is_durable=bool(syncdir)), perform)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, path: str, name: Any, flags: list[int]) -> None:
        self._disk, self._path = disk, path
        super().__init__("", name, flags)

    def _do(self, kind: str, perform: Perform, **details: Any) -> Any:
        return self._disk.do(Call(kind, self._path, **details), perform)

    def xRead(self, amount, offset):  # noqa: N802
        return self._do("read", partial(super().xRead, amount, offset), offset=offset)

    def xWrite(self, data, offset):  # noqa: N802
        content = bytes(data)
        write = partial(super().xWrite, content, offset)
        self._do("write", write, data=content, offset=offset)

    def xTruncate(self, newsize):  # noqa: N802
        self._do("truncate", partial(super().xTruncate, newsize), size=newsize)

    def xSync(self, flags):  # noqa: N802
        self._do("sync", partial(super().xSync, flags))

    def xFileSize(self):  # noqa: N802
        return self._do("size", super().xFileSize)

    def xLock(self, level):  # noqa: N802
        self._do("lock", partial(super().xLock, level))


def failure(code: int, message: str) -> apsw.Error:
    """Return what a call raises that fails with a code of SQLite."""
    error = apsw.IOError(message)
    error.result, error.extendedresult = code & 0xFF, code
    return error


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    """Turn errors into those of the standard library's module."""
    try:
        yield
    except apsw.Error as error:
        kind = error.result if hasattr(error, "result") else apsw.SQLITE_ERROR
        told = sqlite3.OperationalError(str(error))
        told.sqlite_errorcode = getattr(error, "extendedresult", kind)
        raise told from error


class Connection:
    """The part of `sqlite3.Connection` that run files need."""

    text_factory = str

    def __init__(self, uri: str, timeout: float, vfs: str) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        with _as_sqlite3():
            self._inner = apsw.Connection(uri, flags=flags, vfs=vfs)
            self._inner.set_busy_timeout(int(1000 * timeout))

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._inner.in_transaction)

    def note(self, status: os.stat_result) -> None:
        """Make nothing known: this SQLite knows nothing of the other one's locks."""

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> "Cursor":
        """Run one statement."""
        with _as_sqlite3():
            return Cursor(self._inner.execute(statement, values))

    def set_progress_handler(self, handler: Callable[[], bool] | None, n_steps: int) -> None:
        """Ask after every so many steps whether to go on."""
        self._inner.set_progress_handler(handler, n_steps)

    def close(self) -> None:
        """Give the file back."""
        with _as_sqlite3():
            self._inner.close(True)


class Cursor:
    """The part of `sqlite3.Cursor` that run files need."""

    def __init__(self, inner: apsw.Cursor) -> None:
        self._inner = inner

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        with _as_sqlite3():
            return self._inner.fetchone()

    def fetchmany(self, n_most: int) -> list[Any]:
        """Return the next rows."""
        with _as_sqlite3():
            return list(islice(self._inner, n_most))

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        with _as_sqlite3():
            return list(self._inner.fetchall())

    def __iter__(self) -> Iterator[Any]:
        """Return all rows that are left, one after the other."""
        return iter(self.fetchall())
