"""File systems whose lock calls fail: what is told, and the switch that does without them."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nautilus import Sampler, load
from nautilus.errors import (
    CheckpointBusyError,
    CheckpointLockedError,
    CheckpointStorageError,
    SettingsError,
    StaleLockWarning,
)
from nautilus.runfile import Account, RunStore, file, names, new_header, read_run
from nautilus.runfile.file_locks import VARIABLE, address_of

KILL = """
import os, sys
from nautilus.runfile import Account, RunStore, writing
writing._progress = lambda *_: os.kill(os.getpid(), 9)
with RunStore.open(sys.argv[1]) as store:
    saved = store.load()
    store._written = writing.Written(mark=store._written.mark)
    store._connection.execute("PRAGMA cache_spill = 1")
    store._connection.execute("PRAGMA cache_size = 1")
    store.save(saved.state, Account())
"""


@pytest.fixture
def path(tmp_path, small_run, grown):
    path = tmp_path / "run.db"
    RunStore.create(path, new_header(small_run.config), grown[20]).close()
    return path


@pytest.fixture
def without_locks(monkeypatch):
    monkeypatch.setenv(VARIABLE, "none")


@pytest.fixture
def in_use(path):
    """Hold every lock that SQLite knows on the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield path


class TestWithoutLocks:
    @pytest.mark.usefixtures("without_locks")
    def test_a_run_is_kept_and_continued(self, tmp_path):
        path = tmp_path / "a name with spaces?#%.db"
        with Sampler(
            lambda u: u, lambda x: -(x[0] ** 2), 1, n_live=50, n_networks=0, seed=1, filepath=path
        ) as sampler:
            sampler.run(n_eff=100, n_like_max=120)
        with Sampler(
            lambda u: u, lambda x: -(x[0] ** 2), 1, n_live=50, n_networks=0, seed=1, filepath=path
        ) as sampler:
            assert sampler.n_like == 120
            sampler.run(n_eff=200)
        assert load(path).n_eff >= 200
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.usefixtures("without_locks")
    def test_nobody_waits_for_others(self, in_use, grown):
        assert read_run(in_use).state.n_like == grown[20].n_like
        with RunStore.open(in_use) as first:
            saved = first.load()
            first.save(saved.state, Account(stop_reason="here"))
            assert read_run(in_use).account.stop_reason == "here"
            # The name in the file is no lock of the file system.
            with pytest.raises(CheckpointLockedError, match="which is this process"):
                RunStore.open(in_use)

    @pytest.mark.parametrize("value", [None, "system"])
    def test_with_them_others_are_waited_for(self, value, in_use, monkeypatch):
        """Negative control of the test before."""
        if value is not None:
            monkeypatch.setenv(VARIABLE, value)
        monkeypatch.setattr(file, "BUSY_SECONDS", 0.01)
        for opened in (read_run, RunStore.open):
            with pytest.raises(CheckpointBusyError, match=f"another process.*{VARIABLE} to none"):
                opened(in_use)

    @pytest.mark.usefixtures("without_locks")
    def test_a_save_that_was_interrupted_is_undone_by_writers_alone(self, path, grown):
        """To a reader it might be a save that is going on."""
        killed = subprocess.run([sys.executable, "-c", KILL, path], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert Path(f"{path}-journal").stat().st_size > 0
        content = path.read_bytes()
        with pytest.raises(CheckpointStorageError, match="interrupted and has to be undone"):
            read_run(path)
        assert path.read_bytes() == content
        with pytest.warns(StaleLockWarning, match="taken over"), RunStore.open(path) as store:
            assert store.load().state.n_like == grown[20].n_like
        assert read_run(path).state.n_like == grown[20].n_like

    @pytest.mark.usefixtures("without_locks")
    def test_the_script_of_a_run_goes_on_after_a_kill_within_a_save(self, tmp_path, monkeypatch):
        path = tmp_path / "run.nautilus"
        settings = {"n_live": 50, "n_networks": 0, "seed": 1, "filepath": path}
        with Sampler(lambda u: u, lambda x: -(x[0] ** 2), 1, **settings) as sampler:
            sampler.run(n_eff=100, n_like_max=120)
        subprocess.run([sys.executable, "-c", KILL, path], check=False)
        assert Path(f"{path}-journal").stat().st_size > 0
        monkeypatch.setattr(names, "SAVE_SECONDS", 0.05)
        with pytest.warns(StaleLockWarning, match="taken over"):
            sampler = Sampler(lambda u: u, lambda x: -(x[0] ** 2), 1, **settings)
        with sampler:
            assert sampler.n_like == 120
            sampler.run(n_eff=200)
        assert list(tmp_path.iterdir()) == [path]

    def test_a_save_that_is_going_on_is_waited_for_and_not_undone(self, path, monkeypatch):
        journal = Path(f"{path}-journal")
        monkeypatch.setattr(names, "PAUSE_SECONDS", 0.0)
        for variable, pauses in (("none", 3), ("system", 0)):
            monkeypatch.setenv(VARIABLE, variable)
            journal.touch()
            left = [journal] + [path.with_name("another")] * 2
            monkeypatch.setattr(
                names.time, "sleep", lambda _, left=left: left.pop().unlink(missing_ok=True)
            )
            assert not names.needs_writer(path)
            assert len(left) == 3 - pauses


@pytest.mark.parametrize("value", ["", "no", "None", "SYSTEM", "0"])
def test_other_values_are_told_at_once(value, path, monkeypatch):
    monkeypatch.setenv(VARIABLE, value)
    for opened in (read_run, RunStore.open, load):
        with pytest.raises(SettingsError, match=rf'{VARIABLE} is {value!r}; give "system", "none"'):
            opened(path)
    with pytest.raises(SettingsError, match=VARIABLE):
        Sampler(lambda u: u, lambda x: 0.0, 1, filepath=path.with_name("new.nautilus"))
    Sampler(lambda u: u, lambda x: 0.0, 1).close()


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_addresses(system, monkeypatch):
    """No lock call at all is made only by a file system of SQLite that not every machine has."""
    monkeypatch.setattr("nautilus.runfile.file_locks.os.name", system)
    for writes in (True, False):
        assert address_of("file:///x", writes=writes, has_locks=True) == "file:///x?mode=rw"
    parts = [address_of("file:///x", writes=writes, has_locks=False) for writes in (True, False)]
    rest = "&nolock=1&vfs=unix-none" if system == "posix" else "&nolock=1"
    assert parts == [f"file:///x?mode=rw{rest}", f"file:///x?mode=ro{rest}"]


class Failing:
    """A connection on which transactions cannot begin."""

    in_transaction = False

    def __init__(self, code):
        self.error = sqlite3.OperationalError("disk I/O error")
        self.error.sqlite_errorcode = getattr(sqlite3, code)

    def execute(self, statement):
        if statement.startswith("BEGIN"):
            raise self.error
        return self

    def note(self, _):
        pass

    def set_progress_handler(self, *_):
        pass

    def fetchall(self):
        return []

    def close(self):
        pass


@pytest.mark.parametrize(
    ("code", "names_the_switch"),
    [
        ("SQLITE_IOERR_LOCK", True),
        ("SQLITE_IOERR_RDLOCK", True),
        ("SQLITE_IOERR_UNLOCK", True),
        ("SQLITE_IOERR_CHECKRESERVEDLOCK", True),
        ("SQLITE_PROTOCOL", True),
        ("SQLITE_BUSY", True),
        ("SQLITE_IOERR_READ", False),
        ("SQLITE_IOERR_FSYNC", False),
        ("SQLITE_FULL", False),
        ("SQLITE_READONLY", False),
        ("SQLITE_NOLFS", False),
    ],
)
def test_a_lock_call_that_fails_names_the_switch(code, names_the_switch, path, monkeypatch):
    monkeypatch.setattr(file, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Failing(code))
    error = CheckpointBusyError if code == "SQLITE_BUSY" else CheckpointStorageError
    for opened in (read_run, RunStore.open):
        with pytest.raises(error, match=str(path)) as caught:
            opened(path)
        assert (f"environment variable {VARIABLE} to none" in str(caught.value)) is names_the_switch
