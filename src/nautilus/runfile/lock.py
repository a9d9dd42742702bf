"""One process writes a run file; its name stands in the file.

A database alone would let two processes write in turns. So the process that opens a run file for
writing leaves a row with its host, number and start time, and removes it when it closes the file.
A row that was left by a process of this host that has ended is taken over. Of a process on another
host, or in another container, nothing is known: a person has to say that it has ended.
"""

import os
import socket
import sqlite3
import sys
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from secrets import token_hex
from typing import Literal

from nautilus._warn import warn_user
from nautilus.errors import CheckpointDamagedError, CheckpointLockedError, StaleLockWarning

PID_MAX = 2**31 - 1


@dataclass(frozen=True)
class Owner:
    """A process that writes a run file.

    Parameters
    ----------
    host
        Name of its machine.
    space
        Within which process numbers of this machine are told apart; empty if unknown.
    pid
        Its number.
    started
        What tells it from other processes of the same number; empty if unknown.
    token
        What tells this opening, and those that follow it, from others by the same process.
    """

    host: str
    space: str
    pid: int
    started: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process(before: Owner | None = None) -> Owner:
    """Return this process as the owner of a file that is being opened.

    Parameters
    ----------
    before
        The same as it was for an opening that is over; then it keeps its token.
    """
    pid = os.getpid()
    if before is not None and before.pid == pid:
        return before
    return Owner(socket.gethostname(), _space(), pid, process_started(pid), token_hex(8))


def take(connection: sqlite3.Connection, owner: Owner, *, take_over: bool) -> None:
    """Make a process the owner of a file; belongs into a transaction.

    Parameters
    ----------
    connection
        To the file.
    owner
        The process.
    take_over
        Whether a process that may still be running loses the file.

    Raises
    ------
    CheckpointLockedError
        If the file belongs to another process.
    """
    before = read_owner(connection)
    if before == owner:
        return  # it could not give the file back
    if before is not None and not take_over and may_be_running(before, owner):
        raise CheckpointLockedError(
            f"it belongs to {before}"
            f"{', which is this process' if before.pid == owner.pid else ''}. Wait for its end or"
            " close the file there; if you know that it has ended, open the file with"
            " take_over=True."
        )
    if before is not None:
        what = (
            f"taken from {before}, which may still be running and can save nothing more"
            if may_be_running(before, owner)
            else f"left by {before}, which did not close it, and is taken over"
        )
        warn_user(f"The run file was {what}. What it saved is there.", StaleLockWarning)
    connection.execute("DELETE FROM owner")
    connection.execute("INSERT INTO owner VALUES (?, ?, ?, ?, ?)", astuple(owner))


def verify(connection: sqlite3.Connection, owner: Owner) -> None:
    """Make sure that a file still belongs to a process; belongs into a transaction.

    Raises
    ------
    CheckpointLockedError
        If another one took it over, or if this is a fork of the process.
    """
    now = read_owner(connection)
    if os.getpid() != owner.pid:
        raise CheckpointLockedError(
            f"it was opened by {owner}, of which this process, {os.getpid()}, is a fork. Only that"
            " one saves."
        )
    if now != owner:
        raise CheckpointLockedError(
            f"it was opened by {owner} but belongs to {now or 'nobody'} now. Nothing more is saved"
            " from here; continue the run there."
        )


def release(connection: sqlite3.Connection, owner: Owner) -> None:
    """Remove the row of a process, if it is there; belongs into a transaction."""
    connection.execute("DELETE FROM owner WHERE token = ?", (owner.token,))


def read_owner(connection: sqlite3.Connection) -> Owner | None:
    """Return the process that a file belongs to, or None."""
    # Two are too many already.
    rows = connection.execute("SELECT host, space, pid, started, token FROM owner").fetchmany(2)
    if not rows:
        return None
    host, space, pid, started, token = rows[0]
    are_texts = all(isinstance(text, str) for text in (host, space, started, token))
    if len(rows) > 1 or not are_texts or not isinstance(pid, int) or not 0 < pid <= PID_MAX:
        raise CheckpointDamagedError("its table of owners cannot be read.")
    return Owner(host, space, pid, started, token)


def may_be_running(owner: Owner, seen_from: Owner) -> bool:
    """Tell whether a process may still be running, as far as another one can know."""
    if (owner.host, owner.space) != (seen_from.host, seen_from.space):
        return True
    if sys.platform == "win32":
        return True  # the call below would end the process there
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs under another account
    started = process_started(owner.pid)
    return not (started and owner.started) or started == owner.started


def fate_of(owner: Owner, seen_from: Owner) -> Literal["running", "ended", "unknown"]:
    """Say what became of a process, as far as another one can know."""
    if not may_be_running(owner, seen_from):
        return "ended"
    is_here = (owner.host, owner.space) == (seen_from.host, seen_from.space)
    return "running" if is_here and process_started(owner.pid) else "unknown"


def process_started(pid: int) -> str:
    """Return what tells a process from others of the same number, empty if it is not known.

    On Linux this is the time of its start in ticks since the machine's, and what tells this start
    of the machine from others.
    """
    with suppress(OSError, IndexError):
        # The name of the program, in brackets, may hold anything.
        told = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
        state, *values = told.split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return "ended" if state in {"Z", "X"} else f"{boot} {values[18]}"
    return ""


def _space() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""
