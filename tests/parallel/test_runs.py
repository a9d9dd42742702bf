"""Whole runs give the same bits on every pool, whatever happens to its workers."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest
import short_run
from pools import dask_client, processes

pytestmark = pytest.mark.timeout(120)


@contextmanager
def threads_and_processes():
    with ThreadPoolExecutor(2) as pool:
        yield pool, 2


POOLS = {
    "two": lambda: nullcontext(2),
    "four": lambda: nullcontext(4),
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: processes("spawn"),
    "dask": dask_client,
    "calls": lambda: nullcontext((2, None)),
    "own work": lambda: nullcontext((None, 2)),
    "two pools": threads_and_processes,
}


@pytest.mark.parametrize("name", POOLS)
def test_a_run_gives_the_bits_of_a_serial_run(name, expected):
    with POOLS[name]() as pool:
        assert short_run.run(pool=pool) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_run_of_which_a_worker_dies_gives_the_same_bits(tmp_path, expected):
    n_calls = 0
    flag = tmp_path / "died"

    def log_l(parameters):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 300 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return short_run.likelihood(parameters)

    assert short_run.run(log_l, pool=2) == expected
    assert flag.exists()
