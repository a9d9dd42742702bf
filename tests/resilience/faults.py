"""Calls to the file system that fail."""

import errno
from collections import Counter
from dataclasses import dataclass

import apsw
from disk import Disk, failure

from nautilus.errors import CheckpointBusyError, CheckpointError, CheckpointStorageError

CODES = {
    "open": apsw.SQLITE_CANTOPEN,
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "size": apsw.SQLITE_IOERR_FSTAT,
    "lock": apsw.SQLITE_IOERR_LOCK,
    "delete": apsw.SQLITE_IOERR_DELETE,
}
OF_THE_PACKAGE = ("create", "look", "link", "rename", "unlink", "fsync", "stat")


@dataclass
class Fault:
    """A rule by which the calls of a kind fail from the k-th on.

    Parameters
    ----------
    kind
        Of the calls, or "any".
    k
        The first that fails, counted from one.
    is_lasting
        Whether all later ones fail too.
    how
        Whether the call does nothing, all or half of its work before it fails.
    code
        What SQLite is told; None for what the kind suggests.
    """

    kind: str
    k: int
    is_lasting: bool = False
    how: str = "nothing"
    code: int | None = None
    n: int = 0

    def __call__(self, call, perform):
        if self.kind not in {call.kind, "any"}:
            return perform()
        self.n += 1
        if self.n < self.k or (self.n > self.k and not self.is_lasting):
            return perform()
        if self.how == "all":
            perform()
        elif self.how == "half":
            perform.func(call.data[: len(call.data) // 2], call.offset)
        if call.kind in OF_THE_PACKAGE:
            raise OSError(errno.EIO, "Input/output error")
        raise failure(self.code or CODES[call.kind], "made to fail")

    @property
    def expected(self):
        """The error that a user sees."""
        return CheckpointBusyError if self.code == apsw.SQLITE_BUSY else CheckpointStorageError

    def __str__(self):
        return f"{self.kind}-{self.k}-{self.how}-{self.is_lasting}-{self.code}"

    @property
    def was_reached(self):
        return self.n >= self.k


def error_of(function, *arguments):
    """Return the error that a function raises, if it is one of run files, or None."""
    try:
        function(*arguments)
    except CheckpointError as error:
        return error
    return None


def count_calls(folder, go):
    """Return how many calls of each kind are made when all goes well."""
    counts = Counter()

    def rule(call, perform):
        counts[call.kind] += 1
        return perform()

    disk = Disk(folder)
    disk.rule = rule
    with disk.mounted():
        go()
    return counts
