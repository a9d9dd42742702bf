"""Locks that this process holds on run files, and how not to lose them.

On POSIX systems the locks of a file belong to the process, and all of them are lost as soon as it
closes any descriptor of that file. SQLite minds that among its own connections. A file that this
process has a connection to is therefore never opened by anything but SQLite.
"""

import os
import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

Identity = tuple[int, int]


@dataclass
class _State:
    # Reentrant, since a signal may be handled by something that reads a run file.
    lock: threading.RLock = field(default_factory=threading.RLock)
    n_connections: Counter[Identity] = field(default_factory=Counter)


_state = _State()


def _after_fork() -> None:
    # Another thread may have held the lock when the process forked; threads are not inherited.
    _state.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Connection(sqlite3.Connection):
    """A connection to a file that is known to this process from `note` to `close`."""

    _identity: Identity | None = None

    def note(self, status: os.stat_result) -> None:
        """Make known which file this is to; belongs before the first statement, which may lock."""
        with _state.lock:
            self._identity = _identity_of(status)
            _state.n_connections[self._identity] += 1

    def close(self) -> None:
        """Give the file back."""
        super().close()
        with _state.lock:
            identity, self._identity = self._identity, None
            if identity is not None:
                _state.n_connections[identity] -= 1
                _state.n_connections += Counter()  # drops what has none


def first_bytes(path: Path, n: int) -> bytes | None:
    """Return how a file begins, or None if this process has a connection to it.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with _state.lock:
        if _state.n_connections[_identity_of(path.stat())]:
            return None
        with path.open("rb") as file:
            return file.read(n)


def _identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
