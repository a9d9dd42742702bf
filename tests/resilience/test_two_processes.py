"""Two processes on one file: the second one is refused, and has it when the first one is gone."""

import os
import re
import socket
import subprocess
import sys

import pytest
from logged_run import bits, log_l, make_sampler

import nautilus
from nautilus.errors import CheckpointLockedError, StaleLockWarning

N_LIKE = 260
"""Calls after which these runs end."""

SCRIPT = f"""
import sys
from logged_run import bits, log_l, make_sampler

n = 0

def wait_once(parameters):
    global n
    n += 1
    if n == 200:
        print("under way", flush=True)
        sys.stdin.readline()
    return log_l(parameters)

with make_sampler(wait_once, filepath=sys.argv[1]) as sampler:
    sampler.run(n_like_max={N_LIKE})
    print(bits(sampler), flush=True)
"""


@pytest.fixture(scope="module")
def expected():
    """Return the bits of the result of a run without a file."""
    with make_sampler(log_l) as sampler:
        sampler.run(n_like_max=N_LIKE)
        return bits(sampler)


@pytest.fixture
def path(tmp_path):
    """Return the name of the file."""
    return tmp_path / "run.nautilus"


@pytest.fixture
def first(path):
    """Return a process that has the file open and waits in a call of the likelihood."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, path], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "under way\n"
        yield process
        process.kill()


def test_the_second_one_is_refused_and_told_who_has_the_file(path, first, expected):
    host = re.escape(socket.gethostname())
    second = make_sampler(log_l, filepath=path)
    n_like = second.n_like
    assert 0 < n_like < N_LIKE
    assert nautilus.load(path).n_like == n_like
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(
            CheckpointLockedError,
            match=rf"run\.nautilus.*process {first.pid} on {host}.*Wait for its end or close",
        ):
            second.run(n_like_max=N_LIKE)
    assert path.read_bytes() == before
    assert second.n_like == n_like
    told, _ = first.communicate("go on\n")
    assert told.strip() == expected
    second.run(n_like_max=N_LIKE)
    assert bits(second) == expected


def test_what_a_killed_process_left_is_taken_over_with_a_warning(path, first, expected):
    first.kill()
    first.wait()
    with make_sampler(log_l, filepath=path) as second:
        with pytest.warns(StaleLockWarning, match=f"left by process {first.pid} on"):
            second.run(n_like_max=N_LIKE)
        assert bits(second) == expected
    # It was given back: no more warnings.
    make_sampler(log_l, filepath=path).run(n_like_max=N_LIKE)


def test_who_takes_the_file_from_a_process_that_runs_has_it(path, first, expected):
    with make_sampler(log_l, filepath=path, take_over=True) as second:
        with pytest.warns(StaleLockWarning, match=f"taken from process {first.pid} on .* running"):
            second.run(n_like_max=N_LIKE)
        assert bits(second) == expected
    first.stdin.write("go on\n")
    first.stdin.flush()
    # Its save fails, and it ends with an error.
    assert first.wait() == 1
    assert nautilus.load(path).n_like == N_LIKE
    with make_sampler(log_l, filepath=path) as sampler:
        assert bits(sampler) == expected


def test_one_process_cannot_open_a_file_twice(path, expected):
    refused = []

    def open_again(_):
        if path.exists() and not refused:
            with pytest.raises(CheckpointLockedError, match="which is this process"):
                make_sampler(log_l, filepath=path).run(n_like_max=N_LIKE)
            refused.append(True)

    with make_sampler(log_l, filepath=path) as sampler:
        sampler.run(n_like_max=N_LIKE, callback=open_again)
        assert refused
        assert bits(sampler) == expected
