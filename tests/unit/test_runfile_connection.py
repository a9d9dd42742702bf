"""Connections to a run file: locks that stay, transactions that end, waiting that can be ended."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import SECONDS

from nautilus import Sampler
from nautilus.errors import CheckpointBusyError, CheckpointError, CheckpointStorageError
from nautilus.runfile import (
    Account,
    RunStore,
    file,
    meaning,
    names,
    new_header,
    own_locks,
    read_run,
)

ANOTHER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


@pytest.fixture
def path(tmp_path, small_run, grown):
    path = tmp_path / "run.db"
    RunStore.create(path, new_header(small_run.config), grown[20]).close()
    return path


def told_to_another_process(path):
    """Return what another process is told that wants to write."""
    command = [sys.executable, "-c", ANOTHER, str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class TestLocksOfThisProcess:
    def test_a_reader_in_the_same_process_does_not_drop_the_locks_of_a_save(self, path):
        with (
            closing(file.connect(path, writes=True)) as connection,
            file.transaction(connection, path, "IMMEDIATE"),
        ):
            assert told_to_another_process(path) == "database is locked"
            read_run(path, None)
            assert told_to_another_process(path) == "database is locked"
        assert told_to_another_process(path) == ""

    def test_a_file_is_known_under_all_its_names_until_its_last_connection_is_closed(self, path):
        link = path.with_name("link.db")
        link.symlink_to(path)
        first, second = file.connect(path, writes=True), file.connect(link, writes=False)
        assert own_locks.first_bytes(path, 16) is None
        first.close()
        first.close()
        assert own_locks.first_bytes(link, 16) is None
        second.close()
        assert own_locks.first_bytes(link, 16) == file.SQLITE_MAGIC

    def test_a_connection_that_fails_is_not_remembered(self, path, monkeypatch):
        monkeypatch.setattr(file, "limit_steps", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="by zero"):
            file.connect(path, writes=True)
        assert own_locks.first_bytes(path, 16) == file.SQLITE_MAGIC

    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_fork_does_not_wait_for_a_thread_it_does_not_have(self, path):
        is_held, is_over = threading.Event(), threading.Event()

        def hold():
            with own_locks._state.lock:
                is_held.set()
                is_over.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        is_held.wait()
        child = multiprocessing.get_context("fork").Process(target=read_run, args=(path, None))
        try:
            child.start()
            child.join(SECONDS)
            assert child.exitcode == 0
        finally:
            is_over.set()
            thread.join()
            child.kill()


class TestTransactions:
    def test_one_that_was_left_open_is_undone_by_the_next(self, path, grown):
        """As a signal leaves it between a commit that failed and what undoes it."""
        with RunStore.open(path) as store:
            state = store.load(None).state
            store._connection.execute("BEGIN IMMEDIATE")
            store._connection.execute("DELETE FROM progress")
            store.save(state, Account(stop_reason="here"))
            store._connection.execute("BEGIN")
            assert store.load(None).account.stop_reason == "here"
        assert read_run(path).state.n_like == grown[20].n_like

    @pytest.mark.parametrize("statements", ["BEGIN; BEGIN", "COMMIT", "ROLLBACK"])
    def test_a_mistake_with_them_is_no_damage(self, statements, path):
        with (
            closing(file.connect(path, writes=False)) as connection,
            pytest.raises(CheckpointError, match=rf"{path}: cannot .* transaction") as caught,
            meaning.translated(path),
        ):
            connection.executescript(statements)
        assert type(caught.value) is CheckpointError


class TestWaiting:
    @pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there are no such signals here")
    def test_signals_are_handled_while_others_have_the_file(self, path, monkeypatch):
        is_begun, is_handled, found = threading.Event(), threading.Event(), []
        main = threading.get_ident()

        def connect(*arguments, **settings):
            connection = sqlite3.connect(*arguments, **settings)
            connection.set_trace_callback(lambda _: is_begun.set())
            return connection

        def interrupt():
            assert is_begun.wait(SECONDS)
            for _ in range(3):  # the first may come before the waiting
                is_handled.clear()
                signal.pthread_kill(main, signal.SIGUSR1)
                found.append(is_handled.wait(SECONDS / 9))
            blocker.close()

        monkeypatch.setattr(
            file, "sqlite3", SimpleNamespace(**vars(sqlite3) | {"connect": connect})
        )
        monkeypatch.setattr(file, "BUSY_SECONDS", SECONDS)
        before = signal.signal(signal.SIGUSR1, lambda *_: is_handled.set())
        blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        thread = threading.Thread(target=interrupt)
        try:
            blocker.execute("BEGIN EXCLUSIVE")
            thread.start()
            read_run(path, None)
        finally:
            thread.join()
            signal.signal(signal.SIGUSR1, before)
        assert found == [True] * 3

    def test_a_statement_that_is_refused_at_once_is_tried_until_the_time_is_over(
        self, path, monkeypatch
    ):
        monkeypatch.setattr(file, "BUSY_SECONDS", 0.2)
        n_tried = []

        class Busy(own_locks.Connection):
            def execute(self, statement, *values):
                if statement == "COMMIT":
                    n_tried.append(1)
                    error = sqlite3.OperationalError("database is locked")
                    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                    raise error
                return super().execute(statement, *values)

        monkeypatch.setattr(file, "Connection", Busy)
        with pytest.raises(CheckpointBusyError, match=r"waited 60 s"), RunStore.open(path):
            pass
        assert len(n_tried) > 1

    @pytest.mark.parametrize("n_refused", [1, 5])
    @pytest.mark.parametrize("wanted", ["BEGIN IMMEDIATE", "BEGIN DEFERRED", "COMMIT"])
    def test_nothing_is_lost_by_waiting(self, wanted, n_refused, path, grown, monkeypatch):
        class Busy(own_locks.Connection):
            n_left = n_refused

            def execute(self, statement, *values):
                if statement == wanted and self.n_left:
                    self.n_left -= 1
                    error = sqlite3.OperationalError("database is locked")
                    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                    raise error
                return super().execute(statement, *values)

        with RunStore.open(path) as store:
            saved = store.load(None)
        monkeypatch.setattr(file, "Connection", Busy)
        with RunStore.open(path) as store:
            assert store.follow(saved.written)
            store.save(saved.state, Account(stop_reason="here"))
        assert read_run(path).account.stop_reason == "here"


class TestNames:
    @pytest.mark.parametrize("is_ours", [True, False])
    def test_a_link_that_was_made_and_is_reported_as_taken(
        self, is_ours, tmp_path, small_run, grown, monkeypatch
    ):
        """As by a network file system that repeats a request whose answer was lost."""

        def link(name, target):
            hardlink_to(name, target) if is_ours else name.touch()
            raise FileExistsError

        hardlink_to, path = Path.hardlink_to, tmp_path / "run.db"
        monkeypatch.setattr(Path, "hardlink_to", link)
        header = new_header(small_run.config)
        if is_ours:
            RunStore.create(path, header, grown[20]).close()
            assert read_run(path).state.n_like == grown[20].n_like
        else:
            with pytest.raises(CheckpointStorageError, match="exists and is not written over"):
                RunStore.create(path, header, grown[20])
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("n_bytes", [250, 300])
    def test_a_name_that_is_too_long(self, n_bytes, tmp_path):
        """The shorter one is taken by the file system, but not those beside it."""
        with pytest.raises(CheckpointStorageError, match=r"too long.*give a shorter one"):
            Sampler(lambda u: u, lambda x: 0.0, 1, filepath=tmp_path / ("x" * n_bytes))

    def test_a_path_that_is_too_long_for_sqlite(self, tmp_path, small_run, grown):
        folder = tmp_path.joinpath(*["x" * 100] * 5)
        folder.mkdir(parents=True)
        with pytest.raises(CheckpointStorageError, match="path is too long for SQLite"):
            RunStore.create(folder / "run.db", new_header(small_run.config), grown[20])
        assert list(folder.iterdir()) == []

    def test_a_link_leads_to_the_file_that_is_replaced(self, tmp_path):
        path, link = tmp_path / "folder" / "run.nautilus", tmp_path / "link.nautilus"
        path.parent.mkdir()
        link.symlink_to(Path("folder", "run.nautilus"))
        for seed in (1, 2):
            where = path if seed == 1 else link
            with Sampler(
                lambda u: u, lambda x: -x[0], 1, n_live=50, seed=seed, filepath=where, resume=False
            ) as sampler:
                sampler.run(n_like_max=60)
        assert link.is_symlink()
        assert read_run(path).header.config.seed == 2
        assert sorted(tmp_path.rglob("*")) == [path.parent, path, link]


@pytest.mark.skipif(names.fcntl is None, reason="there are no such calls here")
class TestMacOS:
    def test_what_is_written_reaches_the_disk_itself(self, path, small_run, grown, monkeypatch):
        synced = []
        monkeypatch.setattr(names.fcntl, "F_FULLFSYNC", 51, raising=False)
        monkeypatch.setattr(names.fcntl, "fcntl", lambda _, command: synced.append(command))
        monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("the disk may keep it in memory"))
        RunStore.create(path.with_name("other.db"), new_header(small_run.config), grown[20]).close()
        assert synced == [51]
        with closing(file.connect(path, writes=True)) as connection:
            assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)

    def test_a_file_system_that_cannot_do_so_is_synced_as_elsewhere(self, path, monkeypatch):
        synced = []

        def refuse(*_):
            raise OSError

        monkeypatch.setattr(names.fcntl, "F_FULLFSYNC", 51, raising=False)
        monkeypatch.setattr(names.fcntl, "fcntl", refuse)
        monkeypatch.setattr(os, "fsync", synced.append)
        names.set_aside(path, datetime(2030, 1, 31))  # noqa: DTZ001 - as people write it
        assert len(synced) == 1
