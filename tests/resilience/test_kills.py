"""A run is killed again and again: nothing saved is lost or made again; the result is the same."""

import math

import numpy as np
import pytest
from kills import Chain, KillServer
from logged_run import N_EFF, N_TEST, bits, log_l, make_sampler

KILLS = {
    "time": (3, 150), "call": (2, 60), "statement": (3, 100), "disk": (3, 120),
    "workers and time": (1, 30), "workers and call": (1, 20), "recheck": (1, 20),
}  # fmt: skip
"""How often a run is killed in which way: in the quick form, and of 500 in the long one."""

K_MAX = {"call": 500, "statement": 150, "disk": 1500}
"""Calls and statements before the end of a process: about half of those of a run."""


@pytest.fixture(scope="module")
def server():
    """Return what forks the processes."""
    with KillServer() as server:
        yield server


@pytest.fixture(scope="module")
def expected():
    """Return the bits of the result of a run that nothing disturbs."""
    with make_sampler(log_l) as sampler:
        assert sampler.run(n_eff=N_EFF)
        return bits(sampler)


@pytest.fixture
def rng(seed, request):
    """Return random numbers for a test."""
    return np.random.default_rng([seed, *request.node.name.encode()])


@pytest.fixture
def kill(server, tmp_path, expected, rng, count, n_kills):
    """Return the function that kills runs, each to its end, until there were so many kills."""

    def go(name, way, seconds=1.0, *, is_begun=False, **settings):
        few, share = KILLS[name]
        n_left, n_chains = math.ceil(share * n_kills / 500) or few, 0
        while n_left > 0:
            folder = tmp_path / f"{n_chains}"
            folder.mkdir()
            chain = Chain(server, folder, **settings)
            n_chains += 1
            while chain.result is None:
                k = int(rng.integers(1, K_MAX.get(way, 2)))
                stop = way if n_left > 0 else "nothing"
                was_killed = chain.go(stop, k, rng.uniform(0, seconds), is_begun=is_begun)
                n_left -= was_killed
                count("kills", was_killed)
                count("kills within", was_killed and chain.is_within)
                count("kills with workers", was_killed and "pool" in settings)
            assert chain.result == expected
            count("runs")
            count("repeated", chain.n_repeated)

    return go


@pytest.mark.parametrize("way", ["time", "call", "statement", "disk"])
def test_a_run_that_is_killed(way, kill):
    kill(way, way)


def test_a_run_that_looks_at_points_again(kill):
    kill("recheck", "time", n_recheck=5)


@pytest.mark.parametrize("way", ["time", "call"])
def test_a_run_with_workers(way, kill):
    kill(f"workers and {way}", way, pool=2, is_begun=True)


@pytest.mark.parametrize("k", [25, pytest.param(50, marks=pytest.mark.long)])
def test_only_what_was_under_way_is_lost(k, server, tmp_path, count):
    """A chunk takes 0.3 s: six calls, or fewer on a slow machine."""
    chain = Chain(server, tmp_path, sleep=0.05)
    assert chain.go("call", k)
    assert chain.n_saved + chain.n_lost == k - 1 - N_TEST
    assert chain.n_lost <= 6
    count("kills")
