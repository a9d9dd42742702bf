"""One process writes a run file."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest
from waiting import wait_for

from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointLockedError,
    CheckpointStorageError,
    StaleLockWarning,
)
from nautilus.run.config import Config
from nautilus.run.state import new_state
from nautilus.runfile import Account, Clocks, RunStore, lock, new_header, read_run

HOLD = """
import sys
from nautilus.runfile import RunStore
store = RunStore.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
store.close()
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "run.db"
    RunStore.create(path, new_header(Config(2, 1)), new_state(2)).close()
    return path


@pytest.fixture
def holder(path):
    """Start another process that has the file open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield process
        if process.poll() is None:
            process.kill()


def owner_in(path):
    with closing(sqlite3.connect(path)) as connection:
        return lock.read_owner(connection)


def test_a_second_process_is_refused_and_told_who_has_the_file(path, holder):
    host = lock.this_process().host
    with pytest.raises(CheckpointLockedError, match=f"belongs to process {holder.pid} on {host}"):
        RunStore.open(path)
    assert read_run(path).state.n_like == 0
    holder.stdin.close()
    assert holder.wait() == 0
    RunStore.open(path).close()
    assert owner_in(path) is None


def test_what_a_killed_process_left_is_taken_over_with_a_warning(path, holder):
    holder.kill()
    holder.wait()
    with pytest.warns(StaleLockWarning, match=f"left by process {holder.pid} on"):
        RunStore.open(path).close()


def test_a_process_that_nobody_waited_for_has_ended(path, holder):
    holder.kill()
    wait_for(lambda: lock.process_started(holder.pid) == "ended")
    with pytest.warns(StaleLockWarning, match="taken over"):
        RunStore.open(path).close()


def test_whoever_lost_a_file_saves_nothing_more(path):
    with RunStore.open(path) as first:
        saved = first.load()
        with pytest.warns(StaleLockWarning, match="taken from process"):
            second = RunStore.open(path, take_over=True)
        with second:
            second.load()
            with pytest.raises(CheckpointLockedError, match="Nothing more is saved from here"):
                first.save(saved.state, Account(Clocks(5.0)))
            first.close()
            assert owner_in(path) == second._owner
    assert read_run(path).account.clocks == Clocks()


def test_this_process_cannot_open_a_file_twice(path):
    with (
        RunStore.open(path),
        pytest.raises(CheckpointLockedError, match="which is this process"),
    ):
        RunStore.open(path)


def test_what_this_process_could_not_give_back_it_opens_again(path, monkeypatch):
    def refuse(*_):
        raise CheckpointStorageError("the disk does not answer.")

    first = RunStore.open(path)
    with monkeypatch.context() as patch:
        patch.setattr(lock, "release", refuse)
        first.close()
    assert owner_in(path) == first._owner
    with pytest.raises(CheckpointLockedError, match="which is this process"):
        RunStore.open(path)
    RunStore.open(path, owner=first._owner).close()
    assert owner_in(path) is None


def test_a_fork_neither_saves_nor_gives_back(path, monkeypatch):
    with RunStore.open(path) as run_store:
        saved = run_store.load()
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            with pytest.raises(CheckpointLockedError, match=r"this process, 1, is a fork"):
                run_store.save(saved.state, Account())
            run_store.close()
        assert owner_in(path) == run_store._owner
        run_store._connection = sqlite3.connect(path, isolation_level=None)


def forge(path, owner):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM owner")
        row = (owner.host, owner.space, owner.pid, owner.started, owner.token)
        connection.execute("INSERT INTO owner VALUES (?, ?, ?, ?, ?)", row)


@pytest.mark.parametrize(
    "other", [{"host": "node17"}, {"space": "pid:[5]"}], ids=["host", "container"]
)
def test_of_processes_elsewhere_nothing_is_known(path, other):
    away = replace(lock.this_process(), pid=2**31 - 1, **other)
    forge(path, away)
    with pytest.raises(CheckpointLockedError, match=rf"{away.pid} on {away.host}.*take_over=True"):
        RunStore.open(path)
    with pytest.warns(StaleLockWarning, match=away.host):
        RunStore.open(path, take_over=True).close()


def test_a_number_that_another_process_has_now_is_no_excuse(path):
    """The process of the file is gone; its number, here that of this one, was given again."""
    forge(path, replace(lock.this_process(), started="another-boot 1"))
    with pytest.warns(StaleLockWarning, match="taken over"):
        RunStore.open(path).close()


def test_without_start_times_a_running_number_is_taken_for_the_process(path, monkeypatch):
    forge(path, replace(lock.this_process(), started=""))
    with pytest.raises(CheckpointLockedError, match="belongs to process"):
        RunStore.open(path)


def test_processes_of_other_accounts_count_as_running(monkeypatch):
    def refuse(*_):
        raise PermissionError

    me = lock.this_process()
    monkeypatch.setattr(os, "kill", refuse)
    assert lock.may_be_running(me, me)


@pytest.mark.parametrize(
    "values",
    ["5, '', 1, '', ''", "'', '', 0, '', ''", "'', '', 'x', '', ''", "'', '', 3000000000, '', ''"],
)
def test_owners_that_are_none(path, values):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM owner")
        connection.execute(f"INSERT INTO owner VALUES ({values})")
        connection.execute("UPDATE owner SET host = x'00' WHERE host = '5'")
    with pytest.raises(CheckpointDamagedError, match="owners cannot be read"):
        RunStore.open(path)


def test_start_times_tell_processes_apart():
    boot, ticks = lock.process_started(os.getpid()).split()
    assert lock.process_started(os.getpid()) == f"{boot} {ticks}"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        later_boot, later_ticks = lock.process_started(process.pid).split()
        process.communicate(b"\n")
    assert later_boot == boot
    assert int(later_ticks) > int(ticks) > 0
    assert not lock.process_started(2**31 - 1)
