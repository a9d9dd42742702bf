"""A run that is killed again and again, and what its file has each time."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from logged_run import N_TEST, PRIOR, as_text
from waiting import wait_for

from nautilus.runfile import read_run
from nautilus.runfile.names import journal_of


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Parameters
    ----------
    pid
        Its number.
    status
        What it returned, or the negative number of a signal.
    """

    pid: int
    status: int


class KillServer:
    """The process that runs the processes to be killed; a context manager."""

    def __init__(self):
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("kill_server.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip

    def do(self, **job):
        """Let a process do a job and return how it ended."""
        self._process.stdin.write(f"{json.dumps(job)}\n")
        self._process.stdin.flush()
        return Ending(**json.loads(self._process.stdout.readline()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()


def wait_for_group(pid):
    """Wait until the workers of a process that was killed have noticed."""
    wait_for(lambda: not any(map(is_running, members_of(pid))))


def members_of(group):
    """Return the processes of a group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    return [process for process in psutil.process_iter() if group_of(process) == group]


def group_of(process):
    """Return the group of a process, or None if it has ended."""
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def is_running(process):
    """Tell whether a process has not ended; nobody may ever ask an orphan how it did."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Saved:
    """What a file has.

    Parameters
    ----------
    points
        Those that are evaluated, as the likelihood notes them.
    has_owner
        Whether a process has it open, or left it so.
    is_within
        Whether that process was killed inside a transaction.
    """

    points: frozenset[str] = frozenset()
    has_owner: bool = False
    is_within: bool = False


def look(path, folder):
    """Return what a run file has, from a copy, so that the next process finds it as it is."""
    is_within = any(name.stat().st_size for name in path.parent.glob("*-journal"))
    if not path.exists():
        return Saved(is_within=is_within)
    copy = folder / "copy.nautilus"
    for name, target in ((path, copy), (journal_of(path), journal_of(copy))):
        target.unlink(missing_ok=True)
        if name.exists():
            shutil.copyfile(name, target)
    state = read_run(copy, None).state
    unit = state.ledger.points
    if state.pending is not None:
        unit = np.concatenate([unit, state.pending.points[state.pending.is_done]])
    columns = PRIOR.unit_to_dictionary(unit).values()
    points = [as_text(point) for point in zip(*columns, strict=True)]
    assert len(set(points)) == len(points)
    with closing(sqlite3.connect(copy)) as connection:
        (n_owners,) = connection.execute("SELECT count(*) FROM owner").fetchone()
    return Saved(frozenset(points), n_owners == 1, is_within)


@dataclass(frozen=True)
class Lines:
    """What a process and its workers noted.

    Parameters
    ----------
    tried
        Points on which the likelihood was tried before the run.
    made
        Points that were evaluated for the run.
    is_begun
        Whether the run was begun, so that those before are complete.
    warnings
        Number of warnings, or None if the run did not end.
    result
        Bits of the result, or None if the run did not end.
    """

    tried: list[str]
    made: list[str]
    is_begun: bool
    warnings: int | None
    result: str | None


def parse(lines):
    """Return what the lines of one process say."""
    assert lines[0] == "begin"
    begun = lines.index("tried") if "tried" in lines else None
    points = [line for line in lines if line[0] in "-0"]
    n_tried = len(points) if begun is None else begun - 1
    told = dict(line.split(" ", 1) for line in lines if line.startswith(("warnings", "end")))
    n_warnings = int(told["warnings"]) if told else None
    return Lines(points[:n_tried], points[n_tried:], begun is not None, n_warnings, told.get("end"))


class Chain:
    """A run that is carried on by one process after another.

    Parameters
    ----------
    server
        Makes the processes.
    folder
        Where everything is kept.
    pool, n_recheck
        What the sampler is told.
    sleep
        Seconds that each call of the likelihood takes.

    Attributes
    ----------
    result
        Bits of the result, or None as long as the run is not at its end.
    n_repeated
        Calls that were made again because nothing had been saved of them.
    """

    def __init__(self, server, folder, pool=None, n_recheck=0, sleep=0.0):
        self._server = server
        self._folder, self._log = folder, folder / "log"
        self._path = folder / "run" / "run.nautilus"
        self._path.parent.mkdir()
        self._settings = {"pool": pool, "n_recheck": n_recheck, "sleep": sleep}
        self._saved, self._made = Saved(), set()
        self._n_read = 0
        self.n_repeated = 0
        self.result = None

    def go(self, stop, k=0, seconds=0.0, *, is_begun=False):
        """Carry the run on until it is killed or ends; return whether it was killed.

        Everything that is promised is seen to.
        """
        names = {"path": self._path, "log": self._log, "output": self._folder / "output"}
        ending = self._server.do(
            stop=stop, k=k, seconds=seconds, is_begun=is_begun, **self._settings,
            **{key: str(name) for key, name in names.items()},
        )  # fmt: skip
        wait_for_group(ending.pid)
        assert ending.status in {0, -signal.SIGKILL}, names["output"].read_text()
        lines = self._new_lines()
        if not lines:  # killed before it did anything
            return False
        self._check(parse(lines), look(self._path, self._folder))
        assert (ending.status == 0) == (self.result is not None)
        return ending.status != 0

    @property
    def n_saved(self):
        """How many evaluations the file has."""
        return len(self._saved.points)

    @property
    def n_lost(self):
        """How many evaluations were made of which nothing is saved."""
        return len(self._made - self._saved.points)

    @property
    def is_within(self):
        """Whether the last process was killed inside a transaction."""
        return self._saved.is_within

    def _new_lines(self):
        text = self._log.read_text() if self._log.exists() else ""
        new, self._n_read = text[self._n_read :], len(text)
        return new.splitlines()

    def _check(self, lines, saved):
        before = self._saved
        # No saved evaluation is lost, and none comes from nowhere.
        assert before.points <= saved.points <= self._made.union(lines.made)
        # None is made again, and no other twice by one process.
        assert before.points.isdisjoint(lines.made)
        assert len(set(lines.made)) == len(lines.made)
        self._check_trial(lines, before)
        if lines.result is not None:
            assert lines.warnings == int(before.has_owner)
            assert saved.points == self._made.union(lines.made)
        self.n_repeated += len(self._made.intersection(lines.made))
        self._made.update(lines.made)
        self._saved, self.result = saved, lines.result

    def _check_trial(self, lines, before):
        n_wanted = self._settings["n_recheck"] if before.points else N_TEST
        assert len(lines.tried) == n_wanted or not lines.is_begun
        assert not before.points or before.points.issuperset(lines.tried)
