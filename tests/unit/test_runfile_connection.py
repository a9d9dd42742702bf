"""Connections to a run file: locks that stay, transactions that end, waiting that can be ended."""

import multiprocessing
import os
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from nautilus.runfile import RunStore, file, new_header, own_locks, read_run

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
        assert own_locks.first_bytes(link, 16) == file.MAGIC

    def test_a_connection_that_fails_is_not_remembered(self, path, monkeypatch):
        monkeypatch.setattr(file, "limit_steps", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="by zero"):
            file.connect(path, writes=True)
        assert own_locks.first_bytes(path, 16) == file.MAGIC

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
            child.join(60)
            assert child.exitcode == 0
        finally:
            is_over.set()
            thread.join()
            child.kill()
