"""Whole runs give the same bits on every pool, whatever happens to its workers."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest
import short_run
from pools import dask_client, processes


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


LONG = ("two", "four", "processes", "dask", "calls", "own work")
"""Pools that a run is carried on with each time, but computed with as a whole in long tests."""


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.long) if x in LONG else x for x in POOLS]
)
def test_a_run_gives_the_bits_of_a_serial_run(name, expected):
    with POOLS[name]() as pool:
        assert short_run.run(pool=pool) == expected


def test_a_run_that_goes_on_on_another_pool_each_time_gives_the_same_bits(expected, tmp_path):
    path, n_like = tmp_path / "run.nautilus", 0
    for open_pool in POOLS.values():
        n_like += 130
        with open_pool() as pool, short_run.make_sampler(pool=pool, filepath=path) as sampler:
            assert not sampler.run(n_eff=400, n_like_max=n_like)
            assert sampler.n_like == n_like
    assert short_run.run(filepath=path) == expected


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
